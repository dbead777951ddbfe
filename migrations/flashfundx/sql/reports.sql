-- Reports for finance and the service key: one function each, over days from p_from up to,
-- and without, p_to, which are days of UTC. Money is what the books have as completed. Each call is
-- planned for its days: one is read along an index, a year from end to end. (Those about customers:
-- reports_of_customers.)

create or replace function backend.day_begins(p_day date)
returns timestamptz
language sql immutable                  -- inlined
as $$
    select p_day::timestamp at time zone 'UTC'
$$;
comment on function backend.day_begins(date) is 'When a day of UTC begins.';

create or replace function public.revenue_report(p_from date, p_to date)
returns table (day date, payments bigint, gross numeric, refunds numeric, chargebacks numeric,
               net numeric)
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    perform platform.require_duty('read reports', 'finance');
    return query
        select (t.processed_at at time zone 'UTC')::date,
               count(*) filter (where t.transaction_type = 'payment'),
               coalesce(sum(t.amount) filter (where t.transaction_type = 'payment'), 0),
               coalesce(sum(t.amount) filter (where t.transaction_type = 'refund'), 0),
               coalesce(sum(t.amount) filter (where t.transaction_type = 'chargeback'), 0),
               sum(case t.transaction_type when 'payment' then t.amount else -t.amount end)
        from public.payment_transactions as t
        where t.status = 'completed'
          and t.processed_at >= backend.day_begins(p_from)
          and t.processed_at < backend.day_begins(p_to)
        group by 1
        order by 1;
end
$$;
comment on function public.revenue_report(date, date) is
    'What came in and went back on each day, from the books.';
grant execute on function public.revenue_report(date, date) to staff, service_role;

create or replace function public.funnel_report(p_from date, p_to date)
returns table (step text, orders bigint, percent numeric, median_time interval)
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    perform platform.require_duty('read reports', 'finance');
    return query
        with o as (
            select o.created_at, o.paid_at, o.delivered_at,
                   (select min(a.created_at) from public.payment_attempts as a
                    where a.order_id = o.order_id and a.invoice_id is not null) as invoiced_at
            from public.orders as o
            where o.created_at >= backend.day_begins(p_from)
              and o.created_at < backend.day_begins(p_to)
        )
        select s.step, count(s.reached), round(100.0 * count(s.reached) / nullif(count(*), 0), 1),
               percentile_cont(0.5) within group (order by s.reached - o.created_at)
        from o
        cross join lateral (
            values (1, 'created', o.created_at), (2, 'invoice', o.invoiced_at),
                   (3, 'paid', o.paid_at), (4, 'delivered', o.delivered_at))
            as s (n, step, reached)
        group by s.n, s.step
        order by s.n;
end
$$;
comment on function public.funnel_report(date, date) is
    'How many of the orders made then got an invoice, were paid and delivered, in percent of all, '
    'and after which time half of them had.';
grant execute on function public.funnel_report(date, date) to staff, service_role;

create or replace function public.popularity_report(p_from date, p_to date)
returns table (account_type text, account_size numeric, platform_type text, orders bigint,
               paid bigint, revenue numeric)
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    perform platform.require_duty('read reports', 'finance');
    return query
        select o.account_type::text, o.account_size::numeric, o.platform_type::text, count(*),
               count(*) filter (where o.payment_status = 'paid'),
               coalesce(sum(o.final_amount) filter (where o.payment_status = 'paid'), 0)
        from public.orders as o
        where o.created_at >= backend.day_begins(p_from)
          and o.created_at < backend.day_begins(p_to)
        group by 1, 2, 3
        order by 4 desc, 1, 2, 3;
end
$$;
comment on function public.popularity_report(date, date) is
    'Orders, paid orders and their price by account type, size and platform.';
grant execute on function public.popularity_report(date, date) to staff, service_role;

create or replace function public.stuck_orders()
returns table (order_id text, problem text, since timestamptz, order_status text,
               payment_status text, delivery_status text)
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
#variable_conflict use_column
begin
    perform platform.require_duty('read reports', 'finance', 'support');
    return query
        select o.order_id::text, s.problem, s.since, o.order_status::text, o.payment_status::text,
               o.delivery_status::text
        from public.orders as o
        cross join lateral (
            select case
                       when o.payment_status = 'paid' and o.delivery_status = 'pending'
                            and o.order_status = 'processing'
                            and o.paid_at < now() - interval '1 hour'
                           then 'paid, and not delivered for an hour'
                       when o.payment_status = 'pending'
                            and o.order_status in ('pending', 'processing')
                            and o.created_at < now() - interval '24 hours'
                           then 'unpaid for a day'
                   end as problem,
                   coalesce(o.paid_at, o.created_at) as since) as s
        -- Whoever has not paid for a month will not.
        where o.created_at > now() - interval '31 days' and s.problem is not null
        order by s.problem, s.since;
end
$$;
comment on function public.stuck_orders() is
    'Orders of a month that are unpaid for a day, or paid and not delivered for an hour.';
grant execute on function public.stuck_orders() to staff, service_role;

create or replace function public.failed_payments_report(p_from date, p_to date)
returns table (provider text, status text, pay_currency text, payments bigint, price numeric,
               with_money bigint)
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
    perform platform.require_duty('read reports', 'finance');
    return query
        select 'nowpayments', p.status, p.pay_currency, count(*), sum(p.price_amount),
               count(*) filter (where p.actually_paid > 0)
        from public.payments as p
        where p.created_at >= backend.day_begins(p_from)
          and p.created_at < backend.day_begins(p_to)
          and p.status in ('failed', 'expired', 'partially_paid', 'refunded')
        group by 2, 3
        order by 4 desc, 2, 3;
end
$$;
comment on function public.failed_payments_report(date, date) is
    'Payments that did not pay, by status and coin; with_money: in how many of them some arrived.';
grant execute on function public.failed_payments_report(date, date)
    to staff, service_role;

create or replace function public.challenge_progress()
returns table (account_type text, account_size numeric, accounts bigint, challenge bigint,
               phase_1 bigint, phase_2 bigint, live bigint, failed bigint, breached bigint,
               pass_percent numeric, median_time_to_live interval)
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    perform platform.require_duty('read reports', 'finance');
    return query
        select d.account_type::text, d.account_size::numeric, count(*),
               count(*) filter (where d.current_phase = 'challenge'),
               count(*) filter (where d.current_phase = 'phase_1'),
               count(*) filter (where d.current_phase = 'phase_2'),
               count(*) filter (where d.current_phase = 'live'),
               count(*) filter (where d.phase_status = 'failed'),
               count(*) filter (where d.account_status = 'breached'),
               -- Of those whose way is decided; an instant account has none.
               round(100.0 * count(*) filter (where d.current_phase = 'live')
                     / nullif(count(*) filter (where d.current_phase = 'live'
                                                  or d.phase_status = 'failed'
                                                  or d.account_status = 'breached'), 0), 1),
               percentile_cont(0.5) within group (order by d.live_activated_at - d.delivered_at)
        from public.delivered_accounts as d
        group by 1, 2
        order by 1, 2;
end
$$;
comment on function public.challenge_progress() is
    'Where the delivered accounts stand: how many in each phase, failed and breached, which share '
    'of those that are decided got to live, and after which time half of them had.';
grant execute on function public.challenge_progress() to staff, service_role;

create or replace function public.times_report(p_from date, p_to date)
returns table (day date, deliveries bigint, delivery_p50 interval, delivery_p99 interval,
               decisions bigint, decision_p50 interval, decision_p99 interval)
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    perform platform.require_duty('read reports', 'finance');
    return query
        with t as (
            select d.delivered_at as at, d.delivered_at - o.paid_at as delivery,
                   null::interval as decision
            from public.delivered_accounts as d
            join public.orders as o on o.order_id = d.order_id
            where d.delivered_at >= backend.day_begins(p_from)
              and d.delivered_at < backend.day_begins(p_to)
            union all
            select r.resolved_at, null, r.resolved_at - r.created_at
            from public.reviews as r
            where r.resolved_at >= backend.day_begins(p_from)
              and r.resolved_at < backend.day_begins(p_to)
              -- What later events answered is nobody's decision.
              and r.resolved_by is distinct from 'events'
        )
        select (t.at at time zone 'UTC')::date, count(t.delivery),
               percentile_cont(0.5) within group (order by t.delivery),
               percentile_cont(0.99) within group (order by t.delivery),
               count(t.decision),
               percentile_cont(0.5) within group (order by t.decision),
               percentile_cont(0.99) within group (order by t.decision)
        from t
        group by 1
        order by 1;
end
$$;
comment on function public.times_report(date, date) is
    'How long it took on each day from paid to delivered, and until somebody decided a review: half '
    'of them, and 99 of a hundred.';
grant execute on function public.times_report(date, date) to staff, service_role;

create or replace function public.month_close(p_month date)
returns table (line text, entries bigint, amount numeric)
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    perform platform.require_duty('read reports', 'finance');
    return query
        with t as materialized (
            select t.*
            from public.payment_transactions as t
            where t.status = 'completed'
              and t.processed_at >= date_trunc('month', p_month::timestamp) at time zone 'UTC'
              and t.processed_at < (date_trunc('month', p_month::timestamp) + interval '1 month')
                                   at time zone 'UTC'
        ),
        p as (
            select t.amount, v.price_amount
            from t
            join public.payments as v on v.payment_id = t.provider_transaction_id
            where t.provider = 'nowpayments' and t.transaction_type = 'payment'
        ),
        o as (
            -- What was ever paid for the orders of the month: pieces may be of another one.
            select o.final_amount,
                   (select sum(a.amount)
                    from public.payment_transactions as a
                    where a.order_id = o.order_id and a.status = 'completed'
                      and a.transaction_type = 'payment') as paid
            from public.orders as o
            where o.order_id in (
                select t.order_id from t where t.transaction_type = 'payment')
        )
        select 'provider: payments', count(*), coalesce(round(sum(p.price_amount), 2), 0) from p
        union all
        select 'books: payments of the provider', count(*), coalesce(sum(t.amount), 0)
        from t where t.transaction_type = 'payment' and t.provider = 'nowpayments'
        union all
        select 'books: payments by hand', count(*), coalesce(sum(t.amount), 0)
        from t where t.transaction_type = 'payment' and t.provider <> 'nowpayments'
        union all
        select 'books: refunds', count(*), coalesce(-sum(t.amount), 0)
        from t where t.transaction_type = 'refund'
        union all
        select 'books: chargebacks', count(*), coalesce(-sum(t.amount), 0)
        from t where t.transaction_type = 'chargeback'
        union all
        select 'books: net', count(*),
               coalesce(sum(case t.transaction_type when 'payment' then t.amount
                                                    else -t.amount end), 0)
        from t
        union all
        select 'orders: paid, at their price', count(*), coalesce(sum(o.final_amount), 0) from o
        union all
        select 'difference: books less provider', count(*), coalesce(sum(p.amount - p.price_amount), 0)
        from p where p.amount is distinct from p.price_amount
        union all
        select 'difference: books less orders', count(*), coalesce(sum(o.paid - o.final_amount), 0)
        from o where o.paid <> o.final_amount
        union all
        select 'difference: of the reconciliation, open', count(*), null
        from public.reconciliation_differences as d
        where d.resolved_at is null;
end
$$;
comment on function public.month_close(date) is
    'The close of the month in which a day is: the payments that were booked in it as the provider '
    'has them, as the books do, and the orders they paid for; how many of them differ and by how '
    'much; and what the reconciliation has open now.';
grant execute on function public.month_close(date) to staff, service_role;
