-- Opening a payment: claim, then the provider is called, then attach (or fail). No transaction is
-- open while the provider is called; a claim is a lease of 40 seconds on the order.

create or replace function backend.shop_currency(p_pay_currency text)
returns text
language sql immutable
as $$
    -- The provider's own code first, then what it or others call the same coin.
    select case lower(p_pay_currency)
        when 'usdtbsc' then 'usdt_bsc'
        when 'usdtbep20' then 'usdt_bsc'
        when 'usdtmatic' then 'usdt_polygon'
        when 'usdtpol' then 'usdt_polygon'
        when 'usdtpolygon' then 'usdt_polygon'
        when 'usdttrc20' then 'usdt_trc20'
        when 'usdttrx' then 'usdt_trc20'
        when 'bnbbsc' then 'bnb'
        when 'bnbbep20' then 'bnb'
        else lower(p_pay_currency)
    end
$$;
comment on function backend.shop_currency(text) is
    'The front end''s code of a provider''s currency; other currencies keep the provider''s code.';

create or replace function backend.order_description(p_order public.orders)
returns text
language sql stable
as $$
    select format('FlashFundX %s - $%sK %s',
        case p_order.account_type
            when 'instant' then 'Instant Account'
            when 'hft' then 'HFT Account'
            when 'one_step' then '1-Step Challenge'
            when 'two_step' then '2-Step Challenge'
        end,
        trim_scale(p_order.account_size / 1000),
        upper(p_order.platform_type))
$$;
comment on function backend.order_description(public.orders) is 'What the invoice says is sold.';

create or replace function backend.commit_later()
returns void
language plpgsql
as $$
begin
    -- The claim and the invoice are shown to nobody before the payment is attached, whose durable
    -- commit makes everything before it durable too. If the server crashes first, the claim is
    -- lost, what was made for it is never shown, and the next request makes another.
    perform set_config('synchronous_commit', 'off', true);
end
$$;
comment on function backend.commit_later() is
    'This transaction''s commit waits neither for the disk nor for a standby.';

create or replace function backend.begin_payment(
    p_user_id         uuid,
    p_body_user_id    uuid,
    p_order_id        text,
    p_account_type    text,
    p_account_size    numeric,
    p_platform_type   text,
    p_crypto_currency text,
    p_pay_currency    text,
    p_amount          numeric,
    p_final_amount    numeric)
returns table (
    outcome text, attempt_id text, price_amount text, order_description text,
    invoice_id text, invoice_url text, payment_id text, pay_address text, pay_amount text,
    pay_currency text, time_limit text, expires_at text, payin_extra_id text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
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
          -- A browser's sum may be 126.64999999999999: cents are compared.
          (p_account_type, p_account_size, p_platform_type, round(p_amount, 2),
           round(p_final_amount, 2)) then
        outcome := 'mismatch';
    elsif v_order.order_status not in ('pending', 'processing')
          or v_order.payment_status <> 'pending'
          or v_order.delivery_status <> 'pending'
          or v_order.final_amount = 0
          or platform.standing_of(p_user_id) <> 'active' then
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
       and backend.shop_currency(p.pay_currency) = backend.shop_currency(v_currency)
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
        payin_extra_id := v_payment.payin_extra_id;
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
comment on function backend.begin_payment(uuid, uuid, text, text, numeric, text, text, text,
        numeric, numeric) is
    'First step of a payment: checks the order and claims it. Outcome create (make the invoice and '
    'the payment), pay (the invoice exists, make the payment), existing (both exist, here they '
    'are), in_progress, order_not_found, unauthorized, mismatch, not_payable.';
grant execute on function backend.begin_payment(uuid, uuid, text, text, numeric, text, text, text,
        numeric, numeric)
    to fn_create_crypto_payment;

create or replace function backend.attach_invoice(
    p_attempt_id  uuid,
    p_invoice_id  text,
    p_invoice_url text)
returns table (outcome text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
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
comment on function backend.attach_invoice(uuid, text, text) is
    'Second step: the provider made the invoice. lost: the claim ran out and was taken over.';
grant execute on function backend.attach_invoice(uuid, text, text) to fn_create_crypto_payment;

create or replace function backend.lock_order_of_attempt(p_attempt_id uuid)
returns public.orders
language plpgsql
as $$
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
comment on function backend.lock_order_of_attempt(uuid) is
    'Locks the order an attempt belongs to, before anything of the attempt is looked at.';

create or replace function backend.attach_payment(
    p_attempt_id      uuid,
    p_payment_id      text,
    p_status          text,
    p_pay_address     text,
    p_payin_extra_id  text,
    p_pay_amount      numeric,
    p_pay_currency    text,
    p_crypto_currency text,
    p_price_amount    numeric,
    p_price_currency  text,
    p_purchase_id     text,
    p_time_limit      text,
    p_expires_at      text,
    p_valid_until     text,
    p_raw             text)
returns table (
    outcome text, attempt_id text, price_amount text, order_description text,
    invoice_id text, invoice_url text, payment_id text, pay_address text, pay_amount text,
    pay_currency text, time_limit text, expires_at text, payin_extra_id text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
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
    payin_extra_id := v_payment.payin_extra_id;
    return next;
end
$$;
comment on function backend.attach_payment(uuid, text, text, text, text, numeric, text, text,
        numeric, text, text, text, text, text, text) is
    'Third step: the provider made the payment. The order goes to processing, a transaction '
    'payment/pending is written. lost: the claim was taken over, or the order''s price changed '
    'meanwhile; the payment is recorded anyway.';
grant execute on function backend.attach_payment(uuid, text, text, text, text, numeric, text, text,
        numeric, text, text, text, text, text, text)
    to fn_create_crypto_payment;

create or replace function backend.fail_payment_attempt(
    p_attempt_id uuid,
    p_reason     text,
    p_detail     text)
returns table (outcome text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
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
comment on function backend.fail_payment_attempt(uuid, text, text) is
    'The provider refused (refused), was not reached (unsent) or nobody knows (unknown): the claim '
    'is given back and the reason kept.';
grant execute on function backend.fail_payment_attempt(uuid, text, text)
    to fn_create_crypto_payment;
