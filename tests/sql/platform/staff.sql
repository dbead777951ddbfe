-- Who administers.
begin;
select plan(11);
select make_user('bob');
select make_user('boss', false);
insert into administrators (email) values ('boss@example.com');
select is(as_user('boss', 'select platform.is_admin()'), 'false',
          'an unconfirmed address does not count');
update auth.users set email_confirmed_at = now() where email = 'boss@example.com';
select is(as_user('boss', 'select platform.is_admin()'), 'true', 'a confirmed one does');
update auth.users set banned_until = now() + interval '1 day' where email = 'boss@example.com';
select is(as_user('boss', 'select platform.is_admin()'), 'false', 'not while banned');
update auth.users set banned_until = null where email = 'boss@example.com';
update administrators set is_active = false where email = 'boss@example.com';
select is(as_user('boss', 'select platform.is_admin()'), 'false', 'not when inactive');
update administrators set is_active = true where email = 'boss@example.com';
select is(act('authenticated', jsonb_build_object('sub', id('bob'), 'role', 'authenticated',
              'email', 'boss@example.com'), 'select platform.is_admin()'), 'false',
          'the address in a token is not believed');
select is(act('authenticated', jsonb_build_object('sub', id('bob'), 'role', 'authenticated',
              'user_metadata', '{"role": "admin"}'::jsonb), 'select platform.is_admin()'), 'false',
          'nor are claims a user can set');
select is(act('authenticated', jsonb_build_object('sub', id('bob'), 'role', 'authenticated',
              'app_metadata', '{"role": "admin"}'::jsonb), 'select platform.is_admin()'), 'true',
          'the app_metadata claim counts');
select is(as_anon('select platform.is_admin()'), 'false', 'a visitor is no administrator');
select is(as_user('bob', 'insert into administrators (email) values (''bob@example.com'')'),
          'ERROR 42501', 'nobody makes himself one');
select is(as_user('bob', 'select count(*) from administrators'), '0', 'or sees who is');
select is(as_anon('select count(*) from auth.users'), 'ERROR 42501', 'auth.users is closed');
select * from finish();
rollback;
