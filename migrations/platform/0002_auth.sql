-- Schema auth: the users, and who the present request acts for.
--
-- Names, types and defaults are those of Supabase, so that rows can be moved either way and
-- policies written for Supabase work unchanged.

create schema if not exists auth;
comment on schema auth is 'Users and the identity of the present request, as on Supabase.';
grant usage on schema auth to anon, authenticated, service_role;

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

create function auth.uid()
returns uuid
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    )::uuid
$$;
comment on function auth.uid() is 'The user the present request acts for; null without one.';

create function auth.role()
returns text
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.role', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
    )
$$;
comment on function auth.role() is 'The role claim of the present request''s token.';

create function auth.email()
returns text
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.email', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
    )
$$;
comment on function auth.email() is 'The e-mail claim of the present request''s token.';

create function auth.jwt()
returns jsonb
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$$;
comment on function auth.jwt() is 'All claims of the present request''s token.';

revoke all on function auth.uid(), auth.role(), auth.email(), auth.jwt() from public;
grant execute on function auth.uid(), auth.role(), auth.email(), auth.jwt()
    to anon, authenticated, service_role;
