// One sale after the other from the checkout to the mail, each under another fault of the provider
// or with another kind of payment.  The promises of lib/flashfundx/promises.mjs are checked afterwards, over all.
import { row, rows } from '../e2e/lib/db.mjs';
import { clearFaults, control, fault, settled } from '../e2e/lib/flashfundx/sandbox.mjs';
import { addStock, checkout, makeSale, orderState, untilState } from '../e2e/lib/flashfundx/shop.mjs';
import { until } from '../e2e/lib/wait.mjs';

const DELIVERED = 'completed/paid/delivered';
const WAITS = 'processing/paid/pending';

/** Longest answer of a checkout: two calls to the provider (2 s each here) and our own work. */
const CHECKOUT_MS = 6000;

/** Ask for the checkout until there is one, as a customer would who sees an error. */
async function opened(options) {
  const sale = await makeSale(options);
  const paymentId = await until(async () => {
    const began = Date.now();
    const answer = await checkout(sale.user, sale.order);
    if (Date.now() - began > CHECKOUT_MS) throw new Error(`the checkout took ${Date.now() - began} ms`);
    if (answer.status !== 200 && answer.status < 500) throw new Error(`checkout: ${answer.status} ${answer.text}`);
    return answer.status === 200 && answer.json.payment.payment_id;
  }, 'the checkout', { every: 200 });
  return { ...sale, paymentId };
}

async function ends(order, state) {
  await untilState(order, state, { timeout: 40_000 }).catch(async (error) => {
    throw new Error(`${error.message}; it is ${await orderState(order)}`);
  });
}

/** A sale with a fault of the provider while the checkout is made. */
const atCheckout = (target, name) => async () => {
  await fault(target, name, { delayMs: name === 'slow' ? 3000 : undefined });
  const { order, paymentId } = await opened();
  await clearFaults();
  await control(paymentId, 'pay');
  await ends(order, DELIVERED);
};

/** A sale whose callbacks meet a fault; the provider repeats what was not answered with 200. */
const atCallbacks = (name, times) => async () => {
  const { order, paymentId } = await opened();
  await fault('callback', name, { times, delayMs: name === 'slow' ? 1500 : undefined });
  await control(paymentId, 'pay');
  await ends(order, DELIVERED);
  await clearFaults();
  await settled(paymentId);
};

/** All callbacks get lost, and the provider stumbles when it is asked instead. */
const lostCallbacks = (name) => async () => {
  const { order, paymentId } = await opened();
  await fault('callback', 'drop', { times: 1000 });
  if (name) await fault('payment-get', name, { times: 2, delayMs: name === 'slow' ? 3000 : undefined });
  await control(paymentId, 'pay');
  // After an answer that was none the next question waits, longer each time; here it does not.
  await until(async () => {
    await rows(`update platform.jobs set due_at = now() where kind = 'payment_check' and key = $1`, [paymentId]);
    return (await orderState(order)) === DELIVERED;
  }, `order ${order.order_id} in ${DELIVERED}`, { timeout: 60_000, every: 500 });
  await clearFaults();
};

/** A payment of some kind, and the state its order ends in. */
const kind = (state, ...actions) => async () => {
  const { order, paymentId } = await opened();
  for (const [action, share] of actions) {
    const { pay_amount: due } = await row('select pay_amount from public.payments where payment_id = $1', [paymentId]);
    await control(paymentId, action, share && { amount: Number((Number(due) * share).toFixed(6)) });
    await settled(paymentId);
  }
  await ends(order, state);
};

async function emptyStock() {
  const { order, product, paymentId } = await opened({ stock: 0 });
  await control(paymentId, 'pay');
  await ends(order, WAITS);
  await addStock(product);
  await ends(order, DELIVERED);
}

const CHECKOUT_FAULTS = ['slow', 'error500', 'drop', 'rate_limit', 'malformed', 'all_strings'];

/** [{promise, name, run}]; what a flow promises is counted under its promise. */
export const FLOWS = [
  ...['invoice', 'invoice-payment'].flatMap((target) => CHECKOUT_FAULTS.map((name) => ({
    promise: 'a checkout outlives the faults of the provider, within its time', name: `${target} ${name}`, run: atCheckout(target, name),
  }))),
  ...['slow', 'drop', 'duplicate', 'reorder', 'bad_signature', 'all_strings', 'malformed'].map((name) => ({
    promise: 'callbacks that are late, lost, repeated, disordered or forged: delivered', name: `callback ${name}`,
    run: atCallbacks(name, name === 'drop' || name === 'bad_signature' || name === 'malformed' ? 4 : 20),
  })),
  ...[undefined, 'error500', 'drop', 'rate_limit', 'slow'].map((name) => ({
    promise: 'no callback comes at all: the provider is asked, and the order completes', name: `lost callbacks ${name ?? ''}`, run: lostCallbacks(name),
  })),
  ...[
    ['paid', kind(DELIVERED, ['pay'])],
    ['paid too much', kind(DELIVERED, ['overpay'])],
    ['paid too little', kind('processing/pending/pending', ['underpay'])],
    ['topped up', kind(DELIVERED, ['underpay'], ['pay_twice', 0.1])],
    ['paid twice', kind(DELIVERED, ['pay'], ['pay_twice', 1])],
    ['expired', kind('failed/failed/pending', ['expire'])],
    ['expired, then paid', kind(DELIVERED, ['expire'], ['late'])],
    ['failed', kind('failed/failed/pending', ['fail'])],
    ['refunded after delivery', kind('refunded/refunded/delivered', ['pay'], ['refund'])],
    ['out of stock', emptyStock],
  ].map(([name, run]) => ({ promise: 'each kind of payment ends as it should', name, run })),
];
