-- Orders that were paid another way: money of the provider that never paid them goes back without
-- undoing them; what staff accepted does undo them.
begin;
select plan(30);
select make_user('ann');
select make_order('ann', n) from generate_series(1, 12) as n;
select make_stock(n::text) from generate_series(1, 4) as n;

-- Staff book it paid by hand, as the panel does.
create function tests.by_hand(p_order text)
returns void language sql as $$
    update orders set payment_status = 'paid', paid_at = now(), payment_method = 'manual',
                      payment_provider = 'manual'
    where order_id = p_order
$$;
create function tests.opened(p_order text, p_payment text)
returns text language sql as $$
    select attach(b.attempt_id, p_payment) from tests.begin('ann', p_order) as b,
         lateral backend.attach_invoice(b.attempt_id::uuid, 'i' || p_payment, 'https://x') as i
$$;

select opened('FFX000000001', 'a1');
select event('FFX000000001', 'a1', 'partially_paid', 70);
select by_hand('FFX000000001');
select is(event('FFX000000001', 'a1', 'refunded', 70), 'review processing/paid/pending',
          'a part that never paid goes back: the order stays paid by hand');
select is(open('FFX000000001'), 'partially_paid,refund_of_other_payment', 'and a human knows');

select opened('FFX000000002', 'b1');
select event('FFX000000002', 'b1', 'partially_paid', 70);
select by_hand('FFX000000002');
select deliver_account_to_user('FFX000000002', id('ann'));
select is(event('FFX000000002', 'b1', 'refunded', 70), 'review completed/paid/delivered',
          'delivered as well');
select is(account('FFX000000002'), 'active', 'the account stays in use');

-- Delivered by hand, whatever the books say of it
select event('FFX000000003', 'c1', 'waiting', 0);
update orders set order_status = 'completed', delivery_status = 'delivered'
 where order_id = 'FFX000000003';
select is(event('FFX000000003', 'c1', 'refunded', 70), 'review completed/pending/delivered',
          'nor does it undo what staff delivered unpaid');

-- By a row of the books, with the provider's name left on the order
select opened('FFX000000004', 'd1');
select event('FFX000000004', 'd1', 'partially_paid', 70);
insert into payment_transactions (order_id, user_id, transaction_type, amount, provider,
                                  provider_transaction_id, status)
values ('FFX000000004', id('ann'), 'payment', 349, 'manual', 'bank 1', 'completed');
update orders set payment_status = 'paid', order_status = 'processing', paid_at = now()
 where order_id = 'FFX000000004';
select is(event('FFX000000004', 'd1', 'refunded', 70), 'review processing/paid/pending',
          'the books say what paid it');

-- Staff note that it went back: the same question
select opened('FFX000000005', 'e1');
select event('FFX000000005', 'e1', 'finished', 70);
select by_hand('FFX000000005');
select is(resolve('FFX000000005', 'underpaid', 'refund_noted'), 'ok processing/paid/pending',
          'what was too little was paid back by hand: the order stays paid');
select is_empty($$ select from payment_transactions
                   where order_id = 'FFX000000005' and transaction_type = 'refund'
                     and status = 'completed' $$, 'nothing of its price went back');
select opened('FFX000000006', 'f1');
select event('FFX000000006', 'f1', 'finished', 349, 349, 'eur');
select by_hand('FFX000000006');
select is(resolve('FFX000000006', 'price_currency', 'refund_noted'), 'ok processing/paid/pending',
          'whatever was wrong with it');

-- What staff accepted is what paid
update account_container set status = 'disabled' where status = 'available';
select opened('FFX000000007', 'g1');
select event('FFX000000007', 'g1', 'partially_paid', 70);
select is(resolve('FFX000000007', 'partially_paid', 'accept'), 'ok processing/paid/pending',
          'accepted');
select is(event('FFX000000007', 'g1', 'refunded', 70), 'applied refunded/refunded/pending',
          'its refund undoes the order');
-- A child alone, whose parent nobody knows
select event('FFX000000008', 'h2', 'finished', 300, 300, 'usd', 'h1', p_amount => 300);
select is(resolve('FFX000000008', 'child_payment', 'accept'), 'ok processing/paid/pending',
          'a repeated deposit accepted');
select is((select payment_provider from orders where order_id = 'FFX000000008'), 'manual',
          'booked by hand');
select is(event('FFX000000008', 'h2', 'refunded', 300, 300, 'usd', 'h1', p_amount => 300),
          'applied refunded/refunded/pending', 'its refund undoes the order');
select is(backend.booked_amount('FFX000000008'), 0.00, 'and the books');
-- A child whose parent got nothing: the parent counts, the child paid
select event('FFX000000009', 'j1', 'waiting', 0);
select event('FFX000000009', 'j2', 'finished', 300, 300, 'usd', 'j1', p_amount => 300);
select is(resolve('FFX000000009', 'child_payment', 'accept'), 'ok processing/paid/pending',
          'a deposit beside an empty parent accepted');
select is(counted('FFX000000009'), 'j1', 'the parent counts');
select is(event('FFX000000009', 'j2', 'refunded', 300, 300, 'usd', 'j1', p_amount => 300),
          'applied refunded/refunded/pending', 'the refund of the deposit undoes the order');
select is(backend.booked_amount('FFX000000009'), 0.00, 'and the books');
-- Noted by staff instead of told by the provider
select opened('FFX000000010', 'k1');
select event('FFX000000010', 'k1', 'finished', 70);
select event('FFX000000010', 'k2', 'finished', 50);
select resolve('FFX000000010', 'underpaid', 'accept')
 where (select count(*) from reviews where order_id = 'FFX000000010' and state = 'open') = 1;
select public.resolve_review(id, 'accept', null) from reviews
 where order_id = 'FFX000000010' and payment_id = 'k1';
select public.resolve_review(id, 'refund_noted', null) from reviews
 where order_id = 'FFX000000010' and payment_id = 'k2';
select is(state('FFX000000010'), 'processing/paid/pending',
          'one accepted, the other paid back: accepted is accepted');
select is(backend.booked_amount('FFX000000010'), 349.00, 'the books keep the price');
-- Pieces that would have paid it
select by_hand('FFX000000011');
insert into payment_transactions (order_id, user_id, transaction_type, amount, provider,
                                  provider_transaction_id, status)
values ('FFX000000011', id('ann'), 'payment', 349, 'manual', 'bank 2', 'completed');
select event('FFX000000011', 'l1', 'partially_paid', 200);
select is(event('FFX000000011', 'l2', 'partially_paid', 149), 'review processing/paid/pending',
          'two halves beside it pay nothing');
select is(backend.booked_amount('FFX000000011'), 349.00, 'and are not booked on top');

-- No parent, in all the provider's ways to say so
select is(event('FFX000000012', 'm' || p, 'waiting', 0, p_parent => p),
          'applied processing/pending/pending', 'no parent: "' || p || '"')
from unnest(array['0', '']) as p;
select is((select count(*) from payments where order_id = 'FFX000000012' and parent_payment_id is null),
          2::bigint, 'nor is one kept');
-- Another name of the same coin
select is((select e.outcome from backend.record_payment_event(row('ipn', '{"payin_extra_id": "77"}',
              'n1', null, null, null, 'FFX000000012', 'finished', '0xabc', 'usdtbep20', 349, 349, 349,
              'usd', 340, 'usdtbep20', null)::backend.payment_event) as e), 'applied',
          'a coin by another name');
select is((select payin_extra_id from payments where payment_id = 'n1'), '77',
          'a memo that only a callback told of is kept');
select is((select e.outcome from backend.record_payment_event(row('ipn', '{}', 'n1', null, null, null,
              'FFX000000012', 'finished', '0xabc', 'usdtbsc', 349, 350, 349, 'usd', 340, 'usdtbsc',
              null)::backend.payment_event) as e), 'applied', 'and back');
select is(reviews('FFX000000012'), null, 'nobody has to look');
select * from finish();
rollback;
