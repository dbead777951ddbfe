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
    update public.account_container as c
       set status = 'delivered',
           reserved_for_order_id = p_order_id,
           reserved_at = now()
     where c.id = (
            select s.id
            from public.account_container as s
            where s.status = 'available'
              and s.account_size = p_account_size
              and s.platform_type = p_platform_type
              -- Handed out by hand and still listed as available: it is somebody's already.
              and not exists (
                    select
                    from public.delivered_accounts as d
                    where d.container_account_id = s.id)
            order by s.created_at, s.id
            limit 1
              for update of s skip locked)
    returning c.* into v_account;
    return v_account;
end
$$;
comment on function backend.take_account(numeric, text, text) is
    'Takes the oldest available account of a size and platform out of the stock; null without one.';

create function backend.hand_out(p_order public.orders)
returns text
language plpgsql
as $$
declare
    v_rules_id uuid;
    v_account public.account_container;
    v_phase text;
begin
    if p_order.payment_status <> 'paid' then
        return 'Order not paid';
    end if;
    if p_order.delivery_status = 'delivered'
       or exists (
            select from public.delivered_accounts as d where d.order_id = p_order.order_id) then
        return 'Order already delivered';
    end if;

    select r.id
      into v_rules_id
      from public.trading_rules as r
     where r.account_type = p_order.account_type
       and r.account_size = p_order.account_size;
    if not found then
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
     where u.id = p_order.user_id;

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

create function backend.try_delivery(p_order public.orders)
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

create function backend.delivery_answer(p_order_id text, p_error text)
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

create function backend.set_aside(p_order public.orders, p_reason text)
returns void
language plpgsql
as $$
begin
    if p_reason = 'Order already delivered' then
        -- The order says pending, delivered_accounts says otherwise: half done by hand.
        perform backend.open_review('delivered_by_hand', p_order.order_id,
            p_order.payment_provider_id, '{}');
        delete from public.waiting_deliveries as w where w.order_id = p_order.order_id;
        return;
    end if;
    insert into public.waiting_deliveries as w
        (order_id, account_type, account_size, platform_type, paid_at, reason, parked_at)
    values
        (p_order.order_id, p_order.account_type, p_order.account_size, p_order.platform_type,
         coalesce(p_order.paid_at, now()), p_reason,
         case when p_reason <> 'No available accounts' then now() end)
    on conflict (order_id) do update
       set reason = excluded.reason, parked_at = excluded.parked_at, tries = 0,
           lease_until = null;
end
$$;
comment on function backend.set_aside(public.orders, text) is
    'Puts an order that could not be delivered into the queue: in line when only stock is missing, '
    'beside it otherwise; not at all when the account was handed out by hand.';

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
    return backend.with_credentials(
        backend.delivery_answer(p_order_id, backend.hand_out(v_order)));
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

create function backend.leave_queue()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
begin
    if new.payment_status <> 'paid' or new.delivery_status <> 'pending'
       or new.order_status <> 'processing' then
        delete from public.waiting_deliveries as w where w.order_id = new.order_id;
    end if;
    return null;
end
$$;
comment on function backend.leave_queue() is
    'Trigger: an order that was delivered, refunded or cancelled, by whomever, waits no longer.';

create trigger orders_leave_queue
    after update on public.orders
    for each row
    -- Short: the condition of a trigger is parsed again for every statement.
    when (old.payment_status = 'paid' and old.delivery_status = 'pending')
    execute function backend.leave_queue();

create function backend.stock_kinds()
returns table (account_size numeric, platform_type text)
language sql stable
as $$
    -- From one kind to the next along account_container_next_idx: a few index probes, however much
    -- is in stock, and a single one when nothing is.
    with recursive kind as (
        (select c.account_size, c.platform_type
         from public.account_container as c
         where c.status = 'available'
         order by c.account_size, c.platform_type
         limit 1)
        union all
        select n.account_size, n.platform_type
        from kind as k
        cross join lateral (
            select c.account_size, c.platform_type
            from public.account_container as c
            where c.status = 'available'
              and (c.account_size, c.platform_type) > (k.account_size, k.platform_type)
            order by c.account_size, c.platform_type
            limit 1) as n)
    select k.account_size, k.platform_type from kind as k
$$;
comment on function backend.stock_kinds() is 'The sizes and platforms that are in stock.';

create function backend.stock_left(p_account_size numeric, p_platform_type text)
returns boolean
language plpgsql
set enable_seqscan = off                -- as take_account
set enable_bitmapscan = off
as $$
begin
    perform
       from public.account_container as c
      where c.status = 'available'
        and c.account_size = p_account_size
        and c.platform_type = p_platform_type
        and not exists (
            select from public.delivered_accounts as d where d.container_account_id = c.id)
      limit 1
        for update of c skip locked;
    return found;
end
$$;
comment on function backend.stock_left(numeric, text) is
    'Whether take_account would find one now.';

create function backend.claim_waiting()
returns table (order_id text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
-- Everything is walked along its index, whatever the statistics say: ten thousand orders may wait.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off                           -- the few heads are sorted, which now seems dear
as $$
#variable_conflict use_column
declare
    c_most_tries constant integer := 5;
    v_kind record;
    v_waiting public.waiting_deliveries;
    v_order public.orders;
begin
    -- Who stands aside is tried again, a few at a time.
    update public.waiting_deliveries as w
       set parked_at = null
     where w.order_id = any (array(
            select p.order_id
            from public.waiting_deliveries as p
            where p.parked_at < now() - interval '1 minute'
            order by p.parked_at
            limit 10
              for update skip locked));

    -- The heads of the queues that have stock, whoever paid first before the others.
    for v_kind in
        select s.account_size, s.platform_type
        from backend.stock_kinds() as s
        cross join lateral (
            select w.paid_at, w.order_id
            from public.waiting_deliveries as w
            where w.account_size = s.account_size
              and w.platform_type = s.platform_type
              and w.parked_at is null
            order by w.paid_at, w.order_id
            limit 1) as h
        order by h.paid_at, h.order_id
    loop
        continue when not backend.stock_left(v_kind.account_size, v_kind.platform_type);
        for v_waiting in
            select w.*
            from public.waiting_deliveries as w
            where w.account_size = v_kind.account_size
              and w.platform_type = v_kind.platform_type
              and w.parked_at is null
              and (w.lease_until is null or w.lease_until < clock_timestamp())
            order by w.paid_at, w.order_id
        loop
            -- Locks the order, not the queue: what moves an order holds that lock too.
            select *
              into v_order
              from public.orders as o
             where o.order_id = v_waiting.order_id
               for update skip locked;
            continue when not found;
            if not backend.waits_for_stock(v_order) then
                delete from public.waiting_deliveries as w where w.order_id = v_order.order_id;
                continue;
            end if;
            if v_waiting.tries >= c_most_tries then
                -- Each try took its process or its backend along: a human decides, and until then
                -- nobody tries.
                update public.waiting_deliveries as w
                   set parked_at = 'infinity', lease_until = null,
                       reason = 'delivery did not return'
                 where w.order_id = v_order.order_id;
                perform backend.open_review('delivery_error', v_order.order_id,
                    v_order.payment_provider_id,
                    jsonb_build_object('error', 'delivery did not return',
                                       'tries', v_waiting.tries));
                continue;
            end if;
            update public.waiting_deliveries as w
               set tries = w.tries + 1, lease_until = clock_timestamp() + interval '30 seconds'
             where w.order_id = v_order.order_id;
            order_id := v_order.order_id;
            return next;
            return;
        end loop;
    end loop;
end
$$;
comment on function backend.claim_waiting() is
    'The waiting order that is to be delivered now, in the order of payment; no row when there is '
    'none. The try is counted and the order leased for 30 seconds: one whose delivery kills the '
    'process stops nobody behind it, and is set aside for a human after five tries.';

create function backend.deliver_waiting(p_order_id text)
returns table (result text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
#variable_conflict use_column
declare
    v_order public.orders;
begin
    select *
      into v_order
      from public.orders as o
     where o.order_id = p_order_id
       for update skip locked;
    result := case
        when not found then 'held'
        when not backend.waits_for_stock(v_order)
             or not exists (
                select from public.waiting_deliveries as w where w.order_id = p_order_id)
            then 'gone'
    end;
    if result is null then
        result := coalesce(backend.try_delivery(v_order), 'delivered');
    end if;
    if result in ('held', 'No available accounts') then
        -- Somebody has the order, or took the last account since the claim. That is no try.
        update public.waiting_deliveries as w
           set tries = w.tries - 1,
               lease_until = case result when 'held'
                                  then clock_timestamp() + interval '1 second' end
         where w.order_id = p_order_id and w.tries > 0;
    elsif result not in ('delivered', 'gone') then
        perform backend.set_aside(v_order, result);
    end if;
    return next;
end
$$;
comment on function backend.deliver_waiting(text) is
    'Delivers an order that claim_waiting gave out. Result: delivered, gone (nothing to deliver), '
    'held (somebody has the order), or why not; then it is set aside for a minute, unless only '
    'stock is missing.';
