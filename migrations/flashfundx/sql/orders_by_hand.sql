-- What staff do to the money of an order: a discount before it is paid, a chargeback after. Each is
-- one function, under the order's row lock, with a reason, and one line in the audit.

create or replace function backend.require_staff(p_what text)
returns void
language plpgsql stable
as $$
begin
    if platform.caller_role() in ('anon', 'authenticated') and not platform.is_admin() then
        raise exception using
            errcode = '42501',
            message = 'Only administrators may ' || p_what;
    end if;
end
$$;
comment on function backend.require_staff(text) is
    'Refuses callers who are neither administrators nor the service key (SQLSTATE 42501).';

create or replace function backend.note_decision(
    p_action   text,
    p_order_id text,
    p_before   jsonb,
    p_after    jsonb,
    p_reason   text)
returns void
language sql
as $$
    insert into public.admin_audit_log
        (admin_email, admin_ip, action_type, table_name, record_id, old_values, new_values,
         description)
    values
        (platform.caller_name(), platform.caller_ip(), p_action, 'orders', p_order_id, p_before,
         p_after, left(p_reason, 2000))
$$;
comment on function backend.note_decision(text, text, jsonb, jsonb, text) is
    'Writes what staff decided about an order, and why, into the audit.';

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
    perform backend.require_staff('grant discounts');
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
        perform backend.note_decision('DISCOUNT', p_order_id,
            jsonb_build_object('discount_amount', v_order.discount_amount,
                               'final_amount', v_order.final_amount),
            jsonb_build_object('discount_amount', v_discount,
                               'final_amount', v_order.amount - v_discount), p_reason);
    end if;
    return jsonb_build_object('success', true, 'amount', v_order.amount,
        'discount_amount', v_discount, 'final_amount', v_order.amount - v_discount);
end
$$;
comment on function public.grant_discount(text, numeric, text) is
    'Sets the discount of an order nobody has paid for yet: {success, amount, discount_amount, '
    'final_amount} or {success, error}. The next checkout is at the new price. For administrators '
    'and service_role.';
grant execute on function public.grant_discount(text, numeric, text)
    to authenticated, service_role;

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
    perform backend.require_staff('record chargebacks');
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
    perform backend.note_decision('CHARGEBACK', p_order_id,
        jsonb_build_object('booked', v_booked, 'order', v_order.order_status || '/'
                           || v_order.payment_status || '/' || v_order.delivery_status),
        jsonb_build_object('transaction', v_id, 'amount', v_amount,
                           'order', backend.order_states(p_order_id)), p_reason);
    return jsonb_build_object('success', true, 'already_recorded', false,
        'amount', v_amount, 'order', backend.order_states(p_order_id));
end
$$;
comment on function public.record_chargeback(text, numeric, text, text, text) is
    'Money of an order that was charged back (null: all that is booked): books it, suspends the '
    'account; whole, the order is refunded, in part it is held for a human. {success, '
    'already_recorded, amount, order} or {success, error}; once per provider and reference. For '
    'administrators and service_role.';
grant execute on function public.record_chargeback(text, numeric, text, text, text)
    to authenticated, service_role;
