// Names that need quotes everywhere a name can stand: with blanks, dots, commas, quotes, parentheses and
// letters of other scripts; of tables, columns, functions, arguments, enums and constraints.
// system: shared
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createClient as v2_39 } from 'supabase-js-2.39';
import { createClient } from '@supabase/supabase-js';
import WebSocket from 'ws';

import { rows } from '../../lib/db.mjs';
import { fetchFrom, newAddress } from '../../lib/http.mjs';
import { Served, literal, named, quoted } from '../../lib/rest.mjs';
import { serviceKey, url } from '../../lib/system.mjs';
import { until } from '../../lib/wait.mjs';

const names = [
  'two words', 'dotted.name', 'a,b', 'quo"te', "it's", 'f(x)', 'back\\slash', 'Größe', '姓名', '👍 up', 'a:b', 'a::text', 'a->b', '*', 'select',
  'order', 'limit', 'or', 'and', 'not', 'CamelCase', 'per%cent', 'a&b=c', 'a+b', '[x]', '{x}', '!inner', '...x', '$1', 'a-b', 'a#b', 'a?b', 'h', '_r', 'pgrst_r', 'one',
  'count()', 'is.null', '<a>', 'tab\there', 'x'.repeat(63),
];
const labels = ['plain', 'two words', 'a,b', 'quo"te', "it's", '(x)', 'back\\slash', 'größer', '低', '👍', '{x}', '', 'null', 'a.b'];
const label = 'Stufe, „x“';
let api;

/** A table for each name: its key "id", a column of that name, one that leads to the table before it. */
const tableOf = (name, n) => `
  create table ${quoted(name)} (id int primary key, ${quoted(name)} text unique, ${quoted(`${name.slice(0, 20)}→`)} int
    constraint ${quoted(`${name.slice(0, 20)} key`)} references ${quoted(names[Math.max(0, n - 1)])});
  insert into ${quoted(name)} values (1, ${literal(`value of ${name}`)}, 1), (2, null, 1);
  create function ${quoted(`fn ${name.slice(0, 20)}`)}(${quoted(name)} text, ${quoted(`${name.slice(0, 20)}?`)} int default 1) returns text
    language sql stable as $$ select $1 || $2 $$;
  create function ${quoted(`computed ${name.slice(0, 20)}`)}(${quoted(name)}) returns text language sql stable as $$ select 'of ' || $1.id $$;
  create function ${quoted(`rows ${name.slice(0, 20)}`)}(${quoted(name)}) returns setof ${quoted(name)}
    language sql stable as $$ select * from ${quoted(name)} as t where t.id > $1.id $$`;

before(async () => {
  api = await Served.start(`names_${process.pid}`, `
    create type ${quoted(label)} as enum (${labels.map(literal).join()});
    create table levels (id int primary key, ${quoted('das Maß')} ${quoted(label)} not null, alle ${quoted(label)}[] default '{}');
    insert into levels select n, l from unnest(enum_range(null::${quoted(label)})) with ordinality as t (l, n);
    ${names.map(tableOf).join(';')}`);
});
after(() => api?.stop());

/** For every name, so that all that fail are told. */
const each = async (work) => {
  const failed = [];
  for (const [n, name] of names.entries()) await work(name, n).catch((error) => failed.push(`${name}: ${error.message}`));
  assert.deepEqual(failed, []);
};
const path = (name) => `/${name}`;
const key = (name) => `${name.slice(0, 20)}→`;

test('selected, filtered, ordered, renamed, cast', () => each(async (name) => {
  const first = { [name]: `value of ${name}` };
  assert.deepEqual(await api.get(path(name), { select: named(name), order: 'id' }), [first, { [name]: null }]);
  assert.deepEqual(await api.get(path(name), { select: '*', id: 'eq.1' }), [{ id: 1, ...first, [key(name)]: 1 }]);
  assert.deepEqual(await api.get(path(name), { select: named(name), [named(name)]: `eq.value of ${name}` }), [first]);
  assert.deepEqual(await api.get(path(name), { select: 'id', [named(name)]: `in.(${named(`value of ${name}`)},x)` }), [{ id: 1 }]);
  assert.deepEqual(await api.get(path(name), { select: 'id', or: `(${named(name)}.eq.${named(`value of ${name}`)},and(${named(name)}.not.is.null,id.eq.7))` }), [{ id: 1 }]);
  assert.deepEqual(await api.get(path(name), { select: 'id', order: `${named(name)}.desc.nullsfirst` }), [{ id: 2 }, { id: 1 }]);
  assert.deepEqual(await api.get(path(name), { select: `${named(`${name.slice(0, 60)}!`)}:${named(name)}::varchar`, id: 'eq.1' }), [{ [`${name.slice(0, 60)}!`]: `value of ${name}` }]);
  assert.deepEqual(await api.get(path(name), { select: named(`computed ${name.slice(0, 20)}`), id: 'eq.1' }), [{ [`computed ${name.slice(0, 20)}`]: 'of 1' }]);
  const page = await api.ask('GET', path(name), { query: { select: 'id', [named(name)]: 'not.is.null' }, prefer: 'count=exact' });
  assert.equal(page.headers['content-range'], '0-0/1');
}));

test('embedded by table, key column and constraint, both ways, with filters and orders of their own', () => each(async (name, n) => {
  if (n === 0) return;
  const above = names[n - 1], constraint = `${name.slice(0, 20)} key`;
  const parent = { [above]: `value of ${above}` };
  for (const [by, as] of [[above, above], [key(name), key(name)], [constraint, constraint]])
    assert.deepEqual(await api.get(path(name), { select: `id,${named(by)}(${named(above)})`, id: 'eq.1' }), [{ id: 1, [as]: parent }], by);
  for (const hint of [constraint, key(name)])
    assert.deepEqual(await api.get(path(name), { select: `id,${named('the "one"')}:${named(above)}!${named(hint)}!inner(${named(above)})`, id: 'eq.1' }),
      [{ id: 1, 'the "one"': parent }], hint);
  assert.deepEqual(await api.get(path(above), [
    ['select', `id,${named(name)}(${named(name)})`], ['id', 'eq.1'], [`${named(name)}.${named(name)}`, 'not.is.null'], [`${named(name)}.order`, `${named(name)}.asc`],
    [`${named(name)}.or`, `(${named(name)}.eq.${named(`value of ${name}`)},id.eq.9)`], [`${named(name)}.limit`, '5'],
  ]), [{ id: 1, [name]: [{ [name]: `value of ${name}` }] }]);
  assert.deepEqual(await api.get(path(name), { select: `...${named(above)}(${named('x.y')}:${named(above)})`, order: `${named(above)}(${named(above)}).desc,id`, limit: 1 }),
    [{ 'x.y': `value of ${above}` }]);
}));

test('embedded by a function of the row', () => each(async (name) => {
  const fn = `rows ${name.slice(0, 20)}`;
  assert.deepEqual(await api.get(path(name), { select: `${named(name)},${named(fn)}(id)`, id: 'eq.1' }), [{ [name]: `value of ${name}`, [fn]: [{ id: 2 }] }]);
}));

test('names that a client gives stand in the way of nothing', async () => {
  for (const alias of ['_r', 'h', 'k', 'pgrst_source', 'pgrst_r', 'pgrst_e1', 'pgrst_t1', 'pgrst_scalar']) {
    const rest = { order: 'id', limit: 2 };
    assert.deepEqual(await api.get('/h', { select: `${alias}:h`, ...rest }), [{ [alias]: 'value of h' }, { [alias]: null }], alias);
    assert.equal((await api.ask('GET', '/h', { query: { select: `${alias}:h`, ...rest }, accept: 'text/csv' })).text, `${alias}\n"value of h"\n`, alias);
    assert.deepEqual(await api.get('/_r', { select: `id,h(${alias}:h)`, h: 'not.is.null', ...rest }), [1, 2].map((id) => ({ id, h: { [alias]: 'value of h' } })), alias);
    const single = await api.ask('GET', '/h', { query: { select: `${alias}:h`, id: 'eq.2' }, accept: 'application/vnd.pgrst.object+json', prefer: 'count=exact' });
    assert.deepEqual([single.status, single.json, single.headers['content-range']], [200, { [alias]: null }, '0-0/1'], alias);
  }
});

test('inserted, upserted, changed, deleted; columns and on_conflict', () => each(async (name) => {
  const row = (id, text) => ({ id, [name]: text });
  const made = await api.ask('POST', path(name), { query: { select: `id,${named(name)}` }, body: row(10, 'new'), prefer: 'return=representation' });
  assert.deepEqual([made.status, made.json], [201, [row(10, 'new')]], made.text);
  const again = await api.ask('POST', path(name), {
    query: { select: `id,${named(name)}`, on_conflict: named(name), columns: `id,${named(name)}` }, body: [{ ...row(10, 'new'), more: 1 }, row(11, 'newer')],
    prefer: 'return=representation, resolution=merge-duplicates',
  });
  assert.deepEqual([again.status, again.json], [201, [row(10, 'new'), row(11, 'newer')]], again.text);
  const changed = await api.ask('PATCH', path(name), { query: { select: named(name), [named(name)]: 'eq.newer', order: named(name) }, body: { [name]: 'newest' }, prefer: 'return=representation' });
  assert.deepEqual([changed.status, changed.json], [200, [{ [name]: 'newest' }]], changed.text);
  const put = await api.ask('PUT', path(name), { query: { id: 'eq.12' }, body: { ...row(12, 'put'), [key(name)]: null } });
  assert.equal(put.status, 204, put.text);
  const headers = await api.ask('POST', path(name), { body: row(13, 'located'), prefer: 'return=headers-only' });
  assert.equal(headers.headers.location?.toUpperCase(), `/${encodeURIComponent(name).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)}?id=eq.13`.toUpperCase());
  const gone = await api.ask('DELETE', path(name), { query: { [named(name)]: 'in.(new,newest,put,located)', select: named(name), order: 'id' }, prefer: 'return=representation' });
  assert.deepEqual(gone.json, ['new', 'newest', 'put', 'located'].map((text) => ({ [name]: text })), gone.text);
  const unknown = await api.ask('POST', path(name), { body: { [`${name}?`]: 1 } });
  assert.deepEqual([unknown.json.code, unknown.json.message], ['PGRST204', `Could not find the '${name}?' column of '${name}' in the schema cache`]);
}));

test('rows as CSV, there and back', () => each(async (name) => {
  const field = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const answer = await api.ask('GET', path(name), { query: { select: `id,${named(name)}`, order: 'id' }, accept: 'text/csv' });
  assert.equal(answer.text.split('\n')[0], `id,${field(name)}`);
  assert.equal(answer.text.split('\n').length, 3);
  const sent = await api.ask('POST', path(name), { body: `id,${field(name)}\n20,"a,b"\n`, headers: { 'content-type': 'text/csv' }, query: { select: named(name) }, prefer: 'return=representation' });
  assert.deepEqual([sent.status, sent.json], [201, [{ [name]: 'a,b' }]], sent.text);
  await api.ask('DELETE', path(name), { query: { id: 'eq.20' } });
}));

test('functions and their arguments', () => each(async (name) => {
  const fn = `/rpc/fn ${name.slice(0, 20)}`, second = `${name.slice(0, 20)}?`;
  assert.equal(await api.get(fn, { [named(name)]: 'x', [named(second)]: '7' }), 'x7');
  const posted = await api.ask('POST', fn, { body: { [name]: 'y', [second]: 2 } });
  assert.deepEqual([posted.status, posted.json], [200, 'y2'], posted.text);
  const formed = await api.ask('POST', fn, { body: `${encodeURIComponent(name)}=z`, headers: { 'content-type': 'application/x-www-form-urlencoded' } });
  assert.deepEqual([formed.status, formed.json], [200, 'z1'], formed.text);
}));

test('labels of an enum', async () => {
  for (const [n, text] of labels.entries()) {
    const row = { id: n + 1, 'das Maß': text };
    const query = { select: `id,${named('das Maß')}` };
    assert.deepEqual(await api.get('/levels', { ...query, [named('das Maß')]: `eq.${text}` }), [row]);
    assert.deepEqual(await api.get('/levels', { ...query, [named('das Maß')]: `in.(${named(text)},${named(text)})` }), [row]);
    assert.deepEqual(await api.get('/levels', { ...query, and: `(${named('das Maß')}.eq.${named(text)})` }), [row]);
    const sent = await api.ask('POST', '/levels', { body: { id: 100 + n, 'das Maß': text, alle: [text, 'plain'] }, query: { select: 'alle' }, prefer: 'return=representation' });
    assert.deepEqual(sent.json, [{ alle: [text, 'plain'] }], sent.text);
  }
  const { definitions } = await api.get('/', '');
  assert.deepEqual(definitions.levels.properties['das Maß'].enum, labels);
});

for (const [release, create] of Object.entries({ newest: createClient, '2.39': v2_39 }))
  test(`with the client, ${release}`, () => each(async (name) => {
    if (/[?#%\\\t]/.test(name) || name === '*') return; // it does not encode them in the address of a table
    const db = api.client(create), quiet = /["\\]/.test(name); // nor a quote in `columns`
    const good = ({ data, error }) => {
      assert.equal(error, null, JSON.stringify(error));
      return data;
    };
    assert.deepEqual(good(await db.from(name).select(named(name)).eq(named(name), `value of ${name}`)), [{ [name]: `value of ${name}` }]);
    assert.equal(good(await db.from(name).select('id').order(named(name), { nullsFirst: true }).limit(1).single()).id, 2);
    const made = { id: 30, [name]: 'client' };
    assert.deepEqual(good(await db.from(name).insert(quiet ? made : [made]).select(named(name))), [{ [name]: 'client' }]);
    assert.deepEqual(good(await db.from(name).upsert(quiet ? made : [made, { ...made, id: 31, [name]: 'other' }], { onConflict: named(name) }).select('id').order('id')),
      quiet ? [{ id: 30 }] : [{ id: 30 }, { id: 31 }]);
    assert.deepEqual(good(await db.from(name).update({ [name]: 'changed' }).in(named(name), ['client', 'x,"y"']).select(named(name))), [{ [name]: 'changed' }]);
    good(await db.from(name).delete().gte('id', 30));
    assert.equal(good(await db.rpc(`fn ${name.slice(0, 20)}`, { [name]: 'called' })), 'called1');
  }));

const lead = (json, ref) => ref.slice(2).split('/').reduce((at, step) => at?.[decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')], json);

test('every reference of the document leads somewhere, and is one that may stand in an address', async () => {
  await rows(`create table ${quoted(api.schema)}."a/b~c" ("x/y~z%25" int primary key)`);
  const json = await until(async () => {
    const whole = await api.get('/', '');
    return whole.definitions['a/b~c'] && whole;
  }, 'the new table is in it');
  const seen = [];
  const walk = (value) => {
    if (value === null || typeof value !== 'object') return;
    if (typeof value.$ref === 'string') seen.push(value.$ref);
    Object.values(value).forEach(walk);
  };
  walk(json);
  assert.ok(seen.length > 500);
  for (const ref of seen) {
    assert.ok(lead(json, ref), ref);
    assert.match(ref, /^#[\w\-.~!$&'()*+,;=:@/?%]+$/);
  }
  for (const name of names) assert.ok(json.paths[`/${name}`], name);
});

test('of several relations each is told, in JSON', async () => {
  const name = 'both "ways"';
  await rows(`create table ${quoted(api.schema)}.${quoted(name)} (id int primary key, ${quoted('from "a"')} int constraint ${quoted('k"1')} references ${quoted(api.schema)}.${quoted('quo"te')},
    b int constraint ${quoted('k\\2')} references ${quoted(api.schema)}.${quoted('quo"te')}); grant all on ${quoted(api.schema)}.${quoted(name)} to service_role`);
  await until(async () => (await api.ask('GET', path(name))).status === 200, 'it is served');
  const answer = await api.ask('GET', path(name), { query: { select: `id,${named('quo"te')}(id)` } });
  assert.equal(answer.json?.code, 'PGRST201', answer.text);
  assert.deepEqual(answer.json.details, [
    { cardinality: 'many-to-one', embedding: 'both "ways" with quo"te', relationship: 'k"1 using both "ways"(from "a") and quo"te(id)' },
    { cardinality: 'many-to-one', embedding: 'both "ways" with quo"te', relationship: 'k\\2 using both "ways"(b) and quo"te(id)' },
  ]);
  assert.deepEqual(await api.get(path(name), { select: `id,${named('quo"te')}!${named('k"1')}(id)` }), []);
});

test('through nginx, at once: a table that anybody puts into the schema that is served', async () => {
  const name = 'Größe, „x“ & (y)', label_ = '低 "quoted" 100%';
  const db = createClient(url, serviceKey, { auth: { persistSession: false, autoRefreshToken: false }, realtime: { transport: WebSocket }, global: { fetch: fetchFrom(newAddress()) } });
  await rows(`create table public.${quoted(name)} (id int primary key, ${quoted(label_)} text)`);
  try {
    await until(async () => (await db.from(name).select('id')).status === 200, 'it is served');
    const { data, error } = await db.from(name).insert({ id: 1, [label_]: 'a+b & c=d%' }).select(named(label_)).single();
    assert.deepEqual([error, data], [null, { [label_]: 'a+b & c=d%' }]);
    assert.deepEqual((await db.from(name).select('id').eq(named(label_), 'a+b & c=d%')).data, [{ id: 1 }]);
    assert.deepEqual((await db.from(name).delete().in(named(label_), ['a+b & c=d%', 'x,"y"']).select('id')).data, [{ id: 1 }]);
  } finally {
    await rows(`drop table public.${quoted(name)}`);
  }
});
