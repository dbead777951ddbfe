// Money that comes differently than agreed: pieces, too much, too late, paid back; and what staff
// decides about it.
// system: shared
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { as, row, rows } from '../lib/db.mjs';
import { clearFaults, control, settled } from '../lib/flashfundx/sandbox.mjs';
import {
  addStock,
  delivered,
  makeSale,
  openedSale,
  orderState,
  reviews,
  transactions,
  untilState,
} from '../lib/flashfundx/shop.mjs';
import { userClaims } from '../lib/tokens.mjs';
import { makeStaff } from '../lib/users.mjs';
import { post } from './payment-webhook/answers.mjs';

beforeEach(clearFaults);

const open = async (order) =>
  (
    await rows(`select kind from public.reviews where order_id = $1 and state = 'open' order by kind`, [
      order.order_id,
    ])
  ).map((r) => r.kind);

/** An order with one open review of 10 % of the money: {order, id, payment}. */
async function underpaid(options) {
  const { order, product } = await makeSale(options);
  const { payment_id: payment } = await post(order, 'finished', { pay_amount: 100, actually_paid: 10 });
  const { id } = await row('select id from public.reviews where order_id = $1', [order.order_id]);
  return { order, product, id, payment };
}

const claims = async () => userClaims(await makeStaff('finance'));

/** Decide a review as somebody; what the data API would answer. */
const decide = (who, id, action, note = 'e2e') =>
  as(who, async (query) => {
    const [{ result }] = await query('select public.resolve_review($1, $2, $3) as result', [id, action, note]);
    return typeof result === 'string' ? JSON.parse(result) : result;
  });

const account = async (order) => (await delivered(order))[0];

test('sandbox, underpaid and topped up: the second transfer completes the order', async () => {
  const { order, paymentId } = await openedSale();
  await control(paymentId, 'underpay');
  await settled(paymentId);
  assert.equal(await orderState(order), 'processing/pending/pending');
  const { pay_amount: due } = await row('select pay_amount from public.payments where payment_id = $1', [
    paymentId,
  ]);
  await control(paymentId, 'pay_twice', { amount: Number((Number(due) * 0.1).toFixed(6)) });
  await settled(paymentId);
  await untilState(order, 'completed/paid/delivered');
  assert.deepEqual(await open(order), []);
  assert.deepEqual(
    (await transactions(order)).map((t) => `${t.transaction_type} ${t.status} ${t.amount}`),
    ['payment completed 149.00'],
  );
  assert.equal((await delivered(order)).length, 1);
});

test('a top-up that is not enough stays with the staff', async () => {
  const { order } = await makeSale();
  const { payment_id: parent } = await post(order, 'partially_paid', { pay_amount: 100, actually_paid: 50 });
  await post(order, 'finished', {
    parent_payment_id: parent,
    pay_amount: 48.99,
    actually_paid: 48.99,
    price_amount: 73,
  });
  assert.equal(await orderState(order), 'processing/pending/pending');
  assert.deepEqual(await open(order), ['child_payment', 'partially_paid']);
  await post(order, 'finished', {
    parent_payment_id: parent,
    pay_amount: 0.01,
    actually_paid: 0.01,
    price_amount: 0.01,
    outcome_amount: 0.0149, // what the parent's rate says
  });
  assert.equal(await orderState(order), 'completed/paid/delivered');
  assert.deepEqual(await open(order), []);
});

test('sandbox, refunded after delivery: the account is suspended', async () => {
  const { order, paymentId } = await openedSale();
  await control(paymentId, 'pay');
  await untilState(order, 'completed/paid/delivered');
  assert.equal((await account(order)).account_status, 'active');
  await control(paymentId, 'refund');
  await untilState(order, 'refunded/refunded/delivered');
  assert.equal((await account(order)).account_status, 'suspended');
  assert.deepEqual(await open(order), ['refunded_after_delivery']);
});

test('accept: delivered once, however often it is said and by how many', async () => {
  const staff = await claims();
  const { order, id } = await underpaid({ stock: 3 });
  const answers = await Promise.all(Array.from({ length: 6 }, () => decide(staff, id, 'accept')));
  assert.equal(answers.filter((a) => a.success && !a.already_resolved).length, 1, JSON.stringify(answers));
  assert.equal(answers.filter((a) => a.success && a.already_resolved).length, 5);
  assert.equal(await orderState(order), 'completed/paid/delivered');
  assert.equal((await delivered(order)).length, 1);
  assert.deepEqual(await open(order), []);
  const audit = await rows(
    `select * from public.admin_audit_log where action_type = 'RESOLVE_REVIEW' and record_id = $1`,
    [id],
  );
  assert.deepEqual(
    audit.map((a) => [a.admin_email, a.old_values.order, a.new_values.order, a.new_values.note]),
    [[staff.email, 'processing/pending/pending', 'completed/paid/delivered', 'e2e']],
  );
});

test('accept without stock: waits, and completes when there is some', async () => {
  const { order, product, id } = await underpaid({ stock: 0 });
  const answer = await decide(await claims(), id, 'accept');
  assert.equal(answer.order, 'processing/paid/pending');
  await addStock(product);
  await untilState(order, 'completed/paid/delivered');
});

test('accept and a late "finished" at once: one account', async () => {
  const { order, id, payment } = await underpaid({ stock: 3 });
  const staff = await claims();
  await Promise.all([
    decide(staff, id, 'accept'),
    post(order, 'finished', { payment_id: payment, pay_amount: 100, actually_paid: 100 }),
  ]);
  assert.equal(await orderState(order), 'completed/paid/delivered');
  assert.equal((await delivered(order)).length, 1);
  assert.equal((await transactions(order)).length, 1);
});

test('refund_noted: refunded once, and the provider saying so adds nothing', async () => {
  const { order, id, payment } = await underpaid();
  const staff = await claims();
  assert.equal((await decide(staff, id, 'refund_noted')).order, 'refunded/refunded/pending');
  assert.equal((await decide(staff, id, 'refund_noted')).already_resolved, true);
  await post(order, 'refunded', { payment_id: payment, pay_amount: 100, actually_paid: 10 });
  assert.equal(await orderState(order), 'refunded/refunded/pending');
  assert.equal((await transactions(order)).filter((t) => t.transaction_type === 'refund').length, 1);
  assert.deepEqual(await delivered(order), []);
});

test('cancel: cancelled once; another decision comes too late', async () => {
  const { order, id } = await underpaid();
  const staff = await claims();
  assert.equal((await decide(staff, id, 'cancel')).order, 'cancelled/pending/pending');
  assert.equal((await decide(staff, id, 'cancel')).already_resolved, true);
  const other = await decide(staff, id, 'accept');
  assert.deepEqual([other.success, other.error], [false, 'Review already resolved']);
  assert.equal(await orderState(order), 'cancelled/pending/pending');
  assert.deepEqual(await delivered(order), []);
});

test('customers decide nothing', async () => {
  const { order, id } = await underpaid();
  const customer = { sub: order.user_id, role: 'authenticated' };
  await assert.rejects(decide(customer, id, 'accept'), { code: '42501' });
  await assert.rejects(decide({ role: 'anon' }, id, 'accept'), { code: '42501' });
  assert.equal(await orderState(order), 'processing/pending/pending');
  assert.deepEqual(await reviews(order), ['underpaid']);
});
