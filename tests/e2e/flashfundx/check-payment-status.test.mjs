// An order and its payment, live: what is answered, how fresh it is, and what happens without the provider.
// system: shared
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { refused } from '../lib/answers.mjs';
import { rows } from '../lib/db.mjs';
import { client, invoke } from '../lib/http.mjs';
import { ipnBody, postIpn } from '../lib/flashfundx/ipn.mjs';
import { calls, clearFaults, control, fault, mark, providerPayment, settled } from '../lib/flashfundx/sandbox.mjs';
import {
  checkout,
  delivered,
  events,
  makeSale,
  openedSale,
  orderRow,
  orderState,
  paymentStatus,
  reviews,
  untilState,
} from '../lib/flashfundx/shop.mjs';
import { env } from '../lib/system.mjs';
import { makeUser } from '../lib/users.mjs';
import { soon } from '../lib/wait.mjs';

beforeEach(clearFaults);

function good(answer) {
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.success, true);
  return answer.json;
}

/** A sale whose checkout is open and whose first callback is through. */
async function heardSale(options) {
  const sale = await openedSale(options);
  await settled(sale.paymentId);
  return { ...sale, id: sale.paymentId, payment: sale.answer.json.payment };
}

/** As if the provider had not been heard of for a while. */
const grow = (id, seconds = 3600) =>
  rows(`update public.payments set last_seen_at = now() - make_interval(secs => $2) where payment_id = $1`, [
    id,
    seconds,
  ]);

/** Pay at the provider while every callback is lost. */
async function payUnheard(id) {
  await fault('callback', 'drop', { times: 4 });
  await control(id, 'pay');
  await settled(id);
}

// ---- what is answered ----

test("supabase-js gets order and payment in the contract's shape and types", async () => {
  const { user, order, id, payment } = await heardSale({ price: '149.50', discount: '10.25' });
  const { data, error } = await client(user.token).functions.invoke(
    `check-payment-status?orderId=${order.order_id}&userId=${user.id}`,
    { method: 'GET' },
  );
  assert.equal(error, null);
  const row = await orderRow(order);
  assert.deepEqual(data, {
    success: true,
    order: {
      order_id: order.order_id,
      order_status: 'processing',
      payment_status: 'pending',
      delivery_status: 'pending',
      account_type: 'two_step',
      account_size: Number(order.account_size),
      platform_type: 'mt5',
      amount: 149.5,
      final_amount: 139.25,
      crypto_currency: 'usdt_bsc',
      crypto_amount: payment.pay_amount,
      crypto_address: payment.pay_address,
      created_at: row.created_at.toISOString(),
      updated_at: row.updated_at.toISOString(),
    },
    payment: {
      payment_id: id,
      payment_status: 'waiting',
      pay_address: payment.pay_address,
      pay_amount: payment.pay_amount,
      actually_paid: 0,
      pay_currency: 'usdtbsc',
      order_id: order.order_id,
      created_at: data.payment.created_at,
      updated_at: data.payment.updated_at,
    },
  });
  for (const time of [data.payment.created_at, data.payment.updated_at])
    assert.equal(new Date(time).toISOString(), time);
});

test('after delivery: completed, paid, delivered, and what was paid', async () => {
  const { user, order, id, payment } = await heardSale();
  await control(id, 'pay');
  await untilState(order, 'completed/paid/delivered');
  const answer = good(await paymentStatus(user, order));
  assert.equal(answer.order.delivery_status, 'delivered');
  assert.equal(answer.payment.payment_status, 'finished');
  assert.equal(answer.payment.actually_paid, payment.pay_amount);
});

test('money keeps its digits, small and large, and is never in exponents', async () => {
  for (const [price, paid] of [
    ['0.50', 2.7e-7],
    ['99999999.99', '123456789.000000000000000001'],
  ]) {
    const { user, order } = await makeSale({ stock: 0, price });
    assert.equal(
      (await postIpn(ipnBody(order, 'confirmed', { pay_amount: paid, actually_paid: paid }))).status,
      200,
    );
    const answer = await paymentStatus(user, order);
    good(answer);
    const digits = typeof paid === 'string' ? paid : '0.00000027';
    assert.ok(answer.text.includes(`"pay_amount":${digits},"actually_paid":${digits},`), answer.text);
    assert.ok(answer.text.includes(`"amount":${Number(price)},`), answer.text);
    assert.doesNotMatch(answer.text.replace(/"[^"]*"/g, ''), /\d[eE][+-]?\d/);
  }
});

test('of two payments the newer one is shown, and the one that paid as soon as one did', async () => {
  const { user, order, id } = await heardSale();
  const second = (await checkout(user, order, { cryptoCurrency: 'btc' })).json.payment;
  assert.equal(good(await paymentStatus(user, order)).payment.payment_id, second.payment_id);
  await control(id, 'pay');
  await untilState(order, 'completed/paid/delivered');
  assert.equal(good(await paymentStatus(user, order)).payment.payment_id, id);
});

test('the parameters may be percent-encoded and stand in any order among others', async () => {
  const { user, order } = await heardSale({ stock: 0 });
  const encoded = [...order.order_id].map((c) => `%${c.charCodeAt(0).toString(16)}`).join('');
  good(
    await invoke(
      `check-payment-status?x=1&userId=${user.id.toUpperCase()}&&orderId=${encoded}&forceFunctionRegion=any`,
      { token: user.token },
      'GET',
    ),
  );
});

// ---- what is refused ----

test('without orderId or userId, 400', async () => {
  const { user, order } = await makeSale({ stock: 0 });
  for (const query of [
    '',
    '?',
    `?orderId=${order.order_id}`,
    `?userId=${user.id}`,
    `?orderId=&userId=${user.id}`,
    `?orderId=${order.order_id}&userId=`,
    `?orderid=${order.order_id}&userid=${user.id}`,
  ]) {
    refused(
      await invoke(`check-payment-status${query}`, { token: user.token }, 'GET'),
      400,
      'Missing required parameters: orderId and userId',
    );
  }
});

test("somebody else's order or id, 403", async () => {
  const { user, order } = await heardSale();
  const other = await makeUser();
  const ask = (o, u, token) =>
    invoke(`check-payment-status?orderId=${o.order_id}&userId=${u.id}`, { token }, 'GET');
  refused(await ask(order, other, other.token), 403, 'Unauthorized');
  refused(await ask(order, user, other.token), 403, 'Unauthorized');
  refused(await ask(order, other, user.token), 403, 'Unauthorized');
});

test('an order that does not exist, or is none, 404', async () => {
  const { user } = await makeSale({ stock: 0 });
  const ask = (id) =>
    invoke(`check-payment-status?orderId=${id}&userId=${user.id}`, { token: user.token }, 'GET');
  for (const id of [
    'FFX000000000',
    'x',
    "FFX123456789'--",
    'ffx123456789',
    '%F0%9F%98%80',
    'FFX123456789'.repeat(50),
  ]) {
    refused(await ask(id), 404, 'Order not found');
  }
  for (const id of ['%00', '%ff%fe', '%', '%zz']) assert.ok([400, 404].includes((await ask(id)).status), id); // no text at all
});

test('an order without a payment, 400', async () => {
  const { user, order } = await makeSale({ stock: 0 });
  refused(await paymentStatus(user, order), 400, 'No payment found for this order');
});

// ---- live ----

test('a lost callback heals: the answer asks the provider, delivers and shows it', async () => {
  const { user, order, id } = await heardSale();
  await payUnheard(id);
  assert.equal(await orderState(order), 'processing/pending/pending', 'nobody has told the shop');
  await grow(id);
  const answer = good(await paymentStatus(user, order));
  assert.equal(answer.order.order_status, 'completed');
  assert.equal(answer.order.payment_status, 'paid');
  assert.equal(answer.order.delivery_status, 'delivered');
  assert.equal(answer.payment.payment_status, 'finished');
  assert.equal(answer.stale, undefined);
  assert.equal((await delivered(order)).length, 1);
  const last = (await events(order)).at(-1);
  assert.equal(last.source, 'poll');
  assert.equal(last.status, 'finished');
});

test('callback and polls of the same state at the same moment deliver once', async () => {
  const { user, order, id } = await heardSale({ stock: 3 });
  await payUnheard(id);
  await grow(id);
  const { pay_amount: amount } = await providerPayment(id);
  const body = ipnBody(order, 'finished', {
    payment_id: Number(id),
    pay_amount: Number(amount),
    actually_paid: Number(amount),
  });
  const answers = await Promise.all([
    ...Array.from({ length: 8 }, () => paymentStatus(user, order)),
    ...Array.from({ length: 8 }, () => postIpn(body)),
  ]);
  for (const answer of answers) good(answer);
  assert.equal(await orderState(order), 'completed/paid/delivered');
  assert.equal((await delivered(order)).length, 1);
  assert.equal((await events(order)).filter((e) => e.status === 'finished').length, 1);
});

test('what the poll finds goes by the same rules as a callback: underpaid is never delivered', async () => {
  const { user, order, id } = await heardSale();
  await fault('callback', 'drop', { times: 4 });
  await control(id, 'underpay');
  await settled(id);
  await grow(id);
  const answer = good(await paymentStatus(user, order));
  assert.equal(answer.order.payment_status, 'pending');
  assert.equal(answer.payment.payment_status, 'partially_paid');
  assert.deepEqual(await reviews(order), ['partially_paid']);
});

test('the provider lags behind a callback: the answer does not go backwards', async () => {
  const { user, order, id, payment } = await heardSale();
  await postIpn(ipnBody(order, 'confirmed', { payment_id: Number(id), pay_amount: payment.pay_amount }));
  await grow(id);
  const answer = good(await paymentStatus(user, order));
  assert.equal(answer.payment.payment_status, 'confirmed');
  assert.equal(answer.order.payment_status, 'paid');
});

test('an answer of the provider is reused while it is fresh', async () => {
  const { user, order, id } = await heardSale({ stock: 0 });
  await grow(id);
  const since = await mark();
  for (let i = 0; i < 6; i++) good(await paymentStatus(user, order));
  assert.equal((await calls(since, `/payment/${id}`)).length, 1);
  await grow(id, Number(env.STATUS_FRESH_S) + 1);
  good(await paymentStatus(user, order));
  assert.equal((await calls(since, `/payment/${id}`)).length, 2);
});

test('what was just created or told by a callback is fresh', async () => {
  const { user, order, id } = await heardSale({ stock: 0 });
  const since = await mark();
  await grow(id, 0);
  good(await paymentStatus(user, order));
  assert.deepEqual(await calls(since, `/payment/${id}`), []);
});

test('a finished payment is not asked for again', async () => {
  const { user, order, id } = await heardSale();
  await control(id, 'pay');
  await untilState(order, 'completed/paid/delivered');
  await grow(id);
  const since = await mark();
  good(await paymentStatus(user, order));
  assert.deepEqual(await calls(since, `/payment/${id}`), []);
});

// ---- without the provider ----

test('provider fails: the stored state with "stale": true; afterwards without', async () => {
  const { user, order, id } = await heardSale({ stock: 0 });
  await grow(id);
  await fault('payment-get', 'error500', { times: 10 });
  const answer = good(await paymentStatus(user, order));
  assert.equal(answer.stale, true);
  assert.equal(answer.payment.payment_status, 'waiting');
  assert.equal(answer.order.order_status, 'processing');
  await clearFaults();
  assert.equal(good(await paymentStatus(user, order)).stale, undefined);
});

test('a read whose connection breaks is tried again: the customer notices nothing', async () => {
  const { user, order, id } = await heardSale({ stock: 0 });
  await grow(id);
  const since = await mark();
  await fault('payment-get', 'drop');
  assert.equal(good(await paymentStatus(user, order)).stale, undefined);
  assert.equal((await calls(since, `/payment/${id}`)).length, 2);
});

test('one refusal of the provider for its own rate limit costs the customer freshness at most', async () => {
  const { user, order, id } = await heardSale({ stock: 0 });
  await grow(id);
  await fault('payment-get', 'rate_limit');
  assert.equal(good(await paymentStatus(user, order)).payment.payment_status, 'waiting');
  assert.equal(good(await paymentStatus(user, order)).stale, undefined);
});

test('an answer of the provider that cannot be read is stale, too', async () => {
  const { user, order, id } = await heardSale({ stock: 0 });
  await grow(id);
  await fault('payment-get', 'malformed', { times: 10 });
  assert.equal(good(await paymentStatus(user, order)).stale, true);
});

test('numbers as strings from the provider stay numbers for the customer', async () => {
  const { user, order, id } = await heardSale();
  await payUnheard(id);
  await grow(id);
  await fault('payment-get', 'all_strings');
  const answer = good(await paymentStatus(user, order));
  assert.equal(answer.order.delivery_status, 'delivered');
  assert.equal(typeof answer.payment.pay_amount, 'number');
  assert.equal(typeof answer.payment.actually_paid, 'number');
});

test('a payment that the provider does not know is stale', async () => {
  const { user, order } = await makeSale({ stock: 0 });
  const body = ipnBody(order, 'confirming');
  assert.equal((await postIpn(body)).status, 200);
  await grow(String(body.payment_id));
  const answer = good(await paymentStatus(user, order));
  assert.equal(answer.stale, true);
  assert.equal(answer.payment.payment_status, 'confirming');
});

test('a provider that hangs: the stored state within the time limit', async () => {
  const { user, order, id } = await heardSale({ stock: 0 });
  await grow(id);
  await fault('payment-get', 'slow', { times: 10, delayMs: 20_000 });
  const began = Date.now();
  const answer = good(await paymentStatus(user, order));
  assert.equal(answer.stale, true);
  assert.ok(Date.now() - began < soon(15_000), `${Date.now() - began} ms`);
});

// ---- limits ----

test('sixty requests a minute and user; then 429 with Retry-After', async () => {
  const { user, order } = await heardSale({ stock: 0 });
  const answers = [];
  for (let i = 0; i < 60; i++) answers.push(await paymentStatus(user, order));
  assert.deepEqual([...new Set(answers.map((a) => a.status))], [200]);
  // The window moves on while we ask: a few more may pass, not another sixty.
  let refusal;
  for (let i = 0; i < 20 && !refusal; i++) {
    const answer = await paymentStatus(user, order);
    if (answer.status !== 200) refusal = answer;
  }
  assert.equal(refusal?.status, 429);
  const wait = Number(refusal.headers['retry-after']);
  assert.ok(wait >= 1 && wait <= 60);
  refused(refusal, 429, `Too many requests. Try again in ${wait} s.`);
});
