-- What callers may write: a list of columns, and no text or JSON without a bound.
begin;
select plan(14);
select make_user('ann');
select make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
select make_order('ann', 1);
select make_stock('1');
select event('FFX000000001', 'a1', 'finished');

-- A column is bounded by a domain or a check of its own (or a reference); names that may be written
-- are those that the three request roles have a right to.
select is_empty(
    $$ select c.relname || '.' || a.attname
       from pg_class as c
       join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       cross join unnest(array['anon', 'authenticated', 'service_role']) as r (name)
       where c.relnamespace in ('public'::regnamespace, 'platform'::regnamespace)
         and c.relkind in ('r', 'p')
         and (has_column_privilege(r.name, c.oid, a.attnum, 'insert')
              or has_column_privilege(r.name, c.oid, a.attnum, 'update'))
         and a.atttypid in ('text'::regtype, 'varchar'::regtype, 'json'::regtype, 'jsonb'::regtype)
         and not exists (
            select from pg_constraint as k
            where k.conrelid = c.oid and k.contype in ('c', 'f') and a.attnum = any (k.conkey)
              and pg_get_constraintdef(k.oid) ~ '(ANY|=|length|REFERENCES)') $$,
    'every text that a caller may write is bounded');
select is_empty(
    $$ select t.typname from pg_type as t
       where t.typtype = 'd' and t.typnamespace in ('public'::regnamespace, 'platform'::regnamespace)
         and t.typbasetype in ('text'::regtype, 'jsonb'::regtype)
         and not exists (select from pg_constraint as k where k.contypid = t.oid) $$,
    'and every domain of texts says how');

-- NaN passes every bound from below; two columns say otherwise what they take, or decide nothing.
select set_eq(
    $$ select c.relname || '.' || a.attname
       from pg_class as c
       join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       join pg_type as t on t.oid = a.atttypid
       where c.relnamespace in ('public'::regnamespace, 'platform'::regnamespace)
         and c.relkind in ('r', 'p')
         and (has_column_privilege('service_role', c.oid, a.attnum, 'insert')
              or has_column_privilege('service_role', c.oid, a.attnum, 'update'))
         and 'numeric'::regtype in (a.atttypid, t.typbasetype)
         and not exists (
            select from pg_constraint as k
            where k.contypid = t.oid and pg_get_constraintdef(k.oid) like '%NaN%') $$,
    array['shop_settings.value', 'orders.crypto_amount'], 'every amount that a caller may write is a number');
select is(as_service($$ update prices set price = 'NaN' $$), 'ERROR 23514', 'so is a price');

select is(as_user('ann', $$ update user_profiles set first_name = repeat('x', 5000000)
                            where id = auth.uid() $$), 'ERROR 23514', 'a name of five megabytes');
select is(as_user('ann', $$ insert into orders (user_id, account_type, account_size, platform_type,
                                                payment_proof)
                            values (auth.uid(), 'hft', 10000, 'mt5', repeat('x', 5000000)) $$),
          'ERROR 23514', 'a proof of five megabytes');
select is(as_service($$ update orders set transaction_id = repeat('x', 201) $$), 'ERROR 23514',
          'the service key, too');
select is(as_service($$ update reviews set detail = jsonb_build_object('x', repeat('x', 70000)) $$),
          '0', 'JSON where there is none');
select is(as_service($$ insert into reviews (kind, detail)
                        values ('x', jsonb_build_object('x', repeat('x', 70000))) $$),
          'ERROR 23514', 'and where it would be');

-- A customer's new order has nothing of theirs but the list.
select is(as_user('ann', format($$ insert into orders
    (id, order_id, user_id, account_type, account_size, platform_type, order_status, payment_status,
     delivery_status, payment_provider, payment_provider_id, crypto_amount, crypto_address, paid_at,
     delivered_at, created_at, updated_at)
    values ('00000000-0000-0000-0000-00000000000f', 'FFX000000777', auth.uid(), 'hft', 10000, 'mt5',
            'completed', 'paid', 'delivered', 'manual', 'x', 1, 'x', '2020-01-01', '2020-01-01',
            '2020-01-01', '2020-01-01') $$)), '1', 'an order that claims a lot');
select rows_eq(
    $$ select id <> '00000000-0000-0000-0000-00000000000f', order_status, payment_status,
              delivery_status, payment_provider, payment_provider_id, crypto_amount, crypto_address,
              paid_at, delivered_at, created_at = now() and updated_at = now()
       from orders where order_id = 'FFX000000777' $$,
    $$ values (true, 'pending', 'pending', 'pending', null::text, null::text, null::numeric,
               null::text, null::timestamptz, null::timestamptz, true) $$, 'is new all the same');

-- What is written down about a reveal
select container_account_id as account from delivered_accounts \gset
select is(as_user('ann', format($$ select reveal_credential(%L, repeat('x', 500000), 'x') $$,
                                :'account')), 'ERROR 22023', 'no column of the caller''s invention');
select is(as_user('ann', format($$ select reveal_credential(%L, null, 'x') $$, :'account')),
          'ERROR 22023', 'nor none');
select is((select count(*) from credential_reveals where reason = 'read'), 0::bigint,
          'nothing of it is written down');
select * from finish();
rollback;
