-- Reports agree with the books, and are for staff.
begin;
select plan(17);
select make_user('ann');
select make_user('boss');
insert into administrators (email) values ('boss@example.com');
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
select is(as_user('ann', 'select count(*) from ' || f), 'ERROR 42501', 'not for customers: ' || f)
from unnest(array['revenue_report(now()::date, now()::date)', 'funnel_report(now()::date, now()::date)',
                  'popularity_report(now()::date, now()::date)', 'customers_report(1, 1)',
                  'stuck_orders()', 'failed_payments_report(now()::date, now()::date)',
                  'challenge_progress()']) as f;
select is(as_user('boss', 'select count(*) from challenge_progress()'), '1', 'for administrators');
select * from finish();
rollback;
