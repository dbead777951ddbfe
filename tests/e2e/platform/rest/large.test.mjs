// Three hundred tables: chains and stars of keys. What the cache costs, that each table answers, and that the
// document of all of them is right.
// system: shared
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { rows } from '../../lib/db.mjs';
import { Served } from '../../lib/rest.mjs';
import { soon, until } from '../../lib/wait.mjs';

const CHAIN = 100, POINTS = 199; // and the middle of the star
const schema = `large_${process.pid}`;
const columns = Array.from({ length: 10 }, (_, n) => `value_${n} text default 'of ${n}'`).join(', ');
let api;

before(async () => {
  const chain = Array.from({ length: CHAIN }, (_, n) => `create table link_${n} (id int primary key, ${columns}${n === 0 ? '' : `, before int references link_${n - 1}`});
    insert into link_${n} values (1${", 'x'".repeat(10)}${n === 0 ? '' : ', 1'})`);
  const star = Array.from({ length: POINTS }, (_, n) => `create table point_${n} (id int primary key, ${columns}, middle_id int references middle,
    beside_id int references middle); insert into point_${n} (id, middle_id) values (1, 1), (2, 1)`);
  api = await Served.start(schema, [...chain, `create table middle (id int primary key, name text); insert into middle values (1, 'm')`, ...star].join(';'));
});
after(() => api?.stop());

/** What its log says of the last cache that was loaded. */
const loaded = () => api.service.log().split('\n').filter((line) => line.includes('"schema_cache_loaded"')).map((line) => JSON.parse(line).data).at(-1);

test('the cache of it is small, and loaded in little time', async (t) => {
  await api.get('/middle', '');
  const { tables, bytes, asked_ms: asked, read_ms: read } = loaded();
  t.diagnostic(`${tables} tables, ${bytes} bytes; PostgreSQL took ${asked} ms, reading it ${read} ms`);
  assert.equal(tables, CHAIN + POINTS + 1);
  assert.ok(bytes < 4 * 1024 * 1024, `${bytes} bytes`);
  assert.ok(asked < soon(5_000) && read < soon(1_000), `${asked} and ${read} ms`);
});

test('every table answers, with what it leads to', async () => {
  for (let n = 1; n < CHAIN; n++)
    assert.deepEqual(await api.get(`/link_${n}`, { select: `id,link_${n - 1}(value_0)` }), [{ id: 1, [`link_${n - 1}`]: { value_0: 'x' } }]);
  for (let n = 0; n < POINTS; n++) {
    assert.deepEqual(await api.get(`/point_${n}`, { select: 'id,middle_id(name)', id: 'eq.2' }), [{ id: 2, middle_id: { name: 'm' } }]);
    assert.deepEqual(await api.get('/middle', { select: `id,point_${n}!middle_id(id)`, [`point_${n}.order`]: 'id' }), [{ id: 1, [`point_${n}`]: [{ id: 1 }, { id: 2 }] }]);
  }
  const answer = await api.ask('GET', '/point_7', { query: { select: 'id,middle(id)' } });
  assert.deepEqual([answer.status, answer.json.code, answer.json.details.length], [300, 'PGRST201', 2]);
});

test('the chain from one end to the other', async () => {
  const select = (n) => (n === 0 ? 'id' : `id,link_${n - 1}(${select(n - 1)})`);
  const deep = 30; // of 32 that a request may have
  let [at] = await api.get(`/link_${deep}`, { select: select(deep) });
  for (let n = deep; n > 0; n--) at = at[`link_${n - 1}`];
  assert.deepEqual(at, { id: 1 });
});

test('all points of the star in one request', async () => {
  const some = Array.from({ length: 60 }, (_, n) => `point_${n}!middle_id(id)`);
  const [row] = await api.get('/middle', { select: some.join() });
  assert.deepEqual([Object.keys(row).length, row.point_59.length], [60, 2]);
});

test('the document has all of it, and every reference leads somewhere', async () => {
  const json = await api.get('/', '');
  assert.equal(Object.keys(json.definitions).length, CHAIN + POINTS + 1);
  let references = 0;
  const walk = (value) => {
    if (value === null || typeof value !== 'object') return;
    if (value.$ref) {
      references++;
      assert.ok(value.$ref.slice(2).split('/').reduce((at, key) => at?.[key], json), value.$ref);
    }
    Object.values(value).forEach(walk);
  };
  walk(json);
  assert.ok(references > 300 * 30, `${references}`);
  for (const [path, operations] of Object.entries(json.paths))
    for (const [method, operation] of Object.entries(operations)) assert.ok(operation.responses && /^(get|post|patch|delete)$/.test(method), `${method} ${path}`);
});

test('one more table is served soon', async () => {
  const began = Date.now();
  await rows(`create table ${schema}.one_more (id int primary key references ${schema}.middle); grant all on ${schema}.one_more to service_role`);
  await until(async () => (await api.ask('GET', '/one_more')).status === 200, 'it is served', { timeout: 10_000 });
  assert.ok(Date.now() - began < soon(10_000));
  assert.equal(loaded().tables, CHAIN + POINTS + 2);
  assert.deepEqual(await api.get('/middle', { select: 'one_more(id)' }), [{ one_more: null }]);
});
