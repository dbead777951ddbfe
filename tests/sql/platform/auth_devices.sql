-- With what people sign in, and when they are told.
begin;
select plan(27);
select make_user('ann');
select make_user('bob');
update auth.users set encrypted_password = 'x', email_confirmed_at = now();

create function pg_temp.sign_in(p_name text, p_user_agent text) returns text language sql as $$
    select s.outcome from platform.auth_sign_in(id(p_name), 'x', null, p_user_agent, '10.0.0.1') as s
$$;
create function pg_temp.notices(p_name text) returns bigint language sql as $$
    select count(*) from outbox where person = id(p_name) and template_name = 'auth_new_device'
$$;
create function pg_temp.devices(p_name text) returns bigint language sql as $$
    select count(*) from auth.devices where user_id = id(p_name)
$$;

-- What a device is
create temporary table agents (n integer, agent text);
insert into agents values
    (1, 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.6723.70 Safari/537.36'),
    (2, 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36'),
    (3, 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.2903.51'),
    (4, 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1'),
    (5, 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0.1 Mobile/15E148 Safari/604.1'),
    (6, 'Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0'),
    (7, 'okhttp/4.12.0'), (8, '<a href="http://evil">click</a>'), (9, '');
create function pg_temp.agent(p_n integer) returns text language sql as $$ select agent from agents where n = p_n $$;
select is(platform.auth_device(pg_temp.agent(1)), platform.auth_device(pg_temp.agent(2)), 'an update is no new device');
select is(platform.auth_device(pg_temp.agent(4)), platform.auth_device(pg_temp.agent(5)), 'nor of a telephone');
select isnt(platform.auth_device(pg_temp.agent(2)), platform.auth_device(pg_temp.agent(3)), 'another browser is');
select results_eq('select platform.auth_device_name(agent) from agents order by n',
    $$ values ('Chrome on Windows'), ('Chrome on Windows'), ('Edge on Windows'), ('Safari on iPhone'), ('Safari on iPhone'),
              ('Firefox on Linux'), ('okhttp'), ('an unknown program'), ('an unknown program') $$, 'in words, none of which a stranger chose');

-- Who is told
select is(pg_temp.sign_in('ann', pg_temp.agent(1)), 'session', 'the first sign-in of all');
select is(array[pg_temp.devices('ann'), pg_temp.notices('ann')], array[1, 0]::bigint[], 'is kept, and not told');
select pg_temp.sign_in('ann', pg_temp.agent(2));
select is(array[pg_temp.devices('ann'), pg_temp.notices('ann')], array[1, 0]::bigint[], 'the same device again');
select pg_temp.sign_in('ann', pg_temp.agent(4));
select is(array[pg_temp.devices('ann'), pg_temp.notices('ann')], array[2, 1]::bigint[], 'a new one is told');
select results_eq($$ select recipient::text, variables - 'Time' from outbox where person = id('ann') $$,
    $$ values ('ann@example.com', '{"Email": "ann@example.com", "Device": "Safari on iPhone", "IP": "10.0.0.1"}'::jsonb) $$, 'who, with what, and from where');
select ok((select (variables ->> 'Time') = to_char(now() at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'
           from outbox where person = id('ann')), 'and when');
select pg_temp.sign_in('ann', pg_temp.agent(5));
select is(pg_temp.notices('ann'), 1::bigint, 'once');
select is((select s.outcome from platform.auth_refresh((select id from auth.sessions where user_id = id('ann') limit 1), 0, pg_temp.agent(6), '10.0.0.2', 10, 0, 0) as s),
          'ok', 'a refresh from elsewhere');
select is(array[pg_temp.devices('ann'), pg_temp.notices('ann')], array[2, 1]::bigint[], 'is no sign-in');
select is((select s.outcome from platform.auth_sign_in(id('ann'), 'y', null, 'another', '10.0.0.1') as s), 'invalid', 'a wrong password');
select is(pg_temp.devices('ann'), 2::bigint, 'is none either');
select is(array[pg_temp.devices('bob'), pg_temp.notices('bob')], array[0, 0]::bigint[], 'others have their own');

-- Who has none here
update auth.users set last_sign_in_at = now() - interval '1 month' where id = id('bob');
select pg_temp.sign_in('bob', pg_temp.agent(1));
select is(array[pg_temp.devices('bob'), pg_temp.notices('bob')], array[1, 0]::bigint[], 'who was moved here is not told of what was used before');
update auth.devices set last_seen_at = now() - interval '13 months' where user_id = id('bob');
update auth.users set last_sign_in_at = now() - interval '13 months' where id = id('bob');
select is((select forgotten from platform.auth_forget(0)), '1', 'what nobody used for a year is forgotten');
select is(array[pg_temp.devices('bob'), pg_temp.devices('ann')], array[0, 2]::bigint[], 'and nothing else');
select pg_temp.sign_in('bob', pg_temp.agent(1));
select is(pg_temp.notices('bob'), 1::bigint, 'who was away for so long is told');

-- Bounds, and the switch
insert into auth.devices (user_id, device, last_seen_at)
select id('bob'), n::text::bytea, now() - n * interval '1 hour' from generate_series(1, 60) as n;
select pg_temp.sign_in('bob', pg_temp.agent(7));
select is(pg_temp.devices('bob'), 50::bigint, 'so many of one person');
select ok(exists (select from auth.devices where user_id = id('bob') and device = platform.auth_device(pg_temp.agent(7))), 'the new one is among them');
update email_templates set is_active = false where template_name = 'auth_new_device';
select pg_temp.sign_in('ann', pg_temp.agent(8));
select is(array[pg_temp.devices('ann'), pg_temp.notices('ann')], array[3, 1]::bigint[], 'no notice when its template is switched off');
update email_templates set is_active = true where template_name = 'auth_new_device';
select pg_temp.sign_in('ann', null);
select is(array[pg_temp.devices('ann'), pg_temp.notices('ann')], array[4, 2]::bigint[], 'one without a name');

-- The end
select is(platform.auth_admin_delete(id('ann'), true, '10.0.0.1')::text, 'ok', 'who is deleted, and whose row stays');
select is((select count(*) from auth.devices where user_id <> id('bob')), 0::bigint, 'has no devices');
delete from auth.users where id = id('bob');
select is((select count(*) from auth.devices), 0::bigint, 'nor has who is gone');
select * from finish();
rollback;
