-- Where somebody is signed in: who sees it, and who ends it.
begin;
select plan(15);
select make_user('ann');
select make_user('bob');
select make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
insert into auth.sessions (user_id, user_agent, ip, created_at)
values (id('ann'), 'a phone', '10.0.0.1', now() - interval '1 hour'), (id('ann'), 'a desk', '10.0.0.2', now()),
       (id('bob'), 'a phone', '10.0.0.3', now());

create function pg_temp.seen(p_of text) returns text language sql as $$
    select format('select string_agg(user_agent || '' '' || ip, '', '' order by signed_in_at) from sessions_of(%L)', id(p_of))
$$;
create function pg_temp.ended(p_of text, p_reason text, p_session uuid default null) returns text language sql as $$
    select format('select end_sessions(%L, %L, %L)', id(p_of), p_reason, p_session)
$$;

select is(as_user('ann', pg_temp.seen('ann')), 'a phone 10.0.0.1, a desk 10.0.0.2', 'people see their own');
select is(as_user('bob', pg_temp.seen('ann')), 'ERROR 42501', 'but not those of others');
select is(as_user('boss', pg_temp.seen('ann')), 'a phone 10.0.0.1, a desk 10.0.0.2', 'administrators do');
select is(as_service(pg_temp.seen('bob')), 'a phone 10.0.0.3', 'and so does the service');
select is(as_anon(pg_temp.seen('bob')), 'ERROR 42501', 'visitors see nothing');

select is(as_user('bob', pg_temp.ended('ann', 'why not')), 'ERROR 42501', 'nobody signs others out');
select is(as_anon(pg_temp.ended('ann', 'why not')), 'ERROR 42501', 'a visitor nobody at all');
select is(as_user('boss', pg_temp.ended('ann', ' ')), 'ERROR 22023', 'a reason is asked for');
select is(as_user('ann', pg_temp.ended('ann', 'lost', (select s.id from auth.sessions as s where s.user_agent = 'a phone'
          and s.user_id = id('ann')))), '1', 'people end one of theirs');
select is(as_user('ann', pg_temp.ended('ann', 'lost', (select s.id from auth.sessions as s where s.user_id = id('bob')))), '0',
          'but none of somebody else under their own name');
select is(as_user('boss', pg_temp.ended('ann', 'stolen phone')), '1', 'an administrator ends those that are left');
select is(as_user('boss', pg_temp.ended('ann', 'stolen phone')), '0', 'then there is none');
select results_eq($$ select admin_email, new_values ->> 'reason' from admin_audit_log where action_type = 'END_SESSIONS' order by created_at $$,
                  $$ values ('ann@example.com', 'lost'), ('boss@example.com', 'stolen phone') $$, 'and it is in the audit');
select is((select count(*) from auth.audit_log_entries where payload ->> 'actor_id' = id('ann')::text and payload ->> 'action' = 'logout'),
          2::bigint, 'in both of them');
select is((select count(*) from auth.sessions where user_id = id('bob')), 1::bigint, 'others stay signed in');
select * from finish();
rollback;
