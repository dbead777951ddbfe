// Reconciliation: what does not agree with the provider, or within the books, is listed once.
// system: shared, long
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { as, row, rows, value } from '../../lib/db.mjs';
import { ipnBody, postIpn } from '../../lib/flashfundx/ipn.mjs';
import { hurry } from '../../lib/queue.mjs';
import { clearFaults, control, fault, providerPayment, settled } from '../../lib/flashfundx/sandbox.mjs';
import { events, orderState, untilState } from '../../lib/flashfundx/shop.mjs';
import { deploy, log } from '../../lib/system.mjs';
import { userClaims } from '../../lib/tokens.mjs';
import { makeStaff, makeUser } from '../../lib/users.mjs';
import { until } from '../../lib/wait.mjs';
import { deafSale, differences, heardSale, now, open, reconcile } from './sales.mjs';

/** What nobody can do any more, to see that it would be noticed: without triggers. */
const tamper = (text, params) =>
  as({ role: 'service_role' }, async (query) => {
    await query('reset role'); // the owner
    await query('set local session_replication_role = replica');
    await query(text, params);
  });

beforeEach(clearFaults);

test('what agrees is not listed; what was lost is healed and not found again', async () => {
  const since = await now();
  const good = await heardSale();
  await control(good.paymentId, 'pay');
  await untilState(good.order, 'completed/paid/delivered');
  await settled(good.paymentId);
  const { order } = await deafSale();
  const run = await reconcile(since);
  assert.ok(run.checked >= 2);
  assert.ok(run.healed >= 1);
  assert.equal(await orderState(order), 'completed/paid/delivered');
  assert.deepEqual(await differences(good.order), []);
  const [healed, ...more] = await differences(order);
  assert.deepEqual(more, []);
  assert.match(healed.resolution, /^healed/);
  assert.equal((await reconcile(since)).healed, 0);
  assert.equal((await differences(order)).length, 1);
});

test('a repeated deposit whose callbacks got lost is found through its parent', async () => {
  const since = await now();
  const { order, paymentId } = await deafSale({ stock: 2, action: 'pay_twice' });
  await reconcile(since);
  assert.equal(await orderState(order), 'completed/paid/delivered');
  const child = (await providerPayment(paymentId)).children[0].payment_id;
  assert.ok((await events(order)).some((e) => e.payment_id === child && e.source === 'poll'));
  const found = (await differences(order)).find((d) => d.payment_id === child);
  assert.equal(found.kind, 'missing');
  assert.match(found.resolution, /^healed/);
  assert.deepEqual(await open(order), []);
});

test("a payment in another coin, chosen on the provider's page, that nobody told of is found in its list", async () => {
  const since = await now();
  const { order, answer } = await heardSale();
  const invoice = new URL(answer.json.invoice_url).searchParams.get('iid');
  await fault('callback', 'drop', { times: 50 });
  const made = await value(
    `select (c.payment).payment_id from sandbox.create_payment($1::bigint, null, null, 'btc', null, null, null, null,
       null, null, null, null, null, 0) as c`,
    [invoice],
  );
  await control(made, 'pay');
  await settled(made);
  assert.equal(await value('select count(*)::int from public.payments where payment_id = $1', [made]), 0);
  await reconcile(since);
  assert.equal(await orderState(order), 'completed/paid/delivered');
  const [found, ...more] = (await differences(order)).filter((d) => d.payment_id === made);
  assert.deepEqual(more, []);
  assert.equal(found.kind, 'missing');
  assert.match(found.resolution, /^healed/);
});

test('figures that differ are listed once, with an explanation, until they agree', async () => {
  const since = await now();
  const { order, paymentId } = await heardSale();
  await control(paymentId, 'pay');
  await untilState(order, 'completed/paid/delivered');
  await settled(paymentId);
  const was = await row('select price_amount, pay_amount, status from sandbox.payments where id = $1', [paymentId]);
  await rows(
    `update sandbox.payments set price_amount = price_amount + 1, pay_amount = pay_amount + 2, status = 'confirming'
     where id = $1`,
    [paymentId],
  );
  await reconcile(since);
  const listed = await open(order);
  assert.deepEqual(listed.map((d) => `${d.kind} ${d.aspect}`).sort(), [
    'amount pay_amount',
    'amount price_amount',
    'state status',
  ]);
  const price = listed.find((d) => d.aspect === 'price_amount');
  assert.deepEqual([price.payment_id, price.ours, price.theirs], [paymentId, '149', '150']);
  for (const d of listed) assert.ok(d.explanation.length > 20);
  assert.equal(await orderState(order), 'completed/paid/delivered');

  await reconcile(since);
  assert.deepEqual(
    (await open(order)).map((d) => d.id),
    listed.map((d) => d.id),
    'not listed twice',
  );

  // One is accepted by staff, the others are put right at the provider.
  const staff = await makeStaff('finance');
  const claims = userClaims(staff);
  const report = await as(claims, async (query) => {
    const [{ ok }] = await query('select public.accept_difference($1, $2) as ok', [price.id, 'a rebate']);
    assert.equal(ok, true);
    return (await query('select public.reconciliation_report() as r'))[0].r;
  });
  assert.ok(report.open.some((d) => String(d.id) === String(listed[0].id) || d.order_id === order.order_id));
  await rows('update sandbox.payments set pay_amount = $2, status = $3 where id = $1', [
    paymentId,
    was.pay_amount,
    was.status,
  ]);
  await reconcile(since);
  assert.deepEqual(await open(order), []);
  assert.equal((await differences(order)).length, 3);
});

test('pieces, too much, another coin, by hand, refunded: nothing differs from what the provider says', async () => {
  const since = await now();
  const sales = [];
  for (const actions of [['underpay'], ['overpay'], ['underpay', 'pay_twice'], ['pay', 'pay_twice'], ['wrong_asset'],
    ['underpay', 'finish_by_hand'], ['pay', 'refund'], ['expire', 'late']]) {
    const sale = await heardSale();
    for (const action of actions) {
      await control(sale.paymentId, action);
      await settled(sale.paymentId);
    }
    sales.push({ ...sale, actions });
  }
  for (const time of ['first', 'second']) {
    const run = await reconcile(since);
    for (const { order, actions } of sales)
      assert.deepEqual(await differences(order), [], `${time} run, ${actions}: ${await orderState(order)}`);
    assert.ok(run.checked >= sales.length);
  }
});

test('customers may not read the report', async () => {
  const user = await makeUser();
  for (const claims of [userClaims(user), { role: 'anon' }])
    await assert.rejects(
      as(claims, (query) => query('select public.reconciliation_report()')),
      /permission denied/,
    );
});

test('books that disagree with each other are listed; the queue is put right', async () => {
  const since = await now();
  const { order, user } = await heardSale({ stock: 0 });
  await postIpn(ipnBody(order, 'finished'));
  assert.equal(await orderState(order), 'processing/paid/pending');
  await rows('delete from public.waiting_deliveries where order_id = $1', [order.order_id]);
  await rows('update public.user_profiles set total_orders = 7 where id = $1', [user.id]);
  await tamper(`update public.payment_transactions set amount = 1 where order_id = $1 and status = 'completed'`, [
    order.order_id,
  ]);
  await reconcile(since);
  assert.equal(
    await value('select count(*)::int from public.waiting_deliveries where order_id = $1', [order.order_id]),
    1,
  );
  const found = (await differences(order)).filter((d) => d.scope === 'books');
  assert.deepEqual(found.map((d) => `${d.kind} ${d.aspect} ${d.resolved_at ? 'healed' : 'open'}`).sort(), [
    'amount transaction open',
    'missing waiting_delivery healed',
  ]);
  const totals = await row('select * from public.reconciliation_differences where user_id = $1', [user.id]);
  assert.equal(totals.aspect, 'profile_totals');
  await rows('update public.user_profiles set total_orders = 0 where id = $1', [user.id]);
  await tamper(`update public.payment_transactions set amount = 149 where order_id = $1 and amount = 1`, [
    order.order_id,
  ]);
  await reconcile(since);
  assert.deepEqual(
    (await open(order)).filter((d) => d.scope === 'books'),
    [],
  );
});

test('the provider goes down in the middle of a run: the run waits and goes on', async () => {
  const since = await now();
  const { order } = await deafSale();
  await fault('payment-get', 'error500', { times: 100 });
  const id = await value('select backend.request_reconciliation($1)', [since]);
  const stopped = await until(
    () => row('select * from public.reconciliation_runs where id = $1 and problem is not null', [id]),
    'the run to stop',
    { timeout: 20_000 },
  );
  assert.equal(stopped.finished_at, null);
  assert.match(stopped.problem, /500/);
  await clearFaults();
  await hurry('reconciliation', [id]);
  await until(
    () => row('select 1 from public.reconciliation_runs where id = $1 and finished_at is not null', [id]),
    'the end of the run',
    { timeout: 30_000 },
  );
  assert.equal(await orderState(order), 'completed/paid/delivered');
});

test('./deploy.sh reconcile runs one and prints it', async () => {
  const { order, paymentId } = await heardSale();
  await rows('update sandbox.payments set price_amount = 777 where id = $1', [paymentId]);
  // Only what is as young as this test: the other tests' payments are many.
  const first = await deploy('reconcile', '0.0002');
  assert.equal(first.status, 1, first.stderr);
  assert.match(first.stdout, /^run \d+: \d+ payments compared, \d+ healed, \d+ differences open$/m);
  assert.ok(first.stdout.includes(`amount price_amount: payment ${paymentId}, order ${order.order_id}`));
  assert.match(first.stdout, /ours: 149 {3}theirs: 777/);
  await rows('update sandbox.payments set price_amount = 149 where id = $1', [paymentId]);
  assert.ok(!(await deploy('reconcile', '0.0002')).stdout.includes(paymentId));
  assert.equal((await deploy('reconcile', 'soon')).status, 1);
});

test('the log of reconcile tells what it did', () => {
  assert.match(log('reconcile'), /"event":"reconciled"/);
});
