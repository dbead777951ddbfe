-- Payments: attempts to open one, the provider's payments, every event about them, and what a
-- human has to look at.

create table public.payment_transactions (
    id                      uuid primary key default gen_random_uuid(),
    order_id                public.order_number references public.orders (order_id),
    user_id                 uuid references public.user_profiles (id),
    transaction_type        public.transaction_type not null,
    amount                  public.usd_amount not null,
    currency                public.short_text not null default 'USD',
    provider                public.payment_provider not null,
    provider_transaction_id public.short_text,
    provider_status         public.short_text,
    provider_response       public.small_json,
    status                  public.transaction_state not null default 'pending',
    created_at              timestamptz not null default now(),
    processed_at            timestamptz,
    updated_at              timestamptz not null default now(),
    unique (provider, provider_transaction_id, transaction_type)
) with (fillfactor = 80);
comment on table public.payment_transactions is
    'The books: one row per payment, refund and chargeback. Only "completed" rows are money '
    'counted; those are never changed or removed.';

create index payment_transactions_order_idx on public.payment_transactions (order_id);
create index payment_transactions_user_idx
    on public.payment_transactions (user_id, created_at desc);
-- Reports. (Not where status = 'completed': then every change of the state would write all indexes.)
create index payment_transactions_processed_idx
    on public.payment_transactions (processed_at) where processed_at is not null;

create table public.payment_attempts (
    id              uuid primary key default gen_random_uuid(),
    order_id        public.order_number not null references public.orders (order_id),
    pay_currency    text not null,
    crypto_currency text not null,
    price_amount    numeric(10,2) not null,
    -- claimed: somebody is talking to the provider (until claim_until); open: the payment is
    -- attached; refused, unsent, unknown: how it failed; abandoned: the claim ran out.
    state           text not null default 'claimed'
        check (state in ('claimed', 'open', 'refused', 'unsent', 'unknown', 'abandoned')),
    claim_until     timestamptz not null,
    invoice_id      text,
    invoice_url     text,
    detail          text,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now()
);
comment on table public.payment_attempts is
    'Claim, call, attach: every attempt to open an invoice and a payment, with its end.';

create unique index payment_attempts_one_claim_idx
    on public.payment_attempts (order_id) where state = 'claimed';
create index payment_attempts_order_idx on public.payment_attempts (order_id, created_at desc);
create index payment_attempts_invoice_idx
    on public.payment_attempts (invoice_id) where invoice_id is not null;
create index payment_attempts_unsettled_idx
    on public.payment_attempts (updated_at) where state in ('claimed', 'unknown');

create table public.payments (
    payment_id          text primary key,
    order_id            public.order_number references public.orders (order_id),
    attempt_id          uuid references public.payment_attempts (id),
    parent_payment_id   text,
    invoice_id          text,
    purchase_id         text,
    status              text not null,
    -- This payment is the one that pays its order.
    counted             boolean not null default false,
    pay_address         text,
    payin_extra_id      text,
    pay_currency        text,
    crypto_currency     text,
    pay_amount          numeric,
    actually_paid       numeric,
    price_amount        numeric,
    price_currency      text,
    outcome_amount      numeric,
    outcome_currency    text,
    time_limit          text,
    expires_at          timestamptz,
    valid_until         timestamptz,
    provider_created    text,
    provider_updated_at timestamptz,
    last_seen_at        timestamptz not null default now(),
    created_at          timestamptz not null default now(),
    updated_at          timestamptz not null default now()
) with (fillfactor = 80);
comment on table public.payments is
    'The provider''s payments as last known. Their states move forward only.';
comment on column public.payments.provider_created is
    'The provider''s answer when the payment was made, as received.';

create unique index payments_one_counts_idx on public.payments (order_id) where counted;
create index payments_order_idx
    on public.payments (order_id, counted desc, created_at desc);
create index payments_created_idx on public.payments (created_at);
create index payments_attempt_idx on public.payments (attempt_id) where attempt_id is not null;
create index payments_invoice_idx on public.payments (invoice_id) where invoice_id is not null;

create table public.payment_events (
    id                  bigint generated always as identity primary key,
    payment_id          text not null,
    status              text not null,
    actually_paid       numeric,
    order_id            text,
    parent_payment_id   text,
    outcome             public.event_outcome,
    source              public.event_source not null,
    raw                 text not null,
    provider_updated_at text,
    received_at         timestamptz not null default now(),
    state               public.event_state not null default 'done',
    tries               integer not null default 1,
    last_error          text,
    done_at             timestamptz default now(),
    -- What record_payment_event was given and has no column here; amounts are text, digit by digit.
    arguments           jsonb,
    -- The effect, not the message: a callback and a poll that report the same state are one event.
    constraint payment_events_effect_key
        unique nulls not distinct (payment_id, status, actually_paid)
);
comment on table public.payment_events is
    'Everything the provider ever said about a payment, once each, body as received.';
comment on column public.payment_events.state is
    'done: its effect has happened; received: it has not yet; dead: it could not, tries times.';
comment on column public.payment_events.tries is
    'Tries begun, the one on arrival among them.';

-- What the provider says about a payment, as record_payment_event takes it.
create type backend.payment_event as (
    source              text,
    raw                 text,
    payment_id          text,
    parent_payment_id   text,
    invoice_id          text,
    purchase_id         text,
    order_id            text,
    status              text,
    pay_address         text,
    pay_currency        text,
    pay_amount          numeric,
    actually_paid       numeric,
    price_amount        numeric,
    price_currency      text,
    outcome_amount      numeric,
    outcome_currency    text,
    provider_updated_at text
);

-- Events that wait to be finished; key: the id.
insert into platform.job_kinds
    (kind, tries_max, first_pause, growth, most_pause, lease, on_dead)
values
    ('payment_event', 12, '1 second', 2, '5 minutes', '30 seconds', 'backend.event_dead');

-- What happened lately, for the daily comparison. (Payments and orders have no index of their last
-- change: it would make every change of theirs dearer.)
create index payment_events_received_idx on public.payment_events (received_at);
create index payment_events_lost_idx
    on public.payment_events (received_at) where outcome = 'order_not_found';
create index payment_events_order_idx on public.payment_events (order_id, id);

create table public.reviews (
    id          uuid primary key default gen_random_uuid(),
    kind        public.short_text not null,
    order_id    public.medium_text,
    payment_id  public.medium_text,
    detail      public.small_json not null default '{}',
    state       text not null default 'open' check (state in ('open', 'resolved')),
    resolution  public.medium_text,
    resolved_at timestamptz,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    resolved_by public.short_text,
    note        public.medium_text,
    -- By this decision its order counts as paid.
    pays        boolean not null default false
);
comment on table public.reviews is
    'What a human has to decide: money that arrived differently than agreed, with the evidence.';
comment on column public.reviews.resolved_by is
    'Who decided; "events" when later events answered the review, which is nobody''s decision.';
comment on column public.reviews.resolution is
    'accept, refund_noted or cancel; or how later events answered it.';

create unique index reviews_open_once_idx
    on public.reviews (kind, payment_id, order_id) nulls not distinct where state = 'open';
create index reviews_order_idx on public.reviews (order_id);
create index reviews_resolved_idx
    on public.reviews (resolved_at) where resolved_at is not null;

create table public.webhook_debug_calls (
    id          bigint generated always as identity primary key,
    request_id  text,
    method      text,
    query       text,
    headers     json,
    body        text,
    body_bytes  integer not null default 0,
    remote_addr text,
    received_at timestamptz not null default now()
);
comment on table public.webhook_debug_calls is
    'The last 100 calls of webhook-debug; bodies cut at 8 KiB, secrets masked by the caller.';
