// Execution plans as answers of the data API: when they are told, in which forms, and what they change.
// system: shared
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { rows, value } from '../../lib/db.mjs';
import { Private } from '../../lib/process.mjs';
import { serviceKey } from '../../lib/system.mjs';

const schema = `explain_${process.pid}`;
const services = {};

before(async () => {
  await rows(`begin; create schema ${schema}; set local search_path = ${schema};
    create table people (id int primary key, name text); insert into people values (1, 'Ada'), (2, 'Bo');
    create function find(p_name text) returns setof people language sql stable as 'select * from people where name = p_name';
    grant usage on schema ${schema} to service_role; grant all on all tables in schema ${schema} to service_role; commit`);
  const settings = { REST_SCHEMAS: schema, RATE_LIMIT: 'false' };
  services.off = await Private.start('rest', settings);
  services.on = await Private.start('rest', { ...settings, REST_PLAN: 'true', REST_TX_END: 'true' });
});

after(async () => {
  for (const service of Object.values(services)) await service.stop();
  await rows(`drop schema if exists ${schema} cascade`);
});

const plan = 'application/vnd.pgrst.plan';
const ask = (method, path, { of = 'on', accept = plan, body, prefer } = {}) => {
  const [name, query = ''] = path.split('?');
  return services[of].ask(method, {
    body: body ? JSON.stringify(body) : '',
    params: { PATH_INFO: name, QUERY_STRING: query, HTTP_APIKEY: serviceKey, HTTP_AUTHORIZATION: `Bearer ${serviceKey}`, HTTP_ACCEPT: accept,
      CONTENT_TYPE: body ? 'application/json' : '', ...(prefer && { HTTP_PREFER: prefer }) },
  });
};
const count = () => value(`select count(*)::int from ${schema}.people`);

test('it is off unless it is switched on', async () => {
  const got = await ask('GET', '/people', { of: 'off', accept: `${plan}+json` });
  assert.equal(got.status, 406);
  assert.equal(got.json.code, 'PGRST107');
  assert.equal(got.json.message, `None of these media types are available: ${plan}+json`);
  assert.equal((await ask('GET', '/people', { of: 'off', accept: `${plan}+json, application/json;q=0.5` })).json.length, 2, 'what else is accepted');
});

test('as JSON: the plan of the statement', async () => {
  const got = await ask('GET', '/people?id=eq.1', { accept: `${plan}+json` });
  assert.equal(got.status, 200, got.text);
  assert.equal(got.headers['content-type'], `${plan}+json; for="application/json"; charset=utf-8`);
  assert.equal(got.headers['content-range'], undefined);
  assert.ok(got.json[0].Plan['Total Cost'] > 0);
  assert.equal('Execution Time' in got.json[0], false, 'nothing was run');
});

test('as text: lines, which is also what no suffix means', async () => {
  for (const accept of [plan, `${plan}+text`]) {
    const got = await ask('GET', '/people', { accept });
    assert.equal(got.headers['content-type'], `${plan}+text; for="application/json"; charset=utf-8`);
    assert.match(got.text, /^\S[^\n]*\(cost=[^]*\n +[^]*Scan on people[^\n]*$/);
  }
});

test('options and what it is for are said again, in one order', async () => {
  const all = await ask('GET', '/people', { accept: `${plan}+json; for="text/csv"; options=wal|buffers|settings|verbose|analyze|more;` });
  assert.equal(all.status, 200, all.text);
  assert.equal(all.headers['content-type'], `${plan}+json; for="text/csv"; options=analyze|verbose|settings|buffers|wal; charset=utf-8`);
  assert.ok(all.json[0]['Execution Time'] >= 0, 'it was run');
  assert.ok(all.json[0].Plan.Output.length > 0, 'verbose');
  const object = await ask('GET', '/people', { accept: `${plan}+text; for="application/vnd.pgrst.object+json"; options=analyze;` });
  assert.equal(object.status, 200, 'how many rows there are does not matter');
  assert.equal(object.headers['content-type'], `${plan}+text; for="application/vnd.pgrst.object+json"; options=analyze; charset=utf-8`);
  const none = await ask('GET', '/people', { accept: `${plan}+text; for="image/png"` });
  assert.deepEqual([none.status, none.json.code], [406, 'PGRST107']);
});

test('PostgreSQL refuses options that do not go together', async () => {
  const got = await ask('GET', '/people', { accept: `${plan}+json; options=wal` });
  assert.deepEqual([got.status, got.json.code], [400, '22023']);
});

test('of functions too; HEAD has the type alone; counts are not asked for', async () => {
  const call = await ask('GET', '/rpc/find?p_name=Ada', { accept: `${plan}+json`, prefer: 'count=estimated' });
  assert.equal(call.status, 200, call.text);
  assert.ok(call.json[0].Plan);
  const head = await ask('HEAD', '/people', { accept: `${plan}+json` });
  assert.deepEqual([head.status, head.text], [200, '']);
});

test('a write is planned, and done only by analyze, which tx=rollback undoes', async () => {
  const body = { id: 3, name: 'Cy' };
  const planned = await ask('POST', '/people', { accept: `${plan}+json`, body });
  assert.equal(planned.status, 200, planned.text);
  assert.match(planned.text, /"Operation": "Insert"/);
  assert.equal(await count(), 2);
  const undone = await ask('POST', '/people', { accept: `${plan}+json; options=analyze`, body, prefer: 'tx=rollback' });
  assert.equal(undone.status, 200, undone.text);
  assert.equal(await count(), 2);
  await ask('POST', '/people', { accept: `${plan}+json; options=analyze`, body });
  assert.equal(await count(), 3);
  assert.equal((await ask('DELETE', '/people?id=eq.3', { accept: `${plan}+text; options=analyze` })).status, 200);
  assert.equal(await count(), 2);
});

test('rights count as ever', async () => {
  await rows(`revoke all on ${schema}.people from service_role`);
  const got = await ask('GET', '/people', { accept: `${plan}+json; options=analyze` });
  await rows(`grant all on ${schema}.people to service_role`);
  assert.deepEqual([got.status, got.json.code], [403, '42501']);
});
