-- begin_payment, attach_invoice, attach_payment, fail_payment_attempt.
begin;
select plan(94);
select make_user('ann');
select make_user('bob');
select make_order('ann', 1), make_order('ann', 2), make_order('ann', 3), make_order('ann', 4),
       make_order('ann', 5), make_order('ann', 6), make_order('ann', 7), make_order('ann', 8),
       make_order('ann', 9);

create function tests.begin_with(
    p_user uuid, p_body uuid, p_order text, p_type text default 'hft',
    p_size numeric default 10000, p_platform text default 'mt5', p_amount numeric default 349,
    p_final numeric default 349)
returns text language sql as $$
    select outcome from backend.begin_payment(p_user, p_body, p_order, p_type, p_size, p_platform,
                                              'btc', 'btc', p_amount, p_final)
$$;
select is(begin_with(id('ann'), id('ann'), 'FFX000000099'), 'order_not_found', 'unknown order');
select is(begin_with(id('bob'), id('bob'), 'FFX000000001'), 'unauthorized', 'not the caller''s');
select is(begin_with(id('ann'), id('bob'), 'FFX000000001'), 'unauthorized', 'another userId');
select is(begin_with(id('bob'), id('ann'), 'FFX000000001'), 'unauthorized',
          'the owner''s userId does not help');
select is(begin_with(id('ann'), null, 'FFX000000001'), 'unauthorized', 'no userId');
select is(begin_with(id('ann'), id('ann'), 'FFX000000001', p_type => 'instant'), 'mismatch', 'type');
select is(begin_with(id('ann'), id('ann'), 'FFX000000001', p_size => 5000), 'mismatch', 'size');
select is(begin_with(id('ann'), id('ann'), 'FFX000000001', p_platform => 'mt4'), 'mismatch',
          'platform');
select is(begin_with(id('ann'), id('ann'), 'FFX000000001', p_amount => 1), 'mismatch', 'amount');
select is(begin_with(id('ann'), id('ann'), 'FFX000000001', p_final => 348.99), 'mismatch',
          'final amount');
select platform.set_standing(id('ann'), 'suspended', 'chargeback');
select is(begin_with(id('ann'), id('ann'), 'FFX000000001'), 'not_payable', 'who is suspended pays nothing');
select is(as_user('ann', format($$ insert into orders (user_id, account_type, account_size, platform_type,
              amount, final_amount) values (%L, 'hft', 10000, 'mt5', 349, 349) $$, id('ann'))),
          'ERROR 42501', 'and orders nothing');
select platform.set_standing(id('ann'), 'active', 'settled');
select is((select count(*) from payment_attempts), 0::bigint, 'nothing was claimed');

-- create, attach
select rows_eq(
    $$ select outcome, attempt_id is not null, price_amount, order_description, invoice_id,
              payment_id
       from tests.begin('ann', 'FFX000000001') $$,
    $$ values ('create', true, '349.00', 'FlashFundX HFT Account - $10K MT5', null::text,
               null::text) $$,
    'create');
select id as attempt from payment_attempts where order_id = 'FFX000000001' \gset
select is((select outcome from tests.begin('ann', 'FFX000000001')), 'in_progress',
          'a second request meanwhile');
select is((select outcome from tests.begin('ann', 'FFX000000001', 'btc')), 'in_progress',
          'also in another currency');
select is((select outcome from backend.attach_invoice(:'attempt', 'i1', 'https://pay/i1')), 'ok',
          'the invoice is attached');
select is(state('FFX000000001'), 'pending/pending/pending', 'which does not move the order');
select is(attach(:'attempt', 'p1'), 'existing', 'the payment is attached');
select rows_eq(
    $$ select order_status, payment_status, payment_method, payment_provider,
              payment_provider_id, crypto_currency, crypto_amount, crypto_address
       from orders where order_id = 'FFX000000001' $$,
    $$ values ('processing', 'pending', 'nowpayments', 'nowpayments', 'p1', 'usdt_bsc', 349.5,
               '0xp1') $$,
    'the order shows it');
select rows_eq(
    $$ select user_id, transaction_type, amount, currency, provider, provider_transaction_id, status
       from payment_transactions $$,
    $$ select id('ann'), 'payment', 349.00, 'USD', 'nowpayments', 'p1', 'pending' $$,
    'a transaction payment/pending is written');
select rows_eq(
    $$ select outcome, invoice_id, invoice_url, payment_id, pay_address, pay_amount, pay_currency,
              time_limit, expires_at, price_amount
       from tests.begin('ann', 'FFX000000001') $$,
    $$ values ('existing', 'i1', 'https://pay/i1', 'p1', '0xp1', '349.5', 'usdtbsc', '20',
               '2026-01-31T12:34:56.789Z', '349.00') $$,
    'asked again, the same invoice and payment come back');
select is((select count(*) from payment_attempts), 1::bigint, 'no second attempt');
select is((select outcome from backend.attach_invoice(:'attempt', 'i9', 'x')), 'lost',
          'an attempt is attached once');

-- another currency: a second payment behind the same invoice
select rows_eq(
    $$ select outcome, invoice_id, invoice_url, payment_id from tests.begin('ann', 'FFX000000001', 'btc') $$,
    $$ values ('pay', 'i1', 'https://pay/i1', null::text) $$,
    'another currency: only the payment is to be made');
select id as attempt2 from payment_attempts where state = 'claimed' \gset
select is(attach(:'attempt2', 'p2', 'btc'), 'existing', 'attached');
select rows_eq(
    $$ select payment_provider_id, crypto_currency from orders where order_id = 'FFX000000001' $$,
    $$ values ('p2', 'btc') $$, 'the order shows the newer one');
select is((select payment_id from tests.begin('ann', 'FFX000000001')), 'p1', 'both stay open');
select is((select payment_id from tests.begin('ann', 'FFX000000001', 'BTC')), 'p2',
          'each by its currency');
select is((select count(distinct invoice_id) from payment_attempts), 1::bigint, 'one invoice');

-- failures
select is((select outcome from tests.begin('ann', 'FFX000000002')), 'create', 'a second order');
select id as attempt3 from payment_attempts where order_id = 'FFX000000002' \gset
select is((select outcome from backend.fail_payment_attempt(:'attempt3', 'refused', 'no')), 'ok',
          'refused');
select is((select outcome from backend.fail_payment_attempt(:'attempt3', 'refused', 'no')), 'lost',
          'fails once');
select rows_eq(
    $$ select state, detail from payment_attempts where order_id = 'FFX000000002' $$,
    $$ values ('refused', 'no') $$, 'with its reason');
select is((select outcome from tests.begin('ann', 'FFX000000002')), 'create', 'try again');
select id as attempt4 from payment_attempts
where order_id = 'FFX000000002' and state = 'claimed' \gset
select is((select outcome from backend.fail_payment_attempt(:'attempt4', 'unknown', 'timeout')),
          'ok', 'unknown outcome');
select is((select outcome from tests.begin('ann', 'FFX000000002')), 'create',
          'the lost invoice was never shown: a new one may be made');
select id as attempt5 from payment_attempts
where order_id = 'FFX000000002' and state = 'claimed' \gset
select is((select outcome from backend.attach_invoice(:'attempt5', 'i5', 'https://pay/i5')), 'ok',
          'invoice made');
select is((select outcome from backend.fail_payment_attempt(:'attempt5', 'unsent', '')), 'ok',
          'then the payment could not be sent');
select rows_eq(
    $$ select outcome, invoice_id from tests.begin('ann', 'FFX000000002') $$,
    $$ values ('pay', 'i5') $$, 'the invoice is used again');

-- a claim that ran out
update payment_attempts set claim_until = now() - interval '1 s' where state = 'claimed';
select id as dead from payment_attempts where state = 'claimed' \gset
select is((select outcome from tests.begin('ann', 'FFX000000002')), 'pay',
          'a dead claim is taken over');
select is((select state from payment_attempts where id = :'dead'), 'abandoned', 'and recorded');
select is((select outcome from backend.attach_invoice(:'dead', 'i6', 'x')), 'lost',
          'who comes back late has lost');
select is(attach(:'dead', 'p6'), 'lost', 'the payment too');
select is((select order_id from payments where payment_id = 'p6'), 'FFX000000002',
          'but it exists and is known');
select is(state('FFX000000002'), 'pending/pending/pending', 'without effect');
select is((select outcome from tests.begin('ann', 'FFX000000003')), 'create', 'a third order');
select id as slow from payment_attempts
where order_id = 'FFX000000003' and state = 'claimed' \gset
update payment_attempts set claim_until = now() - interval '1 s' where id = :'slow';
select is((select outcome from backend.attach_invoice(:'slow', 'i7', 'x')), 'ok',
          'a slow claim nobody took over still holds');

-- the callback is faster than the answer
select is(event('FFX000000003', 'p7', 'confirming'), 'applied processing/pending/pending',
          'callback first');
select is(attach(:'slow', 'p7'), 'existing', 'then the answer');
select rows_eq(
    $$ select status, pay_amount, time_limit from payments where payment_id = 'p7' $$,
    $$ values ('confirming', 349::numeric, '20') $$, 'the callback''s state stands');
select is((select count(*) from payment_transactions where provider_transaction_id = 'p7'),
          1::bigint, 'one transaction');

-- a payment id that belongs to another order
select is((select outcome from tests.begin('ann', 'FFX000000004')), 'create', 'a fourth order');
select id as wrong from payment_attempts
where order_id = 'FFX000000004' and state = 'claimed' \gset
select is(attach(:'wrong', 'p1'), 'lost', 'a payment of another order is not taken');
select is(reviews('FFX000000004'), 'payment_of_other_order', 'somebody has to look');

-- what cannot be paid
create function tests.begin_in(p_state text)
returns text language plpgsql as $$
begin
    update orders
       set order_status = split_part(p_state, '/', 1),
           payment_status = split_part(p_state, '/', 2),
           delivery_status = split_part(p_state, '/', 3)
     where order_id = 'FFX000000005';
    return (select outcome from tests.begin('ann', 'FFX000000005'));
end
$$;
select is(begin_in(s), 'not_payable', s)
from unnest(array['processing/pending/pending', 'completed/paid/delivered',
                  'processing/paid/pending', 'failed/failed/pending',
                  'cancelled/pending/pending', 'refunded/refunded/pending']) as s;
update orders
   set order_status = 'pending', payment_status = 'pending', delivery_status = 'pending',
       discount_amount = amount, final_amount = 0
 where order_id = 'FFX000000005';
select is(begin_with(id('ann'), id('ann'), 'FFX000000005', p_final => 0), 'not_payable',
          'nothing to pay');

-- money under review is not asked for again
select is(event('FFX000000001', 'p1', 'finished', 100), 'review processing/pending/pending',
          'too little arrived');
select is((select outcome from tests.begin('ann', 'FFX000000001')), 'not_payable',
          'the order waits for a decision, not for another payment');

-- the process that made the payment dies before attaching it; a callback makes it known
select is((select outcome from tests.begin('ann', 'FFX000000006')), 'create', 'a claim');
select id as orphan from payment_attempts where order_id = 'FFX000000006' \gset
select is((select outcome from backend.attach_invoice(:'orphan', 'i60', 'x')), 'ok', 'an invoice');
select is(event('FFX000000006', 'p60', 'waiting', 0), 'applied processing/pending/pending',
          'the callback of a payment nobody attached');
update payment_attempts set claim_until = now() - interval '1 s' where id = :'orphan';
select is((select outcome || ' ' || payment_id from tests.begin('ann', 'FFX000000006')),
          'existing p60', 'is what is shown to the customer');
select rows_eq(
    $$ select payment_method, payment_provider, payment_provider_id, crypto_currency,
              crypto_amount, crypto_address
       from orders where order_id = 'FFX000000006' $$,
    $$ values ('nowpayments', 'nowpayments', 'p60', 'usdt_bsc', 349::numeric, '0xabc') $$,
    'and the order names it');

-- its callback comes only after the next request has made another and shown that
select is((select outcome from tests.begin('ann', 'FFX000000009')), 'create', 'a claim');
select id as orphan from payment_attempts where order_id = 'FFX000000009' \gset
select is((select outcome from backend.attach_invoice(:'orphan', 'i90', 'x')), 'ok', 'an invoice');
update payment_attempts set claim_until = now() - interval '1 s' where id = :'orphan';
select is((select outcome from tests.begin('ann', 'FFX000000009')), 'pay', 'the next request');
select id as next from payment_attempts
where order_id = 'FFX000000009' and state = 'claimed' \gset
select is(attach(:'next', 'p91'), 'existing', 'shows its own payment');
select is(event('FFX000000009', 'p90', 'waiting', 0), 'applied processing/pending/pending',
          'now the callback of the lost one');
update payments set created_at = now() + interval '1 s' where payment_id = 'p90';
select is((select payment_id from tests.begin('ann', 'FFX000000009')), 'p91',
          'what was shown is shown again');

-- the price of the order changes after the invoice
create function tests.reprice(p_order text, p_discount numeric)
returns void language sql as $$
    update orders set discount_amount = p_discount, final_amount = amount - p_discount
    where order_id = p_order
$$;
create function tests.begin_at(p_order text, p_final numeric)
returns text language sql as $$
    select concat_ws(' ', outcome, price_amount, invoice_id, payment_id)
    from backend.begin_payment(tests.id('ann'), tests.id('ann'), p_order, 'hft', 10000, 'mt5',
                               'usdt_bsc', 'usdtbsc', 349, p_final)
$$;
select is(begin_at('FFX000000007', 349), 'create 349.00', 'an order of 349');
select id as full from payment_attempts where order_id = 'FFX000000007' \gset
select is((select outcome from backend.attach_invoice(:'full', 'i70', 'x')), 'ok', 'invoice');
select is(attach(:'full', 'p70'), 'existing', 'payment');
select reprice('FFX000000007', 299);
select is(begin_at('FFX000000007', 349), 'mismatch', 'the old price is refused');
select is(begin_at('FFX000000007', 50), 'create 50.00', 'a new price needs a new invoice');
select id as cheap from payment_attempts
where order_id = 'FFX000000007' and state = 'claimed' \gset
select is((select outcome from backend.attach_invoice(:'cheap', 'i71', 'x')), 'ok', 'attached');
select is((select outcome from backend.attach_payment(:'cheap', 'p71', 'waiting', '0xp71', null,
    50, 'usdtbsc', 'usdt_bsc', 50, 'usd', null, null, null, null, '{}')), 'existing', 'paid for it');
select is(begin_at('FFX000000007', 50), 'existing 50.00 i71 p71', 'which is given back');
select reprice('FFX000000007', 0);
select is(begin_at('FFX000000007', 349), 'existing 349.00 i70 p70',
          'at the first price the first invoice');

-- the price changes while the provider is called
select is(begin_at('FFX000000008', 349), 'create 349.00', 'a claim at 349');
select id as slower from payment_attempts where order_id = 'FFX000000008' \gset
select is((select outcome from backend.attach_invoice(:'slower', 'i80', 'x')), 'ok', 'invoice');
select reprice('FFX000000008', 299);
select is(attach(:'slower', 'p80'), 'lost', 'a payment for the old price is not shown');
select is((select detail from payment_attempts where id = :'slower'), 'the price changed',
          'with the reason on record');
select is((select order_id from payments where payment_id = 'p80'), 'FFX000000008', 'but is known');
select is(begin_at('FFX000000008', 50), 'create 50.00', 'the next request makes another');
-- A browser's sums, a coin by another name, and a memo
select make_user('zoe');
select make_order('zoe', 900);
create function tests.begin_at(p_amount numeric, p_currency text default 'usdtbsc')
returns text language sql as $$
    select concat_ws(' ', outcome, payment_id, payin_extra_id)
    from backend.begin_payment(id('zoe'), id('zoe'), 'FFX000000900', 'hft', 10000, 'mt5', 'usdt_bsc',
                               p_currency, p_amount, p_amount)
$$;
select is(begin_at(348.994), 'mismatch', 'another amount');
select is(begin_at(348.99999999999999), 'create', 'the same amount, to the cent');
select is((select o.outcome || ' ' || o.payin_extra_id
           from payment_attempts as a,
                lateral backend.attach_invoice(a.id, 'i900', 'https://x') as i,
                lateral backend.attach_payment(a.id, '900', 'waiting', '0xa', '7788', 349.5,
                    'usdtbep20', 'usdt_bsc', 349, 'usd', '44', null, null, '2099-01-31T12:34:56Z',
                    '{}') as o
           where a.order_id = 'FFX000000900'), 'existing 7788', 'a memo is answered');
select is(begin_at(349), 'existing 900 7788',
          'the coin that the provider names otherwise is the same request; the memo again');
select * from finish();
rollback;
