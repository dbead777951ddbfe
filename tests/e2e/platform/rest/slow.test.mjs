// Statements that take long: the log tells their shape and plan, once, and nothing that a caller knows.
// system: shared
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { rows, value } from '../../lib/db.mjs';
import { requestBytes } from '../../lib/fcgi.mjs';
import { Private } from '../../lib/process.mjs';
import { anonKey, serviceKey } from '../../lib/system.mjs';
import { makeUser } from '../../lib/users.mjs';
import { until } from '../../lib/wait.mjs';

const SECRET = 'geheim4711';
const schema = `slow_${process.pid}`;
let token;

before(async () => {
  ({ token } = await makeUser());
  await rows(`create schema ${schema}`);
  await rows(`begin; set local search_path = ${schema};
    create table heap (id int primary key, name text, doc jsonb); insert into heap select n, 'name ' || n, '{}' from generate_series(1, 5) as n;
    create table members (person uuid); create table guarded (id int primary key, name text); insert into guarded values (1, 'a');
    alter table guarded enable row level security;
    create policy theirs on guarded to authenticated using (exists (select from members where person = auth.uid()) or name = 'a');
    create view patiently with (security_invoker) as select * from guarded where pg_sleep(0.4) is not null;
    create view sluggish as select * from heap where pg_sleep(0.1) is not null;
    create table written (id int primary key generated always as identity, name text);
    create function drag() returns trigger language plpgsql as $$ begin perform pg_sleep(0.4); return new; end $$;
    create trigger drag before insert on written for each row execute function drag();
    create function report(word text) returns setof heap language sql stable as $$ select * from heap where name <> word and pg_sleep(0.1) is not null $$;
    create function endless(word text) returns int language plpgsql stable set statement_timeout = '400ms' as $$ begin perform pg_sleep(30); return 1; end $$;
    create function left_alone(word text) returns setof int language plpgsql stable as $$ begin perform pg_sleep(30); end $$;
    grant usage on schema ${schema} to authenticated, service_role; grant all on all tables in schema ${schema} to authenticated, service_role;
    grant execute on all functions in schema ${schema} to authenticated, service_role; commit`);
});
after(() => rows(`drop schema if exists ${schema} cascade`));

/** With a service of its own, for lines are rare; no secret stands in its log, whatever is done. */
const withService = async (work, settings = {}) => {
  const service = await Private.start('rest', { REST_SCHEMAS: schema, RATE_LIMIT: 'false', REST_SLOW_MS: '200', ...settings });
  const params = (path, { who = token, prefer } = {}) => {
    const [name, query = ''] = path.split('?');
    const all = { PATH_INFO: name, QUERY_STRING: query, HTTP_APIKEY: who === token ? anonKey : who, HTTP_AUTHORIZATION: `Bearer ${who}` };
    return prefer ? { ...all, HTTP_PREFER: prefer } : all;
  };
  const lines = () => service.log().split('\n').filter((line) => line.includes('"slow_statement"')).map((line) => JSON.parse(line));
  const send = (method, path, { body, ...more } = {}) => service.ask(method, { params: params(path, more), body: body === undefined ? '' : JSON.stringify(body) });
  const start = async (path) => {
    const connection = await service.open();
    await connection.write(requestBytes('GET', { params: params(path) }));
    return connection;
  };
  try {
    await work({ send, lines, start });
    assert.doesNotMatch(service.log(), new RegExp(SECRET));
  } finally {
    await service.stop();
  }
};
/** The one line, without what differs from time to time. */
const only = ({ level, request_id, data: { duration_ms, ...data }, ...others }) => {
  assert.equal(level, 'warn');
  assert.match(request_id, /^[0-9a-f]{32}$/);
  assert.ok(duration_ms >= 200 && duration_ms < 30_000);
  assert.equal(others.error, undefined);
  return data;
};

test('a view that is read from one end to the other, and nothing of what is quick', () => withService(async ({ send, lines }) => {
  assert.equal((await send('GET', '/heap?id=eq.1')).status, 200);
  assert.deepEqual(lines(), []);
  assert.equal((await send('GET', `/sluggish?select=id,name&name=neq.${SECRET}&doc->>${SECRET}=is.null&limit=50`)).status, 200);
  const [line, ...more] = lines();
  assert.deepEqual(more, []);
  const { plan, ...data } = only(line);
  assert.deepEqual(data, { method: 'GET', path: '/sluggish', parameters: 'select,name,doc,limit', role: 'authenticated', others: 0 });
  assert.match(plan, /^Aggregate ~1 \(.*Seq Scan on heap ~\d+/);
}));

test('a list that is sent row by row', () => withService(async ({ send, lines }) => {
  const { status, json } = await send('GET', `/sluggish?name=neq.${SECRET}`, { prefer: 'count=planned' });
  assert.deepEqual([status === 200 || status === 206, json.length], [true, 5]);
  assert.match(only(lines()[0]).plan, /Seq Scan on heap/);
}));

test('a shape is told once, and other shapes not at once', () => withService(async ({ send, lines }) => {
  for (const path of ['/rpc/report?word=a', '/rpc/report?word=b', '/sluggish']) assert.equal((await send('GET', path)).status, 200);
  assert.deepEqual(lines().map((line) => only(line).path), ['/rpc/report']);
}));

test('a function', () => withService(async ({ send, lines }) => {
  assert.equal((await send('POST', '/rpc/report', { body: { word: SECRET } })).json.length, 5);
  const { plan, path, parameters } = only(lines()[0]);
  assert.deepEqual([path, parameters], ['/rpc/report', '']);
  assert.match(plan, /Seq Scan on heap/, 'what it does, where PostgreSQL looks into it');
}));

test('a write is planned, and not done again', () => withService(async ({ send, lines }) => {
  assert.equal((await send('POST', '/written', { body: { name: SECRET }, prefer: 'return=representation' })).status, 201);
  assert.match(only(lines()[0]).plan, /ModifyTable on written/);
  assert.equal(await value(`select count(*)::int from ${schema}.written`), 1);
}));

test("the plan is the caller's, with the policies of its role", async () => {
  const planOf = async (who) => {
    let plan;
    await withService(async ({ send, lines }) => {
      assert.equal((await send('GET', `/patiently?name=neq.${SECRET}`, { who })).status, 200);
      plan = only(lines()[0]).plan;
    });
    return plan;
  };
  assert.match(await planOf(token), /Scan on members/);
  assert.doesNotMatch(await planOf(serviceKey), /Scan on members/);
});

test('one that took too long, and one whose caller left', () => withService(async ({ send, lines, start }) => {
  const { status, json } = await send('GET', `/rpc/endless?word=${SECRET}`);
  assert.deepEqual([status, json.code], [500, '57014'], 'the answer is that of the statement');
  assert.equal(only(lines()[0]).path, '/rpc/endless');
  await withService(async (other) => {
    const connection = await other.start(`/rpc/left_alone?word=${SECRET}`);
    await until(() => value(`select exists (select from pg_stat_activity where query like '%left_alone%' and pid <> pg_backend_pid() and state = 'active' and query_start < clock_timestamp() - interval '300 ms')`), 'it runs for a while');
    connection.close();
    await until(() => other.lines().length > 0, 'it is told');
    assert.match(only(other.lines()[0]).plan, /^Aggregate ~1 \(/);
  });
}));

test('it can be switched off', () => withService(async ({ send, lines }) => {
  assert.equal((await send('GET', '/sluggish')).status, 200);
  assert.deepEqual(lines(), []);
}, { REST_SLOW_MS: '0' }));
