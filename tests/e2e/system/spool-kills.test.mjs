// A process of payment-webhook dies at each step of the spool: between write, fsync, name and answer,
// and between applying and removing.  What was acknowledged is there, once; what was not, the provider
// sends again.
// system: shared
// build: killpoints
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { brokenRules } from '../lib/flashfundx/invariants.mjs';
import { callback, kept, startKeeping, withoutDatabase } from '../lib/flashfundx/spool.mjs';
import { delivered, events, makeSale, orderState } from '../lib/flashfundx/shop.mjs';
import { until } from '../lib/wait.mjs';

const skip = process.env.FFX_PRESET !== 'killpoints' && 'this build has no kill points';

/** Whoever passes this step of the spool dies there, once. */
function arm(fn, step) {
  const file = join(fn.folder, 'payment-webhook.kill-at');
  writeFileSync(file, `payment-webhook spool callback ${step} #1\n`);
  chmodSync(file, 0o644);
  return () => !existsSync(file);
}

/** Sent again until it is taken, as the provider does. */
const persist = (fn, one) => until(async () => {
  try {
    return (await one.send(fn)).status === 200;
  } catch {
    return false; // the worker died
  }
}, 'taken at last', { timeout: 15_000 });

for (const step of ['written', 'synced', 'renamed', 'kept', 'applied', 'removed']) {
  test(`killed when a callback is ${step}`, { skip }, async () => {
    const fn = await startKeeping();
    const { order } = await makeSale();
    const one = callback(order, 'finished');
    let struck;
    try {
      await withoutDatabase(async () => {
        struck = arm(fn, step);
        await persist(fn, one);
        assert.ok(kept(fn).length >= 1, 'what is acknowledged is there');
        assert.match(readFileSync(join(fn.state, 'callbacks', kept(fn)[0]), 'utf8'), /"finished"/);
      });
      await until(() => kept(fn).length === 0, 'nothing waits', { timeout: 15_000 });
      await until(struck, 'it was struck');
      await until(async () => (await orderState(order)) === 'completed/paid/delivered', 'delivered');
      assert.equal((await events(order)).length, 1);
      assert.equal((await delivered(order)).length, 1);
      assert.deepEqual(await brokenRules([order]), []);
      assert.match(fn.log(), /"worker_died"/);
    } finally {
      await fn.stop();
      rmSync(fn.state, { recursive: true, force: true });
    }
  });
}
