// What payment-webhook answers, and what a callback may change.
import assert from 'node:assert/strict';

import { row } from '../../lib/db.mjs';
import { ipnBody, postIpn } from '../../lib/flashfundx/ipn.mjs';
import { delivered, orderRow, transactions } from '../../lib/flashfundx/shop.mjs';

export const thanks = { success: true, message: 'Webhook processed successfully' };

/** Thanked, or refused with these words. */
export function answered(answer, status, json) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(answer.json, status === 200 ? thanks : { success: false, error: json });
}

/** Post a callback that must be taken; returns its body. */
export async function post(order, status, more) {
  const body = ipnBody(order, status, more);
  answered(await postIpn(body), 200);
  return body;
}

/** What a callback may change, to compare before and after. */
export const picture = async (order) => ({
  order: await orderRow(order),
  delivered: await delivered(order),
  books: await transactions(order),
  profile: await row('select total_orders, total_spent from public.user_profiles where id = $1', [
    order.user_id,
  ]),
});
