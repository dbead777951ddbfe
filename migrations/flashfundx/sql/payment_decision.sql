-- What an event means for its order and its payment. It is decided here and nowhere else, whether the
-- event comes alone or with others; nothing is written. (What is written then: payment_events.)
--
--   payment status      order       payment   further
--   waiting, confirming processing  pending
--   confirmed, sending  processing  paid      paid_at; only when what arrived is enough
--   finished            completed   paid      delivery; without stock processing/paid and queued
--   partially_paid      processing  pending   review
--   failed, expired     failed      failed    not after finished, not while another payment lives;
--                                             when another one has paid, that one is counted; with
--                                             money: review
--   refunded            refunded    refunded  transaction "refund"; only when nothing that remains
--                                             is credited to the order, see payment_credit

create or replace function backend.decide_payment_event(
    p_event   backend.payment_event,
    v_order   public.orders,        -- as locked, then as it shall become
    v_payment public.payments,
    p_known   boolean)
returns backend.event_effect
language plpgsql
as $$
declare
    v_status text := backend.event_status(p_event.status);
    v_parent_id text := backend.parent_id(p_event.parent_payment_id);
    v_paid numeric := platform.plain_amount(p_event.actually_paid);
    v_rank integer;
    v_old_rank integer;
    v_old_order_status constant text := v_order.order_status;
    v_old_payment_status constant text := v_order.payment_status;
    v_main public.payments;         -- the payment that counts, when it is another one
    v_other public.payments;        -- takes the place of a counted payment that failed
    v_moves boolean := false;       -- the payment takes the status of the event
    v_deliver boolean := false;
    v_review text;                  -- why a human has to decide; the event does not deliver
    v_note text;                    -- what a human should know; it changes nothing
    v_child boolean;
    v_late boolean;
    v_after public.payments;        -- the payment as this event leaves it
    v_credit numeric;               -- what arrived for the order in all its payments, in USD
    v_back text;                    -- what money that went back is to a paid order
    v_rest numeric;                 -- what remains credited then
    v_settles boolean := false;     -- and that it pays the order
    v_counted_id text;
begin
    v_rank := backend.payment_status_rank(v_status);
    v_payment.outcome_amount := coalesce(platform.plain_amount(p_event.outcome_amount),
                                         v_payment.outcome_amount);
    v_payment.outcome_currency := coalesce(lower(nullif(p_event.outcome_currency, '')),
                                           v_payment.outcome_currency);
    v_after := v_payment;
    v_after.pay_amount := coalesce(nullif(platform.plain_amount(p_event.pay_amount), 0),
                                   v_payment.pay_amount);
    v_after.price_amount := coalesce(platform.plain_amount(p_event.price_amount),
                                     v_payment.price_amount);
    v_after.price_currency := coalesce(lower(nullif(p_event.price_currency, '')),
                                       v_payment.price_currency);
    v_old_rank := coalesce(backend.payment_status_rank(v_payment.status), 0);
    v_child := v_parent_id is not null or v_payment.parent_payment_id is not null;
    -- (What is rare is asked inside of an IF: an expression is made ready as a whole, each time.)
    v_late := v_rank < v_old_rank;
    if v_late then
        v_late := not (v_payment.status = 'failed'
                       and v_status in ('confirming', 'confirmed', 'sending')
                       and coalesce(platform.read_time(p_event.provider_updated_at)
                                    > v_payment.provider_updated_at, false));
    end if;

    if v_payment.order_id is distinct from v_order.order_id then
        v_review := 'payment_of_other_order';
    elsif v_rank is null then
        v_review := 'unknown_status';
    elsif v_child then
        -- A second transfer to the same address, or another coin than agreed. It may say
        -- "finished" while it is worth a fraction of the order: see the credit below.
        v_review := case
            when exists (
                select
                from public.payments as p
                where p.payment_id = coalesce(v_payment.parent_payment_id, v_parent_id)
                  and backend.shop_currency(p.pay_currency)
                      <> backend.shop_currency(p_event.pay_currency)) then 'wrong_asset'
            else 'child_payment'
        end;
        v_moves := v_rank >= v_old_rank;
    elsif v_late then
        -- Late: stored, no more. A failed payment is believed to live again when the provider's
        -- own clock says so; "finished" always is. What it says of money is heard.
        if v_status in ('failed', 'expired')
               and v_payment.status not in ('partially_paid', 'finished', 'refunded')
           or v_payment.status in ('failed', 'expired') then
            v_note := backend.failed_with_money(v_payment, v_paid);
        end if;
    else
        v_moves := true;
        case
        when v_status in ('waiting', 'confirming') then
            if v_order.order_status = 'pending' then
                v_order.order_status := 'processing';
            end if;

        when v_status in ('confirmed', 'sending', 'finished') then
            v_review := backend.payment_problem(v_status, v_order, v_payment, v_paid,
                                                v_after.pay_amount, v_after.price_amount,
                                                v_after.price_currency);
            if v_review is null and v_payment.pay_currency <> lower(p_event.pay_currency) then
                if backend.shop_currency(v_payment.pay_currency)
                   <> backend.shop_currency(p_event.pay_currency) then
                    v_review := 'wrong_asset';
                end if;
            end if;
            if v_review is not null then
                if v_order.order_status = 'pending' then
                    v_order.order_status := 'processing';
                end if;
            else
                if v_order.payment_status <> 'paid' then
                    v_payment.counted := true;
                    if v_order.payment_provider_id = v_payment.payment_id
                       and v_order.payment_provider = 'nowpayments'
                       and v_order.crypto_amount = v_after.pay_amount
                       and v_order.crypto_address = v_payment.pay_address then
                        v_order.order_status := 'processing';       -- the one that was shown
                        v_order.payment_status := 'paid';
                        v_order.paid_at := now();
                    else
                        v_order := backend.as_paid(v_order, p_event.payment_id,
                            coalesce(v_payment.crypto_currency,
                                     backend.shop_currency(p_event.pay_currency)), v_after.pay_amount,
                            coalesce(v_payment.pay_address, nullif(p_event.pay_address, '')));
                    end if;
                end if;
                if v_status = 'finished' and v_paid > 1.01 * v_after.pay_amount then
                    v_note := 'overpaid';
                end if;
            end if;
            v_deliver := v_status = 'finished' and v_review is null and v_payment.counted;

        when v_status = 'partially_paid' then
            v_review := 'partially_paid';
            if v_order.order_status = 'pending' then
                v_order.order_status := 'processing';
            end if;

        when v_status in ('failed', 'expired') then
            if v_payment.counted and v_order.delivery_status = 'delivered' then
                v_review := 'failed_after_delivery';                -- delivered by hand, too early
            elsif v_payment.counted and backend.booked_amount(v_order.order_id) > 0 then
                v_review := 'counted_payment_failed';               -- accepted by hand
            elsif v_order.order_status in ('pending', 'processing')
                  and (v_payment.counted
                       or (v_order.payment_status = 'pending'
                           and not backend.has_live_payment(v_order.order_id,
                                                            p_event.payment_id))) then
                v_order.order_status := 'processing';
                v_order.payment_status := 'pending';
                v_order.paid_at := null;
                if v_payment.counted then
                    v_payment.counted := false;
                    v_other := backend.payment_that_pays(v_order, p_event.payment_id);
                end if;
                if v_other.payment_id is not null then
                    v_order := backend.as_paid(v_order, v_other.payment_id,
                        v_other.crypto_currency, v_other.pay_amount, v_other.pay_address);
                    v_deliver := true;
                elsif backend.has_live_payment(v_order.order_id, p_event.payment_id) then
                    v_review := 'counted_payment_failed';
                else
                    v_order.order_status := 'failed';
                    v_order.payment_status := 'failed';
                end if;
            end if;
            v_note := case when v_review is null
                           then backend.failed_with_money(v_payment, v_paid) end;

        when v_status = 'refunded' then
            -- A paid order: see what went back below.
            if v_order.payment_status in ('paid', 'refunded') then
                null;
            elsif not v_payment.counted and backend.has_account(v_order) then
                v_review := 'refund_of_other_payment';              -- delivered for other reasons
            elsif v_payment.counted
                  or not backend.has_live_payment(v_order.order_id, p_event.payment_id) then
                v_order.order_status := 'refunded';
                v_order.payment_status := 'refunded';
            end if;
        end case;
    end if;

    v_after.status := v_status;
    v_after.actually_paid := greatest(v_payment.actually_paid, v_paid);
    v_after.provider_updated_at := greatest(v_payment.provider_updated_at,
                                            platform.read_time(p_event.provider_updated_at));
    if v_parent_id is not null or v_payment.invoice_id is null or v_payment.purchase_id is null
       or v_payment.pay_address is null or v_payment.pay_currency is null then
        v_after.parent_payment_id := coalesce(v_payment.parent_payment_id, v_parent_id);
        v_after.invoice_id := coalesce(v_payment.invoice_id, nullif(p_event.invoice_id, ''));
        v_after.purchase_id := coalesce(v_payment.purchase_id, nullif(p_event.purchase_id, ''));
        v_after.pay_address := coalesce(v_payment.pay_address, nullif(p_event.pay_address, ''));
        v_after.pay_currency := coalesce(v_payment.pay_currency, lower(p_event.pay_currency));
    end if;

    -- Too little in this payment, or a child: what arrived for the order in all of them counts.
    if v_review is not null then
        if v_moves and v_status in ('finished', 'partially_paid')
           and (v_review in ('underpaid', 'worth_less', 'partially_paid', 'child_payment')
                or v_child and v_review = 'wrong_asset') then
            select c.amount, c.settles, c.main_payment_id
              into v_credit, v_settles, v_counted_id
              from backend.order_credit(v_order, v_after) as c;
            v_settles := v_settles and not backend.is_held(v_order.order_id);
            if v_settles then
                if v_order.payment_status <> 'paid' then
                    v_review := null;
                    v_note := case when v_credit > 1.01 * v_order.final_amount then 'overpaid' end;
                    select * into v_main
                      from public.payments as p
                     where p.payment_id = v_counted_id;
                    v_payment.counted := v_counted_id = p_event.payment_id;
                    v_order := backend.as_paid(v_order, v_counted_id, v_main.crypto_currency,
                        coalesce(v_main.pay_amount, v_after.pay_amount), v_main.pay_address);
                elsif v_credit <= 1.01 * v_order.final_amount or v_payment.counted then
                    v_review := null;
                end if;
                v_deliver := v_review is null;
            end if;
        end if;
    end if;
    -- Money of a paid order went back, in whichever payment: what remains decides.
    if v_status = 'refunded' and v_moves and v_order.payment_status = 'paid' then
        select r.effect, r.credit, r.rest, r.main_payment_id
          into v_back, v_credit, v_rest, v_counted_id
          from backend.refund_effect(v_order, v_payment) as r;
        case v_back
        when 'whole' then
            v_review := null;
            v_order.order_status := 'refunded';
            v_order.payment_status := 'refunded';
        when 'part' then
            v_review := 'refunded_in_part';
        else
            v_review := coalesce(v_review, 'refund_of_other_payment');
            if v_payment.counted and v_counted_id is not null then
                v_back := 'moved';              -- another payment takes its place
                v_payment.counted := false;
                select * into v_other
                  from public.payments as p
                 where p.payment_id = v_counted_id;
                v_order.payment_provider_id := v_counted_id;
                v_order.crypto_currency := v_other.crypto_currency;
                v_order.crypto_amount := v_other.pay_amount;
                v_order.crypto_address := v_other.pay_address;
            end if;
        end case;
    end if;
    if v_deliver then
        v_deliver := backend.waits_for_stock(v_order) and not backend.is_held(v_order.order_id);
    end if;

    v_after.counted := v_payment.counted;

    return row(
        p_event, v_status, v_paid, v_parent_id,
        case when v_review is not null then 'review' when v_moves then 'applied' else 'stale' end,
        v_order, v_after, v_other, v_old_order_status, v_old_payment_status, v_moves,
        v_order.payment_status = 'paid' and v_old_payment_status <> 'paid',
        v_moves and v_old_rank in (20, 60) and v_status not in ('failed', 'expired'),
        -- What only informs is not written while the books say so already: a payment that waits is
        -- pending there, one on its way is processing, at the price it was made for.
        v_moves and not v_child and v_status <> 'refunded'
            and not (p_known and v_after.price_amount = v_order.final_amount
                     and (v_rank = 10 and v_old_rank = 10
                          or v_rank <= 50 and v_old_rank between 30 and 50)),
        v_deliver, v_settles, v_counted_id, v_review, v_note, v_credit, v_rest, v_back)
        ::backend.event_effect;
end
$$;
comment on function backend.decide_payment_event(backend.payment_event, public.orders,
        public.payments, boolean) is
    'What an event does to an order that is locked and to its payment, which was in the books before '
    'or not; see the type. It writes nothing, and raises for no reason of business.';
