// What the data API costs as tables, their number and that of the clients grow.
import { dataRequests, token, userId } from './requests.mjs';
import { metered, wrkWarm } from './measure.mjs';
import { env, say, sql, system, work } from './system.mjs';
import { median } from './table.mjs';
import { setTimeout as sleep } from 'node:timers/promises';

const FEW = 100_000, MANY = 10_000_000, PEOPLE = 1_000;
const TABLES = 1_000, CLIENTS = [1, 16, 64, 256, 1024];
const SECONDS = 3, ROUNDS = 3;

/** Rows with owners, whom row level security shows their own. */
const made = (name, rows) => `
  create table public.${name} (id bigint primary key, owner uuid not null, name text not null, at timestamptz not null);
  insert into public.${name} select n, bench.user_id(n % ${PEOPLE}), 'row ' || n, now() - n * interval '1 s' from generate_series(1, ${rows}) as n;
  create index on public.${name} (owner, at desc);
  alter table public.${name} enable row level security;
  create policy own on public.${name} to authenticated using (owner = (select auth.uid()));
  grant select on public.${name} to authenticated;
  analyze public.${name};`;

const address = {
  key: (name, i, rows) => `${name}?id=eq.${i + PEOPLE * Math.floor(Math.random() * (rows / PEOPLE - 1)) || PEOPLE}`,
  list: (name) => `${name}?select=id,name,at&order=at.desc&limit=50`,
};

function requests(kind, name, rows) {
  const file = work(`data-${name}-${kind}.req`);
  dataRequests(file, env.SUPABASE_ANON_KEY, Array.from({ length: 5_000 }, (_, n) => ({ method: 'GET',
    address: `/rest/v1/${address[kind](name, n % PEOPLE, rows)}`, token: token(env.JWT_SECRET, n % PEOPLE) })));
  return file;
}

const turn = (file, connections) => metered((meter) => wrkWarm(meter, file, file, { seconds: SECONDS, connections }));
const server = ({ cpu_us: c }) => c.function + c.nginx + c.postgres;

/** The medians of some turns of each file, alternating. */
async function alternating(files, connections) {
  const taken = Object.fromEntries(Object.keys(files).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, file] of Object.entries(files)) taken[name].push(await turn(file, connections));
  return Object.fromEntries(Object.entries(taken).map(([name, turns]) => [name, {
    rate: median(turns.map((t) => t.rate)), p99: median(turns.map((t) => t.p99_ms)), server: median(turns.map(server)),
    bad: turns.reduce((sum, t) => sum + (t.bad ?? 0) + (t.lost ?? 0), 0) }]));
}

export async function dataGrowth(connections) {
  say(`${MANY} rows …`);
  await sql(`${made('bench_few', FEW)}${made('bench_many', MANY)} notify pgrst, 'reload schema'`);
  await sleep(1000);
  const result = { few: FEW, many: MANY, tables: TABLES, kinds: {}, clients: [] };
  for (const kind of Object.keys(address)) {
    say(` ${kind} …`);
    result.kinds[kind] = await alternating({ few: requests(kind, 'bench_few', FEW), many: requests(kind, 'bench_many', MANY) }, connections);
  }
  const key = work('data-bench_few-key.req');
  for (const clients of CLIENTS) {
    say(` ${clients} clients …`);
    result.clients.push({ clients, ...(await alternating({ key }, clients)).key });
  }
  say(` ${TABLES} tables …`);
  const before = system.pssOf('rest');
  await sql(`do $$ begin for n in 1..${TABLES} loop
    execute format('create table public.grown_%s (id bigint primary key, name text, at timestamptz, other bigint references public.bench_few (id))', n);
    end loop; end $$`);
  await sleep(5000);
  result.withTables = { ...(await alternating({ key }, connections)).key, before, after: system.pssOf('rest') };
  say('\n');
  return result;
}

/** What a run's figures say, as lines. */
export function growthLines(growth) {
  if (!growth) return [];
  const of = (m) => `${Math.round(m.rate)}/s, ${m.server.toFixed(0)} µs, p99 ${m.p99.toFixed(1)} ms${m.bad ? `, ${m.bad} failed` : ''}`;
  const times = (a, b) => (b.server / a.server).toFixed(2);
  return [
    ...Object.entries(growth.kinds).map(([kind, { few, many }]) => `data API, ${kind} of ${growth.few} rows: ${of(few)}; of ${growth.many}: ${of(many)} (${times(few, many)} times the server's µs)`),
    ...growth.clients.map((m) => `data API, key with ${m.clients} clients: ${of(m)}`),
    `data API, key with ${growth.tables} tables more: ${of(growth.withTables)} (${times(growth.kinds.key.few, growth.withTables)} times); `
      + `${(growth.withTables.before / 2 ** 20).toFixed(1)} MB before, ${(growth.withTables.after / 2 ** 20).toFixed(1)} MB with them`,
  ];
}
