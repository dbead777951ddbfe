// The document at the root of the data API: what PostgREST says of a small schema.
// system: shared
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { rows } from '../../lib/db.mjs';
import { Private } from '../../lib/process.mjs';
import { serviceKey } from '../../lib/system.mjs';

const schema = `openapi_${process.pid}`;
const services = {};

before(async () => {
  await rows(`begin;
    create schema ${schema}; create schema ${schema}_b; set local search_path = ${schema};
    comment on schema ${schema} is E'The shop\\n\\nWhat it sells.';
    create type mood as enum ('sad', 'ok');
    create table people (id int primary key, name varchar(20) not null default 'new', mood mood, tags text[] default '{}',
      meta jsonb, joined timestamptz default now(), points int not null default 0, paid boolean default false);
    comment on table people is E'Who buys\\n\\nAll of them.'; comment on column people.name is 'as they say it';
    create table orders (id bigint primary key, person_id int references people, total numeric(10,2));
    comment on column orders.person_id is 'the buyer';
    create view totals as select person_id, sum(total) from orders group by 1;
    create function add(a int, b int default 1) returns int language sql stable as 'select a + b';
    comment on function add(int, int) is 'Adds';
    create function joinup(variadic v text[]) returns text language sql stable as $$select array_to_string(v, '-')$$;
    create function keep(p_meta json, p_tags text[]) returns void language sql as 'select';
    create table ${schema}_b.other (x int); commit`);
  const settings = { REST_SCHEMAS: `${schema},${schema}_b`, RATE_LIMIT: 'false' };
  services.usual = await Private.start('rest', settings);
  services.off = await Private.start('rest', { ...settings, REST_OPENAPI: 'false' });
});

after(async () => {
  for (const service of Object.values(services)) await service.stop();
  await rows(`drop schema if exists ${schema}, ${schema}_b cascade`);
});

const ask = (method, { of = 'usual', path = '/', accept = '*/*', profile } = {}) =>
  services[of].ask(method, {
    params: { PATH_INFO: path, QUERY_STRING: '', HTTP_APIKEY: serviceKey, HTTP_AUTHORIZATION: `Bearer ${serviceKey}`, HTTP_ACCEPT: accept,
      ...(profile && { HTTP_ACCEPT_PROFILE: profile }) },
  });
const type = 'application/openapi+json; charset=utf-8';
const ref = (name) => ({ $ref: `#/parameters/${name}` });
const query = (name, more = {}) => ({ name, required: false, in: 'query', type: 'string', ...more });

test('it is served for its own type, JSON and anything, with one content type', async () => {
  for (const accept of ['application/openapi+json', 'application/json', '*/*', 'text/csv, application/json;q=0.5']) {
    const got = await ask('GET', { accept });
    assert.equal(got.status, 200, got.text);
    assert.equal(got.headers['content-type'], type);
    assert.equal(got.json.swagger, '2.0');
  }
  const refused = await ask('GET', { accept: 'text/csv' });
  assert.equal(refused.status, 406);
  assert.deepEqual(refused.json, { code: 'PGRST107', details: null, hint: null, message: 'None of these media types are available: text/csv' });
});

test('HEAD has the headers alone; what changes something is refused; OPTIONS says what there is', async () => {
  const head = await ask('HEAD');
  assert.equal(head.status, 200);
  assert.equal(head.headers['content-type'], type);
  assert.equal(head.text, '');
  for (const method of ['POST', 'PATCH', 'DELETE']) {
    const got = await ask(method);
    assert.equal(got.status, 405);
    assert.equal(got.json.code, 'PGRST117');
  }
  assert.equal((await ask('OPTIONS')).headers.allow, 'OPTIONS,GET,HEAD');
});

test('it can be switched off', async () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS']) assert.equal((await ask(method, { of: 'off' })).status, 404);
  assert.deepEqual((await ask('GET', { of: 'off' })).json,
    { code: 'PGRST126', details: null, hint: null, message: 'Root endpoint metadata is disabled' });
  assert.equal((await ask('GET', { of: 'off', path: '/people' })).status, 403, 'tables are served (here nobody has rights)');
});

test('the whole of it', async () => {
  const { json } = await ask('GET');
  const types = ['application/json', 'application/vnd.pgrst.object+json;nulls=stripped', 'application/vnd.pgrst.object+json', 'text/csv'];
  assert.deepEqual(json.info, { title: 'The shop', description: 'What it sells.', version: '16.1' });
  assert.deepEqual([json.basePath, json.consumes, json.produces], ['/rest/v1', types, types]);
  assert.deepEqual(Object.keys(json.paths).sort(), ['/', '/orders', '/people', '/rpc/add', '/rpc/joinup', '/rpc/keep', '/totals']);
  assert.deepEqual(Object.keys(json.definitions), ['orders', 'people', 'totals']);
  assert.deepEqual(json.paths['/'], { get: { tags: ['Introspection'], summary: 'OpenAPI description (this document)',
    produces: ['application/openapi+json', 'application/json'], responses: { 200: { description: 'OK' } } } });
});

test('definitions: types, defaults, keys', async () => {
  const { definitions } = (await ask('GET')).json;
  assert.deepEqual(definitions.people, {
    description: 'Who buys\n\nAll of them.',
    required: ['id', 'name', 'points'],
    properties: {
      id: { description: 'Note:\nThis is a Primary Key.<pk/>', type: 'integer', format: 'integer' },
      name: { default: 'new', description: 'as they say it', maxLength: 20, type: 'string', format: 'character varying' },
      mood: { enum: ['sad', 'ok'], type: 'string', format: `${schema}.mood` },
      tags: { type: 'array', format: 'text[]', items: { type: 'string' } },
      meta: { format: 'jsonb' },
      joined: { default: 'now()', type: 'string', format: 'timestamp with time zone' },
      points: { default: 0, type: 'integer', format: 'integer' },
      paid: { default: false, type: 'boolean', format: 'boolean' },
    },
    type: 'object',
  });
  assert.deepEqual(definitions.orders.properties.person_id, {
    description: "the buyer\n\nNote:\nThis is a Foreign Key to `people.id`.<fk table='people' column='id'/>", type: 'integer', format: 'integer' });
  assert.equal(definitions.orders.properties.total.type, 'number');
  assert.equal('required' in definitions.totals, false);
});

test('paths of tables and their parameters', async () => {
  const { paths, parameters } = (await ask('GET')).json;
  const filters = ['id', 'person_id', 'total'].map((name) => ref(`rowFilter.orders.${name}`));
  assert.deepEqual(paths['/orders'], {
    get: { tags: ['orders'], parameters: [...filters, ...['select', 'order', 'range', 'rangeUnit', 'offset', 'limit', 'preferCount'].map(ref)],
      responses: { 200: { description: 'OK', schema: { type: 'array', items: { $ref: '#/definitions/orders' } } }, 206: { description: 'Partial Content' } } },
    post: { tags: ['orders'], parameters: ['body.orders', 'select', 'preferPost'].map(ref), responses: { 201: { description: 'Created' } } },
    delete: { tags: ['orders'], parameters: [...filters, ref('preferReturn')], responses: { 204: { description: 'No Content' } } },
    patch: { tags: ['orders'], parameters: [...filters, ref('body.orders'), ref('preferReturn')], responses: { 204: { description: 'No Content' } } },
  });
  assert.deepEqual(Object.keys(paths['/totals']), ['get'], 'a view that cannot be written');
  assert.equal(paths['/people'].get.summary, 'Who buys');
  assert.equal(paths['/people'].get.description, 'All of them.');
  assert.deepEqual(parameters['rowFilter.orders.person_id'], query('person_id', { description: 'the buyer' }));
  assert.deepEqual(parameters['body.orders'], { name: 'orders', description: 'orders', required: false, in: 'body', schema: { $ref: '#/definitions/orders' } });
  assert.deepEqual(parameters.select, query('select', { description: 'Filtering Columns' }));
  assert.deepEqual(parameters.rangeUnit, { name: 'Range-Unit', description: 'Limiting and Pagination', required: false, in: 'header', type: 'string', default: 'items' });
  assert.deepEqual(parameters.preferPost, { name: 'Prefer', description: 'Preference', required: false, in: 'header', type: 'string',
    enum: ['return=representation', 'return=minimal', 'return=none', 'resolution=ignore-duplicates', 'resolution=merge-duplicates'] });
});

test('paths of functions', async () => {
  const { paths } = (await ask('GET')).json;
  const about = { tags: ['(rpc) add'], summary: 'Adds', responses: { 200: { description: 'OK' } },
    produces: ['application/json', 'application/vnd.pgrst.object+json;nulls=stripped', 'application/vnd.pgrst.object+json'] };
  const number = { type: 'integer', format: 'integer' };
  assert.deepEqual(paths['/rpc/add'], {
    get: { ...about, parameters: [{ name: 'a', required: true, in: 'query', ...number }, { name: 'b', required: false, in: 'query', ...number }] },
    post: { ...about, parameters: [{ name: 'args', required: true, in: 'body',
      schema: { description: 'Adds', type: 'object', required: ['a'], properties: { a: number, b: number } } }, ref('preferParams')] },
  });
  assert.deepEqual(paths['/rpc/joinup'].get.parameters,
    [{ name: 'v', required: true, in: 'query', type: 'array', collectionFormat: 'multi', items: { type: 'string', format: 'text' } }]);
  assert.deepEqual(Object.keys(paths['/rpc/keep']), ['post'], 'what may write is not read');
  assert.deepEqual(paths['/rpc/keep'].post.parameters[0].schema.properties,
    { p_meta: { format: 'json' }, p_tags: { type: 'array', format: 'text[]', items: { type: 'string' } } });
});

test('another schema has a document of its own', async () => {
  const { json, headers } = await ask('GET', { profile: `${schema}_b` });
  assert.deepEqual(Object.keys(json.paths), ['/', '/other']);
  assert.equal(json.info.title, 'PostgREST API');
  assert.equal(headers['content-profile'], `${schema}_b`);
});

test('every reference leads somewhere', async () => {
  const { json } = await ask('GET');
  const walk = (value) => {
    if (value === null || typeof value !== 'object') return;
    if (value.$ref) assert.ok(value.$ref.slice(2).split('/').reduce((at, key) => at?.[key], json), value.$ref);
    Object.values(value).forEach(walk);
  };
  walk(json);
});
