// What is put into a served schema is served at once, and who asks meanwhile notices nothing.
// system: shared
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { rows } from '../../lib/db.mjs';
import { Private } from '../../lib/process.mjs';
import { serviceKey } from '../../lib/system.mjs';
import { until } from '../../lib/wait.mjs';

const schema = `reload_${process.pid}`;
let rest;
const get = (path, query = '') => rest.ask('GET', { params: {
  PATH_INFO: path, QUERY_STRING: query, HTTP_APIKEY: serviceKey, HTTP_AUTHORIZATION: `Bearer ${serviceKey}` } });

before(async () => {
  await rows(`create schema ${schema}; grant usage on schema ${schema} to service_role;
    alter default privileges in schema ${schema} grant all on tables to service_role;
    create table ${schema}.things (id int primary key, name text); insert into ${schema}.things values (1, 'a')`);
  rest = await Private.start('rest', { REST_SCHEMAS: schema, RATE_LIMIT: 'false' });
});
after(async () => {
  await rest.stop();
  await rows(`drop schema if exists ${schema} cascade`);
});

test('a new table, a new column and a new function are served without a word to anybody', async () => {
  assert.equal((await get('/things', 'select=name')).status, 200);
  assert.equal((await get('/others')).status, 404);
  await rows(`create table ${schema}.others (id int primary key, thing_id int references ${schema}.things)`);
  await until(async () => (await get('/others')).status === 200, 'the table');
  assert.deepEqual((await get('/others', 'select=id,things(name)')).json, []);
  await rows(`alter table ${schema}.things add column size int default 7`);
  await until(async () => (await get('/things', 'select=size')).json?.[0]?.size === 7, 'the column');
  await rows(`create function ${schema}.twice(n int) returns int language sql stable as 'select 2 * n';
    grant execute on function ${schema}.twice(int) to service_role`);
  await until(async () => (await get('/rpc/twice', 'n=4')).json === 8, 'the function');
  await rows(`drop table ${schema}.others`);
  await until(async () => (await get('/others')).status === 404, 'its end');
});

test('a reload under load loses no request', async () => {
  let stop = false;
  const statuses = {};
  const asking = Array.from({ length: 16 }, async () => {
    while (!stop) {
      const { status } = await get('/things', 'select=id,name&id=eq.1');
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  });
  for (let n = 0; n < 10; n++) {
    await rows(`create table ${schema}.more${n} (id int primary key)`);
    await until(async () => (await get(`/more${n}`)).status === 200, `table ${n}`);
  }
  stop = true;
  await Promise.all(asking);
  assert.deepEqual(Object.keys(statuses), ['200'], JSON.stringify(statuses));
});

test('what changes under prepared statements does not fail for long', async () => {
  for (let n = 0; n < 5; n++) assert.equal((await get('/things')).status, 200);
  await rows(`alter table ${schema}.things add column colour text default 'red'`);
  await until(async () => (await get('/things')).json?.[0]?.colour === 'red', 'the column in "*"');
});
