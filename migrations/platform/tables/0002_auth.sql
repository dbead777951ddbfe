-- Users, and stubs of what policies ask about them.
--
-- Names, types and defaults in auth are those of Supabase, so that rows can be moved either way and
-- policies written for Supabase work unchanged.

create table auth.users (
    instance_id                 uuid default '00000000-0000-0000-0000-000000000000',
    id                          uuid primary key default gen_random_uuid(),
    aud                         varchar(255) default 'authenticated',
    role                        varchar(255) default 'authenticated',
    email                       varchar(255),
    encrypted_password          varchar(255),
    email_confirmed_at          timestamptz,
    invited_at                  timestamptz,
    confirmation_token          varchar(255) default '',
    confirmation_sent_at        timestamptz,
    recovery_token              varchar(255) default '',
    recovery_sent_at            timestamptz,
    email_change_token_new      varchar(255) default '',
    email_change                varchar(255) default '',
    email_change_sent_at        timestamptz,
    last_sign_in_at             timestamptz,
    raw_app_meta_data           jsonb default '{"provider": "email", "providers": ["email"]}',
    raw_user_meta_data          jsonb default '{}',
    is_super_admin              boolean,
    created_at                  timestamptz default now(),
    updated_at                  timestamptz default now(),
    phone                       text unique,
    phone_confirmed_at          timestamptz,
    phone_change                text default '',
    phone_change_token          varchar(255) default '',
    phone_change_sent_at        timestamptz,
    confirmed_at                timestamptz
        generated always as (least(email_confirmed_at, phone_confirmed_at)) stored,
    email_change_token_current  varchar(255) default '',
    email_change_confirm_status smallint default 0
        check (email_change_confirm_status between 0 and 2),
    banned_until                timestamptz,
    reauthentication_token      varchar(255) default '',
    reauthentication_sent_at    timestamptz,
    is_sso_user                 boolean not null default false,
    deleted_at                  timestamptz,
    is_anonymous                boolean not null default false
);
comment on table auth.users is
    'Login data of every user. Only the auth service and the database''s own functions read it.';

create unique index users_email_partial_key on auth.users (email) where is_sso_user = false;
create index users_email_lower_idx on auth.users (lower(email));
create index users_is_anonymous_idx on auth.users (is_anonymous);
create unique index confirmation_token_idx on auth.users (confirmation_token)
    where confirmation_token !~ '^[0-9 ]*$';
create unique index recovery_token_idx on auth.users (recovery_token)
    where recovery_token !~ '^[0-9 ]*$';
create unique index reauthentication_token_idx on auth.users (reauthentication_token)
    where reauthentication_token !~ '^[0-9 ]*$';

alter table auth.users enable row level security;
revoke all on auth.users from public, anon, authenticated, service_role;

-- What policies call stands here as a stub that lets nobody in; sql/ has the one body.
create function auth.uid()
returns uuid
language sql stable
as $$ select null::uuid $$;

create function platform.has_duty(variadic p_duties text[] default '{}')
returns boolean
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$ select false $$;
