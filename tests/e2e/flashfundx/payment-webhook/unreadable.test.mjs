// Genuine callbacks that nobody can read: refused, and kept as they came, once, for a human.
// system: shared
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';

import { row, rows } from '../../lib/db.mjs';
import { hmac, ipnBody, paymentId, postIpn, sign } from '../../lib/flashfundx/ipn.mjs';
import { events, makeSale, orderState } from '../../lib/flashfundx/shop.mjs';
import { callback, kept, startKeeping, withoutDatabase } from '../../lib/flashfundx/spool.mjs';
import { until } from '../../lib/wait.mjs';
import { answered } from './answers.mjs';

/** What is kept of this body, byte for byte. */
const keptOf = (body) =>
  rows('select reason, source, payment_id, order_id from public.unapplied_callbacks where raw = $1', [Buffer.from(body)]);
const reviewsOf = (order) =>
  rows("select kind, payment_id, detail->>'reason' as reason from public.reviews where order_id = $1", [order.order_id]);

const unreadable = {
  'payment_id is none': [{ payment_id: null }, 'payment_id is missing'],
  'payment_id is missing': [{ payment_id: undefined }, 'payment_id is missing'],
  'payment_id is a word': [{ payment_id: 'abc' }, 'payment_id has the wrong form'],
  'payment_id is an object': [{ payment_id: {} }, 'payment_id has the wrong form'],
  'payment_id is too long': [{ payment_id: '1'.repeat(65) }, 'payment_id has the wrong form'],
  'payment_status is missing': [{ payment_status: undefined }, 'payment_status is missing'],
  'payment_status is a list': [{ payment_status: ['finished'] }, 'payment_status has the wrong form'],
  'pay_amount is a word': [{ pay_amount: 'much' }, 'pay_amount has the wrong form'],
  'actually_paid is a list': [{ actually_paid: [1] }, 'actually_paid has the wrong form'],
  'price_amount is an object': [{ price_amount: {} }, 'price_amount has the wrong form'],
  'pay_currency is a truth': [{ pay_currency: true }, 'pay_currency has the wrong form'],
  'parent_payment_id is a word': [{ parent_payment_id: 'x' }, 'parent_payment_id has the wrong form'],
};
for (const [what, [more, reason]] of Object.entries(unreadable)) {
  test(`${what}: 400 each time, kept once with its reason, applied never`, async () => {
    const { order } = await makeSale();
    const body = ipnBody(order, 'finished', more), text = JSON.stringify(body);
    for (let i = 0; i < 3; i++) answered(await postIpn(body), 400, 'Invalid payload');
    const found = await keptOf(text);
    assert.equal(found.length, 1);
    assert.deepEqual([found[0].reason, found[0].source, found[0].order_id], [`payment field ${reason}`, 'ipn', order.order_id]);
    assert.deepEqual((await reviewsOf(order)).map((r) => [r.kind, r.reason]), [['callback_unreadable', `payment field ${reason}`]]);
    assert.deepEqual(await events(order), []);
    assert.equal(await orderState(order), 'pending/pending/pending');
  });
}

test('an order_id that is none is kept under its payment', async () => {
  const { order } = await makeSale();
  const body = ipnBody(order, 'finished', { order_id: { a: 1 } });
  answered(await postIpn(body), 400, 'Invalid payload');
  const [found] = await keptOf(JSON.stringify(body));
  assert.deepEqual([found.payment_id, found.order_id], [String(body.payment_id), null]);
  const review = await row('select kind from public.reviews where payment_id = $1', [String(body.payment_id)]);
  assert.equal(review.kind, 'callback_unreadable');
});

test('whatever is signed as it stands is kept, also what is no object, no JSON and no text', async () => {
  const mark = paymentId();
  for (const body of [
    `[${mark}]`, `"text ${mark}"`, `${mark}`, `{"n":${mark},"payment_id":1,"payment_id":2}`, `{"n":${mark}}x`, `x${mark}`,
    Buffer.from([0, 0xff, ...Buffer.from(`${mark}`)]),
  ]) {
    for (let i = 0; i < 2; i++) answered(await postIpn(body, { signature: hmac(body) }), 400, 'Invalid payload');
    assert.equal((await keptOf(body)).length, 1, String(body));
    answered(await postIpn(body, { signature: hmac(body, 'x') }), 400, 'Invalid payload');
  }
});

test('of no payment, as of a payout: 200, kept once, and nobody is asked', async () => {
  const body = JSON.stringify({ id: String(paymentId()), batch_withdrawal_id: '987654321', status: 'FINISHED', currency: 'trx' });
  for (let i = 0; i < 2; i++) answered(await postIpn(body, { signature: sign(JSON.parse(body)) }), 200);
  assert.deepEqual((await keptOf(body)).map((c) => c.reason), ['it is of no payment']);
  assert.equal((await row("select count(*)::int as n from public.reviews where detail->>'reason' = 'it is of no payment'")).n, 0);
});

test('what nobody signed is not kept', async () => {
  const { order } = await makeSale();
  const body = ipnBody(order, 'finished', { pay_amount: 'much' });
  answered(await postIpn(body, { secret: 'x' }), 401, 'Invalid signature');
  assert.deepEqual(await keptOf(JSON.stringify(body)), []);
  assert.deepEqual(await reviewsOf(order), []);
});

test('over the limit it stays refused', async () => {
  const { order } = await makeSale();
  const body = JSON.stringify(ipnBody(order, 'finished', { pay_amount: 'much', x: 'x'.repeat(65_536) }));
  assert.equal((await postIpn(body, { signature: hmac(body) })).status, 413);
  assert.deepEqual(await keptOf(body), []);
});

test('while the database is away the disk keeps it, and then it is kept once', async () => {
  const { order } = await makeSale();
  const one = callback(order, 'finished', { payment_id: paymentId(), pay_amount: 'much' });
  const fn = await startKeeping();
  try {
    await withoutDatabase(async () => {
      for (let i = 0; i < 2; i++) assert.equal((await one.send(fn)).status, 400);
      assert.equal(kept(fn).length, 2);
    });
    await until(() => kept(fn).length === 0, 'nothing waits any more', { timeout: 15_000 });
    assert.equal((await keptOf(one.text)).length, 1);
    assert.deepEqual((await reviewsOf(order)).map((r) => r.kind), ['callback_unreadable']);
  } finally {
    await fn.stop();
    rmSync(fn.state, { recursive: true, force: true });
  }
});

test('neither the database nor the disk has it: 503, to be sent again', async () => {
  const { order } = await makeSale();
  const fn = await startKeeping({ CALLBACK_SPOOL: '0' });
  try {
    await withoutDatabase(async () => assert.equal((await callback(order, 'finished', { pay_amount: 'much' }).send(fn)).status, 503));
  } finally {
    await fn.stop();
    rmSync(fn.state, { recursive: true, force: true });
  }
});
