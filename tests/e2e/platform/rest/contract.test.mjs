// Rows of PostgREST's behaviour that the vectors leave out, by chapter: what a request says, what is embedded, what is
// written, what functions get and return, and how failures are told.
// system: shared
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { rows } from '../../lib/db.mjs';
import { Private } from '../../lib/process.mjs';
import { anonKey, serviceKey, url } from '../../lib/system.mjs';
import { mint } from '../../lib/tokens.mjs';

const schema = `contract_${process.pid}`;
const services = {};

before(async () => {
  await rows(`create schema ${schema}`);
  await rows(`begin; set local search_path = ${schema};
    ${readFileSync(new URL('people.sql', import.meta.url), 'utf8')}
    create table plain (n int, label text);
    create table flags (id int primary key, "order" int, yes boolean, words tsvector, doc jsonb);
    insert into flags values (1, 5, true, to_tsvector('fat cat'), '{"k": 5, "l": [[7]]}'), (2, 6, false, 'rat', '{"k": "5"}'), (3, null, null, null, null);
    create table pairs (a int, b int, label text, primary key (a, b));
    create table twins (id int primary key, person_id int references people); create unique index on twins (person_id);
    create view sums as select person_id, sum(total) from orders group by person_id;
    create function of_text(text) returns text language sql stable as $$ select 'text:' || $1 $$;
    create function of_bytes(bytea) returns int language sql stable as $$ select length($1) $$;
    create function of_xml(xml) returns text language sql stable as $$ select 'xml:' || $1::text $$;
    create function of_jsonb(jsonb) returns jsonb language sql stable as $$ select $1 $$;
    create function kind(anyelement) returns text language sql stable as $$ select 'k' $$;
    create function greet(name text) returns text language sql stable as $$ select 'Hi ' || name $$;
    create function two(a int, b int) returns int language sql stable as $$ select a + b $$;
    create function context() returns json language sql stable as $$ select json_build_object('method', current_setting('request.method'), 'path', current_setting('request.path'),
      'odd', current_setting('request.headers')::json->>'x-odd', 'cookie', current_setting('request.headers')::json->>'cookie', 'cookies', current_setting('request.cookies')::json, 'zone', current_setting('timezone'), 'role', current_user) $$;
    create function of_zone() returns text language sql stable set timezone = 'Asia/Tokyo' as $$ select current_setting('timezone') $$;
    create function bad_headers() returns void language sql as $$ select set_config('response.headers', '{"a":1}', true) $$;
    create function bad_status() returns void language sql as $$ select set_config('response.status', 'many', true) $$;
    create function raise_state(state text, m text, d text default null) returns void language plpgsql as $$ begin
      if d is null then raise exception using errcode = state, message = m; end if;
      raise exception using errcode = state, message = m, detail = d; end $$;
    create function orders(nodes) returns setof orders language sql stable as $$ select * from orders where id = $1.id $$;
    create table chapters (id int primary key, node_id int references nodes, next_id int references nodes);
    create function nodes(chapters) returns setof nodes rows 1 language sql stable as $$ select * from nodes where id = $1.next_id $$;
    insert into nodes values (1,null,'root'),(2,1,'kid'); insert into chapters values (1, 1, 2);
    create view authors as select id, name from people; create view labels as select id, label from badges;
    create function before_all() returns void language plpgsql as $$ begin
      if current_setting('request.headers')::json->>'x-odd' = 'stop' then raise sqlstate 'PT429' using message = 'stop'; end if;
      perform set_config('response.headers', '[{"X-Before":"' || current_user || '"}]', true); end $$;
    create procedure proceed() language sql as 'select 1';
    insert into people values (1,'Ada','{"plan":"gold","n":3}','{a,b}','2020-01-02'),(2,'Bo','{"l":[1,{"k":"v"}]}','{b}',null),(3,'Cy',null,'{}',null);
    insert into badges values (1,'new'),(2,'pro'); insert into person_badges values (1,1),(1,2),(2,1); insert into twins values (1, 1);
    insert into msgs values (1,1,2);
    insert into orders values (1,1,10.50,'paid','[1,5)'),(2,1,3,'new','[5,9)'),(3,2,20,'paid',null),(4,null,7,'void',null);
    grant usage on schema ${schema} to service_role, anon; grant all on all tables in schema ${schema} to service_role;
    grant execute on all functions in schema ${schema} to service_role; commit`);
  services.usual = await Private.start('rest', { REST_SCHEMAS: schema, RATE_LIMIT: 'false' });
  services.prepared = await Private.start('rest', { REST_SCHEMAS: schema, RATE_LIMIT: 'false', REST_PRE_REQUEST: `${schema}.before_all` });
  services.several = await Private.start('rest', { REST_SCHEMAS: `${schema},public`, RATE_LIMIT: 'false' });
});
after(async () => {
  for (const service of Object.values(services)) await service.stop();
  await rows(`drop schema if exists ${schema} cascade`);
});

const send = (method, path, { body = '', type, prefer, accept = '*/*', of = 'usual', key = serviceKey, params: more } = {}) => {
  const [name, query = ''] = path.split('?');
  const params = { PATH_INFO: name, QUERY_STRING: encodeURI(query), HTTP_APIKEY: key, HTTP_AUTHORIZATION: `Bearer ${key}`, HTTP_ACCEPT: accept, CONTENT_TYPE: type ?? (body ? 'application/json' : ''), ...more };
  if (prefer) params.HTTP_PREFER = prefer;
  return services[of].ask(method, { params, body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body) });
};
const get = async (path, options) => {
  const { status, json, text } = await send('GET', path, options);
  assert.ok(status === 200 || status === 206, `${path}: ${status} ${text}`);
  return json;
};
const ids = async (path) => (await get(path)).map(({ id }) => id);
const error = async (method, path, status, code, options, more = {}) => {
  const answer = await send(method, path, options);
  assert.deepEqual([answer.status, answer.json?.code], [status, code], `${path}: ${answer.text}`);
  for (const [key, text] of Object.entries(more)) assert.deepEqual(answer.json[key], text, `${path}: ${answer.text}`);
  return answer;
};
const rr = (more) => ({ prefer: 'return=representation', ...more });

test('select: what is shown, and under which name', async () => {
  assert.deepEqual(await get('/nodes?select=&id=eq.1'), [{ id: 1, parent_id: null, label: 'root' }]);
  assert.deepEqual(await get('/flags?select=doc->l->0->0,x:doc->k&id=eq.1'), [{ l: 7, x: 5 }]);
  assert.deepEqual(await get('/people?select=tags->-1&id=eq.1'), [{ tags: 'b' }]);
  assert.deepEqual(await get('/nodes?select&id=eq.1&select=id&select=label'), [{ id: 1 }]);
  await error('GET', '/nodes?select=x:label&order=x', 400, '42703');
  await error('GET', '/nodes?select=id.sum()', 400, 'PGRST123');
  assert.deepEqual(await get('/people?select=name->>a&id=eq.1'), [{ a: null }], 'a path into what is no JSON');
});

test('filters', async () => {
  for (const [query, ...expected] of [['"order"=eq.5', 1], ['yes=is.true', 1], ['yes=is.FALSE', 2], ['yes=is.unknown', 3], ['yes=is.not_null', 1, 2], ['yes=not.is.true', 2, 3],
    ['doc->>k=eq.5', 1, 2], ['doc->k=eq.5', 1], ['words=fts.cat', 1], ['words=plfts(english).fat cats', 1], ['words=phfts.fat cat', 1], ['words=wfts.cat or rat', 1, 2], ['words=not.fts.cat', 2],
    ['id=in.(1,2)x', 1, 2], ['yes=is.trueish', 1], ['id=gt(any).{1,2}', 2, 3], ['id=gt(all).{1,2}', 3], ['id=eq(any).{1,3}', 1, 3], ['id=not.eq(any).{1,3}', 2],
    ['and=(id.gt.1,"order".eq.6)', 2], ['id=isdistinct.1', 2, 3], ['or=(id.eq.1,not.and(id.gt.1,id.lt.3))', 1, 3]])
    assert.deepEqual(await ids(`/flags?select=id&order=id&${query}`), expected, query);
  for (const query of ['id=neq(any).{1}', 'id=isdistinct(any).{1}', 'id=cs(any).{1}', 'id=xx.1', 'yes=is.maybe'])
    await error('GET', `/flags?${query}`, 400, 'PGRST100');
  assert.deepEqual(await get('/people?select=id,orders(id)&orders.not.or=(id.eq.1,status.eq.x)&id=eq.1'), [{ id: 1, orders: [{ id: 2 }] }]);
  assert.deepEqual(await ids('/people?select=id,orders()&or=(orders.is.null,name.eq.Bo)&order=id'), [2, 3]);
});

test('ranges and counts', async () => {
  const { headers, status } = await send('GET', '/orders?offset=9', { prefer: 'count=exact' });
  assert.deepEqual([status, headers['content-range'], headers['proxy-status']], [416, '*/4', undefined]);
  assert.deepEqual((await send('GET', '/orders?offset=-3&select=id&limit=1&order=id')).json, [{ id: 1 }]);
  await error('GET', '/orders', 416, 'PGRST103', { params: { HTTP_RANGE: '5-2' } }, { details: 'The lower boundary must be lower than or equal to the upper boundary in the Range header.' });
  await error('GET', '/orders?limit=-2', 416, 'PGRST103', {}, { details: 'Limit should be greater than or equal to zero.' });
  assert.equal((await send('GET', '/orders?select=id', { params: { HTTP_RANGE: 'x-2' } })).json.length, 4);
  assert.equal((await send('POST', '/rpc/touch', { params: { HTTP_RANGE: '1-2' } })).status, 204);
  await rows(`analyze ${schema}.orders`);
  assert.equal((await send('GET', '/orders?limit=1', { prefer: 'count=planned' })).headers['content-range'], '0-0/4');
  for (const [prefer, range] of [['count=planned', '0-0/*'], ['count=estimated', '0-0/1'], ['count=exact', '0-0/1']])
    assert.equal((await send('PATCH', '/orders?id=eq.4', { body: { status: 'void' }, prefer })).headers['content-range'], range, prefer);
});

test('what is allowed is what the object is', async () => {
  for (const [path, allow] of [['/orders', 'OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE'], ['/plain', 'OPTIONS,GET,HEAD,POST,PATCH,DELETE'], ['/sums', 'OPTIONS,GET,HEAD'], ['', 'OPTIONS,GET,HEAD'], ['/rpc/two?a=1&b=2', 'OPTIONS,GET,HEAD,POST']])
    assert.equal((await send('OPTIONS', path)).headers.allow, allow, path);
  await error('OPTIONS', '/rpc/two?a=1', 404, 'PGRST202');
  await error('OPTIONS', '/nothing', 404, 'PGRST205');
  await error('OPTIONS', '/orders', 406, 'PGRST106', { params: { HTTP_ACCEPT_PROFILE: 'nope' } });
  for (const path of ['/rpc/proceed', '/rpc/kind'])
    await error('POST', path, 404, 'PGRST202', { body: {} });
});

test('where an answer is, and what it depends on', async () => {
  const { headers } = await send('GET', '/nodes?select=id&order=id.desc&label=eq.root&id=gte.1', { of: 'several' });
  assert.deepEqual([headers['content-location'], headers['content-profile'], headers.vary], ['/nodes?id=gte.1&label=eq.root&order=id.desc&select=id', schema, 'Accept, Prefer, Range']);
  const called = await send('GET', '/rpc/two?a=1&b=2');
  assert.deepEqual([called.headers['content-location'], called.headers['content-range']], [undefined, '0-0/*']);
  const failed = await error('GET', '/nothing', 404, 'PGRST205');
  assert.deepEqual([failed.headers['proxy-status'], failed.headers['content-type']], ['PostgREST; error=PGRST205', 'application/json; charset=utf-8']);
});

test('relations: by constraints, keys and junctions', async () => {
  assert.deepEqual(await get('/orders?select=orders_person_id_fkey(name)&id=eq.1'), [{ orders_person_id_fkey: { name: 'Ada' } }]);
  assert.deepEqual(await get('/orders?select=person_id(name)&id=eq.1'), [{ person_id: { name: 'Ada' } }]);
  assert.deepEqual(await get('/orders?select=people!id(name)&id=eq.1'), [{ people: { name: 'Ada' } }]);
  assert.deepEqual(await get('/people?select=badges!person_badges(label)&badges.order=id&id=eq.1'), [{ badges: [{ label: 'new' }, { label: 'pro' }] }]);
  assert.deepEqual(await get('/badges?select=id,people!inner(name)&people.name=eq.Bo'), [{ id: 1, people: [{ name: 'Bo' }] }]);
  assert.deepEqual(await get('/people?select=twins(id)&id=eq.1'), [{ twins: [{ id: 1 }] }], 'an index is no constraint');
  await error('GET', '/people?select=orders!nope(id)', 400, 'PGRST200', {}, {
    message: "Could not find a relationship between 'people' and 'orders' in the schema cache",
    details: `Searched for a foreign key relationship between 'people' and 'orders' using the hint 'nope' in the schema '${schema}', but no matches were found.`, hint: null });
  await error('GET', '/people?select=zzz(id)', 400, 'PGRST200', {}, { details: `Searched for a foreign key relationship between 'people' and 'zzz' in the schema '${schema}', but no matches were found.`, hint: null });
  await error('GET', '/people?select=msgs(id)', 300, 'PGRST201', {}, { details: [
    { cardinality: 'one-to-many', embedding: 'people with msgs', relationship: 'msgs_from_fk using people(id) and msgs(from_id)' },
    { cardinality: 'one-to-many', embedding: 'people with msgs', relationship: 'msgs_to_fk using people(id) and msgs(to_id)' }] });
  await error('GET', '/people?select=orders(id)&order=orders(id)', 400, 'PGRST118', {}, { message: "A related order on 'orders' is not possible", details: "'people' and 'orders' do not form a many-to-one or one-to-one relationship" });
});

test('bodies', async () => {
  await error('POST', '/nodes?columns=id', 400, '22P02', { body: '[{"id":' });
  assert.deepEqual((await send('POST', '/nodes', rr({ body: '5' }))).json, []);
  for (const body of ['[5]', '[{"id":9},5]', '["x"]']) await error('POST', '/nodes', 400, 'PGRST102', { body }, { message: 'All object keys must match' });
  await error('POST', '/nodes', 400, 'PGRST102', { body: '<x/>', type: 'text/html' }, { message: 'Content-Type not acceptable: text/html' });
  await error('POST', '/nodes', 400, 'PGRST102', { body: 'id,label\n7\n', type: 'text/csv' }, { message: 'All lines must have same number of fields' });
  assert.deepEqual((await send('POST', '/nodes', rr({ body: 'id,label\n20,NULL\n21,"NULL"\n22,\n', type: 'text/csv' }))).json.map(({ label }) => label), [null, 'NULL', '']);
  assert.deepEqual((await send('POST', '/nodes', rr({ body: 'id=23&label=a+b', type: 'application/x-www-form-urlencoded' }))).json, [{ id: 23, parent_id: null, label: 'a b' }]);
  await rows(`delete from ${schema}.nodes where id > 2`);
});

test('writes: keys, places and single objects', async () => {
  const object = 'application/vnd.pgrst.object+json';
  for (let n = 0; n < 2; n++) assert.equal((await send('POST', '/plain', { body: { n: 1 }, prefer: 'resolution=merge-duplicates' })).status, 201, 'no key, no upsert');
  assert.deepEqual(await get('/plain'), [{ n: 1, label: null }, { n: 1, label: null }]);
  assert.equal((await send('POST', '/pairs', { body: { a: 1, b: 2 }, prefer: 'return=headers-only' })).headers.location, '/pairs?a=eq.1&b=eq.2');
  assert.equal((await send('POST', '/pairs', { body: [{ a: 1, b: 3 }, { a: 1, b: 4 }], prefer: 'return=headers-only' })).headers.location, undefined);
  assert.equal((await send('POST', '/plain', { body: { n: 5 }, prefer: 'return=headers-only' })).headers.location, undefined);
  await error('PATCH', '/pairs?a=eq.1', 406, 'PGRST116', { body: { label: 'x' }, accept: object }, { details: 'The result contains 3 rows' });
  await error('DELETE', '/pairs?a=eq.9', 406, 'PGRST116', { accept: object }, { details: 'The result contains 0 rows' });
  await error('POST', '/pairs', 406, 'PGRST116', { body: [{ a: 2, b: 1 }, { a: 2, b: 2 }], accept: object });
  assert.deepEqual(await get('/pairs?or=(label.eq.x,a.eq.2)'), [], 'nothing of it was done');
  assert.deepEqual((await send('PATCH', '/pairs?a=eq.1&b=eq.2&select=label', rr({ body: { label: 'y' }, accept: object }))).json, { label: 'y' });
  for (const [status, label] of [[201, 'n'], [200, 'm']])
    assert.equal((await send('PUT', '/pairs?a=eq.7&b=eq.7', rr({ body: { a: 7, b: 7, label } }))).status, status);
  const silent = await send('PUT', '/pairs?a=eq.7&b=eq.7', { body: { a: 7, b: 7, label: 'o' } });
  assert.deepEqual([silent.status, silent.text, silent.headers['content-range']], [204, '', undefined]);
  for (const query of ['a=eq.7', 'a=eq.7&b=gt.1', 'a=eq.7&b=eq.7&label=eq.o', 'a=eq.7&b=eq.7&and=(a.eq.7)', 'a=not.eq.7&b=eq.7'])
    await error('PUT', `/pairs?${query}`, 405, 'PGRST105', { body: { a: 7, b: 7 } });
  await error('PUT', '/pairs?a=eq.7&b=eq.7', 400, 'PGRST115', { body: [] });
  await error('PUT', '/pairs?a=eq.7&b=eq.7', 400, 'PGRST115', { body: [{ a: 7, b: 8 }] });
  await error('PUT', '/plain?n=eq.1', 405, 'PGRST105', { body: { n: 1 } });
  assert.deepEqual((await send('DELETE', '/pairs?a=gt.0&select=b&order=b.desc', rr())).json.map(({ b }) => b), [7, 4, 3, 2]);
});

test('what functions get', async () => {
  assert.equal((await send('POST', '/rpc/of_text', { body: 'a "b"', type: 'text/plain' })).json, 'text:a "b"');
  assert.equal((await send('POST', '/rpc/of_bytes', { body: Buffer.from([0, 255, 10]), type: 'application/octet-stream' })).json, 3);
  assert.equal((await send('POST', '/rpc/of_xml', { body: '<a>b</a>', type: 'text/xml' })).json, 'xml:<a>b</a>');
  for (const [body, json] of [['{"b":[1,{"a":null}]}', { b: [1, { a: null }] }], ['[{"b":1}]', [{ b: 1 }]], ['5', []], ['', {}]])
    assert.deepEqual((await send('POST', '/rpc/of_jsonb', { body, type: 'application/json' })).json, json, body);
  const context = await get('/rpc/context', { prefer: 'timezone=America/Lima', params: { HTTP_X_ODD: 'o', HTTP_COOKIE: 'a=b; c=d=e' } });
  assert.deepEqual(context, { method: 'GET', path: '/rpc/context', odd: 'o', cookie: null, cookies: { a: 'b', c: 'd=e' }, zone: 'America/Lima', role: 'service_role' });
  assert.equal(await get('/rpc/of_zone', { prefer: 'timezone=America/Lima' }), 'Asia/Tokyo');
  await error('GET', '/rpc/context', 400, '22023', { prefer: 'timezone=Nowhere' }, { message: 'invalid value for parameter "TimeZone": "Nowhere"' });
  assert.equal(await get('/rpc/greet?name=mat.com'), 'Hi mat.com');
  await error('GET', '/rpc/greet?name=match.com', 404, 'PGRST202', {}, { message: `Could not find the function ${schema}.greet without parameters in the schema cache` });
  for (const query of ['name=in.x', 'name=is.x', 'name=not.x']) await error('GET', `/rpc/greet?${query}`, 400, 'PGRST100');
});

test('functions that are not there', async () => {
  const details = (text) => ({ details: `Searched for the function ${schema}.${text}, but no matches were found in the schema cache.` });
  await error('GET', '/rpc/two?b=1&c=2', 404, 'PGRST202', {}, { ...details('two with parameters b, c'), hint: `Perhaps you meant to call the function ${schema}.two(a, b)` });
  await error('GET', '/rpc/two?b=1', 404, 'PGRST202', {}, details('two with parameter b'));
  await error('GET', '/rpc/two', 404, 'PGRST202', {}, details('two without parameters'));
  await error('POST', '/rpc/two', 404, 'PGRST202', { body: { z: 1 } }, details('two with parameter z or with a single unnamed json/jsonb parameter'));
  await error('POST', '/rpc/two', 404, 'PGRST202', { body: 'x', type: 'text/plain' }, { ...details('two with a single unnamed text parameter'), message: `Could not find the function ${schema}.two in the schema cache`, hint: null });
  await error('GET', '/rpc/over?x=1', 300, 'PGRST203', {}, { details: null, hint: 'Try renaming the parameters or the function itself in the database so function overloading can be resolved' });
});

test('what functions say of their answers', async () => {
  await error('POST', '/rpc/bad_headers', 500, 'PGRST111', { body: {} }, { message: 'response.headers guc must be a JSON array composed of objects with a single key and a string value' });
  await error('POST', '/rpc/bad_status', 500, 'PGRST112', { body: {} }, { message: 'response.status guc must be a valid status code' });
  const raise = (state, m, d) => ({ body: d === undefined ? { state, m } : { state, m, d } });
  const broken = `Could not parse JSON in the "RAISE SQLSTATE 'PGRST'" error`;
  await error('POST', '/rpc/raise_state', 500, 'PGRST121', raise('PGRST', 'x', '{"status":400}'), { message: broken, details: "Invalid JSON value for MESSAGE: 'x'" });
  await error('POST', '/rpc/raise_state', 500, 'PGRST121', raise('PGRST', '{"code":"1","message":"m"}', 'y'), { message: broken, details: "Invalid JSON value for DETAIL: 'y'" });
  await error('POST', '/rpc/raise_state', 500, 'PGRST121', raise('PGRST', '{"code":"1","message":"m"}'), { message: broken, details: 'DETAIL is missing in the RAISE statement' });
  for (const [state, status] of [['PT402', 402], ['PTXYZ', 500], ['P0001', 400], ['P0002', 500], ['23503', 409], ['23514', 400], ['25001', 500], ['28000', 403], ['40001', 500], ['42883', 404], ['42P01', 404], ['42P17', 500], ['42501', 403], ['53300', 503], ['53400', 500], ['55000', 500], ['08000', 503], ['0L000', 403], ['57014', 500], ['58000', 500], ['XX000', 500], ['21000', 500], ['22P02', 400]])
    await error('POST', '/rpc/raise_state', status, state, raise(state, 'm'), { message: 'm' });
  const anonymous = await error('POST', '/nodes', 401, '42501', { body: { id: 9 }, key: anonKey });
  assert.equal(anonymous.headers['www-authenticate'], 'Bearer');
});

test('CSV without rows, and the names of types', async () => {
  const empty = await send('GET', '/nodes?id=eq.99', { accept: 'text/csv' });
  assert.deepEqual([empty.status, empty.text], [200, '\n']);
  assert.equal((await send('GET', '/nodes', { accept: 'application/vnd.pgrst.array+json' })).headers['content-type'], 'application/json; charset=utf-8');
  assert.equal((await send('GET', '/nodes', { accept: 'text/html;q=0.9, application/json;q=0.1, text/csv;q=0.5' })).headers['content-type'], 'text/csv; charset=utf-8');
  for (const accept of ['application/octet-stream', 'text/xml', 'text/plain'])
    await error('GET', '/nodes', 406, 'PGRST107', { accept }, { message: `None of these media types are available: ${accept}` });
  await error('GET', '/people', 400, 'PGRST122', { prefer: 'handling=strict, foo=bar, count=exact, baz' }, { details: 'Invalid preferences: foo=bar, baz' });
});

test('relations that functions make, and those of views', async () => {
  assert.deepEqual(await get('/nodes?select=id,orders(id)&order=id'), [{ id: 1, orders: [{ id: 1 }] }, { id: 2, orders: [{ id: 2 }] }]);
  assert.deepEqual(await get('/chapters?select=nodes(label)'), [{ nodes: { label: 'kid' } }], 'it hides the keys to a table of its name');
  await error('GET', '/chapters?select=node_id(label)', 400, 'PGRST200');
  assert.deepEqual(await get('/authors?select=name,orders(id)&orders.order=id&id=eq.1'), [{ name: 'Ada', orders: [{ id: 1 }, { id: 2 }] }]);
  assert.deepEqual(await get('/orders?select=id,authors(name)&id=eq.3'), [{ id: 3, authors: { name: 'Bo' } }]);
  assert.deepEqual(await get('/authors?select=name,labels(label)&labels.order=id&id=eq.1'), [{ name: 'Ada', labels: [{ label: 'new' }, { label: 'pro' }] }]);
});

test('what is called first in each transaction', async () => {
  for (const [method, path, body] of [['GET', '/nodes?id=eq.1'], ['GET', '/nodes'], ['POST', '/rpc/two', { a: 1, b: 2 }], ['PATCH', '/nodes?id=eq.99', { label: 'x' }]])
    assert.equal((await send(method, path, { of: 'prepared', body })).headers['x-before'], 'service_role', path);
  for (const path of ['/nodes?id=eq.1', '/nodes'])
    await error('GET', path, 429, 'PT429', { of: 'prepared', params: { HTTP_X_ODD: 'stop' } }, { message: 'stop' });
});

test('tokens', async () => {
  const past = Math.floor(Date.now() / 1000) - 1000;
  for (const [token, code, message, details = null] of [
    [mint({ role: 'service_role', exp: past }), 'PGRST303', 'JWT expired'],
    [mint({ role: 'service_role', exp: past + 5000 }, { secret: 'another-secret-that-is-long-enough-for-it' }), 'PGRST301', 'No suitable key or wrong key type', 'None of the keys was able to decode the JWT'],
    ['a.b', 'PGRST301', 'Expected 3 parts in JWT; got 2'],
  ]) {
    const { headers } = await error('GET', '/nodes', 401, code, { params: { HTTP_AUTHORIZATION: `Bearer ${token}` } }, { message, details, hint: null });
    assert.equal(headers['www-authenticate'], `Bearer error="invalid_token", error_description="${message}"`);
    assert.equal(headers['content-type'], 'application/json; charset=utf-8');
  }
});

test('browsers may ask from everywhere, and see what they need', async () => {
  const asked = await fetch(`${url}/rest/v1/orders?select=id`, { method: 'OPTIONS', headers: { Origin: 'https://shop.test', 'Access-Control-Request-Method': 'PATCH', 'Access-Control-Request-Headers': 'apikey,prefer,x-client-info' } });
  assert.ok(asked.status === 200 || asked.status === 204, String(asked.status));
  const of = (name, answer = asked) => (answer.headers.get(name) ?? '').toLowerCase().split(/\s*,\s*/);
  for (const method of ['get', 'post', 'patch', 'put', 'delete', 'options']) assert.ok(of('access-control-allow-methods').includes(method), method);
  for (const header of ['authorization', 'apikey', 'prefer', 'x-client-info']) assert.ok(of('access-control-allow-headers').includes(header), header);
  assert.deepEqual([of('access-control-allow-origin'), of('access-control-max-age')], [['*'], ['86400']]);
  const got = await fetch(`${url}/rest/v1/prices?select=account_type&limit=1`, { headers: { Origin: 'https://shop.test', apikey: anonKey, Prefer: 'count=exact' } });
  assert.equal(got.headers.get('access-control-allow-origin'), '*');
  assert.deepEqual(of('access-control-expose-headers', got), ['*'], 'Content-Range above all');
});
