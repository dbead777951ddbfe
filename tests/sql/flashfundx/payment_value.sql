-- What arrived is held against the price in dollars: coins at the rate of an old payment do not
-- deliver when they are worth clearly less by now.
begin;
select plan(22);
select make_user('ann');
select make_order('ann', n) from generate_series(1, 12) as n;
select make_stock(n::text) from generate_series(1, 9) as n;
create function tests.worth(
    p_order text, p_payment text, p_outcome numeric, p_coin text default 'usdttrc20',
    p_status text default 'finished', p_paid numeric default 2, p_amount numeric default 2,
    p_parent text default null)
returns text language sql as $$
    select e.outcome || ' ' || e.order_status || '/' || e.payment_status || '/' || e.delivery_status
    from backend.record_payment_event(row('ipn', '{}', p_payment, p_parent, null, null, p_order,
        p_status, '0xabc', 'sol', p_amount, p_paid, 349, 'usd', p_outcome, p_coin, null
        )::backend.payment_event) as e
$$;

select is(worth('FFX000000001', 'a1', 340), 'applied completed/paid/delivered', 'fees are no loss');
select is(worth('FFX000000002', 'b1', 250), 'review processing/pending/pending',
          'all of the coins, worth 250 dollars: not delivered');
select is(open('FFX000000002'), 'worth_less', 'a human decides');
select is((select (detail ->> 'outcome_amount') || ' ' || (detail ->> 'outcome_currency')
           from reviews where order_id = 'FFX000000002'), '250 usdttrc20', 'and sees the value');
select is(worth('FFX000000002', 'b1', 250), 'duplicate processing/pending/pending', 'once');
select is(resolve('FFX000000002', 'worth_less', 'accept'), 'ok completed/paid/delivered', 'accepted');
select is(worth('FFX000000003', 'c1', 250, p_status => 'sending'), 'applied processing/paid/pending',
          'before it is settled the figure is an estimate');
select is(worth('FFX000000003', 'c1', 250), 'review processing/paid/pending', 'settled it is not');
select is((select count(*) from waiting_deliveries), 0::bigint, 'and nothing waits for stock');
select is(resolve('FFX000000003', 'worth_less', 'refund_noted'), 'ok refunded/refunded/pending',
          'paid back: what had counted is refunded');
-- Where the provider names no value in dollars the rate of the payment holds
select is(worth('FFX000000004', 'd1', 0.000001, 'btc'), 'applied completed/paid/delivered',
          'settled in another coin: the rate of the payment');
select is(worth('FFX000000005', 'e1', null, null), 'applied completed/paid/delivered', 'or in none');
select is(worth('FFX000000006', 'f1', 0), 'applied completed/paid/delivered', 'or without a figure');

-- How much less is the shop's choice
select is((select value from shop_settings where name = 'arrival_tolerance_percent'), 10::numeric,
          'ten percent');
select is(worth('FFX000000007', 'g1', 313), 'review processing/pending/pending', 'more than that');
select is(worth('FFX000000008', 'h1', 315), 'applied completed/paid/delivered', 'less than that');
update shop_settings set value = 30 where name = 'arrival_tolerance_percent';
select is(worth('FFX000000007', 'g1', 313), 'applied completed/paid/delivered',
          'another choice holds for what waits, too');
select throws_ok($$ update shop_settings set value = 101 where name = 'arrival_tolerance_percent' $$,
                 '23514', null, 'more than everything cannot be chosen');
update shop_settings set value = 10 where name = 'arrival_tolerance_percent';

-- In pieces
select worth('FFX000000009', 'i1', 100, p_status => 'partially_paid', p_paid => 1);
select is(worth('FFX000000009', 'i2', 100, p_paid => 1, p_amount => 1, p_parent => 'i1'),
          'review processing/pending/pending', 'two halves of the coins that are worth 200 dollars');
select is(worth('FFX000000009', 'i3', 150, p_paid => 1, p_amount => 1, p_parent => 'i1'),
          'applied completed/paid/delivered', 'a third makes it the price');
select worth('FFX000000010', 'j1', 250);
select is(worth('FFX000000010', 'j2', 100, p_paid => 0.57, p_amount => 0.57, p_parent => 'j1'),
          'applied completed/paid/delivered', 'what was worth less is topped up');
select is(open('FFX000000010'), null, 'which answers it');
select * from finish();
rollback;
