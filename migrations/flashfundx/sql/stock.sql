-- Stock: the oldest account goes first and once, who runs low is told once per level, and what is
-- left is set against what is sold.

create or replace function backend.take_account(
    p_account_size  numeric,
    p_platform_type text,
    p_order_id      text)
returns public.account_container
language plpgsql
-- The stock is walked along account_container_next_idx, whatever the statistics say: oldest first
-- without sorting, and without meeting accounts that left the stock.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
declare
    v_account public.account_container;
begin
    -- SKIP LOCKED: concurrent deliveries take different accounts instead of queueing for one.
    update public.account_container as c
       set status = 'delivered',
           reserved_for_order_id = p_order_id,
           reserved_at = now(),
           sold_at = now()
     where c.id = (
            select s.id
            from public.account_container as s
            where s.status = 'available'
              and s.account_size = p_account_size
              and s.platform_type = p_platform_type
              -- Handed out by hand and still listed as available: it is somebody's already.
              and s.sold_at is null
            order by s.created_at, s.id
            limit 1
              for update of s skip locked)
    returning c.* into v_account;
    return v_account;
end
$$;
comment on function backend.take_account(numeric, text, text) is
    'Takes the oldest available account of a size and platform out of the stock; null without one.';

create or replace function backend.stock_left(p_account_size numeric, p_platform_type text)
returns boolean
language plpgsql
set enable_seqscan = off                -- as take_account
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
    perform
       from public.account_container as c
      where c.status = 'available'
        and c.account_size = p_account_size
        and c.platform_type = p_platform_type
        and c.sold_at is null
      limit 1
        for update of c skip locked;
    return found;
end
$$;
comment on function backend.stock_left(numeric, text) is
    'Whether take_account would find one now.';

create or replace function backend.stock_kinds()
returns table (account_size numeric, platform_type text)
language sql stable
as $$
    -- From one kind to the next along account_container_next_idx: a few index probes, however much
    -- is in stock, and a single one when nothing is.
    with recursive kind as (
        (select c.account_size, c.platform_type
         from public.account_container as c
         where c.status = 'available'
         order by c.account_size, c.platform_type
         limit 1)
        union all
        select n.account_size, n.platform_type
        from kind as k
        cross join lateral (
            select c.account_size, c.platform_type
            from public.account_container as c
            where c.status = 'available'
              and (c.account_size, c.platform_type) > (k.account_size, k.platform_type)
            order by c.account_size, c.platform_type
            limit 1) as n)
    select k.account_size, k.platform_type from kind as k
$$;
comment on function backend.stock_kinds() is 'The sizes and platforms that are in stock.';

create or replace function public.refuse_recycling()
returns trigger
language plpgsql                        -- search path: whose change it is
as $$
begin
    -- (One trigger that asks here: a WHEN is read again for every statement, far dearer.)
    if old.sold_at is not null
       and (new.status in ('available', 'reserved')
            or (new.sold_at, new.login_id, new.server_name, new.platform_type)
               is distinct from
               (old.sold_at, old.login_id, old.server_name, old.platform_type))
    then
        raise exception using
            errcode = '23514',
            message = 'This account was handed to a customer and cannot be sold again';
    end if;
    new.updated_at := pg_catalog.now();
    return new;
end
$$;
comment on function public.refuse_recycling() is
    'Trigger: an account that a customer has does not come back into the stock; keeps updated_at.';

create or replace trigger account_container_sold_once
    before update on public.account_container
    for each row execute function public.refuse_recycling();

-- Levels ------------------------------------------------------------------------------------------

create or replace function backend.stock_now(p_most integer)
returns table (account_size numeric, platform_type text, available integer)
language sql stable
as $$
    -- Counts at most so many of each: the levels need no more, and it stays cheap.
    select s.account_size, p.platform_type, a.available
    from (select distinct p.account_size::numeric from public.prices as p where p.is_active
          union select l.account_size from public.stock_levels as l) as s (account_size)
    cross join (values ('mt4'), ('mt5')) as p (platform_type)
    cross join lateral (
        select count(*)::integer
        from (
            select
            from public.account_container as c
            where c.status = 'available'
              and c.account_size = s.account_size
              and c.platform_type = p.platform_type
            limit p_most) as counted) as a (available)
$$;
comment on function backend.stock_now(integer) is
    'Available accounts of each size and platform, counted up to p_most.';

create or replace function backend.check_stock()
returns table (account_size text, platform_type text, level text, available text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
#variable_conflict use_column
declare
    v_threshold integer := coalesce(
        (select s.value from public.shop_settings as s where s.name = 'stock_low_below'), 5);
    v record;
begin
    -- One at a time; who comes second finds nothing new.
    if not pg_try_advisory_xact_lock(hashtextextended('check_stock', 0)) then
        return;
    end if;
    for v in
        select n.account_size, n.platform_type, n.available, l.level as old_level,
               case when n.available = 0 then 'empty'
                    when n.available < v_threshold then 'low'
                    else 'ok' end as new_level
        from backend.stock_now(greatest(v_threshold, 1)) as n
        left join public.stock_levels as l
               on l.account_size = n.account_size and l.platform_type = n.platform_type
        -- What was never in stock and nobody waits for is not sold on that platform.
        where l.level is not null
           or n.available > 0
           or exists (
                select
                from public.waiting_deliveries as w
                where w.account_size = n.account_size
                  and w.platform_type = n.platform_type
                  and w.parked_at is null
                offset 0)               -- one by one: PostgreSQL may read all who wait instead
        order by n.account_size, n.platform_type
    loop
        continue when v.old_level = v.new_level;
        insert into public.stock_levels as l (account_size, platform_type, level)
        values (v.account_size, v.platform_type, v.new_level)
        on conflict (account_size, platform_type) do update
           set level = excluded.level, updated_at = now();
        update public.stock_alerts as a
           set state = 'ended', ended_at = now()
         where a.account_size = v.account_size
           and a.platform_type = v.platform_type
           and a.state = 'open'
           and (v.new_level = 'ok' or (v.new_level = 'low' and a.level = 'empty'));
        continue when v.new_level = 'ok';
        insert into public.stock_alerts
            (account_size, platform_type, level, available, threshold)
        values
            (v.account_size, v.platform_type, v.new_level, v.available, v_threshold)
        on conflict (account_size, platform_type, level) where state = 'open' do nothing;
        if found then
            account_size := trim_scale(v.account_size)::text;
            platform_type := v.platform_type;
            level := v.new_level;
            available := v.available;
            return next;
        end if;
    end loop;
end
$$;
comment on function backend.check_stock() is
    'Notes every size and platform whose stock fell below the threshold or ran out, once per '
    'level, and returns the new alerts.';
grant execute on function backend.check_stock() to fn_deliver_waiting;

-- Reports -----------------------------------------------------------------------------------------

create or replace function public.inventory_report()
returns table (
    account_size numeric, platform_type text, available bigint, waiting bigint,
    delivered_7_days bigint, delivered_30_days bigint, days_left numeric, level text)
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
#variable_conflict use_column
declare
    v_threshold numeric := coalesce(
        (select s.value from public.shop_settings as s where s.name = 'stock_low_below'), 5);
begin
    perform platform.require_duty('read the inventory', 'inventory');
    return query
        with available as (
            select c.account_size::numeric as size, c.platform_type::text as platform, count(*) as n
            from public.account_container as c
            where c.status = 'available'
            group by 1, 2
        ),
        waiting as (
            select w.account_size::numeric as size, w.platform_type::text as platform, count(*) as n
            from public.waiting_deliveries as w
            join public.orders as o on o.order_id = w.order_id
            where backend.waits_for_stock(o)
            group by 1, 2
        ),
        sold as (
            select d.account_size::numeric as size, d.platform_type::text as platform,
                   count(*) filter (where d.delivered_at > now() - interval '7 days') as week,
                   count(*) as month
            from public.delivered_accounts as d
            where d.delivered_at > now() - interval '30 days'
            group by 1, 2
        ),
        all_of_it as (
            select size, platform,
                   coalesce(a.n, 0) as available, coalesce(w.n, 0) as waiting,
                   coalesce(s.week, 0) as week, coalesce(s.month, 0) as month
            from available as a
            full join waiting as w using (size, platform)
            full join sold as s using (size, platform)
        )
        select
            i.size, i.platform, i.available, i.waiting, i.week, i.month,
            -- The rate of the last week, or of the month when the week sold nothing. Who waits
            -- comes first.
            case
                when i.week > 0
                    then round(greatest(i.available - i.waiting, 0) * 7.0 / i.week, 1)
                when i.month > 0
                    then round(greatest(i.available - i.waiting, 0) * 30.0 / i.month, 1)
            end,
            case when i.available = 0 then 'empty'
                 when i.available < v_threshold then 'low'
                 else 'ok' end
        from all_of_it as i
        order by i.size, i.platform;
end
$$;
comment on function public.inventory_report() is
    'Stock of each size and platform: available, waiting orders, delivered in 7 and 30 days, days '
    'left at the present rate (null: nothing sold). For inventory and service_role.';
grant execute on function public.inventory_report() to staff, service_role;

create or replace function public.get_available_accounts_count()
returns table (account_size numeric, platform_type text, available_count bigint)
language sql stable security definer
set search_path = pg_catalog, public, pg_temp
as $$
    select c.account_size, c.platform_type, count(*)
    from public.account_container as c
    where c.status = 'available'
    group by c.account_size, c.platform_type
    order by c.account_size, c.platform_type
$$;
comment on function public.get_available_accounts_count() is
    'How many accounts of each size and platform are in stock.';
grant execute on function public.get_available_accounts_count() to authenticated, service_role;
