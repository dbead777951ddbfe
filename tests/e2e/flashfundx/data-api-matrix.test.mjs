// Every table and function that is served × every way to ask × everybody who asks: what comes over HTTP
// is what the same statement gives in SQL under that role and those claims, and who may what is what
// rights.mjs says: a table or function that is not written there fails. What is tried is undone.
// system: shared
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { as, rows, value } from '../lib/db.mjs';
import { ipnBody, postIpn } from '../lib/flashfundx/ipn.mjs';
import { makeSale, openedSale, reviews, untilState } from '../lib/flashfundx/shop.mjs';
import { Private } from '../lib/process.mjs';
import { anonKey, serviceKey } from '../lib/system.mjs';
import { userClaims } from '../lib/tokens.mjs';
import { makeStaff, makeUser } from '../lib/users.mjs';
import { until } from '../lib/wait.mjs';
import { calls, tables as rightsOf } from './rights.mjs';

const TRIES = 5; // others may change a table between the two looks
const quoted = (name) => `"${name}"`;
const callers = {};
let service, connection, tables, functions, made;
/** As rights.mjs has them, in this order. */
const LETTERS = { anonymous: 'v', 'the owner of rows': 'c', 'another customer': 'x', 'staff: owner': 'o', 'staff: finance': 'f', 'staff: support': 's', 'staff: inventory': 'i', 'the service key': 'k' };
const seen = { tables: {}, calls: {} };

/** Tables with their columns, and functions with their arguments, as anybody could list them. */
async function listServed() {
  tables = await rows(`
    select c.relname as name, (select json_agg(a.attname order by a.attnum) from pg_attribute as a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity <> 'a'
               and not exists (select from platform.sealed_columns as s where (s.table_name)::regclass = c.oid and s.column_name = a.attname)) as columns,
           (select json_object_agg(a.attname, json_build_object('kind', case t.typname when 'uuid' then 'uuid' else t.typcategory::text end, 'labels',
                    array(select e.enumlabel::text from pg_enum as e where e.enumtypid = t.oid union all
                      select m[1] from pg_constraint as k, regexp_matches(pg_get_constraintdef(k.oid), '''([^'']*)''', 'g') as m
                      where k.contype = 'c' and (k.contypid = t.oid or k.conrelid = c.oid and k.conkey = array[a.attnum])))) from pg_attribute as a join pg_type as t on t.oid = a.atttypid where a.attrelid = c.oid and a.attnum > 0) as kinds,
           array(select r from unnest('{anon,authenticated,staff,service_role}'::text[]) as r where has_any_column_privilege(r, c.oid, 'update')) as changers,
           array(select a.attname::text from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 and has_column_privilege('authenticated', c.oid, a.attnum, 'insert')) as given,
           (select coalesce(json_agg(a.attname order by a.attnum), '[]') from pg_attribute as a join pg_index as i on i.indrelid = coalesce(v.base, c.oid) and i.indisprimary
             join pg_attribute as b on b.attrelid = i.indrelid and b.attnum = any (i.indkey) and b.attname = a.attname where a.attrelid = c.oid) as pk
    from pg_class as c
    left join lateral (select max(d.refobjid) as base from pg_rewrite as r join pg_depend as d on d.objid = r.oid and d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass
                        and d.refobjid <> c.oid where r.ev_class = c.oid) as v on c.relkind = 'v'
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'p') order by 1`);
  functions = await rows(`
    select p.proname as name, p.proretset as "set", p.prorettype = 'void'::regtype as void, p.proargtypes::regtype[]::text[] as types,
           coalesce((p.proargnames)[1:p.pronargs], '{}') as arguments, p.pronargdefaults as defaults, t.typtype = 'c' or p.prorettype = 'record'::regtype as composite
    from pg_proc as p join pg_type as t on t.oid = p.prorettype
    where p.pronamespace = 'public'::regnamespace and p.prokind = 'f' and p.prorettype <> 'trigger'::regtype order by 1`);
}

/** A row of every table: an order that is paid and delivered, one that is paid too little, and what else there may be. */
async function makeRows() {
  const { user, order, paymentId: id } = await openedSale({ stock: 1 });
  assert.equal((await postIpn(ipnBody(order, 'finished', { payment_id: id }))).status, 200);
  await untilState(order, 'completed/paid/delivered');
  const { order: less, paymentId: lessId } = await openedSale({ stock: 1 });
  assert.equal((await postIpn(ipnBody(less, 'partially_paid', { payment_id: lessId, actually_paid: 1 }))).status, 200);
  await until(async () => (await reviews(less)).length > 0, 'a review');
  made = { order, run: await value(`insert into public.reconciliation_runs (reason, since, finished_at) values ('asked', now(), now()) returning id`) };
  const one = (table, values, params) => rows(`insert into public.${table} values ${values}`, params);
  await rows(`select backend.reveal(c.id, 'password', c.password, 'test') from public.account_container as c
    join public.delivered_accounts as d on d.container_account_id = c.id where d.order_id = $1`, [order.order_id]);
  await one('reconciliation_work (run_id, scope, key)', `($1, 'payment', $2)`, [made.run, id]);
  await one('reconciliation_differences (run_id, last_run_id, scope, kind, aspect, payment_id, order_id, explanation, resolved_at)', `($1, $1, 'provider', 'amount', 'x', $2, $3, 'x', now())`, [made.run, id, order.order_id]);
  await one('payment_checks (payment_id, last_result, checked_at, settled)', `($1, 'seen', now(), true) on conflict do nothing`, [id]);
  await one('waiting_deliveries (order_id, account_type, account_size, platform_type, paid_at, reason, parked_at)', `($1, $2, $3, $4, now(), 'x', now())`,
    [order.order_id, order.account_type, order.account_size, order.platform_type]);
  await one('stock_alerts (account_size, platform_type, level, available, threshold, state, ended_at)', `($1, $2, 'low', 1, 5, 'ended', now())`, [order.account_size, order.platform_type]);
  await one('unapplied_callbacks (source, raw, reason, order_id)', `('ipn', '{}', 'x', $1)`, [order.order_id]);
  await one('webhook_debug_calls (request_id, method)', `($1, 'POST')`, [order.order_id]);
  return { user, order };
}

before(async () => {
  await listServed();
  const { user, order } = await makeRows();
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
    const owned = [['user_id', user.id], ['order_id', order.order_id], ['id', user.id]].find(([name]) => table.columns.includes(name)) ?? [table.columns[0], ''];
    table.row = await value(`select to_json(t) from public.${quoted(table.name)} as t order by ${quoted(owned[0])}::text = $1 desc nulls last limit 1`, [owned[1]]);
    assert.ok(table.row && table.pk.length > 0, `${table.name} has no row, or no key`);
  }
  service = await Private.start('rest', { REST_TX_END: 'true', REST_MAX_ROWS: '0', RATE_LIMIT: 'false', DB_CONNECTIONS: '2' });
  connection = await service.open();
});
after(async () => {
  connection?.close();
  await service?.stop();
  if (!made) return;
  const { order, run } = made;
  await rows(`set local session_replication_role = replica; -- evidence is kept otherwise
    delete from public.reconciliation_work where run_id = ${run}; delete from public.reconciliation_differences where run_id = ${run}; delete from public.reconciliation_runs where id = ${run};
    delete from public.waiting_deliveries where order_id = '${order.order_id}'; delete from public.unapplied_callbacks where order_id = '${order.order_id}';
    delete from public.webhook_debug_calls where request_id = '${order.order_id}'; delete from public.stock_alerts where account_size = ${order.account_size} and threshold = 5 and available = 1`);
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
    const may = http.error ? http.error !== '42501' : http.rows === null || !Array.isArray(http.rows) || http.rows.length > 0;
    if (sql.error?.startsWith('42501')) assert.equal(http.status, who.claims.role === 'anon' ? 401 : 403, what);
    assert.ok(http.status < 500, `${what}: ${JSON.stringify(http)}`);
    delete http.status;
    try {
      assert.deepEqual(seenAs(http), seenAs(sql), what);
      return { done: !sql.error, may, ...http };
    } catch (error) {
      if (n === TRIES) throw error;
    }
  }
}

const shown = (columns, pk) => [...new Set([...columns, ...pk])];
/** Another value than a row has, where one is easily made. */
const changed = ({ row, kinds }, column) => {
  const now = row[column], { kind, labels } = kinds[column];
  const one = labels.find((label) => label !== now);
  const others = { B: () => !now, N: () => Number(now ?? 0) + 1, S: () => one ?? `${now ?? ''}x`, D: () => '2001-01-01', E: () => one, uuid: () => '00000000-0000-4000-8000-000000000000' };
  return others[kind] ? others[kind]() : now;
};
const list = (columns) => columns.map(quoted).join(', ');
const keyOf = ({ pk, row }) => Object.fromEntries(pk.map((name) => [name, `eq.${row?.[name] ?? '00000000-0000-4000-8000-000000000000'}`]));
const whereKey = ({ pk, row }, from) => [pk.map((name, i) => `${quoted(name)} = $${from + i}`).join(' and '), pk.map((name) => row[name])];

/** Everybody asks: how often it was done, and the letters of those who may. */
async function everybody(ask, may = (how) => how.may) {
  const all = { done: 0, who: '' };
  for (const [name, who] of Object.entries(callers)) {
    const how = await ask(name, who);
    all.done += how.done;
    if (may(how)) all.who += LETTERS[name];
  }
  return all;
}
const together = (...words) => Object.values(LETTERS).filter((letter) => words.some((word) => word.includes(letter))).join('');
/** Columns by who may change them: {letters: columns}, "*": all there are. */
function byWho(columns) {
  const found = {};
  for (const [column, who] of columns) if (who) found[who] = found[who] ? `${found[who]} ${column}` : column;
  const [only] = Object.keys(found);
  return Object.keys(found).length === 1 && found[only].split(' ').length === columns.length ? { [only]: '*' } : found;
}

test('who reads what', async () => {
  let done = 0;
  for (const { name, columns, pk, row } of tables) {
    const all = await everybody((caller, who) => same(`${caller}: ${name}`, who,
      ['GET', `/${name}`, { select: shown(columns, pk).join(','), order: pk.join(',') }],
      [`select coalesce(json_agg(x), '[]') as found from (select ${list(shown(columns, pk))} from public.${quoted(name)} order by ${list(pk)}) as x`]),
    ({ rows: found }) => found?.some((one) => pk.every((column) => String(one[column]) === String(row[column]))));
    done += all.done;
    seen.tables[name] = { reads: all.who };
  }
  assert.ok(done > 100, `${done} times something was read`);
});

test('who inserts what', async () => {
  for (const { name, columns, row, pk, given: usual } of tables) {
    seen.tables[name].adds = '';
    for (const some of [[], columns, columns.filter((c) => c === 'user_id'), columns.filter((c) => usual.includes(c))]) {
      const body = Object.fromEntries(some.map((c) => [c, row[c]]));
      const given = Object.keys(body);
      const values = given.length ? `(${list(given)}) select ${list(given)} from json_populate_record(null::public.${quoted(name)}, $1::json)` : 'default values';
      const { who: may } = await everybody((caller, who) => same(`${caller}: ${name} ${given}`, who, ['POST', `/${name}`, { select: pk.join(',') }, body],
        [`with w as (insert into public.${quoted(name)} ${values} returning ${list(pk)}) select coalesce(json_agg(w), '[]') as found from w`,
          given.length ? [JSON.stringify(body)] : []]), ({ error, rows: added }) => /^2350[235]$/.test(error) || added?.length > 0); // (policies come before these)
      seen.tables[name].adds = together(seen.tables[name].adds, may);
    }
  }
});

test('who changes what, column by column', async () => {
  let done = 0;
  for (const table of tables) {
    const [where, key] = whereKey(table, 2), columns = [];
    for (const column of table.columns) {
      const body = { [column]: changed(table, column) };
      // Whoever has no right to any column is refused for each as for the first.
      const all = await everybody((caller, who) => (column !== table.columns[0] && !table.changers.includes(who.claims.role)) ? { done: false, may: false } : same(`${caller}: ${table.name}.${column}`, who,
        ['PATCH', `/${table.name}`, { ...keyOf(table), select: table.pk.join(',') }, body],
        [`with w as (update public.${quoted(table.name)} set ${quoted(column)} = (json_populate_record(null::public.${quoted(table.name)}, $1::json)).${quoted(column)}
          where ${where} returning ${list(table.pk)}) select coalesce(json_agg(w), '[]') as found from w`, [JSON.stringify(body), ...key]]));
      done += all.done;
      columns.push([column, all.who]);
    }
    seen.tables[table.name].changes = byWho(columns);
  }
  assert.ok(done > 100, `${done} times nothing stood against it`);
});

test('who deletes what', async () => {
  for (const table of tables) {
    const [where, key] = whereKey(table, 1);
    const { who: may } = await everybody((caller, who) => same(`${caller}: ${table.name}`, who, ['DELETE', `/${table.name}`, { ...keyOf(table), select: table.pk.join(',') }],
      [`with w as (delete from public.${quoted(table.name)} where ${where} returning ${list(table.pk)}) select coalesce(json_agg(w), '[]') as found from w`, key]));
    seen.tables[table.name].deletes = may;
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
      const all = await everybody((caller, who) => same(`${caller}: ${name}(${JSON.stringify(given)})`, who, ['POST', `/rpc/${name}`, {}, body],
        [`select ${found}`, given], name === 'generate_order_id' ? madeUp : plain), ({ may, rows: answer }) => may || (answer !== undefined));
      done += all.done;
      seen.calls[name] = together(seen.calls[name] ?? '', all.who);
    }
  }
  assert.ok(done > 50, `${done} calls went through`);
});

test('nothing else is served', async () => {
  const { json } = await connection.request('GET', { params: { PATH_INFO: '/', HTTP_APIKEY: serviceKey, HTTP_AUTHORIZATION: `Bearer ${serviceKey}` } });
  const served = Object.keys(json.paths).filter((path) => path !== '/');
  assert.deepEqual(served.sort(), [...tables.map(({ name }) => `/${name}`), ...functions.map(({ name }) => `/rpc/${name}`)].sort());
});

test('who may is who is written down', () => {
  assert.deepEqual(seen.tables, rightsOf);
  assert.deepEqual(seen.calls, calls);
});
