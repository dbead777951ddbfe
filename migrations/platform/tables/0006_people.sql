-- Who administers, and how people stand. Policies and transitions read both in the same statement,
-- so that a change holds at once.

create table platform.administrators (
    email      public.medium_text primary key check (email = lower(email) and email like '%_@_%'),
    is_active  boolean not null default true,
    notes      public.medium_text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table platform.administrators is
    'Who administers, by confirmed e-mail address. The app_metadata claim role = admin counts too.';

-- Administrators come here through the view public.administrators, as themselves.
alter table platform.administrators enable row level security;
revoke all on platform.administrators from public;
grant select, insert, update, delete on platform.administrators
    to anon, authenticated, service_role;
create policy administrators_admin on platform.administrators
    for all to authenticated
    using ((select platform.is_admin())) with check ((select platform.is_admin()));

create table platform.standing (
    user_id  uuid primary key references auth.users (id) on delete cascade,
    standing text not null check (standing in ('suspended', 'banned')),
    reason   text,
    since    timestamptz not null default now(),
    set_by   text not null
);
comment on table platform.standing is
    'Who is suspended or banned; who has no row is active. Written by platform.set_standing only.';

alter table platform.standing enable row level security;
revoke all on platform.standing from public;
