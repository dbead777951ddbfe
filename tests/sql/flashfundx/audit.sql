-- The audit: every administrative change, nobody else's, no secrets.
begin;
select plan(39);
select make_user('ann');
select make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
select make_order('ann', 1), make_order('ann', 2);
select make_stock('10');
alter table admin_audit_log disable trigger admin_audit_log_append_only;
delete from admin_audit_log;
alter table admin_audit_log enable trigger admin_audit_log_append_only;

-- The newest entry as one text, then forget all: now() stands still in a transaction.
create function tests.audit()
returns text language plpgsql as $$
declare
    v_text text;
begin
    select string_agg(concat_ws(' ', admin_email, action_type, table_name), '; '
                      order by created_at) into v_text
    from admin_audit_log;
    alter table admin_audit_log disable trigger admin_audit_log_append_only;
    delete from admin_audit_log;
    alter table admin_audit_log enable trigger admin_audit_log_append_only;
    return v_text;
end
$$;

select is(as_user('ann', 'update user_profiles set first_name = ''A'' where id = auth.uid()'), '1',
          'a customer changes the own profile');
select is(as_user('ann', $$ insert into orders (user_id, account_type, account_size, platform_type)
                            values (auth.uid(), 'hft', 1000, 'mt5') $$), '1', 'and orders');
select is(audit(), null, 'which is not administrative');

-- Headers are anybody's to send; what counts is what the program in front says.
select set_config('request.headers', '{"x-real-ip": "1.1.1.1", "x-forwarded-for": "1.1.1.1"}', true);
select set_config('platform.caller_ip', '203.0.113.9', true);
select is(as_service('update orders set payment_status = ''paid'' where order_id = ''FFX000000001'''),
          '1', 'the service key changes an order');
select rows_eq(
    $$ select admin_email, admin_ip, action_type, table_name, record_id,
              old_values ->> 'payment_status', new_values ->> 'payment_status', description
       from admin_audit_log $$,
    $$ values ('service_role', '203.0.113.9', 'UPDATE', 'orders', 'FFX000000001', 'pending',
               'paid', 'changed payment_status') $$,
    'who, where from, what, old and new');
select is(audit(), 'service_role UPDATE orders', 'once');

select is(as_user('boss', $$ insert into account_container (account_size, platform_type,
    server_name, login_id, password, investor_password)
    values (5000, 'mt4', 'S', '77', 'topsecret', 'alsosecret') $$), '1', 'stock is added');
select is(as_user('boss', $$ update account_container set password = 'newsecret'
                             where login_id = '77' $$), '1', 'a password is changed');
select is((select count(*) from admin_audit_log where old_values::text || new_values::text ~ 'secret'
           or new_values::text ~ 'secret'), 0::bigint, 'secrets are masked');
select rows_eq(
    $$ select new_values ->> 'password', new_values ->> 'investor_password', description
       from admin_audit_log where action_type = 'UPDATE' $$,
    $$ values ('*** changed ***', '***', 'changed password') $$, 'but that they changed is known');
select is(audit(), 'boss@example.com INSERT account_container; boss@example.com UPDATE account_container',
          'both');
select is(as_user('boss', 'delete from account_container where login_id = ''77'''), '1', 'a delete');
select is(audit(), 'boss@example.com DELETE account_container', 'too');

select is(as_user('boss', format($$ select deliver_account_to_user('FFX000000001', %L) ->> 'success' $$,
                                 id('ann'))), 'true', 'somebody of staff delivers');
select is(audit(), 'boss@example.com UPDATE account_container; boss@example.com UPDATE user_profiles; '
                   'boss@example.com INSERT delivered_accounts; boss@example.com UPDATE orders',
          'what the delivery did is their doing');

select is(as_service('update prices set price = 1 where account_size = 1000'), '4', 'the service key');
select is(audit(), 'service_role UPDATE prices; service_role UPDATE prices; service_role UPDATE prices; '
                   'service_role UPDATE prices', 'is recorded row by row');
update trading_rules set profit_share_percentage = 81 where account_size = 1000 and account_type = 'hft';
select is(audit(), session_user || ' UPDATE trading_rules', 'a change by hand too');
select is(as_service('update orders set order_status = order_status'), '3', 'a change of nothing');
select is(audit(), null, 'is none');

-- Nobody removes the traces of having been an owner.
insert into administrators (email, duties) values ('second@example.com', '{owner}');
select is(audit(), session_user || ' INSERT administrators', 'a second owner');
select is(as_user('boss', $$ update administrators set is_active = false
                             where email = 'boss@example.com' $$), '1',
          'an owner steps down');
select is(audit(), 'boss@example.com UPDATE administrators', 'which is on record');
update administrators set is_active = true where email = 'boss@example.com';
select is(audit(), session_user || ' UPDATE administrators', 'back again');
select is(as_user('boss', $$ delete from administrators where email like '%@example.com' $$), '2',
          'an owner removes them all, himself included');
select is(audit(), 'boss@example.com DELETE administrators; boss@example.com DELETE administrators',
          'which is on record too');
select is(as_user('boss', 'delete from administrators'), 'ERROR 42501', 'and no more');

-- A program of the backend signs a user in; somebody with a login of their own deletes the user.
create role tests_operator;
grant usage on schema auth to tests_operator, fn_health;
grant all on auth.users to tests_operator, fn_health;
create policy tests on auth.users to tests_operator, fn_health using (true);
insert into payment_transactions (order_id, user_id, transaction_type, amount, provider,
                                  provider_transaction_id)
values ('FFX000000002', id('ann'), 'payment', 349, 'nowpayments', 'gone');
select event('FFX000000002', 'live', 'waiting', 0);
select id('ann') as ann, session_user as me \gset
select ok(audit() is not null, 'so far');
set session authorization fn_health;
update auth.users set last_sign_in_at = now() where id = :'ann';
set session authorization :"me";
select is(audit(), null, 'a sign-in is not administrative');
set session authorization tests_operator;
delete from auth.users where id = :'ann';
set session authorization :"me";
select rows_eq(
    $$ select first_name, email, deleted_at is not null, (select count(*) from orders as o
                                                          where o.user_id = p.id)
       from user_profiles as p where deleted_at is not null $$,
    $$ values (null::text, '', true, 3) $$, 'a user is deleted: the orders stay, without a name');
select is((select string_agg(action_type || ' ' || table_name, ',') from admin_audit_log
           where admin_email = 'tests_operator'), 'ERASE user_profiles', 'which is on record, once');
select is((select count(*) from admin_audit_log as l where l::text ~ 'ann@'
           and admin_email = 'tests_operator'), 0::bigint, 'without saying who it was');
select rows_eq(
    $$ select order_id::text, user_id, amount from payment_transactions
       where provider_transaction_id = 'gone' $$,
    format($$ values ('FFX000000002', %L::uuid, 349.00) $$, :'ann'), 'the books keep it all');
select make_stock('11');
select is(event('FFX000000002', 'live', 'finished'), 'applied processing/paid/pending',
          'a payment that arrives afterwards is booked and delivers nothing');
select is((select detail ->> 'error' from reviews where payment_id = 'live'),
          'The customer was deleted', 'a human decides');
select is_empty(
    $$ select c.relname
       from unnest(array['user_profiles', 'administrators', 'prices', 'trading_rules',
            'crypto_addresses', 'email_templates', 'orders', 'account_container',
            'delivered_accounts', 'payment_transactions', 'reviews', 'payments',
            'payment_attempts', 'payment_checks', 'waiting_deliveries', 'outbox', 'jobs',
            'job_kinds', 'reconciliation_runs', 'reconciliation_differences', 'stock_alerts',
            'shop_settings']) as c (relname)
       where not exists (
            select from pg_trigger as t
            where t.tgrelid in (to_regclass('public.' || c.relname),
                                to_regclass('platform.' || c.relname))
              and t.tgfoid = 'platform.audit_change'::regproc) $$,
    'every table an administrator can change is audited');
select throws_ok('update admin_audit_log set admin_email = ''x''', '42501', null, 'no entry is changed');
select throws_ok('delete from admin_audit_log', '42501', null, 'or deleted');
select throws_ok('truncate admin_audit_log', '42501', null, 'or truncated');
select * from finish();
rollback;
