-- What the auth service answers with: users, identities and claims as the original writes them, in
-- its order of members; what is null is left out. As text, so that numbers and order stay.

create or replace function platform.rfc3339(p_time timestamptz)
returns text
language sql stable
as $$
    select to_char(p_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;
comment on function platform.rfc3339(timestamptz) is 'RFC 3339 in UTC with microseconds.';

create or replace function platform.json_member(p_name text, p_value json)
returns text
language sql stable                     -- as to_json is: only so it becomes part of who calls it
as $$ select to_json(p_name) || ':' || p_value $$;
comment on function platform.json_member(text, json) is
    'A member of an object as text; null without a value, so that concat_ws leaves it out.';

create or replace function platform.auth_identity_objects(p_user_id uuid)
returns text
language plpgsql stable                 -- its plan is kept
as $$
begin
    return (
        select '[' || coalesce(string_agg('{' || concat_ws(',',
                platform.json_member('identity_id', to_json(i.id)),
                platform.json_member('id', to_json(i.provider_id)),
                platform.json_member('user_id', to_json(i.user_id)),
                platform.json_member('identity_data', i.identity_data::json),
                platform.json_member('provider', to_json(i.provider)),
                '"last_sign_in_at":' || coalesce(to_json(platform.rfc3339(i.last_sign_in_at))::text, 'null'),
                platform.json_member('created_at', to_json(platform.rfc3339(i.created_at))),
                platform.json_member('updated_at', to_json(platform.rfc3339(i.updated_at))),
                platform.json_member('email', to_json(i.email))) || '}',
            ',' order by i.created_at), '') || ']'
        from auth.identities as i
        where i.user_id = p_user_id);
end
$$;
comment on function platform.auth_identity_objects(uuid) is 'A user''s identities, a JSON array.';

create or replace function platform.auth_user_object(
    p_user       auth.users,
    p_identities text default null)
returns text
language sql stable
as $$
    select '{' || concat_ws(',',
        platform.json_member('id', to_json(p_user.id)),
        platform.json_member('aud', to_json(coalesce(p_user.aud, ''))),
        platform.json_member('role', to_json(platform.token_role(p_user))),
        platform.json_member('email', to_json(coalesce(p_user.email, ''))),
        platform.json_member('email_confirmed_at', to_json(platform.rfc3339(p_user.email_confirmed_at))),
        platform.json_member('invited_at', to_json(platform.rfc3339(p_user.invited_at))),
        platform.json_member('phone', to_json(coalesce(p_user.phone, ''))),
        platform.json_member('phone_confirmed_at', to_json(platform.rfc3339(p_user.phone_confirmed_at))),
        platform.json_member('confirmation_sent_at', to_json(platform.rfc3339(p_user.confirmation_sent_at))),
        platform.json_member('confirmed_at', to_json(platform.rfc3339(p_user.confirmed_at))),
        platform.json_member('recovery_sent_at', to_json(platform.rfc3339(p_user.recovery_sent_at))),
        platform.json_member('new_email', to_json(nullif(p_user.email_change, ''))),
        platform.json_member('email_change_sent_at', to_json(platform.rfc3339(p_user.email_change_sent_at))),
        platform.json_member('reauthentication_sent_at', to_json(platform.rfc3339(p_user.reauthentication_sent_at))),
        platform.json_member('last_sign_in_at', to_json(platform.rfc3339(p_user.last_sign_in_at))),
        platform.json_member('app_metadata', coalesce(p_user.raw_app_meta_data, '{}')::json),
        platform.json_member('user_metadata', coalesce(p_user.raw_user_meta_data, '{}')::json),
        case when p_identities is null
             then platform.json_member('factors', platform.auth_factor_objects(p_user.id)::json) end,
        '"identities":' || coalesce(p_identities, platform.auth_identity_objects(p_user.id)),
        platform.json_member('created_at', to_json(platform.rfc3339(p_user.created_at))),
        platform.json_member('updated_at', to_json(platform.rfc3339(p_user.updated_at))),
        platform.json_member('banned_until', to_json(platform.rfc3339(p_user.banned_until))),
        platform.json_member('deleted_at', to_json(platform.rfc3339(p_user.deleted_at))),
        platform.json_member('is_anonymous', to_json(p_user.is_anonymous))) || '}'
$$;
comment on function platform.auth_user_object(auth.users, text) is
    'A user as the auth service shows one; p_identities in place of the user''s own identities and '
    'factors.';

create or replace function platform.auth_claims(p_user auth.users, p_session_id uuid)
returns text
language plpgsql stable                 -- its plan is kept
as $$
begin
    -- Those between "iat" and the end; the service knows the others. amr: the newest first.
    return (
        select concat_ws(',',
            platform.json_member('email', to_json(coalesce(p_user.email, ''))),
            platform.json_member('phone', to_json(coalesce(p_user.phone, ''))),
            platform.json_member('app_metadata', coalesce(p_user.raw_app_meta_data, '{}')::json),
            platform.json_member('user_metadata', coalesce(p_user.raw_user_meta_data, '{}')::json),
            platform.json_member('role', to_json(platform.token_role(p_user))),
            platform.json_member('aal', to_json(s.aal)),
            '"amr":[' || coalesce((
                select string_agg('{' || concat_ws(',',
                        platform.json_member('method', to_json(a.authentication_method)),
                        platform.json_member('timestamp', to_json(floor(extract(epoch from a.updated_at))::bigint)))
                    || '}', ',' order by a.updated_at desc)
                from auth.mfa_amr_claims as a
                where a.session_id = s.id), '') || ']',
            platform.json_member('session_id', to_json(s.id)),
            platform.json_member('is_anonymous', to_json(p_user.is_anonymous)))
        from auth.sessions as s
        where s.id = p_session_id);
end
$$;
comment on function platform.auth_claims(auth.users, uuid) is
    'What an access token says of a user and a session, members of a JSON object.';
