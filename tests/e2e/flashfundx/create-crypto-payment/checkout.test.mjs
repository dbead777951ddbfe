// The hosted checkout for an order: what a customer gets, and what is never done twice.
// system: shared
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import jsQR from 'jsqr';
import { PNG } from 'pngjs';

import { refused } from '../../lib/answers.mjs';
import { rows, value } from '../../lib/db.mjs';
import { client, invoke } from '../../lib/http.mjs';
import { calls, clearFaults, control, mark, providerState, settled } from '../../lib/flashfundx/sandbox.mjs';
import {
  addStock,
  checkout,
  checkoutBody,
  makeOrder,
  makeProduct,
  makeSale,
  orderRow,
  transactions,
  untilState,
} from '../../lib/flashfundx/shop.mjs';
import { env, url } from '../../lib/system.mjs';
import { makeUser } from '../../lib/users.mjs';
import { opened } from './answers.mjs';

beforeEach(clearFaults);

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
