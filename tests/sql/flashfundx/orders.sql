-- Orders: ids, prices, what a customer cannot decide.
begin;
select plan(32);
select make_user('ann');
select make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');

select is(as_user('ann', $$ insert into orders (order_id, user_id, account_type, account_size,
    platform_type, amount, final_amount, order_status, payment_status, delivery_status, paid_at,
    payment_provider, payment_provider_id, crypto_address, crypto_amount, created_at)
    values ('FFX123456789', auth.uid(), 'two_step', 1000, 'mt4', 0.50, 0.50, 'completed', 'paid',
            'delivered', now(), 'nowpayments', '1', 'mine', 1, '2000-01-01') $$), '1',
    'a customer orders with an id of its own');
select rows_eq(
    $$ select order_status, payment_status, delivery_status, paid_at, payment_provider,
              payment_provider_id, crypto_address, crypto_amount, created_at = now(), currency
       from orders where order_id = 'FFX123456789' $$,
    $$ values ('pending', 'pending', 'pending', null::timestamptz, null, null, null,
               null::numeric, true, 'USD') $$,
    'the order is pending/pending/pending, whatever was sent');

select is(as_user('ann', $$ insert into orders (user_id, account_type, account_size, platform_type)
    values (auth.uid(), 'hft', 10000, 'mt5') $$), '1', 'amounts may be left to the price list');
select rows_eq(
    $$ select order_id ~ '^FFX[0-9]{9}$', amount, discount_amount, final_amount
       from orders where account_type = 'hft' $$,
    $$ values (true, 349.00, 0.00, 349.00) $$, 'id and amounts are filled in');
select is(as_user('ann', $$ insert into orders (order_id, user_id, account_type, account_size,
    platform_type) values ('', auth.uid(), 'instant', 5000, 'mt5') $$), '1',
    'an empty id is filled in too');

create temporary table refused (what text, amount text, discount text, final text, kind text,
                                size text);
insert into refused values
    ('a price of its own',          '1',   '0',   '1',   'hft', '10000'),
    ('a discount of its own',       '349', '100', '249', 'hft', '10000'),
    ('amounts that do not add up',  '349', '0',   '1',   'hft', '10000'),
    ('a size that is not sold',     '349', '0',   '349', 'hft', '12345'),
    ('an unknown type',             '349', '0',   '349', 'vip', '10000');
select is(as_user('ann', format($$ insert into orders (user_id, account_type, account_size,
    platform_type, amount, discount_amount, final_amount)
    values (auth.uid(), %L, %s, 'mt5', %s, %s, %s) $$, kind, size, amount, discount, final)),
    'ERROR 23514', 'refused: ' || what)
from refused;
select is(as_user('ann', format($$ insert into orders (order_id, user_id, account_type,
    account_size, platform_type) values (%L, auth.uid(), 'hft', 10000, 'mt5') $$, bad)),
    'ERROR 23514', 'refused id: ' || bad)
from unnest(array['FFX1', 'ABC123456789', 'FFX1234567890', 'ffx123456789']) as bad;
select is(as_user('ann', $$ insert into orders (order_id, user_id, account_type, account_size,
    platform_type) values ('FFX123456789', auth.uid(), 'hft', 10000, 'mt5') $$), 'ERROR 23505',
    'an id is given once');

update prices set is_active = false where account_type = 'hft' and account_size = 25000;
select is(as_user('ann', $$ insert into orders (user_id, account_type, account_size, platform_type)
    values (auth.uid(), 'hft', 25000, 'mt5') $$), 'ERROR 23514', 'what is not for sale is not sold');

select is(as_user('boss', format($$ insert into orders (order_id, user_id, account_type,
    account_size, platform_type, discount_amount) values
    ('FFX000000777', %L, 'hft', 10000, 'mt5', 49) $$, id(who))), 'ERROR 23514',
    'not even owners insert one with a discount, for ' || who)
from unnest(array['ann', 'boss']) as who;
select is(as_service(format($$ insert into orders (order_id, user_id, account_type,
    account_size, platform_type, discount_amount) values
    ('FFX000000777', %L, 'hft', 10000, 'mt5', 49) $$, id('ann'))), '1', 'service_role does');
select is((select final_amount::numeric from orders where order_id = 'FFX000000777'), 300.00,
          'which the final amount shows');
select is(as_service(format($$ insert into orders (order_id, user_id, account_type,
    account_size, platform_type, amount, discount_amount, final_amount) values
    ('FFX000000778', %L, 'hft', 10000, 'mt5', 349, 49, 300) $$, id('ann'))), '1',
    'also in full');
select is(as_service($$ update orders set amount = 1, final_amount = 1
    where order_id = 'FFX123456789' $$), 'ERROR 23514', 'nobody invents a price');
select is(as_user('boss', $$ update orders set amount = 1, final_amount = 1 $$), '0', 'staff change none');
select lives_ok($$ update prices set price = 399 where account_type = 'hft' and account_size = 10000 $$,
                'prices change');
select lives_ok($$ update orders set payment_proof = 'x' where order_id = 'FFX000000777' $$,
                'an order keeps the price it was made at');
select throws_ok($$ update orders set final_amount = 1 where order_id = 'FFX000000777' $$, '23514',
                 null, 'final amount = amount - discount, always');
set local session_replication_role = replica;       -- triggers rest
select throws_ok($$ update orders set final_amount = 1 where order_id = 'FFX000000777' $$, '23514',
                 null, 'also while triggers rest');
select throws_ok($$ update orders set order_id = '' where order_id = 'FFX000000777' $$, '23514',
                 null, 'no order is without an id');
set local session_replication_role = origin;
select throws_ok($$ update orders set currency = 'EUR' where order_id = 'FFX000000777' $$, '23514',
                 null, 'all are in USD');
select ok((select updated_at from orders where order_id = 'FFX000000777') = now(),
          'updated_at is kept');
select is((select count(distinct generate_order_id()) from generate_series(1, 200)), 200::bigint,
          'order ids are drawn at random');
select throws_ok($$ insert into orders (user_id, account_type, account_size, platform_type,
    order_status) select id('ann'), 'hft', 10000, 'mt5', 'strange' $$, '23514', null,
    'states are checked');
select * from finish();
rollback;
