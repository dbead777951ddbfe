// A primary with a synchronous standby: the primary dies and the standby takes its place, the
// standby is away, the old primary comes back. What was acknowledged is on the server that lives.
//
// Two servers of the test's own; the functions are private processes that know both.
// system: shared, long
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Cluster, give, remove } from '../lib/cluster.mjs';
import { ownServer, rows, useServer, value } from '../lib/db.mjs';
import { Private, processesOf } from '../lib/process.mjs';
import { assertBooks, callbacksOf, makeSales } from '../lib/flashfundx/sales.mjs';
import { Tally, chance, crowd, long, persist, seed } from '../lib/fire.mjs';
import { addStock, events, makeProduct, makeSale, orderState, untilState } from '../lib/flashfundx/shop.mjs';
import { scratchFolder } from '../lib/system.mjs';
import { soon, until } from '../lib/wait.mjs';

const ORDERS = long ? 300 : 40;
const WORKERS = 12;
const PASSWORD = 'only-for-this-test';
const FUNCTIONS = ['payment-webhook', 'process-events', 'deliver-waiting', 'send-outbox'];

const folder = scratchFolder('pg');
let primary, standby;
const fns = {};

const user = (name) => `fn_${name.replaceAll('-', '_')}`;
/** The first host is a socket folder, the second an address, each with its port. */
const databaseUrl = (name, hosts = `${primary.socketHost},${standby.tcpHost}`) =>
  `postgresql://${user(name)}:${PASSWORD}@${hosts}/flashfundx?target_session_attrs=read-write`;
const begin = (name, hosts) => Private.start(name, { DATABASE_URL: databaseUrl(name, hosts) });

before(async () => {
  chmodSync(folder, 0o711);
  await give(folder);
  primary = await Cluster.make(join(folder, 'a'));
  await primary.start();
  await primary.migrate(FUNCTIONS, PASSWORD);
  // What the test does itself shall not wait for a standby.
  await primary.query('alter role postgres set synchronous_commit = local');
  standby = await primary.standby(join(folder, 'b'), { synchronous_standby_names: '' });
  await standby.start();
  primary.set({ synchronous_standby_names: '*' });
  primary.reload();
  await inStep();
  await useServer({ host: primary.folder, port: primary.port });
  for (const name of FUNCTIONS) fns[name] = await begin(name);
});

after(async () => {
  for (const fn of Object.values(fns)) await fn.stop();
  for (const cluster of [primary, standby]) await cluster?.stop();
  await useServer(ownServer);
  remove(folder);
});

/** The standby has what the primary has, and commits wait for it. */
const inStep = () =>
  until(() => primary.value(`select count(*)::int from pg_stat_replication where sync_state = 'sync' and replay_lsn = pg_current_wal_lsn()`),
    'the standby is synchronous', { timeout: 30_000 });

const ipn = (callback) => ({ body: callback.body, params: { HTTP_X_NOWPAYMENTS_SIG: callback.signature } });
const send = (callback, fn = fns['payment-webhook']) => fn.ask('POST', ipn(callback));
const timed = async (work) => {
  const began = Date.now();
  const result = await work();
  return [result, Date.now() - began];
};
function unavailable([answer, ms]) {
  assert.equal(answer.status, 503, answer.text);
  assert.ok(Number(answer.headers['retry-after']) >= 1);
  assert.ok(ms < soon(3000), `answered after ${ms} ms, when the provider still listens`);
}
/** Commits of the webhook that wait for the standby: also those whose callers have had their answer. */
const waiting = () =>
  primary.value(`select count(*)::int from pg_stat_activity where usename = 'fn_payment_webhook' and wait_event = 'SyncRep'`);

test('the standby is away', async (t) => {
  const { order } = await makeSale();
  const [finished] = callbacksOf(order, ['finished']);
  await standby.stop('SIGINT');

  await t.test('a callback is answered 503 with Retry-After within the 3 s', async () => {
    unavailable(await timed(() => send(finished)));
  });

  await t.test('PostgreSQL reports a commit whose wait is cancelled as done: not so the function', async () => {
    const { order: other } = await makeSale();
    const [callback] = callbacksOf(other, ['finished']);
    const before = await waiting();
    const asked = timed(() => send(callback));
    await until(async () => await waiting() > before, 'its commit waits for the standby');
    await primary.query(`select pg_cancel_backend(pid) from pg_stat_activity where usename = 'fn_payment_webhook' and wait_event = 'SyncRep'`);
    unavailable(await asked);
    assert.match(fns['payment-webhook'].log(), /committed, but not on the standby/);
    assert.equal((await events(other)).length, 1, 'it is in the books here');
    // A repeat finds it there, and is not acknowledged either.
    unavailable(await timed(() => send(callback)));
  });

  await t.test('with the standby back, the repeat is acknowledged and the payment counted once', async () => {
    await standby.start();
    await inStep();
    const answer = await persist(() => send(finished), new Tally());
    assert.equal(answer.status, 200, answer.text);
    await untilState(order, 'completed/paid/delivered');
    assert.equal((await events(order)).length, 1);
    assert.equal(await value(`select count(*)::int from public.payment_transactions where order_id = $1`, [order.order_id]), 1);
    assert.equal(await value(`select count(*)::int from public.delivered_accounts where order_id = $1`, [order.order_id]), 1);
  });
});

test('the primary is killed under load and the standby promoted: nothing acknowledged is missing', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const random = chance();
  const product = await makeProduct();
  await addStock(product, ORDERS);
  const sales = await makeSales(product, ORDERS, { customers: 6 });
  const workers = Object.values(fns).flatMap((fn) => fn.workers);
  const jobs = random.shuffle(sales.flatMap((sale) => sale.callbacks));
  const tally = new Tally();
  const accepted = [];
  let failover;
  // Each callback is acknowledged once: a repeat would make good what an acknowledgement had lost.
  await crowd(WORKERS, jobs, async (callback) => {
    const answer = await persist(async () => {
      const got = await send(callback);
      if (got.status >= 500) assert.ok(Number(got.headers['retry-after']) >= 1, 'with Retry-After');
      return got;
    }, tally);
    assert.equal(answer.status, 200, answer.text);
    accepted.push(callback);
    if (accepted.length > jobs.length / 3) failover ??= (async () => {
      await primary.kill();
      await until(() => tally.counts[503] > 5, 'callbacks are refused meanwhile');
      const before = accepted.length;
      await standby.promote();
      const [, ms] = await timed(() => until(() => accepted.length > before, 'the functions found the new primary', { timeout: 20_000 }));
      t.diagnostic(`acknowledged ${before} of ${jobs.length} before, served again ${ms} ms after the promotion`);
    })();
  });
  await failover;
  t.diagnostic(`answers: ${tally}`);
  assert.deepEqual(tally.others(/^(200|503)$/), []);

  await useServer({ host: standby.folder, port: standby.port });
  const stored = new Set((await rows('select payment_id, status from public.payment_events')).map((e) => `${e.payment_id} ${e.status}`));
  assert.deepEqual(accepted.filter((c) => !stored.has(`${c.payment_id} ${c.status}`)), [], 'every acknowledged callback is there');
  await until(async () => await value(`select count(*)::int from public.delivered_accounts as d join public.orders as o using (order_id)
    where o.account_size = $1`, [product.size]) === ORDERS, 'deliveries go on', { timeout: 30_000 });
  await assertBooks(sales, product, ORDERS);
  const ids = sales.map((sale) => sale.order.order_id);
  await until(async () => await value(`select count(distinct order_id)::int from public.delivered_accounts where order_id = any($1)`, [ids]) === ORDERS
    && await value(`select count(*)::int from public.outbox where state <> 'sent'`) === 0, 'mails go on', { timeout: 60_000 });
  assert.deepEqual(Object.values(fns).flatMap((fn) => fn.workers), workers, 'nothing was restarted');
});

test('the old primary comes back: two that take writes', async (t) => {
  await primary.start();
  assert.equal(await primary.value('select pg_is_in_recovery()'), false);

  await t.test('functions stay with the one that serves them', async () => {
    const { order } = await makeSale();
    const callbacks = callbacksOf(order);
    // Also with connections that are made anew.
    for (const callback of callbacks) {
      await standby.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [user('payment-webhook')]);
      assert.equal((await persist(() => send(callback), new Tally())).status, 200);
    }
    await untilState(order, 'completed/paid/delivered');
    assert.equal((await events(order)).length, callbacks.length);
    const [{ n }] = await primary.query('select count(*)::int as n from public.payment_events where order_id = $1', [order.order_id]);
    assert.equal(n, 0, 'the old one heard nothing of it');
  });

  await t.test('a function that starts with the old one acknowledges nothing there, and finds the other', async () => {
    const { order } = await makeSale();
    const [finished] = callbacksOf(order, ['finished']);
    const fn = await begin('payment-webhook');
    try {
      const answer = await persist(() => send(finished, fn), new Tally());
      assert.equal(answer.status, 200, answer.text);
      assert.match(fn.log(), /no answer from the database in time/, 'the old one was asked, and waited for its standby');
      await untilState(order, 'completed/paid/delivered');
      assert.equal((await events(order)).length, 1, 'it is in the books of the new one');
    } finally {
      await fn.stop();
    }
  });
  await primary.stop();
});

test('a first host that hangs: the second is used, and goes on being used', async () => {
  await primary.start();
  primary.freeze();
  const fn = await begin('payment-webhook', `${primary.tcpHost},${standby.socketHost}`);
  try {
    const { order } = await makeSale();
    const [waiting, confirming] = callbacksOf(order, ['waiting', 'confirming']);
    const [answer, ms] = await timed(() => persist(() => send(waiting, fn), new Tally()));
    assert.equal(answer.status, 200, answer.text);
    assert.ok(ms < 5000, `found after ${ms} ms`);
    const [next, nextMs] = await timed(() => send(confirming, fn));
    assert.equal(next.status, 200);
    assert.ok(nextMs < 1000);
    assert.equal(await orderState(order), 'processing/pending/pending');
  } finally {
    await fn.stop();
    await primary.stop();
  }
});

test('a server that freezes while it is used: its clients go to the next', async () => {
  // From here on the roles are changed: what was the primary follows.
  const other = await standby.standby(join(folder, 'c'));
  await other.start();
  const fn = await begin('payment-webhook', `${standby.tcpHost},${other.tcpHost}`);
  try {
    const { order } = await makeSale();
    const [waiting, confirming] = callbacksOf(order, ['waiting', 'confirming']);
    assert.equal((await send(waiting, fn)).status, 200);
    await until(async () => await other.value('select count(*)::int from public.payment_events where order_id = $1', [order.order_id]) === 1, 'it is replicated');
    standby.freeze();
    unavailable(await timed(() => send(confirming, fn)));
    await other.promote();
    const answer = await persist(() => send(confirming, fn), new Tally());
    assert.equal(answer.status, 200, answer.text);
    assert.equal(await other.value('select count(*)::int from public.payment_events where order_id = $1', [order.order_id]), 2);
  } finally {
    await fn.stop();
    await other.stop();
    standby.freeze('SIGCONT');
  }
});

test('the system itself was not touched', () => {
  for (const name of FUNCTIONS) assert.ok(processesOf(name).workers.length > 0, name);
});
