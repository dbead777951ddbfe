-- Asking the provider on our own account: which payments are due, what came of it, and the end of
-- attempts whose caller died or never learned the outcome.

create or replace function backend.check_due_at(
    p_payment public.payments,
    p_settled boolean,
    p_after   interval)
returns timestamptz
language sql stable
as $$
    select case
        when (p_payment).status = 'refunded' then null
        when (p_payment).status = 'finished' then
            case when not coalesce(p_settled, false)
                 then (p_payment).updated_at + interval '24 hours' end
        when (p_payment).status in ('failed', 'expired') then
            case when (p_payment).created_at > now() - interval '14 days'
                 then (p_payment).last_seen_at + greatest(p_after, interval '1 day') end
        when (p_payment).created_at > now() - interval '1 hour' then
            (p_payment).last_seen_at + p_after
        when (p_payment).created_at > now() - interval '1 day' then
            (p_payment).last_seen_at + greatest(p_after, interval '5 minutes')
        else (p_payment).last_seen_at + greatest(p_after, interval '30 minutes')
    end
$$;
comment on function backend.check_due_at(public.payments, boolean, interval) is
    'When the provider has to be asked about a payment that stays silent; null: not any more. Open '
    'ones after p_after, 5 or 30 minutes by age, failed and expired ones daily for two weeks (they '
    'may be paid late), finished ones once after a day (they may be refunded).';

create or replace function backend.expect_check()
returns trigger
language plpgsql                        -- search path: whose change it is
as $$
begin
    -- Whatever else happens to a payment puts its next check off, which the next look finds.
    -- (Asked here: the trigger's WHEN is read again for every statement, three times as dear.)
    if tg_op = 'INSERT'
       or (old.status in ('failed', 'expired') and new.status <> old.status)
       or new.last_seen_at < old.last_seen_at
       or new.created_at <> old.created_at then
        perform platform.job_put('payment_check', new.payment_id, new.last_seen_at);
    end if;
    return null;
end
$$;
comment on function backend.expect_check() is
    'Trigger: a payment that is new, or may be due earlier than it was thought, is looked at.';

create or replace trigger payments_check
    after insert or update on public.payments
    for each row execute function backend.expect_check();

create or replace function backend.payments_to_check(p_limit integer, p_after_s integer default 60)
returns table (payment_id text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
-- Along the index of what is due, whatever the statistics say: ten thousand may be.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
    v_now constant timestamptz := clock_timestamp();
    v_found integer := 0;
    v record;
begin
    if not platform.job_may_begin('payment_check') then
        return;
    end if;
    -- What was heard of since its last look is put off: once for each time it may be silent. A call
    -- looks at a thousand at most, in one walk: each look from the beginning again (job_next) would
    -- meet all that this call has put off.
    for v in
        select j.key,
               (select backend.check_due_at(p, c.settled, p_after_s * interval '1 second')
                from public.payments as p
                left join public.payment_checks as c on c.payment_id = p.payment_id
                where p.payment_id = j.key and p.created_at > now() - interval '30 days') as due_at
        from (
            select d.key
            from platform.jobs as d
            where d.kind = 'payment_check' and d.due_at <= v_now
            order by d.due_at
            limit 1000
              for update skip locked) as j
    loop
        if v.due_at is null then
            perform platform.job_done('payment_check', v.key);
        elsif v.due_at > clock_timestamp() then
            perform platform.job_put_off('payment_check', v.key, v.due_at);
        -- A payment that kills whoever asks about it waits longer each time, and keeps no other one
        -- waiting.
        elsif platform.job_begin('payment_check', v.key) is not null then
            v_found := v_found + 1;
            payment_id := v.key;
            return next;
        end if;
        exit when v_found >= p_limit
               or clock_timestamp() > statement_timestamp() + interval '2 seconds';
    end loop;
end
$$;
comment on function backend.payments_to_check(integer, integer) is
    'Claims payments the provider has to be asked about, longest silent first, for two minutes '
    'or more.';
grant execute on function backend.payments_to_check(integer, integer) to fn_reconcile;

create or replace function backend.record_payment_check(
    p_payment_id text,
    p_result     text,
    p_detail     text)
returns table (failures integer)
language plpgsql volatile security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
#variable_conflict use_column
begin
    insert into public.payment_checks as c
        (payment_id, failures, settled, last_result, last_detail, checked_at)
    select p.payment_id, (p_result <> 'seen')::int,
           p_result = 'seen' and p.status = 'finished'
               and p.updated_at <= now() - interval '24 hours',
           p_result, left(p_detail, 500), clock_timestamp()
    from public.payments as p
    where p.payment_id = p_payment_id
    on conflict (payment_id) do update
       set failures = case when excluded.failures = 0 then 0 else c.failures + 1 end,
           settled = c.settled or excluded.settled,
           last_result = excluded.last_result,
           last_detail = excluded.last_detail,
           checked_at = excluded.checked_at
    returning c.failures into failures;
    if not found then
        return;                         -- deleted meanwhile
    elsif p_result = 'seen' then
        perform platform.job_replay('payment_check', p_payment_id);
    else
        perform platform.job_failed('payment_check', p_payment_id, null, p_detail, false,
            case when p_result = 'not_found'
                 then least(interval '1 day', interval '5 minutes' * 2 ^ least(failures - 1, 10))
                 -- Not the payment's fault: soon again.
                 else least(interval '10 minutes',
                            interval '15 seconds' * 2 ^ least(failures - 1, 10)) end);
    end if;
    return next;
end
$$;
comment on function backend.record_payment_check(text, text, text) is
    'What came of asking about a payment: seen (its state is applied already), not_found, '
    'unreachable, refused. The lease ends; after a failure the next try waits longer each time.';
grant execute on function backend.record_payment_check(text, text, text) to fn_reconcile;

create or replace function backend.settle_attempts(p_limit integer)
returns table (attempt_id text, order_id text, state text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
#variable_conflict use_column
declare
    v_attempt public.payment_attempts;
    v_state text;
    v_reason text;
    v_payment_id text;
begin
    -- Orders are locked before anything of theirs is decided; a busy one has its next turn.
    for v_attempt in
        select a.*
          from public.payment_attempts as a
          join public.orders as o on o.order_id = a.order_id
         where (a.state = 'unknown'
                or (a.state = 'claimed'
                    and a.claim_until < clock_timestamp() - interval '1 minute'))
           and (a.updated_at < now() - interval '24 hours'
                or exists (
                    select
                    from public.payments as p
                    where p.attempt_id = a.id
                       or (p.attempt_id is null and p.invoice_id = a.invoice_id
                           and p.order_id = a.order_id))
                or (a.invoice_id is not null and a.updated_at < now() - interval '1 hour'))
         order by a.updated_at
         limit p_limit
           for update of o skip locked
    loop
        select p.payment_id
          into v_payment_id
          from public.payments as p
         where p.attempt_id = v_attempt.id
            or (p.attempt_id is null and p.invoice_id = v_attempt.invoice_id
                and p.order_id = v_attempt.order_id)
         order by p.created_at
         limit 1;
        if v_payment_id is not null then
            v_state := 'open';
            v_reason := format('found: the provider told of payment %s', v_payment_id);
        elsif v_attempt.invoice_id is not null then
            v_state := 'abandoned';
            v_reason := format('closed: no payment behind invoice %s was ever heard of; its page '
                               'was not shown by this attempt', v_attempt.invoice_id);
        else
            v_state := 'abandoned';
            v_reason := 'closed after 24 hours: whether an invoice was made is not known; its page '
                        'was never shown';
        end if;
        update public.payment_attempts as a
           set state = v_state,
               detail = concat_ws('; ', nullif(a.detail, ''), v_reason),
               updated_at = now()
         where a.id = v_attempt.id and a.state = v_attempt.state;
        if found then
            attempt_id := v_attempt.id::text;
            order_id := v_attempt.order_id;
            state := v_state;
            return next;
        end if;
    end loop;
end
$$;
comment on function backend.settle_attempts(integer) is
    'Ends attempts to open a payment whose claim ran out or whose outcome is unknown: open when a '
    'payment of theirs came to light, else abandoned: with an invoice after an hour, without after '
    'a day.';
grant execute on function backend.settle_attempts(integer) to fn_reconcile;
