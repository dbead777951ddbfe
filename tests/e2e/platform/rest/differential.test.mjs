// Chance makes a schema, rows and queries: what the data API answers is what PostgreSQL answers to the same
// query, written here in another way (subselects, no joins). FFX_SEED repeats a run; FFX_LONG=1 is minutes.
// system: shared
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { value } from '../../lib/db.mjs';
import { chance, long, seed } from '../../lib/fire.mjs';
import { Served, literal, named, quoted } from '../../lib/rest.mjs';

const { next, below, pick, shuffle } = chance();
const schema = `differential_${process.pid}`;
const QUERIES = long ? 20_000 : 600, ROWS = 30;
const maybe = (share) => next() < share;
const words = ['', 'a', 'ab', 'a,b', 'x(y)', '"q"', 'back\\slash', 'größer', '低い', '👍', 'NULL', 'null', 'true', '{a}', 'per%cent', 'a.b', ' two  words ', "it's", '*', 'a&b=c+d', 'line\nbreak'];

/** Types: SQL literals of values, and texts of them as filters have them. */
const types = {
  int: () => String(below(20) - 5),
  text: () => pick(words),
  'numeric(8,2)': () => (below(2000) / 100).toFixed(2),
  boolean: () => pick(['true', 'false']),
  date: () => `2024-0${1 + below(9)}-1${below(10)}`,
  'timestamp with time zone': () => `2024-05-0${1 + below(9)} 1${below(10)}:00:00+00`,
  jsonb: () => JSON.stringify(pick([{ a: below(4) }, { a: pick(words), b: [1, { c: below(3) }] }, { 'x y': null }, [below(3)], below(5), null])),
  'text[]': () => `{${shuffle(['a', 'b', 'c']).slice(below(3)).join()}}`,
};
const sqlValue = (type, text) => (text === null ? 'null' : `${literal(text)}::${type}`);

/** Tables with keys of one or two columns, each with keys to some of those before it, and to itself. */
function makeTables() {
  const tables = [];
  for (let n = 0; n < 8; n++) {
    const table = { name: pick(['t', 'Table ', 'tä.']) + n, pk: maybe(0.3) ? ['k1', 'k2'] : ['id'], columns: {}, keys: [] };
    for (const column of table.pk) table.columns[column] = 'int';
    for (const [i, type] of shuffle(Object.keys(types)).slice(0, 3 + below(4)).entries()) table.columns[`${pick(['c', 'Col ', 'ü,'])}${i}`] = type;
    for (let k = 0, to; k < 3 && (to = maybe(0.2) ? table : pick(tables)); k++) {
      const columns = to.pk.map((column) => `${pick(['to', 'To '])}${k}_${column}`);
      for (const column of columns) table.columns[column] = 'int';
      table.keys.push({ name: `key ${n}.${k}`, from: table, columns, to });
    }
    tables.push(table);
  }
  return tables;
}
const tables = makeTables();

function sqlOf({ name, pk, columns, keys }) {
  const parts = [...Object.entries(columns).map(([column, type]) => `${quoted(column)} ${type}`), `primary key (${pk.map(quoted)})`,
    ...keys.map((key) => `constraint ${quoted(key.name)} foreign key (${key.columns.map(quoted)}) references ${quoted(key.to.name)}`)];
  const rows = [];
  for (let n = 0; n < ROWS; n++) {
    const row = Object.fromEntries(Object.entries(columns).map(([column, type]) => [column, maybe(0.2) ? null : types[type]()]));
    pk.forEach((column, i) => { row[column] = String(pk.length === 2 ? (i === 0 ? n % 5 : Math.floor(n / 5)) : n); });
    for (const key of keys) {
      const to = maybe(0.2) ? null : below(ROWS);
      key.columns.forEach((column, i) => { row[column] = to === null ? null : String(key.to.pk.length === 2 ? (i === 0 ? to % 5 : Math.floor(to / 5)) : to); });
    }
    rows.push(`(${Object.entries(columns).map(([column, type]) => sqlValue(type, row[column])).join()})`);
  }
  return `create table ${quoted(name)} (${parts.join()}); insert into ${quoted(name)} values ${rows.join()}`;
}

// ---- queries: {table, items, where, order, limit, offset}, each with its form in both languages ----

const column = (t) => pick(Object.keys(t.columns));
const ref = (as, name) => `${as}.${quoted(name)}`;
/** A value between quotes where it stands in a list or a tree. */
const guarded = (text) => (text === '' || /[,()"\\:.{}\s]/.test(text) || maybe(0.2) ? named(text) : text);

/** A condition: `rest` as it stands in a tree, `sql` of the row `as`. */
function makeFilter(t, as) {
  const name = column(t), type = t.columns[name], field = ref(as, name), text = types[type]();
  const not = maybe(0.2) ? { rest: 'not.', sql: 'not ' } : { rest: '', sql: '' };
  const of = (op, shown, sql, plain = shown) => ({ key: named(name), tree: `${named(name)}.${not.rest}${op}.${shown}`, value: `${not.rest}${op}.${plain}`, sql: `${not.sql}(${sql})` });
  const kinds = {
    is: () => (type === 'boolean' && maybe(0.5) ? pick([of('is', 'true', `${field} is true`), of('is', 'unknown', `${field} is unknown`)]) : of('is', pick(['null', 'NULL']), `${field} is null`)),
    equal: () => of('eq', guarded(text), `${field} = ${sqlValue(type, text)}`, text),
    distinct: () => of('isdistinct', guarded(text), `${field} is distinct from ${sqlValue(type, text)}`, text),
    order: () => {
      const [op, sign] = pick([['gt', '>'], ['gte', '>='], ['lt', '<'], ['lte', '<='], ['neq', '<>']]);
      return of(op, guarded(text), `${field} ${sign} ${sqlValue(type, text)}`, text);
    },
    list: () => {
      const all = [text, types[type](), types[type]()], list = `(${all.map(guarded).join()})`;
      return of('in', list, `${field} in (${all.map((one) => sqlValue(type, one))})`);
    },
    like: () => of(pick(['like', 'ilike']), '*a*', `${field}::text like '%a%'`),
    contains: () => (type === 'text[]' ? of('cs', '{a,b}', `${field} @> '{a,b}'`) : of('cs', '{"a":1}', `${field} @> '{"a":1}'`)),
    path: () => of('eq', '2', `${field} ->> 'a' = '2'`),
  };
  const some = ['is', 'equal', 'order', 'distinct'];
  if (type !== 'text[]') some.push('list'); // (there are no arrays of arrays)
  if (type === 'text') some.push('like');
  if (type === 'jsonb' || type === 'text[]') some.push('contains');
  const made = kinds[pick(some)]();
  if (type === 'jsonb' && maybe(0.4)) return { key: `${named(name)}->>a`, tree: `${named(name)}->>a.eq.2`, value: 'eq.2', sql: `(${field} ->> 'a' = '2')` };
  return made;
}

function makeTree(t, as, depth) {
  const op = pick(['and', 'or']), not = maybe(0.2);
  const inside = Array.from({ length: 1 + below(3) }, () => (depth > 0 && maybe(0.4) ? makeTree(t, as, depth - 1) : makeFilter(t, as)));
  const list = `(${inside.map(({ tree }) => tree).join()})`;
  return { key: `${not ? 'not.' : ''}${op}`, tree: `${not ? 'not.' : ''}${op}${list}`, value: list, sql: `${not ? 'not ' : ''}(${inside.map(({ sql }) => sql).join(` ${op} `)})` };
}

let number;
/** A level below: along a key, to its one row or its many. */
function makeEmbed(t, as, depth) {
  const ways = [...t.keys.map((key) => ({ key, one: true })), ...tables.flatMap(({ keys }) => keys.filter(({ to }) => to === t).map((key) => ({ key, one: false })))];
  if (ways.length === 0) return null;
  const { key, one } = pick(ways), other = one ? key.to : key.from;
  const itself = key.to === key.from;
  if (itself && (!one || key.columns.length > 1)) return null; // named by a column alone
  const q = makeQuery(other, depth - 1, { one });
  const on = key.columns.map((name, i) => (one ? `${ref(q.as, key.to.pk[i])} = ${ref(as, name)}` : `${ref(q.as, name)} = ${ref(as, key.to.pk[i])}`));
  const alias = `e${++number}`;
  const name = named(itself ? key.columns[0] : other.name);
  return { q, one, on, alias, name, inner: maybe(0.25), spread: one && !itself && !q.items[0].star && maybe(0.2), rest: itself ? name : `${name}!${named(key.name)}` };
}

function makeItem(t, as) {
  const name = column(t), type = t.columns[name], alias = `a ${++number}`;
  const shown = `${named(alias)}:${named(name)}`;
  if (type === 'jsonb' && maybe(0.6)) {
    const [path, sql] = pick([['->a', `-> 'a'`], ['->>a', `->> 'a'`], ['->b->1->c', `-> 'b' -> 1 -> 'c'`], ['->0', '-> 0'], ['->"x y"', `-> 'x y'`], ['->b->-1', `-> 'b' -> -1`]]);
    return { rest: shown + path, sql: `${ref(as, name)} ${sql} as ${quoted(alias)}`, alias };
  }
  if (maybe(0.2)) return { rest: `${shown}::text`, sql: `${ref(as, name)}::text as ${quoted(alias)}`, alias };
  return { rest: shown, sql: `${ref(as, name)} as ${quoted(alias)}`, alias };
}

function makeQuery(t, depth, { one = false, root = false } = {}) {
  const as = `x${++number}`;
  const q = { t, as, items: [], embeds: [], where: [], order: [], limit: null, offset: 0 };
  q.items = maybe(0.15) ? [{ rest: '*', sql: `${as}.*`, star: true }] : Array.from({ length: 1 + below(3) }, () => makeItem(t, as));
  for (let n = 0; depth > 0 && n < 2; n++) {
    const embed = maybe(root ? 0.6 : 0.4) ? makeEmbed(t, as, depth) : null;
    if (embed?.spread && q.embeds.some(({ name }) => name === embed.name)) embed.spread = false; // whose name would be that of both
    if (embed) q.embeds.push(embed);
  }
  for (let n = below(3); n > 0; n--) q.where.push(maybe(0.4) ? makeTree(t, as, 2) : makeFilter(t, as));
  if (one) return q;
  // What is ordered is so up to the key: then there is one right answer.
  for (const name of Object.keys(t.columns).filter((c) => !/json/.test(t.columns[c]) && maybe(0.15)).concat(t.pk)) {
    const [way, nulls] = [pick(['', '.asc', '.desc']), pick(['', '', '.nullsfirst', '.nullslast'])];
    q.order.push({ rest: named(name) + way + nulls, sql: `${ref(as, name)} ${way.slice(1)} ${nulls && `nulls ${nulls.slice(6)}`}` });
  }
  if (maybe(0.3)) q.limit = 1 + below(12);
  if (maybe(0.2)) q.offset = below(6);
  return q;
}

const selectOf = (q) => [...q.items.map(({ rest }) => rest),
  ...q.embeds.map((e) => `${e.spread ? '...' : `${e.alias}:`}${e.rest}${e.inner ? '!inner' : ''}(${selectOf(e.q)})`)].join();

/** The parameters of a level and of those below it. What is spread has no alias: its name is the relation's. */
function parametersOf(q, path, to) {
  for (const { key, value: text } of q.where) to.push([path + key, text]);
  if (q.order.length) to.push([`${path}order`, q.order.map(({ rest }) => rest).join()]);
  if (q.limit !== null) to.push([`${path}limit`, String(q.limit)]);
  if (q.offset) to.push([`${path}offset`, String(q.offset)]);
  for (const e of q.embeds) parametersOf(e.q, `${path}${e.spread ? e.name : e.alias}.`, to);
  return to;
}

/** Conditions of a level, those of inner embeds too. */
const whereOf = (q, on = []) => {
  const all = [...on, ...q.where.map(({ sql }) => sql), ...q.embeds.filter(({ inner }) => inner).map((e) => `exists (${rowsOf(e.q, e.on, e.one)})`)];
  return all.length ? ` where ${all.map((sql) => `(${sql})`).join(' and ')}` : '';
};

function columnsOf(q) {
  return [...q.items.map(({ sql }) => sql), ...q.embeds.flatMap((e) => {
    const below_ = rowsOf(e.q, e.on, e.one);
    if (e.spread) return shownBy(e.q).map((name) => `(select r.${quoted(name)} from (${below_}) as r) as ${quoted(name)}`);
    return [e.one ? `(select to_jsonb(r) from (${below_}) as r) as ${e.alias}` : `(select coalesce(jsonb_agg(r), '[]') from (${below_}) as r) as ${e.alias}`];
  })];
}
const shownBy = (q) => [...q.items.map(({ alias }) => alias), ...q.embeds.flatMap((e) => (e.spread ? shownBy(e.q) : [e.alias]))];

const rowsOf = (q, on = []) => `select ${columnsOf(q).join()} from ${quoted(schema)}.${quoted(q.t.name)} as ${q.as}${whereOf(q, on)}${
  q.order.length ? ` order by ${q.order.map(({ sql }) => sql).join()}` : ''}${q.limit === null ? '' : ` limit ${q.limit}`}${q.offset ? ` offset ${q.offset}` : ''}`;

let api;
before(async () => {
  api = await Served.start(schema, tables.map(sqlOf).join(';'), { REST_MAX_ROWS: '0' });
});
after(() => api?.stop());

test(`${QUERIES} queries, seed ${seed}`, async () => {
  const seen = { answered: 0, rows: 0, refused: {} };
  for (let n = 0; n < QUERIES; n++) {
    number = 0;
    const q = makeQuery(pick(tables), 3, { root: true });
    const query = [['select', selectOf(q)], ...parametersOf(q, '', [])];
    const text = rowsOf(q);
    const told = `query ${n} of seed ${seed}\n/${q.t.name} ${query.map((p) => p.join('=')).join('\n  &')}\n${text}`;
    const counted = maybe(0.5);
    const answer = await api.ask('GET', `/${q.t.name}`, { query, prefer: counted ? 'count=exact' : undefined });
    const expected = await value(`select coalesce(json_agg(r), '[]') from (${text}) as r`).catch((error) => ({ error }));
    if (expected.error) {
      seen.refused[expected.error.code] = (seen.refused[expected.error.code] ?? 0) + 1;
      assert.equal(answer.json?.code, expected.error.code, `${told}\n${answer.text}\n${expected.error.message}`);
      continue;
    }
    const total = counted ? Number(await value(`select count(*) from (${rowsOf({ ...q, limit: null, offset: 0 })}) as r`)) : null;
    if (counted && q.offset > total) {
      assert.deepEqual([answer.status, answer.json?.code], [416, 'PGRST103'], told);
      continue;
    }
    assert.ok(answer.status === 200 || answer.status === 206, `${told}\n${answer.status} ${answer.text}`);
    assert.deepEqual(answer.json, expected, told);
    if (counted) assert.equal(answer.headers['content-range'].split('/')[1], String(total), told);
    seen.answered++;
    seen.rows += expected.length;
  }
  assert.ok(seen.answered > QUERIES * 0.7 && seen.rows > QUERIES, JSON.stringify(seen));
});
