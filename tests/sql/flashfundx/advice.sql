-- What a database linter of a hosted Supabase looks at (splinter), from the catalog itself.
begin;
select plan(7);
create temporary view ours as
    select n.oid, n.nspname from pg_namespace as n
    where n.nspname in ('public', 'auth', 'platform', 'backend');

-- Whoever may run a function, or sets off a trigger, brings a search_path along. Helpers that only
-- the owner may run are called from functions that have a fixed one.
select is_empty(
    $$ select p.oid::regprocedure
       from pg_proc as p
       where p.pronamespace in (select oid from ours)
         and not exists (select from unnest(p.proconfig) as c where c like 'search_path=%')
         and (p.prorettype = 'trigger'::regtype
              or exists (select from aclexplode(p.proacl) as a
                         where a.grantee not in (0, p.proowner)))
         -- Nothing in them is looked up but what pg_catalog has, which comes first on every path, or
         -- what is named with its schema; policies have auth's inlined, and the others run with every
         -- change of a row, with the rights of whoever makes it.
         and p.oid::regprocedure::text <> all (array[
            'auth.uid()', 'auth.role()', 'auth.email()', 'auth.jwt()',
            'platform.update_updated_at_column()', 'platform.update_last_updated_column()',
            'platform.by_people()', 'backend.keep_booked()', 'backend.expect_check()',
            'refuse_recycling()', 'platform.check_mail_words()',
            'backend.check_event_outcome()']) $$,
    'every function that others set off has a fixed search_path');
select is_empty(
    $$ select f.conrelid::regclass, f.conname
       from pg_constraint as f
       where f.contype = 'f' and f.connamespace in (select oid from ours)
         and not exists (
            select from pg_index as i
            where i.indrelid = f.conrelid
              and (i.indkey::int2[])[0:array_length(f.conkey, 1) - 1] @> f.conkey
              and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) like '%IS NOT NULL%')) $$,
    'every foreign key has an index');
-- Each would cost every query of a customer both conditions.
select is_empty(
    $$ select p.polrelid::regclass::text
       from pg_policy as p
       cross join unnest(array['r', 'a', 'w', 'd']) as c (command)
       where p.polpermissive and p.polcmd in (c.command::"char", '*')
         and (p.polroles = '{0}' or 'authenticated'::regrole = any (p.polroles))
       group by p.polrelid, c.command
       having count(*) > 1 $$,
    'no two permissive policies of customers for one command');
select is_empty(
    $$ select c.oid::regclass from pg_class as c
       where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
         and not c.relrowsecurity $$,
    'every table of public has row level security');
select is_empty(
    $$ select c.oid::regclass from pg_class as c
       where c.relkind in ('v', 'm') and c.relnamespace = 'public'::regnamespace
         and not coalesce(c.reloptions @> array['security_invoker=true'], false) $$,
    'every view of public asks as its caller');
select is_empty(
    $$ select e.extname from pg_extension as e
       where e.extnamespace = 'public'::regnamespace $$, 'no extension is in public');
-- Customers count the stock in the shop: the contract says so. The rest asks who calls.
select is_empty(
    $$ select p.oid::regprocedure from pg_proc as p
       cross join unnest(array['anon', 'authenticated', 'staff']) as r (name)
       where p.pronamespace in (select oid from ours) and p.prosecdef
         and has_function_privilege(r.name, p.oid, 'execute')
         and p.prosrc !~ 'require_duty|require_own_or_support|v_id constant uuid := auth\.uid\(\)|d\.user_id = auth\.uid\(\)'
         and p.proname not in ('get_available_accounts_count', 'has_duty', 'in_good_standing') $$,
    'what customers may run with the owner''s rights asks who they are');
select * from finish();
rollback;
