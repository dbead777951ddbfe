-- The second factor: enrolled, challenged, verified, taken away; codes that count once, guesses that are limited.
begin;
select plan(69);
select make_user(who) from unnest(array['ann', 'bob', 'zoe']) as who;

-- Somebody signs in, at an address; the session.
create function tests.sign_in(p_who text) returns uuid language sql as $$
    select b.session_id::uuid from auth.users as u, platform.auth_begin_session(u, 'password', 'ua', '10.0.0.1') as b
    where u.id = id(p_who) $$;
create temporary table s (name text, id uuid);
insert into s values ('ann', sign_in('ann')), ('ann, elsewhere', sign_in('ann')), ('bob', sign_in('bob'));
create function tests.session(p_name text) returns uuid language sql as $$ select id from s where name = p_name $$;
create function tests.f(n integer) returns uuid language sql as $$ select format('00000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid $$;
create function tests.enroll(p_session text, n integer, p_name text default '') returns text language sql as $$
    select coalesce(e.outcome || ' ' || e.email, e.outcome) from platform.auth_enroll_factor(
        (select x.user_id from auth.sessions as x where x.id = session(p_session)), session(p_session), f(n), p_name,
        platform.seal('MZXW6YTB', f(n), 'totp_secret'), '10.0.0.1') as e $$;
-- The challenge is remembered as the last one.
create temporary table challenge (id uuid);
insert into challenge values (null);
create function tests.challenge(p_session text, n integer, p_ip text default '10.0.0.1') returns text language sql as $$
    with c as (select * from platform.auth_challenge_factor((select x.user_id from auth.sessions as x where x.id = session(p_session)),
                   session(p_session), f(n), p_ip)),
         u as (update challenge set id = c.challenge_id::uuid from c)
    select c.outcome from c $$;
create function tests.verify(p_session text, n integer, p_step bigint, p_ip text default '10.0.0.1') returns text language sql as $$
    select concat_ws(' ', v.outcome, v.counter) from challenge as c, platform.auth_verify_factor(
        (select x.user_id from auth.sessions as x where x.id = session(p_session)), session(p_session), f(n), c.id, p_step, 'ua', p_ip) as v $$;
create function tests.unenroll(p_session text, n integer) returns text language sql as $$
    select outcome from platform.auth_unenroll_factor(
        (select x.user_id from auth.sessions as x where x.id = session(p_session)), session(p_session), f(n), '10.0.0.1') $$;
create function tests.factors(p_who text) returns text language sql as $$
    select string_agg(right(f.id::text, 2) || ' ' || f.status, ', ' order by f.id) from auth.mfa_factors as f where f.user_id = id(p_who) $$;
create function tests.mails(p_kind text) returns bigint language sql as $$ select count(*) from outbox where kind = p_kind $$;

-- Enrolment
select is((select outcome from platform.auth_enroll_factor(id('ann'), null, f(1), '', 'x', '10.0.0.1')), 'session_not_found', 'no token without a session');
select is((select outcome from platform.auth_enroll_factor(id('bob'), session('ann'), f(1), '', 'x', '10.0.0.1')), 'session_not_found', 'nor with another''s');
select is(enroll('ann', 1), 'ok ann@example.com', 'a factor');
select is(enroll('ann', 2), 'name_taken', 'another needs a name');
select is(enroll('ann', 2, 'phone'), 'ok ann@example.com', 'this one');
select is(enroll('bob', 3, 'phone'), 'ok bob@example.com', 'which others may have, too');
select ok((select platform.is_sealed(secret) from auth.mfa_factors where id = f(1)), 'the secret is sealed');
select throws_ok($$ update auth.mfa_factors set secret = '{"alg": "aes"}' $$, '23514', null, 'what another system sealed is refused');
insert into auth.mfa_factors (id, user_id, friendly_name, factor_type, status, secret) values (f(4), id('bob'), 'moved', 'totp', 'unverified', 'MZXW6YTB======');
select is((select platform.unseal(secret, id, 'totp_secret') from auth.mfa_factors where id = f(4)), 'MZXW6YTB', 'what it had in clear is sealed');
select is((platform.auth_user_object(u)::jsonb #> '{factors,0}') - array['created_at', 'updated_at'],
          jsonb_build_object('id', f(1), 'status', 'unverified', 'factor_type', 'totp', 'phone', '', 'last_challenged_at', null), 'the user shows it')
from auth.users as u where u.id = id('ann');
select ok(not platform.auth_user_object(u)::jsonb ? 'factors', 'and none where there is none') from auth.users as u where u.id = id('zoe');
insert into auth.mfa_factors (user_id, friendly_name, factor_type, status) select id('bob'), n, 'phone', 'unverified' from generate_series(1, 8) as n;
select is(enroll('bob', 5, 'eleventh'), 'too_many', 'ten are enough');
update auth.mfa_factors set created_at = now() - interval '6 minutes' where id = f(4);
select is(enroll('bob', 5, 'eleventh'), 'ok bob@example.com', 'one that was begun and left makes room');

-- Verifying
select is((select outcome from platform.auth_challenge_factor(id('bob'), session('bob'), f(1), '10.0.0.1')), 'factor_not_found', 'not another''s');
select is(verify('ann', 1, 5), 'challenge_not_found', 'without a challenge');
select is(challenge('ann', 1), 'ok', 'a challenge');
select is(verify('ann', 2, 5), 'challenge_not_found', 'of this factor only');
select is(verify('ann', 1, 5, '10.0.0.2'), 'ip_mismatch', 'at this address');
update auth.mfa_challenges set created_at = now() - interval '5 minutes';
select is(verify('ann', 1, 5), 'challenge_expired', 'for five minutes');
update auth.mfa_challenges set created_at = now();
select is(verify('ann', 1, null), 'wrong', 'a wrong code');
select is((select wrong from auth.mfa_guesses where user_id = id('ann')), 1, 'which is counted');
select is(factors('ann'), '01 unverified, 02 unverified', 'and changes nothing');
select is(verify('ann', 1, 5), 'session 1', 'the right one: the next refresh token');
select is(factors('ann'), '01 verified', 'it counts, and what was begun beside it is gone');
select is((select count(*) from auth.mfa_guesses), 0::bigint, 'wrong ones are forgotten');
select is((select array_agg(id) from auth.sessions where user_id = id('ann')), array[session('ann')], 'sessions below end');
select is((select aal || ' ' || (factor_id = f(1)) from auth.sessions where id = session('ann')), 'aal2 true', 'this one has aal2');
select is((select '{' || platform.auth_claims(u, session('ann')) || '}' from auth.users as u where u.id = id('ann'))::jsonb -> 'amr' @> '[{"method": "totp"}, {"method": "password"}]',
          true, 'and the token says how');
select is(mails('auth_factor_enrolled'), 1::bigint, 'a mail tells of it');
select is(verify('ann', 1, 6), 'ip_mismatch', 'a challenge is answered once');
select is(challenge('ann', 1), 'ok', 'another');
select is(verify('ann', 1, 5), 'wrong', 'a code counts once');
select is(verify('ann', 1, 4), 'wrong', 'those before it are gone with it');
select is(verify('ann', 1, 6), 'session 2', 'the next');
select is(mails('auth_factor_enrolled'), 1::bigint, 'no news');
select is((select outcome || ' ' || counter || ' ' || (('{' || claims || '}')::jsonb ->> 'aal')
           from platform.auth_refresh(session('ann'), 2, 'ua', '10.0.0.1', 10, 0, 0)), 'ok 3 aal2', 'a refresh keeps the level');

-- Guesses
select challenge('ann', 1) \g /dev/null
select is((select string_agg(verify('ann', 1, null), ' ') from generate_series(1, 5)), 'wrong wrong wrong wrong wrong', 'five guesses');
select is(verify('ann', 1, 7), 'too_many_tries', 'then no code is looked at');
select is(mails('auth_factor_guessed'), 1::bigint, 'and it is told');
select is((select outcome || ' ' || wait_s from platform.auth_factor_secret(id('ann'), session('ann'), f(1), (select id from challenge), '10.0.0.1')),
          'too_many_tries 30', 'for half a minute');
create function tests.time_passes() returns void language sql as $$ update auth.mfa_guesses set again_at = now() $$;
create function tests.wait_after_guess() returns text language plpgsql as $$
begin
    perform tests.time_passes();
    perform tests.verify('ann', 1, null);
    return platform.auth_factor_wait_s(tests.id('ann'));
end $$;
select is((select string_agg(wait_after_guess(), ' ') from generate_series(1, 8)), '60 120 240 480 960 1920 3600 3600', 'longer with each, to an hour');
select is((select challenge('ann', 1)), 'ok', 'another challenge');
select is(verify('ann', 1, 7), 'too_many_tries', 'opens no other way');
select time_passes();
select is(verify('ann', 1, 7), 'session 4', 'its owner waits');
select is(mails('auth_factor_guessed'), 1::bigint, 'and is told once');

-- Beside a verified one
insert into s values ('ann, again', sign_in('ann'));
select is((select aal::text from auth.sessions where id = session('ann, again')), 'aal1', 'a password alone gives aal1');
select is(enroll('ann, again', 6, 'mine now'), 'insufficient_aal', 'with which nobody adds one');
select is(unenroll('ann, again', 1), 'lacks_aal2', 'nor takes one away');
select is((select outcome from platform.auth_begin_change(id('ann'), session('ann, again'), true)), 'insufficient_aal', 'nor changes the password');
select is((select outcome from platform.auth_begin_change(id('ann'), session('ann, again'), false, 'new@example.com')), 'insufficient_aal', 'or the address');
select is((select outcome from platform.auth_begin_change(id('ann'), session('ann, again'), false, 'ann@example.com')), 'ok', 'but the rest');
select is((select outcome from platform.auth_change_user(id('ann'), session('ann, again'), null, null, 'y', null, 3600, null, null, null, '10.0.0.1')),
          'insufficient_aal', 'also when it was added meanwhile');
select is((select outcome from platform.auth_change_user(id('ann'), session('ann, again'), null, '{"a": 1}', null, null, 3600, null, null, null, '10.0.0.1')),
          'ok', 'metadata are no secret');
select is(enroll('ann', 6, 'second'), 'ok ann@example.com', 'who used it adds another');
select is(unenroll('bob', 1), 'factor_not_found', 'nobody takes away another''s');

-- The end
select is(unenroll('ann', 1), 'ok', 'its owner does');
select is(mails('auth_factor_unenrolled'), 1::bigint, 'and is told');
select is((select aal || ' ' || (factor_id is null) from auth.sessions where id = session('ann')), 'aal1 true', 'its session falls');
select is((select string_agg(authentication_method, ' ') from auth.mfa_amr_claims where session_id = session('ann')), 'password', 'to what it was');
select is(unenroll('ann', 6), 'ok', 'one that was never verified');
select is(mails('auth_factor_unenrolled'), 1::bigint, 'is not worth a mail');

-- The service key
select enroll('ann', 7, 'old') \g /dev/null
select is((select factor::jsonb ->> 'friendly_name' from platform.auth_admin_change_factor(id('ann'), f(7), 'new', '10.0.0.1')), 'new', 'names one');
select is((select outcome from platform.auth_admin_change_factor(id('bob'), f(7), null, '10.0.0.1')), 'factor_not_found', 'of its user');
select is((select outcome from platform.auth_admin_change_factor(id('ann'), f(7), null, '10.0.0.1')), 'ok', 'and takes it away');
select is((select count(*) from admin_audit_log where action_type = 'DELETE_FACTOR'), 1::bigint, 'on record');

-- Under another key, and with the person
select enroll('ann', 8, 'kept') \g /dev/null
select set_config('ffx.credential_keys', 'k2:' || repeat('1', 64) || ',' || current_setting('ffx.credential_keys'), true) \g /dev/null
select is((resealed, unreadable)::text, '(3,0)', 'sealed anew') from platform.reseal_factors();
select is((select string_agg(distinct left(secret, 7), ' ') from auth.mfa_factors), 'ffx1.k2', 'all of them');
select is((select platform.unseal(secret, id, 'totp_secret') from auth.mfa_factors where id = f(8)), 'MZXW6YTB', 'and the same');
select is((select outcome from platform.auth_admin_delete(id('ann'), true, '10.0.0.1')) || coalesce(factors('ann'), ''), 'ok',
          'whoever is deleted has none, also where the row stays');
select * from finish();
rollback;
