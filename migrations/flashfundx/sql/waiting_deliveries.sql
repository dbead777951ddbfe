-- Orders that are paid and wait: for stock in the order of payment, or aside for another reason.
-- The program deliver-waiting claims one and delivers it, each in a transaction of its own.

create or replace function backend.waits_for_stock(p_order public.orders)
returns boolean
language sql immutable
as $$
    select p_order.payment_status = 'paid'
       and p_order.delivery_status = 'pending'
       and p_order.order_status = 'processing'
$$;
comment on function backend.waits_for_stock(public.orders) is
    'Whether an order in the queue still has to be delivered.';

create or replace function backend.deliver_or_queue(p_order public.orders)
returns text
language plpgsql
as $$
declare
    v_error text := 'No available accounts';
    v_waits boolean;
begin
    -- Whoever paid earlier is served earlier: nobody overtakes the queue, which mostly is empty.
    v_waits := exists (
            select
            from public.waiting_deliveries as w
            where w.account_size = p_order.account_size
              and w.platform_type = p_order.platform_type
              and w.parked_at is null);
    if v_waits then
        v_waits := exists (
            select
            from public.waiting_deliveries as w
            where w.account_size = p_order.account_size
              and w.platform_type = p_order.platform_type
              and w.parked_at is null
              and (select backend.waits_for_stock(o)
                   from public.orders as o
                   where o.order_id = w.order_id));
    end if;
    if not v_waits then
        v_error := backend.try_delivery(p_order);
    end if;
    if v_error is not null then
        perform backend.set_aside(p_order, v_error);
    end if;
    return v_error;
end
$$;
comment on function backend.deliver_or_queue(public.orders) is
    'Delivers an order whose payment is finished, or puts it into the queue for stock; null, or '
    'why it was not delivered.';

create or replace function backend.set_aside(p_order public.orders, p_reason text)
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

create or replace function backend.claim_waiting()
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
grant execute on function backend.claim_waiting() to fn_deliver_waiting;

create or replace function backend.deliver_waiting(p_order_id text)
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
grant execute on function backend.deliver_waiting(text) to fn_deliver_waiting;
