-- Who sees and changes what, as row level security.
--
--   anon           active prices, trading rules, active wallets
--   authenticated  the same; own profile (read, change), own orders (read, insert), own delivered
--                  accounts and transactions (read); everything, when platform.is_admin()
--   service_role   everything the table grants below allow (it bypasses the policies)
--
-- Columns a customer may not set are guarded by triggers, because administrators use the same
-- role. "(select …)" makes PostgreSQL ask once per statement instead of once per row.

do $$
declare
    -- Tables of the contract: the three roles may try, the policies decide.
    c_contract constant text[] := array[
        'user_profiles', 'orders', 'trading_rules', 'prices', 'account_container',
        'delivered_accounts', 'payment_transactions', 'crypto_addresses', 'reviews'];
    -- Figures: administrators and service_role read them.
    c_figures constant text[] := array['shop_settings', 'stock_levels', 'stock_alerts'];
    -- Evidence: administrators and service_role read it, only the database writes it.
    c_evidence constant text[] := array[
        'payment_attempts', 'payments', 'payment_events', 'waiting_deliveries',
        'webhook_debug_calls', 'payment_checks', 'reconciliation_runs',
        'reconciliation_work', 'reconciliation_differences', 'credential_reveals'];
    v_table text;
begin
    foreach v_table in array c_contract || c_figures || c_evidence loop
        execute format('alter table public.%I enable row level security', v_table);
        execute format('revoke all on public.%I from public, anon, authenticated, service_role',
                       v_table);
        execute format(
            case when v_table = any (c_contract)
                then 'grant select, insert, update, delete on public.%I '
                     'to anon, authenticated, service_role'
                else 'grant select on public.%I to authenticated, service_role' end,
            v_table);
        execute format(
            case when v_table = any (c_evidence)
                then 'create policy %I on public.%I for select to authenticated '
                     'using ((select platform.is_admin()))'
                else 'create policy %I on public.%I for all to authenticated '
                     'using ((select platform.is_admin())) '
                     'with check ((select platform.is_admin()))' end,
            v_table || '_admin', v_table);
    end loop;
end
$$;
grant update on public.shop_settings to authenticated, service_role;

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
