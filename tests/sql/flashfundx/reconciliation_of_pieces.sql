-- Reconciliation of orders paid in pieces, too much, by hand, and paid back: no false difference,
-- every true one, and nothing new in a second run.
begin;
select plan(31);
select make_user('ann');
select make_order('ann', n) from generate_series(1, 30) as n;
select make_stock(n::text) from generate_series(1, 12) as n;

create function tests.child(
    p_order   text,
    p_payment text,
    p_parent  text,
    p_paid    numeric,
    p_status  text default 'finished',
    p_coin    text default 'usdtbsc')
returns text language sql as $$
    select e.outcome || ' ' || e.order_status || '/' || e.payment_status || '/' || e.delivery_status
    from backend.record_payment_event(row('ipn', '{}', p_payment, p_parent, null, null, p_order,
        p_status, '0xabc', p_coin, p_paid, p_paid, p_paid, 'usd', p_paid, 'usdtbsc', null
        )::backend.payment_event) as e
$$;
-- What the provider answers about a payment: what it told before, with p_more.
create function tests.theirs(p_payment text, p_more jsonb default '{}')
returns text language sql as $$
    select (jsonb_build_object('payment_id', p.payment_id, 'payment_status', p.status,
        'pay_amount', p.pay_amount, 'actually_paid', p.actually_paid,
        'price_amount', p.price_amount, 'pay_currency', p.pay_currency,
        'price_currency', p.price_currency, 'order_id', p.order_id) || p_more)::text
    from payments as p where p.payment_id = p_payment
$$;
-- A run over everything; what it has open and what it healed.
create function tests.run(p_theirs jsonb default '{}')
returns text language plpgsql as $$
declare
    v_run bigint := backend.request_reconciliation(now() - interval '1 day');
    v_payment text;
begin
    perform tests.hurry('reconciliation');
    perform backend.claim_reconciliation();
    for v_payment in select c.payment_id from backend.payments_to_compare(v_run, 1000) as c loop
        perform backend.compare_payment(v_run, v_payment, 'duplicate', false,
            tests.theirs(v_payment, coalesce(p_theirs -> v_payment, '{}')));
    end loop;
    perform backend.finish_reconciliation(v_run);
    return (select string_agg(concat_ws(' ', d.kind, d.aspect, coalesce(d.payment_id, d.order_id),
                                        d.ours, d.theirs, split_part(d.resolution, ':', 1)),
                              ', ' order by d.order_id, d.aspect, d.payment_id)
            from reconciliation_differences as d
            where d.resolved_at is null or (d.last_run_id = v_run and d.resolution <> 'gone'));
end
$$;
delete from reconciliation_runs;

-- Nothing to report
select event('FFX000000001', 'a1', 'partially_paid', 300), child('FFX000000001', 'a2', 'a1', 49);
select is(run(), null, 'a parent and its child');
select event('FFX000000002', 'b1', 'partially_paid', 200), event('FFX000000002', 'b2', 'finished', 149);
select is(run(), null, 'two payments');
select event('FFX000000003', 'c1', 'finished', 174.5), child('FFX000000003', 'c2', 'c1', 0.01, p_coin => 'btc');
select is(run(), null, 'a child in another coin, not enough');
do $$ begin perform tests.resolve('FFX000000003', 'underpaid', 'accept'); end $$;
select is(state('FFX000000003'), 'completed/paid/delivered', 'accepted by staff');
select is(run(), null, 'accepted by staff');
select event('FFX000000004', 'd1', 'finished', 500);
select event('FFX000000004', 'd1', 'finished', 600);
select is(run(), null, 'too much');
select event('FFX000000005', 'e1', 'finished'), event('FFX000000005', 'e2', 'finished');
select is(run(), null, 'paid twice');
select event('FFX000000005', 'e1', 'refunded');
select is(run(), null, 'the counted one of two went back');
select event('FFX000000001', 'a2', 'waiting'), child('FFX000000001', 'a2', 'a1', 49, 'refunded');
select is(run(), null, 'a child went back');
select event('FFX000000001', 'a1', 'refunded', 300);
select is(run(), null, 'and the parent');
select event('FFX000000006', 'f1', 'partially_paid', 100);
select event('FFX000000006', 'f1', 'finished', 0), resolve('FFX000000006', 'underpaid', 'accept');
select is(run('{"f1": {"actually_paid": 0}}'), null,
          'closed by hand at the provider, which then says that nothing was paid');
select event('FFX000000007', 'g1', 'wrong_asset_confirmed', 12);
select is(run('{"g1": {"actually_paid": 12, "pay_amount": 349, "price_amount": 349,
                       "price_currency": "usd"}}'), null, 'a status that nobody documented');
select event('FFX000000008', 'h1', 'wrong_asset_confirmed', 12);
select event('FFX000000009', 'f1', 'finished'), resolve('FFX000000009', 'payment_of_other_order', 'accept');
select is(state('FFX000000009'), 'completed/paid/delivered', 'money of elsewhere, accepted');
select is(run(), null, 'is booked by hand');
select event('FFX000000010', 'i1', 'finished', 100), resolve('FFX000000010', 'underpaid', 'refund_noted');
select event('FFX000000011', 'j1', 'finished', 100), resolve('FFX000000011', 'underpaid', 'cancel');
select is(run(), null, 'paid back, cancelled');
create temporary table aside as select id from account_container where status = 'available';
update account_container set status = 'disabled' where id in (select id from aside);
select event('FFX000000012', 'k1', 'partially_paid', 200), event('FFX000000012', 'k2', 'partially_paid', 149);
select event('FFX000000012', 'k2', 'refunded', 149);
select event('FFX000000013', 'l1', 'confirmed', null), event('FFX000000013', 'l1', 'finished', 100);
select event('FFX000000014', 'm1', 'confirmed', null), event('FFX000000014', 'm1', 'finished', 100),
       resolve('FFX000000014', 'underpaid', 'cancel');
select event('FFX000000015', 'n1', 'finished');
select event('FFX000000015', 'n1', 'refunded');
update orders set order_status = 'pending', payment_status = 'pending'
where order_id = 'FFX000000015';
select is(run(), null, 'paid without stock: partly paid back, too little, cancelled, opened again');
update account_container set status = 'available' where id in (select id from aside);
select is(run(), null, 'with stock, too');
select is(state('FFX000000012'), 'processing/paid/pending', 'partly paid back: not delivered by a run');
select is(state('FFX000000013'), 'processing/paid/pending', 'too little: nor this one');
update orders set updated_at = now() - interval '2 days' where order_id = 'FFX000000016';
update orders set payment_status = payment_status where order_id like 'FFX0000000__';
select is(run(), null, 'everything was looked at again');

-- True ones
select tamper($$ update payment_transactions set amount = 300
                 where provider_transaction_id = 'b1' and transaction_type = 'payment' $$);
select is(run(), 'amount transaction b1 300 349', 'an amount that was changed');
select is(run(), 'amount transaction b1 300 349', 'once');
select tamper('update payment_transactions set amount = 349 where provider_transaction_id = ''b1''');
select is(run(), null, 'until it is gone');
insert into payment_transactions (order_id, user_id, transaction_type, amount, provider, status)
values ('FFX000000004', id('ann'), 'payment', 349, 'manual', 'completed');
select is(run(), 'extra transaction d1 698 349', 'booked twice');
select tamper($$ delete from payment_transactions
                 where provider = 'manual' and order_id = 'FFX000000004' $$);
select tamper($$ update payment_transactions set status = 'processing'
                 where provider_transaction_id = 'a1' and transaction_type = 'refund' $$);
select is(run(), 'amount transaction a1 300 refunded', 'a refund that is missing in the books');
update payment_transactions set status = 'completed' where provider_transaction_id = 'a1';
select is(run('{"a2": {"actually_paid": 48}, "d1": {"actually_paid": 700}}'),
          'amount actually_paid a2 49 48, amount actually_paid d1 600 700',
          'a child and a payment of which something else arrived');
select is(run('{"a2": {"payment_status": "finished"}, "e2": {"payment_status": "refunded"}}'),
          'state status a2 refunded finished, state status e2 finished refunded', 'another state');
select is(run(), null, 'nothing is left');
delete from waiting_deliveries;
update payment_transactions set status = 'completed' where provider_transaction_id = 'l1';
update reviews set state = 'resolved' where payment_id = 'l1';
select is(run(), 'missing waiting_delivery l1 processing/paid/pending healed',
          'paid, booked, and forgotten in the queue');
select is(state('FFX000000013'), 'completed/paid/delivered', 'is delivered');
select is((select count(*) from delivered_accounts), (select count(*) from orders
           where delivery_status = 'delivered'), 'one account for every delivered order');
select * from finish();
rollback;
