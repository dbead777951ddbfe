-- record_payment_event: every row of the contract's table, once each, forward only.
begin;
select plan(67);
select make_user('ann');
select make_order('ann', n) from generate_series(1, 40) as n;

create function tests.tx(p_payment text)
returns text language sql as $$
    select string_agg(transaction_type || '/' || status || '/' || provider_status, ' '
                      order by transaction_type)
    from payment_transactions where provider_transaction_id = p_payment
$$;

-- The table, each status as the first thing heard
select is(event('FFX000000001', 'a1', 'waiting', 0), 'applied processing/pending/pending', 'waiting');
select is(tx('a1'), 'payment/pending/waiting', 'waiting is logged');
select is(event('FFX000000002', 'a2', 'confirming', 0), 'applied processing/pending/pending',
          'confirming');
select is(tx('a2'), 'payment/processing/confirming', 'confirming is logged');
select is(event('FFX000000003', 'a3', 'confirmed'), 'applied processing/paid/pending', 'confirmed');
select ok((select paid_at = now() from orders where order_id = 'FFX000000003'), 'sets paid_at');
select is(event('FFX000000004', 'a4', 'sending'), 'applied processing/paid/pending', 'sending');
select is(event('FFX000000005', 'a5', 'spending'), 'applied processing/paid/pending',
          'spending is sending');
select is(event('FFX000000006', 'a6', 'finished'), 'applied processing/paid/pending',
          'finished without stock');
select is(tx('a6'), 'payment/completed/finished', 'finished is booked');
select is((select count(*) from waiting_deliveries where order_id = 'FFX000000006'), 1::bigint,
          'and waits for stock');
delete from waiting_deliveries;
select make_stock('s1');
select is(event('FFX000000007', 'a7', 'finished'), 'applied completed/paid/delivered',
          'finished with stock');
select is((select login_id from delivered_accounts where order_id = 'FFX000000007'), 's1',
          'is delivered');
select rows_eq(
    $$ select payment_provider, payment_provider_id, crypto_currency, crypto_amount,
              crypto_address, paid_at = now(), delivered_at = now()
       from orders where order_id = 'FFX000000007' $$,
    $$ values ('nowpayments', 'a7', 'usdt_bsc', 349::numeric, '0xabc', true, true) $$,
    'the order shows what paid it');
select is(event('FFX000000008', 'a8', 'partially_paid', 100), 'review processing/pending/pending',
          'partially_paid');
select is(tx('a8'), 'payment/processing/partially_paid', 'is logged');
select is(reviews('FFX000000008'), 'partially_paid', 'and flagged for review');
select is(event('FFX000000009', 'a9', 'failed', 0), 'applied failed/failed/pending', 'failed');
select is(tx('a9'), 'payment/failed/failed', 'is logged');
select is(event('FFX000000010', 'a10', 'expired', 0), 'applied failed/failed/pending', 'expired');
select is(event('FFX000000011', 'a11', 'refunded', 0), 'applied refunded/refunded/pending', 'refunded');
select is(tx('a11'), 'refund/processing/refunded', 'is logged as refund');

-- A whole life
select make_stock('s2');
select is(event('FFX000000012', 'b1', status, paid), expected, 'a whole life: ' || status)
from (values
    ('waiting',    0,   'applied processing/pending/pending'),
    ('confirming', 349, 'applied processing/pending/pending'),
    ('confirmed',  349, 'applied processing/paid/pending'),
    ('sending',    349, 'applied processing/paid/pending'),
    ('finished',   349, 'applied completed/paid/delivered')) as s (status, paid, expected);
select is(tx('b1'), 'payment/completed/finished', 'one transaction for all of it');
select is((select string_agg(outcome || ' ' || source, ',' order by id) from payment_events
           where payment_id = 'b1'),
          'applied ipn,applied ipn,applied ipn,applied ipn,applied ipn', 'five events stored');

-- Repeats
select is(event('FFX000000012', 'b1', status, paid), 'duplicate completed/paid/delivered',
          'a repeat: ' || status)
from (values ('finished', 349), ('waiting', 0), ('sending', 349.00)) as s (status, paid);
select is((select count(*) from payment_events where payment_id = 'b1'), 5::bigint,
          'a repeat is not stored again');
select is((select total_orders from user_profiles), 2, 'nor counted');
update payments set last_seen_at = '2020-01-01' where payment_id = 'b1';
select is(event('FFX000000012', 'b1', 'finished', p_source => 'ipn'),
          'duplicate completed/paid/delivered', 'the same from a callback');
select is((select last_seen_at from payments where payment_id = 'b1'), '2020-01-01'::timestamptz,
          'writes nothing');
select is(event('FFX000000012', 'b1', 'finished', p_source => 'poll'),
          'duplicate completed/paid/delivered', 'the same from a poll');
select is((select last_seen_at from payments where payment_id = 'b1'), now(),
          'has seen the payment');

-- Late
select is(event('FFX000000012', 'b1', 'waiting', 1), 'stale completed/paid/delivered',
          'a late waiting after finished');
select is(event('FFX000000012', 'b1', 'failed', 1), 'stale completed/paid/delivered',
          'failed after finished');
select is(event('FFX000000012', 'b1', 'expired', 1), 'stale completed/paid/delivered',
          'expired after finished');
select is(event('FFX000000012', 'b1', 'partially_paid', 1), 'stale completed/paid/delivered',
          'partially_paid after finished');
select is((select status from payments where payment_id = 'b1'), 'finished', 'still finished');
select is((select count(*) from payment_events where payment_id = 'b1' and outcome = 'stale'),
          4::bigint, 'all stored');
select is(event('FFX000000012', 'b1', 'refunded', 349), 'applied refunded/refunded/delivered',
          'refunded may follow finished');
select is(tx('b1'), 'payment/completed/finished refund/completed/refunded', 'both are booked');
select is(reviews('FFX000000012'), 'refunded_after_delivery',
          'an account that was delivered and paid back needs a human');
select is(event('FFX000000012', 'b1', 'finished', 350), 'stale refunded/refunded/delivered',
          'nothing follows refunded');

-- Failed and expired
select is(event('FFX000000003', 'a3', 'failed', 349), 'applied failed/failed/pending',
          'failed after confirmed, not delivered yet');
select is((select paid_at from orders where order_id = 'FFX000000003'), null, 'was not paid');
select is(event('FFX000000003', 'a3', 'sending', 349), 'stale failed/failed/pending',
          'a late sending does not revive it');
select is(event('FFX000000003', 'a3', 'finished', 349), 'applied processing/paid/pending',
          'finished after failed is honoured');
delete from waiting_deliveries;
select is(event('FFX000000010', 'a10', 'confirming', 349), 'applied failed/failed/pending',
          'a late deposit after expired is seen');
select make_stock('s3');
select is(event('FFX000000010', 'a10', 'finished', 349), 'applied completed/paid/delivered',
          'finished after expired is honoured');
select is(tx('a10'), 'payment/completed/finished', 'and booked');
select is(event('FFX000000004', 'a4', 'expired', 349), 'stale processing/paid/pending',
          'expired after sending is late');
select is(event('FFX000000009', 'a9', 'confirmed', 349, p_updated => '1752957872000'),
          'stale failed/failed/pending',
          'confirmed after failed needs the provider''s clock on both');
select is(event('FFX000000014', 'c1', 'failed', 0, p_updated => '2026-01-01T00:00:00.000Z'),
          'applied failed/failed/pending', 'failed, with time');
select is(event('FFX000000014', 'c1', 'confirmed', 349, p_updated => '1767225601000'),
          'applied processing/paid/pending', 'confirmed later by the provider''s clock');

-- Two payments of one order
select is(event('FFX000000015', 'd1', 'waiting', 0), 'applied processing/pending/pending', 'one coin');
select is(event('FFX000000015', 'd2', 'waiting', 0), 'applied processing/pending/pending',
          'another coin');
select is(event('FFX000000015', 'd1', 'expired', 0), 'applied processing/pending/pending',
          'one expires, the other lives');
select is(event('FFX000000015', 'd2', 'failed', 0), 'applied failed/failed/pending',
          'the last one fails');

-- Where the order is found
select is((select outcome from tests.begin('ann', 'FFX000000016')), 'create', 'an invoice');
select is(a.outcome, 'ok', 'attached')
from payment_attempts as p, backend.attach_invoice(p.id, 'inv16', 'x') as a;
select is(event(null, 'e1', 'confirming', p_invoice => 'inv16'),
          'applied processing/pending/pending', 'without order id: by the invoice');
select is(event('', 'e1', 'confirmed'), 'applied processing/paid/pending', 'by the payment');
select * from finish();
rollback;
