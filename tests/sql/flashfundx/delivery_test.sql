-- test_delivery: a dry run that shows nothing secret, and a real one.
begin;
select plan(19);
select make_user('ann');
select make_order('ann', 3);

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
select * from finish();
rollback;
