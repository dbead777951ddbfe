// Callbacks that wait while others commit are committed together, and fail alone.
// system: shared
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { as, row, rows, value } from '../lib/db.mjs';
import { ipnBody, postIpn } from '../lib/flashfundx/ipn.mjs';
import { addStock, delivered, events, makeOrder, makeProduct } from '../lib/flashfundx/shop.mjs';
import { makeUser } from '../lib/users.mjs';
import { soon, until } from '../lib/wait.mjs';

const COUNT = 64;

async function makeOrders(count = COUNT) {
  const [user, product] = [await makeUser(), await makeProduct()];
  return Promise.all(Array.from({ length: count }, () => makeOrder(user, product)));
}

/** Post all at once; the answers in their order. */
const postAll = (bodies) => Promise.all(bodies.map((body) => postIpn(body)));

/** How many transactions wrote the events of these orders. */
const transactions = (orders) =>
  value('select count(distinct xmin::text)::int from public.payment_events where order_id = any ($1)', [
    orders.map((order) => order.order_id),
  ]);

/** Make every event of an order fail with this error until the returned function is called. */
async function breakEvents(order, sqlstate) {
  const name = `broken_${order.order_id.toLowerCase()}`;
  await rows(`create function public.${name}() returns trigger language plpgsql as
    $$ begin raise exception using errcode = '${sqlstate}', message = 'broken on purpose'; end $$`);
  await rows(`create trigger ${name} before insert on public.payment_events for each row
    when (new.order_id = '${order.order_id}') execute function public.${name}()`);
  return () => rows(`drop function public.${name}() cascade`);
}

test('many callbacks at once share commits, and each is there when it is answered', async () => {
  const orders = await makeOrders();
  const bodies = orders.map((order) => ipnBody(order, 'waiting'));
  await Promise.all(
    bodies.map(async (body, i) => {
      const answer = await postIpn(body);
      assert.equal(answer.status, 200, answer.text);
      assert.equal((await events(orders[i])).length, 1);
    }),
  );
  const commits = await transactions(orders);
  assert.ok(commits < COUNT, `${COUNT} events in ${commits} transactions`);
});

for (const [sqlstate, what] of [
  ['22012', 'an error'],
  ['40P01', 'a deadlock'],
  ['53100', 'a full disk'],
])
  test(`${what} of one takes none of its neighbours down`, async () => {
    const orders = await makeOrders();
    const broken = orders[COUNT / 2];
    const mend = await breakEvents(broken, sqlstate);
    try {
      const answers = await postAll(orders.map((order) => ipnBody(order, 'confirming')));
      for (const [i, order] of orders.entries()) {
        if (order === broken) assert.equal(answers[i].status, 503, answers[i].text);
        else assert.equal(answers[i].status, 200, answers[i].text);
        assert.equal((await events(order)).length, order === broken ? 0 : 1);
      }
    } finally {
      await mend();
    }
    const [answer] = await postAll([ipnBody(broken, 'confirming')]);
    assert.equal(answer.status, 200);
  });

test('an order that is held delays its neighbours, and none of them fails', async () => {
  const orders = await makeOrders(24);
  await as({ role: 'service_role' }, async (query) => {
    await query('select from public.orders where order_id = $1 for update', [orders[7].order_id]);
    const start = performance.now();
    const answers = await postAll(orders.map((order) => ipnBody(order, 'confirming')));
    const ms = performance.now() - start;
    for (const answer of answers) assert.equal(answer.status, 200, answer.text);
    assert.ok(ms < soon(3000), `${ms} ms: the provider waits three seconds`);
  });
  for (const [i, order] of orders.entries()) {
    const [event] = await events(order);
    assert.equal(event.state, i === 7 ? 'received' : 'done');
  }
});

test('deliveries share commits too, and do not wait for each other over their customers', async () => {
  const EACH = 32;
  const product = await makeProduct();
  const users = await Promise.all([1, 2, 3].map(() => makeUser()));
  await addStock(product, EACH * users.length);
  const orders = await Promise.all(
    Array.from({ length: EACH * users.length }, (_, i) => makeOrder(users[i % users.length], product)));
  const before = await value('select pg_stat_get_db_deadlocks(oid) from pg_database where datname = current_database()');
  const answers = await postAll(orders.map((order) => ipnBody(order, 'finished')));
  for (const answer of answers) assert.equal(answer.status, 200, answer.text);
  for (const order of orders) {
    // On a busy machine some wait longer than a callback may, and are applied from the inbox.
    await until(async () => (await events(order))[0].state === 'done', `the event of ${order.order_id}`);
    assert.equal((await events(order))[0].outcome, 'applied');
    assert.equal((await delivered(order)).length, 1);
  }
  for (const user of users)
    assert.deepEqual(
      await row('select total_orders, total_spent::text from public.user_profiles where id = $1', [user.id]),
      { total_orders: EACH, total_spent: (149 * EACH).toFixed(2) });
  const commits = await transactions(orders);
  assert.ok(commits < orders.length, `${orders.length} deliveries in ${commits} transactions`);
  const after = await value('select pg_stat_get_db_deadlocks(oid) from pg_database where datname = current_database()');
  assert.equal(after, before, 'no deadlock');
});
