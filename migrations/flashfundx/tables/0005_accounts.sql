-- Trading accounts: the stock, what was handed to whom, who waits for one, and who saw a password.

create table public.account_container (
    id                    uuid primary key default gen_random_uuid(),
    account_size          public.account_size not null,
    platform_type         public.platform_type not null,
    server_name           public.short_text not null,
    login_id              public.short_text not null,
    password              public.medium_text not null,
    investor_password     public.medium_text,
    status                public.stock_state not null default 'available',
    reserved_for_order_id public.order_number
        references public.orders (order_id),
    -- Handed to a customer: for good, whatever becomes of customer and order.
    sold_at               timestamptz,
    reserved_at           timestamptz,
    notes                 public.medium_text,
    created_at            timestamptz not null default now(),
    updated_at            timestamptz not null default now(),
    -- (Passwords are never stored in clear: see sql/credentials.sql.)
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

create table public.delivered_accounts (
    id                     uuid primary key default gen_random_uuid(),
    user_id                uuid not null references public.user_profiles (id),
    -- The two promises of delivery, kept by the database whatever the code does:
    -- one order gets at most one account, one account goes to at most one order.
    order_id               public.order_number not null unique
        references public.orders (order_id),
    container_account_id   uuid not null unique references public.account_container (id),
    trading_rules_id       uuid references public.trading_rules (id),
    account_type           public.account_type not null,
    account_size           public.account_size not null,
    platform_type          public.platform_type not null,
    server_name            public.short_text not null,
    login_id               public.short_text not null,
    password               public.medium_text not null,
    investor_password      public.medium_text,
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
create index delivered_accounts_delivered_idx on public.delivered_accounts (delivered_at);

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

create table public.stock_levels (
    account_size  public.account_size not null,
    platform_type public.platform_type not null,
    level         text not null check (level in ('ok', 'low', 'empty')),
    updated_at    timestamptz not null default now(),
    primary key (account_size, platform_type)
);
comment on table public.stock_levels is
    'The level of every size and platform that was ever in stock or is waited for, as last seen.';

create table public.stock_alerts (
    id            bigint generated always as identity primary key,
    account_size  public.account_size not null,
    platform_type public.platform_type not null,
    level         text not null check (level in ('low', 'empty')),
    available     integer not null,
    threshold     integer not null,
    state         text not null default 'open' check (state in ('open', 'ended')),
    created_at    timestamptz not null default now(),
    ended_at      timestamptz
);
comment on table public.stock_alerts is
    'stock_low: one row for each time a size and platform fell to a level (low, empty). It ends, '
    'and the next one is possible, when the stock is above that level again.';

create unique index stock_alerts_open_once_idx
    on public.stock_alerts (account_size, platform_type, level) where state = 'open';

-- Reading ----------------------------------------------------------------------------------------
create table public.credential_reveals (
    id          bigint generated always as identity primary key,
    account_id  uuid not null,          -- of account_container; outlives it
    column_name text not null check (column_name in ('password', 'investor_password')),
    reader      text not null,
    reader_ip   text,
    reason      text not null,
    revealed_at timestamptz not null default clock_timestamp()
);
comment on table public.credential_reveals is
    'Who was shown which trading password, when and why. Rows are never changed or removed.';
create index credential_reveals_account_idx
    on public.credential_reveals (account_id, revealed_at);
