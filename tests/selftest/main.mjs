// deploy.sh selftest: puts a scratch system under fire and prints which promises it kept.
//   main.mjs payments|histories SEED HISTORIES
import { rows, row, value } from '../e2e/lib/db.mjs';
import { killNow, postgresCrash, processesOf } from '../e2e/lib/process.mjs';
import { chance } from '../e2e/lib/fire.mjs';
import { explain, play, quiesce, stateOf } from '../e2e/lib/flashfundx/histories-run.mjs';
import { smtpServer } from '../e2e/lib/mail.mjs';
import { checkAgain, checkPromises, checkedSoFar, watch } from '../e2e/lib/flashfundx/promises.mjs';
import { clearFaults } from '../e2e/lib/flashfundx/sandbox.mjs';
import { env, functionNames, log } from '../e2e/lib/system.mjs';
import { until } from '../e2e/lib/wait.mjs';
import { FLOWS } from './flows.mjs';

const [what, seed, amount] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const BATCH = 500;
const VICTIMS = ['payment-webhook', 'process-events', 'deliver-waiting', 'send-outbox', 'reconcile'];
const EVENTS_PER_KILL = 50;

const results = new Map(); // promise -> {checked, broken[]}
const played = []; // every history, for the explanation

function count(name, checked, broken) {
  const had = results.get(name) ?? { checked: 0, broken: [] };
  results.set(name, { checked: had.checked + checked, broken: [...had.broken, ...broken] });
}

// ---- progress: one line that is written over, or on a file a line per tenth ----

let line = '';
function progress(text, done, all) {
  const now = `${text}  ${done} of ${all}`;
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${now}`);
  else if (Math.floor((10 * done) / all) !== Math.floor((10 * (done - 1)) / all)) console.log(now);
  line = now;
}
function finished(text) {
  if (process.stdout.isTTY && line) process.stdout.write('\r\x1b[K');
  line = '';
  console.log(text);
}
const since = (began) => `${((Date.now() - began) / 1000).toFixed(1)} s`;

// ---- mails ----

/** A mail server that forgets to answer, or refuses, one message in ten the first time. */
async function mailServer(random) {
  const server = await smtpServer({ port: Number(env.SMTP_PORT) });
  const seen = new Set();
  server.onMail = ({ headers }) => {
    const again = seen.has(headers['message-id']);
    seen.add(headers['message-id']);
    return again || random.next() > 0.1 ? '250 2.0.0 queued' : random.pick(['drop', '451 4.3.0 later']);
  };
  return server;
}

/** What arrived since the last time, for the promise about mails. */
async function bookMails(server) {
  const mails = server.mails.splice(0).map(({ headers, text }) =>
    ({ message_id: headers['message-id'].replace(/[<>]/g, ''), login: /login-[0-9a-f-]{36}/.exec(text)?.[0] ?? null }));
  await rows('insert into selftest.mails select * from jsonb_to_recordset($1) as m (message_id text, login text)',
    [JSON.stringify(mails.filter((mail) => mail.login))]);
}

// ---- the parts ----

async function flows() {
  const began = Date.now();
  for (const [n, { promise, name, run }] of FLOWS.entries()) {
    progress(`provider   ${name.padEnd(28)}`, n + 1, FLOWS.length);
    await clearFaults();
    await run().then(() => count(promise, 1, []), (error) => count(promise, 1, [{ broken: `${name}: ${error.message}` }]));
  }
  await clearFaults();
  await rows('insert into selftest.orders (order_id) select order_id from public.orders on conflict do nothing');
  await quiesce();
  finished(`provider   ${FLOWS.length} sales under the faults of the provider (${since(began)})`);
}

/** Provider and books, compared twice: the second time nothing is left. */
async function compare(from) {
  const began = Date.now();
  let run;
  for (let turn = 0; turn < 2; turn++) {
    const id = await value('select backend.request_reconciliation($1)', [from]);
    run = await until(() => row('select * from public.reconciliation_runs where id = $1 and finished_at is not null', [id]),
      `reconciliation ${id}`, { timeout: 120_000 });
  }
  const open = await rows('select * from public.reconciliation_differences where resolved_at is null');
  count('provider and books agree, payment by payment', Number(run.checked),
    open.map((d) => ({ order_id: d.order_id, broken: `${d.kind} ${d.aspect}: ours ${d.ours}, theirs ${d.theirs}: ${d.explanation}` })));
  finished(`compare    ${run.checked} payments at the provider with the books (${since(began)})`);
}

/** Random histories in batches; strike(events) is told how many were played, after() that all of a batch were. */
async function histories(name, first, many, server, { strike = () => {}, after = () => {} } = {}) {
  const began = Date.now();
  let events = 0;
  for (let from = 0; from < many; from += BATCH) {
    const seeds = Array.from({ length: Math.min(BATCH, many - from) }, (_, n) => first + from + n);
    let ended = 0;
    const { sales } = await play(seeds, {
      done: (n, end) => {
        events += n;
        strike(events);
        if (end) progress(`${name}  ${String(events).padStart(6)} events, histories`, from + ++ended, many);
      },
    });
    played.push(...sales.map(({ seed, order, payments, ids, events }) => ({ seed, order, payments, ids, events })));
    await after();
    await quiesce();
    await bookMails(server);
    const broken = (await checkPromises()).filter((one) => one.broken.length > 0);
    await checkedSoFar();
    if (broken.length > 0) {
      finished(`${name}  a promise was broken in the histories ${seeds[0]} to ${seeds.at(-1)}`);
      return;
    }
  }
  finished(`${name}  ${many} histories from seed ${first}, ${events} events (${since(began)})`);
}

/** Workers killed and PostgreSQL crashed while histories are played. */
async function underFire(random, server) {
  const many = Math.max(100, Math.ceil(amount / 4));
  const crashes = [0.3, 0.7].map((share) => Math.floor(share * many * 5));
  const struck = { workers: 0, crashes: 0 };
  const falls = []; // PostgreSQL going down; nobody waits for that while histories are played
  let next = EVENTS_PER_KILL;
  const strike = (events) => {
    if (events >= crashes[0]) {
      crashes.shift();
      struck.crashes++;
      const fall = postgresCrash();
      fall.catch(() => {}); // is told below
      falls.push(fall);
    } else if (events >= next) {
      next += EVENTS_PER_KILL;
      const { workers } = processesOf(random.pick(VICTIMS));
      if (workers.length > 0 && killNow(random.pick(workers))) struck.workers++;
    }
  };
  // What a killed sender had in hand is sent again after its lease of a minute; here now.
  const after = async () => {
    await Promise.all(falls.splice(0));
    await rows(`update platform.jobs set due_at = now() where kind = 'mail' and state = 'running'`);
  };
  await histories('kill -9  ', seed + 1_000_000, many, server, { strike, after });
  finished(`           while ${struck.workers} workers were killed and PostgreSQL crashed ${struck.crashes} times`);
}

// ---- the end ----

/** What the logs know: a worker that ended by itself, or a sanitizer that spoke. */
function crashes() {
  for (const name of functionNames) {
    const lines = log(name).split('\n').filter((text) =>
      /AddressSanitizer|LeakSanitizer|runtime error:|broken invariant/.test(text) ||
      (text.includes('"event":"worker_died"') && !/"code":(9|15)\b/.test(text)));
    count('no program crashed by itself', 1, lines.slice(0, 1).map((text) => ({ broken: `${name}: ${text.slice(0, 300)}` })));
  }
}

function table() {
  const width = Math.max(...[...results.keys()].map((name) => name.length));
  console.log(`\n${'PROMISE'.padEnd(width)}  ${'CHECKED'.padStart(8)}`);
  for (const [name, { checked, broken }] of results)
    console.log(`${name.padEnd(width)}  ${String(checked).padStart(8)}  ${broken.length > 0 ? `BROKEN (${broken.length})` : checked > 0 ? 'kept' : 'no case'}`);
}

async function explainBroken() {
  for (const [name, { broken }] of results)
    for (const { order_id, broken: why } of broken.slice(0, 2)) {
      console.log(`\n${name}: ${why}`);
      const sale = played.find((one) => one.order.order_id === order_id);
      if (sale) console.log(`${await explain(sale)}\nrepeat it: ./deploy.sh selftest histories --seed ${sale.seed} --histories 1`);
      else if (order_id) console.log(await stateOf(order_id));
    }
}

async function main() {
  const random = chance(seed);
  await watch();
  const server = await mailServer(random);
  const began = await value('select clock_timestamp()');
  try {
    if (what === 'payments') {
      await flows();
      await compare(began);
      await checkedSoFar();
    }
    await histories('histories', seed, amount, server);
    if (what === 'payments') await underFire(random, server);
    await bookMails(server);
    await checkAgain();
    for (const { name, checked, broken } of await checkPromises()) count(name, checked, broken);
  } finally {
    await server.close();
  }
  crashes();
  table();
  await explainBroken();
  const broken = [...results.values()].filter((one) => one.broken.length > 0).length;
  console.log(`\n${results.size - broken} of ${results.size} promises kept.`);
  return broken > 0 ? 1 : 0;
}

// Status 1 is for a broken promise, and for nothing else.
process.exit(await main().catch((error) => {
  console.error(`\nthe self test itself failed: ${error.stack}`);
  return 2;
}));
