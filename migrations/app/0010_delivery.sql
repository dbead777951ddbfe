-- Delivery: one internal function hands out an account; everything that delivers calls it.

create function backend.take_account(
    p_account_size  numeric,
    p_platform_type text,
    p_order_id      text)
returns public.account_container
language plpgsql
-- The stock is walked along account_container_next_idx, whatever the statistics say: oldest first
-- without sorting, and without meeting accounts that left the stock.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
declare
    v_account public.account_container;
begin
    -- SKIP LOCKED: concurrent deliveries take different accounts instead of queueing for one.
    select *
      into v_account
      from public.account_container as c
     where c.status = 'available'
       and c.account_size = p_account_size
       and c.platform_type = p_platform_type
     order by c.created_at, c.id
     limit 1
       for update skip locked;
    if found then
        update public.account_container as c
           set status = 'delivered',
               reserved_for_order_id = p_order_id,
               reserved_at = now()
         where c.id = v_account.id;
    end if;
    return v_account;
end
$$;
comment on function backend.take_account(numeric, text, text) is
    'Takes the oldest available account of a size and platform out of the stock; null without one.';

create function backend.deliver_locked_order(p_order public.orders)
returns jsonb
language plpgsql
as $$
declare
    v_rules public.trading_rules;
    v_account public.account_container;
    v_phase text;
    v_delivered_id uuid;
begin
    if p_order.payment_status <> 'paid' then
        return jsonb_build_object('success', false, 'error', 'Order not paid');
    end if;
    if p_order.delivery_status = 'delivered' then
        return jsonb_build_object('success', false, 'error', 'Order already delivered');
    end if;

    select *
      into v_rules
      from public.trading_rules as r
     where r.account_type = p_order.account_type
       and r.account_size = p_order.account_size;
    if not found then
        return jsonb_build_object('success', false, 'error', 'No trading rules found');
    end if;

    perform from public.user_profiles as u where u.id = p_order.user_id for no key update;

    v_account := backend.take_account(p_order.account_size, p_order.platform_type,
                                      p_order.order_id);
    if v_account.id is null then
        return jsonb_build_object('success', false, 'error', 'No available accounts');
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
        (p_order.user_id, p_order.order_id, v_account.id, v_rules.id, p_order.account_type,
         p_order.account_size, p_order.platform_type, v_account.server_name, v_account.login_id,
         v_account.password, v_account.investor_password, v_phase,
         case v_phase when 'challenge' then 'active' else 'pending' end,
         case v_phase when 'phase_1' then 'active' else 'pending' end,
         case v_phase when 'live' then 'active' else 'pending' end,
         case v_phase when 'live' then now() end)
    returning id into v_delivered_id;

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

    update public.user_profiles as u
       set total_orders = u.total_orders + 1,
           total_spent = u.total_spent + p_order.final_amount
     where u.id = p_order.user_id;

    return jsonb_build_object(
        'success', true,
        'delivered_account_id', v_delivered_id,
        'account_details', jsonb_build_object(
            'login_id', v_account.login_id,
            'password', v_account.password,
            'investor_password', v_account.investor_password,
            'server_name', v_account.server_name,
            'platform_type', p_order.platform_type,
            'account_size', trim_scale(p_order.account_size),
            'account_type', p_order.account_type,
            'current_phase', v_phase,
            'trading_rules', to_jsonb(v_rules)));
end
$$;
comment on function backend.deliver_locked_order(public.orders) is
    'Hands the oldest matching account to a paid order. The caller holds the order''s row lock and '
    'passes the row; its payment columns are written with the delivery.';

create function public.deliver_account_to_user(p_order_id text, p_user_id uuid)
returns jsonb
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_order public.orders;
begin
    if backend.caller_role() in ('anon', 'authenticated') and not public.is_admin() then
        raise exception using
            errcode = '42501',
            message = 'Only administrators may deliver accounts';
    end if;
    select *
      into v_order
      from public.orders as o
     where o.order_id = p_order_id
       and o.user_id = p_user_id
       for update;
    if not found then
        return jsonb_build_object('success', false, 'error', 'Order not found');
    end if;
    return backend.deliver_locked_order(v_order);
end
$$;
comment on function public.deliver_account_to_user(text, uuid) is
    'Delivers a paid order: {success, delivered_account_id, account_details} or {success, error}. '
    'For administrators and service_role.';

create function public.get_available_accounts_count()
returns table (account_size numeric, platform_type text, available_count bigint)
language sql stable security definer
set search_path = pg_catalog, public, pg_temp
as $$
    select c.account_size, c.platform_type, count(*)
    from public.account_container as c
    where c.status = 'available'
    group by c.account_size, c.platform_type
    order by c.account_size, c.platform_type
$$;
comment on function public.get_available_accounts_count() is
    'How many accounts of each size and platform are in stock.';

revoke all on function public.deliver_account_to_user(text, uuid),
        public.get_available_accounts_count()
    from public, anon;
grant execute on function public.deliver_account_to_user(text, uuid),
        public.get_available_accounts_count()
    to authenticated, service_role;

create function backend.waits_for_stock(p_order public.orders)
returns boolean
language sql immutable
as $$
    select p_order.payment_status = 'paid'
       and p_order.delivery_status = 'pending'
       and p_order.order_status = 'processing'
$$;
comment on function backend.waits_for_stock(public.orders) is
    'Whether an order in the queue still has to be delivered.';

create function backend.deliver_next_waiting()
returns table (order_id text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
#variable_conflict use_column
declare
    v_order public.orders;
    v_result jsonb;
begin
    -- Locks the order, not the queue: what moves an order holds that lock too.
    select o.*
      into v_order
      from public.waiting_deliveries as w
      join public.orders as o on o.order_id = w.order_id
     where backend.waits_for_stock(o)
       and exists (
            select
            from public.account_container as c
            where c.status = 'available'
              and c.account_size = w.account_size
              and c.platform_type = w.platform_type)
       and exists (
            select
            from public.trading_rules as r
            where r.account_type = w.account_type
              and r.account_size = w.account_size)
     order by w.paid_at, w.order_id
     limit 1
       for update of o skip locked;
    if not found then
        -- Time to tidy: who was delivered, refunded or cancelled by hand no longer waits.
        delete from public.waiting_deliveries as w
         using public.orders as o
         where o.order_id = w.order_id and not backend.waits_for_stock(o);
        return;
    end if;
    v_result := backend.deliver_locked_order(v_order);
    if v_result ->> 'success' = 'true' then
        delete from public.waiting_deliveries as w where w.order_id = v_order.order_id;
        order_id := v_order.order_id;
        return next;
    end if;
end
$$;
comment on function backend.deliver_next_waiting() is
    'Delivers at most one waiting order, in the order of payment, and returns its id; no row when '
    'none can be delivered now.';
