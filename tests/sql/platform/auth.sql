-- The auth service's steps: sign-up, codes, sessions, changes, and who may run them.
begin;
select plan(50);

-- A mail as the service hands it over: hash, and words that are sealed when they are written.
create function tests.mail(p_to text, p_hash text, p_challenge jsonb default null)
returns jsonb
language sql
as $$
    select jsonb_strip_nulls(jsonb_build_object('id', gen_random_uuid(), 'to', p_to, 'hash', p_hash,
        'challenge', p_challenge, 'variables', '{}'::jsonb, 'secrets', '{"Token": "123456"}'::jsonb))
$$;
create function tests.sign_up(p_name text, p_hash text, p_autoconfirm boolean default false)
returns text
language sql
as $$
    select s.outcome from platform.auth_sign_up(p_name || '@example.com', '$2b$04$x', '{}',
        p_autoconfirm, mail(p_name || '@example.com', p_hash), 'ua', '127.0.0.1') as s
$$;
create function tests.use_code(p_type text, p_name text, p_hash text)
returns text
language sql
as $$
    select v.outcome from platform.auth_verify(p_type, p_name || '@example.com', p_hash, 3600, 'ua',
        '127.0.0.1') as v
$$;
create function tests.sessions(p_name text) returns bigint language sql
as $$ select count(*) from auth.sessions as s where s.user_id = id(p_name) $$;
create function tests.refresh(p_session_id uuid, p_counter bigint, p_interval integer default 10)
returns text
language sql
as $$
    select r.outcome || coalesce(' ' || r.counter, '')
    from platform.auth_refresh(p_session_id, p_counter, 'ua', '127.0.0.1', p_interval, 0, 0) as r
$$;

-- Signing up
insert into platform.administrators (email, duties) values ('listed@example.com', '{support}');
select is(sign_up('listed', 'h0', true) || sign_up('free', 'h0', true), 'usersession',
          'an address with duties is confirmed by its owner alone');
select is(platform.duties_of(id('listed'))::text, '{}', 'and has none until then');
select is(sign_up('eve', 'h1'), 'user', 'a new user');
select is((select encrypted_password || ' ' || confirmation_token from auth.users where id = id('eve')),
          '$2b$04$x h1', 'with the hash of the password and of the code');
select is((select identity_data ->> 'email' from auth.identities where user_id = id('eve')),
          'eve@example.com', 'and an identity');
select is((select count(*) from outbox where person = id('eve') and template_name = 'auth_signup'),
          1::bigint, 'one mail');
select ok((select bool_and(platform.is_sealed(s.value)) from outbox as m, jsonb_each_text(m.secrets) as s
           where m.person = id('eve')), 'whose code is sealed');
select is(sign_up('eve', 'h2'), 'too_soon', 'another mail only a minute later');
select is((select confirmation_token from auth.users where id = id('eve')), 'h1', 'the code stays');
update auth.users set confirmation_sent_at = now() - interval '61 seconds' where id = id('eve');
select is(sign_up('eve', 'h2'), 'user', 'then there is one');
select is((select encrypted_password || ' ' || confirmation_token from auth.users where id = id('eve')),
          '$2b$04$x h2', 'and the code before is void');

-- Codes
select is(use_code('signup', 'eve', 'h1'), 'expired', 'the old code');
select is(use_code('signup', 'nobody', 'h2'), 'expired', 'for nobody');
select is(use_code('recovery', 'eve', 'h2'), 'expired', 'of another kind');
select is((select of_code from auth.guesses where user_id = id('eve')), 2, 'guesses are counted');
select is(use_code('signup', 'eve', 'h2'), 'session', 'the right one');
select is(use_code('signup', 'eve', 'h2'), 'expired', 'once');
select ok((select email_confirmed_at is not null and raw_user_meta_data ->> 'email_verified' = 'true'
           from auth.users where id = id('eve')), 'confirmed');
select is(sessions('eve'), 1::bigint, 'and signed in');
select sign_up('gus', 'g1');
select use_code('signup', 'gus', 'wrong') from generate_series(1, 5);
select is(use_code('signup', 'gus', 'g1'), 'expired', 'after five guesses the code is void');
select is((select outcome from platform.auth_verify('signup', null, 'g1', 3600, 'ua', '127.0.0.1')),
          'session', 'its link is not');
select sign_up('old', 'o1');
update auth.users set confirmation_sent_at = now() - interval '3601 seconds' where id = id('old');
select is(use_code('signup', 'old', 'o1'), 'expired', 'a code ends after its time');

-- An address that is taken
select is(sign_up('eve', 'h3'), 'user', 'looks new');
select is(sign_up('eve', 'h3', true), 'taken', 'where nothing hides it, it is said');
select is((select user_object::jsonb -> 'identities' from platform.auth_sign_up('eve@example.com', 'x',
           '{"n": 1}', false, null, 'ua', '127.0.0.1')), '[]', 'but has no identities');
select is((select count(*) from outbox where person = id('eve')), 2::bigint, 'and no mail');

-- Sessions
create temporary table s as select id from auth.sessions where user_id = id('eve');
select is(refresh((select id from s), 0), 'ok 1', 'a refresh');
select is(refresh((select id from s), 0), 'ok 1', 'its answer got lost');
select is(refresh((select id from s), 1), 'ok 2', 'the next');
select is(refresh((select id from s), 3), 'ahead', 'one that nobody made');
select is(refresh((select id from s), 0, 0), 'used', 'a stolen one');
select is(sessions('eve'), 0::bigint, 'ends the session');
select is((select outcome from platform.auth_sign_in(id('eve'), '$2b$04$x', null, 'ua', '127.0.0.1')),
          'session', 'sign in');
select is((select outcome from platform.auth_sign_in(id('eve'), '$2b$04$y', null, 'ua', '127.0.0.1')),
          'invalid', 'not when the password was changed since it was compared');
select is((select outcome from platform.auth_sign_in(id('old'), '$2b$04$x', null, 'ua', '127.0.0.1')),
          'not_confirmed', 'nor unconfirmed');
select platform.set_standing(id('eve'), 'banned', 'x');
select is((select outcome from platform.auth_sign_in(id('eve'), '$2b$04$x', null, 'ua', '127.0.0.1')),
          'banned', 'nor banned');
select is(refresh((select id from auth.sessions where user_id = id('eve')), 0), 'banned', 'nor on');
select is((select outcome from platform.auth_user_of_session(id('eve'),
           (select id from auth.sessions where user_id = id('eve')))), 'banned', 'nor asked for');
select platform.set_standing(id('eve'), 'active', 'x');

-- Recovery, PKCE
select is((select outcome from platform.auth_recover('eve@example.com', 'recovery',
           mail('eve@example.com', 'pkce_r1', '{"method": "plain", "challenge": "secret"}'), '127.0.0.1')),
          'ok', 'a forgotten password');
select is((select outcome from platform.auth_recover('nobody@example.com', 'recovery', null, '127.0.0.1')),
          'unknown', 'of nobody');
select is(use_code('recovery', 'eve', 'r1'), 'session', 'a typed code has no pkce_');
select platform.auth_recover('gus@example.com', 'recovery',
    mail('gus@example.com', 'pkce_r2', '{"method": "plain", "challenge": "secret"}'), '127.0.0.1');
create temporary table f as select session_id as code
from platform.auth_verify('recovery', null, 'pkce_r2', 3600, 'ua', '127.0.0.1');
select is((select outcome from platform.auth_exchange((select code from f), 'guess', 'ua', '127.0.0.1')),
          'bad_verifier', 'the code alone is not enough');
select is((select outcome from platform.auth_exchange((select code from f), 'secret', 'ua', '127.0.0.1')),
          'session', 'with what began the flow it is');
select is((select outcome from platform.auth_exchange((select code from f), 'secret', 'ua', '127.0.0.1')),
          'not_found', 'once');

-- A new password
select is((select outcome from platform.auth_change_user(id('eve'), null, '$2b$04$x', null, '$2b$04$new',
           null, 3600, null, null, null, '127.0.0.1')), 'ok', 'a new password');
select is(sessions('eve'), 0::bigint, 'ends the sessions');
select is((select count(*) from outbox where person = id('eve') and template_name = 'auth_password_changed'),
          1::bigint, 'and is told by mail');

-- Who may
select is_empty(
    $$ select r.rolname, p.proname
       from pg_roles as r
       cross join pg_proc as p
       where p.pronamespace = 'platform'::regnamespace and p.proname like 'auth\_%'
         and r.rolname <> 'fn_auth' and not r.rolsuper and r.rolname !~ '^pg_'
         and has_function_privilege(r.oid, p.oid, 'execute') $$,
    'none but the service runs any of it');
select is_empty(
    $$ select r.rolname, c.relname
       from pg_roles as r
       cross join pg_class as c
       where c.relnamespace = 'auth'::regnamespace and c.relkind = 'r'
         and not r.rolsuper and r.rolname !~ '^pg_'
         and has_table_privilege(r.oid, c.oid, 'select, insert, update, delete') $$,
    'and none at all touches the tables');
select is(as_user('eve', $$ select count(*) from auth.sessions $$), 'ERROR 42501', 'users neither');
select * from finish();
rollback;
