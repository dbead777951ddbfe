// Something runs out, hangs or goes away: the answer is 503 with Retry-After or late, never wrong,
// and when it is back everything goes on without a restart.
// system: shared
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';

import pg from 'pg';

import { rows, value } from '../lib/db.mjs';
import { KEEP, requestBytes } from '../lib/fcgi.mjs';
import { Private, alive, descriptors, firstFreeDescriptor, limitDescriptors, processesOf, settingsOf } from '../lib/process.mjs';
import { assertBooks, books, callbacksOf, makeSales, post } from '../lib/flashfundx/sales.mjs';
import { Caller, Tally, chance, crowd, long, persist } from '../lib/fire.mjs';
import { fault, mark, calls } from '../lib/flashfundx/sandbox.mjs';
import { addStock, checkout, checkoutBody, makeOrder, makeProduct, makeSale, orderState, untilState } from '../lib/flashfundx/shop.mjs';
import { env, url } from '../lib/system.mjs';
import { userToken } from '../lib/tokens.mjs';
import { makeUser } from '../lib/users.mjs';
import { soon, until } from '../lib/wait.mjs';

const timed = async (work) => {
  const began = Date.now();
  const result = await work();
  return [result, Date.now() - began];
};

/** A private process for the time of `work`, which it survives with the same worker. */
async function withPrivate(name, settings, work) {
  const fn = await Private.start(name, { RATE_LIMIT: 'false', ...settings });
  try {
    const [worker] = fn.workers;
    await work(fn, worker);
    assert.deepEqual(fn.workers, [worker], 'no worker was lost');
  } finally {
    assert.equal((await fn.stop()).code, 0);
  }
}

const ipn = (callback) => ({ body: callback.body, params: { HTTP_X_NOWPAYMENTS_SIG: callback.signature } });
const unavailable = (answer) => {
  assert.equal(answer.status, 503, answer.text);
  assert.equal(answer.json.error, 'Service temporarily unavailable');
  assert.ok(Number(answer.headers['retry-after']) >= 1);
};

const [, role, folder, database] = /^postgresql:\/\/([^@]+)@([^/]+)\/(.+)$/.exec(env.DATABASE_URL);
/** A database session of its own, ended with `work`. */
async function withSession(work) {
  const session = new pg.Client({ user: role, host: decodeURIComponent(folder), database });
  await session.connect();
  try {
    return await work(session);
  } finally {
    await session.end();
  }
}

test('descriptors run out: new connections wait, nothing dies, and it goes on when there are some again', () =>
  withPrivate('webhook-debug', {}, async (fn, worker) => {
    const kept = await fn.open();
    assert.equal((await kept.request('OPTIONS')).status, 200);
    const before = descriptors(worker);
    await limitDescriptors(worker, firstFreeDescriptor(worker));

    // No descriptor for a database connection either.
    unavailable(await kept.request('POST', { body: '{}' }));
    const waiting = Array.from({ length: 20 }, () => fn.ask('POST', { body: '{}' }));
    assert.equal((await kept.request('OPTIONS')).status, 200, 'who has a connection is served');
    assert.equal(descriptors(worker), before);

    await limitDescriptors(worker, 1024);
    for (const answer of await Promise.all(waiting)) assert.ok([200, 503].includes(answer.status), answer.text);
    await until(async () => (await kept.request('POST', { body: '{}' })).status === 200, 'served again');
    kept.close();
  }));

/** Let a database role have `n` connections at most for the time of `work`. */
async function withConnectionLimit(dbRole, n, work) {
  await rows(`alter role ${dbRole} connection limit ${n}`);
  try {
    await work();
  } finally {
    await rows(`alter role ${dbRole} connection limit -1`);
  }
}
const endSessions = (dbRole) => rows('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [dbRole]);

test('no database connection to be had: 503 with Retry-After through nginx, then on without a restart', async () => {
  const caller = new Caller();
  const ask = () => caller.send('POST', '/functions/v1/webhook-debug', { headers: { 'content-type': 'application/json' }, body: '{}' });
  assert.equal((await ask()).status, 200);
  const { workers } = processesOf('webhook-debug');
  await withConnectionLimit('fn_webhook_debug', 0, async () => {
    await endSessions('fn_webhook_debug');
    await until(async () => (await ask()).status === 503, 'the lost connections are noticed');
    for (let i = 0; i < 20; i++) {
      const [answer, ms] = await timed(ask);
      unavailable({ ...answer, json: JSON.parse(answer.text) });
      assert.ok(ms < soon(1000), `refused at once, not after ${ms} ms`);
    }
  });
  await until(async () => (await ask()).status === 200, 'served again', { timeout: 5000 });
  assert.deepEqual(processesOf('webhook-debug').workers, workers);
  caller.close();
});

/** What a payer and the provider send, each for an order of its own; sent again by `again`. */
const SENDERS = {
  'payment-webhook': async (caller) => {
    const { order } = await makeSale();
    const [callback] = callbacksOf(order, ['waiting']);
    return { order, again: () => post(caller, callback) };
  },
  'create-crypto-payment': async (caller) => {
    const { user, order } = await makeSale({ stock: 0 });
    return { order, again: () => caller.send('POST', '/functions/v1/create-crypto-payment', {
      headers: { authorization: `Bearer ${user.token}`, 'content-type': 'application/json' }, body: JSON.stringify(checkoutBody(order)) }) };
  },
};

for (const [name, prepare] of Object.entries(SENDERS)) {
  for (const kind of ['role', 'database']) {
    test(`${name} at the connection limit of its ${kind}: 503 with Retry-After, nothing half done, then on without a restart`, async () => {
      const caller = new Caller();
      const dbRole = `fn_${name.replaceAll('-', '_')}`;
      const limit = (n) => rows(`alter ${kind} ${kind === 'role' ? dbRole : database} connection limit ${n}`);
      const { workers } = processesOf(name);
      const refused = [];
      await limit(0);
      try {
        await endSessions(dbRole);
        await until(async () => {
          const sent = await prepare(caller);
          refused.push(sent);
          const answer = await sent.again();
          if (answer.status === 200) return false; // on a connection that was just being ended
          unavailable({ ...answer, json: JSON.parse(answer.text) });
          return refused.length >= 4;
        }, 'refused');
        const { order, again } = refused.at(-1);
        unavailable(await again().then((answer) => ({ ...answer, json: JSON.parse(answer.text) })));
        assert.equal(await orderState(order), 'pending/pending/pending');
      } finally {
        await limit(-1);
      }
      for (const { order, again } of refused) {
        assert.equal((await persist(again, new Tally())).status, 200);
        assert.equal(await orderState(order), 'processing/pending/pending');
      }
      assert.deepEqual(processesOf(name).workers, workers);
      caller.close();
    });
  }
}

test('a connection for reading and none for writing: answered soon, not at the end of the budget', () =>
  withPrivate('check-payment-status', { STATUS_FRESH_S: '0', DB_CONNECTIONS: '2' }, async (fn) => {
    const { user, order } = await makeSale();
    assert.equal((await checkout(user, order)).status, 200);
    const ask = (orderId) => fn.ask('GET', { params: { QUERY_STRING: `orderId=${orderId}&userId=${user.id}`, HTTP_AUTHORIZATION: `Bearer ${user.token}` } });
    assert.equal((await ask('FFX000000000')).status, 404); // opens the one for reading
    const used = await value(`select count(*)::int from pg_stat_activity where usename = 'fn_check_payment_status'`);
    await withConnectionLimit('fn_check_payment_status', used, async () => {
      const [answer, ms] = await timed(() => ask(order.order_id));
      assert.ok([200, 503].includes(answer.status), answer.text);
      assert.ok(ms < soon(3000), `answered after ${ms} ms`);
    });
    await until(async () => (await ask(order.order_id)).status === 200, 'served again', { timeout: 5000 });
  }));

test('PostgreSQL refuses more clients than it has room for, and lets them in later', async () => {
  // Everything that is free, but for what is reserved to the owner.
  const sessions = [];
  try {
    const room = Number(await value(`select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int`));
    await endSessions('fn_webhook_debug');
    for (;;) {
      const used = await value(`select count(*)::int from pg_stat_activity where backend_type = 'client backend'`);
      if (used >= room) break;
      const more = await Promise.all(Array.from({ length: Math.min(40, room - used) }, async () => {
        const session = new pg.Client({ user: role, host: decodeURIComponent(folder), database });
        session.on('error', () => {});
        try {
          await session.connect();
          return session;
        } catch (error) {
          assert.equal(error.code, '53300'); // a function was faster, and it is full
          return null;
        }
      }));
      sessions.push(...more.filter(Boolean));
    }
    const caller = new Caller();
    const ask = () => caller.send('POST', '/functions/v1/webhook-debug', { headers: { 'content-type': 'application/json' }, body: '{}' });
    await until(async () => (await ask()).status === 503, 'refused');
    await Promise.all(sessions.splice(0).map((session) => session.end()));
    await until(async () => (await ask()).status === 200, 'served again', { timeout: 5000 });
    caller.close();
  } finally {
    await Promise.all(sessions.map((session) => session.end()));
  }
});

test('database sessions are ended again and again under load: 200 or 503, and the books are right', async (t) => {
  const random = chance();
  const count = long ? 300 : 40;
  const product = await makeProduct({ platform: 'mt4' });
  await addStock(product, count);
  const sales = await makeSales(product, count, { customers: 5 });
  const jobs = random.shuffle(sales.flatMap((sale) => [...sale.callbacks, ...sale.callbacks]));
  const tally = new Tally();
  const callers = Array.from({ length: 8 }, () => new Caller());
  let done = 0;
  await crowd(8, jobs, async (callback, worker) => {
    const answer = await persist(() => post(callers[worker], callback), tally);
    assert.equal(answer.status, 200);
    if (++done % 20 === 0) await endSessions('fn_payment_webhook');
  });
  callers.forEach((caller) => caller.close());
  t.diagnostic(`answers: ${tally}`);
  assert.deepEqual(tally.others(/^(200|503)$/), []);
  await assertBooks(sales, product, count);
});

/** An order whose row somebody else holds locked for the time of `work(release)`. */
async function withLockedOrder(work) {
  const product = await makeProduct();
  await addStock(product);
  const order = await makeOrder(await makeUser(), product);
  await withSession(async (session) => {
    await session.query('begin');
    await session.query('select 1 from public.orders where order_id = $1 for update', [order.order_id]);
    let held = true;
    const release = async () => {
      if (held) await session.query('rollback');
      held = false;
    };
    try {
      await work(order, release);
    } finally {
      await release();
    }
  });
}
const waitsForLock = (dbRole) =>
  until(async () => await value(`select count(*)::int from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'`, [dbRole]) > 0,
    'a statement waits for the lock');

test('a statement over its time limit: the event is kept, its neighbours are served, and the repeat applies it', () => {
  const { DATABASE_URL } = settingsOf('payment-webhook');
  return withPrivate('payment-webhook', { DATABASE_URL: `${DATABASE_URL}?options=-c%20statement_timeout%3D500%20-c%20lock_timeout%3D3000` }, (fn) =>
    withLockedOrder(async (order, release) => {
      const [finished] = callbacksOf(order, ['finished']);
      const slow = timed(() => fn.ask('POST', ipn(finished)));
      await waitsForLock('fn_payment_webhook');
      const other = await makeSale();
      assert.equal((await fn.ask('POST', ipn(callbacksOf(other.order, ['waiting'])[0]))).status, 200, 'others are served meanwhile');
      const [answer, ms] = await slow;
      assert.equal(answer.status, 200, answer.text);
      assert.ok(ms >= 400 && ms < soon(2500), `answered after ${ms} ms`);
      assert.match(await value('select last_error from public.payment_events where order_id = $1', [order.order_id]), /57014/);
      await release();
      assert.equal((await fn.ask('POST', ipn(finished))).status, 200);
      assert.equal(await orderState(order), 'completed/paid/delivered');
    }));
});

test('a row that stays locked: the event is kept after the lock limit', () =>
  withPrivate('payment-webhook', {}, (fn) =>
    withLockedOrder(async (order, release) => {
      const [finished] = callbacksOf(order, ['finished']);
      const [answer, ms] = await timed(() => fn.ask('POST', ipn(finished)));
      assert.equal(answer.status, 200, answer.text);
      assert.ok(ms < soon(3000), `answered after ${ms} ms`);
      await release();
      assert.equal((await fn.ask('POST', ipn(finished))).status, 200);
      assert.equal(await orderState(order), 'completed/paid/delivered');
    })));

test('SIGTERM', async (t) => {
  await t.test('an idle function ends at once', async () => {
    const fn = await Private.start('payment-webhook');
    const [how, ms] = await timed(() => fn.stop());
    assert.deepEqual(how, { code: 0, signal: null });
    assert.ok(ms < soon(2000), `took ${ms} ms`);
  });

  await t.test('a busy one answers what it has begun, and then ends', async () => {
    const fn = await Private.start('payment-webhook');
    await withLockedOrder(async (order, release) => {
      const [finished] = callbacksOf(order, ['finished']);
      const kept = await fn.open(); // as nginx keeps them
      const underWay = kept.request('POST', ipn(finished));
      const another = fn.ask('POST', ipn(finished));
      await waitsForLock('fn_payment_webhook');
      fn.kill('SIGTERM');
      await until(() => fn.workers.length === 1, 'it waits');
      await release();
      assert.deepEqual([(await underWay).status, (await another).status], [200, 200]);
      assert.equal((await kept.request('POST', { ...ipn(finished), flags: KEEP })).status, 200, 'a kept connection is served until its peer lets go');
      assert.equal(fn.exited, undefined);
      kept.close();
      const [how, ms] = await timed(() => fn.exit);
      assert.deepEqual(how, { code: 0, signal: null });
      assert.ok(ms < soon(3000), `took ${ms} ms`);
      await untilState(order, 'completed/paid/delivered');
    });
    await fn.stop();
  });

  await t.test('while the provider works: the customer gets the checkout', async () => {
    const fn = await Private.start('create-crypto-payment');
    const { user, order } = await makeSale();
    const since = await mark();
    await fault('invoice', 'slow', { delayMs: 500 });
    const underWay = fn.ask('POST', { body: JSON.stringify(checkoutBody(order)), params: { HTTP_AUTHORIZATION: `Bearer ${user.token}` } });
    await until(async () => (await calls(since, '/invoice')).length === 1, 'the provider got the call');
    fn.kill('SIGTERM');
    assert.equal((await underWay).status, 200);
    assert.deepEqual(await fn.exit, { code: 0, signal: null });
    await fn.stop();
  });
});

test('a master that is killed takes its workers with it, after they have answered', async () => {
  const fn = await Private.start('payment-webhook');
  const [worker] = fn.workers;
  await withLockedOrder(async (order, release) => {
    const underWay = fn.ask('POST', ipn(callbacksOf(order, ['finished'])[0]));
    await waitsForLock('fn_payment_webhook');
    fn.kill('SIGKILL');
    await fn.exit;
    await release();
    assert.equal((await underWay).status, 200);
  });
  await until(() => !alive(worker), 'the worker ends');
  await fn.stop();
});

test('callers that go away in the middle', async (t) => {
  const random = chance();
  const count = long ? 300 : 60;
  const product = await makeProduct({ platform: 'mt4' });
  await addStock(product, count);
  const sales = await makeSales(product, count, { customers: 5 });
  const { hostname, port } = new URL(url);
  const all = sales.flatMap((sale) => sale.callbacks);

  await t.test('callbacks cut off at any byte happen wholly or not at all', async () => {
    await crowd(16, random.shuffle(all), (callback) => new Promise((resolve) => {
      const bytes = Buffer.from(
        `POST /functions/v1/payment-webhook HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\n` +
        `x-nowpayments-sig: ${callback.signature}\r\ncontent-length: ${Buffer.byteLength(callback.body)}\r\n\r\n${callback.body}`);
      // a third of them is sent whole, and nobody waits for the answer
      const part = random.below(3) === 0 ? bytes : bytes.subarray(0, random.below(bytes.length));
      const socket = connect(Number(port), hostname, () => socket.write(part, () => {
        if (random.below(2) === 0) socket.resetAndDestroy();
        else socket.destroy();
      }));
      socket.on('error', () => {});
      socket.on('close', resolve);
    }));
    const { events } = await books(sales);
    const sent = new Set(all.map((c) => `${c.payment_id} ${c.status}`));
    assert.ok(events.every((e) => sent.has(`${e.payment_id} ${e.status}`) && e.outcome !== 'review'));
  });

  await t.test('sent again, everything is right', async () => {
    const tally = new Tally();
    const callers = Array.from({ length: 8 }, () => new Caller());
    await crowd(8, random.shuffle(all), async (callback, worker) => tally.add((await post(callers[worker], callback)).status));
    callers.forEach((caller) => caller.close());
    assert.deepEqual(tally.counts, { 200: all.length });
    await assertBooks(sales, product, count);
  });
});

test('slow callers hold nobody up', async () => {
  const { order } = await makeSale();
  const [finished] = callbacksOf(order, ['finished']);
  const { hostname, port } = new URL(url);
  const head = `POST /functions/v1/payment-webhook HTTP/1.1\r\nhost: ${hostname}\r\nconnection: close\r\ncontent-type: application/json\r\n` +
    `x-nowpayments-sig: ${finished.signature}\r\ncontent-length: ${Buffer.byteLength(finished.body)}\r\n\r\n`;
  const slow = await Promise.all(Array.from({ length: 50 }, () => new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(head, () => resolve(socket)));
    socket.setNoDelay(true);
    socket.on('error', reject);
  })));
  const answers = slow.map((socket) => new Promise((resolve) => {
    let text = '';
    socket.on('data', (part) => { text += part; });
    socket.on('close', () => resolve(text));
  }));
  // One byte of each, then somebody quick, and so on.
  const caller = new Caller();
  const other = await makeSale();
  const [waiting] = callbacksOf(other.order, ['waiting']);
  const bytes = Buffer.from(finished.body);
  for (let i = 0; i < bytes.length; i++) {
    for (const socket of slow) socket.write(bytes.subarray(i, i + 1));
    if (i % 10 === 0) {
      const [answer, ms] = await timed(() => post(caller, waiting));
      assert.equal(answer.status, 200);
      assert.ok(ms < soon(1000), `answered after ${ms} ms`);
    }
  }
  caller.close();
  for (const text of await Promise.all(answers)) assert.match(text, /^HTTP\/1\.1 200 /);
  await untilState(order, 'completed/paid/delivered');
});

test('a request that needs too much memory gets an answer, and the next one is served', () =>
  withPrivate('payment-webhook', {}, async (fn) => {
    const before = await fn.ask('POST', { body: '{}' });
    for (const body of ['['.repeat(60_000), `{"a":[${'1,'.repeat(32_000)}1]}`, `{"a":"${randomBytes(24_000).toString('hex')}"}`,
      `{${Array.from({ length: 6_000 }, (_, i) => `"k${i}":{}`).join(',')}}`]) {
      const answer = await fn.ask('POST', { body, params: { HTTP_X_NOWPAYMENTS_SIG: 'ab'.repeat(64) } });
      assert.ok([400, 401, 500].includes(answer.status), `${answer.status} ${answer.text}`);
    }
    assert.equal((await fn.ask('POST', { body: '{}' })).status, before.status);
  }));

/**
 * What a process has of its own in memory, in KiB, and how many mappings of the size of a coroutine's
 * stack: other things may have it too.
 */
function memoryOf(pid) {
  const maps = readFileSync(`/proc/${pid}/smaps`, 'utf8');
  const dirty = [...maps.matchAll(/^Private_Dirty: +(\d+) kB$/gm)].reduce((sum, [, kib]) => sum + Number(kib), 0);
  const stacks = [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw-p .* 0 +$/gm)]
    .filter(([, from, to]) => parseInt(to, 16) - parseInt(from, 16) === 128 * 1024).length;
  return { dirty, stacks };
}

test('a worker at rest has given back what a burst made it take', () =>
  withPrivate('create-crypto-payment', { DB_IDLE_S: '1' }, async (fn, worker) => {
    const ask = (i) => fn.ask('POST', { body: JSON.stringify({ filler: String(i).padEnd(8_000, 'x') }),
      params: { HTTP_AUTHORIZATION: `Bearer ${userToken({ id: randomUUID() })}`, CONTENT_TYPE: 'application/json' } });
    assert.equal((await ask(0)).status, 400);
    const first = memoryOf(worker);
    const holding = await Promise.all(Array.from({ length: 200 }, async () => {
      const connection = await fn.open(); // half a request keeps its coroutine
      await connection.write(requestBytes('POST', { body: 'x' }).subarray(0, 40));
      return connection;
    }));
    await until(() => memoryOf(worker).stacks >= first.stacks + 190, '200 coroutines');
    for (let i = 0; i < 1000; i += 50) await Promise.all(Array.from({ length: 50 }, (_, k) => ask(i + k)));
    const { dirty } = memoryOf(worker);
    assert.ok(dirty > first.dirty + 1024, `${first.dirty} KiB became ${dirty}`);
    for (const connection of holding) connection.close();
    await until(() => memoryOf(worker).stacks < first.stacks + 20, 'stacks are not kept');
    if (process.env.FFX_PRESET !== 'asan') // AddressSanitizer keeps what was freed
      await until(() => memoryOf(worker).dirty < first.dirty + 512, `${first.dirty} KiB, which became ${dirty}, again`);
    assert.equal((await ask(1)).status, 400, 'and goes on');
  }));

test('with a thousand on their way, what anybody may ask is refused at once, and the others are served', () =>
  withPrivate('webhook-debug', { DB_CONNECTIONS: '2' }, (fn) =>
    withSession(async (session) => {
      await session.query('begin');
      await session.query('lock table public.webhook_debug_calls in access exclusive mode');
      const answers = [];
      const began = Date.now();
      const all = Array.from({ length: 1200 }, async () => answers.push(await fn.ask('POST', { body: '{}' }, 60_000)));
      await until(() => answers.length >= 100, 'some are refused');
      const took = Date.now() - began;
      await session.query('commit');
      answers.forEach(unavailable);
      assert.ok(took < soon(3000), `refused at once, not after ${took} ms`);
      await Promise.all(all);
      assert.ok(answers.filter((answer) => answer.status === 200).length > 0, 'and on it goes');
      assert.equal((await fn.ask('POST', { body: '{}' })).status, 200);
    })));
