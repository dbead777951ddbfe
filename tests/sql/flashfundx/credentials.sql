-- Trading passwords at rest: sealed when they are written, opened for those who may, rotated.
begin;
select plan(54);

select make_user('ann'), make_user('bob'), make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
\set account '''11111111-1111-1111-1111-111111111111'''
\set other '''22222222-2222-2222-2222-222222222222'''
\set one 'k1:' `printf '0%.0s' $(seq 64)`
\set two 'k2:' `printf 'ab%.0s' $(seq 32)`

-- Sealing ----------------------------------------------------------------------------------------

create temporary table v as select platform.seal('geheim €', :account, 'password') as sealed;
select matches(sealed, '^ffx1\.k1\.[A-Za-z0-9_-]+$', 'a sealed value names its key') from v;
select is(platform.unseal(sealed, :account, 'password'), 'geheim €', 'and opens again') from v;
select isnt(platform.seal('geheim €', :account, 'password'), sealed, 'never twice the same') from v;
select is(platform.unseal(platform.seal(p, :account, 'password'), :account, 'password'), p,
          format('%s characters', length(p)))
from unnest(array['', 'a', repeat('x', 15), repeat('x', 16), repeat('x', 17), repeat('ß', 500)]) as p;
select throws_ok(format('select platform.unseal(%L, %L, %L)', sealed, :other, 'password'), 'FFX11',
                 null, 'not for another account') from v;
select throws_ok(format('select platform.unseal(%L, %L, %L)', sealed, :account, 'investor_password'),
                 'FFX11', null, 'not for the other column') from v;
-- The last character of a group may have bits that belong to no byte; the check is on bytes.
select is((select count(*) from generate_series(9, length(sealed) - 2) as n
           where try_unseal(overlay(sealed placing
                     case substr(sealed, n::int, 1) when 'A' then 'B' else 'A' end
                     from n::int for 1), :account) = 'FFX11'),
          (length(sealed) - 10)::bigint, 'not with any character changed') from v;
select is(try_unseal(left(sealed, n), :account), 'FFX11', format('not cut to %s', n))
from v, unnest(array[8, 20, 60, 91, 92, 93]) as n;
select is(try_unseal('ffx1.k9.' || substr(sealed, 9), :account), 'FFX10', 'nor without its key') from v;
select is(try_unseal('plain', :account), 'FFX10', 'a plain value is none');

-- Writing ----------------------------------------------------------------------------------------

insert into account_container (id, account_size, platform_type, server_name, login_id, password)
values (:account, 10000, 'mt5', 'Demo', 'a', 'pw-a');
select is(platform.unseal(password, :account, 'password') || coalesce(investor_password, ''), 'pw-a',
          'a plain password is sealed when it is inserted')
from account_container where id = :account;
update account_container set investor_password = 'inv-a' where id = :account;
select is(platform.unseal(investor_password, :account, 'investor_password'), 'inv-a',
          'and when it is changed') from account_container where id = :account;
create temporary table before as select * from account_container where id = :account;
update account_container set notes = 'x', password = password where id = :account;
select is(c.password, b.password, 'what is sealed stays')
from account_container as c join before as b using (id);
select throws_ok(format($$ insert into account_container (id, account_size, platform_type,
                              server_name, login_id, password)
                           select %L, 10000, 'mt5', 'Demo', 'b', password from before $$, :other),
                 'FFX11', null, 'a value of another account is refused');
select is((select count(*) from admin_audit_log where old_values::text || new_values::text
               ~ 'ffx1|pw-a|inv-a'), 0::bigint, 'none of them is in the audit');

set local ffx.credential_keys = '';
select throws_like($$ insert into account_container (account_size, platform_type, server_name,
                          login_id, password) values (10000, 'mt5', 'Demo', 'c', 'pw-c') $$,
                   '%this session has no key%', 'without a key nothing is stored');
select throws_ok($$ update account_container set password = 'new' $$, 'FFX10', null,
                 'nor changed');
select throws_ok($$ update account_container set id = gen_random_uuid() $$, 'FFX11', null,
                 'nor left behind under another id');
select throws_ok('select platform.unseal(password, id, ''password'') from account_container',
                 'FFX10', null, 'nor opened');
set local session_replication_role = replica;       -- no triggers
select throws_ok($$ update account_container set password = 'new' $$, '23514', null,
                 'the table itself takes no plain one');
set local session_replication_role = origin;
select set_config('ffx.credential_keys', 'k2:' || repeat('a', 64) || ',k1:' || repeat('b', 64) || ',k1:' || repeat('c', 64), true);
select throws_ok('select platform.seal(''x'', gen_random_uuid(), ''password'')', 'FFX10',
                 'ffx.credential_keys has two keys of one id', 'two keys of one id');
set local ffx.credential_keys = 'k1:short';
select throws_ok('select platform.seal(''x'', gen_random_uuid(), ''password'')', 'FFX10',
                 'ffx.credential_keys is malformed: it must be id:64 hex digits[,id:…]',
                 'a malformed setting is not repeated in the message');
set local ffx.credential_keys = '';

-- Delivery and reading ---------------------------------------------------------------------------

select make_order('ann', 1);
select is(event('FFX000000001', '11', 'finished'), 'applied completed/paid/delivered',
          'a delivery needs no key');
select is(d.password || d.investor_password, b.password || b.investor_password,
          'it hands the values on as they are')
from delivered_accounts as d join before as b on b.id = d.container_account_id;
\set read 'select reveal_credential(container_account_id, ''password'', password) from delivered_accounts'
select is(as_user('ann', :'read'), 'sealed:' || :account || ':password:' || b.password,
          'the owner''s row carries it for the program that has the keys') from before as b;
select set_config('ffx.credential_keys', :'one', true);
select is(as_user('ann', :'read'), 'pw-a', 'a session with the keys gets it in clear');
select is(as_user('bob', :'read'), null, 'nobody else sees the row');
select is(as_user('bob', format('select reveal_credential(%L, ''password'', %L)', :account, b.password)),
          'ERROR 42501', 'nor may open what he got elsewhere') from before as b;
select is(as_user('boss', :'read'), 'pw-a', 'administrators may');
select is(as_service(:'read'), 'pw-a', 'and the service role');
select rows_eq('select column_name, reader, reason from credential_reveals order by id',
    $$ values ('password', 'ann@example.com', 'read'), ('password', 'ann@example.com', 'read'),
              ('password', 'boss@example.com', 'read'), ('password', 'service_role', 'read') $$,
    'each reveal is on record');
select throws_ok('delete from credential_reveals', '42501', null, 'for good');

-- Rotation ---------------------------------------------------------------------------------------

update account_container set password = password;
select set_config('ffx.credential_keys', :'two' || ',' || :'one', true);
select rows_eq('select * from backend.credentials_by_key()', $$ values ('k1', 4::bigint) $$,
               'all under the old key');
create temporary table audited as select count(*) as n from admin_audit_log;
select is((resealed, unreadable)::text, '(1,0)', 'sealed again')
from backend.reseal_some('account_container', '00000000-0000-0000-0000-000000000000', 100);
select is((resealed, unreadable)::text, '(0,0)', 'once')
from backend.reseal_some('account_container', '00000000-0000-0000-0000-000000000000', 100);
select rows_eq('select * from backend.credentials_by_key()',
               $$ values ('k1', 2::bigint), ('k2', 2) $$, 'an interrupted run leaves both kinds');
select is((resealed, unreadable)::text, '(1,0)', 'the delivered ones')
from backend.reseal_some('delivered_accounts', '00000000-0000-0000-0000-000000000000', 100);
select set_config('ffx.credential_keys', :'one', true);
select isnt(platform.write_mail('code', 'x', 'a@example.com', '{}', null, null, '{"code": "1"}'), null,
            'a mail that waits');
select set_config('ffx.credential_keys', :'two' || ',' || :'one', true);
select rows_eq('select * from backend.credentials_by_key()',
               $$ values ('k1', 1::bigint), ('k2', 4) $$, 'its secret counts');
select is((resealed, unreadable)::text, '(1,0)', 'and is sealed again') from platform.reseal_mails();
select rows_eq('select * from backend.credentials_by_key()', $$ values ('k2', 5::bigint) $$,
               'nothing is left under the old key');
select set_config('ffx.credential_keys', :'two', true);
select is(as_user('ann', :'read'), 'pw-a', 'the new key opens them alone');
select is((select count(*) from admin_audit_log), (select n from audited), 'no audit row per password');
select set_config('ffx.credential_keys', 'k3' || substr(:'two', 3), true);
select is((resealed, unreadable)::text, '(0,1)', 'what has no key is told, and does not stop the run')
from backend.reseal_some('delivered_accounts', '00000000-0000-0000-0000-000000000000', 100);

select * from finish();
rollback;
