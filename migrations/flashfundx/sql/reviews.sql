-- What a human decides about a review. One function, for finance and the service key; every decision
--  happens once, under the order's row lock, and is written down.
--
-- Reviews of payment_events (the order is not delivered by such an event): underpaid,
-- amount_unknown, price_currency, price_amount, worth_less, partially_paid, child_payment,
-- wrong_asset (another coin than agreed, or a child in one), unknown_status, paid_twice,
-- order_closed, payment_of_other_order, refund_of_other_payment, refunded_in_part,
-- failed_after_delivery, counted_payment_failed, order_not_found; from the delivery itself:
-- delivery_error, delivered_by_hand; from a callback that nobody could read and that had no effect:
-- callback_unreadable. Those that only inform stand at the head of payment_credit.

create or replace function backend.open_review(
    p_kind       text,
    p_order_id   text,
    p_payment_id text,
    p_detail     jsonb)
returns void
language plpgsql
as $$
begin
    insert into public.reviews (kind, order_id, payment_id, detail)
    values (p_kind, p_order_id, p_payment_id, p_detail)
    on conflict (kind, payment_id, order_id) where state = 'open' do nothing;
end
$$;
comment on function backend.open_review(text, text, text, jsonb) is
    'Puts something before a human, once while it is open.';

create or replace function backend.resolve_reviews(p_order_id text, p_kinds text[], p_note text)
returns void
language plpgsql
as $$
begin
    update public.reviews as r
       set state = 'resolved', resolution = p_note, resolved_by = 'events', resolved_at = now()
     where r.order_id = p_order_id and r.kind = any (p_kinds) and r.state = 'open';
end
$$;
comment on function backend.resolve_reviews(text, text[], text) is
    'Closes the open reviews of an order that events have answered.';

create or replace function backend.resolve_review_of(
    p_payment_id text,
    p_kind       text,
    p_note       text)
returns void
language plpgsql
as $$
begin
    update public.reviews as r
       set state = 'resolved', resolution = p_note, resolved_by = 'events', resolved_at = now()
     where r.kind = p_kind and r.payment_id = p_payment_id and r.state = 'open';
end
$$;
comment on function backend.resolve_review_of(text, text, text) is
    'Closes the open review of a payment that events have answered.';

-- Decisions ---------------------------------------------------------------------------------------

create or replace function backend.review_is_surplus(
    p_review public.reviews,
    p_order  public.orders)
returns boolean
language sql stable
as $$
    -- Money beside what pays the order, or information: the order itself is not in question.
    select p_review.kind in ('overpaid', 'paid_twice', 'refund_of_other_payment',
                             'payment_of_other_order', 'event_dead')
        or (p_order.payment_status = 'paid'
            and (p_review.kind in ('child_payment', 'wrong_asset', 'partially_paid')
                 or (p_review.kind in ('underpaid', 'worth_less', 'amount_unknown',
                                       'price_currency', 'price_amount', 'unknown_status',
                                       'order_closed', 'failed_with_money',
                                       'counted_payment_failed')
                     and not coalesce(
                        (select backend.pays_order(p_order, p)
                         from public.payments as p
                         where p.payment_id = p_review.payment_id
                           and p.order_id = p_order.order_id), false))))
$$;
comment on function backend.review_is_surplus(public.reviews, public.orders) is
    'Whether a review is about money beside what pays its order.';

create or replace function backend.accept_order(p_order public.orders, p_review public.reviews)
returns jsonb
language plpgsql
as $$
declare
    v_main public.payments;
    v_old_status text := p_order.order_status;
begin
    if p_order.order_status in ('cancelled', 'refunded') or p_order.payment_status = 'refunded' then
        return jsonb_build_object('success', false, 'error',
                                  'Order is ' || p_order.order_status);
    end if;
    if p_order.payment_status <> 'paid' then
        -- The payment in question, or its parent, counts; instead of one that failed the best of
        -- the others. Money of elsewhere is booked by hand.
        select p.*
          into v_main
          from public.payments as p
         where p.order_id = p_order.order_id
           and p.parent_payment_id is null
           and case
                when p_review.kind = 'counted_payment_failed'
                    then p.payment_id <> p_review.payment_id
                         and p.status in ('finished', 'partially_paid')
                         and not backend.was_decided(p.order_id, p.payment_id)
                else p.payment_id in (
                    p_review.payment_id,
                    (select c.parent_payment_id
                     from public.payments as c
                     where c.payment_id = p_review.payment_id))
               end
         order by p.status = 'finished' desc,
                  p.actually_paid / nullif(p.pay_amount, 0) desc nulls last, p.created_at
         limit 1;
        p_order := backend.as_paid(p_order, coalesce(v_main.payment_id, p_review.payment_id),
            coalesce(v_main.crypto_currency, p_order.crypto_currency), v_main.pay_amount,
            coalesce(v_main.pay_address, p_order.crypto_address));
        if v_old_status = 'completed' then
            p_order.order_status := v_old_status;       -- by hand; never back
        end if;
        perform backend.uncount_others(p_order.order_id, v_main.payment_id);
        if v_main.payment_id is null then
            p_order.payment_provider := 'manual';
            insert into public.payment_transactions
                (order_id, user_id, transaction_type, amount, currency, provider,
                 provider_transaction_id, provider_status, status, processed_at)
            values
                (p_order.order_id, p_order.user_id, 'payment', p_order.final_amount,
                 p_order.currency, 'manual', p_review.id::text, 'accepted', 'completed', now())
            on conflict (provider, provider_transaction_id, transaction_type) do nothing;
        else
            perform backend.count_payment(p_order, v_main.payment_id);
        end if;
        update public.orders as o
           set order_status = p_order.order_status,
               payment_status = p_order.payment_status,
               paid_at = p_order.paid_at,
               payment_provider = p_order.payment_provider,
               payment_provider_id = p_order.payment_provider_id,
               crypto_currency = p_order.crypto_currency,
               crypto_amount = p_order.crypto_amount,
               crypto_address = p_order.crypto_address
         where o.id = p_order.id;
        update public.reviews as r set pays = true where r.id = p_review.id;
    else
        -- Accepted as paid in full: what counts is booked.
        perform backend.count_payment(p_order, p.payment_id)
           from public.payments as p
          where p.order_id = p_order.order_id and p.counted;
    end if;
    if p_order.delivery_status <> 'delivered' and p_order.order_status = 'processing' then
        perform backend.deliver_or_queue(p_order);
    end if;
    return jsonb_build_object('success', true);
end
$$;
comment on function backend.accept_order(public.orders, public.reviews) is
    'The order counts as paid and is delivered, or waits for stock.';

create or replace function backend.note_refund(p_order public.orders, p_review public.reviews)
returns jsonb
language plpgsql
as $$
declare
    v_booked constant numeric := greatest(backend.booked_amount(p_order.order_id), 0);
    v_arrived numeric;
begin
    if backend.has_account(p_order) then
        -- What was delivered stays delivered; the account does not stay usable.
        perform backend.suspend_account(p_order.order_id);
        return jsonb_build_object('success', true);
    end if;
    if p_order.payment_status <> 'refunded' then
        -- What is booked for the order goes back whole. Of other money only what had arrived was
        -- there to go back; when nobody knows how much, the row says 0.
        select sum(p.price_amount * p.actually_paid / nullif(p.pay_amount, 0))
          into v_arrived
          from public.payments as p
         where p.order_id = p_order.order_id
           and case
                when p_review.kind = 'counted_payment_failed'
                    then p.status in ('finished', 'partially_paid')
                else p.payment_id = p_review.payment_id
               end;
        insert into public.payment_transactions as t
            (order_id, user_id, transaction_type, amount, currency, provider,
             provider_transaction_id, provider_status, status, processed_at)
        values
            (p_order.order_id, p_order.user_id, 'refund',
             case
                 when v_booked > 0 then v_booked
                 else least(coalesce(v_arrived, 0), 99999999.99)
             end,
             p_order.currency, 'nowpayments',
             coalesce(p_review.payment_id, p_review.id::text), 'refund_noted',
             case when v_booked > 0 then 'completed' else 'processing' end, now())
        -- A part of it went back in this payment before.
        on conflict (provider, provider_transaction_id, transaction_type) do update
           set amount = t.amount + excluded.amount,
               provider_status = excluded.provider_status
         where excluded.status = 'completed' and t.status = 'completed';
        update public.orders as o
           set order_status = 'refunded', payment_status = 'refunded'
         where o.id = p_order.id;
    end if;
    return jsonb_build_object('success', true);
end
$$;
comment on function backend.note_refund(public.orders, public.reviews) is
    'The customer got the money back: an order that was not delivered is refunded, a delivered '
    'account is suspended.';

create or replace function backend.cancel_order(p_order public.orders)
returns jsonb
language plpgsql
as $$
begin
    if backend.has_account(p_order) then
        return jsonb_build_object('success', false, 'error', 'Order already delivered');
    end if;
    update public.orders as o
       set order_status = 'cancelled'
     where o.id = p_order.id and o.order_status not in ('cancelled', 'refunded');
    return jsonb_build_object('success', true);
end
$$;
comment on function backend.cancel_order(public.orders) is
    'Cancels an order that was not delivered; a refunded one stays refunded.';

create or replace function backend.decide_review(p_review public.reviews, p_action text)
returns jsonb
language plpgsql
as $$
declare
    v_order public.orders;
begin
    if p_review.kind = 'event_dead' and p_action = 'accept' then
        return backend.retry_event((p_review.detail ->> 'event')::bigint);
    end if;
    if p_review.kind = 'callback_unreadable' then
        -- It was not applied and never will be: the order stands as the other events left it.
        return case p_action
            when 'accept' then jsonb_build_object('success', true)
            else jsonb_build_object('success', false, 'error',
                'The callback had no effect; accept says that it was seen')
        end;
    end if;
    -- The caller holds the lock.
    select * into v_order from public.orders as o where o.order_id = p_review.order_id;
    if not found then
        return case p_action
            when 'accept' then jsonb_build_object('success', false, 'error', 'Order not found')
            else jsonb_build_object('success', true)
        end;
    end if;
    return case
        when p_action = 'cancel' then backend.cancel_order(v_order)
        when backend.review_is_surplus(p_review, v_order)
             and (p_action = 'refund_noted' or v_order.payment_status = 'paid')
            then jsonb_build_object('success', true)
        when p_action = 'refund_noted' then backend.note_refund(v_order, p_review)
        when p_review.kind in ('paid_late', 'refunded_after_delivery')
            then jsonb_build_object('success', true)
        else backend.accept_order(v_order, p_review)
    end;
end
$$;
comment on function backend.decide_review(public.reviews, text) is
    'Does what a decision means; {success} or {success, error}, and then nothing has changed.';

create or replace function public.resolve_review(
    p_review_id uuid,
    p_action    text,
    p_note      text default null)
returns jsonb
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_review public.reviews;
    v_order_id text;
    v_before text;
    v_result jsonb;
begin
    perform platform.require_duty('resolve reviews', 'finance');
    if p_action is null or p_action not in ('accept', 'refund_noted', 'cancel') then
        return jsonb_build_object('success', false, 'error',
            'Invalid action. Must be one of: accept, refund_noted, cancel');
    end if;
    -- The order first, as everywhere; then the review, which nobody can have resolved meanwhile.
    select r.order_id into v_order_id from public.reviews as r where r.id = p_review_id;
    perform from public.orders as o where o.order_id = v_order_id for update;
    select * into v_review from public.reviews as r where r.id = p_review_id for update;
    if v_review.id is null then
        return jsonb_build_object('success', false, 'error', 'Review not found');
    end if;
    v_before := backend.order_states(v_review.order_id);
    if v_review.state = 'resolved' then
        return jsonb_build_object(
            'success', v_review.resolution is not distinct from p_action,
            'already_resolved', true, 'resolution', v_review.resolution, 'order', v_before)
            || case when v_review.resolution is distinct from p_action
                    then jsonb_build_object('error', 'Review already resolved') else '{}' end;
    end if;

    v_result := backend.decide_review(v_review, p_action);
    if v_result ->> 'success' is distinct from 'true' then
        return v_result;
    end if;
    update public.reviews as r
       set state = 'resolved', resolution = p_action, note = left(p_note, 2000),
           resolved_by = platform.caller_name(), resolved_at = now()
     where r.id = p_review_id;
    perform platform.write_audit('RESOLVE_REVIEW', 'reviews', p_review_id::text,
        format('%s: %s', v_review.kind, p_action),
        jsonb_build_object('action', p_action, 'note', left(p_note, 2000),
                           'order', backend.order_states(v_review.order_id)),
        jsonb_build_object('kind', v_review.kind, 'order_id', v_review.order_id,
                           'payment_id', v_review.payment_id, 'order', v_before));
    return jsonb_build_object('success', true, 'already_resolved', false,
        'resolution', p_action, 'order', backend.order_states(v_review.order_id));
end
$$;
comment on function public.resolve_review(uuid, text, text) is
    'Decides a review: accept (the order counts as paid and is delivered), refund_noted (not '
    'delivered: refunded; delivered: the account is suspended) or cancel (not delivered only). '
    'Once; a repeat answers already_resolved. For finance and service_role.';
grant execute on function public.resolve_review(uuid, text, text) to staff, service_role;
