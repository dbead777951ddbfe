-- Provider against books, and books against books. A run asks the provider about every payment
-- that changed lately, applies the answer through record_payment_event, and lists what is left.

-- Runs --------------------------------------------------------------------------------------------

create or replace function backend.request_reconciliation(p_since timestamptz)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_id bigint;
begin
    -- One that waits or runs already gets to the older of the two dates, from its beginning.
    insert into public.reconciliation_runs as r (reason, since)
    values ('asked', p_since)
    on conflict ((true)) where finished_at is null do update
       set since = least(r.since, excluded.since), position = '', list_page = 0,
           listing = excluded.listing, listed_at = null, listed_key = ''
    returning r.id into v_id;
    delete from public.reconciliation_work as w where w.run_id = v_id;
    perform platform.job_put('reconciliation', v_id::text);
    return v_id;
end
$$;
comment on function backend.request_reconciliation(timestamptz) is
    'Makes a run due now, for everything that changed since; its number.';

create or replace function backend.claim_reconciliation()
returns table (run_id text, since text, list_page integer)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
set enable_hashjoin = off               -- see payments_to_compare
set enable_mergejoin = off
as $$
declare
    v_run public.reconciliation_runs;
    v_key text;
begin
    -- The first process after midnight (UTC) makes the day's run.
    insert into public.reconciliation_runs (reason, since)
    select 'daily', now() - interval '7 days'
     where not exists (
            select from public.reconciliation_runs as r where r.finished_at is null)
       and not exists (
            select
            from public.reconciliation_runs as r
            where r.reason = 'daily'
              and r.requested_at >= date_trunc('day', now() at time zone 'UTC')
                                    at time zone 'UTC')
    on conflict do nothing
    returning * into v_run;
    if found then
        perform platform.job_put('reconciliation', v_run.id::text);
    end if;
    -- The run is locked before its job, as everywhere.
    select *
      into v_run
      from public.reconciliation_runs as r
     where r.finished_at is null
       for update skip locked;
    if not found then
        return;
    end if;
    loop
        select c.key into v_key from platform.job_claim('reconciliation') as c;
        if not found then
            return;
        end if;
        exit when v_key = v_run.id::text;
        perform platform.job_done('reconciliation', v_key);     -- a run that was ended by hand
    end loop;
    update public.reconciliation_runs as r
       set started_at = coalesce(r.started_at, clock_timestamp()), lost = r.lost + 1
     where r.id = v_run.id
    returning * into v_run;
    if not backend.list_changes(v_run) then
        perform backend.go_on_later(v_run.id);
        return;
    end if;
    if v_run.lost > 5 then
        perform backend.pass_over(v_run);
    end if;
    return query
        select r.id::text, platform.iso_utc(r.since), r.list_page
        from public.reconciliation_runs as r
        where r.id = v_run.id;
end
$$;
comment on function backend.claim_reconciliation() is
    'The run that is to be worked on, if there is one and nobody does: a new one each day, one '
    'that was asked for, or one whose process died. The claim is a lease of a minute; what five '
    'claims in a row did not come back from is listed and passed over.';
grant execute on function backend.claim_reconciliation() to fn_reconcile;

create or replace function backend.go_on_later(p_run_id bigint)
returns void
language plpgsql
as $$
begin
    update public.reconciliation_runs as r set lost = 0 where r.id = p_run_id;
    perform platform.job_put_off('reconciliation', p_run_id::text, clock_timestamp());
end
$$;
comment on function backend.go_on_later(bigint) is
    'Gives a run back that got some seconds further: the next turn goes on.';

create or replace function backend.pass_over(p_run public.reconciliation_runs)
returns void
language plpgsql
as $$
declare
    v_payment public.payments;
begin
    select * into v_payment from backend.changed_payments(p_run) limit 1;
    perform backend.note_difference(p_run.id, 'provider', 'missing',
        case when v_payment.payment_id is null then 'list_page' else 'answer' end,
        v_payment.payment_id, v_payment.order_id, null, null,
        -- Of each run anew, whatever was accepted of another one.
        case when v_payment.payment_id is null
             then format('run %s, page %s', p_run.id, p_run.list_page) end,
        case when v_payment.payment_id is null
             then format('page %s of the provider''s list: processing did not return, %s times',
                         p_run.list_page, p_run.lost)
             else format('it could not be compared: processing did not return, %s times',
                         p_run.lost) end);
    update public.reconciliation_runs as r
       set lost = 0,
           position = coalesce(v_payment.payment_id, r.position),
           list_page = r.list_page
                       + (v_payment.payment_id is null and r.list_page >= 0)::int
     where r.id = p_run.id;
end
$$;
comment on function backend.pass_over(public.reconciliation_runs) is
    'Lists the payment, or the page of the provider''s list, that nobody came back from, and goes '
    'on behind it.';

create or replace function backend.pause_reconciliation(
    p_run_id     bigint,
    p_payment_id text,
    p_problem    text)
returns table (skipped boolean)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
declare
    v_run public.reconciliation_runs;
begin
    update public.reconciliation_runs as r
       set failures = case when p_problem is null then 0 else r.failures + 1 end,
           lost = 0,
           problem = left(p_problem, 500)
     where r.id = p_run_id and r.finished_at is null
    returning * into v_run;
    if p_problem is null then
        perform platform.job_put_off('reconciliation', p_run_id::text, clock_timestamp());
    else
        perform platform.job_failed('reconciliation', p_run_id::text, null, p_problem);
    end if;
    -- One payment that never gets an answer does not keep the others from theirs, nor does a list
    -- that cannot be read keep the books from being compared.
    skipped := coalesce(v_run.failures >= 20 and p_payment_id is not null, false);
    if skipped and p_payment_id = '' then
        perform backend.note_difference(p_run_id, 'provider', 'missing', 'list_page', null, null,
            null, null, format('run %s, page %s', p_run_id, v_run.list_page),
            format('the provider''s list could not be read from page %s on, 20 tries in a row: %s',
                   v_run.list_page, v_run.problem));
        update public.reconciliation_runs as r
           set failures = 0, list_page = -1
         where r.id = p_run_id;
    elsif skipped then
        perform backend.note_difference(p_run_id, 'provider', 'missing', 'answer', p_payment_id,
            (select p.order_id from public.payments as p where p.payment_id = p_payment_id),
            null, null, null, 'it could not be compared, 20 tries in a row: ' || v_run.problem);
        update public.reconciliation_runs as r
           set failures = 0,
               -- One of the provider's list stands nowhere in this order, see unknown_payments.
               position = case when exists (select from public.payments as p
                                            where p.payment_id = p_payment_id)
                               then greatest(r.position, p_payment_id) else r.position end
         where r.id = p_run_id;
    end if;
    return next;
end
$$;
comment on function backend.pause_reconciliation(bigint, text, text) is
    'Gives a run back unfinished; with a problem, the next try is half a minute later. After 20 '
    'problems in a row the payment they were about is listed and passed over, or, with an empty id, '
    'the rest of the provider''s list.';
grant execute on function backend.pause_reconciliation(bigint, text, text) to fn_reconcile;

create or replace function backend.finish_reconciliation(p_run_id bigint)
returns table (checked integer, healed integer, differences integer)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
set enable_hashjoin = off               -- so many rows as there are orders in a page
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
    v_run public.reconciliation_runs;
begin
    select * into v_run
      from public.reconciliation_runs as r
     where r.id = p_run_id and r.finished_at is null
       for update;
    if not found then
        return;
    end if;
    if not backend.list_changes(v_run) then         -- asked for anew meanwhile
        perform backend.go_on_later(p_run_id);
        return;
    end if;
    while backend.compare_listed(p_run_id) or backend.end_gone(p_run_id) loop
        if clock_timestamp() > statement_timestamp() + interval '2 seconds' then
            perform backend.go_on_later(p_run_id);
            return;
        end if;
    end loop;
    perform platform.job_drop('reconciliation', p_run_id::text);
    return query
        update public.reconciliation_runs as r
           set finished_at = clock_timestamp(),
               problem = null,
               differences = (select count(*)
                              from public.reconciliation_differences as d
                              where d.resolved_at is null)
         where r.id = p_run_id
        returning r.checked, r.healed, r.differences;
end
$$;
comment on function backend.finish_reconciliation(bigint) is
    'The end of a run: compares the books with each other, marks what is gone, counts what is '
    'open. No row: after two seconds the run was given back, and the next turn goes on.';
grant execute on function backend.finish_reconciliation(bigint) to fn_reconcile;

-- Provider against books --------------------------------------------------------------------------

create or replace function backend.changed_payments(p_run public.reconciliation_runs)
returns setof public.payments
language sql stable
as $$
    select p.*
    from public.reconciliation_work as w
    join public.payments as p on p.payment_id = w.key
    where w.run_id = p_run.id and w.scope = 'payment' and w.key > p_run.position
    order by w.key
$$;
comment on function backend.changed_payments(public.reconciliation_runs) is
    'What a run still has to compare: changed since its date, or with an open difference.';

create or replace function backend.payments_to_compare(p_run_id bigint, p_limit integer)
returns table (payment_id text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
set enable_hashjoin = off               -- a few, along the list, however long that is
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
    v_run public.reconciliation_runs;
begin
    select *
      into v_run
      from public.reconciliation_runs as r
     where r.id = p_run_id and r.finished_at is null;
    -- Asked for anew meanwhile: none is passed over when all is listed first.
    if backend.list_changes(v_run) then
        return query
            select p.payment_id from backend.changed_payments(v_run) as p limit p_limit;
    end if;
end
$$;
comment on function backend.payments_to_compare(bigint, integer) is
    'The next payments of a run; none, too, while there is more to list than a turn can.';
grant execute on function backend.payments_to_compare(bigint, integer) to fn_reconcile;

create or replace function backend.compare_payment(
    p_run_id        bigint,
    p_payment_id    text,
    p_event_outcome text,
    p_was_missing   boolean,
    p_raw           text)
returns table (unknown_child text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_theirs jsonb := p_raw::jsonb;
    v_status text := lower(v_theirs ->> 'payment_status');
    v_payment public.payments;
    v record;
begin
    select * into v_payment from public.payments as p where p.payment_id = p_payment_id;
    if v_payment.payment_id is null then
        perform backend.note_difference(p_run_id, 'provider', 'missing', 'payment', p_payment_id,
            null, null, null, v_theirs ->> 'payment_status',
            format('the provider has this payment for order %s, which does not exist here',
                   coalesce(v_theirs ->> 'order_id', '(none)')));
        return;
    end if;
    if v_theirs is null then
        perform backend.note_difference(p_run_id, 'provider', 'extra', 'payment', p_payment_id,
            v_payment.order_id, null, v_payment.status, null,
            'the books have this payment, the provider does not know it: made with another '
            'account or key, or announced by somebody else');
    else
        if p_was_missing
           or (p_event_outcome in ('applied', 'review')
               and v_payment.status
                   = case v_status when 'spending' then 'sending' else v_status end)
        then
            perform backend.note_difference(p_run_id, 'provider',
                case when p_was_missing then 'missing' else 'state' end,
                case when p_was_missing then 'payment' else 'status' end,
                p_payment_id, v_payment.order_id, null, null, v_theirs ->> 'payment_status',
                'the provider was ahead of the books: an event was lost',
                'healed: applied as an event, outcome ' || coalesce(p_event_outcome, 'duplicate'));
        end if;
        for v in select * from backend.compare_figures(v_payment, v_theirs) loop
            perform backend.note_difference(p_run_id, 'provider', v.kind, v.aspect, p_payment_id,
                v_payment.order_id, null, v.ours, v.theirs, v.explanation);
        end loop;
    end if;
    update public.reconciliation_differences as d
       set resolved_at = clock_timestamp(), resolution = 'gone'
     where d.payment_id = p_payment_id
       and d.scope = 'provider'
       and d.resolved_at is null
       and d.last_run_id <> p_run_id;
    update public.reconciliation_runs as r
       set checked = r.checked + 1,
           failures = 0,
           lost = 0,
           problem = null,
           position = case when p_was_missing then r.position else p_payment_id end
     where r.id = p_run_id;
    -- Repeated deposits are told of in the parent only, when their own callbacks got lost.
    if jsonb_typeof(v_theirs -> 'payment_extra_ids') = 'array' then
        return query
            select x.id
            from jsonb_array_elements_text(v_theirs -> 'payment_extra_ids') as x (id)
            where x.id ~ '^[0-9]{1,20}$'
              and not exists (select from public.payments as p where p.payment_id = x.id)
            limit 20;
    end if;
end
$$;
comment on function backend.compare_payment(bigint, text, text, boolean, text) is
    'Compares a payment, after the provider''s answer was applied, with that answer (null: not '
    'known there) and lists what differs. Returns repeated deposits that the books do not have.';
grant execute on function backend.compare_payment(bigint, text, text, boolean, text)
    to fn_reconcile;

create or replace function backend.compare_figures(
    p_payment public.payments,
    p_theirs  jsonb)
returns table (kind text, aspect text, ours text, theirs text, explanation text)
language plpgsql stable
as $$
declare
    v_status text := lower(p_theirs ->> 'payment_status');
begin
    if v_status = 'spending' then
        v_status := 'sending';
    end if;
    return query
        select f.kind, f.aspect, f.ours, f.theirs, f.explanation
        from (values
            ('amount', 'pay_amount', trim_scale(p_payment.pay_amount)::text,
             trim_scale(nullif(round((p_theirs ->> 'pay_amount')::numeric, 18), 0))::text,
             'what was to be paid differs; the books keep what the customer was shown'),
            ('amount', 'actually_paid', trim_scale(coalesce(p_payment.actually_paid, 0))::text,
             trim_scale(round((p_theirs ->> 'actually_paid')::numeric, 18))::text,
             'what arrived differs; the books keep the highest figure the provider ever reported'),
            ('amount', 'price_amount', trim_scale(p_payment.price_amount)::text,
             trim_scale((p_theirs ->> 'price_amount')::numeric)::text,
             'the price of the payment differs; no event told of a change'),
            ('currency', 'pay_currency', p_payment.pay_currency,
             lower(nullif(p_theirs ->> 'pay_currency', '')),
             'the coin of the payment differs'),
            ('currency', 'price_currency', p_payment.price_currency,
             lower(nullif(p_theirs ->> 'price_currency', '')),
             'the currency of the price differs'),
            ('state', 'status', p_payment.status, v_status,
             'the provider went back to an earlier state, or to one nobody documented; the books '
             'only move forward'),
            ('state', 'order_id', p_payment.order_id::text, nullif(p_theirs ->> 'order_id', ''),
             'the provider has the payment for another order')
        ) as f (kind, aspect, ours, theirs, explanation)
        where f.theirs is not null
          and f.theirs is distinct from f.ours
          -- Closed or paid back by hand, the provider reports nothing as paid.
          and not (f.aspect = 'actually_paid' and f.theirs = '0'
                   and p_payment.status = v_status and v_status in ('finished', 'refunded'))
          -- The books outlive the order, when its customer is deleted.
          and not (f.aspect = 'order_id' and f.ours is null
                   and not exists (select from public.orders as o where o.order_id = f.theirs))
          -- An event that came in after the provider was asked: the books know more.
          and not (f.kind = 'state' and coalesce(
                p_payment.provider_updated_at > platform.read_time(p_theirs ->> 'updated_at')
                                                + interval '1 second', false));
end
$$;
comment on function backend.compare_figures(public.payments, jsonb) is
    'The figures of a payment that differ from the provider''s answer.';

create or replace function backend.unknown_payments(p_run_id bigint, p_page integer, p_ids text)
returns table (payment_id text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
#variable_conflict use_column
begin
    update public.reconciliation_runs as r
       set list_page = p_page,
           lost = case when p_page > r.list_page then 0 else r.lost end,
           failures = case when p_page > r.list_page then 0 else r.failures end
     where r.id = p_run_id and r.finished_at is null;
    return query
        select x.id
        from jsonb_array_elements_text(p_ids::jsonb) as x (id)
        where not exists (select from public.payments as p where p.payment_id = x.id)
          -- Nor those that were passed over in this run, or that staff left as they are.
          and not exists (
                select
                from public.reconciliation_differences as d
                where d.payment_id = x.id
                  and (d.scope, d.aspect) = ('provider', 'answer')
                  and (d.last_run_id = p_run_id or d.resolution like 'accepted:%'));
end
$$;
comment on function backend.unknown_payments(bigint, integer, text) is
    'Which payments of a page of the provider''s list the books do not have. The run stands at '
    'that page until the next one.';
grant execute on function backend.unknown_payments(bigint, integer, text) to fn_reconcile;
