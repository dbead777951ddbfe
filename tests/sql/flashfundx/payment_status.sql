-- payment_statuses: what a waiting customer reads.
begin;
select plan(22);
select make_user('ann');
select make_user('bob');
select make_order('ann', n) from generate_series(1, 10) as n;

-- The elements of what one of them gets, as check-payment-status names them.
create function tests.status(p_user_id uuid, p_order_id text)
returns table (
    outcome text, order_id text, order_status text, payment_status text, delivery_status text,
    account_type text, account_size text, platform_type text, amount text, final_amount text,
    crypto_currency text, crypto_amount text, crypto_address text, created_at text,
    updated_at text,
    p_payment_id text, p_status text, p_pay_address text, p_pay_amount text,
    p_actually_paid text, p_pay_currency text, p_created_at text, p_updated_at text,
    p_age_ms text, p_final text)
language sql
as $$
    select s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13], s[14],
           s[15], s[16], s[17], s[18], s[19], s[20], s[21], s[22], s[23], s[24], s[25]
    from backend.payment_statuses(array[p_user_id], array[p_order_id]) as s
$$;

-- payment_status
select is((select outcome from status(id('ann'), 'FFX000000099')),
          'order_not_found', 'unknown order');
select is((select outcome from status(id('bob'), 'FFX000000001')),
          'unauthorized', 'not the caller''s');
select is((select outcome from status(null, 'FFX000000001')), 'unauthorized',
          'no caller');
select rows_eq(
    $$ select outcome, order_id, order_status, p_payment_id, p_final
       from status(id('ann'), 'FFX000000001') $$,
    $$ values ('no_payment', 'FFX000000001', 'pending', null::text, null::text) $$, 'no payment');
select is(event('FFX000000001', 'a1', 'waiting', null), 'applied processing/pending/pending',
          'a payment');
update payments set last_seen_at = clock_timestamp() - interval '5 s' where payment_id = 'a1';
select rows_eq(
    $$ select outcome, order_id, order_status, payment_status, delivery_status, account_type,
              account_size, platform_type, amount, final_amount, p_payment_id, p_status,
              p_pay_address, p_pay_amount, p_actually_paid, p_pay_currency, p_final
       from status(id('ann'), 'FFX000000001') $$,
    $$ values ('ok', 'FFX000000001', 'processing', 'pending', 'pending', 'hft', '10000', 'mt5',
               '349', '349', 'a1', 'waiting', '0xabc', '349', '0', 'usdtbsc', 'false') $$,
    'order and payment');
select ok((select p_age_ms::int between 5000 and 60000
           from status(id('ann'), 'FFX000000001')), 'its age in milliseconds');
select ok((select bool_and(t ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$')
           from status(id('ann'), 'FFX000000001') as s
           cross join unnest(array[s.created_at, s.updated_at, s.p_created_at, s.p_updated_at]) as t),
          'times are ISO 8601 in UTC');
select is(event('FFX000000001', 'a2', 'waiting', 0, p_parent => 'a1'),
          'review processing/pending/pending', 'a child');
select is((select p_payment_id from status(id('ann'), 'FFX000000001')), 'a1',
          'a child is not shown');
select is(event('FFX000000001', 'a3', 'confirmed'), 'applied processing/paid/pending',
          'another payment pays');
update payments set created_at = now() - interval '1 day' where payment_id = 'a3';
select is((select p_payment_id from status(id('ann'), 'FFX000000001')), 'a3',
          'the payment that paid is shown');
select is((select p_final from status(id('ann'), 'FFX000000001')), 'false',
          'confirmed is not final');
select is(event('FFX000000001', 'a3', 'finished'), 'applied processing/paid/pending', 'finished');
select is((select p_final from status(id('ann'), 'FFX000000001')), 'true',
          'finished is');
select is(event('FFX000000002', 'b1', 'expired', 0), 'applied failed/failed/pending', 'expired');
select is((select p_final from status(id('ann'), 'FFX000000002')), 'false',
          'an expired payment is still asked about');
update payments set created_at = now() - interval '15 days' where payment_id = 'b1';
select is((select p_final from status(id('ann'), 'FFX000000002')), 'true',
          'for two weeks');
select is((select outcome from backend.begin_payment(id('ann'), id('ann'), 'FFX000000010', 'hft',
    10000, 'mt5', 'usdt_bsc', 'usdtbsc', 349, 349)), 'create', 'a checkout');
select id as attempt from payment_attempts where order_id = 'FFX000000010' \gset
select is(attach(:'attempt', 'c1'), 'existing', 'that shows a payment');
insert into payments (payment_id, order_id, status, created_at)
values ('c2', 'FFX000000010', 'waiting', now() + interval '1 s');
select is((select p_payment_id from status(id('ann'), 'FFX000000010')), 'c1',
          'one that was never shown does not take its place');
update payments set status = 'confirming' where payment_id = 'c2';
select is((select p_payment_id from status(id('ann'), 'FFX000000010')), 'c2',
          'until money is on its way in it');
select * from finish();
rollback;
