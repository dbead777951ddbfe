-- What customers do with all that is kept about them: read it, and have it deleted.

create or replace function public.export_my_data()
returns jsonb
language plpgsql stable security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
declare
    v_id constant uuid := auth.uid();
begin
    if v_id is null then
        raise exception using errcode = '42501', message = 'Sign in to read your own data';
    end if;
    -- (Passwords of trading accounts are read one by one, and each time it is on record.)
    return jsonb_build_object(
        'login', (
            select jsonb_build_object('id', u.id, 'email', u.email, 'created_at', u.created_at,
                'last_sign_in_at', u.last_sign_in_at, 'user_metadata', u.raw_user_meta_data)
            from auth.users as u
            where u.id = v_id),
        'sessions', (
            select coalesce(jsonb_agg(jsonb_build_object('created_at', s.created_at,
                'refreshed_at', s.refreshed_at, 'user_agent', s.user_agent, 'ip', s.ip)
                order by s.created_at), '[]')
            from auth.sessions as s
            where s.user_id = v_id),
        'devices', (
            select coalesce(jsonb_agg(jsonb_build_object('hash', encode(d.device, 'hex'),
                'first_seen_at', d.first_seen_at, 'last_seen_at', d.last_seen_at)
                order by d.first_seen_at), '[]')
            from auth.devices as d
            where d.user_id = v_id),
        'factors', (
            select coalesce(jsonb_agg(jsonb_build_object('name', f.friendly_name, 'type', f.factor_type,
                'status', f.status, 'created_at', f.created_at,
                'last_challenged_at', f.last_challenged_at) order by f.created_at), '[]')
            from auth.mfa_factors as f
            where f.user_id = v_id),
        'profile', (
            select to_jsonb(p) - 'password' from public.user_profiles as p where p.id = v_id),
        'orders', (
            select coalesce(jsonb_agg(to_jsonb(o) order by o.created_at), '[]')
            from public.orders as o
            where o.user_id = v_id),
        'payments', (
            select coalesce(jsonb_agg(to_jsonb(t) - 'provider_response' order by t.created_at), '[]')
            from public.payment_transactions as t
            where t.user_id = v_id),
        'accounts', (
            select coalesce(jsonb_agg(to_jsonb(d) - array['password', 'investor_password']
                                      order by d.delivered_at), '[]')
            from public.delivered_accounts as d
            where d.user_id = v_id),
        'mails', (
            select coalesce(jsonb_agg(jsonb_build_object('kind', m.kind, 'recipient', m.recipient,
                'created_at', m.created_at, 'sent_at', m.sent_at) order by m.created_at), '[]')
            from public.outbox as m
            where m.person = v_id));
end
$$;
comment on function public.export_my_data() is
    'All that is kept about the customer who asks, without passwords.';
grant execute on function public.export_my_data() to authenticated;

create or replace function public.delete_my_account(p_email text)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
declare
    v_id constant uuid := auth.uid();
begin
    if v_id is null then
        raise exception using errcode = '42501', message = 'Sign in to delete your account';
    end if;
    -- The address, typed once more: nobody deletes himself by a slip.
    perform from auth.users as u
      where u.id = v_id and lower(u.email) = lower(p_email)
        for update;
    if not found then
        return false;
    end if;
    perform platform.require_own_factor('delete your account');
    -- The login, its sessions and mails go; of what was sold the profile stays without a name.
    delete from auth.users as u where u.id = v_id;
    return true;
end
$$;
comment on function public.delete_my_account(text) is
    'The customer who asks is deleted, when p_email is the own address; what was sold stays, without '
    'a name. False: it is another address.';
grant execute on function public.delete_my_account(text) to authenticated;
