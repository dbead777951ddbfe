// A name server that does not answer, a mail server that says nothing, a provider that answers a byte a
// second: who needs them is answered in time, the others of the same worker meanwhile as always, and
// its loop is never late. That is its own measure: the longest turn of the loop since the process began
// (common/loop/loop.c).
//
// Private processes of the shipped binaries, and servers of the test's own, all at the same time. The
// name server stands in an /etc/resolv.conf that only those processes see; where that is not allowed
// (an ordinary user, a container), it is left out. FFX_LONG=1: for a minute instead of five seconds,
// alone on the machine: never late by more than 100 ms.
// system: shared
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { row } from '../lib/db.mjs';
import { long } from '../lib/fire.mjs';
import { checkoutBody, makeSale, openedSale } from '../lib/flashfundx/shop.mjs';
import { Mute, NameServer, byteByByte } from '../lib/mute.mjs';
import { Private, sv } from '../lib/process.mjs';
import { Proxy, databaseUrlOf } from '../lib/proxy.mjs';
import { hurry } from '../lib/queue.mjs';
import { makeUser } from '../lib/users.mjs';
import { soon, until } from '../lib/wait.mjs';
import { heardSale, silence } from '../flashfundx/reconcile/sales.mjs';

const SILENT_MS = long ? 60_000 : 5_000;
// The loop, at most; the short form runs beside other tests. Waiting would be two seconds or more.
const LATE_MS = long ? 100 : 1000;
// Of those who need none of them 19 in 20 take less: some ms on a quiet machine; waiting would be two seconds or more.
const OTHERS_MS = 1000;
const SLACK_MS = 3000; // behind a limit
const PROVIDER_MS = 3000;
const LOOKUP_MS = 5000; // of a mail server's name
const MAIL_MS = 20_000;
const THREADS = 16; // of a worker that has used all that it has

const everybody = (count, make) => Promise.all(Array.from({ length: count }, make));
const bearer = ({ token }) => ({ HTTP_AUTHORIZATION: `Bearer ${token}` });

const begin = (name, settings, through) => Private.start(name, {
  RATE_LIMIT: 'false', STATUS_FRESH_S: '0', NOWPAYMENTS_TIMEOUT_MS: String(PROVIDER_MS), ...settings,
}, { through });

/** `ask` again and again while they are silent; `right` looks at each answer, which takes `limit` ms at most. */
async function again(ask, limit, right) {
  const end = Date.now() + SILENT_MS;
  do {
    const began = Date.now();
    const answer = await ask();
    const took = Date.now() - began;
    assert.ok(took < limit + soon(SLACK_MS), `${answer.status} after ${took} ms`);
    right(answer);
    await sleep(200);
  } while (Date.now() < end);
}

/** Let `work` go on, and others ask the same worker meanwhile; then it ends, and was never late. */
async function meanwhile(t, fn, other, work) {
  const [worker] = fn.workers;
  const times = [];
  const connection = other && await fn.open();
  let over = false, threads = 0;
  const others = async () => {
    for (; !over; await sleep(50)) {
      threads = Math.max(threads, readdirSync(`/proc/${worker}/task`).length);
      if (!other) continue;
      const began = performance.now();
      await other(connection, times.length);
      times.push(performance.now() - began);
    }
    connection?.close();
  };
  try {
    if (other) await until(() => other(connection).then(() => true, () => false), `${fn.name} has its connections`);
    await Promise.all([others(), work().finally(() => (over = true))]);
    const late = await fn.figure('ffx_loop_turn_max_milliseconds');
    times.sort((a, b) => a - b);
    const [middle, nearly, most] = [0.5, 0.95, 1].map((part) => times[Math.ceil(part * times.length) - 1] ?? 0);
    t.diagnostic(`${fn.name}: the loop was late by ${late} ms at most, and had ${threads} threads; ` +
      `${times.length} others took ${middle.toFixed(1)} ms in the middle, ${most.toFixed(1)} ms at most`);
    assert.ok(late <= LATE_MS, `${fn.name}: the loop was late by ${late} ms`);
    assert.ok(nearly < OTHERS_MS, `${fn.name}: others took ${middle} ms in the middle, ${nearly} ms and more`);
    assert.ok(threads <= THREADS, `${fn.name}: ${threads} threads`);
    assert.deepEqual(fn.workers, [worker]);
  } finally {
    assert.deepEqual(await fn.stop(), { code: 0, signal: null });
  }
}

const checkout = (fn, { user, order }) => fn.request('POST', { body: JSON.stringify(checkoutBody(order)), params: bearer(user) });
const status = (fn, user, orderId) =>
  fn.request('GET', { params: { QUERY_STRING: `orderId=${orderId}&userId=${user.id}`, ...bearer(user) } });
const sendEmail = (fn, user, to) =>
  fn.request('POST', { body: JSON.stringify({ to, subject: 'Hello', html: '<p>Hi</p>' }), params: bearer(user) }, MAIL_MS + 5000);
/** Each on a connection of its own. */
const alone = (fn) => ({ request: (...args) => fn.ask(...args) });

/**
 * Those who need the provider, while it is at `url`. `through`: Private's, and `database` the name by
 * which they reach theirs.
 */
async function withoutProvider(t, url, { through, database } = {}) {
  const start = (name, settings) => begin(name, { NOWPAYMENTS_SANDBOX_API_URL: url, ...settings }, through);
  await Promise.all([
    t.test('a checkout is answered 502; one that is open is given back', async (t2) => {
      const fn = await start('create-crypto-payment');
      const opened = await openedSale({ stock: 0 });
      const sales = await everybody(6, () => makeSale({ stock: 0 }));
      await meanwhile(t2, fn,
        async (connection) => assert.equal((await checkout(connection, opened)).status, 200),
        () => Promise.all(sales.map((sale) => again(() => checkout(alone(fn), sale), PROVIDER_MS, (answer) => {
          assert.equal(answer.status, 502, answer.text);
          assert.ok(Number(answer.headers['retry-after']) >= 1);
        }))));
    }),
    t.test("a payment's state is answered as it stands in the books", async (t2) => {
      const proxy = await Proxy.start();
      const fn = await start('check-payment-status', database && { DATABASE_URL: databaseUrlOf('check-payment-status', `${database}:${proxy.port}`) });
      const sales = await everybody(4, () => openedSale({ stock: 0 }));
      try {
        await meanwhile(t2, fn,
          async (connection, n) => {
            assert.equal((await status(connection, sales[0].user, 'FFX000000000')).status, 404);
            if (n === 15) proxy.cut(); // the way to the database has to be found again while they wait
          },
          () => Promise.all(sales.map((sale) => again(() => status(alone(fn), sale.user, sale.order.order_id), PROVIDER_MS, (answer) => {
            assert.deepEqual([answer.status, answer.json.stale], [200, true], answer.text);
          }))));
      } finally {
        await proxy.stop();
      }
    }),
    t.test('health is degraded', async (t2) => {
      const fn = await start('health');
      await meanwhile(t2, fn,
        async (connection) => assert.equal((await connection.request('GET', { params: { PATH_INFO: '/live' } })).status, 200),
        () => again(() => fn.ask('GET'), PROVIDER_MS, (answer) => {
          assert.deepEqual([answer.status, answer.json.status, answer.json.checks.nowpayments.status], [200, 'degraded', 'unhealthy'], answer.text);
        }));
    }),
  ]);
}

const names = await NameServer.start();
const withoutNames = !names && 'port 53, or mounting, is not allowed here';
let mailServer, provider;

before(async () => {
  mailServer = await Mute.start();
  provider = await Mute.start(byteByByte);
  // What works by the clock is done by one process in all.
  await Promise.all(['send-outbox', 'reconcile'].map((name) => sv('down', name)));
});
after(async () => {
  await Promise.all(['send-outbox', 'reconcile'].map((name) => sv('up', name)));
  await mailServer.close();
  await provider.close();
  names?.close();
});

test('all of them at once', { concurrency: 12 }, (top) => Promise.all([
  top.test('a name server that does not answer', { concurrency: 12, skip: withoutNames }, (t) => Promise.all([
    withoutProvider(t, 'https://provider.example', { through: names.through('database.example'), database: 'database.example' }),
    t.test('a mail waits in the outbox', async (t2) => {
      const fn = await begin('send-email', { SMTP_HOST: 'mail.example' }, names.through());
      const users = await everybody(6, () => makeUser());
      await meanwhile(t2, fn,
        async (connection) => assert.equal((await sendEmail(connection, users[0], 'another@example.org')).status, 403),
        () => Promise.all(users.map((user) => again(() => sendEmail(alone(fn), user, user.email), LOOKUP_MS, (answer) => {
          assert.deepEqual([answer.status, answer.json.message.slice(0, 12)], [200, 'Email queued'], answer.text);
        }))));
    }),
  ])),

  top.test('a mail server that says nothing', { concurrency: 12 }, (t) => Promise.all([
    // In the short form it hangs up, or each mail would take its 20 s.
    long || sleep(SILENT_MS).then(() => mailServer.hangUp()),
    t.test('a mail waits in the outbox', async (t2) => {
      const fn = await begin('send-email', { SMTP_HOST: '127.0.0.1', SMTP_PORT: String(mailServer.port) });
      const users = await everybody(6, () => makeUser()); // there are four threads
      await meanwhile(t2, fn,
        async (connection) => assert.equal((await sendEmail(connection, users[0], 'another@example.org')).status, 403),
        () => Promise.all(users.map((user) => again(() => sendEmail(alone(fn), user, user.email), MAIL_MS, (answer) => {
          assert.deepEqual([answer.status, answer.json.message.slice(0, 12)], [200, 'Email queued'], answer.text);
        }))));
    }),
    t.test('the outbox keeps it for later', async (t2) => {
      const { id } = await row("select id from platform.send_email(null, 'x@example.org', 'Hello', '<p>Hi</p>', 'Hi', 'shop.example')");
      await hurry('mail', [id]);
      const fn = await begin('send-outbox', { SMTP_HOST: '127.0.0.1', SMTP_PORT: String(mailServer.port) });
      await meanwhile(t2, fn, null, async () => {
        const mail = await until(async () => {
          const now = await row('select * from public.outbox where id = $1', [id]);
          return now.state === 'pending' && now;
        }, 'it has failed', { timeout: MAIL_MS + SILENT_MS });
        assert.equal(mail.tries, 2);
        assert.match(mail.last_error, /^smtp: /);
      });
    }),
  ])),

  top.test('a provider that answers a byte a second', { concurrency: 12 }, (t) => Promise.all([
    withoutProvider(t, `http://127.0.0.1:${provider.port}`),
    t.test('payments are asked about again later', async (t2) => {
      const { paymentId } = await heardSale({ stock: 0 });
      await silence(paymentId);
      const fn = await begin('reconcile', { NOWPAYMENTS_SANDBOX_API_URL: `http://127.0.0.1:${provider.port}` });
      await meanwhile(t2, fn, null, async () => {
        await until(() => provider.heard.includes(`GET /payment/${paymentId} `), 'the provider was asked');
        await sleep(SILENT_MS);
        assert.ok(await fn.figure('ffx_scheduled_runs_total') >= 1);
      });
    }),
  ])),
]));

test('a name server that answers late is heard, and what it said is used', { skip: withoutNames }, async (t) => {
  const late = await NameServer.start();
  const found = await Mute.start((socket) => socket.destroy());
  const sale = await makeSale({ stock: 0 });
  const fn = await begin('create-crypto-payment', { NOWPAYMENTS_SANDBOX_API_URL: `https://provider.example:${found.port}` }, late.through());
  try {
    await meanwhile(t, fn, null, async () => {
      assert.equal((await checkout(alone(fn), sale)).status, 502);
      assert.equal(found.connections, 0);
      late.speak(); // once, to who has left
      assert.equal((await checkout(alone(fn), sale)).status, 502);
      assert.equal(found.connections, 1);
    });
  } finally {
    late.close();
    await found.close();
  }
});

test('a database whose name was found once stays where it is', { skip: withoutNames }, async (t) => {
  const once = await NameServer.start();
  const proxy = await Proxy.start();
  const { user } = await makeSale({ stock: 0 });
  const fn = await begin('check-payment-status', { DATABASE_URL: databaseUrlOf('check-payment-status', `database.example:${proxy.port}`) }, once.through());
  const ask = async () => assert.equal((await status(alone(fn), user, 'FFX000000000')).status, 404);
  try {
    await meanwhile(t, fn, null, async () => {
      const first = ask();
      await until(() => once.held.length === 2, 'both kinds of addresses are asked for');
      once.speak();
      await first;
      for (let i = 0; i < 4; i++) {
        proxy.cut();
        await sleep(50);
        const began = Date.now();
        await ask();
        assert.ok(Date.now() - began < 500 + soon(SLACK_MS));
      }
    });
  } finally {
    once.close();
    await proxy.stop();
  }
});
