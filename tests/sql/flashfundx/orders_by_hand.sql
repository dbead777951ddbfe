-- Discounts, payments by hand, ends and chargebacks: once, with a reason, audited, and the books agree.
begin;
select plan(74);
select make_user('ann');
select make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
select make_order('ann', n) from generate_series(1, 12) as n;
select make_stock(n::text) from generate_series(1, 4) as n;
create function tests.discount(p_order text, p_discount numeric, p_reason text default 'loyal')
returns text language sql as $$
    select concat_ws(' ', v ->> 'success', v ->> 'error', v ->> 'discount_amount', v ->> 'final_amount')
    from (select grant_discount(p_order, p_discount, p_reason) as v) as d
$$;
create function tests.charge_back(p_order text, p_amount numeric, p_ref text default null,
                             p_reason text default 'bank said so')
returns text language sql as $$
    select concat_ws(' ', v ->> 'success', v ->> 'error', v ->> 'already_recorded', v ->> 'order')
    from (select record_chargeback(p_order, p_amount, p_reason, null, p_ref) as v) as d
$$;
create function tests.last_audit()
returns text language sql as $$
    select concat_ws(' ', admin_email, action_type, record_id, description) from admin_audit_log
    where action_type in ('DISCOUNT', 'CHARGEBACK') order by created_at desc limit 1
$$;
create function tests.compared(p_order text)
returns text language sql as $$
    select string_agg(kind || ' ' || aspect, ',') from backend.books_differences(array[p_order])
$$;

-- Discounts
select is(discount('FFX000000001', 49), 'true 49.00 300.00', 'a discount');
select rows_eq($$ select amount, discount_amount, final_amount from orders
                  where order_id = 'FFX000000001' $$, $$ values (349.00, 49.00, 300.00) $$,
               'the three figures agree');
select is(last_audit(), session_user || ' DISCOUNT FFX000000001 loyal', 'audited, with the reason');
select is(discount('FFX000000001', 49), 'true 49.00 300.00', 'again: the same');
select is((select count(*) from admin_audit_log where action_type = 'DISCOUNT'), 1::bigint, 'once');
select is(discount('FFX000000001', 0), 'true 0.00 349.00', 'and taken back');
select is(discount('FFX000000001', w), 'false The discount must be from 0 to less than the amount',
          'not ' || w) from unnest(array[-1, 349, 400, 'NaN']::numeric[]) as w;
select is(discount('FFX000000001', 10, ' '), 'false A reason is required', 'not without a reason');
select is(discount('FFX000000099', 10), 'false Order not found', 'not without an order');
select is(as_user('ann', $$ select grant_discount('FFX000000001', 300, 'me') $$), 'ERROR 42501',
          'customers grant none');
select is(as_user('boss', $$ select grant_discount('FFX000000001', 1, 'x') ->> 'success' $$), 'true',
          'staff do');

select attach(b.attempt_id, 'p2') from tests.begin('ann', 'FFX000000002') as b,
     lateral backend.attach_invoice(b.attempt_id::uuid, 'i2', 'https://x') as i;
select is(discount('FFX000000002', 49), 'true 49.00 300.00', 'after an invoice was opened');
select is((select state || ': ' || detail from payment_attempts where order_id = 'FFX000000002'),
          'abandoned: the price changed', 'which is closed');
select is((select s[1] from backend.payment_statuses(array[id('ann')], array['FFX000000002']) as s), 'no_payment',
          'and shown no more');
select is((select outcome || ' ' || price_amount from backend.begin_payment(id('ann'), id('ann'),
              'FFX000000002', 'hft', 10000, 'mt5', 'usdt_bsc', 'usdtbsc', 349, 300)),
          'create 300.00', 'the next one is at the new price');
select is(event('FFX000000003', 'p3', 'confirming', 349), 'applied processing/pending/pending', 'paying');
select is(discount('FFX000000003', 49), 'false Money for this order is on its way', 'too late');
select event('FFX000000003', 'p3', 'finished');
select is(discount('FFX000000003', 49), 'false Order is not unpaid', 'paid');

-- Chargebacks
select is(charge_back('FFX000000003', null, p_reason => ''), 'false A reason is required', 'a reason');
select is(charge_back('FFX000000003', 400), 'false The amount must be from 0.01 to 349.00, which is booked',
          'no more than there was');
select is(charge_back('FFX000000003', null), 'true false refunded/refunded/delivered', 'all of it');
select is(account('FFX000000003'), 'suspended', 'the account is suspended');
select rows_eq($$ select transaction_type, amount, provider, provider_transaction_id, status
                  from payment_transactions where order_id = 'FFX000000003' order by created_at,
                  transaction_type desc $$,
               $$ values ('payment', 349.00, 'nowpayments', 'p3', 'completed'),
                         ('chargeback', 349.00, 'nowpayments', 'p3', 'completed') $$, 'booked');
select is(backend.booked_amount('FFX000000003'), 0.00, 'the books are even');
select is(compared('FFX000000003'), null, 'the daily comparison finds nothing');
select is(last_audit(), session_user || ' CHARGEBACK FFX000000003 bank said so', 'audited');
select is(charge_back('FFX000000003', null), 'true true refunded/refunded/delivered', 'again: once');
select is(event('FFX000000003', 'p3', 'refunded'), 'applied refunded/refunded/delivered',
          'the provider tells of a refund as well');
select is(backend.booked_amount('FFX000000003'), 0.00, 'which is not booked twice');

select event('FFX000000004', 'p4', 'finished');
select is(charge_back('FFX000000004', 100, 'cb1'), 'true false completed/paid/delivered', 'a part');
select is(open('FFX000000004'), 'refunded_in_part', 'a human decides on the rest');
select is(account('FFX000000004') || ' ' || coalesce(compared('FFX000000004'), 'agrees'),
          'suspended agrees', 'suspended, and the books agree');
select is(charge_back('FFX000000004', null, 'cb2'), 'true false refunded/refunded/delivered', 'the rest');
select is(backend.booked_amount('FFX000000004'), 0.00, 'even');
select is(charge_back('FFX000000005', null), 'false Nothing is booked for this order', 'nothing paid');
select is(as_user('ann', $$ select record_chargeback('FFX000000004', 1, 'me') $$), 'ERROR 42501',
          'customers record none');

-- In the queue for stock
update account_container set status = 'disabled' where status = 'available';
select event('FFX000000006', 'p6', 'finished');
select charge_back('FFX000000006', 100);
select is((select count(*) from waiting_deliveries), 0::bigint, 'what waits for stock waits no more');
select is(charge_back('FFX000000006', 50),
          'false Another amount is recorded under this reference: give p_reference',
          'another amount of the same payment is no repeat');
select is((select sum(amount) from payment_transactions
           where order_id = 'FFX000000006' and transaction_type = 'chargeback'), 100.00, 'booked once');

-- A discount while a payment of the full price is under way
select event('FFX000000008', 'p8', 'waiting', 0);
select is(discount('FFX000000008', 49), 'true 49.00 300.00', 'granted late');
select event('FFX000000008', 'p8', 'finished');
select is(backend.booked_amount('FFX000000008') || ' ' || coalesce(compared('FFX000000008'), 'even'),
          '300.00 even', 'the books have the price as it is');

-- Money that came another way
create function tests.by_hand(p_order text, p_ref text, p_amount numeric default 349, p_reason text default 'wired')
returns text language sql as $$
    select concat_ws(' ', v ->> 'success', v ->> 'error', v ->> 'already_booked', v ->> 'order')
    from (select book_manual_payment(p_order, p_amount, p_ref, p_reason) as v) as d
$$;
update account_container set status = 'available' where status = 'disabled' and sold_at is null;
delete from waiting_deliveries;         -- who was first is served first
select is(by_hand('FFX000000099', 't1'), 'false Order not found', 'of no order');
select is(by_hand('FFX000000010', 't1', p_reason => ' '), 'false A reason is required', 'without a reason');
select is(by_hand('FFX000000010', ref), 'false The reference must have 1 to 200 characters: '
          'what the bank or the chain calls it', 'without a reference')
from unnest(array[' ', null, repeat('x', 201)]) as ref;
select is(by_hand('FFX000000010', 't1', amount), 'false The amount must be 349.00, the order''s price; '
          'a discount makes it less', 'an amount: ' || coalesce(amount::text, 'none'))
from unnest(array[348.99, 350, null, 'NaN']::numeric[]) as amount;
select is(by_hand('FFX000000010', 't1'), 'true false completed/paid/delivered', 'it is delivered');
select is(by_hand('FFX000000010', 't1'), 'true true completed/paid/delivered', 'again: once');
select rows_eq($$ select transaction_type, amount, provider, provider_transaction_id, status
                  from payment_transactions where order_id = 'FFX000000010' $$,
               $$ values ('payment', 349.00, 'manual', 't1', 'completed') $$, 'booked');
select is(coalesce(compared('FFX000000010'), 'even'), 'even', 'the daily comparison finds nothing');
select is((select admin_email || ' ' || description from admin_audit_log where action_type = 'MANUAL_PAYMENT'),
          session_user || ' wired', 'audited');
select is(by_hand('FFX000000010', 't2'), 'false Order is already paid', 'an order is paid once');
select is(by_hand('FFX000000011', 't1'), 'false This reference is booked for order FFX000000010',
          'a reference is for one order');
select is(by_hand('FFX000000004', 't3'), 'false Order is refunded', 'not what went back');
select event('FFX000000010', 'late', 'finished');
select is(open('FFX000000010'), 'paid_twice', 'who also pays in coins has paid twice');
select event('FFX000000011', 'p11', 'confirming', 0);
update account_container set status = 'disabled' where status = 'available';
select is(by_hand('FFX000000011', 't4'), 'true false processing/paid/pending', 'without stock it waits');
select is((select count(*) from waiting_deliveries where order_id = 'FFX000000011'), 1::bigint, 'in the queue');
select event('FFX000000011', 'p11', 'failed', 0);
select is(backend.order_states('FFX000000011'), 'processing/paid/pending', 'a payment that fails changes nothing');
select is(by_hand('FFX000000009', 't5') || coalesce(' ' || compared('FFX000000009'), ''),
          'true false processing/paid/pending', 'and the books agree while it waits');

-- The end of an order
create function tests.cancel(p_order text, p_reason text default 'changed his mind')
returns text language sql as $$
    select concat_ws(' ', v ->> 'success', v ->> 'error', v ->> 'already_cancelled', v ->> 'order')
    from (select public.cancel_order(p_order, p_reason) as v) as d
$$;
select is(cancel('FFX000000099'), 'false Order not found', 'of no order');
select is(cancel('FFX000000012', ''), 'false A reason is required', 'a reason');
select is(cancel('FFX000000012'), 'true false cancelled/pending/pending', 'cancelled');
select is(cancel('FFX000000012'), 'true true cancelled/pending/pending', 'once');
select is((select admin_email || ' ' || description from admin_audit_log where action_type = 'CANCEL'),
          session_user || ' changed his mind', 'audited');
select is(cancel('FFX000000011'), 'false Order is paid: decide its review, or record what goes back', 'not what is paid');
select is(cancel('FFX000000004'), 'false Order is refunded', 'nor what went back');
select event('FFX000000012', 'p12', 'finished');
select is(open('FFX000000012') || ' ' || backend.order_states('FFX000000012'),
          'order_closed cancelled/pending/pending', 'money that still comes waits for a human');
select * from finish();
rollback;
