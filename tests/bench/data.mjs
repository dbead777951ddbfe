// The work of the data API: what a turn sends, and its statements for pgbench as the function sent them.
import { spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { product, shop } from './fill.mjs';
import { metered, pgbench, wrkWarm } from './measure.mjs';
import { dataRequests, orderId, token, userId } from './requests.mjs';
import { database, env, home, port, run, say, settings, spec, sql, system, work } from './system.mjs';
import { median } from './table.mjs';

const LISTERS = 64, LISTED = 50; // people with so many orders
const ROWS = 100_000, TABLES = 100, STARTS = 7;

const people = (count, more) => Array.from({ length: count }, (_, i) => ({ user: i, ...more(i) }));
const read = (address) => ({ method: 'GET', address: `/rest/v1/${address}` });
const write = (address, body, prefer) => ({ method: 'POST', address: `/rest/v1/${address}`, body: JSON.stringify(body), prefer });

/** What each turn asks for: requests with the number of the one who asks. */
const kinds = {
  key: () => people(5_000, (i) => read(`orders?order_id=eq.${orderId(shop.recent.first + i)}`))
    .map((one, i) => ({ ...one, user: (shop.recent.first + i) % shop.users })),
  list: () => people(LISTERS, () => read(`orders?select=order_id,account_type,account_size,final_amount,order_status,created_at,user_profiles(first_name,last_name,email)&order=created_at.desc&limit=${LISTED}`)),
  insert: () => people(2_000, (i) => {
    const { account_type, account_size, platform_type } = product(i);
    return write('orders', { user_id: userId(i), account_type, account_size, platform_type }, 'return=representation');
  }),
  rpc: () => people(2_000, (i) => write('rpc/bench_price', { p_type: product(i).account_type, p_size: product(i).account_size })),
};
export const DATA = Object.keys(kinds);

/** People with lists, the requests of all turns, and their statements; the limit per person rests. */
export async function dataPrepare() {
  await sql(`set session_replication_role = replica;
    update public.orders set user_id = bench.user_id((substr(order_id, 4)::bigint - 100000000) % ${LISTERS})
     where order_id >= '${orderId(0)}' and order_id < '${orderId(LISTERS * LISTED)}'`);
  await sql('vacuum analyze public.orders');
  await sql(`create function public.bench_price(p_type text, p_size numeric) returns numeric language sql stable
    as $$ select price from public.prices where account_type = p_type and account_size = p_size $$;
    revoke execute on function public.bench_price(text, numeric) from public;
    grant execute on function public.bench_price(text, numeric) to authenticated; notify pgrst, 'reload schema'`);
  await logging(true);
  for (const [kind, requests] of Object.entries(kinds)) {
    const list = requests().map((one) => ({ ...one, token: token(env.JWT_SECRET, one.user) }));
    dataRequests(work(`data-${kind}.req`), env.SUPABASE_ANON_KEY, list);
    statements[kind] = await statementsOf(list[0], work(`data-${kind}.sql`));
  }
  await logging(false);
  await set('RATE_LIMIT=false');
}

/** Whether PostgreSQL logs the function's statements with their values. */
async function logging(on) {
  const role = spec('rest').db_role, where = `alter role ${role} in database ${(await sql('select current_database()')).trim()}`;
  for (const [name, value] of Object.entries({ log_statement: 'all', log_parameter_max_length: -1, log_error_verbosity: 'default' }))
    await sql(`${where} ${on ? `set ${name} = '${value}'` : `reset ${name}`}`);
  await sql(`select pg_terminate_backend(pid) from pg_stat_activity where usename = '${role}'`);
  await sleep(300);
}

async function set(line) {
  appendFileSync(join(home, 'functions', 'rest.env'), `${line}\n`);
  await run('sv', ['-w', '35', 'restart', join(home, 'services', 'rest')]);
  await sleep(300);
}

const send = ({ method, address, body, prefer, token: bearer }) => fetch(`http://127.0.0.1:${port}${address}`, { method, body,
  headers: { apikey: env.SUPABASE_ANON_KEY, authorization: `Bearer ${bearer}`, 'content-type': 'application/json', ...(prefer && { prefer }) } });

/* ---- the limit ---- */

const statements = {}; // by kind: the values of pgbench's variables

/** Sends one request and writes the transaction that the function made of it, read from PostgreSQL's log, as a script. */
async function statementsOf(request, script) {
  const log = join(home, 'log', 'postgres.log'), from = statSync(log).size;
  const answer = await send(request);
  if (!answer.ok) throw new Error(`${request.method} ${request.address}: ${answer.status} ${await answer.text()}`);
  await answer.arrayBuffer();
  await sleep(200);
  const lines = readFileSync(log).subarray(from).toString();
  const steps = [...lines.matchAll(/LOG: {2}execute [^\n:]*: ((?:SELECT [^\n]*set_config\(|WITH pgrst_source)[^\n]*)\n[^\n]*DETAIL: {2}parameters: ([^\n]*)/g)]
    .map(([, text, values]) => ({ text, values: [...values.matchAll(/\$\d+ = (?:'((?:[^']|'')*)'|NULL)/g)].map(([, v]) => v?.replaceAll("''", "'")) }));
  if (steps.length < 2 || !steps.at(-1).text.startsWith('WITH')) throw new Error(`no statements of ${request.address} in ${log}`);
  const values = {};
  const texts = steps.slice(-2).map(({ text, values: list }, step) => text.replace(/\$(\d+)/g, (_, n) => {
    if (!list[n - 1]) return list[n - 1] === '' ? "''" : 'NULL'; // a variable of pgbench is not empty
    values[`s${step}_${n}`] = list[n - 1];
    return `:s${step}_${n}`;
  }));
  // pgbench prepares all of them with the first one, which it cannot do in a pipeline
  writeFileSync(script, `\\if :new\nSELECT 1;\n\\set new 0\n\\endif\n\\startpipeline\nBEGIN;\n${texts.join(';\n')};\nCOMMIT;\n\\endpipeline\n`);
  return values;
}

export const dataTurn = (kind, seconds, connections) => metered((meter) =>
  wrkWarm(meter, work(`data-${kind}.req`), work(`data-${kind}.req`), { seconds, connections }));

export const dataLimit = (kind, clients) => metered((meter) =>
  pgbench(meter, work(`data-${kind}.sql`), database('rest'), clients, { new: 1, ...statements[kind] }));

/* ---- much, and nothing ---- */

/** A hundred thousand rows in one answer: how long it takes, and the most memory that the function has meanwhile. */
export async function dataRows() {
  say(`${ROWS} rows in one answer …`);
  await sql(`create table public.bench_rows as select n as id, md5(n::text) as name, repeat('x', 130) as words, now() as at from generate_series(1, ${ROWS}) as n;
    grant select on public.bench_rows to service_role; notify pgrst, 'reload schema'`);
  await set('REST_MAX_ROWS=0');
  const one = { ...read('bench_rows'), token: env.SUPABASE_SERVICE_ROLE_KEY };
  const ask = async () => {
    const began = performance.now(), answer = await send(one);
    let bytes = 0;
    for await (const part of answer.body) bytes += part.length;
    return { status: answer.status, bytes, ms: performance.now() - began };
  };
  await ask();
  const before = system.pssOf('rest');
  let most = 0;
  const watch = setInterval(() => { most = Math.max(most, system.pssOf('rest')); }, 10);
  const answers = [await ask(), await ask(), await ask()];
  clearInterval(watch);
  if (answers.some(({ status }) => status !== 200)) throw new Error(`status ${answers[0].status}`);
  say(` ${(most / 2 ** 20).toFixed(1)} MB\n`);
  return { bytes: answers[0].bytes, ms: median(answers.map(({ ms }) => ms)), pss: most, before };
}

/** Milliseconds from exec to the first rows, with so many tables more; the median of some starts. */
export async function dataStart() {
  await sql(`do $$ begin for n in 1..${TABLES} loop
    execute format('create table public.bench_%s (id bigint primary key, name text, at timestamptz, order_id text references public.orders (order_id))', n);
    end loop; end $$`);
  const times = [];
  for (let i = 0; i < STARTS; i++) times.push(await firstAnswer());
  return { tables: Number(await sql("select count(*) from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')")), ms: median(times) };
}

const record = (type, text) => {
  const head = Buffer.from([1, type, 0, 1, 0, 0, 0, 0]);
  head.writeUInt16BE(text.length, 4);
  return Buffer.concat([head, text]);
};

function pair(name, value) {
  const sizes = Buffer.alloc(8);
  sizes.writeUInt32BE((name.length | 0x80000000) >>> 0, 0);
  sizes.writeUInt32BE((value.length | 0x80000000) >>> 0, 4);
  return Buffer.concat([sizes, Buffer.from(name + value)]);
}

/** As nginx asks. */
const question = () => Buffer.concat([record(1, Buffer.from([0, 1, 0, 0, 0, 0, 0, 0])), record(4, Buffer.concat(Object.entries({
  REQUEST_METHOD: 'GET', SCRIPT_NAME: '/rest/v1', PATH_INFO: '/prices', QUERY_STRING: 'limit=1', CONTENT_LENGTH: '', CONTENT_TYPE: '',
  REMOTE_ADDR: '127.0.0.1', REQUEST_ID: '0'.repeat(32), HTTP_APIKEY: env.SUPABASE_ANON_KEY,
}).map(([name, value]) => pair(name, value)))), record(4, Buffer.alloc(0)), record(5, Buffer.alloc(0))]);

async function firstAnswer() {
  const folder = mkdtempSync(join(home, 'bench', 'start.')), began = performance.now();
  const child = spawn(join(home, 'bin', 'rest'), [], { stdio: 'ignore',
    env: { PATH: process.env.PATH, ...settings(join(home, 'functions', 'rest.env')), RUN_DIR: folder } });
  const ended = new Promise((resolve) => { child.once('close', resolve); });
  const ask = () => new Promise((resolve) => {
    let text = '';
    const socket = connect(join(folder, 'rest.sock')).on('error', () => resolve('')).on('close', () => resolve(text));
    socket.on('data', (part) => { text += part; }).write(question());
  });
  try {
    for (;;) {
      const answer = await ask(), ms = performance.now() - began;
      if (/Status: 200/.test(answer) || /^[^]{8}Content-Type/i.test(answer)) return ms;
      if (answer !== '' || ms > 5000) throw new Error(`first answer: ${answer}`);
    }
  } finally {
    child.kill();
    await ended;
    rmSync(folder, { recursive: true });
  }
}
