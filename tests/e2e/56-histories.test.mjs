// Random payment histories from fixed seeds: whatever comes in whatever order, the promises hold.
// The short form of `./deploy.sh selftest histories`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { long, seed } from './lib/fire.mjs';
import { explain, play, quiesce } from './lib/histories-run.mjs';
import { checkPromises, unwatch, watch } from './lib/promises.mjs';

const HISTORIES = long ? 2000 : 250;

before(watch);
after(unwatch);

test(`${HISTORIES} random histories keep every promise`, { timeout: 600_000 }, async (t) => {
  const { sales, tally } = await play(Array.from({ length: HISTORIES }, (_, n) => seed + n));
  t.diagnostic(`answers: ${tally}`);
  await quiesce();
  for (const { name, checked, broken } of await checkPromises()) {
    await t.test(name, async () => {
      assert.ok(checked > 0, 'the histories have such a case');
      const sale = sales.find((one) => one.order.order_id === broken[0]?.order_id);
      assert.equal(broken.length, 0, `${broken[0]?.broken}\n${sale ? await explain(sale) : ''}`);
    });
  }
});
