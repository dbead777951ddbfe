// Who paid while there was no stock is delivered when there is some; stock that runs low is told.
// system: shared
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { breakOrder, kill } from '../lib/flashfundx/broken.mjs';
import { as, row, rows, value } from '../lib/db.mjs';
import { ipnBody, postIpn } from '../lib/flashfundx/ipn.mjs';
import { clearFaults } from '../lib/flashfundx/sandbox.mjs';
import {
  addStock,
  delivered,
  makeOrder,
  makeProduct,
  makeSale,
  orderState,
  reviews,
  untilState,
  waiting,
} from '../lib/flashfundx/shop.mjs';
import { userClaims } from '../lib/tokens.mjs';
import { makeStaff, makeUser } from '../lib/users.mjs';
import { until } from '../lib/wait.mjs';
import { post } from './payment-webhook/answers.mjs';

beforeEach(clearFaults);

test('nothing in stock: paid and waiting; completes by itself when stock arrives', async () => {
  const { product, order } = await makeSale({ stock: 0 });
  await post(order, 'finished');
  assert.equal(await orderState(order), 'processing/paid/pending');
  assert.equal(await waiting(order), 1);
  const [account] = await addStock(product);
  await untilState(order, 'completed/paid/delivered');
  assert.equal((await delivered(order))[0].container_account_id, account);
  assert.equal(await waiting(order), 0);
});

test('who paid first is served first', async () => {
  const product = await makeProduct();
  const user = await makeUser();
  const orders = [];
  for (let i = 0; i < 3; i++) {
    orders.push(await makeOrder(user, product));
    await post(orders[i], 'finished');
  }
  await addStock(product, 2);
  await untilState(orders[1], 'completed/paid/delivered');
  assert.equal(await orderState(orders[0]), 'completed/paid/delivered');
  assert.equal(await orderState(orders[2]), 'processing/paid/pending');
});

test("the other platform's stock, and stock that is reserved or disabled, is not touched", async () => {
  const { product, order } = await makeSale({ stock: 0, platform: 'mt5' });
  await addStock({ ...product, platform: 'mt4' });
  const ids = await addStock(product, 2);
  await rows(
    `update public.account_container set status = (array['reserved', 'disabled'])[array_position($1::uuid[], id)] where id = any($1)`,
    [ids],
  );
  await post(order, 'finished');
  assert.equal(await orderState(order), 'processing/paid/pending');
  await addStock(product);
  await untilState(order, 'completed/paid/delivered');
});

test('refunded while waiting for stock: the account stays in stock', async () => {
  const { product, order } = await makeSale({ stock: 0 });
  const { payment_id: id } = await post(order, 'finished');
  await post(order, 'refunded', { payment_id: id });
  assert.equal(await orderState(order), 'refunded/refunded/pending');
  assert.equal(await waiting(order), 0);
  await addStock(product);
  // Another order of the product gets it: the queue was passed over.
  const next = await makeOrder(await makeUser(), product);
  await post(next, 'finished');
  await untilState(next, 'completed/paid/delivered');
  assert.deepEqual(await delivered(order), []);
});

test('an order whose delivery kills whatever works on it does not stop those behind it', async () => {
  const { user, order, product } = await makeSale({ stock: 0 });
  const second = await makeOrder(user, product);
  for (const o of [order, second]) {
    await postIpn(ipnBody(o, 'finished'));
    assert.equal(await orderState(o), 'processing/paid/pending');
  }
  const repair = await breakOrder(order, kill, 'insert on public.delivered_accounts');
  try {
    await addStock(product, 2);
    await untilState(second, 'completed/paid/delivered');
    await until(async () => {
      await rows(
        `update public.waiting_deliveries set lease_until = now() where order_id = $1 and lease_until > now()`,
        [order.order_id],
      );
      return (await reviews(order)).includes('delivery_error');
    }, 'the order set aside');
  } finally {
    await repair();
  }
  assert.equal(await orderState(order), 'processing/paid/pending');
  const review = await row('select * from public.reviews where order_id = $1', [order.order_id]);
  assert.equal(review.detail.error, 'delivery did not return');
  await value(`select public.resolve_review($1, 'accept', 'mended')`, [review.id]);
  assert.equal(await orderState(order), 'completed/paid/delivered');
});

const claims = async () => userClaims(await makeStaff('inventory'));

test('stock that runs low is told once per level', async () => {
  const { order, product } = await makeSale({ stock: 5 });
  const alerts = () =>
    rows('select level, state from public.stock_alerts where account_size = $1::numeric order by id', [
      product.size,
    ]);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.deepEqual(await alerts(), []);
  await post(order, 'finished');
  for (let i = 0; i < 50 && (await alerts()).length === 0; i++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.deepEqual(await alerts(), [{ level: 'low', state: 'open' }]);
  const staff = await claims();
  const [line] = await as(staff, (query) =>
    query('select * from public.inventory_report() where account_size = $1::numeric', [product.size]),
  );
  assert.deepEqual(
    [line.available, line.waiting, line.delivered_7_days, line.days_left, line.level],
    ['4', '0', '1', '28.0', 'low'],
  );
});
