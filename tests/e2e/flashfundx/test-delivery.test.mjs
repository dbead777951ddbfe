// test-delivery: what would happen to an order, and its delivery by hand.
// system: shared
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { createClient } from '@supabase/supabase-js';

import { row, rows, value } from '../lib/db.mjs';
import { invoke } from '../lib/http.mjs';
import { credentials, delivered, makeSale, orderRow, orderState } from '../lib/flashfundx/shop.mjs';
import { serviceKey, spec, url } from '../lib/system.mjs';
import { mint } from '../lib/tokens.mjs';
import { makeStaff } from '../lib/users.mjs';

/** A service token with a subject of its own, so that tests do not share a rate limit. */
const service = () =>
  mint({ role: 'service_role', sub: randomUUID(), exp: Math.floor(Date.now() / 1000) + 300 });
const testDelivery = (body, token = service()) => invoke('test-delivery', { token, body });

async function paidOrder(options) {
  const sale = await makeSale(options);
  await rows(
    `update public.orders set order_status = 'processing', payment_status = 'paid', paid_at = now() where order_id = $1`,
    [sale.order.order_id],
  );
  return sale;
}

/** Everything that a delivery touches. */
const picture = async ({ user, order, product }) => ({
  order: await orderRow(order),
  stock: await rows('select * from public.account_container where account_size = $1 order by id', [
    product.size,
  ]),
  delivered: await delivered(order),
  profile: await row('select * from public.user_profiles where id = $1', [user.id]),
  books: await rows('select * from public.payment_transactions where order_id = $1', [order.order_id]),
  audit: await value('select count(*) from public.admin_audit_log'),
});

test('test-delivery: a dry run says what would happen, masked, and leaves everything as it was', async () => {
  const sale = await paidOrder({ stock: 2 });
  const before = await picture(sale);
  const token = service();
  const answer = await testDelivery({ orderId: sale.order.order_id }, token);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(await picture(sale), before);

  const { json } = answer;
  assert.equal(json.orderId, sale.order.order_id);
  assert.equal(new Date(json.timestamp).toISOString(), json.timestamp);
  assert.equal(json.dry_run, true);
  assert.deepEqual(Object.keys(json.tests).sort(), [
    'available_accounts_check',
    'delivery_function_test',
    'environment_check',
    'order_check',
    'trading_rules_check',
  ]);
  const {
    order_check: order,
    trading_rules_check: rules,
    available_accounts_check: accounts,
    delivery_function_test: delivery,
    environment_check: environment,
  } = json.tests;
  assert.equal(order.success, true);
  assert.equal(order.order.order_id, sale.order.order_id);
  assert.equal(rules.success, true);
  assert.equal(rules.rules.length, 1);
  assert.deepEqual(rules.searched_for, { account_type: 'two_step', account_size: Number(sale.product.size) });
  assert.equal(accounts.success, true);
  assert.equal(accounts.accounts.length, 2);
  assert.deepEqual(accounts.searched_for, {
    account_size: Number(sale.product.size),
    platform_type: 'mt5',
    status: 'available',
  });
  assert.equal(delivery.success, true);
  assert.equal(delivery.dry_run, true);
  assert.equal(delivery.result.success, true);
  assert.equal(delivery.result.account_details.account_type, 'two_step');
  assert.equal(delivery.result.account_details.current_phase, 'phase_1');
  assert.deepEqual(environment, {
    supabase_url: true,
    service_key: true,
    service_key_length: token.length,
  });
  assert.ok(!spec('test-delivery').settings.some(({ name }) => name.includes('SERVICE')), 'it has none of its own');

  assert.doesNotMatch(answer.text, /login-|secret-|view-/, 'credentials are masked');
  assert.ok(!answer.text.includes(serviceKey));
});

test('test-delivery: deliver true delivers, once, and shows the credentials', async () => {
  const sale = await paidOrder({ stock: 2 });
  const { json } = await testDelivery({ orderId: sale.order.order_id, deliver: true });
  assert.equal(json.dry_run, false);
  const { result } = json.tests.delivery_function_test;
  assert.equal(result.success, true);
  assert.equal(await orderState(sale.order), 'completed/paid/delivered');
  const [account] = await delivered(sale.order);
  assert.equal(result.delivered_account_id, account.id);
  for (const [key, value] of Object.entries(await credentials(sale.order)))
    assert.equal(result.account_details[key], value);

  const again = (await testDelivery({ orderId: sale.order.order_id, deliver: true })).json.tests
    .delivery_function_test;
  assert.equal(again.success, false);
  assert.equal(again.result.error, 'Order already delivered');
  assert.equal((await delivered(sale.order)).length, 1);
});

test('test-delivery: support delivers in their own name, inventory does not', async () => {
  const { order } = await paidOrder({ stock: 1 });
  const keeper = await testDelivery({ orderId: order.order_id, deliver: true }, (await makeStaff('inventory')).token);
  assert.deepEqual([keeper.status, keeper.json.error], [403, 'For support and finance only']);
  assert.equal(await orderState(order), 'processing/paid/pending');
  const support = await makeStaff('support');
  const answer = await testDelivery({ orderId: order.order_id, deliver: true }, support.token);
  assert.equal(answer.json.tests.delivery_function_test.success, true, answer.text);
  assert.equal(await value(`select admin_email from public.admin_audit_log where action_type = 'DELIVER' and record_id = $1`,
    [order.order_id]), support.email);
});

test('test-delivery: ten real deliveries at once give one account', async () => {
  const sale = await paidOrder({ stock: 5 });
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => testDelivery({ orderId: sale.order.order_id, deliver: true })),
  );
  assert.equal(answers.filter((a) => a.json.tests.delivery_function_test.success).length, 1);
  assert.equal((await delivered(sale.order)).length, 1);
});

test('test-delivery: an unknown order is answered 200 with the check that failed, and no more', async () => {
  for (const orderId of ['FFX000000000', 'nonsense', "' or 1=1"]) {
    const answer = await testDelivery({ orderId });
    assert.equal(answer.status, 200);
    assert.equal(answer.json.orderId, orderId);
    assert.deepEqual(Object.keys(answer.json.tests), ['order_check']);
    assert.equal(answer.json.tests.order_check.success, false);
    assert.equal(answer.json.tests.order_check.error, 'Order not found');
  }
});

test("test-delivery: why an order cannot be delivered is said in the contract's words", async () => {
  const why = async (sale) =>
    (await testDelivery({ orderId: sale.order.order_id })).json.tests.delivery_function_test.result.error;
  assert.equal(await why(await makeSale()), 'Order not paid');
  const empty = await paidOrder({ stock: 0 });
  assert.equal(await why(empty), 'No available accounts');
  const lawless = await paidOrder();
  await rows('delete from public.trading_rules where account_size = $1', [lawless.product.size]);
  assert.equal(await why(lawless), 'No trading rules found');
  const check = (await testDelivery({ orderId: lawless.order.order_id })).json.tests.trading_rules_check;
  assert.equal(check.success, false);
  assert.deepEqual(check.rules, []);
});

test('test-delivery: what it needs and how it must look', async () => {
  for (const body of [{}, { orderId: '' }, { orderId: null }]) {
    const answer = await testDelivery(body);
    assert.equal(answer.status, 400);
    assert.deepEqual(answer.json, { success: false, error: 'Missing required fields: orderId' });
  }
  const sale = await paidOrder();
  for (const deliver of ['true', 1, 'yes', null, {}]) {
    const answer = await testDelivery({ orderId: sale.order.order_id, deliver });
    assert.equal(answer.status, 400, `${JSON.stringify(deliver)} ${answer.text}`);
  }
  assert.deepEqual(await delivered(sale.order), [], 'only a true delivers');
});

test('test-delivery: supabase-js with the service key', async () => {
  const sale = await paidOrder();
  const { data, error } = await createClient(url, serviceKey, {
    auth: { persistSession: false },
    realtime: { transport: class {} },
  }).functions.invoke('test-delivery', { body: { orderId: sale.order.order_id } });
  assert.equal(error, null);
  assert.equal(data.tests.order_check.success, true);
});

test('test-delivery: ten a minute', async () => {
  const token = service();
  for (let i = 0; i < 10; i++) assert.equal((await testDelivery({}, token)).status, 400);
  const answer = await testDelivery({}, token);
  assert.equal(answer.status, 429);
  assert.ok(Number(answer.headers['retry-after']) >= 1);
});
