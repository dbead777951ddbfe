// The vectors of PostgREST's behaviour, each against a process of the data API that serves their schema.
// system: shared
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { rows } from '../../lib/db.mjs';
import { Private } from '../../lib/process.mjs';
import { serviceKey } from '../../lib/system.mjs';
import { vectors } from './vectors.mjs';

const schema = `vectors_${process.pid}`;
const data = `
  truncate people, badges, person_badges, passports, orders, nodes, msgs;
  insert into people values (1,'Ada','{"plan":"gold","n":3}','{a,b}','2020-01-02'),(2,'Bo','{"l":[1,{"k":"v"}]}','{b}',null),(3,'Cy',null,'{}',null);
  insert into badges values (1,'new'),(2,'pro'); insert into person_badges values (1,1),(1,2),(2,1); insert into passports values (1,'P-1');
  insert into nodes values (1,null,'root'),(2,1,'kid'); insert into msgs values (1,1,2);
  insert into orders values (1,1,10.50,'paid','[1,5)'),(2,1,3,'new','[5,9)'),(3,2,20,'paid',null),(4,null,7,'void',null)`;
const services = {};

const sql = (text) => rows(`begin; set local search_path = ${schema}; ${text}; commit`);

before(async () => {
  await rows(`create schema ${schema}`);
  await sql(`${readFileSync(new URL('people.sql', import.meta.url), 'utf8')}
    grant usage on schema ${schema} to service_role; grant all on all tables in schema ${schema} to service_role;
    grant execute on all functions in schema ${schema} to service_role`);
  const settings = { REST_SCHEMAS: schema, RATE_LIMIT: 'false' };
  for (const [name, more] of Object.entries({ usual: {}, agg: { REST_AGGREGATES: 'true' }, max2: { REST_MAX_ROWS: '2' } }))
    services[name] = await Private.start('rest', { ...settings, ...more });
});

after(async () => {
  for (const service of Object.values(services)) await service.stop();
  await rows(`drop schema if exists ${schema} cascade`);
});

const send = (method, path, { of = 'usual', body = '', type, accept = '*/*', prefer, range, profile, token = serviceKey }) => {
  const [name, query = ''] = path.split('?');
  const params = {
    PATH_INFO: name, QUERY_STRING: encodeURI(query).replace(/%25/g, '%'), HTTP_APIKEY: serviceKey, HTTP_AUTHORIZATION: `Bearer ${token}`,
    HTTP_ACCEPT: accept, CONTENT_TYPE: type ?? '',
  };
  if (prefer) params.HTTP_PREFER = prefer;
  if (range) params.HTTP_RANGE = range;
  if (profile) params.HTTP_ACCEPT_PROFILE = profile;
  return services[of].ask(method, { body, params });
};

const named = (value) => JSON.parse(JSON.stringify(value).replaceAll('SCHEMA', schema));

for (const [name, [method, path, options, expected]] of Object.entries(vectors))
  test(`${name}: ${method} ${path}`, async () => {
    await sql(data);
    if (options.twice) await send(method, path, options);
    const got = await send(method, path, options);
    assert.equal(got.status, expected.status, got.text);
    if (expected.json?.code) {
      for (const [key, value] of Object.entries(named(expected.json))) assert.deepEqual(got.json[key], value, got.text);
      assert.deepEqual(Object.keys(got.json), ['code', 'details', 'hint', 'message']);
    } else if ('json' in expected) assert.deepEqual(got.json, expected.json, got.text);
    if ('text' in expected) assert.equal(got.text, expected.text);
    if ('range' in expected) assert.equal(got.headers['content-range'], expected.range);
    if ('type' in expected) assert.equal(got.headers['content-type'], expected.type);
    for (const [header, value] of Object.entries(expected.headers ?? {})) assert.equal(got.headers[header], value, header);
  });
