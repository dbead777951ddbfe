// Waiting for a condition instead of for time.
import { setTimeout as sleep } from 'node:timers/promises';

/** Ask `probe` until it returns something truthy, and return that. */
export async function until(probe, what, { timeout = 15_000, every = 25 } = {}) {
  const end = Date.now() + timeout;
  let seen;
  for (;;) {
    seen = await probe();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`not within ${timeout} ms: ${what}`);
    await sleep(every);
  }
}
