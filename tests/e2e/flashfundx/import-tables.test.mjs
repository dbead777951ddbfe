// ./deploy.sh import-tables: what a shop had before moves in, all of it or nothing, and no password in clear.
// system: shared
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { row, rows, value } from '../lib/db.mjs';
import { OldShop } from '../lib/flashfundx/old-shop.mjs';
import { call } from '../lib/http.mjs';
import { anonKey, deploy, scratchFolder } from '../lib/system.mjs';
import { userToken } from '../lib/tokens.mjs';

let old;
before(async () => {
  old = await OldShop.make();
});
after(() => old?.end());

/** The users of the dump, then its tables. */
async function moveIn(...options) {
  const path = await old.dump();
  const users = await deploy('import-users', path);
  assert.equal(users.status, 0, users.stdout + users.stderr);
  return deploy('import-tables', path, ...options);
}
/** All that an import could have written. */
const everything = async () => {
  const tables = ['user_profiles', 'orders', 'trading_rules', 'crypto_addresses', 'email_templates', 'account_container', 'delivered_accounts',
    'payment_transactions'];
  return row(`select ${tables.map((name) => `(select md5(string_agg(t::text, '|' order by t.id::text)) from public.${name} as t) as ${name}`).join(', ')},
    (select count(*) from public.admin_audit_log) as audit, (select string_agg(t.tgname || t.tgenabled::text, ' ' order by t.tgname, t.oid) from pg_trigger as t) as triggers`);
};
const differences = ({ stdout }) => stdout.match(/^ {2}line \S+: .*$/gm)?.map((line) => line.replace(/^ {2}line \S+: /, '')) ?? [];
const here = (table, id) => row(`select * from public.${table} where id = $1`, [id]);

test('a sale moves in: the customer reads order and account, the password is stored sealed, nobody is mailed', async () => {
  await old.clear();
  const user = await old.addCustomer({ total_orders: 1, total_spent: '119' });
  const { order, account, delivered, payment } = await old.addSale(user);
  const mails = () => value(`select count(*)::int from public.outbox where recipient = $1`, [user.email]);
  const before = await mails();
  const done = await moveIn();
  assert.equal(done.status, 0, done.stdout + done.stderr);
  assert.match(done.stdout, /^no differences$/m, done.stdout);
  for (const name of ['orders', 'account_container', 'delivered_accounts', 'payment_transactions']) {
    assert.match(done.stdout, new RegExp(`^${name}: 1 new, 0 changed, 0 as they were$`, 'm'));
  }
  assert.equal(await mails(), before);
  assert.deepEqual(
    await row(`select c.password like 'ffx1.%' and c.investor_password like 'ffx1.%' and d.password like 'ffx1.%' and d.investor_password like 'ffx1.%' as sealed,
        platform.unseal(c.password, c.id, 'password') as password, platform.unseal(d.investor_password, c.id, 'investor_password') as investor,
        c.status, c.sold_at = d.delivered_at as sold, d.trading_rules_id = r.id as rules
      from public.delivered_accounts as d join public.account_container as c on c.id = d.container_account_id
      join public.trading_rules as r on (r.account_type, r.account_size) = ('two_step', 10000) where d.id = $1`, [delivered.id]),
    { sealed: true, password: account.password, investor: account.investor_password, status: 'delivered', sold: true, rules: true });
  const token = userToken(user);
  const read = async (path) => (await call('GET', `/rest/v1/${path}`, { token, apikey: anonKey })).json;
  assert.deepEqual(await read('delivered_accounts?select=login_id,password'), [{ login_id: account.login_id, password: account.password }]);
  assert.deepEqual(await read('orders?select=order_id,final_amount,order_status'), [{ order_id: order.order_id, final_amount: 119, order_status: 'completed' }]);
  assert.deepEqual(await read('payment_transactions?select=id,provider_response'), [{ id: payment.id, provider_response: { a: 'b\t"' } }]);
  assert.deepEqual(await read('user_profiles?select=country,password,total_orders,total_spent'), [{ country: 'AT', password: '', total_orders: 1, total_spent: 119 }]);
});

test('a dry run changes nothing; nor does the second run; a newer row changes', async () => {
  await old.clear();
  const user = await old.addCustomer();
  const order = await old.addOrder(user);
  await old.addSale(user);
  await deploy('import-users', await old.dump());
  const untouched = await everything();
  const dry = await moveIn('--dry-run');
  assert.equal(dry.status, 0, dry.stdout + dry.stderr);
  assert.match(dry.stdout, /^orders: 2 new, 0 changed, 0 as they were$/m);
  assert.deepEqual(await everything(), untouched);
  assert.equal((await moveIn()).status, 0);
  const once = await everything();
  const again = await moveIn();
  assert.match(again.stdout, /^user_profiles: 0 new, 0 changed, 1 as they were\n(\w+: 0 new, 0 changed, \d+ as they were\n){7}/m);
  assert.deepEqual(await everything(), once);
  await old.query(`update public.orders set order_status = 'cancelled', updated_at = now() where id = $1`, [order.id]);
  await old.query(`update public.user_profiles set country = 'CH', updated_at = now() where id = $1`, [user.id]);
  const newer = await deploy('import-tables', old.url);
  assert.match(newer.stdout, /^orders: 0 new, 1 changed, 1 as they were$/m);
  assert.equal((await here('orders', order.id)).order_status, 'cancelled');
  assert.equal((await here('user_profiles', user.id)).country, 'CH');
});

test('the keys of trading passwords stay here when another database is read', async () => {
  const bin = scratchFolder('bin'), path = process.env.PATH;
  writeFileSync(join(bin, 'pg_dump'), `#!/bin/sh\nenv >${bin}/seen\nexit 1\n`, { mode: 0o755 });
  process.env.PATH = `${bin}:${path}`;
  try {
    assert.equal((await deploy('import-tables', 'postgresql://somebody:p%40ss@elsewhere/shop')).status, 1);
  } finally {
    process.env.PATH = path;
  }
  const seen = readFileSync(join(bin, 'seen'), 'utf8');
  assert.match(seen, /^PGPASSWORD=p@ss$/m);
  assert.doesNotMatch(seen, /credential_keys/);
});

test('what does not agree is taken and listed', async () => {
  await old.clear();
  const user = await old.addCustomer({ total_orders: 7, total_spent: '1000' });
  const paid = { order_status: 'processing', payment_status: 'paid' };
  const cheap = await old.addOrder(user, { amount: '99', final_amount: '90', discount_amount: '9' });
  const unknown = await old.addOrder(user, { account_size: '12345' });
  const state = await old.addOrder(user, { order_status: 'completed' });
  const lost = await old.addOrder(user, { order_status: 'completed', payment_status: 'paid', delivery_status: 'delivered' });
  const waits = await old.addOrder(user, paid);
  const twice = await old.addSale(user);
  await old.addPayment(twice.order);
  const less = await old.addSale(user, { final_amount: '100', discount_amount: '19' });
  await old.query(`update public.payment_transactions set amount = 80 where id = $1`, [less.payment.id]);
  await old.query(`update public.account_container set status = 'available' where id = $1`, [less.account.id]);
  const done = await moveIn();
  assert.equal(done.status, 0, done.stdout + done.stderr);
  assert.deepEqual(differences(done).sort(), [
    `account ${less.account.login_id} was handed out for order ${less.order.order_id}, and is "available": it becomes "delivered"`,
    `order ${cheap.order_id}: its amount is 99.00, and the price list says 119.00`,
    `order ${less.order.order_id}: it costs 100.00, and 80.00 was paid`,
    `order ${lost.order_id}: delivered, and there is no account`,
    `order ${lost.order_id}: paid, and no payment is in the books`,
    `order ${state.order_id}: it is completed/pending/pending, which no order here becomes`,
    `order ${twice.order.order_id}: 2 payments are in the books`,
    `order ${unknown.order_id}: nothing of the type two_step and size 12345 has a price`,
    `order ${waits.order_id}: paid, and no payment is in the books`,
    `order ${waits.order_id}: paid, and waits for an account: deliver it by hand (deliver_account_to_user)`,
    `profile ${user.id}: the dump says 7 orders and 1000.00 USD, its delivered orders are 2 and 219.00 USD`,
  ].sort());
  assert.match(done.stdout, /^differences: 11$/m);
  const { total_orders, total_spent } = await here('user_profiles', user.id);
  assert.deepEqual([total_orders, total_spent], [2, '219.00']);
  assert.equal((await here('account_container', less.account.id)).status, 'delivered');
  assert.equal((await here('orders', cheap.id)).amount, '99.00');
});

test('rules, wallets and templates take the place of those that nobody chose, and of no others', async () => {
  await old.clear();
  const chosen = [`trading_rules where (account_type, account_size) = ('two_step', 3000)`, `crypto_addresses where crypto_name = 'SOL'`,
    `email_templates where template_name = 'account_breach'`];
  for (const one of chosen) await rows(`update public.${one.replace('where', 'set created_at = now() where')}`); // by nobody
  await old.add('trading_rules', { account_type: 'two_step', account_size: '3000', live_max_daily_loss: '111', live_max_total_loss: '222' });
  await old.add('crypto_addresses', { crypto_name: 'SOL', network: 'Solana', wallet_address: 'S'.repeat(40), display_name: 'Solana' });
  await old.add('email_templates', { template_name: 'account_breach', template_type: 'account_breach', subject: 'Old words', html_content: 'x' });
  const now = () => row(`select (select live_max_daily_loss::int from public.trading_rules where (account_type, account_size) = ('two_step', 3000)) as loss,
    (select wallet_address from public.crypto_addresses where crypto_name = 'SOL') as wallet,
    (select subject from public.email_templates where template_name = 'account_breach') as subject`);
  const ours = await now(), theirs = { loss: 111, wallet: 'S'.repeat(40), subject: 'Old words' };
  const done = await deploy('import-tables', await old.dump());
  assert.equal(done.status, 0, done.stdout + done.stderr);
  assert.deepEqual(await now(), theirs);
  await rows(`update public.email_templates set subject = 'Our words' where template_name = 'account_breach'`);
  await deploy('import-tables', await old.dump());
  assert.deepEqual(await now(), { ...theirs, subject: 'Our words' });
  await rows(`update public.email_templates set subject = $1 where template_name = 'account_breach'`, [ours.subject]);
  await rows(`update public.trading_rules set live_max_daily_loss = $1, live_max_total_loss = 300 where (account_type, account_size) = ('two_step', 3000)`, [ours.loss]);
  await rows(`update public.crypto_addresses set is_active = false, wallet_address = '' where crypto_name = 'SOL'`);
});

const damages = [
  ['an order id of another form', ({ order }) => `update public.orders set order_id = 'ORD-1' where id = '${order.id}'`, /^line \d+: order_id: value for domain order_number violates/m],
  ['an order of nobody', ({ order }) => `update public.orders set user_id = null where id = '${order.id}'`, /^line \d+: user_id is missing$/m],
  ['a wallet that is shown without an address', () => `insert into public.crypto_addresses (crypto_name, network, wallet_address, display_name) values ('X', 'Y', 'short', 'X')`,
    /^line \d+: it violates the check constraint "crypto_addresses_active_needs_address"$/m],
  ['amounts that do not add up', ({ order }) => `update public.orders set final_amount = 100 where id = '${order.id}'`, ({ order }) => new RegExp(`^line \\d+: order ${order.order_id}: final_amount 100\\.00 is not amount 119\\.00 less discount_amount 0\\.00$`, 'm')],
  ['a state that there is not', ({ order }) => `update public.orders set order_status = 'shipped' where id = '${order.id}'`, /^line \d+: order_status: value for domain order_state violates/m],
  ['a second account of an order', ({ sale, order }) => `update public.delivered_accounts set order_id = '${order.order_id}', user_id = '${order.user_id}'`, ({ order }) => new RegExp(`^line \\d+: order ${order.order_id} has more than one account$`, 'm')],
  ['an account that went out twice', ({ sale }) => `update public.delivered_accounts set container_account_id = '${sale.account.id}'`, ({ sale }) => new RegExp(`^line \\d+: account ${sale.account.login_id} went to more than one order$`, 'm')],
  ['an account of somebody else', ({ sale, other }) => `update public.delivered_accounts set user_id = '${other.id}' where id = '${sale.delivered.id}'`, ({ sale }) => new RegExp(`^line \\d+: the account of order ${sale.order.order_id} belongs to somebody else than the order$`, 'm')],
  ['an account for sale without a password', () => `insert into public.account_container (account_size, platform_type, server_name, login_id, password) values (10000, 'mt5', 's', 'bare', '')`, /^line \d+: account bare is for sale without a password$/m],
  ['a payment that is there twice', ({ sale }) => `update public.payment_transactions set provider_transaction_id = '${sale.payment.provider_transaction_id}'`, ({ sale }) => new RegExp(`^line \\d+: payment ${sale.payment.provider_transaction_id} for the second time$`, 'm')],
];
for (const [name, damage, expected] of damages) {
  test(`a row that cannot stand here is named, and nothing is half done: ${name}`, async () => {
    await old.clear();
    const user = await old.addCustomer(), other = await old.addCustomer();
    const made = { user, other, order: await old.addOrder(user), sale: await old.addSale(user), second: await old.addSale(user) };
    await deploy('import-users', await old.dump());
    await old.query(damage(made));
    const before = await everything();
    const done = await deploy('import-tables', await old.dump());
    assert.equal(done.status, 1, done.stdout);
    assert.match(done.stdout, typeof expected === 'function' ? expected(made) : expected);
    assert.match(done.stderr, /nothing was changed/);
    assert.deepEqual(await everything(), before);
  });
}

test('people who are not here, and lines that are damaged, are named', async () => {
  await old.clear();
  const user = await old.addCustomer();
  const order = await old.addOrder(user);
  const path = await old.dump(), before = await everything();
  const without = await deploy('import-tables', path);
  assert.equal(without.status, 1);
  assert.match(without.stdout, /^line \d+: a profile of a user who is not here: import-users takes users$/m);
  assert.match(without.stdout, new RegExp(`^line \\d+: order ${order.order_id} of a user who is not here$`, 'm'));
  assert.deepEqual(await everything(), before);
  await deploy('import-users', path);
  const lines = readFileSync(path, 'utf8').split('\n');
  const at = lines.findIndex((line) => line.includes(`\t${order.order_id}\t`)), after = await everything();
  for (const [line, expected] of [
    [lines[at].replace('\t119.00\t', '\tmuch\t'), new RegExp(`^line ${at + 1}: amount: invalid input syntax for type numeric$`, 'm')],
    [`${lines[at]}\tmore`, new RegExp(`^line ${at + 1}: public\\.orders: a row of 26 fields, and it has 25$`, 'm')],
  ]) {
    const done = await deploy('import-tables', old.write([...lines.slice(0, at), line, ...lines.slice(at + 1)].join('\n')));
    assert.equal(done.status, 1);
    assert.match(done.stdout + done.stderr, expected);
    assert.deepEqual(await everything(), after);
  }
});

test('an order that was paid and delivered here does not go back, and an account is not sold again', async () => {
  await old.clear();
  const user = await old.addCustomer();
  const { order, account } = await old.addSale(user);
  assert.equal((await moveIn()).status, 0);
  await old.query('delete from public.payment_transactions');
  await old.query('delete from public.delivered_accounts');
  await old.query(`update public.orders set order_status = 'pending', payment_status = 'pending', delivery_status = 'pending', updated_at = now()`);
  await old.query(`update public.account_container set status = 'available', updated_at = now()`);
  const before = await everything();
  const done = await deploy('import-tables', await old.dump());
  assert.equal(done.status, 1);
  assert.match(done.stdout, new RegExp(`^line \\d+: order ${order.order_id} is completed/paid/delivered here, and would go back$`, 'm'));
  assert.match(done.stdout, new RegExp(`^line \\d+: account ${account.login_id} was handed to a customer here and cannot be sold again$`, 'm'));
  assert.deepEqual(await everything(), before);
});
