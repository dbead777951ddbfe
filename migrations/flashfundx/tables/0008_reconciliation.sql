-- Asking the provider on our own account: when it is asked about which payment, and how provider
-- and books compare.

create table public.payment_checks (
    payment_id  text primary key references public.payments (payment_id) on delete cascade,
    -- In a row.
    failures    integer not null default 0,
    -- A finished payment was looked at once more, a day later: no late refund.
    settled     boolean not null default false,
    last_result text not null
        check (last_result in ('seen', 'not_found', 'unreachable', 'refused')),
    last_detail text,
    checked_at  timestamptz not null
);
comment on table public.payment_checks is
    'What came of asking the provider about a payment that was open or silent.';

-- Payments that are looked at again, because the provider may have to be asked; key: the id. Nobody
-- gives that up, but one that kills whoever asks waits longer each time.
insert into platform.job_kinds (kind, first_pause, growth, most_pause, lease)
values ('payment_check', '15 seconds', 2, '1 day', '2 minutes');

create table public.reconciliation_runs (
    id           bigint generated always as identity primary key,
    reason       text not null check (reason in ('daily', 'asked')),
    since        timestamptz not null,
    requested_at timestamptz not null default clock_timestamp(),
    started_at   timestamptz,
    finished_at  timestamptz,
    -- What is to be compared is listed first, table by table: the one that is being listed, and its
    -- last row that is. Null: all are.
    listing      text default 'payments',
    listed_at    timestamptz,
    listed_key   text not null default '',
    -- The last payment that was compared: where the next process goes on.
    position     text not null default '',
    -- The next page of the provider's own list.
    list_page    integer not null default 0,
    checked      integer not null default 0,
    healed       integer not null default 0,
    differences  integer not null default 0,
    -- Tries in a row that got no answer about the payment behind `position`.
    failures     integer not null default 0,
    problem      text,
    -- Claims in a row that neither got further nor gave the run back.
    lost         integer not null default 0
);
comment on table public.reconciliation_runs is
    'Comparisons of provider and books; differences counts those open when the run ended.';

create unique index reconciliation_runs_one_at_a_time_idx
    on public.reconciliation_runs ((true)) where finished_at is null;
create index reconciliation_runs_daily_idx
    on public.reconciliation_runs (requested_at) where reason = 'daily';

create table public.reconciliation_work (
    run_id bigint not null references public.reconciliation_runs (id),
    scope  text not null check (scope in ('payment', 'order', 'user')),
    key    text not null,
    primary key (run_id, scope, key)
);
comment on table public.reconciliation_work is
    'What changed since the date of the run that is not finished, and has to be compared.';

-- The run that is not finished; key: its id. After a problem the next try is half a minute later.
insert into platform.job_kinds (kind, first_pause, growth, most_pause, lease)
values ('reconciliation', '30 seconds', 1, '30 seconds', '1 minute');

create table public.reconciliation_differences (
    id          bigint generated always as identity primary key,
    run_id      bigint not null references public.reconciliation_runs (id),
    last_run_id bigint not null references public.reconciliation_runs (id),
    scope       text not null check (scope in ('provider', 'books')),
    kind        text not null check (kind in ('missing', 'extra', 'amount', 'currency', 'state')),
    aspect      text not null,
    payment_id  text,
    order_id    text,
    user_id     uuid,
    ours        text,
    theirs      text,
    explanation text not null,
    found_at    timestamptz not null default clock_timestamp(),
    resolved_at timestamptz,
    resolution  text
);
comment on table public.reconciliation_differences is
    'Where provider and books, or two books, do not agree. Open until it is gone, healed or '
    'accepted by staff.';

create unique index reconciliation_differences_open_once_idx
    on public.reconciliation_differences (scope, kind, aspect, payment_id, order_id, user_id)
    nulls not distinct where resolved_at is null;
create index reconciliation_differences_open_idx
    on public.reconciliation_differences (id) where resolved_at is null;
create index reconciliation_differences_accepted_idx
    on public.reconciliation_differences (
        scope, kind, aspect, coalesce(payment_id, ''), coalesce(order_id, ''),
        coalesce(user_id, '00000000-0000-0000-0000-000000000000'))
    where resolution like 'accepted:%';
create index reconciliation_differences_run_idx
    on public.reconciliation_differences (last_run_id);
create index reconciliation_differences_first_run_idx
    on public.reconciliation_differences (run_id);
create index reconciliation_differences_payment_idx
    on public.reconciliation_differences (payment_id);
create index reconciliation_differences_order_idx
    on public.reconciliation_differences (order_id);
