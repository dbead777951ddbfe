// ./deploy.sh types: TypeScript types of a schema, to the letter.
// system: shared
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { rows } from '../../lib/db.mjs';
import { deploy } from '../../lib/system.mjs';

const schema = `types_${process.pid}`;

before(async () => {
  await rows(`begin; create schema ${schema}; set local search_path = ${schema};
    create type mood as enum ('sad', 'so "so"'); create type price as (amount numeric, "in" text); create domain email as text;
    create table people (id bigint generated always as identity primary key, name text not null, mail email, mood mood,
      moods mood[] not null default '{}', meta jsonb, "e-mail" text, length interval, initials text generated always as (left(mail, 1)) stored);
    create table orders (id int primary key default 1, person_id bigint not null references people, total numeric(10, 2), paid price);
    create table passports (person_id bigint primary key references people);
    create view paid as select id, person_id, total * 2 as twice from orders where total > 0;
    create materialized view sums as select sum(total) from orders;
    create function add(a int, b int default 1) returns int language sql as 'select a + b';
    create function buyers(p_mood mood) returns setof people language sql as 'select * from people';
    create function echo(json) returns json language sql as 'select $1';
    create function initial(people) returns text language sql as 'select left($1.name, 1)';
    create function over() returns void language sql as 'select';
    create function over(x uuid[]) returns price language sql as 'select null::price';
    create function pairs() returns table (a int, b mood[]) language sql as $$select 1, '{}'::mood[]$$;
    create function tell() returns trigger language plpgsql as 'begin return null; end';
    create procedure run() language sql as ''; commit`);
});

after(() => rows(`drop schema if exists ${schema}, ${schema}_empty cascade`));

const types = async (...args) => {
  const { status, stdout, stderr } = await deploy('types', ...args);
  assert.equal(status, 0, stderr);
  return stdout;
};

test('tables, views, functions, enums and composite types', async () => {
  const golden = readFileSync(new URL('types.golden.ts', import.meta.url), 'utf8').replaceAll('SCHEMA', schema);
  assert.equal(await types(schema), golden);
});

test('nothing of nothing', async () => {
  await rows(`create schema ${schema}_empty`);
  const text = await types(`${schema}_empty`);
  for (const member of ['Tables', 'Views', 'Functions', 'Enums', 'CompositeTypes'])
    assert.ok(text.includes(`    ${member}: {\n      [_ in never]: never\n    }\n`), text);
});

test('without a schema the one that is served', async () => {
  const text = await types();
  assert.match(text, /^export type Json = [^]*\n {2}public: \{\n {4}Tables: \{\n/);
  assert.equal(text.split('{').length, text.split('}').length);
});

test('a schema that is not there, and too many words', async () => {
  const none = await deploy('types', 'nope');
  assert.equal(none.status, 1);
  assert.match(none.stderr, /there is no schema 'nope'/);
  assert.equal((await deploy('types', 'a', 'b')).status, 2);
});
