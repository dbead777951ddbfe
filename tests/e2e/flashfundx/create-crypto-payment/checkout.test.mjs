// The hosted checkout for an order: what is answered, what is refused, and what is never done twice.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { beforeEach, test } from 'node:test';

import jsQR from 'jsqr';
import { PNG } from 'pngjs';

import { rows, value } from '../../lib/db.mjs';
import { client, invoke } from '../../lib/http.mjs';
import { calls, clearFaults, control, fault, mark, providerState, settled } from '../../lib/flashfundx/sandbox.mjs';
import {
  addStock,
  attempts,
  checkout,
  checkoutBody,
  makeOrder,
  makeProduct,
  makeSale,
  orderRow,
  orderState,
  transactions,
  untilState,
} from '../../lib/flashfundx/shop.mjs';
import { env, killWorkers, url } from '../../lib/system.mjs';
import { makeUser } from '../../lib/users.mjs';
import { until } from '../../lib/wait.mjs';

beforeEach(clearFaults);

const isoTime = (text) => assert.equal(new Date(text).toISOString(), text);

function refused(answer, status, error) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(answer.json, { success: false, error });
}

/** The answer of a success, checked in every field. */
function opened(answer) {
  assert.equal(answer.status, 200, answer.text);
  const body = answer.json;
  assert.deepEqual(Object.keys(body), ['success', 'invoice_url', 'payment']);
  assert.equal(body.success, true);
  assert.match(body.invoice_url, /^https?:\/\//);
  assert.deepEqual(Object.keys(body.payment), [
    'payment_id',
    'pay_address',
    'pay_amount',
    'pay_currency',
    'qr_code',
    'time_limit',
    'expiration_date',
  ]);
  assert.equal(typeof body.payment.payment_id, 'string');
  assert.match(body.payment.payment_id, /^\d+$/);
  assert.equal(typeof body.payment.pay_amount, 'number');
  assert.ok(body.payment.pay_address.length > 20);
  isoTime(body.payment.time_limit);
  isoTime(body.payment.expiration_date);
  assert.ok(new Date(body.payment.expiration_date) > new Date());
  return body;
}

function readQr(dataUrl) {
  const [head, data] = dataUrl.split(',');
  assert.equal(head, 'data:image/png;base64');
  const png = PNG.sync.read(Buffer.from(data, 'base64'));
  return jsQR(new Uint8ClampedArray(png.data), png.width, png.height)?.data;
}

// ---- what a customer gets ----

test('supabase-js gets invoice, address, amount, times and a QR code that reads as the address', async () => {
  const { user, order } = await makeSale();
  const { data, error } = await client(user.token).functions.invoke('create-crypto-payment', {
    body: checkoutBody(order),
  });
  assert.equal(error, null);
  const { payment } = opened({ status: 200, json: data });
  assert.equal(payment.pay_currency, 'usdtbsc');
  assert.equal(readQr(payment.qr_code), payment.pay_address);

  const provider = await providerState(order);
  assert.equal(provider.invoices.length, 1);
  assert.equal(provider.payments.length, 1);
  assert.equal(provider.payments[0].payment_id, payment.payment_id);
  assert.equal(provider.payments[0].pay_address, payment.pay_address);
  assert.ok(data.invoice_url.includes(provider.invoices[0].id));
});

test('the checkout page that the customer is sent to is there', async () => {
  const { user, order } = await makeSale();
  const { invoice_url: page } = opened(await checkout(user, order));
  const answer = await fetch(page);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type'), /^text\/html/);
  assert.match(await answer.text(), new RegExp(order.order_id));
});

test("the invoice is made for the order's own figures, texts and addresses", async () => {
  const user = await makeUser();
  const kinds = {
    instant: ['Instant Account', '289.00'],
    hft: ['HFT Account', '349.00'],
    one_step: ['1-Step Challenge', '149.00'],
    two_step: ['2-Step Challenge', '119.00'],
  };
  for (const [type, [text, price]] of Object.entries(kinds)) {
    const order = await makeOrder(
      user,
      { type, size: '10000', platform: 'mt4', price },
      { discount: '9.50' },
    );
    opened(await checkout(user, order));
    const [invoice] = (await providerState(order)).invoices;
    assert.equal(invoice.order_id, order.order_id);
    assert.equal(invoice.order_description, `FlashFundX ${text} - $10K MT4`);
    assert.equal(invoice.price_amount, String(Number(price) - 9.5));
    assert.equal(invoice.price_currency.toUpperCase(), 'USD');
    assert.equal(invoice.ipn_callback_url, `${url}/functions/v1/payment-webhook`);
    assert.equal(
      invoice.success_url,
      `${env.FRONTEND_URL}/dashboard/payment/success?order=${order.order_id}`,
    );
    assert.equal(
      invoice.cancel_url,
      `${env.FRONTEND_URL}/dashboard/payment/cancelled?order=${order.order_id}`,
    );
  }
});

const currencies = {
  usdt_bsc: 'usdtbsc',
  usdt_polygon: 'usdtmatic',
  usdt_trc20: 'usdttrc20',
  bnb: 'bnbbsc',
  btc: 'btc',
  trx: 'trx',
};
for (const [shop, provider] of Object.entries(currencies)) {
  test(`${shop} is ${provider} at the provider, amount digit for digit`, async () => {
    const { user, order } = await makeSale({ stock: 0, price: '1.37' });
    const answer = await checkout(user, order, { cryptoCurrency: shop });
    const { payment } = opened(answer);
    assert.equal(payment.pay_currency, provider);
    const there = (await providerState(order)).payments[0];
    const [, digits] = /"pay_amount":([^,]+),/.exec(answer.text);
    assert.match(digits, /^\d+(\.\d+)?$/, 'plain digits, no exponent');
    assert.equal(digits, String(there.pay_amount));
    const row = await orderRow(order);
    assert.equal(row.crypto_amount, digits);
    assert.equal(row.crypto_currency, shop);
  });
}

test('an order of 99,999,999.99 USD keeps every cent', async () => {
  const { user, order } = await makeSale({ stock: 0, price: '99999999.99' });
  opened(await checkout(user, order, { amount: 99999999.99, finalAmount: 99999999.99 }));
  assert.equal((await providerState(order)).invoices[0].price_amount, '99999999.99');
});

test('the order goes to processing, and the books get one pending payment', async () => {
  const { user, order } = await makeSale();
  const { payment } = opened(await checkout(user, order));
  const row = await orderRow(order);
  assert.equal(row.order_status, 'processing');
  assert.equal(row.payment_status, 'pending');
  assert.equal(row.delivery_status, 'pending');
  assert.equal(row.payment_method, 'nowpayments');
  assert.equal(row.payment_provider, 'nowpayments');
  assert.equal(row.payment_provider_id, payment.payment_id);
  assert.equal(row.crypto_currency, 'usdt_bsc');
  assert.equal(Number(row.crypto_amount), payment.pay_amount);
  assert.equal(row.crypto_address, payment.pay_address);
  const books = await transactions(order);
  assert.equal(books.length, 1);
  assert.equal(books[0].transaction_type, 'payment');
  assert.equal(books[0].status, 'pending');
  assert.equal(books[0].provider, 'nowpayments');
  assert.equal(books[0].provider_transaction_id, payment.payment_id);
  assert.equal(books[0].amount, order.final_amount);
  assert.equal(books[0].user_id, user.id);
});

test('figures may be numbers or strings, spelled in any way that means the same', async () => {
  for (const spelling of [
    { amount: '149', finalAmount: '149.00' },
    { amount: 149.0, finalAmount: 1.49e2 },
    { accountSize: null },
  ]) {
    const { user, order } = await makeSale({ stock: 0, price: '149.00' });
    const body = checkoutBody(order, spelling);
    if (spelling.accountSize === null) body.accountSize = order.account_size; // "1234567.00"
    opened(await invoke('create-crypto-payment', { token: user.token, body }));
  }
});

// ---- what is refused ----

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
    { amount: '148.999999999999' },
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

// ---- asking again ----

test('asking again gives the same invoice and payment; the provider is not asked', async () => {
  const { user, order } = await makeSale();
  const first = opened(await checkout(user, order));
  const since = await mark();
  const second = opened(await checkout(user, order));
  assert.deepEqual(second, first);
  assert.deepEqual(await calls(since, '%invoice%'), []);
  assert.equal((await transactions(order)).length, 1);
});

test('another currency is a second payment behind the same invoice', async () => {
  const { user, order } = await makeSale();
  const first = opened(await checkout(user, order, { cryptoCurrency: 'usdt_bsc' }));
  const second = opened(await checkout(user, order, { cryptoCurrency: 'btc' }));
  assert.equal(second.invoice_url, first.invoice_url);
  assert.notEqual(second.payment.payment_id, first.payment.payment_id);
  assert.equal(second.payment.pay_currency, 'btc');
  const provider = await providerState(order);
  assert.equal(provider.invoices.length, 1);
  assert.equal(provider.payments.length, 2);
  const row = await orderRow(order);
  assert.equal(row.payment_provider_id, second.payment.payment_id);
  assert.equal(row.crypto_currency, 'btc');
  // Back to the first: still open, still the same.
  assert.deepEqual(opened(await checkout(user, order, { cryptoCurrency: 'usdt_bsc' })), first);
});

test('either of two payments pays the order, once', async () => {
  const { user, order } = await makeSale();
  const first = opened(await checkout(user, order, { cryptoCurrency: 'usdt_bsc' }));
  opened(await checkout(user, order, { cryptoCurrency: 'trx' }));
  await control(first.payment.payment_id, 'pay');
  await untilState(order, 'completed/paid/delivered');
  assert.equal((await orderRow(order)).payment_provider_id, first.payment.payment_id);
});

test('ten requests at once make one invoice and one payment', async () => {
  const { user, order } = await makeSale();
  const answers = await Promise.all(Array.from({ length: 10 }, () => checkout(user, order)));
  const good = answers.filter((a) => a.status === 200);
  assert.ok(good.length >= 1, answers.map((a) => `${a.status} ${a.text}`).join('\n'));
  for (const answer of answers.filter((a) => a.status !== 200)) {
    refused(answer, 409, 'A payment for this order is already being created');
    assert.ok(Number(answer.headers['retry-after']) >= 1);
  }
  for (const answer of good) assert.deepEqual(answer.json, good[0].json);
  const provider = await providerState(order);
  assert.equal(provider.invoices.length, 1);
  assert.equal(provider.payments.length, 1);
  assert.equal((await transactions(order)).length, 1);
});

test('ten orders of ten customers at once do not hinder one another', async () => {
  const sales = await Promise.all(Array.from({ length: 10 }, () => makeSale({ stock: 0 })));
  const answers = await Promise.all(sales.map(({ user, order }) => checkout(user, order)));
  assert.equal(new Set(answers.map((answer) => opened(answer).payment.payment_id)).size, 10);
});

// ---- when the provider misbehaves ----

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
  assert.ok(Date.now() - began < Number(env.NOWPAYMENTS_TIMEOUT_MS) + 1400);
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

// ---- limits ----

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

test('an expired payment is not shown again: the retry opens a new one behind the same invoice', async () => {
  const { user, order } = await makeSale();
  const first = opened(await checkout(user, order));
  await settled(first.payment.payment_id);
  await rows(`update public.payments set valid_until = now() - interval '1 minute' where payment_id = $1`, [
    first.payment.payment_id,
  ]);
  const second = opened(await checkout(user, order));
  assert.equal(second.invoice_url, first.invoice_url);
  assert.notEqual(second.payment.payment_id, first.payment.payment_id);
  assert.equal((await providerState(order)).invoices.length, 1);
});

test('nothing that a customer sends can make the shop pay for it: the amount paid is the price', async () => {
  const product = await makeProduct({ price: '500.00' });
  await addStock(product);
  const user = await makeUser();
  const order = await makeOrder(user, product);
  for (const more of [{ finalAmount: 0.01 }, { amount: 0.01, finalAmount: 0.01 }]) {
    refused(await checkout(user, order, more), 400, 'Order details do not match');
  }
  opened(await checkout(user, order, { price_amount: 1, discount: 499, status: 'finished' }));
  assert.equal((await providerState(order)).invoices[0].price_amount, '500');
  assert.equal(
    await value('select count(*)::int from public.payment_attempts where order_id = $1', [order.order_id]),
    1,
  );
});
