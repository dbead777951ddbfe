-- Who sees and changes what, as row level security.
--
--   anon           active prices, trading rules, active wallets
--   authenticated  the same; own profile (read, change), own orders (read, insert), own delivered
--                  accounts and transactions (read)
--   staff          what a customer has; by their duties what the table below says; owners all of it
--   service_role   everything the table grants below allow (it bypasses the policies)
--
-- Customers' policies name nobody else, so that reading without a filter walks an index. Columns a
-- customer may not set are guarded by triggers. "(select …)" makes PostgreSQL ask once per statement
-- instead of once per row.

do $$
declare
    -- Tables of the contract: the request roles may try, the policies decide.
    c_contract constant text[] := array[
        'user_profiles', 'orders', 'trading_rules', 'prices', 'account_container',
        'delivered_accounts', 'payment_transactions', 'crypto_addresses', 'reviews'];
    c_all constant text := 'finance support inventory';
    v record;
    v_condition text;
    v_command text;
begin
    for v in
        select *
        from (values
            -- who reads beside owners; who changes beside owners, and how. Orders, books, reviews and
            -- evidence are changed by functions only.
            ('user_profiles',        'support finance', 'support', 'update'),
            ('orders',               'support finance', null, ''),
            ('payment_transactions', 'support finance', null, ''),
            ('reviews',              'support finance', null, ''),
            ('delivered_accounts',   'support',         'support', 'update'),
            ('account_container',    'inventory',       'inventory', 'insert update delete'),
            ('trading_rules',        c_all,             '', 'insert update delete'),
            ('prices',               c_all,             '', 'insert update delete'),
            ('crypto_addresses',     c_all,             '', 'insert update delete'),
            ('shop_settings',        c_all,             '', 'update'),
            ('stock_levels',         c_all,             null, ''),
            ('stock_alerts',         c_all,             null, ''),
            ('payment_attempts',     'support finance', null, ''),
            ('payments',             'support finance', null, ''),
            ('payment_events',       'support finance', null, ''),
            ('payment_checks',       'support finance', null, ''),
            ('waiting_deliveries',   c_all,             null, ''),
            ('webhook_debug_calls',  'finance',         null, ''),
            ('reconciliation_runs',  'finance',         null, ''),
            ('reconciliation_work',  'finance',         null, ''),
            ('reconciliation_differences', 'finance',   null, ''),
            ('credential_reveals',   '',                null, '')
        ) as t (name, readers, writers, commands)
    loop
        execute format('alter table public.%I enable row level security', v.name);
        execute format('revoke all on public.%I from public, anon, authenticated, service_role',
                       v.name);
        execute format(
            case when v.name = any (c_contract)
                then 'grant select, insert, update, delete on public.%I '
                     'to anon, authenticated, service_role'
                else 'grant select on public.%I to staff, service_role' end, v.name);
        execute format('create policy %I on public.%I for select to staff using (%s)',
            v.name || '_staff', v.name, format('(select platform.has_duty(variadic %L))',
                                               string_to_array(v.readers, ' ')));
        v_condition := format('(select platform.has_duty(variadic %L))',
                              string_to_array(v.writers, ' '));
        foreach v_command in array string_to_array(v.commands, ' ') loop
            execute format('create policy %I on public.%I for %s to staff %s %s',
                v.name || '_staff_' || v_command, v.name, v_command,
                case when v_command <> 'insert' then format('using (%s)', v_condition) end,
                case when v_command <> 'delete' then format('with check (%s)', v_condition) end);
        end loop;
    end loop;
end
$$;
grant update on public.shop_settings to staff, service_role;

-- Numbers are given out by the tables' own defaults; whoever could set a sequence back would make
-- every later insert fail.
revoke all on all sequences in schema public from public, anon, authenticated, service_role;

-- Anyone -----------------------------------------------------------------------------------------
create policy trading_rules_public on public.trading_rules
    for select to anon, authenticated using (true);

create policy prices_public on public.prices
    for select to anon, authenticated using (is_active);

create policy crypto_addresses_public on public.crypto_addresses
    for select to anon, authenticated using (is_active);

-- Customers --------------------------------------------------------------------------------------
create policy user_profiles_own_select on public.user_profiles
    for select to authenticated using (id = (select auth.uid()));

create policy user_profiles_own_update on public.user_profiles
    for update to authenticated
    using (id = (select auth.uid())) with check (id = (select auth.uid()));

create policy orders_own_select on public.orders
    for select to authenticated using (user_id = (select auth.uid()));

create policy orders_own_insert on public.orders
    for insert to authenticated with check (user_id = (select auth.uid()));

create policy delivered_accounts_own_select on public.delivered_accounts
    for select to authenticated using (user_id = (select auth.uid()));

create policy payment_transactions_own_select on public.payment_transactions
    for select to authenticated using (user_id = (select auth.uid()));
