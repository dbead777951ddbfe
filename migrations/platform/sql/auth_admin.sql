-- What the service key does to users: lists, makes, changes, bans, deletes, invites them, and makes
-- links that it sends itself.

create or replace function platform.auth_admin_list(p_page integer, p_per_page integer)
returns table (total text, users text)
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
as $$
begin
    -- The newest first; of each user all but its identities and factors.
    select count(*)::text into total from auth.users as u;
    select '[' || coalesce(string_agg(platform.auth_user_object(u.u, 'null'), ','
                                      order by (u.u).created_at desc, (u.u).id), '') || ']'
      into users
      from (
            select x as u
            from auth.users as x
            order by x.created_at desc, x.id
            limit p_per_page offset (p_page - 1)::bigint * p_per_page) as u;
    return next;
end
$$;
comment on function platform.auth_admin_list(integer, integer) is
    'A page of all users, a JSON array, and how many there are.';
grant execute on function platform.auth_admin_list(integer, integer) to fn_auth;

create or replace function platform.auth_admin_get(p_user_id uuid)
returns table (outcome text, user_object text)
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
declare
    v_user auth.users;
begin
    select * into v_user from auth.users as u where u.id = p_user_id;
    outcome := case when v_user.id is null then 'user_not_found' else 'ok' end;
    if outcome = 'ok' then
        user_object := platform.auth_user_object(v_user);
    end if;
    return next;
end
$$;
comment on function platform.auth_admin_get(uuid) is 'A user: outcome ok or user_not_found.';
grant execute on function platform.auth_admin_get(uuid) to fn_auth;

create or replace function platform.auth_admin_set(p_user_id uuid, p_set jsonb)
returns auth.users
language plpgsql
as $$
declare
    v_user auth.users;
begin
    -- Members that are there: user_metadata, app_metadata, confirm, banned_until (null: lifted).
    update auth.users as u
       set raw_user_meta_data = case when p_set ? 'user_metadata'
                then platform.auth_merged(u.raw_user_meta_data, p_set -> 'user_metadata')
                else u.raw_user_meta_data end,
           raw_app_meta_data = case when p_set ? 'app_metadata'
                then platform.auth_merged(u.raw_app_meta_data, p_set -> 'app_metadata')
                else u.raw_app_meta_data end,
           email_confirmed_at = case when p_set -> 'confirm' = 'true'
                then coalesce(u.email_confirmed_at, now()) else u.email_confirmed_at end,
           banned_until = case when p_set ? 'banned_s'
                then now() + (p_set ->> 'banned_s')::numeric * interval '1 second'
                when p_set ? 'unbanned' then null else u.banned_until end,
           updated_at = now()
     where u.id = p_user_id
    returning * into v_user;
    return v_user;
end
$$;
comment on function platform.auth_admin_set(uuid, jsonb) is
    'Sets what the members of p_set say of a user.';

create or replace function platform.auth_without_password(p_data jsonb)
returns jsonb
language sql immutable
as $$
    -- Front ends send the password again; nothing of it is ever written.
    select p_data - array['password', 'confirmPassword', 'confirm_password']
$$;
comment on function platform.auth_without_password(jsonb) is
    'Metadata without the members in which front ends send a password.';

create or replace function platform.auth_merged(p_old jsonb, p_new jsonb)
returns jsonb
language sql immutable
as $$
    select platform.auth_without_password(
        (coalesce(p_old, '{}') || p_new)
        - array(select d.key from jsonb_each(p_new) as d where d.value = 'null'))
$$;
comment on function platform.auth_merged(jsonb, jsonb) is
    'Metadata with members added or replaced; null takes one out, and a password is never one.';

create or replace function platform.auth_admin_create(
    p_id    uuid,
    p_email text,
    p_hash  text,
    p_set   jsonb,
    p_ip    text)
returns table (outcome text, user_object text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
declare
    v_user auth.users;
begin
    if exists (select from auth.users as u where u.id = p_id) then
        outcome := 'id_exists';
        return next;
        return;
    end if;
    v_user := platform.auth_make_user(p_email, p_hash, coalesce(p_set -> 'user_metadata', '{}'), p_id);
    if v_user.id is null then
        outcome := 'email_exists';
        return next;
        return;
    end if;
    -- Who is made by the service keeps the metadata that it was made with.
    update auth.users as u
       set raw_user_meta_data = platform.auth_merged('{}', coalesce(p_set -> 'user_metadata', '{}'))
     where u.id = v_user.id;
    v_user := platform.auth_admin_set(v_user.id, p_set - 'user_metadata');
    perform platform.auth_log('user_signedup', v_user, p_ip, '{"provider": "email"}');
    outcome := 'ok';
    user_object := platform.auth_user_object(v_user);
    return next;
end
$$;
comment on function platform.auth_admin_create(uuid, text, text, jsonb, text) is
    'A user is made by the service: outcome ok, email_exists, id_exists.';
grant execute on function platform.auth_admin_create(uuid, text, text, jsonb, text) to fn_auth;

create or replace function platform.auth_admin_update(
    p_user_id uuid,
    p_email   text,
    p_hash    text,
    p_set     jsonb,
    p_ip      text)
returns table (outcome text, user_object text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
declare
    v_user auth.users;
begin
    select * into v_user from auth.users as u where u.id = p_user_id for no key update;
    outcome := case
        when v_user.id is null then 'user_not_found'
        when p_email is not null and exists (
            select from auth.users as o
            where o.email = p_email and not o.is_sso_user and o.id <> p_user_id)
            then 'email_exists'
        else 'ok' end;
    if outcome <> 'ok' then
        return next;
        return;
    end if;
    if p_email is not null and p_email is distinct from v_user.email then
        update auth.users as u
           set email = p_email, email_change = '', email_change_token_new = '',
               email_change_token_current = ''
         where u.id = p_user_id;
        update auth.identities as i
           set identity_data = i.identity_data || jsonb_build_object('email', p_email),
               updated_at = now()
         where i.user_id = p_user_id and i.provider = 'email';
    end if;
    if p_hash is not null then
        update auth.users as u
           set encrypted_password = p_hash, confirmation_token = '', recovery_token = '',
               reauthentication_token = ''
         where u.id = p_user_id;
        delete from auth.sessions as s where s.user_id = p_user_id;
    end if;
    v_user := platform.auth_admin_set(p_user_id, p_set);
    perform platform.auth_log('user_modified', v_user, p_ip);
    user_object := platform.auth_user_object(v_user);
    return next;
end
$$;
comment on function platform.auth_admin_update(uuid, text, text, jsonb, text) is
    'A user is changed by the service; a new password ends all sessions. Outcome ok, '
    'user_not_found, email_exists.';
grant execute on function platform.auth_admin_update(uuid, text, text, jsonb, text) to fn_auth;

create or replace function platform.auth_admin_delete(p_user_id uuid, p_soft boolean, p_ip text)
returns table (outcome text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
declare
    v_user auth.users;
begin
    select * into v_user from auth.users as u where u.id = p_user_id for update;
    outcome := case when v_user.id is null then 'user_not_found' else 'ok' end;
    if outcome = 'ok' and p_soft then
        -- The row stays, and nothing in it says who it was.
        update auth.users as u
           set email = rtrim(translate(encode(sha256(convert_to(u.id || coalesce(u.email, ''), 'UTF8')),
                             'base64'), '+/', '-_'), '='),
               encrypted_password = null, email_change = '', confirmation_token = '',
               recovery_token = '', email_change_token_new = '', email_change_token_current = '',
               reauthentication_token = '', raw_user_meta_data = '{}', raw_app_meta_data = '{}',
               deleted_at = now(), updated_at = now()
         where u.id = p_user_id and u.deleted_at is null;
        update auth.identities as i
           set identity_data = '{}',
               provider_id = encode(sha256(convert_to(i.provider_id, 'UTF8')), 'hex')
         where i.user_id = p_user_id and i.identity_data <> '{}';
        delete from auth.sessions as s where s.user_id = p_user_id;
        delete from auth.flow_state as f where f.user_id = p_user_id;
        delete from auth.devices as d where d.user_id = p_user_id;
        delete from auth.mfa_factors as f where f.user_id = p_user_id;
    elsif outcome = 'ok' then
        delete from auth.users as u where u.id = p_user_id;
    end if;
    if outcome = 'ok' then
        v_user.email := '';
        perform platform.auth_log('user_deleted', v_user, p_ip);
    end if;
    return next;
end
$$;
comment on function platform.auth_admin_delete(uuid, boolean, text) is
    'A user is deleted; p_soft: the row stays without anything that says who it was. What was sold '
    'stays. Outcome ok, user_not_found.';
grant execute on function platform.auth_admin_delete(uuid, boolean, text) to fn_auth;

create or replace function platform.auth_invite(p_email text, p_data jsonb, p_mail jsonb, p_ip text)
returns table (outcome text, user_object text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
declare
    v_user auth.users;
begin
    v_user := platform.auth_make_user(p_email, null, p_data);
    if v_user.id is null then
        select * into v_user
          from auth.users as u
         where u.email = p_email and not u.is_sso_user
           for no key update;
        if v_user.email_confirmed_at is not null then
            outcome := 'email_exists';
            return next;
            return;
        end if;
    else
        update auth.users as u
           set raw_user_meta_data = platform.auth_merged('{}', p_data)
         where u.id = v_user.id
        returning * into v_user;
    end if;
    v_user := platform.auth_send_code(v_user, 'invite', p_mail, p_ip);
    outcome := 'ok';
    user_object := platform.auth_user_object(v_user);
    return next;
end
$$;
comment on function platform.auth_invite(text, jsonb, jsonb, text) is
    'Somebody is invited by mail, once more when not confirmed yet. Outcome ok, email_exists.';
grant execute on function platform.auth_invite(text, jsonb, jsonb, text) to fn_auth;

create or replace function platform.auth_generate_link(
    p_kind  text,
    p_email text,
    p_hash  text,
    p_data  jsonb,
    p_code  text,
    p_ip    text)
returns table (outcome text, kind text, user_object text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
#variable_conflict use_column
declare
    v_user auth.users;
begin
    -- No mail: whoever asks sends it.
    select * into v_user
      from auth.users as u
     where u.email = p_email and not u.is_sso_user and u.deleted_at is null
       for no key update;
    kind := case when p_kind = 'magiclink' and v_user.id is null then 'signup' else p_kind end;
    outcome := case
        when kind = 'recovery' and v_user.id is null then 'user_not_found'
        when kind in ('signup', 'invite') and v_user.email_confirmed_at is not null
            then 'email_exists'
        else 'ok' end;
    if outcome <> 'ok' then
        return next;
        return;
    end if;
    if v_user.id is null then
        v_user := platform.auth_make_user(p_email, p_hash, p_data);
    end if;
    update auth.users as u
       set confirmation_token = case when kind in ('signup', 'invite') then p_code
                                     else u.confirmation_token end,
           confirmation_sent_at = case when kind in ('signup', 'invite') then now()
                                       else u.confirmation_sent_at end,
           invited_at = case when kind = 'invite' then now() else u.invited_at end,
           recovery_token = case when kind in ('recovery', 'magiclink') then p_code
                                 else u.recovery_token end,
           recovery_sent_at = case when kind in ('recovery', 'magiclink') then now()
                                   else u.recovery_sent_at end,
           updated_at = now()
     where u.id = v_user.id
    returning * into v_user;
    perform platform.auth_log('user_recovery_requested', v_user, p_ip);
    user_object := platform.auth_user_object(v_user);
    return next;
end
$$;
comment on function platform.auth_generate_link(text, text, text, jsonb, text, text) is
    'A code that the service sends itself: kind signup, invite, magiclink (of an unknown address: '
    'signup) or recovery. Outcome ok, user_not_found, email_exists.';
grant execute on function platform.auth_generate_link(text, text, text, jsonb, text, text)
    to fn_auth;
