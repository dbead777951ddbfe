-- Who spends, comes back or stays away, calculated by hand; for staff only.
begin;
select plan(11);
select make_user(n) from unnest(array['ann', 'bob', 'eve', 'old', 'dan', 'boss']) as n;
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
insert into payment_transactions (user_id, transaction_type, amount, provider, status, processed_at)
select id(who), type, amount, 'manual', state, at::timestamp at time zone 'UTC'
from (values
    ('ann', 'payment', 100, 'completed', '2024-01-10'),
    ('ann', 'payment', 50, 'completed', '2024-02-05'),
    ('ann', 'refund', 30, 'completed', '2024-03-01'),
    ('ann', 'payment', 20, 'completed', '2024-03-20'),
    ('bob', 'payment', 200, 'completed', '2024-01-31 23:59:59'),
    ('eve', 'payment', 70, 'completed', '2024-02-29'),
    ('eve', 'payment', 10, 'completed', '2024-02-29'),
    ('eve', 'chargeback', 80, 'completed', '2024-04-02'),
    ('old', 'payment', 40, 'completed', '2023-12-31 23:59:59'),
    ('old', 'payment', 60, 'completed', '2024-01-15'),
    ('dan', 'payment', 99, 'failed', '2024-01-05')) as t (who, type, amount, state, at);

select rows_eq($$ select month::text, customers, after_months, net, total, per_customer
                  from lifetime_value_report('2024-01-01', '2024-03-01') where after_months < 4 $$,
    $$ values ('2024-01-01', 2::bigint, 0, 300.00, 300.00, 150.00), ('2024-01-01', 2, 1, 50.00, 350.00, 175.00),
              ('2024-01-01', 2, 2, -10.00, 340.00, 170.00), ('2024-01-01', 2, 3, 0, 340.00, 170.00),
              ('2024-02-01', 1, 0, 80.00, 80.00, 80.00), ('2024-02-01', 1, 1, 0, 80.00, 80.00),
              ('2024-02-01', 1, 2, -80.00, 0.00, 0.00), ('2024-02-01', 1, 3, 0, 0.00, 0.00) $$,
    'lifetime value, by month of the first payment');
select is((select max(after_months) from lifetime_value_report('2023-12-01', '2024-01-01')),
          (extract(year from age(date_trunc('month', now() at time zone 'UTC'), '2023-12-01')) * 12
           + extract(month from age(date_trunc('month', now() at time zone 'UTC'), '2023-12-01')))::integer,
          'up to this month');
select rows_eq($$ select customers, total from lifetime_value_report('2023-12-01', '2024-01-01')
                  where after_months < 2 $$, $$ values (1::bigint, 40.00), (1, 100.00) $$,
               'who came before is not new');
select rows_eq($$ select month::text, customers, after_months, buyers, percent
                  from cohorts_report('2024-01-01', '2024-03-01') where after_months < 4 $$,
    $$ values ('2024-01-01', 2::bigint, 0, 2::bigint, 100.0), ('2024-01-01', 2, 1, 1, 50.0),
              ('2024-01-01', 2, 2, 1, 50.0), ('2024-01-01', 2, 3, 0, 0.0),
              ('2024-02-01', 1, 0, 1, 100.0), ('2024-02-01', 1, 1, 0, 0.0),
              ('2024-02-01', 1, 2, 0, 0.0), ('2024-02-01', 1, 3, 0, 0.0) $$, 'who buys again');
select is_empty($$ select from cohorts_report('2022-01-01', '2023-01-01') $$, 'nobody');

-- 20 who spent 10, 20, … 200: 2100 together.
select make_user('c' || n) from generate_series(1, 20) as n;
update user_profiles set total_orders = 1, total_spent = substr(split_part(email, '@', 1), 2)::integer * 10
where email ~ '^c[0-9]+@';
select rows_eq($$ select tenth, customers, spent, percent from spending_report() where tenth in (1, 2, 10) $$,
    $$ values (1, 2::bigint, 390.00, 18.6), (2, 2, 350.00, 16.7), (10, 2, 30.00, 1.4) $$,
    'the share of each tenth');
update user_profiles set created_at = now() - interval '100 days' where email = 'bob@example.com';
update user_profiles set created_at = now() - interval '400 days', last_login_at = now() - interval '45 days'
where email = 'eve@example.com';
update user_profiles set created_at = now() - interval '400 days' where email = 'ann@example.com';
select make_order('ann', 1);
select rows_eq('select days, customers from inactivity_report()',
    $$ values (0, 24::bigint), (30, 1), (90, 1) $$, 'who stays away');

select is(as_user('ann', 'select count(*) from ' || f), 'ERROR 42501', 'not for customers: ' || f)
from unnest(array['lifetime_value_report(now()::date, now()::date)', 'spending_report()',
                  'cohorts_report(now()::date, now()::date)', 'inactivity_report()']) as f;
select * from finish();
rollback;
