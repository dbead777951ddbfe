-- The steps of record_payment_event that have a name of their own, and the read side.

create function backend.order_of_payment(
    p_payment_id        text,
    p_parent_payment_id text,
    p_invoice_id        text)
returns text
language sql stable
as $$
    select coalesce(
        (select p.order_id from public.payments as p where p.payment_id = p_payment_id),
        (select p.order_id from public.payments as p where p.payment_id = p_parent_payment_id),
        (select a.order_id
         from public.payment_attempts as a
         where a.invoice_id = nullif(p_invoice_id, '')
         order by a.created_at
         limit 1))
$$;
comment on function backend.order_of_payment(text, text, text) is
    'The order of an event that came without one: by payment, parent payment or invoice.';

create function backend.has_live_payment(p_order_id text, p_except_payment_id text)
returns boolean
language plpgsql stable
as $$
begin
    return exists (
        select
        from public.payments as p
        where p.order_id = p_order_id
          and p.payment_id <> p_except_payment_id
          and p.parent_payment_id is null
          and p.status in ('waiting', 'confirming', 'confirmed', 'sending', 'partially_paid',
                           'finished'));
end
$$;
comment on function backend.has_live_payment(text, text) is
    'Whether another payment of the order may still pay it: then one that fails does not end it.';

create function backend.was_decided(p_order_id text, p_payment_id text)
returns boolean
language plpgsql stable
as $$
begin
    -- To have a dead event tried again decides nothing about its money.
    return exists (
        select
        from public.reviews as r
        where r.order_id = p_order_id
          and r.payment_id = p_payment_id
          and r.state = 'resolved'
          and r.resolved_by is distinct from 'events'
          and not (r.kind = 'event_dead' and r.resolution = 'accept'));
end
$$;
comment on function backend.was_decided(text, text) is
    'Whether a human has decided on a payment, for example paid it back: no program does after that.';

create function backend.payment_that_pays(p_order public.orders, p_except_payment_id text)
returns public.payments
language sql stable
as $$
    select p.*
    from public.payments as p
    where p.order_id = p_order.order_id
      and p.payment_id <> p_except_payment_id
      and p.parent_payment_id is null
      and p.status = 'finished'
      and backend.payment_problem('finished', p_order, p, p.actually_paid, p.pay_amount,
                                  p.price_amount, p.price_currency) is null
      and not backend.was_decided(p.order_id, p.payment_id)
    order by p.created_at
    limit 1
$$;
comment on function backend.payment_that_pays(public.orders, text) is
    'Another payment that finished and is enough for the order, whose row is passed as unpaid.';

create function backend.count_instead(
    p_order      public.orders,
    p_payment_id text,
    p_former_id  text,
    p_status     text)
returns void
language plpgsql
as $$
begin
    perform backend.count_payment(p_order, p_payment_id);
    update public.reviews as r
       set state = 'resolved',
           resolution = format('counted for the order, because payment %s is %s', p_former_id,
                               p_status),
           resolved_by = 'events',
           resolved_at = now()
     where r.order_id = p_order.order_id
       and r.payment_id = p_payment_id
       and r.kind = 'paid_twice'
       and r.state = 'open';
end
$$;
comment on function backend.count_instead(public.orders, text, text, text) is
    'Counts and books a payment that had looked like a second one, after the first one failed or '
    'went back.';

create function backend.record_event_without_order(
    p_source              text,
    p_raw                 text,
    p_payment_id          text,
    p_parent_payment_id   text,
    p_order_id            text,
    p_status              text,
    p_actually_paid       numeric,
    p_provider_updated_at text)
returns table (
    outcome text, order_id text, order_status text, payment_status text, delivery_status text)
language plpgsql
as $$
#variable_conflict use_column
declare
    v_event_id bigint;
begin
    insert into public.payment_events as e
        (payment_id, status, actually_paid, order_id, parent_payment_id, outcome, source, raw,
         provider_updated_at)
    values
        (p_payment_id, p_status, p_actually_paid, left(nullif(p_order_id, ''), 200),
         p_parent_payment_id, 'order_not_found', p_source, p_raw, p_provider_updated_at)
    on conflict on constraint payment_events_effect_key do update
       set outcome = excluded.outcome, state = 'done', next_try_at = null, done_at = now()
     where e.state <> 'done'
    returning e.id into v_event_id;
    perform backend.event_revived(p_payment_id, v_event_id);
    if p_status not in ('waiting', 'confirming', 'failed', 'expired') then
        perform backend.open_review('order_not_found', left(nullif(p_order_id, ''), 200),
            p_payment_id, jsonb_build_object('status', p_status, 'actually_paid', p_actually_paid));
    end if;
    outcome := 'order_not_found';
    return next;
end
$$;
comment on function backend.record_event_without_order(text, text, text, text, text, text, numeric,
        text) is
    'Keeps an event whose order does not exist; when it tells of money, somebody has to look.';

create function backend.book_payment(
    p_order          public.orders,
    p_payment        public.payments,
    p_status         text,
    p_review         text,
    p_actually_paid  numeric,
    p_pay_amount     numeric,
    p_price_amount   numeric,
    p_price_currency text)
returns void
language plpgsql
as $$
declare
    v_response jsonb := jsonb_strip_nulls(jsonb_build_object(
        'payment_id', p_payment.payment_id,
        'payment_status', p_status,
        'actually_paid', p_actually_paid,
        'pay_amount', p_pay_amount,
        'pay_currency', p_payment.pay_currency,
        'price_amount', p_price_amount,
        'price_currency', p_price_currency));
    -- "completed" is money counted for the order; money under review stays "processing".
    v_state text := case
        when p_status = 'waiting' then 'pending'
        when p_status = 'finished' and p_review is null and p_payment.counted then 'completed'
        when p_status in ('failed', 'expired') then 'failed'
        else 'processing'
    end;
    v_processed_at timestamptz := case when v_state in ('completed', 'failed') then now() end;
begin
    -- The order's row lock keeps others from inserting the same; mostly the row is there.
    update public.payment_transactions as t
       set provider_status = p_status,
           provider_response = v_response,
           status = case t.status when 'completed' then 'completed' else v_state end,
           processed_at = coalesce(t.processed_at, v_processed_at)
     where t.provider = 'nowpayments'
       and t.provider_transaction_id = p_payment.payment_id
       and t.transaction_type = 'payment';
    if not found then
        insert into public.payment_transactions
            (order_id, user_id, transaction_type, amount, currency, provider,
             provider_transaction_id, provider_status, provider_response, status, processed_at)
        values
            (p_order.order_id, p_order.user_id, 'payment', p_order.final_amount, p_order.currency,
             'nowpayments', p_payment.payment_id, p_status, v_response, v_state, v_processed_at);
    end if;
end
$$;
comment on function backend.book_payment(public.orders, public.payments, text, text, numeric,
        numeric, numeric, text) is
    'Writes the transaction row of a payment.';

create function backend.deliver_or_queue(p_order public.orders)
returns text
language plpgsql
as $$
declare
    v_error text := 'No available accounts';
begin
    -- Whoever paid earlier is served earlier: nobody overtakes the queue, which mostly is empty.
    if not exists (
            select
            from public.waiting_deliveries as w
            where w.account_size = p_order.account_size
              and w.platform_type = p_order.platform_type
              and w.parked_at is null)
       or not exists (
            select
            from public.waiting_deliveries as w
            where w.account_size = p_order.account_size
              and w.platform_type = p_order.platform_type
              and w.parked_at is null
              and (select backend.waits_for_stock(o)
                   from public.orders as o
                   where o.order_id = w.order_id))
    then
        v_error := backend.try_delivery(p_order);
    end if;
    if v_error is not null then
        perform backend.set_aside(p_order, v_error);
    end if;
    return v_error;
end
$$;
comment on function backend.deliver_or_queue(public.orders) is
    'Delivers an order whose payment is finished, or puts it into the queue for stock; null, or why '
    'it was not delivered.';

create function backend.payment_status(p_user_id uuid, p_order_id text)
returns text[]
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
declare
    v_fields text[];
begin
    -- One statement for the usual case: this is what every waiting browser asks. An array, because
    -- a row of so many columns costs more to describe than to find.
    select array[
            case when p.payment_id is null then 'no_payment' else 'ok' end,
            o.order_id, o.order_status, o.payment_status, o.delivery_status, o.account_type,
            trim_scale(o.account_size)::text, o.platform_type, trim_scale(o.amount)::text,
            trim_scale(o.final_amount)::text, o.crypto_currency, o.crypto_amount::text,
            o.crypto_address, backend.iso_utc(o.created_at), backend.iso_utc(o.updated_at),
            p.payment_id, p.status, p.pay_address, p.pay_amount::text,
            case when p.payment_id is not null then coalesce(p.actually_paid, 0)::text end,
            p.pay_currency, backend.iso_utc(p.created_at), backend.iso_utc(p.updated_at),
            greatest(0, floor(extract(epoch from clock_timestamp() - p.last_seen_at) * 1000))
                ::bigint::text,
            -- A failed or expired payment may still be paid late; after two weeks it is left alone.
            (p.status in ('finished', 'refunded')
             or (p.status in ('failed', 'expired')
                 and p.created_at < now() - interval '14 days'))::text]
      into v_fields
      from public.orders as o
      left join lateral (
            select c.payment_id, c.status, c.pay_address, c.pay_amount, c.actually_paid,
                   c.pay_currency, c.created_at, c.updated_at, c.last_seen_at
            from public.payments as c
            where c.order_id = o.order_id and c.parent_payment_id is null
              -- Unpaid: the one that was shown, or one with money on its way; not one that was
              -- made for nobody and that only a callback told of.
              and (o.payment_status <> 'pending' or o.payment_provider_id is null
                   or c.payment_id = o.payment_provider_id
                   or c.status not in ('waiting', 'expired', 'failed'))
            order by c.counted desc, c.created_at desc
            limit 1) as p on true
     where o.order_id = p_order_id and o.user_id = p_user_id;
    if v_fields is null then
        return array[case
            when exists (select from public.orders as o where o.order_id = p_order_id)
                then 'unauthorized'
            else 'order_not_found'
        end];
    end if;
    return v_fields;
end
$$;
comment on function backend.payment_status(uuid, text) is
    'An order and the payment that paid it (or its newest one) as last known, for its owner: outcome '
    '(ok, no_payment, unauthorized, order_not_found; of the last two nothing follows) and the fields.';
