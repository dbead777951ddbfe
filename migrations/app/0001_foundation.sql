-- Schema backend and the small helpers everything else stands on.
--
-- The application part needs no superuser and owns nothing in schema auth, so that it also runs
-- on a hosted Supabase database. Tables live in public (the data API serves them under row level
-- security), SQL functions called by the backend's own programs in backend (the data API does not
-- serve it).
--
-- Functions that others may call are SECURITY DEFINER with a fixed search_path. The helpers behind
-- them run on the caller's search_path, which is that fixed one: setting it again costs more than
-- some of them do.
--
-- Lock order of every transaction that touches an order, and the reason why none can deadlock:
--     orders -> payments, payment_attempts -> user_profiles -> account_container
-- An order's row is locked FOR UPDATE before anything that belongs to it is read for a decision.

create schema backend;
comment on schema backend is
    'SQL functions of the backend''s programs and the helpers behind them. Not for the data API.';
revoke all on schema backend from public;

-- Values with a fixed set of words or a bound are domains. Unlike a CHECK of the table, which
-- PostgreSQL reads again for every statement, a domain is checked only when its column is set.

-- Empty means "give me one", to the trigger that does; no row has it.
create domain public.order_number as text check (value ~ '^(FFX[0-9]{9})?$');
create domain public.account_type as text
    check (value in ('instant', 'hft', 'one_step', 'two_step'));
create domain public.account_size as numeric(15,2) check (value > 0);
create domain public.platform_type as text check (value in ('mt4', 'mt5'));
create domain public.usd_amount as numeric(10,2) check (value >= 0);

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

create function backend.caller_role()
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(nullif(current_setting('role', true), 'none'), session_user::text)
$$;
comment on function backend.caller_role() is
    'The role a statement was sent as, also inside SECURITY DEFINER functions (current_user is '
    'the owner there).';

create function backend.plain_amount(p_amount numeric)
returns numeric
language sql immutable
as $$
    -- NaN and Infinity compare greater than every number: they must never look like money.
    select case when p_amount >= 0 and p_amount < 1e30 then p_amount end
$$;
comment on function backend.plain_amount(numeric) is
    'The amount, or null when it is negative, infinite or not a number.';

create function backend.iso_utc(p_time timestamptz)
returns text
language sql stable
as $$
    select to_char(p_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
comment on function backend.iso_utc(timestamptz) is 'ISO 8601 in UTC with milliseconds.';

create function backend.read_time(p_text text)
returns timestamptz
language sql stable
as $$
    -- Never raises: the day is added to the first of the month (30 February is 2 March).
    select case
        when p_text ~ '^[0-9]{10,14}$' then
            to_timestamp(p_text::numeric / 1000)
        when p_text ~ ('^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
                    || 'T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?'
                    || '(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])$') then
            (substr(p_text, 1, 8) || '01' || substr(p_text, 11))::timestamptz
            + (substr(p_text, 9, 2)::int - 1) * interval '1 day'
    end
$$;
comment on function backend.read_time(text) is
    'A provider''s time (ISO 8601 with zone, or epoch milliseconds); null when it is neither.';

create function public.update_updated_at_column()
returns trigger
language plpgsql
as $$
begin
    new.updated_at := pg_catalog.now();
    return new;
end
$$;
comment on function public.update_updated_at_column() is 'Trigger: keeps updated_at.';

create function public.update_last_updated_column()
returns trigger
language plpgsql
as $$
begin
    new.last_updated := pg_catalog.now();
    return new;
end
$$;
comment on function public.update_last_updated_column() is 'Trigger: keeps last_updated.';

revoke all on function public.update_updated_at_column(), public.update_last_updated_column()
    from public, anon, authenticated, service_role;
