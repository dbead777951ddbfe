// The NOWPayments sandbox: what a payer, a blockchain and the provider's staff would do, and the
// faults a test orders.  What the sandbox remembers is read from its tables.
import assert from 'node:assert/strict';

import { row, rows, value } from '../db.mjs';
import { call } from '../http.mjs';
import { until } from '../wait.mjs';

/** pay, underpay, overpay, expire, late, fail, refund, finish_by_hand, pay_twice, wrong_asset, … */
export async function control(paymentId, action, body) {
  const answer = await call(
    'POST',
    `/sandbox/v1/_control/payments/${paymentId}/${action}`,
    body === undefined ? {} : { body },
  );
  assert.ok(answer.status < 300, `sandbox ${action}: ${answer.status} ${answer.text}`);
  return answer.json;
}

/**
 * The next `times` calls of a target (invoice, invoice-payment, payment-get, status, callback, …) meet a fault:
 * slow, error500, drop, rate_limit, all_strings, malformed; for callbacks also duplicate, reorder, bad_signature.
 */
export async function fault(target, name, { times = 1, delayMs } = {}) {
  const answer = await call('POST', '/sandbox/v1/_control/faults', {
    body: { target, fault: name, times, delay_ms: delayMs },
  });
  assert.equal(answer.status, 201, answer.text);
}
export async function clearFaults() {
  const answer = await call('DELETE', '/sandbox/v1/_control/faults');
  assert.equal(answer.status, 200, answer.text);
}

/** {invoices[], payments[]} that the provider has for an order. */
export const providerState = async (order) =>
  JSON.parse(await value('select state from sandbox.order_state($1)', [order.order_id]));
/** One payment with its callbacks and their tries, and its children. */
export const providerPayment = async (paymentId) =>
  JSON.parse(await value('select state from sandbox.payment_state($1)', [paymentId]));
/** Where the log of API calls stands now; pass it to `calls`. */
export const mark = async () => Number(await value('select coalesce(max(id), 0) from sandbox.api_log'));
/** API calls since a mark whose path is LIKE the pattern. */
export const calls = (since, like = '%') =>
  rows(
    'select id, method, path, body, fault from sandbox.api_log where id > $1 and path like $2 order by id',
    [since, like],
  );

/** Nothing left to move or to send for this payment and its children. */
export const settled = (paymentId, options) =>
  until(
    async () => {
      const busy = await row(
        `select (select count(*) from sandbox.payments where (id = $1 or parent_id = $1) and next_step_at is not null)
            + (select count(*) from sandbox.callbacks as c join sandbox.payments as p on p.id = c.payment_id
               where (p.id = $1 or p.parent_id = $1) and c.state = 'waiting') as n`,
        [paymentId],
      );
      return Number(busy.n) === 0;
    },
    `payment ${paymentId} settled at the provider`,
    options,
  );
