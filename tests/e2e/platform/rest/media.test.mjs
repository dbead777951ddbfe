// Media types of a schema's own: what functions return as a domain named like one, and what aggregates make of rows.
// system: shared
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { rows } from '../../lib/db.mjs';
import { Private } from '../../lib/process.mjs';
import { serviceKey } from '../../lib/system.mjs';

const schema = `media_${process.pid}`;
let service;

before(async () => {
  await rows(`begin; create schema ${schema}; set local search_path = ${schema};
    create domain "text/html" as text; create domain "text/plain" as text; create domain "image/png" as bytea;
    create domain "application/x-lines" as bytea; create domain "text/x-count" as text; create domain "text/csv" as text; create domain "*/*" as bytea;
    create table people (id int primary key, name text); insert into people values (1, 'Ada'), (2, 'Bo');
    create table files (id int primary key, body text); insert into files values (1, 'x'), (2, 'y');
    create function page(p_title text) returns "text/html" language sql stable as $$select format('<h1>%s</h1>', p_title)::"text/html"$$;
    create function note() returns "text/plain" language sql stable as $$select '\\x41 is no hex'$$;
    create function dot() returns "image/png" language sql stable as $$select '\\x89504e4700ff0a'::bytea$$;
    create function nothing() returns "image/png" language sql stable as $$select null::bytea$$;
    create function any_file() returns "*/*" language plpgsql as $$begin
      perform set_config('response.headers', '[{"Content-Type": "application/zip"}]', true); return '\\x504b'::bytea; end$$;
    create function found() returns setof people language sql stable as 'select * from people where id = 2';
    create function lines_step(bytea, people) returns bytea language sql immutable as $$select $1 || convert_to($2.id || '=' || $2.name || E'\\n', 'UTF8')$$;
    create function lines_end(bytea) returns "application/x-lines" language sql immutable as 'select $1';
    create aggregate lines(people) (sfunc = lines_step, stype = bytea, finalfunc = lines_end, initcond = '');
    create function count_step(text, anyelement) returns text language sql immutable as $$select ($1::int + 1)::text$$;
    create function count_end(text) returns "text/x-count" language sql immutable as 'select $1';
    create aggregate counted(anyelement) (sfunc = count_step, stype = text, finalfunc = count_end, initcond = '0');
    create function csv_step(text, people) returns text language sql immutable as $$select $1 || $2.name || ';'$$;
    create function csv_end(text) returns "text/csv" language sql immutable as 'select $1';
    create aggregate as_csv(people) (sfunc = csv_step, stype = text, finalfunc = csv_end, initcond = 'own:');
    create function files_step(bytea, files) returns bytea language sql immutable as $$select $1 || convert_to($2.body, 'UTF8')$$;
    create function files_end(bytea) returns "*/*" language sql immutable as 'select $1';
    create aggregate whole(files) (sfunc = files_step, stype = bytea, finalfunc = files_end, initcond = '');
    grant usage on schema ${schema} to service_role; grant all on all tables in schema ${schema} to service_role; commit`);
  service = await Private.start('rest', { REST_SCHEMAS: schema, RATE_LIMIT: 'false' });
});

after(async () => {
  await service.stop();
  await rows(`drop schema if exists ${schema} cascade`);
});

const ask = (method, path, accept, { body, prefer } = {}) => {
  const [name, query = ''] = path.split('?');
  return service.ask(method, {
    body: body ? JSON.stringify(body) : '',
    params: { PATH_INFO: name, QUERY_STRING: query, HTTP_APIKEY: serviceKey, HTTP_AUTHORIZATION: `Bearer ${serviceKey}`, HTTP_ACCEPT: accept,
      CONTENT_TYPE: body ? 'application/json' : '', ...(prefer && { HTTP_PREFER: prefer }) },
  });
};
const is = (got, type, text, status = 200) => assert.deepEqual([got.status, got.headers['content-type'], got.text], [status, type, text]);

test('what a function returns as a media type is the body as it is', async () => {
  is(await ask('GET', '/rpc/page?p_title=Hi', 'text/html'), 'text/html', '<h1>Hi</h1>');
  is(await ask('POST', '/rpc/page', 'text/html, */*;q=0.1', { body: { p_title: 'Ho' } }), 'text/html', '<h1>Ho</h1>');
  is(await ask('GET', '/rpc/note', 'text/plain'), 'text/plain; charset=utf-8', '\\x41 is no hex');
  is(await ask('GET', '/rpc/page?p_title=Hi', '*/*'), 'application/json; charset=utf-8', '"<h1>Hi</h1>"');
  is(await ask('HEAD', '/rpc/note', 'text/plain'), 'text/plain; charset=utf-8', '');
});

test('bytes are bytes', async () => {
  const got = await ask('GET', '/rpc/dot', 'image/png');
  assert.deepEqual([got.status, got.headers['content-type'], got.headers['content-length']], [200, 'image/png', '7']);
  assert.match(got.text, /PNG\0/);
  is(await ask('GET', '/rpc/nothing', 'image/png'), 'image/png', '');
});

test('a function of every type answers all of them, and may say which it is', async () => {
  for (const accept of ['*/*', 'application/zip', 'application/json', 'video/mp4'])
    is(await ask('POST', '/rpc/any_file', accept), 'application/zip', 'PK');
});

test('an aggregate over rows of a table makes its answers, those of functions and of writes too', async () => {
  const type = 'application/x-lines';
  is(await ask('GET', '/people?order=id', type), type, '1=Ada\n2=Bo\n');
  is(await ask('GET', '/people?id=eq.1', `image/gif, ${type};q=0.5`), type, '1=Ada\n');
  is(await ask('GET', '/people?id=eq.9', type), type, '');
  is(await ask('GET', '/rpc/found', type), type, '2=Bo\n');
  is(await ask('PATCH', '/people?id=eq.2', type, { body: { name: 'Bo' }, prefer: 'return=representation' }), type, '2=Bo\n');
  assert.equal((await ask('PATCH', '/people?id=eq.2', type, { body: { name: 'Bo' } })).status, 204);
  assert.equal((await ask('GET', '/people?order=id', 'application/json')).json.length, 2);
});

test('it takes whole rows: with another select there is no such type', async () => {
  const got = await ask('GET', '/people?select=id', 'application/x-lines');
  assert.deepEqual([got.status, got.json.code], [406, 'PGRST107']);
  assert.equal((await ask('GET', '/files', 'text/plain')).headers['content-type'], 'application/octet-stream');
  assert.equal((await ask('GET', '/files?select=id', 'text/plain')).status, 406);
});

test('one for any row serves every table and select; one of a builtin type takes its place', async () => {
  is(await ask('GET', '/people', 'text/x-count'), 'text/x-count', '2');
  is(await ask('GET', '/people?select=name&id=eq.1', 'text/x-count'), 'text/x-count', '1');
  is(await ask('GET', '/people?order=id', 'text/csv'), 'text/csv; charset=utf-8', 'own:Ada;Bo;');
  is(await ask('GET', '/people?select=id&order=id', 'text/csv'), 'text/csv; charset=utf-8', 'id\n1\n2');
});

test('geo+json is what PostGIS makes of the rows, if it is there', async () => {
  const type = 'application/geo+json';
  const without = await ask('GET', '/people?select=id', type);
  assert.deepEqual([without.status, without.json.code, without.json.message], [404, '42883', 'function st_asgeojson(record) does not exist']);
  // In PostGIS's place, whose function takes any row too.
  await rows(`create function ${schema}.st_asgeojson(record) returns text language plpgsql as $$ begin
    return json_build_object('type', 'Feature', 'geometry', null, 'properties', row_to_json($1)); end $$`);
  const collection = (...all) => ({ type: 'FeatureCollection', features: all.map((properties) => ({ type: 'Feature', geometry: null, properties })) });
  for (const [path, ...all] of [['/people?order=id', { id: 1, name: 'Ada' }, { id: 2, name: 'Bo' }], ['/people?select=name&id=eq.1', { name: 'Ada' }], ['/people?id=eq.9'], ['/rpc/found', { id: 2, name: 'Bo' }]]) {
    const got = await ask('GET', path, `${type}, */*;q=0.1`);
    assert.deepEqual([got.status, got.headers['content-type'], got.json], [200, 'application/geo+json; charset=utf-8', collection(...all)], got.text);
  }
  const head = await ask('HEAD', '/people', type);
  assert.deepEqual([head.status, head.headers['content-type'], head.headers['content-range']], [200, 'application/geo+json; charset=utf-8', '0-1/*']);
  const changed = await ask('PATCH', '/people?id=eq.2', type, { body: { name: 'Bo' }, prefer: 'return=representation' });
  assert.deepEqual([changed.status, changed.json], [200, collection({ id: 2, name: 'Bo' })]);
  assert.equal((await ask('PATCH', '/people?id=eq.2', type, { body: { name: 'Bo' } })).status, 204);
});

test('one for every type of a table answers all that is asked, but the types of the API itself', async () => {
  for (const accept of ['*/*', 'application/json', 'image/gif'])
    is(await ask('GET', '/files?order=id', accept), 'application/octet-stream', 'xy');
  assert.deepEqual((await ask('GET', '/files?id=eq.1', 'application/vnd.pgrst.object+json')).json, { id: 1, body: 'x' });
});
