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

create or replace function platform.has_duty(variadic p_duties text[] default '{}')
returns boolean
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
as $$
begin
    return platform.user_has_duty(auth.uid(), variadic p_duties);
end
$$;
comment on function platform.has_duty(text[]) is
    'Whether the present request acts for somebody with one of these duties, or for an owner. For '
    'policies and functions.';
grant execute on function platform.has_duty(text[]) to staff;

create or replace function platform.require_duty(p_what text, variadic p_duties text[] default '{}')
returns void
language plpgsql stable
as $$
begin
    if platform.caller_role() in ('anon', 'authenticated', 'staff')
       and not platform.has_duty(variadic p_duties) then
        raise exception using
            errcode = '42501',
            message = format('Only staff with the duty %s may %s',
                array_to_string(array_prepend('owner', p_duties), ' or '), p_what);
    end if;
end
$$;
comment on function platform.require_duty(text, text[]) is
    'Refuses people without one of these duties who are no owners (SQLSTATE 42501). The service key '
    'and programs of ours may.';

create or replace function platform.token_role(p_user auth.users)
returns text
language sql stable
as $$
    select case when p_user.role = 'authenticated' and platform.duties_of(p_user.id) <> '{}'
                then 'staff' else coalesce(p_user.role, '') end
$$;
comment on function platform.token_role(auth.users) is
    'The database role that a user''s access token names: staff for those who have a duty.';
