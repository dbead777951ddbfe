-- What a run of the reconciliation found: differences between provider and books, and between the
-- books themselves, which it also looks for; and what is healed, accepted and reported of them.

create or replace function backend.note_difference(
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
    -- What staff accepted stays accepted as long as the figures are the same.
    if exists (
        select
        from public.reconciliation_differences as d
        where (d.scope, d.kind, d.aspect) = (p_scope, p_kind, p_aspect)
          and coalesce(d.payment_id, '') = coalesce(p_payment_id, '')
          and coalesce(d.order_id, '') = coalesce(p_order_id, '')
          and coalesce(d.user_id, '00000000-0000-0000-0000-000000000000')
              = coalesce(p_user_id, '00000000-0000-0000-0000-000000000000')
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

create or replace function backend.note_books(p_run_id bigint, p_order_ids text[])
returns void
language plpgsql
as $$
declare
    v record;
begin
    for v in
        select * from backend.books_differences(p_order_ids)
        union all
        select * from backend.totals_differences(array(
            select distinct o.user_id
            from public.orders as o
            where o.order_id = any (p_order_ids)))
        order by 4, 2
    loop
        perform backend.note_difference(p_run_id, 'books', v.kind, v.aspect, v.payment_id,
            v.order_id, v.user_id, v.ours, v.theirs, v.explanation,
            case
                when v.aspect = 'waiting_delivery'
                     and backend.heal_books(p_run_id, v.kind, v.order_id)
                    then 'healed: the queue was put right'
            end);
    end loop;
end
$$;
comment on function backend.note_books(bigint, text[]) is
    'Lists where two books disagree about these orders and their customers.';

create or replace function backend.compare_listed(p_run_id bigint)
returns boolean
language plpgsql
as $$
declare
    -- With both processors taken by others and the disk busy, a hundred orders took over three
    -- seconds, and the turn was cancelled.
    c_page constant integer := 25;
    c_page_of_keys constant integer := 1000;
    v_scope text;
    v_keys text[];
    v record;
begin
    foreach v_scope in array array['order', 'user', 'payment'] loop
        v_keys := array(
            select w.key
            from public.reconciliation_work as w
            where w.run_id = p_run_id and w.scope = v_scope
            order by w.key
            limit case v_scope when 'payment' then c_page_of_keys else c_page end);
        exit when v_keys <> '{}';
    end loop;
    case
        when v_keys = '{}' then
            return false;
        when v_scope = 'order' then
            perform backend.note_books(p_run_id, v_keys);
        when v_scope = 'user' then
            for v in select * from backend.totals_differences(v_keys::uuid[]) loop
                perform backend.note_difference(p_run_id, 'books', v.kind, v.aspect, v.payment_id,
                    v.order_id, v.user_id, v.ours, v.theirs, v.explanation);
            end loop;
        else
            null;                       -- compared with the provider by now
    end case;
    delete from public.reconciliation_work as w
     where w.run_id = p_run_id and w.scope = v_scope and w.key = any (v_keys);
    return true;
end
$$;
comment on function backend.compare_listed(bigint) is
    'Compares the books of the next page of what a run has listed, and takes it off the list; '
    'false: nothing is left.';

create or replace function backend.end_gone(p_run_id bigint)
returns boolean
language plpgsql
as $$
declare
    c_page constant integer := 500;
    v_count integer;
    v record;
begin
    -- First what the list does not tell of: what it names stays open.
    for v in
        select l.*
        from public.reconciliation_runs as r
        cross join lateral backend.lost_money(r.since) as l
        where r.id = p_run_id
    loop
        perform backend.note_difference(p_run_id, 'books', v.kind, v.aspect, v.payment_id,
            v.order_id, v.user_id, v.ours, v.theirs, v.explanation);
    end loop;
    update public.reconciliation_differences as d
       set resolved_at = clock_timestamp(), resolution = 'gone'
     where d.id = any (array(
            select g.id
            from public.reconciliation_differences as g
            join public.reconciliation_runs as r on r.id = p_run_id
            where (g.scope = 'books' or (g.aspect = 'list_page' and r.list_page >= 0))
              and g.resolved_at is null
              and g.last_run_id <> p_run_id
              -- An event without an order is looked at only as long as it is young: it stays
              -- listed.
              and (g.aspect <> 'order'
                   or not exists (
                        select
                        from public.payment_events as e
                        where e.payment_id = g.payment_id and e.outcome = 'order_not_found'
                        offset 0))      -- one by one: PostgreSQL may read all of them instead
            order by g.id
            limit c_page));
    get diagnostics v_count = row_count;
    return v_count = c_page;
end
$$;
comment on function backend.end_gone(bigint) is
    'Marks a page of the differences that a run has not found again; true: there may be more.';

create or replace function backend.books_differences(p_order_ids text[])
returns table (kind text, aspect text, payment_id text, order_id text, user_id uuid, ours text,
               theirs text, explanation text)
language sql stable
as $$
    with o as (
        select o.*, p.payment_id as counted_id, p.status as counted_status,
               backend.booked_amount(o.order_id) as kept, (d.id is not null) as has_account,
               (w.order_id is not null) as waits,
               r.is_asked, r.is_part
        from public.orders as o
        left join public.payments as p on p.order_id = o.order_id and p.counted
        left join public.delivered_accounts as d on d.order_id = o.order_id
        left join public.waiting_deliveries as w on w.order_id = o.order_id
        -- Joined, not asked with exists: that PostgreSQL may answer by reading all open reviews.
        cross join lateral (
            select -- Paid by its state, and a human decides whether it is.
                   coalesce(bool_or(r.state = 'open' and r.payment_id = p.payment_id), false)
                       as is_asked,
                   coalesce(bool_or(r.kind = 'refunded_in_part'), false) as is_part
            from public.reviews as r
            where r.order_id = o.order_id) as r
        where o.order_id = any (p_order_ids)
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
    -- Orders and what the books keep of their price: payments less refunds. While a payment
    -- settles, or somebody decides about it, nothing is completed yet; a cancelled order may be
    -- either.
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
    -- Money in payments that ended without paying, and nobody was told
    select 'missing', 'review', p.payment_id, p.order_id::text, null::uuid,
           trim_scale(p.actually_paid)::text, p.status,
           'money arrived in a payment that ended without paying, and no review was ever opened'
    from public.payments as p
    where p.order_id = any (p_order_ids)
      and p.status in ('failed', 'expired') and p.actually_paid > 0 and not p.counted
      and not exists (
            select
            from public.reviews as r
            where r.order_id = p.order_id and r.payment_id = p.payment_id)
$$;
comment on function backend.books_differences(text[]) is
    'Where two books disagree about an order: order and payment, transaction, delivered account, '
    'queue, review.';

create or replace function backend.totals_differences(p_user_ids uuid[])
returns table (kind text, aspect text, payment_id text, order_id text, user_id uuid, ours text,
               theirs text, explanation text)
language sql stable
as $$
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
    where u.id = any (p_user_ids)
      and (u.total_orders, u.total_spent) <> (s.n, s.total)
$$;
comment on function backend.totals_differences(uuid[]) is
    'Customers whose totals are not the sums of their delivered orders.';

create or replace function backend.lost_money(p_since timestamptz)
returns table (kind text, aspect text, payment_id text, order_id text, user_id uuid, ours text,
               theirs text, explanation text)
language sql stable
as $$
    select distinct 'missing', 'order', e.payment_id, e.order_id, null::uuid, null, e.status,
           'the provider reported money for an order that does not exist here'
    from public.payment_events as e
    where e.outcome = 'order_not_found'
      and e.received_at >= p_since
      and (e.status in ('finished', 'partially_paid')
           or (e.status in ('failed', 'expired') and e.actually_paid > 0))
$$;
comment on function backend.lost_money(timestamptz) is
    'Money that was announced and belongs nowhere.';

create or replace function backend.heal_books(p_run_id bigint, p_kind text, p_order_id text)
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

-- For staff ---------------------------------------------------------------------------------------

create or replace function public.reconciliation_report()
returns jsonb
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    perform platform.require_duty('read the reconciliation', 'finance');
    return jsonb_build_object(
        'run', (
            select to_jsonb(r) - array['position', 'listing', 'listed_at', 'listed_key']
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
    'The last run, the differences that are open, and what the run healed. For finance and '
    'service_role.';
grant execute on function public.reconciliation_report() to staff, service_role;

create or replace function public.accept_difference(p_id bigint, p_note text)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_difference public.reconciliation_differences;
begin
    perform platform.require_duty('accept a difference', 'finance');
    update public.reconciliation_differences as d
       set resolved_at = clock_timestamp(), resolution = 'accepted: ' || coalesce(left(p_note, 2000), '')
     where d.id = p_id and d.resolved_at is null
    returning * into v_difference;
    if not found then
        return false;
    end if;
    perform platform.write_audit('ACCEPT', 'reconciliation_differences', p_id::text, p_note,
                                 to_jsonb(v_difference));
    return true;
end
$$;
comment on function public.accept_difference(bigint, text) is
    'Somebody of staff has looked at a difference and leaves it as it is; it is not listed again '
    'while its figures stay the same. For finance and service_role.';
grant execute on function public.accept_difference(bigint, text) to staff, service_role;
