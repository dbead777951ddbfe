-- What is sold: prices and trading rules; and the texts, addresses and figures around a sale.

create table public.prices (
    id           uuid primary key default gen_random_uuid(),
    account_type public.account_type not null,
    account_size public.account_size not null,
    price        public.usd_amount not null check (price > 0),
    is_active    boolean not null default true,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    unique (account_type, account_size)
);
comment on table public.prices is
    'Price in USD of every account type and size. An order''s amount must agree with it.';

create table public.trading_rules (
    id                         uuid primary key default gen_random_uuid(),
    account_type               public.account_type not null,
    account_size               public.account_size not null,
    challenge_profit_target    public.usd_limit,
    challenge_max_daily_loss   public.usd_limit,
    challenge_max_total_loss   public.usd_limit,
    challenge_min_trading_days integer check (challenge_min_trading_days >= 0),
    phase_1_profit_target      public.usd_limit,
    phase_1_max_daily_loss     public.usd_limit,
    phase_1_max_total_loss     public.usd_limit,
    phase_1_min_trading_days   integer check (phase_1_min_trading_days >= 0),
    phase_2_profit_target      public.usd_limit,
    phase_2_max_daily_loss     public.usd_limit,
    phase_2_max_total_loss     public.usd_limit,
    phase_2_min_trading_days   integer check (phase_2_min_trading_days >= 0),
    live_max_daily_loss        public.usd_limit not null,
    live_max_total_loss        public.usd_limit not null,
    profit_share_percentage    integer not null default 80
        check (profit_share_percentage between 0 and 100),
    created_at                 timestamptz not null default now(),
    updated_at                 timestamptz not null default now(),
    unique (account_type, account_size)
);
comment on table public.trading_rules is
    'Targets and loss limits in USD per account type and size. Phases a type lacks are null.';

create table public.crypto_addresses (
    id             uuid primary key default gen_random_uuid(),
    crypto_name    public.short_text not null,
    network        public.short_text not null,
    wallet_address public.short_text not null default '',
    qr_code_url    public.medium_text,
    display_name   public.short_text not null,
    is_active      boolean not null default false,
    sort_order     integer not null default 0,
    notes          public.medium_text,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    unique (crypto_name, network),
    constraint crypto_addresses_active_needs_address
        check (not is_active or length(wallet_address) >= 20)
);
comment on table public.crypto_addresses is
    'Wallets for manual payments. Shown to customers while active; active only with an address.';

create table public.shop_settings (
    name       public.short_text primary key,
    value      numeric not null,
    notes      public.medium_text,
    updated_at timestamptz not null default now(),
    -- Five percent are the provider's fees.
    constraint shop_settings_in_bounds check (
        case name
            when 'arrival_tolerance_percent' then value between 5 and 100
            else value between 0 and 1000000
        end)
);
comment on table public.shop_settings is 'Figures that the shop chooses, one row each.';
