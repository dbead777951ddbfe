-- payment_status, test_delivery, webhook log, schedules, health.
begin;
select plan(56);
select make_user('ann');
select make_user('bob');
select make_order('ann', n) from generate_series(1, 10) as n;

-- The elements of payment_status, as check-payment-status names them.
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
    from backend.payment_status(p_user_id, p_order_id) as s
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

-- test_delivery
create function tests.try(p_order text, p_deliver boolean)
returns jsonb language sql as $$ select result from backend.test_delivery(p_order, p_deliver) $$;
select is(try('FFX000000099', false),
    '{"order_check": {"success": false, "order": null, "error": "Order not found"}}'::jsonb,
    'an unknown order has no further tests');
select is((select string_agg(k, ',' order by k) from jsonb_object_keys(try('FFX000000003', false)) as k),
    'available_accounts_check,delivery_function_test,order_check,trading_rules_check',
    'the tests');
select is(try('FFX000000003', false) -> 'delivery_function_test',
    '{"success": false, "dry_run": true,
      "result": {"success": false, "error": "Order not paid"}}'::jsonb, 'an unpaid order');
select is(try('FFX000000003', false) -> 'available_accounts_check',
    '{"success": false, "accounts": [], "searched_for": {"account_size": 10000,
      "platform_type": "mt5", "status": "available"}}'::jsonb, 'no stock');
select is(try('FFX000000003', false) #> '{trading_rules_check,searched_for}',
    '{"account_type": "hft", "account_size": 10000}'::jsonb, 'the rules searched for');
select is(jsonb_array_length(try('FFX000000003', false) #> '{trading_rules_check,rules}'), 1,
          'the rules found');
select make_stock('secret-login');
update orders set payment_status = 'paid', order_status = 'processing'
where order_id = 'FFX000000003';
select is(try('FFX000000003', false) #> '{delivery_function_test,success}', 'true'::jsonb,
          'a dry run delivers');
select is(try('FFX000000003', false) #>> '{delivery_function_test,dry_run}', 'true', 'and says so');
select ok(try('FFX000000003', false)::text !~ 'secret-login', 'without showing credentials');
select is(try('FFX000000003', false) #>> '{delivery_function_test,result,account_details,password}',
          '***', 'masked');
select is(try('FFX000000003', null) #>> '{delivery_function_test,dry_run}', 'true',
          'the dry run is the default');
select is(state('FFX000000003'), 'processing/paid/pending', 'nothing happened to the order');
select is((select count(*) from delivered_accounts), 0::bigint, 'nothing was delivered');
select is((select status from account_container), 'available', 'the stock is untouched');
select is(try('FFX000000003', true) #>> '{delivery_function_test,result,account_details,login_id}',
          'secret-login', 'deliver really delivers and shows the account');
select is(state('FFX000000003'), 'completed/paid/delivered', 'the order is complete');
select is((select description from admin_audit_log where action_type = 'DELIVER'),
          'delivered through test-delivery', 'which is on record');
select ok((select new_values::text !~ 'secret' from admin_audit_log where action_type = 'DELIVER'),
          'without the credentials');
select is(try('FFX000000003', true) #>> '{delivery_function_test,result,error}',
          'Order already delivered', 'once');

-- webhook log
select ok((select received_at ~ 'Z$' from backend.log_webhook_call('r1', 'PUT', 'a=b',
           '{"accept": "*/*"}', 'hello', '10.0.0.1')), 'a call is kept');
select rows_eq(
    $$ select request_id, method, query, headers::text, body, body_bytes, remote_addr
       from webhook_debug_calls $$,
    $$ values ('r1', 'PUT', 'a=b', '{"accept": "*/*"}', 'hello', 5, '10.0.0.1') $$, 'as it came');
select is((select count(received_at) from generate_series(1, 120) as n
           cross join lateral backend.log_webhook_call('r' || n, 'POST', null, '{}',
                                                       repeat('ä', 5000), null)),
          120::bigint, 'many calls');
select is((select count(*) from webhook_debug_calls), 100::bigint, 'the last hundred are kept');
select is((select max(octet_length(body)) from webhook_debug_calls), 8192, 'bodies are cut at 8 KiB');
select is((select max(body_bytes) from webhook_debug_calls), 10000, 'their size is known');
select is(octet_length(backend.cut_bytes(repeat('€', 100), 100)), 99, 'not inside a character');
select lives_ok($$ select backend.log_webhook_call(null, null, null,
    '{"x": "' || repeat('y', 20000) || '"}', null, null) $$, 'large headers');

-- schedules
select ok((select claimed from backend.claim_schedule('s', 3600000)), 'the first claims the period');
select ok((select not claimed from backend.claim_schedule('s', 3600000)), 'the second does not');
update schedules set claimed_at = claimed_at - interval '1 hour' where name = 's';
select ok((select claimed from backend.claim_schedule('s', 3600000)), 'the next period is free');
select is((select runs from schedules where name = 's'), 2::bigint, 'two runs');
select ok((select not claimed from backend.claim_schedule('s', 0)), 'no period, no run');

-- times, health
select is((select array_agg(backend.iso_utc(backend.read_time(t)) order by n)
           from unnest(array['2026-01-31T12:34:56.789Z', '1752957872000',
                             '2026-01-31T12:34:56+02:00', '2026-02-30T00:00:00Z', 'soon', '',
                             '2026-13-01T00:00:00Z', null]) with ordinality as u (t, n)),
    array['2026-01-31T12:34:56.789Z', '2025-07-19T20:44:32.000Z', '2026-01-31T10:34:56.000Z',
          '2026-03-02T00:00:00.000Z', null, null, null, null],
    'times of the provider are read without ever failing');
select ok((select migration ~ '^app/\d{4}_' and "time" ~ 'Z$' from backend.health()), 'health');
select * from finish();
rollback;
