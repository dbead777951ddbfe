-- Trading accounts: the stock, and what was handed to whom.

create table public.account_container (
    id                    uuid primary key default gen_random_uuid(),
    account_size          public.account_size not null,
    platform_type         public.platform_type not null,
    server_name           text not null,
    login_id              text not null,
    password              text not null,
    investor_password     text,
    status                public.stock_state not null default 'available',
    reserved_for_order_id public.order_number
        references public.orders (order_id) on delete set null,
    reserved_at           timestamptz,
    notes                 text,
    created_at            timestamptz not null default now(),
    updated_at            timestamptz not null default now(),
    unique (platform_type, server_name, login_id)
);
comment on table public.account_container is
    'Stock of trading accounts. An account leaves "available" once and never comes back.';

-- The way delivery walks through the stock: oldest first.
create index account_container_next_idx
    on public.account_container (account_size, platform_type, created_at, id)
    where status = 'available';
create index account_container_reserved_idx
    on public.account_container (reserved_for_order_id)
    where reserved_for_order_id is not null;

create trigger account_container_updated_at
    before update on public.account_container
    for each row execute function public.update_updated_at_column();

create function public.refuse_recycling()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
begin
    if exists (
        select from public.delivered_accounts as d where d.container_account_id = new.id)
    then
        raise exception using
            errcode = '23514',
            message = 'This account was handed to a customer and cannot be sold again';
    end if;
    return new;
end
$$;
comment on function public.refuse_recycling() is
    'Trigger: an account that a customer has does not come back into the stock.';
revoke all on function public.refuse_recycling() from public, anon, authenticated, service_role;

create trigger account_container_sold_once
    before update of status on public.account_container
    for each row
    when (new.status in ('available', 'reserved') and old.status is distinct from new.status)
    execute function public.refuse_recycling();

create table public.delivered_accounts (
    id                     uuid primary key default gen_random_uuid(),
    user_id                uuid not null references public.user_profiles (id) on delete cascade,
    -- The two promises of delivery, kept by the database whatever the code does:
    -- one order gets at most one account, one account goes to at most one order.
    order_id               public.order_number not null unique
        references public.orders (order_id) on delete cascade,
    container_account_id   uuid not null unique references public.account_container (id),
    trading_rules_id       uuid references public.trading_rules (id),
    account_type           public.account_type not null,
    account_size           public.account_size not null,
    platform_type          public.platform_type not null,
    server_name            text not null,
    login_id               text not null,
    password               text not null,
    investor_password      text,
    current_phase          public.trading_phase not null,
    phase_status           public.phase_state not null default 'active',
    challenge_status       public.phase_state not null default 'pending',
    phase_1_status         public.phase_state not null default 'pending',
    phase_2_status         public.phase_state not null default 'pending',
    live_status            public.phase_state not null default 'pending',
    challenge_completed_at timestamptz,
    phase_1_completed_at   timestamptz,
    phase_2_completed_at   timestamptz,
    live_activated_at      timestamptz,
    account_status         public.trading_account_state not null default 'active',
    email_sent             boolean not null default false,
    email_sent_at          timestamptz,
    delivered_at           timestamptz not null default now(),
    created_at             timestamptz not null default now(),
    last_updated           timestamptz not null default now()
);
comment on table public.delivered_accounts is
    'Accounts handed to customers, with their progress through the phases.';

create index delivered_accounts_user_idx
    on public.delivered_accounts (user_id, delivered_at desc);
create index delivered_accounts_rules_idx on public.delivered_accounts (trading_rules_id);

create trigger delivered_accounts_last_updated
    before update on public.delivered_accounts
    for each row execute function public.update_last_updated_column();

create table public.waiting_deliveries (
    order_id      public.order_number primary key
        references public.orders (order_id) on delete cascade,
    account_type  public.account_type not null,
    account_size  public.account_size not null,
    platform_type public.platform_type not null,
    paid_at       timestamptz not null,
    reason        text not null,
    -- Set while the order stands aside: its delivery failed for another reason than empty stock.
    -- It is tried again later and keeps nobody behind it waiting.
    parked_at     timestamptz,
    created_at    timestamptz not null default now(),
    -- Deliveries begun from the queue that have not come back, and until when the last one may.
    tries         integer not null default 0,
    lease_until   timestamptz
);
comment on table public.waiting_deliveries is
    'Orders whose payment is finished and sufficient, but which could not be delivered yet. '
    'Served in the order of payment as soon as stock arrives; see reason for what is missing.';

create index waiting_deliveries_queue_idx
    on public.waiting_deliveries (account_size, platform_type, paid_at, order_id)
    where parked_at is null;
create index waiting_deliveries_parked_idx
    on public.waiting_deliveries (parked_at) where parked_at is not null;
