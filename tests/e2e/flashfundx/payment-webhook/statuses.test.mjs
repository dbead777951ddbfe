// Callbacks of the provider: what each status does to an order, once and in any order.
// system: shared
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { row, value } from '../../lib/db.mjs';
import { ipnBody, paymentId, postIpn } from '../../lib/flashfundx/ipn.mjs';
import { clearFaults } from '../../lib/flashfundx/sandbox.mjs';
import {
  delivered,
  events,
  makeSale,
  orderRow,
  orderState,
  reviews,
  transactions,
} from '../../lib/flashfundx/shop.mjs';
import { answered, picture, post } from './answers.mjs';

beforeEach(clearFaults);

// ---- the table of the contract ----

const table = [
  ['waiting', 'processing/pending/pending'],
  ['confirming', 'processing/pending/pending'],
  ['confirmed', 'processing/paid/pending'],
  ['sending', 'processing/paid/pending'],
  ['spending', 'processing/paid/pending'],
  ['finished', 'completed/paid/delivered'],
  ['partially_paid', 'processing/pending/pending'],
  ['failed', 'failed/failed/pending'],
  ['expired', 'failed/failed/pending'],
  ['refunded', 'refunded/refunded/pending'],
];
for (const [status, state] of table) {
  test(`${status}: the order becomes ${state}`, async () => {
    const { order } = await makeSale();
    const body = await post(order, status, status === 'partially_paid' ? { actually_paid: 5 } : {});
    assert.equal(await orderState(order), state);
    const after = await orderRow(order);
    assert.equal(after.paid_at !== null, after.payment_status === 'paid');
    assert.equal(after.delivered_at !== null, after.delivery_status === 'delivered');
    const [event] = await events(order);
    assert.equal(event.payment_id, String(body.payment_id));
    const books = await transactions(order);
    assert.equal(books.length, 1, JSON.stringify(books));
    assert.equal(books[0].transaction_type, status === 'refunded' ? 'refund' : 'payment');
    assert.equal(books[0].provider_transaction_id, String(body.payment_id));
  });
}

test('the whole way of a payment, status by status', async () => {
  const { user, order, stock } = await makeSale();
  const payment = { payment_id: paymentId() };
  const seen = [];
  for (const status of ['waiting', 'confirming', 'confirmed', 'sending', 'finished']) {
    await post(order, status, payment);
    seen.push(await orderState(order));
  }
  assert.deepEqual(seen, [
    'processing/pending/pending',
    'processing/pending/pending',
    'processing/paid/pending',
    'processing/paid/pending',
    'completed/paid/delivered',
  ]);
  const [account] = await delivered(order);
  assert.equal(account.container_account_id, stock[0]);
  assert.equal(account.user_id, user.id);
  const books = await transactions(order);
  assert.equal(books.length, 1);
  assert.equal(books[0].status, 'completed');
  assert.equal(books[0].provider_status, 'finished');
  const profile = await row('select total_orders, total_spent from public.user_profiles where id = $1', [
    user.id,
  ]);
  assert.deepEqual(profile, { total_orders: 1, total_spent: order.final_amount });
  assert.deepEqual(await reviews(order), []);
});

for (const [type, phase] of [
  ['instant', 'live'],
  ['hft', 'challenge'],
  ['one_step', 'challenge'],
  ['two_step', 'phase_1'],
]) {
  test(`a delivered ${type} account begins in ${phase}`, async () => {
    const { order } = await makeSale({ type });
    await post(order, 'finished');
    const [account] = await delivered(order);
    assert.equal(account.current_phase, phase);
    assert.equal(account.phase_status, 'active');
    for (const one of ['challenge', 'phase_1', 'phase_2', 'live'])
      assert.equal(account[`${one}_status`], one === phase ? 'active' : 'pending');
    const source = await row('select * from public.account_container where id = $1', [
      account.container_account_id,
    ]);
    assert.equal(source.status, 'delivered');
    for (const key of ['login_id', 'password', 'investor_password', 'server_name'])
      assert.equal(account[key], source[key]);
  });
}

// ---- again, late, out of order ----

test('a repeat is acknowledged and changes nothing', async () => {
  const { order } = await makeSale({ stock: 3 });
  const body = await post(order, 'finished');
  const before = await picture(order);
  for (let i = 0; i < 3; i++) answered(await postIpn(body), 200);
  assert.deepEqual(await picture(order), before);
  assert.equal((await events(order)).length, 1);
});

test('twenty copies at once deliver once', async () => {
  const { order } = await makeSale({ stock: 3 });
  const body = ipnBody(order, 'finished');
  for (const answer of await Promise.all(Array.from({ length: 20 }, () => postIpn(body))))
    answered(answer, 200);
  assert.equal(await orderState(order), 'completed/paid/delivered');
  assert.equal((await events(order)).length, 1);
  assert.equal((await delivered(order)).length, 1);
  assert.equal(
    await value('select total_orders from public.user_profiles where id = $1', [order.user_id]),
    1,
  );
});

test('all statuses at once, in any order, end as finished', async () => {
  const { order } = await makeSale({ stock: 3 });
  const payment = { payment_id: paymentId() };
  const bodies = ['finished', 'waiting', 'sending', 'confirming', 'confirmed'].map((status) =>
    ipnBody(order, status, payment),
  );
  for (const answer of await Promise.all([...bodies, ...bodies].map((body) => postIpn(body))))
    answered(answer, 200);
  assert.equal(await orderState(order), 'completed/paid/delivered');
  assert.equal((await events(order)).length, 5);
  assert.equal((await delivered(order)).length, 1);
});

for (const late of ['waiting', 'confirming', 'confirmed', 'sending', 'partially_paid', 'expired', 'failed']) {
  test(`a late ${late} after finished is stored and changes nothing`, async () => {
    const { order } = await makeSale();
    const { payment_id: id } = await post(order, 'finished');
    const before = await picture(order);
    await post(order, late, { payment_id: id });
    assert.deepEqual(await picture(order), before);
    assert.equal((await events(order)).length, 2);
  });
}

for (const end of ['expired', 'failed']) {
  test(`a payment that completes after ${end} is honoured`, async () => {
    const { order } = await makeSale();
    const { payment_id: id } = await post(order, end);
    assert.equal(await orderState(order), 'failed/failed/pending');
    await post(order, 'finished', { payment_id: id });
    assert.equal(await orderState(order), 'completed/paid/delivered');
  });
}

test('a deposit after expiry goes its whole way', async () => {
  const { order } = await makeSale();
  const payment = { payment_id: paymentId() };
  for (const status of ['waiting', 'expired', 'confirming', 'confirmed', 'sending', 'finished'])
    await post(order, status, payment);
  assert.equal(await orderState(order), 'completed/paid/delivered');
});

test('refunded after finished: refunded, booked as a refund, and a human looks at the account', async () => {
  const { order } = await makeSale();
  const { payment_id: id } = await post(order, 'finished');
  await post(order, 'refunded', { payment_id: id });
  assert.equal(await orderState(order), 'refunded/refunded/delivered');
  const books = await transactions(order);
  assert.deepEqual(books.map((b) => `${b.transaction_type} ${b.status}`).sort(), [
    'payment completed',
    'refund completed',
  ]);
  assert.deepEqual(await reviews(order), ['refunded_after_delivery']);
  await post(order, 'finished', { payment_id: id, actually_paid: 11 });
  assert.equal(await orderState(order), 'refunded/refunded/delivered', 'nothing comes after a refund');
});
