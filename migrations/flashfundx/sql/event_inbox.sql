-- The inbox: "seen" and "done" are two states of an event.
--
-- A callback is normally stored and applied in one transaction (record_payment_event). When that
-- fails although the database is there, the callback stores its event only, in state received, and
-- is acknowledged. It waits in the queue (kind payment_event) and is finished in two transactions:
-- claim_next_event counts the try and leases the event, process_event applies it. So a try counts
-- also when it takes the process or its backend along. After twelve tries the event is dead, and a
-- review says so.
--
-- A lease only keeps others from trying at the same time. Who holds the order's row lock owns its
-- events: whatever applies one asks again under it whether it is done. Locks: order, event, job.

-- Arriving ----------------------------------------------------------------------------------------

create or replace function backend.event_status(p_status text)
returns text
language sql immutable
as $$
    select case lower(p_status) when 'spending' then 'sending' else lower(p_status) end
$$;
comment on function backend.event_status(text) is
    'A provider''s payment status as it is stored: lower case, and one word for sending.';

create or replace function backend.check_event_outcome()
returns trigger
language plpgsql                        -- search path: whose change it is
as $$
begin
    if new.outcome is null and new.state = 'done' then
        raise exception using
            errcode = '23514',
            message = 'An event that is done has an outcome';
    end if;
    return new;
end
$$;
comment on function backend.check_event_outcome() is
    'Trigger: an event that is done has an outcome. (A CHECK is read again for every event.)';

create or replace trigger payment_events_outcome
    before insert or update of state, outcome on public.payment_events
    for each row execute function backend.check_event_outcome();
alter table public.payment_events enable always trigger payment_events_outcome;

create or replace function backend.parent_id(p_parent_payment_id text)
returns text
language sql immutable                  -- inlined
as $$ select nullif(nullif(p_parent_payment_id, ''), '0') $$;
comment on function backend.parent_id(text) is
    'The parent of a repeated deposit; the provider writes 0, "0" or nothing when there is none.';

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

create or replace function backend.store_payment_event(
    p_event backend.payment_event,
    p_error text)
returns table (outcome text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
set lock_timeout = '1s'                 -- of a session that is about to store the same event
as $$
#variable_conflict use_column
declare
    v_id bigint;
begin
    -- An insert and no more: it waits for nobody's order.
    insert into public.payment_events
        (payment_id, status, actually_paid, order_id, parent_payment_id, source, raw,
         provider_updated_at, state, tries, last_error, done_at, arguments)
    values
        (p_event.payment_id, backend.event_status(p_event.status),
         platform.plain_amount(p_event.actually_paid),
         left(coalesce(nullif(p_event.order_id, ''),
                       backend.order_of_payment(p_event.payment_id,
                                                backend.parent_id(p_event.parent_payment_id),
                                                p_event.invoice_id)), 200),
         backend.parent_id(p_event.parent_payment_id), p_event.source, p_event.raw,
         p_event.provider_updated_at, 'received', 1, coalesce(left(p_error, 500), 'not applied'),
         null,
         jsonb_strip_nulls(jsonb_build_object(
            'invoice_id', p_event.invoice_id,
            'purchase_id', p_event.purchase_id,
            'order_id', p_event.order_id,
            'pay_address', p_event.pay_address,
            'pay_currency', p_event.pay_currency,
            'pay_amount', p_event.pay_amount::text,
            'actually_paid', p_event.actually_paid::text,
            'price_amount', p_event.price_amount::text,
            'price_currency', p_event.price_currency,
            'outcome_amount', p_event.outcome_amount::text,
            'outcome_currency', p_event.outcome_currency)))
    on conflict on constraint payment_events_effect_key do nothing
    returning id into v_id;
    if v_id is null then
        outcome := 'duplicate';
        perform platform.await_standby();
    else
        outcome := 'stored';
        -- Its arrival was the first try.
        perform platform.job_put('payment_event', v_id::text,
            clock_timestamp() + platform.job_back_off('payment_event', 1), 1);
    end if;
    return next;
end
$$;
comment on function backend.store_payment_event(backend.payment_event, text) is
    'Stores an event whose effect could not happen now, with the reason; process_event finishes '
    'it. Outcome stored or duplicate.';
grant execute on function backend.store_payment_event(backend.payment_event, text)
    to fn_payment_webhook;

create or replace function backend.record_payment_event(p_event backend.payment_event)
returns table (
    outcome text, order_id text, order_status text, payment_status text, delivery_status text)
language sql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
    select v.a[1], v.a[2], v.a[3], v.a[4], v.a[5]
    from (select backend.apply_payment_event(p_event)) as v (a)
$$;
comment on function backend.record_payment_event(backend.payment_event) is
    'apply_payment_event, and what it says as columns, which cost the server more.';
grant execute on function backend.record_payment_event(backend.payment_event)
    to fn_payment_webhook, fn_check_payment_status, fn_reconcile;

create or replace function backend.answer_to_repeat(
    p_payment_id    text,
    p_status        text,
    p_actually_paid numeric,
    p_source        text)
returns text[]
language plpgsql
as $$
declare
    v_order_id text;
    v_again boolean;
    v_order public.orders;
begin
    -- A repeat changes nothing, except that a poll has seen the payment. What was only stored is no
    -- repeat: it takes effect now. Money that went to review is looked at again as long as nobody
    -- decided on it: the order may have changed since.
    select e.order_id, e.outcome = 'review' and p_status = 'finished'
      into v_order_id, v_again
      from public.payment_events as e
     where e.payment_id = p_payment_id
       and e.status = p_status
       and e.actually_paid is not distinct from p_actually_paid
       and e.state = 'done'
       and e.outcome <> 'order_not_found';
    if not found then
        return null;
    end if;
    v_order := (select o from public.orders as o where o.order_id = v_order_id);
    if v_again and v_order.payment_status <> 'paid'
       and v_order.order_status in ('pending', 'processing', 'failed')
       and not backend.was_decided(v_order_id, p_payment_id) then
        return null;
    end if;
    if p_source = 'poll' then
        update public.payments as p set last_seen_at = now() where p.payment_id = p_payment_id;
    else
        perform platform.await_standby();
    end if;
    return array['duplicate', v_order.order_id, v_order.order_status, v_order.payment_status,
                 v_order.delivery_status];
end
$$;
comment on function backend.answer_to_repeat(text, text, numeric, text) is
    'What apply_payment_event says of an event that has had its effect; null when it may have one.';

create or replace function backend.record_event_without_order(
    p_event         backend.payment_event,
    p_status        text,
    p_actually_paid numeric)
returns text
language plpgsql
as $$
declare
    v_order_id text := left(nullif(p_event.order_id, ''), 200);
    v_event_id bigint;
begin
    insert into public.payment_events as e
        (payment_id, status, actually_paid, order_id, parent_payment_id, outcome, source, raw,
         provider_updated_at)
    values
        (p_event.payment_id, p_status, p_actually_paid, v_order_id,
         backend.parent_id(p_event.parent_payment_id), 'order_not_found', p_event.source, p_event.raw,
         p_event.provider_updated_at)
    on conflict on constraint payment_events_effect_key do update
       set outcome = excluded.outcome, state = 'done', done_at = now()
     where e.state <> 'done'
    returning e.id into v_event_id;
    perform backend.event_revived(p_event.payment_id, v_event_id);
    if p_status not in ('waiting', 'confirming', 'failed', 'expired')
       or (p_status in ('failed', 'expired') and p_actually_paid > 0) then
        perform backend.open_review('order_not_found', v_order_id, p_event.payment_id,
            jsonb_build_object('status', p_status, 'actually_paid', p_actually_paid));
    end if;
    return 'order_not_found';
end
$$;
comment on function backend.record_event_without_order(backend.payment_event, text, numeric) is
    'Keeps an event whose order does not exist, with status and amount as they are stored; when it '
    'tells of money, somebody has to look. Its outcome.';

-- Finishing: process-events -----------------------------------------------------------------------

create or replace function backend.next_received_event()
returns public.payment_events
language plpgsql
-- Along jobs_due_idx, whatever the statistics say: a hundred thousand may wait.
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
      from platform.jobs as j
      join public.payment_events as e on e.id = j.key::bigint
      join public.orders as o on o.order_id = e.order_id
     where j.kind = 'payment_event'
       and j.due_at <= v_now
       and not exists (
            select
            from public.payment_events as older
            where older.payment_id = e.payment_id
              and older.state = 'received'
              and older.id < e.id
              and older.tries <= e.tries)
     order by j.due_at
     limit 1
       for update of o skip locked;
    if found then
        -- As it stands now that the order is ours.
        select * into v_event
          from public.payment_events as e
         where e.id = v_event.id
           for update;
        return v_event;
    end if;
    select e.*
      into v_event
      from platform.jobs as j
      join public.payment_events as e on e.id = j.key::bigint
     where j.kind = 'payment_event'
       and j.due_at <= v_now
       and not exists (select from public.orders as o where o.order_id = e.order_id)
     order by j.due_at
     limit 1
       for update of e skip locked;
    return v_event;
end
$$;
comment on function backend.next_received_event() is
    'The next event to finish, locked, and its order''s row as well; null when nothing is due.';

create or replace function backend.claim_next_event()
returns table (event_id text, attempt text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
declare
    v_event public.payment_events;
begin
    while platform.job_may_begin('payment_event') loop
        v_event := backend.next_received_event();
        exit when v_event.id is null;
        event_id := v_event.id;
        if v_event.state <> 'received' then
            perform platform.job_done('payment_event', event_id);   -- by somebody meanwhile
            continue;
        end if;
        attempt := platform.job_begin('payment_event', event_id);
        continue when attempt is null;
        update public.payment_events as e set tries = attempt::integer where e.id = v_event.id;
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
           set tries = e.tries - 1
         where e.id = p_id and e.tries = p_attempt and e.state = 'received';
        if found then
            perform platform.job_put_off('payment_event', p_id::text,
                clock_timestamp() + platform.job_back_off('payment_event', 1));
        end if;
        result := 'held';
    else
        select * into v_event
          from public.payment_events as e
         where e.id = p_id and e.tries = p_attempt and e.state = 'received'
           for update;
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
    select (backend.apply_payment_event(jsonb_populate_record(
        row(p_event.source, p_event.raw, p_event.payment_id, p_event.parent_payment_id, null, null,
            p_event.order_id, p_event.status, null, null, null, null, null, null, null, null,
            p_event.provider_updated_at)::backend.payment_event,
        case when p_event.arguments ->> 'order_id' = '' then p_event.arguments - 'order_id'
             else p_event.arguments end)))[1]
$$;
comment on function backend.apply_stored_event(public.payment_events) is
    'apply_payment_event with what was kept: the event''s columns, and the arguments over them.';

create or replace function backend.event_failed(p_event public.payment_events, p_error text)
returns text
language plpgsql
as $$
declare
    v_state text := platform.job_failed('payment_event', p_event.id::text, p_event.tries, p_error);
begin
    if v_state = 'waiting' then
        update public.payment_events as e
           set last_error = left(p_error, 500)
         where e.id = p_event.id;
    end if;
    return case v_state when 'dead' then 'dead' else 'failed' end;
end
$$;
comment on function backend.event_failed(public.payment_events, text) is
    'Puts an event off after a try that failed; after the twelfth it is dead and a human is asked.';

create or replace function backend.event_dead(p_id text, p_error text)
returns void
language plpgsql
as $$
declare
    v_event public.payment_events;
begin
    update public.payment_events as e
       set state = 'dead',
           last_error = coalesce(left(p_error, 500), 'processing did not return')
     where e.id = p_id::bigint and e.state = 'received'
    returning * into v_event;
    if found then
        perform backend.open_review('event_dead', v_event.order_id, v_event.payment_id,
            jsonb_build_object('event', v_event.id, 'status', v_event.status,
                               'tries', v_event.tries, 'error', v_event.last_error));
    end if;
end
$$;
comment on function backend.event_dead(text, text) is
    'An event is given up: a human is asked. For the queue.';

create or replace function backend.retry_event(p_id bigint)
returns jsonb
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_event public.payment_events;
begin
    update public.payment_events as e
       set state = 'received', tries = 0
     where e.id = p_id and e.state in ('dead', 'received')
    returning e.* into v_event;
    if not found then
        return jsonb_build_object('success', false, 'error', case
            when exists (select from public.payment_events as e where e.id = p_id)
                then 'Event is done' else 'Event not found' end);
    end if;
    perform platform.job_replay('payment_event', p_id::text);
    perform platform.write_audit('RETRY_EVENT', 'payment_events', p_id::text,
        'event put back into the inbox',
        jsonb_build_object('payment_id', v_event.payment_id, 'status', v_event.status,
                           'order_id', v_event.order_id, 'last_error', v_event.last_error));
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
    perform platform.job_done('payment_event', p_event_id::text);
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
    'A stored event took effect: it waits no longer, and a review of its death is closed.';
