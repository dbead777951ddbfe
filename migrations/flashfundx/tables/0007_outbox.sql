-- Outbox: mails to send, being sent, sent and given up.

create table public.outbox (
    id                   uuid primary key default gen_random_uuid(),
    kind                 public.outbox_kind not null,
    -- What it is about, once: a repeated cause finds the row already there.
    cause                text not null unique,
    -- No foreign key: it would lock an order for no gain. Who deletes the customer or the account
    -- deletes their mails.
    order_id             text,
    user_id              uuid references public.user_profiles (id) on delete cascade,
    delivered_account_id uuid references public.delivered_accounts (id) on delete cascade,
    recipient            text not null check (recipient <> ''),
    template_name        text,
    -- Of the template; credentials are never stored here but read when the mail is sent.
    variables            jsonb not null default '{}' check (jsonb_typeof(variables) = 'object'),
    -- Kind "direct" brings its own words instead of a template.
    subject              text,
    html                 text,
    plain                text,
    -- Given at the first claim, before anything is sent, and kept: whoever sends again because a
    -- process died in between sends the same message.
    message_id           text unique,
    replays              integer not null default 0,
    state                public.outbox_state not null default 'pending',
    tries                integer not null default 0,
    next_try_at          timestamptz not null default now(),
    lease_until          timestamptz,
    last_error           text,
    provider_id          text,
    sent_at              timestamptz,
    created_at           timestamptz not null default now(),
    constraint outbox_words check (
        case when kind = 'direct' then subject is not null and html is not null
             else template_name is not null end),
    constraint outbox_lease check ((state = 'sending') = (lease_until is not null))
) with (fillfactor = 80);
comment on table public.outbox is
    'Mails to send, being sent, sent and given up, one row per cause. No credentials.';
comment on column public.outbox.tries is 'Tries begun since it was written or replayed.';
comment on column public.outbox.provider_id is
    'What the mail service calls it; dev-… when it was only put into the log.';

create index outbox_due_idx on public.outbox (coalesce(lease_until, next_try_at))
    where state in ('pending', 'sending');
create index outbox_dead_idx on public.outbox (created_at) where state = 'dead';
create index outbox_order_idx on public.outbox (order_id, created_at) where order_id is not null;
create index outbox_user_idx on public.outbox (user_id) where user_id is not null;
create index outbox_account_idx on public.outbox (delivered_account_id)
    where delivered_account_id is not null;
create index outbox_words_idx on public.outbox (created_at) where kind = 'direct' and html <> '';
