-- Schema backend, and the words and bounds that columns share.
--
-- Tables live in public (the data API serves them under row level security), the SQL functions of
-- the backend's own programs in backend (the data API does not serve it).
--
-- Functions that others may call are SECURITY DEFINER with a fixed search_path. The helpers behind
-- them run on the caller's search_path, which is that fixed one: setting it again costs more than
-- some of them do.
--
-- Lock order of every transaction that touches an order, and the reason why none can deadlock:
--     orders -> payments, payment_attempts -> account_container -> user_profiles
-- An order's row is locked FOR UPDATE before anything that belongs to it is read for a decision.

create schema backend;
comment on schema backend is
    'SQL functions of the backend''s programs and the helpers behind them. Not for the data API.';
revoke all on schema backend from public;

-- Values with a fixed set of words or a bound are domains. Unlike a CHECK of the table, which
-- PostgreSQL reads again for every statement, a domain is checked only when its column is set.
-- Texts that callers may write are bounded by domains of the platform: short_text, medium_text, …
-- Empty means "give me one", to the trigger that does; no row has it.
create domain public.order_number as text check (value ~ '^(FFX[0-9]{9})?$');
create domain public.account_type as text
    check (value in ('instant', 'hft', 'one_step', 'two_step'));
-- Not a number is greater than every number: no bound from below keeps it out.
create domain public.account_size as numeric(15,2) check (value > 0 and value <> 'NaN');
create domain public.platform_type as text check (value in ('mt4', 'mt5'));
create domain public.usd_amount as numeric(10,2) check (value >= 0 and value <> 'NaN');
create domain public.usd_limit as numeric(15,2) check (value >= 0 and value <> 'NaN');
create domain public.order_currency as text check (value = 'USD');
create domain public.order_state as text
    check (value in ('pending', 'processing', 'completed', 'failed', 'cancelled', 'refunded'));
create domain public.order_payment_state as text
    check (value in ('pending', 'paid', 'failed', 'refunded'));
create domain public.order_delivery_state as text
    check (value in ('pending', 'delivered', 'failed'));
create domain public.payment_method as text
    check (value in ('crypto', 'lemon_squeezy', 'nowpayments', 'stripe', 'manual'));
create domain public.transaction_type as text
    check (value in ('payment', 'refund', 'chargeback'));
create domain public.transaction_state as text
    check (value in ('pending', 'processing', 'completed', 'failed', 'cancelled'));
create domain public.payment_provider as text
    check (value in ('lemon_squeezy', 'nowpayments', 'stripe', 'manual'));
create domain public.event_outcome as text
    check (value in ('applied', 'stale', 'review', 'order_not_found'));
create domain public.event_state as text check (value in ('done', 'received', 'dead'));
-- ipn_previous: signed with the secret before the last change.
create domain public.event_source as text
    check (value in ('ipn', 'ipn_previous', 'poll', 'admin'));
create domain public.stock_state as text
    check (value in ('available', 'reserved', 'delivered', 'disabled'));
create domain public.trading_phase as text
    check (value in ('challenge', 'phase_1', 'phase_2', 'live'));
create domain public.phase_state as text
    check (value in ('active', 'pending', 'passed', 'failed'));
create domain public.trading_account_state as text
    check (value in ('active', 'suspended', 'closed', 'breached'));
create domain public.customer_standing as text
    check (value in ('active', 'suspended', 'banned'));
