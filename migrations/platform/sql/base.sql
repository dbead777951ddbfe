-- Numbers, times, texts and JSON, read and written with care; and the triggers that keep a row's
-- time. The functions run on the caller's search_path: setting one of their own costs more than
-- some of them do.

create or replace function platform.plain_amount(p_amount numeric)
returns numeric
language sql immutable
as $$
    -- NaN and Infinity compare greater than every number: they must never look like money.
    select case when p_amount >= 0 and p_amount < 1e30 then p_amount end
$$;
comment on function platform.plain_amount(numeric) is
    'The amount, or null when it is negative, infinite or not a number.';

create or replace function platform.iso_utc(p_time timestamptz)
returns text
language sql stable
as $$
    select to_char(p_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
comment on function platform.iso_utc(timestamptz) is 'ISO 8601 in UTC with milliseconds.';

create or replace function platform.read_time(p_text text)
returns timestamptz
language plpgsql stable                 -- a plan for each form, and made when it comes
as $$
begin
    -- (Counted apart: as {10,14} the pattern costs several times as much.)
    if p_text ~ '^[0-9]+$' and octet_length(p_text) between 10 and 14 then
        return to_timestamp(p_text::numeric / 1000);
    -- Never raises: the day is added to the first of the month (30 February is 2 March).
    elsif p_text ~ ('^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
                    || 'T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?'
                    || '(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])$') then
        return (substr(p_text, 1, 8) || '01' || substr(p_text, 11))::timestamptz
               + (substr(p_text, 9, 2)::int - 1) * interval '1 day';
    end if;
    return null;
end
$$;
comment on function platform.read_time(text) is
    'A provider''s time (ISO 8601 with zone, or epoch milliseconds); null when it is neither.';

create or replace function platform.cut_bytes(p_text text, p_bytes integer)
returns text
language plpgsql immutable
as $$
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
comment on function platform.cut_bytes(text, integer) is
    'The beginning of a text, at most so many bytes of UTF-8.';

create or replace function platform.pick(p_row jsonb, p_keys text[])
returns jsonb
language sql immutable
as $$
    select coalesce(jsonb_object_agg(e.key, e.value), '{}')
    from jsonb_each(p_row) as e
    where e.key = any (p_keys) and e.value <> 'null'
$$;
comment on function platform.pick(jsonb, text[]) is
    'The named keys of an object that have a value.';

create or replace function platform.update_updated_at_column()
returns trigger
language plpgsql
as $$
begin
    new.updated_at := pg_catalog.now();
    return new;
end
$$;
comment on function platform.update_updated_at_column() is 'Trigger: keeps updated_at.';

create or replace function platform.update_last_updated_column()
returns trigger
language plpgsql
as $$
begin
    new.last_updated := pg_catalog.now();
    return new;
end
$$;
comment on function platform.update_last_updated_column() is 'Trigger: keeps last_updated.';
