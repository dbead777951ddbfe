-- Staff and the second factor: duty by level, by how long ago the factor was used, by function, called directly.
begin;
select no_plan();
select make_user(who) from unnest(array['ann', 'owner', 'finance', 'support', 'inventory']) as who;
insert into administrators (email, duties)
select who || '@example.com', array[who] from unnest(array['owner', 'finance', 'support', 'inventory']) as who;
create temporary table people (who text, letter text);
insert into people values ('ann', 'a'), ('owner', 'o'), ('finance', 'f'), ('support', 's'), ('inventory', 'i');
\ir staff_calls.psql
select make_order('ann', 1);

-- What a token says, and what is true of its session. `acts`: whoever has it acts; `grave`: gravely, too.
create temporary table states (name text, aal text, minutes integer, acts boolean, grave boolean);
insert into states
values ('no factor was used', 'aal1', null, false, false), ('now', 'aal2', 0, true, true),
       ('14 minutes ago', 'aal2', 14, true, true), ('15 minutes ago', 'aal2', 15, true, false),
       ('the token says less', 'aal1', 0, false, false), ('the session has ended', 'aal2', 0, false, false),
       ('the factor was taken away', 'aal2', 0, false, false), ('an older token', 'aal2', 40, true, false),
       ('the session of another', 'aal2', 0, false, false);
create temporary table sessions (who text, state text, id uuid default gen_random_uuid());
insert into sessions (who, state) select p.who, s.name from people as p, states as s;
insert into auth.sessions (id, user_id, aal)
select x.id, id(case when s.name ~ 'another' then case x.who when 'ann' then 'owner' else 'ann' end else x.who end),
       case when s.minutes is null or s.name ~ 'taken' then 'aal1' else 'aal2' end::auth.aal_level
from sessions as x join states as s on s.name = x.state where s.name !~ 'ended';
insert into auth.mfa_amr_claims (session_id, authentication_method, updated_at)
select x.id, 'totp', now() - case when s.name ~ 'older' then 0 else s.minutes end * interval '1 minute'
from sessions as x join states as s on s.name = x.state where s.minutes is not null and s.name !~ 'ended';

create temporary table tokens as
    select x.who, x.state, p.letter, jsonb_build_object('sub', id(x.who), 'role', platform.token_role(u), 'session_id', x.id,
        'aal', s.aal, 'amr', case when s.minutes is null then '[]' else jsonb_build_array(
            jsonb_build_object('method', 'totp', 'timestamp', floor(extract(epoch from now())) - 60 * s.minutes),
            jsonb_build_object('method', 'password', 'timestamp', 1)) end) as claims
    from sessions as x join states as s on s.name = x.state join people as p using (who) join auth.users as u on u.id = id(x.who);
create function tests.claims(p_who text, p_state text) returns jsonb language plpgsql as $$
begin return (select t.claims from tokens as t where t.who = p_who and t.state = p_state); end $$;
create function tests.as_staff(p_who text, p_state text, p_sql text) returns text language plpgsql as $$
declare v_claims jsonb := tests.claims(p_who, p_state);
begin return tests.act(v_claims ->> 'role', v_claims, p_sql); end $$;
create function tests.who_may(p_state text, p_sql text) returns text language plpgsql as $$
begin
    return (select coalesce(string_agg(t.letter, '' order by array_position(array['a', 'o', 'f', 's', 'i'], t.letter))
                filter (where tests.act(t.claims ->> 'role', t.claims, p_sql) is distinct from 'ERROR 42501'), '')
            from tokens as t where t.state = p_state);
end $$;
create function tests.answer(p_call text) returns text language sql as $$ select 'select count(*) from ' || p_call || ' as x' $$;

-- Which of the calls are grave.
create temporary table grave (call text);
insert into grave values ('grant_discount'), ('record_chargeback'), ('book_manual_payment'), ('resolve_review'),
       ('reveal_credential'), ('reset_factors'), ('set_customer_standing(gen_random_uuid(), ''banned''');
create function tests.is_grave(p_sql text) returns boolean language sql as $$
    select exists (select from grave as g where starts_with(p_sql, g.call)) $$;
select is_empty($$ select g.what from platform.grave_actions as g
                   where not exists (
                        select from pg_proc as p
                        where p.prosrc like '%require_duty(' || quote_literal(g.what) || '%')
                     and not exists (
                        select from pg_trigger as t
                        where pg_get_triggerdef(t.oid) like '%guard_change(' || quote_literal(g.what) || ')%') $$,
                'every grave action is one of a function or of a table');

-- Without the setting and without a factor nothing is asked for.
select is(who_may('no factor was used', answer(c.sql)), c.who, 'as ever: ' || c.sql) from calls as c;
-- A scan has so high a price where they are forbidden that the statement would be compiled, which takes 10 ms.
create temporary table scans as select relid, seq_scan from pg_stat_xact_all_tables where schemaname in ('auth', 'platform');
select as_staff('owner', 'now', answer('security_events()')) \g /dev/null
select is_empty($$ select x.relname from pg_stat_xact_all_tables as x left join scans as b using (relid)
                   where x.schemaname in ('auth', 'platform') and x.seq_scan > coalesce(b.seq_scan, 0) $$, 'nothing is read from end to end');

-- With it: the matrix.
select is(changed::text, 'true', 'the setting is written') from platform.set_staff_rules(true);
select is(changed::text, 'false', 'once') from platform.set_staff_rules(true);
select is((select count(*) from admin_audit_log where table_name = 'staff_rules'), 1::bigint, 'and audited');
select is(who_may(s.name, answer(c.sql)),
          case when not s.acts or (is_grave(c.sql) and not s.grave) then '' else c.who end,
          format('%s: %s', s.name, c.sql))
from calls as c cross join states as s;
select is(act('staff', jsonb_build_object('sub', id('owner'), 'role', 'staff', 'aal', 'aal2'), answer('security_events()')),
          'ERROR 42501', 'a token without a session has no level');
select is(as_service(answer('security_events()')), '0', 'the service key is no person');

-- Reading and changing by policies.
select is(as_staff('owner', s.name, 'select count(*) from orders'), case when s.acts then '1' else '0' end,
          'orders of others: ' || s.name) from states as s;
select is(as_staff('ann', s.name, 'select count(*) from orders'), '1', 'one''s own: ' || s.name) from states as s;
select is(as_staff('owner', s.name, $$ insert into administrators (email, duties)
    values (gen_random_uuid() || '@example.com', '{support}') $$),
          case when s.grave then '1' else 'ERROR 42501' end, 'who is staff: ' || s.name) from states as s;
create temporary table guarded (name text, change text);
insert into guarded values ('crypto_addresses', 'display_name = display_name || ''.'''), ('shop_settings', 'value = value');
create function tests.total(p_name text) returns text language plpgsql as $$
declare n bigint; begin execute 'select count(*) from ' || p_name into n; return n; end $$;
select is(as_staff('owner', s.name, format('update %s set %s', g.name, g.change)),
          case when s.grave then total(g.name) when s.acts then 'ERROR 42501' else '0' end, g.name || ': ' || s.name)
from states as s cross join guarded as g;
select is(as_staff('owner', s.name, 'update prices set price = price'),
          case when s.acts then total('prices') else '0' end, 'prices, which are no grave matter: ' || s.name) from states as s;

-- Programs that act for staff pass on what the token says.
select is((select outcome from backend.payment_history_for('1', id('support'), claims('support', s.name))),
          case when s.acts then 'not_found' else 'forbidden' end, 'a payment''s history: ' || s.name) from states as s;
select is((select outcome from backend.payment_history_for('1', null)), 'not_found', 'for the service key');
select is((select outcome from backend.payment_history_for('1', id('support'))), 'forbidden', 'without claims');
select is((select result is not null from backend.test_delivery('x', d, id('support'), claims('support', s.name))),
          case when d then s.grave else s.acts end, format('a delivery, for true %s: %s', d, s.name))
from states as s cross join unnest(array[false, true]) as d;

-- Why, for the front end.
create function tests.why(p_state text, p_sql text) returns text language plpgsql as $$
declare v_detail text;
begin
    perform set_config('request.jwt.claims', claims('finance', p_state)::text, true);
    set local role staff;
    execute p_sql;
    reset role;
    return 'done';
exception when insufficient_privilege then
    get stacked diagnostics v_detail = pg_exception_detail;
    return v_detail;
end $$;
select is(why('no factor was used', 'select spending_report()'), 'insufficient_aal', 'the factor is missing');
select is(why('15 minutes ago', 'select grant_discount(''x'', 1, ''r'')'), 'factor_not_fresh', 'it is too long ago');
select is(why('now', 'select inventory_report()'), '', 'neither: it is the duty');

-- Without the setting whoever has a factor is asked for it: the password alone is not enough any more.
select platform.set_staff_rules(false);
create function tests.make_factor(p_name text, p_status auth.factor_status) returns void language sql as $$
    insert into auth.mfa_factors (user_id, factor_type, status, secret) values (id(p_name), 'totp', p_status, 'MZXW6YTB') $$;
select make_factor('finance', 'unverified');
select isnt(as_staff('finance', 'no factor was used', answer('spending_report()')), 'ERROR 42501', 'not while it is not verified');
update auth.mfa_factors set status = 'verified';
select is(as_staff('finance', 'no factor was used', answer('spending_report()')), 'ERROR 42501', 'then it is');
select isnt(as_staff('finance', '15 minutes ago', answer('spending_report()')), 'ERROR 42501', 'it was used');
select is(as_staff('finance', '15 minutes ago', answer('grant_discount(''x'', 1, ''r'')')), 'ERROR 42501', 'gravely, soon after');
select isnt(as_staff('owner', 'no factor was used', answer('security_events()')), 'ERROR 42501', 'others need none');

-- Reset by another owner.
select make_user('second');
insert into administrators (email, duties) values ('second@example.com', '{owner}');
select make_factor('owner', 'verified');
insert into auth.mfa_guesses (user_id, wrong) values (id('owner'), 7);
create function tests.reset(p_of text, p_reason text) returns text language sql as $$
    select format('select reset_factors(%L, %L)', id(p_of), p_reason) $$;
select is(as_staff('owner', 'now', reset('owner', 'lost')), 'ERROR 42501', 'not one''s own');
select is(as_user('second', reset('owner', ' ')), 'ERROR 22023', 'not without a reason');
select is(as_user('second', reset('owner', 'lost')), '1', 'another owner does');
select is(as_user('second', reset('owner', 'lost')), '0', 'once');
select is((select count(*) from auth.sessions where user_id = id('owner')), 0::bigint, 'who is signed out');
select is((select count(*) from auth.mfa_guesses where user_id = id('owner')), 0::bigint, 'and may guess again');
select is((select admin_email || ' ' || description from admin_audit_log where action_type = 'RESET_FACTORS'),
          'second@example.com 1 second factors of owner@example.com: lost', 'in the audit');
select is((select string_agg(kind || ' ' || recipient, ' ') from outbox where kind like '%factor%'),
          'auth_factor_reset owner@example.com', 'and by mail');
select * from finish();
rollback;
