-- Delivery when the tables contradict it: money is kept, and nobody holds up the others.
begin;
select plan(60);
select make_user('ann');
select make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
select make_order('ann', n) from generate_series(1, 30) as n;

-- Stands for an account that staff handed out by hand.
create function tests.hand_out(p_order text, p_login text)
returns void language sql as $$
    insert into delivered_accounts (user_id, order_id, container_account_id, account_type,
        account_size, platform_type, server_name, login_id, password, current_phase)
    select tests.id('ann'), p_order, c.id, 'hft', c.account_size, c.platform_type, c.server_name,
           c.login_id, c.password, 'challenge'
    from account_container as c where c.login_id = p_login
$$;

-- An account is sold once.
select make_stock('once', p_age => '9 days');
select is(event('FFX000000001', 'a1', 'finished'), 'applied completed/paid/delivered', 'sold');
select throws_ok($$ update account_container set status = 'available' where login_id = 'once' $$,
    '23514', 'This account was handed to a customer and cannot be sold again',
    'a sold account does not come back into the stock');
select throws_ok($$ update account_container set status = 'reserved' where login_id = 'once' $$,
    '23514', null, 'nor is it reserved');
select is(as_user('boss', $$ update account_container set status = 'available'
                             where login_id = 'once' $$), 'ERROR 23514', 'not by administrators');
select is(as_user('boss', $$ update account_container set status = 'disabled'
                             where login_id = 'once' $$), '1', 'it may be disabled');
select make_stock('spare', 5000);
update account_container set status = 'disabled' where login_id = 'spare';
select lives_ok($$ update account_container set status = 'available' where login_id = 'spare' $$,
                'an account that nobody has may come back');
select make_stock('by-hand', p_age => '8 days'), make_stock('free');
select hand_out('FFX000000002', 'by-hand');
select is(event('FFX000000003', 'a3', 'finished'), 'applied completed/paid/delivered',
          'an account handed out by hand, still listed as available, stops no delivery');
select is((select login_id from delivered_accounts where order_id = 'FFX000000003'), 'free',
          'the next one is taken');

-- An order that has its account already, and does not say so
select is(event('FFX000000002', 'a2', 'finished'), 'applied processing/paid/pending',
          'paid after it was delivered by hand: the payment is kept');
select is((select count(*) from payment_events where payment_id = 'a2'), 1::bigint, 'stored');
select is((select status from payment_transactions where provider_transaction_id = 'a2'),
          'completed', 'booked');
select is(reviews('FFX000000002'), 'delivered_by_hand', 'somebody has to look');
select is((select count(*) from waiting_deliveries), 0::bigint, 'it does not wait for stock');
select is((deliver_account_to_user('FFX000000002', id('ann'))) ->> 'error',
          'Order already delivered', 'nor is it delivered again');
select is(event('FFX000000004', 'a4', 'finished'), 'applied processing/paid/pending', 'waits');
select is(event('FFX000000005', 'a5', 'finished'), 'applied processing/paid/pending',
          'waits behind it');
select make_stock('w1'), make_stock('w2');
update account_container set status = 'disabled' where login_id in ('w1', 'w2');
select hand_out('FFX000000004', 'w1');
update account_container set status = 'available' where login_id = 'w2';
select is((select order_id from deliver_next_waiting()), 'FFX000000005',
          'a waiting order that got its account by hand does not hold up the next');
select is((select count(*) from waiting_deliveries), 0::bigint, 'and waits no longer');
select is(reviews('FFX000000004'), 'delivered_by_hand', 'but is seen');

-- A delivery that fails for a reason nobody thought of
create function tests.refuse() returns trigger language plpgsql as $$
begin
    if new.order_id in ('FFX000000006', 'FFX000000007') then
        raise exception using errcode = '23514', message = 'not this one';
    end if;
    return new;
end
$$;
create trigger refuse before insert on delivered_accounts
    for each row execute function tests.refuse();
select make_stock('x1');
select is(event('FFX000000006', 'a6', 'finished'), 'applied processing/paid/pending',
          'the delivery fails, the payment stays');
select is((select count(*) from payment_events where payment_id = 'a6'), 1::bigint, 'stored');
select is(reviews('FFX000000006'), 'delivery_error', 'somebody has to look');
select is((select detail ->> 'error' from reviews where order_id = 'FFX000000006'),
          'not this one', 'with the reason');
select is((select status from account_container where login_id = 'x1'), 'available',
          'the account is back in the stock');
select rows_eq(
    $$ select reason, parked_at is not null from waiting_deliveries $$,
    $$ values ('Delivery failed: not this one', true) $$, 'the order stands aside');
select is(event('FFX000000008', 'a8', 'finished'), 'applied completed/paid/delivered',
          'and holds up nobody who pays later');
select is(event('FFX000000007', 'a7', 'finished'), 'applied processing/paid/pending', 'no stock');
select is(event('FFX000000009', 'a9', 'finished'), 'applied processing/paid/pending', 'no stock');
update waiting_deliveries set paid_at = now() - interval '1 hour' where order_id = 'FFX000000007';
select make_stock('x2');
select is((select order_id from deliver_next_waiting()), 'FFX000000009',
          'the head of the queue fails, the next is served');
select is((select count(*) from deliver_next_waiting()), 0::bigint, 'that was all');
select is((select count(*) from waiting_deliveries where parked_at is not null), 2::bigint,
          'two stand aside');
drop trigger refuse on delivered_accounts;
select make_stock('x3');
select is((select count(*) from deliver_next_waiting()), 0::bigint, 'not tried at once');
update waiting_deliveries set parked_at = now() - interval '61 s';
select is((select order_id from deliver_next_waiting()), 'FFX000000007',
          'tried again after a minute, who paid first before the other');
select is((try.result -> 'delivery_function_test' ->> 'success'), 'false', 'no stock for a test')
from backend.test_delivery('FFX000000006', false) as try;

-- Without trading rules
select make_order('ann', 40, 'one_step', 25000), make_order('ann', 41, 'hft', 25000);
delete from trading_rules where account_type = 'one_step' and account_size = 25000;
select is(event('FFX000000040', 'r1', 'finished', 9999, 9999, p_amount => 9999),
          'applied processing/paid/pending', 'no trading rules: waits');
select make_stock('25k', 25000);
select is(event('FFX000000041', 'r2', 'finished', 9999, 9999, p_amount => 9999),
          'applied completed/paid/delivered', 'aside');

-- Several sizes: an empty one holds up nobody.
delete from waiting_deliveries;
select make_order('ann', 50, 'hft', 50000), make_order('ann', 51, 'hft', 100000),
       make_order('ann', 52, 'hft', 5000, 'mt4');
insert into waiting_deliveries (order_id, account_type, account_size, platform_type, paid_at, reason)
select order_id, account_type, account_size, platform_type, now() - (60 - right(order_id, 2)::int)
           * interval '1 hour', 'x'
from orders where order_id in ('FFX000000050', 'FFX000000051', 'FFX000000052');
update orders set order_status = 'processing', payment_status = 'paid', paid_at = now()
where order_id in ('FFX000000050', 'FFX000000051', 'FFX000000052');
update account_container set status = 'disabled' where status = 'available';
select is((select count(*) from deliver_next_waiting()), 0::bigint, 'empty stock');
select make_stock('100k', 100000), make_stock('5k', 5000, 'mt4'), make_stock('5k5', 5000);
select rows_eq('select * from backend.stock_kinds()',
    $$ values (5000.00, 'mt4'), (5000.00, 'mt5'), (100000.00, 'mt5') $$, 'what is in stock');
select is((select order_id from deliver_next_waiting()), 'FFX000000051',
          'who paid first of those that have stock');
select is((select order_id from deliver_next_waiting()), 'FFX000000052', 'then the next');
select is((select count(*) from deliver_next_waiting()), 0::bigint, 'nobody else');

-- A delivery that never comes back: the claim counts, and what was claimed stops nobody
select make_order('ann', n, 'hft', 200000) from generate_series(60, 61) as n;
select event(order_id, 'p' || order_id, 'finished', 9999, 9999, p_amount => 9999)
from orders where account_size = 200000;
select is((select string_agg(order_id, ',' order by paid_at, order_id) from waiting_deliveries
           where account_size = 200000), 'FFX000000060,FFX000000061', 'two wait');
select make_stock('200k', 200000), make_stock('200k-2', 200000);
select is((select order_id from backend.claim_waiting()), 'FFX000000060', 'the first is claimed');
select is((select order_id from deliver_next_waiting()), 'FFX000000061',
          'the one behind it does not wait');
select is((select count(*) from backend.claim_waiting()), 0::bigint, 'a claim is a lease');
create function tests.lease_ends() returns void language sql as
    $$ update waiting_deliveries set lease_until = now() - interval '1 s'
       where lease_until is not null $$;
create function tests.claims(p_count integer) returns void language plpgsql as $$
begin
    for i in 1..p_count loop
        perform tests.lease_ends(), (select c.order_id from backend.claim_waiting() as c);
    end loop;
end
$$;
select claims(4);
select is((select tries from waiting_deliveries where order_id = 'FFX000000060'), 5, 'five tries');
select lease_ends();
select is((select count(*) from backend.claim_waiting()), 0::bigint, 'no sixth');
select rows_eq(
    $$ select reason, parked_at from waiting_deliveries where order_id = 'FFX000000060' $$,
    $$ values ('delivery did not return', 'infinity'::timestamptz) $$, 'it stands aside');
select is(reviews('FFX000000060'), 'delivery_error', 'and a human is asked');
select is(public.resolve_review(id, 'accept', 'mended') ->> 'order', 'completed/paid/delivered',
          'who has it tried again') from reviews where order_id = 'FFX000000060';
select is((select result from backend.deliver_waiting('FFX000000060')), 'gone',
          'who comes back too late delivers nothing');
-- and stock that is gone since the claim is no try
select make_order('ann', 62, 'hft', 200000);
select event('FFX000000062', 'p62', 'finished', 9999, 9999, p_amount => 9999);
select make_stock('200k-3', 200000);
select is((select order_id from backend.claim_waiting()), 'FFX000000062', 'claimed');
update account_container set status = 'disabled' where login_id = '200k-3';
select is((select result from backend.deliver_waiting('FFX000000062')), 'No available accounts',
          'the last account is gone');
select rows_eq($$ select tries, lease_until, parked_at from waiting_deliveries
                  where order_id = 'FFX000000062' $$,
               $$ values (0, null::timestamptz, null::timestamptz) $$, 'in line as before');
delete from waiting_deliveries where order_id = 'FFX000000062';

-- Whoever ends the waiting, the queue knows.
select is((select string_agg(order_id, ',') from waiting_deliveries), 'FFX000000050', 'one waits');
update orders set order_status = 'refunded', payment_status = 'refunded'
where order_id = 'FFX000000050';
select is((select count(*) from waiting_deliveries), 0::bigint, 'refunded by hand: at once gone');

-- An order that staff opened again
select make_stock('s1');
select is(event('FFX000000020', 's1', 'finished'), 'applied completed/paid/delivered', 'paid');
select is(event('FFX000000020', 's1', 'refunded'), 'applied refunded/refunded/delivered', 'refunded');
select tamper($$ delete from delivered_accounts where order_id = 'FFX000000020' $$);
update orders set order_status = 'pending', payment_status = 'pending', delivery_status = 'pending'
where order_id = 'FFX000000020';
select make_stock('s2');
select is(event('FFX000000020', 's2', 'finished'), 'applied completed/paid/delivered',
          'opened again by staff and paid again');
select is((select string_agg(payment_id, ',') from payments
           where order_id = 'FFX000000020' and counted), 's2', 'the new payment counts');
select * from finish();
rollback;
