-- The second factor. Names and types are those of Supabase, so that rows can be moved; what it lacks is which
-- code was used last, and how many wrong ones there were.

create type auth.factor_type as enum ('totp', 'webauthn', 'phone');
create type auth.factor_status as enum ('unverified', 'verified');

create table auth.mfa_factors (
    id                          uuid primary key default gen_random_uuid(),
    user_id                     uuid not null references auth.users (id) on delete cascade,
    friendly_name               text,
    factor_type                 auth.factor_type not null,
    status                      auth.factor_status not null,
    created_at                  timestamptz not null default now(),
    updated_at                  timestamptz not null default now(),
    secret                      text,               -- base32, sealed
    phone                       text,
    last_challenged_at          timestamptz,
    web_authn_credential        jsonb,
    web_authn_aaguid            uuid,
    last_webauthn_challenge_data jsonb,
    -- Of the code that was used last: it and all before it are good no more.
    last_step                   bigint not null default 0
) with (fillfactor = 80);
comment on table auth.mfa_factors is
    'What people have, beside what they know: authenticator programs, by their sealed secret.';
create index mfa_factors_user_id_idx on auth.mfa_factors (user_id, created_at);
create unique index mfa_factors_user_friendly_name_unique
    on auth.mfa_factors (friendly_name, user_id) where trim(friendly_name) <> '';

create table auth.mfa_challenges (
    id                     uuid primary key default gen_random_uuid(),
    factor_id              uuid not null references auth.mfa_factors (id) on delete cascade,
    created_at             timestamptz not null default now(),
    verified_at            timestamptz,
    ip_address             inet not null,
    otp_code               text,
    web_authn_session_data jsonb
);
comment on table auth.mfa_challenges is
    'A code was asked for, at one address: good for five minutes and once. Those of a factor that are '
    'older than an hour go when it is challenged again.';
create index mfa_challenges_factor_idx on auth.mfa_challenges (factor_id, created_at);

create table auth.mfa_guesses (
    user_id  uuid primary key references auth.users (id) on delete cascade,
    wrong    integer not null,
    again_at timestamptz
);
comment on table auth.mfa_guesses is
    'Wrong codes of somebody since the last right one, whatever the factor, and until when no other is '
    'looked at.';

do $$
declare
    v_table text;
begin
    foreach v_table in array array['mfa_factors', 'mfa_challenges', 'mfa_guesses'] loop
        execute format('alter table auth.%I enable row level security', v_table);
        execute format('revoke all on auth.%I from public, anon, authenticated, service_role',
                       v_table);
    end loop;
end
$$;

insert into public.email_templates
    (template_name, template_type, subject, html_content, text_content, variables)
values
('auth_factor_enrolled', 'auth', 'A second factor was added',
$html$<p>From now on {{ .Email }} signs in with a code of an authenticator, too.</p>
<p>If it was not you, choose a new password now, by "forgot password", and write to us.</p>
$html$,
$text$From now on {{ .Email }} signs in with a code of an authenticator, too.

If it was not you, choose a new password now, by "forgot password", and write to us.
$text$,
 '["Email"]'),

('auth_factor_unenrolled', 'auth', 'A second factor was removed',
$html$<p>A second factor of {{ .Email }} was removed.</p>
<p>If it was not you, choose a new password now, by "forgot password", and write to us.</p>
$html$,
$text$A second factor of {{ .Email }} was removed.

If it was not you, choose a new password now, by "forgot password", and write to us.
$text$,
 '["Email"]'),

('auth_factor_reset', 'auth', 'Your second factor was reset',
$html$<p>An administrator took away every second factor of {{ .Email }} and ended all sessions. Sign in
with your password, and add a new one.</p>
<p>If you did not ask for it, write to us at once.</p>
$html$,
$text$An administrator took away every second factor of {{ .Email }} and ended all sessions. Sign in with
your password, and add a new one.

If you did not ask for it, write to us at once.
$text$,
 '["Email"]'),

('auth_factor_guessed', 'auth', 'Wrong codes of your second factor',
$html$<p>Somebody who knows the password of {{ .Email }} typed several wrong codes of the second
factor, from IP address {{ .IP }}.</p>
<p>If it was not you, choose a new password now.</p>
$html$,
$text$Somebody who knows the password of {{ .Email }} typed several wrong codes of the second factor, from
IP address {{ .IP }}.

If it was not you, choose a new password now.
$text$,
 '["Email", "IP"]');
