-- The roles of send-outbox and send-email, as in 0015.

create function pg_temp.cluster_do(p_sql text)
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

create function pg_temp.make_function_role(p_role text)
returns void
language plpgsql
as $$
declare
    v_setting text;
begin
    if not exists (select from pg_roles where rolname = p_role) then
        perform pg_temp.cluster_do(format('create role %I nologin', p_role));
    end if;
    if not exists (
        select
        from pg_auth_members as m
        where m.roleid = 'ffx_function'::regrole and m.member = p_role::regrole)
    then
        perform pg_temp.cluster_do(format('grant ffx_function to %I', p_role));
    end if;
    foreach v_setting in array array[
        'statement_timeout=5s', 'lock_timeout=3s', 'idle_in_transaction_session_timeout=10s']
    loop
        if not exists (
            select
            from pg_db_role_setting as d
            where d.setrole = p_role::regrole
              and d.setdatabase = 0
              and v_setting = any (d.setconfig))
        then
            perform pg_temp.cluster_do(format('alter role %I set %s = %L', p_role,
                split_part(v_setting, '=', 1), split_part(v_setting, '=', 2)));
        end if;
    end loop;
end
$$;

select pg_temp.make_function_role('fn_send_outbox');
select pg_temp.make_function_role('fn_send_email');
drop function pg_temp.make_function_role(text);
drop function pg_temp.cluster_do(text);

revoke all on function
        backend.order_words(public.orders),
        backend.mail_customer(text, text, public.orders, uuid),
        backend.mail_delivery(),
        backend.mail_payment(),
        backend.mail_review(),
        backend.outbox_pause(integer),
        backend.outbox_tries_max(),
        backend.outbox_message_id(public.outbox, text),
        backend.outbox_bury(uuid, text),
        backend.outbox_credentials(public.outbox),
        backend.outbox_claim(integer, text, text),
        backend.outbox_sent(uuid, text),
        backend.outbox_failed(uuid, integer, text),
        backend.send_email(uuid, text, text, text, text, text),
        backend.outbox_replay(uuid[], boolean)
    from public;

grant execute on function backend.outbox_claim(integer, text, text) to fn_send_outbox;
grant execute on function backend.send_email(uuid, text, text, text, text, text) to fn_send_email;
grant execute on function
        backend.outbox_sent(uuid, text),
        backend.outbox_failed(uuid, integer, text)
    to fn_send_outbox, fn_send_email;

revoke all on function public.replay_outbox(uuid) from public, anon;
grant execute on function public.replay_outbox(uuid) to authenticated, service_role;
