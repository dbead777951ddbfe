-- The table of staff (see auth_duties), and what owners read about security.

create or replace function platform.settle_first_owner()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, platform, pg_temp
as $$
begin
    -- The address that comes with the application is no door for ever: whoever has not come through
    -- it when somebody else becomes an owner finds it closed.
    update platform.administrators as a
       set is_active = false
     where a.is_first and a.is_active and a.email <> new.email
       and not exists (
            select from auth.users as u
            where lower(u.email) = a.email and u.email_confirmed_at is not null);
    return null;
end
$$;
comment on function platform.settle_first_owner() is
    'Trigger: with another owner, an address that was to make the first one counts no more unless '
    'it has been confirmed.';

create or replace trigger administrators_first_owner
    after insert or update of duties, is_active on platform.administrators
    for each row
    when (new.is_active and not new.is_first and 'owner' = any (new.duties))
    execute function platform.settle_first_owner();

create or replace trigger administrators_updated_at
    before update on platform.administrators
    for each row execute function platform.update_updated_at_column();
select platform.audit_table('platform.administrators', 'email');
select platform.guard_table('platform.administrators', 'change who is staff');

-- For the data API. Who asks is who reads the table: its policy decides.
create or replace view public.administrators with (security_invoker = true) as
select a.email, a.is_active, a.notes, a.created_at, a.updated_at, a.duties
from platform.administrators as a;
comment on view public.administrators is
    'Who is staff, by confirmed e-mail address, and their duties. For owners.';
revoke all on public.administrators from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.administrators to staff, service_role;

create or replace function public.security_events(
    p_user_id uuid default null,
    p_before  timestamptz default null,
    p_limit   integer default 100)
returns table (at timestamptz, action text, user_id uuid, email text, ip text, traits json)
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
begin
    perform platform.require_duty('read security events');
    return query
        select e.created_at, e.payload ->> 'action', (e.payload ->> 'actor_id')::uuid,
               e.payload ->> 'actor_username', nullif(e.ip_address, '')::text,
               e.payload -> 'traits'
        from (
            -- An index for each; only one of them is read.
            (select * from auth.audit_log_entries as a
             where p_user_id is null and a.created_at < coalesce(p_before, 'infinity')
             order by a.created_at desc limit least(p_limit, 1000))
            union all
            (select * from auth.audit_log_entries as a
             where a.payload ->> 'actor_id' = p_user_id::text
               and a.created_at < coalesce(p_before, 'infinity')
             order by a.created_at desc limit least(p_limit, 1000))) as e
        order by e.created_at desc;
end
$$;
comment on function public.security_events(uuid, timestamptz, integer) is
    'What the auth service wrote down, of somebody or of all, the latest first; p_before goes back. '
    'For owners.';
grant execute on function public.security_events(uuid, timestamptz, integer)
    to staff, service_role;
