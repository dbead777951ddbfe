-- What staff do to an order: a discount before it is paid, money that came another way, a chargeback,
-- an end. Each is one function, under the order's row lock, with a reason, and one line in the audit.

create or replace function public.grant_discount(
    p_order_id text,
    p_discount numeric,
    p_reason   text)
returns jsonb
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_order public.orders;
    v_discount constant numeric := round(p_discount, 2);
    v_error text;
begin
    perform platform.require_duty('grant discounts', 'finance');
    select * into v_order from public.orders as o where o.order_id = p_order_id for update;
    v_error := case
        when v_order.id is null then 'Order not found'
        when coalesce(btrim(p_reason), '') = '' then 'A reason is required'
        when v_discount is null or v_discount < 0 or v_discount >= v_order.amount
            then 'The discount must be from 0 to less than the amount'
        when v_order.payment_status <> 'pending' or v_order.delivery_status <> 'pending'
             or v_order.order_status not in ('pending', 'processing') then 'Order is not unpaid'
        when exists (
            select
            from public.payments as p
            where p.order_id = p_order_id
              and (p.status not in ('waiting', 'expired', 'failed') or p.actually_paid > 0))
            then 'Money for this order is on its way'
    end;
    if v_error is not null then
        return jsonb_build_object('success', false, 'error', v_error);
    end if;
    -- What was opened at the former price is shown to nobody any more; the next request for the
    -- checkout makes another invoice. Should it be paid all the same, it is judged like any payment.
    update public.payment_attempts as a
       set state = 'abandoned', detail = 'the price changed', updated_at = now()
     where a.order_id = p_order_id
       and a.state in ('claimed', 'open', 'unknown')
       and a.price_amount <> v_order.amount - v_discount;
    update public.orders as o
       set discount_amount = v_discount,
           final_amount = o.amount - v_discount,
           payment_provider_id = null, crypto_currency = null, crypto_amount = null,
           crypto_address = null
     where o.id = v_order.id and o.discount_amount <> v_discount;
    if found then
        perform platform.write_audit('DISCOUNT', 'orders', p_order_id, p_reason,
            jsonb_build_object('discount_amount', v_discount,
                               'final_amount', v_order.amount - v_discount),
            jsonb_build_object('discount_amount', v_order.discount_amount,
                               'final_amount', v_order.final_amount));
    end if;
    return jsonb_build_object('success', true, 'amount', v_order.amount,
        'discount_amount', v_discount, 'final_amount', v_order.amount - v_discount);
end
$$;
comment on function public.grant_discount(text, numeric, text) is
    'Sets the discount of an order nobody has paid for yet: {success, amount, discount_amount, '
    'final_amount} or {success, error}. The next checkout is at the new price. For finance '
    'and service_role.';
grant execute on function public.grant_discount(text, numeric, text)
    to staff, service_role;

create or replace function public.record_chargeback(
    p_order_id  text,
    p_amount    numeric,
    p_reason    text,
    p_provider  text default null,
    p_reference text default null)
returns jsonb
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_order public.orders;
    v_booked numeric;
    v_amount numeric;
    v_payment public.payment_transactions;
    v_recorded numeric;
    v_id uuid;
    v_error text;
begin
    perform platform.require_duty('record chargebacks', 'finance');
    select * into v_order from public.orders as o where o.order_id = p_order_id for update;
    v_booked := backend.booked_amount(p_order_id);
    v_amount := coalesce(round(p_amount, 2), v_booked);
    -- It goes back the way the money came.
    select *
      into v_payment
      from public.payment_transactions as t
     where t.order_id = p_order_id and t.transaction_type = 'payment' and t.status = 'completed'
     order by t.provider = p_provider desc nulls last, t.processed_at desc
     limit 1;
    select t.amount
      into v_recorded
      from public.payment_transactions as t
     where t.provider = coalesce(p_provider, v_payment.provider)
       and t.provider_transaction_id
           = coalesce(p_reference, v_payment.provider_transaction_id, p_order_id)
       and t.transaction_type = 'chargeback'
       and t.order_id = p_order_id;
    if v_recorded <> round(p_amount, 2) then
        return jsonb_build_object('success', false, 'error',
            'Another amount is recorded under this reference: give p_reference');
    elsif v_recorded is not null then
        return jsonb_build_object('success', true, 'already_recorded', true,
                                  'order', backend.order_states(p_order_id));
    end if;
    v_error := case
        when v_order.id is null then 'Order not found'
        when coalesce(btrim(p_reason), '') = '' then 'A reason is required'
        when v_booked <= 0 then 'Nothing is booked for this order'
        when v_amount <= 0 or v_amount > v_booked
            then format('The amount must be from 0.01 to %s, which is booked', v_booked)
    end;
    if v_error is not null then
        return jsonb_build_object('success', false, 'error', v_error);
    end if;
    insert into public.payment_transactions
        (order_id, user_id, transaction_type, amount, currency, provider, provider_transaction_id,
         provider_status, status, processed_at)
    values
        (p_order_id, v_order.user_id, 'chargeback', v_amount, v_order.currency,
         coalesce(p_provider, v_payment.provider),
         coalesce(p_reference, v_payment.provider_transaction_id, p_order_id), 'chargeback',
         'completed', now())
    returning id into v_id;
    perform backend.suspend_account(p_order_id);
    if v_amount = v_booked then
        update public.orders as o
           set order_status = 'refunded', payment_status = 'refunded'
         where o.id = v_order.id;
    else
        -- Part of the price is left: what waits for stock waits for a human.
        delete from public.waiting_deliveries as w where w.order_id = p_order_id;
        perform backend.open_review('refunded_in_part', p_order_id,
            v_payment.provider_transaction_id, jsonb_build_object(
                'chargeback', v_amount, 'remaining', v_booked - v_amount));
    end if;
    perform platform.write_audit('CHARGEBACK', 'orders', p_order_id, p_reason,
        jsonb_build_object('transaction', v_id, 'amount', v_amount,
                           'order', backend.order_states(p_order_id)),
        jsonb_build_object('booked', v_booked, 'order', v_order.order_status || '/'
                           || v_order.payment_status || '/' || v_order.delivery_status));
    return jsonb_build_object('success', true, 'already_recorded', false,
        'amount', v_amount, 'order', backend.order_states(p_order_id));
end
$$;
comment on function public.record_chargeback(text, numeric, text, text, text) is
    'Money of an order that was charged back (null: all that is booked): books it, suspends the '
    'account; whole, the order is refunded, in part it is held for a human. {success, '
    'already_recorded, amount, order} or {success, error}; once per provider and reference. For '
    'finance and service_role.';
grant execute on function public.record_chargeback(text, numeric, text, text, text)
    to staff, service_role;

create or replace function public.book_manual_payment(
    p_order_id  text,
    p_amount    numeric,
    p_reference text,
    p_reason    text)
returns jsonb
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_order public.orders;
    v_before text;
    v_other text;
    v_error text;
begin
    perform platform.require_duty('book payments', 'finance');
    select * into v_order from public.orders as o where o.order_id = p_order_id for update;
    v_before := backend.order_states(p_order_id);
    p_reference := nullif(btrim(p_reference), '');
    select t.order_id
      into v_other
      from public.payment_transactions as t
     where t.provider = 'manual'
       and t.provider_transaction_id = p_reference
       and t.transaction_type = 'payment';
    if v_other = p_order_id then
        return jsonb_build_object('success', true, 'already_booked', true, 'order', v_before);
    end if;
    v_error := case
        when v_order.id is null then 'Order not found'
        when coalesce(btrim(p_reason), '') = '' then 'A reason is required'
        when p_reference is null or length(p_reference) > 200
            then 'The reference must have 1 to 200 characters: what the bank or the chain calls it'
        when v_other is not null then 'This reference is booked for order ' || v_other
        when v_order.order_status in ('cancelled', 'refunded') then 'Order is ' || v_order.order_status
        when v_order.payment_status = 'paid' then 'Order is already paid'
        when v_order.payment_status = 'refunded' then 'Order is refunded'
        when p_amount is distinct from v_order.final_amount
            then format('The amount must be %s, the order''s price; a discount makes it less',
                        v_order.final_amount)
    end;
    if v_error is not null then
        return jsonb_build_object('success', false, 'error', v_error);
    end if;
    perform backend.uncount_others(p_order_id, null);
    insert into public.payment_transactions
        (order_id, user_id, transaction_type, amount, currency, provider, provider_transaction_id,
         provider_status, status, processed_at)
    values
        (p_order_id, v_order.user_id, 'payment', v_order.final_amount, v_order.currency, 'manual',
         p_reference, 'booked', 'completed', now());
    update public.orders as o
       set order_status = case o.order_status when 'completed' then o.order_status
                                              else 'processing' end,
           payment_status = 'paid', paid_at = now(), payment_provider = 'manual',
           payment_provider_id = p_reference
     where o.id = v_order.id
    returning * into v_order;
    if v_order.delivery_status <> 'delivered' and not backend.is_held(p_order_id) then
        perform backend.deliver_or_queue(v_order);
    end if;
    perform platform.write_audit('MANUAL_PAYMENT', 'orders', p_order_id, p_reason,
        jsonb_build_object('amount', p_amount, 'reference', p_reference,
                           'order', backend.order_states(p_order_id)),
        jsonb_build_object('order', v_before));
    return jsonb_build_object('success', true, 'already_booked', false,
                              'order', backend.order_states(p_order_id));
end
$$;
comment on function public.book_manual_payment(text, numeric, text, text) is
    'An order was paid another way, by a transfer say: books its price, and it is delivered or waits '
    'for stock. {success, already_booked, order} or {success, error}; once per reference. For '
    'finance and service_role.';
grant execute on function public.book_manual_payment(text, numeric, text, text)
    to staff, service_role;

create or replace function public.cancel_order(p_order_id text, p_reason text)
returns jsonb
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_order public.orders;
    v_before text;
    v_error text;
    v_result jsonb;
begin
    perform platform.require_duty('cancel orders', 'support', 'finance');
    select * into v_order from public.orders as o where o.order_id = p_order_id for update;
    v_before := backend.order_states(p_order_id);
    if v_order.order_status = 'cancelled' then
        return jsonb_build_object('success', true, 'already_cancelled', true, 'order', v_before);
    end if;
    v_error := case
        when v_order.id is null then 'Order not found'
        when coalesce(btrim(p_reason), '') = '' then 'A reason is required'
        when v_order.order_status = 'refunded' then 'Order is refunded'
        when v_order.payment_status = 'paid' then 'Order is paid: decide its review, or record what goes back'
    end;
    if v_error is not null then
        return jsonb_build_object('success', false, 'error', v_error);
    end if;
    v_result := backend.cancel_order(v_order);
    if v_result ->> 'success' = 'true' then
        perform platform.write_audit('CANCEL', 'orders', p_order_id, p_reason,
            jsonb_build_object('order', backend.order_states(p_order_id)),
            jsonb_build_object('order', v_before));
        v_result := v_result || jsonb_build_object('already_cancelled', false,
                                                   'order', backend.order_states(p_order_id));
    end if;
    return v_result;
end
$$;
comment on function public.cancel_order(text, text) is
    'Ends an order nobody has paid for; money that still comes waits for a human. {success, '
    'already_cancelled, order} or {success, error}. For support, finance and service_role.';
grant execute on function public.cancel_order(text, text) to staff, service_role;
