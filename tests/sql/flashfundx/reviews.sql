-- resolve_review: what a human decides happens once, forward only, and is written down.
begin;
select plan(55);
select make_user('ann');
select make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
select make_order('ann', n) from generate_series(1, 30) as n;
select make_stock(n::text) from generate_series(1, 9) as n;

create function tests.review(p_order text, p_kind text)
returns uuid language sql as $$
    select id from reviews where order_id = p_order and kind = p_kind order by state limit 1
$$;
create function tests.decide(p_order text, p_kind text, p_action text, p_note text default 'seen')
returns text language plpgsql as $$
declare
    v jsonb := public.resolve_review(tests.review(p_order, p_kind), p_action, p_note);
begin
    return case when v ->> 'success' = 'true' then 'ok' else 'no: ' || (v ->> 'error') end
        || case when v ->> 'already_resolved' = 'true' then ' (already)' else '' end
        || coalesce(' ' || (v ->> 'order'), '');
end
$$;
create function tests.books(p_order text)
returns text language sql as $$
    select string_agg(provider || ' ' || transaction_type || ' ' || status || ' ' || amount, ','
                      order by transaction_type, provider)
    from payment_transactions where order_id = p_order
$$;

-- Who may
select event('FFX000000001', 'a1', 'finished', 100);
select is(as_anon(format('select public.resolve_review(%L, ''accept'', null)',
          review('FFX000000001', 'underpaid'))), 'ERROR 42501', 'not a visitor');
select is(as_user('ann', format('select public.resolve_review(%L, ''accept'', null)',
          review('FFX000000001', 'underpaid'))), 'ERROR 42501', 'not a customer');
select is(state('FFX000000001'), 'processing/pending/pending', 'nothing has changed');
select is(as_user('boss', format('select public.resolve_review(%L, ''accept'', ''known customer'') ->> ''order''',
          review('FFX000000001', 'underpaid'))), 'completed/paid/delivered', 'an administrator');

-- accept
select is(books('FFX000000001'), 'nowpayments payment completed 349.00', 'accepted money is booked');
select is((select payment_id from payments where order_id = 'FFX000000001' and counted), 'a1',
          'and counts');
select rows_eq(
    $$ select state, resolution, note, resolved_by, resolved_at is not null
       from reviews where order_id = 'FFX000000001' $$,
    $$ values ('resolved', 'accept', 'known customer', 'boss@example.com', true) $$,
    'the review says who, what and why');
select rows_eq(
    $$ select admin_email, old_values ->> 'order', new_values ->> 'order', new_values ->> 'note',
              description
       from admin_audit_log where action_type = 'RESOLVE_REVIEW' $$,
    $$ values ('boss@example.com', 'processing/pending/pending', 'completed/paid/delivered',
               'known customer', 'underpaid: accept') $$,
    'so does the audit');
select is(decide('FFX000000001', 'underpaid', 'accept'), 'ok (already) completed/paid/delivered',
          'again: nothing more');
select is(decide('FFX000000001', 'underpaid', 'cancel'),
          'no: Review already resolved (already) completed/paid/delivered',
          'another decision comes too late');
select is((select count(*) from delivered_accounts), 1::bigint, 'one account');
select is((select count(*) from admin_audit_log where action_type = 'RESOLVE_REVIEW'), 1::bigint,
          'one line');
select is(event('FFX000000001', 'a1', 'refunded', 100), 'applied refunded/refunded/delivered',
          'a later refund goes its way');

select event('FFX000000002', 'b1', 'partially_paid', 100);
select is(decide('FFX000000002', 'partially_paid', 'accept'), 'ok completed/paid/delivered',
          'partially paid, accepted');
select is(event('FFX000000002', 'b1', 'finished', 349), 'applied completed/paid/delivered',
          'what follows delivers nothing again');
select event('FFX000000003', 'c1', 'expired', 0);
select event('FFX000000003', 'c2', 'finished', null);
select is(decide('FFX000000003', 'amount_unknown', 'accept'), 'ok completed/paid/delivered',
          'a failed order is taken up again');
select event('FFX000000004', 'd1', 'waiting', 0);
select event('FFX000000004', 'd2', 'finished', 349, p_parent => 'd1');
select is(decide('FFX000000004', 'child_payment', 'accept'), 'ok completed/paid/delivered',
          'a child, accepted');
select is((select payment_id from payments where order_id = 'FFX000000004' and counted), 'd1',
          'counts as its parent');
select event('FFX000000005', 'd2', 'finished', 7);
select is(decide('FFX000000005', 'payment_of_other_order', 'accept'), 'ok completed/paid/delivered',
          'money of another order, accepted');
select is(books('FFX000000005'), 'manual payment completed 349.00', 'is booked by hand');
update orders set order_status = 'cancelled' where order_id = 'FFX000000006';
select event('FFX000000006', 'e1', 'finished');
select is(decide('FFX000000006', 'order_closed', 'accept'), 'no: Order is cancelled',
          'a cancelled order does not come back');
select is((select state from reviews where order_id = 'FFX000000006'), 'open', 'it stays open');
select is(decide('FFX000000006', 'order_closed', 'refund_noted'), 'ok refunded/refunded/pending',
          'paid back');
select is(books('FFX000000006'), 'nowpayments payment processing 349.00,nowpayments refund processing 349.00',
          'money that was never counted is not counted back');

-- confirmed, then too little: paid, not delivered
select event('FFX000000007', 'f1', 'confirmed', null);
select event('FFX000000007', 'f1', 'finished', 100);
select is(decide('FFX000000007', 'underpaid', 'accept'), 'ok completed/paid/delivered',
          'paid and held back: accepted');
select is(books('FFX000000007'), 'nowpayments payment completed 349.00', 'and booked');

-- No stock
select event('FFX000000008', 'g1', 'finished', 100);
create temporary table aside as select id from account_container where status = 'available';
update account_container set status = 'disabled' where status = 'available';
select is(decide('FFX000000008', 'underpaid', 'accept'), 'ok processing/paid/pending',
          'accepted without stock');
select is((select count(*) from waiting_deliveries where order_id = 'FFX000000008'), 1::bigint,
          'waits for it');
select is(decide('FFX000000008', 'underpaid', 'accept'), 'ok (already) processing/paid/pending',
          'once');
update account_container set status = 'available' where id in (select id from aside);
select is((select order_id from deliver_next_waiting()), 'FFX000000008', 'and gets it');

-- refund_noted
select event('FFX000000009', 'h1', 'finished', 100);
select is(decide('FFX000000009', 'underpaid', 'refund_noted'), 'ok refunded/refunded/pending',
          'not delivered: refunded');
select is(books('FFX000000009'),
          'nowpayments payment processing 349.00,nowpayments refund processing 100.00', 'with what had arrived');
select is(decide('FFX000000009', 'underpaid', 'refund_noted'),
          'ok (already) refunded/refunded/pending', 'once');
select is(event('FFX000000009', 'h1', 'refunded', 100), 'applied refunded/refunded/pending',
          'the provider says so, too');
select is((select count(*) from payment_transactions where order_id = 'FFX000000009'
           and transaction_type = 'refund'), 1::bigint, 'one refund');
select event('FFX000000010', 'i1', 'expired', 0);
select event('FFX000000010', 'i1', 'finished');
select is(decide('FFX000000010', 'paid_late', 'refund_noted'), 'ok completed/paid/delivered',
          'delivered: completed stays');
select is((select account_status::text from delivered_accounts where order_id = 'FFX000000010'),
          'suspended', 'the account is suspended');
select event('FFX000000011', 'j1', 'finished', 700);
select is(decide('FFX000000011', 'overpaid', 'refund_noted'), 'ok completed/paid/delivered',
          'what was too much went back');
select is((select account_status::text from delivered_accounts where order_id = 'FFX000000011'),
          'active', 'which is no reason to suspend');
update account_container set status = 'disabled' where status = 'available';
select event('FFX000000012', 'k1', 'finished');
select event('FFX000000012', 'k2', 'finished');
select is(decide('FFX000000012', 'paid_twice', 'refund_noted'), 'ok processing/paid/pending',
          'the second payment went back: the order waits on');
select event('FFX000000013', 'l1', 'confirmed', null);
select event('FFX000000013', 'l1', 'finished', 100);
select is(decide('FFX000000013', 'underpaid', 'refund_noted'), 'ok refunded/refunded/pending',
          'paid by its state, but never booked');
select is(books('FFX000000013'),
          'nowpayments payment processing 349.00,nowpayments refund processing 100.00',
          'what had arrived went back, and no more than was booked');

-- cancel
select event('FFX000000014', 'm1', 'finished', 100);
select is(decide('FFX000000014', 'underpaid', 'cancel'), 'ok cancelled/pending/pending', 'cancelled');
select is(decide('FFX000000014', 'underpaid', 'cancel'), 'ok (already) cancelled/pending/pending',
          'once');
select is(event('FFX000000014', 'm1', 'finished', 349), 'review cancelled/pending/pending',
          'money that comes then is for a human');
select is(decide('FFX000000012', 'paid_twice', 'cancel'),
          'no: Review already resolved (already) processing/paid/pending', 'closed is closed');
select event('FFX000000012', 'k3', 'finished');
select is(decide('FFX000000012', 'paid_twice', 'cancel'), 'ok cancelled/paid/pending',
          'an order that waits for stock can be cancelled');
select is((select count(*) from waiting_deliveries where order_id = 'FFX000000012'), 0::bigint,
          'and waits no more');
select event('FFX000000011', 'j2', 'finished');
select is(decide('FFX000000011', 'paid_twice', 'cancel'), 'no: Order already delivered',
          'a delivered one cannot');

-- The rest
select is(decide('FFX000000011', 'paid_twice', 'shred'),
          'no: Invalid action. Must be one of: accept, refund_noted, cancel', 'no other action');
select is(public.resolve_review(gen_random_uuid(), 'accept') ->> 'error', 'Review not found',
          'no such review');
select event('FFX999999999', 'n1', 'finished');
select is(decide('FFX999999999', 'order_not_found', 'accept'), 'no: Order not found',
          'nothing to accept without an order');
select is(decide('FFX999999999', 'order_not_found', 'refund_noted'), 'ok', 'paid back elsewhere');
select is(as_service(format('select public.resolve_review(%L, ''accept'', null) ->> ''success''',
          review('FFX000000011', 'paid_twice'))), 'true', 'the service key may');
select is((select count(*) from delivered_accounts),
          (select count(*) from orders where delivery_status = 'delivered'), 'one account each');
select * from finish();
rollback;
