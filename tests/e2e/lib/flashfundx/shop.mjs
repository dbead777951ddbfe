// Products, orders and stock, each test its own.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';

import { row, rows, value } from '../db.mjs';
import { invoke } from '../http.mjs';
import { hurry } from '../queue.mjs';
import { makeUser } from '../users.mjs';
import { until } from '../wait.mjs';

/** An account type and size that only this test sells: {type, size, platform, price}. */
export async function makeProduct({ type = 'two_step', platform = 'mt5', price = '149.00' } = {}) {
  for (;;) {
    const size = String(randomInt(1_000_000, 900_000_000));
    const made = await rows(
      `insert into public.prices (account_type, account_size, price) values ($1, $2::numeric, $3::numeric)
       on conflict do nothing returning id`,
      [type, size, price],
    );
    if (made.length === 0) continue;
    await rows(
      `insert into public.trading_rules (account_type, account_size, live_max_daily_loss, live_max_total_loss)
       values ($1, $2::numeric, 50, 100)`,
      [type, size],
    );
    return { type, size, platform, price };
  }
}

/** `count` accounts of a product; returns their ids. */
export async function addStock({ size, platform }, count = 1) {
  const made = await rows(
    `insert into public.account_container (account_size, platform_type, server_name, login_id, password, investor_password)
     select $1::numeric, $2, 'E2E-Server', 'login-' || gen_random_uuid(), 'secret-' || gen_random_uuid(), 'view-' || gen_random_uuid()
     from generate_series(1, $3) returning id`,
    [size, platform, count],
  );
  return made.map((account) => account.id);
}

/** A pending order of a user; its whole row. */
export const makeOrder = (user, product, { discount = '0' } = {}) =>
  row(
    `insert into public.orders (user_id, account_type, account_size, platform_type, amount, discount_amount, final_amount)
     values ($1, $2, $3::numeric, $4, $5::numeric, $6::numeric, $5::numeric - $6::numeric) returning *`,
    [user.id, product.type, product.size, product.platform, product.price, discount],
  );

/** Everything for one sale: {user, product, order, stock[]}. */
export async function makeSale({ stock = 1, discount, ...product } = {}) {
  const user = await makeUser();
  const made = await makeProduct(product);
  const ids = stock > 0 ? await addStock(made, stock) : [];
  return { user, product: made, order: await makeOrder(user, made, { discount }), stock: ids };
}

/** The body that the front end sends to create-crypto-payment. */
export const checkoutBody = (order, more = {}) => ({
  orderId: order.order_id,
  userId: order.user_id,
  accountType: order.account_type,
  accountSize: Number(order.account_size),
  platformType: order.platform_type,
  cryptoCurrency: 'usdt_bsc',
  amount: Number(order.amount),
  finalAmount: Number(order.final_amount),
  ...more,
});

/** Ask for the checkout of an order; the raw answer. */
export const checkout = (user, order, more = {}) =>
  invoke('create-crypto-payment', { token: user.token, body: checkoutBody(order, more) });

/** A sale whose checkout is open: {…sale, paymentId, answer}. */
export async function openedSale(options) {
  const sale = await makeSale(options);
  const answer = await checkout(sale.user, sale.order);
  assert.equal(answer.status, 200, answer.text);
  return { ...sale, paymentId: answer.json.payment.payment_id, answer };
}

/** Ask for the state of an order; the raw answer. */
export const paymentStatus = (user, order) =>
  invoke(`check-payment-status?orderId=${order.order_id}&userId=${user.id}`, { token: user.token }, 'GET');

export const orderRow = (order) => row('select * from public.orders where order_id = $1', [order.order_id]);
/** "order/payment/delivery" */
export const orderState = async (order) => {
  const o = await orderRow(order);
  return `${o.order_status}/${o.payment_status}/${o.delivery_status}`;
};
export const untilState = (order, state, options) =>
  until(async () => (await orderState(order)) === state, `order ${order.order_id} in ${state}`, options);

export const events = (order) =>
  rows('select * from public.payment_events where order_id = $1 order by id', [order.order_id]);
/** What of an order was only stored is due now. */
export const hurryEvents = async (order) => hurry('payment_event', (await events(order)).map((e) => e.id));
export const transactions = (order) =>
  rows(
    'select * from public.payment_transactions where order_id = $1 order by created_at, transaction_type',
    [order.order_id],
  );
export const attempts = (order) =>
  rows('select * from public.payment_attempts where order_id = $1 order by created_at', [order.order_id]);
export const reviews = async (order) =>
  (await rows('select kind from public.reviews where order_id = $1 order by kind', [order.order_id])).map(
    (r) => r.kind,
  );
export const delivered = (order) =>
  rows('select * from public.delivered_accounts where order_id = $1', [order.order_id]);
/** What an order's customer logs in with: {server_name, login_id, password, investor_password}, in clear. */
export const credentials = (order) =>
  row(
    `select server_name, login_id, platform.unseal(password, container_account_id, 'password') as password,
       platform.unseal(investor_password, container_account_id, 'investor_password') as investor_password
     from public.delivered_accounts where order_id = $1`,
    [order.order_id],
  );
export const waiting = (order) =>
  value('select count(*)::int from public.waiting_deliveries where order_id = $1', [order.order_id]);
