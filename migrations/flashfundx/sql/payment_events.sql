-- What the provider says about a payment: stored once, and its effect. Callback, poll and staff
-- come here; there is no other way for a payment to move an order. (What the effect is:
-- payment_decision. Callbacks that come together: payment_events_together. Reviews: reviews.)

create or replace function backend.apply_payment_event(p_event backend.payment_event)
returns text[]
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
-- Every row is found by an index. Plans are kept per connection, and one made while the tables
-- were still empty would read them from end to end.
set enable_seqscan = off
as $$
declare
    v_status text := backend.event_status(p_event.status);
    v_order_id text := nullif(p_event.order_id, '');
    v_parent_id text;
    v_paid numeric;
    v_order public.orders;          -- as locked
    v_known boolean := false;       -- the payment was there before, and in the books
    v_payment public.payments;
    v_found record;                 -- order and payment
    v_repeat text[];                -- the answer, when the event is one
    v_stored boolean;               -- the event was stored before, without effect
    v_event_id bigint;
    v_written boolean;              -- (PERFORM would run a statement around the call)
    e backend.event_effect;
begin
    -- Lock the order: everything below is decided on it and on the payment. When a callback comes
    -- both are mostly known, and it may be news. (What a poll says mostly is a repeat.)
    if p_event.source <> 'poll' then
        select o as its_order, p as payment
          into v_found
          from public.orders as o
          join public.payments as p on p.order_id = o.order_id
         where p.payment_id = p_event.payment_id
           and (v_order_id is null or o.order_id = v_order_id)
           and backend.may_be_news(p, v_status)
           for update of o
           for no key update of p;
        v_known := found;
    end if;
    if v_known then
        v_order := v_found.its_order;
        v_payment := v_found.payment;
    else
        v_parent_id := backend.parent_id(p_event.parent_payment_id);
        v_paid := platform.plain_amount(p_event.actually_paid);
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
                case when backend.payment_status_rank(v_status) is null then v_status
                     else 'waiting' end, v_parent_id, v_paid);
        end if;
    end if;
    e := backend.decide_payment_event(p_event, v_order, v_payment, v_known);

    insert into public.payment_events
        (payment_id, status, actually_paid, order_id, parent_payment_id, outcome, source, raw,
         provider_updated_at)
    values
        (p_event.payment_id, e.status, e.paid, v_order.order_id, e.parent_id, e.outcome,
         p_event.source, p_event.raw, p_event.provider_updated_at)
    on conflict on constraint payment_events_effect_key do nothing;
    if not found then
        -- Stored before, without effect, or under review; or another session was faster.
        update public.payment_events as s
           set order_id = v_order.order_id, outcome = e.outcome, state = 'done', done_at = now()
         where s.payment_id = p_event.payment_id
           and s.status = e.status
           and s.actually_paid is not distinct from e.paid
           and (s.state <> 'done'
                or s.outcome = 'order_not_found'
                or (s.outcome = 'review' and e.outcome = 'applied'))
        returning s.id, s.last_error is not null into v_event_id, v_stored;
        if v_event_id is null then
            return coalesce(
                backend.answer_to_repeat(p_event.payment_id, e.status, e.paid, p_event.source),
                array['duplicate', v_order.order_id, v_order.order_status, v_order.payment_status,
                      v_order.delivery_status]);
        end if;
        if v_stored then
            perform backend.event_revived(p_event.payment_id, v_event_id);
        end if;
    end if;

    if e.pays then
        perform backend.uncount_others(v_order.order_id,
                                       coalesce(e.counted_id, p_event.payment_id));
    end if;
    if e.moves then
        v_payment := e.payment;
        update public.payments as p
           set status = v_payment.status,
               counted = v_payment.counted,
               parent_payment_id = v_payment.parent_payment_id,
               invoice_id = v_payment.invoice_id,
               purchase_id = v_payment.purchase_id,
               pay_address = v_payment.pay_address,
               pay_currency = v_payment.pay_currency,
               pay_amount = v_payment.pay_amount,
               actually_paid = v_payment.actually_paid,
               price_amount = v_payment.price_amount,
               price_currency = v_payment.price_currency,
               outcome_amount = v_payment.outcome_amount,
               outcome_currency = v_payment.outcome_currency,
               provider_updated_at = v_payment.provider_updated_at,
               last_seen_at = now(),
               updated_at = now()
         where p.payment_id = p_event.payment_id;
    elsif p_event.source = 'poll' or e.note is not null then
        update public.payments as p
           set last_seen_at = now(),
               actually_paid = case when e.note is null then p.actually_paid
                                    else greatest(p.actually_paid, e.paid) end,
               updated_at = case when e.note is null then p.updated_at else now() end
         where p.payment_id = p_event.payment_id;
    end if;
    if e.books then
        v_written := backend.book_payments(array[e], 1);
    end if;
    return backend.act_on_event(e);
end
$$;
comment on function backend.apply_payment_event(backend.payment_event) is
    'Stores what the provider says about a payment exactly once and moves order, payment and '
    'transaction forward; a sufficient "finished" delivers. Outcome (applied, duplicate, stale, '
    'review or order_not_found), order, order, payment and delivery status. Raises for no reason '
    'of business.';
grant execute on function backend.apply_payment_event(backend.payment_event)
    to fn_payment_webhook, fn_check_payment_status, fn_reconcile;

create or replace function backend.act_on_event(e backend.event_effect)
returns text[]
language plpgsql
as $$
declare
    v_order public.orders := e.its_order;
    v_payment public.payments;
    v_note text := e.note;
    v_event_id bigint;              -- for what refers to it
    v_delivered boolean := false;
begin
    if e.outcome = 'applied' and e.status in ('waiting', 'confirming', 'confirmed', 'sending')
       and e.note is null and not e.pays and not e.revives
       and e.old_order_status = v_order.order_status then
        return array[e.outcome, v_order.order_id, v_order.order_status, v_order.payment_status,
                     v_order.delivery_status];           -- it only informs
    end if;
    v_payment := e.payment;
    if coalesce(e.review, e.note) is not null or e.revives
       or e.pays and e.old_order_status = 'failed' then
        v_event_id := backend.event_id(e);
    end if;
    if e.revives then
        perform backend.resolve_review_of((e.event).payment_id, 'failed_with_money',
            format('answered by event %s: %s', v_event_id, e.status));
    end if;
    if e.moves and e.status = 'refunded' then
        perform backend.book_refund(v_order, v_payment, e.back,
                                    least(e.credit, v_order.final_amount) - e.rest);
    end if;

    if e.settles or (e.other).payment_id is not null then
        if e.settles then
            perform backend.count_payment(v_order, e.counted_id);
        end if;
        if (e.other).payment_id is not null then
            perform backend.count_instead(v_order, (e.other).payment_id, (e.event).payment_id,
                                          e.status);
            if e.back is null and (e.other).actually_paid > 1.01 * (e.other).pay_amount then
                perform backend.open_review('overpaid', v_order.order_id, (e.other).payment_id,
                    jsonb_build_object('event', v_event_id, 'actually_paid', (e.other).actually_paid,
                        'pay_amount', (e.other).pay_amount, 'final_amount', v_order.final_amount));
            end if;
        end if;
    end if;
    if e.review is not null then
        perform backend.open_review(e.review, v_order.order_id, (e.event).payment_id,
            jsonb_build_object(
                'event', v_event_id, 'status', e.status, 'actually_paid', e.paid,
                'pay_amount', v_payment.pay_amount, 'pay_currency', lower((e.event).pay_currency),
                'price_amount', v_payment.price_amount, 'price_currency', v_payment.price_currency,
                'outcome_amount', v_payment.outcome_amount,
                'outcome_currency', v_payment.outcome_currency,
                'parent_payment_id', e.parent_id)
            || case when e.back is null then '{}'
                    else jsonb_build_object('remaining', round(e.rest, 2)) end);
    end if;
    if e.status = 'refunded' and e.moves then
        if v_order.payment_status = 'refunded' and backend.has_account(v_order) then
            perform backend.suspend_account(v_order.order_id);
            v_note := 'refunded_after_delivery';
        elsif e.review = 'refunded_in_part' then
            perform backend.suspend_account(v_order.order_id);
            delete from public.waiting_deliveries as w where w.order_id = v_order.order_id;
        end if;
    end if;
    if e.pays then
        update public.reviews as r
           set state = 'resolved',
               resolution = 'answered by event ' || backend.event_id(e) || ': the order is paid',
               resolved_by = 'events',
               resolved_at = now()
         where r.order_id = v_order.order_id
           and r.state = 'open'
           and (r.kind in ('underpaid', 'worth_less', 'partially_paid', 'counted_payment_failed')
                or (e.settles and r.kind in ('child_payment', 'wrong_asset')));
        if e.old_order_status = 'failed' then
            perform backend.open_review('paid_late', v_order.order_id, (e.event).payment_id,
                jsonb_build_object('event', v_event_id, 'status', e.status));
        end if;
    end if;
    if v_note is not null then
        perform backend.open_review(v_note, v_order.order_id, (e.event).payment_id,
            jsonb_build_object(
                'event', v_event_id, 'status', e.status,
                'actually_paid', v_payment.actually_paid,
                'pay_amount', v_payment.pay_amount, 'pay_currency', lower((e.event).pay_currency),
                'credit', e.credit, 'final_amount', v_order.final_amount));
    end if;
    if e.deliver then
        v_delivered := backend.deliver_or_queue(v_order) is null;
        if v_delivered then
            v_order.order_status := 'completed';
            v_order.delivery_status := 'delivered';
        end if;
    end if;
    if not v_delivered                      -- delivery writes it itself
       and ((v_order.order_status, v_order.payment_status)
                <> (e.old_order_status, e.old_payment_status)
            or (e.other).payment_id is not null) then
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

    return array[e.outcome, v_order.order_id, v_order.order_status, v_order.payment_status,
                 v_order.delivery_status];
end
$$;
comment on function backend.act_on_event(backend.event_effect) is
    'What follows of an event that is stored, and its payment with it: books, reviews, delivery, and '
    'the order. What apply_payment_event answers.';

create or replace function backend.event_id(e backend.event_effect)
returns bigint
language plpgsql stable
as $$
begin
    return (
        select s.id
        from public.payment_events as s
        where s.payment_id = (e.event).payment_id
          and s.status = e.status
          and s.actually_paid is not distinct from e.paid);
end
$$;
comment on function backend.event_id(backend.event_effect) is 'Under which number an event is stored.';
