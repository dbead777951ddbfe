-- Control for tests, the checkout page and the demo: what a payer, a blockchain or the provider's
-- staff would do.

create or replace function sandbox.add_child(p_parent sandbox.payments, p_origin text, p_currency text,
                                  p_amount numeric, p_tick_ms int)
returns void
language plpgsql volatile
set search_path = pg_catalog, sandbox, pg_temp
as $$
declare
    v_id bigint := sandbox.new_id();
begin
    insert into sandbox.payments (id, purchase_id, invoice_id, parent_id, origin_type, order_id,
        order_description, price_amount, price_currency, pay_amount, pay_currency, pay_address,
        payin_extra_id, ipn_callback_url, customer_email, is_fixed_rate, is_fee_paid_by_user,
        outcome_currency, expires_at, valid_until)
    values (v_id, p_parent.purchase_id, p_parent.invoice_id, p_parent.id, p_origin, p_parent.order_id,
        p_parent.order_description, sandbox.convert(p_amount, p_currency, p_parent.price_currency),
        p_parent.price_currency, p_amount, p_currency, p_parent.pay_address, p_parent.payin_extra_id,
        p_parent.ipn_callback_url, p_parent.customer_email, p_parent.is_fixed_rate,
        p_parent.is_fee_paid_by_user, p_parent.outcome_currency, p_parent.expires_at, p_parent.valid_until);
    perform sandbox.start_plan(v_id, p_tick_ms, array['confirming', 'confirmed', 'sending', 'finished'], p_amount);
end
$$;
comment on function sandbox.add_child(sandbox.payments, text, text, numeric, integer) is
    'A second transfer to the same address is a payment of its own: with a parent, the same '
    'order, and today''s rate.';

create or replace function sandbox.control(p_payment_id bigint, p_action text, p_amount numeric, p_tick_ms int)
returns table (outcome text, detail text)
language plpgsql volatile security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
declare
    c_paid     constant text[] := array['confirming', 'confirmed', 'sending', 'finished'];
    c_partial  constant text[] := array['confirming', 'confirmed', 'sending', 'partially_paid'];
    v_payment  sandbox.payments;
    v_amount   numeric;
    v_decimals int;
    v_plan     text[];
    v_origin   text;    -- set: a child payment comes to be, of v_second v_other
    v_other    text;
    v_second   numeric;
begin
    select * into v_payment from sandbox.payments where id = p_payment_id for update;
    if not found then
        return query select 'not_found', 'Payment not found';
        return;
    end if;
    select decimals into v_decimals from sandbox.currencies where code = v_payment.pay_currency;
    v_amount := coalesce(p_amount, case p_action
        when 'underpay' then round(v_payment.pay_amount * 0.9, v_decimals)
        when 'overpay' then round(v_payment.pay_amount * 1.5, v_decimals)
        else v_payment.pay_amount
    end);
    if v_amount <= 0 then
        return query select 'invalid', 'amount must be positive';
        return;
    end if;

    -- Which states an action makes sense in; a planned payment counts as paid.
    if (p_action in ('pay', 'underpay', 'overpay', 'expire')
            and (v_payment.status <> 'waiting' or cardinality(v_payment.plan) > 0))
       or (p_action = 'late' and v_payment.status not in ('waiting', 'expired'))
       or (p_action = 'fail' and v_payment.status not in ('waiting', 'confirming', 'confirmed', 'sending'))
       or (p_action = 'refund' and v_payment.status not in ('finished', 'partially_paid', 'failed'))
       or (p_action = 'finish_by_hand' and v_payment.status in ('finished', 'refunded'))
    then
        return query select 'conflict', format('%s is not possible: the payment is %s', p_action, v_payment.status);
        return;
    end if;

    case p_action
        when 'pay', 'underpay', 'overpay' then
            v_plan := case when v_amount < v_payment.pay_amount then c_partial else c_paid end;
        when 'late' then
            v_plan := case v_payment.status when 'waiting' then array['expired'] else '{}' end
                   || case when v_amount < v_payment.pay_amount then c_partial else c_paid end;
        when 'expire' then
            v_plan := array['expired'];
            v_amount := 0;
        when 'fail' then
            v_plan := case v_payment.status when 'waiting' then array['confirming', 'failed'] else array['failed'] end;
            v_amount := case v_payment.status when 'waiting' then v_amount else v_payment.deposit end;
        when 'refund' then
            v_plan := array['refunded'];
            v_amount := v_payment.deposit;
        when 'finish_by_hand' then
            v_plan := array['finished'];
            v_amount := v_payment.deposit;
        when 'pay_twice' then
            if v_payment.status = 'waiting' and cardinality(v_payment.plan) = 0 then
                v_plan := c_paid;
            end if;
            v_origin := 'REPEATED';
            v_other := v_payment.pay_currency;
            v_second := v_amount;
        when 'wrong_asset' then
            v_other := case v_payment.pay_currency when 'usdtbsc' then 'usdcbsc' else 'usdtbsc' end;
            v_origin := 'WRONG_ASSET';
            v_second := coalesce(p_amount,
                sandbox.convert(v_payment.price_amount, v_payment.price_currency, v_other));
        else
            return query select 'not_found', 'unknown action';
            return;
    end case;
    if v_plan is not null then
        perform sandbox.start_plan(p_payment_id, p_tick_ms, v_plan, v_amount);
    end if;
    if v_origin is not null then
        perform sandbox.add_child(v_payment, v_origin, v_other, v_second, p_tick_ms);
    end if;
    return query select 'ok', null::text;
end
$$;
comment on function sandbox.control(bigint, text, numeric, integer) is
    'Lets a payer, a blockchain or the provider''s staff do something to a payment.';
grant execute on function sandbox.control(bigint, text, numeric, integer) to fn_sandbox;

create or replace function sandbox.control_callback(p_payment_id bigint, p_status text, p_body text)
returns table (outcome text, detail text, callback_id text, url text, body text)
language plpgsql volatile security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
#variable_conflict use_column
declare
    v_payment sandbox.payments;
begin
    select * into v_payment from sandbox.payments where id = p_payment_id;
    if not found then
        return query select 'not_found', 'Payment not found', null, null, null;
    elsif v_payment.ipn_callback_url is null then
        return query select 'invalid', 'the payment has no ipn_callback_url', null, null, null;
    elsif p_body is null then
        return query select 'ok', null, null, null, sandbox.ipn_body(p_payment_id);
    else
        return query
            insert into sandbox.callbacks as c (payment_id, status, url, body, leased_until)
            values (p_payment_id, p_status, v_payment.ipn_callback_url, p_body, clock_timestamp() + interval '10 seconds')
            returning 'ok', null::text, c.id::text, c.url, c.body;
    end if;
end
$$;
comment on function sandbox.control_callback(bigint, text, text) is
    'A callback with a body of the caller''s choice; leased, because the caller sends it at once. '
    'p_body null: hands out the payment''s present body instead of storing anything.';
grant execute on function sandbox.control_callback(bigint, text, text) to fn_sandbox;

create or replace function sandbox.add_fault(p_target text, p_fault text, p_times int, p_delay_ms int)
returns table (id text)
language sql volatile security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
    insert into sandbox.faults (target, fault, times_left, delay_ms)
    values (p_target, p_fault, p_times, p_delay_ms)
    returning id::text
$$;
comment on function sandbox.add_fault(text, text, integer, integer) is
    'Orders a fault for the next calls of a target.';
grant execute on function sandbox.add_fault(text, text, integer, integer) to fn_sandbox;

create or replace function sandbox.clear_faults()
returns table (cleared text)
language sql volatile security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
    with gone as (delete from sandbox.faults returning times_left)
    select count(*) filter (where times_left > 0)::text from gone
$$;
comment on function sandbox.clear_faults() is
    'Forgets all ordered faults and says how many were still to come.';
grant execute on function sandbox.clear_faults() to fn_sandbox;

create or replace function sandbox.payment_json(p_payment sandbox.payments)
returns jsonb
language sql stable
set search_path = pg_catalog, sandbox, pg_temp
as $$
    select to_jsonb(r) || jsonb_build_object(
        'payment_extra_ids', r.payment_extra_ids::jsonb,
        'plan', p_payment.plan,
        'settled', p_payment.next_step_at is null,
        'callbacks', coalesce((
            select jsonb_agg(jsonb_build_object(
                'id', c.id::text, 'status', c.status, 'state', c.state, 'attempts', c.attempts,
                'last_status', c.last_status, 'last_error', c.last_error,
                'tries', coalesce((
                    select jsonb_agg(jsonb_build_object('at', sandbox.iso(t.tried_at), 'http_status', t.http_status,
                                                        'error', t.error, 'fault', t.fault, 'took_ms', t.took_ms)
                                     order by t.tried_at)
                    from sandbox.callback_tries as t where t.callback_id = c.id), '[]')) order by c.id)
            from sandbox.callbacks as c where c.payment_id = p_payment.id), '[]'))
    from sandbox.payment_row as r
    where r.payment_id = p_payment.id::text
$$;
comment on function sandbox.payment_json(sandbox.payments) is
    'A payment with its plan, callbacks and their tries.';

create or replace function sandbox.payment_state(p_payment_id bigint)
returns table (state text)
language sql stable security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
    select (select (sandbox.payment_json(p) || jsonb_build_object('children', coalesce((
                select jsonb_agg(sandbox.payment_json(k) order by k.created_at, k.id)
                from sandbox.payments as k where k.parent_id = p.id), '[]')))::text
            from sandbox.payments as p where p.id = p_payment_id)
$$;
comment on function sandbox.payment_state(bigint) is
    'payment_json of a payment and its children; null when there is none.';
grant execute on function sandbox.payment_state(bigint) to fn_sandbox;

create or replace function sandbox.order_state(p_order_id text)
returns table (state text)
language sql stable security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
    select jsonb_build_object(
        'order_id', p_order_id,
        'invoices', coalesce((select jsonb_agg(to_jsonb(r) order by i.created_at, i.id)
                              from sandbox.invoices as i join sandbox.invoice_row as r on r.id = i.id::text
                              where i.order_id = p_order_id), '[]'),
        'payments', coalesce((select jsonb_agg(sandbox.payment_json(p) order by p.created_at, p.id)
                              from sandbox.payments as p where p.order_id = p_order_id), '[]'))::text
$$;
comment on function sandbox.order_state(text) is 'All invoices and payments of an order.';
grant execute on function sandbox.order_state(text) to fn_sandbox;

create or replace function sandbox.idle()
returns table (idle boolean, moving text, sending text)
language sql stable security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
    select m.n + s.n = 0, m.n::text, s.n::text
    from (select count(*) as n from sandbox.payments where next_step_at is not null) as m,
         (select count(*) as n from sandbox.callbacks where state = 'waiting') as s
$$;
comment on function sandbox.idle() is
    'Whether nothing is left to move or to send: tests wait for this instead of sleeping.';
grant execute on function sandbox.idle() to fn_sandbox;
