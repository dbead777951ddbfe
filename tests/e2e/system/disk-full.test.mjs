// The disk of the database is full: writers answer 503 with Retry-After and leave nothing half
// done, and go on without a restart when there is room again. In the harder form the log of the
// transactions cannot be written either: PostgreSQL panics, and starts again and again.
//
// Small file systems in memory of the test's own. Where mounting is not allowed (an ordinary user, a
// container), a trigger raises PostgreSQL's error instead, and the harder form is left out; the test
// says which it was.
// system: shared
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Cluster, give, remove } from '../lib/cluster.mjs';
import { ownServer, rows, useServer, value } from '../lib/db.mjs';
import { Private, killNow } from '../lib/process.mjs';
import { assertBooks, makeSales } from '../lib/flashfundx/sales.mjs';
import { Tally, crowd, persist } from '../lib/fire.mjs';
import { canonical, hmac, ipnBody } from '../lib/flashfundx/ipn.mjs';
import { addStock, attempts, checkoutBody, events, makeProduct, makeSale, orderState } from '../lib/flashfundx/shop.mjs';
import { scratchFolder, serviceKey } from '../lib/system.mjs';
import { makeUser } from '../lib/users.mjs';
import { until } from '../lib/wait.mjs';

const PASSWORD = 'only-for-this-test';
const FUNCTIONS = ['payment-webhook', 'process-events', 'deliver-waiting', 'create-crypto-payment', 'send-email', 'webhook-debug', 'health'];

const folder = scratchFolder('full');
const disk = join(folder, 'disk'), walDisk = join(folder, 'wal');
const mounted = [];
let canMount;
let cluster;
const fns = {};

/** A file system of so many MB; false where that is not allowed. */
function mount(path, mb) {
  mkdirSync(path);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mb}m,mode=0711`, 'tmpfs', path], { stdio: 'ignore' });
    mounted.unshift(path);
    return true;
  } catch {
    return false;
  }
}

/** Take all room that is left on a file system. */
function fill(path) {
  const file = openSync(join(path, 'filler'), 'a');
  const piece = Buffer.alloc(65_536);
  for (let size = piece.length; size >= 4096;) {
    try {
      if (writeSync(file, piece, 0, size) < size) size /= 2;
    } catch (error) {
      assert.equal(error.code, 'ENOSPC');
      size /= 2;
    }
  }
  closeSync(file);
  assert.equal(statfsSync(path).bavail, 0);
}
const free = (path) => rmSync(join(path, 'filler'), { force: true });

const begin = async (name) => Private.start(name, { RATE_LIMIT: 'false', DATABASE_URL:
  `postgresql://fn_${name.replaceAll('-', '_')}:${PASSWORD}@${cluster.socketHost}/flashfundx` });

before(async () => {
  chmodSync(folder, 0o711);
  await give(folder);
  canMount = mount(disk, 96) && mount(walDisk, 24);
  const data = canMount ? join(disk, 'data') : undefined;
  if (canMount) for (const path of [disk, walDisk]) await give(path);
  cluster = await Cluster.make(join(folder, 'pg'),
    // so that the log comes to its end soon, and no room is found again by itself
    { shared_buffers: '8MB', max_wal_size: '8MB', min_wal_size: '2MB', autovacuum: 'off', wal_recycle: 'off' },
    { data, options: ['--wal-segsize=1', ...(canMount ? ['-X', join(walDisk, 'wal')] : [])] });
  await cluster.supervise();
  await cluster.migrate(FUNCTIONS, PASSWORD);
  await useServer({ host: cluster.folder, port: cluster.port });
  for (const name of FUNCTIONS) fns[name] = await begin(name);
});

after(async () => {
  for (const fn of Object.values(fns)) await fn.stop();
  await cluster?.stop();
  await useServer(ownServer);
  for (const path of mounted) execFileSync('umount', [path]);
  remove(folder);
});

/** No row can be written: the disk is full, or where there is none to fill, PostgreSQL says so. */
async function withFullDisk(t, work) {
  t.diagnostic(canMount ? 'a small file system in memory is full' : 'no mount allowed here: a trigger raises disk_full');
  if (canMount) {
    fill(disk);
  } else {
    await rows(`create function public.full_disk() returns trigger language plpgsql as
      $$ begin raise exception 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$`);
    for (const name of ['payment_events', 'payment_attempts', 'outbox', 'webhook_debug_calls'])
      await rows(`create trigger full_disk before insert on public.${name} for each row execute function public.full_disk()`);
  }
  try {
    await work();
  } finally {
    if (canMount) free(disk);
    else await rows('drop function public.full_disk cascade');
  }
}

function unavailable(answer) {
  assert.equal(answer.status, 503, answer.text);
  assert.equal(answer.json.success, false);
  assert.ok(Number(answer.headers['retry-after']) >= 1);
}

/** A callback that has no room in a page that is there already. */
function largeCallback(order, status = 'finished') {
  const fields = ipnBody(order, status, { order_description: randomBytes(25_000).toString('hex') });
  const body = canonical(fields);
  return { payment_id: fields.payment_id, status, body, signature: hmac(body) };
}
const send = (callback) => fns['payment-webhook'].ask('POST', { body: callback.body, params: { HTTP_X_NOWPAYMENTS_SIG: callback.signature } });
const checkout = ({ user, order }) =>
  fns['create-crypto-payment'].ask('POST', { body: JSON.stringify(checkoutBody(order)), params: { HTTP_AUTHORIZATION: `Bearer ${user.token}` } });
const mail = () => fns['send-email'].ask('POST', {
  body: JSON.stringify({ to: 'x@example.org', subject: 'full', html: randomBytes(60_000).toString('hex') }),
  params: { HTTP_AUTHORIZATION: `Bearer ${serviceKey}` },
});
const debug = () => fns['webhook-debug'].ask('POST', { body: randomBytes(10_000).toString('hex') });
const health = () => fns.health.ask('GET');
const workers = () => Object.values(fns).flatMap((fn) => fn.workers);

test('the disk of the tables is full: who writes answers 503, and goes on when there is room', async (t) => {
  const before = workers();
  const paid = await makeSale();
  const carts = [];
  for (let i = 0; i < 60; i++) carts.push(await makeSale({ stock: 0 }));
  const [callback, mails] = [largeCallback(paid.order), 'select count(*)::int from public.outbox'];
  const queued = await value(mails);
  let refused;

  await withFullDisk(t, async () => {
    for (let i = 0; i < 3; i++) unavailable(await send(callback));
    unavailable(await mail());
    await until(async () => (await debug()).status === 503, 'webhook-debug has no page left');
    unavailable(await debug());
    // Its rows are small: it goes on as long as there is room in pages that are there.
    for (const cart of carts) {
      const answer = await checkout(cart);
      refused = cart;
      if (answer.status === 200) continue;
      unavailable(answer);
      break;
    }
    unavailable(await checkout(refused));
    assert.equal((await fns.health.ask('GET', { params: { PATH_INFO: '/live' } })).status, 200);
    assert.equal((await events(paid.order)).length, 0, 'nothing of the callback is stored');
    assert.equal(await orderState(paid.order), 'pending/pending/pending', 'and nothing of it happened');
    assert.equal(await value(mails), queued, 'no mail either');
  });

  assert.equal((await persist(() => send(callback), new Tally())).status, 200);
  await until(async () => await orderState(paid.order) === 'completed/paid/delivered', 'paid and delivered');
  assert.equal((await mail()).status, 200);
  assert.equal((await debug()).status, 200);
  await rows(`update public.payment_attempts set claim_until = now() where state = 'claimed'`);
  const answer = await persist(() => checkout(refused), new Tally());
  assert.equal(answer.status, 200, answer.text);
  assert.equal((await attempts(refused.order)).filter((a) => a.state === 'open').length, 1);
  assert.deepEqual(workers(), before, 'nothing was restarted');
});

test('the transaction log cannot be written: PostgreSQL goes down again and again, callers get 503', async (t) => {
  if (!canMount) return t.skip('no mount allowed here');
  const before = workers();
  const product = await makeProduct();
  await addStock(product, 12);
  const sales = await makeSales(product, 12, { customers: 3 });
  const jobs = sales.flatMap((sale) => sale.callbacks);
  const tally = new Tally();
  const accepted = [];
  // What a checkpoint gives back is taken as well.
  fill(walDisk);
  const filling = setInterval(() => fill(walDisk), 20);
  t.after(() => clearInterval(filling));
  const falls = () => cluster.ends + cluster.log().split(' PANIC: ').length - 1;
  const fallen = falls();
  // What there is of the log is written to its end.
  await until(async () => {
    tally.add((await debug()).status);
    return falls() > fallen && !await cluster.ready();
  }, 'PostgreSQL is down', { timeout: 30_000, every: 1 });
  unavailable(await mail());
  await until(async () => (await health()).status === 503, 'health says so');
  const work = crowd(6, jobs, async (callback) => {
    assert.equal((await persist(() => send(callback), tally)).status, 200);
    accepted.push(callback);
  });
  await until(() => falls() > fallen + 2, 'and again', { timeout: 20_000 });
  clearInterval(filling);
  free(walDisk);
  await work;
  t.diagnostic(`went down ${falls() - fallen} times; answers: ${tally}`);
  assert.deepEqual(tally.others(/^(200|503)$/), []);
  await until(async () => (await health()).status === 200, 'health says so');
  await assertAccepted(accepted);
  await until(async () => await value('select count(*)::int from public.delivered_accounts as d join public.orders as o using (order_id) where o.account_size = $1',
    [product.size]) === 12, 'deliveries go on', { timeout: 30_000 });
  await assertBooks(sales, product, 12);
  assert.deepEqual(workers(), before, 'nothing was restarted');
});

async function assertAccepted(accepted) {
  const stored = new Set((await rows('select payment_id, status from public.payment_events')).map((e) => `${e.payment_id} ${e.status}`));
  assert.deepEqual(accepted.filter((c) => !stored.has(`${c.payment_id} ${c.status}`)), [], 'what was acknowledged is there');
}

test('the folder of sockets and shared tables is on a full disk: requests are served', async (t) => {
  const own = join(folder, 'run');
  if (!mount(own, 4)) return t.skip('no mount allowed here');
  const { TMPDIR } = process.env;
  process.env.TMPDIR = own;
  const fn = await Private.start('create-crypto-payment');
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
  try {
    fill(own);
    const ask = async () => {
      const user = await makeUser();
      return fn.ask('POST', { body: '{}', params: { HTTP_AUTHORIZATION: `Bearer ${user.token}` } });
    };
    const { workers: [worker] } = fn;
    // Each is another row of the table of rate limits: a page nobody has touched would be SIGBUS.
    for (let i = 0; i < 60; i++) assert.equal((await ask()).status, 400);
    assert.deepEqual(fn.workers, [worker]);
    killNow(worker);
    await until(() => fn.workers.length === 1 && fn.workers[0] !== worker, 'another worker');
    assert.equal((await ask()).status, 400, 'a worker that starts on the full disk serves too');
  } finally {
    await fn.stop();
  }
});
