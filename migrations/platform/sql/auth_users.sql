-- Users: signing up, signing in with a password, and what a user changes.

create or replace function platform.auth_make_user(
    p_email text,
    p_hash  text,
    p_data  jsonb,
    p_id    uuid default gen_random_uuid())
returns auth.users
language plpgsql
as $$
declare
    v_data constant jsonb := platform.auth_without_password(p_data);
    v_user auth.users;
begin
    -- What triggers of the application see is what was sent, as on Supabase.
    insert into auth.users (id, email, encrypted_password, raw_user_meta_data)
    values (p_id, p_email, p_hash, v_data)
    on conflict (email) where is_sso_user = false do nothing
    returning * into v_user;
    if v_user.id is null then
        return null;
    end if;
    update auth.users as u
       set raw_user_meta_data = u.raw_user_meta_data || jsonb_build_object(
            'sub', u.id, 'email', u.email, 'email_verified', false, 'phone_verified', false)
     where u.id = v_user.id
    returning * into v_user;
    insert into auth.identities (provider_id, user_id, identity_data, provider)
    values (v_user.id::text, v_user.id, v_user.raw_user_meta_data, 'email');
    return v_user;
end
$$;
comment on function platform.auth_make_user(text, text, jsonb, uuid) is
    'A new user with an identity; null when the address is taken.';

create or replace function platform.auth_invented_user(p_email text, p_data jsonb)
returns text
language sql volatile
as $$
    -- Looks as a new user does, so that nobody learns whose address is known here.
    select platform.auth_user_object(jsonb_populate_record(null::auth.users, jsonb_build_object(
            'id', gen_random_uuid(), 'aud', 'authenticated', 'role', '', 'email', p_email,
            'confirmation_sent_at', now(), 'created_at', now(), 'updated_at', now(),
            'raw_app_meta_data', '{"provider": "email", "providers": ["email"]}'::jsonb,
            'raw_user_meta_data', platform.auth_without_password(p_data),
            'is_anonymous', false)),
        '[]')
$$;
comment on function platform.auth_invented_user(text, jsonb) is
    'The answer to a sign-up with an address that is taken.';

create or replace function platform.auth_sign_up(
    p_email       text,
    p_hash        text,
    p_data        jsonb,
    p_autoconfirm boolean,
    p_mail        jsonb,
    p_user_agent  text,
    p_ip          text)
returns table (outcome text, wait_s text, session_id text, user_object text, claims text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
#variable_conflict use_column
declare
    v_user auth.users;
begin
    -- For the application's triggers, and the audit.
    perform set_config('platform.caller_ip', coalesce(p_ip, ''), true);
    -- Whose address has duties proves that it is theirs.
    p_autoconfirm := p_autoconfirm and not exists (
        select from platform.administrators as a where a.email = p_email and a.is_active);
    v_user := platform.auth_make_user(p_email, p_hash, p_data);
    if v_user.id is null then
        select * into v_user
          from auth.users as u
         where u.email = p_email and not u.is_sso_user
           for no key update;
        if v_user.email_confirmed_at is not null or p_autoconfirm then
            perform platform.auth_log('user_repeated_signup', v_user, p_ip);
            outcome := case when p_autoconfirm then 'taken' else 'user' end;
            user_object := platform.auth_invented_user(p_email, p_data);
            return next;
            return;
        end if;
        wait_s := nullif(platform.auth_wait_s(v_user.confirmation_sent_at), 0);
        if wait_s is not null then
            outcome := 'too_soon';
            return next;
            return;
        end if;
    else
        perform platform.auth_log('user_signedup', v_user, p_ip,
                                  jsonb_build_object('provider', 'email'));
    end if;
    if p_autoconfirm then
        v_user := platform.auth_confirm(v_user);
        outcome := 'session';
        select b.session_id, b.user_object, b.claims into session_id, user_object, claims
          from platform.auth_begin_session(v_user, 'password', p_user_agent, p_ip) as b;
    else
        v_user := platform.auth_send_code(v_user, 'signup', p_mail, p_ip);
        outcome := 'user';
        user_object := platform.auth_user_object(v_user);
    end if;
    return next;
end
$$;
comment on function platform.auth_sign_up(text, text, jsonb, boolean, jsonb, text, text) is
    'Somebody signs up: outcome session (with p_autoconfirm), user (a code was mailed, or the '
    'address is taken and nobody is told), taken (with p_autoconfirm), too_soon (wait_s seconds).';
grant execute on function platform.auth_sign_up(text, text, jsonb, boolean, jsonb, text, text)
    to fn_auth;

create or replace function platform.auth_credentials(p_email text)
returns table (user_id text, hash text)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
begin
    return query
    select u.id::text, u.encrypted_password::text
      from (values (1)) as one (n)
      left join auth.users as u
             on u.email = p_email and not u.is_sso_user and u.deleted_at is null;
end
$$;
comment on function platform.auth_credentials(text) is
    'The hash of somebody''s password; a row of nulls for nobody.';
grant execute on function platform.auth_credentials(text) to fn_auth;

create or replace function platform.auth_sign_in(
    p_user_id    uuid,
    p_hash       text,
    p_new_hash   text,
    p_user_agent text,
    p_ip         text)
returns table (outcome text, session_id text, user_object text, claims text)
language plpgsql security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
#variable_conflict use_column
declare
    v_user auth.users;
begin
    select * into v_user
      from auth.users as u
     where u.id = p_user_id and u.deleted_at is null
       for no key update;
    outcome := case
        -- Another password since it was compared.
        when v_user.encrypted_password is distinct from p_hash then 'invalid'
        when v_user.email_confirmed_at is null then 'not_confirmed'
        when platform.auth_is_banned(v_user) then 'banned'
        else 'session' end;
    if outcome = 'session' then
        if p_new_hash is not null then
            update auth.users as u set encrypted_password = p_new_hash where u.id = p_user_id;
        end if;
        select b.session_id, b.user_object, b.claims into session_id, user_object, claims
          from platform.auth_begin_session(v_user, 'password', p_user_agent, p_ip) as b;
    end if;
    return next;
end
$$;
comment on function platform.auth_sign_in(uuid, text, text, text, text) is
    'The password was right (p_hash is what it was compared with, p_new_hash replaces an old kind): '
    'outcome session, or invalid, not_confirmed, banned.';
grant execute on function platform.auth_sign_in(uuid, text, text, text, text) to fn_auth;
