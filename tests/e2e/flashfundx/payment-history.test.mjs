// The evidence about a payment: all of it, in order, for staff and the service key.
// system: shared
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { beforeEach, test } from 'node:test';

import { rows } from '../lib/db.mjs';
import { invoke } from '../lib/http.mjs';
import { ipnBody, postIpn } from '../lib/flashfundx/ipn.mjs';
import { clearFaults, control, settled } from '../lib/flashfundx/sandbox.mjs';
import { credentials, delivered, makeSale, openedSale, reviews, untilState } from '../lib/flashfundx/shop.mjs';
import { deploy, serviceKey } from '../lib/system.mjs';
import { userToken } from '../lib/tokens.mjs';
import { makeStaff, makeUser } from '../lib/users.mjs';

beforeEach(clearFaults);

/** Entries that stay as they are, while mails are still being sent. */
const lasting = (entries) => entries.filter((e) => !/^(mail|delivery)/.test(e.what));
const history = (id, token = serviceKey) => invoke(`payment-history?id=${id}`, { token }, 'GET');

test('evidence: one payment from beginning to end, in order, without credentials', async () => {
  const { order, paymentId, answer } = await openedSale();
  await settled(paymentId);
  await control(paymentId, 'pay');
  await untilState(order, 'completed/paid/delivered');
  await settled(paymentId);
  await rows(
    `insert into public.reviews (kind, order_id, payment_id, state, resolution, resolved_at)
     values ('paid_twice', $1, $2, 'resolved', 'refund noted', now())`,
    [order.order_id, paymentId],
  );
  const [account] = await delivered(order);

  const got = await history(order.order_id);
  assert.equal(got.status, 200, got.text);
  const { entries, orders, payments, transactions, deliveries } = got.json.history;
  const times = entries.map((e) => e.at);
  assert.deepEqual(times, [...times].sort(), 'in order of time');
  const whats = new Set(entries.map((e) => e.what));
  for (const what of [
    'order',
    'attempt',
    'attempt_open',
    'payment',
    'event',
    'transition',
    'order_paid',
    'transaction',
    'transaction_completed',
    'delivery',
    'review',
    'review_resolved',
    'staff',
  ])
    assert.ok(whats.has(what), `${what} in ${[...whats]}`);

  const told = entries.filter((e) => e.what === 'event');
  assert.deepEqual(
    told.map((e) => e.detail.status),
    ['waiting', 'confirming', 'confirmed', 'sending', 'finished'],
  );
  for (const { detail } of told) {
    assert.equal(detail.proof, 'signature verified on arrival');
    assert.equal(JSON.parse(detail.raw).order_id, order.order_id);
    assert.equal(detail.raw_sha256_now, createHash('sha256').update(detail.raw).digest('hex'));
  }
  assert.deepEqual(
    entries.filter((e) => e.what === 'transition').map((e) => [e.detail.from, e.detail.to]),
    [
      [null, 'waiting'],
      ['waiting', 'confirming'],
      ['confirming', 'confirmed'],
      ['confirmed', 'sending'],
      ['sending', 'finished'],
    ],
  );
  const index = (what) => entries.findIndex((e) => e.what === what);
  assert.ok(index('order') < index('attempt') && index('attempt') < index('payment'));
  assert.ok(index('order_paid') < index('delivery'));

  assert.equal(orders[0].order_status, 'completed');
  assert.equal(payments[0].payment_id, paymentId);
  assert.equal(transactions[0].status, 'completed');
  assert.deepEqual([deliveries[0].login_id, deliveries[0].password, deliveries[0].investor_password], [
    '***',
    '***',
    '***',
  ]);
  const { password, investor_password: investor } = await credentials(order);
  for (const secret of [account.login_id, account.password, account.investor_password, password, investor])
    assert.ok(!got.text.includes(secret), 'no credentials');

  // By payment and by invoice: the same.
  const invoice = new URL(answer.json.invoice_url).searchParams.get('iid');
  for (const id of [paymentId, invoice]) {
    const same = await history(id);
    assert.equal(same.status, 200, `${id}: ${same.text}`);
    assert.deepEqual(lasting(same.json.history.entries), lasting(entries));
  }

  const text = await deploy('payment', order.order_id);
  assert.equal(text.status, 0, text.stderr);
  assert.match(text.stdout, new RegExp(`^order ${order.order_id}: completed/paid/delivered`, 'm'));
  assert.match(text.stdout, /^\d{4}-\d\d-\d\dT[\d:.]+Z {2}transition .*to=finished/m);
  assert.match(text.stdout, /raw: \{"actually_paid"/);
  assert.ok(!text.stdout.includes(account.password) && !text.stdout.includes(password));
  const json = await deploy('payment', paymentId, '--json');
  assert.deepEqual(lasting(JSON.parse(json.stdout).entries), lasting(entries));
  const none = await deploy('payment', 'FFX000000000');
  assert.equal(none.status, 1);
  assert.match(none.stderr, /nothing is known/);
});

test('evidence of a payment without an order, and with reviews', async () => {
  const body = ipnBody({ order_id: 'FFX999999999', final_amount: '1.00' }, 'finished');
  await postIpn(body);
  const got = await history(body.payment_id);
  assert.equal(got.status, 200, got.text);
  assert.deepEqual(got.json.history.orders, []);
  assert.deepEqual(
    lasting(got.json.history.entries).map((e) => e.what),
    ['event', 'review'],
  );
  const { order } = await makeSale();
  await postIpn(ipnBody(order, 'finished', { actually_paid: 1 }));
  assert.deepEqual(await reviews(order), ['underpaid']);
  const { entries } = (await history(order.order_id)).json.history;
  assert.ok(entries.some((e) => e.what === 'review' && e.detail.kind === 'underpaid'));
});

test('a history of 5 MB is answered whole', async () => {
  const { order } = await makeSale({ stock: 0 });
  for (let i = 0; i < 100; i++)
    assert.equal((await postIpn(ipnBody(order, 'waiting', { order_description: 'x'.repeat(50_000) }))).status, 200);
  const got = await history(order.order_id);
  assert.equal(got.status, 200, got.text.slice(0, 200));
  assert.equal(got.json.history.entries.filter((e) => e.what === 'event').length, 100);
  assert.ok(got.text.length > 5_000_000, `${got.text.length} bytes`);
});

test('evidence is for support, finance and owners, whose duty the table knows', async () => {
  const { order } = await makeSale();
  for (const duty of ['support', 'finance']) {
    const { token } = await makeStaff(duty);
    assert.equal((await history(order.order_id, token)).json.history?.orders.length, 1, duty);
    assert.equal((await history('FFX000000000', token)).status, 404, duty);
  }
  const user = await makeUser();
  const pretender = userToken({ ...user, role: 'staff' }), { token } = await makeStaff('inventory');
  for (const one of [pretender, token]) {
    const refused = await history(order.order_id, one);
    assert.deepEqual([refused.status, refused.json.error], [403, 'For support and finance only']);
  }
  const former = await makeStaff('finance');
  assert.equal((await history(order.order_id, former.token)).status, 200);
  await rows('delete from platform.administrators where email = $1', [former.email]);
  assert.equal((await history(order.order_id, former.token)).status, 403, 'at once, with the same token');
});

test('evidence is not for customers, and 404 for what nobody knows', async () => {
  const { order } = await makeSale();
  const user = await makeUser();
  assert.equal((await history(order.order_id, user.token)).status, 403);
  assert.equal((await history(order.order_id, 'nonsense')).status, 401);
  assert.equal((await invoke(`payment-history?id=${order.order_id}`, {}, 'GET')).status, 401);
  for (const id of ['FFX000000000', '1', "x'--", '%00', 'x'.repeat(100)]) {
    const answer = await history(encodeURIComponent(id));
    assert.equal(answer.status, 404, id);
    assert.deepEqual(answer.json, { success: false, error: 'Payment not found' });
  }
  const none = await history('');
  assert.deepEqual([none.status, none.json.error], [400, 'Missing required parameters: id']);
  assert.equal((await invoke('payment-history?id=1', { token: serviceKey })).status, 405);
});
