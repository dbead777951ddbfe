-- The inbox: stored is not done, and what is not done is finished or reported.
begin;
select plan(67);
select make_user('ann');
select make_order('ann', n) from generate_series(1, 20) as n;
select make_stock(n::text) from generate_series(1, 9) as n;

create function tests.store(
    p_order  text,
    p_payment text,
    p_status text,
    p_paid   numeric default 349,
    p_error  text default 'SQLSTATE 55P03')
returns text language sql as $$
    select s.outcome
    from backend.store_payment_event(row('ipn', '{"raw": true}', p_payment, null, null, null,
        p_order, p_status, '0xabc', 'usdtbsc', 349, p_paid, 349, 'usd', 340, 'usdtbsc', null
        )::backend.payment_event, p_error) as s
$$;
-- The clock moves on: everything that waits is due.
create function tests.process()
returns text language plpgsql as $$
declare
    v_result text;
begin
    perform tests.hurry('payment_event');
    select string_agg(p.payment_id || ' ' || p.status || ' ' || p.result, ',') into v_result
      from process_next_event() as p;
    return v_result;
end
$$;
create function tests.job(p_payment text, p_status text default 'finished')
returns platform.jobs language sql as $$
    select j from platform.jobs as j join payment_events as e
        on j.kind = 'payment_event' and j.key = e.id::text
    where e.payment_id = p_payment and e.status = p_status
$$;
create function tests.inbox(p_payment text)
returns text language sql as $$
    select string_agg(status || ' ' || state || coalesce(' ' || outcome, '') || ' ' || tries, ','
                      order by id)
    from payment_events where payment_id = p_payment
$$;

-- Stored
select is(process(), null, 'nothing to do');
select is(store('FFX000000001', 'a1', 'Finished'), 'stored', 'an event is stored');
select is(inbox('a1'), 'finished received 1', 'as received');
select is(state('FFX000000001'), 'pending/pending/pending', 'without effect');
select is((select last_error from payment_events where payment_id = 'a1'), 'SQLSTATE 55P03',
          'with the reason');
select ok((select (job('a1')).due_at > now() and outcome is null and done_at is null
           from payment_events where payment_id = 'a1'), 'for a later try');
select is(store('FFX000000001', 'a1', 'finished'), 'duplicate', 'once');
select is((select count(*) from process_next_event()), 0::bigint, 'not before its time');
select is(process(), 'a1 finished applied', 'then it is applied');
select is(state('FFX000000001'), 'completed/paid/delivered', 'with all that follows');
select is(inbox('a1'), 'finished done applied 2', 'and done, with the second try');
select ok((select done_at is not null and job('a1') is null and raw = '{"raw": true}'
           from payment_events where payment_id = 'a1'), 'its body as it came');
select is(process(), null, 'once');
select is(event('FFX000000001', 'a1', 'finished'), 'duplicate completed/paid/delivered',
          'a repeat is a duplicate now');
select is(store('FFX000000001', 'a1', 'finished'), 'duplicate', 'also for the store');

-- A repeat of an event that is only stored
select is(store('FFX000000002', 'b1', 'finished'), 'stored', 'stored, not done');
select is(event('FFX000000002', 'b1', 'finished'), 'applied completed/paid/delivered',
          'a repeat applies it');
select is(inbox('b1'), 'finished done applied 1', 'one event, done');
select is(process(), null, 'nothing is left');

-- The arguments are kept digit by digit
select is((select s.outcome from backend.store_payment_event(row('ipn', '{}', 'c1', null, null, 'pu1',
    'FFX000000003', 'spending', '0xdef', 'BTC', 0.000000000000000001000, 0.000000000000000001000,
    349.00, 'USD', 12345678901234567890.123456789, 'usdtbsc', '1752957872000'
    )::backend.payment_event, null) as s),
    'stored', 'long figures');
select is((select status || ' ' || last_error from payment_events where payment_id = 'c1'),
          'sending not applied', 'spending is sending; there is always a reason');
select is(process(), 'c1 sending applied', 'are applied');
select rows_eq(
    $$ select pay_amount::text, actually_paid::text, outcome_amount::text, price_currency,
              purchase_id, pay_address, pay_currency, provider_updated_at
       from payments where payment_id = 'c1' $$,
    $$ values ('0.000000000000000001000', '0.000000000000000001000',
               '12345678901234567890.123456789', 'usd', 'pu1', '0xdef', 'btc',
               '2025-07-19 20:44:32+00'::timestamptz) $$,
    'with every digit');

-- The order of things
select store('FFX000000004', 'd1', s, p)
from (values ('waiting', 0), ('confirming', 0), ('finished', 349)) as t (s, p);
select is(process() || ';' || process() || ';' || process(),
          'd1 waiting applied;d1 confirming applied;d1 finished applied', 'the oldest first');
select store('FFX000000005', 'd2', 'waiting', 0);
select store('FFX000000005', 'd2', 'finished');
select hurry('payment_event', (job('d2')).key);
select is((select count(*) from process_next_event()), 0::bigint,
          'a younger event waits for an older one');
update payment_events set tries = 2 where payment_id = 'd2' and status = 'waiting';
select is((job('d2', 'waiting')).due_at > now(), true, 'which is not due');
select is((select status || ' ' || result from process_next_event()), 'finished applied',
          'but not for one that keeps failing');
select is(process(), 'd2 waiting stale', 'which is late then');

-- No order
select is(store('FFX777777777', 'e1', 'finished'), 'stored', 'of an unknown order');
select is(process(), 'e1 finished order_not_found', 'is looked for');
select is(inbox('e1'), 'finished done order_not_found 2', 'and known as such');
select is(reviews('FFX777777777'), 'order_not_found', 'by a human, too');

-- What fails
create function tests.fail()
returns trigger language plpgsql as $$
begin raise exception 'broken on purpose'; end $$;
create trigger broken before update on orders
    for each row when (new.order_id in ('FFX000000006', 'FFX000000007'))
    execute function tests.fail();
select store('FFX000000006', 'f1', 'finished');
select is(process(), 'f1 finished failed', 'an event that fails');
select is(inbox('f1'), 'finished received 2', 'has one more try behind it');
select is((select last_error from payment_events where payment_id = 'f1'),
          'P0001: broken on purpose', 'and says why');
select ok((job('f1')).due_at between clock_timestamp() + interval '1 s'
                                 and clock_timestamp() + interval '3 s', 'is put off');
select is((select count(*) from payments where payment_id = 'f1'), 0::bigint,
          'nothing of the try is left');
select is(string_agg(process(), ','), repeat('f1 finished failed,', 9) || 'f1 finished dead',
          'twelve tries, then it is dead')
from generate_series(1, 10);
select is(process(), null, 'and left alone');
select is(reviews('FFX000000006'), 'event_dead', 'a human is asked');
select is((select detail ->> 'error' from reviews where kind = 'event_dead'),
          'P0001: broken on purpose', 'with the reason');
select is(backend.retry_event(-1) ->> 'error', 'Event not found', 'no such event');
select is(backend.retry_event(id) ->> 'error', 'Event is done', 'a done event is not repeated')
from payment_events where payment_id = 'a1';
drop trigger broken on orders;
select is(backend.retry_event(id) ->> 'success', 'true', 'a dead event is retried')
from payment_events where payment_id = 'f1';
select is((select description from admin_audit_log where action_type = 'RETRY_EVENT'),
          'event put back into the inbox', 'which is written down');
select is(process(), 'f1 finished applied', 'and takes effect');
select is((select state from reviews where kind = 'event_dead'), 'resolved', 'which closes the review');

-- What never comes back: the claim counts, and what was claimed is left alone meanwhile
create function tests.due()
returns void language sql as $$
    update platform.jobs set due_at = now() - interval '1 hour' + key::integer * interval '1 ms'
    where kind = 'payment_event' and state <> 'dead'
$$;
select store('FFX000000009', 'h1', 'finished'), store('FFX000000010', 'h2', 'finished');
select due();
select is((select attempt from backend.claim_next_event()), '2', 'a claim is a try');
select is(inbox('h1'), 'finished received 2', 'before anything is done');
select is((select payment_id || ' ' || result from process_next_event()), 'h2 applied',
          'the event behind it does not wait');
select is((select count(*) from backend.claim_next_event()), 0::bigint, 'a claim is a lease');
select due();
select is((select attempt from backend.claim_next_event()), '3', 'which ends');
select is((select p.result from payment_events as e
           cross join lateral backend.process_event(e.id, 2) as p where e.payment_id = 'h1'),
          'duplicate', 'who comes back too late does nothing');
select is(state('FFX000000009'), 'pending/pending/pending', 'nothing happened');
do $$
begin
    for i in 4..12 loop
        perform tests.due(), (select c.attempt from backend.claim_next_event() as c);
    end loop;
end
$$;
select is(inbox('h1'), 'finished received 12', 'twelve tries');
select due();
select is((select count(*) from backend.claim_next_event()), 0::bigint, 'no thirteenth');
select is(inbox('h1'), 'finished dead 12', 'it is dead');
select is((select last_error from payment_events where payment_id = 'h1'),
          'processing did not return', 'with the reason');
select is((select detail ->> 'error' from reviews where payment_id = 'h1'),
          'processing did not return', 'and a human is asked');
select is(backend.retry_event(id) ->> 'success', 'true', 'who may have it tried again')
from payment_events where payment_id = 'h1';
select is(process(), 'h1 finished applied', 'with effect');

select is((select max(extract(epoch from platform.job_back_off('payment_event', n))) <= 375
                  and min(extract(epoch from platform.job_back_off('payment_event', n))) >= 0.75
           from generate_series(1, 40) as n), true, 'no delay is longer than about five minutes');
select is(event('FFX000000008', 'g1', 'finished'), 'applied completed/paid/delivered', 'stock left');
select is((select state || ' ' || tries from payment_events where payment_id = 'g1'), 'done 1',
          'the usual event is done at once');
select throws_ok($$ update payment_events set outcome = null where payment_id = 'g1' $$, '23514', null,
                 'what is done has an outcome');
set local session_replication_role = replica;       -- triggers rest
select throws_ok($$ insert into payment_events (payment_id, status, source, raw)
                    values ('g2', 'waiting', 'ipn', '{}') $$, '23514', null, 'always');
set local session_replication_role = origin;
select lives_ok($$ insert into payment_events (payment_id, status, source, raw, state, done_at)
                   values ('g2', 'waiting', 'ipn', '{}', 'received', null) $$, 'not what waits');
select * from finish();
rollback;
