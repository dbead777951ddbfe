// Many people on few connections: each answer is that of whoever asked, and no claim, role or setting
// of one request is there in the next, also when those before it failed, hung up or took too long.
// Seconds; FFX_LONG=1 a minute.
// system: shared
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { rows, value } from '../../lib/db.mjs';
import { requestBytes } from '../../lib/fcgi.mjs';
import { Private } from '../../lib/process.mjs';
import { anonKey } from '../../lib/system.mjs';
import { mint } from '../../lib/tokens.mjs';
import { makeUser } from '../../lib/users.mjs';

const DURATION_MS = process.env.FFX_LONG ? 60_000 : 4_000;
const CLIENTS = process.env.FFX_LONG ? 64 : 32;
const PEOPLE = 64;
const schema = `isolation_${process.pid}`;
const people = [];
let service;

before(async () => {
  for (let n = 0; n < PEOPLE; n++) people.push({ ...(await makeUser()), name: `person-${n}` });
  await rows(`create schema ${schema}`);
  await rows(`begin; set local search_path = ${schema};
    create table mine (id bigint generated always as identity primary key, owner uuid not null default auth.uid(), label text, unique (owner, label));
    alter table mine enable row level security;
    create policy own on mine for all to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
    create view settings with (security_invoker) as select auth.uid() as sub, current_user::text as role, current_setting('request.jwt.claims')::json ->> 'name' as name,
      current_setting('request.method') as method, current_setting('request.path') as path, current_setting('request.headers')::json ->> 'x-who' as who,
      current_setting('request.cookies')::json ->> 'who' as cookie, current_setting('timezone') as zone, current_setting('statement_timeout') as patience,
      nullif(current_setting('response.status', true), '') as status, nullif(current_setting('response.headers', true), '') as headers,
      nullif(current_setting('pgrst.inserted', true), '') as inserted, nullif(current_setting('stain.who', true), '') as stain,
      current_setting('search_path') as path_of_schemas, current_setting('transaction_read_only') as read_only;
    create function stain(who text) returns text language plpgsql as $$ begin
      perform set_config('stain.who', who, true), set_config('response.status', '202', true), set_config('response.headers', '[{"X-Who":"' || who || '"}]', true);
      return who; end $$;
    create function boom(who text) returns text language plpgsql as $$ begin perform set_config('stain.who', who, true); raise exception 'boom of %', who; end $$;
    create function slow(who text) returns text language plpgsql set statement_timeout = '60ms' as $$ begin perform set_config('stain.who', who, true), pg_sleep(30); return who; end $$;
    create function lasting(who text) returns text language plpgsql as $$ begin perform set_config('stain.who', who, true), pg_sleep(0.2); return who; end $$;
    grant usage on schema ${schema} to authenticated, anon; grant all on mine to authenticated; grant select on settings to authenticated, anon;
    grant execute on all functions in schema ${schema} to authenticated;
    insert into mine (owner, label) select id, id::text || n from unnest('{${people.map(({ id }) => id)}}'::uuid[]) as id, generate_series(1, 200) as n; commit`);
  service = await Private.start('rest', { REST_SCHEMAS: schema, RATE_LIMIT: 'false', DB_CONNECTIONS: '3', REST_MAX_ROWS: '0' });
});
after(async () => {
  await service?.stop();
  await rows(`drop schema if exists ${schema} cascade`);
});

const zones = ['Asia/Tokyo', 'America/Lima', undefined];
const usualZone = () => value(`select setting from pg_settings where name = 'TimeZone'`);

/** What somebody asks, and what has to come of it. */
const requests = {
  async settings(ask, who) {
    const zone = zones[Math.floor(Math.random() * zones.length)];
    const { status, json } = await ask('GET', '/settings', { prefer: zone && `timezone=${zone}` });
    assert.equal(status, 200);
    const [{ patience, ...seen }] = json;
    assert.deepEqual(seen, {
      sub: who.id, role: 'authenticated', name: who.name, method: 'GET', path: '/settings', who: who.name, cookie: who.name, zone: zone ?? who.zone,
      status: null, headers: null, inserted: null, stain: null, path_of_schemas: seen.path_of_schemas, read_only: 'on',
    });
    assert.notEqual(patience, '60ms');
  },
  async nobody(ask) {
    const { json } = await ask('GET', '/settings', { token: anonKey });
    assert.deepEqual([json[0].sub, json[0].role, json[0].name, json[0].stain], [null, 'anon', null, null]);
  },
  async rows(ask, who) {
    const { json } = await ask('GET', '/mine?select=owner');
    assert.ok(json.length >= 200 && json.every(({ owner }) => owner === who.id), 'own rows alone');
  },
  async others(ask, who, other) {
    const { json } = await ask('GET', `/mine?owner=eq.${other.id}`);
    assert.equal(json.length, other === who ? json.length : 0, 'nothing of somebody else');
  },
  async upsert(ask, who) {
    const label = `label-${Math.floor(Math.random() * 3)}`;
    const { status, json } = await ask('POST', '/mine?on_conflict=owner,label&select=owner', { body: [{ label }], prefer: 'resolution=merge-duplicates, return=representation' });
    assert.ok(status === 200 || status === 201);
    assert.deepEqual(json, [{ owner: who.id }]);
  },
  async foreign(ask, who, other) {
    const { status, json } = await ask('POST', '/mine', { body: { owner: other.id, label: `x${Math.random()}` } });
    assert.deepEqual([status, json?.code], other === who ? [201, undefined] : [403, '42501']);
  },
  async stain(ask, who) {
    const { status, json, headers } = await ask('POST', '/rpc/stain', { body: { who: who.name } });
    assert.deepEqual([status, json, headers['x-who']], [202, who.name, who.name]);
  },
  async boom(ask, who) {
    const { status, json } = await ask('POST', '/rpc/boom', { body: { who: who.name } });
    assert.deepEqual([status, json.message], [400, `boom of ${who.name}`]);
  },
  async slow(ask, who) {
    const { status, json } = await ask('POST', '/rpc/slow', { body: { who: who.name } });
    assert.deepEqual([status, json.code], [500, '57014']);
  },
};

test(`${CLIENTS} clients, ${PEOPLE} people, 3 connections`, async () => {
  const zone = await usualZone();
  for (const one of people) {
    one.zone = zone;
    one.token = mint({ sub: one.id, role: 'authenticated', aud: 'authenticated', name: one.name, exp: 4e9 });
  }
  const end = Date.now() + DURATION_MS;
  const counts = {};
  await Promise.all(Array.from({ length: CLIENTS }, async () => {
    let connection = await service.open();
    const anybody = () => people[Math.floor(Math.random() * PEOPLE)];
    while (Date.now() < end) {
      const who = anybody();
      const bytes = (method, path, { body, prefer, token = who.token } = {}) => {
        const [name, query = ''] = path.split('?');
        const params = { PATH_INFO: name, QUERY_STRING: query, HTTP_APIKEY: anonKey, HTTP_AUTHORIZATION: `Bearer ${token}`, HTTP_X_WHO: who.name, HTTP_COOKIE: `a=b; who=${who.name}` };
        if (prefer) params.HTTP_PREFER = prefer;
        return requestBytes(method, { params, body: body === undefined ? '' : JSON.stringify(body) });
      };
      const names = [...Object.keys(requests), 'hangup'];
      const kind = names[Math.floor(Math.random() * names.length)];
      counts[kind] = (counts[kind] ?? 0) + 1;
      if (kind === 'hangup') {
        await connection.write(Math.random() < 0.5 ? bytes('POST', '/rpc/lasting', { body: { who: who.name } }) : bytes('GET', '/mine'));
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
        connection.close();
        connection = await service.open();
        continue;
      }
      await requests[kind](async (...request) => {
        await connection.write(bytes(...request));
        return connection.answer(30_000);
      }, who, anybody());
    }
    connection.close();
  }));
  for (const [kind, count] of Object.entries(counts)) assert.ok(count > 5, `${kind}: ${count}`);
  const { code } = await service.stop();
  service = null;
  assert.equal(code, 0);
});
