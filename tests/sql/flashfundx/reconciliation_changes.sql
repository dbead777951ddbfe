-- What a run has to compare is listed a page at a time, each row once, whatever has the same time.
begin;
select plan(14);
select make_user('ann');
select make_order('ann', n) from generate_series(1, 1203) as n;
select event('FFX' || lpad(n::text, 9, '0'), 'p' || n, 'waiting', 0) from generate_series(1, 1201) as n;
update orders set created_at = now() - interval '9 days' where order_id = 'FFX000001202';
update orders set created_at = now() - interval '1 day' where order_id = 'FFX000001203';
create function tests.pages(p_table text, p_size integer) returns table (pages integer, rows integer, n integer)
language plpgsql as $$
declare
    v record;
    v_at timestamptz := now() - interval '7 days';
    v_key text := '';
    v_seen text[] := '{}';
    v_count integer;
begin
    pages := 0;
    rows := 0;
    loop
        v_count := 0;
        for v in select * from backend.changes(p_table, v_at, v_key, p_size) loop
            v_at := v.at;
            v_key := v.key;
            v_seen := v_seen || v.key;
            v_count := v_count + 1;
        end loop;
        pages := pages + 1;
        rows := rows + v_count;
        exit when v_count < p_size;
    end loop;
    n := (select count(distinct s) from unnest(v_seen) as s);
    return next;
end
$$;
select rows_eq($$ select * from pages('payments', 500) $$, $$ values (3, 1201, 1201) $$,
               'payments, all made at the same time');
select rows_eq($$ select * from pages('orders', 500) $$, $$ values (3, 1202, 1202) $$,
               'orders, as far as they are young');
select rows_eq($$ select * from pages('payment_events', 1201) $$, $$ values (2, 1201, 1201) $$,
               'events, when the last page is full');
select rows_eq($$ select * from pages('delivered_accounts', 500) $$, $$ values (1, 0, 0) $$,
               'and of what there is none');

-- All of them, and what staff changed
insert into reconciliation_runs (reason, since, finished_at) values ('daily', now() - interval '30 days', now());
select tamper($$ insert into reconciliation_differences
        (run_id, last_run_id, scope, kind, aspect, payment_id, order_id, explanation, found_at, resolved_at)
    select r.id, r.id, s.scope, 'amount', 'x', s.scope || s.n, 'O' || s.n, '', now() - interval '60 days',
           case when s.n > 600 then now() end
    from reconciliation_runs as r,
         (select 'provider' as scope, n from generate_series(1, 700) as n
          union all select 'books', n from generate_series(1, 3) as n) as s $$);
select tamper('delete from admin_audit_log');
select as_service('update orders set crypto_address = ''x'' where order_id = ''FFX000001202''');
select as_service(format('update user_profiles set first_name = ''Eve'' where id = %L', id('ann')));
select rows_eq($$ select * from pages('reconciliation_differences', 500) $$, $$ values (2, 603, 603) $$,
               'differences, as long as they are open');
select backend.request_reconciliation(now() - interval '7 days') as run \gset
select is((select backend.list_changes(r) from reconciliation_runs as r where r.id = :run), true,
          'all is listed');
select rows_eq(format('select scope, count(*) from reconciliation_work where run_id = %s group by scope
                       order by scope', :run),
    $$ values ('order', 1803::bigint), ('payment', 1801), ('user', 1) $$, 'each once');
select is((select listing from reconciliation_runs where id = :run), null, 'which the run knows');
select event('FFX000001202', 'late', 'waiting', 0);
select is((select backend.list_changes(r) from reconciliation_runs as r where r.id = :run), true,
          'and it stays so');
select is_empty('select from reconciliation_work where key = ''late''', 'whatever comes later');

-- The end: page by page as well
select is((select count(*) from generate_series(1, 100) as n where backend.compare_listed(:run)), 76::bigint,
          'orders, customers and payments are taken off the list in pages');
select is_empty('select from reconciliation_work', 'until nothing is left');
select is((select count(*) from generate_series(1, 100) as n where backend.end_gone(:run)), 0::bigint,
          'what a run has not found again');
select is((select count(*) from reconciliation_differences where scope = 'books' and resolution = 'gone'),
          3::bigint, 'is marked as gone');
select * from finish();
rollback;
