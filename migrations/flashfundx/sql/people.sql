-- Customers: a profile per user of schema auth, what its owner may change in it, and how its owner
-- stands.

create or replace function public.drop_clear_password()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    new.raw_user_meta_data := new.raw_user_meta_data
        - array['password', 'confirmPassword', 'confirm_password'];
    return new;
end
$$;
comment on function public.drop_clear_password() is
    'Trigger: front ends send the password again in the sign-up metadata; it is dropped before '
    'anything is written.';

create or replace trigger on_auth_user_drop_clear_password
    before insert or update on auth.users
    for each row
    when (new.raw_user_meta_data ?| array['password', 'confirmPassword', 'confirm_password'])
    execute function public.drop_clear_password();

create or replace function public.handle_new_user()
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
        (id, first_name, last_name, email, phone, country, marketing_consent, signup_ip)
    values (
        new.id,
        left(v_meta ->> 'first_name', 200),
        left(v_meta ->> 'last_name', 200),
        coalesce(new.email, ''),
        left(coalesce(v_meta ->> 'phone', new.phone), 60),
        left(v_meta ->> 'country', 100),
        coalesce(lower(v_meta ->> 'marketing_consent') in ('true', 't', 'yes', 'on', '1'), false),
        -- Where the sign-up came from, which the auth service says; nobody else does.
        left(nullif(current_setting('platform.caller_ip', true), ''), 200))
    on conflict (id) do nothing;
    return new;
end
$$;
comment on function public.handle_new_user() is
    'Trigger: makes the profile of a new user from the sign-up metadata.';

create or replace trigger on_auth_user_created
    after insert on auth.users
    for each row execute function public.handle_new_user();

create or replace function public.handle_user_change()
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

create or replace trigger on_auth_user_changed
    after update on auth.users
    for each row
    when (old.email is distinct from new.email
          or old.last_sign_in_at is distinct from new.last_sign_in_at)
    execute function public.handle_user_change();

create or replace function public.handle_user_deleted()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
declare
    v_sold boolean;
begin
    select exists (select from public.orders as o where o.user_id = old.id)
           or exists (select from public.payment_transactions as t where t.user_id = old.id)
           or exists (select from public.delivered_accounts as d where d.user_id = old.id)
      into v_sold;
    -- The audit is never changed either: what erases a person is not written there word by word.
    perform platform.pause_audit();
    if v_sold then
        update public.user_profiles as p
           set first_name = null, last_name = null, email = '', phone = null, country = null,
               marketing_consent = false, signup_ip = null, last_login_at = null,
               deleted_at = now()
         where p.id = old.id;
    else
        delete from public.user_profiles as p where p.id = old.id;
    end if;
    -- The jobs first, as they are locked by whoever sends the mails.
    perform platform.job_drop('mail', m.id::text)
        from (select i.id from public.outbox as i where i.person = old.id order by i.id) as m;
    delete from public.outbox as m where m.person = old.id;
    perform platform.resume_audit();
    perform platform.write_audit('ERASE', 'user_profiles', old.id::text,
        case when v_sold then 'the user was deleted; what was sold stays, without a name'
             else 'the user was deleted' end);
    return null;
end
$$;
comment on function public.handle_user_deleted() is
    'Trigger: of a user who is deleted nothing stays that says who it was: no mails, and no profile, '
    'or an empty one where something was ordered.';

create or replace trigger on_auth_user_deleted
    after delete on auth.users
    for each row execute function public.handle_user_deleted();

create or replace function public.check_profile_user()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from auth.users as u where u.id = new.id) then
        raise exception using
            errcode = '23503',
            message = 'A profile belongs to a user, and there is none of this id';
    end if;
    return null;
end
$$;
comment on function public.check_profile_user() is
    'Trigger: a profile begins with its user. (No foreign key: it may outlive the user.)';

create or replace trigger user_profiles_user
    after insert or update of id on public.user_profiles
    for each row execute function public.check_profile_user();

create or replace function public.guard_user_profile()
returns trigger
language plpgsql
set search_path = pg_catalog, public, pg_temp
as $$
declare
    -- What customers, and staff for them, may set. A new column is not theirs before it stands here.
    c_theirs constant text[] := array['first_name', 'last_name', 'phone', 'country',
                                      'marketing_consent', 'password', 'updated_at'];
begin
    new.password := '';
    if tg_op = 'UPDATE' then
        new.updated_at := now();
    end if;
    if tg_op = 'INSERT' or current_user not in ('anon', 'authenticated', 'staff') then
        return new;
    end if;
    if to_jsonb(new) - c_theirs is distinct from to_jsonb(old) - c_theirs then
        raise exception using
            errcode = '42501',
            message = 'Of a profile only names, phone, country and consent are yours to change',
            hint = 'The address follows the login''s; how a customer stands is set by '
                   'set_customer_standing.';
    end if;
    return new;
end
$$;
comment on function public.guard_user_profile() is
    'Trigger: people change contact data only, and no password is ever stored; keeps '
    'updated_at.';

create or replace trigger user_profiles_guard
    before insert or update on public.user_profiles
    for each row execute function public.guard_user_profile();

-- account_status of the profile is what front ends read and the service key may write; the platform's
-- row decides.

create or replace function backend.profile_standing()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    perform platform.set_standing(new.id, new.account_status, null);
    return null;
end
$$;
comment on function backend.profile_standing() is
    'Trigger: an account_status that was written into a profile is how the customer stands.';

create or replace trigger user_profiles_standing_new
    after insert on public.user_profiles
    for each row
    when (new.account_status <> 'active')
    execute function backend.profile_standing();
create or replace trigger user_profiles_standing
    after update of account_status on public.user_profiles
    for each row
    when (old.account_status <> new.account_status)
    execute function backend.profile_standing();

create or replace function backend.follow_standing()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_user_id constant uuid := case tg_op when 'DELETE' then old.user_id else new.user_id end;
begin
    -- Not when the row goes along with its user: then the profile goes too.
    update public.user_profiles as p
       set account_status = platform.standing_of(v_user_id)
     where p.id = v_user_id
       and p.account_status <> platform.standing_of(v_user_id)
       and exists (select from auth.users as u where u.id = v_user_id);
    return null;
end
$$;
comment on function backend.follow_standing() is
    'Trigger: the profile shows how its customer stands.';

create or replace trigger standing_profile
    after insert or update or delete on platform.standing
    for each row execute function backend.follow_standing();

-- By staff.

create or replace function public.set_customer_standing(
    p_user_id  uuid,
    p_standing text,
    p_reason   text)
returns jsonb
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
declare
    v_email text;
    v_error text;
begin
    perform platform.require_duty('suspend customers', 'support');
    select lower(u.email) into v_email from auth.users as u where u.id = p_user_id for update;
    -- Whom to let in nowhere, and what becomes of staff, owners decide.
    if 'banned' in (p_standing, platform.standing_of(p_user_id))
       or exists (select from platform.administrators as a where a.email = v_email) then
        perform platform.require_duty('ban customers, or change how staff stand');
    end if;
    v_error := case
        when v_email is null then 'User not found'
        when p_standing is null or p_standing not in ('active', 'suspended', 'banned')
            then 'Invalid standing. Must be one of: active, suspended, banned'
        when coalesce(btrim(p_reason), '') = '' then 'A reason is required'
    end;
    if v_error is not null then
        return jsonb_build_object('success', false, 'error', v_error);
    end if;
    return jsonb_build_object('success', true, 'standing', p_standing,
        'changed', platform.set_standing(p_user_id, p_standing, left(p_reason, 2000)));
end
$$;
comment on function public.set_customer_standing(uuid, text, text) is
    'Suspends a customer, who then reads but buys nothing, bans one, or ends that: {success, '
    'standing, changed} or {success, error}. For support, bans for owners, and service_role.';
grant execute on function public.set_customer_standing(uuid, text, text) to staff, service_role;
