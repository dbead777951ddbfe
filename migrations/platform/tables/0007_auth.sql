-- The auth service's own tables; users themselves are in 0002_auth.sql. Names and types are those of
-- Supabase where the rest of a system reads them. Refresh tokens are no rows: a session has a
-- counter, and its tokens are made of both with a key that only the auth service has.

create table auth.identities (
    provider_id     text not null,
    user_id         uuid not null references auth.users (id) on delete cascade,
    identity_data   jsonb not null,
    provider        text not null,
    last_sign_in_at timestamptz,
    created_at      timestamptz default now(),
    updated_at      timestamptz default now(),
    email           text generated always as (lower(identity_data ->> 'email')) stored,
    id              uuid primary key default gen_random_uuid(),
    unique (provider_id, provider)
);
comment on table auth.identities is 'By what a user signs in: one row per provider, "email" here.';
create index identities_user_idx on auth.identities (user_id);
create index identities_email_idx on auth.identities (email);

create type auth.aal_level as enum ('aal1', 'aal2', 'aal3');

create table auth.sessions (
    id                    uuid primary key default gen_random_uuid(),
    user_id               uuid not null references auth.users (id) on delete cascade,
    created_at            timestamptz not null default now(),
    updated_at            timestamptz not null default now(),
    factor_id             uuid,
    aal                   auth.aal_level not null default 'aal1',
    not_after             timestamptz,
    refreshed_at          timestamptz,
    user_agent            text,
    ip                    inet,
    -- Of the refresh token that is good now; the one before it is good until this one is used.
    refresh_token_counter bigint not null default 0
) with (fillfactor = 80);
comment on table auth.sessions is
    'Who is signed in, and where: until it signs out, or its time is over.';
create index sessions_user_idx on auth.sessions (user_id, created_at);

create table auth.mfa_amr_claims (
    session_id            uuid not null references auth.sessions (id) on delete cascade,
    created_at            timestamptz not null default now(),
    updated_at            timestamptz not null default now(),
    authentication_method text not null,
    id                    uuid primary key default gen_random_uuid(),
    unique (session_id, authentication_method)
);
comment on table auth.mfa_amr_claims is 'How a session was signed in, and when: claim amr.';

create type auth.code_challenge_method as enum ('s256', 'plain');

create table auth.flow_state (
    id                    uuid primary key default gen_random_uuid(),
    user_id               uuid references auth.users (id) on delete cascade,
    auth_code             text,
    code_challenge_method auth.code_challenge_method not null,
    code_challenge        text not null,
    provider_type         text not null,
    authentication_method text not null,
    created_at            timestamptz not null default now(),
    updated_at            timestamptz not null default now(),
    auth_code_issued_at   timestamptz
);
comment on table auth.flow_state is
    'PKCE: what was asked for on one device, until its link was opened and its code exchanged.';
create unique index flow_state_auth_code_idx on auth.flow_state (auth_code);
create index flow_state_user_idx on auth.flow_state (user_id, created_at);
create index flow_state_created_idx on auth.flow_state (created_at);

create table auth.audit_log_entries (
    id         uuid primary key default gen_random_uuid(),
    payload    json not null,
    created_at timestamptz not null default now(),
    ip_address varchar(64) not null default ''
);
comment on table auth.audit_log_entries is 'What happened to which user, without secrets.';
create index audit_log_entries_created_idx on auth.audit_log_entries (created_at);
create index audit_log_entries_actor_idx on auth.audit_log_entries ((payload ->> 'actor_id'), created_at);

do $$
declare
    v_table text;
begin
    foreach v_table in array array['identities', 'sessions', 'mfa_amr_claims',
                                   'flow_state', 'audit_log_entries'] loop
        execute format('alter table auth.%I enable row level security', v_table);
        execute format('revoke all on auth.%I from public, anon, authenticated, service_role',
                       v_table);
    end loop;
end
$$;

create table auth.guesses (
    user_id     uuid primary key references auth.users (id) on delete cascade,
    of_code     integer not null default 0,
    month       date not null default date_trunc('month', now())::date,
    of_month    integer not null default 0
);
comment on table auth.guesses is
    'Wrong codes: for the one that was mailed last, and in this month. Enough of them, and only the '
    'mailed link and the password open the door.';
alter table auth.guesses enable row level security;
revoke all on auth.guesses from public, anon, authenticated, service_role;

create table auth.devices (
    user_id       uuid not null references auth.users (id) on delete cascade,
    device        bytea not null,
    first_seen_at timestamptz not null default now(),
    last_seen_at  timestamptz not null default now(),
    primary key (user_id, device)
);
comment on table auth.devices is
    'With what somebody signed in before, as a hash; see sql/auth_devices.sql.';
create index devices_seen_idx on auth.devices (last_seen_at);
alter table auth.devices enable row level security;
revoke all on auth.devices from public, anon, authenticated, service_role;

create table auth.mail_hours (
    hour  timestamptz primary key,
    mails integer not null
);
comment on table auth.mail_hours is
    'How many mails were asked for in an hour, by anybody; kept for a day, where there is a quota.';
alter table auth.mail_hours enable row level security;
revoke all on auth.mail_hours from public, anon, authenticated, service_role;

insert into public.email_templates
    (template_name, template_type, subject, html_content, text_content, variables)
values
('auth_signup', 'auth', 'Confirm your address',
$html$<h1>Confirm your address</h1>
<p>Your code is <strong>{{ .Token }}</strong>.</p>
<p>Or follow this link: <a href="{{ .ConfirmationURL }}">confirm {{ .Email }}</a></p>
<p>If you did not sign up, do nothing.</p>
$html$,
$text$Your code is {{ .Token }}.

Or follow this link to confirm {{ .Email }}:
{{ .ConfirmationURL }}

If you did not sign up, do nothing.
$text$,
 '["Token", "TokenHash", "ConfirmationURL", "SiteURL", "Email", "RedirectTo"]'),

('auth_invite', 'auth', 'You have been invited',
$html$<h1>You have been invited</h1>
<p>Follow this link to accept: <a href="{{ .ConfirmationURL }}">accept the invitation</a></p>
<p>Or type this code: <strong>{{ .Token }}</strong></p>
$html$,
$text$You have been invited to {{ .SiteURL }}. Follow this link to accept:
{{ .ConfirmationURL }}

Or type this code: {{ .Token }}
$text$,
 '["Token", "TokenHash", "ConfirmationURL", "SiteURL", "Email", "RedirectTo"]'),

('auth_recovery', 'auth', 'Choose a new password',
$html$<h1>Choose a new password</h1>
<p>Follow this link: <a href="{{ .ConfirmationURL }}">choose a new password</a></p>
<p>Or type this code: <strong>{{ .Token }}</strong></p>
<p>If you did not ask for it, do nothing: your password stays as it is.</p>
$html$,
$text$Follow this link to choose a new password:
{{ .ConfirmationURL }}

Or type this code: {{ .Token }}

If you did not ask for it, do nothing: your password stays as it is.
$text$,
 '["Token", "TokenHash", "ConfirmationURL", "SiteURL", "Email", "RedirectTo"]'),

('auth_magiclink', 'auth', 'Your way in',
$html$<h1>Your way in</h1>
<p>Follow this link: <a href="{{ .ConfirmationURL }}">sign in</a></p>
<p>Or type this code: <strong>{{ .Token }}</strong></p>
<p>If you did not ask for it, do nothing.</p>
$html$,
$text$Follow this link to sign in:
{{ .ConfirmationURL }}

Or type this code: {{ .Token }}

If you did not ask for it, do nothing.
$text$,
 '["Token", "TokenHash", "ConfirmationURL", "SiteURL", "Email", "RedirectTo"]'),

('auth_email_change', 'auth', 'Confirm the change of your address',
$html$<h1>Confirm the change of your address</h1>
<p>From {{ .Email }} to {{ .NewEmail }}:
<a href="{{ .ConfirmationURL }}">confirm the change</a></p>
<p>Or type this code: <strong>{{ .Token }}</strong></p>
<p>Both addresses have to confirm. If you did not ask for it, do nothing.</p>
$html$,
$text$From {{ .Email }} to {{ .NewEmail }}. Follow this link to confirm the change:
{{ .ConfirmationURL }}

Or type this code: {{ .Token }}

Both addresses have to confirm. If you did not ask for it, do nothing.
$text$,
 '["Token", "TokenHash", "ConfirmationURL", "SiteURL", "Email", "NewEmail", "SendingTo", "RedirectTo"]'),

('auth_reauthentication', 'auth', 'Your code',
$html$<p>Your code is <strong>{{ .Token }}</strong>.</p>
<p>If you did not ask for it, choose a new password.</p>
$html$,
$text$Your code is {{ .Token }}.

If you did not ask for it, choose a new password.
$text$,
 '["Token", "Email"]'),

('auth_password_changed', 'auth', 'Your password was changed',
$html$<p>The password of {{ .Email }} was changed.</p>
<p>If it was not you, choose a new one now, by "forgot password".</p>
$html$,
$text$The password of {{ .Email }} was changed.

If it was not you, choose a new one now, by "forgot password".
$text$,
 '["Email"]'),

('auth_email_changed', 'auth', 'Your address was changed',
$html$<p>Your address was changed from {{ .OldEmail }} to {{ .Email }}.</p>
<p>If it was not you, write to us.</p>
$html$,
$text$Your address was changed from {{ .OldEmail }} to {{ .Email }}.

If it was not you, write to us.
$text$,
 '["Email", "OldEmail"]'),

('auth_new_device', 'auth', 'You signed in with a new device',
$html$<p>Somebody signed in as {{ .Email }} with a device that was not used before.</p>
<p>When: {{ .Time }}<br>
Device: {{ .Device }}<br>
IP address: {{ .IP }}</p>
<p>If it was you, do nothing. If it was not, choose a new password now, by "forgot password": it ends
all other sessions.</p>
$html$,
$text$Somebody signed in as {{ .Email }} with a device that was not used before.

When: {{ .Time }}
Device: {{ .Device }}
IP address: {{ .IP }}

If it was you, do nothing. If it was not, choose a new password now, by "forgot password": it ends
all other sessions.
$text$,
 '["Email", "Time", "Device", "IP"]');

-- Changes of address that are under way.
create index users_email_change_idx on auth.users (email_change) where email_change <> '';
