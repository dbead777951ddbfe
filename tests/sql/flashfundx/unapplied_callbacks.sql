-- Genuine callbacks that cannot be applied: kept once, shown to a human, without any effect.
begin;
select plan(25);
select make_user('ann');
select make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
select make_order('ann', n) from generate_series(1, 3) as n;
select make_stock(n::text) from generate_series(1, 3) as n;
select event('FFX000000001', 'a1', 'waiting', 0);

create function tests.keep(
    p_raw     text,
    p_payment text default null,
    p_order   text default null,
    p_review  boolean default true)
returns text language sql as $$
    select s.outcome
    from backend.store_unapplied_callback('ipn', convert_to(p_raw, 'UTF8'),
        'payment field pay_amount has the wrong form', p_payment, p_order, p_review) as s
$$;

-- Kept
select is(keep('{"pay_amount":"much"}', 'a1', 'FFX000000001'), 'stored', 'it is kept');
select rows_eq($$ select source::text, backend.callback_text(raw), reason::text, payment_id::text,
                         order_id::text
                  from unapplied_callbacks $$,
    $$ values ('ipn', '{"pay_amount":"much"}', 'payment field pay_amount has the wrong form', 'a1',
               'FFX000000001') $$, 'as it came, with the field that nobody could read');
select is(state('FFX000000001'), 'processing/pending/pending', 'without effect');
select is((select count(*) from payment_events), 1::bigint, 'it is no event');
select is(reviews('FFX000000001'), 'callback_unreadable', 'a human is asked');
select rows_eq($$ select r.payment_id::text, r.detail ->> 'reason',
                         (r.detail ->> 'callback')::bigint = c.id
                  from reviews as r, unapplied_callbacks as c $$,
    $$ values ('a1', 'payment field pay_amount has the wrong form', true) $$, 'with what it needs');
select is((select count(*) from outbox where kind = 'review_needed'),
          (select count(*) from administrators where is_active), 'and gets a mail');

-- Again
select is(keep('{"pay_amount":"much"}', 'a1', 'FFX000000001'), 'duplicate', 'a repeat is one');
select is((select count(*) from unapplied_callbacks), 1::bigint, 'and kept once');
select is(keep('{"pay_amount":"more"}', 'a1', 'FFX000000001'), 'stored', 'another body is another');
select is(reviews('FFX000000001'), 'callback_unreadable', 'one review while it is open');

-- About what
select is(keep('1', 'a1'), 'stored', 'a payment alone');
select is((select order_id::text from unapplied_callbacks order by id desc limit 1), 'FFX000000001',
          'leads to its order');
select is(keep('2', repeat('9', 300), repeat('x', 300)), 'stored', 'names of any length');
select is(keep('{"id":"1","status":"FINISHED"}', p_review => false), 'stored', 'what is no payment''s');
select is((select count(*) from reviews), 2::bigint, 'concerns nobody');
select is((select s.outcome from backend.store_unapplied_callback(
               'ipn_previous', '\x00ff22', 'Invalid JSON at byte 1: x', null, null, true) as s),
          'stored', 'bytes that are no text');
select is((select backend.callback_text(raw) from unapplied_callbacks order by id desc limit 1),
          '\000\377"', 'are to be read all the same');

-- Who reads
select is(as_user('boss', 'select count(*)::text from unapplied_callbacks'), '6', 'staff');
select is(as_user('ann', 'select count(*)::text from unapplied_callbacks'), 'ERROR 42501', 'customers do not');
select ok(exists (
    select from jsonb_array_elements(backend.payment_history('a1') -> 'entries') as e
    where e ->> 'what' = 'callback_unapplied' and e #>> '{detail,raw}' = '{"pay_amount":"much"}'),
    'the payment''s history has it');

-- What a human says to it
select is(resolve('FFX000000001', 'callback_unreadable', 'refund_noted'),
          'no: The callback had no effect; accept says that it was seen', 'it moves no money');
select is(resolve('FFX000000001', 'callback_unreadable', 'accept'), 'ok processing/pending/pending',
          'nor does it pay the order');
select is(event('FFX000000001', 'a1', 'finished'), 'applied completed/paid/delivered',
          'which decides nothing about the payment');
select is(keep('{"pay_amount":"much"}', 'a1', 'FFX000000001') || ' ' || coalesce(open('FFX000000001'), '-'),
          'duplicate -', 'and a repeat opens nothing again');
select * from finish();
rollback;
