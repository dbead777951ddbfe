// Callbacks of the provider: which are believed, and what they do to an order.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, test } from 'node:test';

import { as, row, rows, value } from '../../lib/db.mjs';
import { call, invoke } from '../../lib/http.mjs';
import { canonical, hmac, ipnBody, paymentId, postIpn, sign } from '../../lib/flashfundx/ipn.mjs';
import { clearFaults, control, fault, providerPayment, settled } from '../../lib/flashfundx/sandbox.mjs';
import {
  addStock,
  checkout,
  delivered,
  events,
  makeOrder,
  makeProduct,
  makeSale,
  orderRow,
  orderState,
  reviews,
  transactions,
  untilState,
  waiting,
} from '../../lib/flashfundx/shop.mjs';
import { clone, env } from '../../lib/system.mjs';
import { makeUser } from '../../lib/users.mjs';

beforeEach(clearFaults);

const thanks = { success: true, message: 'Webhook processed successfully' };
const vectors = JSON.parse(readFileSync(join(clone, 'tests/unit/data/nowpayments-ipn-vectors.json'), 'utf8'));

function answered(answer, status, json) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(answer.json, status === 200 ? thanks : { success: false, error: json });
}

/** Post a callback that must be taken; returns its body. */
async function post(order, status, more) {
  const body = ipnBody(order, status, more);
  answered(await postIpn(body), 200);
  return body;
}

/** What a callback may change, to compare before and after. */
const picture = async (order) => ({
  order: await orderRow(order),
  delivered: await delivered(order),
  books: await transactions(order),
  profile: await row('select total_orders, total_spent from public.user_profiles where id = $1', [
    order.user_id,
  ]),
});

// ---- signatures ----

for (const vector of vectors) {
  test(`signature vector ${vector.name}: accepted when the system's secret made it, refused with another's`, async () => {
    const mine = await postIpn(vector.body, { signature: hmac(vector.canonical) });
    // An unknown order proves that the signature was believed.
    if (vector.name === 'payout-webhook-no-payment-id') answered(mine, 200);
    else answered(mine, 404, 'Order not found');
    answered(await postIpn(vector.body, { signature: vector.signature }), 401, 'Invalid signature');
  });
}

// Ways of signing that go round in integrations and are wrong.
const wrongForms = {
  js_top_level_sort: (body) =>
    JSON.stringify(
      Object.fromEntries(
        Object.keys(body)
          .sort()
          .map((key) => [key, body[key]]),
      ),
    ),
  docs_old_array_replacer: (body) => JSON.stringify(body, Object.keys(body).sort()),
};

test("bodies signed in another form than the provider's are refused", async () => {
  let tried = 0;
  for (const vector of vectors) {
    for (const [form, spell] of Object.entries(wrongForms)) {
      if (!(form in vector.differ)) continue;
      const text = spell(JSON.parse(vector.body));
      assert.equal(
        hmac(text, vector.secret),
        vector.differ[form],
        `${vector.name}: ${form} is spelled as the vectors say`,
      );
      answered(await postIpn(vector.body, { signature: hmac(text) }), 401, 'Invalid signature');
      tried++;
    }
  }
  assert.ok(tried >= 10);
});

test('no signature, or one that is none, is 401 and leaves no trace', async () => {
  const { order } = await makeSale();
  const body = ipnBody(order, 'finished');
  const good = sign(body);
  const wrong = {
    missing: null,
    empty: '',
    short: good.slice(0, -2),
    long: `${good}00`,
    'no hex': good.replace(/./, 'x'),
    zeros: '0'.repeat(128),
    'one bit': (good[0] === '0' ? '1' : '0') + good.slice(1),
    'another secret': sign(body, 'x'),
    'empty secret': sign(body, ''),
    prefixed: `sha512=${good}`,
    'of another body': sign({ ...body, price_amount: 1 }),
    sha256: good.slice(0, 64),
    base64: Buffer.from(good, 'hex').toString('base64'),
  };
  for (const [what, signature] of Object.entries(wrong)) {
    const answer = await postIpn(body, { signature });
    assert.equal(answer.status, 401, `${what}: ${answer.text}`);
    assert.deepEqual(answer.json, { success: false, error: 'Invalid signature' }, what);
  }
  assert.deepEqual(await events(order), []);
  assert.equal(await orderState(order), 'pending/pending/pending');
});

test('a signed body that was changed afterwards is 401, whatever was changed', async () => {
  const { order } = await makeSale();
  const body = ipnBody(order, 'waiting', { actually_paid: 0 });
  const signature = sign(body);
  const changes = [
    { payment_status: 'finished' },
    { actually_paid: 10.99726171 },
    { order_id: 'FFX000000001' },
    { price_amount: 0.01 },
    { extra: 1 },
    { fee: { ...body.fee, serviceFee: 0 } },
    { pay_amount: '10.99726171' },
    { parent_payment_id: 1 },
    { payin_extra_id: undefined },
  ];
  for (const change of changes)
    answered(await postIpn({ ...body, ...change }, { signature }), 401, 'Invalid signature');
  assert.deepEqual(await events(order), []);
});

test("the signature in capitals, the body in another layout or order: still the provider's", async () => {
  const { order } = await makeSale({ stock: 0 });
  const body = ipnBody(order, 'waiting');
  answered(await postIpn(body, { signature: sign(body).toUpperCase() }), 200);
  const other = ipnBody(order, 'waiting');
  answered(await postIpn(JSON.stringify(other, null, 2), { signature: sign(other) }), 200);
  const reversed = Object.fromEntries(Object.entries(ipnBody(order, 'waiting')).reverse());
  answered(await postIpn(reversed), 200);
  assert.equal((await events(order)).length, 3);
});

test('the secret before the last change is still accepted', async () => {
  const { order } = await makeSale({ stock: 0 });
  answered(await postIpn(ipnBody(order, 'waiting'), { secret: env.NOWPAYMENTS_IPN_SECRET_PREVIOUS }), 200);
  answered(await postIpn(ipnBody(order, 'confirming')), 200);
  assert.deepEqual(
    (await events(order)).map((e) => e.source),
    ['ipn_previous', 'ipn'],
    'and the event says which one it was',
  );
});

test('no key, no token and no content type of ours is asked for', async () => {
  const { order } = await makeSale({ stock: 0 });
  for (const headers of [
    {},
    { 'content-type': 'text/plain' },
    { 'content-type': 'application/json; charset=utf-8' },
    { authorization: 'Bearer nonsense', apikey: 'x' },
  ]) {
    answered(await postIpn(ipnBody(order, 'waiting'), { headers }), 200);
  }
});

// ---- bodies ----

test('what is no JSON object is 400, signed or not', async () => {
  for (const body of [
    '',
    'x',
    '{',
    '[]',
    '"text"',
    'null',
    '1',
    '{"payment_id":1,"payment_id":2}',
    '{"a":1}x',
    '{"a":01}',
    `${'['.repeat(500)}${']'.repeat(500)}`,
  ]) {
    answered(await postIpn(body, { signature: hmac(body) }), 400, 'Invalid payload');
    answered(await postIpn(body, { signature: null }), 400, 'Invalid payload');
  }
});

test('a genuine body without what matters, or with it in a wrong form, is 400', async () => {
  const { order } = await makeSale();
  for (const more of [
    { payment_id: null },
    { payment_id: '' },
    { payment_id: 'abc' },
    { payment_id: -5 },
    { payment_id: 1.5 },
    { payment_id: {} },
    { payment_status: null },
    { payment_status: undefined },
    { payment_status: '' },
    { payment_status: ['finished'] },
    { pay_amount: 'much' },
    { actually_paid: [1] },
    { price_amount: {} },
    { order_id: { a: 1 } },
  ]) {
    answered(await postIpn(ipnBody(order, 'finished', more)), 400, 'Invalid payload');
  }
  assert.deepEqual(await events(order), []);
});

test('an order that does not exist is 404, and the event is kept for a human', async () => {
  const body = ipnBody({ order_id: 'FFX000000000', final_amount: 1 }, 'finished', {
    order_id: '{"id": "not ours", "n": 1}',
  });
  answered(await postIpn(body), 404, 'Order not found');
  const kept = await rows('select outcome, order_id, raw from public.payment_events where payment_id = $1', [
    String(body.payment_id),
  ]);
  assert.equal(kept.length, 1);
  assert.equal(kept[0].outcome, 'order_not_found');
  assert.equal(
    await value('select count(*)::int from public.reviews where payment_id = $1', [String(body.payment_id)]),
    1,
  );
});

test('the body is stored byte for byte', async () => {
  const { order } = await makeSale({ stock: 0 });
  const body = ipnBody(order, 'waiting', { order_description: 'Grüße "/" <b> \\ 😀 \u0007' });
  const text = `  ${JSON.stringify(body, null, 1)}\n`;
  answered(await postIpn(text, { signature: sign(body) }), 200);
  const [event] = await events(order);
  assert.equal(event.raw, text);
  assert.equal(event.source, 'ipn');
});

test('numbers keep their digits: from 18 decimals to exponents', async () => {
  for (const [pay, digits] of [
    [2.7e-7, '0.00000027'],
    ['0.000000000000000001', '0.000000000000000001'],
    [1.5e15, '1500000000000000'],
    [123456789.12345679, '123456789.12345679'],
    ['10.100', '10.100'],
  ]) {
    const { order } = await makeSale({ stock: 0 });
    await post(order, 'confirming', { pay_amount: pay, actually_paid: pay });
    const p = await row('select pay_amount, actually_paid from public.payments where order_id = $1', [
      order.order_id,
    ]);
    assert.equal(p.pay_amount, digits);
    assert.equal(p.actually_paid, digits);
  }
});

test('the account option "all strings": every number arrives as a string', async () => {
  const { order } = await makeSale();
  const strings = (v) =>
    typeof v === 'number'
      ? String(v)
      : v && typeof v === 'object'
        ? Object.fromEntries(Object.entries(v).map(([k, w]) => [k, strings(w)]))
        : v;
  answered(await postIpn(strings(ipnBody(order, 'finished'))), 200);
  assert.equal(await orderState(order), 'completed/paid/delivered');
});

// ---- the table of the contract ----

const table = [
  ['waiting', 'processing/pending/pending'],
  ['confirming', 'processing/pending/pending'],
  ['confirmed', 'processing/paid/pending'],
  ['sending', 'processing/paid/pending'],
  ['spending', 'processing/paid/pending'],
  ['finished', 'completed/paid/delivered'],
  ['partially_paid', 'processing/pending/pending'],
  ['failed', 'failed/failed/pending'],
  ['expired', 'failed/failed/pending'],
  ['refunded', 'refunded/refunded/pending'],
];
for (const [status, state] of table) {
  test(`${status}: the order becomes ${state}`, async () => {
    const { order } = await makeSale();
    const body = await post(order, status, status === 'partially_paid' ? { actually_paid: 5 } : {});
    assert.equal(await orderState(order), state);
    const after = await orderRow(order);
    assert.equal(after.paid_at !== null, after.payment_status === 'paid');
    assert.equal(after.delivered_at !== null, after.delivery_status === 'delivered');
    const [event] = await events(order);
    assert.equal(event.payment_id, String(body.payment_id));
    const books = await transactions(order);
    assert.equal(books.length, 1, JSON.stringify(books));
    assert.equal(books[0].transaction_type, status === 'refunded' ? 'refund' : 'payment');
    assert.equal(books[0].provider_transaction_id, String(body.payment_id));
  });
}

test('the whole way of a payment, status by status', async () => {
  const { user, order, stock } = await makeSale();
  const payment = { payment_id: paymentId() };
  const seen = [];
  for (const status of ['waiting', 'confirming', 'confirmed', 'sending', 'finished']) {
    await post(order, status, payment);
    seen.push(await orderState(order));
  }
  assert.deepEqual(seen, [
    'processing/pending/pending',
    'processing/pending/pending',
    'processing/paid/pending',
    'processing/paid/pending',
    'completed/paid/delivered',
  ]);
  const [account] = await delivered(order);
  assert.equal(account.container_account_id, stock[0]);
  assert.equal(account.user_id, user.id);
  const books = await transactions(order);
  assert.equal(books.length, 1);
  assert.equal(books[0].status, 'completed');
  assert.equal(books[0].provider_status, 'finished');
  const profile = await row('select total_orders, total_spent from public.user_profiles where id = $1', [
    user.id,
  ]);
  assert.deepEqual(profile, { total_orders: 1, total_spent: order.final_amount });
  assert.deepEqual(await reviews(order), []);
});

for (const [type, phase] of [
  ['instant', 'live'],
  ['hft', 'challenge'],
  ['one_step', 'challenge'],
  ['two_step', 'phase_1'],
]) {
  test(`a delivered ${type} account begins in ${phase}`, async () => {
    const { order } = await makeSale({ type });
    await post(order, 'finished');
    const [account] = await delivered(order);
    assert.equal(account.current_phase, phase);
    assert.equal(account.phase_status, 'active');
    for (const one of ['challenge', 'phase_1', 'phase_2', 'live'])
      assert.equal(account[`${one}_status`], one === phase ? 'active' : 'pending');
    const source = await row('select * from public.account_container where id = $1', [
      account.container_account_id,
    ]);
    assert.equal(source.status, 'delivered');
    for (const key of ['login_id', 'password', 'investor_password', 'server_name'])
      assert.equal(account[key], source[key]);
  });
}

// ---- again, late, out of order ----

test('a repeat is acknowledged and changes nothing', async () => {
  const { order } = await makeSale({ stock: 3 });
  const body = await post(order, 'finished');
  const before = await picture(order);
  for (let i = 0; i < 3; i++) answered(await postIpn(body), 200);
  assert.deepEqual(await picture(order), before);
  assert.equal((await events(order)).length, 1);
});

test('twenty copies at once deliver once', async () => {
  const { order } = await makeSale({ stock: 3 });
  const body = ipnBody(order, 'finished');
  for (const answer of await Promise.all(Array.from({ length: 20 }, () => postIpn(body))))
    answered(answer, 200);
  assert.equal(await orderState(order), 'completed/paid/delivered');
  assert.equal((await events(order)).length, 1);
  assert.equal((await delivered(order)).length, 1);
  assert.equal(
    await value('select total_orders from public.user_profiles where id = $1', [order.user_id]),
    1,
  );
});

test('all statuses at once, in any order, end as finished', async () => {
  const { order } = await makeSale({ stock: 3 });
  const payment = { payment_id: paymentId() };
  const bodies = ['finished', 'waiting', 'sending', 'confirming', 'confirmed'].map((status) =>
    ipnBody(order, status, payment),
  );
  for (const answer of await Promise.all([...bodies, ...bodies].map((body) => postIpn(body))))
    answered(answer, 200);
  assert.equal(await orderState(order), 'completed/paid/delivered');
  assert.equal((await events(order)).length, 5);
  assert.equal((await delivered(order)).length, 1);
});

for (const late of ['waiting', 'confirming', 'confirmed', 'sending', 'partially_paid', 'expired', 'failed']) {
  test(`a late ${late} after finished is stored and changes nothing`, async () => {
    const { order } = await makeSale();
    const { payment_id: id } = await post(order, 'finished');
    const before = await picture(order);
    await post(order, late, { payment_id: id });
    assert.deepEqual(await picture(order), before);
    assert.equal((await events(order)).length, 2);
  });
}

for (const end of ['expired', 'failed']) {
  test(`a payment that completes after ${end} is honoured`, async () => {
    const { order } = await makeSale();
    const { payment_id: id } = await post(order, end);
    assert.equal(await orderState(order), 'failed/failed/pending');
    await post(order, 'finished', { payment_id: id });
    assert.equal(await orderState(order), 'completed/paid/delivered');
  });
}

test('a deposit after expiry goes its whole way', async () => {
  const { order } = await makeSale();
  const payment = { payment_id: paymentId() };
  for (const status of ['waiting', 'expired', 'confirming', 'confirmed', 'sending', 'finished'])
    await post(order, status, payment);
  assert.equal(await orderState(order), 'completed/paid/delivered');
});

test('refunded after finished: refunded, booked as a refund, and a human looks at the account', async () => {
  const { order } = await makeSale();
  const { payment_id: id } = await post(order, 'finished');
  await post(order, 'refunded', { payment_id: id });
  assert.equal(await orderState(order), 'refunded/refunded/delivered');
  const books = await transactions(order);
  assert.deepEqual(books.map((b) => `${b.transaction_type} ${b.status}`).sort(), [
    'payment completed',
    'refund completed',
  ]);
  assert.deepEqual(await reviews(order), ['refunded_after_delivery']);
  await post(order, 'finished', { payment_id: id, actually_paid: 11 });
  assert.equal(await orderState(order), 'refunded/refunded/delivered', 'nothing comes after a refund');
});

// ---- money that is not right ----

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

// ---- stock ----

test('nothing in stock: paid and waiting; completes by itself when stock arrives', async () => {
  const { product, order } = await makeSale({ stock: 0 });
  await post(order, 'finished');
  assert.equal(await orderState(order), 'processing/paid/pending');
  assert.equal(await waiting(order), 1);
  const [account] = await addStock(product);
  await untilState(order, 'completed/paid/delivered');
  assert.equal((await delivered(order))[0].container_account_id, account);
  assert.equal(await waiting(order), 0);
});

test('who paid first is served first', async () => {
  const product = await makeProduct();
  const user = await makeUser();
  const orders = [];
  for (let i = 0; i < 3; i++) {
    orders.push(await makeOrder(user, product));
    await post(orders[i], 'finished');
  }
  await addStock(product, 2);
  await untilState(orders[1], 'completed/paid/delivered');
  assert.equal(await orderState(orders[0]), 'completed/paid/delivered');
  assert.equal(await orderState(orders[2]), 'processing/paid/pending');
});

test("the other platform's stock, and stock that is reserved or disabled, is not touched", async () => {
  const { product, order } = await makeSale({ stock: 0, platform: 'mt5' });
  await addStock({ ...product, platform: 'mt4' });
  const ids = await addStock(product, 2);
  await rows(
    `update public.account_container set status = (array['reserved', 'disabled'])[array_position($1::uuid[], id)] where id = any($1)`,
    [ids],
  );
  await post(order, 'finished');
  assert.equal(await orderState(order), 'processing/paid/pending');
  await addStock(product);
  await untilState(order, 'completed/paid/delivered');
});

test('refunded while waiting for stock: the account stays in stock', async () => {
  const { product, order } = await makeSale({ stock: 0 });
  const { payment_id: id } = await post(order, 'finished');
  await post(order, 'refunded', { payment_id: id });
  assert.equal(await orderState(order), 'refunded/refunded/pending');
  assert.equal(await waiting(order), 0);
  await addStock(product);
  // Another order of the product gets it: the queue was passed over.
  const next = await makeOrder(await makeUser(), product);
  await post(next, 'finished');
  await untilState(next, 'completed/paid/delivered');
  assert.deepEqual(await delivered(order), []);
});

// ---- with the provider's sandbox on the other side ----

async function openedSale(options) {
  const sale = await makeSale(options);
  const answer = await checkout(sale.user, sale.order);
  assert.equal(answer.status, 200, answer.text);
  return { ...sale, paymentId: answer.json.payment.payment_id };
}

test('sandbox, paid: every status arrives signed, in order, at the first try', async () => {
  const { order, paymentId: id } = await openedSale();
  await control(id, 'pay');
  await untilState(order, 'completed/paid/delivered');
  await settled(id);
  const { callbacks } = await providerPayment(id);
  assert.deepEqual(
    callbacks.map((c) => c.status),
    ['waiting', 'confirming', 'confirmed', 'sending', 'finished'],
  );
  for (const c of callbacks)
    assert.deepEqual([c.state, c.last_status, c.attempts], ['done', 200, 1], JSON.stringify(c));
  assert.deepEqual(
    (await events(order)).map((e) => e.outcome),
    Array(5).fill('applied'),
  );
});

for (const [action, state, kinds, stock] of [
  ['underpay', 'processing/pending/pending', ['partially_paid', 'underpaid']],
  ['overpay', 'completed/paid/delivered', ['overpaid']],
  ['expire', 'failed/failed/pending', []],
  ['fail', 'failed/failed/pending', []],
  ['late', 'completed/paid/delivered', ['paid_late']],
  ['pay_twice', 'completed/paid/delivered', ['child_payment'], 2],
  ['wrong_asset', 'processing/pending/pending', ['wrong_asset']],
  ['finish_by_hand', 'processing/pending/pending', ['underpaid']],
]) {
  test(`sandbox, ${action}: ${state}`, async () => {
    const { order, paymentId: id } = await openedSale({ stock: stock ?? 1 });
    await control(id, action);
    await settled(id);
    assert.equal(await orderState(order), state);
    assert.deepEqual([...new Set(await reviews(order))], kinds);
    assert.equal((await delivered(order)).length, state.endsWith('delivered') ? 1 : 0);
  });
}

test('sandbox, underpaid at "confirmed" already: the order never looks paid', async () => {
  const { order, paymentId: id } = await openedSale();
  await control(id, 'underpay');
  await settled(id);
  assert.equal((await orderRow(order)).paid_at, null);
});

test('sandbox, refunded after delivery', async () => {
  const { order, paymentId: id } = await openedSale();
  await control(id, 'pay');
  await untilState(order, 'completed/paid/delivered');
  await control(id, 'refund');
  await untilState(order, 'refunded/refunded/delivered');
});

for (const [name, statuses] of [
  ['bad_signature', [401, 200]],
  ['malformed', [400, 200]],
  ['all_strings', [200]],
]) {
  test(`sandbox, a callback with fault ${name}: the shop answers ${statuses}, and the payment completes`, async () => {
    const { order, paymentId: id } = await openedSale();
    await settled(id);
    await fault('callback', name);
    await control(id, 'pay');
    await settled(id);
    assert.equal(await orderState(order), 'completed/paid/delivered');
    const hit = (await providerPayment(id)).callbacks.find((c) => c.tries.some((t) => t.fault === name));
    assert.deepEqual(
      hit.tries.map((t) => t.http_status),
      statuses,
      JSON.stringify(hit),
    );
  });
}

for (const name of ['duplicate', 'reorder']) {
  test(`sandbox, callbacks with fault ${name}: the same end`, async () => {
    const { order, paymentId: id } = await openedSale();
    await settled(id);
    await fault('callback', name, { times: 3 });
    await control(id, 'pay');
    await settled(id);
    assert.equal(await orderState(order), 'completed/paid/delivered');
    assert.equal((await delivered(order)).length, 1);
    assert.equal(new Set((await events(order)).map((e) => e.status)).size, (await events(order)).length);
  });
}

// ---- durability ----

test('callbacks that cannot be applied are kept, and complete the order by themselves', async () => {
  const { order, paymentId: id } = await openedSale();
  await settled(id);
  // Somebody holds the order's row for a while: the callbacks cannot get it.
  await as({ role: 'service_role' }, async (query) => {
    await query('select 1 from public.orders where order_id = $1 for update', [order.order_id]);
    await control(id, 'pay');
    answered(await postIpn(ipnBody(order, 'confirming', { payment_id: Number(id) })), 200);
  });
  await untilState(order, 'completed/paid/delivered', { timeout: 30_000 });
});

test('the answer tells nobody what is inside', async () => {
  const answers = [
    await postIpn('{', { signature: null }),
    await postIpn(ipnBody({ order_id: 'x', final_amount: 1 }, 'finished')),
    await invoke('payment-webhook', {}, 'GET'),
    await call('POST', '/functions/v1/payment-webhook', { body: canonical({ payment_id: 1 }) }),
  ];
  for (const { text } of answers) assert.doesNotMatch(text, /sql|postgres|backend\.|select|stack|\.c:/i);
});
