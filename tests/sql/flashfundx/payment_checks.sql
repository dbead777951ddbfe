-- Which payments the provider is asked about, back-off, and the end of attempts nobody finished.
begin;
select plan(47);
select make_user('ann');
select make_order('ann', n) from generate_series(1, 20) as n;

-- A payment that was made and last heard of so long ago.
create function tests.silent(p_payment text, p_status text, p_age interval, p_silent interval)
returns void language sql as $$
    insert into payments (payment_id, order_id, status, created_at, updated_at, last_seen_at)
    values (p_payment, 'FFX000000001', p_status, now() - p_age, now() - p_silent,
            now() - p_silent)
$$;
create function tests.due()
returns text language sql as $$
    select string_agg(payment_id, ',' order by payment_id) from backend.payments_to_check(100)
$$;
create function tests.lease_ends() returns void language sql as
    $$ select tests.hurry('payment_check') $$;
create function tests.job(p_payment text) returns platform.jobs language sql as
    $$ select j from platform.jobs as j where j.kind = 'payment_check' and j.key = p_payment $$;

select silent('a-new', 'waiting', '50 seconds', '50 seconds');
select is(due(), null, 'a payment that was just heard of is left alone');
select silent('b-minute', 'waiting', '10 minutes', '61 seconds'),
       silent('c-confirming', 'confirming', '10 minutes', '61 seconds'),
       silent('d-sending', 'sending', '10 minutes', '61 seconds'),
       silent('e-partial', 'partially_paid', '10 minutes', '61 seconds'),
       silent('f-odd', 'wrong_asset_confirmed', '10 minutes', '61 seconds');
select is(due(), 'b-minute,c-confirming,d-sending,e-partial,f-odd',
          'open ones are asked about after a minute');
select is(due(), null, 'and then nobody else asks: they are claimed');
update payments set last_seen_at = now();
select lease_ends();

select silent('g-hours', 'waiting', '2 hours', '4 minutes'),
       silent('h-hours', 'waiting', '2 hours', '6 minutes'),
       silent('i-days', 'waiting', '2 days', '29 minutes'),
       silent('j-days', 'waiting', '2 days', '31 minutes');
select is(due(), 'h-hours,j-days', 'older ones after 5 and 30 minutes');
update payments set last_seen_at = now();
select lease_ends();

select silent('k-failed', 'failed', '13 days', '23 hours'),
       silent('l-failed', 'failed', '13 days', '25 hours'),
       silent('m-expired', 'expired', '13 days', '25 hours'),
       silent('n-expired', 'expired', '15 days', '25 hours'),
       silent('o-refunded', 'refunded', '2 days', '25 hours'),
       silent('p-waiting', 'waiting', '31 days', '25 hours');
select is(due(), 'l-failed,m-expired', 'failed and expired ones daily, for two weeks');
update payments set last_seen_at = now();
select lease_ends();

select silent('q-finished', 'finished', '2 days', '23 hours'),
       silent('r-finished', 'finished', '2 days', '25 hours');
select is(due(), 'r-finished', 'finished ones after a day');
select is((select failures from backend.record_payment_check('r-finished', 'seen', null)), 0, 'seen');
select is(due(), null, 'once');
select ok((select settled and job('r-finished') is null from payment_checks
           where payment_id = 'r-finished'), 'it is settled');

select silent('s-late', 'waiting', '10 minutes', '61 seconds');
select due();
update payments set status = 'finished', updated_at = now() where payment_id = 's-late';
select backend.record_payment_check('s-late', 'seen', null);
select ok((select not settled from payment_checks where payment_id = 's-late'),
          'one that just finished is looked at once more tomorrow');

-- Order and limit
select silent('t-1', 'waiting', '10 minutes', '2 minutes'),
       silent('t-2', 'waiting', '10 minutes', '4 minutes'),
       silent('t-3', 'waiting', '10 minutes', '3 minutes');
select is((select payment_id from backend.payments_to_check(1)), 't-2', 'longest silent first');
select is((select payment_id from backend.payments_to_check(1)), 't-3', 'then the next');
select due();

select silent('u-1', 'waiting', '10 minutes', '2 minutes');
select is((select payment_id from backend.payments_to_check(10, 180)), null,
          'silence may be allowed to last longer');
update payments set last_seen_at = now() where payment_id = 'u-1';

-- Back-off
create function tests.wait(p_payment text)
returns interval language sql as $$
    select date_trunc('minute', (job(p_payment)).due_at - checked_at + interval '1 second')
    from payment_checks where payment_id = p_payment
$$;
select is((select failures from backend.record_payment_check('t-1', 'not_found', '404')), 1,
          'a payment that the provider does not know');
select is(wait('t-1'), '5 minutes', 'is asked about again later');
select backend.record_payment_check('t-1', 'not_found', '404');
select is(wait('t-1'), '10 minutes', 'and later each time');
update payment_checks set failures = 1000 where payment_id = 't-1';
select backend.record_payment_check('t-1', 'not_found', '404');
select is(wait('t-1'), '24 hours', 'at least once a day');
select backend.record_payment_check('t-2', 'unreachable', 'down');
select ok((select (job('t-2')).due_at between checked_at + interval '14 seconds'
                                          and checked_at + interval '16 seconds'
           from payment_checks where payment_id = 't-2'), 'a provider that is down: soon');
update payment_checks set failures = 1000 where payment_id = 't-2';
select backend.record_payment_check('t-2', 'unreachable', repeat('x', 1000));
select is(wait('t-2'), '10 minutes', 'at least every ten minutes');
select rows_eq($$ select last_result, length(last_detail) from payment_checks
                  where payment_id = 't-2' $$, $$ values ('unreachable', 500) $$, 'with its reason');
select backend.record_payment_check('t-2', 'seen', null);
select rows_eq($$ select failures, (job('t-2')).due_at <= clock_timestamp(), last_detail
                  from payment_checks where payment_id = 't-2' $$,
               $$ values (0, true, null::text) $$, 'an answer clears it');

-- An operator may say that it ends
update platform.job_kinds set tries_max = 1 where kind = 'payment_check';
select silent('t-9', 'waiting', '10 minutes', '2 minutes');
select alike(due(), '%t-9%', 'the only try');
select lease_ends();
select unalike(coalesce(due(), ''), '%t-9%', 'then it is given up');
update platform.job_kinds set tries_max = null where kind = 'payment_check';

-- Who asks and never comes back
update payments set last_seen_at = now();
select lease_ends();
select silent('v-kills', 'waiting', '50 minutes', '40 minutes'),
       silent('v-other', 'waiting', '50 minutes', '4 minutes');
select is((select payment_id from backend.payments_to_check(1)), 'v-kills', 'longest silent first');
select is((job('v-kills')).lost, 1, 'counted beforehand');
select lease_ends();
select is((select payment_id from backend.payments_to_check(1)), 'v-other',
          'a payment that nobody came back from is asked about after the others');
select backend.record_payment_check('v-other', 'seen', null);
update payments set last_seen_at = now() where payment_id = 'v-other';
do $$
begin
    for i in 1..3 loop
        perform tests.lease_ends(), (select c.payment_id from backend.payments_to_check(1) as c);
    end loop;
end
$$;
select ok((job('v-kills')).lost = 4
          and (job('v-kills')).due_at between clock_timestamp() + interval '15 minutes'
                                          and clock_timestamp() + interval '17 minutes',
          'and later each time');
select backend.record_payment_check('v-kills', 'seen', null);
select is((job('v-kills')).lost, 0, 'until one does');

-- When a payment is looked at next
update payments set last_seen_at = now();
create function tests.next_look(p_payment text)
returns text language sql as $$
    select coalesce(((job(p_payment)).due_at - now())::text, 'never')
$$;
select silent('w-new', 'waiting', '40 seconds', '30 seconds');
select is(next_look('w-new'), '-00:00:30', 'a payment that is new is looked at');
select silent('w-expired', 'expired', '2 days', '1 hour'),
       silent('w-asked', 'failed', '2 days', '1 hour'),
       silent('w-old', 'expired', '15 days', '1 hour'),
       silent('w-back', 'refunded', '2 days', '1 hour');
select due();
select is(next_look('w-new'), '00:00:30', 'and put off until it may be due');
select is(next_look('w-expired'), '23:00:00', 'as long as its state allows');
select is(next_look('w-old') || ' ' || next_look('w-back'), 'never never', 'or for good');
update platform.jobs set state = 'running', tries = 1, lost = 1 where key = 'w-asked';
update payments set status = 'confirming', last_seen_at = now()
where payment_id in ('w-expired', 'w-old', 'w-asked');
select is(next_look('w-expired') || ' ' || next_look('w-old'), '00:00:00 00:00:00',
          'one that lives again is looked at at once');
select is(next_look('w-asked'), '23:00:00', 'unless somebody asks about it now');

-- Attempts
create function tests.attempt(p_number int, p_state text, p_age interval, p_invoice text)
returns void language sql as $$
    insert into payment_attempts (order_id, pay_currency, crypto_currency, price_amount, state,
                                  claim_until, invoice_id, detail, created_at, updated_at)
    values ('FFX' || lpad(p_number::text, 9, '0'), 'usdtbsc', 'usdt_bsc', 349, p_state,
            now() - p_age + interval '40 seconds', p_invoice,
            case p_state when 'unknown' then 'timed out' end, now() - p_age, now() - p_age)
$$;
create function tests.attempt_state(p_number int)
returns text language sql as $$
    select state || ': ' || coalesce(detail, '') from payment_attempts
    where order_id = 'FFX' || lpad(p_number::text, 9, '0')
$$;
select attempt(11, 'claimed', '10 seconds', null), attempt(12, 'claimed', '23 hours', null),
       attempt(13, 'claimed', '25 hours', null), attempt(14, 'unknown', '25 hours', null),
       attempt(15, 'unknown', '30 minutes', 'i15'), attempt(16, 'unknown', '2 hours', 'i16'),
       attempt(17, 'unknown', '5 minutes', 'i17'), attempt(18, 'claimed', '5 minutes', 'i18'),
       attempt(19, 'refused', '25 hours', null);
insert into payments (payment_id, order_id, status, invoice_id)
values ('x17', 'FFX000000017', 'waiting', 'i17');
insert into payments (payment_id, order_id, status, attempt_id)
select 'x18', 'FFX000000018', 'waiting', id from payment_attempts where invoice_id = 'i18';
select is((select string_agg(order_id || ' ' || state, ', ' order by order_id)
           from backend.settle_attempts(100)),
          'FFX000000013 abandoned, FFX000000014 abandoned, FFX000000016 abandoned, '
          'FFX000000017 open, FFX000000018 open', 'attempts that ended unseen are ended');
select is(attempt_state(11), 'claimed: ', 'a young claim stays');
select is(attempt_state(12), 'claimed: ', 'for a day');
select alike(attempt_state(13), 'abandoned: closed after 24 hours%', 'then it is closed');
select alike(attempt_state(14), 'abandoned: timed out; closed after 24 hours%',
             'so is one whose outcome is unknown, and why it was is kept');
select is(attempt_state(15), 'unknown: timed out', 'with an invoice it may still be found');
select alike(attempt_state(16), '%no payment behind invoice i16%', 'for an hour');
select alike(attempt_state(17), 'open: timed out; found: the provider told of payment x17',
             'a payment of its invoice came to light');
select alike(attempt_state(18), 'open: found%x18', 'or one of its own');
select is(attempt_state(19), 'refused: ', 'an end that is known is left alone');
select is((select count(*) from backend.settle_attempts(100)), 0::bigint, 'a second time: nothing');
-- Thousands that were heard of since they were last looked at
update platform.jobs set due_at = now() + interval '1 day' where kind = 'payment_check';
select silent('z' || n, 'waiting', '10 minutes', '0 seconds') from generate_series(1, 1200) as n;
select pg_stat_get_xact_blocks_fetched('platform.jobs'::regclass) as before \gset
select is(due(), null, 'nobody is asked about them');
select cmp_ok(pg_stat_get_xact_blocks_fetched('platform.jobs'::regclass) - :before, '<', 10000::bigint,
              'each is looked at once, and not all that are put off by then as well');
select * from finish();
rollback;
