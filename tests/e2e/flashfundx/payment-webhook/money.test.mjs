// Callbacks of the provider that tell of money that is not right.
// system: shared
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { rows } from '../../lib/db.mjs';
import { clearFaults } from '../../lib/flashfundx/sandbox.mjs';
import { delivered, makeOrder, makeSale, orderState, reviews, transactions } from '../../lib/flashfundx/shop.mjs';
import { post } from './answers.mjs';

beforeEach(clearFaults);

test('paid 99 % of the amount delivers; a hair less does not, and a human looks', async () => {
  const enough = await makeSale();
  await post(enough.order, 'finished', { pay_amount: 100, actually_paid: 99 });
  assert.equal(await orderState(enough.order), 'completed/paid/delivered');

  const short = await makeSale();
  for (const status of ['confirmed', 'sending', 'finished'])
    await post(short.order, status, {
      payment_id: 77_000_000 + Number(short.order.order_id.slice(3)),
      pay_amount: 100,
      actually_paid: '98.99999999',
    });
  assert.equal(await orderState(short.order), 'processing/pending/pending');
  assert.deepEqual(await reviews(short.order), ['underpaid']);
  assert.equal((await transactions(short.order))[0].status, 'processing');
});

const suspicious = {
  'nothing paid': [{ actually_paid: 0 }, 'underpaid'],
  'another price currency': [{ price_currency: 'eur' }, 'price_currency'],
  "a price below the order's": [{ price_amount: 148.99 }, 'price_amount'],
  'a price of one cent': [{ price_amount: 0.01 }, 'price_amount'],
  'no word about what was paid': [{ actually_paid: null }, 'amount_unknown'],
  'a child payment': [{ parent_payment_id: 4870885867 }, 'child_payment'],
};
for (const [what, [more, kind]] of Object.entries(suspicious)) {
  test(`finished with ${what}: never delivered, flagged for review`, async () => {
    const { order } = await makeSale({ price: '149.00' });
    await post(order, 'finished', more);
    assert.match(await orderState(order), /^(pending|processing)\/pending\/pending$/);
    assert.deepEqual(await reviews(order), [kind]);
    assert.deepEqual(await delivered(order), []);
  });
}

test("a price above the order's, or more paid than asked, delivers", async () => {
  for (const more of [{ price_amount: 149.01 }, { actually_paid: 22 }, { price_currency: 'USD' }]) {
    const { order } = await makeSale({ price: '149.00' });
    await post(order, 'finished', more);
    assert.equal(await orderState(order), 'completed/paid/delivered');
  }
});

test("partially paid, then the shop's staff lets it count: finished in full delivers", async () => {
  const { order } = await makeSale();
  const { payment_id: id } = await post(order, 'partially_paid', { actually_paid: 6 });
  assert.deepEqual(await reviews(order), ['partially_paid']);
  await post(order, 'finished', { payment_id: id });
  assert.equal(await orderState(order), 'completed/paid/delivered');
});

test('a status that nobody documented is stored, acknowledged and flagged', async () => {
  const { order } = await makeSale();
  await post(order, 'wrong_asset_confirmed');
  assert.equal(await orderState(order), 'pending/pending/pending');
  assert.deepEqual(await reviews(order), ['unknown_status']);
});

test('paid twice through two payments: one account, and a human looks at the second', async () => {
  const { order } = await makeSale({ stock: 2 });
  await post(order, 'finished');
  await post(order, 'finished');
  assert.equal((await delivered(order)).length, 1);
  assert.deepEqual(await reviews(order), ['paid_twice']);
});

test('a payment known for one order pays no other', async () => {
  const first = await makeSale({ stock: 2 });
  const second = await makeOrder(first.user, first.product);
  const { payment_id: id } = await post(first.order, 'confirming');
  await post(second, 'finished', { payment_id: id });
  assert.equal(await orderState(second), 'pending/pending/pending');
  assert.deepEqual(await reviews(second), ['payment_of_other_order']);
});

test('one of two payments fails while the other lives: the order stays open', async () => {
  const { order } = await makeSale();
  const { payment_id: alive } = await post(order, 'waiting');
  await post(order, 'expired');
  assert.equal(await orderState(order), 'processing/pending/pending');
  await post(order, 'finished', { payment_id: alive });
  assert.equal(await orderState(order), 'completed/paid/delivered');
});

test("a cancelled order is not delivered behind the shop's back", async () => {
  const { order } = await makeSale();
  await rows(`update public.orders set order_status = 'cancelled' where order_id = $1`, [order.order_id]);
  await post(order, 'finished');
  assert.equal(await orderState(order), 'cancelled/pending/pending');
  assert.deepEqual(await reviews(order), ['order_closed']);
});
