-- The inbox: "seen" and "done" are two states of an event.
--
-- A callback is normally stored and applied in one transaction (record_payment_event). When that
-- fails although the database is there, the callback stores its event only, in state received, and
-- is acknowledged. It is finished later in two transactions: claim_next_event counts the try and
-- leases the event, process_event applies it. So a try counts also when it takes the process or
-- its backend along. After twelve tries the event is dead, and a review says so.
--
-- A lease only keeps others from trying at the same time. Who holds the order's row lock owns its
-- events: whatever applies one asks again under that lock whether it is done.

-- Arriving ----------------------------------------------------------------------------------------

create or replace function backend.event_status(p_status text)
returns text
language sql immutable
as $$
    select case lower(p_status) when 'spending' then 'sending' else lower(p_status) end
$$;
comment on function backend.event_status(text) is
    'A provider''s payment status as it is stored: lower case, and one word for sending.';

create or replace function backend.order_of_payment(
    p_payment_id        text,
    p_parent_payment_id text,
    p_invoice_id        text)
returns text
language sql stable
as $$
    select coalesce(
        (select p.order_id from public.payments as p where p.payment_id = p_payment_id),
        (select p.order_id from public.payments as p where p.payment_id = p_parent_payment_id),
        (select a.order_id
         from public.payment_attempts as a
         where a.invoice_id = nullif(p_invoice_id, '')
         order by a.created_at
         limit 1))
$$;
comment on function backend.order_of_payment(text, text, text) is
    'The order of an event that came without one: by payment, parent payment or invoice.';

create or replace function backend.lock_for_events(p_order_ids text[], p_statuses text[])
returns void
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
begin
    -- Locks are taken in one order everywhere: orders by their names, then customers by their ids.
    perform
       from public.orders as o
      where o.order_id = any (p_order_ids)
      order by o.order_id
        for update;
    -- A delivery writes its customer's totals; these events deliver nothing.
    perform
       from public.user_profiles as u
      where u.id = any (array(
            select o.user_id
            from unnest(p_order_ids, p_statuses) as e (order_id, status)
            join public.orders as o on o.order_id = e.order_id
            where lower(e.status) not in ('waiting', 'confirming', 'confirmed', 'sending')))
      order by u.id
        for no key update;
end
$$;
comment on function backend.lock_for_events(text[], text[]) is
    'Before several events (order ids and statuses) are recorded in one transaction: takes what '
    'they lock in an order in which nobody waits for each other in a circle.';
grant execute on function backend.lock_for_events(text[], text[]) to fn_payment_webhook;

create or replace function backend.store_payment_event(
    p_source              text,
    p_raw                 text,
    p_payment_id          text,
    p_parent_payment_id   text,
    p_invoice_id          text,
    p_purchase_id         text,
    p_order_id            text,
    p_status              text,
    p_pay_address         text,
    p_pay_currency        text,
    p_pay_amount          numeric,
    p_actually_paid       numeric,
    p_price_amount        numeric,
    p_price_currency      text,
    p_outcome_amount      numeric,
    p_outcome_currency    text,
    p_provider_updated_at text,
    p_error               text)
returns table (outcome text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
set lock_timeout = '1s'                 -- of a session that is about to store the same event
as $$
#variable_conflict use_column
begin
    -- An insert and no more: it waits for nobody's order.
    insert into public.payment_events
        (payment_id, status, actually_paid, order_id, parent_payment_id, source, raw,
         provider_updated_at, state, tries, next_try_at, last_error, done_at, arguments)
    values
        (p_payment_id, backend.event_status(p_status), platform.plain_amount(p_actually_paid),
         left(coalesce(nullif(p_order_id, ''),
                       backend.order_of_payment(p_payment_id, nullif(p_parent_payment_id, ''),
                                                p_invoice_id)), 200),
         nullif(p_parent_payment_id, ''), p_source, p_raw, p_provider_updated_at,
         'received', 1, clock_timestamp() + backend.retry_delay(1),
         coalesce(left(p_error, 500), 'not applied'), null,
         jsonb_strip_nulls(jsonb_build_object(
            'invoice_id', p_invoice_id,
            'purchase_id', p_purchase_id,
            'order_id', p_order_id,
            'pay_address', p_pay_address,
            'pay_currency', p_pay_currency,
            'pay_amount', p_pay_amount::text,
            'actually_paid', p_actually_paid::text,
            'price_amount', p_price_amount::text,
            'price_currency', p_price_currency,
            'outcome_amount', p_outcome_amount::text,
            'outcome_currency', p_outcome_currency)))
    on conflict on constraint payment_events_effect_key do nothing;
    outcome := case when found then 'stored' else 'duplicate' end;
    if not found then
        perform platform.await_standby();
    end if;
    return next;
end
$$;
comment on function backend.store_payment_event(text, text, text, text, text, text, text, text,
        text, text, numeric, numeric, numeric, text, numeric, text, text, text) is
    'Stores an event whose effect could not happen now, with the reason; process_event finishes '
    'it. Outcome stored or duplicate.';
grant execute on function backend.store_payment_event(text, text, text, text, text, text, text,
        text, text, text, numeric, numeric, numeric, text, numeric, text, text, text)
    to fn_payment_webhook;

create or replace function backend.record_event_without_order(
    p_source              text,
    p_raw                 text,
    p_payment_id          text,
    p_parent_payment_id   text,
    p_order_id            text,
    p_status              text,
    p_actually_paid       numeric,
    p_provider_updated_at text)
returns table (
    outcome text, order_id text, order_status text, payment_status text, delivery_status text)
language plpgsql
as $$
#variable_conflict use_column
declare
    v_event_id bigint;
begin
    insert into public.payment_events as e
        (payment_id, status, actually_paid, order_id, parent_payment_id, outcome, source, raw,
         provider_updated_at)
    values
        (p_payment_id, p_status, p_actually_paid, left(nullif(p_order_id, ''), 200),
         p_parent_payment_id, 'order_not_found', p_source, p_raw, p_provider_updated_at)
    on conflict on constraint payment_events_effect_key do update
       set outcome = excluded.outcome, state = 'done', next_try_at = null, done_at = now()
     where e.state <> 'done'
    returning e.id into v_event_id;
    perform backend.event_revived(p_payment_id, v_event_id);
    if p_status not in ('waiting', 'confirming', 'failed', 'expired') then
        perform backend.open_review('order_not_found', left(nullif(p_order_id, ''), 200),
            p_payment_id, jsonb_build_object('status', p_status, 'actually_paid', p_actually_paid));
    end if;
    outcome := 'order_not_found';
    return next;
end
$$;
comment on function backend.record_event_without_order(text, text, text, text, text, text, numeric,
        text) is
    'Keeps an event whose order does not exist; when it tells of money, somebody has to look.';

-- Finishing: process-events -----------------------------------------------------------------------

create or replace function backend.retry_delay(p_tries integer)
returns interval
language sql volatile
as $$
    -- 1, 2, 4 … seconds, at most 5 minutes; a quarter more or less, so that events which failed
    -- together do not come back together.
    select least(300, power(2, greatest(p_tries, 1) - 1)) * (0.75 + 0.5 * random())
           * interval '1 second'
$$;
comment on function backend.retry_delay(integer) is
    'How long to wait after so many tries: exponential, with jitter, at most about five minutes.';

create or replace function backend.event_tries_max()
returns integer
language sql immutable
as $$ select 12 $$;
comment on function backend.event_tries_max() is 'Tries before an event is dead.';

create or replace function backend.next_received_event()
returns public.payment_events
language plpgsql
-- Along payment_events_received_idx, whatever the statistics say: a hundred thousand may wait.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
    v_now constant timestamptz := clock_timestamp();
    v_event public.payment_events;
begin
    -- The one that is due longest. Of one payment a younger event waits for an older one, until
    -- that has failed more often. An order that somebody else has locked is left for the next turn.
    select e.*
      into v_event
      from public.payment_events as e
      join public.orders as o on o.order_id = e.order_id
     where e.state = 'received'
       and e.next_try_at <= v_now
       and not exists (
            select
            from public.payment_events as older
            where older.payment_id = e.payment_id
              -- By the payment: the index of all that are received would serve a plain condition.
              and coalesce(older.state, '') = 'received'
              and older.id < e.id
              and older.tries <= e.tries)
     order by e.next_try_at, e.id
     limit 1
       for update of o skip locked;
    if found then
        -- As it stands now that the order is ours.
        select * into v_event
          from public.payment_events as e
         where e.id = v_event.id;
        return v_event;
    end if;
    select e.*
      into v_event
      from public.payment_events as e
     where e.state = 'received'
       and e.next_try_at <= v_now
       and not exists (select from public.orders as o where o.order_id = e.order_id)
     order by e.next_try_at, e.id
     limit 1;
    return v_event;
end
$$;
comment on function backend.next_received_event() is
    'The next event to finish, with its order''s row locked; null when nothing is due.';

create or replace function backend.claim_next_event()
returns table (event_id text, attempt text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
declare
    v_event public.payment_events;
begin
    loop
        v_event := backend.next_received_event();
        exit when v_event.id is null;
        continue when v_event.state <> 'received';      -- done by somebody meanwhile
        if v_event.tries >= backend.event_tries_max() then
            -- A last try that had come back would have ended it.
            perform backend.event_failed(v_event, 'processing did not return');
            continue;
        end if;
        update public.payment_events as e
           set tries = e.tries + 1,
               next_try_at = clock_timestamp() + interval '30 seconds'
                             + backend.retry_delay(e.tries)
         where e.id = v_event.id
        returning e.id::text, e.tries::text into event_id, attempt;
        return next;
        exit;
    end loop;
end
$$;
comment on function backend.claim_next_event() is
    'Counts a try of the next event that is due and leases it for half a minute and more, six '
    'times what process_event may take; no row when none is due.';
grant execute on function backend.claim_next_event() to fn_process_events;

create or replace function backend.process_event(p_id bigint, p_attempt integer)
returns table (event_id text, payment_id text, status text, result text, error text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
#variable_conflict use_column
declare
    v_event public.payment_events;
begin
    select * into v_event from public.payment_events as e where e.id = p_id;
    perform from public.orders as o where o.order_id = v_event.order_id for update skip locked;
    if not found
       and exists (select from public.orders as o where o.order_id = v_event.order_id) then
        -- Somebody took the order since the claim. That is no try.
        update public.payment_events as e
           set tries = e.tries - 1, next_try_at = clock_timestamp() + backend.retry_delay(1)
         where e.id = p_id and e.tries = p_attempt and e.state = 'received';
        result := 'held';
    else
        select * into v_event
          from public.payment_events as e
         where e.id = p_id and e.tries = p_attempt and e.state = 'received';
        if not found then
            result := 'duplicate';      -- done by somebody, or somebody else's by now
        else
            begin
                result := backend.apply_stored_event(v_event);
            exception
                -- Whatever went wrong is undone, and written down.
                when query_canceled or assert_failure or others then
                    error := sqlstate || ': ' || sqlerrm;
            end;
            if error is not null then
                result := backend.event_failed(v_event, error);
            end if;
        end if;
    end if;
    event_id := p_id;
    payment_id := v_event.payment_id;
    status := v_event.status;
    return next;
end
$$;
comment on function backend.process_event(bigint, integer) is
    'Finishes an event, as the given try of claim_next_event. Result: the outcome of '
    'record_payment_event; failed or dead with the error; held when somebody has the order.';
grant execute on function backend.process_event(bigint, integer) to fn_process_events;

create or replace function backend.apply_stored_event(p_event public.payment_events)
returns text
language sql
as $$
    select r.outcome
    from backend.record_payment_event(
        p_event.source, p_event.raw, p_event.payment_id, p_event.parent_payment_id,
        p_event.arguments ->> 'invoice_id', p_event.arguments ->> 'purchase_id',
        coalesce(nullif(p_event.arguments ->> 'order_id', ''), p_event.order_id), p_event.status,
        p_event.arguments ->> 'pay_address', p_event.arguments ->> 'pay_currency',
        (p_event.arguments ->> 'pay_amount')::numeric,
        (p_event.arguments ->> 'actually_paid')::numeric,
        (p_event.arguments ->> 'price_amount')::numeric, p_event.arguments ->> 'price_currency',
        (p_event.arguments ->> 'outcome_amount')::numeric,
        p_event.arguments ->> 'outcome_currency', p_event.provider_updated_at) as r
$$;
comment on function backend.apply_stored_event(public.payment_events) is
    'record_payment_event with the arguments that were kept.';

create or replace function backend.event_failed(p_event public.payment_events, p_error text)
returns text
language plpgsql
as $$
declare
    v_dead boolean := p_event.tries >= backend.event_tries_max();
begin
    update public.payment_events as e
       set last_error = left(p_error, 500),
           state = case when v_dead then 'dead' else 'received' end,
           next_try_at = case when not v_dead
                              then clock_timestamp() + backend.retry_delay(e.tries) end
     where e.id = p_event.id and e.state = 'received';
    if found and v_dead then
        perform backend.open_review('event_dead', p_event.order_id, p_event.payment_id,
            jsonb_build_object('event', p_event.id, 'status', p_event.status,
                               'tries', p_event.tries, 'error', left(p_error, 500)));
    end if;
    return case when v_dead then 'dead' else 'failed' end;
end
$$;
comment on function backend.event_failed(public.payment_events, text) is
    'Puts an event off after a try that failed; after the twelfth it is dead and a human is asked.';

create or replace function backend.retry_event(p_id bigint)
returns jsonb
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_event public.payment_events;
begin
    update public.payment_events as e
       set state = 'received', tries = 0, next_try_at = clock_timestamp()
     where e.id = p_id and e.state in ('dead', 'received')
    returning e.* into v_event;
    if not found then
        return jsonb_build_object('success', false, 'error', case
            when exists (select from public.payment_events as e where e.id = p_id)
                then 'Event is done' else 'Event not found' end);
    end if;
    insert into public.admin_audit_log
        (admin_email, admin_ip, action_type, table_name, record_id, new_values, description)
    values
        (platform.caller_name(), platform.caller_ip(), 'RETRY_EVENT', 'payment_events', p_id::text,
         jsonb_build_object('payment_id', v_event.payment_id, 'status', v_event.status,
                            'order_id', v_event.order_id, 'last_error', v_event.last_error),
         'event put back into the inbox');
    return jsonb_build_object('success', true, 'event', p_id, 'payment_id', v_event.payment_id,
                              'status', v_event.status);
end
$$;
comment on function backend.retry_event(bigint) is
    'Gives a dead event (or one that waits for its turn) all its tries again, from now on.';

create or replace function backend.event_revived(p_payment_id text, p_event_id bigint)
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
