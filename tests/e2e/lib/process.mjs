// Processes of a test: the system's own services, and private processes of a shipped binary.
import { execFile, spawn } from 'node:child_process';
import { closeSync, copyFileSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';

import { Fcgi, ask } from './fcgi.mjs';
import { clone, home, scratchFolder } from './system.mjs';
import { until } from './wait.mjs';

const run = (file, args) =>
  new Promise((resolve) => execFile(file, args, (error, stdout, stderr) =>
    resolve({ status: error ? (error.code ?? 1) : 0, stdout, stderr })));

export const serviceDir = (name) => join(home, 'services', name);
export const socketOf = (name) => join(home, 'run', `${name}.sock`);

/** runit's control of a service of this system: up, down, hup, quit, … */
export async function sv(command, name, seconds = 30) {
  const { status, stdout } = await run('sv', ['-w', String(seconds), command, serviceDir(name)]);
  if (status !== 0) throw new Error(`sv ${command} ${name}: ${stdout}`);
}

export const postgresReady = async () =>
  (await run('/usr/lib/postgresql/15/bin/pg_isready', ['-q', '-h', join(home, 'pgrun'), '-U', 'postgres', '-d', 'postgres'])).status === 0;

/** Stop PostgreSQL as deploy.sh does (fast: connections are ended, the state is written). */
export const postgresStop = () => sv('down', 'postgres');
/** Kill -9 all of its processes; runit starts it again, and it recovers. */
export async function postgresCrash() {
  const postmaster = await until(() => servicePid('postgres'), 'PostgreSQL runs');
  const all = [postmaster, ...childrenOf(postmaster)];
  all.forEach(killNow);
  await until(() => !all.some(alive), 'the killed are gone');
}
export async function postgresStart() {
  await sv('up', 'postgres');
  await until(postgresReady, 'PostgreSQL answers', { timeout: 30_000 });
}

export const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

export const generation = (name) => Number(readFileSync(join(home, 'run', `${name}.generation`), 'utf8'));

/** Open descriptors of a process. */
export const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;
/** The number the next one would get. */
export function firstFreeDescriptor(pid) {
  const taken = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let free = 0;
  while (taken.has(free)) free++;
  return free;
}
/** The soft limit of open descriptors of a running process. */
export const limitDescriptors = (pid, count) => run('prlimit', ['--pid', String(pid), `--nofile=${count}:`]);

export const childrenOf = (pid) => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
};

/** Process id of a service as runit knows it; undefined while there is none. */
export function servicePid(name) {
  try {
    return Number(readFileSync(join(serviceDir(name), 'supervise', 'pid'), 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

/**
 * The processes of a function of this system: its master, the master's workers, and all that run
 * its binary: workers of a killed master go on until they are drained.
 */
export function processesOf(name) {
  const binary = join(home, 'bin', name);
  const all = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).map(Number).filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '') === binary;
    } catch {
      return false; // a zombie, or gone
    }
  });
  const master = servicePid(name);
  return { master, workers: master === undefined ? [] : childrenOf(master).filter((pid) => all.includes(pid)), all };
}

/** Send a signal; false when the process was gone already. */
export function signalTo(pid, signal) {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
    return false;
  }
}

/** Kill -9; false when it was gone already. */
export const killNow = (pid) => signalTo(pid, 'SIGKILL');

/** The settings a function of this system runs with. */
export const settingsOf = (name) =>
  Object.fromEntries(readFileSync(join(home, 'functions', `${name}.env`), 'utf8').split('\n').filter(Boolean)
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));

/** Build a function that only tests have (tests/e2e/CMakeLists.txt); resolves to its program. */
export async function testFunction(name) {
  const preset = process.env.FFX_PRESET ?? 'release';
  const { status, stdout, stderr } = await run('flock', [join(clone, 'build', `.${preset}.lock`), 'sh', '-ec',
    'cd "$1"; cmake --preset "$2" -Wno-dev; cmake --build --preset "$2" --target "$3"', 'sh', clone, preset, `e2e.${name}`]);
  if (status !== 0) throw new Error(`${name} is not built: ${stdout}${stderr}`);
  return join(clone, 'build', preset, 'e2e', name);
}

const sanitizers = {
  ASAN_OPTIONS: 'abort_on_error=0:exitcode=99:detect_leaks=1:detect_stack_use_after_return=0',
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
};

/**
 * A process of its own from the system's installed binary, with other settings; it talks FastCGI
 * on a socket of its own. Its log is kept with the system's logs. `through`: a command that runs the
 * one behind it, and becomes it. `program`: one that is not installed, and has these settings only.
 */
export class Private {
  static async start(name, settings = {}, { through = [], program: other } = {}) {
    const self = new Private();
    self.name = name;
    self.folder = scratchFolder('fn');
    self.socket = join(self.folder, `${name}.sock`);
    self.logFile = join(home, 'log', `private-${name}-${basename(self.folder)}.log`);
    const log = openSync(self.logFile, 'a');
    const [program, ...words] = [...through, other ?? join(home, 'bin', name)];
    self.process = spawn(program, words, {
      env: { PATH: process.env.PATH, ...sanitizers, ...(other ? {} : settingsOf(name)), WORKERS: '1', ...settings, RUN_DIR: self.folder },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    self.exit = new Promise((resolve) => self.process.once('exit', (code, signal) => resolve({ code, signal })));
    self.exit.then((how) => { self.exited = how; });
    try {
      await until(() => self.exited || self.log().includes('"started"'), `${name} is ready`);
      if (self.exited) throw new Error(`${name} ended at once: ${self.log()}`);
    } catch (error) {
      await self.stop({ within: 1000 });
      throw error;
    }
    return self;
  }

  get pid() {
    return this.process.pid;
  }

  get workers() {
    return childrenOf(this.pid);
  }

  /** What it logged since its start. */
  log() {
    return readFileSync(this.logFile, 'utf8');
  }

  /** One of its figures, which `health` tells. */
  async figure(name) {
    const health = this.name === 'health' ? this : await Private.start('health');
    try {
      if (health !== this) copyFileSync(join(this.folder, `${this.name}.metrics`), join(health.folder, `${this.name}.metrics`));
      const { text } = await health.ask('GET', { params: { PATH_INFO: '/metrics' } });
      return Number(new RegExp(`^${name}\\{function="${this.name}"\\} (\\d+)$`, 'm').exec(text)[1]);
    } finally {
      if (health !== this) await health.stop();
    }
  }

  open() {
    return Fcgi.open(this.socket);
  }

  ask(method, options, timeout) {
    return ask(this.socket, method, options, timeout);
  }

  kill(signal = 'SIGTERM') {
    this.process.kill(signal);
  }

  /** End it; resolves to {code, signal}. */
  async stop({ within = 40_000 } = {}) {
    if (!this.exited) this.kill('SIGTERM');
    const late = setTimeout(() => this.workers.concat(this.pid).forEach((pid) => process.kill(pid, 'SIGKILL')), within);
    const how = await this.exit;
    clearTimeout(late);
    rmSync(this.folder, { recursive: true, force: true });
    return how;
  }
}
