// Where the database is: host names, several hosts, hosts that refuse in the middle of the
// handshake.  A private process of the shipped binary reaches the system's PostgreSQL through a
// little TCP proxy of the test's own.
// system: shared
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { after, before, test } from 'node:test';

import { Private, settingsOf } from '../lib/process.mjs';
import { until } from '../lib/wait.mjs';

const url = new URL(settingsOf('webhook-debug').DATABASE_URL.replace('postgresql:', 'http:').replace(/@[^/]*%2F[^/?]*/, '@socket'));
const folder = decodeURIComponent(/@([^/?]*)/.exec(settingsOf('webhook-debug').DATABASE_URL)[1]);

/** The PostgreSQL of the system on a TCP port; `mode` says how it behaves to new connections. */
class Proxy {
  mode = 'open';
  sockets = new Set();

  static async start() {
    const self = new Proxy();
    self.server = createServer((client) => self.take(client));
    await new Promise((resolve) => self.server.listen(0, '127.0.0.1', resolve));
    self.port = self.server.address().port;
    return self;
  }

  take(client) {
    this.sockets.add(client);
    client.on('error', () => {});
    client.on('close', () => this.sockets.delete(client));
    if (this.mode === 'starting') client.once('data', (data) => this.refuse(client, data));
    if (this.mode !== 'open') return; // 'silent': accepted, never answered
    const server = connect(`${folder}/.s.PGSQL.5432`);
    this.sockets.add(server);
    server.on('error', () => client.destroy());
    server.on('close', () => { this.sockets.delete(server); client.destroy(); });
    client.on('close', () => server.destroy());
    client.pipe(server).pipe(client);
  }

  /** SSLRequest is answered "no"; a start-up packet with FATAL 57P03, as by a server that recovers. */
  refuse(client, data) {
    if (data.length === 8 && data.readUInt32BE(4) === 80877103) {
      client.write('N');
      client.once('data', (again) => this.refuse(client, again));
      return;
    }
    const fields = Buffer.from('SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0');
    const head = Buffer.alloc(5);
    head.write('E');
    head.writeUInt32BE(fields.length + 4, 1);
    client.end(Buffer.concat([head, fields]));
  }

  cut() {
    this.sockets.forEach((s) => s.destroy());
  }

  async stop() {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const databaseUrl = (hosts, more = '') =>
  `postgresql://${url.username}:${url.password}@${hosts}${url.pathname}?application_name=hosts${more}`;

let proxy;
before(async () => { proxy = await Proxy.start(); });
after(() => proxy.stop());

/** A port nobody listens on: opened and closed again. */
async function closedPort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function withFunction(name, settings, body) {
  const fn = await Private.start(name, settings);
  try {
    await body(fn);
  } finally {
    assert.deepEqual(await fn.stop(), { code: 0, signal: null });
  }
}

test('a first host that refuses connections: the second is used', async () => {
  await withFunction('webhook-debug', { DATABASE_URL: databaseUrl(`127.0.0.1:${await closedPort()},127.0.0.1:${proxy.port}`) }, async (fn) => {
    assert.equal((await fn.ask('POST', { body: '{}' })).status, 200);
  });
});

test('a host name is looked up', async () => {
  await withFunction('webhook-debug', { DATABASE_URL: databaseUrl(`localhost:${proxy.port}`) }, async (fn) => {
    assert.equal((await fn.ask('POST', { body: '{}' })).status, 200);
  });
});

test('a host name that does not exist: 503, and the worker lives', async () => {
  await withFunction('webhook-debug', { DATABASE_URL: databaseUrl('no-such-host.invalid') }, async (fn) => {
    const { workers } = fn;
    assert.equal((await fn.ask('POST', { body: '{}' })).status, 503);
    assert.deepEqual(fn.workers, workers);
  });
});

for (const sslmode of ['disable', 'prefer']) {
  test(`a server that is starting up (sslmode ${sslmode}): 503, and right again without a restart`, async () => {
    proxy.mode = 'starting';
    await withFunction('webhook-debug', { DATABASE_URL: databaseUrl(`127.0.0.1:${proxy.port}`, `&sslmode=${sslmode}`) }, async (fn) => {
      const { workers } = fn;
      for (let i = 0; i < 5; i++) assert.equal((await fn.ask('POST', { body: '{}' })).status, 503);
      proxy.mode = 'open';
      await until(async () => (await fn.ask('POST', { body: '{}' })).status === 200, 'the database is reached again');
      assert.deepEqual(fn.workers, workers);
    });
  });
}

test('two hosts of which the first is starting up: the second is used', async () => {
  const other = await Proxy.start();
  other.mode = 'starting';
  try {
    await withFunction('webhook-debug', { DATABASE_URL: databaseUrl(`127.0.0.1:${other.port},127.0.0.1:${proxy.port}`, '&target_session_attrs=read-write') }, async (fn) => {
      await until(async () => (await fn.ask('POST', { body: '{}' })).status === 200, 'the second host answers');
    });
  } finally {
    await other.stop();
  }
});

test('a server that accepts and says nothing: 503 within the time to connect, then right again', async () => {
  proxy.mode = 'silent';
  await withFunction('webhook-debug', { DATABASE_URL: databaseUrl(`127.0.0.1:${proxy.port}`) }, async (fn) => {
    assert.equal((await fn.ask('POST', { body: '{}' })).status, 503);
    proxy.mode = 'open';
    proxy.cut();
    await until(async () => (await fn.ask('POST', { body: '{}' })).status === 200, 'the database is reached again');
  });
});
