-- What holds for every program and every application, from the catalog itself.
begin;
select plan(12);

-- The schemas that migrations make functions in.
create temporary view ours as
    select n.oid, n.nspname
    from pg_namespace as n
    where n.nspname !~ '^pg_'
      and n.nspname not in ('information_schema', 'extensions', 'migrations', 'tap', 'tests');

select is_empty(
    $$ select r.rolname, c.oid::regclass, p.name
       from pg_roles as r
       cross join pg_class as c
       cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references',
                               'trigger']) as p (name)
       where (r.rolname like 'fn\_%' or r.rolname = 'ffx_function')
         and c.relkind in ('r', 'v', 'm', 'p')
         and (c.relnamespace in (select oid from ours)
              or c.relnamespace = 'migrations'::regnamespace)
         and has_table_privilege(r.oid, c.oid, p.name) $$,
    'no program may touch a table');

select is_empty(
    $$ select r.rolname
       from pg_roles as r
       where (r.rolname like 'fn\_%' or r.rolname = 'ffx_function')
         and (r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolbypassrls
              or r.rolreplication) $$,
    'no program has a special power');

select is_empty(
    $$ select m.member::regrole, m.roleid::regrole
       from pg_auth_members as m
       join pg_roles as r on r.oid = m.member
       where (r.rolname like 'fn\_%' and r.rolname <> 'fn_rest'
              and m.roleid <> 'ffx_function'::regrole)
          or r.rolname = 'ffx_function' $$,
    'no program is a member of more than ffx_function');

select results_eq(
    $$ select r.rolinherit, array_agg(m.roleid::regrole::text order by m.roleid::regrole::text collate "C")
       from pg_roles as r
       join pg_auth_members as m on m.member = r.oid
       where r.rolname = 'fn_rest'
       group by r.rolinherit $$,
    $$ values (false, array['anon', 'authenticated', 'service_role', 'staff']) $$,
    'but the data API, which may become who asks and inherits nothing of it');

select is_empty(
    $$ select r.rolname, s.name
       from pg_roles as r
       cross join unnest(array['statement_timeout', 'lock_timeout',
                               'idle_in_transaction_session_timeout']) as s (name)
       where r.rolname like 'fn\_%'
         and not exists (
            select from unnest(r.rolconfig) as c where split_part(c, '=', 1) = s.name) $$,
    'every program has its time limits');

select is_empty(
    $$ select oid::regprocedure from pg_proc
       where pronamespace in (select oid from ours)
         and (proacl is null or exists (
                select from aclexplode(proacl) as a where a.grantee = 0)) $$,
    'PUBLIC can run nothing');

select is_empty(
    $$ select oid::regprocedure from pg_proc
       where pronamespace in (select oid from ours)
         and prosecdef
         and not exists (
            select from unnest(proconfig) as c
            where c ~ '^search_path=.*pg_temp$') $$,
    'every SECURITY DEFINER function has a fixed search_path with pg_temp last');

select is_empty(
    $$ select c.relname, r.name, p.name
       from pg_class as c
       cross join unnest(array['anon', 'authenticated', 'service_role']) as r (name)
       cross join unnest(array['truncate', 'references', 'trigger']) as p (name)
       where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
         and has_table_privilege(r.name, c.oid, p.name) $$,
    'nobody truncates: row level security would not be asked');

select is_empty(
    $$ select c.relname, r.name, p.name
       from pg_class as c
       cross join unnest(array['anon', 'authenticated', 'service_role']) as r (name)
       cross join unnest(array['usage', 'select', 'update']) as p (name)
       where c.relnamespace = 'public'::regnamespace and c.relkind = 'S'
         and has_sequence_privilege(r.name, c.oid, p.name) $$,
    'nobody sets a sequence back');

select is_empty(
    $$ select r.name, p.name
       from unnest(array['anon', 'authenticated', 'service_role']) as r (name)
       cross join unnest(array['select', 'insert', 'update', 'delete']) as p (name)
       where has_table_privilege(r.name, 'auth.users', p.name) $$,
    'auth.users is closed to the data API');

select ok((select rolbypassrls from pg_roles where rolname = 'service_role'),
          'service_role bypasses row level security');
select ok((select not rolinherit from pg_roles where rolname = 'authenticator'),
          'authenticator inherits nothing');

select * from finish();
rollback;
