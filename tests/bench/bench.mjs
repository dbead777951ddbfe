// bench: the work and its limits, in turns, on the system in FFX_HOME; called by tests/bench/run.
import { readFileSync, writeFileSync } from 'node:fs';

import { authPrepare, hashLimit, refreshLimit, refreshTurn, signInTurn, statusAlone, userLimit, userTurn } from './auth.mjs';
import { idle, openModel, slow } from './clients.mjs';
import { DATA, dataLimit, dataPrepare, dataRows, dataStart, dataTurn } from './data.mjs';
import { dataGrowth } from './data-grow.mjs';
import { fill, shop } from './fill.mjs';
import { WARM_SECONDS, metered, wrk, wrkWarm } from './measure.mjs';
import { statusRequest } from './requests.mjs';
import { idleMemory, starts } from './rest.mjs';
import { backgroundStop, emptyLocation, env, machine, options, port, providerStart, say, system, tuned, work } from './system.mjs';
import { compare, print } from './table.mjs';
import { checkouts, plainTurn, requestFiles, statusLimit, statusTurn, webhookLimit, webhookTurn } from './work.mjs';

const ORDERS = 100_000, USERS = 10_000, STOCK = 200_000;
const ROUNDS = options.quick ? 2 : 5;
const SECONDS = options.quick ? 2 : 4; // of one turn of work
const BESIDE_SECONDS = 2 * SECONDS; // of one turn of work that is slow, or beside it
const LIMIT_SECONDS = 3; // of one turn of a limit
const CONNECTIONS = 64, CLIENTS = [8, 16, 32];
const PROVIDER_MS = 50;

async function checkoutTurn() {
  const enough = (seconds) => Math.ceil((CONNECTIONS * 1000 / PROVIDER_MS) * seconds * 0.6);
  const warm = await checkouts(enough(WARM_SECONDS), 'checkout-warm.req');
  const file = await checkouts(enough(SECONDS));
  return metered((meter) => wrkWarm(meter, warm, file, { seconds: SECONDS, connections: CONNECTIONS, mode: 'once' }));
}

async function besideOthers() {
  const stop = [await idle(port, 500), await slow(port, 100)];
  try {
    return await statusTurn(SECONDS, CONNECTIONS);
  } finally {
    for (const end of stop) end();
  }
}

const wanted = (name) => !options.only || options.only.some((part) => name.startsWith(part));

let provider;

const turns = {
  nginx: () => plainTurn('empty.req', CONNECTIONS),
  fastcgi: () => plainTurn('live.req', CONNECTIONS),
  W1: () => statusTurn(SECONDS, CONNECTIONS),
  ...Object.fromEntries(CLIENTS.map((c) => [`W1 pgbench ${c}`, () => statusLimit(c)])),
  W2: () => webhookTurn(SECONDS, CONNECTIONS),
  ...Object.fromEntries(CLIENTS.map((c) => [`W2 pgbench ${c}`, () => webhookLimit(c)])),
  // the provider alone, as often as W3 asks it
  provider: () => metered(() => wrk(work('invoice.req'), { seconds: LIMIT_SECONDS, connections: CONNECTIONS, url: provider.url })),
  W3: checkoutTurn,
  W4: besideOthers,
  'auth bcrypt': hashLimit,
  'auth status': () => statusAlone(BESIDE_SECONDS),
  'auth sign-in': () => signInTurn(BESIDE_SECONDS),
  'auth refresh': () => refreshTurn(SECONDS, CONNECTIONS),
  'auth refresh pgbench 32': () => refreshLimit(32),
  'auth user': () => userTurn(SECONDS, CONNECTIONS),
  'auth user pgbench 16': () => userLimit(16),
  ...Object.fromEntries(DATA.flatMap((kind) => [[`data ${kind}`, () => dataTurn(kind, SECONDS, CONNECTIONS)],
    [`data ${kind} pgbench 16`, () => dataLimit(kind, 16)]])),
};

async function main() {
  const result = { began: new Date().toISOString(), machine: await machine(), settings: tuned(),
    sizes: { orders: ORDERS, users: USERS, stock: STOCK, rounds: ROUNDS, seconds: SECONDS, connections: CONNECTIONS },
    rounds: [] };
  provider = await providerStart(PROVIDER_MS);
  try {
    await backgroundStop();
    await fill({ orders: ORDERS, users: USERS, stock: STOCK });
    requestFiles();
    await authPrepare(CONNECTIONS);
    if (DATA.some((kind) => wanted(`data ${kind}`)) || wanted('growth')) await dataPrepare();
    for (let round = 0; round < ROUNDS; round++) {
      const taken = {};
      for (const [name, turn] of Object.entries(turns)) {
        if (!wanted(name)) continue;
        say(`round ${round + 1}/${ROUNDS}  ${name} …`);
        taken[name] = await turn();
        taken[name].pss = system.pss();
        say(` ${Math.round(taken[name].rate)} requests/s\n`);
      }
      result.rounds.push(taken);
    }
    if (wanted('data')) result.data = { ...await dataRows(), start: await dataStart() };
    if (options.only?.includes('growth')) result.grown = await dataGrowth(CONNECTIONS);
    if (!options.only) {
      result.open = await open();
      result.thousand = await thousand();
      result.starts = await starts();
    }
    if (wanted('auth')) result.auth = system.pssOf('auth');
    if (wanted('auth') || wanted('data')) result.idle = await idleMemory();
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
    const n = shop.recent.first + Math.floor(Math.random() * shop.recent.count);
    return { kind: 'status', ...statusRequest(env.JWT_SECRET, n, n % shop.users) };
  });
  const result = await openModel(port, requests, 1000, seconds);
  say(` p99 ${result.p99_ms.toFixed(2)} ms, ${result.errors} errors\n`);
  return { seconds, ...result };
}

/** A thousand checkouts at once, and the memory of the process that holds them. */
async function thousand() {
  say('1000 checkouts at once …');
  const file = await checkouts(20_000);
  let most = 0;
  const watch = setInterval(() => { most = Math.max(most, system.pssOf('create-crypto-payment')); }, 100);
  try {
    const result = await wrk(file, { connections: 1000, mode: 'once', seconds: 4 });
    say(` ${(most / 2 ** 20).toFixed(1)} MB\n`);
    return { ...result, pss: most };
  } finally {
    clearInterval(watch);
  }
}

await emptyLocation();
await main();
