-- What a repeat, a failure, a decision or a second start of an order do to money in pieces.
begin;
select plan(48);
select make_user('ann');
select make_order('ann', n) from generate_series(1, 30) as n;
select make_stock(n::text) from generate_series(1, 19) as n;

create function tests.books(p_order text)
returns text language sql as $$
    select string_agg(provider_transaction_id || ' ' || transaction_type || ' ' || status || ' '
                      || amount, ',' order by provider_transaction_id, transaction_type)
    from payment_transactions where order_id = p_order and provider = 'nowpayments'
$$;
create function tests.reopen(p_order text)
returns void language sql as $$
    update orders set order_status = 'pending', payment_status = 'pending' where order_id = p_order
$$;

-- A review that events answered is nobody's decision.
select event('FFX000000001', 'a1', 'finished', 300);
select event('FFX000000001', 'a2', 'finished', 49);
select is(state('FFX000000001'), 'completed/paid/delivered', 'two pieces pay');
select is((select string_agg(distinct resolved_by, ',') from reviews
           where order_id = 'FFX000000001'), 'events', 'events answered');
select is(backend.was_decided('FFX000000001', 'a1'), false, 'nobody decided');
select event('FFX000000002', 'b1', 'finished', 300);
update reviews set state = 'resolved', resolution = 'paid back by hand'
where order_id = 'FFX000000002';
select is(backend.was_decided('FFX000000002', 'b1'), true, 'by hand');
select is(event('FFX000000002', 'b2', 'finished', 49), 'review processing/pending/pending',
          'money that was paid back pays nothing together with other money');
select is(counted('FFX000000002'), null, 'nothing counts');
select is(event('FFX000000002', 'b3', 'finished', 300), 'applied completed/paid/delivered',
          'other money does');

-- A repeat of a piece, after staff opened the order again
update orders set order_status = 'cancelled' where order_id = 'FFX000000003';
select event('FFX000000003', 'c1', 'finished', 300);
select event('FFX000000003', 'c2', 'finished', 49);
select is(open('FFX000000003'), 'order_closed,order_closed', 'both for a closed order');
select reopen('FFX000000003');
select is(event('FFX000000003', 'c2', 'finished', 49), 'applied completed/paid/delivered',
          'the repeat is looked at again, with everything that arrived');
select is(counted('FFX000000003'), 'c1', 'the larger one counts');
select is(event('FFX000000003', 'c2', 'finished', 49), 'duplicate completed/paid/delivered',
          'once');

-- An order that was refunded and opened again has its former payment
update account_container set status = 'disabled' where status = 'available';
select event('FFX000000004', 'd1', 'finished');
select event('FFX000000004', 'd1', 'refunded');
select is(state('FFX000000004') || ' ' || counted('FFX000000004'), 'refunded/refunded/pending d1',
          'refunded, and still the one that counted');
select is((select count(*) from waiting_deliveries where order_id = 'FFX000000004'), 0::bigint,
          'it waits no longer');
select reopen('FFX000000004');
select event('FFX000000004', 'd2', 'finished', 300);
select is(event('FFX000000004', 'd3', 'finished', 49), 'applied processing/paid/pending',
          'paid again in pieces');
select is(counted('FFX000000004'), 'd2', 'one payment counts');
select event('FFX000000005', 'e1', 'finished');
select event('FFX000000005', 'e1', 'refunded');
select reopen('FFX000000005');
select event('FFX000000005', 'e2', 'finished', 100);
select is(resolve('FFX000000005', 'underpaid', 'accept'), 'ok processing/paid/pending',
          'paid again and accepted');
select is(counted('FFX000000005'), 'e2', 'one payment counts here, too');

-- The counted payment failed while other money is there
select event('FFX000000006', 'f1', 'confirmed');
select event('FFX000000006', 'f2', 'finished', 100);
select is(event('FFX000000006', 'f1', 'failed'), 'review processing/pending/pending', 'failed');
select is(resolve('FFX000000006', 'counted_payment_failed', 'accept'), 'ok processing/paid/pending',
          'accepted');
select is(counted('FFX000000006'), 'f2', 'the money that is there counts, not what failed');
select is((select payment_provider_id from orders where order_id = 'FFX000000006'), 'f2',
          'and the order names it');
select event('FFX000000007', 'g1', 'confirmed');
select event('FFX000000007', 'g2', 'finished', 100);
select event('FFX000000007', 'g1', 'failed');
select is(resolve('FFX000000007', 'counted_payment_failed', 'refund_noted'),
          'ok refunded/refunded/pending', 'paid back');
select is(books('FFX000000007'),
    'g1 payment failed 349.00,g1 refund processing 100.00,g2 payment processing 349.00',
    'with what had arrived');
select event('FFX000000008', 'h1', 'confirmed');
select event('FFX000000008', 'h2', 'waiting', 0);
select event('FFX000000008', 'h1', 'failed');
select is(open('FFX000000008'), 'counted_payment_failed', 'the other one may pay');
select is(event('FFX000000008', 'h2', 'finished'), 'applied processing/paid/pending', 'and does');
select is(open('FFX000000008'), null, 'the question is answered');
select event('FFX000000009', 'i1', 'confirmed');
select event('FFX000000009', 'i2', 'finished', 400);
select is(event('FFX000000009', 'i1', 'failed'), 'applied processing/paid/pending',
          'the other one has paid already');
select is(counted('FFX000000009') || ' ' || open('FFX000000009'), 'i2 failed_with_money,overpaid',
          'it counts, and it was too much');

-- Accepted by staff, booked, waiting for stock: then the payment that counts fails
update account_container set status = 'disabled' where status = 'available';
create function tests.accepted_early(p_order text, p_payment text) returns text language sql as $$
    select event(p_order, p_payment, 'confirmed', 100);
    select resolve(p_order, 'underpaid', 'accept')
$$;
select is(accepted_early('FFX000000020', 'n1'), 'ok processing/paid/pending', 'accepted early');
select is(event('FFX000000020', 'n1', 'failed'), 'review processing/paid/pending',
          'what a human accepted and the books have does not fall without one');
select is(open('FFX000000020') || ' ' || counted('FFX000000020'), 'counted_payment_failed n1',
          'somebody looks at it');
select is(resolve('FFX000000020', 'counted_payment_failed', 'refund_noted'),
          'ok refunded/refunded/pending', 'paid back after all');
select is(books('FFX000000020'), 'n1 payment completed 349.00,n1 refund completed 349.00',
          'and the books are even');
select is(accepted_early('FFX000000021', 'o1') || ', ' || event('FFX000000021', 'o1', 'failed') || ', '
          || resolve('FFX000000021', 'counted_payment_failed', 'accept'),
          'ok processing/paid/pending, review processing/paid/pending, ok processing/paid/pending',
          'or served after all');
select is(books('FFX000000021'), 'o1 payment completed 349.00', 'as it was booked');
update account_container set status = 'available' where status = 'disabled';
delete from waiting_deliveries;

-- Half delivered by hand: the customer has an account, the order says pending
create function tests.by_hand(p_order text, p_login text)
returns void language sql as $$
    insert into delivered_accounts (user_id, order_id, container_account_id, account_type,
        account_size, platform_type, server_name, login_id, password, current_phase)
    select o.user_id, o.order_id, tests.make_stock(p_login), o.account_type, o.account_size,
           o.platform_type, 'Demo', p_login, 'x', 'challenge'
    from orders as o where o.order_id = p_order
$$;
delete from waiting_deliveries;
select by_hand('FFX00000001' || n, 'hand-' || n) from generate_series(0, 3) as n;
select is(event('FFX000000010', 'j1', 'finished'), 'applied processing/paid/pending',
          'the money is kept');
select is(open('FFX000000010'), 'delivered_by_hand', 'a human knows');
select is(resolve('FFX000000010', 'delivered_by_hand', 'cancel'), 'no: Order already delivered',
          'what the customer has is not cancelled');
select is(resolve('FFX000000010', 'delivered_by_hand', 'refund_noted'),
          'ok processing/paid/pending', 'paid back');
select is(account('FFX000000010'), 'suspended', 'the account does not stay usable');
select event('FFX000000011', 'k1', 'finished');
select is(event('FFX000000011', 'k1', 'refunded'), 'applied refunded/refunded/pending', 'refunded');
select is(account('FFX000000011'), 'suspended', 'nor does this one');
select is(open('FFX000000011'), 'delivered_by_hand,refunded_after_delivery', 'and a human knows');

-- A decision whose delivery fails keeps the decision
delete from waiting_deliveries;
select event('FFX000000014', 'l1', 'finished', 100);
create function tests.break_delivery() returns trigger language plpgsql as $$
begin
    raise exception using errcode = '23514', message = 'broken';
end
$$;
create trigger break_delivery before insert on delivered_accounts
    for each row execute function tests.break_delivery();
select make_stock('m2');
select is(resolve('FFX000000014', 'underpaid', 'accept'), 'ok processing/paid/pending', 'accepted');
select is(open('FFX000000014'), 'delivery_error', 'a human knows');
select is((select count(*) from waiting_deliveries
           where order_id = 'FFX000000014' and parked_at is not null), 1::bigint, 'set aside');
drop trigger break_delivery on delivered_accounts;
select is(resolve('FFX000000014', 'delivery_error', 'accept'), 'ok completed/paid/delivered',
          'mended: delivered');
select is((select count(*) from waiting_deliveries where order_id = 'FFX000000014'), 0::bigint,
          'and waits no longer');
select * from finish();
rollback;
