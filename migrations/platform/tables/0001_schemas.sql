-- Roles and schemas.
--
-- Roles are those of a Supabase database (who a request acts as) and the group of the programs'
-- own. They belong to the whole cluster, and several databases (tests, side-by-side systems) may be
-- migrated in one cluster at the same moment. Their memberships and time limits, and the programs'
-- roles, are in sql/access.sql.

do $$
declare
    v_role record;
begin
    for v_role in
        select *
        from (values
            ('anon',          'nologin'),
            ('authenticated', 'nologin'),
            ('staff',         'nologin'),
            ('service_role',  'nologin bypassrls'),
            ('authenticator', 'login noinherit'),
            ('ffx_function',  'nologin')
        ) as r (name, attributes)
        where r.name not in (select rolname from pg_roles)
    loop
        begin
            execute format('create role %I %s', v_role.name, v_role.attributes);
        exception
            when duplicate_object or unique_violation then
                null;                       -- another database of this cluster was faster
        end;
    end loop;
end
$$;

create schema auth;
comment on schema auth is 'Users and the identity of the present request, as on Supabase.';
grant usage on schema auth to anon, authenticated, service_role;

create schema platform;
comment on schema platform is 'What every application stands on. Not for the data API.';
grant usage on schema platform to ffx_function, anon, authenticated, service_role;

-- Extensions have a schema of their own, as on Supabase.
create schema extensions;
comment on schema extensions is 'Objects of PostgreSQL extensions.';
create extension pgcrypto with schema extensions;

-- Access to tables in public is decided by row level security; who makes one narrows these rights.
-- Functions are closed until a grant beside them says who may call.
-- (staff is a member of authenticated, from sql/access.sql on.)
grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public
    grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public
    grant all on sequences to anon, authenticated, service_role;

-- Bounds of what anybody may write. Domains, because they are checked only when a column is set.
create domain public.short_text as text check (length(value) <= 200);
create domain public.medium_text as text check (length(value) <= 4000);
create domain public.long_text as text check (length(value) <= 200000);
create domain public.small_json as jsonb check (pg_column_size(value) <= 65536);
