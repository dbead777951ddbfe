-- Anon, customer, other customer, owner and service_role, table by table. (Duties: staff.sql.)
begin;
select plan(52);

select make_user('ann');
select make_user('bob');
select make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
select make_order('ann', 1), make_order('bob', 2);
select make_stock('1'), make_stock('2', p_age => '1 day');
update orders set payment_status = 'paid';
select deliver_account_to_user('FFX000000001', id('ann'));
insert into payment_transactions (order_id, user_id, transaction_type, amount, provider)
select order_id, user_id, 'payment', final_amount, 'manual' from orders;
insert into payments (payment_id, order_id, status) values ('1', 'FFX000000001', 'waiting');
insert into payment_events (payment_id, status, outcome, source, raw)
values ('1', 'waiting', 'applied', 'ipn', '{}');
insert into payment_attempts (order_id, pay_currency, crypto_currency, price_amount, claim_until)
values ('FFX000000001', 'btc', 'btc', 349, now());
insert into reviews (kind, order_id) values ('underpaid', 'FFX000000001');
insert into webhook_debug_calls (method) values ('POST');
insert into schedules (name, every_ms, claimed_at) values ('x', 1, now());
insert into waiting_deliveries values ('FFX000000002', 'hft', 10000, 'mt5', now(), 'x');
insert into crypto_addresses (crypto_name, network, display_name, wallet_address, is_active)
values ('TST', 'x', 'Test', repeat('w', 30), true);
update prices set is_active = false where account_size = 500000;

-- How many rows each of them sees: table, anon, ann, bob.
create temporary table seen (name text, anon text, ann text, bob text);
insert into seen
values
    ('user_profiles',        '0',  '1',  '1'),
    ('orders',               '0',  '1',  '1'),
    ('delivered_accounts',   '0',  '1',  '0'),
    ('payment_transactions', '0',  '1',  '1'),
    ('trading_rules',        '36', '36', '36'),
    ('prices',               '32', '32', '32'),
    ('crypto_addresses',     '1',  '1',  '1'),
    ('account_container',    '0',  '0',  '0'),
    ('email_templates',      '0',  '0',  '0'),
    ('administrators',       'ERROR 42501', 'ERROR 42501', 'ERROR 42501'),
    ('reviews',              '0',  '0',  '0'),
    ('payments',             'ERROR 42501', 'ERROR 42501', 'ERROR 42501'),
    ('payment_events',       'ERROR 42501', 'ERROR 42501', 'ERROR 42501'),
    ('payment_attempts',     'ERROR 42501', 'ERROR 42501', 'ERROR 42501'),
    ('webhook_debug_calls',  'ERROR 42501', 'ERROR 42501', 'ERROR 42501'),
    ('admin_audit_log',      'ERROR 42501', 'ERROR 42501', 'ERROR 42501');
select is(as_anon('select count(*) from ' || name), anon, 'a visitor reads ' || name)
from seen;
select is(as_user('ann', 'select count(*) from ' || name) || ' ' ||
          as_user('bob', 'select count(*) from ' || name), ann || ' ' || bob,
          'customers read their own of ' || name)
from seen;
create function tests.total(p_name text) returns text language plpgsql as $$
declare n bigint; begin execute 'select count(*) from ' || p_name into n; return n; end $$;
select is(as_user('boss', 'select count(*) from ' || name) || ' ' ||
          as_service('select count(*) from ' || name), tests.total(name) || ' ' || tests.total(name),
          'owners and service_role read all of ' || name)
from seen
where name <> 'admin_audit_log';

select is(as_user('ann', $$ update orders set order_status = 'completed' $$), '0',
          'a customer changes no order');
select is(as_user('ann', $$ delete from orders $$), '0', 'and deletes none');
select is(as_user('ann', $$ update delivered_accounts set current_phase = 'live' $$), '0',
          'a customer does not pass phases by hand');
select is(as_user('ann', format($$ insert into orders (user_id, account_type, account_size,
    platform_type, amount, final_amount) values (%L, 'hft', 10000, 'mt5', 349, 349) $$, id('bob'))),
    'ERROR 42501', 'nobody orders for somebody else');
select is(as_anon(format($$ insert into orders (user_id, account_type, account_size,
    platform_type) values (%L, 'hft', 10000, 'mt5') $$, id('bob'))),
    'ERROR 42501', 'visitors do not order');
select * from finish();
rollback;
