-- Who is staff, and what of it a token can say.
begin;
select plan(26);
select make_user('bob');
select make_user('boss', false);
insert into administrators (email, duties) values ('boss@example.com', '{finance}');
create function tests.finance(p_name text) returns text language sql as $$
    select tests.act('staff', jsonb_build_object('sub', tests.id(p_name), 'role', 'staff'),
                     'select platform.has_duty(''finance'')') $$;
select is(finance('boss'), 'false', 'an unconfirmed address does not count');
update auth.users set email_confirmed_at = now() where email = 'boss@example.com';
select is(finance('boss'), 'true', 'a confirmed one does');
update auth.users set banned_until = now() + interval '1 day' where email = 'boss@example.com';
select is(finance('boss'), 'false', 'not while banned');
update auth.users set banned_until = null where email = 'boss@example.com';
select platform.set_standing(id('boss'), 'suspended', 'x');
select is(finance('boss'), 'false', 'nor while suspended');
select platform.set_standing(id('boss'), 'active', null);
update administrators set is_active = false where email = 'boss@example.com';
select is(finance('boss'), 'false', 'not when inactive');
update administrators set is_active = true where email = 'boss@example.com';
update auth.users set deleted_at = now() where email = 'boss@example.com';
select is(finance('boss'), 'false', 'nor when deleted');
update auth.users set deleted_at = null where email = 'boss@example.com';
select is(as_user('boss', 'select platform.has_duty(''support'')'), 'false', 'a duty is one');
select is(as_user('boss', 'select platform.has_duty(''support'', ''finance'')'), 'true', 'any of several');
select is(as_user('boss', 'select platform.has_duty()'), 'false', 'none of them is the owner''s');
update administrators set duties = '{owner}' where email = 'boss@example.com';
select is(as_user('boss', 'select platform.has_duty(''support'')'), 'true', 'who may all');

-- Tokens
select is(act('staff', jsonb_build_object('sub', id('bob'), 'role', 'staff', 'email', 'boss@example.com',
              'app_metadata', '{"role": "admin"}'::jsonb, 'user_metadata', '{"role": "admin"}'::jsonb),
              'select platform.has_duty()'), 'false', 'no claim makes an owner');
select is(platform.token_role(u), case when u.email like 'boss%' then 'staff' else 'authenticated' end,
          'the role of ' || u.email) from auth.users as u order by u.email;
update auth.users set role = 'x' where email = 'boss@example.com';
select is(platform.token_role(u), 'x', 'another role of the user stays')
from auth.users as u where email = 'boss@example.com';
update auth.users set role = 'authenticated' where email = 'boss@example.com';

-- The table
select is(as_anon('select platform.has_duty()'), 'ERROR 42501', 'a visitor asks nothing');
select is(as_user('bob', 'insert into administrators (email, duties) values (''bob@example.com'', ''{owner}'')'),
          'ERROR 42501', 'nobody makes himself an owner');
select is(as_user('bob', 'select count(*) from administrators'), 'ERROR 42501', 'or sees who is');
update administrators set duties = '{finance}' where email = 'boss@example.com';
select is(as_user('boss', 'select count(*) from administrators'), '0', 'nor does who is none');
select is(as_user('boss', 'update administrators set duties = ''{owner}'''), '0', 'and raises himself');
select throws_ok($$ insert into administrators (email, duties) values ('x@example.com', '{boss}') $$,
                 '23514', null, 'duties are those there are');
select throws_ok($$ insert into administrators (email, duties) values ('x@example.com', '{}') $$,
                 '23514', null, 'and at least one');
select is(as_anon('select count(*) from auth.users'), 'ERROR 42501', 'auth.users is closed');

-- The first owner
delete from platform.administrators;
insert into platform.administrators (email, duties, is_first) values ('first@example.com', '{owner}', true);
insert into administrators (email, duties) values ('boss@example.com', '{finance}');
select make_user('first', false);
select ok(is_active, 'staff close no door') from platform.administrators where is_first;
update administrators set duties = '{finance,owner}' where email = 'boss@example.com';
select ok(not is_active, 'an owner closes that of the first') from platform.administrators where is_first;
update auth.users set email_confirmed_at = now() where email = 'first@example.com';
select is(as_user('first', 'select 1') || platform.duties_of(id('first'))::text, '1{}', 'for good');
update administrators set is_active = true where email = 'first@example.com';
insert into administrators (email, duties) values ('third@example.com', '{owner}');
select ok(is_active, 'who came through it stays') from platform.administrators where is_first;
select * from finish();
rollback;
