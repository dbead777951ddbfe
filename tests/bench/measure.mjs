// One turn of work or of a limit, with what it cost.
import { spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { join, resolve as absolute } from 'node:path';
import { createInterface } from 'node:readline';

import { cpuOf, machine as load } from './processes.mjs';
import { here, port, run, say, system } from './system.mjs';

export const WARM_SECONDS = 2;
const PGBENCH_SECONDS = 3;
/** How long a turn of pgbench runs altogether. */
export const PGBENCH_ALL = WARM_SECONDS + PGBENCH_SECONDS;

/**
 * Runs `what` and adds what the machine did meanwhile.  What has to warm up first calls begin(pid) and
 * end(pid), with the client's process, around the time that counts.
 */
export async function metered(what) {
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

/** Sends the requests of a file, once each or again and again (modes of replay.lua). */
export async function wrk(file, { seconds, connections, mode = 'again', pause = 0, url = `http://127.0.0.1:${port}` }) {
  const threads = Math.min(2, connections);
  const out = await run('wrk', [`-t${threads}`, `-c${connections}`, `-d${seconds}`, '--timeout', '20', '-s', join(here, 'replay.lua'),
    `${url}/`, '--', file, String(threads), mode, String(pause)]);
  const result = JSON.parse(out.trim().split('\n').at(-1));
  if (result.short) throw new Error(`${file} had too few requests`);
  if (result.bad || result.lost) say(`\n  ${result.bad} answers were no success, ${result.lost} were lost\n`);
  return { ...result, rate: result.requests / result.seconds };
}

/** wrk for work in new sessions, which first make their plans: the first seconds do not count. */
export async function wrkWarm({ begin }, warmFile, file, options) {
  await wrk(warmFile, { ...options, seconds: WARM_SECONDS });
  begin();
  return wrk(file, options);
}

/** The same, by pgbench.  Nobody gives up waiting for a lock. */
export function pgbench({ begin, end }, script, url, clients, variables) {
  const child = spawn('pgbench', ['-n', '-M', 'prepared', '-c', String(clients), '-j', '2', '-P', '1',
    '-T', String(WARM_SECONDS + PGBENCH_SECONDS),
    ...Object.entries(variables).flatMap(([name, value]) => ['-D', `${name}=${value}`]), '-f', absolute(here, script), url],
  { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, PGOPTIONS: '-c lock_timeout=10s -c statement_timeout=10s' } });
  const seconds = [];
  let said = '';
  createInterface({ input: child.stderr }).on('line', (line) => {
    const [, rate, ms] = /^progress: [\d.]+ s, ([\d.]+) tps, lat ([\d.]+) ms/.exec(line) ?? [];
    if (!rate) said += `${line}\n`;
    else if (seconds.push({ rate: Number(rate), ms: Number(ms) }) === WARM_SECONDS) begin(child.pid);
    else if (seconds.length === WARM_SECONDS + PGBENCH_SECONDS - 1) end(child.pid); // the last one may be cut short
  });
  return new Promise((resolve, reject) => child.once('close', (status) => {
    const counted = seconds.slice(WARM_SECONDS, WARM_SECONDS + PGBENCH_SECONDS - 1);
    if (status !== 0 || counted.length === 0) reject(new Error(`pgbench ended with ${status}: ${said}`));
    const requests = counted.reduce((sum, s) => sum + s.rate, 0);
    resolve({ requests, rate: requests / counted.length, mean_ms: counted.reduce((sum, s) => sum + s.ms, 0) / counted.length });
  }));
}
