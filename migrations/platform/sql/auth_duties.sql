-- Who is staff. What somebody may is asked in the table, in the statement that does it, and never
-- believed from a token: the role "staff" in it only says whose policies and functions apply.

create or replace function platform.duties_of(p_user_id uuid)
returns text[]
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- a plan made while there were few users stays good
as $$
begin
    -- The address is read from the user's row and counts only once confirmed: anybody can sign up
    -- with somebody else's address.
    return coalesce((
        select a.duties
        from auth.users as u
        join platform.administrators as a on a.email = lower(u.email) and a.is_active
        where u.id = p_user_id
          and u.email_confirmed_at is not null
          and u.deleted_at is null
          and (u.banned_until is null or u.banned_until <= now())
          and platform.standing_of(u.id) = 'active'), '{}');
end
$$;
comment on function platform.duties_of(uuid) is
    'The duties of somebody who can act now; {} for everybody who is no staff.';

create or replace function platform.user_has_duty(
    p_user_id         uuid,
    variadic p_duties text[] default '{}')
returns boolean
language plpgsql stable
as $$
begin
    return platform.duties_of(p_user_id) && array_append(p_duties, 'owner');
end
$$;
comment on function platform.user_has_duty(uuid, text[]) is
    'Whether somebody has one of these duties, or is an owner, who may all.';

-- The second factor of staff -------------------------------------------------------------------

create or replace function platform.factor_used_at(p_user_id uuid, p_claims jsonb)
returns timestamptz
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- a plan made while there were few users stays good
as $$
begin
    -- Both have to say so: a token from before is none that the code was typed for, and a session that
    -- has ended, or a factor that was taken away, counts no more, whatever a token says.
    if p_claims ->> 'aal' is distinct from 'aal2' then
        return null;
    end if;
    return (
        select least(a.updated_at, to_timestamp(t.at))
        from auth.sessions as s
        join auth.mfa_amr_claims as a on a.session_id = s.id and a.authentication_method = 'totp'
        cross join lateral (
            select max((m ->> 'timestamp')::numeric)::double precision
            from jsonb_array_elements(p_claims -> 'amr') as m
            where m ->> 'method' = 'totp') as t (at)
        where s.id = (p_claims ->> 'session_id')::uuid
          and s.user_id = p_user_id
          and s.aal >= 'aal2'
          and t.at is not null);
end
$$;
comment on function platform.factor_used_at(uuid, jsonb) is
    'When a second factor was used in the session that a token with these claims is of; null: it was '
    'not, or not for this token.';

create or replace function platform.needs_factor(p_user_id uuid)
returns boolean
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- a plan made while there were few users stays good
as $$
begin
    -- (By its key: a table that is read from end to end costs so much here that it would be compiled.)
    return (select r.needs_factor from platform.staff_rules as r where r.only_row)
        or platform.has_factor(p_user_id);
end
$$;
comment on function platform.needs_factor(uuid) is
    'Whether somebody of staff acts with a second factor only: with STAFF_MFA everybody does, without '
    'it whoever has one, whose password alone is not enough then.';

create or replace function platform.staff_has_duty(
    p_user_id         uuid,
    p_claims          jsonb,
    variadic p_duties text[] default '{}')
returns boolean
language plpgsql stable
as $$
begin
    return platform.user_has_duty(p_user_id, variadic p_duties)
        and (not platform.needs_factor(p_user_id)
             or platform.factor_used_at(p_user_id, p_claims) is not null);
end
$$;
comment on function platform.staff_has_duty(uuid, jsonb, text[]) is
    'Whether somebody with a token of these claims may act by one of these duties, or as an owner.';

create or replace function platform.has_duty(variadic p_duties text[] default '{}')
returns boolean
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
as $$
begin
    return platform.staff_has_duty(auth.uid(), auth.jwt(), variadic p_duties);
end
$$;
comment on function platform.has_duty(text[]) is
    'Whether the present request acts for somebody with one of these duties, or for an owner, and by '
    'their second factor where that is needed. For policies and functions.';
grant execute on function platform.has_duty(text[]) to staff;

create or replace function platform.factor_is_fresh(p_user_id uuid, p_claims jsonb)
returns boolean
language plpgsql stable
as $$
declare
    c_fresh constant interval := interval '15 minutes';
begin
    return not platform.needs_factor(p_user_id)
        or coalesce(platform.factor_used_at(p_user_id, p_claims) > now() - c_fresh, false);
end
$$;
comment on function platform.factor_is_fresh(uuid, jsonb) is
    'Whether somebody of staff used a second factor a quarter of an hour ago or later, or needs none.';

create or replace function platform.require_fresh_factor(p_what text)
returns void
language plpgsql stable
as $$
begin
    if exists (select from platform.grave_actions as g where g.what = p_what)
       and not platform.factor_is_fresh(auth.uid(), auth.jwt()) then
        raise exception using
            errcode = '42501',
            message = format('A code of your second factor from the last 15 minutes is needed to %s',
                             p_what),
            detail = 'factor_not_fresh';
    end if;
end
$$;
comment on function platform.require_fresh_factor(text) is
    'Refuses a grave action (platform.grave_actions) to whoever of staff needs a second factor and has '
    'not used it for a quarter of an hour (SQLSTATE 42501, details factor_not_fresh).';

create or replace function platform.require_duty(p_what text, variadic p_duties text[] default '{}')
returns void
language plpgsql stable
as $$
begin
    if platform.caller_role() not in ('anon', 'authenticated', 'staff') then
        return;
    end if;
    if not platform.user_has_duty(auth.uid(), variadic p_duties) then
        raise exception using
            errcode = '42501',
            message = format('Only staff with the duty %s may %s',
                array_to_string(array_prepend('owner', p_duties), ' or '), p_what);
    end if;
    if not platform.staff_has_duty(auth.uid(), auth.jwt(), variadic p_duties) then
        raise exception using
            errcode = '42501',
            message = format('A second factor is needed to %s', p_what),
            detail = 'insufficient_aal';
    end if;
    perform platform.require_fresh_factor(p_what);
end
$$;
comment on function platform.require_duty(text, text[]) is
    'Refuses people without one of these duties who are no owners (SQLSTATE 42501), those whose second '
    'factor is needed and was not used (details insufficient_aal), and grave actions as '
    'require_fresh_factor does. The service key and programs of ours may.';

create or replace function platform.require_own_factor(p_what text)
returns void
language plpgsql stable
as $$
begin
    if platform.has_factor(auth.uid())
       and platform.factor_used_at(auth.uid(), auth.jwt()) is null then
        raise exception using
            errcode = '42501',
            message = format('Your second factor is needed to %s', p_what),
            detail = 'insufficient_aal';
    end if;
end
$$;
comment on function platform.require_own_factor(text) is
    'Refuses what somebody does to what is their own with the password alone, although they have a '
    'second factor (SQLSTATE 42501, details insufficient_aal).';

create or replace function platform.guard_change()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, platform, pg_temp
as $$
begin
    if platform.caller_role() in ('anon', 'authenticated', 'staff') then
        perform platform.require_fresh_factor(tg_argv[0]);
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    return new;
end
$$;
comment on function platform.guard_change() is
    'Trigger: a change of the row is a grave action, whose words are the argument.';

create or replace function platform.guard_table(p_table regclass, p_what text)
returns void
language plpgsql
as $$
begin
    execute format(
        'create or replace trigger %I before insert or update or delete on %s '
        'for each row when (platform.by_people()) execute function platform.guard_change(%L)',
        (select c.relname from pg_class as c where c.oid = p_table) || '_guard', p_table, p_what);
end
$$;
comment on function platform.guard_table(regclass, text) is
    'For migrations: changes of a table by people are a grave action of these words.';

create or replace function platform.set_staff_rules(p_needs_factor boolean)
returns table (changed boolean)
language plpgsql security definer
set search_path = pg_catalog, platform, pg_temp
as $$
begin
    update platform.staff_rules as r
       set needs_factor = p_needs_factor
     where r.needs_factor <> p_needs_factor;
    changed := found;
    if changed then
        perform platform.write_audit('UPDATE', 'staff_rules', 'needs_factor',
            case when p_needs_factor then 'staff act with a second factor only'
                 else 'staff act without a second factor' end);
    end if;
    return next;
end
$$;
comment on function platform.set_staff_rules(boolean) is
    'The auth service says what it was set to (STAFF_MFA), when it starts.';
grant execute on function platform.set_staff_rules(boolean) to fn_auth;

-- Tokens -----------------------------------------------------------------------------------------

create or replace function platform.token_role(p_user auth.users)
returns text
language sql stable
as $$
    select case when p_user.role = 'authenticated' and platform.duties_of(p_user.id) <> '{}'
                then 'staff' else coalesce(p_user.role, '') end
$$;
comment on function platform.token_role(auth.users) is
    'The database role that a user''s access token names: staff for those who have a duty.';
