-- The roles of reconcile and payment-history, made as in 0015.

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

select pg_temp.make_function_role('fn_reconcile');
select pg_temp.make_function_role('fn_payment_history');

drop function pg_temp.make_function_role(text);
drop function pg_temp.cluster_do(text);

revoke all on function
        backend.check_due_at(public.payments, boolean, interval),
        backend.payments_to_check(integer, integer),
        backend.record_payment_check(text, text, text),
        backend.settle_attempts(integer),
        backend.request_reconciliation(timestamptz),
        backend.claim_reconciliation(),
        backend.payments_to_compare(bigint, integer),
        backend.note_difference(bigint, text, text, text, text, text, uuid, text, text, text, text),
        backend.compare_figures(public.payments, jsonb),
        backend.compare_payment(bigint, text, text, boolean, text),
        backend.unknown_payments(bigint, integer, text),
        backend.books_differences(timestamptz),
        backend.heal_books(bigint, text, text),
        backend.finish_reconciliation(bigint),
        backend.pause_reconciliation(bigint, text, text),
        backend.related_rows(text, text[], text[]),
        backend.pick(jsonb, text[]),
        backend.event_evidence(jsonb),
        backend.delivery_evidence(public.delivered_accounts),
        backend.history_payments(text),
        backend.history_entries(text[], text[]),
        backend.payment_history(text)
    from public;

grant execute on function
        backend.payments_to_check(integer, integer),
        backend.record_payment_check(text, text, text),
        backend.settle_attempts(integer),
        backend.claim_reconciliation(),
        backend.payments_to_compare(bigint, integer),
        backend.compare_payment(bigint, text, text, boolean, text),
        backend.unknown_payments(bigint, integer, text),
        backend.finish_reconciliation(bigint),
        backend.pause_reconciliation(bigint, text, text),
        backend.record_payment_event(text, text, text, text, text, text, text, text, text, text,
                                     numeric, numeric, numeric, text, numeric, text, text)
    to fn_reconcile;

grant execute on function backend.payment_history(text) to fn_payment_history;
