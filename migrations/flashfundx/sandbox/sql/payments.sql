-- Invoices and payments as the API creates and shows them.
--
-- Functions answer (outcome, detail, …): outcome is 'ok' or the name of an error the API turns
-- into its envelope (invalid, minimal, estimate, not_found, conflict), detail is the message.

-- C reads these two by position: functions/flashfundx/sandbox/sandbox.h.
create or replace view sandbox.invoice_row as
select
    i.id::text                          as id,
    i.token_id::text                    as token_id,
    i.order_id                          as order_id,
    i.order_description                 as order_description,
    trim_scale(i.price_amount)::text    as price_amount,
    i.price_currency                    as price_currency,
    i.pay_currency                      as pay_currency,
    i.ipn_callback_url                  as ipn_callback_url,
    i.success_url                       as success_url,
    i.cancel_url                        as cancel_url,
    i.partially_paid_url                as partially_paid_url,
    i.is_fixed_rate                     as is_fixed_rate,
    i.is_fee_paid_by_user               as is_fee_paid_by_user,
    sandbox.iso(i.created_at)           as created_at,
    sandbox.iso(i.updated_at)           as updated_at
from sandbox.invoices as i;

-- The service keeps 0.5 % and the network's fee; the rest is settled in the account's coin.
create or replace view sandbox.payment_row as
select
    p.id::text                          as payment_id,
    p.purchase_id::text                 as purchase_id,
    p.invoice_id::text                  as invoice_id,
    p.parent_id::text                   as parent_payment_id,
    p.origin_type                       as origin_type,
    p.status                            as payment_status,
    p.pay_address                       as pay_address,
    p.payin_extra_id                    as payin_extra_id,
    trim_scale(p.price_amount)::text    as price_amount,
    p.price_currency                    as price_currency,
    trim_scale(p.pay_amount)::text      as pay_amount,
    p.pay_currency                      as pay_currency,
    trim_scale(p.actually_paid)::text   as actually_paid,
    trim_scale(f.deposit_fee)::text     as deposit_fee,
    trim_scale(f.service_fee)::text     as service_fee,
    trim_scale(greatest(f.value - f.deposit_fee - f.service_fee, 0))::text as outcome_amount,
    p.outcome_currency                  as outcome_currency,
    p.order_id                          as order_id,
    p.order_description                 as order_description,
    p.ipn_callback_url                  as ipn_callback_url,
    p.customer_email                    as customer_email,
    p.payin_hash                        as payin_hash,
    p.payout_hash                       as payout_hash,
    c.network                           as network,
    c.contract                          as smart_contract,
    c.network_precision                 as network_precision,
    p.is_fixed_rate                     as is_fixed_rate,
    p.is_fee_paid_by_user               as is_fee_paid_by_user,
    sandbox.iso(p.expires_at)           as expires_at,
    sandbox.iso(p.valid_until)          as valid_until,
    sandbox.iso(p.created_at)           as created_at,
    sandbox.iso(p.updated_at)           as updated_at,
    floor(extract(epoch from p.updated_at) * 1000)::bigint::text as updated_ms,
    (select '[' || string_agg(k.id::text, ',' order by k.created_at, k.id) || ']'
     from sandbox.payments as k where k.parent_id = p.id) as payment_extra_ids
from sandbox.payments as p
join sandbox.currencies as c on c.code = p.pay_currency
cross join lateral (
    select v.value, round(v.value * 0.005, 8) as service_fee, round(v.value * 0.0021, 8) as deposit_fee
    from (select sandbox.convert(case when p.actually_paid > 0 then p.actually_paid else p.pay_amount end,
                                 p.pay_currency, p.outcome_currency) as value) as v
) as f;

create or replace function sandbox.create_invoice(
    p_price_amount numeric, p_price_currency text, p_pay_currency text, p_order_id text,
    p_order_description text, p_ipn_callback_url text, p_success_url text, p_cancel_url text,
    p_partially_paid_url text, p_is_fixed_rate boolean, p_is_fee_paid_by_user boolean)
returns table (outcome text, detail text, invoice sandbox.invoice_row)
language plpgsql volatile security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
#variable_conflict use_column
declare
    v_id bigint := sandbox.new_id();
begin
    if not exists (select from sandbox.currencies where code = lower(p_price_currency)) then
        return query select 'invalid', format('Currency %s is not supported', p_price_currency), null::sandbox.invoice_row;
        return;
    end if;
    if p_pay_currency is not null and not exists (
        select from sandbox.currencies where code = lower(p_pay_currency) and network <> 'fiat') then
        return query select 'invalid', format('Currency %s is not supported', p_pay_currency), null::sandbox.invoice_row;
        return;
    end if;
    insert into sandbox.invoices (id, token_id, order_id, order_description, price_amount, price_currency,
        pay_currency, ipn_callback_url, success_url, cancel_url, partially_paid_url, is_fixed_rate, is_fee_paid_by_user)
    values (v_id, sandbox.new_id(), p_order_id, p_order_description, p_price_amount, lower(p_price_currency),
        lower(p_pay_currency), p_ipn_callback_url, p_success_url, p_cancel_url, p_partially_paid_url,
        coalesce(p_is_fixed_rate, false), coalesce(p_is_fee_paid_by_user, false));
    return query select 'ok', null::text, i from sandbox.invoice_row as i where i.id = v_id::text;
end
$$;
comment on function sandbox.create_invoice(numeric, text, text, text, text, text, text,
        text, text, boolean, boolean) is
    'Makes an invoice, or says why not.';
grant execute on function sandbox.create_invoice(numeric, text, text, text, text, text, text,
        text, text, boolean, boolean)
    to fn_sandbox;

create or replace function sandbox.create_payment(
    p_invoice_id bigint, p_price_amount numeric, p_price_currency text, p_pay_currency text,
    p_pay_amount numeric, p_order_id text, p_order_description text, p_ipn_callback_url text,
    p_purchase_id bigint, p_customer_email text, p_is_fixed_rate boolean,
    p_is_fee_paid_by_user boolean, p_case text, p_tick_ms int)
returns table (outcome text, detail text, payment sandbox.payment_row)
language plpgsql volatile security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
#variable_conflict use_column
declare
    v_invoice sandbox.invoices;
    v_coin    sandbox.currencies;
    v_new     sandbox.payments;
begin
    if p_invoice_id is not null then
        select * into v_invoice from sandbox.invoices where id = p_invoice_id for update;
        if not found then
            return query select 'not_found', 'Invoice not found', null::sandbox.payment_row;
            return;
        end if;
        p_price_amount := v_invoice.price_amount;
        p_price_currency := v_invoice.price_currency;
        p_order_id := v_invoice.order_id;
        p_order_description := coalesce(p_order_description, v_invoice.order_description);
        p_ipn_callback_url := v_invoice.ipn_callback_url;
        p_is_fixed_rate := v_invoice.is_fixed_rate;
        p_is_fee_paid_by_user := v_invoice.is_fee_paid_by_user;
    end if;
    select * into v_coin from sandbox.currencies where code = lower(p_pay_currency) and network <> 'fiat';
    if not found then
        return query select 'invalid', format('Currency %s is not supported', p_pay_currency), null::sandbox.payment_row;
        return;
    end if;
    v_new.pay_amount := coalesce(p_pay_amount, sandbox.convert(p_price_amount, p_price_currency, v_coin.code));
    if v_new.pay_amount is null then
        return query select 'estimate', format('Can not get estimate from %s to %s', upper(p_price_currency), upper(p_pay_currency)), null::sandbox.payment_row;
        return;
    end if;
    if p_is_fee_paid_by_user and p_pay_amount is null then
        v_new.pay_amount := round(v_new.pay_amount * 1.0071, v_coin.decimals);
    end if;
    if v_new.pay_amount < sandbox.min_amount(v_coin.code) or v_new.pay_amount <= 0 then
        return query select 'minimal', format('Crypto amount %s is less than minimal', trim_scale(v_new.pay_amount)), null::sandbox.payment_row;
        return;
    end if;

    v_new.id := sandbox.new_id();
    v_new.created_at := clock_timestamp();
    insert into sandbox.payments (id, purchase_id, invoice_id, order_id, order_description, price_amount,
        price_currency, pay_amount, pay_currency, pay_address, payin_extra_id, ipn_callback_url,
        customer_email, is_fixed_rate, is_fee_paid_by_user, outcome_currency, expires_at, valid_until,
        created_at, updated_at)
    values (v_new.id, coalesce(p_purchase_id, sandbox.new_id()), p_invoice_id, p_order_id, p_order_description,
        p_price_amount, lower(p_price_currency), v_new.pay_amount, v_coin.code, sandbox.new_address(v_coin.address),
        case when v_coin.extra_id then sandbox.random_text('123456789', 9) end, p_ipn_callback_url,
        p_customer_email, coalesce(p_is_fixed_rate, false) or coalesce(p_is_fee_paid_by_user, false),
        coalesce(p_is_fee_paid_by_user, false), 'usdtbsc',
        v_new.created_at + interval '20 minutes', v_new.created_at + interval '7 days',
        v_new.created_at, v_new.created_at)
    returning * into v_new;
    perform sandbox.enqueue_callback(v_new.id);

    if p_case is not null then
        perform sandbox.start_plan(v_new.id, p_tick_ms,
            case p_case
                when 'expired' then array['expired']
                when 'failed' then array['confirming', 'failed']
                when 'partially_paid' then array['confirming', 'confirmed', 'sending', 'partially_paid']
                else array['confirming', 'confirmed', 'sending', 'finished']
            end,
            case p_case
                when 'expired' then 0
                when 'failed' then v_new.pay_amount
                when 'partially_paid' then round(v_new.pay_amount * 0.8, v_coin.decimals)
                else v_new.pay_amount
            end);
    end if;
    return query select 'ok', null::text, p from sandbox.payment_row as p where p.payment_id = v_new.id::text;
end
$$;
comment on function sandbox.create_payment(bigint, numeric, text, text, numeric, text,
        text, text, bigint, text, boolean, boolean, text, integer) is
    'A payment of its own (p_invoice_id null) or one behind an invoice, which then gives price, '
    'order and callback address. p_case makes it walk by itself, as in the provider''s sandbox.';
grant execute on function sandbox.create_payment(bigint, numeric, text, text, numeric, text,
        text, text, bigint, text, boolean, boolean, text, integer)
    to fn_sandbox;

create or replace function sandbox.get_payment(p_payment_id bigint)
returns table (outcome text, detail text, payment sandbox.payment_row)
language plpgsql stable security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
#variable_conflict use_column
begin
    return query select 'ok', null::text, p from sandbox.payment_row as p where p.payment_id = p_payment_id::text;
    if not found then
        return query select 'not_found', 'Payment not found', null::sandbox.payment_row;
    end if;
end
$$;
comment on function sandbox.get_payment(bigint) is 'A payment as the API shows it.';
grant execute on function sandbox.get_payment(bigint) to fn_sandbox;

create or replace function sandbox.update_estimate(p_payment_id bigint)
returns table (outcome text, detail text, token_id text, pay_amount text, expires_at text)
language plpgsql volatile security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
#variable_conflict use_column
declare
    v_payment sandbox.payments;
begin
    select * into v_payment from sandbox.payments where id = p_payment_id for update;
    if not found then
        return query select 'not_found', 'Payment not found', null::text, null::text, null::text;
        return;
    end if;
    if v_payment.status = 'waiting' and v_payment.expires_at < clock_timestamp() then
        update sandbox.payments as p
        set pay_amount = sandbox.convert(p.price_amount, p.price_currency, p.pay_currency),
            expires_at = clock_timestamp() + interval '20 minutes',
            updated_at = clock_timestamp()
        where id = p_payment_id
        returning * into v_payment;
    end if;
    return query select 'ok', null::text, v_payment.purchase_id::text,
        trim_scale(v_payment.pay_amount)::text, sandbox.iso(v_payment.expires_at);
end
$$;
comment on function sandbox.update_estimate(bigint) is 'A new quote once the old one has run out.';
grant execute on function sandbox.update_estimate(bigint) to fn_sandbox;

create or replace function sandbox.try_time(p_text text)
returns timestamptz
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    return p_text::timestamptz;
exception
    when others then return null;
end
$$;
comment on function sandbox.try_time(text) is 'A time, or null when the text is none.';

create or replace function sandbox.list_payments(
    p_limit int, p_page int, p_invoice_id bigint, p_sort text, p_descending boolean,
    p_from text, p_to text)
returns table (total text, payment sandbox.payment_row)
language plpgsql stable security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
#variable_conflict use_column
declare
    v_column text := case
        when p_sort in ('payment_id', 'payment_status', 'pay_address', 'price_currency', 'pay_currency',
                        'order_id', 'order_description', 'purchase_id', 'outcome_currency', 'created_at')
            then format('(p.%I)', p_sort)
        when p_sort in ('price_amount', 'pay_amount', 'actually_paid', 'outcome_amount')
            then format('(p.%I)::numeric', p_sort)
        else '(p.created_at)'
    end;
begin
    return query execute format($q$
        with chosen as materialized (
            select p from sandbox.payment_row as p
            where ($3::bigint is null or p.invoice_id = $3::text)
              and ($4::timestamptz is null or p.created_at::timestamptz >= $4)
              and ($5::timestamptz is null or p.created_at::timestamptz <= $5)
            order by %s %s nulls last, p.payment_id)
        select n.total::text, page.p
        from (select count(*) as total from chosen) as n
        left join (select p from chosen limit $1 offset $2) as page on true
        $q$, v_column, case when p_descending then 'desc' else 'asc' end)
    using p_limit, p_page * p_limit, p_invoice_id, sandbox.try_time(p_from), sandbox.try_time(p_to);
end
$$;
comment on function sandbox.list_payments(integer, integer, bigint, text, boolean,
        text, text) is
    'A page of payments, one row at least: the total stands in each, and the payment is null on '
    'an empty page.';
grant execute on function sandbox.list_payments(integer, integer, bigint, text, boolean,
        text, text)
    to fn_sandbox;

create or replace function sandbox.list_currencies()
returns table (code text, name text, network text, ticker text, contract text,
               network_precision text, extra_id boolean, stable boolean, decimals text, priority text)
language sql stable security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
    select c.code, c.name, c.network, c.ticker, c.contract, c.network_precision, c.extra_id, c.stable,
           c.decimals::text, c.priority::text
    from sandbox.currencies as c
    where c.network <> 'fiat'
    order by c.priority, c.code
$$;
comment on function sandbox.list_currencies() is 'The coins that can be paid in.';
grant execute on function sandbox.list_currencies() to fn_sandbox;

create or replace function sandbox.estimate(p_amount numeric, p_from text, p_to text)
returns table (outcome text, detail text, amount_from text, estimated_amount text)
language plpgsql stable security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
declare
    v_amount numeric := sandbox.convert(p_amount, p_from, p_to);
begin
    if v_amount is null then
        return query select 'estimate', format('Can not get estimate from %s to %s', upper(p_from), upper(p_to)), null, null;
    else
        return query select 'ok', null::text, trim_scale(p_amount)::text, v_amount::text;
    end if;
end
$$;
comment on function sandbox.estimate(numeric, text, text) is
    'What an amount is worth in another currency.';
grant execute on function sandbox.estimate(numeric, text, text) to fn_sandbox;

create or replace function sandbox.minimum(p_from text, p_to text, p_fiat text)
returns table (outcome text, detail text, min_amount text, fiat_equivalent text)
language plpgsql stable security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
declare
    v_min numeric := sandbox.min_amount(p_from);
begin
    if v_min is null or sandbox.min_amount(p_to) is null then
        return query select 'bad', format('Currency %s is not convertable to %s now',
            case when v_min is null then p_from else p_to end, case when v_min is null then p_to else p_from end), null, null;
        return;
    end if;
    return query select 'ok', null::text, trim_scale(v_min)::text,
        (select trim_scale(round(v_min * c.usd / f.usd, 8))::text
         from sandbox.currencies as c, sandbox.currencies as f
         where c.code = lower(p_from) and f.code = lower(p_fiat));
end
$$;
comment on function sandbox.minimum(text, text, text) is
    'The smallest amount of a coin that is taken for another one, and what it is worth.';
grant execute on function sandbox.minimum(text, text, text) to fn_sandbox;

create or replace function sandbox.checkout(p_invoice_id bigint)
returns table (invoice sandbox.invoice_row, payment sandbox.payment_row)
language sql stable security definer
set search_path = pg_catalog, sandbox, pg_temp
as $$
    select i, p
    from sandbox.invoice_row as i
    left join sandbox.payment_row as p on p.invoice_id = i.id and p.parent_payment_id is null
    where i.id = p_invoice_id::text
    order by p.created_at, p.payment_id
    limit 50
$$;
comment on function sandbox.checkout(bigint) is
    'The checkout page: the invoice with its payments, newest coin last; one row at least.';
grant execute on function sandbox.checkout(bigint) to fn_sandbox;
