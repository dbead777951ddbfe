-- Customers read all that is kept about them, and have it deleted.
begin;
select plan(17);
select make_user('ann');
select make_user('bob');
select make_order('ann', n) from generate_series(1, 2) as n;
select make_order('bob', 3);
insert into auth.sessions (user_id, user_agent, ip) values (id('ann'), 'Browser', '10.0.0.1');
insert into auth.devices (user_id, device) select id(u.name), platform.auth_device('Browser') from (values ('ann'), ('bob')) as u (name);
insert into auth.mfa_factors (user_id, friendly_name, factor_type, status, secret) values (id('ann'), 'phone', 'totp', 'verified', 'MZXW6YTB');

select is(act('anon', null, 'select export_my_data()'), 'ERROR 42501', 'nobody has no data');
select is(as_service('select export_my_data()'), 'ERROR 42501', 'nor has the service');
create temporary table e as select as_user('ann', 'select export_my_data()')::jsonb as data;
select is((select array(select jsonb_object_keys(data) order by 1) from e),
          array['accounts', 'devices', 'factors', 'login', 'mails', 'orders', 'payments', 'profile', 'sessions'], 'all of it');
select is((select data -> 'login' ->> 'email' from e), 'ann@example.com', 'the own');
select is((select jsonb_array_length(data -> 'orders') from e), 2, 'the own orders');
select is((select data -> 'sessions' -> 0 ->> 'ip' from e), '10.0.0.1', 'where one signed in');
select is((select jsonb_array_length(data -> 'devices') from e), 1, 'and with what');
select is((select data -> 'factors' -> 0 ->> 'name' from e), 'phone', 'and by what else');
select ok((select data::text !~ 'MZXW6YTB|secret|encrypted_password|ffx1\.' from e), 'and no password');

select is(as_user('ann', $$ select delete_my_account('bob@example.com') $$), 'false', 'not by a slip');
select is((select count(*) from auth.users where id = id('ann')), 1::bigint, 'nothing was deleted');
create temporary table ann as select id('ann') as id;
select is(as_user('ann', $$ select delete_my_account('ann@example.com') $$), 'ERROR 42501', 'nor with the password alone, beside a factor');
delete from auth.mfa_factors;
select is(as_user('ann', $$ select delete_my_account('Ann@example.com') $$), 'true', 'by the own address');
select is((select count(*) from auth.users as u join ann using (id)), 0::bigint, 'the login is gone');
select is((select count(*) from auth.devices), 1::bigint, 'with its devices');
select rows_eq($$ select p.email, p.first_name, p.deleted_at is not null
                  from user_profiles as p join ann using (id) $$,
               $$ values ('', null::text, true) $$, 'what was ordered stays, without a name');
select is((select count(*) from orders as o join ann on ann.id = o.user_id), 2::bigint, 'and the orders');
select * from finish();
rollback;
