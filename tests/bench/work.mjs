// The work of every bench: what a turn sends and the data that it uses up.
import { ASKED, freshOrders, product, shop } from './fill.mjs';
import { PGBENCH_ALL, WARM_SECONDS, metered, pgbench, wrk, wrkWarm } from './measure.mjs';
import { checkoutRequests, plainRequests, statusRequests, webhookRequests } from './requests.mjs';
import { database, env, sql, work } from './system.mjs';

const LIMIT_SECONDS = 3;

/** The files of requests that can be sent again and again; anew when the shop has grown. */
export function requestFiles() {
  const { first, count } = shop.recent, asked = Math.min(ASKED, count), step = Math.floor(count / asked);
  statusRequests(work('status.req'), { secret: env.JWT_SECRET, first, count: asked, step, users: shop.users });
  plainRequests(work('empty.req'), '/bench');
  plainRequests(work('live.req'), '/functions/v1/health/live');
  plainRequests(work('invoice.req'), '/v1/invoice');
}

/** Small requests: nginx alone, the smallest answer. */
export const plainTurn = (file, connections) => metered(() => wrk(work(file), { seconds: LIMIT_SECONDS, connections }));

export const statusTurn = (seconds, connections) => metered((meter) =>
  wrkWarm(meter, work('status.req'), work('status.req'), { seconds, connections }));

export const statusLimit = (clients) => metered((meter) => pgbench(meter, 'status.sql', database('check-payment-status'), clients,
  { first: shop.recent.first, last: shop.recent.first + shop.recent.count - 1, users: shop.users }));

export const emptyLimit = (clients) => metered((meter) => pgbench(meter, 'one.sql', database('check-payment-status'), clients, {}));

const GUESS = 6_000; // callbacks per second, until they were measured
const webhookRates = new Map(); // by number of connections

export async function webhookTurn(seconds, connections) {
  const rate = webhookRates.get(connections) ?? Math.min(GUESS, connections * 1_000);
  const apart = Math.max(500, 2 * connections); // callbacks of one order must not meet
  for (const [file, time] of [['webhook-warm.req', WARM_SECONDS], ['webhook.req', seconds]]) {
    // the first orders enter half-way and have fewer to send
    const count = Math.ceil((rate * time * 1.6 + 2 * apart) / 5 / 500) * 500;
    const first = await freshOrders(count, 'waiting');
    webhookRequests(work(file), { secret: env.NOWPAYMENTS_IPN_SECRET, first, count, apart, price: (n) => Number(product(n).price) });
  }
  await sql('checkpoint');
  const result = await metered((meter) =>
    wrkWarm(meter, work('webhook-warm.req'), work('webhook.req'), { seconds, connections, mode: 'once' }));
  webhookRates.set(connections, result.rate);
  return result;
}

const RAW = 'x'.repeat(700); // as long as a callback
let webhookLimitRate = GUESS;
export async function webhookLimit(clients) {
  for (let spare = 1.5; ; spare *= 2) {
    const perClient = Math.ceil((webhookLimitRate * PGBENCH_ALL * spare) / 5 / clients / 50) * 50;
    const first = await freshOrders(perClient * clients, 'waiting');
    await sql('checkpoint');
    const result = await metered((meter) => pgbench(meter, 'webhook.sql', database('payment-webhook'), clients,
      { i: -1, first, per_client: perClient, raw: RAW }));
    const done = Number(await sql(`select count(*) from public.orders where order_id >= 'FFX${100_000_000 + first}'
      and order_id < 'FFX${100_000_000 + first + perClient * clients}' and order_status = 'completed'`));
    if (done === perClient * clients) continue; // a faster machine than guessed: repeats were measured
    webhookLimitRate = result.rate;
    return result;
  }
}

/** Requests for the checkout of new orders. */
export async function checkouts(count, file = 'checkout.req') {
  const first = await freshOrders(count, 'new');
  checkoutRequests(work(file), { secret: env.JWT_SECRET, first, count, users: shop.users, product });
  return work(file);
}
