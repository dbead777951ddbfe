-- What the provider says about a payment, and what follows from it. Callback, poll and staff
-- come here; there is no other way for a payment to move an order. (Reviews: reviews.)
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

create or replace function backend.apply_payment_event(p_event backend.payment_event)
returns text[]
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
-- Every row is found by an index. Plans are kept per connection, and one made while the tables
-- were still empty would read them from end to end.
set enable_seqscan = off
as $$
declare
    v_outcome text;
    v_status text := backend.event_status(p_event.status);
    v_order_id text := nullif(p_event.order_id, '');
    v_parent_id text := backend.parent_id(p_event.parent_payment_id);
    v_paid numeric := platform.plain_amount(p_event.actually_paid);
    v_pay_amount numeric;
    v_price_amount numeric;
    v_price_currency text;
    v_seen_at timestamptz := platform.read_time(p_event.provider_updated_at);
    v_rank integer;
    v_old_rank integer;
    v_order public.orders;          -- the row as locked, then as it shall become
    v_known boolean := false;       -- the payment was there before, and in the books
    v_payment public.payments;
    v_main public.payments;         -- the payment that counts, when it is another one
    v_found record;                 -- order and payment
    v_repeat text[];                -- the answer, when the event is one
    v_other public.payments;        -- takes the place of a counted payment that failed
    v_old_order_status text;
    v_old_payment_status text;
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
    v_stored boolean;               -- the event was stored before, without effect
    v_counted_id text;
    v_event_id bigint;
    v_delivered boolean := false;
    v_pays boolean;                 -- the order becomes paid
    v_written boolean;              -- (PERFORM would run a statement around the call)
begin
    v_rank := backend.payment_status_rank(v_status);

    -- Lock the order: everything below is decided on it and on the payment. When a callback comes
    -- both are mostly known, and the payment is not as far yet, or nothing was heard of it: then this
    -- is no repeat, or the insert below finds out. (What a poll says mostly is one.)
    if p_event.source <> 'poll' then
        select o as its_order, p as payment
          into v_found
          from public.orders as o
          join public.payments as p on p.order_id = o.order_id
         where p.payment_id = p_event.payment_id
           and (v_order_id is null or o.order_id = v_order_id)
           and (backend.payment_status_rank(p.status) < v_rank
                or p.status = 'waiting' and p.provider_updated_at is null)
           for update of o
           for no key update of p;
        v_known := found;
    end if;
    if v_known then
        v_order := v_found.its_order;
        v_payment := v_found.payment;
    else
        v_repeat := backend.answer_to_repeat(p_event.payment_id, v_status, v_paid, p_event.source);
        if v_repeat is not null then
            return v_repeat;
        end if;
        if v_order_id is null then
            v_order_id := backend.order_of_payment(p_event.payment_id, v_parent_id,
                                                   p_event.invoice_id);
        end if;
        -- (As one value each: rows of so many columns cost more to describe than to find.)
        v_order := (select o from public.orders as o where o.order_id = v_order_id for update);
        if v_order.order_id is null then
            return array[backend.record_event_without_order(p_event, v_status, v_paid),
                         null, null, null, null];
        end if;
        -- Who writes a payment has locked its order, so that it needs no lock of its own.
        v_payment := (select p from public.payments as p where p.payment_id = p_event.payment_id);
        v_known := v_payment.payment_id is not null;
        if not v_known then
            v_payment := backend.new_payment(p_event, v_order.order_id,
                case when v_rank is null then v_status else 'waiting' end, v_parent_id, v_paid);
        end if;
    end if;
    v_old_order_status := v_order.order_status;
    v_old_payment_status := v_order.payment_status;

    v_pay_amount := coalesce(nullif(platform.plain_amount(p_event.pay_amount), 0),
                             v_payment.pay_amount);
    v_price_amount := coalesce(platform.plain_amount(p_event.price_amount), v_payment.price_amount);
    v_price_currency := coalesce(lower(nullif(p_event.price_currency, '')),
                                 v_payment.price_currency);
    v_payment.outcome_amount := coalesce(platform.plain_amount(p_event.outcome_amount),
                                         v_payment.outcome_amount);
    v_payment.outcome_currency := coalesce(lower(nullif(p_event.outcome_currency, '')),
                                           v_payment.outcome_currency);
    v_old_rank := coalesce(backend.payment_status_rank(v_payment.status), 0);
    v_child := v_parent_id is not null or v_payment.parent_payment_id is not null;
    -- (What is rare is asked inside of an IF: an expression is made ready as a whole, each time.)
    v_late := v_rank < v_old_rank;
    if v_late then
        v_late := not (v_payment.status = 'failed'
                       and v_status in ('confirming', 'confirmed', 'sending')
                       and coalesce(v_seen_at > v_payment.provider_updated_at, false));
    end if;

    -- Decide ------------------------------------------------------------------------------------
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
                                                v_pay_amount, v_price_amount, v_price_currency);
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
                       and v_order.crypto_amount = v_pay_amount
                       and v_order.crypto_address = v_payment.pay_address then
                        v_order.order_status := 'processing';       -- the one that was shown
                        v_order.payment_status := 'paid';
                        v_order.paid_at := now();
                    else
                        v_order := backend.as_paid(v_order, p_event.payment_id,
                            coalesce(v_payment.crypto_currency,
                                     backend.shop_currency(p_event.pay_currency)), v_pay_amount,
                            coalesce(v_payment.pay_address, nullif(p_event.pay_address, '')));
                    end if;
                end if;
                if v_status = 'finished' and v_paid > 1.01 * v_pay_amount then
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

    -- Too little in this payment, or a child: what arrived for the order in all of them counts.
    if v_review is not null then
        if v_moves and v_status in ('finished', 'partially_paid')
           and (v_review in ('underpaid', 'worth_less', 'partially_paid', 'child_payment')
                or v_child and v_review = 'wrong_asset') then
            v_after := v_payment;
            v_after.status := v_status;
            v_after.parent_payment_id := coalesce(v_payment.parent_payment_id, v_parent_id);
            v_after.pay_currency := coalesce(v_payment.pay_currency, lower(p_event.pay_currency));
            v_after.pay_amount := v_pay_amount;
            v_after.actually_paid := greatest(v_payment.actually_paid, v_paid);
            v_after.price_amount := v_price_amount;
            v_after.price_currency := v_price_currency;
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
                        coalesce(v_main.pay_amount, v_pay_amount), v_main.pay_address);
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

    v_outcome := case when v_review is not null then 'review'
                      when v_moves then 'applied' else 'stale' end;

    -- Store -------------------------------------------------------------------------------------
    insert into public.payment_events
        (payment_id, status, actually_paid, order_id, parent_payment_id, outcome, source, raw,
         provider_updated_at)
    values
        (p_event.payment_id, v_status, v_paid, v_order.order_id, v_parent_id, v_outcome,
         p_event.source, p_event.raw, p_event.provider_updated_at)
    on conflict on constraint payment_events_effect_key do nothing;
    if not found then
        -- Stored before, without effect, or under review; or another session was faster.
        update public.payment_events as e
           set order_id = v_order.order_id, outcome = v_outcome, state = 'done', done_at = now()
         where e.payment_id = p_event.payment_id
           and e.status = v_status
           and e.actually_paid is not distinct from v_paid
           and (e.state <> 'done'
                or e.outcome = 'order_not_found'
                or (e.outcome = 'review' and v_outcome = 'applied'))
        returning e.id, e.last_error is not null into v_event_id, v_stored;
        if v_event_id is null then
            return coalesce(
                backend.answer_to_repeat(p_event.payment_id, v_status, v_paid, p_event.source),
                array['duplicate', v_order.order_id, v_old_order_status, v_old_payment_status,
                      v_order.delivery_status]);
        end if;
    end if;

    -- Act ---------------------------------------------------------------------------------------
    v_pays := v_order.payment_status = 'paid' and v_old_payment_status <> 'paid';
    if v_event_id is null and (v_pays or coalesce(v_review, v_note) is not null
                               or v_old_rank in (20, 60)) then          -- for what refers to it
        v_event_id := currval('public.payment_events_id_seq');
    end if;
    if v_pays then
        -- One payment counts: an order that staff opened again may still have its former one.
        update public.payments as p
           set counted = false
         where p.order_id = v_order.order_id and p.counted
           and p.payment_id <> coalesce(v_counted_id, p_event.payment_id);
    end if;
    if v_moves then
        update public.payments as p
           set status = v_status,
               counted = v_payment.counted,
               parent_payment_id = coalesce(p.parent_payment_id, v_parent_id),
               invoice_id = coalesce(p.invoice_id, nullif(p_event.invoice_id, '')),
               purchase_id = coalesce(p.purchase_id, nullif(p_event.purchase_id, '')),
               pay_address = coalesce(p.pay_address, nullif(p_event.pay_address, '')),
               pay_currency = coalesce(p.pay_currency, lower(p_event.pay_currency)),
               pay_amount = v_pay_amount,
               actually_paid = greatest(p.actually_paid, v_paid),
               price_amount = v_price_amount,
               price_currency = v_price_currency,
               outcome_amount = v_payment.outcome_amount,
               outcome_currency = v_payment.outcome_currency,
               provider_updated_at = greatest(p.provider_updated_at, v_seen_at),
               last_seen_at = now(),
               updated_at = now()
         where p.payment_id = p_event.payment_id;
    elsif p_event.source = 'poll' or v_note is not null then
        update public.payments as p
           set last_seen_at = now(),
               actually_paid = case when v_note is null then p.actually_paid
                                    else greatest(p.actually_paid, v_paid) end,
               updated_at = case when v_note is null then p.updated_at else now() end
         where p.payment_id = p_event.payment_id;
    end if;
    if v_moves and v_old_rank in (20, 60) and v_status not in ('failed', 'expired') then
        perform backend.resolve_review_of(p_event.payment_id, 'failed_with_money',
            format('answered by event %s: %s', v_event_id, v_status));
    end if;
    if v_moves and v_status = 'refunded' then
        perform backend.book_refund(v_order, v_payment, v_back,
                                    least(v_credit, v_order.final_amount) - v_rest);
    elsif v_moves and not v_child
          -- What only informs is not written while the books say so already: a payment that waits
          -- is pending there, one on its way is processing, at the price it was made for.
          and not (v_known and v_price_amount = v_order.final_amount
                   and (v_rank = 10 and v_old_rank = 10
                        or v_rank <= 50 and v_old_rank between 30 and 50)) then
        v_written := backend.book_payment(v_order.order_id, v_order.user_id,
            v_order.final_amount, v_order.currency, p_event.payment_id, v_payment.pay_currency,
            v_status, v_status = 'finished' and v_review is null and v_payment.counted, v_paid,
            v_pay_amount, v_price_amount, v_price_currency);
    end if;

    if v_settles or v_other.payment_id is not null then
        if v_settles then
            perform backend.count_payment(v_order, v_counted_id);
        end if;
        if v_other.payment_id is not null then
            perform backend.count_instead(v_order, v_other.payment_id, p_event.payment_id,
                                          v_status);
            if v_back is null and v_other.actually_paid > 1.01 * v_other.pay_amount then
                perform backend.open_review('overpaid', v_order.order_id, v_other.payment_id,
                    jsonb_build_object('event', v_event_id, 'actually_paid', v_other.actually_paid,
                        'pay_amount', v_other.pay_amount, 'final_amount', v_order.final_amount));
            end if;
        end if;
    end if;
    if v_review is not null then
        perform backend.open_review(v_review, v_order.order_id, p_event.payment_id,
            jsonb_build_object(
                'event', v_event_id, 'status', v_status, 'actually_paid', v_paid,
                'pay_amount', v_pay_amount, 'pay_currency', lower(p_event.pay_currency),
                'price_amount', v_price_amount, 'price_currency', v_price_currency,
                'outcome_amount', v_payment.outcome_amount,
                'outcome_currency', v_payment.outcome_currency,
                'parent_payment_id', v_parent_id)
            || case when v_back is null then '{}'
                    else jsonb_build_object('remaining', round(v_rest, 2)) end);
    end if;
    if v_status = 'refunded' and v_moves then
        if v_order.payment_status = 'refunded' and backend.has_account(v_order) then
            perform backend.suspend_account(v_order.order_id);
            v_note := 'refunded_after_delivery';
        elsif v_review = 'refunded_in_part' then
            perform backend.suspend_account(v_order.order_id);
            delete from public.waiting_deliveries as w where w.order_id = v_order.order_id;
        end if;
    end if;
    if v_pays then
        update public.reviews as r
           set state = 'resolved',
               resolution = 'answered by event ' || v_event_id || ': the order is paid',
               resolved_by = 'events',
               resolved_at = now()
         where r.order_id = v_order.order_id
           and r.state = 'open'
           and (r.kind in ('underpaid', 'worth_less', 'partially_paid', 'counted_payment_failed')
                or (v_settles and r.kind in ('child_payment', 'wrong_asset')));
        if v_old_order_status = 'failed' then
            perform backend.open_review('paid_late', v_order.order_id, p_event.payment_id,
                jsonb_build_object('event', v_event_id, 'status', v_status));
        end if;
    end if;
    if v_note is not null then
        perform backend.open_review(v_note, v_order.order_id, p_event.payment_id,
            jsonb_build_object(
                'event', v_event_id, 'status', v_status,
                'actually_paid', greatest(v_payment.actually_paid, v_paid),
                'pay_amount', v_pay_amount, 'pay_currency', lower(p_event.pay_currency),
                'credit', v_credit, 'final_amount', v_order.final_amount));
    end if;
    if v_stored then
        perform backend.event_revived(p_event.payment_id, v_event_id);
    end if;
    if v_deliver then
        v_delivered := backend.deliver_or_queue(v_order) is null;
        if v_delivered then
            v_order.order_status := 'completed';
            v_order.delivery_status := 'delivered';
        end if;
    end if;
    if not v_delivered                      -- delivery writes it itself
       and ((v_order.order_status, v_order.payment_status)
                <> (v_old_order_status, v_old_payment_status)
            or v_other.payment_id is not null) then
        update public.orders as o
           set order_status = v_order.order_status,
               payment_status = v_order.payment_status,
               paid_at = v_order.paid_at,
               payment_provider = v_order.payment_provider,
               payment_provider_id = v_order.payment_provider_id,
               crypto_currency = v_order.crypto_currency,
               crypto_amount = v_order.crypto_amount,
               crypto_address = v_order.crypto_address
         where o.id = v_order.id;
    end if;

    return array[v_outcome, v_order.order_id, v_order.order_status, v_order.payment_status,
                 v_order.delivery_status];
end
$$;
comment on function backend.apply_payment_event(backend.payment_event) is
    'Stores what the provider says about a payment exactly once and moves order, payment and '
    'transaction forward; a sufficient "finished" delivers. Outcome (applied, duplicate, stale, '
    'review or order_not_found), order, order, payment and delivery status. Raises for no reason '
    'of business.';
grant execute on function backend.apply_payment_event(backend.payment_event)
    to fn_payment_webhook, fn_check_payment_status, fn_reconcile;
