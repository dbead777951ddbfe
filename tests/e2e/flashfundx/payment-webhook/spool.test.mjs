// While the database is away genuine callbacks wait on disk: acknowledged when they are there, applied
// in their order when it is back, bounded, and never half.
// system: shared
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { callback, kept, startKeeping, withoutDatabase } from '../../lib/flashfundx/spool.mjs';
import { paymentId } from '../../lib/flashfundx/ipn.mjs';
import { delivered, events, makeSale, orderState } from '../../lib/flashfundx/shop.mjs';
import { Private, killNow } from '../../lib/process.mjs';
import { until } from '../../lib/wait.mjs';
import { thanks } from './answers.mjs';

async function withKeeping(work, settings) {
  const fn = await startKeeping(settings);
  try {
    return await work(fn);
  } finally {
    await fn.stop();
    rmSync(fn.state, { recursive: true, force: true });
  }
}
const taken = (answer) => {
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(answer.json, thanks);
};
const refused = (answer) => {
  assert.equal(answer.status, 503, answer.text);
  assert.deepEqual(answer.json, { success: false, error: 'Service temporarily unavailable' });
  assert.ok(Number(answer.headers['retry-after']) >= 1);
};
const empty = (fn) => until(() => kept(fn).length === 0, 'nothing waits any more', { timeout: 15_000 });
/** The way of a payment to its end. */
function wayOf(order) {
  const payment = { payment_id: paymentId() };
  return ['waiting', 'confirming', 'confirmed', 'sending', 'finished'].map((status) => callback(order, status, payment));
}

test('kept while the database is away, applied in order when it is back, byte for byte', () => withKeeping(async (fn) => {
  const { order } = await makeSale();
  const way = wayOf(order);
  await withoutDatabase(async () => {
    for (const one of way) taken(await one.send(fn));
    assert.equal(kept(fn).length, way.length);
    taken(await way.at(-1).send(fn)); // a repeat
    assert.deepEqual(await events(order), []);
    const forged = await fn.ask('POST', { body: way[0].text, params: { HTTP_X_NOWPAYMENTS_SIG: 'a'.repeat(128) } });
    assert.equal(forged.status, 401);
    assert.equal(kept(fn).length, way.length + 1);
  });
  await empty(fn);
  const found = await events(order);
  assert.deepEqual(found.map((e) => e.raw), way.map((one) => one.text), 'in the order in which they came, once');
  assert.ok(found.every((e) => e.outcome === 'applied'));
  assert.equal(await orderState(order), 'completed/paid/delivered');
  assert.equal((await delivered(order)).length, 1);
  taken(await callback((await makeSale({ stock: 0 })).order, 'waiting').send(fn));
  assert.equal(kept(fn).length, 0, 'and the next one needs no disk');
}));

test('what waits outlives the processes: the next one applies it, without a further callback', async () => {
  const { order } = await makeSale();
  const first = await startKeeping();
  await withoutDatabase(async () => {
    for (const one of wayOf(order)) taken(await one.send(first));
    first.workers.concat(first.pid).forEach(killNow);
    await first.exit;
  });
  assert.equal(kept(first).length, 5);
  const second = await startKeeping({}, first.state);
  try {
    await empty(second);
    assert.equal(await orderState(order), 'completed/paid/delivered');
  } finally {
    await second.stop();
    rmSync(first.state, { recursive: true, force: true });
  }
});

test('two workers apply each of them once', () => withKeeping(async (fn) => {
  const sales = await Promise.all(Array.from({ length: 10 }, () => makeSale()));
  await withoutDatabase(async () => {
    for (const { order } of sales) for (const one of wayOf(order)) taken(await one.send(fn));
  });
  await empty(fn);
  for (const { order } of sales) {
    assert.equal(await orderState(order), 'completed/paid/delivered');
    assert.equal((await events(order)).length, 5);
  }
}, { WORKERS: '2', CALLBACK_SPOOL: '1000' }));

test('figures and health tell how many wait', () => withKeeping(async (fn) => {
  const { order } = await makeSale({ stock: 0 });
  const health = await Private.start('health');
  const figures = () => copyFileSync(join(fn.folder, 'payment-webhook.metrics'), join(health.folder, 'payment-webhook.metrics'));
  try {
    await withoutDatabase(async () => {
      taken(await callback(order, 'waiting').send(fn));
      taken(await callback(order, 'confirming').send(fn));
      figures();
      const answer = await health.ask('GET');
      assert.deepEqual(answer.json.checks.callbacks, { status: 'unhealthy', waiting: 2, error: 'Callbacks wait on disk for the database' });
      assert.match((await health.ask('GET', { params: { PATH_INFO: '/metrics' } })).text, /^ffx_spooled\{function="payment-webhook"\} 2$/m);
    });
    await empty(fn);
    await until(() => {
      figures();
      return health.ask('GET').then((answer) => answer.json.checks.callbacks.waiting === 0);
    }, 'none is told of');
  } finally {
    await health.stop();
  }
}));

test('a broken file is put aside, and those behind it are applied', () => withKeeping(async (fn) => {
  const first = await makeSale(), second = await makeSale();
  await withoutDatabase(async () => {
    taken(await callback(first.order, 'finished').send(fn));
    taken(await callback(second.order, 'finished').send(fn));
    const file = join(fn.state, 'callbacks', kept(fn)[0]), text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace('"finished"', '"refunded"'));
  });
  await empty(fn);
  assert.equal(await orderState(second.order), 'completed/paid/delivered');
  assert.equal(await orderState(first.order), 'pending/pending/pending');
  assert.equal(readdirSync(join(fn.state, 'callbacks')).filter((name) => name.endsWith('.broken')).length, 1);
  assert.match(fn.log(), /"callback_broken"/);
}));

test('the spool is bounded, and without one it is 503', async () => {
  const { order } = await makeSale({ stock: 0 });
  await withKeeping((fn) => withoutDatabase(async () => {
    taken(await callback(order, 'waiting').send(fn));
    taken(await callback(order, 'waiting').send(fn));
    refused(await callback(order, 'waiting').send(fn));
    assert.equal(kept(fn).length, 2);
  }), { CALLBACK_SPOOL: '2' });
  for (const settings of [{ CALLBACK_SPOOL: '0' }, { STATE_DIR: '/nowhere/at/all' }])
    await withKeeping((fn) => withoutDatabase(async () => refused(await callback(order, 'waiting').send(fn))), settings);
});

test('a full disk is 503, leaves nothing half, and passes', (t) => withKeeping(async (fn) => {
  const { order } = await makeSale({ stock: 0 });
  const folder = join(fn.state, 'callbacks');
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0700', 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return t.skip('mounting is not allowed here');
  }
  try {
    await withoutDatabase(async () => {
      let count = 0;
      for (; count < 64; count++) {
        const answer = await callback(order, 'waiting', { payment_id: paymentId(), order_description: 'x'.repeat(3000) }).send(fn);
        if (answer.status !== 200) {
          refused(answer);
          break;
        }
      }
      assert.ok(count > 3 && count < 64, `${count} were kept`);
      assert.equal(readdirSync(folder).length, count, 'those, and nothing half');
      assert.match(fn.log(), /No space left/);
      rmSync(join(folder, kept(fn)[0]));
      taken(await callback(order, 'waiting').send(fn));
    });
    await empty(fn);
  } finally {
    execFileSync('umount', ['-l', folder]);
  }
}));

test('a folder that was taken away is 503, not a lost callback', () => withKeeping(async (fn) => {
  const { order } = await makeSale({ stock: 0 });
  rmSync(join(fn.state, 'callbacks'), { recursive: true });
  await withoutDatabase(async () => refused(await callback(order, 'waiting').send(fn)));
  mkdirSync(join(fn.state, 'callbacks'));
  chmodSync(join(fn.state, 'callbacks'), 0o700);
  await withoutDatabase(async () => taken(await callback(order, 'waiting').send(fn)));
  await empty(fn);
}));
