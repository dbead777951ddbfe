// Reconciliation: what the provider knows reaches the books without a callback.
// system: shared, long
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { rows } from '../../lib/db.mjs';
import { ipnBody, postIpn } from '../../lib/flashfundx/ipn.mjs';
import { hurry, jobOf } from '../../lib/queue.mjs';
import { calls, clearFaults, control, fault, mark, providerState, settled } from '../../lib/flashfundx/sandbox.mjs';
import { attempts, checkout, delivered, events, makeSale, orderState, untilState } from '../../lib/flashfundx/shop.mjs';
import { killWorkers, log } from '../../lib/system.mjs';
import { soon, until } from '../../lib/wait.mjs';
import { checkRow, deafSale, heardSale, now, silence } from './sales.mjs';

beforeEach(clearFaults);

test('every callback lost: the order completes all the same', async () => {
  const { order, paymentId } = await deafSale();
  assert.equal(await orderState(order), 'processing/pending/pending');
  await silence(paymentId);
  await untilState(order, 'completed/paid/delivered', { timeout: 20_000 });
  assert.equal((await delivered(order)).length, 1);
  assert.deepEqual(
    (await events(order)).map((e) => `${e.source} ${e.status}`),
    ['ipn waiting', 'poll finished'],
  );
  // The callbacks arrive after all.
  const answer = await postIpn(ipnBody(order, 'finished', { payment_id: Number(paymentId) }));
  assert.equal(answer.status, 200, answer.text);
  assert.equal(await orderState(order), 'completed/paid/delivered');
  assert.equal((await delivered(order)).length, 1);
});

test('expired without a word: the order ends; paid late: it is honoured', async () => {
  const { order, paymentId } = await deafSale({ action: 'expire' });
  await silence(paymentId);
  await untilState(order, 'failed/failed/pending', { timeout: 20_000 });
  await fault('callback', 'drop', { times: 50 });
  await control(paymentId, 'late');
  await settled(paymentId);
  await silence(paymentId);
  await untilState(order, 'completed/paid/delivered', { timeout: 20_000 });
});

test('a refund that nobody told of is found a day after', async () => {
  const { order, paymentId } = await heardSale();
  await control(paymentId, 'pay');
  await untilState(order, 'completed/paid/delivered');
  await settled(paymentId);
  await fault('callback', 'drop', { times: 50 });
  await control(paymentId, 'refund');
  await settled(paymentId);
  await rows(
    `update public.payments set updated_at = now() - interval '25 hours', last_seen_at = now() - interval '10 days'
     where payment_id = $1`,
    [paymentId],
  );
  await untilState(order, 'refunded/refunded/delivered', { timeout: 20_000 });
});

test('a payment the provider does not know: noted, and asked about ever more seldom', async () => {
  const { order } = await makeSale();
  const body = ipnBody(order, 'waiting');
  await postIpn(body);
  await silence(String(body.payment_id));
  const seen = await until(
    async () => {
      const c = await checkRow(String(body.payment_id));
      return c?.last_result && c;
    },
    'the check',
    { timeout: 20_000 },
  );
  assert.equal(seen.last_result, 'not_found');
  assert.equal(seen.failures, 1);
  assert.ok((await jobOf('payment_check', body.payment_id)).due_at - seen.checked_at > 250_000);
  assert.equal(await orderState(order), 'processing/pending/pending');
});

test('a comparison that takes long holds up no payment that is silent', async () => {
  const since = await now();
  for (let i = 0; i < 10; i++) await postIpn(ipnBody((await makeSale()).order, 'waiting'));
  const { order, paymentId } = await deafSale();
  const asked = await mark();
  await fault('payment-get', 'slow', { times: 50, delayMs: 2000 });
  await rows('select backend.request_reconciliation($1)', [since]);
  await until(async () => (await calls(asked, '/payment/%')).length > 0, 'it compares');
  const began = Date.now();
  await silence(paymentId);
  await untilState(order, 'completed/paid/delivered', { timeout: 20_000 });
  await clearFaults();
  assert.ok(Date.now() - began < soon(14_000), 'after a turn of the comparison, not after all of it');
});

test('the provider is down: nothing changes, and all goes on when it is back', async () => {
  const { order, paymentId } = await deafSale();
  await fault('payment-get', 'error500', { times: 100 });
  await silence(paymentId);
  await until(async () => (await checkRow(paymentId))?.last_result === 'unreachable', 'the failed check', {
    timeout: 20_000,
  });
  assert.equal(await orderState(order), 'processing/pending/pending');
  await clearFaults();
  await hurry('payment_check', [paymentId]);
  await untilState(order, 'completed/paid/delivered', { timeout: 20_000 });
});

test('the process is killed while it waits for the provider: another one takes over', async () => {
  const { order, paymentId } = await deafSale();
  await fault('payment-get', 'slow', { times: 1, delayMs: 3000 });
  await silence(paymentId);
  await until(async () => (await jobOf('payment_check', paymentId)).lost > 0, 'the claim', { timeout: 20_000 });
  await killWorkers('reconcile');
  await clearFaults();
  await hurry('payment_check', [paymentId]);
  await untilState(order, 'completed/paid/delivered', { timeout: 20_000 });
  assert.equal((await delivered(order)).length, 1);
});

test('an attempt whose outcome nobody knows is closed, with its reason', async () => {
  const sale = await makeSale();
  await fault('invoice', 'drop');
  assert.notEqual((await checkout(sale.user, sale.order)).status, 200);
  assert.equal((await attempts(sale.order))[0].state, 'unknown');
  await rows(`update public.payment_attempts set updated_at = now() - interval '25 hours' where order_id = $1`, [
    sale.order.order_id,
  ]);
  await until(async () => (await attempts(sale.order))[0].state === 'abandoned', 'the end of the attempt', {
    timeout: 20_000,
  });
  assert.match((await attempts(sale.order))[0].detail, /closed after 24 hours/);
  // And the order can still be paid.
  assert.equal((await checkout(sale.user, sale.order)).status, 200);
});

test('an attempt whose outcome nobody knows is known when its payment is heard of', async () => {
  const sale = await makeSale();
  await fault('invoice-payment', 'drop');
  assert.equal((await checkout(sale.user, sale.order)).status, 502);
  const [lost] = (await providerState(sale.order)).payments;
  await control(lost.payment_id, 'pay');
  await untilState(sale.order, 'completed/paid/delivered');
  await until(async () => (await attempts(sale.order))[0].state === 'open', 'the attempt is settled', { timeout: 20_000 });
  const made = await attempts(sale.order);
  assert.equal(made.length, 1);
  assert.match(made[0].detail, new RegExp(`told of payment ${lost.payment_id}`));
  assert.equal((await providerState(sale.order)).payments.length, 1, 'nothing was made twice');
  assert.equal((await delivered(sale.order)).length, 1);
});

test('the log of reconcile tells what it did', () => {
  assert.match(log('reconcile'), /"event":"attempt_settled"/);
});
