-- The books of money that goes back before anybody told that it had come.
begin;
select plan(6);
select make_user('ann');
select make_order('ann', n) from generate_series(1, 5) as n;

create function tests.books(p_order text)
returns text language sql as $$
    select string_agg(transaction_type || ' ' || status || ' ' || amount, ',' order by transaction_type)
    from payment_transactions where order_id = p_order
$$;
create function tests.refund(p_order text)
returns text language sql as $$
    select public.resolve_review(r.id, 'refund_noted', 'seen') ->> 'order'
    from reviews as r
    where r.order_id = p_order and r.kind = 'paid_late' and r.state = 'open'
$$;

-- The provider tells of the refund, "finished" got lost.
select event('FFX000000001', 'a1', 'sending');
select is(event('FFX000000001', 'a1', 'refunded'), 'applied refunded/refunded/pending',
          'refunded after sending');
select is(books('FFX000000001'), 'payment processing 349.00,refund processing 349.00',
          'neither way was completed: the books are even');
select event('FFX000000001', 'a1', 'finished');
select is(books('FFX000000001'), 'payment processing 349.00,refund processing 349.00',
          'and stay so when the lost event comes');

-- Staff note the refund of a payment that is confirmed and not finished.
select event('FFX000000002', 'b1', 'expired');
select event('FFX000000002', 'b1', 'confirmed');
select is(refund('FFX000000002'), 'refunded/refunded/pending', 'noted by staff');
select is(books('FFX000000002'), 'payment processing 349.00,refund processing 349.00',
          'the books are even');

-- Money that was never the order's is not booked as such.
select event('FFX000000003', 'c1', 'partially_paid', 100);
select event('FFX000000003', 'c1', 'refunded', 100);
select is(books('FFX000000003'), 'payment processing 349.00,refund processing 100.00',
          'too little, and paid back: nothing is completed');

select * from finish();
rollback;
