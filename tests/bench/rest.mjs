// What functions cost that have nothing to do: their memory, and how fast they start.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { backgroundStart, env, here, port, run, say, spec, sql, system } from './system.mjs';

const CLOSED_WITHIN_MS = 100_000; // DB_IDLE_S is 60

/** Milliseconds from exec to the first answer, of every function that has a route. */
export async function starts() {
  say('starts …');
  await backgroundStart();
  const list = JSON.parse(await run(join(here, 'sizes'), ['--json'])).filter((one) => one.start_ms !== null);
  say(` ${list.map((one) => one.start_ms).join(' ')} ms\n`);
  return Object.fromEntries(list.map((one) => [one.name, one.start_ms]));
}

/** Everyone has served; an answer that refuses is one as well. */
const askEach = () => Promise.all(system.functions.map(spec).filter((s) => s.route).map(async (s) => {
  const method = s.routes[0].methods[0];
  const answer = await fetch(`http://127.0.0.1:${port}${s.route}${s.routes[0].path.replace('*', '')}`, { method, body: method === 'POST' ? '{}' : undefined,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${env.SUPABASE_SERVICE_ROLE_KEY}` } });
  await answer.text();
}));

/**
 * Memory of all functions when nobody has asked them for so long that their database connections are
 * closed.  Those that work on a schedule use theirs every few seconds, so it stays.
 */
export async function idleMemory() {
  say('idle memory: waiting until database connections are closed …');
  await backgroundStart();
  await askEach();
  const specs = system.functions.map(spec);
  // the one that listens stays, and is asked now and then whether it lives
  const WORKS = "query !~ '^(LISTEN|SELECT 1$)'";
  const connected = async (which, more = 'true') => Number(await sql(`select count(*) from pg_stat_activity where usename in (${
    specs.filter(which).map((s) => `'${s.db_role}'`).join(', ')}) and ${more}`));
  const began = performance.now();
  while (await connected((s) => !s.every_ms, WORKS) > 0) {
    if (performance.now() - began > CLOSED_WITHIN_MS) throw new Error('idle database connections were not closed');
    await sleep(1000);
  }
  const pss = Object.fromEntries(system.functions.map((name) => [name, system.pssOf(name)]));
  const sum = (which) => specs.filter(which).reduce((total, s) => total + pss[s.name], 0);
  const result = { pss, all: sum(() => true), production: sum((s) => !s.dev_only), connections: await connected(() => true) };
  say(` ${(result.all / 2 ** 20).toFixed(1)} MB\n`);
  return result;
}
