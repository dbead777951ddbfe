-- Sales outlive people, and what is evidence stays: for customers, administrators, the service key
-- and the owner alike, TRUNCATE included.
begin;
select plan(97);
select make_user('ann');
select make_user('boss');
select make_user('bob');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
select make_order('ann', n) from generate_series(1, 4) as n;
select make_stock(n::text, p_age => n * interval '-1 day') from generate_series(1, 3) as n;
select event('FFX000000001', 'a1', 'finished');
select event('FFX000000002', 'b1', 'partially_paid', 70);
select attach(b.attempt_id, 'c1') from tests.begin('ann', 'FFX000000003') as b,
     lateral backend.attach_invoice(b.attempt_id::uuid, 'i1', 'https://x') as i;
select backend.reveal(id, 'password', password, 'test') from account_container where login_id = '1';
select backend.store_unapplied_callback('ipn', '{}', 'payment field payment_id is missing', null, null, true);

-- Nobody removes it.
create function tests.refused(p_as text, p_sql text)
returns boolean language plpgsql as $$
declare
    v_answer text;
begin
    if p_as = 'service' then
        v_answer := tests.as_service(p_sql);
    elsif p_as = 'boss' then
        v_answer := tests.as_user('boss', p_sql);
    else
        begin
            execute p_sql;
            v_answer := 'done';
        exception when others then
            v_answer := 'ERROR ' || sqlstate;
        end;
    end if;
    -- A policy that lets nobody lets them change no row.
    return v_answer in ('ERROR 42501', 'ERROR 23503', 'ERROR 23514')
        or (p_as = 'boss' and v_answer = '0');
end
$$;
select ok(refused(who, 'delete from ' || t), format('%s removes nothing from %s', who, t))
from unnest(array['owner', 'service', 'boss']) as who,
     unnest(array['payment_events', 'payment_transactions', 'credential_reveals', 'admin_audit_log',
                  'payments', 'payment_attempts', 'delivered_accounts', 'account_container',
                  'unapplied_callbacks', 'orders', 'reviews']) as t;
select ok(refused('owner', 'delete from reconciliation_differences'),
          'nor what provider and books differed in');
select ok(refused('owner', 'truncate ' || t || ' cascade'), 'nor by truncate: ' || t)
from unnest(array['payment_events', 'payment_transactions', 'credential_reveals', 'admin_audit_log',
                  'payments', 'payment_attempts', 'delivered_accounts', 'account_container',
                  'unapplied_callbacks', 'orders', 'user_profiles', 'reviews', 'outbox', 'platform.jobs',
                  'auth.users', 'platform.standing', 'reconciliation_differences']) as t;

-- Nobody rewrites it.
select ok(refused(who, 'update payment_events set ' || change), format('%s: events, %s', who, change))
from unnest(array['owner', 'service']) as who,
     unnest(array['raw = ''x''', 'status = ''finished''', 'actually_paid = 1']) as change;
select ok(refused(who, 'update unapplied_callbacks set reason = ''x'''), who || ': callbacks')
from unnest(array['owner', 'service', 'boss']) as who;
select ok(refused(who, 'update payment_transactions set ' || change
                  || ' where provider_transaction_id = ''a1'''), format('%s: books, %s', who, change))
from unnest(array['owner', 'service']) as who,
     unnest(array['amount = 1', 'status = ''pending''', 'order_id = ''FFX000000002''']) as change;

-- Whose an account is, and for which order.
select ok(refused(who, 'update delivered_accounts set ' || change), format('%s: deliveries, %s', who, change))
from unnest(array['owner', 'service', 'boss']) as who,
     unnest(array['user_id = tests.id(''bob'')', 'order_id = ''FFX000000003''']) as change;

-- What was decided stays decided.
select is(resolve('FFX000000002', 'partially_paid', 'cancel') ~ '^ok', true, 'a decision');
select ok(refused(who, 'update reviews set ' || change || ' where order_id = ''FFX000000002'''),
          format('%s: decisions, %s', who, change))
from unnest(array['owner', 'service']) as who,
     unnest(array['state = ''open''', 'note = ''x''', 'pays = true']) as change;

-- What was sold stays sold, by the account's own row.
select ok(refused('service', $$ update account_container set status = 'available'
                                where login_id = '1' $$), 'it does not come back into the stock');
select ok(refused('owner', $$ update account_container set sold_at = null where login_id = '1' $$),
          'nor is it forgotten');
select tamper('delete from delivered_accounts');
select ok(refused('boss', $$ update account_container set status = 'available'
                             where login_id = '1' $$), 'whatever other tables say');

-- People
select id('ann') as ann, id('bob') as bob \gset
delete from auth.users where id in (:'ann', :'bob');
select is((select count(*) from orders where user_id = :'ann'), 4::bigint, 'orders outlive people');
select is((select count(*) from payment_attempts), 1::bigint, 'attempts');
select is((select count(*) from payment_transactions where user_id = :'ann'), 3::bigint, 'books');
select rows_eq(format($$ select id::text, first_name, email, phone, deleted_at is not null
                         from user_profiles where id in (%L, %L) $$, :'ann', :'bob'),
               format($$ values (%L, null::text, '', null::text, true) $$, :'ann'),
               'of who bought an empty profile, of who did not nothing');
select is((select count(*) from outbox where person = :'ann'), 0::bigint, 'no mails');
select ok(refused('service', format('delete from user_profiles where id = %L', :'ann')),
          'nor does the profile go by itself');

-- No setting switches the audit off.
select set_config(name, 'on', true)
from unnest(array['platform.audited_as_a_whole', 'ffx.resealing', 'platform.audit']) as name;
select count(*) as n from admin_audit_log \gset
select as_service('update prices set price = 2 where account_size = 1000 and account_type = ''hft''');
select is((select count(*) - :n from admin_audit_log), 1::bigint, 'no setting switches the audit off');
select is(as_service('select platform.pause_audit()'), 'ERROR 42501', 'the service key may not');
select is(as_service('insert into platform.audit_pauses default values'), 'ERROR 42501', 'in no way');
select platform.pause_audit();
update prices set price = 3 where account_size = 1000 and account_type = 'hft';
select platform.resume_audit();
select is((select count(*) - :n from admin_audit_log), 1::bigint, 'who owns it writes its own line');

-- What staff change of it by hand is on record.
create function tests.audited(p_sql text)
returns text language plpgsql as $$
declare
    v_last timestamptz := (select max(created_at) from admin_audit_log);
begin
    execute p_sql;
    return (select string_agg(action_type || ' ' || table_name, ',')
            from admin_audit_log where created_at > v_last);
end
$$;
select is(audited($$ update payments set actually_paid = 1 where payment_id = 'a1' $$),
          'UPDATE payments', 'payments');
select is(audited($$ update payment_events set order_id = 'FFX000000003' where payment_id = 'a1' $$),
          'UPDATE payment_events', 'to which order an event belongs');
select is((select count(*) from admin_audit_log where table_name = 'payment_events'
             and new_values ->> 'raw' like '{%'), 0::bigint, 'which is not told word by word');
select is(audited($$ update payment_attempts set detail = 'x' $$), 'UPDATE payment_attempts', 'attempts');
select is(audited($$ update platform.jobs set due_at = 'infinity' where key = 'a1' $$), 'UPDATE jobs', 'the queue');
select * from finish();
rollback;
