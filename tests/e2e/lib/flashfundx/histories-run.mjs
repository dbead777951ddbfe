// Play random payment histories against the system, many at a time: real orders, real signed
// callbacks through nginx. `play` makes the orders and sends; `quiesce` waits until all that was
// sent has had its effect; `explain` prints one history with its answers and its order.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { as, row, rows } from '../db.mjs';
import { Caller, Tally, chance, crowd, persist } from '../fire.mjs';
import { STOCK_SHARES, describe, makeHistory, tell } from './histories.mjs';
import { canonical, hmac, ipnBody, paymentId } from './ipn.mjs';
import { addStock, makeProduct } from './shop.mjs';
import { home } from '../system.mjs';
import { userClaims } from '../tokens.mjs';
import { makeStaff, makeUser } from '../users.mjs';
import { until } from '../wait.mjs';

const WORKERS = 8;
const AT_ONCE = 3; // connections of one worker
const HISTORIES_PER_CUSTOMER = 5;

/** Orders for these seeds, with products and stock of their own: [{…history, order, product}]. */
async function sell(seeds) {
  const histories = seeds.map(makeHistory);
  const users = [];
  for (let i = 0; i < histories.length; i += HISTORIES_PER_CUSTOMER) users.push(await makeUser());
  const sales = [];
  for (const [index, share] of STOCK_SHARES.entries()) {
    const own = histories.filter((history) => history.product === index);
    if (own.length === 0) continue;
    const product = await makeProduct();
    const stock = Math.ceil(own.length * share);
    if (stock > 0) await addStock(product, stock);
    const orders = await rows(
      `insert into public.orders (user_id, account_type, account_size, platform_type, amount, final_amount)
       select ($1::uuid[])[1 + n % cardinality($1)], $2, $3, $4, $5, $5 from generate_series(1, $6::int) as n returning *`,
      [users.map((user) => user.id), product.type, product.size, product.platform, product.price, own.length]);
    own.forEach((history, at) => sales.push({ ...history, order: orders[at], product }));
  }
  await rows('insert into selftest.orders (order_id, seed) select * from unnest($1::text[], $2::bigint[])',
    [sales.map((sale) => sale.order.order_id), sales.map((sale) => sale.seed)]);
  return sales;
}

/** Body and signature of a callback, genuine or not. */
function callbackOf(sale, event) {
  const { fields, share } = tell(sale, event,
    { price: Number(sale.order.final_amount), started: sale.started, ids: sale.ids });
  const whole = ipnBody(sale.order, event.status, fields);
  if (event.kind === 'callback') {
    const body = canonical(whole);
    return { fields, share, body, signature: hmac(body) };
  }
  const body = canonical({
    ...whole,
    actually_paid: event.how === 'tampered amount' ? Number(whole.pay_amount) * 3 : whole.actually_paid,
    order_id: event.how === 'tampered order' ? 'FFX000000000' : whole.order_id,
    order_description: 'forged',
  });
  const signature = {
    'no signature': () => undefined,
    'other secret': () => hmac(body, 'another-secret'),
    'empty signature': () => '',
  }[event.how] ?? (() => hmac(canonical(whole)));
  return { fields, share: 0, body, signature: signature() };
}

async function post(sale, event, caller, tally) {
  const { fields, share, body, signature } = callbackOf(sale, event);
  const headers = { 'content-type': 'application/json' };
  if (signature !== undefined) headers['x-nowpayments-sig'] = signature;
  const answer = await persist(() => caller.send('POST', '/functions/v1/payment-webhook', { headers, body }), tally);
  event.answer = answer.status;
  sale.sent.push({
    order_id: sale.order.order_id, n: event.n, genuine: event.kind === 'callback', payment_id: String(fields.payment_id),
    parent_id: fields.parent_payment_id === null ? null : String(fields.parent_payment_id),
    status: fields.payment_status, paid: fields.actually_paid, share, answer: answer.status, body,
  });
}

/** Somebody of staff decides one of the open reviews, if there is one. */
async function decide(sale, event, staff) {
  const open = await rows(`select id, kind from public.reviews where order_id = $1 and state = 'open' order by kind, created_at`,
    [sale.order.order_id]);
  if (open.length === 0) return void (event.answer = 'nothing to decide');
  const review = open[Math.floor(event.chance * open.length)];
  const [{ result }] = await as(staff, (query) =>
    query('select public.resolve_review($1, $2, $3) as result', [review.id, event.action, `history ${sale.seed}`]));
  event.answer = `${review.kind}: ${result.success ? result.order : result.error}`;
}

/** Staff book an unpaid order as paid outside of the provider, as the panel does with the service key. */
async function bookByHand(sale, event) {
  event.answer = await as({ role: 'service_role' }, async (query) => {
    const [order] = await query(
      `update public.orders set payment_status = 'paid', order_status = 'processing', paid_at = now(),
              payment_method = 'manual', payment_provider = 'manual'
        where order_id = $1 and payment_status in ('pending', 'failed') and delivery_status = 'pending'
          and order_status in ('pending', 'processing', 'failed')
       returning user_id, final_amount`, [sale.order.order_id]);
    if (!order) return 'nothing to book';
    await query(
      `insert into public.payment_transactions
         (order_id, user_id, transaction_type, amount, provider, provider_transaction_id, status, processed_at)
       values ($1, $2, 'payment', $3, 'manual', $4, 'completed', now())`,
      [sale.order.order_id, order.user_id, order.final_amount, `by hand ${sale.order.order_id} ${event.n}`]);
    return 'booked';
  });
}

/** All or half of what is booked is charged back. */
async function chargeBack(sale, event, staff) {
  const [{ result }] = await as(staff, (query) => query(
    `select public.record_chargeback($1, case when $2 then null else $3::numeric end, $4, null, $5) as result`,
    [sale.order.order_id, event.chance < 0.6, (Number(sale.order.final_amount) / 2).toFixed(2), `history ${sale.seed}`,
      `charge ${sale.order.order_id} ${event.n}`]));
  event.answer = result.success ? result.order : result.error;
}

/** While the order's row is locked: the callback is stored, and takes effect later. */
async function postHeld(sale, event, caller, tally) {
  await as({ role: 'service_role' }, async (query) => {
    await query('select from public.orders where order_id = $1 for update', [sale.order.order_id]);
    await post(sale, event, caller, tally);
  }).catch(() => event.answer ?? post(sale, event, caller, tally)); // the lock was lost with the database
}

async function perform(sale, event, caller, { staff, tally }) {
  if (event.kind === 'stock') {
    await addStock(sale.product, 1);
    event.answer = 'added';
  } else if (event.kind === 'staff') {
    // The database may be on its way up again.
    const act = { 'by hand': bookByHand, chargeback: chargeBack }[event.action] ?? decide;
    await until(() => act(sale, event, staff).then(() => true, (error) => {
      event.answer = error.message;
      return error.code?.startsWith('22') ? Promise.reject(error) : false;
    }), `the decision of ${sale.order.order_id}`, { timeout: 60_000 });
  } else {
    await (event.held ? postHeld : post)(sale, event, caller, tally);
  }
}

/** One history: its events one after the other, some at the same moment. */
async function playOne(sale, callers, context) {
  Object.assign(sale, { sent: [], started: Date.now() - 60_000, ids: sale.payments.map(paymentId) });
  for (let at = 0; at < sale.events.length; ) {
    const together = [sale.events[at++]];
    while (at < sale.events.length && sale.events[at].together && together.length < AT_ONCE) together.push(sale.events[at++]);
    await Promise.all(together.map((event, k) => perform(sale, event, callers[k], context)));
    context.done(together.length, at === sale.events.length);
  }
}

/**
 * Play the histories of these seeds; resolves to {sales, tally}. `done(n, end)` is told of n events,
 * and whether they ended a history.
 */
export async function play(seeds, { done = () => {} } = {}) {
  const sales = await sell(seeds);
  const tally = new Tally();
  const staff = userClaims(await makeStaff('owner'));
  const callers = Array.from({ length: WORKERS }, () => Array.from({ length: AT_ONCE }, () => new Caller()));
  try {
    await crowd(WORKERS, chance(seeds[0]).shuffle(sales), (sale, worker) =>
      playOne(sale, callers[worker], { staff, tally, done }));
  } finally {
    callers.flat().forEach((caller) => caller.close());
  }
  await rows(
    `insert into selftest.sent (order_id, n, genuine, payment_id, parent_id, status, paid, share, answer, body)
     select * from jsonb_to_recordset($1) as s (order_id text, n int, genuine boolean, payment_id text, parent_id text,
       status text, paid numeric, share numeric, answer int, body text)`,
    [JSON.stringify(sales.flatMap((sale) => sale.sent))]);
  return { sales, tally };
}

const PENDING = `
  select (select count(*) from public.payment_events as e join selftest.orders using (order_id) where e.state = 'received') as inbox,
         (select count(*) from public.outbox as m join selftest.orders as o on o.order_id = m.reference where m.state in ('pending', 'sending')) as outbox,
         (select count(*) from public.waiting_deliveries as w join selftest.orders using (order_id)
           where w.parked_at is not null or exists (select from public.account_container as c
             where c.status = 'available' and c.account_size = w.account_size and c.platform_type = w.platform_type)) as waiting`;

/** Callbacks that were kept on disk while the database was away. */
function spooled() {
  const folder = join(home, 'state/callbacks');
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.callback')).length : 0;
}

/** Until nothing is on its way any more. Whatever was put off for later is due now. */
export async function quiesce({ timeout = 180_000 } = {}) {
  let left;
  try {
    await until(async () => {
      await rows(`update platform.jobs set due_at = now()
                   where kind in ('payment_event', 'mail') and state = 'waiting' and due_at > now()`);
      const spool = spooled(); // first: what leaves it is applied by then
      left = { spool, ...(await row(PENDING)) };
      return Object.values(left).every((n) => Number(n) === 0);
    }, 'nothing is on its way any more', { timeout, every: 250 });
  } catch (error) {
    throw new Error(`${error.message}: ${JSON.stringify(left)}`);
  }
}

// What is known of an order, one line each.
const STATE = `
  select format('order %s/%s/%s, %s USD', order_status, payment_status, delivery_status, final_amount) as line
    from public.orders where order_id = $1
  union all
  (select format('payment %s: %s%s, %s of %s %s', payment_id, status, case when counted then ', counted' end, actually_paid, pay_amount, pay_currency)
     from public.payments where order_id = $1 order by created_at)
  union all
  (select format('event %s: payment %s %s %s: %s, %s', id, payment_id, status, actually_paid, state, outcome)
     from public.payment_events where order_id = $1 order by id)
  union all
  (select format('%s %s %s USD, %s', transaction_type, provider_transaction_id, amount, status)
     from public.payment_transactions where order_id = $1 order by created_at)
  union all
  (select format('review %s of payment %s: %s %s', kind, payment_id, state, resolution)
     from public.reviews where order_id = $1 order by created_at)
  union all
  select format('waits: %s', reason) from public.waiting_deliveries where order_id = $1
  union all
  select format('account %s, %s', login_id, account_status) from public.delivered_accounts where order_id = $1
  union all
  (select format('mail %s, %s, %s', kind, state, message_id) from public.outbox where reference = $1 order by created_at)
  union all
  (select format('%s  %s %s: %s -> %s', to_char(at, 'HH24:MI:SS.MS'), what, which, was, became)
     from selftest.transitions where order_id = $1 order by id)`;

/** What the system knows of an order, as text. */
export const stateOf = async (orderId) => (await rows(STATE, [orderId])).map(({ line }) => `  ${line}`).join('\n');

/** A history with its events in order, their answers, and the state of its order. */
export async function explain(sale) {
  const payments = sale.payments.map((p, n) =>
    `  payment ${n} (${sale.ids[n]}): ${p.life}${p.parent === undefined ? '' : ` of payment ${p.parent}`}, ` +
    `share ${p.share}${p.otherCoin ? ', in another coin' : ''}`);
  const events = sale.events.map((event) => `  ${describe(event)} -> ${event.answer}`);
  return [`seed ${sale.seed}, order ${sale.order.order_id}`, ...payments, ...events, await stateOf(sale.order.order_id)].join('\n');
}
