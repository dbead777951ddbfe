-- The second factor: codes of an authenticator program (TOTP), as auth.mfa of supabase-js goes about it. A factor is
-- enrolled, challenged and verified; a session in which one was verified has the level aal2.
--
-- The auth service alone opens secrets, and says which step of 30 seconds a code belongs to (null: to
-- none); what that means is decided here, with the person's row locked. A code is good once: the step
-- that was used last, and all before it, are not taken again, by whatever challenge. After five wrong
-- codes none is looked at for half a minute, and twice as long after each further one, to an hour;
-- a right one forgets them. That counts by person, so neither more factors, sessions, challenges nor
-- addresses give more guesses.

create or replace function platform.seal_factor()
returns trigger
language plpgsql
set search_path = pg_catalog, platform, pg_temp
as $$
begin
    -- What another system kept encrypted (GoTrue: JSON) cannot be opened here.
    if new.secret !~ '^[A-Z2-7]+=*$' and not platform.is_sealed(new.secret) then
        raise exception using
            errcode = '23514',
            message = 'The secret of a factor is base32, or sealed';
    end if;
    if not platform.is_sealed(new.secret) or platform.has_seal_keys() then
        new.secret := platform.sealed(rtrim(new.secret, '='), new.id, 'totp_secret');
    end if;
    return new;
end
$$;
comment on function platform.seal_factor() is 'Trigger: no secret of a factor is stored in clear.';

create or replace trigger mfa_factors_seal
    before insert or update of id, secret on auth.mfa_factors
    for each row execute function platform.seal_factor();
alter table auth.mfa_factors enable always trigger mfa_factors_seal;

-- What is answered -------------------------------------------------------------------------------

create or replace function platform.auth_factor_object(p_factor auth.mfa_factors)
returns text
language sql stable
as $$
    select '{' || concat_ws(',',
        platform.json_member('id', to_json(p_factor.id)),
        platform.json_member('created_at', to_json(platform.rfc3339(p_factor.created_at))),
        platform.json_member('updated_at', to_json(platform.rfc3339(p_factor.updated_at))),
        platform.json_member('status', to_json(p_factor.status)),
        platform.json_member('friendly_name', to_json(nullif(p_factor.friendly_name, ''))),
        platform.json_member('factor_type', to_json(p_factor.factor_type)),
        platform.json_member('phone', to_json(coalesce(p_factor.phone, ''))),
        '"last_challenged_at":'
            || coalesce(to_json(platform.rfc3339(p_factor.last_challenged_at))::text, 'null')) || '}'
$$;
comment on function platform.auth_factor_object(auth.mfa_factors) is
    'A factor as the auth service shows one: without its secret.';

create or replace function platform.auth_factor_objects(p_user_id uuid)
returns text
language plpgsql stable                 -- its plan is kept
as $$
begin
    return (
        select '[' || string_agg(platform.auth_factor_object(f), ',' order by f.created_at, f.id) || ']'
        from auth.mfa_factors as f
        where f.user_id = p_user_id);
end
$$;
comment on function platform.auth_factor_objects(uuid) is
    'A user''s factors, a JSON array; null when there is none.';

-- Who has what -----------------------------------------------------------------------------------

create or replace function platform.has_factor(p_user_id uuid)
returns boolean
language plpgsql stable
as $$
begin
    -- (Those that came from elsewhere and cannot be used here ask nothing of anybody.)
    return exists (
        select
        from auth.mfa_factors as f
        where f.user_id = p_user_id and f.factor_type = 'totp' and f.status = 'verified');
end
$$;
comment on function platform.has_factor(uuid) is 'Whether somebody has a second factor that counts.';

create or replace function platform.auth_factor_caller(p_user_id uuid, p_session_id uuid)
returns text
language plpgsql stable
as $$
begin
    return case
        -- The level is the session's: a token without one has none to raise.
        when p_session_id is null then 'session_not_found'
        when (select u.is_anonymous from auth.users as u where u.id = p_user_id) then 'anonymous'
        else (select s.outcome from platform.auth_user_of_session(p_user_id, p_session_id) as s) end;
end
$$;
comment on function platform.auth_factor_caller(uuid, uuid) is
    'Whether somebody may have to do with factors: ok, or as auth_user_of_session says, or anonymous.';

create or replace function platform.auth_lacks_aal2(p_user_id uuid, p_session_id uuid)
returns boolean
language plpgsql stable
as $$
begin
    return platform.has_factor(p_user_id)
        and not exists (
            select
            from auth.sessions as s
            where s.id = p_session_id and s.user_id = p_user_id and s.aal >= 'aal2');
end
$$;
comment on function platform.auth_lacks_aal2(uuid, uuid) is
    'Whether somebody has a second factor and has not used it in this session.';

-- Enrolment --------------------------------------------------------------------------------------

create or replace function platform.auth_enroll_factor(
    p_user_id    uuid,
    p_session_id uuid,
    p_factor_id  uuid,
    p_name       text,
    p_secret     text,
    p_ip         text)
returns table (outcome text, email text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
#variable_conflict use_column
declare
    c_most constant integer := 10;
    v_user auth.users;
begin
    select * into v_user from auth.users as u where u.id = p_user_id for no key update;
    outcome := platform.auth_factor_caller(p_user_id, p_session_id);
    if outcome = 'ok' then
        delete from auth.mfa_factors as f       -- begun and left
         where f.user_id = p_user_id and f.status = 'unverified'
           and f.created_at < now() - interval '5 minutes'
           and not exists (select from auth.mfa_challenges as c where c.factor_id = f.id);
        outcome := case
            when exists (
                select from auth.mfa_factors as f
                where f.user_id = p_user_id and coalesce(f.friendly_name, '') = p_name)
                then 'name_taken'
            when (select count(*) from auth.mfa_factors as f where f.user_id = p_user_id) >= c_most
                then 'too_many'
            when platform.auth_lacks_aal2(p_user_id, p_session_id) then 'insufficient_aal'
            else 'ok' end;
    end if;
    if outcome = 'ok' then
        insert into auth.mfa_factors (id, user_id, friendly_name, factor_type, status, secret)
        values (p_factor_id, p_user_id, p_name, 'totp', 'unverified', p_secret);
        perform platform.auth_log('factor_in_progress', v_user, p_ip,
                                  jsonb_build_object('factor_id', p_factor_id));
        email := v_user.email;
    end if;
    return next;
end
$$;
comment on function platform.auth_enroll_factor(uuid, uuid, uuid, text, text, text) is
    'A factor that is not verified yet, with its sealed secret. Outcome ok and the address of its '
    'owner; name_taken, too_many, insufficient_aal, or as auth_factor_caller.';
grant execute on function platform.auth_enroll_factor(uuid, uuid, uuid, text, text, text) to fn_auth;

-- Using one --------------------------------------------------------------------------------------

create or replace function platform.auth_challenge_factor(
    p_user_id    uuid,
    p_session_id uuid,
    p_factor_id  uuid,
    p_ip         text)
returns table (outcome text, challenge_id text, expires_at text)
language plpgsql security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
#variable_conflict use_column
declare
    v_user auth.users;
begin
    outcome := platform.auth_factor_caller(p_user_id, p_session_id);
    if outcome = 'ok' then
        update auth.mfa_factors as f
           set last_challenged_at = now()
         where f.id = p_factor_id and f.user_id = p_user_id and f.factor_type = 'totp';
        if not found then
            outcome := 'factor_not_found';
        end if;
    end if;
    if outcome = 'ok' then
        delete from auth.mfa_challenges as c
         where c.factor_id = p_factor_id and c.created_at < now() - interval '1 hour';
        insert into auth.mfa_challenges as c (factor_id, ip_address)
        values (p_factor_id, p_ip::inet)
        returning c.id, extract(epoch from c.created_at + platform.auth_challenge_time())::bigint
             into challenge_id, expires_at;
        select * into v_user from auth.users as u where u.id = p_user_id;
        perform platform.auth_log('challenge_created', v_user, p_ip,
                                  jsonb_build_object('factor_id', p_factor_id));
    end if;
    return next;
end
$$;
comment on function platform.auth_challenge_factor(uuid, uuid, uuid, text) is
    'A code of a factor is asked for. Outcome ok, with the challenge and its end in seconds since '
    '1970; factor_not_found, or as auth_factor_caller.';
grant execute on function platform.auth_challenge_factor(uuid, uuid, uuid, text) to fn_auth;

create or replace function platform.auth_challenge_time()
returns interval
language sql immutable
as $$ select interval '5 minutes' $$;
comment on function platform.auth_challenge_time() is 'For how long a challenge is good.';

create or replace function platform.auth_challenge_outcome(
    p_user_id      uuid,
    p_session_id   uuid,
    p_factor_id    uuid,
    p_challenge_id uuid,
    p_ip           text)
returns text
language plpgsql stable
as $$
declare
    v_outcome text := platform.auth_factor_caller(p_user_id, p_session_id);
    v_challenge auth.mfa_challenges;
begin
    if v_outcome <> 'ok' then
        return v_outcome;
    end if;
    if not exists (
        select from auth.mfa_factors as f
        where f.id = p_factor_id and f.user_id = p_user_id and f.factor_type = 'totp') then
        return 'factor_not_found';
    end if;
    select * into v_challenge
      from auth.mfa_challenges as c
     where c.id = p_challenge_id and c.factor_id = p_factor_id;
    return case
        when v_challenge.id is null then 'challenge_not_found'
        when v_challenge.verified_at is not null or v_challenge.ip_address <> p_ip::inet
            then 'ip_mismatch'
        when v_challenge.created_at + platform.auth_challenge_time() <= now() then 'challenge_expired'
        else 'ok' end;
end
$$;
comment on function platform.auth_challenge_outcome(uuid, uuid, uuid, uuid, text) is
    'Whether a code may answer this challenge: ok, factor_not_found, challenge_not_found, ip_mismatch '
    '(also: it was answered), challenge_expired, or as auth_factor_caller.';

create or replace function platform.auth_factor_wait_s(p_user_id uuid)
returns integer
language plpgsql stable
as $$
begin
    return (
        select ceil(extract(epoch from g.again_at - now()))::integer
        from auth.mfa_guesses as g
        where g.user_id = p_user_id and g.again_at > now());
end
$$;
comment on function platform.auth_factor_wait_s(uuid) is
    'Whole seconds until a code of somebody is looked at again; null: now.';

create or replace function platform.auth_factor_secret(
    p_user_id      uuid,
    p_session_id   uuid,
    p_factor_id    uuid,
    p_challenge_id uuid,
    p_ip           text)
returns table (outcome text, wait_s text, secret text, last_step text)
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
#variable_conflict use_column
begin
    outcome := platform.auth_challenge_outcome(p_user_id, p_session_id, p_factor_id, p_challenge_id,
                                               p_ip);
    wait_s := platform.auth_factor_wait_s(p_user_id);
    if outcome = 'ok' and wait_s is not null then
        outcome := 'too_many_tries';
    elsif outcome = 'ok' then
        select to_json(format('sealed:%s:totp_secret:%s', f.id, f.secret)), f.last_step
          into secret, last_step
          from auth.mfa_factors as f
         where f.id = p_factor_id;
    end if;
    return next;
end
$$;
comment on function platform.auth_factor_secret(uuid, uuid, uuid, uuid, text) is
    'What a code is compared with: the sealed secret, as a JSON string for crypto/sealed.h, and the '
    'step that was used last. Outcome ok, too_many_tries (wait_s seconds more), or as '
    'auth_challenge_outcome.';
grant execute on function platform.auth_factor_secret(uuid, uuid, uuid, uuid, text) to fn_auth;

create or replace function platform.auth_factor_guessed(p_user auth.users, p_ip text)
returns void
language plpgsql
as $$
declare
    c_free constant integer := 5;
    v_wrong integer;
begin
    insert into auth.mfa_guesses as g (user_id, wrong)
    values (p_user.id, 1)
    on conflict (user_id) do update
       set wrong = g.wrong + 1,
           again_at = case when g.wrong + 1 >= c_free
                then now() + least(30 * 2 ^ least(g.wrong + 1 - c_free, 10), 3600) * interval '1 second'
                end
    returning g.wrong into v_wrong;
    if v_wrong = c_free then
        perform platform.auth_notice('auth_factor_guessed', p_user, p_user.email,
                                     jsonb_build_object('IP', coalesce(p_ip, '')));
    end if;
end
$$;
comment on function platform.auth_factor_guessed(auth.users, text) is
    'Counts a wrong code, and tells its owner when there were several.';

create or replace function platform.auth_raise_session(
    p_session_id uuid,
    p_factor     auth.mfa_factors,
    p_user_agent text,
    p_ip         text)
returns bigint
language plpgsql
as $$
declare
    v_counter bigint;
begin
    insert into auth.mfa_amr_claims as a (session_id, authentication_method)
    values (p_session_id, 'totp')
    on conflict (session_id, authentication_method) do update set updated_at = now();
    update auth.sessions as s
       set aal = 'aal2', factor_id = p_factor.id, updated_at = now(), refreshed_at = now(),
           refresh_token_counter = s.refresh_token_counter + 1,
           user_agent = left(p_user_agent, 500), ip = p_ip::inet
     where s.id = p_session_id
    returning s.refresh_token_counter into v_counter;
    -- Whoever got in with the password alone, wherever that was, signs in again.
    delete from auth.sessions as s
     where s.user_id = p_factor.user_id and s.id <> p_session_id and s.aal < 'aal2';
    return v_counter;
end
$$;
comment on function platform.auth_raise_session(uuid, auth.mfa_factors, text, text) is
    'A factor was verified: the session has aal2 and another refresh token, whose counter is returned; '
    'the user''s sessions below end.';

create or replace function platform.auth_verify_factor(
    p_user_id      uuid,
    p_session_id   uuid,
    p_factor_id    uuid,
    p_challenge_id uuid,
    p_step         bigint,
    p_user_agent   text,
    p_ip           text)
returns table (outcome text, wait_s text, counter text, user_object text, claims text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
#variable_conflict use_column
declare
    v_user auth.users;
    v_factor auth.mfa_factors;
begin
    select * into v_user from auth.users as u where u.id = p_user_id for no key update;
    select * into v_factor from auth.mfa_factors as f where f.id = p_factor_id for update;
    outcome := platform.auth_challenge_outcome(p_user_id, p_session_id, p_factor_id, p_challenge_id,
                                               p_ip);
    wait_s := platform.auth_factor_wait_s(p_user_id);
    outcome := case
        when outcome <> 'ok' then outcome
        when wait_s is not null then 'too_many_tries'
        when p_step is null or p_step <= v_factor.last_step then 'wrong'
        else 'session' end;
    if outcome = 'wrong' then
        perform platform.auth_factor_guessed(v_user, p_ip);
    end if;
    if outcome in ('wrong', 'session') then
        perform platform.auth_log('verification_attempted', v_user, p_ip, jsonb_build_object(
            'factor_id', p_factor_id, 'challenge_id', p_challenge_id, 'right', outcome = 'session'));
    end if;
    if outcome = 'session' then
        update auth.mfa_challenges as c set verified_at = now() where c.id = p_challenge_id;
        update auth.mfa_factors as f
           set status = 'verified', last_step = p_step, updated_at = now()
         where f.id = p_factor_id;
        delete from auth.mfa_factors as f
         where f.user_id = p_user_id and f.factor_type = 'totp' and f.status = 'unverified';
        delete from auth.mfa_guesses as g where g.user_id = p_user_id;
        if v_factor.status = 'unverified' then
            perform platform.auth_notice('auth_factor_enrolled', v_user, v_user.email, '{}');
        end if;
        counter := platform.auth_raise_session(p_session_id, v_factor, p_user_agent, p_ip);
        user_object := platform.auth_user_object(v_user);
        claims := platform.auth_claims(v_user, p_session_id);
    end if;
    return next;
end
$$;
comment on function platform.auth_verify_factor(uuid, uuid, uuid, uuid, bigint, text, text) is
    'A challenge is answered with the code of this step (null: of none). Outcome session, with the '
    'counter of its refresh token and what it says; wrong (also: that code was used), too_many_tries, '
    'or as auth_challenge_outcome. A wrong code is counted and committed with the refusal.';
grant execute on function
    platform.auth_verify_factor(uuid, uuid, uuid, uuid, bigint, text, text) to fn_auth;
