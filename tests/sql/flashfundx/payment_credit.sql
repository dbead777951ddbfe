-- Payments in pieces, too much, too late, paid back.
begin;
select plan(61);
select make_user('ann');
select make_order('ann', n) from generate_series(1, 40) as n;
select make_stock(n::text) from generate_series(1, 19) as n;

create function tests.child(
    p_order    text,
    p_payment  text,
    p_parent   text,
    p_paid     numeric,
    p_outcome  numeric default null,
    p_coin     text default 'usdtbsc',
    p_status   text default 'finished',
    p_settled  text default 'usdtbsc')
returns text language sql as $$
    -- As the provider sends it: the child's own price, and its own amount to pay.
    select e.outcome || ' ' || e.order_status || '/' || e.payment_status || '/' || e.delivery_status
    from backend.record_payment_event(row('ipn', '{}', p_payment, p_parent, null, null, p_order,
        p_status, '0xabc', p_coin, p_paid, p_paid, p_paid, 'usd', p_outcome, p_settled, null
        )::backend.payment_event) as e
$$;
create function tests.books(p_order text)
returns text language sql as $$
    select string_agg(provider_transaction_id || ' ' || transaction_type || ' ' || status || ' '
                      || amount, ',' order by provider_transaction_id, transaction_type)
    from payment_transactions where order_id = p_order
$$;

-- A top-up in the same coin
select is(event('FFX000000001', 'a1', 'partially_paid', 300), 'review processing/pending/pending',
          'too little');
select is(child('FFX000000001', 'a2', 'a1', 40), 'review processing/pending/pending',
          'a top-up that is not enough');
select is(open('FFX000000001'), 'child_payment,partially_paid', 'a human is asked');
select is(child('FFX000000001', 'a3', 'a1', 5.50), 'review processing/pending/pending',
          'a cent below 99 percent');
select is(child('FFX000000001', 'a4', 'a1', 0.01), 'applied completed/paid/delivered',
          'the last cent delivers');
select is(open('FFX000000001'), null, 'the questions are answered');
select matches((select resolution from reviews where order_id = 'FFX000000001' limit 1),
          'answered by event [0-9]+: the order is paid', 'with a note');
select is(books('FFX000000001'), 'a1 payment completed 349.00', 'booked once');
select rows_eq(
    $$ select payment_provider_id, crypto_amount, (select payment_id from payments as p
              where p.order_id = o.order_id and counted)
       from orders as o where order_id = 'FFX000000001' $$,
    $$ values ('a1', 349::numeric, 'a1') $$, 'the parent is what paid it');
select is(child('FFX000000001', 'a4', 'a1', 0.01), 'duplicate completed/paid/delivered', 'a repeat');
select is(event('FFX000000001', 'a1', 'finished', 300), 'applied completed/paid/delivered',
          'the parent is finished by hand: nobody is asked again');
select is(child('FFX000000001', 'a5', 'a1', 20), 'review completed/paid/delivered',
          'more money afterwards');
select is(open('FFX000000001'), 'child_payment', 'is too much: a human');

-- The parent went back: its children pay nothing by themselves, however much they are
select is(event('FFX000000039', 'z1', 'partially_paid', 200), 'review processing/pending/pending',
          'too little');
select is(child('FFX000000039', 'z2', 'z1', 60), 'review processing/pending/pending', 'a top-up');
select is(event('FFX000000039', 'z4', 'waiting', 0), 'applied processing/pending/pending',
          'another payment is open');
select is(event('FFX000000039', 'z1', 'refunded', 200), 'applied processing/pending/pending',
          'the parent goes back while the top-up is there');
select is(child('FFX000000039', 'z3', 'z1', 349), 'review processing/pending/pending',
          'a top-up that would be enough');
select is(counted('FFX000000039'), null, 'no payment counts');
select matches(open('FFX000000039'), 'child_payment', 'a human is asked');

-- The child is there first; the parent that waits is no measure
select is(event('FFX000000002', 'b1', 'waiting', 0), 'applied processing/pending/pending', 'parent');
select is(child('FFX000000002', 'b2', 'b1', 200), 'review processing/pending/pending', 'child first');
select is(event('FFX000000002', 'b1', 'finished', 149), 'applied completed/paid/delivered',
          'then the parent: together they pay');
select is(open('FFX000000002'), null, 'nothing is open');

-- Another coin: by what was settled
select is(event('FFX000000003', 'c1', 'partially_paid', 174.5), 'review processing/pending/pending',
          'half of it; settled as 340');
select is(child('FFX000000003', 'c2', 'c1', 0.005, 300, 'btc'), 'review processing/pending/pending',
          'another coin worth less than the other half');
select is(child('FFX000000003', 'c3', 'c1', 0.005, 9999, 'btc', p_settled => 'eth'),
          'review processing/pending/pending', 'settled in a currency without a rate: a human');
select is(child('FFX000000003', 'c4', 'c1', 0.001, 34, 'btc'), 'applied completed/paid/delivered',
          'the rest, as settled');
select is(event('FFX000000004', 'd1', 'finished', 0), 'review processing/pending/pending',
          'nothing arrived: no rate');
select is(child('FFX000000004', 'd2', 'd1', 0.005, 9999, 'btc'), 'review processing/pending/pending',
          'whatever the child is worth');
select is(child('FFX000000004', 'd3', 'unheard', 349), 'review processing/pending/pending',
          'a child of nobody');
select is(child('FFX000000005', 'd4', 'd1', 349), 'review pending/pending/pending',
          'a child of another order''s payment');

-- A wrong price is no credit
select is(event('FFX000000006', 'e1', 'finished', p_price => 348.99),
          'review processing/pending/pending', 'a price below the order''s');
select is(child('FFX000000006', 'e2', 'e1', 349), 'review processing/pending/pending',
          'does not become one by a child');
select is(event('FFX000000007', 'e3', 'finished', 200, p_price => 5000),
          'review processing/pending/pending', 'a dearer price, not paid');
select is(child('FFX000000007', 'e4', 'e3', 1), 'review processing/pending/pending',
          'is no better rate');

-- Two payments of their own, each too little
select is(event('FFX000000008', 'f1', 'partially_paid', 200), 'review processing/pending/pending',
          'one payment');
select is(event('FFX000000008', 'f2', 'partially_paid', 149), 'applied completed/paid/delivered',
          'and another one');
select is(event('FFX000000009', 'f3', 'partially_paid', 349), 'review processing/pending/pending',
          'a single one stays what the provider says');

-- Too much
select is(event('FFX000000010', 'g1', 'finished', 352.49), 'applied completed/paid/delivered',
          '101 percent');
select is(open('FFX000000010'), null, 'are accepted');
select is(event('FFX000000011', 'g2', 'finished', 352.50), 'applied completed/paid/delivered',
          'more delivers');
select is(open('FFX000000011'), 'overpaid', 'and is told');
select event('FFX000000012', 'g3', 'partially_paid', 300);
select is(child('FFX000000012', 'g4', 'g3', 100), 'applied completed/paid/delivered',
          'too much in pieces delivers');
select is(open('FFX000000012'), 'overpaid', 'and is told');

-- Late
select event('FFX000000013', 'h1', 'expired', 0);
select is(event('FFX000000013', 'h1', 'finished'), 'applied completed/paid/delivered',
          'paid after it had expired');
select is(open('FFX000000013'), 'paid_late', 'for information');

-- Paid back
select is(event('FFX000000013', 'h1', 'refunded'), 'applied refunded/refunded/delivered', 'paid back');
select is((select account_status::text from delivered_accounts where order_id = 'FFX000000013'),
          'suspended', 'suspends the account');
select is(open('FFX000000013'), 'paid_late,refunded_after_delivery', 'and a human knows');
update delivered_accounts set account_status = 'breached' where order_id = 'FFX000000011';
select event('FFX000000011', 'g2', 'refunded', 352.50);
select is((select account_status::text from delivered_accounts where order_id = 'FFX000000011'),
          'breached', 'an account that ended already stays as it is');
select event('FFX000000014', 'i1', 'partially_paid', 300);
select child('FFX000000014', 'i2', 'i1', 49);
select child('FFX000000014', 'i3', 'i1', 10);
select is(child('FFX000000014', 'i3', 'i1', 10, p_status => 'refunded'),
          'review completed/paid/delivered', 'what was too much goes back');
select is((select account_status::text from delivered_accounts where order_id = 'FFX000000014'),
          'active', 'which is in order');
select is(child('FFX000000014', 'i2', 'i1', 49, p_status => 'refunded'),
          'review completed/paid/delivered', 'a top-up goes back');
select is((select account_status::text from delivered_accounts where order_id = 'FFX000000014'),
          'suspended', 'the rest is not enough: suspended');
select is(open('FFX000000014'), 'child_payment,refunded_in_part', 'and a human knows');
update account_container set status = 'disabled' where status = 'available';
select event('FFX000000015', 'j1', 'partially_paid', 200);
select is(event('FFX000000015', 'j2', 'partially_paid', 149), 'applied processing/paid/pending',
          'two payments, no stock');
select is(event('FFX000000015', 'j2', 'refunded', 149), 'review processing/paid/pending',
          'one goes back');
select is(open('FFX000000015'), 'refunded_in_part', 'a human');
select is((select count(*) from waiting_deliveries where order_id = 'FFX000000015'), 0::bigint,
          'and no delivery meanwhile');
select is((select count(*) from delivered_accounts), (select count(*) from orders
           where delivery_status = 'delivered'), 'one account for every delivered order');
select * from finish();
rollback;
