-- Payments that come in pieces, and what an event says beside the states.
--
-- What arrived for an order is the sum over its payments, in the currency of the price: a payment
-- by its own rate, a repeated deposit (child payment) in the same coin by its parent's rate, one in
-- another coin by what the provider settled for both. 99 percent of the order pay it.
--
-- When a payment of a paid order goes back, what remains credited decides, whichever it was:
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
-- An order that was paid another way (by hand, say, while a payment of ours had brought too little)
-- stays as it is whatever goes back; what staff accepted is what paid (pays_order).
--
-- Money that a human decided on (paid back, say) pays nothing together with other money.
--
-- Reviews that inform and hold nothing up: overpaid (more than 101 percent), paid_late (after the
-- order had failed), refunded_after_delivery (the account is suspended), failed_with_money (it
-- arrived in a payment that ended without paying), event_dead.
--
-- Coins are counted at the rate of their payment, which holds for a week. When the provider settled
-- them in dollars for clearly less (arrival_tolerance_percent of shop_settings), they are worth that.

create or replace function backend.payment_problem(
    p_status         text,
    p_order          public.orders,
    p_payment        public.payments,
    p_actually_paid  numeric,
    p_pay_amount     numeric,
    p_price_amount   numeric,
    p_price_currency text)
returns text
language plpgsql stable
as $$
declare
    v_problem text;
begin
    -- (What is not asked of every event is inside of an IF: an expression is made ready as a whole,
    -- anew in each transaction.)
    if p_order.payment_status = 'paid' then
        if not p_payment.counted then
            return case when p_status = 'finished' then 'paid_twice' end;
        end if;
    elsif p_order.payment_status = 'refunded'
          or p_order.order_status in ('completed', 'cancelled', 'refunded')
          or p_order.delivery_status = 'delivered' then
        return 'order_closed';
    end if;
    if p_status = 'finished' then
        if backend.arrived_value(p_order.final_amount, p_payment.outcome_amount,
                                 p_payment.outcome_currency) < p_order.final_amount then
            v_problem := 'worth_less';
        end if;
    end if;
    return case
        when p_price_currency is distinct from lower(p_order.currency) then 'price_currency'
        when p_price_amount is null or p_price_amount < p_order.final_amount then 'price_amount'
        when p_actually_paid is null then
            case when p_status = 'finished' then 'amount_unknown' end
        when p_pay_amount is null or p_pay_amount = 0 then 'amount_unknown'
        -- Providers close a payment a hair below the amount; one percent is what the shop gives
        -- away.
        when p_actually_paid < 0.99 * p_pay_amount then 'underpaid'
        else v_problem
    end;
end
$$;
comment on function backend.payment_problem(text, public.orders, public.payments, numeric, numeric,
        numeric, text) is
    'Why a payment reported as confirmed, sending or finished does not pay its order; null when it '
    'does.';

create or replace function backend.arrived_value(
    p_value            numeric,
    p_outcome_amount   numeric,
    p_outcome_currency text)
returns numeric
language plpgsql stable
as $$
begin
    -- Up to five percent are the provider's fees: mostly nothing has to be looked up.
    if p_outcome_amount >= 0.95 * p_value
       or coalesce(p_outcome_amount, 0) = 0
       or left(p_outcome_currency, 4) not in ('usdt', 'usdc')
       or p_outcome_currency is null
    then
        return p_value;
    end if;
    if p_outcome_amount >= p_value * (100 - coalesce(
            (select s.value
             from public.shop_settings as s
             where s.name = 'arrival_tolerance_percent'), 10)) / 100
    then
        return p_value;
    end if;
    return p_outcome_amount;
end
$$;
comment on function backend.arrived_value(numeric, numeric, text) is
    'What coins worth so many dollars at the rate of their payment are worth by what the provider '
    'settled for them, when that is in dollars and clearly less; else as they were.';

create or replace function backend.failed_with_money(p_payment public.payments, p_paid numeric)
returns text
language plpgsql stable
as $$
begin
    -- p_payment as it was before the event. What was decided is asked again only for more money.
    return case
        when coalesce(p_paid, 0) > coalesce(p_payment.actually_paid, 0)
             or (p_payment.actually_paid > 0
                 and not backend.was_decided(p_payment.order_id, p_payment.payment_id))
            then 'failed_with_money'
    end;
end
$$;
comment on function backend.failed_with_money(public.payments, numeric) is
    'The review that a payment needs which ends without paying, though money arrived in it; null '
    'without money.';

create or replace function backend.order_credit(
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
            backend.arrived_value(
                coalesce(a.actually_paid, 0) * least(a.price_amount, p_order.final_amount)
                    / a.pay_amount,
                a.outcome_amount, a.outcome_currency) as value
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
                when backend.shop_currency(c.pay_currency) = backend.shop_currency(o.pay_currency)
                    then backend.arrived_value(
                        c.actually_paid * o.rate, c.outcome_amount, c.outcome_currency)
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
            -- Under a payment: children of one that went back are a human's to judge.
            and bool_or(c.is_own)
            and round(sum(c.value), 8) >= 0.99 * p_order.final_amount
            and (p_order.payment_status = 'paid' or p_order.delivery_status <> 'delivered')
            and p_order.payment_status <> 'refunded'
            and p_order.order_status not in ('cancelled', 'refunded')
            -- The payment that counts already must have arrived itself (an order that staff opened
            -- again may still have its former one); without one it was paid another way.
            and (p_order.payment_status <> 'paid'
                 or exists (
                    select
                    from known as k
                    where k.counted and k.status in ('finished', 'partially_paid'))),
        (array_agg(c.payment_id order by c.counted desc, c.value desc, c.created_at)
            filter (where c.is_own))[1]
    from credited as c
$$;
comment on function backend.order_credit(public.orders, public.payments) is
    'What arrived for an order through several payments, whether it pays the order, and which of '
    'them counts.';

create or replace function backend.pays_order(p_order public.orders, p_payment public.payments)
returns boolean
language sql stable
as $$
    select p_payment.counted
        -- Accepted by staff: booked by hand, or under the parent, which counts.
        or exists (
            select
            from public.reviews as r
            where r.order_id = p_order.order_id
              and r.payment_id = p_payment.payment_id
              and r.pays
              and (exists (
                    select
                    from public.payments as m
                    where m.payment_id = p_payment.parent_payment_id and m.counted)
                   or exists (
                    select
                    from public.payment_transactions as t
                    where t.provider = 'manual'
                      and t.provider_transaction_id = r.id::text
                      and t.transaction_type = 'payment'
                      and t.status = 'completed')))
        -- Marked as paid by hand, with nothing that says by what else.
        or (p_order.payment_provider = 'nowpayments'
            and p_order.payment_provider_id = p_payment.payment_id
            and not exists (
                select
                from public.payments as m
                where m.order_id = p_order.order_id and m.counted)
            and not exists (
                select
                from public.payment_transactions as t
                where t.order_id = p_order.order_id
                  and t.provider <> 'nowpayments'
                  and t.transaction_type = 'payment'
                  and t.status = 'completed'))
$$;
comment on function backend.pays_order(public.orders, public.payments) is
    'Whether a payment, by itself or by the word of staff, is what paid its order. An order may be '
    'paid another way: then nothing that becomes of the payment undoes it.';

create or replace function backend.refund_effect(p_order public.orders, p_payment public.payments)
returns table (effect text, credit numeric, rest numeric, main_payment_id text)
language plpgsql stable
as $$
#variable_conflict use_column
declare
    v_counted_status text;          -- of another payment that counts
    v_enough constant numeric := 0.99 * p_order.final_amount;
    v_pays constant boolean := backend.pays_order(p_order, p_payment);
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
        when v_counted_status <> 'refunded' and not v_pays then
            case when credit >= v_enough then 'part' else 'surplus' end
        when v_counted_status is null and not v_pays then 'surplus'
        when rest > 0 then 'part'
        else 'whole'
    end;
    return next;
end
$$;
comment on function backend.refund_effect(public.orders, public.payments) is
    'What a payment that goes back is to its paid order: surplus, part or whole of what paid it; '
    'what was and what remains credited, and which of the others counts then.';

create or replace function backend.as_paid(
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

create or replace function backend.has_live_payment(p_order_id text, p_except_payment_id text)
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

create or replace function backend.payment_that_pays(
    p_order             public.orders,
    p_except_payment_id text)
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

create or replace function backend.was_decided(p_order_id text, p_payment_id text)
returns boolean
language plpgsql stable
as $$
begin
    -- To have a dead event tried again, or to have seen a callback that nobody can read, decides
    -- nothing about the money.
    return exists (
        select
        from public.reviews as r
        where r.order_id = p_order_id
          and r.payment_id = p_payment_id
          and r.state = 'resolved'
          and r.resolved_by is distinct from 'events'
          and not (r.kind in ('event_dead', 'callback_unreadable') and r.resolution = 'accept'));
end
$$;
comment on function backend.was_decided(text, text) is
    'Whether a human has decided on a payment, for example paid it back: no program does then.';

create or replace function backend.is_held(p_order_id text)
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
