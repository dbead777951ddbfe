-- The roles of a Supabase database: who a request acts as.
--
-- Roles belong to the whole cluster, and several databases (tests, side-by-side systems) may be
-- migrated in one cluster at the same moment. Every statement here is therefore safe to repeat,
-- and safe to run against itself.

create function pg_temp.cluster_do(p_sql text)
returns void
language plpgsql
as $$
begin
    for attempt in 1..50 loop
        begin
            execute p_sql;
            return;
        exception
            when duplicate_object or unique_violation then
                return;                     -- another database of this cluster was faster
            when internal_error then        -- "tuple concurrently updated"
                perform pg_sleep(0.05);
        end;
    end loop;
    raise exception 'could not run "%": another migration keeps changing the roles', p_sql;
end
$$;

do $$
declare
    v_role record;
begin
    for v_role in
        select * from (values
            ('anon',          'nologin'),
            ('authenticated', 'nologin'),
            ('service_role',  'nologin bypassrls'),
            ('authenticator', 'login noinherit')
        ) as r (name, attributes)
    loop
        if not exists (select from pg_roles where rolname = v_role.name) then
            perform pg_temp.cluster_do(format('create role %I %s', v_role.name, v_role.attributes));
        end if;
    end loop;

    -- What the data API connects as may become the three request roles, and is none of them.
    for v_role in
        select r.name
        from unnest(array['anon', 'authenticated', 'service_role']) as r (name)
        where not exists (
            select
            from pg_auth_members as m
            join pg_roles as granted on granted.oid = m.roleid
            join pg_roles as member on member.oid = m.member
            where granted.rolname = r.name and member.rolname = 'authenticator')
    loop
        perform pg_temp.cluster_do(format('grant %I to authenticator', v_role.name));
    end loop;
end
$$;

-- Time limits as on Supabase. SET ROLE does not apply them; the data API does so itself.
do $$
declare
    v_setting record;
begin
    for v_setting in
        select *
        from (values
            ('anon',          'statement_timeout', '3s'),
            ('authenticated', 'statement_timeout', '8s'),
            ('authenticator', 'statement_timeout', '8s'),
            ('authenticator', 'lock_timeout',      '8s')
        ) as s (role, name, value)
        where not exists (
            select
            from pg_db_role_setting as d
            join pg_roles as r on r.oid = d.setrole
            where r.rolname = s.role
              and d.setdatabase = 0
              and format('%s=%s', s.name, s.value) = any (d.setconfig))
    loop
        perform pg_temp.cluster_do(format('alter role %I set %s = %L',
            v_setting.role, v_setting.name, v_setting.value));
    end loop;
end
$$;

drop function pg_temp.cluster_do(text);

-- Access to public is decided by row level security; the application part narrows these rights
-- table by table.
grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public
    grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public
    grant all on sequences to anon, authenticated, service_role;
alter default privileges in schema public
    grant all on functions to anon, authenticated, service_role;
