// bench: the work and its limits, in turns, on the system in FFX_HOME; called by tests/bench/run.
import { execFile, spawn } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { idle, openModel, slow } from './clients.mjs';
import { cpuOf, machine as load, parts } from './processes.mjs';
import { checkoutRequests, plainRequests, statusRequests, token, orderId, userId, webhookRequests } from './requests.mjs';
import { here, providerStart, settings } from './system.mjs';
import { compare, print } from './table.mjs';

const home = process.env.FFX_HOME;
const options = JSON.parse(process.env.BENCH_OPTIONS);
const ORDERS = 100_000, USERS = 10_000, STOCK = 200_000;
const RECENT = ORDERS / 10; // those that wait for the payer: what customers ask about
const ROUNDS = options.quick ? 2 : 5;
const SECONDS = options.quick ? 2 : 4; // of one turn of work
const LIMIT_SECONDS = 3; // of one turn of a limit
const WARM_SECONDS = 2;
const CONNECTIONS = 64, CLIENTS = [8, 16, 32];
const PROVIDER_MS = 50;

const env = settings(join(home, 'env'));
const port = Number(env.FFX_PORT);
const system = parts(home);
const exec = promisify(execFile);
const run = async (file, args) => (await exec(file, args, { maxBuffer: 1 << 26 })).stdout;
const say = (text) => process.stderr.write(text);
const sql = (text) => run('psql', ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', env.DATABASE_URL, '-c', text]);
const database = (name) => settings(join(home, 'functions', `${name}.env`)).DATABASE_URL;
const work = (file) => join(home, 'bench', file);

// ---- one turn ----

/**
 * Runs `what` and adds what the machine did meanwhile.  What has to warm up first calls begin(pid) and
 * end(pid), with the client's process, around the time that counts.
 */
async function metered(what) {
  const reading = (pid) => {
    const { busy, clients } = load();
    return { ...system.cpu(), busy, clients: clients + cpuOf(pid), at: performance.now() };
  };
  let before = reading(), after;
  const result = await what({ begin: (pid) => { before = reading(pid); }, end: (pid) => { after = reading(pid); } });
  after ??= reading();
  const used = (part) => after[part] - before[part];
  const own = used('function') + used('nginx') + used('postgres') + used('clients');
  const [fn, nginx, postgres, clients] = ['function', 'nginx', 'postgres', 'clients'].map((part) => used(part) / result.requests);
  return {
    ...result, cpu_us: { function: fn, nginx, postgres, clients },
    // the share of the machine that other programs took, which is what makes two runs differ
    others: Math.max(0, (used('busy') - own) / (used('at') * 1000 * cpus().length)),
  };
}

async function wrk(file, { seconds = SECONDS, connections = CONNECTIONS, again = true } = {}) {
  const threads = Math.min(2, connections);
  const out = await run('wrk', [`-t${threads}`, `-c${connections}`, `-d${seconds}`, '--timeout', '20', '-s', join(here, 'replay.lua'),
    `http://127.0.0.1:${port}/`, '--', file, String(threads), again ? 'again' : 'once']);
  const result = JSON.parse(out.trim().split('\n').at(-1));
  if (result.short) throw new Error(`${file} had too few requests`);
  if (result.bad || result.lost) say(`\n  ${result.bad} answers were no success, ${result.lost} were lost\n`);
  return { ...result, rate: result.requests / result.seconds };
}

/** New sessions first make their plans: the first seconds do not count. */
function pgbench({ begin, end }, script, url, clients, variables) {
  const child = spawn('pgbench', ['-n', '-M', 'prepared', '-c', String(clients), '-j', '2', '-P', '1',
    '-T', String(WARM_SECONDS + LIMIT_SECONDS),
    ...Object.entries(variables).flatMap(([name, value]) => ['-D', `${name}=${value}`]), '-f', join(here, script), url],
  { stdio: ['ignore', 'ignore', 'pipe'] });
  const seconds = [];
  let said = '';
  createInterface({ input: child.stderr }).on('line', (line) => {
    const [, rate, ms] = /^progress: [\d.]+ s, ([\d.]+) tps, lat ([\d.]+) ms/.exec(line) ?? [];
    if (!rate) said += `${line}\n`;
    else if (seconds.push({ rate: Number(rate), ms: Number(ms) }) === WARM_SECONDS) begin(child.pid);
    else if (seconds.length === WARM_SECONDS + LIMIT_SECONDS - 1) end(child.pid); // the last one may be cut short
  });
  return new Promise((resolve, reject) => child.once('close', (status) => {
    const counted = seconds.slice(WARM_SECONDS, WARM_SECONDS + LIMIT_SECONDS - 1);
    if (status !== 0 || counted.length === 0) reject(new Error(`pgbench ended with ${status}: ${said}`));
    const requests = counted.reduce((sum, s) => sum + s.rate, 0);
    resolve({ requests, rate: requests / counted.length, mean_ms: counted.reduce((sum, s) => sum + s.ms, 0) / counted.length });
  }));
}

// ---- data that is used up ----

let nextOrder = ORDERS;
/** New orders in a state; returns the number of the first. */
async function freshOrders(count, state) {
  const first = nextOrder;
  nextOrder += count;
  await sql(`set session_replication_role = replica; set synchronous_commit = off;
    select bench.fill_orders(${first}, ${count}, '${state}')`);
  return first;
}

let products;
const product = (n) => products[n % products.length];
const RAW = 'x'.repeat(700); // as long as a callback
let webhookRate = 6_000; // guessed, then measured

async function webhookTurn() {
  const count = Math.ceil((webhookRate * SECONDS * 1.6) / 5 / 500) * 500;
  const first = await freshOrders(count, 'waiting');
  webhookRequests(work('webhook.req'), {
    secret: env.NOWPAYMENTS_IPN_SECRET, first, count, price: (n) => Number(product(n).price) });
  await sql('checkpoint');
  const result = await metered(() => wrk(work('webhook.req'), { again: false }));
  webhookRate = result.rate;
  return result;
}

let webhookLimitRate = 6_000;
async function webhookLimit(clients) {
  const perClient = Math.ceil((webhookLimitRate * (WARM_SECONDS + LIMIT_SECONDS) * 1.5) / 5 / clients / 50) * 50;
  const first = await freshOrders(perClient * clients, 'waiting');
  await sql('checkpoint');
  const result = await metered((meter) => pgbench(meter, 'webhook.sql', database('payment-webhook'), clients,
    { i: -1, first, per_client: perClient, raw: RAW }));
  const done = Number(await sql(`select count(*) from public.orders where order_id >= 'FFX${100_000_000 + first}'
    and order_id < 'FFX${100_000_000 + first + perClient * clients}' and order_status = 'completed'`));
  if (done === perClient * clients) throw new Error('pgbench ran out of payments');
  webhookLimitRate = result.rate;
  return result;
}

async function checkoutTurn() {
  const count = Math.ceil((CONNECTIONS * 1000 / PROVIDER_MS) * SECONDS * 0.6);
  const first = await freshOrders(count, 'new');
  checkoutRequests(work('checkout.req'), { secret: env.JWT_SECRET, first, count, users: USERS, product });
  return metered(() => wrk(work('checkout.req'), { again: false }));
}

async function besideOthers() {
  const stop = [await idle(port, 500), await slow(port, 100)];
  try {
    return await metered(() => wrk(work('status.req')));
  } finally {
    for (const end of stop) end();
  }
}

// ---- all turns ----

const turns = {
  nginx: () => metered(() => wrk(work('empty.req'), { seconds: LIMIT_SECONDS })),
  fastcgi: () => metered(() => wrk(work('live.req'), { seconds: LIMIT_SECONDS })),
  W1: () => metered(() => wrk(work('status.req'))),
  ...Object.fromEntries(CLIENTS.map((c) => [`W1 pgbench ${c}`, () => metered((meter) =>
    pgbench(meter, 'status.sql', database('check-payment-status'), c, { first: ORDERS - RECENT, last: ORDERS - 1, users: USERS }))])),
  W2: webhookTurn,
  ...Object.fromEntries(CLIENTS.map((c) => [`W2 pgbench ${c}`, () => webhookLimit(c)])),
  provider: () => metered(() => wrkProvider()),
  W3: checkoutTurn,
  W4: besideOthers,
};

/** The provider alone, as often as W3 asks it. */
async function wrkProvider() {
  const out = await run('wrk', ['-t1', `-c${CONNECTIONS}`, `-d${LIMIT_SECONDS}`, '-s', join(here, 'replay.lua'),
    `${provider.url}/`, '--', work('invoice.req'), '1', 'again']);
  const result = JSON.parse(out.trim().split('\n').at(-1));
  return { ...result, rate: result.requests / result.seconds };
}

let provider;

async function prepare() {
  say(`filling: ${ORDERS} orders, ${USERS} users, ${STOCK} accounts in stock …`);
  const began = performance.now();
  await run('psql', ['-Xq', '-d', env.DATABASE_URL, '-v', `orders=${ORDERS}`, '-v', `users=${USERS}`, '-v', `stock=${STOCK}`,
    '-f', join(here, 'fill.sql')]);
  await sql('vacuum analyze');
  products = JSON.parse(await sql('select json_agg(p order by n) from bench.products as p'));
  statusRequests(work('status.req'), { secret: env.JWT_SECRET, first: ORDERS - RECENT, count: RECENT, users: USERS });
  plainRequests(work('empty.req'), '/bench');
  plainRequests(work('live.req'), '/functions/v1/health/live');
  plainRequests(work('invoice.req'), '/v1/invoice');
  say(` ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
}

/** What works in the background on what the bench leaves behind would be counted with the next turn. */
async function quietBackground() {
  for (const name of system.functions) {
    const spec = JSON.parse(readFileSync(join(home, 'functions', `${name}.json`), 'utf8'));
    if (!spec.route) await run('sv', ['-w', '35', 'down', join(home, 'services', name)]);
  }
}

async function main() {
  const result = { began: new Date().toISOString(), machine: await machine(), settings: await tuned(),
    sizes: { orders: ORDERS, users: USERS, stock: STOCK, rounds: ROUNDS, seconds: SECONDS, connections: CONNECTIONS },
    idle_pss: system.pss(), rounds: [] };
  provider = await providerStart(env, PROVIDER_MS);
  try {
    await prepare();
    await quietBackground();
    for (let round = 0; round < ROUNDS; round++) {
      const taken = {};
      for (const [name, turn] of Object.entries(turns)) {
        if (options.only && !options.only.some((part) => name.startsWith(part))) continue;
        say(`round ${round + 1}/${ROUNDS}  ${name} …`);
        taken[name] = await turn();
        taken[name].pss = system.pss();
        say(` ${Math.round(taken[name].rate)} requests/s\n`);
      }
      result.rounds.push(taken);
    }
    if (!options.only) {
      result.open = await open();
      result.thousand = await thousand();
    }
  } finally {
    provider.stop();
  }
  if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 1)}\n`);
  print(result);
  if (options.compare) compare(JSON.parse(readFileSync(options.compare, 'utf8')), result);
}

/** A thousand requests a minute. */
async function open() {
  const seconds = options.quick ? 20 : 60;
  say(`open model: 1000 requests a minute for ${seconds} s …`);
  const requests = Array.from({ length: 2000 }, () => {
    const n = ORDERS - 1 - Math.floor(Math.random() * RECENT), user = n % USERS;
    return { path: `/functions/v1/check-payment-status?orderId=${orderId(n)}&userId=${userId(user)}`,
      headers: { authorization: `Bearer ${token(env.JWT_SECRET, user)}` } };
  });
  const result = await openModel(port, requests, 1000, seconds);
  say(` p99 ${result.p99_ms.toFixed(2)} ms, ${result.errors} errors\n`);
  return { seconds, ...result };
}

/** A thousand checkouts at once, and the memory of the process that holds them. */
async function thousand() {
  say('1000 checkouts at once …');
  const first = await freshOrders(20_000, 'new');
  checkoutRequests(work('checkout.req'), { secret: env.JWT_SECRET, first, count: 20_000, users: USERS, product });
  let most = 0;
  const watch = setInterval(() => { most = Math.max(most, system.pssOf('create-crypto-payment')); }, 100);
  try {
    const result = await wrk(work('checkout.req'), { connections: 1000, again: false, seconds: 4 });
    say(` ${(most / 2 ** 20).toFixed(1)} MB\n`);
    return { ...result, pss: most };
  } finally {
    clearInterval(watch);
  }
}

async function machine() {
  const first = (text) => text.trim().split('\n')[0];
  return {
    processor: cpus()[0].model.replace(/\s+/g, ' '), cores: cpus().length, memory_gb: Math.round(totalmem() / 2 ** 30),
    kernel: release(), postgresql: first(await run('postgres', ['--version']).catch(() => run('psql', ['--version']))),
    nginx: first((await exec('nginx', ['-v'])).stderr).replace('nginx version: ', ''),
    source: first(await run('git', ['-C', here, 'describe', '--always', '--dirty', '--tags'])),
  };
}

/** Settings of this system that differ from the defaults. */
const tuned = async () => Object.fromEntries(Object.entries(env)
  .filter(([name]) => ['WORKERS', 'DB_CONNECTIONS', 'STATUS_FRESH_S', 'RATE_LIMIT', 'LOG_LEVEL'].includes(name)));

// nginx alone: a location of its own beside the functions'.
appendFileSync(join(home, 'nginx', 'functions.conf'), "\n    location = /bench { return 200 ''; }\n");
await run('sv', ['hup', join(home, 'services', 'nginx')]);
await sleep(300);
await main();
