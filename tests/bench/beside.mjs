// beside: the real comparison of provider and books beside a shop that sells, with everything running: whether
// what works on a schedule keeps it.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { ask, percentiles } from './clients.mjs';
import { freshOrders, product, shop } from './fill.mjs';
import { STATUSES, callback, webhookRequest } from './requests.mjs';
import { backgroundStart, env, home, port, say, sql } from './system.mjs';

const RATE = 2; // orders a second, each with five callbacks
const BATCH_S = 5;
const STEP_S = 4; // between two callbacks of an order
const EXPIRES_S = 600;
const OPEN = 500; // of the filled payments that wait for their payer
const SAMPLE_S = 10;

const price = (n) => Number(product(n).price);

/** The provider: what it knows of payments that are not finished. */
const known = new Map();
let reads = 0;
function provider() {
  const server = createServer((request, response) => {
    request.resume();
    const n = Number(/\/payment\/(\d+)$/.exec(request.url)?.[1]) - 6_000_000_000;
    if (n >= 0) reads++;
    const body = n >= 0 ? callback(n, known.get(n) ?? 'finished', price(n)) : '{"message": "OK"}';
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
  });
  const url = new URL(env.NOWPAYMENTS_SANDBOX_API_URL);
  return new Promise((resolve) => { server.listen(Number(url.port), '127.0.0.1', () => resolve(server)); });
}

const wrong = {};
const sent = { orders: 0, callbacks: 0, lost: 0, unpaid: 0, byStaff: 0, ms: [] };
const note = (what) => { wrong[what] = (wrong[what] ?? 0) + 1; };

/** One order: of a hundred three are never paid, of one all callbacks get lost. */
async function sell(n, until) {
  const kind = n % 100;
  sent.orders++;
  known.set(n, 'waiting');
  if (kind < 3) {
    sent.unpaid++;
    await sleep(EXPIRES_S * 1000, undefined, { ref: false });
    known.set(n, 'expired');
    return;
  }
  if (kind === 3) sent.lost++;
  for (const status of STATUSES) {
    await sleep(STEP_S * 1000 * (0.5 + Math.random()), undefined, { ref: false });
    if (performance.now() > until) return;
    known.set(n, status);
    if (kind === 3) continue;
    const { body, ...request } = webhookRequest(env.NOWPAYMENTS_IPN_SECRET, n, status, price(n));
    const began = performance.now();
    const problem = await ask({ port, host: '127.0.0.1', timeout: 10_000, ...request }, body);
    sent.callbacks++;
    sent.ms.push(performance.now() - began);
    if (problem) note(`callback: ${problem}`);
  }
  known.delete(n); // finished
}

async function every(time_s, until, what) {
  for (let due = performance.now(); due < until; due += time_s * 1000) {
    if (due > performance.now()) await sleep(due - performance.now());
    await what().catch((error) => note(error.message.split('\n')[0]));
  }
}

/** What is looked at all the while: how late schedules and queues are, in seconds. */
const LATE = `select json_object_agg(name, s) from (
    select name, extract(epoch from clock_timestamp() - claimed_at) as s from public.schedules
    union all
    select 'queue ' || kind, coalesce(extract(epoch from overdue), 0) from platform.queue where kind <> 'reconciliation') as l`;

/** Of a service's log: lines that say so since it had `from` bytes, by what they say. */
function said(name, from, pick) {
  const found = {};
  for (const line of readFileSync(join(home, 'log', `${name}.log`)).subarray(from).toString().split('\n')) {
    const what = pick(line);
    if (what) found[what] = (found[what] ?? 0) + 1;
  }
  return found;
}
const size = (name) => readFileSync(join(home, 'log', `${name}.log`)).length;

export async function beside(minutes) {
  const server = await provider();
  // Of the filled payments a few hundred stay open; the day's run was made, so that the first one is ours.
  const last = shop.recent.first + shop.recent.count - 1;
  const ids = (from, to) => `array(select (6000000000 + n)::text from generate_series(${from}, ${to}) as n)`;
  await sql(`update public.payments set status = 'expired', created_at = now() - interval '20 days' where payment_id = any (${ids(shop.recent.first + OPEN, last)});
    -- Also those that waited when the shop was smaller.
    update public.payments set status = 'expired', created_at = now() - interval '20 days'
     where status = 'waiting' and not payment_id = any (${ids(shop.recent.first, last)});
    update platform.jobs set due_at = now() + interval '1 day' where kind = 'payment_check' and not key = any (${ids(shop.recent.first, shop.recent.first + OPEN - 1)});
    update public.payments set created_at = now() - interval '5 days', last_seen_at = now() - random() * interval '30 minutes'
     where payment_id = any (${ids(shop.recent.first, shop.recent.first + OPEN - 1)});
    insert into public.reconciliation_runs (reason, since, started_at, finished_at) values ('daily', now(), now(), now())`,
  '-c session_replication_role=replica -c enable_seqscan=off');
  for (let n = shop.recent.first; n < shop.recent.first + OPEN; n++) known.set(n, 'waiting');
  const logs = ['reconcile', 'process-events', 'deliver-waiting', 'send-outbox', 'payment-webhook', 'postgres'];
  const from = Object.fromEntries(logs.map((name) => [name, size(name)]));
  const began = await sql('select clock_timestamp()');
  const request = (since) => sql(`select backend.request_reconciliation(${since})`);
  // As the daily one, of which an hour has time for a seventh.
  await request(`now() - interval '24 minutes' * ${minutes}`);
  await backgroundStart();
  const until = performance.now() + minutes * 60_000;
  const late = {};
  const selling = [];
  await Promise.all([
    every(BATCH_S, until - STEP_S * 10_000, async () => {
      const first = await freshOrders(RATE * BATCH_S, 'waiting');
      for (let i = 0; i < RATE * BATCH_S; i++) selling.push(sleep((i / RATE) * 1000).then(() => sell(first + i, until)));
    }),
    every(BATCH_S, until, async () => {
      const n = Math.floor(Math.random() * shop.recent.first * 0.8);
      await sql(`set role service_role; update public.orders set payment_proof = now()::text where order_id = 'FFX${100_000_000 + n}'`);
      sent.byStaff++;
    }),
    every(SAMPLE_S, until, async () => {
      for (const [name, s] of Object.entries(JSON.parse(await sql(LATE)))) (late[name] ??= []).push(s);
      // The next run is asked for when one has ended: what changed since that one was.
      if ((await sql('select count(*) from public.reconciliation_runs where finished_at is null')).trim() === '0')
        await request("(select max(requested_at) from public.reconciliation_runs where reason = 'asked') - interval '10 seconds'");
    }),
  ]);
  const runs = JSON.parse(await sql(`select json_agg(r order by r.id) from (
    select id, since, requested_at, extract(epoch from started_at - requested_at) as waited_s,
           extract(epoch from coalesce(finished_at, clock_timestamp()) - started_at) as took_s, finished_at is not null as through,
           checked, healed, differences, failures, problem
    from public.reconciliation_runs where requested_at >= '${began.trim()}') as r`));
  const healed = JSON.parse(await sql(`select json_build_object('count', count(*), 'p50_s', percentile_cont(0.5) within group (order by s),
      'max_s', max(s)) from (
    select extract(epoch from e.received_at - o.created_at) as s
    from public.payment_events as e join public.orders as o on o.order_id = e.order_id
    where e.received_at >= '${began.trim()}' and e.source = 'poll' and e.status = 'finished') as l`));
  const slow = said('postgres', from.postgres, (line) => /duration: \d{4,}/.test(line) && 'slower than 1 s');
  const errors = said('postgres', from.postgres, (line) => /(ERROR|FATAL|PANIC): {2}(.{0,80})/.exec(line)?.[2]);
  const lines = Object.fromEntries(logs.slice(0, -1).map((name) => [name, said(name, from[name], (line) =>
    (/"level":"(warn|error)"/.test(line) ? /"event":"[^"]*"/.exec(line)?.[0] ?? line.slice(0, 80) : undefined))]));
  server.close();
  server.closeAllConnections();
  const result = { minutes, rate: RATE, reads, runs, healed, late: Object.fromEntries(Object.entries(late).map(([name, list]) => [name, percentiles(list)])),
    sent: { ...sent, ms: percentiles(sent.ms) }, wrong, slow, errors, lines };
  say(`${JSON.stringify(result, null, 1)}\n`);
  return result;
}
