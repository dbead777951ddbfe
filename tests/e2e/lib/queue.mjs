// The queue (migrations/platform/sql/queue.sql): its jobs, and time that passes for them.
import { row, rows } from './db.mjs';

export const jobOf = (kind, key) => row('select * from platform.jobs where kind = $1 and key = $2', [kind, key]);

/** As if the pause, or the lease, of these jobs were over; without keys: of all of their kind. */
export const hurry = (kind, keys = null) =>
  rows(
    `update platform.jobs set due_at = now()
      where kind = $1 and ($2::text[] is null or key = any ($2)) and state <> 'dead'`,
    [kind, keys],
  );

/** Of these only one is left to do today. */
export const onlyJob = (kind, key) =>
  rows(
    `update platform.jobs set due_at = now() + interval '1 day', state = 'waiting'
      where kind = $1 and key <> $2 and state <> 'dead'`,
    [kind, key],
  );
