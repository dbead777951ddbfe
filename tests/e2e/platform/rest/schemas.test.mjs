// Schemas that the project has never seen, as others design them: a shop, a forum and a tree, each put into the
// database here and served as it is.
// system: shared
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Served } from '../../lib/rest.mjs';
import { anonKey } from '../../lib/system.mjs';
import { mint } from '../../lib/tokens.mjs';

const person = (n) => `00000000-0000-4000-8000-00000000000${n}`;
const token = (n) => mint({ sub: person(n), role: 'authenticated', aud: 'authenticated', exp: 4e9 });
const good = ({ data, error, status }) => {
  assert.equal(error, null, `${status} ${JSON.stringify(error)}`);
  return data;
};

describe('a shop with stock, baskets and prices that change', () => {
  let api;
  before(async () => {
    api = await Served.start(`shop_${process.pid}`, `
      create table suppliers (code char(3) primary key, title text not null);
      create table articles (sku text primary key, title text not null, supplier char(3) not null references suppliers, tags text[] not null default '{}', attributes jsonb not null default '{}',
        words tsvector generated always as (to_tsvector('english', title)) stored, on_hand int not null check (on_hand >= 0));
      create table prices (sku text references articles on delete cascade, valid daterange not null, cents int not null check (cents > 0), primary key (sku, valid));
      create table baskets (id uuid primary key default gen_random_uuid(), buyer uuid not null default auth.uid(), opened timestamptz not null default now(), state text not null default 'open' check (state in ('open', 'bought')));
      create table lines (basket uuid references baskets on delete cascade, sku text references articles, pieces int not null default 1 check (pieces > 0), primary key (basket, sku));
      create view shelf with (security_invoker) as select a.sku, a.title, a.supplier, p.cents from articles as a join prices as p on p.sku = a.sku and p.valid @> current_date;
      create materialized view totals as select supplier, count(*) as articles, sum(on_hand) as pieces from articles group by 1;
      create function total(baskets) returns bigint language sql stable as $$ select coalesce(sum(l.pieces * s.cents), 0) from lines as l join shelf as s using (sku) where l.basket = $1.id $$;
      create function buy(basket uuid) returns baskets language plpgsql as $$
        declare b baskets;
        begin
          update baskets set state = 'bought' where id = basket and state = 'open' returning * into b;
          if b.id is null then raise sqlstate 'PT404' using message = 'No open basket'; end if;
          update articles as a set on_hand = a.on_hand - l.pieces from lines as l where l.basket = b.id and l.sku = a.sku;
          return b;
        end $$;
      alter function buy(uuid) security definer set search_path from current;
      insert into suppliers values ('ACM', 'Acme'), ('BOL', 'Bolt & Co');
      insert into articles (sku, title, supplier, tags, attributes, on_hand) values ('A-1', 'Red hammer', 'ACM', '{tool,red}', '{"kg": 1.5, "box": {"w": 3}}', 5), ('A-2', 'Blue hammers', 'ACM', '{tool}', '{"kg": 2}', 1), ('B-1', 'Nails', 'BOL', '{}', '{}', 1000);
      insert into prices values ('A-1', '[2000-01-01,2020-01-01)', 900), ('A-1', '[2020-01-01,)', 1000), ('A-2', '[2020-01-01,)', 1500), ('B-1', '[2020-01-01,)', 1);
      refresh materialized view totals;
      alter table baskets enable row level security; alter table lines enable row level security;
      create policy own on baskets for all to authenticated using (buyer = auth.uid()) with check (buyer = auth.uid() and state = 'open');
      create policy own on lines for all to authenticated using (exists (select from baskets as b where b.id = basket and b.state = 'open'));
      grant select on articles, prices, suppliers, shelf, totals to anon, authenticated; grant select, insert, update, delete on baskets, lines to authenticated`);
  });
  after(() => api?.stop());

  test('visitors look at what there is', async () => {
    const shop = api.client(undefined, anonKey);
    assert.deepEqual(good(await shop.from('shelf').select('title, cents, suppliers(title)').order('cents').limit(2)), [
      { title: 'Nails', cents: 1, suppliers: { title: 'Bolt & Co' } }, { title: 'Red hammer', cents: 1000, suppliers: { title: 'Acme' } }]);
    assert.deepEqual(good(await shop.from('articles').select('sku').textSearch('words', 'hammer').order('sku')), [{ sku: 'A-1' }, { sku: 'A-2' }]);
    assert.deepEqual(good(await shop.from('articles').select('sku, w:attributes->box->w').contains('tags', ['red'])), [{ sku: 'A-1', w: 3 }]);
    assert.deepEqual(good(await shop.from('articles').select('sku').gt('attributes->kg', 1.7)), [{ sku: 'A-2' }]);
    assert.deepEqual(good(await shop.from('articles').select('sku, prices(cents)').overlaps('prices.valid', '[2010-05-05,2010-05-06)').eq('sku', 'A-1')), [{ sku: 'A-1', prices: [{ cents: 900 }] }]);
    assert.deepEqual(good(await shop.from('totals').select().order('supplier')), [{ supplier: 'ACM', articles: 2, pieces: 6 }, { supplier: 'BOL', articles: 1, pieces: 1000 }]);
    assert.deepEqual(good(await shop.from('suppliers').select('code, articles!inner(sku)').eq('articles.on_hand', 1000)), [{ code: 'BOL', articles: [{ sku: 'B-1' }] }]);
    assert.equal((await shop.from('baskets').select()).error.code, '42501');
    assert.equal((await shop.from('articles').update({ on_hand: 0 }).eq('sku', 'A-1')).error.code, '42501');
  });

  test('a buyer fills a basket and buys it, and nobody else sees it', async () => {
    const one = api.client(undefined, token(1)), other = api.client(undefined, token(2));
    const basket = good(await one.from('baskets').insert({}).select('id, buyer, state, total').single());
    assert.deepEqual([basket.buyer, basket.state, basket.total], [person(1), 'open', 0]);
    good(await one.from('lines').insert([{ basket: basket.id, sku: 'A-1', pieces: 2 }, { basket: basket.id, sku: 'B-1', pieces: 10 }]));
    good(await one.from('lines').upsert({ basket: basket.id, sku: 'A-1', pieces: 3 }));
    assert.deepEqual(good(await one.from('baskets').select('total, lines(pieces, articles(title, suppliers(title)))').eq('id', basket.id).order('sku', { referencedTable: 'lines' })), [
      { total: 3010, lines: [{ pieces: 3, articles: { title: 'Red hammer', suppliers: { title: 'Acme' } } }, { pieces: 10, articles: { title: 'Nails', suppliers: { title: 'Bolt & Co' } } }] }]);
    assert.deepEqual(good(await other.from('baskets').select()), []);
    assert.equal((await other.from('lines').insert({ basket: basket.id, sku: 'A-2' })).error.code, '42501');
    assert.equal((await one.from('lines').insert({ basket: basket.id, sku: 'A-2', pieces: 0 })).error.code, '23514');
    assert.equal((await one.from('lines').insert({ basket: basket.id, sku: 'no such' })).status, 409);
    assert.equal((await one.from('baskets').insert({ buyer: person(2) })).error.code, '42501');
    assert.equal(good(await one.rpc('buy', { basket: basket.id }).select('state').single()).state, 'bought');
    const again = await one.rpc('buy', { basket: basket.id });
    assert.deepEqual([again.status, again.error.message], [404, 'No open basket']);
    assert.deepEqual(good(await one.from('articles').select('on_hand').in('sku', ['A-1', 'B-1']).order('sku')), [{ on_hand: 2 }, { on_hand: 990 }]);
    assert.equal((await one.from('lines').delete().eq('basket', basket.id).select()).data.length, 0, 'what is bought is not changed');
  });

  test('what cannot be done is not half done', async () => {
    const one = api.client(undefined, token(3));
    const { id } = good(await one.from('baskets').insert({}).select().single());
    good(await one.from('lines').insert([{ basket: id, sku: 'A-2', pieces: 2 }]));
    assert.equal((await one.rpc('buy', { basket: id })).error.code, '23514', 'there is only one');
    assert.equal(good(await one.from('baskets').select('state').single()).state, 'open');
  });
});

describe('a forum: users with profiles, threads, posts, votes, tags', () => {
  let api;
  before(async () => {
    api = await Served.start(`forum_${process.pid}`, `
      create table users (id bigint generated always as identity primary key, handle text unique not null);
      create table profiles (user_id bigint primary key references users on delete cascade, motto text);
      create table threads (id serial primary key, title text not null, author bigint references users on delete set null, pinned_post int);
      create table posts (id serial primary key, thread_id int not null references threads on delete cascade, author bigint references users, editor bigint references users, text text, at timestamptz default '2024-01-01');
      alter table threads add constraint pinned foreign key (pinned_post) references posts deferrable initially deferred;
      create table votes (post_id int references posts on delete cascade, user_id bigint references users, points int check (points in (-1, 1)), primary key (post_id, user_id));
      create table tags (name text primary key);
      create table thread_tags (thread_id int references threads on delete cascade, tag text references tags on update cascade, primary key (tag, thread_id));
      create table follows (follower bigint references users, followed bigint references users, primary key (follower, followed));
      create function score(posts) returns bigint language sql stable as $$ select coalesce(sum(points), 0) from votes where post_id = $1.id $$;
      create function best_post(threads) returns setof posts rows 1 language sql stable as $$ select p.* from posts as p where p.thread_id = $1.id order by p.score desc, p.id limit 1 $$;
      create function find_posts(word text) returns setof posts language sql stable as $$ select * from posts where text ilike '%' || word || '%' $$;
      insert into users (handle) values ('ann'), ('bob'), ('cyd'); insert into profiles values (1, 'Onward'), (2, null);
      insert into threads (title, author) values ('Hello', 1), ('Empty', 2), ('Orphan', null);
      insert into posts (thread_id, author, editor, text) values (1, 1, null, 'First!'), (1, 2, 1, 'second'), (1, 3, null, 'a first idea');
      insert into votes values (1, 2, 1), (1, 3, -1), (2, 1, 1), (2, 3, 1); insert into tags values ('new'), ('fun'), ('unused');
      insert into thread_tags values (1, 'new'), (1, 'fun'), (2, 'new'); insert into follows values (1, 2), (2, 1), (3, 1); update threads set pinned_post = 2 where id = 1`, { REST_AGGREGATES: 'true' });
  });
  after(() => api?.stop());

  test('one to one, from both ends', async () => {
    assert.deepEqual(await api.get('/users', 'select=handle,profiles(motto)&order=id'), [
      { handle: 'ann', profiles: { motto: 'Onward' } }, { handle: 'bob', profiles: { motto: null } }, { handle: 'cyd', profiles: null }]);
    assert.deepEqual(await api.get('/profiles', 'select=motto,...users(handle)&users.handle=eq.ann'), [{ motto: 'Onward', handle: 'ann' }, { motto: null, handle: null }]);
    assert.equal((await api.ask('GET', '/users', { query: 'select=handle&profiles=is.null' })).json.code, '42703', 'what is not embedded is not asked for');
    assert.deepEqual(await api.get('/users', 'select=handle,profiles()&profiles=is.null'), [{ handle: 'cyd' }]);
    assert.deepEqual(await api.get('/users', 'select=handle,profiles(motto)&order=profiles(motto).desc.nullslast,id.desc').then((all) => all.map(({ handle }) => handle)), ['ann', 'cyd', 'bob']);
  });

  test('many to many, through a junction with a value and without', async () => {
    assert.deepEqual(await api.get('/threads', 'select=title,tags(name)&tags.order=name&order=id'), [
      { title: 'Hello', tags: [{ name: 'fun' }, { name: 'new' }] }, { title: 'Empty', tags: [{ name: 'new' }] }, { title: 'Orphan', tags: [] }]);
    assert.deepEqual(await api.get('/tags', 'select=name,threads!inner(title)&threads.title=eq.Hello&order=name'), ['fun', 'new'].map((name) => ({ name, threads: [{ title: 'Hello' }] })));
    assert.deepEqual(await api.get('/tags', 'select=name,...threads(titles:title)&threads.order=id&order=name.desc'), [
      { name: 'unused', titles: [] }, { name: 'new', titles: ['Hello', 'Empty'] }, { name: 'fun', titles: ['Hello'] }]);
    assert.deepEqual(await api.get('/posts', 'select=id,score,votes(points,users(handle))&votes.order=user_id&id=eq.1'), [
      { id: 1, score: 0, votes: [{ points: 1, users: { handle: 'bob' } }, { points: -1, users: { handle: 'cyd' } }] }]);
    assert.deepEqual(await api.get('/posts', 'select=id,users!votes(handle)&users.order=handle&id=eq.2'), [{ id: 2, users: [{ handle: 'ann' }, { handle: 'cyd' }] }]);
  });

  test('several ways between two tables: told, and chosen by a hint', async () => {
    const many = await api.ask('GET', '/posts', { query: 'select=id,users(handle)' });
    assert.deepEqual([many.status, many.json.code, many.json.hint], [300, 'PGRST201',
      "Try changing 'users' to one of the following: 'users!posts_author_fkey', 'users!posts_editor_fkey', 'users!votes'. Find the desired relationship in the 'details' key."]);
    assert.deepEqual(many.json.details.map(({ cardinality, relationship }) => [cardinality, relationship]), [
      ['many-to-many', 'votes using votes_post_id_fkey(post_id) and votes_user_id_fkey(user_id)'],
      ['many-to-one', 'posts_author_fkey using posts(author) and users(id)'], ['many-to-one', 'posts_editor_fkey using posts(editor) and users(id)']]);
    assert.deepEqual(await api.get('/posts', 'select=by:users!author(handle),changed:users!posts_editor_fkey(handle)&id=eq.2'), [{ by: { handle: 'bob' }, changed: { handle: 'ann' } }]);
    assert.deepEqual(await api.get('/users', 'select=handle,written:posts!author(id),edited:posts!editor(id)&handle=eq.ann'), [{ handle: 'ann', written: [{ id: 1 }], edited: [{ id: 2 }] }]);
    assert.deepEqual(await api.get('/threads', 'select=title,posts!thread_id(id),pinned:posts!pinned(text)&posts.order=id.desc&posts.limit=1&id=eq.1'), [{ title: 'Hello', posts: [{ id: 3 }], pinned: { text: 'second' } }]);
    assert.equal((await api.ask('GET', '/threads', { query: 'select=posts(id)' })).json.code, 'PGRST201');
    assert.deepEqual(await api.get('/users', 'select=handle,following:follows!follower(user:users!followed(handle))&order=id&following.order=followed'), [
      { handle: 'ann', following: [{ user: { handle: 'bob' } }] }, { handle: 'bob', following: [{ user: { handle: 'ann' } }] }, { handle: 'cyd', following: [{ user: { handle: 'ann' } }] }]);
  });

  test('computed columns and relations, functions that return rows, aggregates', async () => {
    assert.deepEqual(await api.get('/threads', 'select=title,best_post(text,score)&order=id&limit=2'), [{ title: 'Hello', best_post: { text: 'second', score: 2 } }, { title: 'Empty', best_post: null }]);
    assert.deepEqual(await api.get('/posts', 'select=id&score=gte.1&order=score.desc'), [{ id: 2 }]);
    assert.deepEqual(await api.get('/rpc/find_posts', 'word=first&select=id,threads!thread_id(title)&order=id.desc'), [3, 1].map((id) => ({ id, threads: { title: 'Hello' } })));
    assert.deepEqual(await api.get('/votes', 'select=post_id,points.sum(),count()&order=post_id'), [{ post_id: 1, sum: 0, count: 2 }, { post_id: 2, sum: 2, count: 2 }]);
    assert.deepEqual(await api.get('/threads', 'select=title,posts!thread_id(count())&order=id'), [3, 0, 0].map((count, n) => ({ title: ['Hello', 'Empty', 'Orphan'][n], posts: [{ count }] })));
  });

  test('a write shows what it leads to', async () => {
    const made = await api.ask('POST', '/posts', { query: 'select=text,threads!thread_id(title),author:users!author(handle,profiles(motto))', body: { thread_id: 2, author: 1, text: 'x' }, prefer: 'return=representation' });
    assert.deepEqual(made.json, [{ text: 'x', threads: { title: 'Empty' }, author: { handle: 'ann', profiles: { motto: 'Onward' } } }]);
    const gone = await api.ask('DELETE', '/posts', { query: 'select=id,users!author(handle)&text=eq.x', prefer: 'return=representation' });
    assert.deepEqual(gone.json[0].users, { handle: 'ann' });
    const fixed = await api.ask('POST', '/users', { body: { id: 7, handle: 'x' } });
    assert.deepEqual([fixed.status, fixed.json.code], [400, '428C9'], 'numbers are given, not taken');
  });
});

describe('a tree: references to itself, keys of several columns', () => {
  let api;
  before(async () => {
    api = await Served.start(`tree_${process.pid}`, `
      create table nodes (id int primary key, parent int references nodes, twin int references nodes, label text);
      create table areas (land char(2), no int, part_of_land char(2), part_of_no int, name text, primary key (land, no), constraint part_of foreign key (part_of_land, part_of_no) references areas);
      create table offices (id int primary key, land char(2), no int, old_land char(2), old_no int, constraint office_area foreign key (land, no) references areas, constraint office_old foreign key (old_land, old_no) references areas);
      create table staff (id int, land char(2), no int, name text, primary key (land, no, id), foreign key (land, no) references areas);
      create view large_areas as select land, no, name from areas where part_of_no is null;
      insert into nodes values (1, null, null, 'root'), (2, 1, 3, 'left'), (3, 1, 2, 'right'), (4, 2, null, 'leaf');
      insert into areas values ('nl', 1, null, null, 'North'), ('nl', 2, 'nl', 1, 'Town'), ('de', 1, null, null, 'Nord');
      insert into offices values (1, 'nl', 2, 'nl', 1), (2, 'de', 1, null, null), (3, 'de', null, 'nl', 2); insert into staff values (1, 'nl', 2, 'Eva'), (2, 'nl', 2, 'Jan'), (1, 'de', 1, 'Max')`);
  });
  after(() => api?.stop());

  test('the row above by the key column, rows below by the table with a hint', async () => {
    assert.deepEqual(await api.get('/nodes', 'select=label,parent(label,parent(label))&id=eq.4'), [{ label: 'leaf', parent: { label: 'left', parent: { label: 'root' } } }]);
    assert.deepEqual(await api.get('/nodes', 'select=label,nodes!parent(label,nodes!parent(label))&nodes.order=id&id=eq.1'), [
      { label: 'root', nodes: [{ label: 'left', nodes: [{ label: 'leaf' }] }, { label: 'right', nodes: [] }] }]);
    assert.deepEqual(await api.get('/nodes', 'select=label,twin(label),below:nodes!parent(label)&id=eq.2'), [{ label: 'left', twin: { label: 'right' }, below: [{ label: 'leaf' }] }]);
    const both = await api.ask('GET', '/nodes', { query: 'select=nodes(label)' });
    assert.deepEqual([both.status, both.json.code, both.json.details.length], [300, 'PGRST201', 2], 'below by parent or by twin');
    assert.deepEqual(await api.get('/nodes', 'select=id,parent()&parent=is.null'), [{ id: 1 }]);
    assert.deepEqual((await api.get('/nodes', 'select=id,parent(label)&order=parent(label).nullsfirst,id')).map(({ id }) => id), [1, 4, 2, 3]);
    assert.deepEqual(await api.get('/nodes', 'select=id,parent!inner(id)&parent.label=eq.root&order=id'), [2, 3].map((id) => ({ id, parent: { id: 1 } })));
  });

  test('keys of two columns: by constraint, and by one of their columns as a hint', async () => {
    assert.deepEqual(await api.get('/offices', 'select=id,areas!office_area(name),old:areas!office_old(name)&order=id'), [
      { id: 1, areas: { name: 'Town' }, old: { name: 'North' } }, { id: 2, areas: { name: 'Nord' }, old: null }, { id: 3, areas: null, old: { name: 'Town' } }]);
    assert.deepEqual(await api.get('/offices', 'select=id,areas!old_no(name)&id=eq.1'), [{ id: 1, areas: { name: 'North' } }]);
    assert.deepEqual(await api.get('/areas', 'select=name,offices!office_area(id),staff(name)&staff.order=name.desc&land=eq.nl&no=eq.2'), [{ name: 'Town', offices: [{ id: 1 }], staff: [{ name: 'Jan' }, { name: 'Eva' }] }]);
    const many = await api.ask('GET', '/offices', { query: 'select=areas(name)' });
    assert.deepEqual([many.status, many.json.details.map(({ relationship }) => relationship)], [300,
      ['office_area using offices(land, no) and areas(land, no)', 'office_old using offices(old_land, old_no) and areas(land, no)']]);
    assert.deepEqual(await api.get('/large_areas', 'select=name,staff(name)&order=name'), [{ name: 'Nord', staff: [{ name: 'Max' }] }, { name: 'North', staff: [] }]);
    assert.deepEqual(await api.get('/staff', 'select=name,large_areas!inner(name)'), [{ name: 'Max', large_areas: { name: 'Nord' } }]);
    assert.deepEqual(await api.get('/areas', 'select=name,areas!part_of_land(name)&areas.order=name&name=eq.North'),
      [{ name: 'North', areas: [{ name: 'Town' }] }], 'below; the row above has no column that names it alone');
  });

  test('a row of such a key is written, found again and told of', async () => {
    const made = await api.ask('POST', '/areas', { body: { land: 'nl', no: 9, part_of_land: 'nl', part_of_no: 1, name: 'Lake' }, prefer: 'return=headers-only' });
    assert.deepEqual([made.status, made.headers.location], [201, '/areas?land=eq.nl&no=eq.9']);
    const again = await api.ask('POST', '/areas', { query: 'select=name', body: [{ land: 'nl', no: 9, name: 'Sea' }], prefer: 'return=representation, resolution=merge-duplicates' });
    assert.deepEqual([again.status, again.json], [200, [{ name: 'Sea' }]]);
    assert.equal((await api.ask('PUT', '/areas', { query: 'no=eq.9&land=eq.nl', body: { land: 'nl', no: 9, name: 'Bay' } })).status, 204);
    assert.equal((await api.ask('PUT', '/areas', { query: 'no=eq.9', body: { land: 'nl', no: 9 } })).json.code, 'PGRST105');
    assert.deepEqual((await api.ask('DELETE', '/areas', { query: 'no=eq.9&select=name,part_of_no', prefer: 'return=representation' })).json, [{ name: 'Bay', part_of_no: 1 }]);
    assert.equal((await api.ask('DELETE', '/areas', { query: 'land=eq.nl&no=eq.1' })).json.code, '23503');
  });
});
