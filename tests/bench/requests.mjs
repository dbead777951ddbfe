// What is sent, ready for the wire: one file per piece of work, each request preceded by its length
// in five digits.  Names follow from numbers as in fill.sql.
import { createHmac } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';

const b64 = (value) => Buffer.from(value).toString('base64url');

export const userId = (n) => `00000000-0000-4000-8000-${100_000_000_000 + n}`;
export const orderId = (n) => `FFX${100_000_000 + n}`;
export const paymentId = (n) => 6_000_000_000 + n;
export const sessionId = (n) => `00000000-0000-4000-a000-${100_000_000_000 + n}`;

export function token(secret, user, now = Math.floor(Date.now() / 1000)) {
  const text = `${b64('{"alg":"HS256","typ":"JWT"}')}.${b64(JSON.stringify({
    iss: 'http://127.0.0.1/auth/v1', sub: userId(user), aud: 'authenticated', role: 'authenticated',
    email: `user-${user}@example.com`, app_metadata: { provider: 'email', providers: ['email'] },
    user_metadata: {}, iat: now, exp: now + 12 * 3600 }))}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

/** Writes requests to a file, a megabyte at a time. */
class Out {
  constructor(path) {
    this.file = openSync(path, 'w');
    this.parts = [];
    this.size = 0;
  }

  add(head, body = '') {
    const length = body === '' ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
    const text = `${head}Host: bench\r\n${length}\r\n${body}`;
    this.parts.push(`${String(Buffer.byteLength(text)).padStart(5, '0')}${text}`);
    this.size += text.length;
    if (this.size > 1 << 20) this.flush();
  }

  flush() {
    writeSync(this.file, this.parts.join(''));
    this.parts = [];
    this.size = 0;
  }

  close() {
    this.flush();
    closeSync(this.file);
  }
}

/** Any address without anything. */
export function plainRequests(path, address, count = 1000) {
  const out = new Out(path);
  for (let i = 0; i < count; i++) out.add(`GET ${address} HTTP/1.1\r\n`);
  out.close();
}

const any = (count) => Math.floor(Math.random() * count);

/** W1: customers ask for any of `count` orders from `first` on, `step` apart. */
export function statusRequests(path, { secret, first, count, step = 1, users, requests = 80_000, pick = any }) {
  const out = new Out(path);
  const tokens = new Map();
  for (let i = 0; i < requests; i++) {
    const order = first + pick(count, i) * step;
    const user = order % users;
    if (!tokens.has(user)) tokens.set(user, token(secret, user));
    out.add(`GET /functions/v1/check-payment-status?orderId=${orderId(order)}&userId=${userId(user)} HTTP/1.1\r\n`
      + `Authorization: Bearer ${tokens.get(user)}\r\n`);
  }
  out.close();
}

export const STATUSES = ['waiting', 'confirming', 'confirmed', 'sending', 'finished'];

export const callback = (n, status, price) => JSON.stringify({
  actually_paid: status === 'waiting' ? 0 : 10.99726171, actually_paid_at_fiat: 0,
  fee: { currency: 'usdtbsc', depositFee: 0.133779, serviceFee: 0.054332, withdrawalFee: 0 },
  invoice_id: 5_000_000_000 + n, order_description: null, order_id: orderId(n), outcome_amount: 0.98 * price,
  outcome_currency: 'usdtbsc', parent_payment_id: null, pay_address: '0xa638a632134CdcfDf6c510965757f4963Cca5366',
  pay_amount: 10.99726171, pay_currency: 'usdtbsc', payin_extra_id: null, payment_extra_ids: null,
  payment_id: paymentId(n), payment_status: status, price_amount: price, price_currency: 'usd',
  purchase_id: '4409335830', updated_at: 1_795_235_465_000 });

/**
 * W2: the callbacks of `count` payments, one in five "finished" at any time: beside the first callbacks of a
 * block of payments come the second ones of the block before, and so on; between two callbacks of one payment
 * stand `apart` others.  Signed as the provider signs (keys in order).
 */
export function webhookRequests(path, { secret, first, count, price, apart = 500 }) {
  const out = new Out(path), size = Math.ceil(apart / STATUSES.length), blocks = Math.ceil(count / size);
  const add = (n, status) => {
    const body = callback(n, status, price(n));
    out.add(`POST /functions/v1/payment-webhook HTTP/1.1\r\nx-nowpayments-sig: ${
      createHmac('sha512', secret).update(body).digest('hex')}\r\n`, body);
  };
  // The first blocks enter where they would stand by then: there is no time with fewer finished.
  for (let step = Math.min(blocks, STATUSES.length) - 1; step < blocks + STATUSES.length - 1; step++)
    for (let i = 0; i < size; i++)
      for (const [k, status] of STATUSES.entries()) {
        const n = first + (step - k) * size + i;
        if (step - k >= 0 && n < first + count) add(n, status);
      }
  out.close();
}

/** W3: customers ask for the checkout of orders that have none yet. */
export function checkoutRequests(path, { secret, first, count, users, product }) {
  const out = new Out(path);
  const tokens = new Map();
  for (let n = first; n < first + count; n++) {
    const user = n % users;
    if (!tokens.has(user)) tokens.set(user, token(secret, user));
    const p = product(n);
    out.add(`POST /functions/v1/create-crypto-payment HTTP/1.1\r\nAuthorization: Bearer ${tokens.get(user)}\r\n`,
      JSON.stringify({ orderId: orderId(n), userId: userId(user), accountType: p.account_type,
        accountSize: Number(p.account_size), platformType: p.platform_type, cryptoCurrency: 'usdt_bsc',
        amount: Number(p.price), finalAmount: Number(p.price) }));
  }
  out.close();
}

/** Refreshes, one of each session; replay.lua makes the next ones, whose bodies are as long. */
export function refreshRequests(path, apikey, tokens) {
  const out = new Out(path);
  for (const token of tokens)
    out.add(`POST /auth/v1/token?grant_type=refresh_token HTTP/1.1\r\napikey: ${apikey}\r\n`, JSON.stringify({ refresh_token: token }).padEnd(80));
  out.close();
}

/** People ask who they are. */
export function userRequests(path, apikey, tokens) {
  const out = new Out(path);
  for (const token of tokens) out.add(`GET /auth/v1/user HTTP/1.1\r\napikey: ${apikey}\r\nAuthorization: Bearer ${token}\r\n`);
  out.close();
}

/** Requests of the data API: {method, address, body, prefer, token} each. */
export function dataRequests(path, apikey, list) {
  const out = new Out(path);
  for (const { method, address, body, prefer, token: bearer } of list)
    out.add(`${method} ${address} HTTP/1.1\r\napikey: ${apikey}\r\nAuthorization: Bearer ${bearer}\r\n${prefer ? `Prefer: ${prefer}\r\n` : ''}`, body);
  out.close();
}

/** One request of W1 and one of W2, for clients that take them apart. */
export const statusRequest = (secret, n, user) => ({ method: 'GET',
  path: `/functions/v1/check-payment-status?orderId=${orderId(n)}&userId=${userId(user)}`,
  headers: { authorization: `Bearer ${token(secret, user)}` } });

export function webhookRequest(secret, n, status, price) {
  const body = callback(n, status, price);
  return { method: 'POST', path: '/functions/v1/payment-webhook', body, headers: { 'content-type': 'application/json',
    'content-length': body.length, 'x-nowpayments-sig': createHmac('sha512', secret).update(body).digest('hex') } };
}
