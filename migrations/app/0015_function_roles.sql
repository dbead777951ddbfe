-- One role per program, with the right to run its own SQL functions and no other.
--
-- The roles cannot log in until the deployment gives each its password. They own nothing and have
-- no right on any table: the functions are SECURITY DEFINER.

create function backend.cluster_do(p_sql text)
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
comment on function backend.cluster_do(text) is
    'For migrations: runs a statement about roles while other databases of the cluster do the same.';

create function backend.make_program_role(
    p_role     text,
    p_settings text[] default array['statement_timeout=5s', 'lock_timeout=3s',
                                    'idle_in_transaction_session_timeout=10s'])
returns void
language plpgsql
as $$
declare
    v_setting text;
begin
    if not exists (select from pg_roles where rolname = p_role) then
        perform backend.cluster_do(format('create role %I nologin', p_role));
    end if;
    if not exists (
        select
        from pg_auth_members as m
        where m.roleid = 'ffx_function'::regrole and m.member = p_role::regrole)
    then
        perform backend.cluster_do(format('grant ffx_function to %I', p_role));
    end if;
    foreach v_setting in array p_settings loop
        if not exists (
            select
            from pg_db_role_setting as d
            where d.setrole = p_role::regrole
              and d.setdatabase = 0
              and v_setting = any (d.setconfig))
        then
            perform backend.cluster_do(format('alter role %I set %s = %L', p_role,
                split_part(v_setting, '=', 1), split_part(v_setting, '=', 2)));
        end if;
    end loop;
end
$$;
comment on function backend.make_program_role(text, text[]) is
    'For migrations: the database role of a program, with its time limits; makes what is missing.';

do $$
begin
    if not exists (select from pg_roles where rolname = 'ffx_function') then
        perform backend.cluster_do('create role ffx_function nologin');
    end if;
end
$$;

select backend.make_program_role(r)
from unnest(array[
    'fn_create_crypto_payment', 'fn_payment_webhook', 'fn_check_payment_status',
    'fn_test_delivery', 'fn_webhook_debug', 'fn_health', 'fn_deliver_waiting', 'fn_sandbox']) as r;

-- New functions may be run by everybody unless somebody says otherwise. Nobody may, then each
-- role gets its own.
revoke all on all functions in schema backend from public;

grant usage on schema backend to ffx_function;
grant execute on function backend.claim_schedule(text, integer) to ffx_function;

grant execute on function
        backend.begin_payment(uuid, uuid, text, text, numeric, text, text, text, numeric, numeric),
        backend.attach_invoice(uuid, text, text),
        backend.attach_payment(uuid, text, text, text, text, numeric, text, text, numeric, text,
                               text, text, text, text, text),
        backend.fail_payment_attempt(uuid, text, text)
    to fn_create_crypto_payment;

grant execute on function
        backend.record_payment_event(text, text, text, text, text, text, text, text, text, text,
                                     numeric, numeric, numeric, text, numeric, text, text)
    to fn_payment_webhook, fn_check_payment_status;

grant execute on function backend.payment_status(uuid, text) to fn_check_payment_status;

grant execute on function backend.test_delivery(text, boolean) to fn_test_delivery;

grant execute on function backend.log_webhook_call(text, text, text, text, text, text)
    to fn_webhook_debug;

grant execute on function backend.claim_waiting(), backend.deliver_waiting(text)
    to fn_deliver_waiting;

grant execute on function backend.health() to fn_health;
