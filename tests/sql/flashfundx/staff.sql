-- Duties: who of staff reads which table, changes it, and calls which function.
begin;
select no_plan();
select make_user(who) from unnest(array['ann', 'zoe', 'owner', 'finance', 'support', 'inventory']) as who;
insert into administrators (email, duties)
select who || '@example.com', array[who] from unnest(array['owner', 'finance', 'support', 'inventory']) as who;
create temporary table people (who text, letter text);
insert into people values ('ann', 'a'), ('owner', 'o'), ('finance', 'f'), ('support', 's'), ('inventory', 'i');

select make_order('ann', n) from generate_series(1, 3) as n;
select make_order('zoe', 4);
select make_stock('1'), make_stock('2', p_age => '1 day'), make_stock('3');
select event('FFX000000004', '4', 'finished');
select event('FFX000000001', '1', 'finished');
select event('FFX000000002', '2', 'finished', 1);
insert into payment_attempts (order_id, pay_currency, crypto_currency, price_amount, claim_until)
values ('FFX000000001', 'btc', 'btc', 349, now());
insert into webhook_debug_calls (method) values ('POST');
insert into schedules (name, every_ms, claimed_at) values ('x', 1, now());
insert into waiting_deliveries values ('FFX000000003', 'hft', 10000, 'mt5', now(), 'x');
insert into payment_checks (payment_id, last_result, checked_at) values ('1', 'seen', now());
insert into reconciliation_runs (reason, since) values ('asked', now());
insert into reconciliation_work (run_id, scope, key) select id, 'payment', '1' from reconciliation_runs;
insert into reconciliation_differences
    (run_id, last_run_id, scope, kind, aspect, payment_id, order_id, explanation)
select r.id, r.id, 'provider', 'amount', 'x', '1', 'FFX000000001', 'x' from reconciliation_runs as r;
select backend.reveal(id, 'password', password, 'test') from account_container where login_id = '1';
select backend.store_unapplied_callback('ipn', '{}', 'x', null, null, true);
update account_container set status = 'disabled' where login_id = '3' and status = 'available';
insert into stock_levels values (5000, 'mt5', 'low');
insert into stock_alerts (account_size, platform_type, level, available, threshold)
values (5000, 'mt5', 'low', 1, 5);

-- Who reads all of it, by letters; a customer only what is one's own or everybody's.
create temporary table reads (name text, who text);
insert into reads
values ('user_profiles', 'ofs'), ('orders', 'ofs'), ('payment_transactions', 'ofs'), ('reviews', 'ofs'),
       ('delivered_accounts', 'os'), ('account_container', 'oi'), ('trading_rules', 'aofsi'),
       ('prices', 'ofsi'), ('crypto_addresses', 'ofsi'), ('shop_settings', 'ofsi'),
       ('stock_levels', 'ofsi'), ('stock_alerts', 'ofsi'), ('payment_attempts', 'ofs'),
       ('payments', 'ofs'), ('payment_events', 'ofs'), ('payment_checks', 'ofs'),
       ('waiting_deliveries', 'ofsi'), ('webhook_debug_calls', 'of'), ('reconciliation_runs', 'of'),
       ('reconciliation_work', 'of'), ('reconciliation_differences', 'of'),
       ('credential_reveals', 'o'), ('unapplied_callbacks', 'of'), ('outbox', 'os'),
       ('email_templates', 'os'), ('administrators', 'o'), ('admin_audit_log', 'o'), ('schedules', 'ofsi');
update prices set is_active = false where account_size = 500000;
create function tests.total(p_name text) returns text language plpgsql as $$
declare n bigint; begin execute 'select count(*) from ' || p_name into n; return n; end $$;
select is(string_agg(letter, '' order by array_position(array['a', 'o', 'f', 's', 'i'], letter))
              filter (where as_user(p.who, 'select count(*) from ' || name) = tests.total(name)), r.who,
          'who reads all of ' || name)
from reads as r cross join people as p group by name, r.who;
select isnt(tests.total(name), '0', 'of which there is something: ' || name) from reads;
select is_empty($$ select c.relname from pg_class as c
                   where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
                     and c.relname::text not in (select name from reads) $$, 'no table was forgotten');

-- Who changes it. What nobody may is said in the last column.
create temporary table changes (sql text, who text);
insert into changes
values ('update user_profiles set phone = phone where email like ''ann@%''', 'aos'),
       ('update orders set payment_proof = ''x''', ''), ('delete from orders', ''),
       ('update payment_transactions set provider_status = ''x''', ''),
       ('update reviews set state = state', ''),
       ('update delivered_accounts set current_phase = current_phase', 'os'),
       ('update account_container set server_name = ''Live''', 'oi'),
       ('insert into account_container (account_size, platform_type, server_name, login_id, password)
         values (5, ''mt5'', ''s'', ''n'', ''p'')', 'oi'),
       ('update prices set price = price', 'o'), ('update trading_rules set phase_1_min_trading_days = 1', 'o'),
       ('update crypto_addresses set display_name = display_name', 'o'),
       ('update email_templates set subject = subject', 'o'),
       ('update shop_settings set value = value', 'o'),
       ('update administrators set notes = ''x''', 'o'), ('update payments set status = status', '');
create function tests.does(p_who text, p_sql text) returns boolean language plpgsql as $$
declare v text;
begin
    -- What it did is undone.
    begin
        v := tests.as_user(p_who, p_sql);
        raise exception using errcode = 'FFX99';
    exception when sqlstate 'FFX99' then null;
    end;
    return v not like 'ERROR 42501' and v <> '0';
end $$;
select is(coalesce(string_agg(letter, '' order by array_position(array['a', 'o', 'f', 's', 'i'], letter))
              filter (where does(p.who, sql)), ''), c.who, left(sql, 60))
from changes as c cross join people as p group by sql, c.who;

-- Who calls what: whoever may not gets 42501, before anything else is looked at.
\ir staff_calls.psql
select is(string_agg(letter, '' order by array_position(array['a', 'o', 'f', 's', 'i'], letter))
              filter (where as_user(p.who, 'select count(*) from ' || sql || ' as x') is distinct from 'ERROR 42501'),
          c.who, sql)
from calls as c cross join people as p group by sql, c.who;
select is_empty($$ select p.proname from pg_proc as p
                   where p.pronamespace = 'public'::regnamespace
                     and has_function_privilege('staff', p.oid, 'execute')
                     and p.proname not in ('export_my_data', 'delete_my_account',
                                           'get_available_accounts_count', 'own_credential')
                     and not exists (select from calls as c where c.sql like p.proname || '(%') $$,
                'no function was forgotten');
select is(string_agg(letter, '' order by array_position(array['a', 'o', 'f', 's', 'i'], letter))
              filter (where (select outcome from backend.payment_history_for('1', id(p.who))) = 'ok'), 'ofs',
          'a payment''s history') from people as p;
select is(string_agg(letter, '' order by array_position(array['a', 'o', 'f', 's', 'i'], letter))
              filter (where (select result from backend.test_delivery('FFX000000003', false, id(p.who))) is not null), 'ofs',
          'a try of a delivery') from people as p;

-- A duty that is taken away is gone with the next statement, whatever the token says.
update administrators set duties = '{inventory}' where email = 'finance@example.com';
select is(act('staff', jsonb_build_object('sub', id('finance'), 'role', 'staff'),
              'select count(*) from payments'), '0', 'no payments any more');
select is(act('staff', jsonb_build_object('sub', id('finance'), 'role', 'staff'),
              'select grant_discount(''x'', 1, ''r'')'), 'ERROR 42501', 'no discounts');
update administrators set duties = '{finance}' where email = 'finance@example.com';

-- Staff buy as anybody does.
select is(as_user('support', $$ insert into orders (order_id, user_id, account_type, account_size, platform_type)
    values ('FFX000000900', auth.uid(), 'hft', 10000, 'mt5') $$), '1', 'an order of one''s own');
select is(as_user('owner', $$ insert into orders (order_id, user_id, account_type, account_size, platform_type,
    payment_status) values ('FFX000000901', auth.uid(), 'hft', 10000, 'mt5', 'paid') $$), '1', 'which nobody');
select is((select payment_status from orders where order_id = 'FFX000000901'), 'pending', 'marks as paid');

-- How people stand
create function tests.stand(p_as text, p_who text, p_standing text, p_reason text default 'why')
returns text language sql as $$
    select tests.as_user(p_as, format($q$ select concat_ws(' ', v ->> 'success', v ->> 'error', v ->> 'changed')
        from set_customer_standing(%L, %L, %L) as v $q$, tests.id(p_who), p_standing, p_reason)) $$;
select is(stand('support', 'ann', 'suspended', ' '), 'false A reason is required', 'not without a reason');
select is(stand('support', 'ann', 'odd'), 'false Invalid standing. Must be one of: active, suspended, banned', 'odd');
select is(stand('support', 'ann', 'suspended'), 'true true', 'support suspends');
select is(stand('support', 'ann', 'suspended'), 'true false', 'once');
select is(stand('support', 'ann', 'banned'), 'ERROR 42501', 'and bans nobody');
select is(stand('support', 'finance', 'suspended'), 'ERROR 42501', 'nor suspends a colleague');
select is(stand('owner', 'ann', 'banned'), 'true true', 'an owner bans');
select is(stand('support', 'ann', 'active'), 'ERROR 42501', 'which support does not end');
select is(stand('owner', 'support', 'suspended'), 'true true', 'an owner suspends staff');
select is(as_user('support', 'select count(*) from payments'), 'ERROR 42501', 'who are none then');
select is((select string_agg(admin_email, ' ' order by created_at) from admin_audit_log where action_type = 'SET_STANDING'),
          'support@example.com owner@example.com owner@example.com', 'all on record');

-- Security events
insert into auth.audit_log_entries (payload, ip_address, created_at)
select json_build_object('action', 'login', 'actor_id', id(who), 'actor_username', who), '10.0.0.1',
       now() - n * interval '1 minute'
from (values ('ann', 1), ('owner', 2), ('ann', 3)) as t (who, n);
select is(as_user('owner', format('select string_agg(action || email || ip, '' '') from security_events(%L)', id('ann'))),
          'loginann10.0.0.1 loginann10.0.0.1', 'of one');
select is(as_user('owner', $$ select string_agg(email, ' ') from security_events(p_before => now() - interval '90 seconds', p_limit => 1) $$),
          'owner', 'or of all, page by page');
select * from finish();
rollback;
