-- Codes and links that are mailed: to confirm an address, to get in without a password, to choose a
-- new one, to change an address.
--
-- Code and link are two spellings of one secret. Its hash stands in the user's row (SHA-224 of
-- address and code, as on Supabase; with PKCE "pkce_" before it), the words in the mail are sealed.
-- A code is good once; any other mailed before is void as soon as one was used. Five wrong guesses
-- end a code, a hundred in a month all typing of codes: links and passwords still work, so nobody
-- is locked out by who guesses.

create or replace function platform.auth_mail(p_kind text, p_user auth.users, p_mail jsonb)
returns void
language sql
as $$
    -- p_mail: id, to, variables and secrets, sealed under that id.
    select platform.write_mail(p_kind, p_kind || ' ' || (p_mail ->> 'id'), p_mail ->> 'to',
        p_mail -> 'variables', null, p_user.id, p_mail -> 'secrets', (p_mail ->> 'id')::uuid)
$$;
comment on function platform.auth_mail(text, auth.users, jsonb) is
    'Writes a mail of the auth service, whose codes and links are sealed in it.';

create or replace function platform.auth_wait_s(p_sent_at timestamptz)
returns integer
language sql stable
as $$
    select greatest(0, ceil(extract(epoch from p_sent_at + interval '60 seconds' - now())))::integer
$$;
comment on function platform.auth_wait_s(timestamptz) is
    'Whole seconds until another mail of the kind may go to the same person; 0: now.';

create or replace function platform.auth_count_mail(p_hourly integer)
returns table (wait_s text)
language plpgsql security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
declare
    v_hour constant timestamptz := date_trunc('hour', now(), 'UTC');
begin
    -- In a transaction of its own, before anybody looks for whom the mail is: what is asked for
    -- strangers counts as well, so that the quota tells nobody who is known here.
    insert into auth.mail_hours as h (hour, mails)
    values (v_hour, 1)
    on conflict (hour) do update set mails = h.mails + 1 where h.mails < p_hourly;
    if not found then
        wait_s := ceil(extract(epoch from v_hour + interval '1 hour' - now()))::integer;
    end if;
    return next;
end
$$;
comment on function platform.auth_count_mail(integer) is
    'Counts a mail that is asked for. wait_s: as many as may be in this hour were, and so many '
    'seconds are left of it; null: it was counted.';
grant execute on function platform.auth_count_mail(integer) to fn_auth;

create or replace function platform.auth_begin_flow(p_user auth.users, p_method text, p_mail jsonb)
returns void
language sql
as $$
    insert into auth.flow_state
        (user_id, code_challenge_method, code_challenge, provider_type, authentication_method)
    select p_user.id, (c ->> 'method')::auth.code_challenge_method, c ->> 'challenge', 'email',
           p_method
    from (select p_mail -> 'challenge') as m (c)
    where c is not null
$$;
comment on function platform.auth_begin_flow(auth.users, text, jsonb) is
    'With PKCE (RFC 7636): what whoever opens the link has to know, besides the link.';

create or replace function platform.auth_send_code(
    p_user auth.users,
    p_kind text,
    p_mail jsonb,
    p_ip   text)
returns auth.users
language plpgsql
as $$
begin
    update auth.guesses as g set of_code = 0 where g.user_id = p_user.id;
    if p_kind in ('signup', 'invite') then
        update auth.users as u
           set confirmation_token = p_mail ->> 'hash', confirmation_sent_at = now(),
               invited_at = case when p_kind = 'invite' then now() else u.invited_at end,
               updated_at = now()
         where u.id = p_user.id
        returning * into p_user;
    else
        update auth.users as u
           set recovery_token = p_mail ->> 'hash', recovery_sent_at = now(), updated_at = now()
         where u.id = p_user.id
        returning * into p_user;
    end if;
    perform platform.auth_begin_flow(p_user,
        case p_kind when 'signup' then 'email/signup' else p_kind end, p_mail);
    perform platform.auth_mail('auth_' || p_kind, p_user, p_mail);
    perform platform.auth_log(
        case p_kind when 'signup' then 'user_confirmation_requested'
                    when 'invite' then 'user_invited' else 'user_recovery_requested' end,
        p_user, p_ip);
    return p_user;
end
$$;
comment on function platform.auth_send_code(auth.users, text, jsonb, text) is
    'Mails a code and a link: kind signup, invite, recovery or magiclink; the one before is void.';

create or replace function platform.auth_confirm(p_user auth.users)
returns auth.users
language plpgsql
as $$
begin
    update auth.users as u
       set email_confirmed_at = coalesce(u.email_confirmed_at, now()),
           confirmation_token = '', recovery_token = '', reauthentication_token = '',
           raw_user_meta_data = case
                when u.email_confirmed_at is null
                    then coalesce(u.raw_user_meta_data, '{}') || '{"email_verified": true}'
                else u.raw_user_meta_data end,
           updated_at = now()
     where u.id = p_user.id
    returning * into p_user;
    delete from auth.guesses as g where g.user_id = p_user.id;
    return p_user;
end
$$;
comment on function platform.auth_confirm(auth.users) is
    'The address is whose it says; every code that was mailed before is void.';

create or replace function platform.auth_resend(p_email text, p_mail jsonb, p_ip text)
returns table (outcome text, wait_s text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
declare
    v_user auth.users;
begin
    select * into v_user
      from auth.users as u
     where u.email = p_email and not u.is_sso_user and u.deleted_at is null
       for no key update;
    outcome := 'ok';
    if v_user.id is not null and v_user.email_confirmed_at is null then
        wait_s := nullif(platform.auth_wait_s(v_user.confirmation_sent_at), 0);
        if wait_s is null then
            perform platform.auth_send_code(v_user, 'signup', p_mail, p_ip);
        else
            outcome := 'too_soon';
        end if;
    else
        -- A write for everybody: nobody learns from the time who is known here.
        perform platform.auth_log('user_confirmation_requested', v_user, p_ip);
    end if;
    return next;
end
$$;
comment on function platform.auth_resend(text, jsonb, text) is
    'Another confirmation mail, to somebody who is not confirmed; for all others nothing, and the '
    'same answer.';
grant execute on function platform.auth_resend(text, jsonb, text) to fn_auth;

create or replace function platform.auth_recover(
    p_email text,
    p_kind  text,
    p_mail  jsonb,
    p_ip    text)
returns table (outcome text, wait_s text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
declare
    v_user auth.users;
begin
    select * into v_user
      from auth.users as u
     where u.email = p_email and not u.is_sso_user and u.deleted_at is null
       for no key update;
    outcome := case
        when v_user.id is null or (p_kind = 'magiclink' and v_user.email_confirmed_at is null)
            then 'unknown'
        else 'ok' end;
    if outcome = 'ok' then
        wait_s := nullif(platform.auth_wait_s(v_user.recovery_sent_at), 0);
        if wait_s is null then
            perform platform.auth_send_code(v_user, p_kind, p_mail, p_ip);
        else
            outcome := 'too_soon';
        end if;
    else
        perform platform.auth_log('user_recovery_requested', v_user, p_ip);  -- see auth_resend
    end if;
    return next;
end
$$;
comment on function platform.auth_recover(text, text, jsonb, text) is
    'A mail with which somebody gets in without a password: kind recovery or magiclink; outcome ok, '
    'too_soon, unknown (of a magic link: whoever is not confirmed, too).';
grant execute on function platform.auth_recover(text, text, jsonb, text) to fn_auth;

-- Using one --------------------------------------------------------------------------------------

create or replace function platform.auth_user_by_code(
    p_type  text,
    p_email text,
    p_hash  text)
returns auth.users
language plpgsql
as $$
declare
    v_user auth.users;
begin
    -- A typed code comes with the address, a link with the hash alone.
    if p_email is not null then
        select * into v_user
          from auth.users as u
         where u.email = p_email and not u.is_sso_user and u.deleted_at is null
           for no key update;
    elsif p_type in ('signup', 'invite') then
        select * into v_user from auth.users as u
         where u.confirmation_token = p_hash and u.confirmation_token !~ '^[0-9 ]*$'
           and u.deleted_at is null
           for no key update;
    elsif p_type in ('recovery', 'magiclink') then
        select * into v_user from auth.users as u
         where u.recovery_token = p_hash and u.recovery_token !~ '^[0-9 ]*$'
           and u.deleted_at is null
           for no key update;
    elsif p_type = 'email' then
        v_user := platform.auth_user_by_code('signup', null, p_hash);
        if v_user.id is null then
            v_user := platform.auth_user_by_code('recovery', null, p_hash);
        end if;
    end if;
    return v_user;
end
$$;
comment on function platform.auth_user_by_code(text, text, text) is
    'Whom a code or a link is for, locked; null: nobody.';

create or replace function platform.auth_code_is(
    p_user  auth.users,
    p_type  text,
    p_hash  text,
    p_typed boolean,
    p_age_s integer)
returns boolean
language sql stable
as $$
    -- What was typed has no "pkce_" before it, whichever way the link goes.
    select exists (
        select
        from (values
            ('signup', p_user.confirmation_token, p_user.confirmation_sent_at),
            ('invite', p_user.confirmation_token, p_user.confirmation_sent_at),
            ('recovery', p_user.recovery_token, p_user.recovery_sent_at),
            ('magiclink', p_user.recovery_token, p_user.recovery_sent_at),
            ('email', p_user.confirmation_token, p_user.confirmation_sent_at),
            ('email', p_user.recovery_token, p_user.recovery_sent_at)
        ) as t (type, hash, sent_at)
        where t.type = p_type
          and t.hash <> ''
          and (t.hash = p_hash or (p_typed and t.hash = 'pkce_' || p_hash))
          and t.sent_at + p_age_s * interval '1 second' > now())
$$;
comment on function platform.auth_code_is(auth.users, text, text, boolean, integer) is
    'Whether this is the code of this kind that was mailed last, and not too long ago.';

create or replace function platform.auth_may_guess(p_user_id uuid)
returns boolean
language sql stable
as $$
    select not exists (
        select
        from auth.guesses as g
        where g.user_id = p_user_id
          and (g.of_code >= 5
               or (g.of_month >= 100 and g.month = date_trunc('month', now()))))
$$;
comment on function platform.auth_may_guess(uuid) is 'Whether a typed code is looked at.';

create or replace function platform.auth_guessed_wrong(p_user_id uuid)
returns void
language sql
as $$
    insert into auth.guesses as g (user_id, of_code, of_month)
    values (p_user_id, 1, 1)
    on conflict (user_id) do update
       set of_code = g.of_code + 1,
           of_month = case when g.month = excluded.month then g.of_month else 0 end + 1,
           month = excluded.month
$$;
comment on function platform.auth_guessed_wrong(uuid) is 'Counts a wrong guess.';

create or replace function platform.auth_verify(
    p_type       text,
    p_email      text,
    p_hash       text,
    p_age_s      integer,
    p_user_agent text,
    p_ip         text)
returns table (outcome text, session_id text, user_object text, claims text)
language plpgsql security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
#variable_conflict use_column
declare
    v_user auth.users := platform.auth_user_by_code(p_type, p_email, p_hash);
begin
    outcome := 'expired';
    if v_user.id is null or (p_email is not null and not platform.auth_may_guess(v_user.id)) then
        return next;
        return;
    end if;
    if not platform.auth_code_is(v_user, p_type, p_hash, p_email is not null, p_age_s) then
        perform platform.auth_guessed_wrong(v_user.id);
        return next;
        return;
    end if;
    if platform.auth_is_banned(v_user) then
        outcome := 'banned';
        return next;
        return;
    end if;
    v_user := platform.auth_confirm(v_user);
    if p_type in ('signup', 'invite', 'email') then
        update auth.identities as i
           set identity_data = i.identity_data || '{"email_verified": true}', updated_at = now()
         where i.user_id = v_user.id and i.provider = 'email';
    end if;
    if p_hash like 'pkce\_%' and p_email is null then
        -- The link of a PKCE flow gives a code, for which whoever began the flow gets the session.
        outcome := 'code';
        session_id := platform.auth_issue_flow_code(v_user);
        return next;
        return;
    end if;
    outcome := 'session';
    select b.session_id, b.user_object, b.claims into session_id, user_object, claims
      from platform.auth_begin_session(v_user, 'otp', p_user_agent, p_ip) as b;
    return next;
end
$$;
comment on function platform.auth_verify(text, text, text, integer, text, text) is
    'A mailed code (with p_email) or link is used: outcome session, code (PKCE; session_id is that '
    'code), banned, or expired (wrong, used, too old, guessed at too often: a wrong guess is counted '
    'and committed with the refusal).';
grant execute on function platform.auth_verify(text, text, text, integer, text, text) to fn_auth;

-- PKCE -------------------------------------------------------------------------------------------

create or replace function platform.auth_issue_flow_code(p_user auth.users)
returns text
language plpgsql
as $$
declare
    v_code text;
begin
    -- The five minutes are counted from here, not from when the mail was asked for.
    update auth.flow_state as f
       set auth_code = gen_random_uuid()::text, auth_code_issued_at = now(), updated_at = now()
     where f.id = (
            select l.id
            from auth.flow_state as l
            where l.user_id = p_user.id
            order by l.created_at desc
            limit 1)
    returning f.auth_code into v_code;
    return v_code;
end
$$;
comment on function platform.auth_issue_flow_code(auth.users) is
    'The code of the flow that a user began last.';

create or replace function platform.auth_exchange(
    p_code       text,
    p_verifier   text,
    p_user_agent text,
    p_ip         text)
returns table (outcome text, session_id text, user_object text, claims text)
language plpgsql security definer
set search_path = pg_catalog, platform, extensions, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
#variable_conflict use_column
declare
    v_flow auth.flow_state;
    v_user auth.users;
begin
    select * into v_flow from auth.flow_state as f where f.auth_code = p_code for update;
    outcome := case
        when v_flow.id is null then 'not_found'
        when v_flow.auth_code_issued_at + interval '5 minutes' <= now() then 'expired'
        when p_verifier is not null
             and v_flow.code_challenge <> case v_flow.code_challenge_method
                when 'plain' then p_verifier
                else rtrim(translate(encode(sha256(convert_to(p_verifier, 'UTF8')), 'base64'),
                                     '+/', '-_'), '=') end
            then 'bad_verifier'
        else 'session' end;
    if outcome <> 'session' then
        return next;
        return;
    end if;
    delete from auth.flow_state as f where f.id = v_flow.id;
    select * into v_user
      from auth.users as u
     where u.id = v_flow.user_id and u.deleted_at is null
       for no key update;
    if v_user.id is null then
        outcome := 'not_found';
    elsif platform.auth_is_banned(v_user) then
        outcome := 'banned';
    else
        select b.session_id, b.user_object, b.claims into session_id, user_object, claims
          from platform.auth_begin_session(v_user, v_flow.authentication_method, p_user_agent,
                                           p_ip) as b;
    end if;
    return next;
end
$$;
comment on function platform.auth_exchange(text, text, text, text) is
    'The end of a PKCE flow: outcome session, not_found, expired, bad_verifier (the flow goes on), '
    'banned. p_verifier null: whoever asks has shown the mail itself.';
grant execute on function platform.auth_exchange(text, text, text, text) to fn_auth;
