-- People out of auth.users, auth.identities and auth.mfa_factors of another system (lib/import.sql).
-- Before there was provider_id, it was called id.
do $$
begin
    if not exists (select from pg_attribute as a
                   where a.attrelid = 'identities_in'::regclass and a.attname = 'provider_id')
       and exists (select from pg_attribute as a
                   where a.attrelid = 'identities_in'::regclass and a.attname = 'id')
    then
        alter table identities_in rename column id to provider_id;
    end if;
end
$$;
select from pg_temp.complete('users', 'auth.users');
select from pg_temp.complete('identities', 'auth.identities');
select from pg_temp.complete('factors', 'auth.mfa_factors');

create temporary table left_out as
select (select count(*) from users_in as u where u.email_change <> '' or u.phone_change <> '') as changes,
       count(*) filter (where f.status = 'unverified') as unverified,
       count(*) filter (where f.status = 'verified' and f.factor_type in ('phone', 'webauthn')) as others
from factors_in as f;
delete from factors_in as f where f.status = 'unverified' or f.factor_type in ('phone', 'webauthn');

-- Codes of the other system, and changes that wait for them, end with it.
update users_in as u
   set raw_app_meta_data = coalesce(u.raw_app_meta_data, '{}'),
       raw_user_meta_data = coalesce(u.raw_user_meta_data, '{}'),
       aud = coalesce(nullif(u.aud, ''), 'authenticated'),
       role = coalesce(nullif(u.role, ''), 'authenticated'),
       email = nullif(lower(u.email), ''), phone = nullif(u.phone, ''),
       encrypted_password = nullif(u.encrypted_password, ''),
       confirmation_token = '', recovery_token = '', reauthentication_token = '', email_change = '',
       email_change_token_new = '', email_change_token_current = '', email_change_confirm_status = '0',
       phone_change = '', phone_change_token = '';
insert into problems
select u.dump_line, 'a user without an id' from users_in as u where u.id is null
union all
select f.dump_line, 'a second factor without an id' from factors_in as f where f.id is null;
update identities_in as i set identity_data = '{}' where i.identity_data is null;

select from pg_temp.read('users', 'auth.users');
select from pg_temp.read('identities', 'auth.identities');
select from pg_temp.read('factors', 'auth.mfa_factors');
create index on users_new (id);

-- What the auth service can check (common/crypto/password.c).
create function pg_temp.is_known_hash(p_hash text)
returns boolean
language sql immutable
as $$
    select p_hash ~ '^\$2[aby]\$(0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}$'
        or coalesce((
            select h[1]::integer <= 256 * 1024 and h[2]::integer <= 10
            from regexp_match(p_hash, '^\$argon2id?\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=\d{1,3}'
                                      '\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$') as h), false)
$$;

insert into problems
select n.dump_line, p.what
from (select u.*, count(*) over (partition by u.id) as of_id,
             count(*) over (partition by u.email, u.is_sso_user) as of_email,
             count(*) over (partition by u.phone) as of_phone
      from users_new as u) as n
cross join lateral (values
    (n.of_id > 1, 'the same id as another user in the dump'),
    (n.email is not null and not n.is_sso_user and n.of_email > 1, 'the same address as another user in the dump'),
    (n.phone is not null and n.of_phone > 1, 'the same phone as another user in the dump'),
    (n.email is null and n.phone is null and not n.is_anonymous and n.deleted_at is null,
     'a user without an address and without a phone'),
    (not pg_temp.is_known_hash(n.encrypted_password),
     'a password hash that nobody here can check: it is neither bcrypt nor Argon2'),
    (n.role <> 'authenticated', format('a user of the role "%s"; here it is authenticated', n.role)),
    (jsonb_typeof(n.raw_app_meta_data) <> 'object' or jsonb_typeof(n.raw_user_meta_data) <> 'object',
     'metadata that are no object'),
    (exists (select from auth.users as h
             where h.email = n.email and h.id <> n.id and h.is_sso_user = false and not n.is_sso_user),
     'the address of somebody else here'),
    (exists (select from auth.users as h where h.phone = n.phone and h.id <> n.id), 'the phone of somebody else here')
) as p (is_so, what)
where p.is_so;

insert into problems
select n.dump_line, p.what
from (select i.*, count(*) over (partition by i.provider_id, i.provider) as of_provider,
             count(*) over (partition by i.id) as of_id
      from identities_new as i) as n
cross join lateral (values
    (n.of_provider > 1 or n.of_id > 1, 'the same identity as another one in the dump'),
    (not exists (select from users_new as u where u.id = n.user_id)
     and not exists (select from auth.users as h where h.id = n.user_id), 'an identity of a user who is not there'),
    (jsonb_typeof(n.identity_data) <> 'object', 'data of an identity that are no object'),
    (exists (select from auth.identities as h
             where h.provider_id = n.provider_id and h.provider = n.provider and h.user_id <> n.user_id)
     or exists (select from auth.identities as h
                where h.id = n.id and (h.provider_id, h.provider) <> (n.provider_id, n.provider)),
     'the identity of somebody else here')
) as p (is_so, what)
where p.is_so;

insert into problems
select n.dump_line, p.what
from (select f.*, count(*) over (partition by f.id) as of_id,
             count(*) over (partition by f.user_id, f.friendly_name) as of_name
      from factors_new as f) as n
cross join lateral (values
    (n.of_id > 1, 'the same id as another second factor in the dump'),
    (trim(n.friendly_name) <> '' and n.of_name > 1, 'a second factor of a name that the user has already'),
    (n.secret like '{%', 'the secret of a second factor is encrypted with a key of the other system'),
    (n.secret is null or (n.secret !~ '^[A-Z2-7]+=*$' and n.secret not like '{%'), 'the secret of a second factor is no base32'),
    (not exists (select from users_new as u where u.id = n.user_id)
     and not exists (select from auth.users as h where h.id = n.user_id), 'a second factor of a user who is not there'),
    (exists (select from auth.mfa_factors as h where h.id = n.id and h.user_id <> n.user_id),
     'the second factor of somebody else here'),
    (exists (select from auth.mfa_factors as h
             where h.user_id = n.user_id and h.friendly_name = n.friendly_name and trim(h.friendly_name) <> '' and h.id <> n.id),
     'a second factor of a name that the user has here already')
) as p (is_so, what)
where p.is_so;
select from pg_temp.refuse_problems();

select from platform.pause_audit();
select from pg_temp.take('users', 'auth.users', 'id', 'excluded.updated_at > t.updated_at');
select from pg_temp.take('identities', 'auth.identities', 'provider_id, provider',
                         'excluded.updated_at > t.updated_at');
-- (Which code was used last is known here only.)
select from pg_temp.take('factors', 'auth.mfa_factors', 'id', 'excluded.updated_at > t.updated_at', 'last_step');
select from platform.resume_audit();
select from pg_temp.audit_all();

select d.what || ': ' || d.made || ' new, ' || d.changed || ' changed, ' || d.kept || ' as they were' from done as d;
select 'of the users: ' || concat_ws(', ',
           count(u.encrypted_password) || ' with a password',
           count(u.email_confirmed_at) || ' with a confirmed address',
           nullif(count(*) filter (where u.banned_until > now()), 0) || ' banned',
           nullif(count(u.deleted_at), 0) || ' deleted',
           nullif(count(*) filter (where u.is_anonymous), 0) || ' anonymous',
           nullif(count(*) filter (where u.email is null and u.phone is not null), 0)
               || ' with a phone only, by which nobody signs in here',
           nullif(count(*) filter (where u.is_sso_user), 0)
               || ' of a single sign-on, which there is none of here')
from users_new as u;
select format('%s changes of an address or phone were not confirmed yet: they begin anew', l.changes)
from left_out as l where l.changes > 0;
select format('%s second factors were never verified, and are left out', l.unverified) from left_out as l where l.unverified > 0;
select format('%s second factors by phone or WebAuthn are left out: who has no other signs in by the password alone', l.others)
from left_out as l where l.others > 0;
select format('%s users sign in by %s only there, and here by a mail: /recover', count(*), string_agg(distinct i.provider, ', '))
from users_new as u
join identities_new as i on i.user_id = u.id
where u.encrypted_password is null and i.provider <> 'email' and not u.is_sso_user
having count(*) > 0;
