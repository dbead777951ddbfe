-- NOWPayments sandbox (development only): what the provider would remember.
--
-- Everything is in schema sandbox. The function `sandbox` acts as fn_sandbox, which owns nothing
-- and may only execute functions of this schema; nothing here refers to the shop's own tables, as
-- the provider cannot see them either.

create schema sandbox;
comment on schema sandbox is 'NOWPayments sandbox, for development only.';
revoke all on schema sandbox from public;

create table sandbox.invoices (
    id                  bigint primary key,
    token_id            bigint not null,
    order_id            text,
    order_description   text,
    price_amount        numeric not null check (price_amount > 0),
    price_currency      text not null,
    pay_currency        text,
    ipn_callback_url    text,
    success_url         text,
    cancel_url          text,
    partially_paid_url  text,
    is_fixed_rate       boolean not null default false,
    is_fee_paid_by_user boolean not null default false,
    created_at          timestamptz not null default clock_timestamp(),
    updated_at          timestamptz not null default clock_timestamp()
);

create index invoices_order on sandbox.invoices (order_id);

create table sandbox.payments (
    id                  bigint primary key,
    purchase_id         bigint not null,
    invoice_id          bigint references sandbox.invoices,
    parent_id           bigint references sandbox.payments,
    origin_type         text check (origin_type in ('REPEATED', 'WRONG_ASSET')),
    order_id            text,
    order_description   text,
    price_amount        numeric not null,
    price_currency      text not null,
    pay_amount          numeric not null,
    pay_currency        text not null,
    pay_address         text not null,
    payin_extra_id      text,
    ipn_callback_url    text,
    customer_email      text,
    is_fixed_rate       boolean not null default false,
    is_fee_paid_by_user boolean not null default false,
    status              text not null default 'waiting',
    actually_paid       numeric not null default 0,
    deposit             numeric not null default 0,  -- sent, and not yet seen on the chain
    outcome_currency    text not null,
    payin_hash          text,
    payout_hash         text,
    plan                text[] not null default '{}', -- statuses still to come
    next_step_at        timestamptz,                  -- null: nothing to come
    expires_at          timestamptz not null,         -- end of the quote
    valid_until         timestamptz not null,         -- end of the deposit window
    created_at          timestamptz not null default clock_timestamp(),
    updated_at          timestamptz not null default clock_timestamp()
);

create index payments_order on sandbox.payments (order_id);
create index payments_invoice on sandbox.payments (invoice_id);
create index payments_parent on sandbox.payments (parent_id);
create index payments_due on sandbox.payments (next_step_at) where next_step_at is not null;

create table sandbox.callbacks (
    id           bigint generated always as identity primary key,
    payment_id   bigint not null references sandbox.payments,
    status       text not null,
    url          text not null,
    body         text not null,
    state        text not null default 'waiting' check (state in ('waiting', 'done', 'failed', 'dropped')),
    attempts     int not null default 0,
    next_try     timestamptz not null default clock_timestamp(),
    leased_until timestamptz,             -- a process is sending it
    last_status  int,
    last_error   text,
    created_at   timestamptz not null default clock_timestamp()
);
comment on column sandbox.callbacks.body is
    'The payment as it was, keys sorted; numbers get their JavaScript spelling when it is sent.';

create index callbacks_payment on sandbox.callbacks (payment_id, id);
create index callbacks_due on sandbox.callbacks (next_try) where state = 'waiting';

create table sandbox.callback_tries (
    callback_id bigint not null references sandbox.callbacks,
    tried_at    timestamptz not null default clock_timestamp(),
    http_status int,
    error       text,
    fault       text,
    took_ms     int
);

create index callback_tries_callback on sandbox.callback_tries (callback_id);

-- Lost in a crash, and never synced: a sandbox may forget these two.
create unlogged table sandbox.faults (
    id         bigint generated always as identity primary key,
    target     text not null,
    fault      text not null,
    times_left int not null,
    delay_ms   int not null default 0
);

create unlogged table sandbox.api_log (
    id        bigint generated always as identity primary key,
    called_at timestamptz not null default clock_timestamp(),
    method    text not null,
    path      text not null,
    body      text,
    fault     text
);
