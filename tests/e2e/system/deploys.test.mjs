// A function is replaced while customers' payments come in: nobody notices.
// system: shared
import assert from 'node:assert/strict';
import { copyFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, test } from 'node:test';

import { generation, killNow, processesOf, servicePid } from '../lib/process.mjs';
import { makeSales, post } from '../lib/flashfundx/sales.mjs';
import { Caller, Tally, long } from '../lib/fire.mjs';
import { addStock, makeProduct, orderState } from '../lib/flashfundx/shop.mjs';
import { deploy, env, home, log } from '../lib/system.mjs';
import { until } from '../lib/wait.mjs';

const NAME = 'payment-webhook';
const SWAPS = long ? 400 : 45; // by the steps of `deploy.sh deploy` without its build
const DEPLOYS = 5; // by the command
const BINARY = join(home, 'bin', NAME);
const WORKERS = Number(env.WORKERS ?? 1);

/** Callers that post without a pause until they are stopped; `tally` has their answers. */
async function load({ kept = 6, fresh = 2, pause = 0 } = {}) {
  const product = await makeProduct({ platform: 'mt4' });
  await addStock(product);
  const [sale] = await makeSales(product, 1, { customers: 1 });
  const tally = new Tally();
  let going = true;
  let answered = 0;
  const one = async (caller) => {
    for (let i = 0; going; i++) {
      try {
        tally.add((await post(caller, sale.callbacks[i % sale.callbacks.length])).status);
      } catch (error) {
        tally.add(error.code ?? error.message);
      }
      answered++;
      if (pause > 0) await sleep(pause);
    }
    caller.close();
  };
  const all = Promise.all([
    ...Array.from({ length: kept }, () => one(new Caller())),
    ...Array.from({ length: fresh }, () => one(new Caller({ keepAlive: false }))),
  ]);
  return {
    tally,
    /** Resolves when `count` more requests were answered. */
    more: (count) => {
      const goal = answered + count;
      return until(() => answered >= goal, `${count} more answers`, { every: 2, timeout: 30_000 });
    },
    stop: async () => {
      going = false;
      await all;
      assert.equal(await orderState(sale.order), 'completed/paid/delivered');
    },
  };
}

/** Put a file in the binary's place, as deploy.sh does: aside, then renamed. */
function install(file) {
  const aside = join(home, 'bin', `.${NAME}.fire`);
  copyFileSync(file, aside);
  renameSync(aside, BINARY);
}

const good = join(home, 'bin', `.${NAME}.good`);
copyFileSync(BINARY, good);
after(() => renameSync(good, BINARY));

const onlyNewOnes = (old, timeout) =>
  until(() => processesOf(NAME).all.every((pid) => !old.includes(pid)), 'the old workers are gone', { timeout });

test(`${SWAPS + DEPLOYS} deploys under load lose no request`, async (t) => {
  const begun = generation(NAME);
  const { master, workers } = processesOf(NAME);
  const callers = await load();
  await callers.more(50);

  for (let i = 1; i <= SWAPS; i++) {
    install(good);
    process.kill(servicePid(NAME), 'SIGHUP');
    await until(() => generation(NAME) === begun + i, `generation ${begun + i}`, { every: 5 });
    await callers.more(20);
  }
  for (let i = 1; i <= DEPLOYS; i++) {
    const { status, stderr } = await deploy('deploy', NAME);
    assert.equal(status, 0, stderr);
    await callers.more(20);
  }
  assert.equal(generation(NAME), begun + SWAPS + DEPLOYS, 'every deploy was one generation');
  await onlyNewOnes(workers, 45_000); // under load
  await callers.stop();
  t.diagnostic(`answers: ${callers.tally}`);
  assert.deepEqual(Object.keys(callers.tally.counts), ['200'], 'every request was answered 200');

  await until(() => processesOf(NAME).all.length === 1 + WORKERS, 'only the newest workers are left', { timeout: 45_000 });
  assert.equal(processesOf(NAME).master, master, 'the master is the same');
});

test('deploys that come faster than workers start are one after the other', async () => {
  const begun = generation(NAME);
  const callers = await load({ kept: 3, fresh: 2 });
  await callers.more(20);
  for (let i = 0; i < 20; i++) {
    process.kill(servicePid(NAME), 'SIGHUP');
    await callers.more(1);
  }
  await until(() => generation(NAME) > begun, 'at least one took place');
  await callers.more(100);
  await callers.stop();
  assert.deepEqual(Object.keys(callers.tally.counts), ['200']);
  await until(() => processesOf(NAME).all.length === 1 + WORKERS, 'only the newest workers are left', { timeout: 45_000 });
});

test('old workers end under a thin stream of requests too, and lose none', async () => {
  const callers = await load({ kept: 2, fresh: 0, pause: 150 });
  await callers.more(10);
  const { workers } = processesOf(NAME);
  process.kill(servicePid(NAME), 'SIGHUP');
  // Their connections are in use all the time: nginx has to give them up, not the worker.
  await onlyNewOnes(workers, 20_000);
  await callers.more(10);
  await callers.stop();
  assert.deepEqual(Object.keys(callers.tally.counts), ['200']);
  assert.ok(!log(NAME).includes('"drain_cut"'), 'no drain was cut short');
});

test('a broken binary is refused, and the old one goes on', async () => {
  const callers = await load({ kept: 3, fresh: 1 });
  await callers.more(20);
  for (const broken of ['/bin/false', '/bin/true', '/etc/hostname']) {
    const refused = log(NAME).split('"replace_failed"').length;
    const before = { generation: generation(NAME), ...processesOf(NAME) };
    install(broken);
    process.kill(servicePid(NAME), 'SIGHUP');
    await until(() => log(NAME).split('"replace_failed"').length > refused, `${broken} is refused`);
    await callers.more(50);
    assert.equal(generation(NAME), before.generation);
    assert.deepEqual(processesOf(NAME).workers, before.workers, 'the workers are the same');
    // A worker that dies now comes back, from what served before, whatever lies in the file's place.
    killNow(before.workers[0]);
    await until(() => processesOf(NAME).workers.length === WORKERS && !processesOf(NAME).workers.includes(before.workers[0]), 'another worker');
    await callers.more(50);
    install(good);
  }
  await callers.stop();
  // What the killed had begun may be lost with them, and nothing else.
  const { 200: served, 502: lost = 0, ...others } = callers.tally.counts;
  assert.deepEqual(others, {}, `${served} were answered`);
  assert.ok(lost <= 3 * 4, `${lost} were lost with three workers`);
});

test('a worker that dies is replaced while its neighbour serves', async () => {
  const { workers } = processesOf(NAME);
  killNow(workers[0]);
  await until(() => processesOf(NAME).workers.length === WORKERS && !processesOf(NAME).workers.includes(workers[0]), 'another worker');
  const callers = await load({ kept: 2, fresh: 2 });
  await callers.more(100);
  await callers.stop();
  assert.deepEqual(Object.keys(callers.tally.counts), ['200']);
});
