-- Payments that come in pieces, and what an event says beside the states.
--
-- What arrived for an order is the sum over its payments, in the currency of the price: a payment
-- by its own rate, a repeated deposit (child payment) in the same coin by its parent's rate, one in
-- another coin by what the provider settled for both. 99 percent of the order pay it.
--
-- When a payment of a paid order goes back, what remains credited decides, whichever payment it was:
--
--   99 percent or more  the order stays paid. If the counted payment went back, the largest of the
--                       others counts instead; a human knows (refund_of_other_payment)
--   less, not nothing   refunded_in_part: a delivered account is suspended, what waits for stock
--                       waits for a human instead; the order stays paid until that human decides
--   nothing             refunded; a delivered account is suspended
--
-- The price is booked once, under the payment that counts: one completed "payment" of the order's
-- amount. A completed "refund" is the part of the price that its payment was credited for, the last
-- one all that is left, so that the refunds of an order add up to its price and never to more. What
-- was too much was never booked; neither is its way back ("processing").
--
-- Money that a human decided on (paid back, say) pays nothing together with other money.
--
-- Reviews that inform and hold nothing up: overpaid (more than 101 percent), paid_late (after the
-- order had failed), refunded_after_delivery (the account is suspended), event_dead.

create function backend.order_credit(
    p_order   public.orders,
    p_payment public.payments)
returns table (amount numeric, settles boolean, main_payment_id text)
language sql stable
as $$
    -- p_payment is the payment as the present event leaves it, before it is written.
    with known as (
        select p.*
        from public.payments as p
        where p.order_id = p_order.order_id
          and p.payment_id <> p_payment.payment_id
          and (p.counted or not backend.was_decided(p.order_id, p.payment_id))
        union all
        select (p_payment).*
    ),
    own as (
        -- One that went back is worth nothing, but its rate still holds for its children.
        select
            a.*,
            -- Never more than the order: a dearer price is no better rate.
            least(a.price_amount, p_order.final_amount) / a.pay_amount as rate,
            coalesce(a.actually_paid, 0) * least(a.price_amount, p_order.final_amount)
                / a.pay_amount as value
        from known as a
        where a.status in ('finished', 'partially_paid', 'refunded')
          and a.parent_payment_id is null
          and a.price_currency = lower(p_order.currency)
          and a.price_amount >= p_order.final_amount
          and a.pay_amount > 0
    ),
    credited as (
        select o.payment_id, o.value, o.counted, o.created_at, true as is_own
        from own as o
        where o.status <> 'refunded'
        union all
        select
            c.payment_id,
            case
                when c.pay_currency = o.pay_currency then c.actually_paid * o.rate
                when c.outcome_currency = o.outcome_currency and o.outcome_amount > 0
                    then c.outcome_amount * o.value / o.outcome_amount
            end,
            false, c.created_at, false
        from known as c
        join own as o on o.payment_id = c.parent_payment_id
        where c.status in ('finished', 'partially_paid')
    )
    select
        round(coalesce(sum(c.value), 0), 8),
        count(c.value) > 1
            and round(sum(c.value), 8) >= 0.99 * p_order.final_amount
            and (p_order.payment_status = 'paid' or p_order.delivery_status <> 'delivered')
            and p_order.payment_status <> 'refunded'
            and p_order.order_status not in ('cancelled', 'refunded')
            -- The payment that counts already must have arrived itself. An order that staff opened
            -- again may still have its former one.
            and (p_order.payment_status <> 'paid'
                 or not exists (
                    select
                    from known as k
                    where k.counted and k.status not in ('finished', 'partially_paid'))),
        (array_agg(c.payment_id order by c.counted desc, c.value desc, c.created_at)
            filter (where c.is_own))[1]
    from credited as c
$$;
comment on function backend.order_credit(public.orders, public.payments) is
    'What arrived for an order through several payments, whether it pays the order, and which of '
    'them counts.';

create function backend.as_paid(
    p_order           public.orders,
    p_payment_id      text,
    p_crypto_currency text,
    p_crypto_amount   numeric,
    p_crypto_address  text)
returns public.orders
language plpgsql
as $$
begin
    p_order.order_status := 'processing';
    p_order.payment_status := 'paid';
    p_order.paid_at := now();
    p_order.payment_provider := 'nowpayments';
    p_order.payment_provider_id := p_payment_id;
    p_order.crypto_currency := p_crypto_currency;
    p_order.crypto_amount := coalesce(p_crypto_amount, p_order.crypto_amount);
    p_order.crypto_address := p_crypto_address;
    return p_order;
end
$$;
comment on function backend.as_paid(public.orders, text, text, numeric, text) is
    'The row of an order as a payment of the provider makes it; nothing is written.';

create function backend.uncount_others(p_order_id text, p_payment_id text)
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

create function backend.count_payment(p_order public.orders, p_payment_id text)
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
           processed_at = case t.status when 'completed' then t.processed_at else now() end
     where t.status <> 'completed';
end
$$;
comment on function backend.count_payment(public.orders, text) is
    'Lets a payment count for its order, unless another one does, and books it; the caller holds '
    'the order''s row lock.';

create function backend.is_held(p_order_id text)
returns boolean
language plpgsql stable
as $$
begin
    return exists (
        select
        from public.reviews as r
        where r.order_id = p_order_id and r.kind = 'refunded_in_part' and r.state = 'open');
end
$$;
comment on function backend.is_held(text) is
    'Whether a paid order waits for a human, because part of its money went back.';

create function backend.refund_effect(p_order public.orders, p_payment public.payments)
returns table (effect text, credit numeric, rest numeric, main_payment_id text)
language plpgsql stable
as $$
#variable_conflict use_column
declare
    v_counted_status text;          -- of another payment that counts
    v_enough constant numeric := 0.99 * p_order.final_amount;
begin
    -- p_payment is the payment before it went back.
    select c.amount into credit from backend.order_credit(p_order, p_payment) as c;
    p_payment.status := 'refunded';
    select c.amount, c.main_payment_id
      into rest, main_payment_id
      from backend.order_credit(p_order, p_payment) as c;
    select p.status
      into v_counted_status
      from public.payments as p
     where p.order_id = p_order.order_id and p.counted
       and p.payment_id <> p_payment.payment_id;
    effect := case
        when rest >= v_enough then 'surplus'
        -- Another payment counts, or money of elsewhere: this one was beside it, unless the order
        -- needed it. What a human accepted although it was less is a human's to judge.
        when v_counted_status in ('confirmed', 'sending') then 'surplus'
        when v_counted_status <> 'refunded' then
            case when credit >= v_enough then 'part' else 'surplus' end
        when not p_payment.counted and v_counted_status is null
             and p_order.payment_provider_id is distinct from p_payment.payment_id then 'surplus'
        when rest > 0 then 'part'
        else 'whole'
    end;
    return next;
end
$$;
comment on function backend.refund_effect(public.orders, public.payments) is
    'What a payment that goes back is to its paid order: surplus, part or whole of what paid it; '
    'what was and what remains credited, and which of the others counts then.';

create function backend.booked_amount(p_order_id text)
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

create function backend.book_refund(
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

create function backend.suspend_account(p_order_id text)
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

create function backend.has_account(p_order public.orders)
returns boolean
language sql stable
as $$
    select p_order.delivery_status = 'delivered'
        or exists (
            select from public.delivered_accounts as d where d.order_id = p_order.order_id)
$$;
comment on function backend.has_account(public.orders) is
    'Whether the customer has the account, by a program or half done by hand.';

create function backend.event_revived(p_payment_id text, p_event_id bigint)
returns void
language plpgsql
as $$
begin
    update public.reviews as r
       set state = 'resolved', resolution = 'the event took effect', resolved_by = 'events',
           resolved_at = now()
     where r.kind = 'event_dead'
       and r.state = 'open'
       and r.payment_id = p_payment_id
       and r.detail ->> 'event' = p_event_id::text;
end
$$;
comment on function backend.event_revived(text, bigint) is
    'Closes the review of a dead event that took effect after all.';

revoke all on all functions in schema backend from public;
