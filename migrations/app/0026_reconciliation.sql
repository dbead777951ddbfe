-- Provider against books, and books against books. A run asks the provider about every payment
-- that changed lately, applies the answer through record_payment_event, and lists what is left.

create table public.reconciliation_runs (
    id           bigint generated always as identity primary key,
    reason       text not null check (reason in ('daily', 'asked')),
    since        timestamptz not null,
    requested_at timestamptz not null default clock_timestamp(),
    started_at   timestamptz,
    finished_at  timestamptz,
    leased_until timestamptz,
    -- The last payment that was compared: where the next process goes on.
    position     text not null default '',
    -- The next page of the provider's own list.
    list_page    integer not null default 0,
    checked      integer not null default 0,
    healed       integer not null default 0,
    differences  integer not null default 0,
    -- Tries in a row that got no answer about the payment behind `position`.
    failures     integer not null default 0,
    problem      text,
    -- Claims in a row that neither got further nor gave the run back.
    lost         integer not null default 0
);
comment on table public.reconciliation_runs is
    'Comparisons of provider and books; differences counts those open when the run ended.';

create unique index reconciliation_runs_one_at_a_time_idx
    on public.reconciliation_runs ((true)) where finished_at is null;
create index reconciliation_runs_daily_idx
    on public.reconciliation_runs (requested_at) where reason = 'daily';

create table public.reconciliation_differences (
    id          bigint generated always as identity primary key,
    run_id      bigint not null references public.reconciliation_runs (id),
    last_run_id bigint not null references public.reconciliation_runs (id),
    scope       text not null check (scope in ('provider', 'books')),
    kind        text not null check (kind in ('missing', 'extra', 'amount', 'currency', 'state')),
    aspect      text not null,
    payment_id  text,
    order_id    text,
    user_id     uuid,
    ours        text,
    theirs      text,
    explanation text not null,
    found_at    timestamptz not null default clock_timestamp(),
    resolved_at timestamptz,
    resolution  text
);
comment on table public.reconciliation_differences is
    'Where provider and books, or two books, do not agree. Open until it is gone, healed or '
    'accepted by an administrator.';

create unique index reconciliation_differences_open_once_idx
    on public.reconciliation_differences (scope, kind, aspect, payment_id, order_id, user_id)
    nulls not distinct where resolved_at is null;
create index reconciliation_differences_payment_idx
    on public.reconciliation_differences (payment_id);
create index reconciliation_differences_order_idx
    on public.reconciliation_differences (order_id);

do $$
declare
    v_table text;
begin
    foreach v_table in array array['reconciliation_runs', 'reconciliation_differences'] loop
        execute format('alter table public.%I enable row level security', v_table);
        execute format('revoke all on public.%I from public, anon, authenticated, service_role',
                       v_table);
        execute format('grant select on public.%I to authenticated, service_role', v_table);
        execute format('create policy %I on public.%I for select to authenticated '
                       'using ((select public.is_admin()))', v_table || '_admin', v_table);
    end loop;
end
$$;

create function backend.request_reconciliation(p_since timestamptz)
returns bigint
language sql volatile
set search_path = pg_catalog, public, pg_temp
as $$
    -- One that waits or runs already gets to the older of the two dates, from its beginning.
    insert into public.reconciliation_runs as r (reason, since)
    values ('asked', p_since)
    on conflict ((true)) where finished_at is null do update
       set since = least(r.since, excluded.since), position = '', list_page = 0
    returning r.id
$$;
comment on function backend.request_reconciliation(timestamptz) is
    'Makes a run due now, for everything that changed since; its number.';

create function backend.changed_payments(p_run public.reconciliation_runs)
returns setof public.payments
language sql stable
as $$
    select p.*
    from public.payments as p
    where p.payment_id > p_run.position
      and (p.updated_at >= p_run.since
           or exists (
                select
                from public.reconciliation_differences as d
                where d.payment_id = p.payment_id
                  and d.scope = 'provider'
                  and d.resolved_at is null))
    order by p.payment_id
$$;
comment on function backend.changed_payments(public.reconciliation_runs) is
    'What a run still has to compare: changed since its date, or with an open difference.';

create function backend.pass_over(p_run public.reconciliation_runs)
returns void
language plpgsql
as $$
declare
    v_payment public.payments;
begin
    select * into v_payment from backend.changed_payments(p_run) limit 1;
    perform backend.note_difference(p_run.id, 'provider', 'missing',
        case when v_payment.payment_id is null then 'list_page' else 'answer' end,
        v_payment.payment_id, v_payment.order_id, null, null, null,
        case when v_payment.payment_id is null
             then format('page %s of the provider''s list: processing did not return, %s times',
                         p_run.list_page, p_run.lost)
             else format('it could not be compared: processing did not return, %s times',
                         p_run.lost) end);
    update public.reconciliation_runs as r
       set lost = 0,
           position = coalesce(v_payment.payment_id, r.position),
           list_page = r.list_page + (v_payment.payment_id is null)::int
     where r.id = p_run.id;
end
$$;
comment on function backend.pass_over(public.reconciliation_runs) is
    'Lists the payment, or the page of the provider''s list, that nobody came back from, and goes '
    'on behind it.';

create function backend.claim_reconciliation()
returns table (run_id text, since text, list_page integer)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
declare
    v_run public.reconciliation_runs;
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
    on conflict do nothing;
    update public.reconciliation_runs as r
       set started_at = coalesce(r.started_at, clock_timestamp()),
           leased_until = clock_timestamp() + interval '1 minute',
           lost = r.lost + 1
     where r.finished_at is null
       and (r.leased_until is null or r.leased_until < clock_timestamp())
    returning * into v_run;
    if not found then
        return;
    end if;
    if v_run.lost > 5 then
        perform backend.pass_over(v_run);
    end if;
    return query
        select r.id::text, backend.iso_utc(r.since), r.list_page
        from public.reconciliation_runs as r
        where r.id = v_run.id;
end
$$;
comment on function backend.claim_reconciliation() is
    'The run that is to be worked on, if there is one and nobody does: a new one each day, one '
    'that was asked for, or one whose process died. The claim is a lease of a minute; what five '
    'claims in a row did not come back from is listed and passed over.';

create function backend.payments_to_compare(p_run_id bigint, p_limit integer)
returns table (payment_id text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
#variable_conflict use_column
declare
    v_run public.reconciliation_runs;
begin
    update public.reconciliation_runs as r
       set leased_until = clock_timestamp() + interval '1 minute'
     where r.id = p_run_id and r.finished_at is null
    returning * into v_run;
    return query
        select p.payment_id from backend.changed_payments(v_run) as p limit p_limit;
end
$$;
comment on function backend.payments_to_compare(bigint, integer) is
    'The next payments of a run.';

create function backend.note_difference(
    p_run_id      bigint,
    p_scope       text,
    p_kind        text,
    p_aspect      text,
    p_payment_id  text,
    p_order_id    text,
    p_user_id     uuid,
    p_ours        text,
    p_theirs      text,
    p_explanation text,
    p_healed      text default null)
returns void
language plpgsql
as $$
begin
    if p_healed is not null then
        update public.reconciliation_differences as d
           set resolved_at = clock_timestamp(), resolution = p_healed, last_run_id = p_run_id
         where (d.scope, d.kind, d.aspect) = (p_scope, p_kind, p_aspect)
           and d.payment_id is not distinct from p_payment_id
           and d.order_id is not distinct from p_order_id
           and d.user_id is not distinct from p_user_id
           and d.resolved_at is null;
        if not found then
            insert into public.reconciliation_differences
                (run_id, last_run_id, scope, kind, aspect, payment_id, order_id, user_id, ours,
                 theirs, explanation, resolved_at, resolution)
            values
                (p_run_id, p_run_id, p_scope, p_kind, p_aspect, p_payment_id, p_order_id,
                 p_user_id, p_ours, p_theirs, p_explanation, clock_timestamp(), p_healed);
        end if;
        update public.reconciliation_runs as r set healed = r.healed + 1 where r.id = p_run_id;
        return;
    end if;
    -- What an administrator accepted stays accepted as long as the figures are the same.
    if exists (
        select
        from public.reconciliation_differences as d
        where (d.scope, d.kind, d.aspect) = (p_scope, p_kind, p_aspect)
          and d.payment_id is not distinct from p_payment_id
          and d.order_id is not distinct from p_order_id
          and d.user_id is not distinct from p_user_id
          and d.ours is not distinct from p_ours
          and d.theirs is not distinct from p_theirs
          and d.resolution like 'accepted:%') then
        return;
    end if;
    insert into public.reconciliation_differences as d
        (run_id, last_run_id, scope, kind, aspect, payment_id, order_id, user_id, ours, theirs,
         explanation)
    values
        (p_run_id, p_run_id, p_scope, p_kind, p_aspect, p_payment_id, p_order_id, p_user_id,
         p_ours, p_theirs, p_explanation)
    on conflict (scope, kind, aspect, payment_id, order_id, user_id) where resolved_at is null
    do update
       set last_run_id = excluded.last_run_id,
           ours = excluded.ours,
           theirs = excluded.theirs,
           explanation = excluded.explanation;
end
$$;
comment on function backend.note_difference(bigint, text, text, text, text, text, uuid, text, text,
        text, text) is
    'Lists a difference, once while it is open; p_healed: it is gone already, and by what.';

create function backend.compare_figures(
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
                p_payment.provider_updated_at > backend.read_time(p_theirs ->> 'updated_at')
                                                + interval '1 second', false));
end
$$;
comment on function backend.compare_figures(public.payments, jsonb) is
    'The figures of a payment that differ from the provider''s answer.';

create function backend.compare_payment(
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

create function backend.unknown_payments(p_run_id bigint, p_page integer, p_ids text)
returns table (payment_id text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
#variable_conflict use_column
begin
    update public.reconciliation_runs as r
       set list_page = p_page, leased_until = clock_timestamp() + interval '1 minute',
           lost = case when p_page > r.list_page then 0 else r.lost end
     where r.id = p_run_id and r.finished_at is null;
    return query
        select x.id
        from jsonb_array_elements_text(p_ids::jsonb) as x (id)
        where not exists (select from public.payments as p where p.payment_id = x.id);
end
$$;
comment on function backend.unknown_payments(bigint, integer, text) is
    'Which payments of a page of the provider''s list the books do not have. The run stands at '
    'that page until the next one.';

create function backend.books_differences(p_since timestamptz)
returns table (kind text, aspect text, payment_id text, order_id text, user_id uuid, ours text,
               theirs text, explanation text)
language sql stable
as $$
    with o as (
        select o.*, p.payment_id as counted_id, p.status as counted_status,
               backend.booked_amount(o.order_id) as kept, (d.id is not null) as has_account,
               (w.order_id is not null) as waits,
               -- Paid by its state, and a human decides whether it is.
               exists (
                    select
                    from public.reviews as r
                    where r.order_id = o.order_id and r.payment_id = p.payment_id
                      and r.state = 'open') as is_asked,
               exists (
                    select
                    from public.reviews as r
                    where r.order_id = o.order_id and r.kind = 'refunded_in_part') as is_part
        from public.orders as o
        left join public.payments as p on p.order_id = o.order_id and p.counted
        left join public.delivered_accounts as d on d.order_id = o.order_id
        left join public.waiting_deliveries as w on w.order_id = o.order_id
        where o.updated_at >= p_since
           or exists (
                select
                from public.reconciliation_differences as e
                where e.order_id = o.order_id and e.scope = 'books' and e.resolved_at is null)
    )
    -- Paid orders and the payment that counts
    select 'missing', 'counted_payment', null::text, o.order_id::text, null::uuid, null::text,
           o.payment_status::text, 'the order is paid through the provider, but no payment counts '
           'for it'
    from o
    where o.payment_status = 'paid' and o.payment_provider = 'nowpayments' and o.counted_id is null
    union all
    select 'extra', 'counted_payment', o.counted_id, o.order_id, null, o.counted_status,
           o.payment_status, 'a payment counts for an order that is not paid'
    from o
    where o.counted_id is not null and o.payment_status not in ('paid', 'refunded')
      and o.counted_status <> 'refunded'                -- refunded, then opened again by staff
    union all
    -- Orders and what the books keep of their price: payments less refunds. While a payment settles,
    -- or somebody decides about it, nothing is completed yet; a cancelled order may be either.
    select case when o.kept = 0 then 'missing' when o.kept > o.final_amount then 'extra'
                else 'amount' end,
           'transaction', o.counted_id, o.order_id, null, trim_scale(o.kept)::text,
           trim_scale(o.final_amount)::text,
           'the completed payments of a paid order, less its refunds, are not its price'
    from o
    where o.payment_status = 'paid' and o.kept <> o.final_amount
      and not (o.kept = 0
               and (coalesce(o.counted_status, 'finished') not in ('finished', 'partially_paid')
                    or o.is_asked or o.order_status = 'cancelled'))
      and not (o.is_part and o.kept > 0 and o.kept < o.final_amount)
    union all
    select case when o.payment_status = 'refunded' then 'amount' else 'extra' end, 'transaction',
           o.counted_id, o.order_id, null, trim_scale(o.kept)::text, o.payment_status,
           case when o.payment_status = 'refunded'
                then 'the refunds of a refunded order do not add up to what was booked for it'
                else 'money is booked as completed for an order that is not paid' end
    from o
    where o.payment_status <> 'paid' and o.kept <> 0
    union all
    -- Deliveries
    select 'missing', 'delivered_account', null, o.order_id, null, null, o.delivery_status,
           'the order is delivered, but there is no delivered account'
    from o
    where o.delivery_status = 'delivered' and not o.has_account
    union all
    select 'extra', 'delivered_account', null, o.order_id, null, 'delivered account',
           o.delivery_status, 'an account was handed out for an order that is not delivered'
    from o
    where o.delivery_status <> 'delivered' and o.has_account
    union all
    -- The queue for stock
    select 'missing', 'waiting_delivery', o.counted_id, o.order_id, null, null,
           o.order_status || '/' || o.payment_status || '/' || o.delivery_status,
           'paid in full and not delivered, but not in the queue for stock'
    from o
    where o.order_status = 'processing' and o.payment_status = 'paid'
      and o.delivery_status = 'pending' and not o.waits
      and o.kept > 0 and not backend.is_held(o.order_id)
    union all
    select 'extra', 'waiting_delivery', o.counted_id, o.order_id, null, 'waiting',
           o.order_status || '/' || o.payment_status || '/' || o.delivery_status,
           'in the queue for stock, but it has nothing to wait for'
    from o
    where o.waits and (o.order_status, o.payment_status, o.delivery_status)
                      <> ('processing', 'paid', 'pending')
    union all
    -- Customers' totals
    select 'amount', 'profile_totals', null, null, u.id,
           u.total_orders || ' orders, ' || u.total_spent || ' USD',
           s.n || ' orders, ' || s.total || ' USD',
           'the totals of the profile are not the sums of its delivered orders'
    from public.user_profiles as u
    cross join lateral (
        select count(*) as n, coalesce(sum(x.final_amount), 0)::numeric(10,2) as total
        from public.delivered_accounts as d
        join public.orders as x on x.order_id = d.order_id
        where d.user_id = u.id) as s
    where (u.updated_at >= p_since
           or exists (
                select
                from public.reconciliation_differences as e
                where e.user_id = u.id and e.resolved_at is null))
      and (u.total_orders, u.total_spent) <> (s.n, s.total)
    union all
    -- Money that was announced and belongs nowhere
    select distinct 'missing', 'order', e.payment_id, e.order_id, null::uuid, null, e.status,
           'the provider reported money for an order that does not exist here'
    from public.payment_events as e
    where e.outcome = 'order_not_found'
      and e.received_at >= p_since
      and e.status in ('finished', 'partially_paid')
$$;
comment on function backend.books_differences(timestamptz) is
    'Where two books disagree about an order that changed since: order and payment, transaction, '
    'delivered account, queue; profile and sums; events without an order.';

create function backend.heal_books(p_run_id bigint, p_kind text, p_order_id text)
returns boolean
language plpgsql
as $$
declare
    v_order public.orders;
begin
    -- The queue for stock is healed by the step that fills it, under the order's lock. A run heals
    -- several orders in one transaction, so it waits for none.
    select * into v_order
      from public.orders as o
     where o.order_id = p_order_id
       for update skip locked;
    if not found then
        return false;
    end if;
    if p_kind = 'extra' then
        delete from public.waiting_deliveries as w
         where w.order_id = p_order_id and not backend.waits_for_stock(v_order);
        return found;
    end if;
    if not backend.waits_for_stock(v_order)
       or backend.booked_amount(p_order_id) <= 0
       or backend.is_held(p_order_id)
       or exists (select from public.waiting_deliveries as w where w.order_id = p_order_id) then
        return false;
    end if;
    perform backend.deliver_or_queue(v_order);
    return true;
end
$$;
comment on function backend.heal_books(bigint, text, text) is
    'Puts an order into the queue for stock (or delivers it) that should be there, or takes it '
    'out.';

create function backend.finish_reconciliation(p_run_id bigint)
returns table (checked integer, healed integer, differences integer)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
#variable_conflict use_column
declare
    v_since timestamptz;
    v record;
begin
    select r.since into v_since
      from public.reconciliation_runs as r
     where r.id = p_run_id and r.finished_at is null
       for update;
    if not found then
        return;
    end if;
    for v in select * from backend.books_differences(v_since) order by 4, 2 loop
        perform backend.note_difference(p_run_id, 'books', v.kind, v.aspect, v.payment_id,
            v.order_id, v.user_id, v.ours, v.theirs, v.explanation,
            case
                when v.aspect = 'waiting_delivery'
                     and backend.heal_books(p_run_id, v.kind, v.order_id)
                    then 'healed: the queue was put right'
            end);
    end loop;
    update public.reconciliation_differences as d
       set resolved_at = clock_timestamp(), resolution = 'gone'
     where d.scope = 'books'
       and d.resolved_at is null
       and d.last_run_id <> p_run_id
       -- An event without an order is looked at only as long as it is young: it stays listed.
       and (d.aspect <> 'order'
            or not exists (
                select
                from public.payment_events as e
                where e.payment_id = d.payment_id and e.outcome = 'order_not_found'));
    return query
        update public.reconciliation_runs as r
           set finished_at = clock_timestamp(),
               leased_until = null,
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
    'open.';

create function backend.pause_reconciliation(
    p_run_id     bigint,
    p_payment_id text,
    p_problem    text)
returns table (skipped boolean)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_run public.reconciliation_runs;
begin
    update public.reconciliation_runs as r
       set leased_until = case when p_problem is null then null
                               else clock_timestamp() + interval '30 seconds' end,
           failures = case when p_problem is null then 0 else r.failures + 1 end,
           lost = 0,
           problem = left(p_problem, 500)
     where r.id = p_run_id and r.finished_at is null
    returning * into v_run;
    -- One payment that never gets an answer does not keep the others from theirs.
    skipped := coalesce(v_run.failures >= 20 and p_payment_id is not null, false);
    if skipped then
        perform backend.note_difference(p_run_id, 'provider', 'missing', 'answer', p_payment_id,
            (select p.order_id from public.payments as p where p.payment_id = p_payment_id),
            null, null, null, 'it could not be compared, 20 tries in a row: ' || v_run.problem);
        update public.reconciliation_runs as r
           set failures = 0, position = greatest(r.position, p_payment_id)
         where r.id = p_run_id;
    end if;
    return next;
end
$$;
comment on function backend.pause_reconciliation(bigint, text, text) is
    'Gives a run back unfinished; with a problem, the next try is half a minute later. After 20 '
    'problems in a row the payment they were about is listed and passed over.';

create function public.reconciliation_report()
returns jsonb
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    if backend.caller_role() in ('anon', 'authenticated') and not public.is_admin() then
        raise exception using
            errcode = '42501',
            message = 'Only administrators may read the reconciliation';
    end if;
    return jsonb_build_object(
        'run', (
            select to_jsonb(r) - array['leased_until', 'position']
            from public.reconciliation_runs as r
            order by r.id desc
            limit 1),
        'open', (
            select coalesce(jsonb_agg(to_jsonb(d) - array['resolved_at', 'resolution']
                                      order by d.id), '[]')
            from public.reconciliation_differences as d
            where d.resolved_at is null),
        'healed', (
            select coalesce(jsonb_agg(to_jsonb(d) order by d.id), '[]')
            from public.reconciliation_differences as d
            where d.last_run_id = (select max(r.id) from public.reconciliation_runs as r)
              and d.resolution like 'healed:%'));
end
$$;
comment on function public.reconciliation_report() is
    'The last run, the differences that are open, and what the run healed. For administrators and '
    'service_role.';

create function public.accept_difference(p_id bigint, p_note text)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_difference public.reconciliation_differences;
begin
    if backend.caller_role() in ('anon', 'authenticated') and not public.is_admin() then
        raise exception using
            errcode = '42501',
            message = 'Only administrators may accept a difference';
    end if;
    update public.reconciliation_differences as d
       set resolved_at = clock_timestamp(), resolution = 'accepted: ' || coalesce(p_note, '')
     where d.id = p_id and d.resolved_at is null
    returning * into v_difference;
    if not found then
        return false;
    end if;
    insert into public.admin_audit_log
        (admin_email, admin_ip, action_type, table_name, record_id, new_values, description)
    values
        (backend.caller_name(), backend.caller_ip(), 'ACCEPT', 'reconciliation_differences',
         p_id::text, to_jsonb(v_difference), p_note);
    return true;
end
$$;
comment on function public.accept_difference(bigint, text) is
    'An administrator has looked at a difference and leaves it as it is; it is not listed again '
    'while its figures stay the same. For administrators and service_role.';

-- The numbers of the new tables too are given out by their own defaults only.
revoke all on all sequences in schema public from public, anon, authenticated, service_role;

revoke all on function public.reconciliation_report(), public.accept_difference(bigint, text)
    from public, anon;
grant execute on function public.reconciliation_report(), public.accept_difference(bigint, text)
    to authenticated, service_role;
