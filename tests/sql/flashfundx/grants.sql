-- Who of the shop may run and touch what, from the catalog itself.
begin;
select plan(8);

create temporary table granted (role text, fn text);
insert into granted
values
    ('fn_create_crypto_payment', 'begin_payment'),
    ('fn_create_crypto_payment', 'attach_invoice'),
    ('fn_create_crypto_payment', 'attach_payment'),
    ('fn_create_crypto_payment', 'fail_payment_attempt'),
    ('fn_payment_webhook', 'apply_payment_event'),
    ('fn_payment_webhook', 'record_payment_event'),
    ('fn_payment_webhook', 'apply_payment_events'),
    ('fn_payment_webhook', 'store_payment_event'),
    ('fn_payment_webhook', 'store_unapplied_callback'),
    ('fn_process_events', 'claim_next_event'),
    ('fn_process_events', 'process_event'),
    ('fn_check_payment_status', 'apply_payment_event'),
    ('fn_check_payment_status', 'record_payment_event'),
    ('fn_check_payment_status', 'payment_statuses'),
    ('fn_test_delivery', 'test_delivery'),
    ('fn_payment_history', 'payment_history_for'),
    ('fn_webhook_debug', 'log_webhook_call'),
    ('fn_deliver_waiting', 'claim_waiting'),
    ('fn_deliver_waiting', 'deliver_waiting'),
    ('fn_deliver_waiting', 'check_stock'),
    ('fn_send_outbox', 'outbox_claim'),
    ('fn_send_outbox', 'outbox_sent'),
    ('fn_send_outbox', 'outbox_failed'),
    ('fn_send_outbox', 'forget_mail_words'),
    ('fn_send_email', 'send_email'),
    ('fn_send_email', 'outbox_sent'),
    ('fn_send_email', 'outbox_failed'),
    ('fn_health', 'health'),
    ('fn_rest', 'rest_schema'),
    ('fn_rest', 'rest_admit'),
    ('fn_auth', 'auth_sign_up'),
    ('fn_auth', 'auth_forget'),
    ('fn_auth', 'auth_count_mail'),
    ('fn_auth', 'auth_admin_list'),
    ('fn_auth', 'auth_admin_get'),
    ('fn_auth', 'auth_admin_create'),
    ('fn_auth', 'auth_admin_update'),
    ('fn_auth', 'auth_admin_delete'),
    ('fn_auth', 'auth_invite'),
    ('fn_auth', 'auth_generate_link'),
    ('fn_auth', 'auth_credentials'),
    ('fn_auth', 'auth_sign_in'),
    ('fn_auth', 'auth_refreshes'),
    ('fn_auth', 'auth_refresh'),
    ('fn_auth', 'auth_user_of_session'),
    ('fn_auth', 'auth_sign_out'),
    ('fn_auth', 'auth_resend'),
    ('fn_auth', 'auth_recover'),
    ('fn_auth', 'auth_verify'),
    ('fn_auth', 'auth_exchange'),
    ('fn_auth', 'auth_begin_change'),
    ('fn_auth', 'auth_change_user'),
    ('fn_auth', 'auth_resend_change'),
    ('fn_auth', 'auth_verify_change'),
    ('fn_auth', 'auth_reauthenticate'),
    ('fn_auth', 'auth_enroll_factor'),
    ('fn_auth', 'auth_challenge_factor'),
    ('fn_auth', 'auth_factor_secret'),
    ('fn_auth', 'auth_verify_factor'),
    ('fn_auth', 'auth_unenroll_factor'),
    ('fn_auth', 'auth_admin_factors'),
    ('fn_auth', 'auth_admin_change_factor'),
    ('fn_auth', 'set_staff_rules'),
    ('fn_reconcile', 'payments_to_check'),
    ('fn_reconcile', 'record_payment_check'),
    ('fn_reconcile', 'apply_payment_event'),
    ('fn_reconcile', 'record_payment_event'),
    ('fn_reconcile', 'settle_attempts'),
    ('fn_reconcile', 'claim_reconciliation'),
    ('fn_reconcile', 'payments_to_compare'),
    ('fn_reconcile', 'compare_payment'),
    ('fn_reconcile', 'unknown_payments'),
    ('fn_reconcile', 'finish_reconciliation'),
    ('fn_reconcile', 'pause_reconciliation');

insert into granted
select r.rolname, f.name
from pg_roles as r
cross join unnest(array['claim_schedule', 'schema']) as f (name)
where rolname like 'fn\_%' or rolname = 'ffx_function';

select set_eq(
    $$ select r.rolname::text, p.proname::text
       from pg_roles as r
       cross join pg_proc as p
       where (r.rolname like 'fn\_%' or r.rolname = 'ffx_function')
         and p.pronamespace in ('backend'::regnamespace, 'platform'::regnamespace)
         and has_function_privilege(r.oid, p.oid, 'execute') $$,
    'select role, fn from granted',
    'each program may run exactly its own functions');

select set_eq(
    $$ select rolname::text from pg_roles where rolname like 'fn\_%' $$,
    array['fn_create_crypto_payment', 'fn_payment_webhook', 'fn_check_payment_status',
          'fn_test_delivery', 'fn_webhook_debug', 'fn_health', 'fn_deliver_waiting',
          'fn_sandbox', 'fn_send_outbox', 'fn_send_email', 'fn_reconcile', 'fn_payment_history',
          'fn_process_events', 'fn_auth', 'fn_rest'],
    'a role per program');

select is_empty(
    $$ select r.rolname, s.setting
       from pg_roles as r
       cross join unnest(array['statement_timeout=5s', 'lock_timeout=3s',
                               'idle_in_transaction_session_timeout=10s']) as s (setting)
       where r.rolname like 'fn\_%'
         and not (r.rolname = 'fn_payment_webhook' and s.setting ~ '^(statement|lock)_timeout')
         and not s.setting = any (coalesce(r.rolconfig, '{}')) $$,
    'every program has the usual time limits');
select ok((select rolconfig @> array['statement_timeout=1500ms', 'lock_timeout=100ms'] from pg_roles
           where rolname = 'fn_payment_webhook'),
          'the webhook''s are shorter: the provider waits three seconds');

select is_empty(
    $$ select r.name, p.oid::regprocedure
       from unnest(array['anon', 'authenticated', 'staff', 'service_role', 'authenticator']) as r (name)
       cross join pg_proc as p
       where p.pronamespace = 'backend'::regnamespace
         and has_function_privilege(r.name, p.oid, 'execute') $$,
    'nor can the roles of the data API');
select ok(not has_schema_privilege('authenticated', 'backend', 'usage'),
          'backend is closed to the data API');

-- Staff may what customers may, and what stands here: staff.sql has their duties.
create temporary table of_staff (fn text);
insert into of_staff
select unnest(array[
    'grant_discount', 'record_chargeback', 'book_manual_payment', 'cancel_order',
    'reset_factors', 'set_customer_standing', 'deliver_account_to_user', 'resolve_review', 'replay_outbox',
    'inventory_report', 'reconciliation_report', 'accept_difference', 'security_events',
    'revenue_report', 'funnel_report', 'popularity_report', 'customers_report', 'stuck_orders',
    'failed_payments_report', 'challenge_progress', 'times_report', 'month_close',
    'spending_report', 'inactivity_report', 'lifetime_value_report', 'cohorts_report']);
select set_eq(
    $$ select r.name, p.proname::text
       from unnest(array['anon', 'authenticated', 'staff', 'service_role']) as r (name)
       cross join pg_proc as p
       where p.pronamespace in ('public'::regnamespace, 'platform'::regnamespace)
         and has_function_privilege(r.name, p.oid, 'execute') $$,
    $$ with of_customers (fn) as (
           values ('by_people'), ('in_good_standing'), ('sessions_of'), ('end_sessions'),
                  ('export_my_data'), ('delete_my_account'), ('get_available_accounts_count'),
                  ('reveal_credential'), ('own_credential'), ('rest_refuse'))
       values ('anon', 'by_people'), ('anon', 'in_good_standing'), ('staff', 'has_duty'),
              ('anon', 'own_credential'), ('anon', 'rest_refuse'),
              ('service_role', 'generate_order_id')
       union all select r.name, fn from of_customers, (values ('authenticated'), ('staff')) as r (name)
       union all select r.name, fn from of_staff, (values ('staff'), ('service_role')) as r (name)
       union all select 'service_role', fn from of_customers
                 where fn not in ('export_my_data', 'delete_my_account') $$,
    'what the data API may run in public and platform');

select is_empty(
    $$ select c.relname, r.name, p.name
       from unnest(array['payments', 'payment_events', 'payment_attempts', 'waiting_deliveries',
                         'unapplied_callbacks',
                         'webhook_debug_calls', 'schedules', 'admin_audit_log', 'outbox',
                         'payment_checks', 'reconciliation_runs', 'reconciliation_differences',
                         'stock_levels', 'stock_alerts', 'credential_reveals']) as c (relname)
       cross join unnest(array['anon', 'authenticated', 'staff', 'service_role']) as r (name)
       cross join unnest(array['insert', 'update', 'delete']) as p (name)
       where has_table_privilege(r.name, 'public.' || c.relname, p.name) $$,
    'evidence is written by the database only');
select * from finish();
rollback;
