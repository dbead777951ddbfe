-- What a signed-in user changes: metadata, password, address.
--
-- A new address is confirmed twice, by mails to the new one and to the one of before, in any order;
-- until then the old one stays. A new password ends all other sessions and every code on its way.

create or replace function platform.auth_notice(
    p_kind      text,
    p_user      auth.users,
    p_to        text,
    p_variables jsonb)
returns void
language sql
as $$
    select platform.write_mail(p_kind, p_kind || ' ' || gen_random_uuid(), p_to,
        jsonb_build_object('Email', p_user.email) || p_variables, null, p_user.id)
    where not exists (
        select
        from public.email_templates as t
        where t.template_name = p_kind and not t.is_active)
$$;
comment on function platform.auth_notice(text, auth.users, text, jsonb) is
    'Tells somebody by mail what happened, so that what a stranger does is not unseen. Who wants no '
    'notices of a kind switches its template off (is_active).';

create or replace function platform.auth_begin_change(
    p_user_id    uuid,
    p_session_id uuid,
    p_password   boolean default false,
    p_email      text default null)
returns table (outcome text, hash text, email text, session_age_s text)
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
#variable_conflict use_column
declare
    v_user auth.users;
begin
    outcome := (select s.outcome from platform.auth_user_of_session(p_user_id, p_session_id) as s);
    if outcome = 'ok' then
        select * into v_user from auth.users as u where u.id = p_user_id;
        hash := v_user.encrypted_password;
        email := v_user.email;
        select floor(extract(epoch from now() - s.created_at))::bigint
          into session_age_s
          from auth.sessions as s
         where s.id = p_session_id;
        if (p_password or p_email <> v_user.email)
           and platform.auth_lacks_aal2(p_user_id, p_session_id) then
            outcome := 'insufficient_aal';
        end if;
    end if;
    return next;
end
$$;
comment on function platform.auth_begin_change(uuid, uuid, boolean, text) is
    'What a change has to be compared with: outcome as auth_user_of_session, and the user''s hash, '
    'address, and the age of the session in seconds. Of the password (p_password) or the address '
    '(p_email is another one) also insufficient_aal: there is a second factor, which was not used.';
grant execute on function platform.auth_begin_change(uuid, uuid, boolean, text) to fn_auth;

create or replace function platform.auth_nonce_is(p_user auth.users, p_hash text, p_age_s integer)
returns boolean
language sql stable
as $$
    select p_user.reauthentication_token <> ''
           and p_user.reauthentication_token = p_hash
           and p_user.reauthentication_sent_at + p_age_s * interval '1 second' > now()
$$;
comment on function platform.auth_nonce_is(auth.users, text, integer) is
    'Whether this is the code that was mailed for a change of the password.';

create or replace function platform.auth_change_user(
    p_user_id      uuid,
    p_session_id   uuid,
    p_seen_hash    text,
    p_data         jsonb,
    p_hash         text,
    p_nonce        text,
    p_age_s        integer,
    p_email        text,
    p_mail_new     jsonb,
    p_mail_current jsonb,
    p_ip           text)
returns table (outcome text, wait_s text, user_object text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
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
        when v_user.id is null then 'user_not_found'
        when coalesce(p_hash, p_email) is not null
             and platform.auth_lacks_aal2(p_user_id, p_session_id) then 'insufficient_aal'
        when p_email is not null and exists (
            select from auth.users as o
            where o.email = p_email and not o.is_sso_user and o.id <> p_user_id) then 'taken'
        -- Another password since it was compared.
        when p_hash is not null and v_user.encrypted_password is distinct from p_seen_hash
            then 'changed'
        when p_nonce is not null and not platform.auth_nonce_is(v_user, p_nonce, p_age_s)
            then 'bad_nonce'
        else 'ok' end;
    if outcome = 'ok' and p_email is not null then
        wait_s := nullif(platform.auth_wait_s(v_user.email_change_sent_at), 0);
        outcome := case when wait_s is null then 'ok' else 'too_soon' end;
    end if;
    if outcome <> 'ok' then
        return next;
        return;
    end if;
    if p_data is not null then
        update auth.users as u
           set raw_user_meta_data = platform.auth_merged(u.raw_user_meta_data, p_data),
               updated_at = now()
         where u.id = p_user_id;
    end if;
    if p_hash is not null then
        update auth.users as u
           set encrypted_password = p_hash, reauthentication_token = '', confirmation_token = '',
               recovery_token = '', email_change_token_new = '', email_change_token_current = '',
               updated_at = now()
         where u.id = p_user_id;
        delete from auth.sessions as s
         where s.user_id = p_user_id and s.id is distinct from p_session_id;
        delete from auth.flow_state as f where f.user_id = p_user_id;
        perform platform.auth_log('user_updated_password', v_user, p_ip);
        perform platform.auth_notice('auth_password_changed', v_user, v_user.email, '{}');
    end if;
    if p_email is not null then
        update auth.users as u
           set email_change = p_email, email_change_sent_at = now(),
               email_change_confirm_status = 0,
               email_change_token_new = p_mail_new ->> 'hash',
               email_change_token_current = coalesce(p_mail_current ->> 'hash', ''),
               updated_at = now()
         where u.id = p_user_id;
        perform platform.auth_begin_flow(v_user, 'email_change', p_mail_new);
        perform platform.auth_mail('auth_email_change', v_user, p_mail_new);
        if p_mail_current is not null then
            perform platform.auth_mail('auth_email_change', v_user, p_mail_current);
        end if;
    end if;
    perform platform.auth_log('user_modified', v_user, p_ip);
    select * into v_user from auth.users as u where u.id = p_user_id;
    user_object := platform.auth_user_object(v_user);
    return next;
end
$$;
comment on function platform.auth_change_user(uuid, uuid, text, jsonb, text, text, integer, text,
        jsonb, jsonb, text) is
    'Changes what is not null: metadata (member by member, null takes one out), password (p_hash, '
    'where p_seen_hash is still the old one, and p_nonce is the code for it), address (two mails, '
    'then two confirmations). Outcome ok, user_not_found, insufficient_aal, taken, changed, bad_nonce, '
    'too_soon.';
grant execute on function platform.auth_change_user(uuid, uuid, text, jsonb, text, text, integer,
    text, jsonb, jsonb, text) to fn_auth;

create or replace function platform.auth_resend_change(
    p_email        text,
    p_new_email    text,
    p_mail_new     jsonb,
    p_mail_current jsonb,
    p_ip           text)
returns table (outcome text, wait_s text, new_email text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
#variable_conflict use_column
declare
    v_user auth.users;
begin
    select * into v_user
      from auth.users as u
     where u.email = p_email and not u.is_sso_user and u.deleted_at is null
       for no key update;
    outcome := 'ok';
    if v_user.id is null or v_user.email_change = '' then
        perform platform.auth_log('user_modified', v_user, p_ip);      -- see auth_resend
    elsif p_new_email is distinct from v_user.email_change then
        outcome := 'ask_again';         -- the codes have to be made for that address
        new_email := v_user.email_change;
    else
        wait_s := nullif(platform.auth_wait_s(v_user.email_change_sent_at), 0);
        if wait_s is not null then
            outcome := 'too_soon';
        else
            update auth.users as u
               set email_change_sent_at = now(), email_change_confirm_status = 0,
                   email_change_token_new = p_mail_new ->> 'hash',
                   email_change_token_current = coalesce(p_mail_current ->> 'hash', '')
             where u.id = v_user.id;
            perform platform.auth_mail('auth_email_change', v_user, p_mail_new);
            if p_mail_current is not null then
                perform platform.auth_mail('auth_email_change', v_user, p_mail_current);
            end if;
        end if;
    end if;
    return next;
end
$$;
comment on function platform.auth_resend_change(text, text, jsonb, jsonb, text) is
    'The mails of a change of address once more. Outcome ask_again: new_email is the address that '
    'codes are needed for; too_soon; ok, also where there is no change.';
grant execute on function platform.auth_resend_change(text, text, jsonb, jsonb, text) to fn_auth;

create or replace function platform.auth_verify_change(
    p_email      text,
    p_hash       text,
    p_age_s      integer,
    p_user_agent text,
    p_ip         text)
returns table (outcome text, session_id text, user_object text, claims text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
#variable_conflict use_column
declare
    v_user auth.users;
    v_old_email text;
begin
    outcome := 'expired';
    -- A typed code comes with the address that it went to, a link with the hash alone.
    select * into v_user
      from auth.users as u
     where u.deleted_at is null and not u.is_sso_user and u.email_change <> ''
       and (case when p_email is null then p_hash in (u.email_change_token_new,
                                                      u.email_change_token_current)
                 else p_email in (u.email, u.email_change) end)
     order by p_email is not null and u.email_change = p_email
     limit 1
       for no key update;
    if v_user.id is null
       or v_user.email_change_sent_at + p_age_s * interval '1 second' <= now()
       or (p_email is not null and not platform.auth_may_guess(v_user.id)) then
        return next;
        return;
    end if;
    if p_hash not in (v_user.email_change_token_new, v_user.email_change_token_current)
       and 'pkce_' || p_hash not in (v_user.email_change_token_new,
                                     v_user.email_change_token_current) then
        perform platform.auth_guessed_wrong(v_user.id);
        return next;
        return;
    end if;
    if platform.auth_is_banned(v_user) then
        outcome := 'banned';
        return next;
        return;
    end if;
    if v_user.email_change_token_current <> '' and v_user.email_change_token_new <> '' then
        update auth.users as u
           set email_change_confirm_status = 1,
               email_change_token_new = case
                    when p_hash in (u.email_change_token_new, replace(u.email_change_token_new, 'pkce_', ''))
                        then '' else u.email_change_token_new end,
               email_change_token_current = case
                    when p_hash in (u.email_change_token_new, replace(u.email_change_token_new, 'pkce_', ''))
                        then u.email_change_token_current else '' end,
               updated_at = now()
         where u.id = v_user.id;
        outcome := 'half';
        return next;
        return;
    end if;
    if exists (
        select from auth.users as o
        where o.email = v_user.email_change and not o.is_sso_user and o.id <> v_user.id) then
        outcome := 'taken';
        return next;
        return;
    end if;
    v_old_email := v_user.email;
    update auth.users as u
       set email = u.email_change, email_change = '', email_change_token_new = '',
           email_change_token_current = '', email_change_confirm_status = 0,
           email_confirmed_at = coalesce(u.email_confirmed_at, now()),
           raw_user_meta_data = coalesce(u.raw_user_meta_data, '{}')
               || jsonb_build_object('email', u.email_change, 'email_verified', true),
           confirmation_token = '', recovery_token = '', updated_at = now()
     where u.id = v_user.id
    returning * into v_user;
    update auth.identities as i
       set identity_data = i.identity_data
               || jsonb_build_object('email', v_user.email, 'email_verified', true),
           updated_at = now()
     where i.user_id = v_user.id and i.provider = 'email';
    delete from auth.guesses as g where g.user_id = v_user.id;
    perform platform.auth_log('user_modified', v_user, p_ip);
    perform platform.auth_notice('auth_email_changed', v_user, v_old_email,
                                 jsonb_build_object('OldEmail', v_old_email));
    if p_hash like 'pkce\_%' and p_email is null then
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
comment on function platform.auth_verify_change(text, text, integer, text, text) is
    'A code or link of a change of address is used: outcome half (the other address has to confirm '
    'too), session, code (PKCE), expired, banned, taken (somebody else has it meanwhile).';
grant execute on function platform.auth_verify_change(text, text, integer, text, text) to fn_auth;

create or replace function platform.auth_reauthenticate(
    p_user_id    uuid,
    p_session_id uuid,
    p_mail       jsonb,
    p_ip         text)
returns table (outcome text, wait_s text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
declare
    v_user auth.users;
begin
    outcome := (select s.outcome from platform.auth_user_of_session(p_user_id, p_session_id) as s);
    if outcome = 'ok' then
        select * into v_user from auth.users as u where u.id = p_user_id for no key update;
        wait_s := nullif(platform.auth_wait_s(v_user.reauthentication_sent_at), 0);
        if v_user.email_confirmed_at is null then
            outcome := 'not_confirmed';
        elsif wait_s is not null then
            outcome := 'too_soon';
        else
            update auth.users as u
               set reauthentication_token = p_mail ->> 'hash', reauthentication_sent_at = now(),
                   updated_at = now()
             where u.id = p_user_id;
            perform platform.auth_mail('auth_reauthentication', v_user, p_mail);
            perform platform.auth_log('user_reauthenticate_requested', v_user, p_ip);
        end if;
    end if;
    return next;
end
$$;
comment on function platform.auth_reauthenticate(uuid, uuid, jsonb, text) is
    'Mails the code that a change of the password may ask for; outcome as auth_user_of_session, or '
    'not_confirmed, too_soon.';
grant execute on function platform.auth_reauthenticate(uuid, uuid, jsonb, text) to fn_auth;
