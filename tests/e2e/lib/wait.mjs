// Waiting for a condition instead of for time.
import { setTimeout as sleep } from 'node:timers/promises';

/** What the sanitizers cost, on a machine that has other tests to run too. */
const SLOWER = process.env.FFX_PRESET === 'asan' ? 3 : 1;

/** The longest that something may take that takes `ms` at most without sanitizers, in ms. */
export const soon = (ms) => ms * SLOWER;

/** Ask `probe` until it returns something truthy, and return that. */
export async function until(probe, what, { timeout = 20_000, every = 25 } = {}) {
  const end = Date.now() + soon(timeout);
  let seen;
  for (;;) {
    seen = await probe();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`not within ${soon(timeout)} ms: ${what}`);
    await sleep(every);
  }
}
