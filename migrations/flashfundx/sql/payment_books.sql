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

create or replace function backend.book_payment(
    p_order_id       text,
    p_user_id        uuid,
    p_final_amount   numeric,
    p_currency       text,
    p_payment_id     text,
    p_pay_currency   text,
    p_status         text,
    p_counts         boolean,
    p_actually_paid  numeric,
    p_pay_amount     numeric,
    p_price_amount   numeric,
    p_price_currency text)
returns boolean
language plpgsql
as $$
declare
    -- "completed" is money counted for the order; money under review stays "processing".
    v_state text := case
        when p_counts then 'completed'
        when p_status = 'waiting' then 'pending'
        when p_status in ('failed', 'expired') then 'failed'
        else 'processing'
    end;
    v_response jsonb;
    v_processed_at timestamptz;
begin
    -- What is not the last word about the payment is on record as an event.
    if v_state in ('completed', 'failed') then
        v_processed_at := now();
        v_response := jsonb_strip_nulls(jsonb_build_object(
            'payment_id', p_payment_id,
            'payment_status', p_status,
            'actually_paid', p_actually_paid,
            'pay_amount', p_pay_amount,
            'pay_currency', p_pay_currency,
            'price_amount', p_price_amount,
            'price_currency', p_price_currency));
    end if;
    -- The order's row lock keeps others from inserting the same; mostly the row is there.
    update public.payment_transactions as t
       set provider_status = p_status,
           provider_response = coalesce(v_response, t.provider_response),
           -- A discount may have come since.
           amount = case t.status when 'completed' then t.amount else p_final_amount end,
           status = case t.status when 'completed' then 'completed' else v_state end,
           processed_at = coalesce(t.processed_at, v_processed_at)
     where t.provider = 'nowpayments'
       and t.provider_transaction_id = p_payment_id
       and t.transaction_type = 'payment';
    if found then
        return false;
    end if;
    insert into public.payment_transactions
        (order_id, user_id, transaction_type, amount, currency, provider,
         provider_transaction_id, provider_status, provider_response, status, processed_at)
    values
        (p_order_id, p_user_id, 'payment', p_final_amount, p_currency, 'nowpayments', p_payment_id,
         p_status, v_response, v_state, v_processed_at);
    return true;
end
$$;
comment on function backend.book_payment(text, uuid, numeric, text, text, text, text, boolean,
        numeric, numeric, numeric, text) is
    'Writes the transaction row of a payment, which counts or not; whether it is a new one.';

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
