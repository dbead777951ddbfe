// Many orders at once: their callbacks, and what must be true of the books afterwards.
import assert from 'node:assert/strict';

import { rows, value } from '../db.mjs';
import { canonical, hmac, ipnBody, paymentId } from './ipn.mjs';
import { makeUser } from '../users.mjs';
import { until } from '../wait.mjs';

export const STATUSES = ['waiting', 'confirming', 'confirmed', 'sending', 'finished'];

/** `count` pending orders of a product, spread over a few customers; each with its callbacks. */
export async function makeSales(product, count, { customers = 12 } = {}) {
  const users = [];
  for (let i = 0; i < customers; i++) users.push(await makeUser());
  const orders = await rows(
    `insert into public.orders (user_id, account_type, account_size, platform_type, amount, final_amount)
     select ($1::uuid[])[1 + n % $2], $3, $4, $5, $6, $6 from generate_series(0, $7 - 1) as n returning *`,
    [users.map((user) => user.id), customers, product.type, product.size, product.platform, product.price, count]);
  return orders.map((order) => ({ order, user: users.find((user) => user.id === order.user_id), callbacks: callbacksOf(order) }));
}

/** The signed callbacks of one payment of an order, one for each status. */
export function callbacksOf(order, statuses = STATUSES) {
  const payment_id = paymentId();
  return statuses.map((status) => {
    const fields = ipnBody(order, status, { payment_id });
    const body = canonical(fields);
    return { payment_id, status, paid: String(fields.actually_paid), body, signature: hmac(body) };
  });
}

export const post = (caller, callback) =>
  caller.send('POST', '/functions/v1/payment-webhook', {
    headers: { 'content-type': 'application/json', 'x-nowpayments-sig': callback.signature },
    body: callback.body,
  });

const stateOf = (o) => `${o.order_status}/${o.payment_status}/${o.delivery_status}`;

/** What stands in the books for these sales. */
export async function books(sales) {
  const ids = sales.map((sale) => sale.order.order_id);
  const of = (table, columns = '*') =>
    rows(`select ${columns} from public.${table} as t where t.order_id = any($1) order by 1`, [ids]);
  return {
    orders: await of('orders', `t.order_id, t.*, (extract(epoch from t.paid_at) * 1e6)::bigint as paid_us,
                                (extract(epoch from t.delivered_at) * 1e6)::bigint as delivered_us`),
    events: await of('payment_events', 't.id::text, t.*'),
    payments: await of('payments', 't.payment_id, t.*'),
    transactions: await of('payment_transactions'),
    delivered: await of('delivered_accounts'),
    waiting: await of('waiting_deliveries', 't.order_id, t.*'),
    reviews: await of('reviews'),
    attempts: await of('payment_attempts'),
    accounts: await rows('select * from public.account_container as c where c.reserved_for_order_id = any($1) order by 1', [ids]),
    profiles: await rows('select * from public.user_profiles as u where u.id = any($1::uuid[]) order by 1',
      [[...new Set(sales.map((sale) => sale.order.user_id))]]),
  };
}

/** How many sales are in which state. */
export async function states(sales) {
  const found = await rows(
    `select order_status || '/' || payment_status || '/' || delivery_status as state, count(*)::int as n
       from public.orders where order_id = any($1) group by 1`, [sales.map((sale) => sale.order.order_id)]);
  return Object.fromEntries(found.map(({ state, n }) => [state, n]));
}

export const DELIVERED = 'completed/paid/delivered';
export const PAID_AND_WAITING = 'processing/paid/pending';

/** What was acknowledged may still be in the inbox, when its order was held: it is applied. */
export const eventsDone = (sales) =>
  until(async () => await value(
    `select count(*)::int from public.payment_events where order_id = any($1) and state <> 'done'`,
    [sales.map((sale) => sale.order.order_id)]) === 0,
  'every stored event is done', { timeout: 30_000 });

/**
 * The end state after every callback of every sale arrived: `delivered` orders have one account
 * each, all others are paid and wait; nothing is counted twice and nothing is missing.
 */
export async function assertBooks(sales, product, delivered) {
  await eventsDone(sales);
  const b = await books(sales);
  const money = (order) => Number(order.final_amount);

  const done = b.orders.filter((o) => stateOf(o) === DELIVERED);
  const wait = b.orders.filter((o) => stateOf(o) === PAID_AND_WAITING);
  assert.equal(done.length, delivered, 'delivered orders');
  assert.equal(wait.length, sales.length - delivered, 'orders that are paid and wait');

  assert.equal(b.delivered.length, delivered, 'delivered accounts');
  assert.equal(new Set(b.delivered.map((d) => d.container_account_id)).size, delivered, 'no account twice');
  assert.equal(new Set(b.delivered.map((d) => d.order_id)).size, delivered, 'no order twice');
  assert.equal(new Set(b.delivered.map((d) => d.login_id)).size, delivered, 'no login twice');
  assert.deepEqual(b.delivered.map((d) => d.order_id).sort(), done.map((o) => o.order_id), 'the delivered orders have the accounts');
  assert.deepEqual(b.waiting.map((w) => w.order_id), wait.map((o) => o.order_id), 'the waiting orders are the queue');

  // Stock: what left it belongs to exactly one delivered order.
  assert.equal(b.accounts.length, delivered, 'accounts taken from stock');
  assert.ok(b.accounts.every((a) => a.status === 'delivered'));
  const owners = new Map(b.accounts.map((a) => [a.id, a.reserved_for_order_id]));
  assert.ok(b.delivered.every((d) => owners.get(d.container_account_id) === d.order_id), 'account and order agree');

  // Events: each once, whatever order and however often they came.
  const key = (id, status, paid) => `${id} ${status} ${Number(paid)}`;
  const stored = b.events.map((e) => key(e.payment_id, e.status, e.actually_paid)).sort();
  const sent = sales.flatMap((s) => s.callbacks.map((c) => key(c.payment_id, c.status, c.paid))).sort();
  assert.deepEqual(stored, sent, 'every event is stored once');

  // Books: one payment of the order's amount each, completed.
  assert.deepEqual(b.transactions.map((t) => `${t.order_id} ${t.transaction_type} ${t.status} ${t.amount}`).sort(),
    b.orders.map((o) => `${o.order_id} payment completed ${o.final_amount}`).sort(), 'transactions');
  assert.ok(b.payments.every((p) => p.status === 'finished' && p.counted), 'payments are finished and counted');
  assert.deepEqual(b.reviews, [], 'nothing needs a human');
  assert.ok(b.orders.every((o) => o.paid_at !== null), 'paid_at');

  for (const profile of b.profiles) {
    const own = done.filter((o) => o.user_id === profile.id);
    assert.equal(profile.total_orders, own.length, `orders of ${profile.email}`);
    assert.equal(Number(profile.total_spent), own.reduce((sum, o) => sum + money(o), 0), `money of ${profile.email}`);
  }

  const left = await value(
    `select count(*)::int from public.account_container
      where account_size = $1 and platform_type = $2 and status <> 'delivered'`, [product.size, product.platform]);
  if (delivered < sales.length) assert.equal(left, 0, 'nothing is left in stock while orders wait');
  return b;
}
