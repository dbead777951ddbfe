-- Evidence: everything of one payment in order, nothing secret.
begin;
select plan(28);
select make_user('ann'), make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
select make_order('ann', n) from generate_series(1, 3) as n;
select make_stock('s1');

create function tests.whats(p_key text)
returns text language sql as $$
    select string_agg(e ->> 'what', ' ' order by n)
    from jsonb_array_elements(backend.payment_history(p_key) -> 'entries')
        with ordinality as x (e, n)
$$;

select attach((select attempt_id from tests.begin('ann', 'FFX000000001')), '11');
update payment_attempts set invoice_id = 'i1';
update payments set invoice_id = 'i1';
select event('FFX000000001', '11', 'confirming', 0), event('FFX000000001', '11', 'finished'),
       event('FFX000000001', '11', 'waiting', 0, p_source => 'poll');
select is((select string_agg(w, ' ' order by w) from (
               select distinct unnest(string_to_array(whats('FFX000000001'), ' ')) as w) as x
           where w !~ '^mail'),
    'attempt attempt_open delivery event order order_paid payment staff transaction '
    'transaction_completed transition', 'everything that happened');
select is(whats('11'), whats('FFX000000001'), 'by payment');
select is(whats('i1'), whats('FFX000000001'), 'by invoice');
select rows_eq(
    $$ select e -> 'detail' ->> 'status', e -> 'detail' ->> 'outcome', e -> 'detail' ->> 'raw',
              e -> 'detail' ->> 'proof'
       from jsonb_array_elements(backend.payment_history('11') -> 'entries')
           with ordinality as x (e, n)
       where e ->> 'what' = 'event' order by n $$,
    $$ values ('confirming', 'applied', '{"raw": true}', 'signature verified on arrival'),
              ('finished', 'applied', '{"raw": true}', 'signature verified on arrival'),
              ('waiting', 'stale', '{"raw": true}',
               'answer of the provider to a question of ours') $$,
    'events in order, with bodies and where they came from');
select rows_eq(
    $$ select e -> 'detail' ->> 'from', e -> 'detail' ->> 'to'
       from jsonb_array_elements(backend.payment_history('11') -> 'entries')
           with ordinality as x (e, n)
       where e ->> 'what' = 'transition' order by n $$,
    $$ values (null::text, 'confirming'), ('confirming', 'finished') $$,
    'only what moved is a transition');
select is(backend.payment_history('11') -> 'orders' -> 0 ->> 'order_status', 'completed', 'the order');
select is(backend.payment_history('11') -> 'payments' -> 0 ->> 'counted', 'true', 'the payment');
select is(backend.payment_history('11') -> 'transactions' -> 0 ->> 'status', 'completed', 'the books');
select is(backend.payment_history('11') -> 'deliveries' -> 0 ->> 'password', '***', 'the delivery');
select unalike(backend.payment_history('11')::text, '%pw-s1%', 'without its password');
select unalike(backend.payment_history('11')::text, '%inv-s1%', 'nor the other one');
select ok((backend.event_evidence('{"source": "ipn", "raw": "a"}') -> 'raw_unchanged') = 'null',
          'no hash was stored');
select is(backend.event_evidence(jsonb_build_object('source', 'ipn', 'raw', 'a', 'raw_sha256',
              encode(sha256('a'), 'hex'))) ->> 'raw_unchanged', 'true', 'a stored hash is checked');
select is(backend.event_evidence(jsonb_build_object('source', 'ipn', 'raw', 'b', 'raw_sha256',
              encode(sha256('a'), 'hex'))) ->> 'raw_unchanged', 'false', 'and tells of a change');

-- Reviews, staff
select event('FFX000000002', '12', 'finished', 1);
select as_user('boss', format($$ select resolve_review(%L, 'refund_noted') ->> 'success' $$, id)) from reviews;
select alike(whats('12'), '%review%review_resolved%', 'reviews and their end');
select ok(exists (
    select from jsonb_array_elements(backend.payment_history('12') -> 'entries') as e
    where e ->> 'what' = 'staff' and e -> 'detail' ->> 'admin_email' = 'boss@example.com'),
    'and who decided');
select event('FFX999999999', '13', 'finished');
select alike(whats('13'), 'event review%', 'a payment without an order');
select is(backend.payment_history('FFX000000000'), null, 'nothing is known');

-- Every staff action, and by which key a callback was signed
create function tests.staff(p_key text)
returns text language sql as $$
    select string_agg(concat_ws(' ', e -> 'detail' ->> 'action_type', e -> 'detail' ->> 'table_name'),
                      ',' order by e -> 'detail' ->> 'action_type', e -> 'detail' ->> 'table_name')
    from jsonb_array_elements(backend.payment_history(p_key) -> 'entries') as e
    where e ->> 'what' = 'staff' and e -> 'detail' ->> 'action_type' not in ('INSERT', 'UPDATE')
$$;
select event('FFX000000003', '14', 'finished', 1, p_source => 'ipn_previous');
select is(public.resolve_review(id, 'cancel', 'asked for it') ->> 'success', 'true', 'decided')
from reviews where payment_id = '14';
update payment_events set state = 'dead', outcome = null where payment_id = '14';
select is(backend.retry_event(id) ->> 'success', 'true', 'retried')
from payment_events where payment_id = '14';
insert into outbox (kind, cause, reference, recipient, template_name, state)
values ('payment_received', 'x', 'FFX000000003', 'ann@example.com', 'payment_received', 'sent');
select is(public.replay_outbox(id) ->> 'success', 'true', 'sent again') from outbox where cause = 'x';
insert into reconciliation_runs (reason, since) values ('asked', now());
-- of another order, with the number of the event
insert into reconciliation_differences
    (id, run_id, last_run_id, scope, kind, aspect, payment_id, order_id, explanation)
overriding system value
select e.id, r.id, r.id, 'provider', 'amount', 'x', '12', 'FFX000000002', 'x'
from payment_events as e, reconciliation_runs as r where e.payment_id = '14';
insert into reconciliation_differences
    (run_id, last_run_id, scope, kind, aspect, payment_id, order_id, explanation)
select r.id, r.id, 'provider', 'amount', 'x', '14', 'FFX000000003', 'x' from reconciliation_runs as r;
select public.accept_difference(id, 'so be it') from reconciliation_differences;
select is(staff('14'), 'ACCEPT reconciliation_differences,REPLAY outbox,RESOLVE_REVIEW reviews,'
          'RETRY_EVENT payment_events', 'every staff action of this payment');
select is(staff('12'), 'ACCEPT reconciliation_differences,RESOLVE_REVIEW reviews', 'and no other one''s');
select rows_eq(
    $$ select e -> 'detail' ->> 'proof', e -> 'detail' ->> 'key'
       from jsonb_array_elements(backend.payment_history('14') -> 'entries') as e
       where e ->> 'what' = 'event' $$,
    $$ values ('signature verified on arrival', 'NOWPAYMENTS_IPN_SECRET_PREVIOUS of that time') $$,
    'by which key');
select rows_eq(
    $$ select e -> 'detail' ->> 'note', e -> 'detail' ->> 'resolved_by' is not null
       from jsonb_array_elements(backend.payment_history('14') -> 'entries') as e
       where e ->> 'what' = 'review_resolved' $$,
    $$ values ('asked for it', true) $$, 'who decided, and why');

-- Mails; nothing happens behind this, for the table is not the real one.
set local client_min_messages = warning;
drop table if exists public.outbox cascade;
select unalike(whats('FFX000000001'), '%mail%', 'without an outbox there are no mails');
create table public.outbox (id int, kind text, order_id text, recipient text, variables jsonb,
                            html text, sent_at timestamptz, created_at timestamptz default now());
insert into outbox values (1, 'account_delivery', 'FFX000000001', 'ann@example.com', '{"p": "secret"}',
                           'secret', now());
select alike(whats('FFX000000001'), '%mail mail_sent%', 'with one there are');
select unalike(backend.payment_history('FFX000000001')::text, '%secret%', 'but not what they say');

select * from finish();
rollback;
