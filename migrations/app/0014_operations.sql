-- What the remaining programs need: delivery test, webhook log, schedules, health.

create function backend.delivery_checks(p_order public.orders)
returns jsonb
language sql stable
as $$
    -- Everything before the delivery itself. Stock is shown with its credentials masked, always:
    -- it belongs to somebody else's next order.
    select jsonb_build_object(
        'order_check', jsonb_build_object('success', true, 'order', to_jsonb(p_order)),
        'trading_rules_check', (
            select jsonb_build_object(
                'success', count(*) > 0,
                'rules', coalesce(jsonb_agg(to_jsonb(r)), '[]'),
                'searched_for', jsonb_build_object(
                    'account_type', p_order.account_type,
                    'account_size', trim_scale(p_order.account_size)))
            from public.trading_rules as r
            where r.account_type = p_order.account_type
              and r.account_size = p_order.account_size),
        'available_accounts_check', (
            select jsonb_build_object(
                'success', count(*) > 0,
                'accounts', coalesce(jsonb_agg(
                    to_jsonb(c) || '{"login_id": "***", "password": "***",
                                     "investor_password": "***"}'
                    order by c.created_at, c.id), '[]'),
                'searched_for', jsonb_build_object(
                    'account_size', trim_scale(p_order.account_size),
                    'platform_type', p_order.platform_type,
                    'status', 'available'))
            from (
                select *
                from public.account_container as a
                where a.status = 'available'
                  and a.account_size = p_order.account_size
                  and a.platform_type = p_order.platform_type
                order by a.created_at, a.id
                limit 5) as c))
$$;
comment on function backend.delivery_checks(public.orders) is
    'Order, trading rules and stock as test-delivery shows them, credentials masked.';

create function backend.test_delivery(p_order_id text, p_deliver boolean)
returns table (result jsonb)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_order public.orders;
    v_delivery jsonb;
begin
    select * into v_order from public.orders as o where o.order_id = p_order_id for update;
    if not found then
        result := jsonb_build_object('order_check', jsonb_build_object(
            'success', false, 'order', null, 'error', 'Order not found'));
        return next;
        return;
    end if;
    result := backend.delivery_checks(v_order);

    if p_deliver then
        v_delivery := backend.with_credentials(
            backend.delivery_answer(p_order_id, backend.try_delivery(v_order)));
        insert into public.admin_audit_log
            (admin_email, action_type, table_name, record_id, new_values, description)
        values
            ('service_role', 'DELIVER', 'orders', p_order_id,
             jsonb_build_object('success', v_delivery -> 'success', 'error', v_delivery -> 'error'),
             'delivered through test-delivery');
    else
        -- The real delivery, undone: what it returns is kept, what it did is not.
        begin
            v_delivery := backend.delivery_answer(p_order_id, backend.try_delivery(v_order));
            raise exception using errcode = 'FFX00', message = 'dry run';
        exception
            when sqlstate 'FFX00' then
                if v_delivery ? 'account_details' then
                    v_delivery := jsonb_set(v_delivery, '{account_details}',
                        v_delivery -> 'account_details' || '{"login_id": "***",
                            "password": "***", "investor_password": "***"}');
                end if;
        end;
    end if;
    result := result || jsonb_build_object('delivery_function_test', jsonb_build_object(
        'success', v_delivery -> 'success',
        'dry_run', not coalesce(p_deliver, false),
        'result', v_delivery));
    return next;
end
$$;
comment on function backend.test_delivery(text, boolean) is
    'The tests object of test-delivery (without environment_check). Delivers really only when '
    'p_deliver; otherwise the delivery is rolled back and its credentials are masked.';

create function backend.cut_bytes(p_text text, p_bytes integer)
returns text
language plpgsql immutable
as $$
declare
    v_bytes bytea := convert_to(p_text, 'UTF8');
    v_length integer := p_bytes;
begin
    if octet_length(v_bytes) <= p_bytes then
        return p_text;
    end if;
    while v_length > 0 and get_byte(v_bytes, v_length) & 192 = 128 loop
        v_length := v_length - 1;           -- not in the middle of a character
    end loop;
    return convert_from(substring(v_bytes from 1 for v_length), 'UTF8');
end
$$;
comment on function backend.cut_bytes(text, integer) is
    'The beginning of a text, at most so many bytes of UTF-8.';

create function backend.log_webhook_call(
    p_request_id  text,
    p_method      text,
    p_query       text,
    p_headers     text,
    p_body        text,
    p_remote_addr text)
returns table (received_at text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
#variable_conflict use_column
declare
    v_id bigint;
begin
    insert into public.webhook_debug_calls as c
        (request_id, method, query, headers, body, body_bytes, remote_addr, received_at)
    values
        (left(p_request_id, 100), left(p_method, 20), backend.cut_bytes(p_query, 2048),
         case when octet_length(p_headers) <= 16384
              then p_headers else '{"truncated": true}' end::json,
         backend.cut_bytes(p_body, 8192), coalesce(octet_length(p_body), 0),
         left(p_remote_addr, 100), clock_timestamp())
    returning c.id, backend.iso_utc(c.received_at) into v_id, received_at;
    -- Numbers are given out one by one, so this leaves at most the last 100, without counting.
    delete from public.webhook_debug_calls as c where c.id <= v_id - 100;
    return next;
end
$$;
comment on function backend.log_webhook_call(text, text, text, text, text, text) is
    'Keeps a call for debugging: the last 100, query cut at 2 KiB, body at 8 KiB.';

create function backend.claim_schedule(p_name text, p_every_ms integer)
returns table (claimed boolean)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_last timestamptz;
begin
    claimed := false;
    -- Nobody waits for another process: who does not get the lock at once has lost the period.
    if p_every_ms > 0
       and pg_try_advisory_xact_lock(hashtextextended('schedule ' || p_name, 0)) then
        select s.claimed_at into v_last from public.schedules as s where s.name = p_name;
        -- Periods are counted from the epoch, so that timers that drift do not skip one.
        if v_last is null
           or floor(extract(epoch from v_last) * 1000 / p_every_ms)
              < floor(extract(epoch from v_now) * 1000 / p_every_ms)
        then
            insert into public.schedules as s (name, every_ms, claimed_at)
            values (p_name, p_every_ms, v_now)
            on conflict (name) do update
               set every_ms = excluded.every_ms,
                   claimed_at = excluded.claimed_at,
                   runs = s.runs + 1;
            claimed := true;
        end if;
    end if;
    return next;
end
$$;
comment on function backend.claim_schedule(text, integer) is
    'True for exactly one process per period and name.';

create function backend.health()
returns table (migration text, "time" text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select
        (select a.part || '/' || a.name
         from migrations.applied as a
         order by a.applied_at desc, a.part desc, a.name desc
         limit 1),
        to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
comment on function backend.health() is 'The newest migration and the time of the database.';
