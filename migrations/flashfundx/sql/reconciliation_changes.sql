-- What a run of the reconciliation has to compare: what changed since its date and until it is
-- listed. It is listed from what is written once and in order (events, the audit, new rows), a page
-- at a time, for some seconds in a turn: a week may have brought millions. An index of the last
-- change would make every change of a payment or an order dearer.

create or replace function backend.list_changes(p_run public.reconciliation_runs)
returns boolean
language plpgsql
as $$
declare
    c_tables constant text[] := array[
        'payments', 'orders', 'delivered_accounts', 'admin_audit_log',
        'reconciliation_differences', 'payment_events'];
    c_page constant integer := 500;
    v_listing text := p_run.listing;
    v_at timestamptz := coalesce(p_run.listed_at, p_run.since);
    v_key text := p_run.listed_key;
    v_last record;
begin
    -- What comes when all is listed is the next run's, or a run would never end in a shop that sells
    -- more than can be asked about.
    if v_listing is null then
        return true;
    end if;
    while v_listing is not null
          and clock_timestamp() < statement_timestamp() + interval '2 seconds' loop
        with page as materialized (
            select c.*
            from backend.changes(v_listing, v_at, v_key, c_page)
                 with ordinality as c (at, key, payment_id, order_id, user_id, n)
        ),
        listed as (
            insert into public.reconciliation_work (run_id, scope, key)
            select distinct p_run.id, s.scope, s.key
            from page as c
            cross join lateral (
                values ('payment', c.payment_id), ('order', c.order_id), ('user', c.user_id))
                as s (scope, key)
            where s.key is not null
            on conflict do nothing
        )
        select c.at, c.key, c.n into v_last from page as c order by c.n desc limit 1;
        if v_last.n = c_page then
            v_at := v_last.at;
            v_key := v_last.key;
        else
            v_listing := c_tables[array_position(c_tables, v_listing) + 1];
            v_at := p_run.since;
            v_key := '';
        end if;
    end loop;
    update public.reconciliation_runs as r
       set listing = v_listing, listed_at = v_at, listed_key = v_key
     where r.id = p_run.id;
    return v_listing is null;
end
$$;
comment on function backend.list_changes(public.reconciliation_runs) is
    'Lists what a run has to compare, for two seconds or so; true when all is listed.';

create or replace function backend.changes(
    p_table text,
    p_at    timestamptz,
    p_key   text,
    p_limit integer)
returns table (at timestamptz, key text, payment_id text, order_id text, user_id text)
language plpgsql stable
-- Along the index of the time, whatever the statistics say; only what has the same time is sorted.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
begin
    case p_table
        when 'payments' then
            return query
                select p.created_at, p.payment_id, p.payment_id, null, null
                from public.payments as p
                where (p.created_at, p.payment_id) > (p_at, p_key)
                order by p.created_at, p.payment_id
                limit p_limit;
        when 'orders' then
            return query
                select o.created_at, o.order_id::text, null, o.order_id::text, null
                from public.orders as o
                where (o.created_at, o.order_id) > (p_at, p_key)
                order by o.created_at, o.order_id
                limit p_limit;
        when 'delivered_accounts' then
            return query
                select d.delivered_at, d.order_id::text, null, d.order_id::text, null
                from public.delivered_accounts as d
                where (d.delivered_at, d.order_id) > (p_at, p_key)
                order by d.delivered_at, d.order_id
                limit p_limit;
        when 'admin_audit_log' then
            -- What staff or the service key changed.
            return query
                select l.created_at, l.id::text,
                       coalesce(case l.table_name when 'payments' then l.record_id end,
                                v.new ->> 'payment_id'),
                       coalesce(case l.table_name when 'orders' then l.record_id end,
                                v.new ->> 'order_id'),
                       case l.table_name when 'user_profiles' then l.record_id end
                from public.admin_audit_log as l
                cross join lateral (select coalesce(l.new_values, l.old_values)) as v (new)
                where (l.created_at, l.id)
                      > (p_at, coalesce(nullif(p_key, ''),
                                        '00000000-0000-0000-0000-000000000000')::uuid)
                order by l.created_at, l.id
                limit p_limit;
        when 'reconciliation_differences' then
            -- What was found before and is still open, whenever that was.
            return query
                select p_at, d.id::text, case d.scope when 'provider' then d.payment_id end,
                       d.order_id, d.user_id::text
                from public.reconciliation_differences as d
                where d.id > coalesce(nullif(p_key, ''), '0')::bigint and d.resolved_at is null
                order by d.id
                limit p_limit;
        when 'payment_events' then
            return query
                select e.received_at, e.id::text, e.payment_id, e.order_id, null
                from public.payment_events as e
                where (e.received_at, e.id) > (p_at, coalesce(nullif(p_key, ''), '0')::bigint)
                order by e.received_at, e.id
                limit p_limit;
    end case;
end
$$;
comment on function backend.changes(text, timestamptz, text, integer) is
    'The next rows of a table that tell of a change since a time, behind a row that was the last '
    'one so far: payments, orders and customers that changed.';
