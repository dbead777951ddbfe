-- Who is staff, with which duties, and how people stand. Policies and transitions read both in the same statement,
-- so that a change holds at once.

create table platform.administrators (
    email      public.medium_text primary key check (email = lower(email) and email like '%_@_%'),
    duties     text[] not null check (
                   duties <@ array['owner', 'finance', 'support', 'inventory'] and duties <> '{}'),
    is_active  boolean not null default true,
    -- Counts only when its owner confirms it before anybody else is made an owner.
    is_first   boolean not null default false,
    notes      public.medium_text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table platform.administrators is
    'Who is staff, by confirmed e-mail address, and their duties; an owner may all.';

-- Owners come here through the view public.administrators, as themselves.
alter table platform.administrators enable row level security;
revoke all on platform.administrators from public;
grant select, insert, update, delete on platform.administrators to staff, service_role;
create policy administrators_owners on platform.administrators
    for all to staff
    using ((select platform.has_duty())) with check ((select platform.has_duty()));

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
