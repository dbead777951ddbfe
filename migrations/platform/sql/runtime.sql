-- What every program's runtime asks for: its turn, the state of the database, and that what it has
-- seen is safe. (fn_rest is named apart: it inherits nothing of ffx_function.)

create or replace function platform.claim_schedule(p_name text, p_every_ms integer)
returns table (claimed boolean)
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_last timestamptz;
begin
    claimed := false;
    -- Nobody waits for another process: who does not get the lock at once has lost the period.
    if p_every_ms > 0
       and pg_try_advisory_xact_lock(hashtextextended('schedule ' || p_name, 0)) then
        select s.claimed_at into v_last from public.schedules as s where s.name = p_name;
        -- Periods are counted from the epoch, so that timers that drift do not skip one.
        if v_last is null
           or floor(extract(epoch from v_last) * 1000 / p_every_ms)
              < floor(extract(epoch from v_now) * 1000 / p_every_ms)
        then
            insert into public.schedules as s (name, every_ms, claimed_at)
            values (p_name, p_every_ms, v_now)
            on conflict (name) do update
               set every_ms = excluded.every_ms,
                   claimed_at = excluded.claimed_at,
                   runs = s.runs + 1;
            claimed := true;
        end if;
    end if;
    return next;
end
$$;
comment on function platform.claim_schedule(text, integer) is
    'True for exactly one process per period and name.';
grant execute on function platform.claim_schedule(text, integer) to ffx_function, fn_rest;

create or replace function platform.health()
returns table (migration text, "time" text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select
        (select a.part || '/' || a.name
         from migrations.applied as a
         order by a.applied_at desc, a.part desc, a.name desc
         limit 1),
        to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
comment on function platform.health() is
    'The newest migration, and the time of the database.';
grant execute on function platform.health() to fn_health;

create or replace function platform.schema()
returns table (app text, sha256 text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select s.app, s.sha256 from migrations.schema as s
$$;
comment on function platform.schema() is
    'The application of this database, and the checksum of what its schema was made of '
    '(migrations/checksum); programs compare it with the one they were built with.';
grant execute on function platform.schema() to ffx_function, fn_rest;

create or replace function platform.await_standby()
returns void
language plpgsql
as $$
begin
    -- A commit that waits for a synchronous standby can be given up (the client went away, the
    -- backend was cancelled or killed): then it is visible here, and the standby does not have it.
    -- A transaction that only finds it writes nothing and waits for nothing. This one writes, so
    -- its commit waits for everything before it.
    if current_setting('synchronous_standby_names') <> '' then
        perform pg_logical_emit_message(true, 'await_standby', '');
    end if;
end
$$;
comment on function platform.await_standby() is
    'Makes this transaction''s commit wait until the synchronous standbys have what it has seen; '
    'before saying of something found that it is safe.';
