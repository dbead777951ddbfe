-- Customers (a profile per user of schema auth) and administrators.

create table public.user_profiles (
    id                uuid primary key references auth.users (id) on delete cascade,
    first_name        text,
    last_name         text,
    email             text not null,
    phone             text,
    country           text,
    marketing_consent boolean not null default false,
    account_status    public.customer_standing not null default 'active',
    total_orders      integer not null default 0,
    total_spent       public.usd_amount not null default 0,
    signup_ip         text,
    last_login_at     timestamptz,
    -- The old system kept the login password here. The column stays because front ends select
    -- it; nothing but the empty text can be stored in it.
    password          text not null default '' check (password = ''),
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now()
);
comment on table public.user_profiles is
    'One row per user: name, contact, standing and totals. Made by trigger at sign-up.';
comment on column public.user_profiles.password is
    'Always empty. Passwords are never stored; support sends a reset link instead.';

create index user_profiles_email_idx on public.user_profiles (email);
create index user_profiles_created_idx on public.user_profiles (created_at desc);

create trigger user_profiles_updated_at
    before update on public.user_profiles
    for each row execute function public.update_updated_at_column();

create table public.administrators (
    email      text primary key check (email = lower(email) and email like '%_@_%'),
    is_active  boolean not null default true,
    notes      text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table public.administrators is
    'Who administers, by confirmed e-mail address. The app_metadata claim role = admin counts too.';

create trigger administrators_updated_at
    before update on public.administrators
    for each row execute function public.update_updated_at_column();

create function public.is_admin()
returns boolean
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select case
        when auth.uid() is null then false
        when auth.jwt() -> 'app_metadata' ->> 'role' = 'admin' then true
        else exists (
            -- The address is read from the user's row, never from the token, and counts only
            -- once confirmed: anybody can sign up with somebody else's address.
            select
            from auth.users as u
            join public.administrators as a on a.email = lower(u.email) and a.is_active
            where u.id = auth.uid()
              and u.email_confirmed_at is not null
              and u.deleted_at is null
              and (u.banned_until is null or u.banned_until <= now()))
    end
$$;
comment on function public.is_admin() is
    'Whether the present request acts for an administrator: role claim in app_metadata, or a '
    'confirmed e-mail address listed in administrators.';
revoke all on function public.is_admin() from public;
grant execute on function public.is_admin() to anon, authenticated, service_role;

-- Sign-up --------------------------------------------------------------------------------------

create function public.drop_clear_password()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_table_name = 'identities' then
        new.identity_data := new.identity_data
            - array['password', 'confirmPassword', 'confirm_password'];
    else
        new.raw_user_meta_data := new.raw_user_meta_data
            - array['password', 'confirmPassword', 'confirm_password'];
    end if;
    return new;
end
$$;
comment on function public.drop_clear_password() is
    'Trigger: front ends send the password again in the sign-up metadata; it is dropped before '
    'anything is written.';

create trigger on_auth_user_drop_clear_password
    before insert or update on auth.users
    for each row
    when (new.raw_user_meta_data ?| array['password', 'confirmPassword', 'confirm_password'])
    execute function public.drop_clear_password();

-- The identities of a hosted database repeat the sign-up metadata.
do $$
begin
    if to_regclass('auth.identities') is not null then
        create trigger on_auth_identity_drop_clear_password
            before insert or update on auth.identities
            for each row
            when (new.identity_data ?| array['password', 'confirmPassword', 'confirm_password'])
            execute function public.drop_clear_password();
    end if;
end
$$;

create function public.handle_new_user()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_meta jsonb := case jsonb_typeof(new.raw_user_meta_data)
                        when 'object' then new.raw_user_meta_data else '{}' end;
begin
    -- Metadata is whatever the visitor sent: it is cut and read leniently, because an error here
    -- would refuse the sign-up.
    insert into public.user_profiles
        (id, first_name, last_name, email, phone, country, marketing_consent)
    values (
        new.id,
        left(v_meta ->> 'first_name', 200),
        left(v_meta ->> 'last_name', 200),
        coalesce(new.email, ''),
        left(coalesce(v_meta ->> 'phone', new.phone), 60),
        left(v_meta ->> 'country', 100),
        coalesce(lower(v_meta ->> 'marketing_consent') in ('true', 't', 'yes', 'on', '1'), false))
    on conflict (id) do nothing;
    return new;
end
$$;
comment on function public.handle_new_user() is
    'Trigger: makes the profile of a new user from the sign-up metadata.';

create trigger on_auth_user_created
    after insert on auth.users
    for each row execute function public.handle_new_user();

create function public.handle_user_change()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
begin
    update public.user_profiles as p
       set email = coalesce(new.email, ''),
           last_login_at = greatest(new.last_sign_in_at, p.last_login_at)
     where p.id = new.id;
    return new;
end
$$;
comment on function public.handle_user_change() is
    'Trigger: the profile follows the user''s e-mail address and last sign-in.';

create trigger on_auth_user_changed
    after update on auth.users
    for each row
    when (old.email is distinct from new.email
          or old.last_sign_in_at is distinct from new.last_sign_in_at)
    execute function public.handle_user_change();

-- What a customer may change in the own profile ------------------------------------------------

create function public.guard_user_profile()
returns trigger
language plpgsql
as $$
begin
    new.password := '';
    if tg_op = 'INSERT' or current_user not in ('anon', 'authenticated') or public.is_admin() then
        return new;
    end if;
    if (new.id, new.email, new.account_status, new.total_orders, new.total_spent,
        new.signup_ip, new.created_at)
       is distinct from
       (old.id, old.email, old.account_status, old.total_orders, old.total_spent,
        old.signup_ip, old.created_at)
    then
        raise exception using
            errcode = '42501',
            message = 'Standing, totals and e-mail address of a profile are not yours to change',
            hint = 'The address follows the login''s; administrators change the rest.';
    end if;
    return new;
end
$$;
comment on function public.guard_user_profile() is
    'Trigger: customers change their contact data only, and no password is ever stored.';

create trigger user_profiles_guard
    before insert or update on public.user_profiles
    for each row execute function public.guard_user_profile();

revoke all on function public.drop_clear_password(), public.handle_new_user(),
        public.handle_user_change(), public.guard_user_profile()
    from public, anon, authenticated, service_role;
