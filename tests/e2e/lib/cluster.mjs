// PostgreSQL servers of a test's own: made, copied, killed and promoted.
import { execFile, spawn } from 'node:child_process';
import { appendFileSync, chmodSync, closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

import pg from 'pg';

import { alive, childrenOf, killNow, signalTo } from './process.mjs';
import { clone } from './system.mjs';
import { until } from './wait.mjs';

const BIN = '/usr/lib/postgresql/15/bin';
// PostgreSQL refuses to run as root.
const AS = process.getuid() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] : [];

const run = (words, options = {}) =>
  new Promise((resolve, reject) => {
    const [file, ...args] = words;
    execFile(file, args, { cwd: '/', maxBuffer: 1 << 24, ...options }, (error, stdout, stderr) =>
      error ? reject(new Error(`${words.join(' ')}: ${stderr || error.message}`)) : resolve(stdout));
  });

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Hand a folder to the account PostgreSQL runs under. */
export async function give(folder) {
  if (AS.length > 0) await run(['chown', 'postgres:postgres', folder]);
}

/** One server: its data, its log and its unix socket are in `folder`, which is PostgreSQL's own. */
export class Cluster {
  constructor(folder, port, data = join(folder, 'data')) {
    Object.assign(this, { folder, port, data, logFile: join(folder, 'log') });
  }

  static async #prepare(folder, data) {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o700);
    await give(folder);
    return new Cluster(folder, await freePort(), data);
  }

  /** A new one. Processes are killed here, machines are not: so what the kernel has is safe. */
  static async make(folder, settings = {}, { data, options = [] } = {}) {
    const self = await Cluster.#prepare(folder, data);
    await run([...AS, `${BIN}/initdb`, '-D', self.data, '-U', 'postgres', '--encoding=UTF8', '--locale=C.UTF-8', '--no-sync', ...options]);
    writeFileSync(join(self.data, 'pg_hba.conf'),
      'local all postgres trust\nlocal replication postgres trust\nlocal all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n');
    self.set({ fsync: 'off', jit: 'off', max_connections: '60', shared_buffers: '32MB', wal_receiver_status_interval: '1s', ...settings });
    return self;
  }

  /** A standby of this one. */
  async standby(folder, settings = {}) {
    const self = await Cluster.#prepare(folder);
    await run([...AS, `${BIN}/pg_basebackup`, '-D', self.data, '-R', '--checkpoint=fast', '--no-sync',
      '-h', this.folder, '-p', String(this.port), '-U', 'postgres']);
    self.set(settings);
    return self;
  }

  /** Settings; what comes later wins. */
  set(settings) {
    appendFileSync(join(this.data, 'postgresql.conf'),
      Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`).join(''));
  }

  #launch() {
    const log = openSync(this.logFile, 'a');
    const [file, ...args] = [...AS, `${BIN}/postgres`, '-D', this.data, '-p', String(this.port), '-c', 'listen_addresses=127.0.0.1',
      '-c', `unix_socket_directories=${this.folder}`];
    this.process = spawn(file, args, { cwd: '/', stdio: ['ignore', log, log] });
    closeSync(log);
    this.process.on('error', () => {});
    this.exit = new Promise((resolve) => this.process.once('exit', resolve));
  }

  /** Start it, and whenever it ends, again, as a supervisor does; until `stop`. */
  async supervise() {
    this.supervised = true;
    await this.start();
    this.ends = 0;
    this.watching = (async () => {
      for (;;) {
        await this.exit;
        if (!this.supervised) return;
        this.ends++;
        await new Promise((resolve) => setTimeout(resolve, 200));
        this.#launch();
      }
    })();
  }

  async start() {
    this.#launch();
    await until(() => {
      if (this.process.exitCode !== null) throw new Error(`PostgreSQL ended: ${this.log()}`);
      return this.ready();
    }, 'PostgreSQL answers', { timeout: 30_000 });
  }

  ready() {
    return run([`${BIN}/pg_isready`, '-q', '-h', this.folder, '-p', String(this.port), '-U', 'postgres']).then(() => true, () => false);
  }

  log() {
    return readFileSync(this.logFile, 'utf8');
  }

  reload() {
    process.kill(this.process.pid, 'SIGHUP');
  }

  promote() {
    return run([...AS, `${BIN}/pg_ctl`, 'promote', '-D', this.data, '--wait', '-t', '30']);
  }

  /** Every process at once, without notice. */
  async kill() {
    const all = [this.process.pid, ...childrenOf(this.process.pid)];
    all.forEach(killNow);
    await this.exit;
    await until(() => !all.some(alive), 'the killed are gone');
  }

  /** Stop (or, with SIGCONT, wake) every process: a server that hangs. */
  freeze(signal = 'SIGSTOP') {
    for (const pid of [this.process.pid, ...childrenOf(this.process.pid)]) signalTo(pid, signal);
  }

  async stop(signal = 'SIGQUIT') {
    this.supervised = false;
    if (!this.process || this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.freeze('SIGCONT');
    this.process.kill(signal);
    await this.exit;
  }

  /** SQL of the owner, on a session of its own. */
  async query(text, params = [], database = 'flashfundx') {
    const session = new pg.Client({ user: 'postgres', host: this.folder, port: this.port, database });
    session.on('error', () => {});
    await session.connect();
    try {
      return (await session.query(text, params)).rows;
    } finally {
      await session.end();
    }
  }

  async value(text, params) {
    return Object.values((await this.query(text, params))[0] ?? {})[0];
  }

  /** The shop's database, with logins for these functions. */
  async migrate(functions, password) {
    await this.query('create database flashfundx', [], 'postgres');
    await run([join(clone, 'migrations/migrate'), `postgresql://postgres@${this.socketHost}/flashfundx`]);
    await Promise.all(functions.map((name) =>
      this.query(`alter role fn_${name.replaceAll('-', '_')} login password '${password}'`)));
  }

  get socketHost() {
    return `${encodeURIComponent(this.folder)}:${this.port}`;
  }

  get tcpHost() {
    return `127.0.0.1:${this.port}`;
  }
}

/** Remove a test's folder; the servers in it are stopped. */
export const remove = (folder) => rmSync(folder, { recursive: true, force: true });
