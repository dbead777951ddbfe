-- Who administers.

create or replace function platform.is_admin()
returns boolean
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select case
        when auth.uid() is null then false
        when auth.jwt() -> 'app_metadata' ->> 'role' = 'admin' then true
        else exists (
            -- The address is read from the user's row, never from the token, and counts only
            -- once confirmed: anybody can sign up with somebody else's address.
            select
            from auth.users as u
            join platform.administrators as a on a.email = lower(u.email) and a.is_active
            where u.id = auth.uid()
              and u.email_confirmed_at is not null
              and u.deleted_at is null
              and (u.banned_until is null or u.banned_until <= now()))
    end
$$;
comment on function platform.is_admin() is
    'Whether the present request acts for an administrator: role claim in app_metadata, or a '
    'confirmed e-mail address listed in administrators.';
grant execute on function platform.is_admin() to anon, authenticated, service_role;

create or replace trigger administrators_updated_at
    before update on platform.administrators
    for each row execute function platform.update_updated_at_column();
select platform.audit_table('platform.administrators', 'email');

-- For the data API. Who asks is who reads the table: its policy decides.
create or replace view public.administrators with (security_invoker = true) as
select a.email, a.is_active, a.notes, a.created_at, a.updated_at
from platform.administrators as a;
comment on view public.administrators is
    'Who administers, by confirmed e-mail address. The app_metadata claim role = admin counts too.';
revoke all on public.administrators from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.administrators
    to anon, authenticated, service_role;
