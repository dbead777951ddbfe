-- What the data API (functions/platform/rest) says to PostgreSQL beside a request's own statement.

create or replace function platform.rest_admit(p_user_id uuid)
returns boolean
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- a plan made while there were few users stays good
as $$
begin
    if exists (
        select
        from auth.users as u
        where u.id = p_user_id
          and (u.deleted_at is not null or platform.auth_is_banned(u)))
    then
        raise exception using
            errcode = 'PGRST',
            message = '{"code":"user_banned","message":"User is banned"}',
            detail = '{"status":403}';
    end if;
    return true;
end
$$;
comment on function platform.rest_admit(uuid) is
    'Ends the transaction of a request by somebody who is banned or deleted, however good the token.';
grant execute on function platform.rest_admit(uuid) to fn_rest;

create or replace function platform.rest_refuse(p_what text, p_count bigint)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    -- As PostgREST has it: the message is the answer's body, the detail its status.
    raise exception using
        errcode = 'PGRST',
        message = (case p_what
            when 'single' then json_build_object('code', 'PGRST116',
                'message', 'Cannot coerce the result to a single JSON object',
                'details', format('The result contains %s rows', p_count))
            when 'put' then json_build_object('code', 'PGRST115',
                'message', 'Payload values do not match URL in primary key column(s)')
            when 'size' then json_build_object('code', '54000',
                'message', format('The answer is too large: %s bytes in one piece', p_count),
                'hint', 'Ask for fewer columns or fewer rows.')
            else json_build_object('code', 'PGRST124',
                'message', 'Query result exceeds max-affected preference constraint',
                'details', format('The query affects %s rows', p_count)) end)::text,
        detail = case p_what when 'single' then '{"status":406}' else '{"status":400}' end;
end
$$;
comment on function platform.rest_refuse(text, bigint) is
    'Ends the transaction of a request that touched so many rows where others were meant, or whose answer has so many bytes.';
grant execute on function platform.rest_refuse(text, bigint)
    to anon, authenticated, service_role;
