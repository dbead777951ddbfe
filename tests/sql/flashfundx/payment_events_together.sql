-- apply_payment_events: callbacks that come together are answered, each in its place, as they would be
-- one by one.
begin;
select plan(25);
select make_user('ann');
select make_user('bob');
select make_order(case when n % 2 = 0 then 'ann' else 'bob' end, n) from generate_series(1, 40) as n;
select make_stock('s' || n) from generate_series(1, 3) as n;

-- The fields of a callback, as the webhook gives them.
create function tests.fields(
    p_order   text,
    p_payment text,
    p_status  text,
    p_paid    numeric default 349,
    p_parent  text default null)
returns text[]
language sql
as $$
    select array['ipn', '{"raw": "a, \"b\""}', p_payment, p_parent, null, null, p_order, p_status,
                 '0xabc', 'usdtbsc', '349', p_paid::text, '349', 'usd', '340', 'usdtbsc', null]
$$;
-- Their answers, each as tests.event has it.
create function tests.together(variadic p_fields text[])
returns setof text
language sql
as $$
    select a[1] || coalesce(' ' || a[3] || '/' || a[4] || '/' || a[5], '')
    from backend.apply_payment_events(p_fields) as a
$$;
create function tests.events(p_order text)
returns text
language sql
as $$
    select string_agg(status || ' ' || outcome, ', ' order by id)
    from payment_events where order_id = p_order
$$;
create function tests.told(p_order text)
returns text
language sql
as $$
    select string_agg(kind, ', ' order by kind) from outbox where reference = p_order
$$;

select event('FFX00000000' || n, 'a' || n, 'waiting', 0, p_updated => '1767000000000')
from generate_series(1, 9) as n;

select rows_eq(
    $$ select together(variadic fields('FFX000000009', 'a9', 'finished')
                                || fields('FFX000000001', 'a1', 'confirming', 0)
                                || fields('FFX000000002', 'a2', 'confirmed')
                                || fields('FFX000000003', 'a3', 'waiting', 0)
                                || fields('FFX000000004', 'a4', 'partially_paid', 100)
                                || fields('FFX000000099', 'a99', 'finished')
                                || fields('FFX000000005', 'a5', 'failed', 0)
                                || fields('FFX000000010', 'a10', 'finished')
                                || fields('FFX000000006', 'a6', 'finished', 400)
                                || fields('FFX000000007', 'a7', 'SPENDING')
                                || fields('FFX000000008', 'a8', 'melted')
                                || fields('FFX000000011', 'a11', 'finished', 100, 'a1')) $$,
    $$ values ('applied completed/paid/delivered'), ('applied processing/pending/pending'),
              ('applied processing/paid/pending'), ('duplicate processing/pending/pending'),
              ('review processing/pending/pending'), ('order_not_found'),
              ('applied failed/failed/pending'), ('applied completed/paid/delivered'),
              ('applied completed/paid/delivered'), ('applied processing/paid/pending'),
              ('review processing/pending/pending'), ('review pending/pending/pending') $$,
    'each is answered in its place');
select is((select count(*) from delivered_accounts), 3::bigint, 'what is paid is delivered');
select is(events('FFX000000009'), 'waiting applied, finished applied', 'stored');
select is(events('FFX000000003'), 'waiting applied', 'a repeat is not');
select is(events('FFX000000004'), 'waiting applied, partially_paid review', 'with its outcome');
select is(events('FFX000000008'), 'waiting applied, melted review', 'also an unknown one');
select is((select raw from payment_events where payment_id = 'a2' and status = 'confirmed'),
          '{"raw": "a, \"b\""}', 'and its words');
select is(reviews('FFX000000004'), 'partially_paid', 'a review');
select is(reviews('FFX000000006'), 'overpaid', 'a note');
select is((select detail ->> 'event' from reviews where order_id = 'FFX000000006'),
          (select id::text from payment_events where payment_id = 'a6' and status = 'finished'),
          'which names the event');
select is((select string_agg(payment_id || ' ' || status || ' ' || counted, ', ' order by payment_id)
           from payments where payment_id in ('a1', 'a2', 'a5', 'a7', 'a9')),
          'a1 confirming false, a2 confirmed true, a5 failed false, a7 sending true, a9 finished true',
          'payments');
select is((select string_agg(provider_transaction_id || ' ' || status, ', '
                             order by provider_transaction_id)
           from payment_transactions
           where provider_transaction_id in ('a1', 'a2', 'a4', 'a5', 'a7', 'a9')),
          'a1 processing, a2 processing, a4 processing, a5 failed, a7 processing, a9 completed',
          'books');
select is((select provider_response ->> 'payment_status' from payment_transactions
           where provider_transaction_id = 'a9'), 'finished', 'with the last word');
select is(told('FFX000000009'), 'account_delivery, payment_received', 'mails');
select is((select total_orders from user_profiles where id = id('bob')), 1, 'totals of a customer');

-- Of one order, in their order
select rows_eq(
    $$ select together(variadic fields('FFX000000001', 'a1', 'confirmed')
                                || fields('FFX000000012', 'a12', 'waiting', 0)
                                || fields('FFX000000001', 'a1', 'finished')
                                || fields('FFX000000001', 'a1', 'sending')) $$,
    $$ values ('applied processing/paid/pending'), ('applied processing/pending/pending'),
              ('applied processing/paid/pending'), ('stale processing/paid/pending') $$,
    'of one order one after the other');
select rows_eq(
    $$ select together(variadic fields(null, 'a2', 'sending')
                                || fields('FFX000000002', 'a2', 'finished')) $$,
    $$ values ('applied processing/paid/pending'), ('applied processing/paid/pending') $$,
    'also when one does not name it');
select rows_eq(
    $$ select together(variadic fields('', 'a7', 'finished')) $$,
    $$ values ('applied processing/paid/pending') $$, 'or one alone');

-- Without books, and an order that staff opened again
delete from waiting_deliveries;
update payments set counted = true where payment_id = 'a3';
select event('FFX000000003', 'b3', 'waiting', 0, p_updated => '1767000000000');
select rows_eq(
    $$ select together(variadic fields('FFX000000003', 'b3', 'confirmed')
                                || fields('FFX000000013', 'a13', 'waiting', 0)) $$,
    $$ values ('applied processing/paid/pending'), ('applied processing/pending/pending') $$,
    'the former payment counts no more');
select is((select string_agg(payment_id || ' ' || counted, ', ' order by payment_id)
           from payments where order_id = 'FFX000000003'), 'a3 false, b3 true', 'but the new one');
insert into payments (payment_id, order_id, status, pay_address, pay_currency, crypto_currency,
                      pay_amount, price_amount, price_currency)
values ('a14', 'FFX000000014', 'waiting', '0xabc', 'usdtbsc', 'usdt_bsc', 349, 349, 'usd');
select rows_eq(
    $$ select together(variadic fields('FFX000000014', 'a14', 'confirming', 0)
                                || fields('FFX000000013', 'a13', 'confirming', 0)) $$,
    $$ values ('applied processing/pending/pending'), ('applied processing/pending/pending') $$,
    'a payment that the books do not have');
select is((select status from payment_transactions where provider_transaction_id = 'a14'),
          'processing', 'is booked');

-- What moves no payment, of one that nothing was heard of
select event('FFX000000015', 'a15', 'waiting', 0), event('FFX000000016', 'a16', 'waiting', 0);
select rows_eq(
    $$ select together(variadic fields('FFX000000015', 'a15', 'melted')
                                || fields('FFX000000016', 'a16', 'confirming', 0)) $$,
    $$ values ('review processing/pending/pending'), ('applied processing/pending/pending') $$,
    'an unknown status, first of all that is said');
select is((select string_agg(payment_id || ' ' || status, ', ' order by payment_id) from payments
           where payment_id in ('a15', 'a16')), 'a15 waiting, a16 confirming', 'leaves the payment as it is');

-- Stored before, without effect
select outcome
from backend.store_payment_event(
    row('ipn', '{}', 'a13', null, null, null, 'FFX000000013', 'confirmed', '0xabc', 'usdtbsc', 349,
        349, 349, 'usd', 340, 'usdtbsc', null)::backend.payment_event, 'later');
select throws_ok(
    $$ select together(variadic fields('FFX000000014', 'a14', 'confirmed')
                                || fields('FFX000000013', 'a13', 'confirmed')) $$, '23505', null,
    'what was stored before has to come by itself');
select * from finish();
rollback;
