// The same thing asked for many times at once happens once.
// system: shared
import assert from 'node:assert/strict';
import { test } from 'node:test';

import pg from 'pg';

import { value } from '../lib/db.mjs';
import { Private } from '../lib/process.mjs';
import { DELIVERED, assertBooks, books, callbacksOf, eventsDone, makeSales, post, states } from '../lib/flashfundx/sales.mjs';
import { Caller, Tally } from '../lib/fire.mjs';
import { calls, mark, providerState } from '../lib/flashfundx/sandbox.mjs';
import { addStock, attempts, checkout, checkoutBody, delivered, makeOrder, makeProduct, makeSale, orderState } from '../lib/flashfundx/shop.mjs';
import { env } from '../lib/system.mjs';
import { makeUser } from '../lib/users.mjs';

/** `count` calls of work(i) at once; their results. */
const atOnce = (count, work) => Promise.all(Array.from({ length: count }, (_, i) => work(i)));

test('50 identical callbacks at once deliver once', async () => {
  const product = await makeProduct({ type: 'one_step', platform: 'mt5', price: '99.00' });
  await addStock(product, 5);
  const [sale] = await makeSales(product, 1, { customers: 1 });
  sale.callbacks = sale.callbacks.filter((callback) => callback.status === 'finished');
  const callers = Array.from({ length: 50 }, () => new Caller());
  const tally = new Tally();
  await atOnce(50, async (i) => tally.add((await post(callers[i], sale.callbacks[0])).status));
  callers.forEach((caller) => caller.close());
  assert.deepEqual(tally.counts, { 200: 50 });
  await eventsDone([sale]);
  assert.deepEqual(await states([sale]), { [DELIVERED]: 1 });
  await assertBooks([sale], product, 1);
});

test('two payments of one order finish at once: one counts and delivers, the other goes to a human', async () => {
  const orders = 20;
  const product = await makeProduct({ type: 'two_step', platform: 'mt4', price: '59.00' });
  await addStock(product, 2 * orders);
  const sales = await makeSales(product, orders, { customers: 4 });
  const callers = Array.from({ length: 2 * orders }, () => new Caller());
  const both = sales.flatMap(({ order }) => [callbacksOf(order, ['finished']), callbacksOf(order, ['finished'])].flat());
  const answers = await atOnce(both.length, (i) => post(callers[i], both[i]));
  callers.forEach((caller) => caller.close());
  assert.ok(answers.every((answer) => answer.status === 200));
  await eventsDone(sales);
  assert.deepEqual(await states(sales), { [DELIVERED]: orders });
  const b = await books(sales);
  assert.equal(b.delivered.length, orders);
  assert.equal(b.payments.filter((p) => p.counted).length, orders);
  assert.deepEqual(b.reviews.map((r) => `${r.kind} ${r.order_id}`).sort(), sales.map(({ order }) => `paid_twice ${order.order_id}`).sort());
  assert.deepEqual(b.transactions.map((x) => `${x.order_id} ${x.status}`).sort(),
    sales.flatMap(({ order }) => [`${order.order_id} completed`, `${order.order_id} processing`]).sort());
  assert.equal(b.profiles.reduce((sum, p) => sum + p.total_orders, 0), orders);
});

test('20 checkouts of one order at once make one invoice and one payment', async () => {
  const { user, order } = await makeSale();
  const since = await mark();
  // Without the rate limit, which would answer half of them.
  const shop = await Private.start('create-crypto-payment', { RATE_LIMIT: 'false', WORKERS: '2' });
  try {
    const answers = await atOnce(20, () =>
      shop.ask('POST', { body: JSON.stringify(checkoutBody(order)), params: { HTTP_AUTHORIZATION: `Bearer ${user.token}` } }));
    answers.push(await shop.ask('POST', { body: JSON.stringify(checkoutBody(order)), params: { HTTP_AUTHORIZATION: `Bearer ${user.token}` } }));
    assert.deepEqual(answers.filter((a) => ![200, 409].includes(a.status)).map((a) => a.text), []);
    for (const busy of answers.filter((a) => a.status === 409)) {
      assert.equal(busy.json.error, 'A payment for this order is already being created');
      assert.ok(Number(busy.headers['retry-after']) >= 1);
    }
    assert.equal(answers.at(-1).status, 200);
    const shown = new Set(answers.filter((a) => a.status === 200).map((a) => JSON.stringify(a.json)));
    assert.equal(shown.size, 1, 'everybody is shown the same checkout');
  } finally {
    await shop.stop();
  }
  const provider = await providerState(order);
  assert.equal(provider.invoices.length, 1);
  assert.equal(provider.payments.length, 1);
  assert.equal((await calls(since, '/invoice')).filter((call) => call.body.includes(order.order_id)).length, 1);
  assert.deepEqual((await attempts(order)).map((a) => a.state), ['open']);
});

test('the same through nginx: 10 clicks make one checkout', async () => {
  const { user, order } = await makeSale();
  const answers = await atOnce(10, () => checkout(user, order));
  assert.deepEqual(answers.filter((a) => ![200, 409].includes(a.status)).map((a) => a.text), []);
  const provider = await providerState(order);
  assert.deepEqual([provider.invoices.length, provider.payments.length], [1, 1]);
});

/** An order that is paid and not delivered. */
async function paidOrder(user, product) {
  const order = await makeOrder(user, product);
  const caller = new Caller();
  const [confirmed] = callbacksOf(order, ['confirmed']);
  assert.equal((await post(caller, confirmed)).status, 200);
  caller.close();
  assert.equal(await orderState(order), 'processing/paid/pending');
  return order;
}

const [, role, folder, database] = /^postgresql:\/\/([^@]+)@([^/]+)\/(.+)$/.exec(env.DATABASE_URL);

/** `count` database sessions, each in a transaction of its own, call deliver_account_to_user at once. */
async function deliverAtOnce(orders, count) {
  const sessions = await atOnce(count, async () => {
    const session = new pg.Client({ user: role, host: decodeURIComponent(folder), database });
    await session.connect();
    return session;
  });
  try {
    const results = await atOnce(count, async (i) => {
      const order = orders[i % orders.length];
      const { rows } = await sessions[i].query('select public.deliver_account_to_user($1, $2) as result', [order.order_id, order.user_id]);
      return { order, ...rows[0].result };
    });
    return results;
  } finally {
    await atOnce(count, (i) => sessions[i].end());
  }
}

test('deliver_account_to_user from 10 sessions at once delivers once', async () => {
  const product = await makeProduct();
  const user = await makeUser();
  await addStock(product, 3);
  const order = await paidOrder(user, product);
  const results = await deliverAtOnce([order], 10);
  assert.equal(results.filter((r) => r.success).length, 1);
  assert.deepEqual([...new Set(results.filter((r) => !r.success).map((r) => r.error))], ['Order already delivered']);
  assert.equal((await delivered(order)).length, 1);
  assert.equal(await value('select total_orders from public.user_profiles where id = $1', [user.id]), 1);
});

test('5 orders, 3 accounts, 20 sessions at once: three are delivered, each with an account of its own', async () => {
  const product = await makeProduct();
  const user = await makeUser();
  await addStock(product, 3);
  const orders = [];
  for (let i = 0; i < 5; i++) orders.push(await paidOrder(user, product));
  const results = await deliverAtOnce(orders, 20);
  const done = results.filter((r) => r.success);
  assert.equal(done.length, 3);
  assert.equal(new Set(done.map((r) => r.order.order_id)).size, 3);
  assert.equal(new Set(done.map((r) => r.account_details.login_id)).size, 3);
  for (const r of results.filter((x) => !x.success)) assert.match(r.error, /^(Order already delivered|No available accounts)$/);
  assert.equal(await value('select total_orders from public.user_profiles where id = $1', [user.id]), 3);
});
