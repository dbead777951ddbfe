// The hosted checkout while the provider refuses, fails, hangs up or is slow, and while processes are killed.
// system: shared
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { refused } from '../../lib/answers.mjs';
import { rows } from '../../lib/db.mjs';
import { calls, clearFaults, control, fault, mark, providerState } from '../../lib/flashfundx/sandbox.mjs';
import {
  attempts,
  checkout,
  checkoutBody,
  makeSale,
  orderRow,
  orderState,
  transactions,
  untilState,
} from '../../lib/flashfundx/shop.mjs';
import { env, killWorkers, url } from '../../lib/system.mjs';
import { soon, until } from '../../lib/wait.mjs';
import { opened } from './answers.mjs';

beforeEach(clearFaults);

test('a refusal of the provider is passed on in its words, and the order stays payable', async () => {
  const { user, order } = await makeSale({ price: '0.01' }); // below the provider's minimum
  const answer = await checkout(user, order);
  assert.equal(answer.status, 500);
  assert.match(answer.json.error, /^NowPayments error: Crypto amount [\d.]+ is less than minimal$/);
  assert.equal(await orderState(order), 'pending/pending/pending');
  assert.deepEqual(await transactions(order), []);
  assert.deepEqual(
    (await attempts(order)).map((a) => a.state),
    ['refused'],
  );
});

test('error 500 from the provider: their message, nothing half done, the retry works', async () => {
  const { user, order } = await makeSale();
  await fault('invoice', 'error500');
  refused(await checkout(user, order), 500, 'NowPayments error: Internal error');
  assert.equal(await orderState(order), 'pending/pending/pending');
  assert.deepEqual(
    (await attempts(order)).map((a) => a.state),
    ['refused'],
  );
  opened(await checkout(user, order));
  assert.equal((await providerState(order)).invoices.length, 1);
});

test('rate limit at the provider: clean error, the retry works', async () => {
  const { user, order } = await makeSale();
  await fault('invoice', 'rate_limit');
  refused(await checkout(user, order), 500, 'NowPayments error: Too many requests');
  opened(await checkout(user, order));
  assert.equal((await providerState(order)).invoices.length, 1);
});

test('the provider takes the invoice and hangs up: unknown outcome, the call is not sent again by itself', async () => {
  const { user, order } = await makeSale();
  const since = await mark();
  await fault('invoice', 'drop');
  const answer = await checkout(user, order);
  refused(answer, 502, 'Payment provider did not answer');
  assert.ok(Number(answer.headers['retry-after']) >= 1);
  assert.equal((await calls(since, '/invoice')).length, 1, 'one POST, not two');
  assert.equal((await providerState(order)).invoices.length, 1, 'the provider made it');
  assert.equal(await orderState(order), 'pending/pending/pending');
  const [lost] = await attempts(order);
  assert.equal(lost.state, 'unknown');

  // The lost invoice was shown to nobody: the customer gets a new one and only that.
  const { invoice_url: page } = opened(await checkout(user, order));
  const provider = await providerState(order);
  assert.equal(provider.invoices.length, 2);
  assert.ok(page.includes(provider.invoices[1].id));
  assert.deepEqual(
    (await attempts(order)).map((a) => a.state),
    ['unknown', 'open'],
  );
});

test('the provider takes the payment and hangs up: the retry goes on behind the same invoice', async () => {
  const { user, order } = await makeSale();
  // Its first callback would make the lost payment known, and might be faster than the retry.
  await fault('callback', 'drop', { times: 50 });
  await fault('invoice-payment', 'drop');
  refused(await checkout(user, order), 502, 'Payment provider did not answer');
  const { payment } = opened(await checkout(user, order));
  const provider = await providerState(order);
  assert.equal(provider.invoices.length, 1);
  assert.equal(provider.payments.length, 2, 'the lost one and the shown one');
  assert.equal((await orderRow(order)).payment_provider_id, payment.payment_id);
  await clearFaults();
  await control(payment.payment_id, 'pay');
  await untilState(order, 'completed/paid/delivered');
});

test('were the payment that was lost paid nevertheless, it pays the order', async () => {
  const { user, order } = await makeSale();
  await fault('invoice-payment', 'drop');
  refused(await checkout(user, order), 502, 'Payment provider did not answer');
  const [lost] = (await providerState(order)).payments;
  await control(lost.payment_id, 'pay');
  await untilState(order, 'completed/paid/delivered');
  assert.equal((await orderRow(order)).payment_provider_id, lost.payment_id);
});

test('an answer that cannot be read is an unknown outcome too', async () => {
  const { user, order } = await makeSale();
  await fault('invoice', 'malformed');
  refused(await checkout(user, order), 502, 'Payment provider did not answer');
  opened(await checkout(user, order));
});

test('the provider writes numbers as strings: nothing changes for the customer', async () => {
  const { user, order } = await makeSale();
  await fault('invoice', 'all_strings');
  await fault('invoice-payment', 'all_strings');
  opened(await checkout(user, order));
});

test('a slow provider is waited for; whoever asks meanwhile is told so', async () => {
  const { user, order } = await makeSale();
  const since = await mark();
  await fault('invoice', 'slow', { delayMs: 1500 });
  const slow = checkout(user, order);
  await until(async () => (await calls(since, '/invoice')).length === 1, 'the call at the provider');
  const meanwhile = await checkout(user, order);
  refused(meanwhile, 409, 'A payment for this order is already being created');
  assert.ok(Number(meanwhile.headers['retry-after']) >= 1);
  const first = opened(await slow);
  assert.deepEqual(opened(await checkout(user, order)), first);
  assert.equal((await providerState(order)).invoices.length, 1);
});

test('a provider that is too slow: 502 in time, and the retry works at once', async () => {
  const { user, order } = await makeSale();
  await fault('invoice', 'slow', { delayMs: Number(env.NOWPAYMENTS_TIMEOUT_MS) + 1500 });
  const began = Date.now();
  const answer = await checkout(user, order);
  refused(answer, 502, 'Payment provider did not answer');
  assert.ok(Date.now() - began < Number(env.NOWPAYMENTS_TIMEOUT_MS) + soon(1400));
  assert.deepEqual(
    (await attempts(order)).map((a) => a.state),
    ['unknown'],
  );
  const first = opened(await checkout(user, order));
  // The late invoice comes into being behind our back; the customer's stays.
  await until(async () => (await providerState(order)).invoices.length === 2, 'the late invoice');
  assert.deepEqual(opened(await checkout(user, order)), first);
});

test('killed while the provider is asked: 502, then 409 until the lease ends, then it works', async () => {
  const { user, order } = await makeSale();
  const since = await mark();
  await fault('invoice', 'slow', { delayMs: 2000 });
  const cut = checkout(user, order);
  await until(async () => (await calls(since, '/invoice')).length === 1, 'the call at the provider');
  await killWorkers('create-crypto-payment');
  const answer = await cut;
  refused(answer, 502, 'Service temporarily unavailable');
  assert.equal(await orderState(order), 'pending/pending/pending');

  refused(await checkout(user, order), 409, 'A payment for this order is already being created');
  const [dead] = await attempts(order);
  assert.equal(dead.state, 'claimed');
  const lease = (new Date(dead.claim_until) - new Date(dead.created_at)) / 1000;
  assert.ok(lease > 30 && lease <= 41, `a lease of ${lease} s outlives every request and little more`);

  await rows(`update public.payment_attempts set claim_until = now() - interval '1 second' where id = $1`, [
    dead.id,
  ]);
  const { payment } = opened(await checkout(user, order));
  assert.deepEqual(
    (await attempts(order)).map((a) => a.state),
    ['abandoned', 'open'],
  );
  await control(payment.payment_id, 'pay');
  await untilState(order, 'completed/paid/delivered');
});

test('killed between invoice and payment: the retry uses the invoice that is known', async () => {
  const { user, order } = await makeSale();
  const since = await mark();
  await fault('invoice-payment', 'slow', { delayMs: 2000 });
  const cut = checkout(user, order);
  await until(async () => (await calls(since, '/invoice-payment')).length === 1, 'the call at the provider');
  await killWorkers('create-crypto-payment');
  assert.equal((await cut).status, 502);
  await rows(
    `update public.payment_attempts set claim_until = now() - interval '1 second' where order_id = $1`,
    [order.order_id],
  );
  opened(await checkout(user, order));
  assert.equal((await providerState(order)).invoices.length, 1);
});

test('a customer who gives up waiting costs nothing: the payment is there when he asks again', async () => {
  const { user, order } = await makeSale();
  const since = await mark();
  await fault('invoice', 'slow', { delayMs: 1000 });
  const gone = new AbortController();
  const asked = fetch(`${url}/functions/v1/create-crypto-payment`, {
    method: 'POST',
    signal: gone.signal,
    body: JSON.stringify(checkoutBody(order)),
    headers: { authorization: `Bearer ${user.token}`, 'content-type': 'application/json' },
  }).catch((error) => error);
  await until(async () => (await calls(since, '/invoice')).length === 1, 'the call at the provider');
  gone.abort();
  await asked;
  let answer;
  await until(
    async () => {
      answer = await checkout(user, order);
      return answer.status !== 409;
    },
    'the claim to be released',
    { every: 1500 },
  );
  opened(answer);
});
