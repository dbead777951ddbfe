// The inbox: callbacks are acknowledged while the database is busy, and take effect later.
// system: shared, long
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { breakOrder, kill } from '../lib/flashfundx/broken.mjs';
import { as, row, value } from '../lib/db.mjs';
import { ipnBody, paymentId, postIpn } from '../lib/flashfundx/ipn.mjs';
import { clearFaults, control, settled } from '../lib/flashfundx/sandbox.mjs';
import { delivered, events, hurryEvents, makeSale, openedSale, orderState, untilState } from '../lib/flashfundx/shop.mjs';
import { soon, until } from '../lib/wait.mjs';
import { answered } from './payment-webhook/answers.mjs';

beforeEach(clearFaults);

/** Post a callback and say how long the answer took. */
async function timed(body) {
  const start = performance.now();
  const answer = await postIpn(body);
  return { ...answer, ms: performance.now() - start };
}

/** Hold the row of an order while `work` runs. */
const holding = (order, work) =>
  as({ role: 'service_role' }, async (query) => {
    await query('select 1 from public.orders where order_id = $1 for update', [order.order_id]);
    await work();
  });

/** Everything that waits is due, until an event is in this state. */
const untilEvent = (order, state) =>
  until(async () => {
    await hurryEvents(order);
    return (await events(order)).every((e) => e.state === state);
  }, `events of ${order.order_id} ${state}`, { timeout: 60_000 });

test("the order's row is held: 200 within 3 s, and the effect when it is free", async () => {
  const { order } = await makeSale();
  const body = ipnBody(order, 'finished');
  await holding(order, async () => {
    const answer = await timed(body);
    assert.equal(answer.status, 200, answer.text);
    assert.ok(answer.ms < soon(3000), `${answer.ms} ms`);
    const [event] = await events(order);
    assert.deepEqual([event.state, event.outcome, event.tries], ['received', null, 1]);
    assert.match(event.last_error, /55P03/);
    assert.deepEqual(JSON.parse(event.raw), body);
    assert.equal(await orderState(order), 'pending/pending/pending');
    // Longer than its first delay: the held order costs it no try.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.equal((await events(order))[0].tries, 1);
  });
  await untilState(order, 'completed/paid/delivered');
  const stored = await events(order);
  assert.deepEqual(
    stored.map((e) => [e.state, e.outcome]),
    [['done', 'applied']],
  );
  assert.equal((await delivered(order)).length, 1);
});

test('ten callbacks at once for a held order: each 200 within 3 s, each kept once', async () => {
  const { order } = await makeSale();
  const other = await makeSale();
  const payment = { payment_id: paymentId() };
  await holding(order, async () => {
    const statuses = ['waiting', 'confirming', 'confirmed', 'sending', 'finished'];
    const bodies = statuses.map((status) => ipnBody(order, status, payment));
    for (const answer of await Promise.all([...bodies, ...bodies].map(timed))) {
      assert.equal(answer.status, 200, answer.text);
      assert.ok(answer.ms < soon(3000), `${answer.ms} ms`);
    }
    assert.equal((await events(order)).length, 5);
    // Nobody else waits.
    await postIpn(ipnBody(other.order, 'finished'));
    assert.equal(await orderState(other.order), 'completed/paid/delivered');
  });
  await untilState(order, 'completed/paid/delivered');
  await untilEvent(order, 'done');
  assert.equal((await delivered(order)).length, 1);
});

test('a hundred callbacks at a time for a held order: those of others are answered within 3 s, too', async () => {
  const { order } = await makeSale();
  const others = await Promise.all(Array.from({ length: 12 }, () => makeSale()));
  const slowest = { held: 0, others: 0 };
  const post = async (which, body) => {
    const answer = await timed(body);
    assert.equal(answer.status, 200, `${which}: ${answer.text}`);
    slowest[which] = Math.max(slowest[which], answer.ms);
  };
  await holding(order, async () => {
    let over = false;
    const storm = Promise.all(
      Array.from({ length: 100 }, async () => {
        for (let i = 0; i < 4 && !over; i++) await post('held', ipnBody(order, 'waiting'));
      }),
    );
    try {
      for (const other of others) await post('others', ipnBody(other.order, 'finished'));
    } finally {
      over = true;
      await storm;
    }
  });
  assert.ok(slowest.held < 3000 && slowest.others < 3000, JSON.stringify(slowest));
  for (const other of others) await untilState(other.order, 'completed/paid/delivered');
  await untilEvent(order, 'done');
});

test("the provider's repeat of a stored event applies it at once", async () => {
  const { order } = await makeSale();
  const body = ipnBody(order, 'finished');
  await holding(order, () => postIpn(body));
  assert.equal((await postIpn(body)).status, 200);
  assert.equal(await orderState(order), 'completed/paid/delivered');
  assert.deepEqual(
    (await events(order)).map((e) => e.state),
    ['done'],
  );
});

test('not even stored: 503 within 3 s, and nothing is acknowledged', async () => {
  const { order } = await makeSale();
  const body = ipnBody(order, 'finished');
  await as({ role: 'service_role' }, async (query) => {
    await query('reset role'); // to the owner: nobody else may lock the table
    await query('lock table public.payment_events in access exclusive mode');
    const answer = await timed(body);
    assert.equal(answer.status, 503, answer.text);
    assert.ok(answer.ms < soon(3000), `${answer.ms} ms`);
    assert.ok(Number(answer.headers['retry-after']) >= 1);
  });
  assert.deepEqual(await events(order), []);
  assert.equal((await postIpn(body)).status, 200);
  assert.equal(await orderState(order), 'completed/paid/delivered');
});

test('an event that keeps failing dies with its reason, is listed, and can be retried', async () => {
  const { order } = await makeSale();
  const repair = await breakOrder(order);
  try {
    const answer = await timed(ipnBody(order, 'finished'));
    assert.equal(answer.status, 200, answer.text);
    assert.match((await events(order))[0].last_error, /P0001.*broken on purpose/);
    await untilEvent(order, 'dead');
  } finally {
    await repair();
  }
  const [event] = await events(order);
  assert.equal(event.tries, 12);
  const review = await row('select * from public.reviews where order_id = $1', [order.order_id]);
  assert.deepEqual([review.kind, review.state, review.detail.event], ['event_dead', 'open', Number(event.id)]);
  assert.match(review.detail.error, /broken on purpose/);
  assert.equal(await orderState(order), 'pending/pending/pending');

  await value('select backend.retry_event($1)', [event.id]);
  await untilState(order, 'completed/paid/delivered');
  assert.equal(
    await value('select state from public.reviews where order_id = $1', [order.order_id]),
    'resolved',
  );
});

test('an event that kills whatever works on it dies, and stops no other one', async () => {
  const { order } = await makeSale();
  const other = await makeSale();
  const body = ipnBody(order, 'finished');
  const repair = await breakOrder(order, kill);
  try {
    const answer = await timed(body);
    assert.equal(answer.status, 200, answer.text);
    await holding(other.order, () => postIpn(ipnBody(other.order, 'finished')));
    await untilState(other.order, 'completed/paid/delivered');
    await untilEvent(order, 'dead');
  } finally {
    await repair();
  }
  const [event] = await events(order);
  assert.deepEqual([event.tries, event.last_error], [12, 'processing did not return']);
  const review = await row('select * from public.reviews where order_id = $1', [order.order_id]);
  assert.deepEqual([review.kind, review.detail.error], ['event_dead', 'processing did not return']);

  await value('select backend.retry_event($1)', [event.id]);
  await untilState(order, 'completed/paid/delivered');
});

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
