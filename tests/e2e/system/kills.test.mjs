// Processes are killed and the database goes away while customers pay: nothing is lost, nothing
// happens twice, and callers see nothing worse than 5xx.
// system: shared
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { rows, value } from '../lib/db.mjs';
import { killNow, postgresCrash, postgresStart, postgresStop, processesOf, servicePid } from '../lib/process.mjs';
import { assertBooks, books, makeSales, post } from '../lib/flashfundx/sales.mjs';
import { Caller, Tally, chance, crowd, long, persist, seed } from '../lib/fire.mjs';
import { calls, fault, mark, providerState } from '../lib/flashfundx/sandbox.mjs';
import { addStock, checkoutBody, makeOrder, makeProduct } from '../lib/flashfundx/shop.mjs';
import { makeUser } from '../lib/users.mjs';
import { until } from '../lib/wait.mjs';

const ORDERS = long ? 400 : 60;
const STOCK = ORDERS * 0.6;
const KILLS = long ? 80 : 14;
const CHECKOUTS = long ? 60 : 16;
const WORKERS = 16;
const VICTIMS = ['payment-webhook', 'payment-webhook', 'deliver-waiting', 'create-crypto-payment'];

after(async () => {
  await postgresStart();
  for (const name of new Set(VICTIMS)) await until(() => processesOf(name).workers.length > 0, `${name} runs again`);
});

/**
 * Every callback `times` times in an order of chance, from many senders that repeat what was not
 * accepted; at moments of chance in between, one of `blows` happens.
 */
async function stormWith(sales, random, blows, times = 3) {
  const jobs = random.shuffle(sales.flatMap((sale) => Array.from({ length: times }, () => sale.callbacks).flat()));
  // not among the last ones: there must be something left to disturb
  const moments = blows.map(() => random.below(jobs.length * 0.9)).sort((a, b) => a - b);
  const callers = Array.from({ length: WORKERS }, () => new Caller());
  const tally = new Tally();
  const accepted = [];
  const struck = [];
  let answered = 0;
  await crowd(WORKERS, jobs, async (callback, worker) => {
    const answer = await persist(() => post(callers[worker], callback), tally);
    if (answer.status === 200) accepted.push(callback);
    answered++;
    // not awaited: what strikes does so while the others go on
    while (moments.length > 0 && answered >= moments[0]) {
      moments.shift();
      struck.push(blows[struck.length]());
    }
  });
  callers.forEach((caller) => caller.close());
  await Promise.all(struck);
  assert.equal(struck.length, blows.length);
  return { tally, accepted, sent: jobs.length };
}

/** What was acknowledged is stored; callers saw nothing but 200 and 5xx. */
async function assertNothingLost({ tally, accepted, sent }, t) {
  t.diagnostic(`answers: ${tally}`);
  assert.equal(accepted.length, sent, 'every callback was accepted in the end');
  assert.deepEqual(tally.others(/^(200|5\d\d)$/), [], 'only 200 and 5xx were seen');
  const stored = new Set((await rows(
    'select payment_id, status, actually_paid::float8 as paid from public.payment_events where payment_id = any($1)',
    [[...new Set(accepted.map((c) => String(c.payment_id)))]])).map((e) => `${e.payment_id} ${e.status} ${e.paid}`));
  for (const c of accepted) assert.ok(stored.has(`${c.payment_id} ${c.status} ${Number(c.paid)}`), `lost: ${c.payment_id} ${c.status}`);
}

const settle = (sales, delivered) =>
  until(async () => (await books(sales)).delivered.length >= delivered, `${delivered} accounts delivered`, { timeout: 20_000 });

const makeCart = async (product) => {
  const user = await makeUser();
  return { user, order: await makeOrder(user, product), shown: [] };
};

async function checkout(cart) {
  const caller = new Caller({ keepAlive: false });
  return caller.send('POST', '/functions/v1/create-crypto-payment', {
    headers: { authorization: `Bearer ${cart.user.token}`, 'content-type': 'application/json' },
    body: JSON.stringify(checkoutBody(cart.order)),
  });
}

/** Claims of killed processes end after 40 s; here, now. */
const claimsRunOut = (carts) =>
  rows(`update public.payment_attempts set claim_until = now() where state = 'claimed' and order_id = any($1)`,
    [carts.map((cart) => cart.order.order_id)]);

/** Ask until the checkout is there; it is the one that was shown before. */
async function finishCheckout(cart) {
  const answer = await persist(() => checkout(cart), new Tally());
  assert.equal(answer.status, 200, answer.text);
  cart.shown.push(JSON.parse(answer.text));
  assert.equal(new Set(cart.shown.map((s) => `${s.invoice_url} ${s.payment.payment_id} ${s.payment.pay_address}`)).size, 1);
}

/** Kill -9 one process of a function: a worker, or now and then the master. */
async function kill(random) {
  const name = random.pick(VICTIMS);
  const wanted = random.below(4) === 0 ? 'master' : 'worker';
  const turn = random.below(64);
  return until(() => {
    const { master, workers } = processesOf(name);
    const victim = wanted === 'master' ? master : workers[turn % Math.max(workers.length, 1)];
    // Neither: it was killed before and is being started again.
    return victim !== undefined && killNow(victim) && `${name} ${wanted}`;
  }, `a ${wanted} of ${name} to kill`);
}

test('processes are killed in the middle of a run', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const random = chance();
  const product = await makeProduct({ type: 'hft', platform: 'mt5', price: '149.00' });
  await addStock(product, STOCK);
  const sales = await makeSales(product, ORDERS);

  // Customers who ask for their checkout at the same time, again and again; none of these orders is paid.
  const cartProduct = await makeProduct();
  const carts = [];
  for (let i = 0; i < CHECKOUTS; i++) carts.push(await makeCart(cartProduct));
  const asked = new Tally();
  const ask = (cart) => async () => {
    const answer = await persist(() => checkout(cart), asked);
    if (answer.status === 200) cart.shown.push(JSON.parse(answer.text));
  };

  await t.test(`${KILLS} kills during ${ORDERS * 15} callbacks: same end state, nothing lost`, async (t2) => {
    const killed = new Tally();
    const kills = Array.from({ length: KILLS }, () => async () => killed.add(await kill(random)));
    const result = await stormWith(sales, random, random.shuffle([...kills, ...carts.flatMap((cart) => [ask(cart), ask(cart), ask(cart)])]));
    t2.diagnostic(`killed: ${killed}`);
    await settle(sales, STOCK);
    await assertNothingLost(result, t2);
    await assertBooks(sales, product, STOCK);
  });

  await t.test('checkouts during the kills: one payment for each order, nobody was shown another', async (t2) => {
    t2.diagnostic(`answers: ${asked}`);
    // 409: another request holds the claim, or held it when it was killed; 429: who asks again at every
    // 5xx has asked ten times within the minute
    assert.deepEqual(asked.others(/^(200|409|429|5\d\d)$/), []);
    await claimsRunOut(carts);
    for (const cart of carts) await finishCheckout(cart);
    const ids = carts.map((cart) => cart.order.order_id);
    assert.equal(await value(`select count(*)::int from public.payment_attempts where order_id = any($1) and state = 'claimed'`, [ids]), 0);
    const known = await rows('select order_id, payment_id from public.payments where order_id = any($1)', [ids]);
    for (const { order, shown } of carts) {
      const { payment_id } = shown.at(-1).payment;
      assert.equal(await value('select payment_provider_id from public.orders where order_id = $1', [order.order_id]),
        String(payment_id), `${order.order_id} names the payment that is shown`);
      assert.ok(known.some((p) => p.order_id === order.order_id && p.payment_id === String(payment_id)), `the payment of ${order.order_id} is known`);
    }
    assert.equal(await value(
      `select count(*)::int from public.orders where order_id = any($1) and order_status = 'processing' and payment_status = 'pending'`, [ids]), CHECKOUTS);
  });
});

test('create-crypto-payment is killed while the provider works', async (t) => {
  const product = await makeProduct();
  for (const [call, invoices] of [['invoice', 2], ['invoice-payment', 1]]) {
    await t.test(`during POST /${call}: the next request makes one checkout of it`, async () => {
      const cart = await makeCart(product);
      const since = await mark();
      await fault(call, 'slow', { delayMs: 500 });
      const lost = checkout(cart);
      await until(async () => (await calls(since, `/${call}`)).length === 1, 'the provider got the call');
      processesOf('create-crypto-payment').all.forEach(killNow);
      assert.equal((await lost).status, 502);
      assert.equal((await persist(() => checkout(cart), new Tally())).status, 409, 'the claim stands');
      await claimsRunOut([cart]);
      await finishCheckout(cart);
      await finishCheckout(cart); // and the same again
      // A lost invoice was shown to nobody, so that nobody pays it. A lost payment makes itself known
      // by its first callback and is then the one that is shown, or it is followed by another.
      await until(async () => (await providerState(cart.order)).invoices.length === invoices, `${invoices} invoices at the provider`);
    });
  }
});

/** A run in whose middle `blow` strikes the database. */
async function databaseTest(t, blow, { times }) {
  const random = chance(seed + 1);
  const product = await makeProduct({ type: 'instant', platform: 'mt4', price: '289.00' });
  await addStock(product, STOCK);
  const sales = await makeSales(product, ORDERS);
  const result = await stormWith(sales, random, [blow], times);
  await settle(sales, STOCK);
  await assertNothingLost(result, t);
  await assertBooks(sales, product, STOCK);
  // and what comes afterwards is served
  await addStock(product, ORDERS - STOCK);
  await settle(sales, ORDERS);
  await assertBooks(sales, product, ORDERS);
}

test('PostgreSQL is stopped and started in the middle of a run: same end state, nothing lost', (t) =>
  databaseTest(t, async () => {
    await postgresStop();
    await postgresStart();
  }, { times: 3 }));

// Each callback once: a repeat would make good what an acknowledgement without a commit had lost.
test('PostgreSQL is killed with -9 in the middle of a run: what was acknowledged is there', (t) =>
  databaseTest(t, async () => {
    const pid = servicePid('postgres');
    await postgresCrash();
    await until(() => ![undefined, pid].includes(servicePid('postgres')), 'runit started PostgreSQL again');
    await postgresStart();
  }, { times: 1 }));
