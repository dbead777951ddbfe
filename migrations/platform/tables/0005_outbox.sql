-- Outbox: mails to send, being sent, sent and given up. It is in public, because staff
-- read it through the data API, and so are the templates, which they write there. When a mail is sent
-- is the queue's matter (kind mail, key its id).

create domain public.outbox_state as text
    check (value in ('pending', 'sending', 'sent', 'dead'));

-- Words of a caller's own: as many as a request of send-email may bring.
create domain public.mail_words as text check (octet_length(value) <= 262144);

-- (Domains, because a CHECK of the table is read again for every mail.)
create domain public.mail_recipient as text check (length(value) <= 4000 and value <> '');
create domain public.mail_variables as jsonb check (jsonb_typeof(value) = 'object');

create table public.outbox (
    id            uuid primary key default gen_random_uuid(),
    kind          text not null,
    -- What it is about, once: a repeated cause finds the row already there.
    cause         text not null unique,
    -- An order, say, in the application's words, and the person it is for. No foreign keys: they
    -- would lock rows for no gain. An application that deletes a person deletes their mails.
    reference     text,
    person        uuid,
    recipient     public.mail_recipient not null,
    -- Null: the mail brings its own words in subject, html and plain.
    template_name text,
    variables     public.mail_variables not null default '{}',
    -- Variables that nobody may read here: sealed (see seals.sql), and gone when the mail is.
    secrets       public.mail_variables,
    subject       public.medium_text,
    html          public.mail_words,
    plain         public.mail_words,
    -- Given at the first claim, before anything is sent, and kept: whoever sends again because a
    -- process died in between sends the same message.
    message_id    text unique,
    replays       integer not null default 0,
    state         public.outbox_state not null default 'pending',
    tries         integer not null default 0,
    last_error    text,
    provider_id   text,
    sent_at       timestamptz,
    created_at    timestamptz not null default now()
) with (fillfactor = 80);
comment on table public.outbox is
    'Mails to send, being sent, sent and given up, one row per cause. No secret in clear.';
comment on column public.outbox.secrets is 'Sealed variables by name; {} when they are wiped.';
comment on column public.outbox.tries is 'Tries begun since it was written or replayed.';
comment on column public.outbox.provider_id is
    'What the mail service calls it; dev-… when it was only put into the log.';

create index outbox_dead_idx on public.outbox (created_at) where state = 'dead';
create index outbox_reference_idx on public.outbox (reference, created_at);
create index outbox_person_idx on public.outbox (person);
create index outbox_words_idx on public.outbox (created_at) where kind = 'direct' and html <> '';

alter table public.outbox enable row level security;
revoke all on public.outbox from public, anon, authenticated, service_role;
grant select on public.outbox to staff, service_role;
create policy outbox_staff on public.outbox
    for select to staff using ((select platform.has_duty('support')));

create table public.email_templates (
    id            uuid primary key default gen_random_uuid(),
    template_name public.short_text not null unique,
    -- Which types there are is the application's to check.
    template_type public.short_text not null,
    subject       public.medium_text not null,
    html_content  public.long_text not null,
    text_content  public.long_text,
    variables     public.small_json not null default '[]' check (jsonb_typeof(variables) = 'array'),
    is_active     boolean not null default true,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);
comment on table public.email_templates is
    'Mail templates; {{name}} stands for a variable.';

alter table public.email_templates enable row level security;
revoke all on public.email_templates from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.email_templates
    to anon, authenticated, service_role;
create policy email_templates_staff on public.email_templates
    for select to staff using ((select platform.has_duty('support')));
create policy email_templates_owners on public.email_templates
    for all to staff
    using ((select platform.has_duty())) with check ((select platform.has_duty()));

create table platform.mail_kinds (
    kind      text primary key,
    prepare   text,
    keep_days integer check (keep_days >= 0)
);
comment on table platform.mail_kinds is
    'Kinds of mail about which there is something to say. Others are a template and its variables.';
comment on column platform.mail_kinds.prepare is
    'A function of the application, (outbox row) returns jsonb, asked when such a mail is about to '
    'be sent: an object has more variables, a text is why it is not to be sent at all.';
comment on column platform.mail_kinds.keep_days is
    'How long the words of sent and dead mails of kind direct are kept; null: for ever.';

insert into platform.mail_kinds (kind, keep_days) values ('direct', 90);

-- Ten tries in some eight hours; a mail is sent within 20 s.
insert into platform.job_kinds
    (kind, tries_max, first_pause, growth, most_pause, lease, on_dead)
values
    ('mail', 10, '10 seconds', 3, '4 hours', '60 seconds', 'platform.mail_dead');
