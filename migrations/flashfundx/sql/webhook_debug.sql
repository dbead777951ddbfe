-- The calls that webhook-debug keeps while callbacks are set up.

create or replace function backend.log_webhook_call(
    p_request_id  text,
    p_method      text,
    p_query       text,
    p_headers     text,
    p_body        text,
    p_remote_addr text)
returns table (received_at text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
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
comment on function backend.log_webhook_call(text, text, text, text, text, text) is
    'Keeps a call for debugging: the last 100, query cut at 2 KiB, body at 8 KiB.';
grant execute on function backend.log_webhook_call(text, text, text, text, text, text)
    to fn_webhook_debug;
