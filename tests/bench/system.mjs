// What every bench needs: the system in FFX_HOME with its settings and database, and a provider in the
// sandbox's place.
import { execFile, spawn } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { parts } from './processes.mjs';

export const here = dirname(fileURLToPath(import.meta.url));

/** A file of KEY=value lines. */
export const settings = (file) => Object.fromEntries(readFileSync(file, 'utf8').split('\n').filter(Boolean)
  .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));

export const home = process.env.FFX_HOME;
export const options = JSON.parse(process.env.BENCH_OPTIONS);
export const env = settings(join(home, 'env'));
export const port = Number(env.FFX_PORT);
export const system = parts(home);

const exec = promisify(execFile);
export const run = async (file, args, more = {}) => (await exec(file, args, { maxBuffer: 1 << 26, ...more })).stdout;
export const say = (text) => process.stderr.write(text);
export const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;
/** The database as its owner; `pgoptions` for this session alone. */
export const sql = (text, pgoptions = '') => run('psql', ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', env.DATABASE_URL, '-c', text],
  { env: { ...process.env, PGOPTIONS: pgoptions } });
/** The connection string of a function's role. */
export const database = (name) => settings(join(home, 'functions', `${name}.env`)).DATABASE_URL;
/** A file of the bench's own. */
export const work = (file) => join(home, 'bench', file);
export const spec = (name) => JSON.parse(readFileSync(join(home, 'functions', `${name}.json`), 'utf8'));

const scheduled = () => system.functions.filter((name) => !spec(name).route);
const sv = (command) => Promise.all(scheduled().map((name) => run('sv', ['-w', '35', command, join(home, 'services', name)])));
/** What works in the background on what the bench leaves behind would be counted with the next turn. */
export const backgroundStop = () => sv('down');
export const backgroundStart = () => sv('up');

/** nginx alone: a location of its own beside the functions'. */
export async function emptyLocation() {
  appendFileSync(join(home, 'nginx', 'functions.conf'), "\n    location = /bench { return 200 ''; }\n");
  await run('sv', ['hup', join(home, 'services', 'nginx')]);
  await sleep(300);
}

/** A provider that answers after `ms`, where the settings say that it is. */
export async function providerStart(ms) {
  const url = new URL(env.NOWPAYMENTS_SANDBOX_API_URL);
  const child = spawn(process.execPath, [join(here, 'provider.mjs'), url.port, String(ms)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', () => reject(new Error('the provider did not start')));
  });
  return { url: url.origin, stop: () => child.kill() };
}

export async function machine() {
  const version = (text) => /\d+(\.\d+)+/.exec(text)[0];
  return {
    processor: cpus()[0].model.replace(/\s+/g, ' '), cores: cpus().length, memory_gb: Math.round(totalmem() / 2 ** 30),
    kernel: version(release()), postgresql: version(await run('psql', ['--version'])), nginx: version((await exec('nginx', ['-v'])).stderr),
    source: (await run('git', ['-C', here, 'describe', '--always', '--dirty', '--tags'])).trim(),
  };
}

/** Settings of this system that differ from the defaults. */
export const tuned = () => Object.fromEntries(Object.entries(env)
  .filter(([name]) => ['WORKERS', 'DB_CONNECTIONS', 'STATUS_FRESH_S', 'RATE_LIMIT', 'LOG_LEVEL'].includes(name)));
