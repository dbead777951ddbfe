-- The outbox: one mail per cause, leases, back-off, giving up, replay, who may what.
begin;
select plan(64);

select make_user('ann');
select make_user('bob');
select make_user('boss');
update administrators set is_active = false;
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
select make_order('ann', 1), make_order('ann', 2, 'two_step'), make_order('bob', 3);

create function tests.mails(p_order text) returns text language sql as $$
    select string_agg(kind || ' ' || recipient, ', ' order by kind, recipient)
    from outbox where reference = p_order
$$;
create function tests.claim(p_count integer default 10)
returns table (id text, attempt text, kind text, message_id text, created_s text, recipient text,
               subject text, html text, plain text, variables text)
language sql as $$
    select * from platform.outbox_claim(p_count, 'shop.example', 'https://shop.example/dashboard')
$$;

-- Causes -----------------------------------------------------------------------------------------

select event('FFX000000001', '11', 'waiting');
select is(mails('FFX000000001'), null, 'an open payment causes no mail');
select event('FFX000000001', '11', 'confirmed');
select is(mails('FFX000000001'), 'payment_received ann@example.com', 'money causes one');
select event('FFX000000001', '11', 'sending'), event('FFX000000001', '11', 'sending');
select event('FFX000000001', '11', 'finished');
select is(mails('FFX000000001'), 'payment_received ann@example.com',
          'no stock, no delivery mail; repeats cause nothing');
select make_stock('7001');
select is(order_id, 'FFX000000001', 'stock arrives') from deliver_next_waiting();
select event('FFX000000001', '11', 'finished');
select is(mails('FFX000000001'),
          'account_delivery ann@example.com, payment_received ann@example.com',
          'the delivery causes one');
select is((select variables - array['first_name'] from outbox where kind = 'account_delivery'),
    '{"order_id": "FFX000000001", "account_type": "HFT", "account_size": "10,000",
      "platform_type": "MT5", "amount": "349.00", "currency": "USD"}'::jsonb,
    'with the words of the order');
select is_empty($$ select from outbox as m where m::text like '%7001%' $$,
                'and without any credential');

select event('FFX000000003', '31', 'failed', 0);
select is(mails('FFX000000003'), 'payment_failed bob@example.com', 'a failed payment causes one');
update orders set payment_status = 'pending', order_status = 'pending'
where order_id = 'FFX000000003';
update orders set payment_status = 'failed' where order_id = 'FFX000000003';
select is(mails('FFX000000003'), 'payment_failed bob@example.com', 'one, however often it fails');
select event('FFX000000003', '32', 'finished', 100);
select is(mails('FFX000000003'), 'payment_failed bob@example.com, review_needed boss@example.com',
          'a review goes to the active administrators');
insert into administrators (email, duties) values ('second@example.com', '{owner}');
insert into reviews (kind) values ('order_not_found');
select is((select string_agg(recipient, ',' order by recipient) from outbox
           where variables ->> 'review_kind' = 'order not found'),
          'boss@example.com,second@example.com', 'to each of them, also without an order');

select is((select (result -> 'delivery_function_test' ->> 'success')
           from backend.test_delivery('FFX000000002', false)), 'false', 'a dry run …');
select is(mails('FFX000000002'), null, '… causes no mail');

-- Claim ------------------------------------------------------------------------------------------

select is((select count(*) from outbox where state = 'pending' and message_id is null), 6::bigint,
          'six wait');
create temporary table claimed as select * from claim();
select is((select count(*) from claimed), 6::bigint, 'all are due');
select is_empty('select from claim()', 'and claimed once');
select rows_eq(
    $$ select kind, recipient, variables::jsonb ->> 'password',
              variables::jsonb ->> 'investor_password', variables::jsonb ->> 'login_id',
              variables::jsonb ->> 'dashboard_url', subject
       from claimed where kind = 'account_delivery' $$,
    $$ values ('account_delivery', 'ann@example.com', 'pw-7001', 'inv-7001', '7001',
               'https://shop.example/dashboard', 'Your FlashFundX {{account_type}} account is ready') $$,
    'the credentials are read at the claim');
select is_empty($$ select from outbox as m where m::text like '%7001%' $$,
                'and still stand nowhere in the outbox');
select is_empty($$ select from claimed where message_id <> id || '@shop.example' $$,
                'each has its Message-ID');
select is((select id from claimed where kind = 'account_delivery')::uuid,
          (select id from outbox where kind = 'account_delivery'), 'the row''s own');

select is(outcome, 'ok', 'sent') from platform.outbox_sent(
    (select id::uuid from claimed where kind = 'account_delivery'), 'smtp 1');
select ok((select email_sent and email_sent_at is not null from delivered_accounts),
          'email_sent tells the truth');
select is(outcome, 'unchanged', 'recorded once') from platform.outbox_sent(
    (select id::uuid from claimed where kind = 'account_delivery'), 'smtp 2');
select is(outcome, 'unchanged', 'a late failure does not undo it') from platform.outbox_failed(
    (select id::uuid from claimed where kind = 'account_delivery'), 1, 'late', false);
select is((select state || ' ' || provider_id from outbox where kind = 'account_delivery'),
          'sent smtp 1', 'it stays sent');

-- Lease ------------------------------------------------------------------------------------------

select count(outcome) from claimed as c, platform.outbox_sent(c.id::uuid, 'x')
where c.kind <> 'payment_received';
create function tests.one() returns outbox language sql as $$
    select m from outbox as m where kind = 'payment_received' $$;
create function tests.job() returns platform.jobs language sql as $$
    select j from platform.jobs as j where j.kind = 'mail' and j.key = ((tests.one()).id)::text $$;
select is((one()).state::text, 'sending', 'one is being sent');
select hurry('mail');
select is((select attempt || ' ' || message_id from claim()),
          '2 ' || (select message_id from claimed where kind = 'payment_received'),
          'a lease that ran out: the same message, the second try');
select is(outcome, 'unchanged', 'the first try cannot fail the second')
from platform.outbox_failed((one()).id, 1, 'slow', false);

-- Back-off ---------------------------------------------------------------------------------------

select is(outcome, 'pending', 'the second try fails')
from platform.outbox_failed((one()).id, 2, '450 busy', false);
select is((one()).last_error, '450 busy', 'with its reason');
select ok((job()).due_at between clock_timestamp() + interval '14 s'
                             and clock_timestamp() + interval '30 s', 'and waits 15 to 30 s');
select is_empty('select from claim()', 'nothing is due meanwhile');
select is_empty(
    $$ select from generate_series(1, 10) as t, generate_series(1, 50),
              lateral platform.job_back_off('mail', t) as p
       where p < least(interval '4 hours', interval '10 s' * 3 ^ (t - 1)) * 0.5
          or p > least(interval '4 hours', interval '10 s' * 3 ^ (t - 1)) $$,
    'pauses triple up to four hours, with jitter');
update platform.jobs set tries = 9, due_at = now() where key = (one()).id::text;
select is((select attempt from claim()), '10', 'the tenth try');
select is(outcome, 'dead', 'is the last one')
from platform.outbox_failed((one()).id, 10, '450 busy', false);
select is_empty('select from claim()', 'who is dead is left alone');
update outbox set state = 'sending' where kind = 'payment_received';
update platform.jobs set state = 'running', due_at = now() where key = (one()).id::text;
select is_empty('select from claim()', 'the tenth sender died: no eleventh try');
select is((one()).state || ' ' || (one()).last_error, 'dead 450 busy', 'but a dead letter');

select is((job()).state::text, 'dead', 'in the queue as well');
update outbox set state = 'pending' where kind = 'payment_received';
select platform.job_replay('mail', (one()).id::text);
select is((select attempt from claim()), '1', 'a first try');
select is(outcome, 'dead', 'that is refused for good is the last one')
from platform.outbox_failed((one()).id, 1, '550 no such user', true);
select is((one()).last_error, '550 no such user', 'with its reason');

-- Replay -----------------------------------------------------------------------------------------

select is((select count(*) from platform.outbox_replay('{}', true)), 1::bigint, 'all dead ones');
select is((one()).state || ' ' || (one()).tries, 'pending 0', 'wait again');
select is((select message_id from claim()),
          (select message_id from claimed where kind = 'payment_received'),
          'as the same message: it may have arrived');
select is(as_user('ann', format('select replay_outbox(%L)', (one()).id)), 'ERROR 42501',
          'customers replay nothing');
select is(as_user('boss', format('select replay_outbox(%L) ->> ''error''', (one()).id)),
          'No sent or dead mail of this id', 'what is being sent is not replayed');
select is(as_user('boss', format('select replay_outbox(%L) ->> ''success''',
              (select id from outbox where kind = 'account_delivery'))), 'true',
          'an administrator sends a sent mail again');
select is((select message_id from claim()),
          (select id || '.1@shop.example' from outbox where kind = 'account_delivery'),
          'which is a new message');
select is((select count(*) from admin_audit_log
           where action_type = 'REPLAY' and table_name = 'outbox'), 2::bigint, 'both are audited');

-- What cannot be sent ----------------------------------------------------------------------------

update delivered_accounts set account_status = 'suspended';
update email_templates set is_active = false where template_name = 'payment_received';
select platform.job_replay('mail', id::text) from outbox
where kind in ('account_delivery', 'payment_received');
select is_empty('select from claim()', 'no template, no account to use: no mail');
select is((select string_agg(last_error, ', ' order by kind) from outbox where state = 'dead'),
          'the account is not active, no active template of this name', 'but the reason');
select platform.job_replay('mail', id::text, now() - interval '1 hour') from outbox
where state = 'dead';
select platform.job_replay('mail', id::text) from outbox where kind = 'payment_failed';
select is((select kind from claim(1)), 'payment_failed', 'who is given up takes nobody''s place');
select is((select outcome from platform.outbox_sent(id, 'x')), 'ok', 'and sent')
from outbox where kind = 'payment_failed';

-- send_email -------------------------------------------------------------------------------------

select is((select outcome from platform.send_email(id('ann'), 'bob@example.com', 's', 'h', '', 'd')),
          'unauthorized', 'a customer writes to nobody else');
update user_profiles set account_status = 'suspended' where id = id('bob');
select is((select outcome from platform.send_email(id('bob'), 'bob@example.com', 's', 'h', '', 'd')),
          'unauthorized', 'a suspended one to nobody');
select is((select outcome || ' ' || attempt || ' ' || (message_id = id || '@shop.example')
           from platform.send_email(id('ann'), 'Ann@example.com', 's', '{{h}}', '', 'shop.example')),
          'ok 1 true', 'the own address: claimed at once');
select hurry('mail');
select rows_eq('select recipient, subject, html, plain, variables from claim()',
    $$ values ('Ann@example.com', 's', '{{h}}', null::text, null::text) $$,
    'left alone, send-outbox takes it; its words are final');

select is(as_user('ann', 'select count(*) from outbox') || as_user('boss', 'select count(*) from outbox'),
          'ERROR 42501' || (select count(*) from outbox), 'staff read it');

-- Who deletes the customer deletes their mails ------------------------------------------------------

select isnt((select count(*) from outbox where person = id('ann')), 0::bigint, 'a customer has mails');
select platform.job_replay('mail', id::text), platform.job_bury('mail', id::text, '550 ann@example.com')
from outbox where person = id('ann') and kind = 'direct';
create temporary table gone as select id('ann') as id;
delete from auth.users where id = id('ann');
select is((select count(*) from outbox where person = (select id from gone)), 0::bigint,
          'and goes with them');
select is((select count(*) from platform.jobs where kind = 'mail' and key not in (select id::text from outbox)),
          0::bigint, 'and with what waited or was given up of theirs');
select isnt((select count(*) from outbox), 0::bigint, 'others keep theirs');
select is_empty('select from claim()', 'nothing of theirs is sent');
select * from finish();
rollback;
