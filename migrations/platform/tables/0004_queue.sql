-- The queue: work that waits for its time, of every kind. A row only while something is to be done
-- or was given up; what the work is about, and what came of it, stands in tables of its owner.

-- waiting: for due_at; running: leased until due_at; dead: given up, due_at is infinity.
create domain platform.job_state as text check (value in ('waiting', 'running', 'dead'));

create table platform.job_kinds (
    kind        text primary key,
    tries_max   integer check (tries_max > 0),          -- null: never given up
    first_pause interval not null,
    growth      numeric not null check (growth >= 1),   -- of the pause, with each further try
    most_pause  interval not null,
    lease       interval not null,
    concurrency integer check (concurrency > 0),        -- null: no limit
    on_dead     text,
    paused      boolean not null default false
);
comment on table platform.job_kinds is
    'What is queued. Each kind is a row that its owner''s tables file makes; its figures may be '
    'changed at any time.';
comment on column platform.job_kinds.on_dead is
    'A function of the owner, called with the key and the last error when a job dies; the error is '
    'null when whoever ran it did not come back.';

create table platform.jobs (
    kind       text not null,
    key        text not null,
    due_at     timestamptz not null,
    state      platform.job_state not null default 'waiting',
    tries      integer not null default 0,
    lost       integer not null default 0,
    again      boolean not null default false,
    last_error text,
    created_at timestamptz not null default clock_timestamp(),
    primary key (kind, key)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
comment on table platform.jobs is 'Work that waits, is being done, or was given up.';
comment on column platform.jobs.key is 'What it is about, in the words of its kind.';
comment on column platform.jobs.tries is
    'Tries begun since it was put or replayed; with kind and key the name of a try.';
comment on column platform.jobs.lost is 'Tries in a row that nobody came back from.';
comment on column platform.jobs.again is
    'It was put while it ran: when it is done, it is done once more.';

create index jobs_due_idx on platform.jobs (kind, due_at);
create index jobs_running_idx on platform.jobs (kind, due_at) where state = 'running';
