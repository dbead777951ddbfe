-- What every application must keep: tables protected and described, functions described.
begin;
select plan(11);

-- The schemas that migrations make functions in.
create temporary view ours as
    select n.oid, n.nspname
    from pg_namespace as n
    where n.nspname !~ '^pg_'
      and n.nspname not in ('information_schema', 'extensions', 'migrations', 'tap', 'tests');

select is_empty(
    $$ select relname from pg_class
       where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
         and not relrowsecurity $$,
    'row level security is on for every table');

select is_empty(
    $$ select relname from pg_class
       where relnamespace in ('public'::regnamespace, 'auth'::regnamespace,
                              'platform'::regnamespace)
         and relkind = 'r'
         and obj_description(oid, 'pg_class') is null $$,
    'every table has a comment');

select is_empty(
    $$ select oid::regprocedure from pg_proc
       where pronamespace in (select oid from ours)
         and obj_description(oid, 'pg_proc') is null $$,
    'every function has a comment');

select has_column('auth', 'users', c, 'auth.users.' || c)
from unnest(array['id', 'email', 'encrypted_password', 'email_confirmed_at', 'raw_app_meta_data',
                  'raw_user_meta_data', 'last_sign_in_at', 'banned_until']) as c;
select * from finish();
rollback;
