-- deliver_account_to_user, the queue for stock, and the promises of the tables.
begin;
select plan(47);
select make_user('ann');
select make_user('bob');
select make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
select make_order('ann', 1), make_order('ann', 2), make_order('bob', 3),
       make_order('ann', 4, 'instant'), make_order('ann', 5, 'one_step'),
       make_order('ann', 6, 'two_step'), make_order('bob', 7, 'hft', 25000);

create function tests.deliver(p_order text, p_user text)
returns text language sql as $$
    select coalesce(d ->> 'error', d ->> 'success')
    from deliver_account_to_user(p_order, tests.id(p_user)) as d
$$;

select is(deliver('FFX000000999', 'ann'), 'Order not found', 'an unknown order');
select is(deliver('FFX000000003', 'ann'), 'Order not found', 'an order of somebody else');
select is(deliver('FFX000000001', 'ann'), 'Order not paid', 'an unpaid order');
update orders set payment_status = 'paid', order_status = 'processing', paid_at = '2026-01-01Z';
select is(deliver('FFX000000001', 'ann'), 'No available accounts', 'nothing in stock');
select is(state('FFX000000001'), 'processing/paid/pending', 'and nothing has changed');

select make_stock('other-platform', p_platform => 'mt4', p_age => '9 days'),
       make_stock('other-size', 5000, p_age => '9 days'),
       make_stock('young', p_age => '1 day'), make_stock('old', p_age => '3 days'),
       make_stock('middle', p_age => '2 days'), make_stock('disabled', p_age => '5 days');
update account_container set status = 'disabled' where login_id = 'disabled';
insert into account_container (account_size, platform_type, server_name, login_id, password,
                               status, reserved_for_order_id)
values (10000, 'mt5', 'Demo', 'reserved', 'x', 'reserved', 'FFX000000002');

select is(deliver_account_to_user('FFX000000001', id('ann')) #- '{delivered_account_id}'
                                                             #- '{account_details,trading_rules}',
    '{"success": true, "account_details": {"login_id": "old", "password": "pw-old",
      "investor_password": "inv-old", "server_name": "Demo", "platform_type": "mt5",
      "account_size": 10000, "account_type": "hft", "current_phase": "challenge"}}'::jsonb,
    'the oldest available account of the size and platform');
select is(state('FFX000000001'), 'completed/paid/delivered', 'the order is completed');
select rows_eq(
    $$ select delivered_at = now(), paid_at from orders where order_id = 'FFX000000001' $$,
    $$ values (true, '2026-01-01Z'::timestamptz) $$, 'delivered_at is set, paid_at kept');
select rows_eq(
    $$ select user_id, order_id, login_id,
              platform.unseal(password, container_account_id, 'password'),
              platform.unseal(investor_password, container_account_id, 'investor_password'),
              current_phase, phase_status, challenge_status, phase_1_status, phase_2_status, live_status,
              account_status, email_sent
       from delivered_accounts $$,
    $$ select id('ann'), 'FFX000000001', 'old', 'pw-old', 'inv-old', 'challenge', 'active',
              'active', 'pending', 'pending', 'pending', 'active', false $$,
    'the delivered account');
select rows_eq(
    $$ select status, reserved_for_order_id from account_container where login_id = 'old' $$,
    $$ values ('delivered', 'FFX000000001') $$, 'the account left the stock');
select rows_eq(
    $$ select total_orders, total_spent from user_profiles where id = id('ann') $$,
    $$ values (1, 349.00) $$, 'the totals rise');
select is((deliver_account_to_user('FFX000000001', id('ann')))::text,
          '{"error": "Order already delivered", "success": false}', 'never twice');
select is((select count(*) from delivered_accounts), 1::bigint, 'one account');

select is(deliver('FFX000000004', 'ann'), 'true', 'instant');
select is(deliver('FFX000000005', 'ann'), 'true', 'one_step');
select is(deliver('FFX000000006', 'ann'), 'No available accounts', 'two_step without stock');
select make_stock('late');
select is(deliver('FFX000000006', 'ann'), 'true', 'two_step');
select rows_eq(
    $$ select account_type, login_id, current_phase, challenge_status, phase_1_status, live_status,
              live_activated_at is not null
       from delivered_accounts where account_type <> 'hft' order by account_type $$,
    $$ values ('instant',  'middle', 'live',      'pending', 'pending', 'active',  true),
              ('one_step', 'young',  'challenge', 'active',  'pending', 'pending', false),
              ('two_step', 'late',   'phase_1',   'pending', 'active',  'pending', false) $$,
    'the first phase of each type');

delete from trading_rules where account_type = 'hft' and account_size = 25000;
select make_stock('25k', 25000);
select is(deliver('FFX000000007', 'bob'), 'No trading rules found', 'no rules');

-- Who may
select is(as_user('ann', $$ select deliver_account_to_user('FFX000000002', auth.uid()) $$),
          'ERROR 42501', 'customers do not deliver');
select is(as_anon($$ select deliver_account_to_user('FFX000000002', null) $$),
          'ERROR 42501', 'nor do visitors');
select make_stock('a1'), make_stock('a2');
select is(as_user('boss', format($$ select deliver_account_to_user('FFX000000002', %L)
                                    ->> 'success' $$, id('ann'))), 'true', 'administrators do');
select is(as_service(format($$ select deliver_account_to_user('FFX000000003', %L)
                               ->> 'success' $$, id('bob'))), 'true', 'service_role does');
select is(as_user('ann', $$ select count(*) from get_available_accounts_count() $$), '3',
          'customers see how much is in stock');
select rows_eq('select * from get_available_accounts_count()',
    $$ values (5000.00, 'mt5', 1::bigint), (10000.00, 'mt4', 1), (25000.00, 'mt5', 1) $$,
    'by size and platform');

-- The tables keep the promises also against wrong code.
select throws_ok(
    $$ insert into delivered_accounts (user_id, order_id, container_account_id, account_type,
           account_size, platform_type, server_name, login_id, password, current_phase)
       select user_id, 'FFX000000007', container_account_id, account_type, account_size,
              platform_type, server_name, login_id, password, current_phase
       from delivered_accounts where order_id = 'FFX000000001' $$,
    '23505', null, 'an account never goes to two orders');
select throws_ok(
    $$ insert into delivered_accounts (user_id, order_id, container_account_id, account_type,
           account_size, platform_type, server_name, login_id, password, current_phase)
       select d.user_id, d.order_id, c.id, d.account_type, d.account_size, d.platform_type,
              d.server_name, d.login_id, c.password, d.current_phase
       from delivered_accounts as d, account_container as c
       where d.order_id = 'FFX000000001' and c.login_id = '25k' $$,
    '23505', null, 'an order never gets two accounts');
select throws_ok($$ delete from account_container where login_id = 'old' $$, '23503', null,
                 'a delivered account is not deleted from the stock');

-- The plan of the stock walk
create function tests.plan() returns setof text language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
begin
    return query execute 'explain (costs off)
        select * from account_container as c
        where c.status = ''available'' and c.account_size = 10000 and c.platform_type = ''mt5''
        order by c.created_at, c.id limit 1 for update skip locked';
end
$$;
select ok((select string_agg(plan, ' ') ~ 'account_container_next_idx' from plan()),
          'the stock is walked along its index');
select ok((select string_agg(plan, ' ') !~ 'Sort' from plan()), 'without sorting');

-- The queue: finished without stock waits, in order of payment.
select make_order('ann', 11), make_order('bob', 12), make_order('ann', 13);
select is(event('FFX000000012', 'q2', 'finished'), 'applied processing/paid/pending',
          'paid without stock waits');
select is(event('FFX000000011', 'q1', 'finished'), 'applied processing/paid/pending',
          'so does the next');
update waiting_deliveries set paid_at = now() - interval '1 minute' where order_id = 'FFX000000012';
select is((select count(*) from deliver_next_waiting()), 0::bigint,
          'without stock there is nothing to do');
select make_stock('s1');
select is(event('FFX000000013', 'q3', 'finished'), 'applied processing/paid/pending',
          'who paid later does not overtake the queue');
select is((select order_id from deliver_next_waiting()), 'FFX000000012',
          'who paid first is served first');
select is((select count(*) from deliver_next_waiting()), 0::bigint, 'one account, one order');
select make_stock('s2'), make_stock('s3');
select is((select order_id from deliver_next_waiting()), 'FFX000000011', 'then the second');
select is(state('FFX000000011'), 'completed/paid/delivered', 'complete');
select is((select string_agg(order_id, ',') from waiting_deliveries), 'FFX000000013',
          'who is delivered no longer waits');
select is(event('FFX000000013', 'q3', 'refunded'), 'applied refunded/refunded/pending',
          'a waiting order is refunded');
select is((select count(*) from waiting_deliveries), 0::bigint, 'and waits no longer');
select is((select count(*) from deliver_next_waiting()), 0::bigint, 'nor is delivered');

-- Staff takes a waiting order in hand.
select make_order('ann', 14), make_order('bob', 15);
update account_container set status = 'disabled' where status = 'available';
select is(event('FFX000000014', 'q4', 'finished'), 'applied processing/paid/pending', 'waits');
update orders set order_status = 'cancelled' where order_id = 'FFX000000014';
select make_stock('s4');
select is((select count(*) from deliver_next_waiting()), 0::bigint,
          'a cancelled order is not delivered');
select is((select count(*) from waiting_deliveries), 0::bigint, 'and leaves the queue');
insert into waiting_deliveries values ('FFX000000014', 'hft', 10000, 'mt5', now(), 'left over');
select make_stock('s5');
select is(event('FFX000000015', 'q5', 'finished'), 'applied completed/paid/delivered',
          'and holds up nobody meanwhile');
select throws_ok($$ update orders set order_status = 'lost' $$, '23514', null, 'states are checked');
select * from finish();
rollback;
