-- Stock: alerts once per level, and the report.
begin;
select plan(25);
select make_user('ann');
select make_user('boss');
insert into administrators (email, duties)
values ('boss@example.com', '{owner}'), ('depot@example.com', '{inventory}'),
       ('money@example.com', '{finance}');
select make_order('ann', n) from generate_series(1, 20) as n;

create function tests.alerts()
returns text language sql as $$
    select string_agg(account_size || ' ' || platform_type || ' ' || level || ' ' || available, ','
                      order by account_size::numeric, platform_type)
    from backend.check_stock()
$$;

select is(alerts(), null, 'what was never in stock is no alert');
select make_stock('s' || n) from generate_series(1, 6) as n;
select is(alerts(), null, 'six are enough');
select event('FFX000000001', 'a1', 'finished');
select is(alerts(), null, 'five, too');
select event('FFX000000002', 'a2', 'finished');
select is(alerts(), '10000 mt5 low 4', 'four are low');
create function tests.mails()
returns text language sql as $$
    select string_agg(concat_ws(' ', recipient, variables ->> 'stock_level',
                                variables ->> 'account_size', variables ->> 'platform_type',
                                variables ->> 'available', variables ->> 'waiting'), ','
                      order by (variables ->> 'available')::int desc, recipient)
    from outbox where kind = 'stock_alert'
$$;
select is(mails(), 'boss@example.com runs low 10,000 MT5 4 0,'
          'depot@example.com runs low 10,000 MT5 4 0', 'owners and inventory get a mail');
select event('FFX000000003', 'a3', 'finished');
select is(alerts(), null, 'told once, not per order');
select event('FFX00000000' || n, 'a' || n, 'finished') from generate_series(4, 6) as n;
select is(alerts(), '10000 mt5 empty 0', 'none left is another level');
select event('FFX000000007', 'a7', 'finished');
select is(alerts(), null, 'told once, too');
select is(mails(), 'boss@example.com runs low 10,000 MT5 4 0,'
          'depot@example.com runs low 10,000 MT5 4 0,boss@example.com is out 10,000 MT5 0 0,'
          'depot@example.com is out 10,000 MT5 0 0', 'one mail per level');
update administrators set is_active = false where email = 'boss@example.com';
select rows_eq($$ select level, state from stock_alerts order by id $$,
               $$ values ('low', 'open'), ('empty', 'open') $$, 'both are open');
select make_stock('t1');
select make_stock('t2');
select is((select order_id from deliver_next_waiting()), 'FFX000000007', 'who waited is served');
select is(alerts(), null, 'one in stock: still low');
select rows_eq($$ select level, state from stock_alerts order by id $$,
               $$ values ('low', 'open'), ('empty', 'ended') $$, 'but no longer empty');
select make_stock('u' || n) from generate_series(1, 4) as n;
select is(alerts(), null, 'five again');
select is((select count(*) from stock_alerts where state = 'open'), 0::bigint, 'all alerts ended');
update account_container set status = 'disabled' where login_id = 'u1';
select is(alerts(), '10000 mt5 low 4', 'armed again');
select is((select count(*) from outbox where kind = 'stock_alert'), 5::bigint,
          'another mail, to those who are active');
update administrators set is_active = true where email = 'boss@example.com';
select is(as_user('boss', $$ update shop_settings set value = 3 where name = 'stock_low_below' $$),
          '1', 'the threshold is the shop''s');
select is(alerts(), null, 'four are enough now');
select is((select count(*) from stock_alerts where state = 'open'), 0::bigint, 'the alert ended');
select is(as_user('ann', $$ update shop_settings set value = 9 $$), 'ERROR 42501', 'not a customer''s');

-- The report
update delivered_accounts set delivered_at = now() - interval '10 days'
 where order_id in ('FFX000000001', 'FFX000000002');
update account_container set status = 'disabled' where login_id in ('u2');
insert into account_container (account_size, platform_type, server_name, login_id, password)
values (5000, 'mt4', 'Demo', 'x', 'x');
select rows_eq(
    $$ select account_size::numeric::int, platform_type, available, waiting, delivered_7_days,
              delivered_30_days, days_left, level
       from inventory_report() $$,
    $$ values (5000, 'mt4', 1, 0, 0, 0, null::numeric, 'low'),
              (10000, 'mt5', 3, 0, 5, 7, 4.2, 'ok') $$,
    'the report');
select is(as_user('ann', 'select count(*) from public.inventory_report()'), 'ERROR 42501',
          'not for customers');
select is(as_user('boss', 'select count(*) from public.inventory_report()'), '2',
          'for staff');
select is(as_service('select count(*) from public.inventory_report()'), '2', 'and the service key');
select * from finish();
rollback;
