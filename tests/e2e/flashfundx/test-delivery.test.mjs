// test-delivery, webhook-debug, row level security, and deploy.sh on the running system.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { createClient } from '@supabase/supabase-js';

import { as, row, rows, value } from '../lib/db.mjs';
import { call, invoke } from '../lib/http.mjs';
import { ipnBody, postIpn } from '../lib/flashfundx/ipn.mjs';
import {
  addStock,
  credentials,
  delivered,
  makeOrder,
  makeProduct,
  makeSale,
  orderRow,
  orderState,
} from '../lib/flashfundx/shop.mjs';
import { anonKey, deploy, env, functionNames, home, pids, serviceKey, spec, url } from '../lib/system.mjs';
import { mint, userClaims } from '../lib/tokens.mjs';
import { makeAdmin, makeUser } from '../lib/users.mjs';

// ---- test-delivery ----

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
  const answer = await testDelivery({ orderId: sale.order.order_id });
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
    service_key_length: serviceKey.length,
  });

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

// ---- webhook-debug ----

const debugCalls = (mark) =>
  rows(`select * from public.webhook_debug_calls where query like $1 order by id`, [`%${mark}%`]);

test('webhook-debug: any method is taken, answered and kept', async () => {
  const mark = randomBytes(8).toString('hex');
  for (const method of ['POST', 'GET', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
    const answer = await call(
      method,
      `/functions/v1/webhook-debug?mark=${mark}`,
      method === 'GET' ? {} : { body: `{"by": "${method}"}`, headers: { 'x-custom': 'seen' } },
    );
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.success, true);
    assert.equal(answer.json.message, 'Webhook debug received');
    assert.equal(new Date(answer.json.timestamp).toISOString(), answer.json.timestamp);
  }
  const kept = await debugCalls(mark);
  assert.deepEqual(
    kept.map((c) => c.method),
    ['POST', 'GET', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'],
  );
  assert.equal(kept[0].body, '{"by": "POST"}');
  assert.equal(kept[0].headers['x-custom'], 'seen');
  assert.equal(kept[0].headers['content-type'] ?? 'application/json', 'application/json');
  assert.equal(kept[0].remote_addr, '127.0.0.1');
});

test('webhook-debug: secrets are masked before they are stored', async () => {
  const mark = randomBytes(8).toString('hex');
  const secrets = {
    authorization: 'Bearer top-secret-1',
    apikey: 'top-secret-2',
    cookie: 'sid=top-secret-3',
    'x-api-key': 'top-secret-4',
    'X-Auth-Token': 'top-secret-5',
    'Proxy-Authorization': 'Basic top-secret-6',
  };
  await call('POST', `/functions/v1/webhook-debug?mark=${mark}`, { body: {}, headers: secrets });
  const [kept] = await debugCalls(mark);
  assert.doesNotMatch(JSON.stringify(kept), /top-secret/);
  assert.equal(kept.headers.authorization, '***');
  assert.equal(
    await value(
      `select count(*)::int from public.webhook_debug_calls where headers::text like '%top-secret%'`,
    ),
    0,
  );
});

test('webhook-debug: secrets in the query and in a JSON body are masked, the rest is kept', async () => {
  const mark = randomBytes(8).toString('hex');
  await call('POST', `/functions/v1/webhook-debug?mark=${mark}&access_token=top-secret-7&x=1&ApiKey=top-secret-8`, {
    body: { order: 'FFX1', amount: 1.10, user: { password: 'top-secret-9', list: [{ client_secret: 'top-secret-10' }] } },
  });
  const [kept] = await debugCalls(mark);
  assert.doesNotMatch(JSON.stringify(kept), /top-secret/);
  assert.equal(kept.query, `mark=${mark}&access_token=***&x=1&ApiKey=***`);
  assert.deepEqual(JSON.parse(kept.body), {
    order: 'FFX1', amount: 1.1, user: { password: '***', list: [{ client_secret: '***' }] },
  });
});

test('webhook-debug: what is no text is kept readable', async () => {
  const mark = randomBytes(8).toString('hex');
  const answer = await call('POST', `/functions/v1/webhook-debug?mark=${mark}&x=%00%ff`, {
    body: Buffer.from([0, 1, 0xff, 0xfe, 0x41]),
    headers: { 'x-odd': 'gr\xfc\xdfe' },
  });
  assert.equal(answer.status, 200, answer.text);
  const [kept] = await debugCalls(mark);
  assert.match(kept.body, /A/);
  assert.equal(kept.body_bytes > 0, true);
});

test('webhook-debug: kept are the last 100, each cut to a bounded size', async () => {
  const mark = randomBytes(8).toString('hex');
  const long = `é${'x'.repeat(60_000)}`;
  for (let i = 0; i < 105; i += 15) {
    await Promise.all(
      Array.from({ length: 15 }, () =>
        call('POST', `/functions/v1/webhook-debug?mark=${mark}`, {
          body: long,
          headers: { 'content-type': 'text/plain' },
        }),
      ),
    );
  }
  assert.ok((await value('select count(*)::int from public.webhook_debug_calls')) <= 100);
  const kept = await debugCalls(mark);
  assert.ok(kept.length >= 85, `${kept.length}`);
  for (const one of kept) assert.ok(Buffer.byteLength(one.body) <= 8192);
  assert.equal(kept.at(-1).body_bytes, Buffer.byteLength(long));
});

test('webhook-debug: an administrator reads the calls; users and the public do not', async () => {
  const mark = randomBytes(8).toString('hex');
  await call('POST', `/functions/v1/webhook-debug?mark=${mark}`, { body: {} });
  const read = (claims) =>
    as(claims, (query) =>
      query('select * from public.webhook_debug_calls where query like $1', [`%${mark}%`]),
    );
  const admin = await makeAdmin();
  assert.equal((await read(userClaims(admin, { app_metadata: { role: 'admin' } }))).length, 1);
  assert.equal((await read({ role: 'service_role' })).length, 1);
  assert.equal((await read(userClaims(await makeUser()))).length, 0);
  await assert.rejects(read({ role: 'anon' }), /permission denied/);
});

// ---- row level security, as the data API will use it ----

test('a customer orders, pays and reads what is his, and nothing of others', async () => {
  const product = await makeProduct();
  await addStock(product);
  const user = await makeUser();
  const other = await makeUser();
  const [order] = await as(userClaims(user), (query) =>
    query(
      `insert into public.orders (user_id, account_type, account_size, platform_type, amount, final_amount, order_status, payment_status)
     values ($1, $2, $3::numeric, $4, $5::numeric, $5::numeric, 'completed', 'paid') returning *`,
      [user.id, product.type, product.size, product.platform, product.price],
    ),
  );
  assert.match(order.order_id, /^FFX\d{9}$/);
  assert.equal(
    `${order.order_status}/${order.payment_status}/${order.delivery_status}`,
    'pending/pending/pending',
    'a new order is always pending',
  );
  assert.equal((await postIpn(ipnBody(order, 'finished'))).status, 200);

  const reads = async (claims) =>
    as(claims, async (query) => ({
      orders: (await query('select order_id from public.orders where order_id = $1', [order.order_id]))
        .length,
      accounts: (
        await query('select password from public.delivered_accounts where order_id = $1', [order.order_id])
      ).length,
      books: (await query('select id from public.payment_transactions where order_id = $1', [order.order_id]))
        .length,
      profiles: (await query('select id from public.user_profiles')).length,
      stock: (await query('select id from public.account_container')).length,
      events: (await query('select id from public.payment_events')).length,
      prices: (await query('select id from public.prices where account_size = $1', [product.size])).length,
    }));
  assert.deepEqual(await reads(userClaims(user)), {
    orders: 1,
    accounts: 1,
    books: 1,
    profiles: 1,
    stock: 0,
    events: 0,
    prices: 1,
  });
  assert.deepEqual(await reads(userClaims(other)), {
    orders: 0,
    accounts: 0,
    books: 0,
    profiles: 1,
    stock: 0,
    events: 0,
    prices: 1,
  });
});

test("a customer cannot set a price, a state, a standing or somebody else's name", async () => {
  const denied = { code: '42501' };
  const againstPriceRules = { code: '23514' };
  const product = await makeProduct({ price: '500.00' });
  const user = await makeUser();
  const other = await makeUser();
  const order = await makeOrder(user, product);
  const ask = (text, params) => as(userClaims(user), (query) => query(text, params));
  const insert = (userId, amount, finalAmount, discount) =>
    ask(
      `insert into public.orders (user_id, account_type, account_size, platform_type, amount, final_amount,
         discount_amount)
       values ($1, $2, $3::numeric, $4, $5::numeric, $6::numeric, $7::numeric) returning order_id`,
      [userId, product.type, product.size, product.platform, amount, finalAmount, discount],
    );
  await assert.rejects(insert(user.id, 1, 1, 0), againstPriceRules);
  await assert.rejects(insert(user.id, 500, 1, 499), againstPriceRules);
  await assert.rejects(insert(other.id, 500, 500, 0), denied);

  const paid = await ask(`update public.orders set payment_status = 'paid' where order_id = $1 returning id`, [
    order.order_id,
  ]);
  assert.deepEqual(paid, []);
  assert.equal(await orderState(order), 'pending/pending/pending');

  const profile = (change) => ask(`update public.user_profiles set ${change} where id = $1 returning *`, [user.id]);
  await assert.rejects(profile('total_spent = 1000000'), denied);
  await assert.rejects(profile('total_orders = 5'), denied);
  await assert.rejects(profile(`account_status = 'banned'`), denied);
  assert.equal((await profile(`first_name = 'New'`))[0].first_name, 'New');

  await assert.rejects(ask('select public.deliver_account_to_user($1, $2)', [order.order_id, user.id]), denied);
  await assert.rejects(ask('select * from auth.users'), denied);
});

test("each function's role may do its own work only", async () => {
  for (const name of functionNames) {
    const { db_role: role } = spec(name);
    const rights = await row(
      `select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin from pg_roles where rolname = $1`,
      [role],
    );
    assert.deepEqual(
      rights,
      { rolsuper: false, rolbypassrls: false, rolcreaterole: false, rolcreatedb: false, rolcanlogin: true },
      name,
    );
    const tables = await value(
      `select count(*)::int from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'v', 'p') and n.nspname in ('public', 'auth', 'backend', 'sandbox')
         and (has_table_privilege($1, c.oid, 'insert') or has_table_privilege($1, c.oid, 'update') or has_table_privilege($1, c.oid, 'delete') or has_table_privilege($1, c.oid, 'select'))`,
      [role],
    );
    assert.equal(tables, 0, `${name} may touch tables directly`);
  }
  const payers = await rows(
    `select r.rolname from pg_roles r where r.rolname like 'fn\\_%'
       and has_function_privilege(r.oid, 'backend.record_payment_event(text,text,text,text,text,text,text,text,text,text,numeric,numeric,numeric,text,numeric,text,text)', 'execute') order by 1`,
  );
  assert.deepEqual(
    payers.map((r) => r.rolname),
    ['fn_check_payment_status', 'fn_payment_webhook', 'fn_reconcile'],
  );
});

test('each function gets only the secrets that its spec names', () => {
  assert.equal(statSync(join(home, 'env')).mode & 0o777, 0o600);
  for (const name of functionNames) {
    const file = join(home, 'functions', `${name}.env`);
    assert.equal(statSync(file).mode & 0o777, 0o600, file);
    const text = readFileSync(file, 'utf8');
    const allowed = spec(name).settings.map((s) => s.name);
    for (const line of text.split('\n').filter(Boolean))
      assert.ok(allowed.includes(line.split('=')[0]), `${name}: ${line.split('=')[0]}`);
    if (!allowed.includes('JWT_SECRET')) assert.ok(!text.includes(env.JWT_SECRET), name);
    if (!allowed.includes('NOWPAYMENTS_IPN_SECRET'))
      assert.ok(!text.includes(env.NOWPAYMENTS_IPN_SECRET), name);
    assert.ok(!text.includes('postgres@'), `${name} does not log in as the owner`);
  }
});

test('no secret is on a command line', () => {
  for (const name of functionNames) {
    const { master, workers } = pids(name);
    for (const pid of [master, ...workers]) {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      for (const secret of [env.JWT_SECRET, env.NOWPAYMENTS_IPN_SECRET, serviceKey])
        assert.ok(!line.includes(secret), name);
    }
  }
});

// ---- deploy.sh ----

test('deploy.sh demo sells an account and shows its credentials, twice', async () => {
  for (let i = 0; i < 2; i++) {
    const { status, stdout, stderr } = await deploy('demo');
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /Sold and delivered in/);
    assert.match(stdout, /"login_id": "\S+"/);
    assert.match(stdout, /"password": "\S+"/);
    assert.match(stdout, /Checkout page: http/);
    for (const secret of [serviceKey, env.JWT_SECRET, env.NOWPAYMENTS_IPN_SECRET, env.NOWPAYMENTS_API_KEY])
      assert.ok(!stdout.includes(secret));
  }
});

test('deploy.sh up on a running system is harmless', async () => {
  const before = {
    env: readFileSync(join(home, 'env'), 'utf8'),
    nginx: readFileSync(join(home, 'run/nginx.pid'), 'utf8'),
    masters: functionNames.map((name) => pids(name).master),
    stock: await value('select count(*) from public.account_container'),
    migrations: await rows('select * from migrations.applied order by part, name'),
  };
  const { status, stdout, stderr } = await deploy('up');
  assert.equal(status, 0, stdout + stderr);
  assert.ok(stdout.includes(url) && stdout.includes(anonKey) && stdout.includes(serviceKey));
  const after = {
    env: readFileSync(join(home, 'env'), 'utf8'),
    nginx: readFileSync(join(home, 'run/nginx.pid'), 'utf8'),
    masters: functionNames.map((name) => pids(name).master),
    stock: await value('select count(*) from public.account_container'),
    migrations: await rows('select * from migrations.applied order by part, name'),
  };
  assert.deepEqual(after, before);
  assert.equal((await invoke('health', {}, 'GET')).json.status, 'healthy');
});

test('deploy.sh status names every part as running', async () => {
  const { status, stdout } = await deploy('status');
  assert.equal(status, 0, stdout);
  for (const part of ['postgres', 'nginx', ...functionNames])
    assert.match(stdout, new RegExp(`^${part}\\s+running`, 'm'));
});

test('deploy.sh logs, psql, migrate and help answer', async () => {
  assert.match((await deploy('logs', 'payment-webhook')).stdout, /"service":"payment-webhook"/);
  assert.equal((await deploy('psql', '-Atc', 'select current_user')).stdout.trim(), 'postgres');
  assert.equal((await deploy('migrate')).status, 0);
  for (const command of ['up', 'down', 'status', 'logs', 'demo', 'migrate', 'psql', 'deploy', 'test']) {
    assert.match((await deploy('--help')).stdout, new RegExp(`^  ${command}\\b`, 'm'));
    const help = await deploy(command, '--help');
    assert.equal(help.status, 0);
    assert.match(help.stdout, new RegExp(`^Usage: \\./deploy\\.sh ${command}`));
  }
  const wrong = await deploy('explode');
  assert.notEqual(wrong.status, 0);
  assert.match(wrong.stderr, /there is no command 'explode'/);
  assert.ok(!existsSync(join(home, 'explode')));
});
