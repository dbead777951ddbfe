// Every table and function that is served × every way to ask × everybody who asks: what comes over HTTP
// is what the same statement gives in SQL under that role and those claims. What is tried is undone.
// system: shared
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { as, rows, value } from '../lib/db.mjs';
import { makeSale } from '../lib/flashfundx/shop.mjs';
import { Private } from '../lib/process.mjs';
import { anonKey, serviceKey } from '../lib/system.mjs';
import { userClaims } from '../lib/tokens.mjs';
import { makeStaff, makeUser } from '../lib/users.mjs';

const TRIES = 5; // others may change a table between the two looks
const quoted = (name) => `"${name}"`;
const callers = {};
let service, connection, tables, functions;

/** Tables with their columns, and functions with their arguments, as anybody could list them. */
async function listServed() {
  tables = await rows(`
    select c.relname as name, (select json_agg(a.attname order by a.attnum) from pg_attribute as a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity <> 'a'
               and not exists (select from platform.sealed_columns as s where (s.table_name)::regclass = c.oid and s.column_name = a.attname)) as columns,
           (select coalesce(json_agg(a.attname order by a.attnum), '[]') from pg_attribute as a join pg_index as i on i.indrelid = a.attrelid and a.attnum = any (i.indkey)
             where i.indisprimary and a.attrelid = c.oid) as pk
    from pg_class as c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'p') order by 1`);
  functions = await rows(`
    select p.proname as name, p.proretset as "set", p.prorettype = 'void'::regtype as void, p.proargtypes::regtype[]::text[] as types,
           coalesce((p.proargnames)[1:p.pronargs], '{}') as arguments, p.pronargdefaults as defaults, t.typtype = 'c' or p.prorettype = 'record'::regtype as composite
    from pg_proc as p join pg_type as t on t.oid = p.prorettype
    where p.pronamespace = 'public'::regnamespace and p.prokind = 'f' and p.prorettype <> 'trigger'::regtype order by 1`);
}

before(async () => {
  await listServed();
  const { user, order } = await makeSale({ stock: 1 });
  await rows(`update public.orders set order_status = 'processing', payment_status = 'paid', paid_at = now() where order_id = $1`, [order.order_id]);
  await rows('select public.deliver_account_to_user($1, $2)', [order.order_id, user.id]);
  await makeSale({ stock: 1 });
  callers.anonymous = { token: anonKey, claims: { role: 'anon' } };
  callers['the owner of rows'] = { ...user, claims: userClaims(user) };
  const other = await makeUser();
  callers['another customer'] = { ...other, claims: userClaims(other) };
  for (const duty of ['owner', 'finance', 'support', 'inventory']) {
    const one = await makeStaff(duty);
    callers[`staff: ${duty}`] = { ...one, claims: userClaims(one) };
  }
  callers['the service key'] = { token: serviceKey, claims: { role: 'service_role' } };
  for (const table of tables) {
    const owned = table.columns.includes('user_id') ? 'user_id' : table.name === 'user_profiles' ? 'id' : null;
    table.row = (await value(`select to_json(t) from public.${quoted(table.name)} as t
      order by ${owned ? `${quoted(owned)} = $1::uuid desc nulls last` : '$1::text'} limit 1`, [user.id])) ?? null;
  }
  service = await Private.start('rest', { REST_TX_END: 'true', REST_MAX_ROWS: '0', RATE_LIMIT: 'false', DB_CONNECTIONS: '2' });
  connection = await service.open();
});
after(async () => {
  connection?.close();
  await service?.stop();
});

async function overHttp(who, method, path, query, body) {
  const params = {
    PATH_INFO: path, QUERY_STRING: new URLSearchParams(query).toString(), HTTP_APIKEY: anonKey,
    HTTP_AUTHORIZATION: `Bearer ${who.token}`, HTTP_PREFER: 'return=representation, tx=rollback',
  };
  const { status, json, text } = await connection.request(method, { params, body: body === undefined ? '' : JSON.stringify(body) });
  if (status >= 400) return { error: json?.code ?? text, status };
  return { rows: text === '' ? null : json, status };
}

/** The same in SQL, undone. */
async function inSql({ claims }, text, params) {
  const undone = new Error('undone');
  let found;
  try {
    await as(claims, async (query) => {
      found = await query(text, params);
      throw undone;
    });
  } catch (error) {
    if (error !== undone) return { error: error.code };
  }
  return { rows: found[0].found };
}

/** Without what is new each time: moments, and names made at random. */
const plain = (seen) => JSON.parse(JSON.stringify(seen).replace(/\d{4}-\d\d-\d\d[T ][\d:.]+(Z|[+-]\d\d(:\d\d)?)?/g, 'T').replace(/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f-]{22}/g, 'U'));

/** A number made up for an order. */
const madeUp = ({ error, rows: all }) => error ?? /^FFX\d{9}$/.test(all);

async function same(what, who, [method, path, query, body], [text, params = []], seenAs = plain) {
  for (let n = 1; ; n++) {
    const sql = await inSql(who, text, params);
    const http = await overHttp(who, method, path, query, body);
    if (sql.error?.startsWith('42501')) assert.equal(http.status, who.claims.role === 'anon' ? 401 : 403, what);
    assert.ok(http.status < 500, `${what}: ${JSON.stringify(http)}`);
    delete http.status;
    try {
      assert.deepEqual(seenAs(http), seenAs(sql), what);
      return sql.error ? 'refused' : 'done';
    } catch (error) {
      if (n === TRIES) throw error;
    }
  }
}

const list = (columns) => columns.map(quoted).join(', ');
const keyOf = ({ pk, row }) => Object.fromEntries(pk.map((name) => [name, `eq.${row?.[name] ?? '00000000-0000-4000-8000-000000000000'}`]));
const whereKey = ({ pk, row }, from) => [pk.map((name, i) => `${quoted(name)} = $${from + i}`).join(' and '), pk.map((name) => row[name])];

async function everybody(ask) {
  const seen = {};
  for (const [name, who] of Object.entries(callers)) {
    const how = await ask(name, who);
    seen[how] = (seen[how] ?? 0) + 1;
  }
  return seen;
}

test('who reads what', async () => {
  let done = 0;
  for (const { name, columns, pk } of tables)
    done += (await everybody((caller, who) => same(`${caller}: ${name}`, who,
      ['GET', `/${name}`, { select: columns.join(','), order: (pk.length ? pk : columns).join(',') }],
      [`select coalesce(json_agg(x), '[]') as found from (select ${list(columns)} from public.${quoted(name)} order by ${list(pk.length ? pk : columns)}) as x`]))).done ?? 0;
  assert.ok(done > 100, `${done} times something was read`);
});

test('who inserts what', async () => {
  for (const { name, columns, row, pk } of tables)
    for (const body of [{}, row && Object.fromEntries(columns.map((c) => [c, row[c]])), row && columns.includes('user_id') && { user_id: row.user_id }].filter(Boolean)) {
      const given = Object.keys(body);
      const values = given.length ? `(${list(given)}) select ${list(given)} from json_populate_record(null::public.${quoted(name)}, $1::json)` : 'default values';
      await everybody((caller, who) => same(`${caller}: ${name} ${given}`, who, ['POST', `/${name}`, { select: (pk.length ? pk : columns).join(',') }, body],
        [`with w as (insert into public.${quoted(name)} ${values} returning ${list(pk.length ? pk : columns)}) select coalesce(json_agg(w), '[]') as found from w`,
          given.length ? [JSON.stringify(body)] : []]));
    }
});

test('who changes what, column by column', async () => {
  let done = 0;
  for (const table of tables.filter(({ row, pk }) => row && pk.length)) {
    const [where, key] = whereKey(table, 2);
    for (const column of table.columns)
      done += (await everybody((caller, who) => same(`${caller}: ${table.name}.${column}`, who,
        ['PATCH', `/${table.name}`, { ...keyOf(table), select: table.pk.join(',') }, { [column]: table.row[column] }],
        [`with w as (update public.${quoted(table.name)} set ${quoted(column)} = (json_populate_record(null::public.${quoted(table.name)}, $1::json)).${quoted(column)}
          where ${where} returning ${list(table.pk)}) select coalesce(json_agg(w), '[]') as found from w`, [JSON.stringify({ [column]: table.row[column] }), ...key]]))).done ?? 0;
  }
  assert.ok(done > 100, `${done} times nothing stood against it`);
});

test('who deletes what', async () => {
  for (const table of tables.filter(({ row, pk }) => row && pk.length)) {
    const [where, key] = whereKey(table, 1);
    await everybody((caller, who) => same(`${caller}: ${table.name}`, who, ['DELETE', `/${table.name}`, { ...keyOf(table), select: table.pk.join(',') }],
      [`with w as (delete from public.${quoted(table.name)} where ${where} returning ${list(table.pk)}) select coalesce(json_agg(w), '[]') as found from w`, key]));
  }
});

test('who calls what', async () => {
  const values = { uuid: '00000000-0000-4000-8000-000000000000', date: '2024-01-01', 'timestamp with time zone': '2024-01-01', json: '{}', jsonb: '{}', inet: '127.0.0.1', integer: 1, bigint: 1, numeric: 1, boolean: false };
  let done = 0;
  for (const { name, set, void: isVoid, types, arguments: names, composite } of functions) {
    if (names.some((n) => n === '')) continue;
    for (const given of [names.map((_, i) => values[types[i]] ?? (types[i].endsWith('[]') ? [] : 'x')), names.map(() => null)]) {
      const body = Object.fromEntries(names.map((n, i) => [n, given[i]]));
      const call = `public.${quoted(name)}(${names.map((n, i) => `${quoted(n)} => $${i + 1}::${types[i]}`).join(', ')})`;
      const found = isVoid ? `null::json as found from ${call}`
        : composite ? (set ? `coalesce(json_agg(x), '[]') as found from ${call} as x` : `to_json(x) as found from ${call} as x`)
          : set ? `coalesce(json_agg(x), '[]') as found from ${call} as x` : `to_json(${call}) as found`;
      done += (await everybody((caller, who) => same(`${caller}: ${name}(${JSON.stringify(given)})`, who, ['POST', `/rpc/${name}`, {}, body],
        [`select ${found}`, given], name === 'generate_order_id' ? madeUp : plain))).done ?? 0;
    }
  }
  assert.ok(done > 50, `${done} calls went through`);
});
