-- The queue's own rules, with kinds made up for it: claim, lease, back-off, dead letters, replay.
begin;
select plan(55);

create table tests.deaths (key text, error text);
create function tests.note_death(p_key text, p_error text) returns void language sql as
    $$ insert into tests.deaths values (p_key, p_error) $$;
insert into platform.job_kinds (kind, tries_max, first_pause, growth, most_pause, lease, on_dead)
values ('t', 3, '10 s', 3, '4 hours', '1 minute', 'tests.note_death'),
       ('other', null, '1 s', 2, '5 minutes', '30 s', null);

create function tests.claim(p_kind text default 't') returns text language sql as
    $$ select key || ' ' || try from platform.job_claim(p_kind) $$;
create function tests.job(p_key text, p_kind text default 't') returns platform.jobs language sql as
    $$ select j from platform.jobs as j where j.kind = p_kind and j.key = p_key $$;
-- The clock moves on: whatever waits or is leased is due, in the same order.
create function tests.time_passes() returns void language sql as
    $$ update platform.jobs set due_at = due_at - interval '1 day' $$;

select throws_ok($$ select tests.claim('unheard') $$, 'P0002', null, 'an unknown kind is a mistake');

-- Put and claim
select is(claim(), null, 'nothing to do');
select platform.job_put('t', 'b', now() - interval '2 s'), platform.job_put('t', 'a', now() - interval '1 s'),
       platform.job_put('t', 'later', now() + interval '1 minute'), platform.job_put('other', 'a');
select is(claim(), 'b 1', 'who is due longest is first');
select is(claim(), 'a 1', 'then the next');
select is(claim(), null, 'each once, and none before its time; other kinds are others''');
select is((select string_agg(key, ',' order by key) from platform.jobs
           where kind = 't' and state = 'running'), 'a,b', 'both are leased');
select ok((job('a')).due_at between clock_timestamp() + interval '55 s' and clock_timestamp() + interval '1 minute',
          'for a minute');
select platform.job_put('t', 'later', now() + interval '1 hour');
select is((job('later')).due_at, now() + interval '1 minute', 'put again, the earlier time counts');
select platform.job_put('t', 'later', now() - interval '1 s');
select is(claim(), 'later 1', 'also when it is the new one');
select is((select count(*) from platform.jobs where kind = 't'), 3::bigint, 'one row each');

-- Done
select platform.job_done('t', 'a');
select is(job('a'), null, 'what is done has no row');
select platform.job_put('t', 'later');
select ok((job('later')).state = 'running' and (job('later')).again, 'put while it runs');
select platform.job_done('t', 'later');
select is(claim(), 'later 1', 'it is done once more');
select platform.job_done('t', 'later');
select is(job('later'), null, 'and no more');
select platform.job_done('t', 'later');
select is(job('later'), null, 'done twice is done');

-- Lease
select is((job('b')).lost, 1, 'nobody came back yet');
select time_passes();
select is(claim(), 'b 2', 'a lease that ran out');
select ok((job('b')).due_at between clock_timestamp() + interval '115 s' and clock_timestamp() + interval '2 minutes',
          'the next one is twice as long');
select is(platform.job_failed('t', 'b', 1, 'slow'), 'unchanged', 'the first try cannot fail the second');

-- Failing
select is(platform.job_failed('t', 'b', 2, repeat('x', 600)), 'waiting', 'the second try fails');
select is(length((job('b')).last_error), 500, 'with its reason');
select is((job('b')).lost, 0, 'it came back');
select ok((job('b')).due_at between clock_timestamp() + interval '22 s' and clock_timestamp() + interval '30 s',
          'and waits for three times the first pause');
select platform.job_put('t', 'b');
select ok((job('b')).due_at > clock_timestamp() + interval '20 s', 'which a put does not end');
select is(platform.job_failed('t', 'b', 2, 'again'), 'unchanged', 'a failure counts once');
select is_empty(
    $$ select from generate_series(1, 60) as t, generate_series(1, 20), platform.job_kinds as k,
              lateral platform.job_back_off(k.kind, t) as p
       where k.kind in ('t', 'other')
         and p not between 0.75 * least(k.most_pause, k.first_pause * power(k.growth, least(t, 20) - 1)::float)
                       and least(k.most_pause, k.first_pause * power(k.growth, least(t, 20) - 1)::float) $$,
    'pauses grow up to the longest, with jitter');
select time_passes();
select is(claim(), 'b 3', 'the third try');
select is(platform.job_failed('t', 'b', 3, 'for good'), 'dead', 'is the last one');
select rows_eq('select * from tests.deaths', $$ values ('b', 'for good') $$, 'its owner is told');
select time_passes();
select is(claim(), null, 'who is dead is left alone');
select platform.job_put('t', 'b');
select is((job('b')).state::text, 'dead', 'whatever is put');
select is(platform.job_failed('t', 'b', null, 'again'), 'unchanged', 'or fails');

-- Who dies with it, and who is refused for good
select platform.job_replay('t', 'b');
select is(claim(), 'b 1', 'a replay gives all tries again');
select platform.job_put('t', 'c', clock_timestamp());
select time_passes(), claim() from generate_series(1, 8);
select is((job('b')).tries || ' ' || (job('b')).state, '3 dead',
          'a try that nobody came back from counts: no fourth');
select is((select error from tests.deaths offset 1 limit 1), null, 'its owner knows that nobody did');
select is((job('b')).last_error, 'it did not return', 'with the reason');
select platform.job_put('t', 'd'), platform.job_put('t', 'e');
select claim(), claim();
select is(platform.job_failed('t', 'd', 1, '550', true), 'dead', 'refused for good');
select platform.job_failed('t', 'e', 1, 'pause', false, '1 hour');
select ok((job('e')).due_at > clock_timestamp() + interval '59 minutes', 'a pause of the owner''s');
select set_eq($$ select platform.jobs_replay('t') $$, $$ select key from platform.jobs
    where kind = 't' and state = 'waiting' and tries = 0 $$, 'all the dead are replayed');
select is((select count(*) from platform.jobs where state = 'dead'), 0::bigint, 'none is left');
select platform.job_failed('t', 'd', null, '550', true), platform.job_drop('t', 'd');
select is(job('d'), null, 'what is over has no row, not even a dead one');

-- Put off
delete from platform.jobs;
select platform.job_put('t', 'f');
select is((platform.job_next('t')).key, 'f', 'a look');
select platform.job_put_off('t', 'f', now() + interval '1 hour');
select is((job('f')).tries || ' ' || (job('f')).state || ' ' || ((job('f')).due_at - now()),
          '0 waiting 01:00:00', 'not now');
select time_passes();
select claim();
select platform.job_put_off('t', 'f', now());
select is((job('f')).tries || ' ' || (job('f')).state || ' ' || (job('f')).lost, '0 waiting 0',
          'given back, it was no try');
select claim();
select platform.job_put('t', 'f'), platform.job_put_off('t', 'f', now()), claim(),
       platform.job_done('t', 'f');
select is(job('f'), null, 'put while it ran and given back: what is done then is done');
select platform.job_put('t', 'f');

-- Pause and concurrency
select is(platform.jobs_pause('nobody', true), false, 'no such kind');
select platform.jobs_pause('t', true);
select is(claim(), null, 'a kind that is paused');
select platform.jobs_pause('t', false);
select is(claim(), 'f 1', 'goes on');
update platform.job_kinds set concurrency = 2 where kind = 't';
select platform.job_put('t', k) from unnest(array['g', 'h', 'i']) as k;
select ok(claim() is not null, 'two may run');
select is(claim(), null, 'no third');
select platform.job_done('t', 'f');
select ok(claim() is not null, 'until one is done');
update platform.jobs set due_at = now() - interval '1 s' where state = 'running';
select ok(claim() is not null, 'or its lease ran out');

-- Looking
insert into platform.jobs (kind, key, due_at, state) values ('other', 'dead', 'infinity', 'dead'),
    ('other', 'old', now() - interval '5 minutes', 'waiting');
select rows_eq($$ select waiting, running, dead, overdue >= '5 minutes' from platform.queue
                  where kind = 'other' $$, $$ values (1, 0, 1, true) $$, 'the queue at a glance');
select is((select count(*) from information_schema.role_routine_grants
           where routine_schema = 'platform' and routine_name like 'job%'
             and grantee not in ('postgres')), 0::bigint, 'nobody may call it');
select is((select count(*) from information_schema.role_table_grants
           where table_schema = 'platform' and table_name in ('jobs', 'job_kinds', 'queue')
             and grantee not in ('postgres')), 0::bigint, 'nor read it');
select * from finish();
rollback;
