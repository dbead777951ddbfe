-- Conversion between coins, and what looks like a coin's address or an id of the provider.

create or replace function sandbox.iso(p_time timestamptz)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select to_char(p_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
comment on function sandbox.iso(timestamp with time zone) is
    'A time as the provider writes it: ISO 8601 in UTC with milliseconds.';

create or replace function sandbox.convert(p_amount numeric, p_from text, p_to text)
returns numeric
language sql stable
set search_path = pg_catalog, sandbox, pg_temp
as $$
    select round(p_amount * f.usd / t.usd, t.decimals)
    from sandbox.currencies as f, sandbox.currencies as t
    where f.code = lower(p_from) and t.code = lower(p_to)
$$;
comment on function sandbox.convert(numeric, text, text) is
    'An amount in another currency, rounded to its decimals; null when a currency is unknown.';

create or replace function sandbox.min_amount(p_currency text)
returns numeric
language sql stable
set search_path = pg_catalog, sandbox, pg_temp
as $$
    select round(min_usd / usd, decimals) from sandbox.currencies where code = lower(p_currency)
$$;
comment on function sandbox.min_amount(text) is
    'The smallest payment in a coin; null when it is unknown.';

create or replace function sandbox.random_text(p_alphabet text, p_length int)
returns text
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
    select string_agg(substr(p_alphabet, 1 + floor(random() * length(p_alphabet))::int, 1), '')
    from generate_series(1, p_length)
$$;
comment on function sandbox.random_text(text, integer) is
    'So many random characters of an alphabet.';

create or replace function sandbox.new_address(p_kind text)
returns text
language sql volatile
set search_path = pg_catalog, sandbox, pg_temp
as $$
    select case p_kind
        when 'evm'  then '0x' || sandbox.random_text('0123456789abcdefABCDEF', 40)
        when 'btc'  then 'bc1q' || sandbox.random_text('023456789acdefghjklmnpqrstuvwxyz', 38)
        when 'ltc'  then 'ltc1q' || sandbox.random_text('023456789acdefghjklmnpqrstuvwxyz', 38)
        when 'trx'  then 'T' || sandbox.random_text(b58, 33)
        when 'doge' then 'D' || sandbox.random_text(b58, 33)
        when 'xrp'  then 'r' || sandbox.random_text(b58, 33)
        when 'xlm'  then 'G' || sandbox.random_text('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', 55)
        else sandbox.random_text(b58, 44)
    end
    from (values ('123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz')) as alphabet (b58)
$$;
comment on function sandbox.new_address(text) is
    'An address that looks like one of its chain; nobody owns it.';

create or replace function sandbox.new_id()
returns bigint
language plpgsql volatile
set search_path = pg_catalog, sandbox, pg_temp
as $$
declare
    v_id bigint;
begin
    loop
        v_id := 4000000000 + floor(random() * 5999999999)::bigint;
        exit when not exists (select from sandbox.payments where id = v_id)
              and not exists (select from sandbox.invoices where id = v_id);
    end loop;
    return v_id;
end
$$;
comment on function sandbox.new_id() is
    'A free id for an invoice or a payment: ten digits, as the provider''s are.';
