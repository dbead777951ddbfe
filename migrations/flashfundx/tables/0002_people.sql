-- Customers: a profile per user of schema auth. Sales outlive people: the profile of a user who is
-- deleted after buying stays, emptied of what says who it was.

create table public.user_profiles (
    id                uuid primary key,
    first_name        public.short_text,
    last_name         public.short_text,
    email             public.medium_text not null,
    phone             public.short_text,
    country           public.short_text,
    marketing_consent boolean not null default false,
    account_status    public.customer_standing not null default 'active',
    total_orders      integer not null default 0,
    total_spent       public.usd_amount not null default 0,
    signup_ip         public.short_text,
    last_login_at     timestamptz,
    -- The old system kept the login password here. The column stays because front ends select
    -- it; nothing but the empty text can be stored in it.
    password          text not null default '' check (password = ''),
    deleted_at        timestamptz,
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now()
);
comment on table public.user_profiles is
    'One row per user: name, contact, standing and totals. Made by trigger at sign-up.';
comment on column public.user_profiles.deleted_at is
    'When the user was deleted; then nothing here says who it was.';
comment on column public.user_profiles.password is
    'Always empty. Passwords are never stored; support sends a reset link instead.';

create index user_profiles_email_idx on public.user_profiles (email);
create index user_profiles_created_idx on public.user_profiles (created_at desc);
