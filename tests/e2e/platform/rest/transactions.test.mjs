// What a role and a function say of their transactions: how isolated they are, and how long their
// statements may take; and what of it is left for the next request: nothing.
// system: shared
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { as, rows, value } from '../../lib/db.mjs';
import { Private } from '../../lib/process.mjs';
import { anonKey } from '../../lib/system.mjs';
import { mint } from '../../lib/tokens.mjs';
import { makeUser } from '../../lib/users.mjs';
import { until } from '../../lib/wait.mjs';

const schema = `transactions_${process.pid}`;
const services = {};
let token;

/** The settings of a role are read with the schema: a service that starts now has them. */
async function startWith(settings, more = {}) {
  const kept = await rows(`select substring(c, '^[^=]+') as name, substring(c, '=(.*)$') as value from pg_roles, unnest(rolconfig) as c where rolname = 'authenticated'`);
  await rows(`do $$ begin ${settings.map((s) => `alter role authenticated set ${s};`).join(' ')} end $$`);
  try {
    const service = await Private.start('rest', { REST_SCHEMAS: schema, RATE_LIMIT: 'false', DB_CONNECTIONS: '2', ...more });
    await service.ask('GET', { params: { PATH_INFO: '/thing', HTTP_APIKEY: anonKey } }); // it is loaded with the first request
    return service;
  } finally {
    await rows(`do $$ begin alter role authenticated reset all; ${kept.map(({ name, value: text }) => `alter role authenticated set ${name} = '${text}';`).join(' ')} end $$`);
  }
}

before(async () => {
  ({ token } = await makeUser());
  await rows(`create schema ${schema}`);
  await rows(`begin; set local search_path = ${schema};
    create table thing (id int primary key, n int not null default 0); insert into thing values (1);
    create view how as select current_setting('transaction_isolation') as level, current_setting('transaction_read_only') as read_only;
    create function usual() returns setof how language sql stable as $$ select * from how $$;
    create function strict() returns setof how language sql stable set default_transaction_isolation = 'SERIALIZABLE' as $$ select * from how $$;
    create function loose() returns setof how language sql volatile set default_transaction_isolation = 'read committed' as $$ select * from how $$;
    create function add_later() returns int language plpgsql set default_transaction_isolation = 'repeatable read' as $$ declare r int; begin
      perform pg_advisory_xact_lock(${process.pid}); update thing set n = n + 1 where id = 1 returning n into r; return r; end $$;
    create function add_usual() returns int language plpgsql as $$ declare r int; begin
      perform pg_advisory_xact_lock(${process.pid}); update thing set n = n + 1 where id = 1 returning n into r; return r; end $$;
    create function fails() returns int language sql set default_transaction_isolation = 'serializable' as $$ select 1 / 0 $$;
    create function lasting() returns int language plpgsql as $$ begin perform pg_sleep(30); return 1; end $$;
    create function patient() returns int language plpgsql set statement_timeout = '20s' as $$ begin perform pg_sleep(0.6); return 1; end $$;
    grant usage on schema ${schema} to anon, authenticated; grant all on all tables in schema ${schema} to anon, authenticated;
    grant execute on all functions in schema ${schema} to anon, authenticated; commit`);
  services.usual = await startWith([]);
  services.strict = await startWith([`default_transaction_isolation = 'repeatable read'`]);
  services.unprepared = await startWith([`default_transaction_isolation = 'serializable'`], { DB_PREPARE: '0' });
  services.hasty = await startWith([`statement_timeout = '300ms'`]);
});
after(async () => {
  for (const service of Object.values(services)) await service.stop();
  await rows(`drop schema if exists ${schema} cascade`);
});

const send = (of, method, path, { who = token, body = '', prefer, timeout } = {}) => {
  const [name, query = ''] = path.split('?');
  const params = { PATH_INFO: name, QUERY_STRING: query, HTTP_APIKEY: anonKey, HTTP_AUTHORIZATION: `Bearer ${who}` };
  if (prefer) params.HTTP_PREFER = prefer;
  return services[of].ask(method, { params, body }, timeout);
};
const level = async (...request) => {
  const { status, json, text } = await send(...request);
  assert.ok(status === 200 || status === 206, text);
  assert.equal(json.length, 1);
  return json[0].level;
};

test("a function's isolation is that of its transaction, whether it reads or writes", async () => {
  assert.equal(await level('usual', 'GET', '/rpc/strict'), 'serializable');
  assert.equal(await level('usual', 'POST', '/rpc/strict', { body: '{}' }), 'serializable');
  assert.equal(await level('usual', 'POST', '/rpc/loose', { body: '{}' }), 'read committed');
  const { json } = await send('usual', 'GET', '/rpc/strict');
  assert.equal(json[0].read_only, 'on');
});

test("a role's isolation is that of all it does", async () => {
  for (const path of ['/how', '/how?limit=1', '/rpc/usual']) assert.equal(await level('strict', 'GET', path), 'repeatable read', path);
  assert.equal(await level('strict', 'GET', '/how', { prefer: 'count=exact' }), 'repeatable read');
  assert.equal(await level('strict', 'GET', '/how', { prefer: 'count=planned' }), 'repeatable read');
  assert.equal(await level('strict', 'POST', '/rpc/usual', { body: '{}' }), 'repeatable read');
  assert.equal(await level('strict', 'GET', '/how', { who: anonKey }), 'read committed', 'and of nobody else');
});

test("a function's own goes before its role's", async () => {
  assert.equal(await level('strict', 'GET', '/rpc/strict'), 'serializable');
  assert.equal(await level('strict', 'POST', '/rpc/loose', { body: '{}' }), 'read committed');
});

test('nothing of it is left for the next request, also when one failed', async () => {
  for (let n = 0; n < 10; n++) {
    assert.equal((await send('usual', 'POST', '/rpc/fails', { body: '{}' })).json.code, '22012');
    assert.equal(await level('usual', 'GET', '/rpc/usual'), 'read committed');
    assert.equal(await level('usual', 'GET', '/rpc/strict'), 'serializable');
    assert.equal(await level('usual', 'GET', '/how'), 'read committed');
  }
});

test('more shapes than a connection keeps prepared, and none prepared', async () => {
  for (let n = 0; n < 80; n++) assert.equal(await level('strict', 'GET', `/how?select=level,a${n}:read_only&limit=1`), 'repeatable read');
  for (let n = 0; n < 4; n++) assert.equal(await level('unprepared', 'GET', '/how'), 'serializable');
});

test('what somebody else changed meanwhile is a conflict where it is repeatable read, and none where it is not', async () => {
  for (const [name, status, code] of [['add_later', 500, '40001'], ['add_usual', 200, undefined]]) {
    let asked;
    await as({ role: 'service_role' }, async (query) => {
      await query('select pg_advisory_xact_lock($1)', [process.pid]);
      asked = send('usual', 'POST', `/rpc/${name}`, { body: '{}' });
      await until(() => value(`select exists (select from pg_locks where locktype = 'advisory' and objid = ${process.pid} and not granted)`), 'it waits');
      await rows(`update ${schema}.thing set n = n + 10 where id = 1`);
    });
    const answer = await asked;
    assert.deepEqual([answer.status, answer.json?.code], [status, code], answer.text);
  }
  assert.equal(await value(`select n from ${schema}.thing`), 21);
});

test("a role's statements take no longer than it may", async () => {
  const began = Date.now();
  const { status, json } = await send('hasty', 'POST', '/rpc/lasting', { body: '{}', timeout: 20_000 });
  assert.deepEqual([status, json.code, json.message], [500, '57014', 'canceling statement due to statement timeout']);
  assert.ok(Date.now() - began < 10_000);
  assert.deepEqual((await send('hasty', 'POST', '/rpc/patient', { body: '{}' })).json, 1, "a function's own goes before its role's");
  assert.equal((await send('hasty', 'GET', '/thing?id=eq.1')).status, 200);
});
