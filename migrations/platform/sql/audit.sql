-- The audit: the database itself writes down what staff change: through the data API,
-- through the service key, or by hand in psql. platform.audit_table says which tables count.
-- Changes people make to rows of their own and changes of the backend's programs (roles fn_…) are
-- not administrative and not listed here.

create or replace function platform.refuse_change()
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
comment on function platform.refuse_change() is 'Trigger: keeps a table append-only.';

create or replace trigger admin_audit_log_append_only
    before update or delete or truncate on public.admin_audit_log
    for each statement execute function platform.refuse_change();

create or replace function platform.write_audit(
    p_action      text,
    p_table       text,
    p_record_id   text,
    p_description text,
    p_new         jsonb default null,
    p_old         jsonb default null)
returns void
language sql
as $$
    insert into public.admin_audit_log
        (admin_email, admin_ip, action_type, table_name, record_id, old_values, new_values,
         description)
    values
        (platform.caller_name(), platform.caller_ip(), p_action, p_table, p_record_id, p_old, p_new,
         left(p_description, 2000))
$$;
comment on function platform.write_audit(text, text, text, text, jsonb, jsonb) is
    'Writes into the audit what the caller did, and from where. No secrets: nothing is masked here.';

create or replace function platform.pause_audit()
returns void
language sql
as $$ insert into platform.audit_pauses default values $$;
comment on function platform.pause_audit() is
    'Until resume_audit, changes in this transaction are not audited row by row; whoever calls it '
    'writes the line that says what was done. A right, not a setting: only the owner has it.';

create or replace function platform.resume_audit()
returns void
language sql
as $$ delete from platform.audit_pauses as p where p.xid = pg_current_xact_id() $$;
comment on function platform.resume_audit() is 'Changes are audited row by row again.';

create or replace function platform.mask_secrets(
    p_row   jsonb,
    p_other jsonb,
    p_names text[] default '{}')
returns jsonb
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    -- A secret is never written down; that it changed is.
    select jsonb_object_agg(
        e.key,
        case
            when e.key !~ 'password$' and e.key <> all (p_names) then e.value
            when e.value in ('null', '""') then e.value
            when p_other is not null and p_other -> e.key is distinct from e.value
                then '"*** changed ***"'
            else '"***"'
        end)
    from jsonb_each(p_row) as e
$$;
comment on function platform.mask_secrets(jsonb, jsonb, text[]) is
    'A row as JSON with its secrets masked, and the columns named; p_other is the same row before '
    'or after the change.';

create or replace function platform.audit_change()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_role text;
    v_old jsonb;
    v_new jsonb;
begin
    -- Whoever changes many rows in one way, or erases a person, writes one line of their own.
    if exists (select from platform.audit_pauses as p where p.xid = pg_current_xact_id()) then
        return null;
    end if;
    v_role := platform.caller_role();
    -- Somebody's change of a row of their own.
    if v_role = 'anon' or (v_role = 'authenticated' and tg_argv[1] = 'own') then
        return null;
    end if;
    v_old := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    v_new := case when tg_op <> 'DELETE' then to_jsonb(new) end;
    if tg_op = 'UPDATE' and v_old - array['updated_at', 'last_updated']
                          = v_new - array['updated_at', 'last_updated'] then
        return null;
    end if;
    perform platform.write_audit(
        tg_op,
        tg_table_name::text,
        coalesce(v_new ->> tg_argv[0], v_old ->> tg_argv[0]),
        case
            when tg_op = 'UPDATE' then (
                select 'changed ' || string_agg(n.key, ', ' order by n.key)
                from jsonb_each(v_new) as n
                where n.value is distinct from v_old -> n.key
                  and n.key not in ('updated_at', 'last_updated'))
        end,
        platform.mask_secrets(v_new, v_old, coalesce(string_to_array(tg_argv[2], ' '), '{}')),
        platform.mask_secrets(v_old, v_new, coalesce(string_to_array(tg_argv[2], ' '), '{}')));
    return null;
end
$$;
comment on function platform.audit_change() is
    'Trigger: writes an administrative change of a row to admin_audit_log. Arguments: key column; '
    '"own" when people may change rows of their own; columns that are masked.';

create or replace function platform.by_people()
returns boolean
language plpgsql stable                 -- nothing in it is looked up: see the operators
as $$
begin
    -- A program that took on a request's role (SET ROLE) acts for that request.
    return session_user operator(pg_catalog.!~~) 'fn\_%'
        or pg_catalog.current_setting('role') operator(pg_catalog.<>) 'none';
end
$$;
comment on function platform.by_people() is
    'Whether this session is no program of the backend that acts by itself. Who may change an '
    'audited table may run it; whoever may not is refused the change.';
grant execute on function platform.by_people() to anon, authenticated, service_role;

create or replace function platform.audit_table(
    p_table  regclass,
    p_key    text,
    p_own    boolean default false,
    p_masks  text default null,
    p_events text default 'insert or update or delete')
returns void
language plpgsql
as $$
declare
    v_name name := (select c.relname from pg_class as c where c.oid = p_table);
begin
    -- The backend's own programs are left out here and not in the function: they change rows all
    -- day. A short condition: it is read again for every statement.
    execute format(
        'create or replace trigger %I after %s on %s for each row when (platform.by_people()) '
        'execute function platform.audit_change(%s)',
        v_name || '_audit', p_events, p_table,
        concat_ws(', ', quote_literal(p_key), case when p_own then '''own''' else '''''' end,
                  quote_literal(p_masks)));
    -- It would leave no row.
    execute format(
        'create or replace trigger %I before truncate on %s for each statement '
        'execute function platform.refuse_change()', v_name || '_no_truncate', p_table);
end
$$;
comment on function platform.audit_table(regclass, text, boolean, text, text) is
    'For migrations: audits a table; its key column, whether people change rows of their own, '
    'columns whose content stays out of the audit, and what is audited. It can be truncated no '
    'more.';
