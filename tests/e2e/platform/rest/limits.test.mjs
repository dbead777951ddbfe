// What one caller may take of the data API: so many calls in a minute, and no connection that others
// need, however slow his reports are.
// system: shared
import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { rows, value } from '../../lib/db.mjs';
import { requestBytes } from '../../lib/fcgi.mjs';
import { Private } from '../../lib/process.mjs';
import { anonKey, serviceKey, url } from '../../lib/system.mjs';
import { makeStaff, makeUser } from '../../lib/users.mjs';
import { soon, until } from '../../lib/wait.mjs';

const LIMIT = 5;
const REPORTS = 20;
const schema = `limits_${process.pid}`;
let one, other;

before(async () => {
  [one, other] = await Promise.all([makeUser(), makeUser()]);
  await rows(`create schema ${schema}`);
  await rows(`begin; set local search_path = ${schema};
    create table thing (id int primary key); insert into thing select generate_series(1, 100);
    create function report(n int) returns int language plpgsql stable set statement_timeout = '60s' as $$ begin perform pg_sleep(60); return n; end $$;
    grant usage on schema ${schema} to anon, authenticated, service_role; grant select on thing to anon, authenticated, service_role;
    grant execute on all functions in schema ${schema} to authenticated; commit`);
});
after(() => rows(`drop schema if exists ${schema} cascade`));

const withService = async (settings, work) => {
  const service = await Private.start('rest', { REST_SCHEMAS: schema, ...settings });
  try {
    await work(service);
  } finally {
    await service.stop();
  }
};
const params = (path, token, address = '192.0.2.1') =>
  ({ PATH_INFO: path.split('?')[0], QUERY_STRING: path.split('?')[1] ?? '', HTTP_APIKEY: token === serviceKey ? serviceKey : anonKey, HTTP_AUTHORIZATION: `Bearer ${token}`, REMOTE_ADDR: address });

test('a person, an address without one, and the service key have their calls each', () => withService({ REST_RATE_LIMIT: String(LIMIT) }, async (service) => {
  const ask = (token, { address, path = '/thing?id=eq.1' } = {}) => service.ask('GET', { params: params(path, token, address) });
  /** All calls that there are, and one more. */
  const useUp = async (...who) => {
    for (let n = 0; n < LIMIT; n++) assert.equal((await ask(...who)).status, 200);
    return ask(...who);
  };
  const { status, json, headers } = await useUp(one.token);
  const wait = Number(headers['retry-after']);
  assert.equal(status, 429);
  assert.ok(wait >= 1 && wait <= 60 / LIMIT, `${wait} s`);
  assert.deepEqual(json, { code: 'PGRST000', details: null, hint: null, message: `Too many requests. Try again in ${wait} s.` });
  assert.equal((await ask(one.token, { address: '192.0.2.99' })).status, 429, 'from anywhere');
  assert.equal((await ask(one.token, { path: '/nothing' })).status, 429, 'for anything');
  assert.equal((await ask(other.token)).status, 200, 'another person at the same address');
  assert.equal((await useUp((await makeStaff('support')).token)).status, 429);
  assert.equal((await useUp(anonKey)).status, 429, 'no person: the address');
  assert.equal((await ask(anonKey, { address: '192.0.2.2' })).status, 200);
  assert.equal((await ask(serviceKey)).status, 200);
  assert.equal((await useUp(anonKey, { address: '2001:db8:1:2::1' })).status, 429);
  assert.equal((await ask(anonKey, { address: '2001:db8:1:2:ffff::9' })).status, 429, 'one customer has all of a /64');
  assert.equal((await ask(anonKey, { address: '2001:db8:1:3::1' })).status, 200);
  for (let n = 1; n < LIMIT; n++) assert.equal((await ask(serviceKey, { address: `192.0.2.${n}` })).status, 200);
  assert.equal((await ask(serviceKey)).status, 429, 'a key, from wherever');
  assert.equal((await useUp(one.token, { path: '' })).status, 429, 'what there is has calls of its own');
}));

test('the limit can be switched off', () => withService({ REST_RATE_LIMIT: '0' }, async (service) => {
  for (let n = 0; n < 60; n++) assert.equal((await service.ask('GET', { params: params('/thing?id=eq.1', one.token) })).status, 200);
}));

test("through nginx, one's flood is refused, and others do not feel it", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 24 });
  const ask = (token) => new Promise((resolve, reject) => {
    request(`${url}/rest/v1/no_such_table`, { agent, headers: { apikey: anonKey, authorization: `Bearer ${token}` } }, async (res) => {
      try {
        resolve({ status: res.statusCode, wait: Number(res.headers['retry-after']), code: JSON.parse(Buffer.concat(await res.toArray())).code });
      } catch (error) {
        reject(error);
      }
    }).on('error', reject).end();
  });
  let refused;
  await Promise.all(Array.from({ length: 24 }, async () => {
    while (!refused) {
      const answer = await ask(one.token);
      if (answer.status === 429) refused = answer;
      else assert.deepEqual([answer.status, answer.code], [404, 'PGRST205']);
    }
  }));
  assert.deepEqual(refused, { status: 429, wait: 1, code: 'PGRST000' });
  assert.equal((await ask(other.token)).status, 404);
  await sleep(refused.wait * 1000); // so long it said
  assert.equal((await ask(one.token)).status, 404);
  agent.destroy();
});

test(`${REPORTS} slow reports of one person, which nobody knew to be slow, beside keyed reads of another`, () => withService({ RATE_LIMIT: 'false' }, async (service) => {
  const running = () => value(`select count(*)::int from pg_stat_activity where query like '%"${schema}"."report"%' and pid <> pg_backend_pid() and state = 'active'`);
  const connections = await Promise.all(Array.from({ length: REPORTS }, () => service.open()));
  await Promise.all(connections.map((connection, n) => connection.write(requestBytes('GET', { params: params(`/rpc/report?n=${n}`, one.token) }))));
  await until(async () => (await running()) >= 2, 'reports run');
  const times = [];
  for (const end = Date.now() + 2000; Date.now() < end;) {
    const began = Date.now();
    const { json } = await service.ask('GET', { params: params('/thing?id=eq.7', other.token) });
    assert.deepEqual(json, [{ id: 7 }]);
    times.push(Date.now() - began);
  }
  assert.ok(Math.max(...times) < soon(500), `a keyed read took ${Math.max(...times)} ms`);
  assert.ok((await running()) >= 2, 'the reports still run');
  connections.forEach((connection) => connection.close());
  await until(async () => (await running()) === 0, 'all of them are ended when he leaves');
}));
