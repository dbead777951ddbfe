-- Genuine callbacks that cannot be applied: kept as they came, shown to a human, never applied.

create or replace function backend.store_unapplied_callback(
    p_source     text,
    p_raw        bytea,
    p_reason     text,
    p_payment_id text,
    p_order_id   text,
    p_review     boolean)
returns table (outcome text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
set lock_timeout = '1s'                 -- of a session that is about to store the same one
as $$
declare
    v_id bigint;
    v_payment_id text := left(p_payment_id, 200);
    v_order_id text;
begin
    v_order_id := left(coalesce(p_order_id, backend.order_of_payment(v_payment_id, null, null)), 200);
    insert into public.unapplied_callbacks (source, raw, reason, payment_id, order_id)
    values (p_source, p_raw, left(p_reason, 500), v_payment_id, v_order_id)
    on conflict (sha256(raw)) do nothing
    returning id into v_id;
    outcome := case when v_id is null then 'duplicate' else 'stored' end;
    if v_id is null then
        perform platform.await_standby();
    elsif p_review then
        perform backend.open_review('callback_unreadable', v_order_id, v_payment_id,
            jsonb_build_object('callback', v_id, 'reason', left(p_reason, 500)));
    end if;
    return next;
end
$$;
comment on function backend.store_unapplied_callback(text, bytea, text, text, text, boolean) is
    'Keeps a genuine callback that cannot be applied, with the reason; p_review: a human has to look. '
    'Outcome stored or duplicate.';
grant execute on function
    backend.store_unapplied_callback(text, bytea, text, text, text, boolean)
    to fn_payment_webhook;

create or replace function backend.callback_text(p_raw bytea)
returns text
language plpgsql stable
as $$
begin
    return convert_from(p_raw, 'UTF8');
exception
    when character_not_in_repertoire or untranslatable_character then
        return encode(p_raw, 'escape');
end
$$;
comment on function backend.callback_text(bytea) is
    'The body of a callback to be read; one that is no text has its bytes as \nnn.';
