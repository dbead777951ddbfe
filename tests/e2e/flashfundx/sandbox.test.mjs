// The provider's sandbox on the other side: its checkout page, and its callbacks with every kind of payment and fault.
// system: shared
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { paymentId } from '../lib/flashfundx/ipn.mjs';
import { clearFaults, control, fault, providerPayment, settled } from '../lib/flashfundx/sandbox.mjs';
import { value } from '../lib/db.mjs';
import { call } from '../lib/http.mjs';
import { until } from '../lib/wait.mjs';
import {
  checkout,
  delivered,
  events,
  makeSale,
  openedSale,
  orderRow,
  orderState,
  reviews,
  untilState,
} from '../lib/flashfundx/shop.mjs';
import { opened } from './create-crypto-payment/answers.mjs';

beforeEach(clearFaults);

test('the checkout page that the customer is sent to is there', async () => {
  const { user, order } = await makeSale();
  const { invoice_url: page } = opened(await checkout(user, order));
  const answer = await fetch(page);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type'), /^text\/html/);
  assert.match(await answer.text(), new RegExp(order.order_id));
});

test('sandbox, paid: every status arrives signed, in order, at the first try', async () => {
  const { order, paymentId: id } = await openedSale();
  await control(id, 'pay');
  await untilState(order, 'completed/paid/delivered');
  await settled(id);
  const { callbacks } = await providerPayment(id);
  assert.deepEqual(
    callbacks.map((c) => c.status),
    ['waiting', 'confirming', 'confirmed', 'sending', 'finished'],
  );
  for (const c of callbacks)
    assert.deepEqual([c.state, c.last_status, c.attempts], ['done', 200, 1], JSON.stringify(c));
  assert.deepEqual(
    (await events(order)).map((e) => e.outcome),
    Array(5).fill('applied'),
  );
});

for (const [action, state, kinds, stock] of [
  ['underpay', 'processing/pending/pending', ['partially_paid', 'underpaid']],
  ['overpay', 'completed/paid/delivered', ['overpaid']],
  ['expire', 'failed/failed/pending', []],
  ['fail', 'failed/failed/pending', ['failed_with_money']], // it had arrived
  ['late', 'completed/paid/delivered', ['paid_late']],
  ['pay_twice', 'completed/paid/delivered', ['child_payment'], 2],
  ['wrong_asset', 'processing/pending/pending', ['wrong_asset']],
  ['finish_by_hand', 'processing/pending/pending', ['underpaid']],
]) {
  test(`sandbox, ${action}: ${state}`, async () => {
    const { order, paymentId: id } = await openedSale({ stock: stock ?? 1 });
    await control(id, action);
    await settled(id);
    assert.equal(await orderState(order), state);
    assert.deepEqual([...new Set(await reviews(order))], kinds);
    assert.equal((await delivered(order)).length, state.endsWith('delivered') ? 1 : 0);
  });
}

test('sandbox, underpaid at "confirmed" already: the order never looks paid', async () => {
  const { order, paymentId: id } = await openedSale();
  await control(id, 'underpay');
  await settled(id);
  assert.equal((await orderRow(order)).paid_at, null);
});

test('sandbox, refunded after delivery', async () => {
  const { order, paymentId: id } = await openedSale();
  await control(id, 'pay');
  await untilState(order, 'completed/paid/delivered');
  await control(id, 'refund');
  await untilState(order, 'refunded/refunded/delivered');
});

for (const [name, statuses] of [
  ['bad_signature', [401, 200]],
  ['malformed', [400, 200]],
  ['all_strings', [200]],
]) {
  test(`sandbox, a callback with fault ${name}: the shop answers ${statuses}, and the payment completes`, async () => {
    const { order, paymentId: id } = await openedSale();
    await settled(id);
    await fault('callback', name);
    await control(id, 'pay');
    await settled(id);
    assert.equal(await orderState(order), 'completed/paid/delivered');
    const hit = (await providerPayment(id)).callbacks.find((c) => c.tries.some((t) => t.fault === name));
    assert.deepEqual(
      hit.tries.map((t) => t.http_status),
      statuses,
      JSON.stringify(hit),
    );
  });
}

for (const name of ['duplicate', 'reorder']) {
  test(`sandbox, callbacks with fault ${name}: the same end`, async () => {
    const { order, paymentId: id } = await openedSale();
    await settled(id);
    await fault('callback', name, { times: 3 });
    await control(id, 'pay');
    await settled(id);
    assert.equal(await orderState(order), 'completed/paid/delivered');
    assert.equal((await delivered(order)).length, 1);
    assert.equal(new Set((await events(order)).map((e) => e.status)).size, (await events(order)).length);
  });
}

test('sandbox, a callback that takes long holds up no other', async () => {
  const slow = await openedSale();
  const { order, paymentId: id } = await openedSale();
  await Promise.all([settled(slow.paymentId), settled(id)]);
  await fault('callback', 'slow', { delayMs: 9_000 });
  await control(slow.paymentId, 'pay');
  await until(async () => (await value('select count(*)::int from sandbox.faults where times_left > 0')) === 0, 'its callback is sent');
  const runs = () => value(`select runs::int from schedules where name = 'sandbox'`);
  const began = await runs();
  await until(async () => (await runs()) > began, 'a run that does not wait for it');
  const waiting = async () => (await providerPayment(slow.paymentId)).callbacks.filter((c) => c.state === 'waiting');
  assert.ok((await waiting()).some((c) => c.attempts === 0), 'it is still on its way');
  await control(id, 'pay');
  await untilState(order, 'completed/paid/delivered');
  await settled(slow.paymentId, { timeout: 30_000 });
});

test('sandbox, an address that is no text is not found', async () => {
  for (const path of ['_control/orders/%ff', '_control/payments/%c3%28', 'payment/%ff'])
    assert.equal((await call('GET', `/sandbox/v1/${path}`)).status, 404, path);
});
