-- Provider against books and books against books: each difference once, healed ones not again.
begin;
select plan(57);
select make_user('ann'), make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
select make_order('ann', n) from generate_series(1, 12) as n;

create function tests.run() returns bigint language sql as
    $$ select max(id) from reconciliation_runs $$;
-- What the provider says, as GET /payment/{id} answers.
create function tests.theirs(p_payment text, p_more jsonb default '{}')
returns text language sql as $$
    select (jsonb_build_object('payment_id', p_payment::bigint, 'payment_status', p.status,
        'pay_amount', p.pay_amount, 'actually_paid', coalesce(p.actually_paid, 0),
        'price_amount', p.price_amount, 'pay_currency', p.pay_currency,
        'price_currency', p.price_currency, 'order_id', p.order_id) || p_more)::text
    from (select) as one left join payments as p on p.payment_id = p_payment
$$;
create function tests.compare(p_payment text, p_raw text, p_outcome text default 'duplicate')
returns text language sql as $$
    select string_agg(unknown_child, ',' order by unknown_child)
    from backend.compare_payment(run(), p_payment, p_outcome, false, p_raw)
$$;
create function tests.differences(p_payment text)
returns text language sql as $$
    select string_agg(concat_ws(' ', kind, aspect, coalesce(ours, '-'), coalesce(theirs, '-'),
                                coalesce(split_part(resolution, ':', 1), 'open')), '; '
                      order by aspect, id)
    from reconciliation_differences where payment_id = p_payment and scope = 'provider'
$$;
create function tests.books(p_order text)
returns text language sql as $$
    select string_agg(concat_ws(' ', kind, aspect, coalesce(split_part(resolution, ':', 1), 'open')),
                      '; ' order by kind, aspect, id)
    from reconciliation_differences where order_id = p_order and scope = 'books'
$$;
-- A whole run over the books.
create function tests.next_run() returns void language plpgsql as $$
begin
    perform backend.request_reconciliation(now() - interval '1 day');
    perform backend.claim_reconciliation();
end
$$;
-- (A turn is two seconds; on a busy machine a run takes several.)
create function tests.finish_run() returns text language plpgsql as $$
declare v_result text;
begin
    for turn in 1..20 loop
        select r::text into v_result from backend.finish_reconciliation(run()) as r;
        exit when v_result is not null;
    end loop;
    return v_result;
end
$$;

-- Runs
select isnt((select run_id from backend.claim_reconciliation()), null, 'a new day has its run');
select rows_eq('select reason, since = now() - interval ''7 days'' from reconciliation_runs',
               $$ values ('daily', true) $$, 'over the last seven days');
select is((select run_id from backend.claim_reconciliation()), null, 'one process has it');
select hurry('reconciliation');
select is((select run_id from backend.claim_reconciliation()), run()::text, 'until its lease ends');
select is(backend.request_reconciliation(now() - interval '8 days'), run(),
          'who asks for one joins the one that runs');
select ok((select since = now() - interval '8 days' and position = '' from reconciliation_runs),
          'which then begins again with the older date');
select isnt(finish_run(), null, 'it ends');
select is_empty('select from platform.jobs where kind = ''reconciliation''', 'and nothing of it waits');
select is((select run_id from backend.claim_reconciliation()), null,
          'once a day');
select next_run();
select is((select count(*) from reconciliation_runs where finished_at is null), 1::bigint,
          'one that is asked for is made at once');

-- Provider
select event('FFX000000001', '101', 'finished'), event('FFX000000002', '102', 'waiting', 0),
       event('FFX000000003', '103', 'waiting', 0);
select next_run();
select is((select string_agg(payment_id, ',') from backend.payments_to_compare(run(), 2)), '101,102',
          'payments in order');
select compare('101', theirs('101'));
select event('FFX000000010', '110', 'waiting', 0);
select is((select string_agg(payment_id, ',') from backend.payments_to_compare(run(), 2)), '102,103',
          'from where the run stands');
select is(differences('101'), null, 'what agrees is not listed');
select compare('102', theirs('102', '{"price_amount": "350", "pay_amount": 1e3,
    "actually_paid": 0.5, "pay_currency": "BTC", "price_currency": "eur",
    "payment_status": "expired", "order_id": "FFX000000009"}'));
select is(differences('102'),
    'amount actually_paid 0 0.5 open; state order_id FFX000000002 FFX000000009 open; '
    'amount pay_amount 349 1000 open; currency pay_currency usdtbsc btc open; '
    'amount price_amount 349 350 open; currency price_currency usd eur open; '
    'state status waiting expired open', 'each figure that differs');
select compare('103', null);
select is_empty('select from backend.payments_to_compare(run(), 2)',
                'what came when all was listed is for the next run');
select is(differences('103'), 'extra payment waiting - open', 'unknown to the provider');
select is(compare('101', theirs('101', '{"payment_extra_ids": [104, 101]}')), '104',
          'a repeated deposit that the books do not have');
select compare('104', '{"payment_id": 104, "payment_status": "finished", "order_id": "FFX1"}');
select is(differences('104'), 'missing payment - finished open', 'one that belongs nowhere');
select finish_run();
select next_run();
select alike((select string_agg(payment_id, ',') from backend.payments_to_compare(run(), 9)), '%,110',
             'which has it');
select compare('102', theirs('102', '{"price_amount": 350}'));
select is(differences('102') ~ '^([^;]*gone; )*amount price_amount 349 350 open; [^;]*gone; [^;]*gone$',
          true, 'what went away is marked so; what is still there is listed once');
select compare('103', theirs('103'), 'applied');
select is(differences('103'), 'extra payment waiting - gone; state status - waiting healed',
          'an event that was applied healed it');
select compare('103', theirs('103'));
select is((select count(*) from reconciliation_differences where payment_id = '103'), 2::bigint,
          'and it is not found again');
update payments set provider_updated_at = now() where payment_id = '103';
select compare('103', theirs('103', jsonb_build_object('payment_status', 'expired', 'updated_at',
    platform.iso_utc(now() - interval '1 minute'))));
select is((select count(*) from reconciliation_differences where payment_id = '103'), 2::bigint,
          'an answer older than the books is no difference of state');

-- A payment that never gets an answer
select backend.pause_reconciliation(run(), '103', 'HTTP 500') from generate_series(1, 19);
select rows_eq('select failures, problem from reconciliation_runs where id = run()',
               $$ values (19, 'HTTP 500') $$, 'a run waits for the provider');
select is((select skipped from backend.pause_reconciliation(run(), '103', 'HTTP 500')), true,
          'but not for ever');
select alike(differences('103'), 'missing answer - - open;%', 'the payment is listed instead');

-- A payment that nobody comes back from, and a page of the provider's list
create function tests.claim() returns text language plpgsql as $$
declare
    v record;
begin
    perform tests.hurry('reconciliation');
    select * into v from backend.claim_reconciliation();
    return (select position from reconciliation_runs where id = tests.run()) || ' ' || v.list_page;
end
$$;
update reconciliation_runs set position = '', lost = 0 where id = run();
select is((select string_agg(claim(), ',') from generate_series(1, 5)), ' 0, 0, 0, 0, 0',
          'five claims that end nowhere');
select is(claim(), '101 0', 'then the run goes on behind it');
select is(differences('101'), 'missing answer - - open', 'and the payment is listed');
select is((select explanation from reconciliation_differences where payment_id = '101'),
          'it could not be compared: processing did not return, 6 times', 'with the reason');
select claim() from generate_series(1, 4);
select compare('102', theirs('102', '{"price_amount": 350}'));
select is(claim(), '102 0', 'a run that gets further is not lost');
select backend.pause_reconciliation(run(), null, null);
select is((select lost from reconciliation_runs where id = run()), 0, 'nor one that is given back');
select claim();
create function tests.end_in_the_middle() returns integer language plpgsql as $$
begin
    create or replace function backend.list_changes(p_run public.reconciliation_runs)
    returns boolean language sql as 'select false';
    perform backend.finish_reconciliation(tests.run());
    raise exception using errcode = 'FFX99',
        message = (select r.lost || ' ' || j.state from reconciliation_runs as r, platform.jobs as j
                   where r.id = tests.run() and j.kind = 'reconciliation');
end
$$;
select throws_ok('select end_in_the_middle()', 'FFX99', '0 waiting',
                 'nor one whose end takes more turns than one');
update reconciliation_runs set position = '999' where id = run();
select claim() from generate_series(1, 6);
select is(claim(), '999 1', 'a page of the list is passed over in the same way');
select is((select explanation from reconciliation_differences where aspect = 'list_page'),
          'page 0 of the provider''s list: processing did not return, 6 times', 'and listed');
update reconciliation_differences set resolved_at = now(), resolution = 'gone'
where aspect in ('answer', 'list_page') and explanation like '%did not return%';

-- A payment of the provider's list that never gets an answer, and a list that cannot be read
create function tests.unheard(p_ids text) returns text language sql as $$
    select string_agg(payment_id, ',') from backend.unknown_payments(run(), 1, p_ids)
$$;
create function tests.pause(p_at text, p_times integer) returns text language plpgsql as $$
declare
    v_said text := '';
begin
    for n in 1..p_times loop
        v_said := v_said || (select skipped from backend.pause_reconciliation(tests.run(), p_at, 'HTTP 500'));
    end loop;
    return v_said;
end
$$;
update reconciliation_runs set failures = 0 where id = run();
select is(unheard('["101", "9900", "9901"]'), '9900,9901', 'payments that the books never heard of');
select is(pause('9900', 19), repeat('false', 19), 'one of them gets no answer');
select is(pause('9900', 1), 'true', 'but not for ever');
select is(unheard('["101", "9900", "9901"]'), '9901', 'the others get theirs');
select is((select position from reconciliation_runs where id = run()), '999', 'from where the run stands');
select is(pause('', 19) || pause('', 1), repeat('false', 19) || 'true', 'nor does the list keep the run');
select is((select list_page from reconciliation_runs where id = run()), -1, 'which goes on without it');
select is((select explanation from reconciliation_differences
           where aspect = 'list_page' and resolved_at is null),
          'the provider''s list could not be read from page 1 on, 20 tries in a row: HTTP 500', 'and says so');
select is(claim(), '999 -1', 'until it ends');

-- Accepting
select is(as_user('ann', 'select public.accept_difference(1, '''')'), 'ERROR 42501', 'not a customer''s');
select is(as_user('boss', format('select public.accept_difference(%s, ''rebate'')',
    (select id from reconciliation_differences where payment_id = '102' and resolved_at is null))),
    'true', 'staff accepts a difference');
select is((select count(*) from admin_audit_log where action_type = 'ACCEPT'
             and admin_email = 'boss@example.com'), 1::bigint, 'which is audited');
select compare('102', theirs('102', '{"price_amount": 350}'));
select unalike(differences('102'), '%open%', 'then it is not listed again');
select compare('102', theirs('102', '{"price_amount": 351}'));
select alike(differences('102'), '%349 351 open%', 'unless the figures change');

-- Books
delete from waiting_deliveries where order_id = 'FFX000000001';
update orders set payment_status = 'paid', payment_provider = 'nowpayments'
 where order_id = 'FFX000000004';
update orders set delivery_status = 'delivered' where order_id = 'FFX000000005';
insert into payment_transactions (order_id, user_id, transaction_type, amount, provider, status)
values ('FFX000000006', id('ann'), 'payment', 5, 'manual', 'completed');
insert into waiting_deliveries values ('FFX000000007', 'hft', 10000, 'mt5', now(), 'x');
select make_stock('s1');
insert into delivered_accounts (user_id, order_id, container_account_id, account_type, account_size,
    platform_type, server_name, login_id, password, current_phase)
select id('ann'), 'FFX000000008', id, 'hft', 10000, 'mt5', 'Demo', 's1', 'x', 'challenge'
from account_container;
update account_container set status = 'delivered';
select finish_run();
select next_run();
select finish_run();
select is_empty($$ select from reconciliation_differences where aspect = 'list_page' and resolved_at is null $$,
                'a list that can be read again is no difference any more');
select rows_eq($$ select n, books('FFX' || lpad(n::text, 9, '0')) from generate_series(1, 9) as n $$,
    $$ values (1, 'missing waiting_delivery healed'),
              (2, null), (3, null),
              (4, 'missing counted_payment open; missing transaction open'),
              (5, 'missing delivered_account open'),
              (6, 'extra transaction open'),
              (7, 'extra waiting_delivery healed'),
              (8, 'extra delivered_account open'),
              (9, null) $$, 'books that disagree');
select is((select count(*) from waiting_deliveries where order_id = 'FFX000000001'), 1::bigint,
          'who is missing in the queue is put into it');
select is((select count(*) from waiting_deliveries where order_id = 'FFX000000007'), 0::bigint,
          'and who has nothing to wait for is taken out');
select is((select ours || ' / ' || theirs from reconciliation_differences where user_id = id('ann')),
          '0 orders, 0.00 USD / 1 orders, 349.00 USD', 'the totals of a customer');
select next_run();
select finish_run();
select is(books('FFX000000004'), 'missing counted_payment open; missing transaction open',
          'a second run lists nothing twice');
select is((select count(*) from jsonb_array_elements(public.reconciliation_report() -> 'open')),
          (select count(*) from reconciliation_differences where resolved_at is null),
          'the report has what is open');
select is(as_service('select public.reconciliation_report() -> ''run'' ->> ''healed'''), '0',
          'and the last run');
select * from finish();
rollback;
