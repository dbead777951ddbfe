-- record_payment_event: what never delivers, and the evidence for a human.
begin;
select plan(114);
select make_user('ann');
select make_order('ann', n) from generate_series(1, 40) as n;
select make_stock(n::text) from generate_series(1, 9) as n;

create function tests.delivered()
returns bigint language sql as $$ select count(*) from delivered_accounts $$;

-- Too little
select is(event('FFX000000001', 'a1', 'finished', 345.50), 'review processing/pending/pending',
          'less than 99 percent');
select is(reviews('FFX000000001'), 'underpaid', 'underpaid');
select is((select detail ->> 'actually_paid' from reviews where order_id = 'FFX000000001'), '345.50',
          'with the figures');
select is(event('FFX000000001', 'a1', 'finished', 349), 'applied completed/paid/delivered',
          'the rest arrives, the provider says finished again: paid');
select is(event('FFX000000002', 'a2', 'finished', 345.51), 'applied completed/paid/delivered',
          '99 percent are enough');
select is(event('FFX000000003', 'a3', 'finished', 900), 'applied completed/paid/delivered',
          'too much is enough');
select is(event('FFX000000004', 'a4', 'finished', null), 'review processing/pending/pending',
          'finished without actually_paid');
select is(reviews('FFX000000004'), 'amount_unknown', 'amount unknown');
select is(event('FFX000000005', 'a5', 'finished', 0), 'review processing/pending/pending',
          'finished by hand with nothing paid');
select is(event('FFX000000006', 'a6', 'finished', 'NaN'), 'review processing/pending/pending',
          'not a number is not money');
select is(event('FFX000000007', 'a7', 'finished', 349, p_amount => null),
          'review processing/pending/pending', 'nobody knows how much was due');
select is(event('FFX000000008', 'a8', 'finished', 349, p_amount => 0),
          'review processing/pending/pending', 'nothing due is no measure');
select is(event('FFX000000009', 'a9', 'finished', 0.00076967, p_amount => 0.00076967),
          'applied completed/paid/delivered', 'small figures are exact');
select is((select actually_paid::text from payments where payment_id = 'a9'), '0.00076967',
          'and kept digit by digit');

-- confirmed and sending are paid only when what arrived is enough
select is(event('FFX000000010', 'b1', 'confirmed', 100), 'review processing/pending/pending',
          'confirmed, too little');
select is(event('FFX000000010', 'b1', 'sending', 100), 'review processing/pending/pending',
          'sending, too little');
select is(reviews('FFX000000010'), 'underpaid', 'one review while it is open');
select is(event('FFX000000011', 'b2', 'confirmed', null), 'applied processing/paid/pending',
          'confirmed without a figure counts');
select is(event('FFX000000011', 'b2', 'finished', 100), 'review processing/paid/pending',
          'but is not delivered when too little was settled');
select is((select count(*) from waiting_deliveries), 0::bigint, 'nor does it wait for delivery');
select is((select count(*) from deliver_next_waiting()), 0::bigint, 'or get one');
select is(event('FFX000000011', 'b2', 'partially_paid', 100), 'stale processing/paid/pending',
          'after that nothing lower');

-- Price
select is(event('FFX000000012', 'c1', 'finished', p_price => 348.99),
          'review processing/pending/pending', 'a price below the order''s');
select is(reviews('FFX000000012'), 'price_amount', 'price_amount');
select is(event('FFX000000013', 'c2', 'finished', p_currency => 'eur'),
          'review processing/pending/pending', 'another price currency');
select is(reviews('FFX000000013'), 'price_currency', 'price_currency');
select is(event('FFX000000014', 'c3', 'finished', p_currency => 'USD'),
          'applied completed/paid/delivered', 'USD in capitals is usd');
select is(event('FFX000000015', 'c4', 'confirmed', p_price => 1), 'review processing/pending/pending',
          'confirmed at a wrong price is not paid');
select is(event('FFX000000016', 'c5', 'finished', p_price => null, p_currency => null),
          'review processing/pending/pending', 'no price, no delivery');
select is(event('FFX000000017', 'c6', 'finished', p_price => 500),
          'applied completed/paid/delivered', 'a higher price is no harm');

-- Child payments
select is(event('FFX000000018', 'd1', 'waiting', 0), 'applied processing/pending/pending', 'parent');
select is(event('FFX000000018', 'd2', 'finished', 349, p_parent => 'd1'),
          'review processing/pending/pending', 'a child never delivers');
select is(event('FFX000000018', 'd2', 'finished', 350), 'review processing/pending/pending',
          'also when the parent is not named again');
select is(reviews('FFX000000018'), 'child_payment', 'child_payment');
select is((select count(*) from payment_transactions where order_id = 'FFX000000018'), 1::bigint,
          'it is not booked as the order''s payment');
select is(event('FFX000000018', 'd2', 'failed', 0, p_parent => 'd1'),
          'review processing/pending/pending', 'a child does not end the order either');
select is(event('FFX000000018', 'd1', 'finished', 349), 'applied completed/paid/delivered',
          'the parent delivers');
select is(event(null, 'd3', 'finished', 5, p_parent => 'd1'), 'review completed/paid/delivered',
          'a child without order id is found by its parent');

-- Unknown status
select is(event('FFX000000019', 'e1', 'wrong_asset_confirmed'), 'review pending/pending/pending',
          'an unknown status is stored and changes nothing');
select is(reviews('FFX000000019'), 'unknown_status', 'unknown_status');
select is(event('FFX000000019', 'e1', 'finished'), 'applied completed/paid/delivered',
          'the life goes on');
select is(event('FFX000000019', 'e1', 'cancelled'), 'review completed/paid/delivered',
          'cancelled by the merchant: a human');
select is((select status from payments where payment_id = 'e1'), 'finished', 'still finished');

-- Paid twice
select is(event('FFX000000020', 'f1', 'confirmed'), 'applied processing/paid/pending', 'first payment');
select is(event('FFX000000020', 'f2', 'confirmed'), 'applied processing/paid/pending',
          'a second one is confirmed meanwhile');
select is(event('FFX000000020', 'f2', 'finished'), 'review processing/paid/pending',
          'and finishes: not delivered for it');
select is(reviews('FFX000000020'), 'paid_twice', 'paid_twice');
select is(delivered(), 8::bigint, 'eight deliveries so far');
select is(event('FFX000000020', 'f1', 'finished'), 'applied completed/paid/delivered',
          'the first one delivers');
select is((select string_agg(payment_id, ',') from payments
           where order_id = 'FFX000000020' and counted), 'f1', 'one payment counts');
select is((select sum(amount) from payment_transactions
           where order_id = 'FFX000000020' and status = 'completed'), 349.00, 'and is booked');
select is(event('FFX000000020', 'f2', 'refunded', 349), 'review completed/paid/delivered',
          'refunding the second one does not undo the first');
select is(event('FFX000000020', 'f1', 'finished', 355), 'applied completed/paid/delivered',
          'a corrected amount delivers nothing again');
select is((select count(*) from delivered_accounts where order_id = 'FFX000000020'), 1::bigint,
          'one account');

-- A payment of another order, and orders that are closed
select is(event('FFX000000021', 'f1', 'finished', 12), 'review pending/pending/pending',
          'a payment that belongs to another order');
select is(reviews('FFX000000021'), 'payment_of_other_order', 'payment_of_other_order');
update orders set order_status = 'cancelled' where order_id = 'FFX000000022';
select is(event('FFX000000022', 'g1', 'finished'), 'review cancelled/pending/pending',
          'money for a cancelled order');
select is(reviews('FFX000000022'), 'order_closed', 'order_closed');

-- No order
select is(event('FFX999999999', 'h1', 'finished'), 'order_not_found', 'an unknown order');
select is(event('FFX999999999', 'h1', 'finished'), 'order_not_found', 'stays unknown');
select rows_eq(
    $$ select count(*), min(order_id) from payment_events where payment_id = 'h1' $$,
    $$ values (1::bigint, 'FFX999999999') $$, 'stored once');
select is(reviews('FFX999999999'), 'order_not_found', 'money without an order needs a human');
select is(event(null, 'h2', 'waiting', 0), 'order_not_found', 'no order id at all');
select is(event('FFX999999998', 'h3', 'failed', 70), 'order_not_found', 'a failed one without an order');
select is(reviews('FFX999999998'), 'order_not_found', 'needs a human where money had arrived');
select is((select string_agg(payment_id, ',') from backend.lost_money(now())), 'h1,h3',
          'and the comparison lists it');
select is(event('FFX999999997', 'h4', 'expired', 0) || coalesce(reviews('FFX999999997'), ''),
          'order_not_found', 'not where none had');
insert into orders (order_id, user_id, account_type, account_size, platform_type)
values ('FFX999999999', id('ann'), 'hft', 10000, 'mt5');
select make_stock('z');
select is(event('FFX999999999', 'h1', 'finished'), 'applied completed/paid/delivered',
          'the order appears: the event takes effect');

-- The counted payment fails while another one has paid
create function tests.tx(p_payment text)
returns text language sql as $$
    select string_agg(transaction_type || '/' || status || '/' || amount, ' '
                      order by transaction_type)
    from payment_transactions where provider_transaction_id = p_payment
$$;
select make_stock('k' || n) from generate_series(1, 9) as n;
select is(event('FFX000000023', 'k1', 'confirmed'), 'applied processing/paid/pending', 'confirmed');
select is(event('FFX000000023', 'k2', 'finished'), 'review processing/paid/pending', 'paid twice');
select is(event('FFX000000023', 'k1', 'failed'), 'applied completed/paid/delivered',
          'the first one fails: the second one pays and delivers');
select is(counted('FFX000000023'), 'k2', 'it counts');
select is(open('FFX000000023'), 'failed_with_money', 'what is left is the money of the first one');
select is(tx('k1') || ' ' || tx('k2'), 'payment/failed/349.00 payment/completed/349.00',
          'the books say so');
select rows_eq(
    $$ select payment_provider_id, paid_at = now() from orders where order_id = 'FFX000000023' $$,
    $$ values ('k2', true) $$, 'and the order');
update account_container set status = 'disabled' where status = 'available';
select is(event('FFX000000024', 'k3', 'confirmed'), 'applied processing/paid/pending', 'confirmed');
select is(event('FFX000000024', 'k4', 'finished'), 'review processing/paid/pending', 'paid twice');
select is(event('FFX000000024', 'k3', 'failed'), 'applied processing/paid/pending',
          'the same without stock');
select is((select payment_provider_id from orders where order_id = 'FFX000000024'), 'k4',
          'the order names the payment that paid');
select is((select count(*) from waiting_deliveries where order_id = 'FFX000000024'), 1::bigint,
          'and waits');
delete from waiting_deliveries;
select is(event('FFX000000025', 'k5', 'confirmed'), 'applied processing/paid/pending', 'confirmed');
select is(event('FFX000000025', 'k6', 'finished', 100), 'review processing/paid/pending',
          'another one, too little');
select is(event('FFX000000025', 'k5', 'failed'), 'review processing/pending/pending',
          'the first one fails: the order does not end with money in it');
select is(open('FFX000000025'), 'counted_payment_failed,paid_twice', 'somebody has to look');
select is(counted('FFX000000025'), null, 'nothing counts');
select is((select paid_at from orders where order_id = 'FFX000000025'), null, 'it was not paid');
select is(event('FFX000000026', 'k7', 'confirmed'), 'applied processing/paid/pending', 'confirmed');
select is(event('FFX000000026', 'k8', 'waiting', 0), 'applied processing/paid/pending',
          'another one is open');
select is(event('FFX000000026', 'k7', 'failed'), 'review processing/pending/pending',
          'the first one fails: the other may still pay');
select make_stock('k20');
select is(event('FFX000000026', 'k8', 'finished'), 'applied completed/paid/delivered', 'and does');
select is(event('FFX000000027', 'k9', 'confirmed'), 'applied processing/paid/pending', 'confirmed');
select is(event('FFX000000027', 'k10', 'finished'), 'review processing/paid/pending', 'paid twice');
update reviews set state = 'resolved', resolution = 'paid back by hand' where payment_id = 'k10';
select is(event('FFX000000027', 'k9', 'failed'), 'review processing/pending/pending',
          'money that a human paid back is not counted');

-- A repeat cannot hide money that went to review
select make_stock('k' || n) from generate_series(30, 33) as n;
update orders set order_status = 'cancelled' where order_id = 'FFX000000028';
select is(event('FFX000000028', 'm1', 'finished'), 'review cancelled/pending/pending',
          'money for a cancelled order');
select is(event('FFX000000028', 'm1', 'finished'), 'duplicate cancelled/pending/pending',
          'again');
update orders set order_status = 'pending' where order_id = 'FFX000000028';
select is(event('FFX000000028', 'm1', 'finished'), 'applied completed/paid/delivered',
          'opened again by staff: the repeat pays it');
select is(event('FFX000000028', 'm1', 'finished'), 'duplicate completed/paid/delivered', 'once');
select rows_eq($$ select count(*), min(outcome) from payment_events where payment_id = 'm1' $$,
               $$ values (1::bigint, 'applied') $$, 'one event, applied');
select is(event('FFX000000029', 'm2', 'finished', 100), 'review processing/pending/pending',
          'too little');
select is(event('FFX000000029', 'm2', 'finished', 100), 'duplicate processing/pending/pending',
          'stays too little');
select is(state('FFX000000029'), 'processing/pending/pending', 'and changes nothing');
update orders set order_status = 'cancelled' where order_id = 'FFX000000030';
select is(event('FFX000000030', 'm3', 'finished'), 'review cancelled/pending/pending', 'cancelled');
update reviews set state = 'resolved', resolution = 'paid back by hand' where payment_id = 'm3';
update orders set order_status = 'pending' where order_id = 'FFX000000030';
select is(event('FFX000000030', 'm3', 'finished'), 'duplicate pending/pending/pending',
          'what a human decided is not undone by a repeat');
select is(open('FFX000000030'), null, 'nor asked again');

-- Refunds
select is(event('FFX000000031', 'n1', 'partially_paid', 34.9), 'review processing/pending/pending',
          'a tenth arrives');
select is(event('FFX000000031', 'n1', 'refunded', 34.9), 'applied refunded/refunded/pending',
          'and is refunded');
select is(tx('n1'), 'payment/processing/349.00 refund/processing/34.90',
          'the refund has the amount that had arrived');
select is(event('FFX000000032', 'n2', 'refunded', null), 'applied refunded/refunded/pending',
          'refunded, nobody knows how much');
select is(tx('n2'), 'refund/processing/0.00', 'no amount is invented');
select is(event('FFX000000033', 'n3', 'refunded', 1e29, 1e29, p_amount => 1e-20),
          'applied refunded/refunded/pending', 'absurd figures stop nothing');
select is(event('FFX000000034', 'n4', 'finished'), 'applied completed/paid/delivered', 'paid');
select is(event('FFX000000034', 'n4', 'refunded', 0), 'applied refunded/refunded/delivered',
          'what was counted');
select is(tx('n4'), 'payment/completed/349.00 refund/completed/349.00', 'is refunded whole');
select throws_ok($$ delete from payment_events $$, '42501', null, 'events are kept for good');
select * from finish();
rollback;
