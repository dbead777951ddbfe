// schedules: what the SQL calls of functions that work on a schedule take as the shop grows, then an hour of
// the real comparison beside the largest shop, on the system in FFX_HOME; called by tests/bench/run --schedules.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beside } from './beside.mjs';
import { fill, freshOrders, product, shop, steps } from './fill.mjs';
import { callback } from './requests.mjs';
import { backgroundStop, env, here, machine, options, run, say, seconds, sql, tuned } from './system.mjs';
import { count, head, median, number, table } from './table.mjs';

const STOCK = 200_000, WAITING = 10_000;
const BACKLOG = 10_000;
const OWNER = 'as the owner';

/**
 * The role, what waits, and its statements: label, how often, SQL.  All in one transaction, which is undone, under
 * the role's statement_timeout; what goes on in the next turn is called as often as it may need.
 */
function calls() {
  const { first: waiting } = shop.recent, old = Math.floor(shop.orders * 0.7); // delivered long ago
  const week = shop.week.first + 7;
  const page = JSON.stringify(Array.from({ length: 500 }, (_, i) => String(6_000_000_000 + i * Math.floor(old / 500))));
  return [
    { role: 'fn_reconcile', statements: [['claim_schedule', 5, "select claimed from platform.claim_schedule('bench', 1);"]] },
    { role: 'fn_process_events', backlog: `bench.backlog_of_events(${waiting}, ${BACKLOG})`, statements: [
      ['claim_next_event, process_event', 5, `select event_id, attempt from backend.claim_next_event() \\gset
       select result from backend.process_event(:'event_id', :'attempt');`]] },
    { role: 'fn_deliver_waiting', backlog: `bench.backlog_of_deliveries(800000000, ${BACKLOG})`, statements: [
      ['claim_waiting, deliver_waiting', 5, `select order_id from backend.claim_waiting() \\gset
       select result from backend.deliver_waiting(:'order_id');`],
      ['check_stock', 5, 'select level from backend.check_stock();']] },
    { role: 'fn_send_outbox', backlog: `bench.backlog_of_mails(${old - BACKLOG}, ${BACKLOG})`, statements: [
      ['outbox_claim, outbox_sent', 5, `select id from platform.outbox_claim(1, 'example.com', 'https://example.com') \\gset
       select outcome from platform.outbox_sent(:'id', 'p1');`],
      ['outbox_claim, outbox_failed', 5, `select id, attempt from platform.outbox_claim(1, 'example.com', 'https://example.com') \\gset
       select outcome from platform.outbox_failed(:'id', :'attempt', 'refused', false);`],
      ['forget_mail_words, of 200', 5, 'select forgotten from platform.forget_mail_words(200);']] },
    { role: 'fn_reconcile', backlog: `bench.backlog_of_attempts(${old - BACKLOG}, ${BACKLOG})`, statements: [
      ['settle_attempts, none to end yet', 5, 'select state from backend.settle_attempts(20);']] },
    { role: 'fn_reconcile', backlog: `bench.backlog_of_checks(${waiting}, ${BACKLOG}, true)`, statements: [
      ['payments_to_check, heard of since', 5, 'select payment_id from backend.payments_to_check(1, 60);']] },
    { role: 'fn_reconcile', backlog: `bench.backlog_of_checks(${waiting}, ${BACKLOG}, false)`, statements: [
      ['payments_to_check, record_payment_check', 5, `select payment_id from backend.payments_to_check(1, 60) \\gset
       select failures from backend.record_payment_check(:'payment_id', 'seen', null);`]] },
    { role: 'fn_reconcile', statements: [
      ['claim_reconciliation, lists the week', 20, 'select run_id from backend.claim_reconciliation();'],
      [OWNER, 1, 'select max(id) as run from public.reconciliation_runs \\gset'],
      ['payments_to_compare', 5, "select payment_id from backend.payments_to_compare(:'run', 5);"],
      ['compare_payment', 5, `select unknown_child from backend.compare_payment(:'run', '${6_000_000_000 + week}', 'duplicate', false,
        '${callback(week, 'finished', Number(product(week).price))}');`],
      ['unknown_payments, of 500', 5, `select payment_id from backend.unknown_payments(:'run', 0, '${page}');`],
      ['pause_reconciliation', 5, "select skipped from backend.pause_reconciliation(:'run', null, null);"],
      ['finish_reconciliation, the week', 80, "select checked from backend.finish_reconciliation(:'run');"]],
      backlog: `bench.backlog_of_differences(${old - BACKLOG}, ${BACKLOG}), bench.backlog_of_audits(${BACKLOG}),
        backend.request_reconciliation(now() - interval '7 days')` }, // as the day's run, which was made
  ];
}

/** Milliseconds of every call, by label. */
async function timed({ role, backlog, statements }) {
  const timeout = (await sql(`select split_part(c, '=', 2) from pg_roles, unnest(rolconfig) as c
    where rolname = '${role}' and c like 'statement_timeout=%'`)).trim();
  const script = ['begin;', ...(backlog ? [`select ${backlog};`] : []), `set local statement_timeout = '${timeout}';`];
  for (const [label, times, text] of statements) {
    script.push(label === OWNER ? 'reset session authorization;' : `set session authorization ${role};`);
    for (let i = 0; i < times; i++) script.push(`\\echo @ ${label}\n\\timing on\n${text}\n\\timing off`);
  }
  const child = spawn('psql', ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', env.DATABASE_URL], { stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '', wrong = '';
  child.stdout.on('data', (data) => { out += data; });
  child.stderr.on('data', (data) => { wrong += data; });
  child.stdin.end(`${script.join('\n')}\nrollback;\n`);
  const status = await new Promise((resolve) => { child.once('close', resolve); });
  const took = {};
  let label;
  for (const line of out.split('\n')) {
    if (line.startsWith('@ ')) (took[label = line.slice(2)] ??= []).push(0);
    const [, ms] = /^Time: ([\d.]+) ms/.exec(line) ?? [];
    if (ms && label) took[label][took[label].length - 1] += Number(ms);
  }
  delete took[OWNER];
  if (status !== 0) say(`\n  ${role}, ${label}: ${wrong}`);
  return Object.entries(took).map(([name, ms]) => ({ name, ms, ...(status !== 0 && name === label && { failed: wrong.split('\n')[0] }) }));
}

/** Mails, checks, reviews and the rest of the orders from `first` on. */
async function besides(first, many) {
  const statements = steps('beside', first, many);
  const session = async () => {
    while (statements.length > 0) await sql(statements.shift(), '-c session_replication_role=replica -c synchronous_commit=off');
  };
  await Promise.all([session(), session()]);
}

function rows(result) {
  const names = [...new Set(result.calls.flatMap((size) => size.calls.map((c) => c.name)))];
  const cell = (size, name) => {
    const call = size.calls.find((c) => c.name === name);
    if (!call) return '';
    const turns = call.ms.filter((ms) => ms > 100);
    return call.failed ? `failed after ${number(call.ms.at(-1))}` : `${number(median(call.ms), 1)}, ${number(Math.max(...call.ms))}${
      call.ms.length > 5 ? ` in ${turns.length} turns` : ''}`;
  };
  return [['ms: median, longest', ...result.calls.map((size) => `${count(size.orders)} orders`)],
    ...names.map((name) => [name, ...result.calls.map((size) => cell(size, name))])];
}

const print = (result) => console.log([head(result), '', ...table(rows(result)), ''].join('\n'));

const result = { began: new Date().toISOString(), machine: await machine(), settings: tuned(), calls: [] };
const save = () => { if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 1)}\n`); };
await backgroundStop();
for (const orders of [...options.orders].sort((a, b) => a - b)) {
  const began = performance.now(), before = shop.orders;
  await fill({ orders, users: Math.max(10_000, Math.ceil(orders / 10)), stock: STOCK, waiting: WAITING });
  if (before === 0) await run('psql', ['-Xq', '-d', env.DATABASE_URL, '-f', join(here, 'schedules.sql')]);
  await besides(before, orders - before);
  // One in a hundred was sold in the last seven days.
  shop.week = { first: await freshOrders(orders / 100, 'delivered'), count: orders / 100 };
  await sql(`select bench.make_recent(${shop.week.first}, ${shop.week.count})`);
  await sql('vacuum analyze');
  await sql('checkpoint');
  const size = { orders, filled_s: (performance.now() - began) / 1000, calls: [],
    bytes: Number(await sql('select pg_database_size(current_database())')) };
  say(`${orders} orders: ${seconds(began)}, ${(size.bytes / 1e9).toFixed(1)} GB\n`);
  for (const call of calls()) {
    size.calls.push(...await timed(call));
    say('.');
  }
  say('\n');
  result.calls.push(size);
  save();
  print(result);
}
if (options.minutes > 0) { // 0: the calls alone
  result.beside = await beside(options.minutes);
  save();
}
