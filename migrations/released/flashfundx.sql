-- Made by released/make of release 1. Not to be changed by hand.


SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE SCHEMA auth;

COMMENT ON SCHEMA auth IS 'Users and the identity of the present request, as on Supabase.';

CREATE SCHEMA backend;

COMMENT ON SCHEMA backend IS 'SQL functions of the backend''s programs and the helpers behind them. Not for the data API.';

CREATE SCHEMA extensions;

COMMENT ON SCHEMA extensions IS 'Objects of PostgreSQL extensions.';

CREATE SCHEMA migrations;

COMMENT ON SCHEMA migrations IS 'What this database was made of; written by migrate.';

CREATE SCHEMA platform;

COMMENT ON SCHEMA platform IS 'What every application stands on. Not for the data API.';

CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA extensions;

COMMENT ON EXTENSION pgcrypto IS 'cryptographic functions';

CREATE TYPE backend.payment_event AS (
	source text,
	raw text,
	payment_id text,
	parent_payment_id text,
	invoice_id text,
	purchase_id text,
	order_id text,
	status text,
	pay_address text,
	pay_currency text,
	pay_amount numeric,
	actually_paid numeric,
	price_amount numeric,
	price_currency text,
	outcome_amount numeric,
	outcome_currency text,
	provider_updated_at text
);

CREATE DOMAIN platform.job_state AS text
	CONSTRAINT job_state_check CHECK ((VALUE = ANY (ARRAY['waiting'::text, 'running'::text, 'dead'::text])));

CREATE DOMAIN public.account_size AS numeric(15,2)
	CONSTRAINT account_size_check CHECK ((VALUE > (0)::numeric));

CREATE DOMAIN public.account_type AS text
	CONSTRAINT account_type_check CHECK ((VALUE = ANY (ARRAY['instant'::text, 'hft'::text, 'one_step'::text, 'two_step'::text])));

CREATE DOMAIN public.customer_standing AS text
	CONSTRAINT customer_standing_check CHECK ((VALUE = ANY (ARRAY['active'::text, 'suspended'::text, 'banned'::text])));

CREATE DOMAIN public.event_outcome AS text
	CONSTRAINT event_outcome_check CHECK ((VALUE = ANY (ARRAY['applied'::text, 'stale'::text, 'review'::text, 'order_not_found'::text])));

CREATE DOMAIN public.event_source AS text
	CONSTRAINT event_source_check CHECK ((VALUE = ANY (ARRAY['ipn'::text, 'ipn_previous'::text, 'poll'::text, 'admin'::text])));

CREATE DOMAIN public.order_delivery_state AS text
	CONSTRAINT order_delivery_state_check CHECK ((VALUE = ANY (ARRAY['pending'::text, 'delivered'::text, 'failed'::text])));

CREATE DOMAIN public.order_number AS text
	CONSTRAINT order_number_check CHECK ((VALUE ~ '^(FFX[0-9]{9})?$'::text));

CREATE DOMAIN public.order_payment_state AS text
	CONSTRAINT order_payment_state_check CHECK ((VALUE = ANY (ARRAY['pending'::text, 'paid'::text, 'failed'::text, 'refunded'::text])));

CREATE DOMAIN public.order_state AS text
	CONSTRAINT order_state_check CHECK ((VALUE = ANY (ARRAY['pending'::text, 'processing'::text, 'completed'::text, 'failed'::text, 'cancelled'::text, 'refunded'::text])));

CREATE DOMAIN public.outbox_state AS text
	CONSTRAINT outbox_state_check CHECK ((VALUE = ANY (ARRAY['pending'::text, 'sending'::text, 'sent'::text, 'dead'::text])));

CREATE DOMAIN public.payment_method AS text
	CONSTRAINT payment_method_check CHECK ((VALUE = ANY (ARRAY['crypto'::text, 'lemon_squeezy'::text, 'nowpayments'::text, 'stripe'::text, 'manual'::text])));

CREATE DOMAIN public.payment_provider AS text
	CONSTRAINT payment_provider_check CHECK ((VALUE = ANY (ARRAY['lemon_squeezy'::text, 'nowpayments'::text, 'stripe'::text, 'manual'::text])));

CREATE DOMAIN public.phase_state AS text
	CONSTRAINT phase_state_check CHECK ((VALUE = ANY (ARRAY['active'::text, 'pending'::text, 'passed'::text, 'failed'::text])));

CREATE DOMAIN public.platform_type AS text
	CONSTRAINT platform_type_check CHECK ((VALUE = ANY (ARRAY['mt4'::text, 'mt5'::text])));

CREATE DOMAIN public.stock_state AS text
	CONSTRAINT stock_state_check CHECK ((VALUE = ANY (ARRAY['available'::text, 'reserved'::text, 'delivered'::text, 'disabled'::text])));

CREATE DOMAIN public.trading_account_state AS text
	CONSTRAINT trading_account_state_check CHECK ((VALUE = ANY (ARRAY['active'::text, 'suspended'::text, 'closed'::text, 'breached'::text])));

CREATE DOMAIN public.trading_phase AS text
	CONSTRAINT trading_phase_check CHECK ((VALUE = ANY (ARRAY['challenge'::text, 'phase_1'::text, 'phase_2'::text, 'live'::text])));

CREATE DOMAIN public.transaction_state AS text
	CONSTRAINT transaction_state_check CHECK ((VALUE = ANY (ARRAY['pending'::text, 'processing'::text, 'completed'::text, 'failed'::text, 'cancelled'::text])));

CREATE DOMAIN public.transaction_type AS text
	CONSTRAINT transaction_type_check CHECK ((VALUE = ANY (ARRAY['payment'::text, 'refund'::text, 'chargeback'::text])));

CREATE DOMAIN public.usd_amount AS numeric(10,2)
	CONSTRAINT usd_amount_check CHECK ((VALUE >= (0)::numeric));

CREATE FUNCTION auth.email() RETURNS text
    LANGUAGE sql STABLE
    AS $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.email', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
    )
$$;

COMMENT ON FUNCTION auth.email() IS 'The e-mail claim of the present request''s token.';

CREATE FUNCTION auth.jwt() RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$$;

COMMENT ON FUNCTION auth.jwt() IS 'All claims of the present request''s token.';

CREATE FUNCTION auth.role() RETURNS text
    LANGUAGE sql STABLE
    AS $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.role', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
    )
$$;

COMMENT ON FUNCTION auth.role() IS 'The role claim of the present request''s token.';

CREATE FUNCTION auth.uid() RETURNS uuid
    LANGUAGE sql STABLE
    AS $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    )::uuid
$$;

COMMENT ON FUNCTION auth.uid() IS 'The user the present request acts for; null without one.';

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE public.orders (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    order_id public.order_number NOT NULL,
    user_id uuid NOT NULL,
    account_type public.account_type NOT NULL,
    account_size public.account_size NOT NULL,
    platform_type public.platform_type NOT NULL,
    amount public.usd_amount NOT NULL,
    currency text DEFAULT 'USD'::text NOT NULL,
    discount_amount public.usd_amount DEFAULT 0 NOT NULL,
    final_amount public.usd_amount NOT NULL,
    order_status public.order_state DEFAULT 'pending'::text NOT NULL,
    payment_status public.order_payment_state DEFAULT 'pending'::text NOT NULL,
    delivery_status public.order_delivery_state DEFAULT 'pending'::text NOT NULL,
    payment_method public.payment_method,
    payment_provider text,
    payment_provider_id text,
    transaction_id text,
    crypto_currency text,
    crypto_amount numeric,
    crypto_address text,
    payment_proof text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    paid_at timestamp with time zone,
    delivered_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT orders_amounts_agree CHECK ((((final_amount)::numeric = ((amount)::numeric - (discount_amount)::numeric)) AND (currency = 'USD'::text))),
    CONSTRAINT orders_have_an_id CHECK (((order_id)::text <> ''::text))
)
WITH (fillfactor='80');

COMMENT ON TABLE public.orders IS 'One row per order. Order, payment and delivery states move forward only, through the functions in schema backend or an administrator.';

CREATE TABLE public.reviews (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    kind text NOT NULL,
    order_id text,
    payment_id text,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    resolution text,
    resolved_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    resolved_by text,
    note text,
    CONSTRAINT reviews_state_check CHECK ((state = ANY (ARRAY['open'::text, 'resolved'::text])))
);

COMMENT ON TABLE public.reviews IS 'What a human has to decide: money that arrived differently than agreed, with the evidence.';

COMMENT ON COLUMN public.reviews.resolution IS 'accept, refund_noted or cancel; or how later events answered it.';

COMMENT ON COLUMN public.reviews.resolved_by IS 'Who decided; "events" when later events answered the review, which is nobody''s decision.';

CREATE FUNCTION backend.accept_order(p_order public.orders, p_review public.reviews) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    v_main public.payments;
    v_old_status text := p_order.order_status;
begin
    if p_order.order_status in ('cancelled', 'refunded') or p_order.payment_status = 'refunded' then
        return jsonb_build_object('success', false, 'error',
                                  'Order is ' || p_order.order_status);
    end if;
    if p_order.payment_status <> 'paid' then
        -- The payment in question, or its parent, counts; instead of one that failed the best of
        -- the others. Money of elsewhere is booked by hand.
        select p.*
          into v_main
          from public.payments as p
         where p.order_id = p_order.order_id
           and p.parent_payment_id is null
           and case
                when p_review.kind = 'counted_payment_failed'
                    then p.payment_id <> p_review.payment_id
                         and p.status in ('finished', 'partially_paid')
                         and not backend.was_decided(p.order_id, p.payment_id)
                else p.payment_id in (
                    p_review.payment_id,
                    (select c.parent_payment_id
                     from public.payments as c
                     where c.payment_id = p_review.payment_id))
               end
         order by p.status = 'finished' desc,
                  p.actually_paid / nullif(p.pay_amount, 0) desc nulls last, p.created_at
         limit 1;
        p_order := backend.as_paid(p_order, coalesce(v_main.payment_id, p_review.payment_id),
            coalesce(v_main.crypto_currency, p_order.crypto_currency), v_main.pay_amount,
            coalesce(v_main.pay_address, p_order.crypto_address));
        if v_old_status = 'completed' then
            p_order.order_status := v_old_status;       -- by hand; never back
        end if;
        perform backend.uncount_others(p_order.order_id, v_main.payment_id);
        if v_main.payment_id is null then
            p_order.payment_provider := 'manual';
            insert into public.payment_transactions
                (order_id, user_id, transaction_type, amount, currency, provider,
                 provider_transaction_id, provider_status, status, processed_at)
            values
                (p_order.order_id, p_order.user_id, 'payment', p_order.final_amount,
                 p_order.currency, 'manual', p_review.id::text, 'accepted', 'completed', now())
            on conflict (provider, provider_transaction_id, transaction_type) do nothing;
        else
            perform backend.count_payment(p_order, v_main.payment_id);
        end if;
        update public.orders as o
           set order_status = p_order.order_status,
               payment_status = p_order.payment_status,
               paid_at = p_order.paid_at,
               payment_provider = p_order.payment_provider,
               payment_provider_id = p_order.payment_provider_id,
               crypto_currency = p_order.crypto_currency,
               crypto_amount = p_order.crypto_amount,
               crypto_address = p_order.crypto_address
         where o.id = p_order.id;
    else
        -- Accepted as paid in full: what counts is booked.
        perform backend.count_payment(p_order, p.payment_id)
           from public.payments as p
          where p.order_id = p_order.order_id and p.counted;
    end if;
    if p_order.delivery_status <> 'delivered' and p_order.order_status = 'processing' then
        perform backend.deliver_or_queue(p_order);
    end if;
    return jsonb_build_object('success', true);
end
$$;

COMMENT ON FUNCTION backend.accept_order(p_order public.orders, p_review public.reviews) IS 'The order counts as paid and is delivered, or waits for stock.';

CREATE TABLE public.payment_events (
    id bigint NOT NULL,
    payment_id text NOT NULL,
    status text NOT NULL,
    actually_paid numeric,
    order_id text,
    parent_payment_id text,
    outcome public.event_outcome,
    source public.event_source NOT NULL,
    raw text NOT NULL,
    provider_updated_at text,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    state text DEFAULT 'done'::text NOT NULL,
    tries integer DEFAULT 1 NOT NULL,
    last_error text,
    done_at timestamp with time zone DEFAULT now(),
    arguments jsonb,
    CONSTRAINT payment_events_done_has_outcome CHECK (((state <> 'done'::text) OR (outcome IS NOT NULL))),
    CONSTRAINT payment_events_state CHECK ((state = ANY (ARRAY['done'::text, 'received'::text, 'dead'::text])))
);

COMMENT ON TABLE public.payment_events IS 'Everything the provider ever said about a payment, once each, body as received.';

COMMENT ON COLUMN public.payment_events.state IS 'done: its effect has happened; received: it has not yet; dead: it could not, tries times.';

COMMENT ON COLUMN public.payment_events.tries IS 'Tries begun, the one on arrival among them.';

CREATE FUNCTION backend.apply_stored_event(p_event public.payment_events) RETURNS text
    LANGUAGE sql
    AS $$
    select r.outcome
    from backend.record_payment_event(jsonb_populate_record(
        row(p_event.source, p_event.raw, p_event.payment_id, p_event.parent_payment_id, null, null,
            p_event.order_id, p_event.status, null, null, null, null, null, null, null, null,
            p_event.provider_updated_at)::backend.payment_event,
        case when p_event.arguments ->> 'order_id' = '' then p_event.arguments - 'order_id'
             else p_event.arguments end)) as r
$$;

COMMENT ON FUNCTION backend.apply_stored_event(p_event public.payment_events) IS 'record_payment_event with what was kept: the event''s columns, and the arguments over them.';

CREATE FUNCTION backend.as_paid(p_order public.orders, p_payment_id text, p_crypto_currency text, p_crypto_amount numeric, p_crypto_address text) RETURNS public.orders
    LANGUAGE plpgsql
    AS $$
begin
    p_order.order_status := 'processing';
    p_order.payment_status := 'paid';
    p_order.paid_at := now();
    p_order.payment_provider := 'nowpayments';
    p_order.payment_provider_id := p_payment_id;
    p_order.crypto_currency := p_crypto_currency;
    p_order.crypto_amount := coalesce(p_crypto_amount, p_order.crypto_amount);
    p_order.crypto_address := p_crypto_address;
    return p_order;
end
$$;

COMMENT ON FUNCTION backend.as_paid(p_order public.orders, p_payment_id text, p_crypto_currency text, p_crypto_amount numeric, p_crypto_address text) IS 'The row of an order as a payment of the provider makes it; nothing is written.';

CREATE FUNCTION backend.attach_invoice(p_attempt_id uuid, p_invoice_id text, p_invoice_url text) RETURNS TABLE(outcome text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
begin
    perform backend.commit_later();
    perform backend.lock_order_of_attempt(p_attempt_id);
    update public.payment_attempts as a
       set invoice_id = p_invoice_id, invoice_url = p_invoice_url, updated_at = now()
     where a.id = p_attempt_id
       -- By its key: the index of all claims would serve this condition if it were written plainly.
       and coalesce(a.state, '') = 'claimed';
    outcome := case when found then 'ok' else 'lost' end;
    return next;
end
$$;

COMMENT ON FUNCTION backend.attach_invoice(p_attempt_id uuid, p_invoice_id text, p_invoice_url text) IS 'Second step: the provider made the invoice. lost: the claim ran out and was taken over.';

CREATE FUNCTION backend.attach_payment(p_attempt_id uuid, p_payment_id text, p_status text, p_pay_address text, p_payin_extra_id text, p_pay_amount numeric, p_pay_currency text, p_crypto_currency text, p_price_amount numeric, p_price_currency text, p_purchase_id text, p_time_limit text, p_expires_at text, p_valid_until text, p_raw text) RETURNS TABLE(outcome text, attempt_id text, price_amount text, order_description text, invoice_id text, invoice_url text, payment_id text, pay_address text, pay_amount text, pay_currency text, time_limit text, expires_at text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
#variable_conflict use_column
declare
    v_order public.orders := backend.lock_order_of_attempt(p_attempt_id);
    v_attempt public.payment_attempts;
    v_payment public.payments;
begin
    select * into v_attempt
      from public.payment_attempts as a
     where a.id = p_attempt_id
       for update;
    if not found then
        outcome := 'lost';
        return next;
        return;
    end if;

    -- A callback may have been faster: then its state and figures stand, and only what the
    -- callback did not know is added. Recorded also when the claim was lost: it exists.
    insert into public.payments as p
        (payment_id, order_id, attempt_id, invoice_id, purchase_id, status, pay_address,
         payin_extra_id, pay_currency, crypto_currency, pay_amount, price_amount, price_currency,
         time_limit, expires_at, valid_until, provider_created)
    values
        (p_payment_id, v_order.order_id, p_attempt_id, v_attempt.invoice_id, p_purchase_id,
         coalesce(lower(nullif(p_status, '')), 'waiting'), p_pay_address,
         nullif(p_payin_extra_id, ''), lower(p_pay_currency), p_crypto_currency,
         platform.plain_amount(p_pay_amount), platform.plain_amount(p_price_amount),
         lower(p_price_currency), nullif(p_time_limit, ''), platform.read_time(p_expires_at),
         platform.read_time(p_valid_until), p_raw)
    on conflict (payment_id) do update
       set attempt_id = excluded.attempt_id,
           invoice_id = coalesce(p.invoice_id, excluded.invoice_id),
           pay_address = coalesce(p.pay_address, excluded.pay_address),
           payin_extra_id = excluded.payin_extra_id,
           crypto_currency = excluded.crypto_currency,
           time_limit = excluded.time_limit,
           expires_at = excluded.expires_at,
           valid_until = excluded.valid_until,
           provider_created = excluded.provider_created,
           updated_at = now()
     where p.order_id = excluded.order_id
    returning p.* into v_payment;

    if v_payment.payment_id is null then
        perform backend.open_review('payment_of_other_order', v_order.order_id, p_payment_id,
            jsonb_build_object('seen', 'when the payment was made'));
    end if;
    if v_attempt.state = 'claimed' and v_attempt.price_amount <> v_order.final_amount then
        -- Made for a price that changed meanwhile: nobody gets to see it, the next request makes
        -- another.
        update public.payment_attempts as a
           set state = 'abandoned', detail = 'the price changed', updated_at = now()
         where a.id = p_attempt_id;
        v_attempt.state := 'abandoned';
    end if;
    if v_attempt.state <> 'claimed' or v_payment.payment_id is null then
        outcome := 'lost';
        return next;
        return;
    end if;

    update public.payment_attempts as a
       set state = 'open', updated_at = now()
     where a.id = p_attempt_id;

    insert into public.payment_transactions
        (order_id, user_id, transaction_type, amount, currency, provider,
         provider_transaction_id, provider_status, status)
    values
        (v_order.order_id, v_order.user_id, 'payment', v_order.final_amount, v_order.currency,
         'nowpayments', p_payment_id, v_payment.status, 'pending')
    on conflict (provider, provider_transaction_id, transaction_type) do nothing;

    -- Not when the order moved on while the provider was called.
    if v_order.payment_status = 'pending' and v_order.order_status in ('pending', 'processing') then
        update public.orders as o
           set order_status = 'processing',
               payment_method = coalesce(o.payment_method, 'nowpayments'),
               payment_provider = 'nowpayments',
               payment_provider_id = p_payment_id,
               crypto_currency = p_crypto_currency,
               crypto_amount = v_payment.pay_amount,
               crypto_address = v_payment.pay_address
         where o.id = v_order.id;
    end if;

    outcome := 'existing';
    attempt_id := p_attempt_id::text;
    price_amount := v_order.final_amount::text;
    order_description := backend.order_description(v_order);
    invoice_id := v_attempt.invoice_id;
    invoice_url := v_attempt.invoice_url;
    payment_id := v_payment.payment_id;
    pay_address := v_payment.pay_address;
    pay_amount := v_payment.pay_amount::text;
    pay_currency := v_payment.pay_currency;
    time_limit := v_payment.time_limit;
    expires_at := platform.iso_utc(coalesce(v_payment.expires_at, v_payment.valid_until));
    return next;
end
$$;

COMMENT ON FUNCTION backend.attach_payment(p_attempt_id uuid, p_payment_id text, p_status text, p_pay_address text, p_payin_extra_id text, p_pay_amount numeric, p_pay_currency text, p_crypto_currency text, p_price_amount numeric, p_price_currency text, p_purchase_id text, p_time_limit text, p_expires_at text, p_valid_until text, p_raw text) IS 'Third step: the provider made the payment. The order goes to processing, a transaction payment/pending is written. lost: the claim was taken over, or the order''s price changed meanwhile; the payment is recorded anyway.';

CREATE FUNCTION backend.begin_payment(p_user_id uuid, p_body_user_id uuid, p_order_id text, p_account_type text, p_account_size numeric, p_platform_type text, p_crypto_currency text, p_pay_currency text, p_amount numeric, p_final_amount numeric) RETURNS TABLE(outcome text, attempt_id text, price_amount text, order_description text, invoice_id text, invoice_url text, payment_id text, pay_address text, pay_amount text, pay_currency text, time_limit text, expires_at text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
#variable_conflict use_column
declare
    v_order public.orders;
    v_payment public.payments;
    v_claim public.payment_attempts;
    v_currency text := lower(p_pay_currency);
begin
    select * into v_order from public.orders as o where o.order_id = p_order_id for update;
    if not found then
        outcome := 'order_not_found';
    elsif v_order.user_id is distinct from p_user_id
          or p_body_user_id is distinct from p_user_id then
        outcome := 'unauthorized';
    elsif (v_order.account_type, v_order.account_size, v_order.platform_type,
           v_order.amount, v_order.final_amount)
          is distinct from
          (p_account_type, p_account_size, p_platform_type, p_amount, p_final_amount) then
        outcome := 'mismatch';
    elsif v_order.order_status not in ('pending', 'processing')
          or v_order.payment_status <> 'pending'
          or v_order.delivery_status <> 'pending'
          or v_order.final_amount = 0 then
        outcome := 'not_payable';
    end if;
    if outcome is not null then
        return next;
        return;
    end if;

    -- The invoice of the order at its present price, if one was ever attached: there is never a
    -- second one.
    select a.invoice_id, a.invoice_url
      into invoice_id, invoice_url
      from public.payment_attempts as a
     where a.order_id = p_order_id
       and a.invoice_id is not null
       and a.price_amount = v_order.final_amount
     order by a.created_at
     limit 1;

    -- An order in processing was opened by an invoice of ours; otherwise staff has it in hand.
    -- Money that arrived and waits for a decision is not asked for again.
    if (v_order.order_status = 'processing'
        and not exists (
            select
            from public.payment_attempts as a
            where a.order_id = p_order_id and a.invoice_id is not null))
       or exists (
            select
            from public.payments as p
            where p.order_id = p_order_id
              and p.status in ('finished', 'refunded')) then
        outcome := 'not_payable';
        invoice_id := null;
        invoice_url := null;
        return next;
        return;
    end if;

    select *
      into v_claim
      from public.payment_attempts as a
     where a.order_id = p_order_id and a.state = 'claimed';
    if found then
        if v_claim.claim_until > clock_timestamp() then
            outcome := 'in_progress';
            invoice_id := null;
            invoice_url := null;
            return next;
            return;
        end if;
        -- Whoever held the claim died. What it may have opened was never shown to anybody.
        update public.payment_attempts as a
           set state = 'abandoned', detail = 'the claim ran out', updated_at = now()
         where a.id = v_claim.id;
    end if;

    price_amount := v_order.final_amount::text;
    order_description := backend.order_description(v_order);

    select *
      into v_payment
      from public.payments as p
     where p.order_id = p_order_id
       and p.parent_payment_id is null
       and lower(p.pay_currency) = v_currency
       and p.status in ('waiting', 'confirming', 'confirmed', 'sending', 'partially_paid')
       and p.pay_address is not null
       and p.pay_amount is not null
       and p.price_amount = v_order.final_amount
       and coalesce(p.valid_until, p.created_at + interval '7 days') > clock_timestamp()
     -- What the customer was shown comes before what only a callback told of, however late.
     order by p.payment_id is not distinct from v_order.payment_provider_id desc,
              exists (
                  select
                  from public.payment_attempts as a
                  where a.id = p.attempt_id and a.state = 'open') desc,
              p.created_at desc
     limit 1;
    if found and invoice_id is not null then
        -- Known by a callback only, when the process that made it died before attaching it.
        update public.orders as o
           set order_status = 'processing',
               payment_method = coalesce(o.payment_method, 'nowpayments'),
               payment_provider = 'nowpayments',
               payment_provider_id = v_payment.payment_id,
               crypto_currency = p_crypto_currency,
               crypto_amount = v_payment.pay_amount,
               crypto_address = v_payment.pay_address
         where o.id = v_order.id
           and o.payment_provider_id is distinct from v_payment.payment_id;
        outcome := 'existing';
        attempt_id := v_payment.attempt_id::text;
        payment_id := v_payment.payment_id;
        pay_address := v_payment.pay_address;
        pay_amount := v_payment.pay_amount::text;
        pay_currency := v_payment.pay_currency;
        time_limit := v_payment.time_limit;
        expires_at := platform.iso_utc(coalesce(v_payment.expires_at, v_payment.valid_until));
        return next;
        return;
    end if;

    outcome := case when invoice_id is null then 'create' else 'pay' end;
    perform backend.commit_later();
    insert into public.payment_attempts as a
        (order_id, pay_currency, crypto_currency, price_amount, claim_until, invoice_id,
         invoice_url)
    values
        (p_order_id, v_currency, p_crypto_currency, v_order.final_amount,
         clock_timestamp() + interval '40 seconds', invoice_id, invoice_url)
    returning a.id::text into attempt_id;
    pay_currency := v_currency;
    return next;
end
$$;

COMMENT ON FUNCTION backend.begin_payment(p_user_id uuid, p_body_user_id uuid, p_order_id text, p_account_type text, p_account_size numeric, p_platform_type text, p_crypto_currency text, p_pay_currency text, p_amount numeric, p_final_amount numeric) IS 'First step of a payment: checks the order and claims it. Outcome create (make the invoice and the payment), pay (the invoice exists, make the payment), existing (both exist, here they are), in_progress, order_not_found, unauthorized, mismatch, not_payable.';

CREATE TABLE public.payments (
    payment_id text NOT NULL,
    order_id public.order_number,
    attempt_id uuid,
    parent_payment_id text,
    invoice_id text,
    purchase_id text,
    status text NOT NULL,
    counted boolean DEFAULT false NOT NULL,
    pay_address text,
    payin_extra_id text,
    pay_currency text,
    crypto_currency text,
    pay_amount numeric,
    actually_paid numeric,
    price_amount numeric,
    price_currency text,
    outcome_amount numeric,
    outcome_currency text,
    time_limit text,
    expires_at timestamp with time zone,
    valid_until timestamp with time zone,
    provider_created text,
    provider_updated_at timestamp with time zone,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
)
WITH (fillfactor='80');

COMMENT ON TABLE public.payments IS 'The provider''s payments as last known. Their states move forward only.';

COMMENT ON COLUMN public.payments.provider_created IS 'The provider''s answer when the payment was made, as received.';

CREATE FUNCTION backend.book_payment(p_order public.orders, p_payment public.payments, p_status text, p_review text, p_actually_paid numeric, p_pay_amount numeric, p_price_amount numeric, p_price_currency text) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v_response jsonb := jsonb_strip_nulls(jsonb_build_object(
        'payment_id', p_payment.payment_id,
        'payment_status', p_status,
        'actually_paid', p_actually_paid,
        'pay_amount', p_pay_amount,
        'pay_currency', p_payment.pay_currency,
        'price_amount', p_price_amount,
        'price_currency', p_price_currency));
    -- "completed" is money counted for the order; money under review stays "processing".
    v_state text := case
        when p_status = 'waiting' then 'pending'
        when p_status = 'finished' and p_review is null and p_payment.counted then 'completed'
        when p_status in ('failed', 'expired') then 'failed'
        else 'processing'
    end;
    v_processed_at timestamptz := case when v_state in ('completed', 'failed') then now() end;
begin
    -- The order's row lock keeps others from inserting the same; mostly the row is there.
    update public.payment_transactions as t
       set provider_status = p_status,
           provider_response = v_response,
           status = case t.status when 'completed' then 'completed' else v_state end,
           processed_at = coalesce(t.processed_at, v_processed_at)
     where t.provider = 'nowpayments'
       and t.provider_transaction_id = p_payment.payment_id
       and t.transaction_type = 'payment';
    if not found then
        insert into public.payment_transactions
            (order_id, user_id, transaction_type, amount, currency, provider,
             provider_transaction_id, provider_status, provider_response, status, processed_at)
        values
            (p_order.order_id, p_order.user_id, 'payment', p_order.final_amount, p_order.currency,
             'nowpayments', p_payment.payment_id, p_status, v_response, v_state, v_processed_at);
    end if;
end
$$;

COMMENT ON FUNCTION backend.book_payment(p_order public.orders, p_payment public.payments, p_status text, p_review text, p_actually_paid numeric, p_pay_amount numeric, p_price_amount numeric, p_price_currency text) IS 'Writes the transaction row of a payment.';

CREATE FUNCTION backend.book_refund(p_order public.orders, p_payment public.payments, p_effect text, p_part numeric) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v_payment public.payments;      -- as written by now
    v_booked constant numeric := greatest(backend.booked_amount(p_order.order_id), 0);
    v_price numeric := case
        when p_effect = 'part' then least(greatest(round(p_part, 2), 0), v_booked)
        when p_effect in ('whole', 'moved') then v_booked
        when p_effect is null and p_payment.counted then v_booked
    end;
begin
    select * into v_payment
      from public.payments as p
     where p.payment_id = p_payment.payment_id;
    if coalesce(v_price, 0) = 0
       and (v_payment.parent_payment_id is not null
            or exists (
                select
                from public.payment_transactions as t
                where t.provider = 'nowpayments'
                  and t.provider_transaction_id = v_payment.payment_id
                  and t.transaction_type = 'payment'
                  and t.status = 'completed'))
    then
        return;                     -- never booked, or back in the books already
    end if;
    -- Of money that was never booked only what had arrived was there to go back; when nobody knows
    -- how much, the row says 0 and waits for a human.
    insert into public.payment_transactions
        (order_id, user_id, transaction_type, amount, currency, provider,
         provider_transaction_id, provider_status, provider_response, status, processed_at)
    values
        (p_order.order_id, p_order.user_id, 'refund',
         case
             when v_price > 0 then v_price
             else least(coalesce(v_payment.price_amount * v_payment.actually_paid
                                 / nullif(v_payment.pay_amount, 0), 0), 99999999.99)
         end,
         p_order.currency, 'nowpayments', v_payment.payment_id, v_payment.status,
         jsonb_strip_nulls(jsonb_build_object(
            'payment_id', v_payment.payment_id, 'payment_status', v_payment.status,
            'actually_paid', v_payment.actually_paid, 'pay_amount', v_payment.pay_amount,
            'pay_currency', v_payment.pay_currency, 'price_amount', v_payment.price_amount,
            'price_currency', v_payment.price_currency)),
         case when v_price > 0 then 'completed' else 'processing' end, now())
    on conflict (provider, provider_transaction_id, transaction_type) do nothing;
end
$$;

COMMENT ON FUNCTION backend.book_refund(p_order public.orders, p_payment public.payments, p_effect text, p_part numeric) IS 'Writes the transaction row of a payment that went back: the part of the price it was credited for, or what had arrived in it without being booked.';

CREATE FUNCTION backend.booked_amount(p_order_id text) RETURNS numeric
    LANGUAGE sql STABLE
    AS $$
    select coalesce(sum(case t.transaction_type when 'payment' then t.amount
                                                else -t.amount end), 0)
    from public.payment_transactions as t
    where t.order_id = p_order_id and t.status = 'completed'
$$;

COMMENT ON FUNCTION backend.booked_amount(p_order_id text) IS 'What the books keep of an order''s price: completed payments less refunds and chargebacks.';

CREATE FUNCTION backend.books_differences(p_since timestamp with time zone) RETURNS TABLE(kind text, aspect text, payment_id text, order_id text, user_id uuid, ours text, theirs text, explanation text)
    LANGUAGE sql STABLE
    AS $$
    with o as (
        select o.*, p.payment_id as counted_id, p.status as counted_status,
               backend.booked_amount(o.order_id) as kept, (d.id is not null) as has_account,
               (w.order_id is not null) as waits,
               -- Paid by its state, and a human decides whether it is.
               exists (
                    select
                    from public.reviews as r
                    where r.order_id = o.order_id and r.payment_id = p.payment_id
                      and r.state = 'open') as is_asked,
               exists (
                    select
                    from public.reviews as r
                    where r.order_id = o.order_id and r.kind = 'refunded_in_part') as is_part
        from public.orders as o
        left join public.payments as p on p.order_id = o.order_id and p.counted
        left join public.delivered_accounts as d on d.order_id = o.order_id
        left join public.waiting_deliveries as w on w.order_id = o.order_id
        where o.updated_at >= p_since
           or exists (
                select
                from public.reconciliation_differences as e
                where e.order_id = o.order_id and e.scope = 'books' and e.resolved_at is null)
    )
    -- Paid orders and the payment that counts
    select 'missing', 'counted_payment', null::text, o.order_id::text, null::uuid, null::text,
           o.payment_status::text, 'the order is paid through the provider, but no payment counts '
           'for it'
    from o
    where o.payment_status = 'paid' and o.payment_provider = 'nowpayments' and o.counted_id is null
    union all
    select 'extra', 'counted_payment', o.counted_id, o.order_id, null, o.counted_status,
           o.payment_status, 'a payment counts for an order that is not paid'
    from o
    where o.counted_id is not null and o.payment_status not in ('paid', 'refunded')
      and o.counted_status <> 'refunded'                -- refunded, then opened again by staff
    union all
    -- Orders and what the books keep of their price: payments less refunds. While a payment
    -- settles, or somebody decides about it, nothing is completed yet; a cancelled order may be
    -- either.
    select case when o.kept = 0 then 'missing' when o.kept > o.final_amount then 'extra'
                else 'amount' end,
           'transaction', o.counted_id, o.order_id, null, trim_scale(o.kept)::text,
           trim_scale(o.final_amount)::text,
           'the completed payments of a paid order, less its refunds, are not its price'
    from o
    where o.payment_status = 'paid' and o.kept <> o.final_amount
      and not (o.kept = 0
               and (coalesce(o.counted_status, 'finished') not in ('finished', 'partially_paid')
                    or o.is_asked or o.order_status = 'cancelled'))
      and not (o.is_part and o.kept > 0 and o.kept < o.final_amount)
    union all
    select case when o.payment_status = 'refunded' then 'amount' else 'extra' end, 'transaction',
           o.counted_id, o.order_id, null, trim_scale(o.kept)::text, o.payment_status,
           case when o.payment_status = 'refunded'
                then 'the refunds of a refunded order do not add up to what was booked for it'
                else 'money is booked as completed for an order that is not paid' end
    from o
    where o.payment_status <> 'paid' and o.kept <> 0
    union all
    -- Deliveries
    select 'missing', 'delivered_account', null, o.order_id, null, null, o.delivery_status,
           'the order is delivered, but there is no delivered account'
    from o
    where o.delivery_status = 'delivered' and not o.has_account
    union all
    select 'extra', 'delivered_account', null, o.order_id, null, 'delivered account',
           o.delivery_status, 'an account was handed out for an order that is not delivered'
    from o
    where o.delivery_status <> 'delivered' and o.has_account
    union all
    -- The queue for stock
    select 'missing', 'waiting_delivery', o.counted_id, o.order_id, null, null,
           o.order_status || '/' || o.payment_status || '/' || o.delivery_status,
           'paid in full and not delivered, but not in the queue for stock'
    from o
    where o.order_status = 'processing' and o.payment_status = 'paid'
      and o.delivery_status = 'pending' and not o.waits
      and o.kept > 0 and not backend.is_held(o.order_id)
    union all
    select 'extra', 'waiting_delivery', o.counted_id, o.order_id, null, 'waiting',
           o.order_status || '/' || o.payment_status || '/' || o.delivery_status,
           'in the queue for stock, but it has nothing to wait for'
    from o
    where o.waits and (o.order_status, o.payment_status, o.delivery_status)
                      <> ('processing', 'paid', 'pending')
    union all
    -- Customers' totals
    select 'amount', 'profile_totals', null, null, u.id,
           u.total_orders || ' orders, ' || u.total_spent || ' USD',
           s.n || ' orders, ' || s.total || ' USD',
           'the totals of the profile are not the sums of its delivered orders'
    from public.user_profiles as u
    cross join lateral (
        select count(*) as n, coalesce(sum(x.final_amount), 0)::numeric(10,2) as total
        from public.delivered_accounts as d
        join public.orders as x on x.order_id = d.order_id
        where d.user_id = u.id) as s
    where (u.updated_at >= p_since
           or exists (
                select
                from public.reconciliation_differences as e
                where e.user_id = u.id and e.resolved_at is null))
      and (u.total_orders, u.total_spent) <> (s.n, s.total)
    union all
    -- Money that was announced and belongs nowhere
    select distinct 'missing', 'order', e.payment_id, e.order_id, null::uuid, null, e.status,
           'the provider reported money for an order that does not exist here'
    from public.payment_events as e
    where e.outcome = 'order_not_found'
      and e.received_at >= p_since
      and e.status in ('finished', 'partially_paid')
$$;

COMMENT ON FUNCTION backend.books_differences(p_since timestamp with time zone) IS 'Where two books disagree about an order that changed since: order and payment, transaction, delivered account, queue; profile and sums; events without an order.';

CREATE FUNCTION backend.cancel_order(p_order public.orders) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
begin
    if backend.has_account(p_order) then
        return jsonb_build_object('success', false, 'error', 'Order already delivered');
    end if;
    update public.orders as o
       set order_status = 'cancelled'
     where o.id = p_order.id and o.order_status not in ('cancelled', 'refunded');
    return jsonb_build_object('success', true);
end
$$;

COMMENT ON FUNCTION backend.cancel_order(p_order public.orders) IS 'Cancels an order that was not delivered; a refunded one stays refunded.';

CREATE TABLE public.reconciliation_runs (
    id bigint NOT NULL,
    reason text NOT NULL,
    since timestamp with time zone NOT NULL,
    requested_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    "position" text DEFAULT ''::text NOT NULL,
    list_page integer DEFAULT 0 NOT NULL,
    checked integer DEFAULT 0 NOT NULL,
    healed integer DEFAULT 0 NOT NULL,
    differences integer DEFAULT 0 NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    problem text,
    lost integer DEFAULT 0 NOT NULL,
    CONSTRAINT reconciliation_runs_reason_check CHECK ((reason = ANY (ARRAY['daily'::text, 'asked'::text])))
);

COMMENT ON TABLE public.reconciliation_runs IS 'Comparisons of provider and books; differences counts those open when the run ended.';

CREATE FUNCTION backend.changed_payments(p_run public.reconciliation_runs) RETURNS SETOF public.payments
    LANGUAGE sql STABLE
    AS $$
    select p.*
    from public.payments as p
    where p.payment_id > p_run.position
      and (p.updated_at >= p_run.since
           or exists (
                select
                from public.reconciliation_differences as d
                where d.payment_id = p.payment_id
                  and d.scope = 'provider'
                  and d.resolved_at is null))
    order by p.payment_id
$$;

COMMENT ON FUNCTION backend.changed_payments(p_run public.reconciliation_runs) IS 'What a run still has to compare: changed since its date, or with an open difference.';

CREATE FUNCTION backend.check_due_at(p_payment public.payments, p_settled boolean, p_after interval) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS $$
    select case
        when (p_payment).status = 'refunded' then null
        when (p_payment).status = 'finished' then
            case when not coalesce(p_settled, false)
                 then (p_payment).updated_at + interval '24 hours' end
        when (p_payment).status in ('failed', 'expired') then
            case when (p_payment).created_at > now() - interval '14 days'
                 then (p_payment).last_seen_at + greatest(p_after, interval '1 day') end
        when (p_payment).created_at > now() - interval '1 hour' then
            (p_payment).last_seen_at + p_after
        when (p_payment).created_at > now() - interval '1 day' then
            (p_payment).last_seen_at + greatest(p_after, interval '5 minutes')
        else (p_payment).last_seen_at + greatest(p_after, interval '30 minutes')
    end
$$;

COMMENT ON FUNCTION backend.check_due_at(p_payment public.payments, p_settled boolean, p_after interval) IS 'When the provider has to be asked about a payment that stays silent; null: not any more. Open ones after p_after, 5 or 30 minutes by age, failed and expired ones daily for two weeks (they may be paid late), finished ones once after a day (they may be refunded).';

CREATE FUNCTION backend.check_stock() RETURNS TABLE(account_size text, platform_type text, level text, available text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
#variable_conflict use_column
declare
    v_threshold integer := coalesce(
        (select s.value from public.shop_settings as s where s.name = 'stock_low_below'), 5);
    v record;
begin
    -- One at a time; who comes second finds nothing new.
    if not pg_try_advisory_xact_lock(hashtextextended('check_stock', 0)) then
        return;
    end if;
    for v in
        select n.account_size, n.platform_type, n.available, l.level as old_level,
               case when n.available = 0 then 'empty'
                    when n.available < v_threshold then 'low'
                    else 'ok' end as new_level
        from backend.stock_now(greatest(v_threshold, 1)) as n
        left join public.stock_levels as l
               on l.account_size = n.account_size and l.platform_type = n.platform_type
        -- What was never in stock and nobody waits for is not sold on that platform.
        where l.level is not null
           or n.available > 0
           or exists (
                select
                from public.waiting_deliveries as w
                where w.account_size = n.account_size
                  and w.platform_type = n.platform_type
                  and w.parked_at is null)
        order by n.account_size, n.platform_type
    loop
        continue when v.old_level = v.new_level;
        insert into public.stock_levels as l (account_size, platform_type, level)
        values (v.account_size, v.platform_type, v.new_level)
        on conflict (account_size, platform_type) do update
           set level = excluded.level, updated_at = now();
        update public.stock_alerts as a
           set state = 'ended', ended_at = now()
         where a.account_size = v.account_size
           and a.platform_type = v.platform_type
           and a.state = 'open'
           and (v.new_level = 'ok' or (v.new_level = 'low' and a.level = 'empty'));
        continue when v.new_level = 'ok';
        insert into public.stock_alerts
            (account_size, platform_type, level, available, threshold)
        values
            (v.account_size, v.platform_type, v.new_level, v.available, v_threshold)
        on conflict (account_size, platform_type, level) where state = 'open' do nothing;
        if found then
            account_size := trim_scale(v.account_size)::text;
            platform_type := v.platform_type;
            level := v.new_level;
            available := v.available;
            return next;
        end if;
    end loop;
end
$$;

COMMENT ON FUNCTION backend.check_stock() IS 'Notes every size and platform whose stock fell below the threshold or ran out, once per level, and returns the new alerts.';

CREATE FUNCTION backend.claim_next_event() RETURNS TABLE(event_id text, attempt text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
declare
    v_event public.payment_events;
begin
    while platform.job_may_begin('payment_event') loop
        v_event := backend.next_received_event();
        exit when v_event.id is null;
        event_id := v_event.id;
        if v_event.state <> 'received' then
            perform platform.job_done('payment_event', event_id);   -- by somebody meanwhile
            continue;
        end if;
        attempt := platform.job_begin('payment_event', event_id);
        continue when attempt is null;
        update public.payment_events as e set tries = attempt::integer where e.id = v_event.id;
        return next;
        exit;
    end loop;
end
$$;

COMMENT ON FUNCTION backend.claim_next_event() IS 'Counts a try of the next event that is due and leases it for half a minute and more, six times what process_event may take; no row when none is due.';

CREATE FUNCTION backend.claim_reconciliation() RETURNS TABLE(run_id text, since text, list_page integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
declare
    v_run public.reconciliation_runs;
    v_key text;
begin
    -- The first process after midnight (UTC) makes the day's run.
    insert into public.reconciliation_runs (reason, since)
    select 'daily', now() - interval '7 days'
     where not exists (
            select from public.reconciliation_runs as r where r.finished_at is null)
       and not exists (
            select
            from public.reconciliation_runs as r
            where r.reason = 'daily'
              and r.requested_at >= date_trunc('day', now() at time zone 'UTC')
                                    at time zone 'UTC')
    on conflict do nothing
    returning * into v_run;
    if found then
        perform platform.job_put('reconciliation', v_run.id::text);
    end if;
    -- The run is locked before its job, as everywhere.
    select *
      into v_run
      from public.reconciliation_runs as r
     where r.finished_at is null
       for update skip locked;
    if not found then
        return;
    end if;
    loop
        select c.key into v_key from platform.job_claim('reconciliation') as c;
        if not found then
            return;
        end if;
        exit when v_key = v_run.id::text;
        perform platform.job_done('reconciliation', v_key);     -- a run that was ended by hand
    end loop;
    update public.reconciliation_runs as r
       set started_at = coalesce(r.started_at, clock_timestamp()), lost = r.lost + 1
     where r.id = v_run.id
    returning * into v_run;
    if v_run.lost > 5 then
        perform backend.pass_over(v_run);
    end if;
    return query
        select r.id::text, platform.iso_utc(r.since), r.list_page
        from public.reconciliation_runs as r
        where r.id = v_run.id;
end
$$;

COMMENT ON FUNCTION backend.claim_reconciliation() IS 'The run that is to be worked on, if there is one and nobody does: a new one each day, one that was asked for, or one whose process died. The claim is a lease of a minute; what five claims in a row did not come back from is listed and passed over.';

CREATE FUNCTION backend.claim_waiting() RETURNS TABLE(order_id text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_sort TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
declare
    c_most_tries constant integer := 5;
    v_kind record;
    v_waiting public.waiting_deliveries;
    v_order public.orders;
begin
    -- Who stands aside is tried again, a few at a time.
    update public.waiting_deliveries as w
       set parked_at = null
     where w.order_id = any (array(
            select p.order_id
            from public.waiting_deliveries as p
            where p.parked_at < now() - interval '1 minute'
            order by p.parked_at
            limit 10
              for update skip locked));

    -- The heads of the queues that have stock, whoever paid first before the others.
    for v_kind in
        select s.account_size, s.platform_type
        from backend.stock_kinds() as s
        cross join lateral (
            select w.paid_at, w.order_id
            from public.waiting_deliveries as w
            where w.account_size = s.account_size
              and w.platform_type = s.platform_type
              and w.parked_at is null
            order by w.paid_at, w.order_id
            limit 1) as h
        order by h.paid_at, h.order_id
    loop
        continue when not backend.stock_left(v_kind.account_size, v_kind.platform_type);
        for v_waiting in
            select w.*
            from public.waiting_deliveries as w
            where w.account_size = v_kind.account_size
              and w.platform_type = v_kind.platform_type
              and w.parked_at is null
              and (w.lease_until is null or w.lease_until < clock_timestamp())
            order by w.paid_at, w.order_id
        loop
            -- Locks the order, not the queue: what moves an order holds that lock too.
            select *
              into v_order
              from public.orders as o
             where o.order_id = v_waiting.order_id
               for update skip locked;
            continue when not found;
            if not backend.waits_for_stock(v_order) then
                delete from public.waiting_deliveries as w where w.order_id = v_order.order_id;
                continue;
            end if;
            if v_waiting.tries >= c_most_tries then
                -- Each try took its process or its backend along: a human decides, and until then
                -- nobody tries.
                update public.waiting_deliveries as w
                   set parked_at = 'infinity', lease_until = null,
                       reason = 'delivery did not return'
                 where w.order_id = v_order.order_id;
                perform backend.open_review('delivery_error', v_order.order_id,
                    v_order.payment_provider_id,
                    jsonb_build_object('error', 'delivery did not return',
                                       'tries', v_waiting.tries));
                continue;
            end if;
            update public.waiting_deliveries as w
               set tries = w.tries + 1, lease_until = clock_timestamp() + interval '30 seconds'
             where w.order_id = v_order.order_id;
            order_id := v_order.order_id;
            return next;
            return;
        end loop;
    end loop;
end
$$;

COMMENT ON FUNCTION backend.claim_waiting() IS 'The waiting order that is to be delivered now, in the order of payment; no row when there is none. The try is counted and the order leased for 30 seconds: one whose delivery kills the process stops nobody behind it, and is set aside for a human after five tries.';

CREATE FUNCTION backend.commit_later() RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    -- The claim and the invoice are shown to nobody before the payment is attached, whose durable
    -- commit makes everything before it durable too. If the server crashes first, the claim is
    -- lost, what was made for it is never shown, and the next request makes another.
    perform set_config('synchronous_commit', 'off', true);
end
$$;

COMMENT ON FUNCTION backend.commit_later() IS 'This transaction''s commit waits neither for the disk nor for a standby.';

CREATE FUNCTION backend.compare_figures(p_payment public.payments, p_theirs jsonb) RETURNS TABLE(kind text, aspect text, ours text, theirs text, explanation text)
    LANGUAGE plpgsql STABLE
    AS $$
declare
    v_status text := lower(p_theirs ->> 'payment_status');
begin
    if v_status = 'spending' then
        v_status := 'sending';
    end if;
    return query
        select f.kind, f.aspect, f.ours, f.theirs, f.explanation
        from (values
            ('amount', 'pay_amount', trim_scale(p_payment.pay_amount)::text,
             trim_scale(nullif(round((p_theirs ->> 'pay_amount')::numeric, 18), 0))::text,
             'what was to be paid differs; the books keep what the customer was shown'),
            ('amount', 'actually_paid', trim_scale(coalesce(p_payment.actually_paid, 0))::text,
             trim_scale(round((p_theirs ->> 'actually_paid')::numeric, 18))::text,
             'what arrived differs; the books keep the highest figure the provider ever reported'),
            ('amount', 'price_amount', trim_scale(p_payment.price_amount)::text,
             trim_scale((p_theirs ->> 'price_amount')::numeric)::text,
             'the price of the payment differs; no event told of a change'),
            ('currency', 'pay_currency', p_payment.pay_currency,
             lower(nullif(p_theirs ->> 'pay_currency', '')),
             'the coin of the payment differs'),
            ('currency', 'price_currency', p_payment.price_currency,
             lower(nullif(p_theirs ->> 'price_currency', '')),
             'the currency of the price differs'),
            ('state', 'status', p_payment.status, v_status,
             'the provider went back to an earlier state, or to one nobody documented; the books '
             'only move forward'),
            ('state', 'order_id', p_payment.order_id::text, nullif(p_theirs ->> 'order_id', ''),
             'the provider has the payment for another order')
        ) as f (kind, aspect, ours, theirs, explanation)
        where f.theirs is not null
          and f.theirs is distinct from f.ours
          -- Closed or paid back by hand, the provider reports nothing as paid.
          and not (f.aspect = 'actually_paid' and f.theirs = '0'
                   and p_payment.status = v_status and v_status in ('finished', 'refunded'))
          -- The books outlive the order, when its customer is deleted.
          and not (f.aspect = 'order_id' and f.ours is null
                   and not exists (select from public.orders as o where o.order_id = f.theirs))
          -- An event that came in after the provider was asked: the books know more.
          and not (f.kind = 'state' and coalesce(
                p_payment.provider_updated_at > platform.read_time(p_theirs ->> 'updated_at')
                                                + interval '1 second', false));
end
$$;

COMMENT ON FUNCTION backend.compare_figures(p_payment public.payments, p_theirs jsonb) IS 'The figures of a payment that differ from the provider''s answer.';

CREATE FUNCTION backend.compare_payment(p_run_id bigint, p_payment_id text, p_event_outcome text, p_was_missing boolean, p_raw text) RETURNS TABLE(unknown_child text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $_$
declare
    v_theirs jsonb := p_raw::jsonb;
    v_status text := lower(v_theirs ->> 'payment_status');
    v_payment public.payments;
    v record;
begin
    select * into v_payment from public.payments as p where p.payment_id = p_payment_id;
    if v_payment.payment_id is null then
        perform backend.note_difference(p_run_id, 'provider', 'missing', 'payment', p_payment_id,
            null, null, null, v_theirs ->> 'payment_status',
            format('the provider has this payment for order %s, which does not exist here',
                   coalesce(v_theirs ->> 'order_id', '(none)')));
        return;
    end if;
    if v_theirs is null then
        perform backend.note_difference(p_run_id, 'provider', 'extra', 'payment', p_payment_id,
            v_payment.order_id, null, v_payment.status, null,
            'the books have this payment, the provider does not know it: made with another '
            'account or key, or announced by somebody else');
    else
        if p_was_missing
           or (p_event_outcome in ('applied', 'review')
               and v_payment.status
                   = case v_status when 'spending' then 'sending' else v_status end)
        then
            perform backend.note_difference(p_run_id, 'provider',
                case when p_was_missing then 'missing' else 'state' end,
                case when p_was_missing then 'payment' else 'status' end,
                p_payment_id, v_payment.order_id, null, null, v_theirs ->> 'payment_status',
                'the provider was ahead of the books: an event was lost',
                'healed: applied as an event, outcome ' || coalesce(p_event_outcome, 'duplicate'));
        end if;
        for v in select * from backend.compare_figures(v_payment, v_theirs) loop
            perform backend.note_difference(p_run_id, 'provider', v.kind, v.aspect, p_payment_id,
                v_payment.order_id, null, v.ours, v.theirs, v.explanation);
        end loop;
    end if;
    update public.reconciliation_differences as d
       set resolved_at = clock_timestamp(), resolution = 'gone'
     where d.payment_id = p_payment_id
       and d.scope = 'provider'
       and d.resolved_at is null
       and d.last_run_id <> p_run_id;
    update public.reconciliation_runs as r
       set checked = r.checked + 1,
           failures = 0,
           lost = 0,
           problem = null,
           position = case when p_was_missing then r.position else p_payment_id end
     where r.id = p_run_id;
    -- Repeated deposits are told of in the parent only, when their own callbacks got lost.
    if jsonb_typeof(v_theirs -> 'payment_extra_ids') = 'array' then
        return query
            select x.id
            from jsonb_array_elements_text(v_theirs -> 'payment_extra_ids') as x (id)
            where x.id ~ '^[0-9]{1,20}$'
              and not exists (select from public.payments as p where p.payment_id = x.id)
            limit 20;
    end if;
end
$_$;

COMMENT ON FUNCTION backend.compare_payment(p_run_id bigint, p_payment_id text, p_event_outcome text, p_was_missing boolean, p_raw text) IS 'Compares a payment, after the provider''s answer was applied, with that answer (null: not known there) and lists what differs. Returns repeated deposits that the books do not have.';

CREATE FUNCTION backend.count_instead(p_order public.orders, p_payment_id text, p_former_id text, p_status text) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    perform backend.count_payment(p_order, p_payment_id);
    update public.reviews as r
       set state = 'resolved',
           resolution = format('counted for the order, because payment %s is %s', p_former_id,
                               p_status),
           resolved_by = 'events',
           resolved_at = now()
     where r.order_id = p_order.order_id
       and r.payment_id = p_payment_id
       and r.kind = 'paid_twice'
       and r.state = 'open';
end
$$;

COMMENT ON FUNCTION backend.count_instead(p_order public.orders, p_payment_id text, p_former_id text, p_status text) IS 'Counts and books a payment that had looked like a second one, after the first one failed or went back.';

CREATE FUNCTION backend.count_payment(p_order public.orders, p_payment_id text) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    if exists (
        select
        from public.payments as p
        where p.order_id = p_order.order_id and p.counted and p.payment_id <> p_payment_id)
    then
        return;
    end if;
    update public.payments as p
       set counted = true
     where p.payment_id = p_payment_id and not p.counted;
    insert into public.payment_transactions as t
        (order_id, user_id, transaction_type, amount, currency, provider,
         provider_transaction_id, provider_status, status, processed_at)
    select p_order.order_id, p_order.user_id, 'payment', p_order.final_amount, p_order.currency,
           'nowpayments', p.payment_id, p.status, 'completed', now()
    from public.payments as p
    where p.payment_id = p_payment_id
    on conflict (provider, provider_transaction_id, transaction_type) do update
       set status = 'completed',
           processed_at = case t.status when 'completed' then t.processed_at else now() end
     where t.status <> 'completed';
end
$$;

COMMENT ON FUNCTION backend.count_payment(p_order public.orders, p_payment_id text) IS 'Lets a payment count for its order, unless another one does, and books it; the caller holds the order''s row lock.';

CREATE FUNCTION backend.credentials_by_key() RETURNS TABLE(kid text, rows bigint)
    LANGUAGE sql STABLE
    AS $$
    select k.kid, count(*)
    from (
        select split_part(c.password, '.', 2) from public.account_container as c
        union all
        select split_part(c.investor_password, '.', 2) from public.account_container as c
        where c.investor_password is not null
        union all
        select split_part(d.password, '.', 2) from public.delivered_accounts as d
        union all
        select split_part(d.investor_password, '.', 2) from public.delivered_accounts as d
        where d.investor_password is not null
        union all
        select split_part(s.value, '.', 2)
        from public.outbox as m
        cross join lateral jsonb_each_text(m.secrets) as s
        where m.secrets <> '{}') as k (kid)
    group by k.kid
    order by k.kid
$$;

COMMENT ON FUNCTION backend.credentials_by_key() IS 'How many stored passwords, and secrets of mails that are not sent yet, each key holds.';

CREATE FUNCTION backend.decide_review(p_review public.reviews, p_action text) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    v_order public.orders;
begin
    if p_review.kind = 'event_dead' and p_action = 'accept' then
        return backend.retry_event((p_review.detail ->> 'event')::bigint);
    end if;
    -- The caller holds the lock.
    select * into v_order from public.orders as o where o.order_id = p_review.order_id;
    if not found then
        return case p_action
            when 'accept' then jsonb_build_object('success', false, 'error', 'Order not found')
            else jsonb_build_object('success', true)
        end;
    end if;
    return case
        when p_action = 'cancel' then backend.cancel_order(v_order)
        when backend.review_is_surplus(p_review.kind, v_order)
             and (p_action = 'refund_noted' or v_order.payment_status = 'paid')
            then jsonb_build_object('success', true)
        when p_action = 'refund_noted' then backend.note_refund(v_order, p_review)
        when p_review.kind in ('paid_late', 'refunded_after_delivery')
            then jsonb_build_object('success', true)
        else backend.accept_order(v_order, p_review)
    end;
end
$$;

COMMENT ON FUNCTION backend.decide_review(p_review public.reviews, p_action text) IS 'Does what a decision means; {success} or {success, error}, and then nothing has changed.';

CREATE FUNCTION backend.delete_mails() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
begin
    if tg_table_name = 'user_profiles' then
        delete from public.outbox as m where m.person = old.id;
    else
        delete from public.outbox as m where m.cause = 'account_delivery ' || old.id;
    end if;
    return null;
end
$$;

COMMENT ON FUNCTION backend.delete_mails() IS 'Trigger: the mails of a customer or an account that is deleted go too.';

CREATE FUNCTION backend.deliver_or_queue(p_order public.orders) RETURNS text
    LANGUAGE plpgsql
    AS $$
declare
    v_error text := 'No available accounts';
begin
    -- Whoever paid earlier is served earlier: nobody overtakes the queue, which mostly is empty.
    if not exists (
            select
            from public.waiting_deliveries as w
            where w.account_size = p_order.account_size
              and w.platform_type = p_order.platform_type
              and w.parked_at is null)
       or not exists (
            select
            from public.waiting_deliveries as w
            where w.account_size = p_order.account_size
              and w.platform_type = p_order.platform_type
              and w.parked_at is null
              and (select backend.waits_for_stock(o)
                   from public.orders as o
                   where o.order_id = w.order_id))
    then
        v_error := backend.try_delivery(p_order);
    end if;
    if v_error is not null then
        perform backend.set_aside(p_order, v_error);
    end if;
    return v_error;
end
$$;

COMMENT ON FUNCTION backend.deliver_or_queue(p_order public.orders) IS 'Delivers an order whose payment is finished, or puts it into the queue for stock; null, or why it was not delivered.';

CREATE FUNCTION backend.deliver_waiting(p_order_id text) RETURNS TABLE(result text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
#variable_conflict use_column
declare
    v_order public.orders;
begin
    select *
      into v_order
      from public.orders as o
     where o.order_id = p_order_id
       for update skip locked;
    result := case
        when not found then 'held'
        when not backend.waits_for_stock(v_order)
             or not exists (
                select from public.waiting_deliveries as w where w.order_id = p_order_id)
            then 'gone'
    end;
    if result is null then
        result := coalesce(backend.try_delivery(v_order), 'delivered');
    end if;
    if result in ('held', 'No available accounts') then
        -- Somebody has the order, or took the last account since the claim. That is no try.
        update public.waiting_deliveries as w
           set tries = w.tries - 1,
               lease_until = case result when 'held'
                                  then clock_timestamp() + interval '1 second' end
         where w.order_id = p_order_id and w.tries > 0;
    elsif result not in ('delivered', 'gone') then
        perform backend.set_aside(v_order, result);
    end if;
    return next;
end
$$;

COMMENT ON FUNCTION backend.deliver_waiting(p_order_id text) IS 'Delivers an order that claim_waiting gave out. Result: delivered, gone (nothing to deliver), held (somebody has the order), or why not; then it is set aside for a minute, unless only stock is missing.';

CREATE FUNCTION backend.delivery_answer(p_order_id text, p_error text) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
begin
    if p_error is not null then
        return jsonb_build_object('success', false, 'error', p_error);
    end if;
    return (
        select jsonb_build_object(
            'success', true,
            'delivered_account_id', d.id,
            'account_details', jsonb_build_object(
                'login_id', d.login_id,
                'server_name', d.server_name,
                'platform_type', d.platform_type,
                'account_size', trim_scale(d.account_size),
                'account_type', d.account_type,
                'current_phase', d.current_phase,
                'trading_rules', to_jsonb(r)))
        from public.delivered_accounts as d
        join public.trading_rules as r on r.id = d.trading_rules_id
        where d.order_id = p_order_id);
end
$$;

COMMENT ON FUNCTION backend.delivery_answer(p_order_id text, p_error text) IS 'What hand_out did, as JSON, without passwords (see with_credentials).';

CREATE FUNCTION backend.delivery_checks(p_order public.orders) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    -- Everything before the delivery itself. Stock is shown with its credentials masked, always:
    -- it belongs to somebody else's next order.
    select jsonb_build_object(
        'order_check', jsonb_build_object('success', true, 'order', to_jsonb(p_order)),
        'trading_rules_check', (
            select jsonb_build_object(
                'success', count(*) > 0,
                'rules', coalesce(jsonb_agg(to_jsonb(r)), '[]'),
                'searched_for', jsonb_build_object(
                    'account_type', p_order.account_type,
                    'account_size', trim_scale(p_order.account_size)))
            from public.trading_rules as r
            where r.account_type = p_order.account_type
              and r.account_size = p_order.account_size),
        'available_accounts_check', (
            select jsonb_build_object(
                'success', count(*) > 0,
                'accounts', coalesce(jsonb_agg(
                    to_jsonb(c) || '{"login_id": "***", "password": "***",
                                     "investor_password": "***"}'
                    order by c.created_at, c.id), '[]'),
                'searched_for', jsonb_build_object(
                    'account_size', trim_scale(p_order.account_size),
                    'platform_type', p_order.platform_type,
                    'status', 'available'))
            from (
                select *
                from public.account_container as a
                where a.status = 'available'
                  and a.account_size = p_order.account_size
                  and a.platform_type = p_order.platform_type
                order by a.created_at, a.id
                limit 5) as c))
$$;

COMMENT ON FUNCTION backend.delivery_checks(p_order public.orders) IS 'Order, trading rules and stock as test-delivery shows them, credentials masked.';

CREATE TABLE public.delivered_accounts (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    order_id public.order_number NOT NULL,
    container_account_id uuid NOT NULL,
    trading_rules_id uuid,
    account_type public.account_type NOT NULL,
    account_size public.account_size NOT NULL,
    platform_type public.platform_type NOT NULL,
    server_name text NOT NULL,
    login_id text NOT NULL,
    password text NOT NULL,
    investor_password text,
    current_phase public.trading_phase NOT NULL,
    phase_status public.phase_state DEFAULT 'active'::text NOT NULL,
    challenge_status public.phase_state DEFAULT 'pending'::text NOT NULL,
    phase_1_status public.phase_state DEFAULT 'pending'::text NOT NULL,
    phase_2_status public.phase_state DEFAULT 'pending'::text NOT NULL,
    live_status public.phase_state DEFAULT 'pending'::text NOT NULL,
    challenge_completed_at timestamp with time zone,
    phase_1_completed_at timestamp with time zone,
    phase_2_completed_at timestamp with time zone,
    live_activated_at timestamp with time zone,
    account_status public.trading_account_state DEFAULT 'active'::text NOT NULL,
    email_sent boolean DEFAULT false NOT NULL,
    email_sent_at timestamp with time zone,
    delivered_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_updated timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT delivered_accounts_sealed CHECK (((password ~~ 'ffx1.%'::text) AND (investor_password ~~ 'ffx1.%'::text)))
);

COMMENT ON TABLE public.delivered_accounts IS 'Accounts handed to customers, with their progress through the phases.';

CREATE FUNCTION backend.delivery_evidence(p_delivery public.delivered_accounts) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS $$
    -- Named columns, so that a secret that is added later does not show by itself.
    select jsonb_build_object(
        'id', p_delivery.id, 'order_id', p_delivery.order_id,
        'container_account_id', p_delivery.container_account_id,
        'platform_type', p_delivery.platform_type, 'account_size', p_delivery.account_size,
        'account_type', p_delivery.account_type, 'server_name', p_delivery.server_name,
        'login_id', '***', 'password', '***', 'investor_password', '***',
        'current_phase', p_delivery.current_phase, 'account_status', p_delivery.account_status,
        'email_sent', p_delivery.email_sent, 'email_sent_at', p_delivery.email_sent_at,
        'delivered_at', p_delivery.delivered_at)
$$;

COMMENT ON FUNCTION backend.delivery_evidence(p_delivery public.delivered_accounts) IS 'A delivered account with its credentials masked.';

CREATE FUNCTION backend.event_dead(p_id text, p_error text) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v_event public.payment_events;
begin
    update public.payment_events as e
       set state = 'dead',
           last_error = coalesce(left(p_error, 500), 'processing did not return')
     where e.id = p_id::bigint and e.state = 'received'
    returning * into v_event;
    if found then
        perform backend.open_review('event_dead', v_event.order_id, v_event.payment_id,
            jsonb_build_object('event', v_event.id, 'status', v_event.status,
                               'tries', v_event.tries, 'error', v_event.last_error));
    end if;
end
$$;

COMMENT ON FUNCTION backend.event_dead(p_id text, p_error text) IS 'An event is given up: a human is asked. For the queue.';

CREATE FUNCTION backend.event_evidence(p_event jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS $_$
    -- The body as it arrived, with its hash made anew; a hash stored on arrival is compared.
    select p_event - array['received_at'] || jsonb_build_object(
        'proof', case p_event ->> 'source'
            when 'ipn' then 'signature verified on arrival'
            when 'ipn_previous' then 'signature verified on arrival'
            when 'poll' then 'answer of the provider to a question of ours'
            else 'entered by staff' end,
        'key', case p_event ->> 'source'
            when 'ipn' then 'NOWPAYMENTS_IPN_SECRET of that time'
            when 'ipn_previous' then 'NOWPAYMENTS_IPN_SECRET_PREVIOUS of that time' end,
        'raw_sha256_now', h.now,
        'raw_unchanged', (
            select bool_and(ltrim(s.value, '\x') = h.now)
            from jsonb_each_text(p_event) as s
            where s.key ~ '(sha256|hash)$' and s.value ~ '^(\\x)?[0-9a-f]{64}$'))
    from (select encode(sha256(convert_to(p_event ->> 'raw', 'UTF8')), 'hex') as now) as h
$_$;

COMMENT ON FUNCTION backend.event_evidence(p_event jsonb) IS 'An event with the proof of its origin and the hash of its body, checked against the stored one.';

CREATE FUNCTION backend.event_failed(p_event public.payment_events, p_error text) RETURNS text
    LANGUAGE plpgsql
    AS $$
declare
    v_state text := platform.job_failed('payment_event', p_event.id::text, p_event.tries, p_error);
begin
    if v_state = 'waiting' then
        update public.payment_events as e
           set last_error = left(p_error, 500)
         where e.id = p_event.id;
    end if;
    return case v_state when 'dead' then 'dead' else 'failed' end;
end
$$;

COMMENT ON FUNCTION backend.event_failed(p_event public.payment_events, p_error text) IS 'Puts an event off after a try that failed; after the twelfth it is dead and a human is asked.';

CREATE FUNCTION backend.event_revived(p_payment_id text, p_event_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    perform platform.job_done('payment_event', p_event_id::text);
    update public.reviews as r
       set state = 'resolved', resolution = 'the event took effect', resolved_by = 'events',
           resolved_at = now()
     where r.kind = 'event_dead'
       and r.state = 'open'
       and r.payment_id = p_payment_id
       and r.detail ->> 'event' = p_event_id::text;
end
$$;

COMMENT ON FUNCTION backend.event_revived(p_payment_id text, p_event_id bigint) IS 'A stored event took effect: it waits no longer, and a review of its death is closed.';

CREATE FUNCTION backend.event_status(p_status text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    select case lower(p_status) when 'spending' then 'sending' else lower(p_status) end
$$;

COMMENT ON FUNCTION backend.event_status(p_status text) IS 'A provider''s payment status as it is stored: lower case, and one word for sending.';

CREATE FUNCTION backend.expect_check() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    -- Whatever else happens to a payment puts its next check off, which the next look finds.
    -- (Asked here: the trigger's WHEN is read again for every statement, three times as dear.)
    if tg_op = 'INSERT'
       or (old.status in ('failed', 'expired') and new.status <> old.status)
       or new.last_seen_at < old.last_seen_at
       or new.created_at <> old.created_at then
        perform platform.job_put('payment_check', new.payment_id, new.last_seen_at);
    end if;
    return null;
end
$$;

COMMENT ON FUNCTION backend.expect_check() IS 'Trigger: a payment that is new, or may be due earlier than it was thought, is looked at.';

CREATE FUNCTION backend.fail_payment_attempt(p_attempt_id uuid, p_reason text, p_detail text) RETURNS TABLE(outcome text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
begin
    perform backend.lock_order_of_attempt(p_attempt_id);
    -- An unknown outcome frees the order too: what the provider may have made was never shown to
    -- anybody and cannot be paid; were it paid, the callback finds the order by its id.
    update public.payment_attempts as a
       set state = case when p_reason in ('refused', 'unsent') then p_reason else 'unknown' end,
           detail = left(p_detail, 2000),
           updated_at = now()
     where a.id = p_attempt_id
       -- By its key: the index of all claims would serve this condition if it were written plainly.
       and coalesce(a.state, '') = 'claimed';
    outcome := case when found then 'ok' else 'lost' end;
    return next;
end
$$;

COMMENT ON FUNCTION backend.fail_payment_attempt(p_attempt_id uuid, p_reason text, p_detail text) IS 'The provider refused (refused), was not reached (unsent) or nobody knows (unknown): the claim is given back and the reason kept.';

CREATE FUNCTION backend.finish_reconciliation(p_run_id bigint) RETURNS TABLE(checked integer, healed integer, differences integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_since timestamptz;
    v record;
begin
    select r.since into v_since
      from public.reconciliation_runs as r
     where r.id = p_run_id and r.finished_at is null
       for update;
    if not found then
        return;
    end if;
    for v in select * from backend.books_differences(v_since) order by 4, 2 loop
        perform backend.note_difference(p_run_id, 'books', v.kind, v.aspect, v.payment_id,
            v.order_id, v.user_id, v.ours, v.theirs, v.explanation,
            case
                when v.aspect = 'waiting_delivery'
                     and backend.heal_books(p_run_id, v.kind, v.order_id)
                    then 'healed: the queue was put right'
            end);
    end loop;
    update public.reconciliation_differences as d
       set resolved_at = clock_timestamp(), resolution = 'gone'
     where d.scope = 'books'
       and d.resolved_at is null
       and d.last_run_id <> p_run_id
       -- An event without an order is looked at only as long as it is young: it stays listed.
       and (d.aspect <> 'order'
            or not exists (
                select
                from public.payment_events as e
                where e.payment_id = d.payment_id and e.outcome = 'order_not_found'));
    return query
        update public.reconciliation_runs as r
           set finished_at = clock_timestamp(),
               problem = null,
               differences = (select count(*)
                              from public.reconciliation_differences as d
                              where d.resolved_at is null)
         where r.id = p_run_id
        returning r.checked, r.healed, r.differences;
end
$$;

COMMENT ON FUNCTION backend.finish_reconciliation(p_run_id bigint) IS 'The end of a run: compares the books with each other, marks what is gone, counts what is open.';

CREATE FUNCTION backend.follow_standing() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
declare
    v_user_id constant uuid := case tg_op when 'DELETE' then old.user_id else new.user_id end;
begin
    -- Not when the row goes along with its user: then the profile goes too.
    update public.user_profiles as p
       set account_status = platform.standing_of(v_user_id)
     where p.id = v_user_id
       and p.account_status <> platform.standing_of(v_user_id)
       and exists (select from auth.users as u where u.id = v_user_id);
    return null;
end
$$;

COMMENT ON FUNCTION backend.follow_standing() IS 'Trigger: the profile shows how its customer stands.';

CREATE FUNCTION backend.hand_out(p_order public.orders) RETURNS text
    LANGUAGE plpgsql
    AS $$
declare
    v_rules_id uuid;
    v_account public.account_container;
    v_phase text;
begin
    if p_order.payment_status <> 'paid' then
        return 'Order not paid';
    end if;
    if p_order.delivery_status = 'delivered'
       or exists (
            select from public.delivered_accounts as d where d.order_id = p_order.order_id) then
        return 'Order already delivered';
    end if;

    select r.id
      into v_rules_id
      from public.trading_rules as r
     where r.account_type = p_order.account_type
       and r.account_size = p_order.account_size;
    if not found then
        return 'No trading rules found';
    end if;

    v_account := backend.take_account(p_order.account_size, p_order.platform_type,
                                      p_order.order_id);
    if v_account.id is null then
        return 'No available accounts';
    end if;

    -- Before the account is written: its foreign key would lock the customer less than this does.
    update public.user_profiles as u
       set total_orders = u.total_orders + 1,
           total_spent = u.total_spent + p_order.final_amount
     where u.id = p_order.user_id;

    v_phase := case p_order.account_type
                   when 'instant' then 'live'
                   when 'two_step' then 'phase_1'
                   else 'challenge'
               end;
    insert into public.delivered_accounts
        (user_id, order_id, container_account_id, trading_rules_id, account_type, account_size,
         platform_type, server_name, login_id, password, investor_password, current_phase,
         challenge_status, phase_1_status, live_status, live_activated_at)
    values
        (p_order.user_id, p_order.order_id, v_account.id, v_rules_id, p_order.account_type,
         p_order.account_size, p_order.platform_type, v_account.server_name, v_account.login_id,
         v_account.password, v_account.investor_password, v_phase,
         case v_phase when 'challenge' then 'active' else 'pending' end,
         case v_phase when 'phase_1' then 'active' else 'pending' end,
         case v_phase when 'live' then 'active' else 'pending' end,
         case v_phase when 'live' then now() end);

    -- The payment columns come from the caller's record, so that a payment that is booked and
    -- delivered at once writes the order once.
    update public.orders as o
       set order_status = 'completed',
           payment_status = 'paid',
           delivery_status = 'delivered',
           paid_at = coalesce(p_order.paid_at, now()),
           delivered_at = now(),
           payment_provider = p_order.payment_provider,
           payment_provider_id = p_order.payment_provider_id,
           crypto_currency = p_order.crypto_currency,
           crypto_amount = p_order.crypto_amount,
           crypto_address = p_order.crypto_address
     where o.id = p_order.id;
    return null;
end
$$;

COMMENT ON FUNCTION backend.hand_out(p_order public.orders) IS 'Hands the oldest matching account to a paid order; null, or why not. The caller holds the order''s row lock and passes the row; its payment columns are written with the delivery.';

CREATE FUNCTION backend.has_account(p_order public.orders) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    select p_order.delivery_status = 'delivered'
        or exists (
            select from public.delivered_accounts as d where d.order_id = p_order.order_id)
$$;

COMMENT ON FUNCTION backend.has_account(p_order public.orders) IS 'Whether the customer has the account, by a program or half done by hand.';

CREATE FUNCTION backend.has_live_payment(p_order_id text, p_except_payment_id text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return exists (
        select
        from public.payments as p
        where p.order_id = p_order_id
          and p.payment_id <> p_except_payment_id
          and p.parent_payment_id is null
          and p.status in ('waiting', 'confirming', 'confirmed', 'sending', 'partially_paid',
                           'finished'));
end
$$;

COMMENT ON FUNCTION backend.has_live_payment(p_order_id text, p_except_payment_id text) IS 'Whether another payment of the order may still pay it: then one that fails does not end it.';

CREATE FUNCTION backend.heal_books(p_run_id bigint, p_kind text, p_order_id text) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
declare
    v_order public.orders;
begin
    -- The queue for stock is healed by the step that fills it, under the order's lock. A run heals
    -- several orders in one transaction, so it waits for none.
    select * into v_order
      from public.orders as o
     where o.order_id = p_order_id
       for update skip locked;
    if not found then
        return false;
    end if;
    if p_kind = 'extra' then
        delete from public.waiting_deliveries as w
         where w.order_id = p_order_id and not backend.waits_for_stock(v_order);
        return found;
    end if;
    if not backend.waits_for_stock(v_order)
       or backend.booked_amount(p_order_id) <= 0
       or backend.is_held(p_order_id)
       or exists (select from public.waiting_deliveries as w where w.order_id = p_order_id) then
        return false;
    end if;
    perform backend.deliver_or_queue(v_order);
    return true;
end
$$;

COMMENT ON FUNCTION backend.heal_books(p_run_id bigint, p_kind text, p_order_id text) IS 'Puts an order into the queue for stock (or delivers it) that should be there, or takes it out.';

CREATE FUNCTION backend.history_entries(p_order_ids text[], p_payment_ids text[]) RETURNS TABLE(at timestamp with time zone, what text, detail jsonb)
    LANGUAGE sql STABLE
    AS $$
    with events as (
        select e.*
        from public.payment_events as e
        where (e.payment_id = any (p_payment_ids) or e.order_id = any (p_order_ids))
    ), moves as (
        select e.*, lag(e.status) over (partition by e.payment_id order by e.id) as came_from
        from events as e
        where e.outcome in ('applied', 'review')
          and backend.payment_status_rank(e.status) is not null
    )
    select o.created_at, 'order', to_jsonb(o) - array['updated_at']
    from (
        select order_id, user_id, account_type, account_size, platform_type, amount,
               discount_amount, final_amount, currency, created_at
        from public.orders where order_id = any (p_order_ids)) as o
    union all
    select a.created_at, 'attempt', jsonb_build_object(
        'id', a.id, 'order_id', a.order_id, 'pay_currency', a.pay_currency,
        'price_amount', a.price_amount)
    from public.payment_attempts as a where a.order_id = any (p_order_ids)
    union all
    select a.updated_at, 'attempt_' || a.state, jsonb_strip_nulls(jsonb_build_object(
        'id', a.id, 'order_id', a.order_id, 'invoice_id', a.invoice_id,
        'invoice_url', a.invoice_url, 'detail', a.detail))
    from public.payment_attempts as a
    where a.order_id = any (p_order_ids) and a.state <> 'claimed'
    union all
    select p.created_at, 'payment', jsonb_strip_nulls(jsonb_build_object(
        'payment_id', p.payment_id, 'order_id', p.order_id, 'invoice_id', p.invoice_id,
        'parent_payment_id', p.parent_payment_id, 'pay_amount', p.pay_amount,
        'pay_currency', p.pay_currency, 'pay_address', p.pay_address, 'raw', p.provider_created))
    from public.payments as p where p.payment_id = any (p_payment_ids)
    union all
    select e.received_at, 'event', backend.event_evidence(
        to_jsonb(e) || jsonb_build_object('next_try_at', j.due_at))
    from events as e
    left join platform.jobs as j
           on j.kind = 'payment_event' and j.key = e.id::text and j.state <> 'dead'
    union all
    select m.received_at, 'transition', jsonb_build_object(
        'payment_id', m.payment_id, 'from', m.came_from, 'to', m.status, 'event', m.id,
        'outcome', m.outcome)
    from moves as m
    union all
    select o.paid_at, 'order_paid', jsonb_build_object(
        'order_id', o.order_id, 'payment_provider', o.payment_provider,
        'payment_id', o.payment_provider_id)
    from public.orders as o where o.order_id = any (p_order_ids) and o.paid_at is not null
    union all
    select t.created_at, 'transaction', jsonb_build_object(
        'id', t.id, 'order_id', t.order_id, 'type', t.transaction_type, 'amount', t.amount,
        'currency', t.currency, 'provider_transaction_id', t.provider_transaction_id)
    from public.payment_transactions as t where t.order_id = any (p_order_ids)
    union all
    select t.processed_at, 'transaction_' || t.status, jsonb_build_object(
        'id', t.id, 'order_id', t.order_id, 'type', t.transaction_type, 'amount', t.amount,
        'provider_status', t.provider_status)
    from public.payment_transactions as t
    where t.order_id = any (p_order_ids) and t.processed_at is not null
    union all
    select w.created_at, 'waiting', to_jsonb(w)
    from public.waiting_deliveries as w where w.order_id = any (p_order_ids)
    union all
    select d.delivered_at, 'delivery', backend.delivery_evidence(d)
    from public.delivered_accounts as d where d.order_id = any (p_order_ids)
    union all
    select r.created_at, 'review', jsonb_build_object(
        'id', r.id, 'kind', r.kind, 'payment_id', r.payment_id, 'detail', r.detail)
    from public.reviews as r
    where r.order_id = any (p_order_ids) or r.payment_id = any (p_payment_ids)
    union all
    select r.resolved_at, 'review_resolved', jsonb_build_object(
        'id', r.id, 'kind', r.kind, 'resolution', r.resolution, 'note', r.note,
        'resolved_by', r.resolved_by)
    from public.reviews as r
    where (r.order_id = any (p_order_ids) or r.payment_id = any (p_payment_ids))
      and r.resolved_at is not null
    union all
    select d.found_at, 'difference', jsonb_strip_nulls(to_jsonb(d) - 'found_at')
    from public.reconciliation_differences as d
    where d.order_id = any (p_order_ids) or d.payment_id = any (p_payment_ids)
    union all
    select c.checked_at, 'asked', jsonb_strip_nulls(to_jsonb(c) - 'checked_at')
           || jsonb_build_object('lost', coalesce(j.lost, 0))
    from public.payment_checks as c
    left join platform.jobs as j on j.kind = 'payment_check' and j.key = c.payment_id
    where c.payment_id = any (p_payment_ids)
    union all
    select l.created_at, 'staff', jsonb_strip_nulls(to_jsonb(l) - array['created_at', 'id'])
    from public.admin_audit_log as l
    -- By table and key: an event and a difference may have the same number.
    where (l.table_name, l.record_id) in (
            select 'orders', o.id from unnest(p_order_ids) as o (id)
            union all
            select 'payment_transactions', t.id::text from public.payment_transactions as t
            where t.order_id = any (p_order_ids)
            union all
            select 'delivered_accounts', d.id::text from public.delivered_accounts as d
            where d.order_id = any (p_order_ids)
            union all
            select 'payment_events', e.id::text from events as e
            union all
            select 'reviews', r.id::text from public.reviews as r
            where r.order_id = any (p_order_ids) or r.payment_id = any (p_payment_ids)
            union all
            select 'reconciliation_differences', x.id::text
            from public.reconciliation_differences as x
            where x.order_id = any (p_order_ids) or x.payment_id = any (p_payment_ids)
            union all
            select 'outbox', m ->> 'id'
            from backend.related_rows('public.outbox', p_order_ids, p_payment_ids) as m)
    union all
    -- Mails without their bodies: these hold credentials.
    select (m ->> 'created_at')::timestamptz, 'mail',
           platform.pick(
               m || jsonb_build_object('order_id', coalesce(m -> 'order_id', m -> 'reference')),
               array['id', 'kind', 'cause', 'template_name', 'recipient', 'subject', 'state',
                     'tries', 'replays', 'message_id', 'last_error', 'order_id'])
    from backend.related_rows('public.outbox', p_order_ids, p_payment_ids) as m
    union all
    select (m ->> 'sent_at')::timestamptz, 'mail_sent',
           platform.pick(m, array['id', 'kind', 'recipient', 'message_id', 'provider_id'])
    from backend.related_rows('public.outbox', p_order_ids, p_payment_ids) as m
    where m ->> 'sent_at' is not null
$$;

COMMENT ON FUNCTION backend.history_entries(p_order_ids text[], p_payment_ids text[]) IS 'Everything that happened to these orders and payments, credentials masked, without order.';

CREATE FUNCTION backend.history_payments(p_key text) RETURNS TABLE(order_ids text[], payment_ids text[])
    LANGUAGE sql STABLE
    AS $_$
    with o as (
        select p_key as id where p_key ~ '^FFX[0-9]{9}$'
        union
        select p.order_id from public.payments as p
        where p.payment_id = p_key or p.invoice_id = p_key
        union
        select a.order_id from public.payment_attempts as a where a.invoice_id = p_key
        union
        select e.order_id from public.payment_events as e where e.payment_id = p_key
    ), known as (
        select array_agg(o.id) filter (where o.id is not null) as ids from o
    )
    select coalesce(k.ids, '{}'), coalesce((
        select array_agg(distinct x.payment_id)
        from (
            select p.payment_id from public.payments as p
            where p.order_id = any (k.ids) or p.payment_id = p_key or p.invoice_id = p_key
            union all
            select e.payment_id from public.payment_events as e
            where e.order_id = any (k.ids) or e.payment_id = p_key) as x), '{}')
    from known as k
$_$;

COMMENT ON FUNCTION backend.history_payments(p_key text) IS 'The orders and payments that an order id, payment id or invoice id stands for.';

CREATE FUNCTION backend.is_held(p_order_id text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return exists (
        select
        from public.reviews as r
        where r.order_id = p_order_id and r.kind = 'refunded_in_part' and r.state = 'open');
end
$$;

COMMENT ON FUNCTION backend.is_held(p_order_id text) IS 'Whether a paid order waits for a human, because part of its money went back.';

CREATE FUNCTION backend.keep_mail_words() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'platform', 'pg_temp'
    AS $$
begin
    update platform.mail_kinds as k set keep_days = new.value where k.kind = 'direct';
    return null;
end
$$;

COMMENT ON FUNCTION backend.keep_mail_words() IS 'Trigger: the shop''s figure of how long the words of mails are kept.';

CREATE FUNCTION backend.leave_queue() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
begin
    if new.payment_status <> 'paid' or new.delivery_status <> 'pending'
       or new.order_status <> 'processing' then
        delete from public.waiting_deliveries as w where w.order_id = new.order_id;
    end if;
    return null;
end
$$;

COMMENT ON FUNCTION backend.leave_queue() IS 'Trigger: an order that was delivered, refunded or cancelled, by whomever, waits no longer.';

CREATE FUNCTION backend.lock_for_events(p_order_ids text[], p_statuses text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
begin
    -- Locks are taken in one order everywhere: orders by their names, then customers by their ids.
    perform
       from public.orders as o
      where o.order_id = any (p_order_ids)
      order by o.order_id
        for update;
    -- A delivery writes its customer's totals; these events deliver nothing.
    perform
       from public.user_profiles as u
      where u.id = any (array(
            select o.user_id
            from unnest(p_order_ids, p_statuses) as e (order_id, status)
            join public.orders as o on o.order_id = e.order_id
            where lower(e.status) not in ('waiting', 'confirming', 'confirmed', 'sending')))
      order by u.id
        for no key update;
end
$$;

COMMENT ON FUNCTION backend.lock_for_events(p_order_ids text[], p_statuses text[]) IS 'Before several events (order ids and statuses) are recorded in one transaction: takes what they lock in an order in which nobody waits for each other in a circle.';

CREATE FUNCTION backend.lock_order_of_attempt(p_attempt_id uuid) RETURNS public.orders
    LANGUAGE plpgsql
    AS $$
declare
    v_order public.orders;
begin
    select o.*
      into v_order
      from public.orders as o
     where o.order_id = (select a.order_id
                         from public.payment_attempts as a
                         where a.id = p_attempt_id)
       for update;
    return v_order;
end
$$;

COMMENT ON FUNCTION backend.lock_order_of_attempt(p_attempt_id uuid) IS 'Locks the order an attempt belongs to, before anything of the attempt is looked at.';

CREATE FUNCTION backend.log_webhook_call(p_request_id text, p_method text, p_query text, p_headers text, p_body text, p_remote_addr text) RETURNS TABLE(received_at text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_id bigint;
begin
    insert into public.webhook_debug_calls as c
        (request_id, method, query, headers, body, body_bytes, remote_addr, received_at)
    values
        (left(p_request_id, 100), left(p_method, 20), platform.cut_bytes(p_query, 2048),
         case when octet_length(p_headers) <= 16384
              then p_headers else '{"truncated": true}' end::json,
         platform.cut_bytes(p_body, 8192), coalesce(octet_length(p_body), 0),
         left(p_remote_addr, 100), clock_timestamp())
    returning c.id, platform.iso_utc(c.received_at) into v_id, received_at;
    -- Numbers are given out one by one, so this leaves at most the last 100, without counting.
    delete from public.webhook_debug_calls as c where c.id <= v_id - 100;
    return next;
end
$$;

COMMENT ON FUNCTION backend.log_webhook_call(p_request_id text, p_method text, p_query text, p_headers text, p_body text, p_remote_addr text) IS 'Keeps a call for debugging: the last 100, query cut at 2 KiB, body at 8 KiB.';

CREATE FUNCTION backend.mail_administrators(p_kind text, p_cause text, p_order_id text, p_variables jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    perform platform.write_mail(p_kind, p_cause || ' ' || a.email, a.email, p_variables, p_order_id)
       from platform.administrators as a
      where a.is_active;
end
$$;

COMMENT ON FUNCTION backend.mail_administrators(p_kind text, p_cause text, p_order_id text, p_variables jsonb) IS 'Writes a mail to every active row of administrators, the first one (admin@…) among them, once per cause and address. Who administers by the role claim alone is not in that table and gets none.';

CREATE FUNCTION backend.mail_customer(p_kind text, p_cause text, p_order public.orders) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v_email text;
    v_first_name text;
begin
    select u.email, u.first_name
      into v_email, v_first_name
      from public.user_profiles as u
     where u.id = p_order.user_id;
    if coalesce(v_email, '') <> '' then
        perform platform.write_mail(p_kind, p_cause, v_email,
            backend.order_words(p_order, v_first_name), p_order.order_id, p_order.user_id);
    end if;
end
$$;

COMMENT ON FUNCTION backend.mail_customer(p_kind text, p_cause text, p_order public.orders) IS 'Writes a mail to the customer of an order, once per cause.';

CREATE FUNCTION backend.mail_delivery() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
declare
    v_order public.orders;
begin
    select * into v_order from public.orders as o where o.order_id = new.order_id;
    perform backend.mail_customer('account_delivery', 'account_delivery ' || new.id, v_order);
    return null;
end
$$;

COMMENT ON FUNCTION backend.mail_delivery() IS 'Trigger: a delivered account causes a mail.';

CREATE FUNCTION backend.mail_payment() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
declare
    v_kind text := case new.payment_status when 'paid' then 'payment_received'
                                           else 'payment_failed' end;
begin
    if new.payment_status in ('paid', 'failed') then
        perform backend.mail_customer(v_kind, v_kind || ' ' || new.order_id, new);
    end if;
    return null;
end
$$;

COMMENT ON FUNCTION backend.mail_payment() IS 'Trigger: an order that becomes paid or failed causes a mail.';

CREATE FUNCTION backend.mail_review() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
begin
    perform backend.mail_administrators('review_needed', 'review_needed ' || new.id, new.order_id,
        jsonb_build_object('review_kind', replace(new.kind, '_', ' '),
                           'order_id', coalesce(new.order_id, ''),
                           'payment_id', coalesce(new.payment_id, '')));
    return null;
end
$$;

COMMENT ON FUNCTION backend.mail_review() IS 'Trigger: a review item causes a mail to every active administrator.';

CREATE FUNCTION backend.mail_stock_alert() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
begin
    perform backend.mail_administrators('stock_alert', 'stock_alert ' || new.id, null,
        jsonb_build_object(
            'stock_level', case new.level when 'empty' then 'is out' else 'runs low' end,
            'account_size', to_char(new.account_size, 'FM999,999,999,999,990'),
            'platform_type', upper(new.platform_type),
            'available', new.available,
            'waiting', (
                select count(*)
                from public.waiting_deliveries as w
                where w.account_size = new.account_size
                  and w.platform_type = new.platform_type)));
    return null;
end
$$;

COMMENT ON FUNCTION backend.mail_stock_alert() IS 'Trigger: stock that runs low or out causes a mail to every active administrator, once per level, as the alert.';

CREATE FUNCTION backend.next_received_event() RETURNS public.payment_events
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_sort TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    AS $$
declare
    v_now constant timestamptz := clock_timestamp();
    v_event public.payment_events;
begin
    -- The one that is due longest. Of one payment a younger event waits for an older one, until
    -- that has failed more often. An order that somebody else has locked is left for the next turn.
    select e.*
      into v_event
      from platform.jobs as j
      join public.payment_events as e on e.id = j.key::bigint
      join public.orders as o on o.order_id = e.order_id
     where j.kind = 'payment_event'
       and j.due_at <= v_now
       and not exists (
            select
            from public.payment_events as older
            where older.payment_id = e.payment_id
              and older.state = 'received'
              and older.id < e.id
              and older.tries <= e.tries)
     order by j.due_at
     limit 1
       for update of o skip locked;
    if found then
        -- As it stands now that the order is ours.
        select * into v_event
          from public.payment_events as e
         where e.id = v_event.id
           for update;
        return v_event;
    end if;
    select e.*
      into v_event
      from platform.jobs as j
      join public.payment_events as e on e.id = j.key::bigint
     where j.kind = 'payment_event'
       and j.due_at <= v_now
       and not exists (select from public.orders as o where o.order_id = e.order_id)
     order by j.due_at
     limit 1
       for update of e skip locked;
    return v_event;
end
$$;

COMMENT ON FUNCTION backend.next_received_event() IS 'The next event to finish, locked, and its order''s row as well; null when nothing is due.';

CREATE FUNCTION backend.note_delivery_mail() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
begin
    -- A mail that only went to the log was not sent to the customer.
    if new.kind = 'account_delivery' and new.provider_id not like 'dev-%' then
        update public.delivered_accounts as d
           set email_sent = true, email_sent_at = clock_timestamp()
         where d.id = split_part(new.cause, ' ', 2)::uuid and not d.email_sent;
    end if;
    return null;
end
$$;

COMMENT ON FUNCTION backend.note_delivery_mail() IS 'Trigger: a delivery mail that was sent is noted with the account.';

CREATE FUNCTION backend.note_difference(p_run_id bigint, p_scope text, p_kind text, p_aspect text, p_payment_id text, p_order_id text, p_user_id uuid, p_ours text, p_theirs text, p_explanation text, p_healed text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    if p_healed is not null then
        update public.reconciliation_differences as d
           set resolved_at = clock_timestamp(), resolution = p_healed, last_run_id = p_run_id
         where (d.scope, d.kind, d.aspect) = (p_scope, p_kind, p_aspect)
           and d.payment_id is not distinct from p_payment_id
           and d.order_id is not distinct from p_order_id
           and d.user_id is not distinct from p_user_id
           and d.resolved_at is null;
        if not found then
            insert into public.reconciliation_differences
                (run_id, last_run_id, scope, kind, aspect, payment_id, order_id, user_id, ours,
                 theirs, explanation, resolved_at, resolution)
            values
                (p_run_id, p_run_id, p_scope, p_kind, p_aspect, p_payment_id, p_order_id,
                 p_user_id, p_ours, p_theirs, p_explanation, clock_timestamp(), p_healed);
        end if;
        update public.reconciliation_runs as r set healed = r.healed + 1 where r.id = p_run_id;
        return;
    end if;
    -- What an administrator accepted stays accepted as long as the figures are the same.
    if exists (
        select
        from public.reconciliation_differences as d
        where (d.scope, d.kind, d.aspect) = (p_scope, p_kind, p_aspect)
          and d.payment_id is not distinct from p_payment_id
          and d.order_id is not distinct from p_order_id
          and d.user_id is not distinct from p_user_id
          and d.ours is not distinct from p_ours
          and d.theirs is not distinct from p_theirs
          and d.resolution like 'accepted:%') then
        return;
    end if;
    insert into public.reconciliation_differences as d
        (run_id, last_run_id, scope, kind, aspect, payment_id, order_id, user_id, ours, theirs,
         explanation)
    values
        (p_run_id, p_run_id, p_scope, p_kind, p_aspect, p_payment_id, p_order_id, p_user_id,
         p_ours, p_theirs, p_explanation)
    on conflict (scope, kind, aspect, payment_id, order_id, user_id) where resolved_at is null
    do update
       set last_run_id = excluded.last_run_id,
           ours = excluded.ours,
           theirs = excluded.theirs,
           explanation = excluded.explanation;
end
$$;

COMMENT ON FUNCTION backend.note_difference(p_run_id bigint, p_scope text, p_kind text, p_aspect text, p_payment_id text, p_order_id text, p_user_id uuid, p_ours text, p_theirs text, p_explanation text, p_healed text) IS 'Lists a difference, once while it is open; p_healed: it is gone already, and by what.';

CREATE FUNCTION backend.note_refund(p_order public.orders, p_review public.reviews) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    v_booked constant numeric := greatest(backend.booked_amount(p_order.order_id), 0);
    v_arrived numeric;
begin
    if backend.has_account(p_order) then
        -- What was delivered stays delivered; the account does not stay usable.
        perform backend.suspend_account(p_order.order_id);
        return jsonb_build_object('success', true);
    end if;
    if p_order.payment_status <> 'refunded' then
        -- What is booked for the order goes back whole. Of other money only what had arrived was
        -- there to go back; when nobody knows how much, the row says 0.
        select sum(p.price_amount * p.actually_paid / nullif(p.pay_amount, 0))
          into v_arrived
          from public.payments as p
         where p.order_id = p_order.order_id
           and case
                when p_review.kind = 'counted_payment_failed'
                    then p.status in ('finished', 'partially_paid')
                else p.payment_id = p_review.payment_id
               end;
        insert into public.payment_transactions as t
            (order_id, user_id, transaction_type, amount, currency, provider,
             provider_transaction_id, provider_status, status, processed_at)
        values
            (p_order.order_id, p_order.user_id, 'refund',
             case
                 when v_booked > 0 then v_booked
                 else least(coalesce(v_arrived, 0), 99999999.99)
             end,
             p_order.currency, 'nowpayments',
             coalesce(p_review.payment_id, p_review.id::text), 'refund_noted',
             case when v_booked > 0 then 'completed' else 'processing' end, now())
        -- A part of it went back in this payment before.
        on conflict (provider, provider_transaction_id, transaction_type) do update
           set amount = t.amount + excluded.amount,
               provider_status = excluded.provider_status
         where excluded.status = 'completed' and t.status = 'completed';
        update public.orders as o
           set order_status = 'refunded', payment_status = 'refunded'
         where o.id = p_order.id;
    end if;
    return jsonb_build_object('success', true);
end
$$;

COMMENT ON FUNCTION backend.note_refund(p_order public.orders, p_review public.reviews) IS 'The customer got the money back: an order that was not delivered is refunded, a delivered account is suspended.';

CREATE FUNCTION backend.open_review(p_kind text, p_order_id text, p_payment_id text, p_detail jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    insert into public.reviews (kind, order_id, payment_id, detail)
    values (p_kind, p_order_id, p_payment_id, p_detail)
    on conflict (kind, payment_id, order_id) where state = 'open' do nothing;
end
$$;

COMMENT ON FUNCTION backend.open_review(p_kind text, p_order_id text, p_payment_id text, p_detail jsonb) IS 'Puts something before a human, once while it is open.';

CREATE FUNCTION backend.order_credit(p_order public.orders, p_payment public.payments) RETURNS TABLE(amount numeric, settles boolean, main_payment_id text)
    LANGUAGE sql STABLE
    AS $$
    -- p_payment is the payment as the present event leaves it, before it is written.
    with known as (
        select p.*
        from public.payments as p
        where p.order_id = p_order.order_id
          and p.payment_id <> p_payment.payment_id
          and (p.counted or not backend.was_decided(p.order_id, p.payment_id))
        union all
        select (p_payment).*
    ),
    own as (
        -- One that went back is worth nothing, but its rate still holds for its children.
        select
            a.*,
            -- Never more than the order: a dearer price is no better rate.
            least(a.price_amount, p_order.final_amount) / a.pay_amount as rate,
            coalesce(a.actually_paid, 0) * least(a.price_amount, p_order.final_amount)
                / a.pay_amount as value
        from known as a
        where a.status in ('finished', 'partially_paid', 'refunded')
          and a.parent_payment_id is null
          and a.price_currency = lower(p_order.currency)
          and a.price_amount >= p_order.final_amount
          and a.pay_amount > 0
    ),
    credited as (
        select o.payment_id, o.value, o.counted, o.created_at, true as is_own
        from own as o
        where o.status <> 'refunded'
        union all
        select
            c.payment_id,
            case
                when c.pay_currency = o.pay_currency then c.actually_paid * o.rate
                when c.outcome_currency = o.outcome_currency and o.outcome_amount > 0
                    then c.outcome_amount * o.value / o.outcome_amount
            end,
            false, c.created_at, false
        from known as c
        join own as o on o.payment_id = c.parent_payment_id
        where c.status in ('finished', 'partially_paid')
    )
    select
        round(coalesce(sum(c.value), 0), 8),
        count(c.value) > 1
            and round(sum(c.value), 8) >= 0.99 * p_order.final_amount
            and (p_order.payment_status = 'paid' or p_order.delivery_status <> 'delivered')
            and p_order.payment_status <> 'refunded'
            and p_order.order_status not in ('cancelled', 'refunded')
            -- The payment that counts already must have arrived itself. An order that staff opened
            -- again may still have its former one.
            and (p_order.payment_status <> 'paid'
                 or not exists (
                    select
                    from known as k
                    where k.counted and k.status not in ('finished', 'partially_paid'))),
        (array_agg(c.payment_id order by c.counted desc, c.value desc, c.created_at)
            filter (where c.is_own))[1]
    from credited as c
$$;

COMMENT ON FUNCTION backend.order_credit(p_order public.orders, p_payment public.payments) IS 'What arrived for an order through several payments, whether it pays the order, and which of them counts.';

CREATE FUNCTION backend.order_description(p_order public.orders) RETURNS text
    LANGUAGE sql STABLE
    AS $_$
    select format('FlashFundX %s - $%sK %s',
        case p_order.account_type
            when 'instant' then 'Instant Account'
            when 'hft' then 'HFT Account'
            when 'one_step' then '1-Step Challenge'
            when 'two_step' then '2-Step Challenge'
        end,
        trim_scale(p_order.account_size / 1000),
        upper(p_order.platform_type))
$_$;

COMMENT ON FUNCTION backend.order_description(p_order public.orders) IS 'What the invoice says is sold.';

CREATE FUNCTION backend.order_of_payment(p_payment_id text, p_parent_payment_id text, p_invoice_id text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
    select coalesce(
        (select p.order_id from public.payments as p where p.payment_id = p_payment_id),
        (select p.order_id from public.payments as p where p.payment_id = p_parent_payment_id),
        (select a.order_id
         from public.payment_attempts as a
         where a.invoice_id = nullif(p_invoice_id, '')
         order by a.created_at
         limit 1))
$$;

COMMENT ON FUNCTION backend.order_of_payment(p_payment_id text, p_parent_payment_id text, p_invoice_id text) IS 'The order of an event that came without one: by payment, parent payment or invoice.';

CREATE FUNCTION backend.order_states(p_order_id text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
    select o.order_status || '/' || o.payment_status || '/' || o.delivery_status
    from public.orders as o
    where o.order_id = p_order_id
$$;

COMMENT ON FUNCTION backend.order_states(p_order_id text) IS 'order/payment/delivery of an order, for people.';

CREATE FUNCTION backend.order_words(p_order public.orders, p_first_name text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return jsonb_build_object(
        'first_name', coalesce(p_first_name, ''),
        'order_id', p_order.order_id,
        'account_type', case p_order.account_type
                            when 'instant' then 'Instant'
                            when 'hft' then 'HFT'
                            when 'one_step' then '1-Step'
                            else '2-Step' end,
        'account_size', to_char(p_order.account_size, 'FM999,999,999,999,990'),
        'platform_type', upper(p_order.platform_type),
        'amount', to_char(p_order.final_amount, 'FM999,999,990.00'),
        'currency', p_order.currency);
end
$$;

COMMENT ON FUNCTION backend.order_words(p_order public.orders, p_first_name text) IS 'The variables of an order in mails: how they name what was bought, and by whom.';

CREATE FUNCTION backend.pass_over(p_run public.reconciliation_runs) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v_payment public.payments;
begin
    select * into v_payment from backend.changed_payments(p_run) limit 1;
    perform backend.note_difference(p_run.id, 'provider', 'missing',
        case when v_payment.payment_id is null then 'list_page' else 'answer' end,
        v_payment.payment_id, v_payment.order_id, null, null, null,
        case when v_payment.payment_id is null
             then format('page %s of the provider''s list: processing did not return, %s times',
                         p_run.list_page, p_run.lost)
             else format('it could not be compared: processing did not return, %s times',
                         p_run.lost) end);
    update public.reconciliation_runs as r
       set lost = 0,
           position = coalesce(v_payment.payment_id, r.position),
           list_page = r.list_page + (v_payment.payment_id is null)::int
     where r.id = p_run.id;
end
$$;

COMMENT ON FUNCTION backend.pass_over(p_run public.reconciliation_runs) IS 'Lists the payment, or the page of the provider''s list, that nobody came back from, and goes on behind it.';

CREATE FUNCTION backend.pause_reconciliation(p_run_id bigint, p_payment_id text, p_problem text) RETURNS TABLE(skipped boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
declare
    v_run public.reconciliation_runs;
begin
    update public.reconciliation_runs as r
       set failures = case when p_problem is null then 0 else r.failures + 1 end,
           lost = 0,
           problem = left(p_problem, 500)
     where r.id = p_run_id and r.finished_at is null
    returning * into v_run;
    if p_problem is null then
        perform platform.job_put_off('reconciliation', p_run_id::text, clock_timestamp());
    else
        perform platform.job_failed('reconciliation', p_run_id::text, null, p_problem);
    end if;
    -- One payment that never gets an answer does not keep the others from theirs.
    skipped := coalesce(v_run.failures >= 20 and p_payment_id is not null, false);
    if skipped then
        perform backend.note_difference(p_run_id, 'provider', 'missing', 'answer', p_payment_id,
            (select p.order_id from public.payments as p where p.payment_id = p_payment_id),
            null, null, null, 'it could not be compared, 20 tries in a row: ' || v_run.problem);
        update public.reconciliation_runs as r
           set failures = 0, position = greatest(r.position, p_payment_id)
         where r.id = p_run_id;
    end if;
    return next;
end
$$;

COMMENT ON FUNCTION backend.pause_reconciliation(p_run_id bigint, p_payment_id text, p_problem text) IS 'Gives a run back unfinished; with a problem, the next try is half a minute later. After 20 problems in a row the payment they were about is listed and passed over.';

CREATE FUNCTION backend.payment_history(p_key text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
declare
    v_orders text[];
    v_payments text[];
    v_entries jsonb;
begin
    select h.order_ids, h.payment_ids
      into v_orders, v_payments
      from backend.history_payments(p_key) as h;
    -- What happens in one transaction has one time: then cause comes before effect.
    select jsonb_agg(jsonb_build_object('at', platform.iso_utc(e.at), 'what', e.what,
                                        'detail', e.detail)
                     order by e.at, array_position(
                         array['order', 'staff', 'attempt', 'attempt_open', 'payment',
                               'transaction', 'asked', 'event', 'transition', 'review',
                               'transaction_processing', 'transaction_completed', 'order_paid',
                               'waiting', 'delivery', 'mail', 'mail_sent'], e.what) nulls last,
                     (e.detail ->> 'event')::bigint,
                     case when e.what = 'event' then (e.detail ->> 'id')::bigint end)
      into v_entries
      from backend.history_entries(v_orders, v_payments) as e;
    if v_entries is null then
        return null;
    end if;
    return jsonb_build_object(
        'key', p_key,
        'orders', (select coalesce(jsonb_agg(to_jsonb(o) order by o.created_at), '[]')
                   from public.orders as o where o.order_id = any (v_orders)),
        'attempts', (select coalesce(jsonb_agg(to_jsonb(a) order by a.created_at), '[]')
                     from public.payment_attempts as a where a.order_id = any (v_orders)),
        'payments', (select coalesce(jsonb_agg(to_jsonb(p) - 'provider_created'
                                               order by p.created_at), '[]')
                     from public.payments as p where p.payment_id = any (v_payments)),
        'transactions', (select coalesce(jsonb_agg(to_jsonb(t) order by t.created_at), '[]')
                         from public.payment_transactions as t where t.order_id = any (v_orders)),
        'deliveries', (select coalesce(jsonb_agg(backend.delivery_evidence(d)), '[]')
                       from public.delivered_accounts as d where d.order_id = any (v_orders)),
        'waiting', (select coalesce(jsonb_agg(to_jsonb(w)), '[]')
                    from public.waiting_deliveries as w where w.order_id = any (v_orders)),
        'reviews', (select coalesce(jsonb_agg(to_jsonb(r) order by r.created_at), '[]')
                    from public.reviews as r
                    where r.order_id = any (v_orders) or r.payment_id = any (v_payments)),
        'entries', v_entries);
end
$$;

COMMENT ON FUNCTION backend.payment_history(p_key text) IS 'The whole history of a payment by order id, payment id or invoice id: entries [{at, what, detail}] in order of time, and the rows as they are now; null when nothing is known.';

CREATE FUNCTION backend.payment_problem(p_status text, p_order public.orders, p_payment public.payments, p_actually_paid numeric, p_pay_amount numeric, p_price_amount numeric, p_price_currency text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    AS $$
begin
    -- Why a payment that reports money does not pay the order; null when it does.
    if p_order.payment_status = 'paid' then
        if not p_payment.counted then
            return case when p_status = 'finished' then 'paid_twice' end;
        end if;
    elsif p_order.payment_status = 'refunded'
          or p_order.order_status in ('completed', 'cancelled', 'refunded')
          or p_order.delivery_status = 'delivered' then
        return 'order_closed';
    end if;
    if p_price_currency is distinct from lower(p_order.currency) then
        return 'price_currency';
    end if;
    if p_price_amount is null or p_price_amount < p_order.final_amount then
        return 'price_amount';
    end if;
    if p_actually_paid is null then
        return case when p_status = 'finished' then 'amount_unknown' end;
    end if;
    if p_pay_amount is null or p_pay_amount = 0 then
        return 'amount_unknown';
    end if;
    -- Providers close a payment a hair below the amount; one percent is what the shop gives away.
    if p_actually_paid < 0.99 * p_pay_amount then
        return 'underpaid';
    end if;
    return null;
end
$$;

COMMENT ON FUNCTION backend.payment_problem(p_status text, p_order public.orders, p_payment public.payments, p_actually_paid numeric, p_pay_amount numeric, p_price_amount numeric, p_price_currency text) IS 'Why a payment reported as confirmed, sending or finished does not pay its order; null when it does.';

CREATE FUNCTION backend.payment_status(p_user_id uuid, p_order_id text) RETURNS text[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
declare
    v_fields text[];
begin
    -- One statement for the usual case: this is what every waiting browser asks. An array, because
    -- a row of so many columns costs more to describe than to find.
    select array[
            case when p.payment_id is null then 'no_payment' else 'ok' end,
            o.order_id, o.order_status, o.payment_status, o.delivery_status, o.account_type,
            trim_scale(o.account_size)::text, o.platform_type, trim_scale(o.amount)::text,
            trim_scale(o.final_amount)::text, o.crypto_currency, o.crypto_amount::text,
            o.crypto_address, platform.iso_utc(o.created_at), platform.iso_utc(o.updated_at),
            p.payment_id, p.status, p.pay_address, p.pay_amount::text,
            case when p.payment_id is not null then coalesce(p.actually_paid, 0)::text end,
            p.pay_currency, platform.iso_utc(p.created_at), platform.iso_utc(p.updated_at),
            greatest(0, floor(extract(epoch from clock_timestamp() - p.last_seen_at) * 1000))
                ::bigint::text,
            -- A failed or expired payment may still be paid late; after two weeks it is left alone.
            (p.status in ('finished', 'refunded')
             or (p.status in ('failed', 'expired')
                 and p.created_at < now() - interval '14 days'))::text]
      into v_fields
      from public.orders as o
      left join lateral (
            select c.payment_id, c.status, c.pay_address, c.pay_amount, c.actually_paid,
                   c.pay_currency, c.created_at, c.updated_at, c.last_seen_at
            from public.payments as c
            where c.order_id = o.order_id and c.parent_payment_id is null
              -- Unpaid: the one that was shown, or one with money on its way; not one that was
              -- made for nobody and that only a callback told of.
              and (o.payment_status <> 'pending' or o.payment_provider_id is null
                   or c.payment_id = o.payment_provider_id
                   or c.status not in ('waiting', 'expired', 'failed'))
            order by c.counted desc, c.created_at desc
            limit 1) as p on true
     where o.order_id = p_order_id and o.user_id = p_user_id;
    if v_fields is null then
        return array[case
            when exists (select from public.orders as o where o.order_id = p_order_id)
                then 'unauthorized'
            else 'order_not_found'
        end];
    end if;
    return v_fields;
end
$$;

COMMENT ON FUNCTION backend.payment_status(p_user_id uuid, p_order_id text) IS 'An order and the payment that paid it (or its newest one) as last known, for its owner: outcome (ok, no_payment, unauthorized, order_not_found; of the last two nothing follows) and the fields.';

CREATE FUNCTION backend.payment_status_rank(p_status text) RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS $$
    -- A payment moves to a higher rank only. Expired stands low, because a late deposit revives a
    -- payment; failed stands above sending, because settling may still fail.
    select case p_status
        when 'waiting' then 10
        when 'expired' then 20
        when 'confirming' then 30
        when 'confirmed' then 40
        when 'sending' then 50
        when 'failed' then 60
        when 'partially_paid' then 70
        when 'finished' then 80
        when 'refunded' then 90
    end
$$;

COMMENT ON FUNCTION backend.payment_status_rank(p_status text) IS 'The place of a provider''s payment status in its life; null for a status nobody documented.';

CREATE FUNCTION backend.payment_that_pays(p_order public.orders, p_except_payment_id text) RETURNS public.payments
    LANGUAGE sql STABLE
    AS $$
    select p.*
    from public.payments as p
    where p.order_id = p_order.order_id
      and p.payment_id <> p_except_payment_id
      and p.parent_payment_id is null
      and p.status = 'finished'
      and backend.payment_problem('finished', p_order, p, p.actually_paid, p.pay_amount,
                                  p.price_amount, p.price_currency) is null
      and not backend.was_decided(p.order_id, p.payment_id)
    order by p.created_at
    limit 1
$$;

COMMENT ON FUNCTION backend.payment_that_pays(p_order public.orders, p_except_payment_id text) IS 'Another payment that finished and is enough for the order, whose row is passed as unpaid.';

CREATE FUNCTION backend.payments_to_check(p_limit integer, p_after_s integer DEFAULT 60) RETURNS TABLE(payment_id text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
#variable_conflict use_column
declare
    v_found integer := 0;
    v_job platform.jobs;
    v_due_at timestamptz;
begin
    -- What was heard of since its last look is put off: once for each time it may be silent. A call
    -- looks at a thousand at most.
    for v_turn in 1..1000 loop
        exit when v_found >= p_limit;
        v_job := platform.job_next('payment_check');
        exit when v_job.key is null;
        select backend.check_due_at(p, c.settled, p_after_s * interval '1 second')
          into v_due_at
          from public.payments as p
          left join public.payment_checks as c on c.payment_id = p.payment_id
         where p.payment_id = v_job.key and p.created_at > now() - interval '30 days';
        if v_due_at is null then
            perform platform.job_done('payment_check', v_job.key);
        elsif v_due_at > clock_timestamp() then
            perform platform.job_put_off('payment_check', v_job.key, v_due_at);
        else
            -- A payment that kills whoever asks about it waits longer each time, and keeps no other
            -- one waiting.
            perform platform.job_begin('payment_check', v_job.key);
            v_found := v_found + 1;
            payment_id := v_job.key;
            return next;
        end if;
    end loop;
end
$$;

COMMENT ON FUNCTION backend.payments_to_check(p_limit integer, p_after_s integer) IS 'Claims payments the provider has to be asked about, longest silent first, for two minutes or more.';

CREATE FUNCTION backend.payments_to_compare(p_run_id bigint, p_limit integer) RETURNS TABLE(payment_id text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_run public.reconciliation_runs;
begin
    select *
      into v_run
      from public.reconciliation_runs as r
     where r.id = p_run_id and r.finished_at is null;
    return query
        select p.payment_id from backend.changed_payments(v_run) as p limit p_limit;
end
$$;

COMMENT ON FUNCTION backend.payments_to_compare(p_run_id bigint, p_limit integer) IS 'The next payments of a run.';

CREATE TABLE public.outbox (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    kind text NOT NULL,
    cause text NOT NULL,
    reference text,
    person uuid,
    recipient text NOT NULL,
    template_name text,
    variables jsonb DEFAULT '{}'::jsonb NOT NULL,
    secrets jsonb,
    subject text,
    html text,
    plain text,
    message_id text,
    replays integer DEFAULT 0 NOT NULL,
    state public.outbox_state DEFAULT 'pending'::text NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    last_error text,
    provider_id text,
    sent_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT outbox_recipient_check CHECK ((recipient <> ''::text)),
    CONSTRAINT outbox_secrets_check CHECK ((jsonb_typeof(secrets) = 'object'::text)),
    CONSTRAINT outbox_variables_check CHECK ((jsonb_typeof(variables) = 'object'::text)),
    CONSTRAINT outbox_words CHECK (((template_name IS NOT NULL) OR ((subject IS NOT NULL) AND (html IS NOT NULL))))
)
WITH (fillfactor='80');

COMMENT ON TABLE public.outbox IS 'Mails to send, being sent, sent and given up, one row per cause. No secret in clear.';

COMMENT ON COLUMN public.outbox.secrets IS 'Sealed variables by name; {} when they are wiped.';

COMMENT ON COLUMN public.outbox.tries IS 'Tries begun since it was written or replayed.';

COMMENT ON COLUMN public.outbox.provider_id IS 'What the mail service calls it; dev-… when it was only put into the log.';

CREATE FUNCTION backend.prepare_delivery_mail(p_mail public.outbox) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
begin
    -- Read at this moment, for this mail only. The sender opens the passwords.
    return coalesce(
        (select jsonb_build_object(
            'server_name', d.server_name,
            'login_id', d.login_id,
            'password', backend.reveal(
                d.container_account_id, 'password', d.password, 'mail ' || p_mail.id),
            'investor_password', coalesce(backend.reveal(
                d.container_account_id, 'investor_password', d.investor_password,
                'mail ' || p_mail.id), ''))
        from public.delivered_accounts as d
        where d.id = split_part(p_mail.cause, ' ', 2)::uuid and d.account_status = 'active'),
        to_jsonb('the account is not active'::text));
end
$$;

COMMENT ON FUNCTION backend.prepare_delivery_mail(p_mail public.outbox) IS 'The credentials a delivery mail shows, or that the account may not be used any more.';

CREATE FUNCTION backend.process_event(p_id bigint, p_attempt integer) RETURNS TABLE(event_id text, payment_id text, status text, result text, error text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
#variable_conflict use_column
declare
    v_event public.payment_events;
begin
    select * into v_event from public.payment_events as e where e.id = p_id;
    perform from public.orders as o where o.order_id = v_event.order_id for update skip locked;
    if not found
       and exists (select from public.orders as o where o.order_id = v_event.order_id) then
        -- Somebody took the order since the claim. That is no try.
        update public.payment_events as e
           set tries = e.tries - 1
         where e.id = p_id and e.tries = p_attempt and e.state = 'received';
        if found then
            perform platform.job_put_off('payment_event', p_id::text,
                clock_timestamp() + platform.job_back_off('payment_event', 1));
        end if;
        result := 'held';
    else
        select * into v_event
          from public.payment_events as e
         where e.id = p_id and e.tries = p_attempt and e.state = 'received'
           for update;
        if not found then
            result := 'duplicate';      -- done by somebody, or somebody else's by now
        else
            begin
                result := backend.apply_stored_event(v_event);
            exception
                -- Whatever went wrong is undone, and written down.
                when query_canceled or assert_failure or others then
                    error := sqlstate || ': ' || sqlerrm;
            end;
            if error is not null then
                result := backend.event_failed(v_event, error);
            end if;
        end if;
    end if;
    event_id := p_id;
    payment_id := v_event.payment_id;
    status := v_event.status;
    return next;
end
$$;

COMMENT ON FUNCTION backend.process_event(p_id bigint, p_attempt integer) IS 'Finishes an event, as the given try of claim_next_event. Result: the outcome of record_payment_event; failed or dead with the error; held when somebody has the order.';

CREATE FUNCTION backend.profile_standing() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
begin
    perform platform.set_standing(new.id, new.account_status, null);
    return null;
end
$$;

COMMENT ON FUNCTION backend.profile_standing() IS 'Trigger: an account_status that staff wrote into a profile is how the customer stands.';

CREATE FUNCTION backend.record_event_without_order(p_event backend.payment_event, p_status text, p_actually_paid numeric) RETURNS TABLE(outcome text, order_id text, order_status text, payment_status text, delivery_status text)
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
    v_order_id text := left(nullif(p_event.order_id, ''), 200);
    v_event_id bigint;
begin
    insert into public.payment_events as e
        (payment_id, status, actually_paid, order_id, parent_payment_id, outcome, source, raw,
         provider_updated_at)
    values
        (p_event.payment_id, p_status, p_actually_paid, v_order_id,
         nullif(p_event.parent_payment_id, ''), 'order_not_found', p_event.source, p_event.raw,
         p_event.provider_updated_at)
    on conflict on constraint payment_events_effect_key do update
       set outcome = excluded.outcome, state = 'done', done_at = now()
     where e.state <> 'done'
    returning e.id into v_event_id;
    perform backend.event_revived(p_event.payment_id, v_event_id);
    if p_status not in ('waiting', 'confirming', 'failed', 'expired') then
        perform backend.open_review('order_not_found', v_order_id, p_event.payment_id,
            jsonb_build_object('status', p_status, 'actually_paid', p_actually_paid));
    end if;
    outcome := 'order_not_found';
    return next;
end
$$;

COMMENT ON FUNCTION backend.record_event_without_order(p_event backend.payment_event, p_status text, p_actually_paid numeric) IS 'Keeps an event whose order does not exist, with status and amount as they are stored; when it tells of money, somebody has to look.';

CREATE FUNCTION backend.record_payment_check(p_payment_id text, p_result text, p_detail text) RETURNS TABLE(failures integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
#variable_conflict use_column
begin
    insert into public.payment_checks as c
        (payment_id, failures, settled, last_result, last_detail, checked_at)
    select p.payment_id, (p_result <> 'seen')::int,
           p_result = 'seen' and p.status = 'finished'
               and p.updated_at <= now() - interval '24 hours',
           p_result, left(p_detail, 500), clock_timestamp()
    from public.payments as p
    where p.payment_id = p_payment_id
    on conflict (payment_id) do update
       set failures = case when excluded.failures = 0 then 0 else c.failures + 1 end,
           settled = c.settled or excluded.settled,
           last_result = excluded.last_result,
           last_detail = excluded.last_detail,
           checked_at = excluded.checked_at
    returning c.failures into failures;
    if not found then
        return;                         -- deleted meanwhile
    elsif p_result = 'seen' then
        perform platform.job_replay('payment_check', p_payment_id);
    else
        perform platform.job_failed('payment_check', p_payment_id, null, p_detail, false,
            case when p_result = 'not_found'
                 then least(interval '1 day', interval '5 minutes' * 2 ^ least(failures - 1, 10))
                 -- Not the payment's fault: soon again.
                 else least(interval '10 minutes',
                            interval '15 seconds' * 2 ^ least(failures - 1, 10)) end);
    end if;
    return next;
end
$$;

COMMENT ON FUNCTION backend.record_payment_check(p_payment_id text, p_result text, p_detail text) IS 'What came of asking about a payment: seen (its state is applied already), not_found, unreachable, refused. The lease ends; after a failure the next try waits longer each time.';

CREATE FUNCTION backend.record_payment_event(p_event backend.payment_event) RETURNS TABLE(outcome text, order_id text, order_status text, payment_status text, delivery_status text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
#variable_conflict use_column
declare
    v_status text := backend.event_status(p_event.status);
    v_order_id text := nullif(p_event.order_id, '');
    v_parent_id text := nullif(p_event.parent_payment_id, '');
    v_paid numeric := platform.plain_amount(p_event.actually_paid);
    v_pay_amount numeric;
    v_price_amount numeric;
    v_price_currency text;
    v_seen_at timestamptz := platform.read_time(p_event.provider_updated_at);
    v_rank integer;
    v_old_rank integer;
    v_order public.orders;          -- the row as locked, then as it shall become
    v_payment public.payments;
    v_main public.payments;         -- the payment that counts, when it is another one
    v_again boolean;                -- known, under review, and the order may be payable by now
    v_other public.payments;        -- takes the place of a counted payment that failed
    v_old_order_status text;
    v_old_payment_status text;
    v_moves boolean := false;       -- the payment takes the status of the event
    v_deliver boolean := false;
    v_review text;                  -- why a human has to decide; the event does not deliver
    v_note text;                    -- what a human should know; it changes nothing
    v_child boolean;
    v_after public.payments;        -- the payment as this event leaves it
    v_credit numeric;               -- what arrived for the order in all its payments, in USD
    v_back text;                    -- what money that went back is to a paid order
    v_rest numeric;                 -- what remains credited then
    v_settles boolean := false;     -- and that it pays the order
    v_stored boolean;               -- the event was stored before, without effect
    v_counted_id text;
    v_event_id bigint;
    v_event_order_id text;
    v_delivered boolean := false;
begin
    v_rank := backend.payment_status_rank(v_status);

    -- A repeat takes no lock and changes nothing, except that a poll has seen the payment. What
    -- was only stored is no repeat: it takes effect now. Money that went to review is looked at
    -- again as long as nobody decided on it: the order may have changed since.
    select e.order_id, e.outcome = 'review' and v_status = 'finished'
      into v_event_order_id, v_again
      from public.payment_events as e
     where e.payment_id = p_event.payment_id
       and e.status = v_status
       and e.actually_paid is not distinct from v_paid
       and e.state = 'done'
       and e.outcome <> 'order_not_found';
    if found then
        outcome := 'duplicate';
        select o.order_id, o.order_status, o.payment_status, o.delivery_status
          into order_id, order_status, payment_status, delivery_status
          from public.orders as o
         where o.order_id = v_event_order_id;
        v_again := v_again and payment_status <> 'paid'
                   and order_status in ('pending', 'processing', 'failed')
                   and not backend.was_decided(v_event_order_id, p_event.payment_id);
        if v_again is not true then
            if p_event.source = 'poll' then
                update public.payments as p
                   set last_seen_at = now()
                 where p.payment_id = p_event.payment_id;
            else
                perform platform.await_standby();
            end if;
            return next;
            return;
        end if;
    end if;

    -- Lock the order: everything below is decided on it and on the payment. Who writes a payment
    -- has locked its order, so that the payment needs no lock of its own.
    if v_order_id is null then
        v_order_id := backend.order_of_payment(p_event.payment_id, v_parent_id, p_event.invoice_id);
    end if;
    select * into v_order from public.orders as o where o.order_id = v_order_id for update;
    if not found then
        return query
            select * from backend.record_event_without_order(p_event, v_status, v_paid);
        return;
    end if;
    v_old_order_status := v_order.order_status;
    v_old_payment_status := v_order.payment_status;

    select * into v_payment from public.payments as p where p.payment_id = p_event.payment_id;
    if not found then
        -- Chosen on the provider's page (another coin), a repeated deposit, or faster than us.
        insert into public.payments as p
            (payment_id, order_id, parent_payment_id, invoice_id, purchase_id, status,
             pay_address, pay_currency, crypto_currency, pay_amount, actually_paid, price_amount,
             price_currency, outcome_amount, outcome_currency)
        values
            (p_event.payment_id, v_order.order_id, v_parent_id, nullif(p_event.invoice_id, ''),
             nullif(p_event.purchase_id, ''),
             case when v_rank is null then v_status else 'waiting' end,
             nullif(p_event.pay_address, ''), lower(p_event.pay_currency),
             backend.shop_currency(p_event.pay_currency),
             nullif(platform.plain_amount(p_event.pay_amount), 0), v_paid,
             platform.plain_amount(p_event.price_amount), lower(nullif(p_event.price_currency, '')),
             platform.plain_amount(p_event.outcome_amount),
             lower(nullif(p_event.outcome_currency, '')))
        on conflict (payment_id) do nothing
        returning p.* into v_payment;
        if not found then
            select *
              into v_payment
              from public.payments as p
             where p.payment_id = p_event.payment_id;
        end if;
    end if;

    v_pay_amount := coalesce(nullif(platform.plain_amount(p_event.pay_amount), 0),
                             v_payment.pay_amount);
    v_price_amount := coalesce(platform.plain_amount(p_event.price_amount), v_payment.price_amount);
    v_price_currency := coalesce(lower(nullif(p_event.price_currency, '')),
                                 v_payment.price_currency);
    v_old_rank := coalesce(backend.payment_status_rank(v_payment.status), 0);
    v_child := v_parent_id is not null or v_payment.parent_payment_id is not null;

    -- Decide ------------------------------------------------------------------------------------
    if v_payment.order_id is distinct from v_order.order_id then
        v_review := 'payment_of_other_order';
    elsif v_rank is null then
        v_review := 'unknown_status';
    elsif v_child then
        -- A second transfer to the same address, or another coin than agreed. It may say
        -- "finished" while it is worth a fraction of the order: see the credit below.
        v_review := case
            when exists (
                select
                from public.payments as p
                where p.payment_id = coalesce(v_payment.parent_payment_id, v_parent_id)
                  and p.pay_currency <> lower(p_event.pay_currency)) then 'wrong_asset'
            else 'child_payment'
        end;
        v_moves := v_rank >= v_old_rank;
    elsif v_rank < v_old_rank
          and not (v_payment.status = 'failed'
                   and v_status in ('confirming', 'confirmed', 'sending')
                   and coalesce(v_seen_at > v_payment.provider_updated_at, false)) then
        -- Late: stored, no more. A failed payment is believed to live again when the provider's
        -- own clock says so; "finished" always is.
        null;
    else
        v_moves := true;
        case
        when v_status in ('waiting', 'confirming') then
            if v_order.order_status = 'pending' then
                v_order.order_status := 'processing';
            end if;

        when v_status in ('confirmed', 'sending', 'finished') then
            v_review := backend.payment_problem(v_status, v_order, v_payment, v_paid,
                                                v_pay_amount, v_price_amount, v_price_currency);
            if v_review is null and v_payment.pay_currency <> lower(p_event.pay_currency) then
                v_review := 'wrong_asset';
            end if;
            if v_review is not null then
                if v_order.order_status = 'pending' then
                    v_order.order_status := 'processing';
                end if;
            else
                if v_order.payment_status <> 'paid' then
                    v_payment.counted := true;
                    v_order := backend.as_paid(v_order, p_event.payment_id,
                        coalesce(v_payment.crypto_currency,
                                 backend.shop_currency(p_event.pay_currency)),
                        v_pay_amount,
                        coalesce(v_payment.pay_address, nullif(p_event.pay_address, '')));
                end if;
                if v_status = 'finished' and v_paid > 1.01 * v_pay_amount then
                    v_note := 'overpaid';
                end if;
            end if;
            v_deliver := v_status = 'finished' and v_review is null and v_payment.counted;

        when v_status = 'partially_paid' then
            v_review := 'partially_paid';
            if v_order.order_status = 'pending' then
                v_order.order_status := 'processing';
            end if;

        when v_status in ('failed', 'expired') then
            if v_order.delivery_status = 'delivered' and v_payment.counted then
                v_review := 'failed_after_delivery';                -- delivered by hand, too early
            elsif v_order.order_status in ('pending', 'processing')
                  and (v_payment.counted
                       or (v_order.payment_status = 'pending'
                           and not backend.has_live_payment(v_order.order_id,
                                                            p_event.payment_id))) then
                v_order.order_status := 'processing';
                v_order.payment_status := 'pending';
                v_order.paid_at := null;
                if v_payment.counted then
                    v_payment.counted := false;
                    v_other := backend.payment_that_pays(v_order, p_event.payment_id);
                end if;
                if v_other.payment_id is not null then
                    v_order := backend.as_paid(v_order, v_other.payment_id,
                        v_other.crypto_currency, v_other.pay_amount, v_other.pay_address);
                    v_deliver := true;
                elsif backend.has_live_payment(v_order.order_id, p_event.payment_id) then
                    v_review := 'counted_payment_failed';
                else
                    v_order.order_status := 'failed';
                    v_order.payment_status := 'failed';
                end if;
            end if;

        when v_status = 'refunded' then
            -- A paid order: see what went back below.
            if v_order.payment_status not in ('paid', 'refunded')
               and (v_payment.counted
                    or not backend.has_live_payment(v_order.order_id, p_event.payment_id)) then
                v_order.order_status := 'refunded';
                v_order.payment_status := 'refunded';
            end if;
        end case;
    end if;

    -- Too little in this payment, or a child: what arrived for the order in all of them counts.
    if v_moves and v_status in ('finished', 'partially_paid')
       and (v_review in ('underpaid', 'partially_paid', 'child_payment')
            or v_child and v_review = 'wrong_asset') then
        v_after := v_payment;
        v_after.status := v_status;
        v_after.parent_payment_id := coalesce(v_payment.parent_payment_id, v_parent_id);
        v_after.pay_currency := coalesce(v_payment.pay_currency, lower(p_event.pay_currency));
        v_after.pay_amount := v_pay_amount;
        v_after.actually_paid := greatest(v_payment.actually_paid, v_paid);
        v_after.price_amount := v_price_amount;
        v_after.price_currency := v_price_currency;
        v_after.outcome_amount := coalesce(platform.plain_amount(p_event.outcome_amount),
                                           v_payment.outcome_amount);
        v_after.outcome_currency := coalesce(lower(nullif(p_event.outcome_currency, '')),
                                             v_payment.outcome_currency);
        select c.amount, c.settles, c.main_payment_id
          into v_credit, v_settles, v_counted_id
          from backend.order_credit(v_order, v_after) as c;
        v_settles := v_settles and not backend.is_held(v_order.order_id);
        if v_settles then
            if v_order.payment_status <> 'paid' then
                v_review := null;
                v_note := case when v_credit > 1.01 * v_order.final_amount then 'overpaid' end;
                select * into v_main
                  from public.payments as p
                 where p.payment_id = v_counted_id;
                v_payment.counted := v_counted_id = p_event.payment_id;
                v_order := backend.as_paid(v_order, v_counted_id, v_main.crypto_currency,
                    coalesce(v_main.pay_amount, v_pay_amount), v_main.pay_address);
            elsif v_credit <= 1.01 * v_order.final_amount or v_payment.counted then
                v_review := null;
            end if;
            v_deliver := v_review is null;
        end if;
    end if;
    -- Money of a paid order went back, in whichever payment: what remains decides.
    if v_moves and v_status = 'refunded' and v_order.payment_status = 'paid' then
        select r.effect, r.credit, r.rest, r.main_payment_id
          into v_back, v_credit, v_rest, v_counted_id
          from backend.refund_effect(v_order, v_payment) as r;
        case v_back
        when 'whole' then
            v_review := null;
            v_order.order_status := 'refunded';
            v_order.payment_status := 'refunded';
        when 'part' then
            v_review := 'refunded_in_part';
        else
            v_review := coalesce(v_review, 'refund_of_other_payment');
            if v_payment.counted and v_counted_id is not null then
                v_back := 'moved';              -- another payment takes its place
                v_payment.counted := false;
                select * into v_other
                  from public.payments as p
                 where p.payment_id = v_counted_id;
                v_order.payment_provider_id := v_counted_id;
                v_order.crypto_currency := v_other.crypto_currency;
                v_order.crypto_amount := v_other.pay_amount;
                v_order.crypto_address := v_other.pay_address;
            end if;
        end case;
    end if;
    v_deliver := v_deliver and v_order.delivery_status = 'pending'
                 and v_order.payment_status = 'paid' and v_order.order_status = 'processing'
                 and not backend.is_held(v_order.order_id);

    outcome := case
        when v_review is not null then 'review'
        when v_moves then 'applied'
        else 'stale'
    end;
    if v_again and outcome <> 'applied' then
        outcome := 'duplicate';             -- under review as before
        order_id := v_order.order_id;
        order_status := v_old_order_status;
        payment_status := v_old_payment_status;
        delivery_status := v_order.delivery_status;
        return next;
        return;
    end if;

    -- Store -------------------------------------------------------------------------------------
    insert into public.payment_events as e
        (payment_id, status, actually_paid, order_id, parent_payment_id, outcome, source, raw,
         provider_updated_at)
    values
        (p_event.payment_id, v_status, v_paid, v_order.order_id, v_parent_id, outcome,
         p_event.source, p_event.raw, p_event.provider_updated_at)
    on conflict on constraint payment_events_effect_key do update
       set order_id = excluded.order_id, outcome = excluded.outcome, state = 'done',
           done_at = now()
     where e.state <> 'done'
        or e.outcome = 'order_not_found'
        or (e.outcome = 'review' and excluded.outcome = 'applied')
    returning e.id, e.last_error is not null into v_event_id, v_stored;
    if v_event_id is null then
        -- Another session stored the same event while this one waited for the lock.
        outcome := 'duplicate';
        order_id := v_order.order_id;
        order_status := v_old_order_status;
        payment_status := v_old_payment_status;
        delivery_status := v_order.delivery_status;
        return next;
        return;
    end if;

    -- Act ---------------------------------------------------------------------------------------
    if v_order.payment_status = 'paid' and v_old_payment_status <> 'paid' then
        perform backend.uncount_others(v_order.order_id,
                                       coalesce(v_counted_id, p_event.payment_id));
    end if;
    if v_moves then
        update public.payments as p
           set status = v_status,
               counted = v_payment.counted,
               parent_payment_id = coalesce(p.parent_payment_id, v_parent_id),
               invoice_id = coalesce(p.invoice_id, nullif(p_event.invoice_id, '')),
               purchase_id = coalesce(p.purchase_id, nullif(p_event.purchase_id, '')),
               pay_address = coalesce(p.pay_address, nullif(p_event.pay_address, '')),
               pay_currency = coalesce(p.pay_currency, lower(p_event.pay_currency)),
               pay_amount = v_pay_amount,
               actually_paid = greatest(p.actually_paid, v_paid),
               price_amount = v_price_amount,
               price_currency = v_price_currency,
               outcome_amount = coalesce(platform.plain_amount(p_event.outcome_amount),
                                         p.outcome_amount),
               outcome_currency = coalesce(lower(nullif(p_event.outcome_currency, '')),
                                           p.outcome_currency),
               provider_updated_at = greatest(p.provider_updated_at, v_seen_at),
               last_seen_at = now(),
               updated_at = now()
         where p.payment_id = p_event.payment_id;
    elsif p_event.source = 'poll' then
        update public.payments as p
           set last_seen_at = now()
         where p.payment_id = p_event.payment_id;
    end if;

    if v_moves and v_status = 'refunded' then
        perform backend.book_refund(v_order, v_payment, v_back,
                                    least(v_credit, v_order.final_amount) - v_rest);
    elsif v_moves and not v_child then
        perform backend.book_payment(v_order, v_payment, v_status, v_review, v_paid, v_pay_amount,
                                     v_price_amount, v_price_currency);
    end if;
    if v_settles then
        perform backend.count_payment(v_order, v_counted_id);
    end if;
    if v_other.payment_id is not null then
        perform backend.count_instead(v_order, v_other.payment_id, p_event.payment_id, v_status);
        if v_back is null and v_other.actually_paid > 1.01 * v_other.pay_amount then
            perform backend.open_review('overpaid', v_order.order_id, v_other.payment_id,
                jsonb_build_object('event', v_event_id, 'actually_paid', v_other.actually_paid,
                    'pay_amount', v_other.pay_amount, 'final_amount', v_order.final_amount));
        end if;
    end if;

    if v_review is not null then
        perform backend.open_review(v_review, v_order.order_id, p_event.payment_id,
            jsonb_build_object(
                'event', v_event_id, 'status', v_status, 'actually_paid', v_paid,
                'pay_amount', v_pay_amount, 'pay_currency', lower(p_event.pay_currency),
                'price_amount', v_price_amount, 'price_currency', v_price_currency,
                'parent_payment_id', v_parent_id)
            || case when v_back is null then '{}'
                    else jsonb_build_object('remaining', round(v_rest, 2)) end);
    end if;
    if v_status = 'refunded' and v_order.payment_status = 'refunded' and v_moves
       and backend.has_account(v_order) then
        perform backend.suspend_account(v_order.order_id);
        v_note := 'refunded_after_delivery';
    end if;
    if v_review = 'refunded_in_part' then
        perform backend.suspend_account(v_order.order_id);
        delete from public.waiting_deliveries as w where w.order_id = v_order.order_id;
    end if;
    if v_order.payment_status = 'paid' and v_old_payment_status <> 'paid' then
        perform backend.resolve_reviews(v_order.order_id,
            array['underpaid', 'partially_paid', 'counted_payment_failed']
                || case when v_settles then array['child_payment', 'wrong_asset'] else '{}' end,
            'answered by event ' || v_event_id || ': the order is paid');
        if v_old_order_status = 'failed' then
            perform backend.open_review('paid_late', v_order.order_id, p_event.payment_id,
                jsonb_build_object('event', v_event_id, 'status', v_status));
        end if;
    end if;
    if v_note is not null then
        perform backend.open_review(v_note, v_order.order_id, p_event.payment_id,
            jsonb_build_object(
                'event', v_event_id, 'status', v_status, 'actually_paid', v_paid,
                'pay_amount', v_pay_amount, 'pay_currency', lower(p_event.pay_currency),
                'credit', v_credit, 'final_amount', v_order.final_amount));
    end if;
    if v_stored then
        perform backend.event_revived(p_event.payment_id, v_event_id);
    end if;

    if v_deliver then
        v_delivered := backend.deliver_or_queue(v_order) is null;
        if v_delivered then
            v_order.order_status := 'completed';
            v_order.delivery_status := 'delivered';
        end if;
    end if;
    if not v_delivered                      -- delivery writes it itself
       and ((v_order.order_status, v_order.payment_status)
                <> (v_old_order_status, v_old_payment_status)
            or v_other.payment_id is not null) then
        update public.orders as o
           set order_status = v_order.order_status,
               payment_status = v_order.payment_status,
               paid_at = v_order.paid_at,
               payment_provider = v_order.payment_provider,
               payment_provider_id = v_order.payment_provider_id,
               crypto_currency = v_order.crypto_currency,
               crypto_amount = v_order.crypto_amount,
               crypto_address = v_order.crypto_address
         where o.id = v_order.id;
    end if;

    order_id := v_order.order_id;
    order_status := v_order.order_status;
    payment_status := v_order.payment_status;
    delivery_status := v_order.delivery_status;
    return next;
end
$$;

COMMENT ON FUNCTION backend.record_payment_event(p_event backend.payment_event) IS 'Stores what the provider says about a payment exactly once and moves order, payment and transaction forward; a sufficient "finished" delivers. Outcome applied, duplicate, stale, review or order_not_found. Raises for no reason of business.';

CREATE FUNCTION backend.refund_effect(p_order public.orders, p_payment public.payments) RETURNS TABLE(effect text, credit numeric, rest numeric, main_payment_id text)
    LANGUAGE plpgsql STABLE
    AS $$
#variable_conflict use_column
declare
    v_counted_status text;          -- of another payment that counts
    v_enough constant numeric := 0.99 * p_order.final_amount;
begin
    -- p_payment is the payment before it went back.
    select c.amount into credit from backend.order_credit(p_order, p_payment) as c;
    p_payment.status := 'refunded';
    select c.amount, c.main_payment_id
      into rest, main_payment_id
      from backend.order_credit(p_order, p_payment) as c;
    select p.status
      into v_counted_status
      from public.payments as p
     where p.order_id = p_order.order_id and p.counted
       and p.payment_id <> p_payment.payment_id;
    effect := case
        when rest >= v_enough then 'surplus'
        -- Another payment counts, or money of elsewhere: this one was beside it, unless the order
        -- needed it. What a human accepted although it was less is a human's to judge.
        when v_counted_status in ('confirmed', 'sending') then 'surplus'
        when v_counted_status <> 'refunded' then
            case when credit >= v_enough then 'part' else 'surplus' end
        when not p_payment.counted and v_counted_status is null
             and p_order.payment_provider_id is distinct from p_payment.payment_id then 'surplus'
        when rest > 0 then 'part'
        else 'whole'
    end;
    return next;
end
$$;

COMMENT ON FUNCTION backend.refund_effect(p_order public.orders, p_payment public.payments) IS 'What a payment that goes back is to its paid order: surplus, part or whole of what paid it; what was and what remains credited, and which of the others counts then.';

CREATE FUNCTION backend.related_rows(p_table text, p_order_ids text[], p_payment_ids text[]) RETURNS SETOF jsonb
    LANGUAGE plpgsql STABLE
    AS $_$
declare
    v_where text;
begin
    -- A table that other parts of the system may or may not have brought along.
    if to_regclass(p_table) is null then
        return;
    end if;
    select string_agg(
               format('t.%I::text = any (%s)', a.attname,
                      case a.attname when 'payment_id' then '$2' else '$1' end), ' or ')
      into v_where
      from pg_attribute as a
     where a.attrelid = to_regclass(p_table)
       and a.attname in ('order_id', 'reference', 'payment_id')
       and not a.attisdropped;
    if v_where is not null then
        return query execute format('select to_jsonb(t) from %s as t where %s',
                                    to_regclass(p_table), v_where)
            using p_order_ids, p_payment_ids;
    end if;
end
$_$;

COMMENT ON FUNCTION backend.related_rows(p_table text, p_order_ids text[], p_payment_ids text[]) IS 'Rows of a table, if it exists, whose order (order_id, reference) or payment_id is one of the given.';

CREATE FUNCTION backend.replay_mails(p_ids uuid[], p_all_dead boolean) RETURNS TABLE(id text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
begin
    return query
        with replayed as (select r.* from platform.outbox_replay(p_ids, p_all_dead) as r),
        written as (
            insert into public.admin_audit_log
                (admin_email, admin_ip, action_type, table_name, record_id, old_values, description)
            select platform.caller_name(), platform.caller_ip(), 'REPLAY', 'outbox',
                   r.mail_id::text, jsonb_build_object('state', r.old_state),
                   'mail put back to be sent again'
            from replayed as r)
        select r.mail_id::text from replayed as r;
end
$$;

COMMENT ON FUNCTION backend.replay_mails(p_ids uuid[], p_all_dead boolean) IS 'Puts sent or dead mails back to be sent again, by id or all that are dead; audited.';

CREATE FUNCTION backend.request_reconciliation(p_since timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
declare
    v_id bigint;
begin
    -- One that waits or runs already gets to the older of the two dates, from its beginning.
    insert into public.reconciliation_runs as r (reason, since)
    values ('asked', p_since)
    on conflict ((true)) where finished_at is null do update
       set since = least(r.since, excluded.since), position = '', list_page = 0
    returning r.id into v_id;
    perform platform.job_put('reconciliation', v_id::text);
    return v_id;
end
$$;

COMMENT ON FUNCTION backend.request_reconciliation(p_since timestamp with time zone) IS 'Makes a run due now, for everything that changed since; its number.';

CREATE PROCEDURE backend.reseal_credentials(IN p_batch integer DEFAULT 500)
    LANGUAGE plpgsql
    AS $$
declare
    v_table text;
    v_total bigint;
    v_seen bigint;
    v_done bigint := 0;
    v_bad bigint := 0;
    v_last uuid;
    v_some record;
begin
    foreach v_table in array array['account_container', 'delivered_accounts'] loop
        execute format('select count(*) from public.%I', v_table) into v_total;
        v_seen := 0;
        v_last := '00000000-0000-0000-0000-000000000000';
        loop
            select * into v_some from backend.reseal_some(v_table, v_last, p_batch);
            commit;                         -- an interrupted run keeps what it did
            exit when v_some.last_id is null;
            v_last := v_some.last_id;
            v_seen := least(v_seen + p_batch, v_total);
            v_done := v_done + v_some.resealed;
            v_bad := v_bad + v_some.unreadable;
            raise notice '%: % of % rows', v_table, v_seen, v_total;
        end loop;
    end loop;
    insert into public.admin_audit_log (admin_email, admin_ip, action_type, table_name, description)
    values (platform.caller_name(), platform.caller_ip(), 'RESEAL', 'account_container',
            format('%s rows sealed with key %s, %s not readable', v_done,
                   (select k.kid from platform.seal_keys() as k where k.is_current), v_bad));
    raise notice '% rows sealed again, % not readable', v_done, v_bad;
end
$$;

COMMENT ON PROCEDURE backend.reseal_credentials(IN p_batch integer) IS 'Seals every trading password that has another key with the session''s current one, batch by batch, saying how far it is. May be interrupted and called again.';

CREATE FUNCTION backend.reseal_some(p_table text, p_after uuid, p_limit integer) RETURNS TABLE(last_id uuid, resealed integer, unreadable integer)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $_$
declare
    v_row record;
    v_kid text := (select k.kid from platform.seal_keys() as k where k.is_current);
    v_account text := case p_table when 'account_container' then 'id'
                                   else 'container_account_id' end;
begin
    resealed := 0;
    unreadable := 0;
    -- One line in the audit for the whole run instead of one per row.
    perform set_config('platform.audited_as_a_whole', 'on', true);
    for v_row in execute format(
        'select id, %I as account_id, password, investor_password from public.%I
         where id > $1 order by id limit $2 for no key update', v_account, p_table)
        using p_after, p_limit
    loop
        last_id := v_row.id;
        continue when split_part(v_row.password, '.', 2) = v_kid
                  and coalesce(split_part(v_row.investor_password, '.', 2), v_kid) = v_kid;
        begin
            execute format('update public.%I set password = $1, investor_password = $2
                            where id = $3', p_table)
            using platform.unseal(v_row.password, v_row.account_id, 'password'),
                  platform.unseal(v_row.investor_password, v_row.account_id, 'investor_password'),
                  v_row.id;
            resealed := resealed + 1;
        exception
            when sqlstate 'FFX10' or sqlstate 'FFX11' then
                raise warning '% %: %', p_table, v_row.id, sqlerrm;
                unreadable := unreadable + 1;
        end;
    end loop;
    perform set_config('platform.audited_as_a_whole', '', true);
    return next;
end
$_$;

COMMENT ON FUNCTION backend.reseal_some(p_table text, p_after uuid, p_limit integer) IS 'Seals the passwords of the next rows with the session''s current key. For reseal_credentials.';

CREATE FUNCTION backend.resolve_reviews(p_order_id text, p_kinds text[], p_note text) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    update public.reviews as r
       set state = 'resolved', resolution = p_note, resolved_by = 'events', resolved_at = now()
     where r.order_id = p_order_id and r.kind = any (p_kinds) and r.state = 'open';
end
$$;

COMMENT ON FUNCTION backend.resolve_reviews(p_order_id text, p_kinds text[], p_note text) IS 'Closes the open reviews of an order that events have answered.';

CREATE FUNCTION backend.retry_event(p_id bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
declare
    v_event public.payment_events;
begin
    update public.payment_events as e
       set state = 'received', tries = 0
     where e.id = p_id and e.state in ('dead', 'received')
    returning e.* into v_event;
    if not found then
        return jsonb_build_object('success', false, 'error', case
            when exists (select from public.payment_events as e where e.id = p_id)
                then 'Event is done' else 'Event not found' end);
    end if;
    perform platform.job_replay('payment_event', p_id::text);
    insert into public.admin_audit_log
        (admin_email, admin_ip, action_type, table_name, record_id, new_values, description)
    values
        (platform.caller_name(), platform.caller_ip(), 'RETRY_EVENT', 'payment_events', p_id::text,
         jsonb_build_object('payment_id', v_event.payment_id, 'status', v_event.status,
                            'order_id', v_event.order_id, 'last_error', v_event.last_error),
         'event put back into the inbox');
    return jsonb_build_object('success', true, 'event', p_id, 'payment_id', v_event.payment_id,
                              'status', v_event.status);
end
$$;

COMMENT ON FUNCTION backend.retry_event(p_id bigint) IS 'Gives a dead event (or one that waits for its turn) all its tries again, from now on.';

CREATE FUNCTION backend.reveal(p_account_id uuid, p_column text, p_value text, p_reason text) RETURNS text
    LANGUAGE plpgsql
    AS $$
declare
    v_shown text;
begin
    if p_value is null then
        return null;
    end if;
    v_shown := platform.show_sealed(p_value, p_account_id, p_column);
    insert into public.credential_reveals (account_id, column_name, reader, reader_ip, reason)
    values (p_account_id, p_column, platform.caller_name(), platform.caller_ip(), p_reason);
    return v_shown;
end
$$;

COMMENT ON FUNCTION backend.reveal(p_account_id uuid, p_column text, p_value text, p_reason text) IS 'A password for somebody who may see it, audited: in clear where the session has the keys, else as sealed:<account>:<column>:<value>, which a program with the keys opens on the way out (common/crypto/sealed.h).';

CREATE FUNCTION backend.review_is_surplus(p_kind text, p_order public.orders) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    -- Money beside what pays the order, or information: the order itself is not in question.
    select p_kind in ('overpaid', 'paid_twice', 'refund_of_other_payment',
                      'payment_of_other_order', 'event_dead')
        or (p_kind in ('child_payment', 'wrong_asset', 'partially_paid', 'counted_payment_failed')
            and p_order.payment_status = 'paid')
$$;

COMMENT ON FUNCTION backend.review_is_surplus(p_kind text, p_order public.orders) IS 'Whether a review is about money beside what pays its order.';

CREATE FUNCTION backend.seal_credentials() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'backend', 'pg_temp'
    AS $$
declare
    v_account_id uuid;
begin
    if tg_table_name = 'account_container' then
        v_account_id := new.id;
    else
        v_account_id := new.container_account_id;
    end if;
    new.password := platform.sealed(new.password, v_account_id, 'password');
    new.investor_password :=
        platform.sealed(new.investor_password, v_account_id, 'investor_password');
    return new;
end
$$;

COMMENT ON FUNCTION backend.seal_credentials() IS 'Trigger: no trading password is stored in clear.';

CREATE FUNCTION backend.set_aside(p_order public.orders, p_reason text) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    if p_reason = 'Order already delivered' then
        -- The order says pending, delivered_accounts says otherwise: half done by hand.
        perform backend.open_review('delivered_by_hand', p_order.order_id,
            p_order.payment_provider_id, '{}');
        delete from public.waiting_deliveries as w where w.order_id = p_order.order_id;
        return;
    end if;
    insert into public.waiting_deliveries as w
        (order_id, account_type, account_size, platform_type, paid_at, reason, parked_at)
    values
        (p_order.order_id, p_order.account_type, p_order.account_size, p_order.platform_type,
         coalesce(p_order.paid_at, now()), p_reason,
         case when p_reason <> 'No available accounts' then now() end)
    on conflict (order_id) do update
       set reason = excluded.reason, parked_at = excluded.parked_at, tries = 0,
           lease_until = null;
end
$$;

COMMENT ON FUNCTION backend.set_aside(p_order public.orders, p_reason text) IS 'Puts an order that could not be delivered into the queue: in line when only stock is missing, beside it otherwise; not at all when the account was handed out by hand.';

CREATE FUNCTION backend.settle_attempts(p_limit integer) RETURNS TABLE(attempt_id text, order_id text, state text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
#variable_conflict use_column
declare
    v_attempt public.payment_attempts;
    v_state text;
    v_reason text;
    v_payment_id text;
begin
    -- Orders are locked before anything of theirs is decided; a busy one has its next turn.
    for v_attempt in
        select a.*
          from public.payment_attempts as a
          join public.orders as o on o.order_id = a.order_id
         where (a.state = 'unknown'
                or (a.state = 'claimed'
                    and a.claim_until < clock_timestamp() - interval '1 minute'))
           and (a.updated_at < now() - interval '24 hours'
                or exists (
                    select
                    from public.payments as p
                    where p.attempt_id = a.id
                       or (p.attempt_id is null and p.invoice_id = a.invoice_id
                           and p.order_id = a.order_id))
                or (a.invoice_id is not null and a.updated_at < now() - interval '1 hour'))
         order by a.updated_at
         limit p_limit
           for update of o skip locked
    loop
        select p.payment_id
          into v_payment_id
          from public.payments as p
         where p.attempt_id = v_attempt.id
            or (p.attempt_id is null and p.invoice_id = v_attempt.invoice_id
                and p.order_id = v_attempt.order_id)
         order by p.created_at
         limit 1;
        if v_payment_id is not null then
            v_state := 'open';
            v_reason := format('found: the provider told of payment %s', v_payment_id);
        elsif v_attempt.invoice_id is not null then
            v_state := 'abandoned';
            v_reason := format('closed: no payment behind invoice %s was ever heard of; its page '
                               'was not shown by this attempt', v_attempt.invoice_id);
        else
            v_state := 'abandoned';
            v_reason := 'closed after 24 hours: whether an invoice was made is not known; its page '
                        'was never shown';
        end if;
        update public.payment_attempts as a
           set state = v_state,
               detail = concat_ws('; ', nullif(a.detail, ''), v_reason),
               updated_at = now()
         where a.id = v_attempt.id and a.state = v_attempt.state;
        if found then
            attempt_id := v_attempt.id::text;
            order_id := v_attempt.order_id;
            state := v_state;
            return next;
        end if;
    end loop;
end
$$;

COMMENT ON FUNCTION backend.settle_attempts(p_limit integer) IS 'Ends attempts to open a payment whose claim ran out or whose outcome is unknown: open when a payment of theirs came to light, else abandoned: with an invoice after an hour, without after a day.';

CREATE FUNCTION backend.shop_currency(p_pay_currency text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    select case lower(p_pay_currency)
        when 'usdtbsc' then 'usdt_bsc'
        when 'usdtmatic' then 'usdt_polygon'
        when 'usdttrc20' then 'usdt_trc20'
        when 'bnbbsc' then 'bnb'
        else lower(p_pay_currency)
    end
$$;

COMMENT ON FUNCTION backend.shop_currency(p_pay_currency text) IS 'The front end''s code of a provider''s currency; other currencies keep the provider''s code.';

CREATE FUNCTION backend.stock_kinds() RETURNS TABLE(account_size numeric, platform_type text)
    LANGUAGE sql STABLE
    AS $$
    -- From one kind to the next along account_container_next_idx: a few index probes, however much
    -- is in stock, and a single one when nothing is.
    with recursive kind as (
        (select c.account_size, c.platform_type
         from public.account_container as c
         where c.status = 'available'
         order by c.account_size, c.platform_type
         limit 1)
        union all
        select n.account_size, n.platform_type
        from kind as k
        cross join lateral (
            select c.account_size, c.platform_type
            from public.account_container as c
            where c.status = 'available'
              and (c.account_size, c.platform_type) > (k.account_size, k.platform_type)
            order by c.account_size, c.platform_type
            limit 1) as n)
    select k.account_size, k.platform_type from kind as k
$$;

COMMENT ON FUNCTION backend.stock_kinds() IS 'The sizes and platforms that are in stock.';

CREATE FUNCTION backend.stock_left(p_account_size numeric, p_platform_type text) RETURNS boolean
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
begin
    perform
       from public.account_container as c
      where c.status = 'available'
        and c.account_size = p_account_size
        and c.platform_type = p_platform_type
        and not exists (
            select from public.delivered_accounts as d where d.container_account_id = c.id)
      limit 1
        for update of c skip locked;
    return found;
end
$$;

COMMENT ON FUNCTION backend.stock_left(p_account_size numeric, p_platform_type text) IS 'Whether take_account would find one now.';

CREATE FUNCTION backend.stock_now(p_most integer) RETURNS TABLE(account_size numeric, platform_type text, available integer)
    LANGUAGE sql STABLE
    AS $$
    -- Counts at most so many of each: the levels need no more, and it stays cheap.
    select s.account_size, p.platform_type, a.available
    from (select distinct p.account_size::numeric from public.prices as p where p.is_active
          union select l.account_size from public.stock_levels as l) as s (account_size)
    cross join (values ('mt4'), ('mt5')) as p (platform_type)
    cross join lateral (
        select count(*)::integer
        from (
            select
            from public.account_container as c
            where c.status = 'available'
              and c.account_size = s.account_size
              and c.platform_type = p.platform_type
            limit p_most) as counted) as a (available)
$$;

COMMENT ON FUNCTION backend.stock_now(p_most integer) IS 'Available accounts of each size and platform, counted up to p_most.';

CREATE FUNCTION backend.store_payment_event(p_event backend.payment_event, p_error text) RETURNS TABLE(outcome text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET lock_timeout TO '1s'
    AS $$
#variable_conflict use_column
declare
    v_id bigint;
begin
    -- An insert and no more: it waits for nobody's order.
    insert into public.payment_events
        (payment_id, status, actually_paid, order_id, parent_payment_id, source, raw,
         provider_updated_at, state, tries, last_error, done_at, arguments)
    values
        (p_event.payment_id, backend.event_status(p_event.status),
         platform.plain_amount(p_event.actually_paid),
         left(coalesce(nullif(p_event.order_id, ''),
                       backend.order_of_payment(p_event.payment_id,
                                                nullif(p_event.parent_payment_id, ''),
                                                p_event.invoice_id)), 200),
         nullif(p_event.parent_payment_id, ''), p_event.source, p_event.raw,
         p_event.provider_updated_at, 'received', 1, coalesce(left(p_error, 500), 'not applied'),
         null,
         jsonb_strip_nulls(jsonb_build_object(
            'invoice_id', p_event.invoice_id,
            'purchase_id', p_event.purchase_id,
            'order_id', p_event.order_id,
            'pay_address', p_event.pay_address,
            'pay_currency', p_event.pay_currency,
            'pay_amount', p_event.pay_amount::text,
            'actually_paid', p_event.actually_paid::text,
            'price_amount', p_event.price_amount::text,
            'price_currency', p_event.price_currency,
            'outcome_amount', p_event.outcome_amount::text,
            'outcome_currency', p_event.outcome_currency)))
    on conflict on constraint payment_events_effect_key do nothing
    returning id into v_id;
    if v_id is null then
        outcome := 'duplicate';
        perform platform.await_standby();
    else
        outcome := 'stored';
        -- Its arrival was the first try.
        perform platform.job_put('payment_event', v_id::text,
            clock_timestamp() + platform.job_back_off('payment_event', 1), 1);
    end if;
    return next;
end
$$;

COMMENT ON FUNCTION backend.store_payment_event(p_event backend.payment_event, p_error text) IS 'Stores an event whose effect could not happen now, with the reason; process_event finishes it. Outcome stored or duplicate.';

CREATE FUNCTION backend.suspend_account(p_order_id text) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
begin
    update public.delivered_accounts as d
       set account_status = 'suspended'
     where d.order_id = p_order_id and d.account_status = 'active';
    return found;
end
$$;

COMMENT ON FUNCTION backend.suspend_account(p_order_id text) IS 'Suspends the account that was delivered for an order; false when none was active.';

CREATE TABLE public.account_container (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    account_size public.account_size NOT NULL,
    platform_type public.platform_type NOT NULL,
    server_name text NOT NULL,
    login_id text NOT NULL,
    password text NOT NULL,
    investor_password text,
    status public.stock_state DEFAULT 'available'::text NOT NULL,
    reserved_for_order_id public.order_number,
    reserved_at timestamp with time zone,
    notes text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT account_container_sealed CHECK (((password ~~ 'ffx1.%'::text) AND (investor_password ~~ 'ffx1.%'::text)))
);

COMMENT ON TABLE public.account_container IS 'Stock of trading accounts. An account leaves "available" once and never comes back.';

CREATE FUNCTION backend.take_account(p_account_size numeric, p_platform_type text, p_order_id text) RETURNS public.account_container
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_sort TO 'off'
    AS $$
declare
    v_account public.account_container;
begin
    -- SKIP LOCKED: concurrent deliveries take different accounts instead of queueing for one.
    update public.account_container as c
       set status = 'delivered',
           reserved_for_order_id = p_order_id,
           reserved_at = now()
     where c.id = (
            select s.id
            from public.account_container as s
            where s.status = 'available'
              and s.account_size = p_account_size
              and s.platform_type = p_platform_type
              -- Handed out by hand and still listed as available: it is somebody's already.
              and not exists (
                    select
                    from public.delivered_accounts as d
                    where d.container_account_id = s.id)
            order by s.created_at, s.id
            limit 1
              for update of s skip locked)
    returning c.* into v_account;
    return v_account;
end
$$;

COMMENT ON FUNCTION backend.take_account(p_account_size numeric, p_platform_type text, p_order_id text) IS 'Takes the oldest available account of a size and platform out of the stock; null without one.';

CREATE FUNCTION backend.test_delivery(p_order_id text, p_deliver boolean) RETURNS TABLE(result jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
declare
    v_order public.orders;
    v_delivery jsonb;
begin
    select * into v_order from public.orders as o where o.order_id = p_order_id for update;
    if not found then
        result := jsonb_build_object('order_check', jsonb_build_object(
            'success', false, 'order', null, 'error', 'Order not found'));
        return next;
        return;
    end if;
    result := backend.delivery_checks(v_order);

    if p_deliver then
        v_delivery := backend.with_credentials(
            backend.delivery_answer(p_order_id, backend.try_delivery(v_order)));
        insert into public.admin_audit_log
            (admin_email, action_type, table_name, record_id, new_values, description)
        values
            ('service_role', 'DELIVER', 'orders', p_order_id,
             jsonb_build_object('success', v_delivery -> 'success', 'error', v_delivery -> 'error'),
             'delivered through test-delivery');
    else
        -- The real delivery, undone: what it returns is kept, what it did is not.
        begin
            v_delivery := backend.delivery_answer(p_order_id, backend.try_delivery(v_order));
            raise exception using errcode = 'FFX00', message = 'dry run';
        exception
            when sqlstate 'FFX00' then
                if v_delivery ? 'account_details' then
                    v_delivery := jsonb_set(v_delivery, '{account_details}',
                        v_delivery -> 'account_details' || '{"login_id": "***",
                            "password": "***", "investor_password": "***"}');
                end if;
        end;
    end if;
    result := result || jsonb_build_object('delivery_function_test', jsonb_build_object(
        'success', v_delivery -> 'success',
        'dry_run', not coalesce(p_deliver, false),
        'result', v_delivery));
    return next;
end
$$;

COMMENT ON FUNCTION backend.test_delivery(p_order_id text, p_deliver boolean) IS 'The tests object of test-delivery (without environment_check). Delivers really only when p_deliver; otherwise the delivery is rolled back and its credentials are masked.';

CREATE FUNCTION backend.try_delivery(p_order public.orders) RETURNS text
    LANGUAGE plpgsql
    AS $$
declare
    v_detail text;
begin
    return backend.hand_out(p_order);
exception
    -- Something in the tables contradicts this delivery. What the caller has written, above all
    -- the payment, must not be lost with it; lost locks and the like are the caller's to repeat.
    when integrity_constraint_violation or data_exception or raise_exception then
        get stacked diagnostics v_detail = pg_exception_detail;
        perform backend.open_review('delivery_error', p_order.order_id,
            p_order.payment_provider_id,
            jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate, 'detail', v_detail));
        return 'Delivery failed: ' || sqlerrm;
end
$$;

COMMENT ON FUNCTION backend.try_delivery(p_order public.orders) IS 'hand_out for callers with more to keep than the delivery: a contradiction in the tables becomes a review and an error in the result instead of an exception.';

CREATE FUNCTION backend.uncount_others(p_order_id text, p_payment_id text) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    update public.payments as p
       set counted = false
     where p.order_id = p_order_id and p.counted and p.payment_id is distinct from p_payment_id;
end
$$;

COMMENT ON FUNCTION backend.uncount_others(p_order_id text, p_payment_id text) IS 'One payment counts: an order that staff opened again may still have its former one.';

CREATE FUNCTION backend.unknown_payments(p_run_id bigint, p_page integer, p_ids text) RETURNS TABLE(payment_id text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
    update public.reconciliation_runs as r
       set list_page = p_page,
           lost = case when p_page > r.list_page then 0 else r.lost end
     where r.id = p_run_id and r.finished_at is null;
    return query
        select x.id
        from jsonb_array_elements_text(p_ids::jsonb) as x (id)
        where not exists (select from public.payments as p where p.payment_id = x.id);
end
$$;

COMMENT ON FUNCTION backend.unknown_payments(p_run_id bigint, p_page integer, p_ids text) IS 'Which payments of a page of the provider''s list the books do not have. The run stands at that page until the next one.';

CREATE FUNCTION backend.waits_for_stock(p_order public.orders) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    select p_order.payment_status = 'paid'
       and p_order.delivery_status = 'pending'
       and p_order.order_status = 'processing'
$$;

COMMENT ON FUNCTION backend.waits_for_stock(p_order public.orders) IS 'Whether an order in the queue still has to be delivered.';

CREATE FUNCTION backend.was_decided(p_order_id text, p_payment_id text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
begin
    -- To have a dead event tried again decides nothing about its money.
    return exists (
        select
        from public.reviews as r
        where r.order_id = p_order_id
          and r.payment_id = p_payment_id
          and r.state = 'resolved'
          and r.resolved_by is distinct from 'events'
          and not (r.kind = 'event_dead' and r.resolution = 'accept'));
end
$$;

COMMENT ON FUNCTION backend.was_decided(p_order_id text, p_payment_id text) IS 'Whether a human has decided on a payment, for example paid it back: no program does then.';

CREATE FUNCTION backend.with_credentials(p_delivery jsonb) RETURNS jsonb
    LANGUAGE sql
    AS $$
    select coalesce(
        (select jsonb_set(p_delivery, '{account_details}',
                    p_delivery -> 'account_details' || jsonb_build_object(
                        'password', backend.reveal(
                            d.container_account_id, 'password', d.password, 'delivery'),
                        'investor_password', backend.reveal(
                            d.container_account_id, 'investor_password', d.investor_password,
                            'delivery')))
         from public.delivered_accounts as d
         where d.id = (p_delivery ->> 'delivered_account_id')::uuid),
        p_delivery)
$$;

COMMENT ON FUNCTION backend.with_credentials(p_delivery jsonb) IS 'The answer of a delivery with the account''s passwords; one without success as it is.';

CREATE FUNCTION platform.audit_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
declare
    v_role text;
    v_old jsonb;
    v_new jsonb;
begin
    -- A run that changes many rows in one way writes one line of its own.
    if current_setting('platform.audited_as_a_whole', true) = 'on' then
        return null;
    end if;
    v_role := platform.caller_role();
    -- Somebody's change of a row of their own. In tables where nobody has such rows it was an
    -- administrator, even if this very change made an end of that.
    if v_role = 'anon'
       or (v_role = 'authenticated' and tg_argv[1] = 'own' and not platform.is_admin()) then
        return null;
    end if;
    v_old := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    v_new := case when tg_op <> 'DELETE' then to_jsonb(new) end;
    if tg_op = 'UPDATE' and v_old - array['updated_at', 'last_updated']
                          = v_new - array['updated_at', 'last_updated'] then
        return null;
    end if;
    insert into public.admin_audit_log
        (admin_email, admin_ip, action_type, table_name, record_id, old_values, new_values,
         description)
    values (
        platform.caller_name(),
        platform.caller_ip(),
        tg_op,
        tg_table_name,
        coalesce(v_new ->> tg_argv[0], v_old ->> tg_argv[0]),
        platform.mask_secrets(v_old, v_new),
        platform.mask_secrets(v_new, v_old),
        case
            when tg_op = 'UPDATE' then (
                select 'changed ' || string_agg(n.key, ', ' order by n.key)
                from jsonb_each(v_new) as n
                where n.value is distinct from v_old -> n.key
                  and n.key not in ('updated_at', 'last_updated'))
        end);
    return null;
end
$$;

COMMENT ON FUNCTION platform.audit_change() IS 'Trigger: writes an administrative change of a row to admin_audit_log. Arguments: key column; "own" when people may change rows of their own.';

CREATE FUNCTION platform.audit_table(p_table regclass, p_key text, p_own boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v_name name := (select c.relname from pg_class as c where c.oid = p_table);
begin
    -- The backend's own programs are left out here and not in the function: they change rows all
    -- day, and a call costs ten times this condition. A program that took on a request's role
    -- (SET ROLE) acts for that request.
    execute format(
        'create or replace trigger %I after insert or update or delete on %s for each row '
        'when (session_user not like ''fn\_%%'' or current_setting(''role'') <> ''none'') '
        'execute function platform.audit_change(%s)',
        v_name || '_audit', p_table,
        concat_ws(', ', quote_literal(p_key), case when p_own then '''own''' end));
end
$$;

COMMENT ON FUNCTION platform.audit_table(p_table regclass, p_key text, p_own boolean) IS 'For migrations: audits a table; its key column, and whether people change rows of their own.';

CREATE FUNCTION platform.await_standby() RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    -- A commit that waits for a synchronous standby can be given up (the client went away, the
    -- backend was cancelled or killed): then it is visible here, and the standby does not have it.
    -- A transaction that only finds it writes nothing and waits for nothing. This one writes, so
    -- its commit waits for everything before it.
    if current_setting('synchronous_standby_names') <> '' then
        perform pg_logical_emit_message(true, 'await_standby', '');
    end if;
end
$$;

COMMENT ON FUNCTION platform.await_standby() IS 'Makes this transaction''s commit wait until the synchronous standbys have what it has seen; before saying of something found that it is safe.';

CREATE FUNCTION platform.caller_ip() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    -- The proxy in front sets x-real-ip; a direct connection has an address of its own.
    select left(coalesce(
        nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-real-ip',
        split_part(nullif(current_setting('request.headers', true), '')::jsonb
                   ->> 'x-forwarded-for', ',', 1),
        host(inet_client_addr())), 100)
$$;

COMMENT ON FUNCTION platform.caller_ip() IS 'Where the request came from, for the audit.';

CREATE FUNCTION platform.caller_name() RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_role text := platform.caller_role();
    v_email text;
begin
    if v_role = 'authenticated' then
        select u.email into v_email from auth.users as u where u.id = auth.uid();
        return coalesce(v_email, auth.email(), auth.uid()::text, v_role);
    end if;
    return v_role;
end
$$;

COMMENT ON FUNCTION platform.caller_name() IS 'Who acts, for the audit: an administrator''s e-mail address, else the database role.';

CREATE FUNCTION platform.caller_role() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select coalesce(nullif(current_setting('role', true), 'none'), session_user::text)
$$;

COMMENT ON FUNCTION platform.caller_role() IS 'The role a statement was sent as, also inside SECURITY DEFINER functions (current_user is the owner there).';

CREATE FUNCTION platform.claim_schedule(p_name text, p_every_ms integer) RETURNS TABLE(claimed boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
declare
    v_now timestamptz := clock_timestamp();
    v_last timestamptz;
begin
    claimed := false;
    -- Nobody waits for another process: who does not get the lock at once has lost the period.
    if p_every_ms > 0
       and pg_try_advisory_xact_lock(hashtextextended('schedule ' || p_name, 0)) then
        select s.claimed_at into v_last from public.schedules as s where s.name = p_name;
        -- Periods are counted from the epoch, so that timers that drift do not skip one.
        if v_last is null
           or floor(extract(epoch from v_last) * 1000 / p_every_ms)
              < floor(extract(epoch from v_now) * 1000 / p_every_ms)
        then
            insert into public.schedules as s (name, every_ms, claimed_at)
            values (p_name, p_every_ms, v_now)
            on conflict (name) do update
               set every_ms = excluded.every_ms,
                   claimed_at = excluded.claimed_at,
                   runs = s.runs + 1;
            claimed := true;
        end if;
    end if;
    return next;
end
$$;

COMMENT ON FUNCTION platform.claim_schedule(p_name text, p_every_ms integer) IS 'True for exactly one process per period and name.';

CREATE FUNCTION platform.cluster_do(p_sql text) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    -- Roles belong to the cluster; another database may be migrated at the same moment.
    for attempt in 1..50 loop
        begin
            execute p_sql;
            return;
        exception
            when duplicate_object or unique_violation then
                return;
            when internal_error then        -- "tuple concurrently updated"
                perform pg_sleep(0.05);
        end;
    end loop;
    raise exception 'could not run "%": another migration keeps changing the roles', p_sql;
end
$$;

COMMENT ON FUNCTION platform.cluster_do(p_sql text) IS 'For migrations: runs a statement about roles while other databases of the cluster do so too.';

CREATE FUNCTION platform.cut_bytes(p_text text, p_bytes integer) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    AS $$
declare
    v_bytes bytea := convert_to(p_text, 'UTF8');
    v_length integer := p_bytes;
begin
    if octet_length(v_bytes) <= p_bytes then
        return p_text;
    end if;
    while v_length > 0 and get_byte(v_bytes, v_length) & 192 = 128 loop
        v_length := v_length - 1;           -- not in the middle of a character
    end loop;
    return convert_from(substring(v_bytes from 1 for v_length), 'UTF8');
end
$$;

COMMENT ON FUNCTION platform.cut_bytes(p_text text, p_bytes integer) IS 'The beginning of a text, at most so many bytes of UTF-8.';

CREATE FUNCTION platform.forget_mail_words(p_limit integer) RETURNS TABLE(forgotten integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'platform', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
declare
    v_before timestamptz := now() - interval '1 day' * (
        select k.keep_days from platform.mail_kinds as k where k.kind = 'direct');
begin
    -- They may hold anything, are of no use once the mail is sent or given up, and no template
    -- could write them again. Who, when, state and Message-ID stay.
    update public.outbox as m
       set subject = '', html = '', plain = null
     where m.id = any (array(
            select o.id
            from public.outbox as o
            where o.kind = 'direct' and o.html <> '' and o.created_at < v_before
              and o.state in ('sent', 'dead')
            order by o.created_at
            limit p_limit
              for update skip locked));
    get diagnostics forgotten = row_count;
    return next;
end
$$;

COMMENT ON FUNCTION platform.forget_mail_words(p_limit integer) IS 'Empties the words of at most so many old mails of kind direct that were sent or given up.';

CREATE FUNCTION platform.has_seal_keys() RETURNS boolean
    LANGUAGE sql STABLE
    AS $$ select coalesce(current_setting('ffx.credential_keys', true), '') <> '' $$;

COMMENT ON FUNCTION platform.has_seal_keys() IS 'Whether this session may seal and open.';

CREATE FUNCTION platform.health() RETURNS TABLE(migration text, "time" text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select
        (select a.part || '/' || a.name
         from migrations.applied as a
         order by a.applied_at desc, a.part desc, a.name desc
         limit 1),
        to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

COMMENT ON FUNCTION platform.health() IS 'The newest migration, and the time of the database.';

CREATE FUNCTION platform.is_admin() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select case
        when auth.uid() is null then false
        when auth.jwt() -> 'app_metadata' ->> 'role' = 'admin' then true
        else exists (
            -- The address is read from the user's row, never from the token, and counts only
            -- once confirmed: anybody can sign up with somebody else's address.
            select
            from auth.users as u
            join platform.administrators as a on a.email = lower(u.email) and a.is_active
            where u.id = auth.uid()
              and u.email_confirmed_at is not null
              and u.deleted_at is null
              and (u.banned_until is null or u.banned_until <= now()))
    end
$$;

COMMENT ON FUNCTION platform.is_admin() IS 'Whether the present request acts for an administrator: role claim in app_metadata, or a confirmed e-mail address listed in administrators.';

CREATE FUNCTION platform.is_sealed(p_value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $_$
    -- An iv, at least one block and a tag are 64 bytes, 86 characters.
    -- (Counted apart: as {86,} the pattern costs ten times as much.)
    select p_value ~ '^ffx1\.[a-z0-9]{1,16}\.[A-Za-z0-9_-]+$'
           and length(split_part(p_value, '.', 3)) >= 86
$_$;

COMMENT ON FUNCTION platform.is_sealed(p_value text) IS 'Whether a value has the form of a sealed one.';

CREATE FUNCTION platform.iso_utc(p_time timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    AS $$
    select to_char(p_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

COMMENT ON FUNCTION platform.iso_utc(p_time timestamp with time zone) IS 'ISO 8601 in UTC with milliseconds.';

CREATE FUNCTION platform.job_back_off(p_kind text, p_tries integer) RETURNS interval
    LANGUAGE sql
    SET enable_seqscan TO 'off'
    AS $$
    -- The power is bounded before it gets too large for an interval.
    select least(k.most_pause, k.first_pause * power(k.growth, least(greatest(p_tries, 1), 20) - 1)
                                             ::double precision)
           * (0.75 + 0.25 * random())
    from platform.job_kinds as k
    where k.kind = p_kind
$$;

COMMENT ON FUNCTION platform.job_back_off(p_kind text, p_tries integer) IS 'How long a job of a kind waits after so many tries: three quarters of the pause to all of it.';

CREATE FUNCTION platform.job_begin(p_kind text, p_key text) RETURNS integer
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
declare
    v_try integer;
begin
    update platform.jobs as j
       set state = 'running',
           tries = j.tries + 1,
           lost = j.lost + 1,
           due_at = clock_timestamp()
                    + least(k.lease * power(2, least(j.lost, 20)), greatest(k.lease, k.most_pause))
      from platform.job_kinds as k
     where k.kind = p_kind
       and j.kind = p_kind
       and j.key = p_key
       and (k.tries_max is null or j.tries < k.tries_max)
    returning j.tries into v_try;
    if not found then
        perform platform.job_bury(p_kind, p_key, null);
    end if;
    return v_try;
end
$$;

COMMENT ON FUNCTION platform.job_begin(p_kind text, p_key text) IS 'Counts a try of a job that is due, and leases it; the number of the try. Null: it had used up its tries, nobody came back from the last one, and it is given up.';

CREATE FUNCTION platform.job_bury(p_kind text, p_key text, p_error text) RETURNS void
    LANGUAGE plpgsql
    AS $_$
declare
    v_on_dead regproc := (
        select k.on_dead::regproc from platform.job_kinds as k where k.kind = p_kind);
begin
    update platform.jobs as j
       set state = 'dead',
           due_at = 'infinity',
           last_error = coalesce(left(p_error, 500), j.last_error, 'it did not return')
     where j.kind = p_kind and j.key = p_key;
    if found and v_on_dead is not null then
        execute format('select %s($1, $2)', v_on_dead) using p_key, p_error;
    end if;
end
$_$;

COMMENT ON FUNCTION platform.job_bury(p_kind text, p_key text, p_error text) IS 'Gives a job up and tells its owner; a replay revives it. Error null: it did not return.';

CREATE FUNCTION platform.job_claim(p_kind text) RETURNS TABLE(key text, try integer)
    LANGUAGE plpgsql
    AS $$
declare
    v_job platform.jobs;
begin
    -- Who is given up takes nobody's place; a call gives up a hundred at most.
    for v_turn in 1..100 loop
        v_job := platform.job_next(p_kind);
        exit when v_job.key is null;
        key := v_job.key;
        try := platform.job_begin(p_kind, v_job.key);
        if try is not null then
            return next;
            exit;
        end if;
    end loop;
end
$$;

COMMENT ON FUNCTION platform.job_claim(p_kind text) IS 'Takes the job of a kind that is due longest: its key and the number of the try; no row when there is none.';

CREATE FUNCTION platform.job_done(p_kind text, p_key text) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    -- Whoever did it tells the truth, also after the lease ran out.
    delete from platform.jobs as j where j.kind = p_kind and j.key = p_key and not j.again;
    if not found then
        perform platform.job_replay(p_kind, p_key) from platform.jobs as j
          where j.kind = p_kind and j.key = p_key;
    end if;
end
$$;

COMMENT ON FUNCTION platform.job_done(p_kind text, p_key text) IS 'The work is done, or there is none: the row goes, unless it was put again meanwhile.';

CREATE FUNCTION platform.job_failed(p_kind text, p_key text, p_try integer, p_error text, p_final boolean DEFAULT false, p_pause interval DEFAULT NULL::interval) RETURNS text
    LANGUAGE plpgsql
    AS $$
declare
    v_job platform.jobs;
    v_tries_max integer := (select k.tries_max from platform.job_kinds as k where k.kind = p_kind);
begin
    -- Only the try that holds the lease may fail it: a late one must not stop its successor.
    select *
      into v_job
      from platform.jobs as j
     where j.kind = p_kind
       and j.key = p_key
       and (p_try is null or (j.state = 'running' and j.tries = p_try))
       for update;
    if not found then
        return 'unchanged';
    elsif p_final or v_job.tries >= v_tries_max then
        perform platform.job_bury(p_kind, p_key, coalesce(p_error, ''));
        return 'dead';
    end if;
    update platform.jobs as j
       set state = 'waiting',
           lost = 0,
           again = false,
           last_error = left(p_error, 500),
           due_at = clock_timestamp()
                    + coalesce(p_pause, platform.job_back_off(p_kind, v_job.tries))
     where j.kind = p_kind and j.key = p_key;
    return 'waiting';
end
$$;

COMMENT ON FUNCTION platform.job_failed(p_kind text, p_key text, p_try integer, p_error text, p_final boolean, p_pause interval) IS 'A try (null: whichever it is) failed: waiting (for its kind''s pause, or p_pause) or dead (it was the last, or p_final); unchanged when another try has the job by now.';

CREATE FUNCTION platform.job_may_begin(p_kind text) RETURNS boolean
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
declare
    v_kind platform.job_kinds;
begin
    select * into strict v_kind from platform.job_kinds as k where k.kind = p_kind;
    if v_kind.paused or v_kind.concurrency is null then
        return not v_kind.paused;
    end if;
    -- One at a time counts and begins.
    perform from platform.job_kinds as k where k.kind = p_kind for no key update;
    return (
        select count(*) < v_kind.concurrency
        from (
            select
            from platform.jobs as j
            where j.kind = p_kind and j.state = 'running' and j.due_at > clock_timestamp()
            limit v_kind.concurrency) as r);
end
$$;

COMMENT ON FUNCTION platform.job_may_begin(p_kind text) IS 'Whether a job of a kind may be begun now: not while it is paused, or as many run as may.';

CREATE TABLE platform.jobs (
    kind text NOT NULL,
    key text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    state platform.job_state DEFAULT 'waiting'::text NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    lost integer DEFAULT 0 NOT NULL,
    again boolean DEFAULT false NOT NULL,
    last_error text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
WITH (fillfactor='80', autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='1000');

COMMENT ON TABLE platform.jobs IS 'Work that waits, is being done, or was given up.';

COMMENT ON COLUMN platform.jobs.key IS 'What it is about, in the words of its kind.';

COMMENT ON COLUMN platform.jobs.tries IS 'Tries begun since it was put or replayed; with kind and key the name of a try.';

COMMENT ON COLUMN platform.jobs.lost IS 'Tries in a row that nobody came back from.';

COMMENT ON COLUMN platform.jobs.again IS 'It was put while it ran: when it is done, it is done once more.';

CREATE FUNCTION platform.job_next(p_kind text) RETURNS platform.jobs
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_sort TO 'off'
    AS $$
declare
    -- Not asked of the clock again for every row: so the index ends where nothing is due.
    v_now constant timestamptz := clock_timestamp();
    v_job platform.jobs;
begin
    if platform.job_may_begin(p_kind) then
        select j.*
          into v_job
          from platform.jobs as j
         where j.kind = p_kind and j.due_at <= v_now
         order by j.due_at
         limit 1
           for update skip locked;
    end if;
    return v_job;
end
$$;

COMMENT ON FUNCTION platform.job_next(p_kind text) IS 'The job of a kind that is due longest, locked; null when there is none, or none may begin.';

CREATE FUNCTION platform.job_put(p_kind text, p_key text, p_due_at timestamp with time zone DEFAULT clock_timestamp(), p_tries integer DEFAULT 0) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    insert into platform.jobs as j (kind, key, due_at, tries)
    values (p_kind, p_key, p_due_at, p_tries)
    on conflict (kind, key) do update
       set due_at = case when j.state = 'running' then j.due_at else excluded.due_at end,
           again = j.state = 'running'
     -- Neither a back-off ends by this, nor a lease.
     where j.state = 'running'
        or (j.state = 'waiting' and j.tries = 0 and j.due_at > excluded.due_at);
end
$$;

COMMENT ON FUNCTION platform.job_put(p_kind text, p_key text, p_due_at timestamp with time zone, p_tries integer) IS 'There is work, at this time: once per kind and key, the earliest time counts; put while it runs, it is done once more. p_tries have been made already. Not for what failed, nor for the dead: see job_replay.';

CREATE FUNCTION platform.job_put_off(p_kind text, p_key text, p_until timestamp with time zone) RETURNS void
    LANGUAGE sql
    AS $$
    update platform.jobs as j
       set state = 'waiting',
           due_at = p_until,
           tries = j.tries - (j.state = 'running')::int,
           lost = j.lost - (j.state = 'running')::int
     where j.kind = p_kind and j.key = p_key and j.state <> 'dead'
$$;

COMMENT ON FUNCTION platform.job_put_off(p_kind text, p_key text, p_until timestamp with time zone) IS 'Not now. Somebody who began it gives it back, and that was no try.';

CREATE FUNCTION platform.job_replay(p_kind text, p_key text, p_due_at timestamp with time zone DEFAULT clock_timestamp()) RETURNS void
    LANGUAGE sql
    AS $$
    insert into platform.jobs (kind, key, due_at)
    values (p_kind, p_key, p_due_at)
    on conflict (kind, key) do update
       set state = 'waiting', due_at = excluded.due_at, tries = 0, lost = 0, again = false,
           last_error = null
$$;

COMMENT ON FUNCTION platform.job_replay(p_kind text, p_key text, p_due_at timestamp with time zone) IS 'A job with all its tries again, whatever became of it: a new one when it is done.';

CREATE FUNCTION platform.jobs_pause(p_kind text, p_paused boolean) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
begin
    update platform.job_kinds as k set paused = p_paused where k.kind = p_kind;
    return found;
end
$$;

COMMENT ON FUNCTION platform.jobs_pause(p_kind text, p_paused boolean) IS 'Stops claims of a kind, or lets them go on; what runs is finished. False: no such kind.';

CREATE FUNCTION platform.jobs_replay(p_kind text) RETURNS SETOF text
    LANGUAGE plpgsql
    AS $$
declare
    v_key text;
begin
    for v_key in
        select j.key
        from platform.jobs as j
        where j.kind = p_kind and j.due_at = 'infinity' and j.state = 'dead'
    loop
        perform platform.job_replay(p_kind, v_key);
        return next v_key;
    end loop;
end
$$;

COMMENT ON FUNCTION platform.jobs_replay(p_kind text) IS 'Replays all dead jobs of a kind; their keys.';

CREATE FUNCTION platform.mail_dead(p_id text, p_error text) RETURNS void
    LANGUAGE sql
    AS $$
    update public.outbox as m
       set state = 'dead',
           last_error = coalesce(left(p_error, 500), m.last_error,
                                 'the sender ended while it sent'),
           secrets = case when m.secrets is not null then '{}'::jsonb end
     where m.id = p_id::uuid
$$;

COMMENT ON FUNCTION platform.mail_dead(p_id text, p_error text) IS 'A mail was given up; a replay revives it, unless it had secrets. For the queue.';

CREATE FUNCTION platform.mail_prepare(p_mail public.outbox) RETURNS jsonb
    LANGUAGE plpgsql
    AS $_$
declare
    v_prepare regproc := (
        select k.prepare::regproc from platform.mail_kinds as k where k.kind = p_mail.kind);
    v_said jsonb;
begin
    if v_prepare is null then
        return '{}'::jsonb;
    end if;
    execute format('select %s($1)', v_prepare) into v_said using p_mail;
    return coalesce(v_said, to_jsonb(format('%s said nothing', v_prepare)));
end
$_$;

COMMENT ON FUNCTION platform.mail_prepare(p_mail public.outbox) IS 'What the application has to say before a mail is sent, see mail_kinds.prepare.';

CREATE FUNCTION platform.mail_secrets(p_mail public.outbox) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select coalesce(
        jsonb_object_agg(s.key, platform.show_sealed(s.value, p_mail.id, s.key)), '{}')
    from jsonb_each_text(p_mail.secrets) as s
$$;

COMMENT ON FUNCTION platform.mail_secrets(p_mail public.outbox) IS 'The secrets of a mail for its sender, who opens them.';

CREATE FUNCTION platform.make_program_role(p_role text, p_settings text[] DEFAULT ARRAY['statement_timeout=5s'::text, 'lock_timeout=3s'::text, 'idle_in_transaction_session_timeout=10s'::text]) RETURNS void
    LANGUAGE sql
    AS $$ select platform.make_role(p_role, 'nologin', array['ffx_function'], p_settings) $$;

COMMENT ON FUNCTION platform.make_program_role(p_role text, p_settings text[]) IS 'For migrations: the database role of a program, with its time limits; makes what is missing.';

CREATE FUNCTION platform.make_role(p_role text, p_attributes text, p_groups text[], p_settings text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v_text text;
begin
    if not exists (select from pg_roles where rolname = p_role) then
        perform platform.cluster_do(format('create role %I %s', p_role, p_attributes));
    end if;
    foreach v_text in array p_groups loop
        if not exists (
            select
            from pg_auth_members as m
            where m.roleid = v_text::regrole and m.member = p_role::regrole)
        then
            perform platform.cluster_do(format('grant %I to %I', v_text, p_role));
        end if;
    end loop;
    foreach v_text in array p_settings loop
        if not exists (
            select
            from pg_db_role_setting as d
            where d.setrole = p_role::regrole
              and d.setdatabase = 0
              and v_text = any (d.setconfig))
        then
            perform platform.cluster_do(format('alter role %I set %s = %L', p_role,
                split_part(v_text, '=', 1), split_part(v_text, '=', 2)));
        end if;
    end loop;
end
$$;

COMMENT ON FUNCTION platform.make_role(p_role text, p_attributes text, p_groups text[], p_settings text[]) IS 'For migrations: makes what is missing of a role, its memberships and its settings.';

CREATE FUNCTION platform.mask_secrets(p_row jsonb, p_other jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
    -- A secret is never written down; that it changed is.
    select jsonb_object_agg(
        e.key,
        case
            when e.key !~ 'password$' then e.value
            when e.value in ('null', '""') then e.value
            when p_other is not null and p_other -> e.key is distinct from e.value
                then '"*** changed ***"'
            else '"***"'
        end)
    from jsonb_each(p_row) as e
$_$;

COMMENT ON FUNCTION platform.mask_secrets(p_row jsonb, p_other jsonb) IS 'A row as JSON with its secrets masked; p_other is the same row before or after the change.';

CREATE FUNCTION platform.outbox_claim(p_count integer, p_domain text, p_dashboard_url text) RETURNS TABLE(id text, attempt text, kind text, message_id text, created_s text, recipient text, subject text, html text, plain text, variables text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'platform', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
#variable_conflict use_column
declare
    v_count integer := least(greatest(p_count, 0), 100);
    v_job platform.jobs;
    v_mail public.outbox;
    v_said jsonb;
    v_problem text;
begin
    -- Who is given up takes nobody's place; a call gives up a hundred at most.
    for v_turn in 1 .. v_count + 100 loop
        exit when v_count = 0;
        v_job := platform.job_next('mail');
        exit when v_job.key is null;
        select * into v_mail from public.outbox as m where m.id = v_job.key::uuid;
        if not found then
            perform platform.job_done('mail', v_job.key);   -- deleted with its person
            continue;
        end if;
        attempt := platform.job_begin('mail', v_job.key);
        continue when attempt is null;
        v_problem := null;
        subject := v_mail.subject;
        html := v_mail.html;
        plain := v_mail.plain;
        if v_mail.template_name is not null then
            select t.subject, t.html_content, t.text_content
              into subject, html, plain
              from public.email_templates as t
             where t.template_name = v_mail.template_name and t.is_active;
            if not found then
                v_problem := 'no active template of this name';
            end if;
        end if;
        if v_problem is null then
            v_said := platform.mail_prepare(v_mail);
            v_problem := case when jsonb_typeof(v_said) = 'string' then v_said #>> '{}' end;
        end if;
        if v_problem is not null then
            perform platform.job_bury('mail', v_job.key, v_problem);
            continue;
        end if;
        variables := case when v_mail.template_name is not null then
            v_mail.variables || jsonb_build_object('dashboard_url', coalesce(p_dashboard_url, ''))
            || v_said || platform.mail_secrets(v_mail) end;
        update public.outbox as m
           set state = 'sending',
               tries = attempt::integer,
               message_id = platform.outbox_message_id(m, p_domain)
         where m.id = v_mail.id
        returning m.id::text, m.kind, m.message_id,
                  floor(extract(epoch from m.created_at))::bigint::text, m.recipient
             into id, kind, message_id, created_s, recipient;
        v_count := v_count - 1;
        return next;
    end loop;
end
$$;

COMMENT ON FUNCTION platform.outbox_claim(p_count integer, p_domain text, p_dashboard_url text) IS 'Leases due mails for a minute or more and returns what is needed to write them. variables is null when the words are final. What cannot be sent at all is given up here.';

CREATE FUNCTION platform.outbox_failed(p_id uuid, p_attempt integer, p_error text, p_final boolean) RETURNS TABLE(outcome text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'platform', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
begin
    outcome := platform.job_failed('mail', p_id::text, p_attempt, p_error, p_final);
    if outcome = 'waiting' then
        outcome := 'pending';
        update public.outbox as m
           set state = 'pending', last_error = left(p_error, 500)
         where m.id = p_id;
    end if;
    return next;
end
$$;

COMMENT ON FUNCTION platform.outbox_failed(p_id uuid, p_attempt integer, p_error text, p_final boolean) IS 'Records a failed try: pending again later, or dead after the tenth, or at once when the mail was refused for good; unchanged when another try has it by now.';

CREATE FUNCTION platform.outbox_message_id(p_mail public.outbox, p_domain text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    select coalesce(
        p_mail.message_id,
        p_mail.id || case when p_mail.replays > 0 then '.' || p_mail.replays else '' end
        || '@' || coalesce(nullif(p_domain, ''), 'localhost'))
$$;

COMMENT ON FUNCTION platform.outbox_message_id(p_mail public.outbox, p_domain text) IS 'The Message-ID without brackets: given once, then kept.';

CREATE FUNCTION platform.outbox_replay(p_ids uuid[], p_all_dead boolean) RETURNS TABLE(mail_id uuid, old_state text)
    LANGUAGE plpgsql
    AS $$
begin
    for mail_id, old_state in
        select m.id, m.state
        from public.outbox as m
        where ((m.id = any (p_ids) and m.state in ('sent', 'dead'))
               or (p_all_dead and m.state = 'dead'))
          and m.html is distinct from ''            -- its words were forgotten
          and m.secrets is distinct from '{}'       -- its secrets were wiped
          for update
    loop
        update public.outbox as m
           set state = 'pending',
               tries = 0,
               -- A mail that was sent is wanted once more: a new message. One that was given up may
               -- have arrived after all: the same message.
               replays = m.replays + (old_state = 'sent')::int,
               message_id = case when old_state = 'dead' then m.message_id end
         where m.id = mail_id;
        perform platform.job_replay('mail', mail_id::text);
        return next;
    end loop;
end
$$;

COMMENT ON FUNCTION platform.outbox_replay(p_ids uuid[], p_all_dead boolean) IS 'Puts sent or dead mails back to pending, by id or all that are dead. Callers audit it.';

CREATE FUNCTION platform.outbox_sent(p_id uuid, p_provider_id text) RETURNS TABLE(outcome text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'platform', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
begin
    -- Whoever sent it tells the truth, also after the lease ran out.
    perform platform.job_done('mail', p_id::text);
    update public.outbox as m
       set state = 'sent',
           last_error = null,
           provider_id = left(p_provider_id, 200),
           sent_at = clock_timestamp(),
           secrets = case when m.secrets is not null then '{}'::jsonb end
     where m.id = p_id and m.state <> 'sent';
    outcome := case when found then 'ok' else 'unchanged' end;
    return next;
end
$$;

COMMENT ON FUNCTION platform.outbox_sent(p_id uuid, p_provider_id text) IS 'Records that a mail was sent.';

CREATE FUNCTION platform.pick(p_row jsonb, p_keys text[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS $$
    select coalesce(jsonb_object_agg(e.key, e.value), '{}')
    from jsonb_each(p_row) as e
    where e.key = any (p_keys) and e.value <> 'null'
$$;

COMMENT ON FUNCTION platform.pick(p_row jsonb, p_keys text[]) IS 'The named keys of an object that have a value.';

CREATE FUNCTION platform.plain_amount(p_amount numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE
    AS $$
    -- NaN and Infinity compare greater than every number: they must never look like money.
    select case when p_amount >= 0 and p_amount < 1e30 then p_amount end
$$;

COMMENT ON FUNCTION platform.plain_amount(p_amount numeric) IS 'The amount, or null when it is negative, infinite or not a number.';

CREATE FUNCTION platform.read_time(p_text text) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS $_$
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
$_$;

COMMENT ON FUNCTION platform.read_time(p_text text) IS 'A provider''s time (ISO 8601 with zone, or epoch milliseconds); null when it is neither.';

CREATE FUNCTION platform.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    raise exception using
        errcode = '42501',
        message = format('%s is append-only', tg_table_name);
end
$$;

COMMENT ON FUNCTION platform.refuse_change() IS 'Trigger: keeps a table append-only.';

CREATE FUNCTION platform.schema() RETURNS TABLE(app text, sha256 text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select s.app, s.sha256 from migrations.schema as s
$$;

COMMENT ON FUNCTION platform.schema() IS 'The application of this database, and the checksum of what its schema was made of (migrations/checksum); programs compare it with the one they were built with.';

CREATE FUNCTION platform.seal(p_plain text, p_row_id uuid, p_name text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'extensions', 'pg_temp'
    AS $_$
declare
    v_kid text;
    v_secret bytea;
    v_iv bytea := gen_random_bytes(16);
    v_text bytea;
begin
    select k.kid, k.secret into v_kid, v_secret from platform.seal_keys() as k
     where k.is_current;
    if not found then
        raise exception using
            errcode = 'FFX10',
            message = 'A secret is stored encrypted, and this session has no key',
            hint = 'Use ./deploy.sh psql, or connect with '
                   'PGOPTIONS="-c ffx.credential_keys=$CREDENTIAL_KEYS".';
    end if;
    v_text := v_iv || encrypt_iv(
        convert_to(p_plain, 'UTF8'), hmac('encrypt'::bytea, v_secret, 'sha256'), v_iv,
        'aes-cbc/pad:pkcs');
    v_text := v_text || hmac(
        convert_to(format('ffx1.%s.%s.%s.', v_kid, p_row_id, p_name), 'UTF8') || v_text,
        hmac('authenticate'::bytea, v_secret, 'sha256'), 'sha256');
    return 'ffx1.' || v_kid || '.' || translate(encode(v_text, 'base64'), E'+/=\n', '-_');
end
$_$;

COMMENT ON FUNCTION platform.seal(p_plain text, p_row_id uuid, p_name text) IS 'Encrypts a value of a row with the session''s current key. SQLSTATE FFX10 without one.';

CREATE FUNCTION platform.seal_keys() RETURNS TABLE(kid text, secret bytea, is_current boolean)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_keys text := nullif(current_setting('ffx.credential_keys', true), '');
begin
    -- The text of the setting never gets into a message.
    if v_keys !~ '^[a-z0-9]{1,16}:[0-9a-f]{64}(,[a-z0-9]{1,16}:[0-9a-f]{64})*$' then
        raise exception using
            errcode = 'FFX10',
            message = 'ffx.credential_keys is malformed: it must be id:64 hex digits[,id:…]';
    end if;
    return query
        select split_part(k.pair, ':', 1), decode(split_part(k.pair, ':', 2), 'hex'), k.n = 1
        from string_to_table(v_keys, ',') with ordinality as k (pair, n);
end
$_$;

COMMENT ON FUNCTION platform.seal_keys() IS 'The keys of this session, the current one first; none in a session without.';

CREATE FUNCTION platform.sealed(p_value text, p_row_id uuid, p_name text) RETURNS text
    LANGUAGE plpgsql
    AS $$
begin
    if p_value is null then
        return null;
    elsif not platform.is_sealed(p_value) then
        return platform.seal(p_value, p_row_id, p_name);
    elsif platform.has_seal_keys() then
        perform platform.unseal(p_value, p_row_id, p_name);
    end if;
    return p_value;
end
$$;

COMMENT ON FUNCTION platform.sealed(p_value text, p_row_id uuid, p_name text) IS 'The value as it is stored: a plain one is sealed; a sealed one stays, and is checked where the session has the keys.';

CREATE FUNCTION platform.send_email(p_user_id uuid, p_to text, p_subject text, p_html text, p_plain text, p_domain text) RETURNS TABLE(outcome text, id text, attempt text, message_id text, created_s text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'platform', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
#variable_conflict use_column
declare
    v_mail public.outbox;
begin
    v_mail.id := gen_random_uuid();
    v_mail.kind := 'direct';
    v_mail.person := p_user_id;
    v_mail.replays := 0;
    -- A user writes to nobody else: the address is that of the row, not of the token.
    if p_user_id is not null and not exists (
        select
        from auth.users as a
        where a.id = p_user_id
          and platform.standing_of(a.id) = 'active'
          and lower(a.email) = lower(p_to)
          and a.email_confirmed_at is not null
          and a.deleted_at is null
          and (a.banned_until is null or a.banned_until <= now()))
    then
        outcome := 'unauthorized';
        return next;
        return;
    end if;
    insert into public.outbox as m
        (id, kind, cause, person, recipient, subject, html, plain, message_id, state, tries)
    values
        (v_mail.id, v_mail.kind, 'direct ' || v_mail.id, p_user_id, p_to, p_subject, p_html,
         nullif(p_plain, ''), platform.outbox_message_id(v_mail, p_domain), 'sending', 1)
    returning 'ok', m.id::text, m.tries::text, m.message_id,
              floor(extract(epoch from m.created_at))::bigint::text
         into outcome, id, attempt, message_id, created_s;
    perform platform.job_put('mail', id), platform.job_begin('mail', id);
    return next;
end
$$;

COMMENT ON FUNCTION platform.send_email(p_user_id uuid, p_to text, p_subject text, p_html text, p_plain text, p_domain text) IS 'Writes a mail with words of its own and claims its first try. A user (null: service role) may write to the own confirmed address only.';

CREATE FUNCTION platform.set_standing(p_user_id uuid, p_standing text, p_reason text) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
declare
    v_before constant text := platform.standing_of(p_user_id);
begin
    if p_standing = v_before then
        return false;
    elsif p_standing = 'active' then
        delete from platform.standing as s where s.user_id = p_user_id;
    else
        insert into platform.standing as s (user_id, standing, reason, set_by)
        values (p_user_id, p_standing, p_reason, platform.caller_name())
        on conflict (user_id) do update
           set standing = excluded.standing, reason = excluded.reason, since = now(),
               set_by = excluded.set_by;
    end if;
    insert into public.admin_audit_log
        (admin_email, admin_ip, action_type, table_name, record_id, old_values, new_values,
         description)
    values
        (platform.caller_name(), platform.caller_ip(), 'SET_STANDING', 'standing',
         p_user_id::text, jsonb_build_object('standing', v_before),
         jsonb_build_object('standing', p_standing, 'reason', p_reason),
         format('%s: %s', p_standing, coalesce(p_reason, 'no reason given')));
    return true;
end
$$;

COMMENT ON FUNCTION platform.set_standing(p_user_id uuid, p_standing text, p_reason text) IS 'Changes how somebody stands, with a reason, and writes it to the audit; false when they stand so already. For the functions of staff: whoever may call it is asked there.';

CREATE FUNCTION platform.show_sealed(p_value text, p_row_id uuid, p_name text) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
begin
    if p_value is null or platform.has_seal_keys() then
        return platform.unseal(p_value, p_row_id, p_name);
    end if;
    return format('sealed:%s:%s:%s', p_row_id, p_name, p_value);
end
$$;

COMMENT ON FUNCTION platform.show_sealed(p_value text, p_row_id uuid, p_name text) IS 'A sealed value on its way to who may see it: in clear where the session has the keys, else as sealed:<row id>:<name>:<value>, which a program with the keys opens on the way out (crypto/sealed.h).';

CREATE FUNCTION platform.standing_of(p_user_id uuid) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return coalesce(
        (select s.standing from platform.standing as s where s.user_id = p_user_id), 'active');
end
$$;

COMMENT ON FUNCTION platform.standing_of(p_user_id uuid) IS 'How somebody stands: active, suspended or banned.';

CREATE FUNCTION platform.unseal(p_value text, p_row_id uuid, p_name text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'extensions', 'pg_temp'
    AS $$
declare
    v_kid text := split_part(p_value, '.', 2);
    v_secret bytea;
    v_coded text := translate(split_part(p_value, '.', 3), '-_', '+/');
    v_bytes bytea;
    v_text bytea;
    v_mac_key bytea;
begin
    if p_value is null then
        return null;
    end if;
    select k.secret into v_secret from platform.seal_keys() as k where k.kid = v_kid;
    if not found then
        raise exception using
            errcode = 'FFX10',
            message = format('This session does not have the key "%s"', left(v_kid, 16));
    end if;
    if platform.is_sealed(p_value) and length(v_coded) % 4 <> 1 then
        v_bytes := decode(v_coded || repeat('=', -length(v_coded) & 3), 'base64');
        v_text := substr(v_bytes, 1, length(v_bytes) - 32);
        v_mac_key := hmac('authenticate'::bytea, v_secret, 'sha256');
        -- Both sides are hashed once more, so that the time tells nothing about the tag.
        if hmac(substr(v_bytes, length(v_bytes) - 31), v_mac_key, 'sha256')
           = hmac(hmac(
                convert_to(format('ffx1.%s.%s.%s.', v_kid, p_row_id, p_name), 'UTF8')
                || v_text, v_mac_key, 'sha256'), v_mac_key, 'sha256')
        then
            return convert_from(
                decrypt_iv(substr(v_text, 17), hmac('encrypt'::bytea, v_secret, 'sha256'),
                           substr(v_text, 1, 16), 'aes-cbc/pad:pkcs'), 'UTF8');
        end if;
    end if;
    raise exception using
        errcode = 'FFX11',
        message = 'A sealed value was changed, or belongs to another row or name',
        detail = format('row %s, %s', p_row_id, p_name);
end
$$;

COMMENT ON FUNCTION platform.unseal(p_value text, p_row_id uuid, p_name text) IS 'Opens a sealed value. SQLSTATE FFX10: the session lacks its key; FFX11: it was changed or is another row''s or name''s.';

CREATE FUNCTION platform.update_last_updated_column() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.last_updated := pg_catalog.now();
    return new;
end
$$;

COMMENT ON FUNCTION platform.update_last_updated_column() IS 'Trigger: keeps last_updated.';

CREATE FUNCTION platform.update_updated_at_column() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.updated_at := pg_catalog.now();
    return new;
end
$$;

COMMENT ON FUNCTION platform.update_updated_at_column() IS 'Trigger: keeps updated_at.';

CREATE FUNCTION platform.write_mail(p_kind text, p_cause text, p_recipient text, p_variables jsonb, p_reference text DEFAULT NULL::text, p_person uuid DEFAULT NULL::uuid, p_secrets jsonb DEFAULT NULL::jsonb, p_id uuid DEFAULT gen_random_uuid()) RETURNS uuid
    LANGUAGE plpgsql
    AS $$
begin
    if p_secrets is not null then
        p_secrets := (
            select jsonb_object_agg(s.key, platform.sealed(s.value, p_id, s.key))
            from jsonb_each_text(p_secrets) as s);
    end if;
    insert into public.outbox
        (id, kind, cause, reference, person, recipient, template_name, variables, secrets)
    values
        (p_id, p_kind, p_cause, p_reference, p_person, p_recipient, p_kind, p_variables, p_secrets)
    on conflict (cause) do nothing;
    if not found then
        return null;
    end if;
    perform platform.job_put('mail', p_id::text);
    return p_id;
end
$$;

COMMENT ON FUNCTION platform.write_mail(p_kind text, p_cause text, p_recipient text, p_variables jsonb, p_reference text, p_person uuid, p_secrets jsonb, p_id uuid) IS 'Writes a mail of the template that is named as its kind, once per cause; its id, null when it was there. For functions of the application.';

CREATE FUNCTION public.accept_difference(p_id bigint, p_note text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
declare
    v_difference public.reconciliation_differences;
begin
    if platform.caller_role() in ('anon', 'authenticated') and not platform.is_admin() then
        raise exception using
            errcode = '42501',
            message = 'Only administrators may accept a difference';
    end if;
    update public.reconciliation_differences as d
       set resolved_at = clock_timestamp(), resolution = 'accepted: ' || coalesce(p_note, '')
     where d.id = p_id and d.resolved_at is null
    returning * into v_difference;
    if not found then
        return false;
    end if;
    insert into public.admin_audit_log
        (admin_email, admin_ip, action_type, table_name, record_id, new_values, description)
    values
        (platform.caller_name(), platform.caller_ip(), 'ACCEPT', 'reconciliation_differences',
         p_id::text, to_jsonb(v_difference), p_note);
    return true;
end
$$;

COMMENT ON FUNCTION public.accept_difference(p_id bigint, p_note text) IS 'An administrator has looked at a difference and leaves it as it is; it is not listed again while its figures stay the same. For administrators and service_role.';

CREATE FUNCTION public.check_order_price() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
declare
    v_price numeric(10,2);
begin
    select p.price
      into v_price
      from public.prices as p
     where p.account_type = new.account_type
       and p.account_size = new.account_size
       and p.is_active;
    if not found then
        raise exception using
            errcode = '23514',
            message = 'This account type and size is not for sale';
    end if;
    new.amount := coalesce(new.amount, v_price);
    new.discount_amount := coalesce(new.discount_amount, 0);
    new.final_amount := coalesce(new.final_amount, new.amount - new.discount_amount);
    if new.amount <> v_price then
        raise exception using
            errcode = '23514',
            message = 'The amount of the order does not agree with the price list',
            detail = format('%s %s costs %s USD.', new.account_type, trim_scale(new.account_size),
                            v_price);
    end if;
    return new;
end
$$;

COMMENT ON FUNCTION public.check_order_price() IS 'Trigger: an order costs what the price list says at the moment it is made. A discount, which only administrators give, is shown as such.';

CREATE FUNCTION public.deliver_account_to_user(p_order_id text, p_user_id uuid) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
declare
    v_order public.orders;
begin
    if platform.caller_role() in ('anon', 'authenticated') and not platform.is_admin() then
        raise exception using
            errcode = '42501',
            message = 'Only administrators may deliver accounts';
    end if;
    select *
      into v_order
      from public.orders as o
     where o.order_id = p_order_id
       and o.user_id = p_user_id
       for update;
    if not found then
        return jsonb_build_object('success', false, 'error', 'Order not found');
    end if;
    return backend.with_credentials(
        backend.delivery_answer(p_order_id, backend.hand_out(v_order)));
end
$$;

COMMENT ON FUNCTION public.deliver_account_to_user(p_order_id text, p_user_id uuid) IS 'Delivers a paid order: {success, delivered_account_id, account_details} or {success, error}. For administrators and service_role.';

CREATE FUNCTION public.drop_clear_password() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    new.raw_user_meta_data := new.raw_user_meta_data
        - array['password', 'confirmPassword', 'confirm_password'];
    return new;
end
$$;

COMMENT ON FUNCTION public.drop_clear_password() IS 'Trigger: front ends send the password again in the sign-up metadata; it is dropped before anything is written.';

CREATE FUNCTION public.generate_order_id() RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
declare
    v_order_id text;
begin
    -- 10^9 numbers: a free one is found at once; the unique constraint settles a tie.
    for attempt in 1..100 loop
        v_order_id := 'FFX' || lpad(floor(random() * 1000000000)::bigint::text, 9, '0');
        if not exists (select from public.orders as o where o.order_id = v_order_id) then
            return v_order_id;
        end if;
    end loop;
    raise exception 'no free order id found';
end
$$;

COMMENT ON FUNCTION public.generate_order_id() IS 'A free order id: FFX and nine digits.';

CREATE FUNCTION public.get_available_accounts_count() RETURNS TABLE(account_size numeric, platform_type text, available_count bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
    select c.account_size, c.platform_type, count(*)
    from public.account_container as c
    where c.status = 'available'
    group by c.account_size, c.platform_type
    order by c.account_size, c.platform_type
$$;

COMMENT ON FUNCTION public.get_available_accounts_count() IS 'How many accounts of each size and platform are in stock.';

CREATE FUNCTION public.guard_new_order() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
begin
    if current_user not in ('anon', 'authenticated') or platform.is_admin() then
        return new;
    end if;
    if coalesce(new.discount_amount, 0) <> 0 then
        raise exception using
            errcode = '23514',
            message = 'Discounts are given by the shop, not by the order',
            hint = 'Send discount_amount 0 and final_amount equal to amount.';
    end if;
    -- A customer's order is new, unpaid and undelivered, whatever was sent.
    new.order_status := 'pending';
    new.payment_status := 'pending';
    new.delivery_status := 'pending';
    new.payment_provider := null;
    new.payment_provider_id := null;
    new.crypto_amount := null;
    new.crypto_address := null;
    new.created_at := now();
    new.updated_at := now();
    new.paid_at := null;
    new.delivered_at := null;
    return new;
end
$$;

COMMENT ON FUNCTION public.guard_new_order() IS 'Trigger: an order inserted by a customer starts at pending/pending/pending without discount.';

CREATE FUNCTION public.guard_user_profile() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.password := '';
    if tg_op = 'INSERT' or current_user not in ('anon', 'authenticated') or platform.is_admin() then
        return new;
    end if;
    if (new.id, new.email, new.account_status, new.total_orders, new.total_spent,
        new.signup_ip, new.created_at)
       is distinct from
       (old.id, old.email, old.account_status, old.total_orders, old.total_spent,
        old.signup_ip, old.created_at)
    then
        raise exception using
            errcode = '42501',
            message = 'Standing, totals and e-mail address of a profile are not yours to change',
            hint = 'The address follows the login''s; administrators change the rest.';
    end if;
    return new;
end
$$;

COMMENT ON FUNCTION public.guard_user_profile() IS 'Trigger: customers change their contact data only, and no password is ever stored.';

CREATE FUNCTION public.handle_new_user() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
declare
    v_meta jsonb := case jsonb_typeof(new.raw_user_meta_data)
                        when 'object' then new.raw_user_meta_data else '{}' end;
begin
    -- Metadata is whatever the visitor sent: it is cut and read leniently, because an error here
    -- would refuse the sign-up.
    insert into public.user_profiles
        (id, first_name, last_name, email, phone, country, marketing_consent)
    values (
        new.id,
        left(v_meta ->> 'first_name', 200),
        left(v_meta ->> 'last_name', 200),
        coalesce(new.email, ''),
        left(coalesce(v_meta ->> 'phone', new.phone), 60),
        left(v_meta ->> 'country', 100),
        coalesce(lower(v_meta ->> 'marketing_consent') in ('true', 't', 'yes', 'on', '1'), false))
    on conflict (id) do nothing;
    return new;
end
$$;

COMMENT ON FUNCTION public.handle_new_user() IS 'Trigger: makes the profile of a new user from the sign-up metadata.';

CREATE FUNCTION public.handle_user_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
begin
    update public.user_profiles as p
       set email = coalesce(new.email, ''),
           last_login_at = greatest(new.last_sign_in_at, p.last_login_at)
     where p.id = new.id;
    return new;
end
$$;

COMMENT ON FUNCTION public.handle_user_change() IS 'Trigger: the profile follows the user''s e-mail address and last sign-in.';

CREATE FUNCTION public.inventory_report() RETURNS TABLE(account_size numeric, platform_type text, available bigint, waiting bigint, delivered_7_days bigint, delivered_30_days bigint, days_left numeric, level text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_threshold numeric := coalesce(
        (select s.value from public.shop_settings as s where s.name = 'stock_low_below'), 5);
begin
    if platform.caller_role() in ('anon', 'authenticated') and not platform.is_admin() then
        raise exception using
            errcode = '42501',
            message = 'Only administrators may read the inventory';
    end if;
    return query
        with available as (
            select c.account_size::numeric as size, c.platform_type::text as platform, count(*) as n
            from public.account_container as c
            where c.status = 'available'
            group by 1, 2
        ),
        waiting as (
            select w.account_size::numeric as size, w.platform_type::text as platform, count(*) as n
            from public.waiting_deliveries as w
            join public.orders as o on o.order_id = w.order_id
            where backend.waits_for_stock(o)
            group by 1, 2
        ),
        sold as (
            select d.account_size::numeric as size, d.platform_type::text as platform,
                   count(*) filter (where d.delivered_at > now() - interval '7 days') as week,
                   count(*) as month
            from public.delivered_accounts as d
            where d.delivered_at > now() - interval '30 days'
            group by 1, 2
        ),
        all_of_it as (
            select size, platform,
                   coalesce(a.n, 0) as available, coalesce(w.n, 0) as waiting,
                   coalesce(s.week, 0) as week, coalesce(s.month, 0) as month
            from available as a
            full join waiting as w using (size, platform)
            full join sold as s using (size, platform)
        )
        select
            i.size, i.platform, i.available, i.waiting, i.week, i.month,
            -- The rate of the last week, or of the month when the week sold nothing. Who waits
            -- comes first.
            case
                when i.week > 0
                    then round(greatest(i.available - i.waiting, 0) * 7.0 / i.week, 1)
                when i.month > 0
                    then round(greatest(i.available - i.waiting, 0) * 30.0 / i.month, 1)
            end,
            case when i.available = 0 then 'empty'
                 when i.available < v_threshold then 'low'
                 else 'ok' end
        from all_of_it as i
        order by i.size, i.platform;
end
$$;

COMMENT ON FUNCTION public.inventory_report() IS 'Stock of each size and platform: available, waiting orders, delivered in 7 and 30 days, days left at the present rate (null: nothing sold). For administrators and service_role.';

CREATE FUNCTION public.reconciliation_report() RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
begin
    if platform.caller_role() in ('anon', 'authenticated') and not platform.is_admin() then
        raise exception using
            errcode = '42501',
            message = 'Only administrators may read the reconciliation';
    end if;
    return jsonb_build_object(
        'run', (
            select to_jsonb(r) - 'position'
            from public.reconciliation_runs as r
            order by r.id desc
            limit 1),
        'open', (
            select coalesce(jsonb_agg(to_jsonb(d) - array['resolved_at', 'resolution']
                                      order by d.id), '[]')
            from public.reconciliation_differences as d
            where d.resolved_at is null),
        'healed', (
            select coalesce(jsonb_agg(to_jsonb(d) order by d.id), '[]')
            from public.reconciliation_differences as d
            where d.last_run_id = (select max(r.id) from public.reconciliation_runs as r)
              and d.resolution like 'healed:%'));
end
$$;

COMMENT ON FUNCTION public.reconciliation_report() IS 'The last run, the differences that are open, and what the run healed. For administrators and service_role.';

CREATE FUNCTION public.refuse_recycling() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
begin
    if exists (
        select from public.delivered_accounts as d where d.container_account_id = new.id)
    then
        raise exception using
            errcode = '23514',
            message = 'This account was handed to a customer and cannot be sold again';
    end if;
    return new;
end
$$;

COMMENT ON FUNCTION public.refuse_recycling() IS 'Trigger: an account that a customer has does not come back into the stock.';

CREATE FUNCTION public.replay_outbox(p_id uuid) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
begin
    if platform.caller_role() in ('anon', 'authenticated') and not platform.is_admin() then
        raise exception using
            errcode = '42501',
            message = 'Only administrators may replay mails';
    end if;
    perform from backend.replay_mails(array[p_id], false);
    if not found then
        return jsonb_build_object('success', false, 'error', 'No sent or dead mail of this id');
    end if;
    return jsonb_build_object('success', true, 'id', p_id);
end
$$;

COMMENT ON FUNCTION public.replay_outbox(p_id uuid) IS 'Sends a sent or dead mail again: {success, id} or {success, error}. For administrators and service_role.';

CREATE FUNCTION public.resolve_review(p_review_id uuid, p_action text, p_note text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
declare
    v_review public.reviews;
    v_order_id text;
    v_before text;
    v_result jsonb;
begin
    if platform.caller_role() in ('anon', 'authenticated') and not platform.is_admin() then
        raise exception using
            errcode = '42501',
            message = 'Only administrators may resolve reviews';
    end if;
    if p_action is null or p_action not in ('accept', 'refund_noted', 'cancel') then
        return jsonb_build_object('success', false, 'error',
            'Invalid action. Must be one of: accept, refund_noted, cancel');
    end if;
    -- The order first, as everywhere; then the review, which nobody can have resolved meanwhile.
    select r.order_id into v_order_id from public.reviews as r where r.id = p_review_id;
    perform from public.orders as o where o.order_id = v_order_id for update;
    select * into v_review from public.reviews as r where r.id = p_review_id for update;
    if v_review.id is null then
        return jsonb_build_object('success', false, 'error', 'Review not found');
    end if;
    v_before := backend.order_states(v_review.order_id);
    if v_review.state = 'resolved' then
        return jsonb_build_object(
            'success', v_review.resolution is not distinct from p_action,
            'already_resolved', true, 'resolution', v_review.resolution, 'order', v_before)
            || case when v_review.resolution is distinct from p_action
                    then jsonb_build_object('error', 'Review already resolved') else '{}' end;
    end if;

    v_result := backend.decide_review(v_review, p_action);
    if v_result ->> 'success' is distinct from 'true' then
        return v_result;
    end if;
    update public.reviews as r
       set state = 'resolved', resolution = p_action, note = left(p_note, 2000),
           resolved_by = platform.caller_name(), resolved_at = now()
     where r.id = p_review_id;
    insert into public.admin_audit_log
        (admin_email, admin_ip, action_type, table_name, record_id, old_values, new_values,
         description)
    values
        (platform.caller_name(), platform.caller_ip(), 'RESOLVE_REVIEW', 'reviews',
         p_review_id::text,
         jsonb_build_object('kind', v_review.kind, 'order_id', v_review.order_id,
                            'payment_id', v_review.payment_id, 'order', v_before),
         jsonb_build_object('action', p_action, 'note', left(p_note, 2000),
                            'order', backend.order_states(v_review.order_id)),
         format('%s: %s', v_review.kind, p_action));
    return jsonb_build_object('success', true, 'already_resolved', false,
        'resolution', p_action, 'order', backend.order_states(v_review.order_id));
end
$$;

COMMENT ON FUNCTION public.resolve_review(p_review_id uuid, p_action text, p_note text) IS 'Decides a review: accept (the order counts as paid and is delivered), refund_noted (not delivered: refunded; delivered: the account is suspended) or cancel (not delivered only). Once; a repeat answers already_resolved. For administrators and service_role.';

CREATE FUNCTION public.reveal_credential(p_account_id uuid, p_column text, p_value text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'backend', 'pg_temp'
    AS $$
begin
    if platform.caller_role() in ('anon', 'authenticated')
       and not exists (
            select from public.delivered_accounts as d
            where d.container_account_id = p_account_id and d.user_id = auth.uid())
       and not platform.is_admin()
    then
        raise exception using
            errcode = '42501',
            message = 'Only its owner and administrators may see an account''s password';
    end if;
    return backend.reveal(p_account_id, p_column, p_value, 'read');
end
$$;

COMMENT ON FUNCTION public.reveal_credential(p_account_id uuid, p_column text, p_value text) IS 'What stands for a password column wherever its rows are read for a caller: account_container passes its id, delivered_accounts its container_account_id. For the owner of the account, administrators and service_role; audited, so not in a read-only transaction.';

CREATE FUNCTION public.set_order_id() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
begin
    if new.order_id is null or new.order_id = '' then
        new.order_id := public.generate_order_id();
    end if;
    return new;
end
$$;

COMMENT ON FUNCTION public.set_order_id() IS 'Trigger: gives an order its id when it came without.';

CREATE TABLE auth.users (
    instance_id uuid DEFAULT '00000000-0000-0000-0000-000000000000'::uuid,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    aud character varying(255) DEFAULT 'authenticated'::character varying,
    role character varying(255) DEFAULT 'authenticated'::character varying,
    email character varying(255),
    encrypted_password character varying(255),
    email_confirmed_at timestamp with time zone,
    invited_at timestamp with time zone,
    confirmation_token character varying(255) DEFAULT ''::character varying,
    confirmation_sent_at timestamp with time zone,
    recovery_token character varying(255) DEFAULT ''::character varying,
    recovery_sent_at timestamp with time zone,
    email_change_token_new character varying(255) DEFAULT ''::character varying,
    email_change character varying(255) DEFAULT ''::character varying,
    email_change_sent_at timestamp with time zone,
    last_sign_in_at timestamp with time zone,
    raw_app_meta_data jsonb DEFAULT '{"provider": "email", "providers": ["email"]}'::jsonb,
    raw_user_meta_data jsonb DEFAULT '{}'::jsonb,
    is_super_admin boolean,
    created_at timestamp with time zone DEFAULT now(),
    updated_at timestamp with time zone DEFAULT now(),
    phone text,
    phone_confirmed_at timestamp with time zone,
    phone_change text DEFAULT ''::text,
    phone_change_token character varying(255) DEFAULT ''::character varying,
    phone_change_sent_at timestamp with time zone,
    confirmed_at timestamp with time zone GENERATED ALWAYS AS (LEAST(email_confirmed_at, phone_confirmed_at)) STORED,
    email_change_token_current character varying(255) DEFAULT ''::character varying,
    email_change_confirm_status smallint DEFAULT 0,
    banned_until timestamp with time zone,
    reauthentication_token character varying(255) DEFAULT ''::character varying,
    reauthentication_sent_at timestamp with time zone,
    is_sso_user boolean DEFAULT false NOT NULL,
    deleted_at timestamp with time zone,
    is_anonymous boolean DEFAULT false NOT NULL,
    CONSTRAINT users_email_change_confirm_status_check CHECK (((email_change_confirm_status >= 0) AND (email_change_confirm_status <= 2)))
);

COMMENT ON TABLE auth.users IS 'Login data of every user. Only the auth service and the database''s own functions read it.';

CREATE TABLE migrations.applied (
    part text NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE migrations.applied IS 'Every applied file of tables/ with its checksum.';

CREATE TABLE migrations.functions (
    name text NOT NULL,
    part text NOT NULL,
    unmade_in integer
);

COMMENT ON TABLE migrations.functions IS 'Every function that a file of sql/ made; since which release no file makes it any more.';

CREATE TABLE migrations.schema (
    only_row boolean DEFAULT true NOT NULL,
    app text NOT NULL,
    sha256 text,
    applied_sha256 text,
    release integer,
    CONSTRAINT schema_only_row_check CHECK (only_row)
);

COMMENT ON TABLE migrations.schema IS 'The application, and the checksum of all its files and the platform''s; with those of the sandbox: applied_sha256.';

CREATE TABLE platform.administrators (
    email text NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    notes text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT administrators_email_check CHECK (((email = lower(email)) AND (email ~~ '%_@_%'::text)))
);

COMMENT ON TABLE platform.administrators IS 'Who administers, by confirmed e-mail address. The app_metadata claim role = admin counts too.';

CREATE TABLE platform.job_kinds (
    kind text NOT NULL,
    tries_max integer,
    first_pause interval NOT NULL,
    growth numeric NOT NULL,
    most_pause interval NOT NULL,
    lease interval NOT NULL,
    concurrency integer,
    on_dead text,
    paused boolean DEFAULT false NOT NULL,
    CONSTRAINT job_kinds_concurrency_check CHECK ((concurrency > 0)),
    CONSTRAINT job_kinds_growth_check CHECK ((growth >= (1)::numeric)),
    CONSTRAINT job_kinds_tries_max_check CHECK ((tries_max > 0))
);

COMMENT ON TABLE platform.job_kinds IS 'What is queued. Each kind is a row that its owner''s tables file makes; its figures may be changed at any time.';

COMMENT ON COLUMN platform.job_kinds.on_dead IS 'A function of the owner, called with the key and the last error when a job dies; the error is null when whoever ran it did not come back.';

CREATE TABLE platform.mail_kinds (
    kind text NOT NULL,
    prepare text,
    keep_days integer,
    CONSTRAINT mail_kinds_keep_days_check CHECK ((keep_days >= 0))
);

COMMENT ON TABLE platform.mail_kinds IS 'Kinds of mail about which there is something to say. Others are a template and its variables.';

COMMENT ON COLUMN platform.mail_kinds.prepare IS 'A function of the application, (outbox row) returns jsonb, asked when such a mail is about to be sent: an object has more variables, a text is why it is not to be sent at all.';

COMMENT ON COLUMN platform.mail_kinds.keep_days IS 'How long the words of sent and dead mails of kind direct are kept; null: for ever.';

CREATE VIEW platform.queue AS
 SELECT k.kind,
    k.paused,
    count(*) FILTER (WHERE ((j.state)::text = 'waiting'::text)) AS waiting,
    count(*) FILTER (WHERE (((j.state)::text = 'running'::text) AND (j.due_at > now()))) AS running,
    count(*) FILTER (WHERE ((j.state)::text = 'dead'::text)) AS dead,
    (now() - min(j.due_at) FILTER (WHERE (j.due_at <= now()))) AS overdue
   FROM (platform.job_kinds k
     LEFT JOIN platform.jobs j ON ((j.kind = k.kind)))
  GROUP BY k.kind, k.paused
  ORDER BY k.kind;

COMMENT ON VIEW platform.queue IS 'How much of each kind waits, runs and was given up, and since when the oldest is due.';

CREATE TABLE platform.standing (
    user_id uuid NOT NULL,
    standing text NOT NULL,
    reason text,
    since timestamp with time zone DEFAULT now() NOT NULL,
    set_by text NOT NULL,
    CONSTRAINT standing_standing_check CHECK ((standing = ANY (ARRAY['suspended'::text, 'banned'::text])))
);

COMMENT ON TABLE platform.standing IS 'Who is suspended or banned; who has no row is active. Written by platform.set_standing only.';

CREATE TABLE public.admin_audit_log (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    admin_email text NOT NULL,
    admin_ip text,
    action_type text NOT NULL,
    table_name text,
    record_id text,
    old_values jsonb,
    new_values jsonb,
    description text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE public.admin_audit_log IS 'Every administrative change with old and new values. Rows are never changed or removed.';

CREATE VIEW public.administrators WITH (security_invoker='true') AS
 SELECT a.email,
    a.is_active,
    a.notes,
    a.created_at,
    a.updated_at
   FROM platform.administrators a;

COMMENT ON VIEW public.administrators IS 'Who administers, by confirmed e-mail address. The app_metadata claim role = admin counts too.';

CREATE TABLE public.credential_reveals (
    id bigint NOT NULL,
    account_id uuid NOT NULL,
    column_name text NOT NULL,
    reader text NOT NULL,
    reader_ip text,
    reason text NOT NULL,
    revealed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE public.credential_reveals IS 'Who was shown which trading password, when and why. Rows are never changed or removed.';

ALTER TABLE public.credential_reveals ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.credential_reveals_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.crypto_addresses (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    crypto_name text NOT NULL,
    network text NOT NULL,
    wallet_address text DEFAULT ''::text NOT NULL,
    qr_code_url text,
    display_name text NOT NULL,
    is_active boolean DEFAULT false NOT NULL,
    sort_order integer DEFAULT 0 NOT NULL,
    notes text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT crypto_addresses_active_needs_address CHECK (((NOT is_active) OR (length(wallet_address) >= 20)))
);

COMMENT ON TABLE public.crypto_addresses IS 'Wallets for manual payments. Shown to customers while active; active only with an address.';

CREATE TABLE public.email_templates (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    template_name text NOT NULL,
    template_type text NOT NULL,
    subject text NOT NULL,
    html_content text NOT NULL,
    text_content text,
    variables jsonb DEFAULT '[]'::jsonb NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT email_templates_template_type_check CHECK ((template_type = ANY (ARRAY['account_delivery'::text, 'welcome'::text, 'phase_completion'::text, 'account_breach'::text, 'payment_received'::text, 'payment_failed'::text, 'review_needed'::text, 'stock_alert'::text]))),
    CONSTRAINT email_templates_variables_check CHECK ((jsonb_typeof(variables) = 'array'::text))
);

COMMENT ON TABLE public.email_templates IS 'Mail templates; {{name}} stands for a variable.';

CREATE TABLE public.payment_attempts (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    order_id public.order_number NOT NULL,
    pay_currency text NOT NULL,
    crypto_currency text NOT NULL,
    price_amount numeric(10,2) NOT NULL,
    state text DEFAULT 'claimed'::text NOT NULL,
    claim_until timestamp with time zone NOT NULL,
    invoice_id text,
    invoice_url text,
    detail text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT payment_attempts_state_check CHECK ((state = ANY (ARRAY['claimed'::text, 'open'::text, 'refused'::text, 'unsent'::text, 'unknown'::text, 'abandoned'::text])))
);

COMMENT ON TABLE public.payment_attempts IS 'Claim, call, attach: every attempt to open an invoice and a payment, with its end.';

CREATE TABLE public.payment_checks (
    payment_id text NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    settled boolean DEFAULT false NOT NULL,
    last_result text NOT NULL,
    last_detail text,
    checked_at timestamp with time zone NOT NULL,
    CONSTRAINT payment_checks_last_result_check CHECK ((last_result = ANY (ARRAY['seen'::text, 'not_found'::text, 'unreachable'::text, 'refused'::text])))
);

COMMENT ON TABLE public.payment_checks IS 'What came of asking the provider about a payment that was open or silent.';

ALTER TABLE public.payment_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.payment_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.payment_transactions (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    order_id public.order_number,
    user_id uuid,
    transaction_type public.transaction_type NOT NULL,
    amount public.usd_amount NOT NULL,
    currency text DEFAULT 'USD'::text NOT NULL,
    provider public.payment_provider NOT NULL,
    provider_transaction_id text,
    provider_status text,
    provider_response jsonb,
    status public.transaction_state DEFAULT 'pending'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    processed_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
)
WITH (fillfactor='80');

COMMENT ON TABLE public.payment_transactions IS 'The books: one row per payment and per refund. Only "completed" rows are money counted.';

CREATE TABLE public.prices (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    account_type public.account_type NOT NULL,
    account_size public.account_size NOT NULL,
    price public.usd_amount NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT prices_price_check CHECK (((price)::numeric > (0)::numeric))
);

COMMENT ON TABLE public.prices IS 'Price in USD of every account type and size. An order''s amount must agree with it.';

CREATE TABLE public.reconciliation_differences (
    id bigint NOT NULL,
    run_id bigint NOT NULL,
    last_run_id bigint NOT NULL,
    scope text NOT NULL,
    kind text NOT NULL,
    aspect text NOT NULL,
    payment_id text,
    order_id text,
    user_id uuid,
    ours text,
    theirs text,
    explanation text NOT NULL,
    found_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    resolved_at timestamp with time zone,
    resolution text,
    CONSTRAINT reconciliation_differences_kind_check CHECK ((kind = ANY (ARRAY['missing'::text, 'extra'::text, 'amount'::text, 'currency'::text, 'state'::text]))),
    CONSTRAINT reconciliation_differences_scope_check CHECK ((scope = ANY (ARRAY['provider'::text, 'books'::text])))
);

COMMENT ON TABLE public.reconciliation_differences IS 'Where provider and books, or two books, do not agree. Open until it is gone, healed or accepted by an administrator.';

ALTER TABLE public.reconciliation_differences ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.reconciliation_differences_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.reconciliation_runs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.reconciliation_runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.schedules (
    name text NOT NULL,
    every_ms integer NOT NULL,
    claimed_at timestamp with time zone NOT NULL,
    runs bigint DEFAULT 1 NOT NULL
);

COMMENT ON TABLE public.schedules IS 'When each scheduled function last ran: one run per period over all processes and machines.';

CREATE TABLE public.shop_settings (
    name text NOT NULL,
    value numeric NOT NULL,
    notes text,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.shop_settings IS 'Figures that the shop chooses, one row each.';

CREATE TABLE public.stock_alerts (
    id bigint NOT NULL,
    account_size public.account_size NOT NULL,
    platform_type public.platform_type NOT NULL,
    level text NOT NULL,
    available integer NOT NULL,
    threshold integer NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT stock_alerts_level_check CHECK ((level = ANY (ARRAY['low'::text, 'empty'::text]))),
    CONSTRAINT stock_alerts_state_check CHECK ((state = ANY (ARRAY['open'::text, 'ended'::text])))
);

COMMENT ON TABLE public.stock_alerts IS 'stock_low: one row for each time a size and platform fell to a level (low, empty). It ends, and the next one is possible, when the stock is above that level again.';

ALTER TABLE public.stock_alerts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.stock_alerts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.stock_levels (
    account_size public.account_size NOT NULL,
    platform_type public.platform_type NOT NULL,
    level text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT stock_levels_level_check CHECK ((level = ANY (ARRAY['ok'::text, 'low'::text, 'empty'::text])))
);

COMMENT ON TABLE public.stock_levels IS 'The level of every size and platform that was ever in stock or is waited for, as last seen.';

CREATE TABLE public.trading_rules (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    account_type public.account_type NOT NULL,
    account_size public.account_size NOT NULL,
    challenge_profit_target numeric(15,2),
    challenge_max_daily_loss numeric(15,2),
    challenge_max_total_loss numeric(15,2),
    challenge_min_trading_days integer,
    phase_1_profit_target numeric(15,2),
    phase_1_max_daily_loss numeric(15,2),
    phase_1_max_total_loss numeric(15,2),
    phase_1_min_trading_days integer,
    phase_2_profit_target numeric(15,2),
    phase_2_max_daily_loss numeric(15,2),
    phase_2_max_total_loss numeric(15,2),
    phase_2_min_trading_days integer,
    live_max_daily_loss numeric(15,2) NOT NULL,
    live_max_total_loss numeric(15,2) NOT NULL,
    profit_share_percentage integer DEFAULT 80 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT trading_rules_challenge_max_daily_loss_check CHECK ((challenge_max_daily_loss >= (0)::numeric)),
    CONSTRAINT trading_rules_challenge_max_total_loss_check CHECK ((challenge_max_total_loss >= (0)::numeric)),
    CONSTRAINT trading_rules_challenge_min_trading_days_check CHECK ((challenge_min_trading_days >= 0)),
    CONSTRAINT trading_rules_challenge_profit_target_check CHECK ((challenge_profit_target >= (0)::numeric)),
    CONSTRAINT trading_rules_live_max_daily_loss_check CHECK ((live_max_daily_loss >= (0)::numeric)),
    CONSTRAINT trading_rules_live_max_total_loss_check CHECK ((live_max_total_loss >= (0)::numeric)),
    CONSTRAINT trading_rules_phase_1_max_daily_loss_check CHECK ((phase_1_max_daily_loss >= (0)::numeric)),
    CONSTRAINT trading_rules_phase_1_max_total_loss_check CHECK ((phase_1_max_total_loss >= (0)::numeric)),
    CONSTRAINT trading_rules_phase_1_min_trading_days_check CHECK ((phase_1_min_trading_days >= 0)),
    CONSTRAINT trading_rules_phase_1_profit_target_check CHECK ((phase_1_profit_target >= (0)::numeric)),
    CONSTRAINT trading_rules_phase_2_max_daily_loss_check CHECK ((phase_2_max_daily_loss >= (0)::numeric)),
    CONSTRAINT trading_rules_phase_2_max_total_loss_check CHECK ((phase_2_max_total_loss >= (0)::numeric)),
    CONSTRAINT trading_rules_phase_2_min_trading_days_check CHECK ((phase_2_min_trading_days >= 0)),
    CONSTRAINT trading_rules_phase_2_profit_target_check CHECK ((phase_2_profit_target >= (0)::numeric)),
    CONSTRAINT trading_rules_profit_share_percentage_check CHECK (((profit_share_percentage >= 0) AND (profit_share_percentage <= 100)))
);

COMMENT ON TABLE public.trading_rules IS 'Targets and loss limits in USD per account type and size. Phases a type lacks are null.';

CREATE TABLE public.user_profiles (
    id uuid NOT NULL,
    first_name text,
    last_name text,
    email text NOT NULL,
    phone text,
    country text,
    marketing_consent boolean DEFAULT false NOT NULL,
    account_status public.customer_standing DEFAULT 'active'::text NOT NULL,
    total_orders integer DEFAULT 0 NOT NULL,
    total_spent public.usd_amount DEFAULT 0 NOT NULL,
    signup_ip text,
    last_login_at timestamp with time zone,
    password text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT user_profiles_password_check CHECK ((password = ''::text))
);

COMMENT ON TABLE public.user_profiles IS 'One row per user: name, contact, standing and totals. Made by trigger at sign-up.';

COMMENT ON COLUMN public.user_profiles.password IS 'Always empty. Passwords are never stored; support sends a reset link instead.';

CREATE TABLE public.waiting_deliveries (
    order_id public.order_number NOT NULL,
    account_type public.account_type NOT NULL,
    account_size public.account_size NOT NULL,
    platform_type public.platform_type NOT NULL,
    paid_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    parked_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    lease_until timestamp with time zone
);

COMMENT ON TABLE public.waiting_deliveries IS 'Orders whose payment is finished and sufficient, but which could not be delivered yet. Served in the order of payment as soon as stock arrives; see reason for what is missing.';

CREATE TABLE public.webhook_debug_calls (
    id bigint NOT NULL,
    request_id text,
    method text,
    query text,
    headers json,
    body text,
    body_bytes integer DEFAULT 0 NOT NULL,
    remote_addr text,
    received_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.webhook_debug_calls IS 'The last 100 calls of webhook-debug; bodies cut at 8 KiB, secrets masked by the caller.';

ALTER TABLE public.webhook_debug_calls ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.webhook_debug_calls_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY auth.users
    ADD CONSTRAINT users_phone_key UNIQUE (phone);

ALTER TABLE ONLY auth.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY migrations.applied
    ADD CONSTRAINT applied_pkey PRIMARY KEY (part, name);

ALTER TABLE ONLY migrations.functions
    ADD CONSTRAINT functions_pkey PRIMARY KEY (name);

ALTER TABLE ONLY migrations.schema
    ADD CONSTRAINT schema_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY platform.administrators
    ADD CONSTRAINT administrators_pkey PRIMARY KEY (email);

ALTER TABLE ONLY platform.job_kinds
    ADD CONSTRAINT job_kinds_pkey PRIMARY KEY (kind);

ALTER TABLE ONLY platform.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (kind, key);

ALTER TABLE ONLY platform.mail_kinds
    ADD CONSTRAINT mail_kinds_pkey PRIMARY KEY (kind);

ALTER TABLE ONLY platform.standing
    ADD CONSTRAINT standing_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.account_container
    ADD CONSTRAINT account_container_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.account_container
    ADD CONSTRAINT account_container_platform_type_server_name_login_id_key UNIQUE (platform_type, server_name, login_id);

ALTER TABLE ONLY public.admin_audit_log
    ADD CONSTRAINT admin_audit_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.credential_reveals
    ADD CONSTRAINT credential_reveals_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.crypto_addresses
    ADD CONSTRAINT crypto_addresses_crypto_name_network_key UNIQUE (crypto_name, network);

ALTER TABLE ONLY public.crypto_addresses
    ADD CONSTRAINT crypto_addresses_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.delivered_accounts
    ADD CONSTRAINT delivered_accounts_container_account_id_key UNIQUE (container_account_id);

ALTER TABLE ONLY public.delivered_accounts
    ADD CONSTRAINT delivered_accounts_order_id_key UNIQUE (order_id);

ALTER TABLE ONLY public.delivered_accounts
    ADD CONSTRAINT delivered_accounts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.email_templates
    ADD CONSTRAINT email_templates_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.email_templates
    ADD CONSTRAINT email_templates_template_name_key UNIQUE (template_name);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_order_id_key UNIQUE (order_id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_cause_key UNIQUE (cause);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_message_id_key UNIQUE (message_id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payment_attempts
    ADD CONSTRAINT payment_attempts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payment_checks
    ADD CONSTRAINT payment_checks_pkey PRIMARY KEY (payment_id);

ALTER TABLE ONLY public.payment_events
    ADD CONSTRAINT payment_events_effect_key UNIQUE NULLS NOT DISTINCT (payment_id, status, actually_paid);

ALTER TABLE ONLY public.payment_events
    ADD CONSTRAINT payment_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payment_transactions
    ADD CONSTRAINT payment_transactions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payment_transactions
    ADD CONSTRAINT payment_transactions_provider_provider_transaction_id_trans_key UNIQUE (provider, provider_transaction_id, transaction_type);

ALTER TABLE ONLY public.payments
    ADD CONSTRAINT payments_pkey PRIMARY KEY (payment_id);

ALTER TABLE ONLY public.prices
    ADD CONSTRAINT prices_account_type_account_size_key UNIQUE (account_type, account_size);

ALTER TABLE ONLY public.prices
    ADD CONSTRAINT prices_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.reconciliation_differences
    ADD CONSTRAINT reconciliation_differences_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.reconciliation_runs
    ADD CONSTRAINT reconciliation_runs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.reviews
    ADD CONSTRAINT reviews_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.shop_settings
    ADD CONSTRAINT shop_settings_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.stock_alerts
    ADD CONSTRAINT stock_alerts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.stock_levels
    ADD CONSTRAINT stock_levels_pkey PRIMARY KEY (account_size, platform_type);

ALTER TABLE ONLY public.trading_rules
    ADD CONSTRAINT trading_rules_account_type_account_size_key UNIQUE (account_type, account_size);

ALTER TABLE ONLY public.trading_rules
    ADD CONSTRAINT trading_rules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.user_profiles
    ADD CONSTRAINT user_profiles_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.waiting_deliveries
    ADD CONSTRAINT waiting_deliveries_pkey PRIMARY KEY (order_id);

ALTER TABLE ONLY public.webhook_debug_calls
    ADD CONSTRAINT webhook_debug_calls_pkey PRIMARY KEY (id);

CREATE UNIQUE INDEX confirmation_token_idx ON auth.users USING btree (confirmation_token) WHERE ((confirmation_token)::text !~ '^[0-9 ]*$'::text);

CREATE UNIQUE INDEX reauthentication_token_idx ON auth.users USING btree (reauthentication_token) WHERE ((reauthentication_token)::text !~ '^[0-9 ]*$'::text);

CREATE UNIQUE INDEX recovery_token_idx ON auth.users USING btree (recovery_token) WHERE ((recovery_token)::text !~ '^[0-9 ]*$'::text);

CREATE INDEX users_email_lower_idx ON auth.users USING btree (lower((email)::text));

CREATE UNIQUE INDEX users_email_partial_key ON auth.users USING btree (email) WHERE (is_sso_user = false);

CREATE INDEX users_is_anonymous_idx ON auth.users USING btree (is_anonymous);

CREATE INDEX jobs_due_idx ON platform.jobs USING btree (kind, due_at);

CREATE INDEX jobs_running_idx ON platform.jobs USING btree (kind, due_at) WHERE ((state)::text = 'running'::text);

CREATE INDEX account_container_next_idx ON public.account_container USING btree (account_size, platform_type, created_at, id) WHERE ((status)::text = 'available'::text);

CREATE INDEX account_container_reserved_idx ON public.account_container USING btree (reserved_for_order_id) WHERE (reserved_for_order_id IS NOT NULL);

CREATE INDEX admin_audit_log_created_idx ON public.admin_audit_log USING btree (created_at DESC);

CREATE INDEX admin_audit_log_record_idx ON public.admin_audit_log USING btree (table_name, record_id);

CREATE INDEX credential_reveals_account_idx ON public.credential_reveals USING btree (account_id, revealed_at);

CREATE INDEX delivered_accounts_delivered_idx ON public.delivered_accounts USING btree (delivered_at);

CREATE INDEX delivered_accounts_rules_idx ON public.delivered_accounts USING btree (trading_rules_id);

CREATE INDEX delivered_accounts_user_idx ON public.delivered_accounts USING btree (user_id, delivered_at DESC);

CREATE INDEX orders_created_idx ON public.orders USING btree (created_at DESC);

CREATE INDEX orders_user_idx ON public.orders USING btree (user_id, created_at DESC);

CREATE INDEX outbox_dead_idx ON public.outbox USING btree (created_at) WHERE ((state)::text = 'dead'::text);

CREATE INDEX outbox_person_idx ON public.outbox USING btree (person) WHERE (person IS NOT NULL);

CREATE INDEX outbox_reference_idx ON public.outbox USING btree (reference, created_at) WHERE (reference IS NOT NULL);

CREATE INDEX outbox_words_idx ON public.outbox USING btree (created_at) WHERE ((kind = 'direct'::text) AND (html <> ''::text));

CREATE INDEX payment_attempts_invoice_idx ON public.payment_attempts USING btree (invoice_id) WHERE (invoice_id IS NOT NULL);

CREATE UNIQUE INDEX payment_attempts_one_claim_idx ON public.payment_attempts USING btree (order_id) WHERE (state = 'claimed'::text);

CREATE INDEX payment_attempts_order_idx ON public.payment_attempts USING btree (order_id, created_at DESC);

CREATE INDEX payment_attempts_unsettled_idx ON public.payment_attempts USING btree (updated_at) WHERE (state = ANY (ARRAY['claimed'::text, 'unknown'::text]));

CREATE INDEX payment_events_dead_idx ON public.payment_events USING btree (id) WHERE (state = 'dead'::text);

CREATE INDEX payment_events_order_idx ON public.payment_events USING btree (order_id, id);

CREATE INDEX payment_transactions_order_idx ON public.payment_transactions USING btree (order_id);

CREATE INDEX payment_transactions_user_idx ON public.payment_transactions USING btree (user_id, created_at DESC);

CREATE INDEX payments_attempt_idx ON public.payments USING btree (attempt_id) WHERE (attempt_id IS NOT NULL);

CREATE INDEX payments_invoice_idx ON public.payments USING btree (invoice_id) WHERE (invoice_id IS NOT NULL);

CREATE UNIQUE INDEX payments_one_counts_idx ON public.payments USING btree (order_id) WHERE counted;

CREATE INDEX payments_order_idx ON public.payments USING btree (order_id, counted DESC, created_at DESC);

CREATE UNIQUE INDEX reconciliation_differences_open_once_idx ON public.reconciliation_differences USING btree (scope, kind, aspect, payment_id, order_id, user_id) NULLS NOT DISTINCT WHERE (resolved_at IS NULL);

CREATE INDEX reconciliation_differences_order_idx ON public.reconciliation_differences USING btree (order_id);

CREATE INDEX reconciliation_differences_payment_idx ON public.reconciliation_differences USING btree (payment_id);

CREATE INDEX reconciliation_runs_daily_idx ON public.reconciliation_runs USING btree (requested_at) WHERE (reason = 'daily'::text);

CREATE UNIQUE INDEX reconciliation_runs_one_at_a_time_idx ON public.reconciliation_runs USING btree ((true)) WHERE (finished_at IS NULL);

CREATE UNIQUE INDEX reviews_open_once_idx ON public.reviews USING btree (kind, payment_id, order_id) NULLS NOT DISTINCT WHERE (state = 'open'::text);

CREATE INDEX reviews_order_idx ON public.reviews USING btree (order_id);

CREATE UNIQUE INDEX stock_alerts_open_once_idx ON public.stock_alerts USING btree (account_size, platform_type, level) WHERE (state = 'open'::text);

CREATE INDEX user_profiles_created_idx ON public.user_profiles USING btree (created_at DESC);

CREATE INDEX user_profiles_email_idx ON public.user_profiles USING btree (email);

CREATE INDEX waiting_deliveries_parked_idx ON public.waiting_deliveries USING btree (parked_at) WHERE (parked_at IS NOT NULL);

CREATE INDEX waiting_deliveries_queue_idx ON public.waiting_deliveries USING btree (account_size, platform_type, paid_at, order_id) WHERE (parked_at IS NULL);

CREATE TRIGGER on_auth_user_changed AFTER UPDATE ON auth.users FOR EACH ROW WHEN ((((old.email)::text IS DISTINCT FROM (new.email)::text) OR (old.last_sign_in_at IS DISTINCT FROM new.last_sign_in_at))) EXECUTE FUNCTION public.handle_user_change();

CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.handle_new_user();

CREATE TRIGGER on_auth_user_drop_clear_password BEFORE INSERT OR UPDATE ON auth.users FOR EACH ROW WHEN ((new.raw_user_meta_data ?| ARRAY['password'::text, 'confirmPassword'::text, 'confirm_password'::text])) EXECUTE FUNCTION public.drop_clear_password();

CREATE TRIGGER administrators_audit AFTER INSERT OR DELETE OR UPDATE ON platform.administrators FOR EACH ROW WHEN (((SESSION_USER !~~ 'fn\_%'::text) OR (current_setting('role'::text) <> 'none'::text))) EXECUTE FUNCTION platform.audit_change('email');

CREATE TRIGGER administrators_updated_at BEFORE UPDATE ON platform.administrators FOR EACH ROW EXECUTE FUNCTION platform.update_updated_at_column();

CREATE TRIGGER standing_profile AFTER INSERT OR DELETE OR UPDATE ON platform.standing FOR EACH ROW EXECUTE FUNCTION backend.follow_standing();

CREATE TRIGGER account_container_audit AFTER INSERT OR DELETE OR UPDATE ON public.account_container FOR EACH ROW WHEN (((SESSION_USER !~~ 'fn\_%'::text) OR (current_setting('role'::text) <> 'none'::text))) EXECUTE FUNCTION platform.audit_change('id');

CREATE TRIGGER account_container_seal BEFORE INSERT OR UPDATE OF id, password, investor_password ON public.account_container FOR EACH ROW EXECUTE FUNCTION backend.seal_credentials();

CREATE TRIGGER account_container_sold_once BEFORE UPDATE OF status ON public.account_container FOR EACH ROW WHEN ((((new.status)::text = ANY (ARRAY['available'::text, 'reserved'::text])) AND ((old.status)::text IS DISTINCT FROM (new.status)::text))) EXECUTE FUNCTION public.refuse_recycling();

CREATE TRIGGER account_container_updated_at BEFORE UPDATE ON public.account_container FOR EACH ROW EXECUTE FUNCTION platform.update_updated_at_column();

CREATE TRIGGER admin_audit_log_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.admin_audit_log FOR EACH STATEMENT EXECUTE FUNCTION platform.refuse_change();

CREATE TRIGGER credential_reveals_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.credential_reveals FOR EACH STATEMENT EXECUTE FUNCTION platform.refuse_change();

CREATE TRIGGER crypto_addresses_audit AFTER INSERT OR DELETE OR UPDATE ON public.crypto_addresses FOR EACH ROW WHEN (((SESSION_USER !~~ 'fn\_%'::text) OR (current_setting('role'::text) <> 'none'::text))) EXECUTE FUNCTION platform.audit_change('id');

CREATE TRIGGER crypto_addresses_updated_at BEFORE UPDATE ON public.crypto_addresses FOR EACH ROW EXECUTE FUNCTION platform.update_updated_at_column();

CREATE TRIGGER delivered_accounts_audit AFTER INSERT OR DELETE OR UPDATE ON public.delivered_accounts FOR EACH ROW WHEN (((SESSION_USER !~~ 'fn\_%'::text) OR (current_setting('role'::text) <> 'none'::text))) EXECUTE FUNCTION platform.audit_change('id');

CREATE TRIGGER delivered_accounts_delete_mails AFTER DELETE ON public.delivered_accounts FOR EACH ROW EXECUTE FUNCTION backend.delete_mails();

CREATE TRIGGER delivered_accounts_last_updated BEFORE UPDATE ON public.delivered_accounts FOR EACH ROW EXECUTE FUNCTION platform.update_last_updated_column();

CREATE TRIGGER delivered_accounts_mail AFTER INSERT ON public.delivered_accounts FOR EACH ROW EXECUTE FUNCTION backend.mail_delivery();

CREATE TRIGGER delivered_accounts_seal BEFORE INSERT OR UPDATE OF container_account_id, password, investor_password ON public.delivered_accounts FOR EACH ROW EXECUTE FUNCTION backend.seal_credentials();

CREATE TRIGGER email_templates_audit AFTER INSERT OR DELETE OR UPDATE ON public.email_templates FOR EACH ROW WHEN (((SESSION_USER !~~ 'fn\_%'::text) OR (current_setting('role'::text) <> 'none'::text))) EXECUTE FUNCTION platform.audit_change('id');

CREATE TRIGGER email_templates_updated_at BEFORE UPDATE ON public.email_templates FOR EACH ROW EXECUTE FUNCTION platform.update_updated_at_column();

CREATE TRIGGER orders_1_set_order_id BEFORE INSERT ON public.orders FOR EACH ROW EXECUTE FUNCTION public.set_order_id();

CREATE TRIGGER orders_2_guard BEFORE INSERT ON public.orders FOR EACH ROW EXECUTE FUNCTION public.guard_new_order();

CREATE TRIGGER orders_3_price BEFORE INSERT ON public.orders FOR EACH ROW EXECUTE FUNCTION public.check_order_price();

CREATE TRIGGER orders_3_price_changed BEFORE UPDATE OF account_type, account_size, amount ON public.orders FOR EACH ROW WHEN (((((old.account_type)::text IS DISTINCT FROM (new.account_type)::text) OR ((old.account_size)::numeric IS DISTINCT FROM (new.account_size)::numeric)) OR ((old.amount)::numeric IS DISTINCT FROM (new.amount)::numeric))) EXECUTE FUNCTION public.check_order_price();

CREATE TRIGGER orders_audit AFTER INSERT OR DELETE OR UPDATE ON public.orders FOR EACH ROW WHEN (((SESSION_USER !~~ 'fn\_%'::text) OR (current_setting('role'::text) <> 'none'::text))) EXECUTE FUNCTION platform.audit_change('order_id', 'own');

CREATE TRIGGER orders_leave_queue AFTER UPDATE ON public.orders FOR EACH ROW WHEN ((((old.payment_status)::text = 'paid'::text) AND ((old.delivery_status)::text = 'pending'::text))) EXECUTE FUNCTION backend.leave_queue();

CREATE TRIGGER orders_mail AFTER UPDATE OF payment_status ON public.orders FOR EACH ROW WHEN (((old.payment_status)::text <> (new.payment_status)::text)) EXECUTE FUNCTION backend.mail_payment();

CREATE TRIGGER orders_updated_at BEFORE UPDATE ON public.orders FOR EACH ROW EXECUTE FUNCTION platform.update_updated_at_column();

CREATE TRIGGER outbox_delivery_sent AFTER UPDATE OF state ON public.outbox FOR EACH ROW WHEN (((new.state)::text = 'sent'::text)) EXECUTE FUNCTION backend.note_delivery_mail();

CREATE TRIGGER payment_events_append_only BEFORE DELETE OR TRUNCATE ON public.payment_events FOR EACH STATEMENT EXECUTE FUNCTION platform.refuse_change();

CREATE TRIGGER payment_transactions_audit AFTER INSERT OR DELETE OR UPDATE ON public.payment_transactions FOR EACH ROW WHEN (((SESSION_USER !~~ 'fn\_%'::text) OR (current_setting('role'::text) <> 'none'::text))) EXECUTE FUNCTION platform.audit_change('id');

CREATE TRIGGER payment_transactions_updated_at BEFORE UPDATE ON public.payment_transactions FOR EACH ROW EXECUTE FUNCTION platform.update_updated_at_column();

CREATE TRIGGER payments_check AFTER INSERT OR UPDATE ON public.payments FOR EACH ROW EXECUTE FUNCTION backend.expect_check();

CREATE TRIGGER prices_audit AFTER INSERT OR DELETE OR UPDATE ON public.prices FOR EACH ROW WHEN (((SESSION_USER !~~ 'fn\_%'::text) OR (current_setting('role'::text) <> 'none'::text))) EXECUTE FUNCTION platform.audit_change('id');

CREATE TRIGGER prices_updated_at BEFORE UPDATE ON public.prices FOR EACH ROW EXECUTE FUNCTION platform.update_updated_at_column();

CREATE TRIGGER reviews_audit AFTER INSERT OR DELETE OR UPDATE ON public.reviews FOR EACH ROW WHEN (((SESSION_USER !~~ 'fn\_%'::text) OR (current_setting('role'::text) <> 'none'::text))) EXECUTE FUNCTION platform.audit_change('id');

CREATE TRIGGER reviews_mail AFTER INSERT ON public.reviews FOR EACH ROW EXECUTE FUNCTION backend.mail_review();

CREATE TRIGGER reviews_updated_at BEFORE UPDATE ON public.reviews FOR EACH ROW EXECUTE FUNCTION platform.update_updated_at_column();

CREATE TRIGGER shop_settings_audit AFTER INSERT OR DELETE OR UPDATE ON public.shop_settings FOR EACH ROW WHEN (((SESSION_USER !~~ 'fn\_%'::text) OR (current_setting('role'::text) <> 'none'::text))) EXECUTE FUNCTION platform.audit_change('name');

CREATE TRIGGER shop_settings_keep_mail_words AFTER INSERT OR UPDATE ON public.shop_settings FOR EACH ROW WHEN ((new.name = 'mail_words_days'::text)) EXECUTE FUNCTION backend.keep_mail_words();

CREATE TRIGGER shop_settings_updated_at BEFORE UPDATE ON public.shop_settings FOR EACH ROW EXECUTE FUNCTION platform.update_updated_at_column();

CREATE TRIGGER stock_alerts_mail AFTER INSERT ON public.stock_alerts FOR EACH ROW EXECUTE FUNCTION backend.mail_stock_alert();

CREATE TRIGGER trading_rules_audit AFTER INSERT OR DELETE OR UPDATE ON public.trading_rules FOR EACH ROW WHEN (((SESSION_USER !~~ 'fn\_%'::text) OR (current_setting('role'::text) <> 'none'::text))) EXECUTE FUNCTION platform.audit_change('id');

CREATE TRIGGER trading_rules_updated_at BEFORE UPDATE ON public.trading_rules FOR EACH ROW EXECUTE FUNCTION platform.update_updated_at_column();

CREATE TRIGGER user_profiles_audit AFTER INSERT OR DELETE OR UPDATE ON public.user_profiles FOR EACH ROW WHEN (((SESSION_USER !~~ 'fn\_%'::text) OR (current_setting('role'::text) <> 'none'::text))) EXECUTE FUNCTION platform.audit_change('id', 'own');

CREATE TRIGGER user_profiles_delete_mails AFTER DELETE ON public.user_profiles FOR EACH ROW EXECUTE FUNCTION backend.delete_mails();

CREATE TRIGGER user_profiles_guard BEFORE INSERT OR UPDATE ON public.user_profiles FOR EACH ROW EXECUTE FUNCTION public.guard_user_profile();

CREATE TRIGGER user_profiles_standing AFTER UPDATE OF account_status ON public.user_profiles FOR EACH ROW WHEN (((old.account_status)::text <> (new.account_status)::text)) EXECUTE FUNCTION backend.profile_standing();

CREATE TRIGGER user_profiles_standing_new AFTER INSERT ON public.user_profiles FOR EACH ROW WHEN (((new.account_status)::text <> 'active'::text)) EXECUTE FUNCTION backend.profile_standing();

CREATE TRIGGER user_profiles_updated_at BEFORE UPDATE ON public.user_profiles FOR EACH ROW EXECUTE FUNCTION platform.update_updated_at_column();

ALTER TABLE ONLY platform.standing
    ADD CONSTRAINT standing_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.account_container
    ADD CONSTRAINT account_container_reserved_for_order_id_fkey FOREIGN KEY (reserved_for_order_id) REFERENCES public.orders(order_id) ON DELETE SET NULL;

ALTER TABLE ONLY public.delivered_accounts
    ADD CONSTRAINT delivered_accounts_container_account_id_fkey FOREIGN KEY (container_account_id) REFERENCES public.account_container(id);

ALTER TABLE ONLY public.delivered_accounts
    ADD CONSTRAINT delivered_accounts_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(order_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.delivered_accounts
    ADD CONSTRAINT delivered_accounts_trading_rules_id_fkey FOREIGN KEY (trading_rules_id) REFERENCES public.trading_rules(id);

ALTER TABLE ONLY public.delivered_accounts
    ADD CONSTRAINT delivered_accounts_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.user_profiles(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.user_profiles(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.payment_attempts
    ADD CONSTRAINT payment_attempts_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(order_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.payment_checks
    ADD CONSTRAINT payment_checks_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES public.payments(payment_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.payment_transactions
    ADD CONSTRAINT payment_transactions_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(order_id) ON DELETE SET NULL;

ALTER TABLE ONLY public.payment_transactions
    ADD CONSTRAINT payment_transactions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.user_profiles(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.payments
    ADD CONSTRAINT payments_attempt_id_fkey FOREIGN KEY (attempt_id) REFERENCES public.payment_attempts(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.payments
    ADD CONSTRAINT payments_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(order_id) ON DELETE SET NULL;

ALTER TABLE ONLY public.reconciliation_differences
    ADD CONSTRAINT reconciliation_differences_last_run_id_fkey FOREIGN KEY (last_run_id) REFERENCES public.reconciliation_runs(id);

ALTER TABLE ONLY public.reconciliation_differences
    ADD CONSTRAINT reconciliation_differences_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.reconciliation_runs(id);

ALTER TABLE ONLY public.user_profiles
    ADD CONSTRAINT user_profiles_id_fkey FOREIGN KEY (id) REFERENCES auth.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.waiting_deliveries
    ADD CONSTRAINT waiting_deliveries_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(order_id) ON DELETE CASCADE;

ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;

ALTER TABLE platform.administrators ENABLE ROW LEVEL SECURITY;

CREATE POLICY administrators_admin ON platform.administrators TO authenticated USING (( SELECT platform.is_admin() AS is_admin)) WITH CHECK (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE platform.standing ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.account_container ENABLE ROW LEVEL SECURITY;

CREATE POLICY account_container_admin ON public.account_container TO authenticated USING (( SELECT platform.is_admin() AS is_admin)) WITH CHECK (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.admin_audit_log ENABLE ROW LEVEL SECURITY;

CREATE POLICY admin_audit_log_admin ON public.admin_audit_log FOR SELECT TO authenticated USING (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.credential_reveals ENABLE ROW LEVEL SECURITY;

CREATE POLICY credential_reveals_admin ON public.credential_reveals FOR SELECT TO authenticated USING (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.crypto_addresses ENABLE ROW LEVEL SECURITY;

CREATE POLICY crypto_addresses_admin ON public.crypto_addresses TO authenticated USING (( SELECT platform.is_admin() AS is_admin)) WITH CHECK (( SELECT platform.is_admin() AS is_admin));

CREATE POLICY crypto_addresses_public ON public.crypto_addresses FOR SELECT TO anon, authenticated USING (is_active);

ALTER TABLE public.delivered_accounts ENABLE ROW LEVEL SECURITY;

CREATE POLICY delivered_accounts_admin ON public.delivered_accounts TO authenticated USING (( SELECT platform.is_admin() AS is_admin)) WITH CHECK (( SELECT platform.is_admin() AS is_admin));

CREATE POLICY delivered_accounts_own_select ON public.delivered_accounts FOR SELECT TO authenticated USING ((user_id = ( SELECT auth.uid() AS uid)));

ALTER TABLE public.email_templates ENABLE ROW LEVEL SECURITY;

CREATE POLICY email_templates_admin ON public.email_templates TO authenticated USING (( SELECT platform.is_admin() AS is_admin)) WITH CHECK (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;

CREATE POLICY orders_admin ON public.orders TO authenticated USING (( SELECT platform.is_admin() AS is_admin)) WITH CHECK (( SELECT platform.is_admin() AS is_admin));

CREATE POLICY orders_own_insert ON public.orders FOR INSERT TO authenticated WITH CHECK ((user_id = ( SELECT auth.uid() AS uid)));

CREATE POLICY orders_own_select ON public.orders FOR SELECT TO authenticated USING ((user_id = ( SELECT auth.uid() AS uid)));

ALTER TABLE public.outbox ENABLE ROW LEVEL SECURITY;

CREATE POLICY outbox_admin ON public.outbox FOR SELECT TO authenticated USING (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.payment_attempts ENABLE ROW LEVEL SECURITY;

CREATE POLICY payment_attempts_admin ON public.payment_attempts FOR SELECT TO authenticated USING (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.payment_checks ENABLE ROW LEVEL SECURITY;

CREATE POLICY payment_checks_admin ON public.payment_checks FOR SELECT TO authenticated USING (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.payment_events ENABLE ROW LEVEL SECURITY;

CREATE POLICY payment_events_admin ON public.payment_events FOR SELECT TO authenticated USING (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.payment_transactions ENABLE ROW LEVEL SECURITY;

CREATE POLICY payment_transactions_admin ON public.payment_transactions TO authenticated USING (( SELECT platform.is_admin() AS is_admin)) WITH CHECK (( SELECT platform.is_admin() AS is_admin));

CREATE POLICY payment_transactions_own_select ON public.payment_transactions FOR SELECT TO authenticated USING ((user_id = ( SELECT auth.uid() AS uid)));

ALTER TABLE public.payments ENABLE ROW LEVEL SECURITY;

CREATE POLICY payments_admin ON public.payments FOR SELECT TO authenticated USING (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.prices ENABLE ROW LEVEL SECURITY;

CREATE POLICY prices_admin ON public.prices TO authenticated USING (( SELECT platform.is_admin() AS is_admin)) WITH CHECK (( SELECT platform.is_admin() AS is_admin));

CREATE POLICY prices_public ON public.prices FOR SELECT TO anon, authenticated USING (is_active);

ALTER TABLE public.reconciliation_differences ENABLE ROW LEVEL SECURITY;

CREATE POLICY reconciliation_differences_admin ON public.reconciliation_differences FOR SELECT TO authenticated USING (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.reconciliation_runs ENABLE ROW LEVEL SECURITY;

CREATE POLICY reconciliation_runs_admin ON public.reconciliation_runs FOR SELECT TO authenticated USING (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.reviews ENABLE ROW LEVEL SECURITY;

CREATE POLICY reviews_admin ON public.reviews TO authenticated USING (( SELECT platform.is_admin() AS is_admin)) WITH CHECK (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.schedules ENABLE ROW LEVEL SECURITY;

CREATE POLICY schedules_admin ON public.schedules FOR SELECT TO authenticated USING (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.shop_settings ENABLE ROW LEVEL SECURITY;

CREATE POLICY shop_settings_admin ON public.shop_settings TO authenticated USING (( SELECT platform.is_admin() AS is_admin)) WITH CHECK (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.stock_alerts ENABLE ROW LEVEL SECURITY;

CREATE POLICY stock_alerts_admin ON public.stock_alerts TO authenticated USING (( SELECT platform.is_admin() AS is_admin)) WITH CHECK (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.stock_levels ENABLE ROW LEVEL SECURITY;

CREATE POLICY stock_levels_admin ON public.stock_levels TO authenticated USING (( SELECT platform.is_admin() AS is_admin)) WITH CHECK (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.trading_rules ENABLE ROW LEVEL SECURITY;

CREATE POLICY trading_rules_admin ON public.trading_rules TO authenticated USING (( SELECT platform.is_admin() AS is_admin)) WITH CHECK (( SELECT platform.is_admin() AS is_admin));

CREATE POLICY trading_rules_public ON public.trading_rules FOR SELECT TO anon, authenticated USING (true);

ALTER TABLE public.user_profiles ENABLE ROW LEVEL SECURITY;

CREATE POLICY user_profiles_admin ON public.user_profiles TO authenticated USING (( SELECT platform.is_admin() AS is_admin)) WITH CHECK (( SELECT platform.is_admin() AS is_admin));

CREATE POLICY user_profiles_own_select ON public.user_profiles FOR SELECT TO authenticated USING ((id = ( SELECT auth.uid() AS uid)));

CREATE POLICY user_profiles_own_update ON public.user_profiles FOR UPDATE TO authenticated USING ((id = ( SELECT auth.uid() AS uid))) WITH CHECK ((id = ( SELECT auth.uid() AS uid)));

ALTER TABLE public.waiting_deliveries ENABLE ROW LEVEL SECURITY;

CREATE POLICY waiting_deliveries_admin ON public.waiting_deliveries FOR SELECT TO authenticated USING (( SELECT platform.is_admin() AS is_admin));

ALTER TABLE public.webhook_debug_calls ENABLE ROW LEVEL SECURITY;

CREATE POLICY webhook_debug_calls_admin ON public.webhook_debug_calls FOR SELECT TO authenticated USING (( SELECT platform.is_admin() AS is_admin));

GRANT USAGE ON SCHEMA auth TO anon;
GRANT USAGE ON SCHEMA auth TO authenticated;
GRANT USAGE ON SCHEMA auth TO service_role;

GRANT USAGE ON SCHEMA backend TO ffx_function;

GRANT USAGE ON SCHEMA platform TO ffx_function;
GRANT USAGE ON SCHEMA platform TO anon;
GRANT USAGE ON SCHEMA platform TO authenticated;
GRANT USAGE ON SCHEMA platform TO service_role;

GRANT USAGE ON SCHEMA public TO anon;
GRANT USAGE ON SCHEMA public TO authenticated;
GRANT USAGE ON SCHEMA public TO service_role;

REVOKE ALL ON FUNCTION auth.email() FROM PUBLIC;
GRANT ALL ON FUNCTION auth.email() TO anon;
GRANT ALL ON FUNCTION auth.email() TO authenticated;
GRANT ALL ON FUNCTION auth.email() TO service_role;

REVOKE ALL ON FUNCTION auth.jwt() FROM PUBLIC;
GRANT ALL ON FUNCTION auth.jwt() TO anon;
GRANT ALL ON FUNCTION auth.jwt() TO authenticated;
GRANT ALL ON FUNCTION auth.jwt() TO service_role;

REVOKE ALL ON FUNCTION auth.role() FROM PUBLIC;
GRANT ALL ON FUNCTION auth.role() TO anon;
GRANT ALL ON FUNCTION auth.role() TO authenticated;
GRANT ALL ON FUNCTION auth.role() TO service_role;

REVOKE ALL ON FUNCTION auth.uid() FROM PUBLIC;
GRANT ALL ON FUNCTION auth.uid() TO anon;
GRANT ALL ON FUNCTION auth.uid() TO authenticated;
GRANT ALL ON FUNCTION auth.uid() TO service_role;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.orders TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.orders TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.orders TO service_role;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.reviews TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.reviews TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.reviews TO service_role;

REVOKE ALL ON FUNCTION backend.accept_order(p_order public.orders, p_review public.reviews) FROM PUBLIC;

GRANT SELECT ON TABLE public.payment_events TO authenticated;
GRANT SELECT ON TABLE public.payment_events TO service_role;

REVOKE ALL ON FUNCTION backend.apply_stored_event(p_event public.payment_events) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.as_paid(p_order public.orders, p_payment_id text, p_crypto_currency text, p_crypto_amount numeric, p_crypto_address text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.attach_invoice(p_attempt_id uuid, p_invoice_id text, p_invoice_url text) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.attach_invoice(p_attempt_id uuid, p_invoice_id text, p_invoice_url text) TO fn_create_crypto_payment;

REVOKE ALL ON FUNCTION backend.attach_payment(p_attempt_id uuid, p_payment_id text, p_status text, p_pay_address text, p_payin_extra_id text, p_pay_amount numeric, p_pay_currency text, p_crypto_currency text, p_price_amount numeric, p_price_currency text, p_purchase_id text, p_time_limit text, p_expires_at text, p_valid_until text, p_raw text) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.attach_payment(p_attempt_id uuid, p_payment_id text, p_status text, p_pay_address text, p_payin_extra_id text, p_pay_amount numeric, p_pay_currency text, p_crypto_currency text, p_price_amount numeric, p_price_currency text, p_purchase_id text, p_time_limit text, p_expires_at text, p_valid_until text, p_raw text) TO fn_create_crypto_payment;

REVOKE ALL ON FUNCTION backend.begin_payment(p_user_id uuid, p_body_user_id uuid, p_order_id text, p_account_type text, p_account_size numeric, p_platform_type text, p_crypto_currency text, p_pay_currency text, p_amount numeric, p_final_amount numeric) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.begin_payment(p_user_id uuid, p_body_user_id uuid, p_order_id text, p_account_type text, p_account_size numeric, p_platform_type text, p_crypto_currency text, p_pay_currency text, p_amount numeric, p_final_amount numeric) TO fn_create_crypto_payment;

GRANT SELECT ON TABLE public.payments TO authenticated;
GRANT SELECT ON TABLE public.payments TO service_role;

REVOKE ALL ON FUNCTION backend.book_payment(p_order public.orders, p_payment public.payments, p_status text, p_review text, p_actually_paid numeric, p_pay_amount numeric, p_price_amount numeric, p_price_currency text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.book_refund(p_order public.orders, p_payment public.payments, p_effect text, p_part numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.booked_amount(p_order_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.books_differences(p_since timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.cancel_order(p_order public.orders) FROM PUBLIC;

GRANT SELECT ON TABLE public.reconciliation_runs TO authenticated;
GRANT SELECT ON TABLE public.reconciliation_runs TO service_role;

REVOKE ALL ON FUNCTION backend.changed_payments(p_run public.reconciliation_runs) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.check_due_at(p_payment public.payments, p_settled boolean, p_after interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.check_stock() FROM PUBLIC;
GRANT ALL ON FUNCTION backend.check_stock() TO fn_deliver_waiting;

REVOKE ALL ON FUNCTION backend.claim_next_event() FROM PUBLIC;
GRANT ALL ON FUNCTION backend.claim_next_event() TO fn_process_events;

REVOKE ALL ON FUNCTION backend.claim_reconciliation() FROM PUBLIC;
GRANT ALL ON FUNCTION backend.claim_reconciliation() TO fn_reconcile;

REVOKE ALL ON FUNCTION backend.claim_waiting() FROM PUBLIC;
GRANT ALL ON FUNCTION backend.claim_waiting() TO fn_deliver_waiting;

REVOKE ALL ON FUNCTION backend.commit_later() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.compare_figures(p_payment public.payments, p_theirs jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.compare_payment(p_run_id bigint, p_payment_id text, p_event_outcome text, p_was_missing boolean, p_raw text) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.compare_payment(p_run_id bigint, p_payment_id text, p_event_outcome text, p_was_missing boolean, p_raw text) TO fn_reconcile;

REVOKE ALL ON FUNCTION backend.count_instead(p_order public.orders, p_payment_id text, p_former_id text, p_status text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.count_payment(p_order public.orders, p_payment_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.credentials_by_key() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.decide_review(p_review public.reviews, p_action text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.delete_mails() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.deliver_or_queue(p_order public.orders) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.deliver_waiting(p_order_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.deliver_waiting(p_order_id text) TO fn_deliver_waiting;

REVOKE ALL ON FUNCTION backend.delivery_answer(p_order_id text, p_error text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.delivery_checks(p_order public.orders) FROM PUBLIC;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.delivered_accounts TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.delivered_accounts TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.delivered_accounts TO service_role;

REVOKE ALL ON FUNCTION backend.delivery_evidence(p_delivery public.delivered_accounts) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.event_dead(p_id text, p_error text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.event_evidence(p_event jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.event_failed(p_event public.payment_events, p_error text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.event_revived(p_payment_id text, p_event_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.event_status(p_status text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.expect_check() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.fail_payment_attempt(p_attempt_id uuid, p_reason text, p_detail text) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.fail_payment_attempt(p_attempt_id uuid, p_reason text, p_detail text) TO fn_create_crypto_payment;

REVOKE ALL ON FUNCTION backend.finish_reconciliation(p_run_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.finish_reconciliation(p_run_id bigint) TO fn_reconcile;

REVOKE ALL ON FUNCTION backend.follow_standing() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.hand_out(p_order public.orders) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.has_account(p_order public.orders) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.has_live_payment(p_order_id text, p_except_payment_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.heal_books(p_run_id bigint, p_kind text, p_order_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.history_entries(p_order_ids text[], p_payment_ids text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.history_payments(p_key text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.is_held(p_order_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.keep_mail_words() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.leave_queue() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.lock_for_events(p_order_ids text[], p_statuses text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.lock_for_events(p_order_ids text[], p_statuses text[]) TO fn_payment_webhook;

REVOKE ALL ON FUNCTION backend.lock_order_of_attempt(p_attempt_id uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.log_webhook_call(p_request_id text, p_method text, p_query text, p_headers text, p_body text, p_remote_addr text) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.log_webhook_call(p_request_id text, p_method text, p_query text, p_headers text, p_body text, p_remote_addr text) TO fn_webhook_debug;

REVOKE ALL ON FUNCTION backend.mail_administrators(p_kind text, p_cause text, p_order_id text, p_variables jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.mail_customer(p_kind text, p_cause text, p_order public.orders) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.mail_delivery() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.mail_payment() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.mail_review() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.mail_stock_alert() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.next_received_event() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.note_delivery_mail() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.note_difference(p_run_id bigint, p_scope text, p_kind text, p_aspect text, p_payment_id text, p_order_id text, p_user_id uuid, p_ours text, p_theirs text, p_explanation text, p_healed text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.note_refund(p_order public.orders, p_review public.reviews) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.open_review(p_kind text, p_order_id text, p_payment_id text, p_detail jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.order_credit(p_order public.orders, p_payment public.payments) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.order_description(p_order public.orders) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.order_of_payment(p_payment_id text, p_parent_payment_id text, p_invoice_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.order_states(p_order_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.order_words(p_order public.orders, p_first_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.pass_over(p_run public.reconciliation_runs) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.pause_reconciliation(p_run_id bigint, p_payment_id text, p_problem text) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.pause_reconciliation(p_run_id bigint, p_payment_id text, p_problem text) TO fn_reconcile;

REVOKE ALL ON FUNCTION backend.payment_history(p_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.payment_history(p_key text) TO fn_payment_history;

REVOKE ALL ON FUNCTION backend.payment_problem(p_status text, p_order public.orders, p_payment public.payments, p_actually_paid numeric, p_pay_amount numeric, p_price_amount numeric, p_price_currency text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.payment_status(p_user_id uuid, p_order_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.payment_status(p_user_id uuid, p_order_id text) TO fn_check_payment_status;

REVOKE ALL ON FUNCTION backend.payment_status_rank(p_status text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.payment_that_pays(p_order public.orders, p_except_payment_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.payments_to_check(p_limit integer, p_after_s integer) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.payments_to_check(p_limit integer, p_after_s integer) TO fn_reconcile;

REVOKE ALL ON FUNCTION backend.payments_to_compare(p_run_id bigint, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.payments_to_compare(p_run_id bigint, p_limit integer) TO fn_reconcile;

GRANT SELECT ON TABLE public.outbox TO authenticated;
GRANT SELECT ON TABLE public.outbox TO service_role;

REVOKE ALL ON FUNCTION backend.prepare_delivery_mail(p_mail public.outbox) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.process_event(p_id bigint, p_attempt integer) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.process_event(p_id bigint, p_attempt integer) TO fn_process_events;

REVOKE ALL ON FUNCTION backend.profile_standing() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.record_event_without_order(p_event backend.payment_event, p_status text, p_actually_paid numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.record_payment_check(p_payment_id text, p_result text, p_detail text) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.record_payment_check(p_payment_id text, p_result text, p_detail text) TO fn_reconcile;

REVOKE ALL ON FUNCTION backend.record_payment_event(p_event backend.payment_event) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.record_payment_event(p_event backend.payment_event) TO fn_payment_webhook;
GRANT ALL ON FUNCTION backend.record_payment_event(p_event backend.payment_event) TO fn_check_payment_status;
GRANT ALL ON FUNCTION backend.record_payment_event(p_event backend.payment_event) TO fn_reconcile;

REVOKE ALL ON FUNCTION backend.refund_effect(p_order public.orders, p_payment public.payments) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.related_rows(p_table text, p_order_ids text[], p_payment_ids text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.replay_mails(p_ids uuid[], p_all_dead boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.request_reconciliation(p_since timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON PROCEDURE backend.reseal_credentials(IN p_batch integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.reseal_some(p_table text, p_after uuid, p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.resolve_reviews(p_order_id text, p_kinds text[], p_note text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.retry_event(p_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.reveal(p_account_id uuid, p_column text, p_value text, p_reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.review_is_surplus(p_kind text, p_order public.orders) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.seal_credentials() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.set_aside(p_order public.orders, p_reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.settle_attempts(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.settle_attempts(p_limit integer) TO fn_reconcile;

REVOKE ALL ON FUNCTION backend.shop_currency(p_pay_currency text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.stock_kinds() FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.stock_left(p_account_size numeric, p_platform_type text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.stock_now(p_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.store_payment_event(p_event backend.payment_event, p_error text) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.store_payment_event(p_event backend.payment_event, p_error text) TO fn_payment_webhook;

REVOKE ALL ON FUNCTION backend.suspend_account(p_order_id text) FROM PUBLIC;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.account_container TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.account_container TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.account_container TO service_role;

REVOKE ALL ON FUNCTION backend.take_account(p_account_size numeric, p_platform_type text, p_order_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.test_delivery(p_order_id text, p_deliver boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.test_delivery(p_order_id text, p_deliver boolean) TO fn_test_delivery;

REVOKE ALL ON FUNCTION backend.try_delivery(p_order public.orders) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.uncount_others(p_order_id text, p_payment_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.unknown_payments(p_run_id bigint, p_page integer, p_ids text) FROM PUBLIC;
GRANT ALL ON FUNCTION backend.unknown_payments(p_run_id bigint, p_page integer, p_ids text) TO fn_reconcile;

REVOKE ALL ON FUNCTION backend.waits_for_stock(p_order public.orders) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.was_decided(p_order_id text, p_payment_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION backend.with_credentials(p_delivery jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.audit_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.audit_table(p_table regclass, p_key text, p_own boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.await_standby() FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.caller_ip() FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.caller_name() FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.caller_role() FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.claim_schedule(p_name text, p_every_ms integer) FROM PUBLIC;
GRANT ALL ON FUNCTION platform.claim_schedule(p_name text, p_every_ms integer) TO ffx_function;

REVOKE ALL ON FUNCTION platform.cluster_do(p_sql text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.cut_bytes(p_text text, p_bytes integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.forget_mail_words(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION platform.forget_mail_words(p_limit integer) TO fn_send_outbox;

REVOKE ALL ON FUNCTION platform.has_seal_keys() FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.health() FROM PUBLIC;
GRANT ALL ON FUNCTION platform.health() TO fn_health;

REVOKE ALL ON FUNCTION platform.is_admin() FROM PUBLIC;
GRANT ALL ON FUNCTION platform.is_admin() TO anon;
GRANT ALL ON FUNCTION platform.is_admin() TO authenticated;
GRANT ALL ON FUNCTION platform.is_admin() TO service_role;

REVOKE ALL ON FUNCTION platform.is_sealed(p_value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.iso_utc(p_time timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.job_back_off(p_kind text, p_tries integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.job_begin(p_kind text, p_key text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.job_bury(p_kind text, p_key text, p_error text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.job_claim(p_kind text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.job_done(p_kind text, p_key text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.job_failed(p_kind text, p_key text, p_try integer, p_error text, p_final boolean, p_pause interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.job_may_begin(p_kind text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.job_next(p_kind text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.job_put(p_kind text, p_key text, p_due_at timestamp with time zone, p_tries integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.job_put_off(p_kind text, p_key text, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.job_replay(p_kind text, p_key text, p_due_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.jobs_pause(p_kind text, p_paused boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.jobs_replay(p_kind text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.mail_dead(p_id text, p_error text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.mail_prepare(p_mail public.outbox) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.mail_secrets(p_mail public.outbox) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.make_program_role(p_role text, p_settings text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.make_role(p_role text, p_attributes text, p_groups text[], p_settings text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.mask_secrets(p_row jsonb, p_other jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.outbox_claim(p_count integer, p_domain text, p_dashboard_url text) FROM PUBLIC;
GRANT ALL ON FUNCTION platform.outbox_claim(p_count integer, p_domain text, p_dashboard_url text) TO fn_send_outbox;

REVOKE ALL ON FUNCTION platform.outbox_failed(p_id uuid, p_attempt integer, p_error text, p_final boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION platform.outbox_failed(p_id uuid, p_attempt integer, p_error text, p_final boolean) TO fn_send_outbox;
GRANT ALL ON FUNCTION platform.outbox_failed(p_id uuid, p_attempt integer, p_error text, p_final boolean) TO fn_send_email;

REVOKE ALL ON FUNCTION platform.outbox_message_id(p_mail public.outbox, p_domain text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.outbox_replay(p_ids uuid[], p_all_dead boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.outbox_sent(p_id uuid, p_provider_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION platform.outbox_sent(p_id uuid, p_provider_id text) TO fn_send_outbox;
GRANT ALL ON FUNCTION platform.outbox_sent(p_id uuid, p_provider_id text) TO fn_send_email;

REVOKE ALL ON FUNCTION platform.pick(p_row jsonb, p_keys text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.plain_amount(p_amount numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.read_time(p_text text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.refuse_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.schema() FROM PUBLIC;
GRANT ALL ON FUNCTION platform.schema() TO ffx_function;

REVOKE ALL ON FUNCTION platform.seal(p_plain text, p_row_id uuid, p_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.seal_keys() FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.sealed(p_value text, p_row_id uuid, p_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.send_email(p_user_id uuid, p_to text, p_subject text, p_html text, p_plain text, p_domain text) FROM PUBLIC;
GRANT ALL ON FUNCTION platform.send_email(p_user_id uuid, p_to text, p_subject text, p_html text, p_plain text, p_domain text) TO fn_send_email;

REVOKE ALL ON FUNCTION platform.set_standing(p_user_id uuid, p_standing text, p_reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.show_sealed(p_value text, p_row_id uuid, p_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.standing_of(p_user_id uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.unseal(p_value text, p_row_id uuid, p_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.update_last_updated_column() FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.update_updated_at_column() FROM PUBLIC;

REVOKE ALL ON FUNCTION platform.write_mail(p_kind text, p_cause text, p_recipient text, p_variables jsonb, p_reference text, p_person uuid, p_secrets jsonb, p_id uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.accept_difference(p_id bigint, p_note text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.accept_difference(p_id bigint, p_note text) TO authenticated;
GRANT ALL ON FUNCTION public.accept_difference(p_id bigint, p_note text) TO service_role;

REVOKE ALL ON FUNCTION public.check_order_price() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.deliver_account_to_user(p_order_id text, p_user_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.deliver_account_to_user(p_order_id text, p_user_id uuid) TO authenticated;
GRANT ALL ON FUNCTION public.deliver_account_to_user(p_order_id text, p_user_id uuid) TO service_role;

REVOKE ALL ON FUNCTION public.drop_clear_password() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.generate_order_id() FROM PUBLIC;
GRANT ALL ON FUNCTION public.generate_order_id() TO authenticated;
GRANT ALL ON FUNCTION public.generate_order_id() TO service_role;

REVOKE ALL ON FUNCTION public.get_available_accounts_count() FROM PUBLIC;
GRANT ALL ON FUNCTION public.get_available_accounts_count() TO authenticated;
GRANT ALL ON FUNCTION public.get_available_accounts_count() TO service_role;

REVOKE ALL ON FUNCTION public.guard_new_order() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.guard_user_profile() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.handle_new_user() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.handle_user_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.inventory_report() FROM PUBLIC;
GRANT ALL ON FUNCTION public.inventory_report() TO authenticated;
GRANT ALL ON FUNCTION public.inventory_report() TO service_role;

REVOKE ALL ON FUNCTION public.reconciliation_report() FROM PUBLIC;
GRANT ALL ON FUNCTION public.reconciliation_report() TO authenticated;
GRANT ALL ON FUNCTION public.reconciliation_report() TO service_role;

REVOKE ALL ON FUNCTION public.refuse_recycling() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.replay_outbox(p_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.replay_outbox(p_id uuid) TO authenticated;
GRANT ALL ON FUNCTION public.replay_outbox(p_id uuid) TO service_role;

REVOKE ALL ON FUNCTION public.resolve_review(p_review_id uuid, p_action text, p_note text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.resolve_review(p_review_id uuid, p_action text, p_note text) TO authenticated;
GRANT ALL ON FUNCTION public.resolve_review(p_review_id uuid, p_action text, p_note text) TO service_role;

REVOKE ALL ON FUNCTION public.reveal_credential(p_account_id uuid, p_column text, p_value text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.reveal_credential(p_account_id uuid, p_column text, p_value text) TO authenticated;
GRANT ALL ON FUNCTION public.reveal_credential(p_account_id uuid, p_column text, p_value text) TO service_role;

REVOKE ALL ON FUNCTION public.set_order_id() FROM PUBLIC;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE platform.administrators TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE platform.administrators TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE platform.administrators TO service_role;

GRANT SELECT ON TABLE public.admin_audit_log TO authenticated;
GRANT SELECT ON TABLE public.admin_audit_log TO service_role;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.administrators TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.administrators TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.administrators TO service_role;

GRANT SELECT ON TABLE public.credential_reveals TO authenticated;
GRANT SELECT ON TABLE public.credential_reveals TO service_role;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.crypto_addresses TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.crypto_addresses TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.crypto_addresses TO service_role;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.email_templates TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.email_templates TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.email_templates TO service_role;

GRANT SELECT ON TABLE public.payment_attempts TO authenticated;
GRANT SELECT ON TABLE public.payment_attempts TO service_role;

GRANT SELECT ON TABLE public.payment_checks TO authenticated;
GRANT SELECT ON TABLE public.payment_checks TO service_role;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_transactions TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_transactions TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_transactions TO service_role;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.prices TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.prices TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.prices TO service_role;

GRANT SELECT ON TABLE public.reconciliation_differences TO authenticated;
GRANT SELECT ON TABLE public.reconciliation_differences TO service_role;

GRANT SELECT ON TABLE public.schedules TO authenticated;
GRANT SELECT ON TABLE public.schedules TO service_role;

GRANT SELECT,UPDATE ON TABLE public.shop_settings TO authenticated;
GRANT SELECT,UPDATE ON TABLE public.shop_settings TO service_role;

GRANT SELECT ON TABLE public.stock_alerts TO authenticated;
GRANT SELECT ON TABLE public.stock_alerts TO service_role;

GRANT SELECT ON TABLE public.stock_levels TO authenticated;
GRANT SELECT ON TABLE public.stock_levels TO service_role;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.trading_rules TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.trading_rules TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.trading_rules TO service_role;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.user_profiles TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.user_profiles TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.user_profiles TO service_role;

GRANT SELECT ON TABLE public.waiting_deliveries TO authenticated;
GRANT SELECT ON TABLE public.waiting_deliveries TO service_role;

GRANT SELECT ON TABLE public.webhook_debug_calls TO authenticated;
GRANT SELECT ON TABLE public.webhook_debug_calls TO service_role;

ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT ALL ON SEQUENCES  TO anon;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT ALL ON SEQUENCES  TO authenticated;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT ALL ON SEQUENCES  TO service_role;

ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT ALL ON TABLES  TO anon;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT ALL ON TABLES  TO authenticated;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT ALL ON TABLES  TO service_role;


set session_replication_role = replica;

copy migrations.applied (part,name,sha256) from stdin;
flashfundx	0001_types.sql	caf6e89aaccfda39223a3d83b7c0354a075b49bdd97dbed2dc59c60759e3c5b6
flashfundx	0002_people.sql	4ced343175ecfb5a3138047f1b791428cccf29531c893c0a47b509ddfca52385
flashfundx	0003_catalogue.sql	b3030aa66da276b24e586b791f780eb4b551478dbdbf97abb2bf8647743b0f7e
flashfundx	0004_orders.sql	97b9fc9b3116c504cd571e17260e78f413d55cdbe711d6eaede25a945ede7f10
flashfundx	0005_accounts.sql	49d4814b13851b7332a20feb358014a200258dd45cc618ee5ad231aedc4780e9
flashfundx	0006_payments.sql	5f56f65aae451e7a78f7c6dc980c1fc2533a7d86897aa262e6c93263cc1f5059
flashfundx	0007_mails.sql	6fde5cd5cfb68322319bcc7c32984dde7fd3248be0dc70438f69fa7fe2a4db78
flashfundx	0008_reconciliation.sql	71b5896f668db718587c93eea85b252524cd8489de7900219b116441cd310d3f
flashfundx	0009_policies.sql	3036ff9ca1daf5b256f3861686aac71ce5f9377eb4abde6be4d6edfcfe0cd37a
flashfundx	0010_seed.sql	9c9a5d1e49aea792472cb95621bb088aa7391fde3d4b03b03c640be20bfd9f1c
flashfundx	0011_mail_templates.sql	d893b32c5194ab62bcc20949eaeb507f2ca5a5e182b8c1080f14adbccde25fb8
platform	0001_schemas.sql	a9c378ade0b540a2b7c8774d6fca0fa3f938cbdc7412b5b01ab415bea14546ef
platform	0002_auth.sql	5e68e452f9f05962fc1ccdf4767bec1f9f8bc14c4fab28ec861ec1f122ef291f
platform	0003_operations.sql	6d2cc0f62a92342b089978a6ea5f1b090a3bb462c0592a0de2527cd252f7b5dc
platform	0004_queue.sql	44b58dd1493718e4228ec8c60cfc652e50f03ef7ab9ed7b10e1f74e537d994aa
platform	0005_outbox.sql	3bd0ae0937e10601a25fa99a30e9fb63476e9957324565d94d64356d77150fc8
platform	0006_people.sql	440a786de2bcd94227ccb44462444935176f1772b57722e2bab3ffa155224a63
\.

copy migrations.functions (name,part,unmade_in) from stdin;
auth.email()	platform	\N
auth.jwt()	platform	\N
auth.role()	platform	\N
auth.uid()	platform	\N
backend.accept_order(public.orders,public.reviews)	flashfundx	\N
backend.apply_stored_event(public.payment_events)	flashfundx	\N
backend.as_paid(public.orders,text,text,numeric,text)	flashfundx	\N
backend.attach_invoice(uuid,text,text)	flashfundx	\N
backend.attach_payment(uuid,text,text,text,text,numeric,text,text,numeric,text,text,text,text,text,text)	flashfundx	\N
backend.begin_payment(uuid,uuid,text,text,numeric,text,text,text,numeric,numeric)	flashfundx	\N
backend.book_payment(public.orders,public.payments,text,text,numeric,numeric,numeric,text)	flashfundx	\N
backend.book_refund(public.orders,public.payments,text,numeric)	flashfundx	\N
backend.booked_amount(text)	flashfundx	\N
backend.books_differences(timestamp with time zone)	flashfundx	\N
backend.cancel_order(public.orders)	flashfundx	\N
backend.changed_payments(public.reconciliation_runs)	flashfundx	\N
backend.check_due_at(public.payments,boolean,interval)	flashfundx	\N
backend.check_stock()	flashfundx	\N
backend.claim_next_event()	flashfundx	\N
backend.claim_reconciliation()	flashfundx	\N
backend.claim_waiting()	flashfundx	\N
backend.commit_later()	flashfundx	\N
backend.compare_figures(public.payments,jsonb)	flashfundx	\N
backend.compare_payment(bigint,text,text,boolean,text)	flashfundx	\N
backend.count_instead(public.orders,text,text,text)	flashfundx	\N
backend.count_payment(public.orders,text)	flashfundx	\N
backend.credentials_by_key()	flashfundx	\N
backend.decide_review(public.reviews,text)	flashfundx	\N
backend.delete_mails()	flashfundx	\N
backend.deliver_or_queue(public.orders)	flashfundx	\N
backend.deliver_waiting(text)	flashfundx	\N
backend.delivery_answer(text,text)	flashfundx	\N
backend.delivery_checks(public.orders)	flashfundx	\N
backend.delivery_evidence(public.delivered_accounts)	flashfundx	\N
backend.event_dead(text,text)	flashfundx	\N
backend.event_evidence(jsonb)	flashfundx	\N
backend.event_failed(public.payment_events,text)	flashfundx	\N
backend.event_revived(text,bigint)	flashfundx	\N
backend.event_status(text)	flashfundx	\N
backend.expect_check()	flashfundx	\N
backend.fail_payment_attempt(uuid,text,text)	flashfundx	\N
backend.finish_reconciliation(bigint)	flashfundx	\N
backend.follow_standing()	flashfundx	\N
backend.hand_out(public.orders)	flashfundx	\N
backend.has_account(public.orders)	flashfundx	\N
backend.has_live_payment(text,text)	flashfundx	\N
backend.heal_books(bigint,text,text)	flashfundx	\N
backend.history_entries(text[],text[])	flashfundx	\N
backend.history_payments(text)	flashfundx	\N
backend.is_held(text)	flashfundx	\N
backend.keep_mail_words()	flashfundx	\N
backend.leave_queue()	flashfundx	\N
backend.lock_for_events(text[],text[])	flashfundx	\N
backend.lock_order_of_attempt(uuid)	flashfundx	\N
backend.log_webhook_call(text,text,text,text,text,text)	flashfundx	\N
backend.mail_administrators(text,text,text,jsonb)	flashfundx	\N
backend.mail_customer(text,text,public.orders)	flashfundx	\N
backend.mail_delivery()	flashfundx	\N
backend.mail_payment()	flashfundx	\N
backend.mail_review()	flashfundx	\N
backend.mail_stock_alert()	flashfundx	\N
backend.next_received_event()	flashfundx	\N
backend.note_delivery_mail()	flashfundx	\N
backend.note_difference(bigint,text,text,text,text,text,uuid,text,text,text,text)	flashfundx	\N
backend.note_refund(public.orders,public.reviews)	flashfundx	\N
backend.open_review(text,text,text,jsonb)	flashfundx	\N
backend.order_credit(public.orders,public.payments)	flashfundx	\N
backend.order_description(public.orders)	flashfundx	\N
backend.order_of_payment(text,text,text)	flashfundx	\N
backend.order_states(text)	flashfundx	\N
backend.order_words(public.orders,text)	flashfundx	\N
backend.pass_over(public.reconciliation_runs)	flashfundx	\N
backend.pause_reconciliation(bigint,text,text)	flashfundx	\N
backend.payment_history(text)	flashfundx	\N
backend.payment_problem(text,public.orders,public.payments,numeric,numeric,numeric,text)	flashfundx	\N
backend.payment_status(uuid,text)	flashfundx	\N
backend.payment_status_rank(text)	flashfundx	\N
backend.payment_that_pays(public.orders,text)	flashfundx	\N
backend.payments_to_check(integer,integer)	flashfundx	\N
backend.payments_to_compare(bigint,integer)	flashfundx	\N
backend.prepare_delivery_mail(public.outbox)	flashfundx	\N
backend.process_event(bigint,integer)	flashfundx	\N
backend.profile_standing()	flashfundx	\N
backend.record_event_without_order(backend.payment_event,text,numeric)	flashfundx	\N
backend.record_payment_check(text,text,text)	flashfundx	\N
backend.record_payment_event(backend.payment_event)	flashfundx	\N
backend.refund_effect(public.orders,public.payments)	flashfundx	\N
backend.related_rows(text,text[],text[])	flashfundx	\N
backend.replay_mails(uuid[],boolean)	flashfundx	\N
backend.request_reconciliation(timestamp with time zone)	flashfundx	\N
backend.reseal_credentials(integer)	flashfundx	\N
backend.reseal_some(text,uuid,integer)	flashfundx	\N
backend.resolve_reviews(text,text[],text)	flashfundx	\N
backend.retry_event(bigint)	flashfundx	\N
backend.reveal(uuid,text,text,text)	flashfundx	\N
backend.review_is_surplus(text,public.orders)	flashfundx	\N
backend.seal_credentials()	flashfundx	\N
backend.set_aside(public.orders,text)	flashfundx	\N
backend.settle_attempts(integer)	flashfundx	\N
backend.shop_currency(text)	flashfundx	\N
backend.stock_kinds()	flashfundx	\N
backend.stock_left(numeric,text)	flashfundx	\N
backend.stock_now(integer)	flashfundx	\N
backend.store_payment_event(backend.payment_event,text)	flashfundx	\N
backend.suspend_account(text)	flashfundx	\N
backend.take_account(numeric,text,text)	flashfundx	\N
backend.test_delivery(text,boolean)	flashfundx	\N
backend.try_delivery(public.orders)	flashfundx	\N
backend.uncount_others(text,text)	flashfundx	\N
backend.unknown_payments(bigint,integer,text)	flashfundx	\N
backend.waits_for_stock(public.orders)	flashfundx	\N
backend.was_decided(text,text)	flashfundx	\N
backend.with_credentials(jsonb)	flashfundx	\N
platform.audit_change()	platform	\N
platform.audit_table(regclass,text,boolean)	platform	\N
platform.await_standby()	platform	\N
platform.caller_ip()	platform	\N
platform.caller_name()	platform	\N
platform.caller_role()	platform	\N
platform.claim_schedule(text,integer)	platform	\N
platform.cluster_do(text)	platform	\N
platform.cut_bytes(text,integer)	platform	\N
platform.forget_mail_words(integer)	platform	\N
platform.has_seal_keys()	platform	\N
platform.health()	platform	\N
platform.is_admin()	platform	\N
platform.is_sealed(text)	platform	\N
platform.iso_utc(timestamp with time zone)	platform	\N
platform.job_back_off(text,integer)	platform	\N
platform.job_begin(text,text)	platform	\N
platform.job_bury(text,text,text)	platform	\N
platform.job_claim(text)	platform	\N
platform.job_done(text,text)	platform	\N
platform.job_failed(text,text,integer,text,boolean,interval)	platform	\N
platform.job_may_begin(text)	platform	\N
platform.job_next(text)	platform	\N
platform.job_put(text,text,timestamp with time zone,integer)	platform	\N
platform.job_put_off(text,text,timestamp with time zone)	platform	\N
platform.job_replay(text,text,timestamp with time zone)	platform	\N
platform.jobs_pause(text,boolean)	platform	\N
platform.jobs_replay(text)	platform	\N
platform.mail_dead(text,text)	platform	\N
platform.mail_prepare(public.outbox)	platform	\N
platform.mail_secrets(public.outbox)	platform	\N
platform.make_program_role(text,text[])	platform	\N
platform.make_role(text,text,text[],text[])	platform	\N
platform.mask_secrets(jsonb,jsonb)	platform	\N
platform.outbox_claim(integer,text,text)	platform	\N
platform.outbox_failed(uuid,integer,text,boolean)	platform	\N
platform.outbox_message_id(public.outbox,text)	platform	\N
platform.outbox_replay(uuid[],boolean)	platform	\N
platform.outbox_sent(uuid,text)	platform	\N
platform.pick(jsonb,text[])	platform	\N
platform.plain_amount(numeric)	platform	\N
platform.read_time(text)	platform	\N
platform.refuse_change()	platform	\N
platform.schema()	platform	\N
platform.seal(text,uuid,text)	platform	\N
platform.seal_keys()	platform	\N
platform.sealed(text,uuid,text)	platform	\N
platform.send_email(uuid,text,text,text,text,text)	platform	\N
platform.set_standing(uuid,text,text)	platform	\N
platform.show_sealed(text,uuid,text)	platform	\N
platform.standing_of(uuid)	platform	\N
platform.unseal(text,uuid,text)	platform	\N
platform.update_last_updated_column()	platform	\N
platform.update_updated_at_column()	platform	\N
platform.write_mail(text,text,text,jsonb,text,uuid,jsonb,uuid)	platform	\N
public.accept_difference(bigint,text)	flashfundx	\N
public.check_order_price()	flashfundx	\N
public.deliver_account_to_user(text,uuid)	flashfundx	\N
public.drop_clear_password()	flashfundx	\N
public.generate_order_id()	flashfundx	\N
public.get_available_accounts_count()	flashfundx	\N
public.guard_new_order()	flashfundx	\N
public.guard_user_profile()	flashfundx	\N
public.handle_new_user()	flashfundx	\N
public.handle_user_change()	flashfundx	\N
public.inventory_report()	flashfundx	\N
public.reconciliation_report()	flashfundx	\N
public.refuse_recycling()	flashfundx	\N
public.replay_outbox(uuid)	flashfundx	\N
public.resolve_review(uuid,text,text)	flashfundx	\N
public.reveal_credential(uuid,text,text)	flashfundx	\N
public.set_order_id()	flashfundx	\N
\.

copy migrations.schema (only_row,app,sha256,applied_sha256,release) from stdin;
t	flashfundx	7a530dd0dbcd99859c4acc7c02d261b2db74244eba6d65d8257370d46a224a46	7a530dd0dbcd99859c4acc7c02d261b2db74244eba6d65d8257370d46a224a46	1
\.

copy platform.administrators (email,is_active,notes) from stdin;
admin@flashfundx.com	t	First administrator. Counts once the address is confirmed.
\.

copy platform.job_kinds (kind,tries_max,first_pause,growth,most_pause,lease,concurrency,on_dead,paused) from stdin;
mail	10	00:00:10	3	04:00:00	00:01:00	\N	platform.mail_dead	f
payment_check	\N	00:00:15	2	1 day	00:02:00	\N	\N	f
payment_event	12	00:00:01	2	00:05:00	00:00:30	\N	backend.event_dead	f
reconciliation	\N	00:00:30	1	00:00:30	00:01:00	\N	\N	f
\.

copy platform.mail_kinds (kind,prepare,keep_days) from stdin;
account_delivery	backend.prepare_delivery_mail	\N
direct	\N	90
\.

copy public.crypto_addresses (crypto_name,network,wallet_address,qr_code_url,display_name,is_active,sort_order,notes) from stdin;
BNB	BEP20		\N	BNB	f	4	Enter the shop's wallet address, then activate.
BTC	Bitcoin		\N	Bitcoin	f	6	Enter the shop's wallet address, then activate.
ETH	Ethereum		\N	Ethereum	f	5	Enter the shop's wallet address, then activate.
SOL	Solana		\N	Solana	f	7	Enter the shop's wallet address, then activate.
USDT	BEP20		\N	USDT (BEP20)	f	1	Enter the shop's wallet address, then activate.
USDT	Polygon		\N	USDT (Polygon)	f	3	Enter the shop's wallet address, then activate.
USDT	TRC20		\N	USDT (TRC20)	f	2	Enter the shop's wallet address, then activate.
\.

copy public.email_templates (template_name,template_type,subject,html_content,text_content,variables,is_active) from stdin;
account_breach	account_breach	Your account {{login_id}} has been closed	<h1>A rule of your account was broken</h1>\n<p>Hello {{first_name}},</p>\n<p>your {{account_type}} account {{login_id}} (order {{order_id}}) broke this rule:\n{{breach_reason}}. It has been closed for trading on {{breach_date}}.</p>\n<p>The figures are shown in your <a href="{{dashboard_url}}">dashboard</a>; reply to this mail if\nyou think this is a mistake.</p>\n<p>The FlashFundX team</p>\n	Hello {{first_name}},\n\nyour {{account_type}} account {{login_id}} (order {{order_id}}) broke this rule:\n{{breach_reason}}. It has been closed for trading on {{breach_date}}.\n\nThe figures are shown in your dashboard; reply to this mail if you think this is a mistake:\n{{dashboard_url}}\n\nThe FlashFundX team\n	["first_name", "account_type", "login_id", "order_id", "breach_reason", "breach_date", "dashboard_url"]	t
account_delivery	account_delivery	Your FlashFundX {{account_type}} account is ready	<h1>Your account is ready</h1>\n<p>Hello {{first_name}},</p>\n<p>thank you for your order {{order_id}}. Your {{account_type}} account of ${{account_size}} on\n{{platform_type}} is ready to trade.</p>\n<table>\n  <tr><th align="left">Server</th><td>{{server_name}}</td></tr>\n  <tr><th align="left">Login</th><td>{{login_id}}</td></tr>\n  <tr><th align="left">Password</th><td>{{password}}</td></tr>\n  <tr><th align="left">Investor password</th><td>{{investor_password}}</td></tr>\n</table>\n<p>Keep these details to yourself. The rules of your account are shown in your\n<a href="{{dashboard_url}}">dashboard</a>.</p>\n<p>The FlashFundX team</p>\n	Hello {{first_name}},\n\nthank you for your order {{order_id}}. Your {{account_type}} account of ${{account_size}} on\n{{platform_type}} is ready to trade.\n\nServer:            {{server_name}}\nLogin:             {{login_id}}\nPassword:          {{password}}\nInvestor password: {{investor_password}}\n\nKeep these details to yourself. The rules of your account are shown in your dashboard:\n{{dashboard_url}}\n\nThe FlashFundX team\n	["first_name", "order_id", "account_type", "account_size", "platform_type", "server_name", "login_id", "password", "investor_password", "dashboard_url"]	t
payment_failed	payment_failed	Your payment for order {{order_id}} did not succeed	<h1>Your payment did not succeed</h1>\n<p>Hello {{first_name}},</p>\n<p>the payment of {{amount}} {{currency}} for order {{order_id}} ({{account_type}},\n${{account_size}}, {{platform_type}}) failed or was not made in time. If you have sent money\nalready, it is not lost: reply to this mail with the order number.</p>\n<p>You can order again in your <a href="{{dashboard_url}}">dashboard</a>.</p>\n<p>The FlashFundX team</p>\n	Hello {{first_name}},\n\nthe payment of {{amount}} {{currency}} for order {{order_id}} ({{account_type}},\n${{account_size}}, {{platform_type}}) failed or was not made in time. If you have sent money\nalready, it is not lost: reply to this mail with the order number.\n\nYou can order again in your dashboard:\n{{dashboard_url}}\n\nThe FlashFundX team\n	["first_name", "order_id", "account_type", "account_size", "platform_type", "amount", "currency", "dashboard_url"]	t
payment_received	payment_received	Payment received for order {{order_id}}	<h1>Thank you, your payment has arrived</h1>\n<p>Hello {{first_name}},</p>\n<p>we received your payment of {{amount}} {{currency}} for order {{order_id}}: {{account_type}},\n${{account_size}}, {{platform_type}}. Your account comes in a mail of its own as soon as it is\nassigned; you also find it in your <a href="{{dashboard_url}}">dashboard</a>.</p>\n<p>The FlashFundX team</p>\n	Hello {{first_name}},\n\nwe received your payment of {{amount}} {{currency}} for order {{order_id}}: {{account_type}},\n${{account_size}}, {{platform_type}}. Your account comes in a mail of its own as soon as it is\nassigned; you also find it in your dashboard:\n{{dashboard_url}}\n\nThe FlashFundX team\n	["first_name", "order_id", "account_type", "account_size", "platform_type", "amount", "currency", "dashboard_url"]	t
phase_completion	phase_completion	You passed {{phase_name}}	<h1>Congratulations</h1>\n<p>Hello {{first_name}},</p>\n<p>you passed {{phase_name}} with your {{account_type}} account {{login_id}} (order\n{{order_id}}). Your next phase is {{next_phase}}; its targets are shown in your\n<a href="{{dashboard_url}}">dashboard</a>.</p>\n<p>The FlashFundX team</p>\n	Hello {{first_name}},\n\nyou passed {{phase_name}} with your {{account_type}} account {{login_id}} (order {{order_id}}).\nYour next phase is {{next_phase}}; its targets are shown in your dashboard:\n{{dashboard_url}}\n\nThe FlashFundX team\n	["first_name", "phase_name", "next_phase", "account_type", "login_id", "order_id", "dashboard_url"]	t
review_needed	review_needed	Review needed: {{review_kind}} {{order_id}}	<h1>A payment needs a decision</h1>\n<p>Reason: {{review_kind}}</p>\n<p>Order: {{order_id}}<br>Payment: {{payment_id}}</p>\n<p>The evidence is in the list of reviews.</p>\n	A payment needs a decision.\n\nReason:  {{review_kind}}\nOrder:   {{order_id}}\nPayment: {{payment_id}}\n\nThe evidence is in the list of reviews.\n	["review_kind", "order_id", "payment_id"]	t
stock_alert	stock_alert	Stock {{stock_level}}: ${{account_size}} {{platform_type}}	<h1>Stock {{stock_level}}</h1>\n<p>Accounts of ${{account_size}} on {{platform_type}}: {{available}} available, {{waiting}} paid\norders waiting.</p>\n<p>Whoever waits is served by itself as soon as accounts are added.</p>\n	Stock {{stock_level}}.\n\nAccounts of ${{account_size}} on {{platform_type}}: {{available}} available, {{waiting}} paid\norders waiting.\n\nWhoever waits is served by itself as soon as accounts are added.\n	["stock_level", "account_size", "platform_type", "available", "waiting"]	t
welcome	welcome	Welcome to FlashFundX, {{first_name}}	<h1>Welcome to FlashFundX</h1>\n<p>Hello {{first_name}},</p>\n<p>your registration is complete. Choose an account type and size in your\n<a href="{{dashboard_url}}">dashboard</a>; as soon as your payment is confirmed, the account is\ndelivered by itself.</p>\n<p>The FlashFundX team</p>\n	Hello {{first_name}},\n\nyour registration is complete. Choose an account type and size in your dashboard; as soon as your\npayment is confirmed, the account is delivered by itself:\n{{dashboard_url}}\n\nThe FlashFundX team\n	["first_name", "dashboard_url"]	t
\.

copy public.prices (account_type,account_size,price,is_active) from stdin;
hft	1000.00	149.00	t
hft	10000.00	349.00	t
hft	100000.00	1499.00	t
hft	200000.00	2499.00	t
hft	25000.00	599.00	t
hft	3000.00	199.00	t
hft	5000.00	249.00	t
hft	50000.00	899.00	t
hft	500000.00	5999.00	t
instant	1000.00	89.00	t
instant	10000.00	289.00	t
instant	100000.00	1289.00	t
instant	200000.00	2189.00	t
instant	25000.00	489.00	t
instant	3000.00	139.00	t
instant	5000.00	189.00	t
instant	50000.00	789.00	t
instant	500000.00	4989.00	t
one_step	1000.00	49.00	t
one_step	10000.00	149.00	t
one_step	100000.00	649.00	t
one_step	200000.00	1099.00	t
one_step	25000.00	249.00	t
one_step	3000.00	69.00	t
one_step	5000.00	99.00	t
one_step	50000.00	399.00	t
one_step	500000.00	2499.00	t
two_step	1000.00	0.50	t
two_step	10000.00	119.00	t
two_step	100000.00	519.00	t
two_step	200000.00	879.00	t
two_step	25000.00	199.00	t
two_step	3000.00	59.00	t
two_step	5000.00	79.00	t
two_step	50000.00	319.00	t
two_step	500000.00	1999.00	t
\.

copy public.shop_settings (name,value,notes) from stdin;
mail_words_days	90	the words of mails by send-email are kept for so many days
stock_low_below	5	fewer available accounts of a size and platform are an alert
\.

copy public.trading_rules (account_type,account_size,challenge_profit_target,challenge_max_daily_loss,challenge_max_total_loss,challenge_min_trading_days,phase_1_profit_target,phase_1_max_daily_loss,phase_1_max_total_loss,phase_1_min_trading_days,phase_2_profit_target,phase_2_max_daily_loss,phase_2_max_total_loss,phase_2_min_trading_days,live_max_daily_loss,live_max_total_loss,profit_share_percentage) from stdin;
hft	1000.00	80.00	40.00	80.00	1	\N	\N	\N	\N	\N	\N	\N	\N	50.00	100.00	80
hft	10000.00	800.00	300.00	600.00	5	\N	\N	\N	\N	\N	\N	\N	\N	300.00	600.00	85
hft	100000.00	8000.00	3000.00	6000.00	5	\N	\N	\N	\N	\N	\N	\N	\N	3000.00	6000.00	85
hft	200000.00	16000.00	6000.00	12000.00	5	\N	\N	\N	\N	\N	\N	\N	\N	6000.00	12000.00	85
hft	25000.00	2000.00	750.00	1500.00	5	\N	\N	\N	\N	\N	\N	\N	\N	750.00	1500.00	85
hft	3000.00	240.00	90.00	180.00	5	\N	\N	\N	\N	\N	\N	\N	\N	90.00	180.00	85
hft	5000.00	400.00	150.00	300.00	5	\N	\N	\N	\N	\N	\N	\N	\N	150.00	300.00	85
hft	50000.00	4000.00	1500.00	3000.00	5	\N	\N	\N	\N	\N	\N	\N	\N	1500.00	3000.00	85
hft	500000.00	40000.00	15000.00	30000.00	5	\N	\N	\N	\N	\N	\N	\N	\N	15000.00	30000.00	85
instant	1000.00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	50.00	100.00	80
instant	10000.00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	500.00	1000.00	80
instant	100000.00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	5000.00	10000.00	80
instant	200000.00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	10000.00	20000.00	80
instant	25000.00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	1250.00	2500.00	80
instant	3000.00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	150.00	300.00	80
instant	5000.00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	250.00	500.00	80
instant	50000.00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	2500.00	5000.00	80
instant	500000.00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	25000.00	50000.00	80
one_step	1000.00	100.00	50.00	100.00	4	\N	\N	\N	\N	\N	\N	\N	\N	50.00	100.00	80
one_step	10000.00	800.00	500.00	1000.00	5	\N	\N	\N	\N	\N	\N	\N	\N	500.00	1000.00	80
one_step	100000.00	8000.00	5000.00	10000.00	5	\N	\N	\N	\N	\N	\N	\N	\N	5000.00	10000.00	80
one_step	200000.00	16000.00	10000.00	20000.00	5	\N	\N	\N	\N	\N	\N	\N	\N	10000.00	20000.00	80
one_step	25000.00	2000.00	1250.00	2500.00	5	\N	\N	\N	\N	\N	\N	\N	\N	1250.00	2500.00	80
one_step	3000.00	240.00	150.00	300.00	5	\N	\N	\N	\N	\N	\N	\N	\N	150.00	300.00	80
one_step	5000.00	400.00	250.00	500.00	5	\N	\N	\N	\N	\N	\N	\N	\N	250.00	500.00	80
one_step	50000.00	4000.00	2500.00	5000.00	5	\N	\N	\N	\N	\N	\N	\N	\N	2500.00	5000.00	80
one_step	500000.00	40000.00	25000.00	50000.00	5	\N	\N	\N	\N	\N	\N	\N	\N	25000.00	50000.00	80
two_step	1000.00	\N	\N	\N	\N	80.00	50.00	100.00	4	50.00	50.00	100.00	4	50.00	100.00	80
two_step	10000.00	\N	\N	\N	\N	800.00	500.00	1000.00	4	500.00	500.00	1000.00	4	500.00	1000.00	80
two_step	100000.00	\N	\N	\N	\N	8000.00	5000.00	10000.00	4	5000.00	5000.00	10000.00	4	5000.00	10000.00	80
two_step	200000.00	\N	\N	\N	\N	16000.00	10000.00	20000.00	4	10000.00	10000.00	20000.00	4	10000.00	20000.00	80
two_step	25000.00	\N	\N	\N	\N	2000.00	1250.00	2500.00	4	1250.00	1250.00	2500.00	4	1250.00	2500.00	80
two_step	3000.00	\N	\N	\N	\N	240.00	150.00	300.00	4	150.00	150.00	300.00	4	150.00	300.00	80
two_step	5000.00	\N	\N	\N	\N	400.00	250.00	500.00	4	250.00	250.00	500.00	4	250.00	500.00	80
two_step	50000.00	\N	\N	\N	\N	4000.00	2500.00	5000.00	4	2500.00	2500.00	5000.00	4	2500.00	5000.00	80
two_step	500000.00	\N	\N	\N	\N	40000.00	25000.00	50000.00	4	25000.00	25000.00	50000.00	4	25000.00	50000.00	80
\.

set session_replication_role = origin;
