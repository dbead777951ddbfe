-- Orders: what a customer wants, at which price, and how far it has come.

create table public.orders (
    id                  uuid primary key default gen_random_uuid(),
    order_id            public.order_number not null unique,
    user_id             uuid not null references public.user_profiles (id),
    account_type        public.account_type not null,
    account_size        public.account_size not null,
    platform_type       public.platform_type not null,
    amount              public.usd_amount not null,
    currency            public.order_currency not null default 'USD',
    discount_amount     public.usd_amount not null default 0,
    final_amount        public.usd_amount not null,
    order_status        public.order_state not null default 'pending',
    payment_status      public.order_payment_state not null default 'pending',
    delivery_status     public.order_delivery_state not null default 'pending',
    payment_method      public.payment_method,
    payment_provider    public.short_text,
    payment_provider_id public.short_text,
    transaction_id      public.short_text,
    crypto_currency     public.short_text,
    -- Wide enough for coins with 18 decimals, and prints the digits the provider sent.
    crypto_amount       numeric,
    crypto_address      public.medium_text,
    payment_proof       public.medium_text,
    created_at          timestamptz not null default now(),
    paid_at             timestamptz,
    delivered_at        timestamptz,
    updated_at          timestamptz not null default now()
) with (fillfactor = 80);
comment on table public.orders is
    'One row per order. Order, payment and delivery states move forward only, through the '
    'functions in schema backend.';

create index orders_user_idx on public.orders (user_id, created_at desc);
create index orders_created_idx on public.orders (created_at desc);
