-- What staff changed, and when scheduled functions ran. These tables are in public, because staff
-- read them through the data API.

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

create table platform.audit_pauses (xid xid8 primary key default pg_current_xact_id());
comment on table platform.audit_pauses is
    'The transactions that write one line into the audit instead of one per row. A row lives as '
    'long as its transaction; nobody but the owner may write one.';
revoke all on platform.audit_pauses from public;

create table public.schedules (
    name       text primary key,
    every_ms   integer not null,
    claimed_at timestamptz not null,
    runs       bigint not null default 1
);
comment on table public.schedules is
    'When each scheduled function last ran: one run per period over all processes and machines.';

-- Evidence: owners and service_role read it, only the database writes it.
alter table public.admin_audit_log enable row level security;
revoke all on public.admin_audit_log from public, anon, authenticated, service_role;
grant select on public.admin_audit_log to staff, service_role;
create policy admin_audit_log_staff on public.admin_audit_log
    for select to staff using ((select platform.has_duty()));

alter table public.schedules enable row level security;
revoke all on public.schedules from public, anon, authenticated, service_role;
grant select on public.schedules to staff, service_role;
create policy schedules_staff on public.schedules
    for select to staff using ((select platform.has_duty('finance', 'support', 'inventory')));
