-- Money that goes back: what remains credited decides, and the refunds add up to the price.
begin;
select plan(63);
select make_user('ann');
select make_order('ann', n) from generate_series(1, 30) as n;
select make_stock(n::text) from generate_series(1, 9) as n;

create function tests.child(
    p_order   text,
    p_payment text,
    p_parent  text,
    p_paid    numeric,
    p_status  text default 'finished')
returns text language sql as $$
    select e.outcome || ' ' || e.order_status || '/' || e.payment_status || '/' || e.delivery_status
    from backend.record_payment_event(row('ipn', '{}', p_payment, p_parent, null, null, p_order,
        p_status, '0xabc', 'usdtbsc', p_paid, p_paid, p_paid, 'usd', null, null, null
        )::backend.payment_event) as e
$$;
-- The money counted: payments and refunds that are completed.
create function tests.books(p_order text)
returns text language sql as $$
    select string_agg(provider_transaction_id || ' '
                      || case transaction_type when 'refund' then '-' else '+' end || amount, ' '
                      order by provider_transaction_id, transaction_type)
    from payment_transactions where order_id = p_order and status = 'completed'
$$;
-- In two payments of their own
create function tests.two(p_order text, p_one text, p_other text, p_paid numeric, p_rest numeric)
returns text language sql as $$
    select tests.event(p_order, p_one, 'partially_paid', p_paid)
        || ', ' || tests.event(p_order, p_other, 'partially_paid', p_rest)
$$;

-- One of two, the counted one
select two('FFX000000001', 'a1', 'a2', 200, 149);
select is(counted('FFX000000001'), 'a1', 'two payments pay; the larger one counts');
select is(event('FFX000000001', 'a1', 'refunded', 200), 'review completed/paid/delivered',
          'it goes back: the other half is still here');
select is(books('FFX000000001'), 'a1 +349.00 a1 -200.00', 'what it was credited for is booked');
select is(account('FFX000000001'), 'suspended', 'the rest is not the price: suspended');
select is(open('FFX000000001'), 'refunded_in_part', 'and a human knows');
select is((select detail ->> 'remaining' from reviews where order_id = 'FFX000000001'
           and state = 'open'), '149.00', 'what remains');
select is(event('FFX000000001', 'a1', 'refunded', 200), 'duplicate completed/paid/delivered', 'once');
select is(event('FFX000000001', 'a2', 'refunded', 149), 'applied refunded/refunded/delivered',
          'the other half, too: refunded');
select is(books('FFX000000001'), 'a1 +349.00 a1 -200.00 a2 -149.00', 'and the sums are equal');
select is(open('FFX000000001'), 'refunded_after_delivery,refunded_in_part', 'a human knows');

-- A parent and its child, in either order
select event('FFX000000002', 'b1', 'partially_paid', 300);
select child('FFX000000002', 'b2', 'b1', 49);
select is(event('FFX000000002', 'b1', 'refunded', 300), 'review completed/paid/delivered',
          'the parent goes back');
select is(books('FFX000000002'), 'b1 +349.00 b1 -300.00', 'with its share');
select is(child('FFX000000002', 'b2', 'b1', 49, 'refunded'), 'applied refunded/refunded/delivered',
          'then the child');
select is(books('FFX000000002'), 'b1 +349.00 b1 -300.00 b2 -49.00', 'which makes it whole');
select event('FFX000000003', 'c1', 'partially_paid', 300);
select child('FFX000000003', 'c2', 'c1', 49);
select is(child('FFX000000003', 'c2', 'c1', 49, 'refunded'), 'review completed/paid/delivered',
          'the child first');
select is(books('FFX000000003'), 'c1 +349.00 c2 -49.00', 'with its share');
select is(event('FFX000000003', 'c1', 'refunded', 300), 'applied refunded/refunded/delivered',
          'then the parent');
select is(books('FFX000000003'), 'c1 +349.00 c1 -300.00 c2 -49.00', 'which makes it whole');

-- Paid twice, and the one that counts goes back
select event('FFX000000004', 'd1', 'finished');
select event('FFX000000004', 'd2', 'finished');
select is(event('FFX000000004', 'd1', 'refunded'), 'review completed/paid/delivered',
          'the second one still pays the order');
select is(counted('FFX000000004'), 'd2', 'it counts now');
select is((select payment_provider_id from orders where order_id = 'FFX000000004'), 'd2',
          'and the order names it');
select is(account('FFX000000004'), 'active', 'the account stays as it is');
select is(open('FFX000000004'), 'refund_of_other_payment', 'a human knows');
select is(books('FFX000000004'), 'd1 +349.00 d1 -349.00 d2 +349.00', 'the price is booked once');
select is(event('FFX000000004', 'd2', 'refunded'), 'applied refunded/refunded/delivered',
          'then that one: refunded');
select is(account('FFX000000004'), 'suspended', 'suspended');
select is(books('FFX000000004'), 'd1 +349.00 d1 -349.00 d2 +349.00 d2 -349.00', 'the sums are equal');

-- Too much: what was beside the price is not booked back
select event('FFX000000005', 'e1', 'partially_paid', 300);
select child('FFX000000005', 'e2', 'e1', 100);
select is(child('FFX000000005', 'e2', 'e1', 100, 'refunded'), 'review completed/paid/delivered',
          'a top-up that was too large goes back');
select is(books('FFX000000005'), 'e1 +349.00 e2 -49.00', 'of it, only 49 belonged to the price');
select event('FFX000000005', 'e1', 'refunded', 300);
select is(books('FFX000000005'), 'e1 +349.00 e1 -300.00 e2 -49.00', 'and then the rest');
select event('FFX000000006', 'f1', 'finished', 349);
select child('FFX000000006', 'f2', 'f1', 20);
select is(child('FFX000000006', 'f2', 'f1', 20, 'refunded'), 'review completed/paid/delivered',
          'all of it was too much');
select is(books('FFX000000006'), 'f1 +349.00', 'nothing is booked');
select is(account('FFX000000006'), 'active', 'nothing is suspended');

-- A hair below the price: the last refund takes all that is left
select two('FFX000000007', 'g1', 'g2', 200, 146);
select is(state('FFX000000007'), 'completed/paid/delivered', '99 percent in two payments');
select event('FFX000000007', 'g2', 'refunded', 146), event('FFX000000007', 'g1', 'refunded', 200);
select is(books('FFX000000007'), 'g1 +349.00 g1 -203.00 g2 -146.00', 'the sums are equal');

-- A single payment
select event('FFX000000008', 'h1', 'finished', 352);
select is(event('FFX000000008', 'h1', 'refunded', 352), 'applied refunded/refunded/delivered',
          'one payment goes back');
select is(books('FFX000000008'), 'h1 +349.00 h1 -349.00', 'whole, and no more');

-- Not delivered yet
update account_container set status = 'disabled' where status = 'available';
select is(two('FFX000000010', 'j1', 'j2', 200, 149),
    'review processing/pending/pending, applied processing/paid/pending', 'paid, no stock');
select is(event('FFX000000010', 'j1', 'refunded', 200), 'review processing/paid/pending',
          'the counted one goes back');
select is((select count(*) from waiting_deliveries), 0::bigint, 'the order waits for a human');
select is(event('FFX000000010', 'j2', 'finished', 149), 'review processing/paid/pending',
          'the other one is settled: still too little');
select is(event('FFX000000010', 'j3', 'finished', 349), 'review processing/paid/pending',
          'new money does not deliver over that human''s head');
select is((select count(*) from waiting_deliveries), 0::bigint, 'nor queue');
select is(resolve('FFX000000010', 'refunded_in_part', 'refund_noted'),
          'ok refunded/refunded/pending', 'staff notes the rest');
select is(books('FFX000000010'), 'j1 +349.00 j1 -349.00', 'which is booked');
select event('FFX000000010', 'j2', 'refunded', 149);
select is(books('FFX000000010'), 'j1 +349.00 j1 -349.00', 'once');
select is(state('FFX000000010'), 'refunded/refunded/pending', 'and that is the end');
select two('FFX000000011', 'k1', 'k2', 200, 149);
select event('FFX000000011', 'k2', 'refunded', 149);
select is(resolve('FFX000000011', 'refunded_in_part', 'accept'), 'ok processing/paid/pending',
          'or accepts what remains');
select is((select count(*) from waiting_deliveries), 1::bigint, 'then it is delivered');
select is(books('FFX000000011'), 'k1 +349.00 k2 -149.00', 'for what remains');
select is(event('FFX000000011', 'k1', 'refunded', 200), 'applied refunded/refunded/pending',
          'until that goes back as well');
select is(books('FFX000000011'), 'k1 +349.00 k1 -200.00 k2 -149.00', 'the sums are equal');
select two('FFX000000012', 'l1', 'l2', 200, 149);
select event('FFX000000012', 'l1', 'refunded', 200);
select is(resolve('FFX000000012', 'refunded_in_part', 'cancel'), 'ok cancelled/paid/pending',
          'or cancels');
select event('FFX000000012', 'l2', 'refunded', 149);
select is(state('FFX000000012') || ' ' || books('FFX000000012'),
          'refunded/refunded/pending l1 +349.00 l1 -200.00 l2 -149.00', 'and pays the rest back');

-- Beside what pays
select event('FFX000000013', 'm1', 'sending');
select event('FFX000000013', 'm2', 'finished');
select is(event('FFX000000013', 'm2', 'refunded'), 'review processing/paid/pending',
          'another one goes back while the counted one is being settled');
select is(open('FFX000000013'), 'paid_twice,refund_of_other_payment', 'it was too much');
select is(event('FFX000000013', 'm1', 'finished'), 'applied processing/paid/pending', 'which pays');
select is(books('FFX000000013'), 'm1 +349.00', 'once');
select event('FFX000000014', 'n1', 'finished', 100);
select is(resolve('FFX000000014', 'underpaid', 'accept'), 'ok processing/paid/pending', 'accepted');
select event('FFX000000014', 'n2', 'finished', 50);
select is(event('FFX000000014', 'n2', 'refunded', 50), 'review processing/paid/pending',
          'what came after that goes back: accepted is accepted');
select is(event('FFX000000014', 'n1', 'refunded', 100), 'applied refunded/refunded/pending',
          'what was accepted goes back');
select is(books('FFX000000014'), 'n1 +349.00 n1 -349.00', 'as it was booked');
select is_empty(
    $$ select order_id from payment_transactions where status = 'completed' group by order_id
       having sum(case transaction_type when 'payment' then amount else -amount end) < 0 $$,
    'nowhere went more back than had come');
select * from finish();
rollback;
