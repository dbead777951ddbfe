// What somebody can learn of rows that row level security hides, without seeing them: by errors, by counts, by
// plans, by how long things take to be refused. What PostgreSQL or the data API keeps back, and what it tells by
// design (docs/data-api.md has it for those who write policies).
// system: shared
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { rows, value } from '../../lib/db.mjs';
import { Private } from '../../lib/process.mjs';
import { Served } from '../../lib/rest.mjs';
import { serviceKey } from '../../lib/system.mjs';
import { mint } from '../../lib/tokens.mjs';

const schema = `oracles_${process.pid}`;
const me = '00000000-0000-4000-8000-000000000001', other = '00000000-0000-4000-8000-000000000002';
const token = mint({ sub: me, role: 'authenticated', aud: 'authenticated', exp: 4e9 });
const HIDDEN = 5000, SEEN = 3;
let api;

before(async () => {
  api = await Served.start(schema, `
    create table notes (id int primary key, owner uuid not null default auth.uid(), code text unique, n int not null default 1, words text, during int4range,
      exclude using gist (during with &&));
    create table parents (id int primary key, owner uuid not null default auth.uid(), code text unique);
    create table children (id int primary key, owner uuid not null default auth.uid(), parent_id int references parents, parent_code text references parents (code));
    create table open_children (id int primary key, parent_id int references parents, size int check (size > 0));
    create table bookings (id int primary key, secret text, during int4range, exclude using gist (during with &&));
    create function fraction(notes) returns int language sql stable as $$ select 10 / $1.n $$;
    create function fraction_of(notes) returns int language plpgsql stable as $$ begin return 10 / $1.n; end $$;
    create function careless(notes) returns int language plpgsql stable leakproof cost 0.0001 as $$ begin return 10 / $1.n; end $$;
    create view mine as select id, code, words from notes where owner = auth.uid();
    create view mine_behind_a_barrier with (security_barrier) as select id, code, words from notes where owner = auth.uid();
    create function book(p_id int, p_during int4range) returns void language sql security definer set search_path from current as $$ insert into bookings (id, during) values (p_id, p_during) $$;
    insert into notes (id, owner, code, n, words) select i, '${other}', 'hidden ' || i, 0, 'secret words' from generate_series(1, ${HIDDEN}) as i;
    insert into notes (id, owner, code, n, words) select ${HIDDEN} + i, '${me}', 'mine ' || i, 2, 'my words' from generate_series(1, ${SEEN}) as i;
    update notes set during = '[10,20)' where id = 1;
    insert into parents values (1, '${other}', 'hidden parent'), (2, '${me}', 'my parent'); insert into children values (1, '${other}', 2, null), (2, '${other}', 1, 'hidden parent');
    insert into bookings values (1, 'x', '[10,20)');
    alter table notes enable row level security; alter table parents enable row level security; alter table children enable row level security; alter table bookings enable row level security;
    create policy own on notes to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
    create policy own on parents to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
    create policy own on children to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
    grant all on all tables in schema ${schema} to authenticated; revoke all on bookings from authenticated; grant execute on all functions in schema ${schema} to authenticated`);
  await rows(`analyze ${schema}.notes`);
});
after(() => api?.stop());

const ask = (method, path, query, more = {}) => api.ask(method, path, { query, token, ...more });
const post = (path, body, more) => ask('POST', path, '', { body, ...more });
/** Refused, and what is said shows none of these. */
const refused = (answer, status, code, details = null) => {
  assert.deepEqual([answer.status, answer.json?.code, answer.json?.details], [status, code, details], answer.text);
  assert.doesNotMatch(answer.text, /hidden|secret words|10,20/);
  return answer.json;
};

test('closed: what a filter raises it raises of visible rows alone', async () => {
  // n is 0 in every hidden row, and 2 in mine.
  for (const query of ['fraction=eq.5&select=n', 'fraction_of=eq.5&select=n', 'order=fraction_of&select=n', 'select=n&or=(fraction.gt.7,fraction_of.eq.5)']) {
    const { status, json, text } = await ask('GET', '/notes', query);
    assert.deepEqual([status, json], [200, Array(SEEN).fill({ n: 2 })], `${query}: ${text}`);
  }
  // A pattern that ends in its escape is an error where the text has all that comes before.
  assert.deepEqual((await ask('GET', '/notes', { words: 'like.secret\\' })).json, []);
  refused(await ask('GET', '/notes', { words: 'like.my\\' }), 400, '22025');
  refused(await ask('PATCH', '/notes', { words: 'like.my\\' }, { body: { n: 3 } }), 400, '22025');
  assert.equal((await ask('DELETE', '/notes', { words: 'like.secret\\' })).status, 204);
  // What is wrong with a value itself is so whatever rows there are.
  refused(await ask('GET', '/notes', 'n=eq.x&owner=is.null'), 400, '22P02');
});

test('open by design: a function that is called leakproof and raises, and a view of its owner without a barrier', async () => {
  refused(await ask('GET', '/notes', 'careless=eq.5'), 400, '22012'); // a hidden row was looked at
  refused(await ask('GET', '/mine', { words: 'like.secret\\' }), 400, '22025');
  assert.deepEqual((await ask('GET', '/mine', { words: 'like.Secret\\' })).json, [], 'no row begins so, also none that is hidden');
  assert.deepEqual((await ask('GET', '/mine_behind_a_barrier', { words: 'like.secret\\' })).json, [], 'with it nothing is told');
});

test('open by design: that a unique value is taken; closed: by what', async () => {
  const taken = refused(await post('/notes', { id: 9000, code: 'hidden 7' }), 409, '23505');
  assert.equal(taken.message, 'duplicate key value violates unique constraint "notes_code_key"');
  refused(await ask('PATCH', '/notes', `id=eq.${HIDDEN + 1}`, { body: { code: 'hidden 7' } }), 409, '23505');
  refused(await post('/notes', { id: 7 }), 409, '23505');
  // Upserts say it in their ways.
  const merge = { prefer: 'resolution=merge-duplicates' };
  assert.equal(refused(await post('/notes', { id: 7, n: 5 }, merge), 403, '42501').message, 'new row violates row-level security policy (USING expression) for table "notes"');
  const ignored = await post('/notes', { id: 7 }, { prefer: 'resolution=ignore-duplicates, return=representation' });
  assert.deepEqual([ignored.status, ignored.json], [201, []]);
  refused(await ask('PUT', '/notes', 'id=eq.7', { body: { id: 7, code: 'x' } }), 403, '42501');
  // An exclusion would show the row that is in the way.
  refused(await post('/notes', { id: 9000, during: '[15,16)' }), 400, '23P01', 'Key conflicts with existing key.');
  assert.equal(await value(`select n from ${schema}.notes where id = 7`), 0);
});

test('open by design: whether a row that a key leads to exists, and that one leads here', async () => {
  refused(await post('/children', { id: 10, parent_id: 77 }), 409, '23503', 'Key is not present in table "parents".');
  assert.equal((await post('/children', { id: 10, parent_id: 1 })).status, 201, 'a hidden parent is one');
  assert.deepEqual((await ask('GET', '/children', 'select=id,parents!parent_id(code)&id=eq.10')).json, [{ id: 10, parents: null }], 'which is not shown for it');
  refused(await post('/children', { id: 11, parent_code: 'no such' }), 409, '23503', 'Key is not present in table "parents".');
  refused(await ask('DELETE', '/parents', 'id=eq.2'), 409, '23503', 'Key is still referenced from table "children".');
  assert.equal((await ask('DELETE', '/parents', 'id=eq.1')).status, 204, 'what is hidden is as if it was not');
  assert.equal(await value(`select count(*)::int from ${schema}.parents`), 2);
});

test('closed: a row that is refused is shown where no policy is alone', async () => {
  const { details } = (await post('/open_children', { id: 1, size: 0 })).json;
  assert.equal(details, 'Failing row contains (1, null, 0).', 'without row level security');
  refused(await post('/notes', { id: 9000, n: null }), 400, '23502');
  assert.equal((await post('/open_children', { id: 1, parent_id: 77 })).json.details, 'Key (parent_id)=(77) is not present in table "parents".');
});

test('open by design: what a function with its owner\'s rights raises is told whole', async () => {
  const { status, json } = await post('/rpc/book', { p_id: 2, p_during: '[15,16)' });
  assert.deepEqual([status, json.code], [400, '23P01']);
  assert.equal(json.details, 'Key (during)=([15,16)) conflicts with existing key (during)=([10,20)).', 'a row that nobody may read');
});

test('closed: rows that are hidden are changed and deleted as if they were not there', async () => {
  for (const id of [7, 123456]) {
    const counted = { prefer: 'count=exact, return=representation' };
    for (const answer of [await ask('PATCH', '/notes', `id=eq.${id}`, { body: { n: 5 }, ...counted }), await ask('DELETE', '/notes', `id=eq.${id}`, counted)])
      assert.deepEqual([answer.status, answer.json, answer.headers['content-range']], [200, [], '*/0'], answer.text);
  }
});

const total = async (who, prefer, query, service = api.service) =>
  (await service.ask('GET', { params: { PATH_INFO: '/notes', QUERY_STRING: query, HTTP_APIKEY: serviceKey, HTTP_AUTHORIZATION: `Bearer ${who}`, HTTP_PREFER: prefer } })).headers['content-range'];

test('closed: counts are those of visible rows, estimates too', async () => {
  for (const count of ['exact', 'planned', 'estimated']) {
    assert.equal(await total(token, `count=${count}`, 'select=id&limit=2'), `0-1/${SEEN}`, count);
    // Statistics know how frequent values are, those of hidden rows too.
    assert.equal(await total(token, `count=${count}`, 'select=id&n=eq.0'), '*/0', count);
    assert.equal(await total(token, `count=${count}`, 'select=id&n=eq.2&limit=1'), `0-0/${SEEN}`, count);
  }
  const own = await Private.start('rest', { REST_SCHEMAS: schema, RATE_LIMIT: 'false', REST_MAX_ROWS: '2' });
  try {
    assert.equal(await total(token, 'count=estimated', 'select=id', own), `0-1/${SEEN}`, 'more than are shown at once');
  } finally {
    await own.stop();
  }
  assert.equal(await total(serviceKey, 'count=planned', 'select=id&n=eq.0&limit=1'), `0-0/${HIDDEN}`, 'an estimate of all, for who sees all');
});

test('closed unless it is switched on: plans, and with them estimates', async () => {
  const accept = 'application/vnd.pgrst.plan+json';
  assert.equal((await ask('GET', '/notes', '', { accept })).json.code, 'PGRST107');
  const own = await Private.start('rest', { REST_SCHEMAS: schema, RATE_LIMIT: 'false', REST_PLAN: 'true' });
  try {
    const plan = await own.ask('GET', { params: { PATH_INFO: '/notes', QUERY_STRING: '', HTTP_APIKEY: serviceKey, HTTP_AUTHORIZATION: `Bearer ${token}`, HTTP_ACCEPT: `${accept}; options=analyze` } });
    assert.match(plan.text, new RegExp(`"Rows Removed by Filter": ${HIDDEN}`), 'which tells how many are hidden');
    assert.notEqual(await total(token, 'count=planned', 'select=id&n=eq.0', own), '*/0');
  } finally {
    await own.stop();
  }
});
