-- Reports about customers, for the same callers as those of reports: who spends, who comes back, who
-- does not. Months are those of UTC; a customer belongs to the month of the first payment.

create or replace function public.customers_report(p_limit integer, p_inactive_days integer)
returns table (user_id uuid, email text, total_orders integer, total_spent numeric,
               last_order_at timestamptz, inactive boolean)
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
#variable_conflict use_column
begin
    perform platform.require_duty('read reports', 'finance');
    return query
        select u.id, u.email::text, u.total_orders, u.total_spent::numeric, l.created_at,
               greatest(l.created_at, u.last_login_at, u.created_at)
                   < now() - p_inactive_days * interval '1 day'
        from (
            select p.*
            from public.user_profiles as p
            where p.deleted_at is null
            order by p.total_spent desc, p.id
            limit least(p_limit, 10000)) as u
        left join lateral (
            select o.created_at
            from public.orders as o
            where o.user_id = u.id
            order by o.created_at desc
            limit 1) as l on true
        order by u.total_spent desc, u.id;
end
$$;
comment on function public.customers_report(integer, integer) is
    'Customers by what they spent, and who neither ordered nor signed in for so many days.';
grant execute on function public.customers_report(integer, integer)
    to staff, service_role;

create or replace function public.spending_report()
returns table (tenth integer, customers bigint, spent numeric, percent numeric)
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    perform platform.require_duty('read reports', 'finance');
    return query
        select u.tenth, count(*), sum(u.total_spent),
               round(100.0 * sum(u.total_spent) / nullif(sum(sum(u.total_spent)) over (), 0), 1)
        from (
            select p.total_spent::numeric,
                   ntile(10) over (order by p.total_spent desc, p.id) as tenth
            from public.user_profiles as p
            where p.total_orders > 0) as u
        group by u.tenth
        order by u.tenth;
end
$$;
comment on function public.spending_report() is
    'What each tenth of those who bought spent, in USD and in percent of all; the first tenth are '
    'those who spent most.';
grant execute on function public.spending_report() to staff, service_role;

create or replace function public.inactivity_report()
returns table (days integer, customers bigint)
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    perform platform.require_duty('read reports', 'finance');
    return query
        select (floor(extract(epoch from now() - greatest(l.created_at, u.last_login_at, u.created_at))
                      / 86400 / 30) * 30)::integer,
               count(*)
        from public.user_profiles as u
        left join lateral (
            select o.created_at
            from public.orders as o
            where o.user_id = u.id
            order by o.created_at desc
            limit 1) as l on true
        where u.deleted_at is null
        group by 1
        order by 1;
end
$$;
comment on function public.inactivity_report() is
    'How many customers neither ordered nor signed in for how long: for so many days or up to 29 '
    'more. (Who they are: customers_report.)';
grant execute on function public.inactivity_report() to staff, service_role;

create or replace function backend.month_number(p_at timestamptz)
returns integer
language sql immutable                  -- inlined
as $$
    select (extract(year from p_at at time zone 'UTC') * 12
            + extract(month from p_at at time zone 'UTC'))::integer
$$;
comment on function backend.month_number(timestamptz) is
    'The month of a time: the next one''s number is one more.';

create or replace function backend.first_payments(p_from date, p_to date)
returns table (user_id uuid, month integer)
language sql stable
as $$
    -- Who paid in that time, and never before: not all that anybody ever paid.
    select f.user_id, backend.month_number(f.at)
    from (
        select t.user_id, min(t.processed_at) as at
        from public.payment_transactions as t
        where t.status = 'completed' and t.transaction_type = 'payment' and t.user_id is not null
          and t.processed_at >= backend.day_begins(p_from)
          and t.processed_at < backend.day_begins(p_to)
        group by t.user_id) as f
    where not exists (
        select
        from public.payment_transactions as e
        where e.user_id = f.user_id and e.status = 'completed' and e.transaction_type = 'payment'
          and e.processed_at < backend.day_begins(p_from))
$$;
comment on function backend.first_payments(date, date) is
    'The customers whose first payment was in that time, with its month.';

create or replace function public.lifetime_value_report(p_from date, p_to date)
returns table (month date, customers bigint, after_months integer, net numeric, total numeric,
               per_customer numeric)
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    perform platform.require_duty('read reports', 'finance');
    return query
        with f as materialized (select * from backend.first_payments(p_from, p_to)),
        c as (select f.month, count(*) as n from f group by f.month),
        s as (
            select f.month, backend.month_number(t.processed_at) - f.month as after,
                   sum(case t.transaction_type when 'payment' then t.amount
                                               else -t.amount end) as net
            from f
            join public.payment_transactions as t on t.user_id = f.user_id
            where t.status = 'completed'
            group by 1, 2
        ),
        m as (
            select c.month, c.n, g.after, coalesce(s.net, 0) as net,
                   sum(coalesce(s.net, 0)) over (partition by c.month order by g.after) as total
            from c
            cross join lateral generate_series(0, backend.month_number(now()) - c.month)
                               as g (after)
            left join s on s.month = c.month and s.after = g.after
        )
        select make_date((m.month - 1) / 12, (m.month - 1) % 12 + 1, 1), m.n, m.after, m.net,
               m.total, round(m.total / m.n, 2)
        from m
        order by 1, 3;
end
$$;
comment on function public.lifetime_value_report(date, date) is
    'Lifetime value by month of the first payment: what those customers paid so many months later, '
    'less what went back, in that month and up to it, and of each of them.';
grant execute on function public.lifetime_value_report(date, date) to staff, service_role;

create or replace function public.cohorts_report(p_from date, p_to date)
returns table (month date, customers bigint, after_months integer, buyers bigint, percent numeric)
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    perform platform.require_duty('read reports', 'finance');
    return query
        with f as materialized (select * from backend.first_payments(p_from, p_to)),
        c as (select f.month, count(*) as n from f group by f.month),
        s as (
            select f.month, backend.month_number(t.processed_at) - f.month as after,
                   count(distinct f.user_id) as n
            from f
            join public.payment_transactions as t on t.user_id = f.user_id
            where t.status = 'completed' and t.transaction_type = 'payment'
            group by 1, 2
        )
        select make_date((c.month - 1) / 12, (c.month - 1) % 12 + 1, 1), c.n, g.after,
               coalesce(s.n, 0), round(100.0 * coalesce(s.n, 0) / c.n, 1)
        from c
        cross join lateral generate_series(0, backend.month_number(now()) - c.month) as g (after)
        left join s on s.month = c.month and s.after = g.after
        order by 1, 3;
end
$$;
comment on function public.cohorts_report(date, date) is
    'Who buys again, by month of the first payment: how many of those customers paid for something '
    'so many months later. (Month 0 is the first one, with all of them.)';
grant execute on function public.cohorts_report(date, date) to staff, service_role;
