-- The books: what record_payment_event and the reviews write about money, as payments that count
-- and as transactions. What is booked when, and how much of it, stands at the head of
-- payment_credit.

create or replace function backend.new_payment(
    p_event     backend.payment_event,
    p_order_id  text,
    p_status    text,
    p_parent_id text,
    p_paid      numeric)
returns public.payments
language plpgsql
as $$
declare
    v_payment public.payments;
begin
    -- Chosen on the provider's page (another coin), a repeated deposit, or faster than us.
    insert into public.payments as p
        (payment_id, order_id, parent_payment_id, invoice_id, purchase_id, status,
         pay_address, payin_extra_id, pay_currency, crypto_currency, pay_amount, actually_paid,
         price_amount, price_currency, outcome_amount, outcome_currency)
    values
        (p_event.payment_id, p_order_id, p_parent_id, nullif(p_event.invoice_id, ''),
         nullif(p_event.purchase_id, ''), p_status, nullif(p_event.pay_address, ''),
         -- Read as text: a body may hold what JSON of the database refuses.
         nullif(substring(p_event.raw from '"payin_extra_id" *: *"?([^",}]{1,128})'), 'null'),
         lower(p_event.pay_currency), backend.shop_currency(p_event.pay_currency),
         nullif(platform.plain_amount(p_event.pay_amount), 0), p_paid,
         platform.plain_amount(p_event.price_amount), lower(nullif(p_event.price_currency, '')),
         platform.plain_amount(p_event.outcome_amount),
         lower(nullif(p_event.outcome_currency, '')))
    on conflict (payment_id) do nothing
    returning p.* into v_payment;
    if not found then
        select * into v_payment from public.payments as p where p.payment_id = p_event.payment_id;
    end if;
    return v_payment;
end
$$;
comment on function backend.new_payment(backend.payment_event, text, text, text, numeric) is
    'Writes a payment that the provider told of first; the row, also when somebody was faster.';

create or replace function backend.book_payments(
    p_effects backend.event_effect[],
    p_count   integer)
returns boolean
language plpgsql
set plan_cache_mode = force_generic_plan    -- for arrays PostgreSQL would plan each time anew
as $$
declare
    v_updated integer;
begin
    -- What is not the last word about the payment is on record as an event.
    update public.payment_transactions as t
       set provider_status = e.status,
           provider_response = case when b.state in ('completed', 'failed')
                                    then backend.booked_words(e) else t.provider_response end,
           -- A discount may have come since.
           amount = case t.status when 'completed' then t.amount
                                  else (e.its_order).final_amount end,
           status = case t.status when 'completed' then 'completed' else b.state end,
           processed_at = case when t.processed_at is null and b.state in ('completed', 'failed')
                               then now() else t.processed_at end
      from unnest(p_effects) as e
      cross join lateral (select backend.booked_state(e)) as b (state)
     where e.books
       and t.provider = 'nowpayments'
       and t.provider_transaction_id = (e.event).payment_id
       and t.transaction_type = 'payment';
    get diagnostics v_updated = row_count;
    if v_updated = p_count then
        return false;
    end if;
    -- Mostly the row is there; the order's row lock keeps others from inserting the same.
    insert into public.payment_transactions
        (order_id, user_id, transaction_type, amount, currency, provider,
         provider_transaction_id, provider_status, provider_response, status, processed_at)
    select (e.its_order).order_id, (e.its_order).user_id, 'payment', (e.its_order).final_amount,
           (e.its_order).currency, 'nowpayments', (e.event).payment_id, e.status,
           case when b.state in ('completed', 'failed') then backend.booked_words(e) end, b.state,
           case when b.state in ('completed', 'failed') then now() end
      from unnest(p_effects) as e
      cross join lateral (select backend.booked_state(e)) as b (state)
     where e.books
       and not exists (
            select
            from public.payment_transactions as t
            where t.provider = 'nowpayments'
              and t.provider_transaction_id = (e.event).payment_id
              and t.transaction_type = 'payment');
    return true;
end
$$;
comment on function backend.book_payments(backend.event_effect[], integer) is
    'Writes the transaction rows of the payments that have to be booked, so many; whether one is new.';

create or replace function backend.booked_state(e backend.event_effect)
returns text
language sql immutable                  -- inlined
as $$
    select case
        when e.status = 'finished' and e.review is null and (e.payment).counted then 'completed'
        when e.status = 'waiting' then 'pending'
        when e.status in ('failed', 'expired') then 'failed'
        else 'processing'
    end
$$;
comment on function backend.booked_state(backend.event_effect) is
    'What the books say of a payment: money counted for the order is completed, money under review '
    'stays processing.';

create or replace function backend.booked_words(e backend.event_effect)
returns jsonb
language plpgsql stable
as $$
declare
    v_payment public.payments := e.payment;
begin
    return jsonb_strip_nulls(jsonb_build_object(
        'payment_id', v_payment.payment_id,
        'payment_status', e.status,
        'actually_paid', e.paid,
        'pay_amount', v_payment.pay_amount,
        'pay_currency', v_payment.pay_currency,
        'price_amount', v_payment.price_amount,
        'price_currency', v_payment.price_currency));
end
$$;
comment on function backend.booked_words(backend.event_effect) is
    'What the books keep of the last word about a payment.';

create or replace function backend.count_payment(p_order public.orders, p_payment_id text)
returns void
language plpgsql
as $$
begin
    if exists (
        select
        from public.payments as p
        where p.order_id = p_order.order_id and p.counted and p.payment_id <> p_payment_id)
    then
        return;
    end if;
    update public.payments as p
       set counted = true
     where p.payment_id = p_payment_id and not p.counted;
    insert into public.payment_transactions as t
        (order_id, user_id, transaction_type, amount, currency, provider,
         provider_transaction_id, provider_status, status, processed_at)
    select p_order.order_id, p_order.user_id, 'payment', p_order.final_amount, p_order.currency,
           'nowpayments', p.payment_id, p.status, 'completed', now()
    from public.payments as p
    where p.payment_id = p_payment_id
    on conflict (provider, provider_transaction_id, transaction_type) do update
       set status = 'completed',
           amount = excluded.amount,
           processed_at = case t.status when 'completed' then t.processed_at else now() end
     where t.status <> 'completed';
end
$$;
comment on function backend.count_payment(public.orders, text) is
    'Lets a payment count for its order, unless another one does, and books it; the caller holds '
    'the order''s row lock.';

create or replace function backend.count_instead(
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

create or replace function backend.uncount_others(p_order_id text, p_payment_id text)
returns void
language plpgsql
as $$
begin
    update public.payments as p
       set counted = false
     where p.order_id = p_order_id and p.counted and p.payment_id is distinct from p_payment_id;
end
$$;
comment on function backend.uncount_others(text, text) is
    'One payment counts: an order that staff opened again may still have its former one.';

create or replace function backend.booked_amount(p_order_id text)
returns numeric
language sql stable
as $$
    select coalesce(sum(case t.transaction_type when 'payment' then t.amount
                                                else -t.amount end), 0)
    from public.payment_transactions as t
    where t.order_id = p_order_id and t.status = 'completed'
$$;
comment on function backend.booked_amount(text) is
    'What the books keep of an order''s price: completed payments less refunds and chargebacks.';

create or replace function backend.book_refund(
    p_order   public.orders,
    p_payment public.payments,
    p_effect  text,
    p_part    numeric)
returns void
language plpgsql
as $$
declare
    v_payment public.payments;      -- as written by now
    v_booked constant numeric := greatest(backend.booked_amount(p_order.order_id), 0);
    v_price numeric := case
        when p_effect = 'part' then least(greatest(round(p_part, 2), 0), v_booked)
        when p_effect in ('whole', 'moved') then v_booked
        when p_effect is null and p_payment.counted then v_booked
    end;
begin
    select * into v_payment
      from public.payments as p
     where p.payment_id = p_payment.payment_id;
    if coalesce(v_price, 0) = 0
       and (v_payment.parent_payment_id is not null
            or exists (
                select
                from public.payment_transactions as t
                where t.provider = 'nowpayments'
                  and t.provider_transaction_id = v_payment.payment_id
                  and t.transaction_type = 'payment'
                  and t.status = 'completed'))
    then
        return;                     -- never booked, or back in the books already
    end if;
    -- Of money that was never booked only what had arrived was there to go back; when nobody knows
    -- how much, the row says 0 and waits for a human.
    insert into public.payment_transactions
        (order_id, user_id, transaction_type, amount, currency, provider,
         provider_transaction_id, provider_status, provider_response, status, processed_at)
    values
        (p_order.order_id, p_order.user_id, 'refund',
         case
             when v_price > 0 then v_price
             else least(coalesce(v_payment.price_amount * v_payment.actually_paid
                                 / nullif(v_payment.pay_amount, 0), 0), 99999999.99)
         end,
         p_order.currency, 'nowpayments', v_payment.payment_id, v_payment.status,
         jsonb_strip_nulls(jsonb_build_object(
            'payment_id', v_payment.payment_id, 'payment_status', v_payment.status,
            'actually_paid', v_payment.actually_paid, 'pay_amount', v_payment.pay_amount,
            'pay_currency', v_payment.pay_currency, 'price_amount', v_payment.price_amount,
            'price_currency', v_payment.price_currency)),
         case when v_price > 0 then 'completed' else 'processing' end, now())
    on conflict (provider, provider_transaction_id, transaction_type) do nothing;
end
$$;
comment on function backend.book_refund(public.orders, public.payments, text, numeric) is
    'Writes the transaction row of a payment that went back: the part of the price it was credited '
    'for, or what had arrived in it without being booked.';
