-- The end of a second factor: by its owner, by the service key, by another owner of the system or on the
-- machine; and its secret under another key.

create or replace function platform.auth_remove_factor(p_factor auth.mfa_factors)
returns void
language plpgsql
as $$
begin
    delete from auth.mfa_factors as f where f.id = p_factor.id;
    -- What it raised falls, and the next refresh says so.
    with fallen as (
        update auth.sessions as s
           set aal = 'aal1', factor_id = null, updated_at = now()
         where s.user_id = p_factor.user_id and s.factor_id = p_factor.id
        returning s.id)
    delete from auth.mfa_amr_claims as a
     using fallen as l
     where a.session_id = l.id and a.authentication_method = 'totp';
end
$$;
comment on function platform.auth_remove_factor(auth.mfa_factors) is
    'Takes a factor away; sessions that were raised by it have aal1 again.';

create or replace function platform.auth_unenroll_factor(
    p_user_id    uuid,
    p_session_id uuid,
    p_factor_id  uuid,
    p_ip         text)
returns table (outcome text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
declare
    v_user auth.users;
    v_factor auth.mfa_factors;
begin
    select * into v_user from auth.users as u where u.id = p_user_id for no key update;
    outcome := platform.auth_factor_caller(p_user_id, p_session_id);
    if outcome = 'ok' then
        select * into v_factor
          from auth.mfa_factors as f
         where f.id = p_factor_id and f.user_id = p_user_id;
        outcome := case
            when v_factor.id is null then 'factor_not_found'
            when v_factor.status = 'verified'
                 and platform.auth_lacks_aal2(p_user_id, p_session_id) then 'lacks_aal2'
            else 'ok' end;
    end if;
    if outcome = 'ok' then
        perform platform.auth_remove_factor(v_factor);
        perform platform.auth_log('factor_unenrolled', v_user, p_ip,
                                  jsonb_build_object('factor_id', p_factor_id));
        if v_factor.status = 'verified' then
            perform platform.auth_notice('auth_factor_unenrolled', v_user, v_user.email, '{}');
        end if;
    end if;
    return next;
end
$$;
comment on function platform.auth_unenroll_factor(uuid, uuid, uuid, text) is
    'Somebody takes a factor of theirs away. Outcome ok, factor_not_found, lacks_aal2 (it is verified, '
    'and the session has not used it), or as auth_factor_caller.';
grant execute on function platform.auth_unenroll_factor(uuid, uuid, uuid, text) to fn_auth;

-- For the service key ----------------------------------------------------------------------------

create or replace function platform.auth_admin_factors(p_user_id uuid)
returns table (outcome text, factors text)
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
begin
    outcome := case when exists (select from auth.users as u where u.id = p_user_id)
                    then 'ok' else 'user_not_found' end;
    factors := coalesce(platform.auth_factor_objects(p_user_id), '[]');
    return next;
end
$$;
comment on function platform.auth_admin_factors(uuid) is
    'A user''s factors, a JSON array: outcome ok or user_not_found.';
grant execute on function platform.auth_admin_factors(uuid) to fn_auth;

create or replace function platform.auth_admin_change_factor(
    p_user_id   uuid,
    p_factor_id uuid,
    p_name      text,
    p_ip        text)
returns table (outcome text, factor text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
declare
    v_user auth.users;
    v_factor auth.mfa_factors;
begin
    select * into v_user from auth.users as u where u.id = p_user_id for no key update;
    select * into v_factor
      from auth.mfa_factors as f
     where f.id = p_factor_id and f.user_id = p_user_id;
    outcome := case
        when v_user.id is null then 'user_not_found'
        when v_factor.id is null then 'factor_not_found'
        when p_name <> '' and exists (
            select from auth.mfa_factors as f
            where f.user_id = p_user_id and f.id <> p_factor_id and f.friendly_name = p_name)
            then 'name_taken'
        else 'ok' end;
    if outcome = 'ok' and p_name is null then
        perform platform.auth_remove_factor(v_factor);
        perform platform.auth_log('factor_deleted', v_user, p_ip,
                                  jsonb_build_object('factor_id', p_factor_id));
        perform platform.write_audit('DELETE_FACTOR', 'mfa_factors', p_factor_id::text,
            format('a second factor of %s was taken away by the service key', v_user.email));
        perform platform.auth_notice('auth_factor_unenrolled', v_user, v_user.email, '{}');
    elsif outcome = 'ok' then
        update auth.mfa_factors as f
           set friendly_name = p_name, updated_at = now()
         where f.id = p_factor_id
        returning * into v_factor;
        perform platform.auth_log('factor_updated', v_user, p_ip,
                                  jsonb_build_object('factor_id', p_factor_id));
    end if;
    if outcome = 'ok' then
        factor := platform.auth_factor_object(v_factor);
    end if;
    return next;
end
$$;
comment on function platform.auth_admin_change_factor(uuid, uuid, text, text) is
    'The service key names a factor, or takes it away (p_name null), which is audited and mailed. '
    'Outcome ok, user_not_found, factor_not_found, name_taken.';
grant execute on function platform.auth_admin_change_factor(uuid, uuid, text, text) to fn_auth;

-- Reset ------------------------------------------------------------------------------------------

create or replace function platform.reset_factors(p_user_id uuid, p_reason text)
returns integer
language plpgsql
as $$
declare
    v_user auth.users;
    v_count integer;
begin
    select * into v_user from auth.users as u where u.id = p_user_id for no key update;
    delete from auth.mfa_factors as f where f.user_id = p_user_id;
    get diagnostics v_count = row_count;
    delete from auth.mfa_guesses as g where g.user_id = p_user_id;
    if v_count > 0 then
        -- What was lost may be signed in.
        delete from auth.sessions as s where s.user_id = p_user_id;
        perform platform.auth_log('factor_deleted', v_user, platform.caller_ip(),
                                  jsonb_build_object('reset', v_count));
        perform platform.write_audit('RESET_FACTORS', 'mfa_factors', p_user_id::text,
            format('%s second factors of %s: %s', v_count, coalesce(v_user.email, p_user_id::text),
                   p_reason),
            jsonb_build_object('factors', v_count, 'reason', p_reason));
        perform platform.auth_notice('auth_factor_reset', v_user, v_user.email, '{}');
    end if;
    return v_count;
end
$$;
comment on function platform.reset_factors(uuid, text) is
    'Takes away every second factor of somebody, ends the sessions, and tells both audits and the '
    'person; how many there were.';

create or replace function public.reset_factors(p_user_id uuid, p_reason text)
returns integer
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
begin
    perform platform.require_duty('reset second factors');
    -- Two people know of it: who has one's own factor takes it away as everybody does.
    if auth.uid() = p_user_id then
        raise exception using
            errcode = '42501',
            message = 'Another owner has to reset your second factor';
    end if;
    if coalesce(trim(p_reason), '') = '' then
        raise exception using errcode = '22023', message = 'p_reason must say why';
    end if;
    return platform.reset_factors(p_user_id, p_reason);
end
$$;
comment on function public.reset_factors(uuid, text) is
    'Takes away the second factors of somebody who lost them; how many there were. For owners, of '
    'others; without another owner: ./deploy.sh admin reset-factor.';
grant execute on function public.reset_factors(uuid, text) to staff, service_role;

-- Another key ------------------------------------------------------------------------------------

create or replace function platform.reseal_factors()
returns table (resealed integer, unreadable integer)
language plpgsql
as $$
declare
    v_factor record;
begin
    resealed := 0;
    unreadable := 0;
    for v_factor in
        select f.id, f.secret
        from auth.mfa_factors as f
        where f.secret is not null
        order by f.id
          for no key update
    loop
        begin
            update auth.mfa_factors as f
               set secret = platform.seal(
                    platform.unseal(v_factor.secret, v_factor.id, 'totp_secret'), v_factor.id,
                    'totp_secret')
             where f.id = v_factor.id;
            resealed := resealed + 1;
        exception
            when sqlstate 'FFX10' or sqlstate 'FFX11' then
                raise warning 'mfa_factors %: %', v_factor.id, sqlerrm;
                unreadable := unreadable + 1;
        end;
    end loop;
    return next;
end
$$;
comment on function platform.reseal_factors() is
    'Seals the secrets of second factors with the session''s current key.';
