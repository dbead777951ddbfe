-- Who acts: a database role for each program, and who the present caller is.
--
-- A program's role cannot log in until the deployment gives it a password. It owns nothing, has no
-- right on any table and may execute its own SQL functions only: these are SECURITY DEFINER with a
-- fixed search_path, and their grants stand beside them. Topics are applied in the order of their
-- names: access.sql is the first, because grants name the roles it makes.

-- Roles -------------------------------------------------------------------------------------------

create or replace function platform.cluster_do(p_sql text)
returns void
language plpgsql
as $$
begin
    -- Roles belong to the cluster; another database may be migrated at the same moment.
    for attempt in 1..50 loop
        begin
            execute p_sql;
            return;
        exception
            when duplicate_object or unique_violation then
                return;
            when internal_error then        -- "tuple concurrently updated"
                perform pg_sleep(0.05);
        end;
    end loop;
    raise exception 'could not run "%": another migration keeps changing the roles', p_sql;
end
$$;
comment on function platform.cluster_do(text) is
    'For migrations: runs a statement about roles while other databases of the cluster do so too.';

create or replace function platform.make_role(
    p_role       text,
    p_attributes text,
    p_groups     text[],
    p_settings   text[])
returns void
language plpgsql
as $$
declare
    v_text text;
begin
    if not exists (select from pg_roles where rolname = p_role) then
        perform platform.cluster_do(format('create role %I %s', p_role, p_attributes));
    end if;
    foreach v_text in array p_groups loop
        if not exists (
            select
            from pg_auth_members as m
            where m.roleid = v_text::regrole and m.member = p_role::regrole)
        then
            perform platform.cluster_do(format('grant %I to %I', v_text, p_role));
        end if;
    end loop;
    foreach v_text in array p_settings loop
        if not exists (
            select
            from pg_db_role_setting as d
            where d.setrole = p_role::regrole
              and d.setdatabase = 0
              and v_text = any (d.setconfig))
        then
            perform platform.cluster_do(format('alter role %I set %s = %L', p_role,
                split_part(v_text, '=', 1), split_part(v_text, '=', 2)));
        end if;
    end loop;
end
$$;
comment on function platform.make_role(text, text, text[], text[]) is
    'For migrations: makes what is missing of a role, its memberships and its settings.';

create or replace function platform.make_program_role(
    p_role     text,
    p_settings text[] default array['statement_timeout=5s', 'lock_timeout=3s',
                                    'idle_in_transaction_session_timeout=10s'])
returns void
language sql
as $$
    select platform.make_role(p_role, 'nologin', array['ffx_function'],
                              p_settings || array['log_min_duration_statement=1000'])
$$;
comment on function platform.make_program_role(text, text[]) is
    'For migrations: the database role of a program, with its time limits; makes what is missing. '
    'Its slow statements are logged, for it types no values into them (see logging.sql).';

select platform.make_program_role(r)
from unnest(array['fn_health', 'fn_send_outbox', 'fn_send_email', 'fn_auth']) as r;

-- Requests: what the data API connects as may become the request roles, and is none of them. Staff
-- have what people have, and policies and functions of their own. Time limits as on Supabase. SET ROLE does not apply
-- them; the data API does so itself.
select platform.make_role('anon', 'nologin', '{}', array['statement_timeout=3s']),
       platform.make_role('authenticated', 'nologin', '{}', array['statement_timeout=8s']),
       platform.make_role('staff', 'nologin', array['authenticated'],
                          array['statement_timeout=8s']),
       platform.make_role('authenticator', 'login noinherit',
                          array['anon', 'authenticated', 'staff', 'service_role'],
                          array['statement_timeout=8s', 'lock_timeout=8s']);

-- Our own data API connects as its program's role, which is to the request roles what authenticator
-- is: it inherits nothing, so what every program may is granted to it by name (runtime.sql).
select platform.make_role('fn_rest', 'nologin noinherit',
                          array['anon', 'authenticated', 'staff', 'service_role'],
                          array['statement_timeout=5s', 'lock_timeout=3s',
                                'idle_in_transaction_session_timeout=10s',
                                'log_min_duration_statement=1000']);

-- Callers -----------------------------------------------------------------------------------------

create or replace function platform.caller_role()
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(nullif(current_setting('role', true), 'none'), session_user::text)
$$;
comment on function platform.caller_role() is
    'The role a statement was sent as, also inside SECURITY DEFINER functions (current_user is '
    'the owner there).';

create or replace function platform.caller_name()
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_role text := platform.caller_role();
    v_email text;
begin
    if v_role in ('authenticated', 'staff') then
        select u.email into v_email from auth.users as u where u.id = auth.uid();
        return coalesce(v_email, auth.email(), auth.uid()::text, v_role);
    end if;
    return v_role;
end
$$;
comment on function platform.caller_name() is
    'Who acts, for the audit: a person''s e-mail address, else the database role.';

create or replace function platform.caller_ip()
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    -- What a program got from the proxy in front of it, and set for this transaction; never a header,
    -- which anybody can send. A direct connection has an address of its own.
    select left(coalesce(
        nullif(current_setting('platform.caller_ip', true), ''), host(inet_client_addr())), 100)
$$;
comment on function platform.caller_ip() is
    'Where the request came from, for the audit: what the program in front set as '
    'platform.caller_ip, from the address of the connection as the trusted proxy saw it.';
