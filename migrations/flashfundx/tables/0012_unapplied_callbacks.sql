-- Genuine callbacks that were never applied: evidence of what the provider said in a form that nobody
-- could read, or about something that is no payment.

create table public.unapplied_callbacks (
    id          bigint generated always as identity primary key,
    source      public.event_source not null,
    raw         bytea not null,
    reason      public.medium_text not null,
    payment_id  public.short_text,
    order_id    public.short_text,
    received_at timestamptz not null default now()
);
comment on table public.unapplied_callbacks is
    'Callbacks whose signature is right and which are not applied, once each, body as received.';
comment on column public.unapplied_callbacks.reason is
    'Why it was not applied: which field could not be read, say.';
comment on column public.unapplied_callbacks.payment_id is
    'As the body has it, when it has one in some form.';

create unique index unapplied_callbacks_once_idx on public.unapplied_callbacks (sha256(raw));
create index unapplied_callbacks_payment_idx
    on public.unapplied_callbacks (payment_id) where payment_id is not null;
create index unapplied_callbacks_order_idx
    on public.unapplied_callbacks (order_id) where order_id is not null;

-- Evidence: finance and service_role read it, only the database writes it.
alter table public.unapplied_callbacks enable row level security;
revoke all on public.unapplied_callbacks from public, anon, authenticated, service_role;
grant select on public.unapplied_callbacks to staff, service_role;
create policy unapplied_callbacks_staff on public.unapplied_callbacks
    for select to staff using ((select platform.has_duty('finance')));
revoke all on sequence public.unapplied_callbacks_id_seq from public, anon, authenticated, service_role;
