// What the vectors leave open: calls that are counted, related orders, spreads in spreads, aggregates of
// what is spread, writes with computed columns, and what several schemas change.
// system: shared
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { rows, value } from '../../lib/db.mjs';
import { Private } from '../../lib/process.mjs';
import { serviceKey } from '../../lib/system.mjs';

const schema = `semantics_${process.pid}`;
const services = {};

before(async () => {
  await rows(`create schema ${schema}`);
  await rows(`begin; set local search_path = ${schema};
    ${readFileSync(new URL('people.sql', import.meta.url), 'utf8')}
    create table calls (id int generated always as identity primary key, at timestamptz not null default now(), twice int generated always as (1 + 1) stored, label text default 'usual');
    create table guessed (id int primary key, meta jsonb) with (autovacuum_enabled = false); insert into guessed select n, '{}' from generate_series(1, 40) n;
    create table late (id int primary key, other int references late deferrable initially deferred);
    create view deep as select * from ${'(select * from '.repeat(12)}people${' limit 1000) as p'.repeat(12)};
    create function noted() returns setof calls language sql as $$ insert into calls default values; insert into calls default values; select * from calls $$;
    create function noted_once() returns int language sql as $$ insert into calls default values; select 1 $$;
    create function noted_twice(calls) returns int language sql stable as $$ select 2 $$;
    create function nobody() returns people language sql stable as $$ select null::people $$;
    create function ada() returns people language sql stable as $$ select * from people where id = 1 $$;
    create function pair(out a int, out b text) language sql stable as $$ select 1, 'b' $$;
    create function single(out a int) language sql stable as $$ select 1 $$;
    create function pairs() returns table (a int, b text) language sql stable as $$ values (1, 'x'), (2, 'y'), (3, 'z') $$;
    create function numbers() returns setof int language sql stable as $$ select generate_series(1, 5) $$;
    create function nothing() returns int language sql stable as $$ select null::int $$;
    create function odd_status() returns void language plpgsql as $$ begin raise sqlstate 'PGRST' using message = '{"code":"E","message":"m"}', detail = '{"status":99999,"headers":{}}'; end $$;
    insert into people values (1,'Ada','{"plan":"gold","n":3}','{a,b}','2020-01-02'),(2,'Bo','{"plan":"basic","l":[1,{"k":"v"}]}','{b}',null),(3,'Cy',null,'{}',null);
    insert into badges values (1,'new'),(2,'pro'); insert into person_badges values (1,1),(1,2),(2,1); insert into passports values (1,'P-1');
    insert into orders values (1,1,10.50,'paid','[1,5)'),(2,1,3,'new','[5,9)'),(3,2,20,'paid',null),(4,null,7,'void',null);
    grant usage on schema ${schema} to service_role; grant all on all tables in schema ${schema} to service_role;
    grant execute on all functions in schema ${schema} to service_role; commit`);
  const settings = { REST_SCHEMAS: `${schema}`, RATE_LIMIT: 'false', REST_AGGREGATES: 'true' };
  services.usual = await Private.start('rest', settings);
  services.max2 = await Private.start('rest', { ...settings, REST_MAX_ROWS: '2' });
  services.all = await Private.start('rest', { ...settings, REST_MAX_ROWS: '0', REST_TARGET_NAMES: 'false' });
  services.several = await Private.start('rest', { ...settings, REST_SCHEMAS: `${schema},public`, REST_TX_END: 'true' });
});
after(async () => {
  for (const service of Object.values(services)) await service.stop();
  await rows(`drop schema if exists ${schema} cascade`);
});

const send = (method, path, { body, prefer, accept = '*/*', of = 'usual', profile } = {}) => {
  const [name, query = ''] = path.split('?');
  const params = { PATH_INFO: name, QUERY_STRING: query, HTTP_APIKEY: serviceKey, HTTP_AUTHORIZATION: `Bearer ${serviceKey}`, HTTP_ACCEPT: accept };
  if (prefer) params.HTTP_PREFER = prefer;
  if (profile) params.HTTP_ACCEPT_PROFILE = profile;
  return services[of].ask(method, { params, body: body === undefined ? '' : JSON.stringify(body) });
};
const get = async (path, options) => {
  const { status, json, text } = await send('GET', path, options);
  assert.ok(status === 200 || status === 206, text);
  return json;
};
const error = async (method, path, status, code, options) => {
  const answer = await send(method, path, options);
  assert.deepEqual([answer.status, answer.json?.code], [status, code], answer.text);
  return answer.json;
};

test('a key column that an embed is named by is a column where the embed has an alias, and in what is written', async () => {
  const key = 'person_id=is.null';
  const shown = 'select=id,buyer:person_id(name)&buyer.name=eq.Ada&order=id';
  assert.deepEqual(await get(`/orders?${shown}&${key}`), [{ id: 4, buyer: null }], 'the column');
  assert.deepEqual(await get(`/orders?${shown}&buyer=is.null`), [{ id: 3, buyer: null }, { id: 4, buyer: null }], 'the embed');
  assert.deepEqual(await get(`/orders?select=id,person_id(name)&person_id.name=eq.Ada&order=id&${key}`), [{ id: 3, person_id: null }, { id: 4, person_id: null }], 'of that name');
  const written = await send('PATCH', `/orders?select=id,person_id(name)&${key}`, { body: { status: 'void' }, prefer: 'return=representation' });
  assert.deepEqual([written.status, written.json], [200, [{ id: 4, person_id: null }]], written.text);
});

test('a function that is counted is called once', async () => {
  const noted = () => value(`select count(*)::int from ${schema}.calls`);
  for (const [prefer, of, range] of [['count=exact', 'usual', '0-0/2'], ['count=estimated', 'usual', '0-0/4'], ['count=exact', 'max2', '0-0/6'], ['count=planned', 'usual', null]]) {
    const before = await noted();
    const { status, json, headers } = await send('POST', '/rpc/noted?limit=1&order=id&select=id,noted_twice', { prefer, of, body: {} });
    assert.equal(await noted(), before + 2, prefer);
    assert.equal(json[0].noted_twice, 2);
    if (range) assert.deepEqual([status, headers['content-range']], [206, range]);
  }
  const before = await noted();
  const { status, headers, json } = await send('POST', '/rpc/noted_once', { prefer: 'count=exact', body: {} });
  assert.deepEqual([status, headers['content-range'], json, await noted()], [200, '0-0/1', 1, before + 1]);
  const head = await send('HEAD', '/rpc/pairs?offset=1', { prefer: 'count=exact' });
  assert.deepEqual([head.status, head.headers['content-range'], head.text], [206, '1-2/3', '']);
  const cut = await send('GET', '/rpc/pairs', { prefer: 'count=exact', of: 'max2' });
  assert.deepEqual([cut.status, cut.headers['content-range'], cut.json.length], [206, '0-1/3', 2]);
  assert.deepEqual((await send('GET', '/rpc/numbers?limit=2&offset=1', { prefer: 'count=exact' })).json, [2, 3]);
});

test('the estimate of a deep plan', async () => {
  const { headers } = await send('GET', '/deep', { prefer: 'count=planned' });
  assert.match(headers['content-range'], /^0-2\/[1-9]\d*$/);
});

test('what functions return', async () => {
  assert.deepEqual(await get('/rpc/pair'), { a: 1, b: 'b' });
  assert.deepEqual(await get('/rpc/single'), { a: 1 });
  assert.equal(await get('/rpc/nothing'), null);
  assert.deepEqual(await get('/rpc/pairs?a=gt.1&select=b&order=a.desc'), [{ b: 'z' }, { b: 'y' }]);
  assert.deepEqual(await get('/rpc/nobody?select=id,name'), { id: null, name: null });
  assert.equal((await send('GET', '/rpc/ada?id=eq.2')).text, 'null');
  assert.deepEqual(await get('/rpc/ada?select=id,initial,orders(id)&orders.order=id'), { id: 1, initial: 'A', orders: [{ id: 1 }, { id: 2 }] });
  await error('POST', '/rpc/odd_status', 500, 'PGRST121', { body: {} });
});

test('related orders: under the name that is shown, along paths, and of what is shown alone', async () => {
  const ids = async (query) => (await get(`/orders?select=id,people(${query}`)).map(({ id }) => id);
  assert.deepEqual(await ids('n:name)&order=people(name).desc.nullslast,id'), [3, 1, 2, 4]);
  assert.deepEqual(await ids('name,meta)&order=people(meta->>plan).nullslast,id'), [3, 1, 2, 4]);
  assert.deepEqual(await ids('*)&order=people(meta->plan).desc.nullslast,id'), [1, 2, 3, 4]);
  await error('GET', '/orders?select=id,people(id)&order=people(name)', 400, '42703');
  await error('GET', '/orders?select=id,people(id)&order=people(nope)', 400, '42703');
  await error('GET', '/passports?select=no,people(orders(id))&order=people(id)', 400, '42703');
});

test('what has an alias is named by it, or, with a warning, by its table', async () => {
  const shown = async (query, of) => {
    const { status, headers, json, text } = await send('GET', `/people?id=lt.3&order=id&${query}`, { of });
    assert.equal(status, 200, text);
    return [json, headers.warning];
  };
  const warning = (...pairs) => `299 PostgREST "Embedded resource was referenced by relation name even though it has an alias. This is deprecated and will stop working in a future release. Update ${pairs.map(([from, to]) => `\`${from}\` to \`${to}\``).join(', ')} in query string filters, orders or limits."`;
  const three = [{ o: [{ id: 1 }] }, { o: [{ id: 3 }] }];
  assert.deepEqual(await shown('select=o:orders(id)&o.status=eq.paid'), [three, undefined]);
  assert.deepEqual(await shown('select=o:orders(id)&o.status=eq.paid', 'all'), [three, undefined]);
  assert.deepEqual(await shown('select=o:orders(id)&orders.status=eq.paid'), [three, warning(['orders', 'o'])]);
  assert.deepEqual(await shown('select=o:orders(id)&orders.or=(status.eq.paid,id.eq.9)'), [three, warning(['orders', 'o'])]);
  assert.deepEqual(await shown('select=o:orders(id)&orders.order=id.desc&orders.limit=1'), [[{ o: [{ id: 2 }] }, { o: [{ id: 3 }] }], warning(['orders', 'o'])]);
  assert.deepEqual(await shown('select=id,o:orders(id,p:people(name)),b:badges(id)&badges.id=eq.2&orders.people.id=eq.9&o.id=eq.1'),
    [[{ id: 1, o: [{ id: 1, p: null }], b: [{ id: 2 }] }, { id: 2, o: [], b: [] }], warning(['orders', 'o'], ['people', 'p'], ['badges', 'b'])]);
  // Both are about the same rows.
  assert.deepEqual(await shown('select=o:orders(id)&o.total=gt.5&orders.order=id.desc&orders.status=eq.paid'), [three, warning(['orders', 'o'])]);
  assert.deepEqual((await shown('select=o:orders(id)&orders.status=eq.new&o.total=lt.5&o.id=gt.1'))[0], [{ o: [{ id: 2 }] }, { o: [] }]);
  // A name that is there means that alone.
  assert.deepEqual(await shown('select=orders(id),o:orders(id)&orders.id=eq.2'), [[{ orders: [{ id: 2 }], o: [{ id: 1 }, { id: 2 }] }, { orders: [], o: [{ id: 3 }] }], undefined]);
  for (const query of ['orders.id=eq.1', 'orders.order=id', 'orders.limit=1', 'orders.and=(id.eq.1)', 'orders.people.id=eq.1']) {
    const refusal = await error('GET', `/people?select=o:orders(id,people(id))&${query}`, 400, 'PGRST108', { of: 'all' });
    assert.deepEqual([refusal.message, refusal.details, refusal.hint], ["'orders' is not an embedded resource in this request", 'Target names are not allowed in filters if they have an alias', "Change 'orders' to 'o' in filters, orders or limits."]);
  }
  for (const of of ['usual', 'all']) {
    const refusal = await error('GET', '/people?select=o:orders(id)&nope.orders.id=eq.1', 400, 'PGRST108', { of });
    assert.deepEqual([refusal.message, refusal.details, refusal.hint], ["'nope' is not an embedded resource in this request", null, "Verify that 'nope' is included in the 'select' query parameter."]);
  }
});

test('a column is not what is embedded by its name under another', async () => {
  // person_id names the row that it leads to, which is p here: is.null is about the column.
  assert.deepEqual(await get('/orders?select=id,p:person_id(name)&person_id=is.null'), [{ id: 4, p: null }]);
  assert.deepEqual(await get('/orders?select=id,p:person_id(name)&p.id=eq.99&person_id=is.null'), [{ id: 4, p: null }]);
  assert.deepEqual((await get('/orders?select=id,p:person_id!inner(name)&person_id=not.is.null&order=id')).map(({ id }) => id), [1, 2, 3]);
  assert.deepEqual(await get('/orders?select=id,p:person_id(name)&p=is.null'), [{ id: 4, p: null }]);
  await error('GET', '/people?select=o:orders(id)&orders=is.null', 400, '42703');
  await error('GET', '/orders?select=id,p:people(name)&order=people(name)', 400, 'PGRST108');
  assert.deepEqual((await get('/orders?select=id,p:people(name)&order=p(name).desc.nullslast,id')).map(({ id }) => id), [3, 1, 2, 4]);
});

test('an estimated count without a limit of rows is what is more: the rows or the estimate', async () => {
  const planned = async (where) => (await rows(`explain (format json) select 1 from ${schema}.guessed where ${where}`))[0]['QUERY PLAN'][0].Plan['Plan Rows'];
  const total = async (query, of) => (await send('GET', `/guessed?select=id&${query}`, { of, prefer: 'count=estimated' })).headers['content-range'];
  const more = await planned('true');
  assert.ok(more > 40, 'nobody has counted it');
  assert.deepEqual([await total('', 'all'), await total('limit=3', 'all'), await total('', 'usual')], [`0-39/${more}`, `0-2/${more}`, '0-39/40']);
  await rows(`analyze ${schema}.guessed`);
  assert.ok(await planned(`meta->>'a' is null`) < 40);
  assert.deepEqual([await total('meta->>a=is.null', 'all'), await total('meta->>a=is.null&limit=3', 'all')], ['0-39/40', '0-2/40']);
});

test('spreads in spreads', async () => {
  assert.deepEqual(await get('/orders?select=id,...people(name,...passports(no))&id=lt.4&order=id'),
    [{ id: 1, name: 'Ada', no: 'P-1' }, { id: 2, name: 'Ada', no: 'P-1' }, { id: 3, name: 'Bo', no: null }]);
  assert.deepEqual(await get('/badges?select=label,...person_badges(person_id,...people(name))&person_badges.order=person_id&order=id'),
    [{ label: 'new', person_id: [1, 2], name: ['Ada', 'Bo'] }, { label: 'pro', person_id: [1], name: ['Ada'] }]);
  assert.deepEqual(await get('/people?select=id,...orders()&id=eq.1'), [{ id: 1 }]);
  assert.deepEqual(await get('/people?select=orders()&id=eq.1'), [{}]);
  assert.deepEqual(await get('/people?select=id,...orders(total)&orders=is.null'), [{ id: 3, total: [] }]);
  assert.deepEqual((await get('/people?select=id,...orders(total)&orders=not.is.null&order=id')).map(({ id }) => id), [1, 2]);
});

test('aggregates beside embeds, and of what is spread', async () => {
  assert.deepEqual((await get('/orders?select=...people(name,id),total.sum()')).sort((a, b) => a.sum - b.sum),
    [{ name: null, id: null, sum: 7 }, { name: 'Ada', id: 1, sum: 13.5 }, { name: 'Bo', id: 2, sum: 20 }]);
  assert.deepEqual((await get('/orders?select=people(name),total.sum()')).sort((a, b) => a.sum - b.sum),
    [{ people: null, sum: 7 }, { people: { name: 'Ada' }, sum: 13.5 }, { people: { name: 'Bo' }, sum: 20 }]);
  assert.deepEqual(await get('/orders?select=status,...people(id.max()::text,count())&order=status'),
    [{ status: 'new', max: '1', count: 1 }, { status: 'paid', max: '2', count: 2 }, { status: 'void', max: null, count: 1 }]);
  assert.deepEqual(await get('/people?select=id,orders(status,total.sum())&orders.order=status&order=id'),
    [{ id: 1, orders: [{ sum: 3, status: 'new' }, { sum: 10.5, status: 'paid' }] }, { id: 2, orders: [{ sum: 20, status: 'paid' }] }, { id: 3, orders: [] }]);
  assert.deepEqual(await get('/people?select=orders(*,count())&id=eq.2'), [{ orders: [{ id: 3, count: 1, total: 20, status: 'paid', person_id: 2, span: null }] }]);
});

test('nested embeds with inner decide, and are counted', async () => {
  const { headers, json } = await send('GET', '/orders?select=id,people!inner(id,passports!inner(no))&order=id', { prefer: 'count=exact' });
  assert.deepEqual([headers['content-range'], json.map(({ id }) => id)], ['0-1/2', [1, 2]]);
  assert.deepEqual((await get('/people?select=id,orders!inner(id,people!inner(id))&orders.people.id=eq.2')).map(({ id }) => id), [2]);
});

test('writes choose their rows before anything is embedded in them', async () => {
  await error('PATCH', '/orders?select=id,people(id)&people=is.null', 400, '42703', { body: { status: 'x' }, prefer: 'return=representation' });
  await error('DELETE', '/orders?select=id,people(id)&or=(people.is.null,id.eq.1)', 400, '42703', { prefer: 'return=representation' });
  const written = await send('POST', '/people?select=initial,a:initial,name&id=eq.99', { body: { id: 9, name: 'Zoe' }, prefer: 'return=representation' });
  assert.deepEqual([written.status, written.json], [201, [{ initial: 'Z', a: 'Z', name: 'Zoe' }]], written.text);
  const changed = await send('PATCH', '/people?id=eq.9&select=n:name,...passports(no),orders(id)&orders.id=eq.1', { body: { name: 'Zed' }, prefer: 'return=representation' });
  assert.deepEqual(changed.json, [{ n: 'Zed', no: null, orders: [] }]);
  const put = await send('PUT', '/badges?id=eq.7', { body: { id: 7, label: 'seven' }, prefer: 'return=representation' });
  assert.deepEqual([put.status, put.headers['preference-applied']], [201, 'return=representation']);
  const usual = await send('POST', '/calls?columns=label,twice', { body: [{}], prefer: 'missing=default, return=representation' });
  assert.equal(usual.json.code, '428C9', 'a generated column is not given');
  const given = await send('POST', '/calls?columns=label&select=label,twice', { body: [{}, { label: null }], prefer: 'missing=default, return=representation' });
  assert.deepEqual(given.json, [{ label: 'usual', twice: 2 }, { label: null, twice: 2 }]);
});

test('several schemas, and what is undone', async () => {
  const { headers } = await send('GET', '/people?select=id', { of: 'several' });
  assert.equal(headers['content-profile'], schema);
  assert.equal((await send('GET', '/people?select=id')).headers['content-profile'], undefined);
  await error('POST', '/late', 409, '23503', { of: 'several', body: { id: 1, other: 5 }, prefer: 'tx=rollback' });
  const undone = await send('POST', '/late', { of: 'several', body: { id: 1 }, prefer: 'tx=rollback' });
  assert.deepEqual([undone.status, undone.headers['preference-applied'], await value(`select count(*)::int from ${schema}.late`)], [201, 'tx=rollback', 0]);
});

test('arguments: of forms, of columns, of arrays', async () => {
  const form = (body, path = '/rpc/add') => services.usual.ask('POST', { body, params: { PATH_INFO: path, CONTENT_TYPE: 'application/x-www-form-urlencoded', HTTP_APIKEY: serviceKey, HTTP_AUTHORIZATION: `Bearer ${serviceKey}` } });
  assert.equal((await form('a=2&b=5')).json, 7);
  assert.equal((await form('a=2&a=3')).json, 4);
  assert.equal((await form('v=x&v=y', '/rpc/joinup')).json, 'x-y');
  assert.equal((await send('POST', '/rpc/add?columns=a', { body: { a: 1, c: 9 } })).json, 2);
  assert.equal((await send('POST', '/rpc/add', { body: [{ a: 1 }, { a: 5 }] })).json, 2);
  assert.deepEqual((await send('POST', '/rpc/cheap?id=lt.4&select=id&order=id', { body: { max: 10 } })).json, [{ id: 2 }]);
  assert.equal((await send('POST', '/rpc/joinup', { body: { v: ['p', 'q'] } })).json, 'p-q');
});

test('one object, preferences and ranges together', async () => {
  const object = 'application/vnd.pgrst.object+json';
  assert.deepEqual(await get('/people?select=id&order=id&limit=1', { accept: object }), { id: 1 });
  await error('GET', '/people?select=id', 406, 'PGRST116', { accept: object });
  await error('POST', '/rpc/pairs', 406, 'PGRST116', { accept: object, body: {} });
  assert.deepEqual(await get('/rpc/pairs?a=eq.1', { accept: object }), { a: 1, b: 'x' });
  await error('POST', '/rpc/noted', 400, 'PGRST124', { body: {}, prefer: 'handling=strict, max-affected=1' });
  await error('POST', '/rpc/noted_once', 400, 'PGRST128', { body: {}, prefer: 'handling=strict, max-affected=1' });
  const all = await send('PATCH', '/orders?id=eq.1&limit=1&offset=5&order=id', { body: { status: 'paid' }, prefer: 'missing=null, timezone=Asia/Tokyo, handling=strict, max-affected=3, count=exact, return=representation' });
  assert.equal(all.headers['preference-applied'], 'missing=null, return=representation, count=exact, handling=strict, timezone=Asia/Tokyo, max-affected=3');
  assert.deepEqual([all.status, all.headers['content-range'], all.json.length], [200, '0-0/1', 1]);
  assert.deepEqual(await get('/people?select=id,orders(id)&orders.order=id.desc&orders.limit=1&order=id&limit=2'), [{ id: 1, orders: [{ id: 2 }] }, { id: 2, orders: [{ id: 3 }] }]);
  const none = await send('POST', '/rpc/touch', { body: {}, prefer: 'count=exact' });
  assert.deepEqual([none.status, none.headers['content-range'], none.text, none.headers['content-type']], [204, '0-0/1', '', undefined]);
});

test('upserts with the columns that are named', async () => {
  const path = '/badges?on_conflict=label&columns=id,label&select=id,label&order=id';
  const merged = await send('POST', path, { body: [{ id: 30, label: 'x30', more: 1 }, { id: 31, label: 'x31' }], prefer: 'resolution=merge-duplicates, return=representation' });
  assert.deepEqual([merged.status, merged.json.length, merged.headers['preference-applied']], [201, 2, 'resolution=merge-duplicates, return=representation']);
  const again = await send('POST', '/badges?on_conflict=label&columns=id,label&select=id', { body: [{ id: 32, label: 'x30' }], prefer: 'resolution=merge-duplicates, return=representation' });
  assert.deepEqual([again.status, again.json], [200, [{ id: 32 }]]);
  const ignored = await send('POST', path, { body: [{ id: 40, label: 'x30' }, { id: 41, label: 'x41' }], prefer: 'resolution=ignore-duplicates, return=representation' });
  assert.deepEqual([ignored.status, ignored.json], [201, [{ id: 41, label: 'x41' }]]);
});
