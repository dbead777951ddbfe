-- Sessions: begun by whoever has signed in, kept alive by refresh tokens, ended by signing out.
--
-- A refresh token is made of session id and counter (functions/platform/auth/refresh.c); the row says
-- which counter is good. The one before it is good until the new one has been used: an answer that
-- got lost, or two tabs at once, throw nobody out. An older one has been stolen, or its owner's was:
-- then the session ends, and that is committed although the answer is a refusal.

create or replace function platform.auth_is_banned(p_user auth.users)
returns boolean
language sql stable
as $$
    select p_user.banned_until > now() or platform.standing_of(p_user.id) = 'banned'
$$;
comment on function platform.auth_is_banned(auth.users) is
    'Whether somebody is let in nowhere: by their standing, or for a time.';

create or replace function platform.auth_log(
    p_action text,
    p_user   auth.users,
    p_ip     text,
    p_traits jsonb default null)
returns void
language plpgsql                        -- its plan is kept
as $$
begin
    insert into auth.audit_log_entries (payload, ip_address)
    values (
        json_build_object('action', p_action, 'actor_id', p_user.id,
            'actor_username', coalesce(p_user.email, ''), 'actor_via_sso', false,
            'log_type', case
                when p_action in ('login', 'logout') then 'account'
                when p_action like 'token_%' then 'token'
                when p_action in ('user_signedup', 'user_invited', 'user_deleted') then 'team'
                else 'user' end,
            'traits', p_traits),
        left(coalesce(p_ip, ''), 64));
end
$$;
comment on function platform.auth_log(text, auth.users, text, jsonb) is
    'Writes down what happened to a user.';

create or replace function platform.auth_begin_session(
    p_user       auth.users,
    p_method     text,
    p_user_agent text,
    p_ip         text)
returns table (session_id text, user_object text, claims text)
language plpgsql
as $$
#variable_conflict use_column
declare
    v_session_id uuid;
    v_user auth.users;
begin
    insert into auth.sessions (user_id, user_agent, ip)
    values (p_user.id, left(p_user_agent, 500), p_ip::inet)
    returning id into v_session_id;
    insert into auth.mfa_amr_claims (session_id, authentication_method)
    values (v_session_id, p_method);
    update auth.users as u
       set last_sign_in_at = now(), updated_at = now()
     where u.id = p_user.id
    returning * into v_user;
    update auth.identities as i
       set last_sign_in_at = now(), updated_at = now()
     where i.user_id = p_user.id and i.provider = 'email';
    perform platform.auth_note_device(p_user, p_user_agent, p_ip);
    perform platform.auth_log('login', p_user, p_ip, jsonb_build_object('provider', 'email'));
    session_id := v_session_id;
    user_object := platform.auth_user_object(v_user);
    claims := platform.auth_claims(v_user, v_session_id);
    return next;
end
$$;
comment on function platform.auth_begin_session(auth.users, text, text, text) is
    'Signs a user in: a session, how it came about, and when; and what is answered about it.';

create or replace function platform.auth_refresh(
    p_session_id  uuid,
    p_counter     bigint,
    p_user_agent  text,
    p_ip          text,
    p_interval_s  integer,
    p_lifetime_s  integer,
    p_inactive_s  integer)
returns table (outcome text, counter text, user_id text, user_object text, claims text)
language plpgsql security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
#variable_conflict use_column
declare
    v_session auth.sessions;
    v_user auth.users;
begin
    select * into v_session from auth.sessions as s where s.id = p_session_id for no key update;
    if not found then
        outcome := 'not_found';
        return next;
        return;
    end if;
    select * into v_user from auth.users as u where u.id = v_session.user_id;
    outcome := case
        when v_user.deleted_at is not null then 'not_found'
        when platform.auth_is_banned(v_user) then 'banned'
        when v_session.not_after <= now()
             or (p_lifetime_s > 0
                 and v_session.created_at + p_lifetime_s * interval '1 second' <= now())
            then 'expired'
        when p_inactive_s > 0
             and coalesce(v_session.refreshed_at, v_session.created_at)
                 + p_inactive_s * interval '1 second' <= now()
            then 'inactive'
        when p_counter > v_session.refresh_token_counter then 'ahead'
        when p_counter < v_session.refresh_token_counter - 1
             and v_session.refreshed_at + p_interval_s * interval '1 second' <= now()
            then 'used'
        else 'ok' end;
    if outcome = 'used' then
        delete from auth.sessions as s where s.id = p_session_id;
        perform platform.auth_log('token_revoked', v_user, p_ip);
    elsif outcome = 'ok' then
        -- Who comes with the one before gets the same again.
        update auth.sessions as s
           set refresh_token_counter = greatest(s.refresh_token_counter, p_counter + 1),
               refreshed_at = case when p_counter = s.refresh_token_counter then now()
                                   else s.refreshed_at end,
               updated_at = now(),
               user_agent = left(p_user_agent, 500),
               ip = p_ip::inet
         where s.id = p_session_id
        returning s.refresh_token_counter::text into counter;
        user_id := v_user.id;
        user_object := platform.auth_user_object(v_user);
        claims := platform.auth_claims(v_user, p_session_id);
    end if;
    return next;
end
$$;
comment on function platform.auth_refresh(uuid, bigint, text, text, integer, integer, integer) is
    'A refresh token is used: outcome ok with the counter of the next one and what the session '
    'says; or not_found, banned, expired, inactive, ahead (nobody made that one), used (it was '
    'stolen: the session has ended).';
grant execute on function
    platform.auth_refresh(uuid, bigint, text, text, integer, integer, integer) to fn_auth;

create or replace function platform.auth_refreshes(p_fields text[])
returns table (outcome text, counter text, user_id text, user_object text, claims text)
language plpgsql security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
set plan_cache_mode = force_generic_plan    -- for arrays PostgreSQL would plan each time anew
rows 16
as $$
declare
    v_session_ids uuid[];
    n integer;
begin
    for i in 1 .. cardinality(p_fields) / 7 loop
        v_session_ids[i] := p_fields[7 * i - 6]::uuid;
    end loop;
    -- Whoever ends several sessions locks them in any order, so nothing is waited for here: then
    -- nobody waits in a circle.
    perform
       from auth.sessions as s
      where s.id = any (v_session_ids)
        for no key update nowait;
    for i in 1 .. cardinality(p_fields) / 7 loop
        n := 7 * (i - 1);
        return query
            select * from platform.auth_refresh(p_fields[n + 1]::uuid, p_fields[n + 2]::bigint,
                p_fields[n + 3], p_fields[n + 4], p_fields[n + 5]::integer,
                p_fields[n + 6]::integer, p_fields[n + 7]::integer);
    end loop;
end
$$;
comment on function platform.auth_refreshes(text[]) is
    'auth_refresh for several at once, and its row for each: their parameters, one behind the other. '
    'Fails where somebody else has one of the sessions; then each has to come by itself.';
grant execute on function platform.auth_refreshes(text[]) to fn_auth;

create or replace function platform.auth_user_of_session(p_user_id uuid, p_session_id uuid)
returns table (outcome text, user_object text)
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
declare
    v_user auth.users;
begin
    select * into v_user from auth.users as u where u.id = p_user_id and u.deleted_at is null;
    outcome := case
        when v_user.id is null then 'user_not_found'
        when p_session_id is not null and not exists (
            select from auth.sessions as s where s.id = p_session_id and s.user_id = p_user_id)
            then 'session_not_found'
        when platform.auth_is_banned(v_user) then 'banned'
        else 'ok' end;
    if outcome = 'ok' then
        user_object := platform.auth_user_object(v_user);
    end if;
    return next;
end
$$;
comment on function platform.auth_user_of_session(uuid, uuid) is
    'Whose token it is: outcome ok and the user; or user_not_found, session_not_found, banned. A '
    'token without a session has the user alone.';
grant execute on function platform.auth_user_of_session(uuid, uuid) to fn_auth;

create or replace function platform.auth_sign_out(
    p_user_id    uuid,
    p_session_id uuid,
    p_scope      text,
    p_ip         text)
returns table (outcome text)
language plpgsql security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
declare
    v_user auth.users;
begin
    outcome := (select s.outcome from platform.auth_user_of_session(p_user_id, p_session_id) as s);
    if outcome = 'ok' then
        select * into v_user from auth.users as u where u.id = p_user_id;
        -- Without a session of its own a token ends them all.
        delete from auth.sessions as s
         where s.user_id = p_user_id
           and (p_session_id is null or p_scope = 'global'
                or (p_scope = 'local') = (s.id = p_session_id));
        perform platform.auth_log('logout', v_user, p_ip);
    end if;
    return next;
end
$$;
comment on function platform.auth_sign_out(uuid, uuid, text, text) is
    'Ends sessions of a user: all (global), this one (local), all but this one (others).';
grant execute on function platform.auth_sign_out(uuid, uuid, text, text) to fn_auth;
