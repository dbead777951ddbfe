-- Sign-up and profiles.
begin;
select plan(30);

insert into auth.users (id, email, raw_user_meta_data)
values ('00000000-0000-0000-0000-0000000000a1', 'ann@example.com',
        '{"first_name": "Ann", "last_name": "Lee", "phone": "+1", "country": "SE",
          "marketing_consent": true, "password": "clear text"}');

select rows_eq(
    $$ select first_name, last_name, email, phone, country, marketing_consent, account_status,
              total_orders, total_spent, password
       from user_profiles where id = '00000000-0000-0000-0000-0000000000a1' $$,
    $$ values ('Ann', 'Lee', 'ann@example.com', '+1', 'SE', true, 'active', 0, 0.00, '') $$,
    'the profile is made from the sign-up metadata');
select is((select raw_user_meta_data ? 'password' from auth.users where email = 'ann@example.com'),
          false, 'the clear password is dropped before the user is written');
update auth.users set raw_user_meta_data = raw_user_meta_data || '{"password": "again"}'
where email = 'ann@example.com';
select is((select raw_user_meta_data ? 'password' from auth.users where email = 'ann@example.com'),
          false, 'also when it comes with a later change');
select is((select count(*) from user_profiles as p where p::text like '%clear text%'), 0::bigint,
          'and is nowhere in the profile');

select lives_ok(
    $$ insert into auth.users (email, raw_user_meta_data) values
       ('n1@example.com', null),
       ('n2@example.com', '[]'),
       ('n3@example.com', '"text"'),
       ('n4@example.com', '{"marketing_consent": "perhaps", "first_name": {"a": 1}}'),
       (null, '{}') $$,
    'no metadata refuses a sign-up');

update auth.users set email = 'ann.lee@example.com', last_sign_in_at = '2026-01-02Z'
where email = 'ann@example.com';
select rows_eq(
    $$ select email, last_login_at from user_profiles
       where id = '00000000-0000-0000-0000-0000000000a1' $$,
    $$ values ('ann.lee@example.com', '2026-01-02Z'::timestamptz) $$,
    'the profile follows the address and the sign-in');
update user_profiles set password = 'secret' where first_name = 'Ann';
select is((select password from user_profiles where first_name = 'Ann'), '',
          'a password written into a profile is not kept');

-- Own profile
select make_user('bob');
select make_user('eve');
select is(as_user('bob', $$ update user_profiles set first_name = 'Robert', phone = '+2',
                            marketing_consent = true
                            where id = auth.uid() $$), '1', 'a customer changes the contact data');
select is(as_user('bob', format($$ update user_profiles set %s where id = auth.uid() $$, change)),
          'ERROR 42501', 'a customer may not: ' || change)
from unnest(array['account_status = ''banned''', 'total_orders = 9', 'total_spent = 9',
                  'email = ''x@example.com''', 'signup_ip = ''1''', 'last_login_at = now()',
                  'deleted_at = now()']) as change;
select is(as_user('bob', $$ update user_profiles set account_status = 'active', first_name = 'Rob'
                            where id = auth.uid() $$), '1', 'unchanged protected columns pass');
select is(as_user('eve', $$ update user_profiles set first_name = 'x' where id <> auth.uid() $$),
          '0', 'other profiles are out of reach');
select is(as_user('bob', $$ insert into user_profiles (id, email)
                            values (gen_random_uuid(), 'x@example.com') $$),
          'ERROR 42501', 'profiles are made by sign-up only');

select is((select string_agg(email || ' ' || duties::text || is_first, ',') from platform.administrators),
          'admin@flashfundx.com {owner}true', 'the default first owner');

-- How a customer stands
select make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
select is(as_user('boss', $$ update user_profiles set account_status = 'suspended'
                             where first_name = 'Rob' $$), 'ERROR 42501', 'not by a write');
select is(as_user('boss', $$ update user_profiles set phone = '1' where first_name = 'Rob' $$), '1',
          'as staff change contact data for a customer');
select is(as_user('boss', format($$ select set_customer_standing(%L, 'suspended', 'odd') ->> 'changed' $$,
                                 id('bob'))), 'true', 'an owner suspends');
select rows_eq($$ select standing, reason, set_by from platform.standing $$,
               $$ values ('suspended', 'odd', 'boss@example.com') $$, 'which decides at once');
select is((select count(*) from admin_audit_log where action_type = 'SET_STANDING'
           and admin_email = 'boss@example.com'), 1::bigint, 'and is on record');
select platform.set_standing(id('bob'), 'banned', 'fraud');
select is((select account_status from user_profiles where first_name = 'Rob'), 'banned',
          'the profile follows what is set elsewhere');
select is((select reason from platform.standing), 'fraud', 'which keeps its reason');
select platform.set_standing(id('bob'), 'active', null);
select is((select account_status from user_profiles where first_name = 'Rob'), 'active',
          'and back');
select platform.set_standing(id('eve'), 'banned', null);
select lives_ok($$ delete from auth.users where email = 'eve@example.com' $$,
                'who is banned may be deleted');
select is((select count(*) from platform.standing), 0::bigint, 'as a whole');
delete from user_profiles where id = id('bob');
insert into user_profiles (id, email, account_status)
values (id('bob'), 'bob@example.com', 'suspended');
select is(platform.standing_of(id('bob')), 'suspended', 'a profile may begin suspended');
select * from finish();
rollback;
