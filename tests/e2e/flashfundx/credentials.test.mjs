// Trading passwords: stored encrypted, shown to those who may see them, put under a new key.
// system: own, long: it changes the keys, and counts how often
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { as, row, rows, value } from '../lib/db.mjs';
import { invoke } from '../lib/http.mjs';
import { ipnBody, postIpn } from '../lib/flashfundx/ipn.mjs';
import { hurry } from '../lib/queue.mjs';
import { addStock, credentials, delivered, makeOrder, makeProduct, makeSale, untilState } from '../lib/flashfundx/shop.mjs';
import { clone, deploy, env, functionNames, home, log, pids, serviceKey, spec } from '../lib/system.mjs';
import { userClaims } from '../lib/tokens.mjs';
import { makeUser } from '../lib/users.mjs';
import { until } from '../lib/wait.mjs';

const run = promisify(execFile);
const settings = (file) => readFileSync(join(home, file), 'utf8');
const currentKeys = () => /^CREDENTIAL_KEYS=(.*)$/m.exec(settings('env'))[1];
const secretOf = (keys) => keys.split(',').map((key) => key.split(':')[1]);

/** SQL through ./deploy.sh psql, with its present keys. */
const staff = (sql) => deploy('psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-c', sql);

/** What a session without keys is told. */
async function keyless(sql) {
  try {
    return (await run('psql', ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', env.DATABASE_URL, '-c', sql])).stdout;
  } catch (error) {
    return error.stderr;
  }
}

async function sold() {
  const sale = await makeSale();
  assert.equal((await postIpn(ipnBody(sale.order, 'finished'))).status, 200);
  await untilState(sale.order, 'completed/paid/delivered');
  return sale;
}

const mailOf = (order) =>
  row(`select * from public.outbox where reference = $1 and kind = 'account_delivery'`, [order.order_id]);
const untilMail = (order, state) =>
  until(async () => (await mailOf(order))?.state === state && (await mailOf(order)), `the mail ${state}`);

test('staff insert a plain account through deploy.sh psql; it is sold with these passwords', async () => {
  const { size, platform } = await makeProduct();
  const login = `plain-${randomBytes(6).toString('hex')}`;
  const { status, stderr } = await staff(
    `insert into public.account_container (account_size, platform_type, server_name, login_id, password, investor_password)
     values (${size}, '${platform}', 'Real-7', '${login}', 'Tr4de!${login}', 'V1ew!${login}')`,
  );
  assert.equal(status, 0, stderr);
  const stored = await row('select * from public.account_container where login_id = $1', [login]);
  assert.match(stored.password, /^ffx1\.k\d+\./);
  assert.match(stored.investor_password, /^ffx1\.k\d+\./);

  const order = await makeOrder(await makeUser(), { type: 'two_step', size, platform, price: '149.00' });
  assert.equal((await postIpn(ipnBody(order, 'finished'))).status, 200);
  await untilState(order, 'completed/paid/delivered');
  assert.deepEqual(await credentials(order), {
    server_name: 'Real-7',
    login_id: login,
    password: `Tr4de!${login}`,
    investor_password: `V1ew!${login}`,
  });
});

test('without the keys nobody stores or reads one, and the refusal is not logged with it', async () => {
  const { order } = await sold();
  const answer = await keyless(
    `insert into public.account_container (account_size, platform_type, server_name, login_id, password)
     values (10000, 'mt5', 's', 'l', 'p')`,
  );
  assert.match(answer, /stored encrypted, and this session has no key/);
  assert.match(answer, /deploy\.sh psql/);
  const account = await credentials(order);
  const seen = await keyless(`select d::text from public.delivered_accounts d where order_id = '${order.order_id}'`);
  assert.ok(seen.includes('ffx1.') && !seen.includes(account.password) && !seen.includes(account.investor_password));

  const secret = `wrong-${randomBytes(6).toString('hex')}`;
  const failed = await staff(
    `insert into public.account_container (account_size, platform_type, server_name, login_id, password)
     values (10000, 'mt9', 's', 'l', '${secret}')`,
  );
  assert.notEqual(failed.status, 0);
  assert.ok(!log('postgres').includes(secret));
});

test('no session writes what somebody typed into the log of the server: not refused, not slow', async () => {
  const typed = () => `typed-${randomBytes(6).toString('hex')}`;
  const secrets = [typed(), typed(), typed(), typed()];
  const failed = await keyless(
    `insert into public.account_container (account_size, platform_type, server_name, login_id, password)
     values (10000, 'mt9', 's', 'l', '${secrets[0]}')`,
  );
  assert.match(failed, /^ERROR/);
  assert.match(await keyless(`set role nobody_of_that_name; select '${secrets[1]}'`), /^ERROR/);
  await keyless(`select pg_sleep(1.2), '${secrets[2]}'`);
  await assert.rejects(rows('select $1::text::int', [secrets[3]]));
  const written = log('postgres');
  assert.match(written, /role "nobody_of_that_name" does not exist/);
  assert.deepEqual(secrets.slice(0, 3).filter((secret) => written.includes(secret)), []);
});

test('a dump of the whole database holds no password and no key', async () => {
  const { order } = await sold();
  await untilMail(order, 'sent');
  const account = await credentials(order);
  const { stdout } = await run('/usr/lib/postgresql/15/bin/pg_dump', ['-d', env.DATABASE_URL], {
    maxBuffer: 1 << 30,
  });
  assert.ok(stdout.includes(order.order_id), 'it is the whole database');
  for (const secret of [account.password, account.investor_password, ...secretOf(currentKeys())])
    assert.ok(!stdout.includes(secret));
});

test('the keys are given to those who open or write secrets only, and never shown', () => {
  const [secret] = secretOf(currentKeys());
  for (const name of functionNames) {
    const reads = spec(name).settings.some((setting) => setting.name === 'CREDENTIAL_KEYS');
    assert.equal(reads, ['auth', 'rest', 'send-outbox', 'test-delivery'].includes(name), name);
    assert.equal(settings(`functions/${name}.env`).includes(secret), reads, name);
    assert.ok(!log(name).includes(secret), name);
    const { master, workers } = pids(name);
    for (const pid of [master, ...workers])
      assert.ok(!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(secret), name);
  }
  assert.ok(!log('postgres').includes(secret));
});

test('the owner reads the passwords of the own account; each reveal is on record', async () => {
  const { user, order } = await sold();
  const [account] = await delivered(order);
  const read = (claims) =>
    as(claims, (query) =>
      query(
        `select public.reveal_credential(container_account_id, 'password', password) as password
         from public.delivered_accounts where order_id = $1`,
        [order.order_id],
      ),
    );
  assert.deepEqual(await read(userClaims(user)), [{ password: (await credentials(order)).password }]);
  assert.deepEqual(await read(userClaims(await makeUser())), []);
  const records = () =>
    rows(
      `select reader, reason from public.credential_reveals
       where account_id = $1 and column_name = 'password' order by id`,
      [account.container_account_id],
    );
  const mail = await untilMail(order, 'sent');
  assert.deepEqual(
    (await records()).sort((a, b) => (a.reader < b.reader ? -1 : 1)),
    [
      { reader: 'fn_send_outbox', reason: `mail ${mail.id}` },
      { reader: user.email, reason: 'read' },
    ].sort((a, b) => (a.reader < b.reader ? -1 : 1)),
  );
});

test('test-delivery shows the passwords it delivered', async () => {
  const sale = await makeSale();
  await rows(
    `update public.orders set order_status = 'processing', payment_status = 'paid', paid_at = now() where order_id = $1`,
    [sale.order.order_id],
  );
  const { json } = await invoke('test-delivery', {
    token: serviceKey,
    body: { orderId: sale.order.order_id, deliver: true },
  });
  const { account_details: shown } = json.tests.delivery_function_test.result;
  const account = await credentials(sale.order);
  assert.equal(shown.password, account.password);
  assert.equal(shown.investor_password, account.investor_password);
});

test('a password moved from another account is noticed and not mailed, until staff put it right', async () => {
  const product = await makeProduct();
  const [mine, theirs] = await addStock(product, 2);
  // Only a superuser who passes by the triggers can do this.
  const { status, stderr } = await staff(
    `set session_replication_role = replica;
     update public.account_container set password = (
       select password from public.account_container where id = '${theirs}') where id = '${mine}'`,
  );
  assert.equal(status, 0, stderr);
  await rows(`update public.account_container set status = 'disabled' where id = $1`, [theirs]);
  const order = await makeOrder(await makeUser(), product);
  const answer = await postIpn(ipnBody(order, 'finished'));
  assert.equal(answer.status, 200);
  const mail = await until(async () => {
    const m = await mailOf(order);
    return m?.last_error && m;
  }, 'a failed mail');
  assert.match(mail.last_error, /changed, or belongs to another row or name/);

  await rows(`update public.account_container set password = 'right again' where id = $1`, [mine]);
  await rows(`update public.delivered_accounts set password = 'right again' where order_id = $1`, [order.order_id]);
  await hurry('mail', [mail.id]);
  await untilMail(order, 'sent');
});

// Last: these change the keys of the system.

test('the keys rotate; an interrupted run goes on', { timeout: 240_000 }, async () => {
  const before = currentKeys();
  const sale = await sold();
  const account = await credentials(sale.order);
  await addStock(await makeProduct(), 3000);

  // Killed with its psql in the middle of the re-encryption.
  const first = spawn(join(clone, 'deploy.sh'), ['rotate-keys'], { cwd: clone, detached: true });
  let said = '';
  first.stdout.on('data', (text) => (said += text));
  const ended = new Promise((resolve) => first.on('exit', resolve));
  await until(() => /account_container: \d+ of \d+ rows/.test(said), 'the first batch', { timeout: 60_000 });
  process.kill(-first.pid, 'SIGINT');
  await ended;
  const kinds = async () =>
    (await rows('select kid from backend.credentials_by_key()')).map((one) => one.kid);
  const keys = currentKeys().split(',');
  assert.equal(keys.length, 2, 'both keys are kept');
  assert.equal(keys[1], before);
  assert.equal((await kinds()).length, 2, 'some rows have the new key, some the old one');

  // Both open, in mails too.
  const between = await sold();
  await untilMail(between.order, 'sent');

  const second = await deploy('rotate-keys');
  assert.equal(second.status, 0, second.stdout + second.stderr);
  assert.match(second.stdout, /going on with k\d+/);
  assert.match(second.stdout, /delivered_accounts: \d+ of \d+ rows/);
  assert.equal(currentKeys(), keys[0], 'the old key is gone');
  assert.deepEqual(await kinds(), [keys[0].split(':')[0]]);
  assert.ok(settings('retired-credential-keys').includes(before));
  for (const secret of secretOf([before, keys[0]].join(',')))
    assert.ok(!(said + second.stdout + second.stderr).includes(secret));

  // A session of before cannot read any more; the system's own can.
  await assert.rejects(credentials(sale.order), /does not have the key/);
  const shown = await staff(
    `select public.reveal_credential(container_account_id, 'password', password)
     from public.delivered_accounts where order_id = '${sale.order.order_id}'`,
  );
  assert.equal(shown.stdout.trim(), account.password);
  const after = await value(`select count(*)::int from public.admin_audit_log where action_type = 'RESEAL'`);
  assert.equal(after, 1, 'one line in the audit');
});
