-- One queue for all that is done later: lease, back-off with jitter, dead letters, replay, pause.
--
-- A job is named by its kind and a key of its owner's. Owners put it in the transaction that causes
-- the work, and take it in three steps, so that no transaction is open while the work is done:
--     claim      job_claim (or job_next, a look at the job, and job_begin): the try is counted and
--                the job leased, and that is committed, before anything is begun. Work that kills
--                whoever does it uses up its tries like work that fails
--     the work   safe to repeat: a lease that ran out gives the job to the next one
--     the end    job_done, job_failed, or job_put_off when it was no try; job_drop when there is
--                nothing to do any more
-- What nobody comes back from is leased longer each time (lease, twice, four times …), so that it
-- keeps nobody waiting. A failure waits first_pause, then growth times as long, up to most_pause, a
-- quarter less by chance, so that what failed together does not come back together.
-- Kinds are paused, limited and tuned by their row in job_kinds, at once and for all processes.
--
-- No role may call these functions or read these tables: owners call them from SECURITY DEFINER
-- functions of their own, on whose search_path they run. Who locks a job and rows of its owner,
-- does it in one order per kind; job_next skips what others have locked.

-- Kinds ------------------------------------------------------------------------------------------

create or replace function platform.jobs_pause(p_kind text, p_paused boolean)
returns boolean
language plpgsql
as $$
begin
    update platform.job_kinds as k set paused = p_paused where k.kind = p_kind;
    return found;
end
$$;
comment on function platform.jobs_pause(text, boolean) is
    'Stops claims of a kind, or lets them go on; what runs is finished. False: no such kind.';

create or replace function platform.job_back_off(p_kind text, p_tries integer)
returns interval
language sql volatile
set enable_seqscan = off
as $$
    -- The power is bounded before it gets too large for an interval.
    select least(k.most_pause, k.first_pause * power(k.growth, least(greatest(p_tries, 1), 20) - 1)
                                             ::double precision)
           * (0.75 + 0.25 * random())
    from platform.job_kinds as k
    where k.kind = p_kind
$$;
comment on function platform.job_back_off(text, integer) is
    'How long a job of a kind waits after so many tries: three quarters of the pause to all of it.';

-- Putting ----------------------------------------------------------------------------------------

create or replace function platform.job_put(
    p_kind   text,
    p_key    text,
    p_due_at timestamptz default clock_timestamp(),
    p_tries  integer default 0)
returns void
language plpgsql
as $$
begin
    insert into platform.jobs as j (kind, key, due_at, tries)
    values (p_kind, p_key, p_due_at, p_tries)
    on conflict (kind, key) do update
       set due_at = case when j.state = 'running' then j.due_at else excluded.due_at end,
           again = j.state = 'running'
     -- Neither a back-off ends by this, nor a lease.
     where j.state = 'running'
        or (j.state = 'waiting' and j.tries = 0 and j.due_at > excluded.due_at);
end
$$;
comment on function platform.job_put(text, text, timestamptz, integer) is
    'There is work, at this time: once per kind and key, the earliest time counts; put while it '
    'runs, it is done once more. p_tries have been made already. Not for what failed, nor for the '
    'dead: see job_replay.';

-- Taking -----------------------------------------------------------------------------------------

create or replace function platform.job_may_begin(p_kind text)
returns boolean
language plpgsql
set enable_seqscan = off
as $$
declare
    v_kind platform.job_kinds;
begin
    select * into strict v_kind from platform.job_kinds as k where k.kind = p_kind;
    if v_kind.paused or v_kind.concurrency is null then
        return not v_kind.paused;
    end if;
    -- One at a time counts and begins.
    perform from platform.job_kinds as k where k.kind = p_kind for no key update;
    return (
        select count(*) < v_kind.concurrency
        from (
            select
            from platform.jobs as j
            where j.kind = p_kind and j.state = 'running' and j.due_at > clock_timestamp()
            limit v_kind.concurrency) as r);
end
$$;
comment on function platform.job_may_begin(text) is
    'Whether a job of a kind may be begun now: not while it is paused, or as many run as may.';

create or replace function platform.job_bury(p_kind text, p_key text, p_error text)
returns void
language plpgsql
as $$
declare
    v_on_dead regproc := (
        select k.on_dead::regproc from platform.job_kinds as k where k.kind = p_kind);
begin
    update platform.jobs as j
       set state = 'dead',
           due_at = 'infinity',
           last_error = coalesce(left(p_error, 500), j.last_error, 'it did not return')
     where j.kind = p_kind and j.key = p_key;
    if found and v_on_dead is not null then
        execute format('select %s($1, $2)', v_on_dead) using p_key, p_error;
    end if;
end
$$;
comment on function platform.job_bury(text, text, text) is
    'Gives a job up and tells its owner; a replay revives it. Error null: it did not return.';

create or replace function platform.job_next(p_kind text)
returns platform.jobs
language plpgsql
-- Along jobs_due_idx, whatever the statistics say: a hundred thousand may wait.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
declare
    -- Not asked of the clock again for every row: so the index ends where nothing is due.
    v_now constant timestamptz := clock_timestamp();
    v_job platform.jobs;
begin
    if platform.job_may_begin(p_kind) then
        select j.*
          into v_job
          from platform.jobs as j
         where j.kind = p_kind and j.due_at <= v_now
         order by j.due_at
         limit 1
           for update skip locked;
    end if;
    return v_job;
end
$$;
comment on function platform.job_next(text) is
    'The job of a kind that is due longest, locked; null when there is none, or none may begin.';

create or replace function platform.job_begin(p_kind text, p_key text)
returns integer
language plpgsql
set enable_seqscan = off
as $$
declare
    v_try integer;
begin
    update platform.jobs as j
       set state = 'running',
           tries = j.tries + 1,
           lost = j.lost + 1,
           due_at = clock_timestamp()
                    + least(k.lease * power(2, least(j.lost, 20)), greatest(k.lease, k.most_pause))
      from platform.job_kinds as k
     where k.kind = p_kind
       and j.kind = p_kind
       and j.key = p_key
       and (k.tries_max is null or j.tries < k.tries_max)
    returning j.tries into v_try;
    if not found then
        perform platform.job_bury(p_kind, p_key, null);
    end if;
    return v_try;
end
$$;
comment on function platform.job_begin(text, text) is
    'Counts a try of a job that is due, and leases it; the number of the try. Null: it had used up '
    'its tries, nobody came back from the last one, and it is given up.';

create or replace function platform.job_claim(p_kind text)
returns table (key text, try integer)
language plpgsql
as $$
declare
    v_job platform.jobs;
begin
    -- Who is given up takes nobody's place; a call gives up a hundred at most.
    for v_turn in 1..100 loop
        v_job := platform.job_next(p_kind);
        exit when v_job.key is null;
        key := v_job.key;
        try := platform.job_begin(p_kind, v_job.key);
        if try is not null then
            return next;
            exit;
        end if;
    end loop;
end
$$;
comment on function platform.job_claim(text) is
    'Takes the job of a kind that is due longest: its key and the number of the try; no row when '
    'there is none.';

-- Ends -------------------------------------------------------------------------------------------

create or replace function platform.job_done(p_kind text, p_key text)
returns void
language plpgsql
as $$
begin
    -- Whoever did it tells the truth, also after the lease ran out.
    delete from platform.jobs as j where j.kind = p_kind and j.key = p_key and not j.again;
    if not found then
        perform platform.job_replay(p_kind, p_key) from platform.jobs as j
          where j.kind = p_kind and j.key = p_key;
    end if;
end
$$;
comment on function platform.job_done(text, text) is
    'The work is done, or there is none: the row goes, unless it was put again meanwhile.';

create or replace function platform.job_drop(p_kind text, p_key text)
returns void
language sql
as $$ delete from platform.jobs as j where j.kind = p_kind and j.key = p_key $$;
comment on function platform.job_drop(text, text) is
    'What it is about is over or goes itself: the row goes, whatever state it is in.';

create or replace function platform.job_failed(
    p_kind  text,
    p_key   text,
    p_try   integer,
    p_error text,
    p_final boolean default false,
    p_pause interval default null)
returns text
language plpgsql
as $$
declare
    v_job platform.jobs;
    v_tries_max integer := (select k.tries_max from platform.job_kinds as k where k.kind = p_kind);
begin
    -- Only the try that holds the lease may fail it: a late one must not stop its successor.
    select *
      into v_job
      from platform.jobs as j
     where j.kind = p_kind
       and j.key = p_key
       and case when p_try is null then j.state <> 'dead'
                else j.state = 'running' and j.tries = p_try end
       for update;
    if not found then
        return 'unchanged';
    elsif p_final or v_job.tries >= v_tries_max then
        perform platform.job_bury(p_kind, p_key, coalesce(p_error, ''));
        return 'dead';
    end if;
    update platform.jobs as j
       set state = 'waiting',
           lost = 0,
           again = false,
           last_error = left(p_error, 500),
           due_at = clock_timestamp()
                    + coalesce(p_pause, platform.job_back_off(p_kind, v_job.tries))
     where j.kind = p_kind and j.key = p_key;
    return 'waiting';
end
$$;
comment on function platform.job_failed(text, text, integer, text, boolean, interval) is
    'A try (null: whichever it is) failed: waiting (for its kind''s pause, or p_pause) or dead (it '
    'was the last, or p_final); unchanged when another try has the job by now.';

create or replace function platform.job_put_off(
    p_kind  text,
    p_key   text,
    p_until timestamptz)
returns void
language sql
as $$
    update platform.jobs as j
       set state = 'waiting',
           due_at = p_until,
           again = false,
           tries = j.tries - (j.state = 'running')::int,
           lost = j.lost - (j.state = 'running')::int
     where j.kind = p_kind and j.key = p_key and j.state <> 'dead'
$$;
comment on function platform.job_put_off(text, text, timestamptz) is
    'Not now. Somebody who began it gives it back, and that was no try.';

-- Once more --------------------------------------------------------------------------------------

create or replace function platform.job_replay(
    p_kind   text,
    p_key    text,
    p_due_at timestamptz default clock_timestamp())
returns void
language sql
as $$
    insert into platform.jobs (kind, key, due_at)
    values (p_kind, p_key, p_due_at)
    on conflict (kind, key) do update
       set state = 'waiting', due_at = excluded.due_at, tries = 0, lost = 0, again = false,
           last_error = null
$$;
comment on function platform.job_replay(text, text, timestamptz) is
    'A job with all its tries again, whatever became of it: a new one when it is done.';

create or replace function platform.jobs_replay(p_kind text)
returns setof text
language plpgsql
as $$
declare
    v_key text;
begin
    for v_key in
        select j.key
        from platform.jobs as j
        where j.kind = p_kind and j.due_at = 'infinity' and j.state = 'dead'
    loop
        perform platform.job_replay(p_kind, v_key);
        return next v_key;
    end loop;
end
$$;
comment on function platform.jobs_replay(text) is 'Replays all dead jobs of a kind; their keys.';

-- Looking ----------------------------------------------------------------------------------------

create or replace view platform.queue as
    select k.kind, k.paused,
           count(*) filter (where j.state = 'waiting') as waiting,
           count(*) filter (where j.state = 'running' and j.due_at > now()) as running,
           count(*) filter (where j.state = 'dead') as dead,
           now() - min(j.due_at) filter (where j.due_at <= now()) as overdue
    from platform.job_kinds as k
    left join platform.jobs as j on j.kind = k.kind
    group by k.kind, k.paused
    order by k.kind;
comment on view platform.queue is
    'How much of each kind waits, runs and was given up, and since when the oldest is due.';
