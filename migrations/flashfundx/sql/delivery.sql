-- Delivery: one internal function hands out an account; everything that delivers calls it.

create or replace function backend.hand_out(p_order public.orders)
returns text
language plpgsql
as $$
declare
    v_delivered boolean;
    v_rules_id uuid;
    v_account public.account_container;
    v_phase text;
begin
    if p_order.payment_status <> 'paid' then
        return 'Order not paid';
    end if;
    select exists (
                select from public.delivered_accounts as d where d.order_id = p_order.order_id),
           (select r.id
            from public.trading_rules as r
            where r.account_type = p_order.account_type
              and r.account_size = p_order.account_size)
      into v_delivered, v_rules_id;
    if v_delivered or p_order.delivery_status = 'delivered' then
        return 'Order already delivered';
    end if;
    if v_rules_id is null then
        return 'No trading rules found';
    end if;

    v_account := backend.take_account(p_order.account_size, p_order.platform_type,
                                      p_order.order_id);
    if v_account.id is null then
        return 'No available accounts';
    end if;

    -- Before the account is written: its foreign key would lock the customer less than this does.
    update public.user_profiles as u
       set total_orders = u.total_orders + 1,
           total_spent = u.total_spent + p_order.final_amount
     where u.id = p_order.user_id and u.deleted_at is null;
    if not found then
        raise exception using
            errcode = '23503',
            message = 'The customer was deleted';
    end if;

    v_phase := case p_order.account_type
                   when 'instant' then 'live'
                   when 'two_step' then 'phase_1'
                   else 'challenge'
               end;
    insert into public.delivered_accounts
        (user_id, order_id, container_account_id, trading_rules_id, account_type, account_size,
         platform_type, server_name, login_id, password, investor_password, current_phase,
         challenge_status, phase_1_status, live_status, live_activated_at)
    values
        (p_order.user_id, p_order.order_id, v_account.id, v_rules_id, p_order.account_type,
         p_order.account_size, p_order.platform_type, v_account.server_name, v_account.login_id,
         v_account.password, v_account.investor_password, v_phase,
         case v_phase when 'challenge' then 'active' else 'pending' end,
         case v_phase when 'phase_1' then 'active' else 'pending' end,
         case v_phase when 'live' then 'active' else 'pending' end,
         case v_phase when 'live' then now() end);

    -- The payment columns come from the caller's record, so that a payment that is booked and
    -- delivered at once writes the order once.
    update public.orders as o
       set order_status = 'completed',
           payment_status = 'paid',
           delivery_status = 'delivered',
           paid_at = coalesce(p_order.paid_at, now()),
           delivered_at = now(),
           payment_provider = p_order.payment_provider,
           payment_provider_id = p_order.payment_provider_id,
           crypto_currency = p_order.crypto_currency,
           crypto_amount = p_order.crypto_amount,
           crypto_address = p_order.crypto_address
     where o.id = p_order.id;
    return null;
end
$$;
comment on function backend.hand_out(public.orders) is
    'Hands the oldest matching account to a paid order; null, or why not. The caller holds the '
    'order''s row lock and passes the row; its payment columns are written with the delivery.';

create or replace function backend.try_delivery(p_order public.orders)
returns text
language plpgsql
as $$
declare
    v_detail text;
begin
    return backend.hand_out(p_order);
exception
    -- Something in the tables contradicts this delivery. What the caller has written, above all
    -- the payment, must not be lost with it; lost locks and the like are the caller's to repeat.
    when integrity_constraint_violation or data_exception or raise_exception then
        get stacked diagnostics v_detail = pg_exception_detail;
        perform backend.open_review('delivery_error', p_order.order_id,
            p_order.payment_provider_id,
            jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate, 'detail', v_detail));
        return 'Delivery failed: ' || sqlerrm;
end
$$;
comment on function backend.try_delivery(public.orders) is
    'hand_out for callers with more to keep than the delivery: a contradiction in the tables '
    'becomes a review and an error in the result instead of an exception.';

create or replace function backend.delivery_answer(p_order_id text, p_error text)
returns jsonb
language plpgsql volatile               -- sees what the same statement delivered
as $$
begin
    if p_error is not null then
        return jsonb_build_object('success', false, 'error', p_error);
    end if;
    return (
        select jsonb_build_object(
            'success', true,
            'delivered_account_id', d.id,
            'account_details', jsonb_build_object(
                'login_id', d.login_id,
                'server_name', d.server_name,
                'platform_type', d.platform_type,
                'account_size', trim_scale(d.account_size),
                'account_type', d.account_type,
                'current_phase', d.current_phase,
                'trading_rules', to_jsonb(r)))
        from public.delivered_accounts as d
        join public.trading_rules as r on r.id = d.trading_rules_id
        where d.order_id = p_order_id);
end
$$;
comment on function backend.delivery_answer(text, text) is
    'What hand_out did, as JSON, without passwords (see with_credentials).';

create or replace function public.deliver_account_to_user(p_order_id text, p_user_id uuid)
returns jsonb
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_order public.orders;
begin
    perform platform.require_duty('deliver accounts', 'support', 'finance');
    select *
      into v_order
      from public.orders as o
     where o.order_id = p_order_id
       and o.user_id = p_user_id
       for update;
    if not found then
        return jsonb_build_object('success', false, 'error', 'Order not found');
    end if;
    return backend.with_credentials(
        backend.delivery_answer(p_order_id, backend.hand_out(v_order)));
end
$$;
comment on function public.deliver_account_to_user(text, uuid) is
    'Delivers a paid order: {success, delivered_account_id, account_details} or {success, error}. '
    'For support, finance and service_role.';
grant execute on function public.deliver_account_to_user(text, uuid) to staff, service_role;

create or replace function backend.has_account(p_order public.orders)
returns boolean
language sql stable
as $$
    select p_order.delivery_status = 'delivered'
        or exists (
            select from public.delivered_accounts as d where d.order_id = p_order.order_id)
$$;
comment on function backend.has_account(public.orders) is
    'Whether the customer has the account, by a program or half done by hand.';

create or replace function backend.suspend_account(p_order_id text)
returns boolean
language plpgsql
as $$
begin
    update public.delivered_accounts as d
       set account_status = 'suspended'
     where d.order_id = p_order_id and d.account_status = 'active';
    return found;
end
$$;
comment on function backend.suspend_account(text) is
    'Suspends the account that was delivered for an order; false when none was active.';

-- Trying it out: test-delivery --------------------------------------------------------------------

create or replace function backend.delivery_checks(p_order public.orders)
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

create or replace function backend.test_delivery(
    p_order_id text,
    p_deliver  boolean,
    p_staff_id uuid default null,
    p_claims   jsonb default null)
returns table (result jsonb)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_order public.orders;
    v_delivery jsonb;
begin
    if p_staff_id is not null
       and not (platform.staff_has_duty(p_staff_id, p_claims, 'support', 'finance')
                -- A real delivery shows the passwords.
                and (not p_deliver or platform.factor_is_fresh(p_staff_id, p_claims))) then
        return next;
        return;
    end if;
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
            (coalesce((select u.email from auth.users as u where u.id = p_staff_id),
                      'service_role'), 'DELIVER', 'orders', p_order_id,
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
comment on function backend.test_delivery(text, boolean, uuid, jsonb) is
    'The tests object of test-delivery (without environment_check). Delivers really only when '
    'p_deliver; otherwise the delivery is rolled back and its credentials are masked. Null: '
    'p_staff_id, for whom the call is, has no duty for it, or has to use a second factor first.';
grant execute on function backend.test_delivery(text, boolean, uuid, jsonb) to fn_test_delivery;
