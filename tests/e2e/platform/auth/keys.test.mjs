// What tokens are signed with, and API keys: they change while everything runs.
// system: own, long: it changes the keys
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { call, newAddress } from '../../lib/http.mjs';
import { anonKey, clone, deploy, home, log, url } from '../../lib/system.mjs';
import { until } from '../../lib/wait.mjs';
import { PASSWORD, auth, newPerson } from './people.mjs';

const LONG = process.env.FFX_LONG === '1', ASAN = process.env.FFX_PRESET === 'asan';
const PEOPLE = LONG ? 40 : 8, PER_SECOND = LONG ? 500 : ASAN ? 60 : 200;

const file = join(home, 'keys', 'tokens.json');
const kidOf = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url')).kid;
const whoAmI = (token) => auth('GET', '/user', { token });
const refresh = (token) => auth('POST', '/token?grant_type=refresh_token', { body: { refresh_token: token } });
const people = (key) => auth('GET', '/admin/users', { apikey: key, token: key });
const prices = (apikey, token) => call('GET', '/rest/v1/prices?limit=1', { apikey, token, from: newAddress() });

async function keys(...words) {
  const answer = await deploy('keys', ...words);
  assert.equal(answer.status, 0, answer.stdout + answer.stderr);
  return answer.stdout;
}

/** {current, next, previous}: the ids of signing keys. */
async function signing() {
  const found = { previous: [] };
  for (const line of (await keys('list')).split('\n')) {
    const [kind, state, id] = line.split('\t');
    if (kind !== 'token') continue;
    if (state === 'previous') found.previous.push(id);
    else found[state] = id;
  }
  return found;
}

test('nobody is refused while a key is published, comes to sign, is replaced and retired', { timeout: 240_000 }, async (t) => {
  const sessions = [];
  for (let i = 0; i < PEOPLE; i++) sessions.push((await newPerson()).session);
  const wrong = [], stop = new AbortController();
  let asked = 0, refreshed = 0;

  const ask = async (person) => {
    const token = person.access_token;
    const path = asked++ % 2 ? '/auth/v1/user' : '/rest/v1/prices?limit=1'; // over connections that are kept
    const answer = await fetch(url + path, { headers: { apikey: anonKey, authorization: `Bearer ${token}` } });
    const text = await answer.text();
    if (answer.status !== 200) wrong.push([answer.status, kidOf(token), text]);
  };
  const began = Date.now();
  const asking = (async () => {
    for (const under = new Set(); ; await sleep(5)) {
      if (stop.signal.aborted) return Promise.all(under);
      while (asked < (Date.now() - began) * PER_SECOND / 1000 && under.size < 200) {
        const one = ask(sessions[Math.floor(Math.random() * PEOPLE)]).finally(() => under.delete(one));
        under.add(one);
      }
    }
  })();
  const refreshing = Promise.all(sessions.map(async (person) => {
    for (; !stop.signal.aborted; await sleep(300 + Math.random() * 400)) {
      const answer = await refresh(person.refresh_token);
      if (answer.status !== 200) wrong.push([answer.status, 'refresh', answer.text]);
      else Object.assign(person, answer.json);
      refreshed++;
    }
  }));

  const { current } = await signing();
  await keys('add');
  const { next } = await signing();
  await until(async () => (await auth('GET', '/.well-known/jwks.json')).json.keys.length === 2, 'both keys are published');
  assert.ok(sessions.every(({ access_token }) => kidOf(access_token) === current), 'what is published does not sign yet');
  await keys('rotate', '--now');
  await until(() => sessions.every(({ access_token }) => kidOf(access_token) === next), 'all have a token of the new key');
  await keys('retire', current, '--now');
  await until(async () => (await auth('GET', '/.well-known/jwks.json')).json.keys.length === 1, 'the old key is gone');
  await sleep(1000);
  stop.abort();
  await Promise.all([asking, refreshing]);
  t.diagnostic(`${asked} requests, ${Math.round(asked / (Date.now() - began) * 1000)} a second, ${refreshed} refreshes`);
  assert.deepEqual(wrong, []);
  assert.ok(asked > PER_SECOND && refreshed > PEOPLE);
});

test('a token of a retired key counts no more, and its session goes on', async () => {
  const { session } = await newPerson();
  const { current } = await signing();
  await keys('add');
  await keys('rotate', '--now');
  assert.equal((await whoAmI(session.access_token)).status, 200, 'of the previous key');
  await keys('retire', current, '--now');
  await until(async () => (await whoAmI(session.access_token)).status !== 200, 'the key is retired');
  const refused = await whoAmI(session.access_token);
  assert.deepEqual([refused.status, refused.json.code], [403, 'bad_jwt']);
  const { access_token } = (await refresh(session.refresh_token)).json;
  assert.equal((await whoAmI(access_token)).status, 200);
});

test('what comes too early says when to call again', async () => {
  const refused = async (text, ...words) => {
    const { status, stderr } = await deploy('keys', ...words);
    assert.deepEqual([status, text.test(stderr)], [1, true], stderr);
  };
  await refused(/there is no next key/, 'rotate');
  await keys('add');
  const { current, next } = await signing();
  await refused(/there is a next key already/, 'add');
  await refused(/Call this again in \d{3} s, or with --now/, 'rotate');
  await refused(/this key signs/, 'retire', current);
  await keys('rotate', '--now');
  await refused(/Call this again in 3\d{3} s, or with --now/, 'retire', current);
  await keys('retire', current, '--now');
  await keys('add');
  await keys('retire', (await signing()).next);
  assert.deepEqual(await signing(), { current: next, previous: [] });
});

test('an API key counts from when it is made until it is retired, and is kept as a hash alone', async () => {
  const web = (await keys('add', 'publishable', 'web')).split('\n')[0];
  const office = (await keys('add', 'secret', 'back-office')).split('\n')[0];
  assert.match(web, /^sb_publishable_[0-9a-f]{48}$/);
  assert.match(office, /^sb_secret_[0-9a-f]{48}$/);
  assert.ok(!readFileSync(file, 'utf8').includes(office.slice(10)));
  await until(async () => (await prices(web)).status === 200, 'the publishable key counts');
  await until(async () => (await people(office)).status === 200, 'the secret key counts');
  assert.equal((await people(web)).status, 403);
  const twice = await deploy('keys', 'add', 'secret', 'web');
  assert.match(twice.stderr, /there is a key 'web' already/);
  await keys('retire', 'back-office');
  await until(async () => (await people(office)).status === 401, 'the secret key is retired');
  assert.equal((await prices(web)).status, 200);
  assert.match(await keys('list'), /^api\tpublishable\tweb\t/m);
});

test('a rotation that is killed at any moment leaves a key that signs and is published', { timeout: LONG ? 600_000 : 120_000 }, async () => {
  for (let i = 0; i < (LONG ? 40 : 3); i++) {
    await deploy('keys', 'add');
    const child = spawn(join(clone, 'deploy.sh'), ['keys', 'rotate', '--now'], { cwd: clone, detached: true, stdio: 'ignore' });
    const ended = new Promise((resolve) => { child.once('exit', resolve); });
    await sleep(Math.random() * 3000);
    try { process.kill(-child.pid, 'SIGKILL'); } catch { /* it was done */ }
    await ended;
    const { session } = await newPerson();
    assert.equal((await whoAmI(session.access_token)).status, 200);
    const { current, next, previous } = await signing();
    assert.ok(current);
    if (next) await keys('rotate', '--now');
    for (const kid of [...previous, ...(next ? [current] : [])]) await keys('retire', kid, '--now');
  }
});

test('a file of keys that is not good is told, and the keys of before count', async () => {
  const good = readFileSync(file), { mode } = statSync(file);
  const { session } = await newPerson();
  const put = (text) => { writeFileSync(`${file}.new`, text, { mode }); renameSync(`${file}.new`, file); };
  const told = log('auth').length;
  put('{"keys":[');
  await until(async () => (await whoAmI(session.access_token)).status !== 200 || log('auth').slice(told).includes('"keys_file"'), 'the log tells');
  assert.equal((await whoAmI(session.access_token)).status, 200);
  put(good);
  assert.equal((await auth('POST', '/token?grant_type=password', { body: { email: session.user.email, password: PASSWORD } })).status, 200);
});

test('the private keys are no one else\'s', async () => {
  assert.equal(statSync(join(home, 'keys', 'signing')).mode & 0o777, 0o600);
  const settings = await new Promise((resolve) => { execFile('grep', ['-rl', 'SIGNING_KEY_FILE', join(home, 'functions')], (_, out) => resolve(out)); });
  assert.match(settings, /auth\.env/);
  assert.doesNotMatch(settings.replaceAll('auth.env', '').replaceAll('.json', ''), /\.env/);
});
