// What is answered in one piece has 4 MB, lists that cannot be sent row by row 8 MB: anything larger is
// refused before it comes, so that a process never holds it; lists of a table may be as long as they like.
// system: shared
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { rows, value } from '../../lib/db.mjs';
import { Private } from '../../lib/process.mjs';
import { serviceKey } from '../../lib/system.mjs';

const sanitized = process.env.FFX_PRESET === 'asan';
const schema = `size_${process.pid}`;
const mega = 1024 * 1024;
let service;

before(async () => {
  await rows(`create schema ${schema}`);
  await rows(`begin; set local search_path = ${schema};
    create domain "application/x-raw" as bytea;
    create table docs (id int primary key, kind text, doc text, made jsonb);
    insert into docs (id, kind, doc) values (1, 'large', repeat('x', 5000000)), (2, 'fits', repeat('x', 4000000)), (3, 'huge', repeat('y', 20000000));
    insert into docs (id, kind, doc) select n, 'many', repeat('z', 1000000) from generate_series(11, 40) as n;
    create function text_of(n int) returns text language sql stable as $$ select repeat('x', n) $$;
    create function object_of(n int, out a text, out b int) language sql stable as $$ select repeat('x', n), 1 $$;
    create function raw_of(n int) returns "application/x-raw" language sql stable as $$ select convert_to(repeat('x', n), 'UTF8')::"application/x-raw" $$;
    create function several(n int) returns setof docs language sql stable as $$ select * from docs where kind = 'many' order by id limit n $$;
    grant usage on schema ${schema} to service_role; grant all on all tables in schema ${schema} to service_role;
    grant execute on all functions in schema ${schema} to service_role; commit`);
  service = await Private.start('rest', { REST_SCHEMAS: schema, RATE_LIMIT: 'false', REST_MAX_ROWS: '0' });
});
after(async () => {
  if (service) assert.equal((await service.stop()).code, 0);
  await rows(`drop schema if exists ${schema} cascade`);
});

const send = (path, { method = 'GET', body = '', accept = 'application/json', prefer } = {}) => {
  const [name, query = ''] = path.split('?');
  const params = { PATH_INFO: name, QUERY_STRING: query, HTTP_APIKEY: serviceKey, HTTP_AUTHORIZATION: `Bearer ${serviceKey}`, HTTP_ACCEPT: accept, CONTENT_TYPE: 'application/json' };
  if (prefer) params.HTTP_PREFER = prefer;
  return service.ask(method, { params, body }, 60_000);
};
const refused = async (path, options) => {
  const { status, json, text } = await send(path, options);
  assert.equal(status, 400, `${path}: ${status} ${text.slice(0, 200)}`);
  assert.deepEqual([json.code, json.details, json.hint], ['54000', null, 'Ask for fewer columns or fewer rows.']);
  assert.match(json.message, /^The answer is too large: \d{7,8} bytes in one piece$/);
};
const taken = async (path, options) => {
  const answer = await send(path, options);
  assert.equal(answer.status, options?.status ?? 200, `${path}: ${answer.status} ${answer.text.slice(0, 200)}`);
  return answer;
};
const object = 'application/vnd.pgrst.object+json';
const residentKb = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${service.workers[0]}/status`, 'utf8'))[1]);

test('a row that is too large is refused, alone and in lists, held or not', async () => {
  for (const path of ['/docs?id=eq.1', '/docs?id=lt.3&limit=5', '/docs?id=lt.3&order=id', '/docs?id=lt.3&select=doc', '/docs?select=a:doc&kind=eq.large'])
    await refused(path);
  await refused('/docs?id=eq.1', { accept: object });
  await refused('/docs?id=eq.1', { accept: 'application/vnd.pgrst.array+json;nulls=stripped' });
  await refused('/docs?id=eq.1&select=n:id,kind,doc', { prefer: 'count=exact' });
  assert.deepEqual((await taken('/docs?id=lt.3&select=id&order=id')).json, [{ id: 1 }, { id: 2 }], 'its other columns are there');
  assert.equal((await taken('/docs?id=eq.2&select=doc', { accept: object })).json.doc.length, 4_000_000);
  assert.equal((await taken('/docs?id=eq.2&select=doc')).json[0].doc.length, 4_000_000);
  assert.equal((await taken('/docs?kind=eq.fits&select=doc')).json[0].doc.length, 4_000_000);
  assert.equal((await send('/docs?id=eq.1', { method: 'HEAD' })).status, 200);
});

test('a list of a table has any length, of few rows too', async () => {
  for (const query of ['', '&limit=30', '&order=id&limit=1000']) {
    const { json, headers } = await taken(`/docs?kind=eq.many&select=id,doc${query}`, { prefer: 'count=exact' });
    assert.deepEqual([json.length, headers['content-range'], json[29].doc.length], [30, '0-29/30', 1_000_000], query);
  }
});

test('what a function returns', async () => {
  await refused('/rpc/text_of?n=5000000');
  await refused('/rpc/text_of', { method: 'POST', body: '{"n":5000000}' });
  await refused('/rpc/object_of?n=5000000');
  await refused('/rpc/raw_of?n=5000000', { accept: 'application/x-raw' });
  await refused('/rpc/several?n=20');
  assert.equal((await taken('/rpc/text_of?n=4000000')).json.length, 4_000_000);
  assert.equal((await taken('/rpc/raw_of?n=4000000', { accept: 'application/x-raw' })).text.length, 4_000_000);
  assert.equal((await taken('/rpc/several?n=7')).json.length, 7);
});

test('CSV', async () => {
  await refused('/docs?kind=eq.many&select=id,doc', { accept: 'text/csv' });
  assert.equal((await taken('/docs?kind=eq.many&select=id,doc&limit=7', { accept: 'text/csv' })).text.split('\n').length, 8);
});

test('a write whose rows cannot be shown does not take place', async () => {
  const kinds = () => value(`select count(*)::int from ${schema}.docs where kind = 'changed'`);
  const body = '{"kind":"changed"}';
  await refused('/docs?id=gte.11', { method: 'PATCH', body, prefer: 'return=representation' });
  await refused('/docs?id=eq.1', { method: 'PATCH', body, prefer: 'return=representation', accept: object });
  await refused('/docs?id=eq.3', { method: 'DELETE', prefer: 'return=representation' });
  assert.equal(await kinds(), 0);
  const { json } = await taken('/docs?id=eq.1&select=id,kind', { method: 'PATCH', body, prefer: 'return=representation' });
  assert.deepEqual(json, [{ id: 1, kind: 'changed' }]);
  await taken('/docs?id=eq.1', { method: 'PATCH', body, status: 204 });
  assert.equal(await kinds(), 1);
});

test('20 MB do not come into the process', async () => {
  await taken('/docs?kind=eq.many&select=id,doc');
  const before = residentKb();
  let most = before;
  const watch = setInterval(() => { most = Math.max(most, residentKb()); }, 5);
  try {
    for (const path of ['/docs?id=eq.3', '/docs?order=id', '/rpc/text_of?n=20000000']) await refused(path);
    await refused('/docs?id=eq.3', { accept: 'text/csv' });
  } finally {
    clearInterval(watch);
  }
  // (The sanitizer keeps what is freed for a while.)
  assert.ok(sanitized || most - before < 8 * 1024, `${most - before} KB more`);
});
