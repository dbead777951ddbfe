-- How payments move, and the callbacks that tell of it.

create or replace function sandbox.json_text(p_text text)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(to_json(p_text)::text, 'null')
$$;
comment on function sandbox.json_text(text) is 'A text as JSON; null as null.';

create or replace function sandbox.ipn_body(p_payment_id bigint)
returns text
language sql stable
set search_path = pg_catalog, sandbox, pg_temp
as $$
    select format('{"actually_paid":%s,"actually_paid_at_fiat":0,'
                  '"fee":{"currency":%s,"depositFee":%s,"serviceFee":%s,"withdrawalFee":0},'
                  '"invoice_id":%s,"order_description":%s,"order_id":%s,'
                  '"outcome_amount":%s,"outcome_currency":%s,"parent_payment_id":%s,"pay_address":%s,'
                  '"pay_amount":%s,"pay_currency":%s,"payin_extra_id":%s,"payment_extra_ids":%s,'
                  '"payment_id":%s,"payment_status":%s,"price_amount":%s,"price_currency":%s,'
                  '"purchase_id":%s,"updated_at":%s}',
        p.actually_paid,
        sandbox.json_text(p.outcome_currency), p.deposit_fee, p.service_fee,
        coalesce(p.invoice_id, 'null'), sandbox.json_text(p.order_description), sandbox.json_text(p.order_id),
        p.outcome_amount, sandbox.json_text(p.outcome_currency), coalesce(p.parent_payment_id, 'null'),
        sandbox.json_text(p.pay_address),
        p.pay_amount, sandbox.json_text(p.pay_currency), sandbox.json_text(p.payin_extra_id),
        coalesce(p.payment_extra_ids, 'null'),
        p.payment_id, sandbox.json_text(p.payment_status), p.price_amount, sandbox.json_text(p.price_currency),
        sandbox.json_text(p.purchase_id), p.updated_ms)
    from sandbox.payment_row as p
    where p.payment_id = p_payment_id::text
$$;
comment on function sandbox.ipn_body(bigint) is
    'A callback''s body: keys in the order in which real ones arrive.';

create or replace function sandbox.enqueue_callback(p_payment_id bigint)
returns void
language sql volatile
set search_path = pg_catalog, sandbox, pg_temp
as $$
    insert into sandbox.callbacks (payment_id, status, url, body)
    select p.id, p.status, p.ipn_callback_url, sandbox.ipn_body(p.id)
    from sandbox.payments as p
    where p.id = p_payment_id and p.ipn_callback_url is not null
$$;
comment on function sandbox.enqueue_callback(bigint) is
    'Notes the callback about a payment''s present state, if its invoice wants any.';

create or replace function sandbox.advance(p_payment_id bigint, p_tick_ms int)
returns void
language plpgsql volatile
set search_path = pg_catalog, sandbox, pg_temp
as $$
declare
    v_payment sandbox.payments;
begin
    select * into v_payment from sandbox.payments where id = p_payment_id for update;
    while cardinality(v_payment.plan) > 0 loop
        update sandbox.payments as p
        set status = p.plan[1],
            plan = p.plan[2:],
            next_step_at = case when cardinality(p.plan) > 1
                                then clock_timestamp() + p_tick_ms * interval '1 millisecond' end,
            actually_paid = p.actually_paid + case when p.plan[1] = 'confirming' then p.deposit else 0 end,
            deposit = case when p.plan[1] = 'confirming' then 0 else p.deposit end,
            payin_hash = case when p.plan[1] = 'confirming'
                              then sandbox.random_text('0123456789abcdef', 64) else p.payin_hash end,
            payout_hash = case when p.plan[1] in ('finished', 'partially_paid')
                               then 'partner_liability_tx_' || sandbox.random_text('0123456789abcdef', 64)
                               else p.payout_hash end,
            updated_at = greatest(clock_timestamp(), p.updated_at + interval '1 millisecond')
        where p.id = p_payment_id
        returning * into v_payment;
        perform sandbox.enqueue_callback(p_payment_id);
        exit when p_tick_ms > 0;
    end loop;
end
$$;
comment on function sandbox.advance(bigint, integer) is
    'Takes the next planned step of a payment; without a pause between steps (tick 0), all of '
    'them.';

create or replace function sandbox.start_plan(p_payment_id bigint, p_tick_ms int, p_plan text[], p_deposit numeric)
returns void
language plpgsql volatile
set search_path = pg_catalog, sandbox, pg_temp
as $$
begin
    update sandbox.payments
    set plan = p_plan, deposit = p_deposit, next_step_at = clock_timestamp()
    where id = p_payment_id;
    if p_tick_ms = 0 then
        perform sandbox.advance(p_payment_id, 0);
    end if;
end
$$;
comment on function sandbox.start_plan(bigint, integer, text[], numeric) is
    'From now on the payment goes through p_plan; the deposit shows when it is confirming.';

create or replace function sandbox.take_fault(p_target text)
returns table (fault text, delay_ms int)
language sql volatile
set search_path = pg_catalog, sandbox, pg_temp
as $$
    update sandbox.faults as f
    set times_left = f.times_left - 1
    where f.id = (select o.id from sandbox.faults as o
                  where o.target = p_target and o.times_left > 0
                  order by o.id limit 1 for update skip locked)
    returning f.fault, f.delay_ms
$$;
comment on function sandbox.take_fault(text) is
    'Uses up one of the faults ordered for a target; no row without.';

create or replace function sandbox.claim_callbacks(p_limit int)
returns table (callback_id text, url text, body text, fault text, delay_ms text)
language plpgsql volatile
set search_path = pg_catalog, sandbox, pg_temp
as $$
declare
    v_callback sandbox.callbacks;
    v_fault    record;
begin
    for v_callback in
        select c.*
        from sandbox.callbacks as c
        where c.state = 'waiting'
          and c.next_try <= clock_timestamp()
          and (c.leased_until is null or c.leased_until < clock_timestamp())
          and not exists (
              select from sandbox.callbacks as o
              where o.payment_id = c.payment_id and o.id <> c.id and o.state = 'waiting'
                and (o.leased_until >= clock_timestamp()
                     or (o.id < c.id and o.next_try <= clock_timestamp())))
        order by c.id
        limit p_limit
        for update skip locked
    loop
        select f.fault, f.delay_ms into v_fault from sandbox.take_fault('callback') as f;
        if v_fault.fault = 'drop' then
            update sandbox.callbacks set state = 'dropped', last_error = 'lost on purpose' where id = v_callback.id;
        elsif v_fault.fault = 'reorder' then
            -- later ones overtake it
            update sandbox.callbacks
            set next_try = clock_timestamp() + greatest(v_fault.delay_ms, 500) * interval '1 millisecond'
            where id = v_callback.id;
        else
            update sandbox.callbacks
            set leased_until = clock_timestamp() + interval '10 seconds'
                             + coalesce(v_fault.delay_ms, 0) * interval '1 millisecond'
            where id = v_callback.id;
            callback_id := v_callback.id;
            url := v_callback.url;
            body := v_callback.body;
            fault := v_fault.fault;
            delay_ms := v_fault.delay_ms;
            return next;
        end if;
    end loop;
end
$$;
comment on function sandbox.claim_callbacks(integer) is
    'Callbacks to send now: at most one of a payment at a time, oldest first. The lease keeps '
    'them from other processes; it ends by itself when the sender dies, and then they are sent '
    'again.';

create or replace function sandbox.tick(p_tick_ms int, p_limit int)
returns table (callback_id text, url text, body text, fault text, delay_ms text)
language plpgsql volatile security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
declare
    v_id bigint;
begin
    for v_id in
        select p.id from sandbox.payments as p
        where p.next_step_at <= clock_timestamp()
        order by p.next_step_at, p.id
        limit 200
        for update skip locked
    loop
        perform sandbox.advance(v_id, p_tick_ms);
    end loop;
    return query select * from sandbox.claim_callbacks(p_limit);
end
$$;
comment on function sandbox.tick(integer, integer) is
    'One turn of the schedule: moves what is due, then hands out callbacks. While one process '
    'moves payments another one skips them.';
grant execute on function sandbox.tick(integer, integer) to fn_sandbox;

create or replace function sandbox.record_try(p_callback_id bigint, p_http_status int, p_error text, p_fault text,
                                   p_took_ms int, p_retry_ms int, p_retries int)
returns table (state text, attempts text)
language plpgsql volatile security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
#variable_conflict use_column
declare
    v_delivered boolean := p_http_status between 200 and 299;
begin
    insert into sandbox.callback_tries (callback_id, http_status, error, fault, took_ms)
    values (p_callback_id, nullif(p_http_status, 0), p_error, p_fault, p_took_ms);
    return query
        update sandbox.callbacks as c
        set attempts = c.attempts + 1,
            state = case when v_delivered or c.state = 'done' then 'done'
                         when c.attempts >= p_retries then 'failed'
                         else 'waiting' end,
            next_try = clock_timestamp() + p_retry_ms * interval '1 millisecond',
            leased_until = null,
            last_status = nullif(p_http_status, 0),
            last_error = p_error
        where c.id = p_callback_id
        returning c.state, c.attempts::text;
end
$$;
comment on function sandbox.record_try(bigint, integer, text, text, integer, integer,
        integer) is
    'What came of a try to send a callback; p_http_status 0: no answer.';
grant execute on function sandbox.record_try(bigint, integer, text, text, integer, integer,
        integer)
    to fn_sandbox;

create or replace function sandbox.begin_call(p_target text, p_method text, p_path text, p_body text)
returns table (fault text, delay_ms text)
language plpgsql volatile security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
declare
    v_fault record;
    v_id    bigint;
begin
    select f.fault, f.delay_ms into v_fault from sandbox.take_fault(p_target) as f;
    insert into sandbox.api_log (method, path, body, fault)
    values (p_method, left(p_path, 500), left(p_body, 4000), v_fault.fault)
    returning id into v_id;
    if v_id % 500 = 0 then
        delete from sandbox.api_log where id <= v_id - 10000;
    end if;
    return query select v_fault.fault, v_fault.delay_ms::text;
end
$$;
comment on function sandbox.begin_call(text, text, text, text) is
    'One API call: logged (the last 10,000), and the fault it is to meet, if any.';
grant execute on function sandbox.begin_call(text, text, text, text) to fn_sandbox;
