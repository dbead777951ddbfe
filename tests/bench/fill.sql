-- fill.sql: what makes a shop that has been selling for two years; fill.mjs calls it.
--
-- Names follow from numbers, so that whoever sends requests needs no list:
--   user u     00000000-0000-4000-8000-1XXXXXXXXXXX     order n   FFX(100000000 + n), user n % users
--   payment    6000000000 + n                           invoice   5000000000 + n
--   session s  00000000-0000-4000-a000-1XXXXXXXXXXX
-- `users` is how many there are when the order is made (bench.settings).
-- Triggers and foreign keys rest while rows come in (session_replication_role = replica); what they
-- would have written is written here.

\set ON_ERROR_STOP 1

create schema bench;
create table bench.settings as select 0::bigint as users;

create function bench.user_id(n bigint) returns uuid
language sql immutable
as $$ select ('00000000-0000-4000-8000-' || (100000000000 + n))::uuid $$;

create function bench.session_id(n bigint) returns uuid
language sql immutable
as $$ select ('00000000-0000-4000-a000-' || (100000000000 + n))::uuid $$;

create function bench.account_id(n bigint) returns uuid
language sql immutable
as $$ select ('00000000-0000-4000-9000-' || (100000000000 + n))::uuid $$;

-- What is sold: every row of the price list on both platforms, in a fixed order.
create table bench.products as
select (row_number() over (order by p.account_size, p.account_type, f.platform) - 1)::integer as n,
       p.account_type, p.account_size, f.platform as platform_type, p.price
  from public.prices as p cross join unnest(array['mt4', 'mt5']) as f(platform)
 where p.is_active
 order by 1;
alter table bench.products add primary key (n);

-- A stored password has the form of a sealed one and opens with no key: sealing two of them for every
-- account would take minutes, and nothing that is measured opens one.
create function bench.sealed(n bigint, p_whole boolean) returns text
language sql immutable
as $$
    select case when p_whole then 'ffx1.k1.' || left(repeat(md5(n::text), 3), 86)
                else 'ffx1.k1.' || n end
$$;

-- The only place that fills the stock.
create function bench.fill_stock(p_first bigint, p_count bigint, p_status text) returns void
language sql
as $$
    insert into public.account_container
        (id, account_size, platform_type, server_name, login_id, password, investor_password, status,
         reserved_for_order_id, reserved_at, created_at)
    select bench.account_id(g.n), p.account_size, p.platform_type, 'FlashFundX-Demo',
           (10000000 + g.n)::text, s.password, s.password, p_status,
           case p_status when 'delivered' then 'FFX' || (100000000 + g.n) end,
           case p_status when 'delivered' then now() end,
           now() - interval '700 days' + g.n % 59000000 * interval '1 second'
      from generate_series(p_first, p_first + p_count - 1) as g(n)
      join bench.products as p on p.n = g.n % (select count(*) from bench.products)
     cross join lateral (values (bench.sealed(g.n, p_status = 'available'))) as s(password)
$$;

create function bench.callback(n bigint, p_status text, p_paid numeric) returns text
language sql immutable
as $$
    select format('{"actually_paid":%s,"actually_paid_at_fiat":0,"fee":{"currency":"usdtbsc",'
        '"depositFee":0.133779,"serviceFee":0.054332,"withdrawalFee":0},"invoice_id":%s,'
        '"order_description":null,"order_id":"FFX%s","outcome_amount":146.02,'
        '"outcome_currency":"usdtbsc","parent_payment_id":null,'
        '"pay_address":"0xa638a632134CdcfDf6c510965757f4963Cca5366","pay_amount":10.99726171,'
        '"pay_currency":"usdtbsc","payin_extra_id":null,"payment_extra_ids":null,"payment_id":%s,'
        '"payment_status":"%s","price_amount":149,"price_currency":"usd",'
        '"purchase_id":"4409335830","updated_at":1795235465000}',
        p_paid, 5000000000 + n, 100000000 + n, 6000000000 + n, p_status)
$$;

-- What is finished is kept short, or millions of orders would fill the disk with what nothing that is
-- measured reads: three callbacks of an order without their bodies, and short passwords.
-- Orders p_first … with everything that hangs on them.  p_state: delivered, expired, waiting (the
-- payer has the address), new (nobody asked for a payment yet).
create function bench.fill_orders(p_first bigint, p_count bigint, p_state text) returns void
language plpgsql
as $$
declare
    v_users constant bigint := (select users from bench.settings);
    v_products constant bigint := (select count(*) from bench.products);
begin
    create temporary table fresh on commit drop as
    select g.n, bench.user_id(g.n % v_users) as user_id, bench.account_id(g.n) as account_id,
           'FFX' || (100000000 + g.n) as order_id, (6000000000 + g.n)::text as payment_id,
           (5000000000 + g.n)::text as invoice_id,
           p.account_type, p.account_size, p.platform_type, p.price,
           case when p_state in ('delivered', 'expired')
                then now() - interval '700 days' + (g.n % 59000000) * interval '1 second'
                else now() end as at
      from generate_series(p_first, p_first + p_count - 1) as g(n)
      join bench.products as p on p.n = g.n % v_products;

    insert into public.orders
        (order_id, user_id, account_type, account_size, platform_type, amount, final_amount,
         order_status, payment_status, delivery_status, payment_method, payment_provider,
         payment_provider_id, crypto_currency, crypto_amount, crypto_address, created_at, paid_at,
         delivered_at, updated_at)
    select order_id, user_id, account_type, account_size, platform_type, price, price,
           case p_state when 'delivered' then 'completed' when 'expired' then 'failed'
                        when 'waiting' then 'processing' else 'pending' end,
           case p_state when 'delivered' then 'paid' when 'expired' then 'failed' else 'pending' end,
           case p_state when 'delivered' then 'delivered' else 'pending' end,
           case when p_state <> 'new' then 'nowpayments' end,
           case when p_state <> 'new' then 'nowpayments' end,
           case when p_state <> 'new' then payment_id end,
           case when p_state <> 'new' then 'usdt_bsc' end,
           case when p_state <> 'new' then 10.99726171 end,
           case when p_state <> 'new' then '0xa638a632134CdcfDf6c510965757f4963Cca5366' end,
           at, case p_state when 'delivered' then at end, case p_state when 'delivered' then at end, at
      from fresh;
    if p_state = 'new' then
        return;
    end if;

    insert into public.payment_attempts
        (id, order_id, pay_currency, crypto_currency, price_amount, state, claim_until, invoice_id,
         invoice_url, created_at, updated_at)
    select account_id, order_id, 'usdtbsc', 'usdt_bsc', price, 'open', at, invoice_id,
           'https://nowpayments.io/payment/?iid=' || invoice_id, at, at
      from fresh;
    insert into public.payments
        (payment_id, order_id, attempt_id, invoice_id, purchase_id, status, counted, pay_address,
         pay_currency, crypto_currency, pay_amount, actually_paid, price_amount, price_currency,
         valid_until, provider_created, provider_updated_at, last_seen_at, created_at, updated_at)
    select payment_id, order_id, account_id, invoice_id, '4409335830',
           case p_state when 'delivered' then 'finished' else p_state end, p_state = 'delivered',
           '0xa638a632134CdcfDf6c510965757f4963Cca5366', 'usdtbsc', 'usdt_bsc', 10.99726171,
           case p_state when 'delivered' then 10.99726171 end, price, 'usd', at + interval '7 days',
           case p_state when 'waiting' then bench.callback(n, 'waiting', 0) end,
           case when p_state <> 'waiting' then at end, greatest(at, now() - interval '1 day'), at, at
      from fresh;
    if p_state <> 'delivered' then
        insert into platform.jobs (kind, key, due_at)
        select 'payment_check', payment_id,
               case p_state when 'expired' then now() + interval '1 day' else now() end
          from fresh;
    end if;
    insert into public.payment_transactions
        (order_id, user_id, transaction_type, amount, provider, provider_transaction_id,
         provider_status, status, created_at, processed_at, updated_at)
    select order_id, user_id, 'payment', price, 'nowpayments', payment_id,
           case p_state when 'delivered' then 'finished' else p_state end,
           case p_state when 'delivered' then 'completed' when 'expired' then 'failed'
                        else 'pending' end,
           at, case when p_state <> 'waiting' then at end, at
      from fresh;
    if p_state = 'waiting' then
        return;
    end if;

    insert into public.payment_events
        (payment_id, status, actually_paid, order_id, outcome, source, raw, received_at, done_at)
    select payment_id, s.status, s.paid, order_id, 'applied', 'ipn', '{}', at, at
      from fresh
     cross join (values ('waiting', 0), ('confirming', 10.99726171), ('finished', 10.99726171),
                        ('expired', 0)) as s(status, paid)
     where s.status = 'waiting' or (s.status = 'expired') = (p_state = 'expired');
    if p_state = 'expired' then
        return;
    end if;

    perform bench.fill_stock(p_first, p_count, 'delivered');
    insert into public.delivered_accounts
        (user_id, order_id, container_account_id, trading_rules_id, account_type, account_size,
         platform_type, server_name, login_id, password, investor_password, current_phase,
         email_sent, email_sent_at, delivered_at, created_at, last_updated)
    select f.user_id, f.order_id, f.account_id, r.id, f.account_type, f.account_size, f.platform_type,
           'FlashFundX-Demo', (10000000 + f.n)::text, s.password, s.password,
           case f.account_type when 'instant' then 'live' when 'two_step' then 'phase_1'
                else 'challenge' end,
           true, f.at, f.at, f.at, f.at
      from fresh as f
      join public.trading_rules as r
        on r.account_type = f.account_type and r.account_size = f.account_size
     cross join lateral (values (bench.sealed(f.n, false))) as s(password);
end
$$;

-- Users p_first … with their profiles.
create function bench.fill_users(p_first bigint, p_count bigint) returns void
language sql
as $$
    insert into auth.users (id, email, email_confirmed_at, raw_user_meta_data)
    select bench.user_id(n), 'user-' || n || '@example.com', now(),
           '{"first_name": "Eve", "last_name": "Tester", "country": "NL"}'
      from generate_series(p_first, p_first + p_count - 1) as n;
    insert into public.user_profiles (id, first_name, last_name, email, country)
    select bench.user_id(n), 'Eve', 'Tester', 'user-' || n || '@example.com', 'NL'
      from generate_series(p_first, p_first + p_count - 1) as n;
$$;
