-- The roles of the shop's programs (see platform/sql/access.sql) and their way into schema backend.

grant usage on schema backend to ffx_function;

select platform.make_program_role(r)
from unnest(array[
    'fn_create_crypto_payment', 'fn_check_payment_status', 'fn_payment_history',
    'fn_test_delivery', 'fn_webhook_debug', 'fn_deliver_waiting', 'fn_process_events',
    'fn_reconcile']) as r;

-- The provider waits 3 s for the answer to its callback; in that time the event must be applied or
-- at least stored. It waits for no order longer than an order's own callbacks take: many callbacks
-- for one that is held would keep every connection of the webhook waiting, and with them the
-- callbacks of the others.
select platform.make_program_role('fn_payment_webhook', array[
    'statement_timeout=1500ms', 'lock_timeout=100ms', 'idle_in_transaction_session_timeout=10s']);
