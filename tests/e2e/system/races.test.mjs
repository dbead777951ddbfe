// 200 customers pay at once for 120 accounts.
// system: shared
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { value } from '../lib/db.mjs';
import { Caller, Tally, chance, crowd, long, seed } from '../lib/fire.mjs';
import { DELIVERED, assertBooks, books, makeSales, post, states } from '../lib/flashfundx/sales.mjs';
import { addStock, makeProduct } from '../lib/flashfundx/shop.mjs';
import { until } from '../lib/wait.mjs';

const ORDERS = long ? 1000 : 200;
const STOCK = ORDERS * 0.6;
const WORKERS = 16;
const TIMES = 3;

/** Every callback `times` times, in an order of chance, from many workers at once; the answers counted. */
async function storm(sales, random, times, beside = () => {}) {
  const jobs = random.shuffle(sales.flatMap((sale) => Array.from({ length: times }, () => sale.callbacks).flat()));
  const callers = Array.from({ length: WORKERS }, () => new Caller());
  const tally = new Tally();
  let done = 0;
  await crowd(WORKERS, jobs, async (callback, worker) => {
    const answer = await post(callers[worker], callback);
    tally.add(answer.status);
    beside(++done);
  });
  callers.forEach((caller) => caller.close());
  return { tally, sent: jobs.length };
}

test('orders race for stock', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const random = chance();
  const product = await makeProduct({ type: 'two_step', platform: 'mt4', price: '59.00' });
  await addStock(product, STOCK);
  const sales = await makeSales(product, ORDERS);

  await t.test(`${ORDERS} paid orders, stock for ${STOCK}: each account once, each order once, the rest wait`, async () => {
    const { tally, sent } = await storm(sales, random, TIMES);
    assert.equal(sent, ORDERS * 5 * TIMES);
    assert.deepEqual(tally.counts, { 200: sent }, 'every callback is answered 200');
    await assertBooks(sales, product, STOCK);
  });

  await t.test('stock arrives: the waiting orders complete by themselves, oldest payment first', async () => {
    const waiting = new Set((await books(sales)).orders.filter((o) => o.delivery_status === 'pending').map((o) => o.order_id));
    await addStock(product, ORDERS / 2);
    await until(async () => (await states(sales))[DELIVERED] === ORDERS, 'all orders delivered', { timeout: 20_000 });
    const served = (await assertBooks(sales, product, ORDERS)).orders.filter((o) => waiting.has(o.order_id));
    assert.equal(served.length, ORDERS - STOCK);
    const idsBy = (column) => served.sort((a, b) => Number(BigInt(a[column]) - BigInt(b[column]))).map((o) => o.order_id);
    assert.deepEqual(idsBy('delivered_us'), idsBy('paid_us'), 'served in the order of payment');
  });

  await t.test('everything sent again changes nothing', async () => {
    const before = await books(sales);
    const { tally, sent } = await storm(sales, random, 1);
    assert.deepEqual(tally.counts, { 200: sent });
    const now = await books(sales);
    for (const table of Object.keys(before)) assert.equal(JSON.stringify(now[table]), JSON.stringify(before[table]), `${table} changed`);
  });
});

test('callbacks, arriving stock, the schedule and an administrator race for the same orders', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const random = chance(seed + 2);
  const count = long ? 400 : 80;
  const product = await makeProduct({ type: 'instant', platform: 'mt5', price: '289.00' });
  const sales = await makeSales(product, count);
  const aside = [];
  let delivered = 0;
  const { tally, sent } = await storm(sales, random, 2, (done) => {
    // Accounts come one by one, and by hand somebody delivers what is paid.
    if (done % 10 === 0) aside.push(addStock(product, 1));
    if (done % 7 === 0) {
      const { order } = random.pick(sales);
      aside.push(value('select public.deliver_account_to_user($1, $2)', [order.order_id, order.user_id]).then((result) => {
        if (result.success) delivered++;
        else assert.match(result.error, /^(Order not paid|Order already delivered|No available accounts)$/);
      }));
    }
  });
  await Promise.all(aside);
  assert.deepEqual(tally.counts, { 200: sent });
  const stock = Math.floor(sent / 10);
  t.diagnostic(`${delivered} of ${count} delivered by hand`);
  await until(async () => (await states(sales))[DELIVERED] === Math.min(stock, count), 'the stock is used up', { timeout: 20_000 });
  await assertBooks(sales, product, Math.min(stock, count));
});
