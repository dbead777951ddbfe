// The system under test: its settings, its processes, its deploy.sh.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { until } from './wait.mjs';

export const clone = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
export const home = process.env.FFX_HOME;
if (!home) throw new Error('FFX_HOME is not set: run tests/e2e/run');

export const env = Object.fromEntries(
  readFileSync(join(home, 'env'), 'utf8')
    .split('\n')
    .filter((line) => line.includes('='))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
);
export const url = env.SUPABASE_URL;
export const anonKey = env.SUPABASE_ANON_KEY;
export const serviceKey = env.SUPABASE_SERVICE_ROLE_KEY;
/** The functions that this system runs. */
export const functionNames = readdirSync(join(home, 'functions'))
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.slice(0, -5))
  .sort();

/** A folder of a test's own; when nobody removes it, it goes with the system. */
export const scratchFolder = (name) => mkdtempSync(join(home, `${name}-`));

/** What a function says of itself. */
export const spec = (name) => JSON.parse(readFileSync(join(home, 'functions', `${name}.json`), 'utf8'));

/** Of a function, what it is at its own address: its first route. `who` is "user", "user+service", … */
export function door(name) {
  const all = spec(name);
  const first = all.routes[0];
  return { ...all, ...first, who: first?.who.join('+'), deeper: all.routes.some((r) => r.path !== '') };
}

/** What a function says to --check with the settings of this system: {status, stdout, stderr}. */
export function checkFunction(name) {
  const settings = readFileSync(join(home, 'functions', `${name}.env`), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);
  const { status, stdout, stderr } = spawnSync(join(home, 'bin', name), ['--check'], {
    env: Object.fromEntries(settings),
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

/** Run `./deploy.sh …`; resolves to {status, stdout, stderr}, whatever the status is. */
export function deploy(...args) {
  return new Promise((resolve) => {
    execFile(join(clone, 'deploy.sh'), args, { cwd: clone, maxBuffer: 1 << 24 }, (error, stdout, stderr) =>
      resolve({ status: error ? (error.code ?? 1) : 0, stdout, stderr }),
    );
  });
}

function processes() {
  const found = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      // A zombie has no executable any more; a replaced binary is marked as deleted.
      const exe = state === 'Z' ? '' : readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '');
      found.push({ pid: Number(pid), parent: Number(parent), exe });
    } catch {
      // it ended while we looked
    }
  }
  return found;
}

/** Process ids of a function: {master, workers[]}. */
export function pids(name) {
  const own = processes().filter((p) => p.exe === join(home, 'bin', name));
  const master = own.find((p) => !own.some((o) => o.pid === p.parent));
  return { master: master?.pid, workers: own.filter((p) => p.parent === master?.pid).map((p) => p.pid) };
}

/** Kill -9 every worker of a function; resolves when the master has started as many new ones. */
export async function killWorkers(name) {
  const old = pids(name).workers;
  for (const pid of old) process.kill(pid, 'SIGKILL');
  await until(() => {
    const now = pids(name).workers;
    return now.length >= old.length && !now.some((pid) => old.includes(pid));
  }, `new workers of ${name}`);
  return old;
}

/** The log of a part, as text. */
export const log = (name) => readFileSync(join(home, 'log', `${name}.log`), 'utf8');
