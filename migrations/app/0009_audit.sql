-- The database itself writes down what administrators change: through the data API, through the
-- service key, or by hand in psql. Changes customers make to their own rows and changes of the
-- backend's programs (roles fn_…) are not administrative and not listed here.

create table public.admin_audit_log (
    id          uuid primary key default gen_random_uuid(),
    admin_email text not null,
    admin_ip    text,
    action_type text not null,
    table_name  text,
    record_id   text,
    old_values  jsonb,
    new_values  jsonb,
    description text,
    created_at  timestamptz not null default clock_timestamp()
);
comment on table public.admin_audit_log is
    'Every administrative change with old and new values. Rows are never changed or removed.';

create index admin_audit_log_created_idx on public.admin_audit_log (created_at desc);
create index admin_audit_log_record_idx on public.admin_audit_log (table_name, record_id);

alter table public.admin_audit_log enable row level security;
revoke all on public.admin_audit_log from public, anon, authenticated, service_role;
grant select on public.admin_audit_log to authenticated, service_role;
create policy admin_audit_log_admin on public.admin_audit_log
    for select to authenticated using ((select public.is_admin()));

create function backend.refuse_change()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception using
        errcode = '42501',
        message = format('%s is append-only', tg_table_name);
end
$$;
comment on function backend.refuse_change() is 'Trigger: keeps a table append-only.';

create trigger admin_audit_log_append_only
    before update or delete or truncate on public.admin_audit_log
    for each statement execute function backend.refuse_change();
create trigger payment_events_append_only
    before delete or truncate on public.payment_events
    for each statement execute function backend.refuse_change();

create function backend.caller_name()
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_role text := backend.caller_role();
    v_email text;
begin
    if v_role = 'authenticated' then
        select u.email into v_email from auth.users as u where u.id = auth.uid();
        return coalesce(v_email, auth.email(), auth.uid()::text, v_role);
    end if;
    return v_role;
end
$$;
comment on function backend.caller_name() is
    'Who acts, for the audit: an administrator''s e-mail address, else the database role.';

create function backend.caller_ip()
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    -- The proxy in front sets x-real-ip; a direct connection has an address of its own.
    select left(coalesce(
        nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-real-ip',
        split_part(nullif(current_setting('request.headers', true), '')::jsonb
                   ->> 'x-forwarded-for', ',', 1),
        host(inet_client_addr())), 100)
$$;
comment on function backend.caller_ip() is 'Where the request came from, for the audit.';

create function backend.mask_secrets(p_row jsonb, p_other jsonb)
returns jsonb
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    -- A secret is never written down; that it changed is.
    select jsonb_object_agg(
        e.key,
        case
            when e.key not in ('password', 'investor_password', 'encrypted_password') then e.value
            when e.value in ('null', '""') then e.value
            when p_other is not null and p_other -> e.key is distinct from e.value
                then '"*** changed ***"'
            else '"***"'
        end)
    from jsonb_each(p_row) as e
$$;
comment on function backend.mask_secrets(jsonb, jsonb) is
    'A row as JSON with its secrets masked; p_other is the same row before or after the change.';

create function backend.audit_change()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_role text;
    v_old jsonb;
    v_new jsonb;
begin
    -- The same passwords under another key: one line for the whole run (reseal_credentials).
    if current_setting('ffx.resealing', true) = 'on' then
        return null;
    end if;
    v_role := backend.caller_role();
    -- A customer's change of the own row. Customers write two tables; elsewhere it was an
    -- administrator, even if this very change made an end of that.
    if v_role = 'anon'
       or (v_role = 'authenticated' and tg_table_name in ('user_profiles', 'orders')
           and not public.is_admin()) then
        return null;
    end if;
    -- Sign-up and sign-in of a hosted database; a user who is deleted there is on record.
    if session_user = 'supabase_auth_admin' and tg_op <> 'DELETE' then
        return null;
    end if;
    v_old := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    v_new := case when tg_op <> 'DELETE' then to_jsonb(new) end;
    if tg_op = 'UPDATE' and v_old - array['updated_at', 'last_updated']
                          = v_new - array['updated_at', 'last_updated'] then
        return null;
    end if;
    insert into public.admin_audit_log
        (admin_email, admin_ip, action_type, table_name, record_id, old_values, new_values,
         description)
    values (
        backend.caller_name(),
        backend.caller_ip(),
        tg_op,
        tg_table_name,
        coalesce(v_new ->> tg_argv[0], v_old ->> tg_argv[0]),
        backend.mask_secrets(v_old, v_new),
        backend.mask_secrets(v_new, v_old),
        case
            when tg_op = 'UPDATE' then (
                select 'changed ' || string_agg(n.key, ', ' order by n.key)
                from jsonb_each(v_new) as n
                where n.value is distinct from v_old -> n.key
                  and n.key not in ('updated_at', 'last_updated'))
        end);
    return null;
end
$$;
comment on function backend.audit_change() is
    'Trigger: writes an administrative change of a row to admin_audit_log. Argument: key column.';

do $$
declare
    v record;
begin
    for v in
        select *
        from (values
            ('user_profiles', 'id'), ('administrators', 'email'), ('prices', 'id'),
            ('trading_rules', 'id'), ('crypto_addresses', 'id'), ('email_templates', 'id'),
            ('orders', 'order_id'), ('account_container', 'id'), ('delivered_accounts', 'id'),
            ('payment_transactions', 'id'), ('reviews', 'id')
        ) as t (name, key)
    loop
        -- The backend's own programs are left out here and not in the function: they change rows
        -- all day, and a call costs ten times this condition. A program that took on a request's
        -- role (SET ROLE) acts for that request.
        execute format(
            'create trigger %I after insert or update or delete on public.%I for each row '
            'when (session_user not like ''fn\_%%'' or current_setting(''role'') <> ''none'') '
            'execute function backend.audit_change(%L)',
            v.name || '_audit', v.name, v.key);
    end loop;
end
$$;
