-- What exists, and what every shop starts with.
begin;
select plan(13);

select set_eq(
    $$ select table_name::text from information_schema.tables where table_schema = 'public' $$,
    array['user_profiles', 'administrators', 'prices', 'trading_rules', 'crypto_addresses',
          'email_templates', 'orders', 'account_container', 'delivered_accounts',
          'waiting_deliveries', 'payment_transactions', 'payment_attempts', 'payments',
          'payment_events', 'unapplied_callbacks', 'reviews', 'webhook_debug_calls', 'schedules', 'admin_audit_log',
          'shop_settings', 'stock_levels', 'stock_alerts',
          'outbox', 'payment_checks', 'reconciliation_runs', 'reconciliation_work',
          'reconciliation_differences',
          'credential_reveals'],
    'the tables of the application');

select set_eq(
    $$ select column_name::text from information_schema.columns
       where table_schema = 'public' and table_name = 'orders' $$,
    array['id', 'order_id', 'user_id', 'account_type', 'account_size', 'platform_type', 'amount',
          'currency', 'discount_amount', 'final_amount', 'order_status', 'payment_status',
          'delivery_status', 'payment_method', 'payment_provider', 'payment_provider_id',
          'transaction_id', 'crypto_currency', 'crypto_amount', 'crypto_address', 'payment_proof',
          'created_at', 'paid_at', 'delivered_at', 'updated_at'],
    'the columns of orders');

select has_index('public', 'account_container', 'account_container_next_idx', 'the delivery index');
select col_is_unique('public', 'delivered_accounts', 'order_id', 'one account per order');
select col_is_unique('public', 'delivered_accounts', 'container_account_id',
                     'one order per account');

-- Seeds
select is((select count(*) from prices), 36::bigint, '36 prices');
select is((select count(*) from trading_rules), 36::bigint, 'trading rules for every price');
select is_empty(
    $$ select account_type, account_size from prices
       except select account_type, account_size from trading_rules $$,
    'nothing is sold without rules');
select is((select count(*) from crypto_addresses where not is_active), 7::bigint,
          'seven wallets, none active before somebody entered an address');
select throws_ok($$ update crypto_addresses set is_active = true $$, '23514', null,
                 'a wallet without address cannot be activated');
select set_eq($$ select template_type from email_templates where template_type <> 'auth' $$,
    array['account_delivery', 'welcome', 'phase_completion', 'account_breach', 'payment_received',
          'payment_failed', 'payment_held', 'review_needed', 'stock_alert'],
    'nine mail templates');
select is_empty(
    $$ select t.template_name, v.name
       from email_templates as t
       cross join lateral (
           select distinct m[1] as name
           from regexp_matches(t.subject || t.html_content || t.text_content,
                               '\{\{ *\.?(\w+) *\}\}', 'g') as m) as v
       where not t.variables ? v.name $$,
    'every placeholder of a template is declared');

select rows_eq(
    $$ select challenge_profit_target, challenge_max_daily_loss, challenge_max_total_loss,
              challenge_min_trading_days, live_max_daily_loss, live_max_total_loss,
              profit_share_percentage
       from trading_rules where account_type = 'hft' and account_size in (1000, 200000)
       order by account_size $$,
    $$ values (80.00, 40.00, 80.00, 1, 50.00, 100.00, 80),
              (16000.00, 6000.00, 12000.00, 5, 6000.00, 12000.00, 85) $$,
    'rules as documented');
select * from finish();
rollback;
