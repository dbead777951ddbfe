// Where the database is: host names, several hosts, hosts that refuse in the middle of the
// handshake.  A private process of the shipped binary reaches the system's PostgreSQL through a
// little TCP proxy of the test's own.
// system: shared
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';

import { Private } from '../lib/process.mjs';
import { Proxy, databaseUrlOf } from '../lib/proxy.mjs';
import { until } from '../lib/wait.mjs';

const databaseUrl = (hosts, more) => databaseUrlOf('webhook-debug', hosts, more);

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
