-- log_webhook_call: the last calls, cut.
begin;
select plan(7);
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
select lives_ok($$ select backend.log_webhook_call(null, null, null,
    '{"x": "' || repeat('y', 20000) || '"}', null, null) $$, 'large headers');
select * from finish();
rollback;
