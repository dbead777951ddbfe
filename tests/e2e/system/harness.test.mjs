// The tests' own connections outlive what tests break: sessions that end at any moment, a server that
// is stopped or killed. Whatever was asked for is done, once, and nobody hears of it.
// system: shared
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, beforeEach, test } from 'node:test';

import { as, ownServer, row, rows, useServer, value } from '../lib/db.mjs';
import { crowd } from '../lib/fire.mjs';
import { postgresCrash, postgresStart, postgresStop } from '../lib/process.mjs';
import { soon } from '../lib/wait.mjs';

const OTHERS = `from pg_stat_activity where pid <> pg_backend_pid() and application_name = 'harness'`;

/** The PostgreSQL of the system behind a TCP port; `cut` decides about each message to it and its answer. */
class Proxy {
  /** (text of a message) => undefined, or when its connection is cut: 'before', 'after' it is passed on, 'answered'. */
  cut = () => undefined;

  static async start() {
    const self = new Proxy();
    self.server = createServer((client) => self.take(client));
    await new Promise((resolve) => self.server.listen(0, '127.0.0.1', resolve));
    self.port = self.server.address().port;
    return self;
  }

  take(client) {
    const server = connect(`${ownServer.host}/.s.PGSQL.5432`);
    const both = [client, server];
    const end = () => both.forEach((socket) => socket.destroy());
    both.forEach((socket) => socket.on('error', end).on('close', end));
    let when;
    client.on('data', (bytes) => {
      when = this.cut(bytes.toString('latin1'));
      if (when === 'before') return end();
      server.write(bytes);
      if (when === 'after') end();
    });
    server.on('data', (bytes) => (when === 'answered' ? end() : client.write(bytes)));
  }

  stop() {
    return new Promise((resolve) => this.server.close(resolve));
  }
}

let proxy;
before(async () => {
  proxy = await Proxy.start();
  await rows('create table public.harness (n int)');
});
beforeEach(() => rows('truncate public.harness'));
after(async () => {
  await useServer(ownServer);
  await rows('drop table public.harness');
  await proxy.stop();
});

const insert = (n) => value('insert into public.harness values ($1) returning n', [n]);
const written = async () => (await rows('select n from public.harness order by n')).map(({ n }) => n);

for (const [moment, pattern, when] of [
  ['before the statement', /^Q[^]{4}begin/, 'before'],
  ['while the statement is on its way', /insert into public.harness/, 'before'],
  ['while the statement runs', /insert into public.harness/, 'after'],
  ['before its answer', /insert into public.harness/, 'answered'],
  ['before the commit', /^Q[^]{4}commit/, 'before'],
  ['while it commits', /^Q[^]{4}commit/, 'after'],
  ['before the answer to the commit', /^Q[^]{4}commit/, 'answered'],
]) {
  test(`a connection that is cut ${moment}: written once`, async () => {
    let left = 2; // the second try meets it too
    proxy.cut = (text) => (pattern.test(text) && left-- > 0 ? when : undefined);
    await useServer({ host: '127.0.0.1', port: proxy.port });
    assert.equal(await insert(7), 7);
    await useServer(ownServer);
    assert.ok(left < 2, 'it was cut');
    assert.deepEqual(await written(), [7]);
  });
}

test('sessions that are ended while they are idle, or work', async () => {
  await useServer({ ...ownServer, application_name: 'harness' });
  await Promise.all(Array.from({ length: 8 }, (_, n) => insert(n)));
  let going = true;
  const killer = (async () => {
    while (going) {
      await sleep(50);
      await rows(`select pg_terminate_backend(pid) ${OTHERS}`);
    }
  })();
  const slowly = (n) => rows('insert into public.harness select $1 from pg_sleep(0.02)', [n]);
  await crowd(6, Array.from({ length: 60 }, (_, n) => n + 8), slowly).finally(() => { going = false; });
  await killer;
  await useServer(ownServer);
  assert.deepEqual(await written(), Array.from({ length: 68 }, (_, n) => n));
});

test('a server that is killed, and one that is stopped: all is written once', async () => {
  const blows = [postgresCrash, async () => { await postgresStop(); await postgresStart(); }, postgresCrash];
  const struck = [];
  await crowd(8, Array.from({ length: 600 }, (_, n) => n), async (n) => {
    if (n % 200 === 100) struck.push(blows[struck.length]());
    assert.equal(await insert(n), n);
  });
  await Promise.all(struck);
  await postgresStart();
  assert.deepEqual(await written(), Array.from({ length: 600 }, (_, n) => n));
});

test('a transaction begins on a connection that lives', async () => {
  await useServer({ ...ownServer, application_name: 'harness' });
  await Promise.all(Array.from({ length: 8 }, () => row('select 1')));
  const pids = (await rows(`select pid ${OTHERS}`)).map(({ pid }) => pid);
  assert.ok(pids.length > 0);
  pids.forEach((pid) => process.kill(pid, 'SIGTERM'));
  const [{ n }] = await as({ role: 'service_role' }, (query) => query('select 1 as n'));
  assert.equal(n, 1);
  await useServer(ownServer);
});

test('an error of the statement itself is told at once, and is no reason to ask again', async () => {
  const began = Date.now();
  await assert.rejects(rows('insert into public.harness values (1); select 1 / 0'), { code: '22012' });
  assert.ok(Date.now() - began < soon(1000));
  assert.deepEqual(await written(), []);
});
