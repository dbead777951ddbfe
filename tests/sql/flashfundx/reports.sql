-- Reports agree with the books, and are for staff.
begin;
select plan(22);
select make_user('ann');
select make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
select make_order('ann', n) from generate_series(1, 6) as n;
select make_stock(n::text) from generate_series(1, 2) as n;
select event('FFX000000001', 'a1', 'finished'), event('FFX000000002', 'b1', 'finished'),
       event('FFX000000003', 'c1', 'finished');
select event('FFX000000002', 'b1', 'refunded');
select event('FFX000000004', 'd1', 'failed', 70), event('FFX000000004', 'd2', 'expired', 0);
update orders set created_at = now() - interval '2 days' where order_id = 'FFX000000005';
update orders set paid_at = now() - interval '2 hours' where order_id = 'FFX000000003';
update delivered_accounts set current_phase = 'live', live_activated_at = delivered_at + interval '9 days'
 where order_id = 'FFX000000001';
update delivered_accounts set phase_status = 'failed' where order_id = 'FFX000000002';
select (now() at time zone 'UTC')::date as today \gset

select rows_eq(format('select payments, gross, refunds, chargebacks, net from revenue_report(%L, %L)',
                      :'today'::date, :'today'::date + 1),
               $$ values (3::bigint, 1047.00, 349.00, 0::numeric, 698.00) $$, 'revenue');
select is((select sum(net) from revenue_report(:'today', :'today'::date + 1)),
          (select sum(backend.booked_amount(order_id)) from orders), 'is what the books keep');
select is((select count(*) from revenue_report(:'today'::date - 9, :'today')), 0::bigint,
          'the last day is not in it');
select rows_eq(format('select step, orders, percent from funnel_report(%L, %L)', :'today'::date - 9,
                      :'today'::date + 1),
    $$ values ('created', 6::bigint, 100.0), ('invoice', 0, 0.0), ('paid', 3, 50.0),
              ('delivered', 2, 33.3) $$, 'the funnel');
select rows_eq(format('select account_type, account_size, platform_type, orders, paid, revenue
                       from popularity_report(%L, %L)', :'today'::date - 9, :'today'::date + 1),
    $$ values ('hft', 10000.00, 'mt5', 6::bigint, 2::bigint, 698.00) $$, 'what is popular');
select rows_eq('select email, total_orders, total_spent, inactive from customers_report(1, 90)',
    $$ values ('ann@example.com', 2, 698.00, false) $$, 'who spends');
select rows_eq('select order_id, problem from stuck_orders()',
    $$ values ('FFX000000003', 'paid, and not delivered for an hour'),
              ('FFX000000005', 'unpaid for a day') $$, 'what is stuck');
select rows_eq(format('select status, payments, with_money from failed_payments_report(%L, %L)',
                      :'today'::date, :'today'::date + 1),
    $$ values ('expired', 1::bigint, 0::bigint), ('failed', 1, 1), ('refunded', 1, 1) $$,
    'what failed');
select rows_eq('select account_type, accounts, challenge, live, failed, pass_percent,
                       median_time_to_live from challenge_progress()',
    $$ values ('hft', 2::bigint, 1::bigint, 1::bigint, 1::bigint, 50.0, interval '9 days') $$,
    'where accounts stand');
update orders set paid_at = now() - interval '10 seconds' where order_id = 'FFX000000001';
update orders set paid_at = now() - interval '30 seconds' where order_id = 'FFX000000002';
insert into reviews (kind, order_id, state, created_at, resolved_at, resolved_by)
select 'overpaid', 'FFX000000001', 'resolved', now() - h * interval '1 hour', now(), b
from (values (1, 'boss@example.com'), (3, 'boss@example.com'), (5, 'events')) as r (h, b);
select rows_eq(format('select deliveries, delivery_p50, delivery_p99, decisions, decision_p50, decision_p99
                       from times_report(%L, %L)', :'today'::date, :'today'::date + 1),
    $$ values (2::bigint, interval '20 s', interval '29.8 s',
               2::bigint, interval '2 h', interval '2:58:48') $$, 'how long it takes');
select rows_eq(format('select * from month_close(%L)', :'today'),
    $$ values ('provider: payments', 3::bigint, 1047.00::numeric),
              ('books: payments of the provider', 3, 1047.00),
              ('books: payments by hand', 0, 0), ('books: refunds', 1, -349.00),
              ('books: chargebacks', 0, 0), ('books: net', 4, 698.00),
              ('orders: paid, at their price', 3, 1047.00),
              ('difference: books less provider', 0, 0), ('difference: books less orders', 0, 0),
              ('difference: of the reconciliation, open', 0, null) $$, 'a month that agrees');
-- A price that changed at the provider, an order paid twice, and one that was paid in part before.
select tamper('update payments set price_amount = 350 where payment_id = ''a1''');
insert into payment_transactions (order_id, user_id, transaction_type, amount, provider, status, processed_at)
select o, id('ann'), 'payment', a, 'manual', 'completed', t
from (values ('FFX000000003', 5, now()),
             ('FFX000000001', 7, date_trunc('month', now() at time zone 'UTC') at time zone 'UTC'
                                 - interval '1 s')) as v (o, a, t);
insert into reconciliation_runs (reason, since) values ('asked', now());
insert into reconciliation_differences (run_id, last_run_id, scope, kind, aspect, explanation)
select id, id, 'books', 'amount', 'x', '' from reconciliation_runs;
select rows_eq(format('select * from month_close(%L) where line <> ''books: refunds''', :'today'),
    $$ values ('provider: payments', 3::bigint, 1048.00::numeric),
              ('books: payments of the provider', 3, 1047.00),
              ('books: payments by hand', 1, 5.00), ('books: chargebacks', 0, 0),
              ('books: net', 5, 703.00), ('orders: paid, at their price', 3, 1047.00),
              ('difference: books less provider', 1, -1.00),
              ('difference: books less orders', 2, 12.00),
              ('difference: of the reconciliation, open', 1, null) $$, 'and one that does not');
select is(as_user('ann', 'select count(*) from ' || f), 'ERROR 42501', 'not for customers: ' || f)
from unnest(array['revenue_report(now()::date, now()::date)', 'funnel_report(now()::date, now()::date)',
                  'popularity_report(now()::date, now()::date)', 'customers_report(1, 1)',
                  'stuck_orders()', 'failed_payments_report(now()::date, now()::date)',
                  'challenge_progress()', 'times_report(now()::date, now()::date)',
                  'month_close(now()::date)']) as f;
select is(as_user('boss', 'select count(*) from challenge_progress()'), '1', 'for administrators');
select * from finish();
rollback;
