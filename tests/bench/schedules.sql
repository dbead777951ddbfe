-- schedules.sql: what lies beside orders in a shop that has been selling for two years, and what may
-- wait for the functions that work on a schedule; schedules.mjs calls it, after fill.sql.

\set ON_ERROR_STOP 1

insert into public.reconciliation_runs (reason, since, requested_at, finished_at)
values ('daily', now() - interval '97 days', now() - interval '90 days', now() - interval '90 days');

-- What is done and stays: of each order a mail and the last look at its payment, of some a review, a
-- difference, a line of the audit.
create function bench.fill_beside(p_first bigint, p_count bigint) returns void
language sql
as $$
    insert into public.outbox
        (kind, cause, reference, person, recipient, template_name, message_id, state, tries,
         provider_id, sent_at, created_at)
    select 'account_delivery', 'account_delivery ' || bench.account_id(n), 'FFX' || (100000000 + n),
           bench.user_id(n % s.users), 'user@example.com', 'account_delivery',
           bench.account_id(n) || '@example.com', 'sent', 1, 'p' || n,
           now() - interval '700 days' + n % 59000000 * interval '1 second',
           now() - interval '700 days' + n % 59000000 * interval '1 second'
      from generate_series(p_first, p_first + p_count - 1) as n, bench.settings as s;
    insert into public.payment_checks (payment_id, settled, last_result, checked_at)
    select (6000000000 + n)::text, true, 'seen', now() - interval '100 days'
      from generate_series(p_first, p_first + p_count - 1) as n;
    insert into public.reviews
        (kind, order_id, payment_id, state, resolution, resolved_at, resolved_by, created_at)
    select 'overpaid', 'FFX' || (100000000 + n), (6000000000 + n)::text, 'resolved', 'accept', t, 'boss', t
      from generate_series(p_first, p_first + p_count - 1, 100) as n,
           lateral (select now() - interval '700 days' + n % 59000000 * interval '1 second') as a (t);
    insert into public.admin_audit_log (admin_email, action_type, table_name, record_id, new_values, created_at)
    select 'boss@example.com', 'UPDATE', 'orders', 'FFX' || (100000000 + n), '{"order_status": "completed"}',
           now() - interval '700 days' + n % 59000000 * interval '1 second'
      from generate_series(p_first, p_first + p_count - 1, 50) as n;
    insert into public.reconciliation_differences
        (run_id, last_run_id, scope, kind, aspect, payment_id, order_id, explanation, found_at, resolved_at)
    select r.id, r.id, 'provider', 'amount', 'pay_amount', (6000000000 + n)::text,
           'FFX' || (100000000 + n), '', now() - interval '90 days', now() - interval '90 days'
      from generate_series(p_first, p_first + p_count - 1, 200) as n,
           (select min(id) as id from public.reconciliation_runs) as r;
$$;

-- Orders of the last seven days, at even times.
create function bench.make_recent(p_first bigint, p_count bigint) returns void
language plpgsql
set session_replication_role = replica
set enable_seqscan = off
as $$
begin
    create temporary table recent on commit drop as
    select 'FFX' || (100000000 + n) as order_id, (6000000000 + n)::text as payment_id,
           now() - interval '7 days' * ((n - p_first + 0.5) / p_count) as at
      from generate_series(p_first, p_first + p_count - 1) as n;
    update public.orders as o set created_at = at, paid_at = at, delivered_at = at
      from recent as r where o.order_id = r.order_id;
    update public.payments as p set created_at = at, last_seen_at = at
      from recent as r where p.payment_id = r.payment_id;
    update public.payment_transactions as t set created_at = at, processed_at = at
      from recent as r where t.order_id = r.order_id;
    update public.delivered_accounts as d set delivered_at = at
      from recent as r where d.order_id = r.order_id;
    update public.payment_events as e set received_at = at
      from recent as r where e.payment_id = r.payment_id;
end
$$;

-- Backlogs ---------------------------------------------------------------------------------------

-- Callbacks of payments that wait for their payer, stored and not applied.
create function bench.backlog_of_events(p_first bigint, p_count bigint) returns void
language sql
set session_replication_role = replica
as $$
    with e as (
        insert into public.payment_events
            (payment_id, status, actually_paid, order_id, source, raw, state, tries, done_at, arguments)
        select (6000000000 + n)::text, 'confirming', 5, 'FFX' || (100000000 + n), 'ipn', '{}',
               'received', 1, null, '{}'
          from generate_series(p_first, p_first + p_count - 1) as n
        returning id)
    insert into platform.jobs (kind, key, tries, due_at)
    select 'payment_event', e.id::text, 1, now() - interval '1 minute' from e;
$$;

-- Paid orders that wait: every other one for what is in stock.
create function bench.backlog_of_deliveries(p_first bigint, p_count bigint) returns void
language plpgsql
set session_replication_role = replica
as $$
begin
    perform bench.fill_orders(p_first, p_count, 'new');
    drop table fresh;
    update public.account_container as c
       set status = 'disabled'
      from bench.products as p
     where p.n = 0 and c.status = 'available' and c.account_size = p.account_size;
    update public.orders as o
       set account_type = p.account_type, account_size = p.account_size, order_status = 'processing',
           payment_status = 'paid', paid_at = now()
      from generate_series(p_first, p_first + p_count - 1) as g (n)
      join bench.products as p on p.n = g.n % 2 * 8
     where o.order_id = 'FFX' || (100000000 + g.n);
    insert into public.waiting_deliveries
        (order_id, account_type, account_size, platform_type, paid_at, reason)
    select o.order_id, o.account_type, o.account_size, o.platform_type, o.paid_at, 'No available accounts'
      from generate_series(p_first, p_first + p_count - 1) as n
      join public.orders as o on o.order_id = 'FFX' || (100000000 + n);
end
$$;

-- Mails that are due, and words that are old enough to be forgotten.
create function bench.backlog_of_mails(p_first bigint, p_count bigint) returns void
language sql
set session_replication_role = replica
as $$
    with m as (
        insert into public.outbox (kind, cause, reference, person, recipient, template_name)
        select 'account_delivery', 'account_delivery ' || d.id, d.order_id, d.user_id,
               'user@example.com', 'account_delivery'
          from generate_series(p_first, p_first + p_count - 1) as n
          join public.delivered_accounts as d on d.order_id = 'FFX' || (100000000 + n)
        returning id)
    insert into platform.jobs (kind, key, due_at)
    select 'mail', m.id::text, now() - interval '1 minute' from m;
    insert into public.outbox
        (kind, cause, recipient, subject, html, state, sent_at, created_at)
    select 'direct', 'direct ' || n, 'user@example.com', 's', repeat('x', 2000), 'sent', now(),
           now() - interval '100 days'
      from generate_series(1, p_count) as n;
$$;

-- Attempts whose end nobody knows, and it is too early to give them up.
create function bench.backlog_of_attempts(p_first bigint, p_count bigint) returns void
language sql
set session_replication_role = replica
as $$
    insert into public.payment_attempts
        (order_id, pay_currency, crypto_currency, price_amount, state, claim_until)
    select 'FFX' || (100000000 + n), 'usdtbsc', 'usdt_bsc', 149, 'unknown', now() + interval '1 minute'
      from generate_series(p_first, p_first + p_count - 1) as n;
$$;

-- Payments whose time has come to be asked about; p_heard: and of which something was heard since.
create function bench.backlog_of_checks(p_first bigint, p_count bigint, p_heard boolean) returns void
language plpgsql
set session_replication_role = replica
as $$
begin
    update platform.jobs as j
       set due_at = now() - interval '1 minute'
      from generate_series(p_first, p_first + p_count - 1) as n
     where j.kind = 'payment_check' and j.key = (6000000000 + n)::text;
    update public.payments as p
       set last_seen_at = case when p_heard then now() else now() - interval '2 hours' end
      from generate_series(p_first, p_first + p_count - 1) as n
     where p.payment_id = (6000000000 + n)::text;
end
$$;

-- Differences that are open and will be gone, and money of orders that are not there.
create function bench.backlog_of_differences(p_first bigint, p_count bigint) returns void
language sql
set session_replication_role = replica
as $$
    insert into public.reconciliation_differences
        (run_id, last_run_id, scope, kind, aspect, order_id, explanation)
    select r.id, r.id, 'books', 'extra', 'transaction', 'FFX' || (100000000 + n), ''
      from generate_series(p_first, p_first + p_count - 1) as n,
           (select min(id) as id from public.reconciliation_runs) as r;
    insert into public.payment_events
        (payment_id, status, actually_paid, order_id, outcome, source, raw)
    select 'lost' || n, 'finished', 5, 'FFX1', 'order_not_found', 'ipn', '{}'
      from generate_series(1, p_count / 100) as n;
$$;

-- What staff changed at one go: profiles of so many customers.
create function bench.backlog_of_audits(p_count bigint) returns void
language sql
set session_replication_role = replica
as $$
    insert into public.admin_audit_log (admin_email, action_type, table_name, record_id, new_values)
    select 'boss@example.com', 'UPDATE', 'user_profiles', bench.user_id(n)::text, '{"country": "NL"}'
      from generate_series(1, p_count) as n;
$$;
