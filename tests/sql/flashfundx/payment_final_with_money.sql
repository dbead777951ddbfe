-- Money that arrives with a status that ends a payment unpaid (failed, expired): nobody pays by it,
-- and somebody has to know, in whatever order the provider's words come.
begin;
select plan(29);
select make_user('ann');
select make_order('ann', n) from generate_series(1, 20) as n;
select make_stock(n::text) from generate_series(1, 3) as n;
create function tests.mails(p_order text)
returns text language sql as $$
    select string_agg(kind, ',' order by kind) from outbox where reference = p_order
$$;

select event('FFX000000001', 'a1', 'waiting', 0);
select is(event('FFX000000001', 'a1', 'failed', 70), 'applied failed/failed/pending', 'failed with money');
select is(open('FFX000000001'), 'failed_with_money', 'a human decides');
select is((select detail ->> 'actually_paid' from reviews where order_id = 'FFX000000001'), '70',
          'and sees how much');
select is(mails('FFX000000001'), 'payment_held,review_needed',
          'the customer is not told that it did not succeed');
select is(event('FFX000000001', 'a1', 'failed', 70), 'duplicate failed/failed/pending', 'once');

select is(event('FFX000000002', 'b1', 'expired', 70), 'applied failed/failed/pending', 'expired');
select is(open('FFX000000002'), 'failed_with_money', 'likewise');

-- In any order
select event('FFX000000003', 'c1', 'failed', 0);
select is(mails('FFX000000003'), 'payment_failed', 'failed without money');
select event('FFX000000003', 'c1', 'failed', 70);
select is(open('FFX000000003'), 'failed_with_money', 'the money is told of later');
select event('FFX000000004', 'd1', 'failed', 0), event('FFX000000004', 'd1', 'expired', 70);
select is(open('FFX000000004'), 'failed_with_money', 'with a status that comes too late');
select event('FFX000000005', 'e1', 'failed', 0), event('FFX000000005', 'e1', 'confirming', 70);
select is(open('FFX000000005'), 'failed_with_money', 'or by a late word of before');
select event('FFX000000006', 'f1', 'confirming', 70), event('FFX000000006', 'f1', 'expired', 0);
select is(open('FFX000000006'), 'failed_with_money',
          'it stays confirming, because expired is behind that, and is known to have ended');
select event('FFX000000007', 'g1', 'confirming', 0), event('FFX000000007', 'g1', 'expired', 70);
select is(open('FFX000000007'), 'failed_with_money', 'or with the money in the late word');
select event('FFX000000008', 'h1', 'sending', 349), event('FFX000000008', 'h1', 'failed', 0);
select is(state('FFX000000008') || ' ' || open('FFX000000008'),
          'failed/failed/pending failed_with_money', 'one that had counted, and failed');
select is((select actually_paid from payments where payment_id = 'd1'), 70::numeric,
          'what arrived is kept with the payment');

-- Beside what pays
select event('FFX000000009', 'i1', 'finished', 349), event('FFX000000009', 'i2', 'failed', 70);
select is(state('FFX000000009') || ' ' || open('FFX000000009'),
          'completed/paid/delivered failed_with_money', 'an order that another payment pays');
select is(resolve('FFX000000009', 'failed_with_money', 'refund_noted'),
          'ok completed/paid/delivered', 'its way back is noted, no more');

-- What comes after
select event('FFX000000010', 'j1', 'failed', 349);
select is(event('FFX000000010', 'j1', 'finished', 349), 'applied completed/paid/delivered', 'paid after all');
select is(open('FFX000000010'), 'paid_late', 'answers it');
select event('FFX000000011', 'k1', 'failed', 70), event('FFX000000011', 'k1', 'refunded', 70);
select is(open('FFX000000011'), null, 'and so does its refund');
select event('FFX000000012', 'l1', 'failed', 70);
select is(resolve('FFX000000012', 'failed_with_money', 'accept'), 'ok completed/paid/delivered',
          'or staff accept it');
select event('FFX000000013', 'm1', 'failed', 70);
select from resolve('FFX000000013', 'failed_with_money', 'refund_noted');
select event('FFX000000013', 'm1', 'expired', 70);
select is(open('FFX000000013'), null, 'what was decided is not asked again');
select event('FFX000000013', 'm1', 'failed', 90);
select is(open('FFX000000013'), 'failed_with_money', 'more money is');

-- No money
select event('FFX000000014', 'n1', 'expired', 0), event('FFX000000014', 'n1', 'failed', null);
select is(open('FFX000000014'), null, 'without money nobody has to look');
select event('FFX000000015', 'o1', 'partially_paid', 70), event('FFX000000015', 'o1', 'failed', 70);
select is(open('FFX000000015'), 'partially_paid', 'one question about one sum');

-- The daily comparison
create function tests.compared(p_order text)
returns text language sql as $$
    select string_agg(kind || ' ' || aspect || ' ' || payment_id, ',')
    from backend.books_differences(array[p_order])
$$;
select is(compared('FFX000000001'), null, 'what somebody looks at is no difference');
select event('FFX000000016', 'p1', 'failed', 0);
update payments set actually_paid = 70 where payment_id = 'p1';
select is(compared('FFX000000016'), 'missing review p1', 'what nobody looks at is one');
update payments set actually_paid = 0 where payment_id = 'p1';
select is(compared('FFX000000016'), null, 'without money none');
select is(compared('FFX000000013'), null, 'and not what was decided');
select * from finish();
rollback;
