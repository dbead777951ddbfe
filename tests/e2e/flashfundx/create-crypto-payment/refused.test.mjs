// The hosted checkout for an order: what is refused, and in which words.
// system: shared
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { beforeEach, test } from 'node:test';

import { refused } from '../../lib/answers.mjs';
import { rows } from '../../lib/db.mjs';
import { invoke } from '../../lib/http.mjs';
import { clearFaults, control, providerState } from '../../lib/flashfundx/sandbox.mjs';
import { attempts, checkout, checkoutBody, makeSale, orderState, untilState } from '../../lib/flashfundx/shop.mjs';
import { makeUser } from '../../lib/users.mjs';
import { opened } from './answers.mjs';

beforeEach(clearFaults);

const fields = [
  'orderId',
  'userId',
  'accountType',
  'accountSize',
  'platformType',
  'cryptoCurrency',
  'amount',
  'finalAmount',
];

test("missing fields are named, all of them, in the contract's order", async () => {
  const { order } = await makeSale({ stock: 0 });
  const ask = async (body) => invoke('create-crypto-payment', { token: (await makeUser()).token, body });
  refused(await ask({}), 400, `Missing required fields: ${fields.join(', ')}`);
  for (const field of fields) {
    for (const nothing of [undefined, null, '']) {
      refused(await ask(checkoutBody(order, { [field]: nothing })), 400, `Missing required fields: ${field}`);
    }
  }
  refused(
    await ask({ finalAmount: 1, accountType: 'hft', orderId: order.order_id }),
    400,
    'Missing required fields: userId, accountSize, platformType, cryptoCurrency, amount',
  );
});

test('values outside the enumerations are refused with the list', async () => {
  const { order } = await makeSale({ stock: 0 });
  const ask = async (more) => checkout(await makeUser(), order, more);
  for (const wrong of ['Instant', 'instant ', 'three_step', 1, true, ['instant'], { a: 1 }]) {
    const answer = await ask({ accountType: wrong });
    assert.equal(answer.status, 400, answer.text);
    assert.match(
      answer.json.error,
      /^(Invalid account type\. Must be one of: instant, hft, one_step, two_step|Missing required fields: accountType)$/,
    );
  }
  refused(
    await ask({ accountType: 'three_step' }),
    400,
    'Invalid account type. Must be one of: instant, hft, one_step, two_step',
  );
  refused(await ask({ platformType: 'mt6' }), 400, 'Invalid platform type. Must be one of: mt4, mt5');
  for (const currency of ['usdt', 'usdtbsc', 'eth', 'BTC', 'doge', "btc'--"]) {
    refused(
      await ask({ cryptoCurrency: currency }),
      400,
      'Invalid crypto currency. Must be one of: usdt_bsc, usdt_polygon, usdt_trc20, bnb, btc, trx',
    );
  }
});

test('figures that are no positive numbers are refused', async () => {
  const { order } = await makeSale({ stock: 0 });
  for (const field of ['accountSize', 'amount', 'finalAmount']) {
    for (const wrong of [
      0,
      -1,
      '-149',
      'NaN',
      'Infinity',
      '1e999',
      '0x10',
      '1,5',
      ' 149',
      '149 ',
      'abc',
      '1'.repeat(60),
    ]) {
      refused(
        await checkout(await makeUser(), order, { [field]: wrong }),
        400,
        `Invalid ${field}. Must be a positive number`,
      );
    }
  }
});

test('ids of another form are refused', async () => {
  const { user, order } = await makeSale({ stock: 0 });
  for (const wrong of [
    'FFX12345678',
    'FFX1234567890',
    'ffx123456789',
    'ABC123456789',
    "FFX123456789' or '1'='1",
    'FFX12345678９',
  ]) {
    refused(
      await checkout(await makeUser(), order, { orderId: wrong }),
      400,
      'Invalid orderId. Must be FFX and 9 digits',
    );
  }
  refused(await checkout(user, order, { userId: 'not-a-uuid' }), 400, 'Invalid userId. Must be a UUID');
});

test('an order that does not exist is 404', async () => {
  const { user, order } = await makeSale({ stock: 0 });
  await rows('delete from public.orders where order_id = $1', [order.order_id]);
  refused(await checkout(user, order), 404, 'Order not found');
});

test("somebody else's order is 403, and nothing happens to it", async () => {
  const { order } = await makeSale();
  const other = await makeUser();
  refused(await checkout(other, order), 403, 'Unauthorized');
  refused(await checkout(other, order, { userId: other.id }), 403, 'Unauthorized');
  assert.equal(await orderState(order), 'pending/pending/pending');
  assert.deepEqual(await attempts(order), []);
  assert.equal((await providerState(order)).invoices.length, 0);
});

test("one's own order under somebody else's userId is 403", async () => {
  const { user, order } = await makeSale();
  refused(await checkout(user, order, { userId: randomUUID() }), 403, 'Unauthorized');
});

test("details that are not the order's are refused, and no invoice is made", async () => {
  const { user, order } = await makeSale({
    type: 'two_step',
    platform: 'mt5',
    price: '149.00',
    discount: '20',
  });
  const changed = [
    { accountType: 'instant' },
    { accountSize: Number(order.account_size) * 2 },
    { accountSize: Number(order.account_size) + 0.01 },
    { platformType: 'mt4' },
    { amount: 1 },
    { finalAmount: 1 },
    { finalAmount: 149 },
    { amount: 149.01 },
    { amount: '148.994999999999' },
  ];
  for (const more of changed) refused(await checkout(user, order, more), 400, 'Order details do not match');
  assert.equal((await providerState(order)).invoices.length, 0);
  assert.equal(await orderState(order), 'pending/pending/pending');
});

test('an order that is not pending is not payable, in every state it can have', async () => {
  const states = [
    ['completed', 'paid', 'delivered'],
    ['processing', 'paid', 'pending'],
    ['processing', 'pending', 'pending'],
    ['failed', 'failed', 'pending'],
    ['cancelled', 'pending', 'pending'],
    ['refunded', 'refunded', 'pending'],
    ['pending', 'paid', 'pending'],
    ['pending', 'pending', 'failed'],
    ['pending', 'failed', 'pending'],
    ['pending', 'pending', 'delivered'],
  ];
  for (const [orderStatus, payment, delivery] of states) {
    const { user, order } = await makeSale({ stock: 0 });
    await rows(
      'update public.orders set order_status = $2, payment_status = $3, delivery_status = $4 where order_id = $1',
      [order.order_id, orderStatus, payment, delivery],
    );
    refused(await checkout(user, order), 400, 'Order is not in a payable state');
    assert.deepEqual(await attempts(order), []);
  }
});

test('an order that is paid is not payable again', async () => {
  const { user, order } = await makeSale();
  const { payment } = opened(await checkout(user, order));
  await control(payment.payment_id, 'pay');
  await untilState(order, 'completed/paid/delivered');
  refused(await checkout(user, order), 400, 'Order is not in a payable state');
  refused(await checkout(user, order, { cryptoCurrency: 'btc' }), 400, 'Order is not in a payable state');
  assert.equal((await providerState(order)).invoices.length, 1);
});

test('ten requests a minute and user; the eleventh is told when to come back', async () => {
  const user = await makeUser();
  const other = await makeUser();
  const statuses = [];
  for (let i = 0; i < 10; i++)
    statuses.push((await invoke('create-crypto-payment', { token: user.token, body: {} })).status);
  assert.deepEqual(statuses, Array(10).fill(400));
  const answer = await invoke('create-crypto-payment', { token: user.token, body: {} });
  assert.equal(answer.status, 429);
  const wait = Number(answer.headers['retry-after']);
  assert.ok(
    Number.isInteger(wait) && wait >= 1 && wait <= 60,
    `Retry-After: ${answer.headers['retry-after']}`,
  );
  assert.deepEqual(answer.json, { success: false, error: `Too many requests. Try again in ${wait} s.` });
  assert.equal(answer.headers['access-control-allow-origin'], '*');
  assert.equal(
    (await invoke('create-crypto-payment', { token: other.token, body: {} })).status,
    400,
    'others are not held up',
  );
});

test('the limit holds across all workers, however the requests come', async () => {
  const user = await makeUser();
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => invoke('create-crypto-payment', { token: user.token, body: {} })),
  );
  assert.equal(answers.filter((a) => a.status === 400).length, 10);
  assert.equal(answers.filter((a) => a.status === 429).length, 20);
});
