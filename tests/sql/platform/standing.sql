-- How people stand.
begin;
select plan(20);
select make_user('bob');
delete from platform.standing;

select is(platform.standing_of(id('bob')), 'active', 'who has no row is active');
select is(platform.standing_of(null), 'active', 'nobody is nobody''s business');
select ok(not platform.set_standing(id('bob'), 'active', 'x'), 'active already');
select is((select count(*) from admin_audit_log where action_type = 'SET_STANDING'), 0::bigint,
          'which is no change');
select ok(platform.set_standing(id('bob'), 'suspended', 'chargeback'), 'suspended');
select is(platform.standing_of(id('bob')), 'suspended', 'at once');
select rows_eq(
    $$ select standing, reason, set_by, since = now() from platform.standing $$,
    format($$ values ('suspended', 'chargeback', %L, true) $$, session_user),
    'with the reason, who set it and since when');
select ok(not platform.set_standing(id('bob'), 'suspended', 'again'), 'once');
select is((select reason from platform.standing), 'chargeback', 'the reason stays');
select ok(platform.set_standing(id('bob'), 'banned', 'fraud'), 'banned');
select is((select reason from platform.standing), 'fraud', 'for another one');
select rows_eq(
    $$ select admin_email, record_id, old_values ->> 'standing', new_values ->> 'standing',
              new_values ->> 'reason', description
       from admin_audit_log where action_type = 'SET_STANDING' order by created_at $$,
    format($$ values (%1$L, %2$L, 'active', 'suspended', 'chargeback', 'suspended: chargeback'),
                     (%1$L, %2$L, 'suspended', 'banned', 'fraud', 'banned: fraud') $$,
           session_user, id('bob')),
    'each change is on record');
select throws_ok(format($$ select platform.set_standing(%L, 'loved', null) $$, id('bob')), '23514',
                 null, 'other words are refused');
select throws_ok($$ select platform.set_standing(gen_random_uuid(), 'banned', null) $$, '23503',
                 null, 'so is a user who is not there');
select ok(platform.set_standing(id('bob'), 'active', 'sorry'), 'active again');
select is((select count(*) from platform.standing), 0::bigint, 'leaves no row');
select is(platform.standing_of(id('bob')), 'active', 'and holds at once');
select is(as_user('bob', 'select count(*) from platform.standing'), 'ERROR 42501',
          'the table is closed');
select is(as_service(format($$ select platform.set_standing(%L, 'banned', null) $$, id('bob'))),
          'ERROR 42501', 'and the function granted to nobody');
select platform.set_standing(id('bob'), 'banned', null);
delete from auth.users where email = 'bob@example.com';
select is((select count(*) from platform.standing), 0::bigint, 'a row goes with its user');
select * from finish();
rollback;
