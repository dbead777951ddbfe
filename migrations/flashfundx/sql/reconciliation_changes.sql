-- What a run of the reconciliation has to compare: listed from what is written once and in order
-- (events, the audit, new rows), a few seconds' worth at a time. An index of the last change would
-- make every change of a payment or an order dearer.

create or replace function backend.list_changes(p_run public.reconciliation_runs)
returns boolean
language plpgsql
as $$
declare
    c_chunk constant integer := 20000;
    v_event bigint := p_run.listed_event;
    v_last bigint;
    v_count integer;
begin
    if v_event is null then
        insert into public.reconciliation_work (run_id, scope, key)
        select p_run.id, c.scope, c.key from backend.changes_beside_events(p_run.since) as c
        on conflict do nothing;
        select coalesce(max(e.id), 0) into v_event
          from (select e.id
                from public.payment_events as e
                where e.received_at < p_run.since
                order by e.received_at desc
                limit 1) as e;
        -- Some are stored a moment later than others with a higher number.
        v_event := greatest(v_event - 1000, 0);
    end if;
    loop
        select count(*), max(e.id) into v_count, v_last
          from (select e.id
                from public.payment_events as e
                where e.id > v_event
                order by e.id
                limit c_chunk) as e;
        insert into public.reconciliation_work (run_id, scope, key)
        select distinct p_run.id, s.scope, s.key
        from public.payment_events as e
        cross join lateral (values ('payment', e.payment_id), ('order', e.order_id))
                           as s (scope, key)
        where e.id > v_event and e.id <= v_last and s.key is not null
        on conflict do nothing;
        v_event := coalesce(v_last, v_event);
        exit when v_count < c_chunk
               or clock_timestamp() > statement_timestamp() + interval '2 seconds';
    end loop;
    update public.reconciliation_runs as r
       set listed_event = v_event
     where r.id = p_run.id;
    return v_count < c_chunk;
end
$$;
comment on function backend.list_changes(public.reconciliation_runs) is
    'Lists what a run has to compare, for two seconds or so; true when all is listed.';

create or replace function backend.changes_beside_events(p_since timestamptz)
returns table (scope text, key text)
language sql stable
as $$
    -- Made or delivered since; changed by staff or the service key, which is in the audit; and what
    -- was found before and is still open.
    select 'payment', p.payment_id from public.payments as p where p.created_at >= p_since
    union
    select 'order', o.order_id from public.orders as o where o.created_at >= p_since
    union
    select 'order', d.order_id from public.delivered_accounts as d where d.delivered_at >= p_since
    union
    select s.scope, s.key
    from public.admin_audit_log as l
    cross join lateral (
        values (case l.table_name when 'payments' then 'payment' when 'orders' then 'order'
                                  when 'user_profiles' then 'user' end, l.record_id),
               ('order', coalesce(l.new_values, l.old_values) ->> 'order_id'),
               ('payment', coalesce(l.new_values, l.old_values) ->> 'payment_id')) as s (scope, key)
    where l.created_at >= p_since and s.scope is not null and s.key is not null
    union
    select s.scope, s.key
    from public.reconciliation_differences as d
    cross join lateral (
        values (case d.scope when 'provider' then 'payment' end, d.payment_id),
               ('order', d.order_id), ('user', d.user_id::text)) as s (scope, key)
    where d.resolved_at is null and s.scope is not null and s.key is not null
$$;
comment on function backend.changes_beside_events(timestamptz) is
    'Payments, orders and customers that changed since, as far as no event of the provider says so.';
