-- Stock: who runs low is told once per level, and what is left is set against what is sold.

create table public.shop_settings (
    name       text primary key,
    value      numeric not null,
    notes      text,
    updated_at timestamptz not null default now()
);
comment on table public.shop_settings is 'Figures that the shop chooses, one row each.';
insert into public.shop_settings (name, value, notes)
values ('stock_low_below', 5, 'fewer available accounts of a size and platform are an alert');

create trigger shop_settings_updated_at
    before update on public.shop_settings
    for each row execute function public.update_updated_at_column();
create trigger shop_settings_audit
    after insert or update or delete on public.shop_settings
    for each row execute function backend.audit_change('name');

create table public.stock_levels (
    account_size  public.account_size not null,
    platform_type public.platform_type not null,
    level         text not null check (level in ('ok', 'low', 'empty')),
    updated_at    timestamptz not null default now(),
    primary key (account_size, platform_type)
);
comment on table public.stock_levels is
    'The level of every size and platform that was ever in stock or is waited for, as last seen.';

create table public.stock_alerts (
    id            bigint generated always as identity primary key,
    account_size  public.account_size not null,
    platform_type public.platform_type not null,
    level         text not null check (level in ('low', 'empty')),
    available     integer not null,
    threshold     integer not null,
    state         text not null default 'open' check (state in ('open', 'ended')),
    created_at    timestamptz not null default now(),
    ended_at      timestamptz
);
comment on table public.stock_alerts is
    'stock_low: one row for each time a size and platform fell to a level (low, empty). It ends, '
    'and the next one is possible, when the stock is above that level again.';
create unique index stock_alerts_open_once_idx
    on public.stock_alerts (account_size, platform_type, level) where state = 'open';

do $$
declare
    v_table text;
begin
    foreach v_table in array array['stock_levels', 'stock_alerts', 'shop_settings'] loop
        execute format('alter table public.%I enable row level security', v_table);
        execute format('revoke all on public.%I from public, anon, authenticated, service_role',
                       v_table);
        execute format('grant select on public.%I to authenticated, service_role', v_table);
        execute format('create policy %I on public.%I for all to authenticated '
                       'using ((select public.is_admin())) '
                       'with check ((select public.is_admin()))',
                       v_table || '_admin', v_table);
    end loop;
end
$$;
revoke all on sequence public.stock_alerts_id_seq
    from public, anon, authenticated, service_role;
grant update on public.shop_settings to authenticated, service_role;

create function backend.stock_now(p_most integer)
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

create function backend.check_stock()
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
                  and w.parked_at is null)
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

create function public.inventory_report()
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
    if backend.caller_role() in ('anon', 'authenticated') and not public.is_admin() then
        raise exception using
            errcode = '42501',
            message = 'Only administrators may read the inventory';
    end if;
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
    'left at the present rate (null: nothing sold). For administrators and service_role.';

create index delivered_accounts_delivered_idx on public.delivered_accounts (delivered_at);

revoke all on all functions in schema backend from public;
revoke all on function public.inventory_report() from public, anon;
grant execute on function public.inventory_report() to authenticated, service_role;
grant execute on function backend.check_stock() to fn_deliver_waiting;
