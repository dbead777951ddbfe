// ./deploy.sh import-users: people of a Supabase database move in with their passwords, all of them or nobody.
// system: shared
// FFX_LONG=1: 100,000 people, in less than a minute.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { row, rows, value } from '../lib/db.mjs';
import { OldSystem } from '../lib/old-system.mjs';
import { clone, deploy, env } from '../lib/system.mjs';
import { until } from '../lib/wait.mjs';
import { auth, browser } from './auth/people.mjs';
import { claimsOf, code } from './auth/totp.mjs';

const PASSWORD = 'the-old-password-9';
const LONG = process.env.FFX_LONG === '1';

let old;
before(async () => {
  old = await OldSystem.make();
});
after(() => old?.end());

const bcrypt = (kind) => value(`select overlay(extensions.crypt($1, extensions.gen_salt('bf', 4)) placing $2 from 1)`, [PASSWORD, `$2${kind}`]);
// Of the password above, as Supabase's own hashing makes them.
const ARGON2ID = '$argon2id$v=19$m=65536,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$W2rcgrgCbpmuksaSVGxlkl2C+GWN8AFCPjXiIkt0580';
const signIn = (email) => auth('POST', '/token?grant_type=password', { body: { email, password: PASSWORD } });
const importUsers = (...args) => deploy('import-users', ...args);
/** All that an import could have written. */
const everything = () => row(`
  select (select md5(string_agg(u::text, '|' order by u.id)) from auth.users as u) as users,
         (select md5(string_agg(i::text, '|' order by i.id)) from auth.identities as i) as identities,
         (select count(*) from auth.mfa_factors) as factors,
         (select md5(string_agg(p::text, '|' order by p.id)) from public.user_profiles as p) as profiles,
         (select count(*) from public.admin_audit_log) as audit`);
const clear = () => old.query('delete from auth.users');

test('passwords of $2a$, $2b$, $2y$ and argon2id sign in, and who a user is stays', async () => {
  await clear();
  const users = [];
  for (const hash of [...(await Promise.all(['a', 'b', 'y'].map(bcrypt))), ARGON2ID]) {
    users.push(await old.addUser({ encrypted_password: hash, raw_user_meta_data: { first_name: 'Ada\t"L\\"' }, raw_app_meta_data: { provider: 'email', role: 'vip' } }));
  }
  const done = await importUsers(await old.dump());
  assert.equal(done.status, 0, done.stdout + done.stderr);
  assert.match(done.stdout, /^auth\.users: 4 new, 0 changed, 0 as they were$/m);
  assert.match(done.stdout, /^auth\.identities: 4 new, 0 changed, 0 as they were$/m);
  for (const user of users) {
    const session = await signIn(user.email);
    assert.equal(session.status, 200, `${user.encrypted_password}: ${session.text}`);
    assert.equal(session.json.user.id, user.id);
    assert.equal(session.json.user.user_metadata.first_name, 'Ada\t"L\\"');
    assert.equal(session.json.user.app_metadata.role, 'vip');
    assert.equal(session.json.user.identities.length, 1);
    assert.match(session.json.user.email_confirmed_at, /^2024-02-03T04:05:06(\.0+)?Z$/);
    assert.match(session.json.user.created_at, /^2024-02-03T04:05:00(\.0+)?Z$/);
  }
});

test('who is unconfirmed or banned is so here; codes and changes that wait end', async () => {
  await clear();
  const hash = await bcrypt('a');
  const waiting = await old.addUser({ encrypted_password: hash, email_confirmed_at: null, confirmation_token: 'abc' });
  const banned = await old.addUser({ encrypted_password: hash, banned_until: '2999-01-01T00:00:00Z' });
  const changing = await old.addUser({ encrypted_password: hash, email_change: 'next@example.com', email_change_token_new: 'abc', email_change_confirm_status: 1 });
  const deleted = await old.addUser({ email: `gone-${Date.now()}`, deleted_at: '2024-05-05T00:00:00Z', encrypted_password: '' });
  const phone = await old.addUser({ email: null, phone: String(Date.now()), phone_confirmed_at: '2024-02-03T04:05:06Z', email_confirmed_at: null });
  const sso = await old.addUser({ email: waiting.email, is_sso_user: true });
  const done = await importUsers(await old.dump());
  assert.equal(done.status, 0, done.stdout + done.stderr);
  assert.match(done.stdout, /1 banned, 1 deleted, 1 with a phone only, by which nobody signs in here, 1 of a single sign-on/);
  assert.match(done.stdout, /^1 changes of an address or phone were not confirmed yet/m);
  assert.equal((await signIn(waiting.email)).json.code, 'email_not_confirmed');
  assert.equal((await signIn(banned.email)).json.code, 'user_banned');
  assert.equal((await signIn(changing.email)).status, 200);
  const here = async ({ id }) => row('select * from auth.users where id = $1', [id]);
  assert.equal((await here(waiting)).confirmation_token, '');
  const after = await here(changing);
  assert.deepEqual([after.email_change, after.email_change_token_new, after.email_change_confirm_status], ['', '', 0]);
  assert.equal((await here(deleted)).deleted_at.toISOString(), '2024-05-05T00:00:00.000Z');
  assert.equal((await here(phone)).phone, phone.phone);
  assert.equal((await here(sso)).is_sso_user, true);
});

test('a password in clear in the metadata does not come along', async () => {
  await clear();
  const user = await old.addUser({ raw_user_meta_data: { first_name: 'Eve', password: 'in-clear-1' } });
  assert.equal((await importUsers(await old.dump())).status, 0);
  assert.deepEqual(await value('select raw_user_meta_data from auth.users where id = $1', [user.id]), { first_name: 'Eve' });
});

test('a dry run changes nothing; nor does the second run; a newer row changes', async () => {
  await clear();
  const user = await old.addUser({ encrypted_password: await bcrypt('b') });
  await old.addUser({ created_at: null, updated_at: null });
  const untouched = await everything();
  const dry = await importUsers('--dry-run', await old.dump());
  assert.equal(dry.status, 0, dry.stdout + dry.stderr);
  assert.match(dry.stdout, /^auth\.users: 2 new, 0 changed[\s\S]*This was a dry run: nothing was changed\.$/m);
  assert.deepEqual(await everything(), untouched);
  assert.equal((await importUsers(await old.dump())).status, 0);
  const once = await everything();
  const again = await importUsers(await old.dump());
  assert.match(again.stdout, /^auth\.users: 0 new, 0 changed, 2 as they were\nauth\.identities: 0 new, 0 changed, 2 as they were$/m);
  assert.deepEqual(await everything(), once);
  await old.query(`update auth.users set raw_user_meta_data = '{"city": "Graz"}', updated_at = now() where id = $1`, [user.id]);
  const newer = await importUsers(await old.dump());
  assert.match(newer.stdout, /^auth\.users: 0 new, 1 changed, 1 as they were$/m);
  assert.deepEqual(await value('select raw_user_meta_data from auth.users where id = $1', [user.id]), { city: 'Graz' });
});

test('what changed here later than in the dump stays', async () => {
  await clear();
  const user = await old.addUser();
  const path = await old.dump();
  await importUsers(path);
  await rows(`update auth.users set raw_user_meta_data = '{"city": "Linz"}', updated_at = now() where id = $1`, [user.id]);
  assert.match((await importUsers(path)).stdout, /^auth\.users: 0 new, 0 changed, 1 as they were$/m);
  assert.deepEqual(await value('select raw_user_meta_data from auth.users where id = $1', [user.id]), { city: 'Linz' });
});

test("the database itself, pg_dump's own formats and gzip", async () => {
  const dumps = [
    () => old.url,
    () => old.dump('-Fc'),
    () => old.dump('-Ft'),
    () => old.dump('-Fd'),
    async () => old.write(gzipSync(readFileSync(await old.dump()))),
    async () => old.write(readFileSync(await old.dump(), 'utf8').replaceAll('\n', '\r\n')),
  ];
  for (const dump of dumps) {
    await clear();
    const user = await old.addUser();
    const done = await importUsers(await dump());
    assert.equal(done.status, 0, dump + done.stdout + done.stderr);
    assert.equal(await value('select email from auth.users where id = $1', [user.id]), user.email, String(dump));
  }
});

test('tables as they were before identities had a provider_id', async () => {
  await clear();
  const user = await old.addUser();
  const text = readFileSync(await old.dump('--data-only', '-t', 'auth.users', '-t', 'auth.identities'), 'utf8')
    .replace(/COPY auth.identities \([^)]*\)/, 'COPY auth.identities (id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)')
    .replace(new RegExp(`^(${user.id}\t.*)\t[0-9a-f-]{36}$`, 'm'), '$1');
  const done = await importUsers(old.write(text));
  assert.equal(done.status, 0, done.stdout + done.stderr);
  assert.equal(await value('select user_id from auth.identities where provider_id = $1', [user.id]), user.id);
});

test('a verified second factor is asked for here, its secret is stored sealed', async () => {
  await clear();
  const user = await old.addUser({ encrypted_password: await bcrypt('a') });
  const secret = 'JBSWY3DPEHPK3PXPGEZDGNBVGY3TQOJQ';
  const id = await old.addFactor(user, { secret, name: 'phone' });
  await old.addFactor(user, { status: 'unverified', name: 'other' });
  await old.addFactor(user, { type: 'phone', secret: null, name: 'sms' });
  const path = await old.dump(), done = await importUsers(path);
  assert.equal(done.status, 0, done.stdout + done.stderr);
  assert.match(done.stdout, /^auth\.mfa_factors: 1 new, 0 changed, 0 as they were$/m);
  assert.match(done.stdout, /^1 second factors were never verified, and are left out\n1 second factors by phone or WebAuthn are left out/m);
  assert.deepEqual(await rows(`select id, secret like 'ffx1.%' as sealed, platform.unseal(secret, id, 'totp_secret') as secret from auth.mfa_factors where user_id = $1`, [user.id]),
    [{ id, sealed: true, secret }]);
  const client = browser();
  await client.auth.signInWithPassword({ email: user.email, password: PASSWORD });
  assert.deepEqual((await client.auth.mfa.getAuthenticatorAssuranceLevel()).data.nextLevel, 'aal2');
  const { data, error } = await client.auth.mfa.challengeAndVerify({ factorId: id, code: code(secret) });
  assert.equal(error, null);
  assert.equal(claimsOf(data.access_token).aal, 'aal2');
  const factor = () => row('select * from auth.mfa_factors where id = $1', [id]);
  const used = await factor();
  assert.match((await importUsers(path)).stdout, /^auth\.mfa_factors: 0 new, 0 changed, 1 as they were$/m);
  assert.deepEqual(await factor(), used);
});

for (const [name, factor, expected] of [
  ['one that is encrypted', { secret: '{"key_id":"a","alg":"aes-gcm-hkdf","data":"b","nonce":"c"}' }, /^line \d+: the secret of a second factor is encrypted with a key of the other system$/m],
  ['one that is none', { secret: 'no base32' }, /^line \d+: the secret of a second factor is no base32$/m],
  ['none', { secret: null }, /^line \d+: the secret of a second factor is no base32$/m],
]) {
  test(`a second factor whose secret cannot be read is named, and nothing is half done: ${name}`, async () => {
    await clear();
    await old.addFactor(await old.addUser(), factor);
    const before = await everything(), done = await importUsers(await old.dump());
    assert.equal(done.status, 1);
    assert.match(done.stdout, expected);
    assert.deepEqual(await everything(), before);
  });
}

/** A dump of three people, and the number of the line of the second. */
async function three() {
  await clear();
  const users = [];
  for (let n = 0; n < 3; n++) users.push(await old.addUser({ encrypted_password: await bcrypt('a') }));
  const lines = readFileSync(await old.dump(), 'utf8').split('\n');
  const at = lines.findIndex((line) => line.startsWith(`00000000-0000-0000-0000-000000000000\t${users[1].id}`));
  return { users, lines, at };
}
const damages = [
  ['a field is missing', (line) => line.slice(0, line.lastIndexOf('\t')), /line NN: auth\.users: a row of 33 fields, and it has 34/],
  ['an id is none', (line, { users }) => line.replace(users[1].id, 'not-an-id'), /line NN: id: invalid input syntax for type uuid/],
  ['a time is none', (line) => line.replace('2024-03-01 00:00:00+00', '2024-13-41'), /line NN: updated_at: date\/time field value out of range/],
  ['metadata are no JSON', (line) => line.replace('\t{}\t', '\t{"a"\t'), /line NN: raw_user_meta_data: invalid input syntax for type json/],
  ['metadata are no object', (line) => line.replace('\t{}\t', '\t[]\t'), /line NN: metadata that are no object/],
  ['an id is missing', (line, { users }) => line.replace(users[1].id, '\\N'), /line NN: a user without an id/],
  ['an id is there twice', (line, { users }) => line.replace(users[1].id, users[0].id), /line NN: the same id as another user in the dump/],
  ['an address is there twice', (line, { users }) => line.replace(users[1].email, users[0].email.toUpperCase()), /line NN: the same address as another user in the dump/],
  ['an address is too long', (line, { users }) => line.replace(users[1].email, `${'x'.repeat(250)}@example.com`), /line NN: value too long for type character varying\(255\)/],
  ['a role of its own', (line) => line.replace('authenticated\tauthenticated', 'authenticated\tservice_role'), /line NN: a user of the role "service_role"/],
  ['a hash of another kind', (line) => line.replace(/\$2a\$04\$[^\t]+/, '$fbscrypt$v=1,n=14,r=8,p=1$c2FsdA==$aGFzaA=='), /line NN: a password hash that nobody here can check/],
  ['a hash that is cut', (line) => line.replace(/(\$2a\$04\$[^\t]+)[^\t]\t/, '$1\t'), /line NN: a password hash that nobody here can check/],
  ['bytes that are no UTF-8', (line) => Buffer.concat([Buffer.from(line.replace('{}', '{"a": "')), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]), /line NN: auth\.users: this is not UTF-8/],
  ['a NUL', (line) => line.replace('{}', '{"a": "\0"}'), /line NN: auth\.users: a character that pg_dump writes in another way/],
  ['a byte by its number', (line) => line.replace('{}', '{"a": "\\303"}'), /line NN: auth\.users: a backslash that pg_dump does not write/],
];
for (const [name, damage, expected] of damages) {
  test(`a damaged line is named, and nothing is half done: ${name}`, async () => {
    const made = await three();
    const before = await everything();
    const line = damage(made.lines[made.at], made);
    assert.notEqual(String(line), made.lines[made.at], 'it is damaged');
    const path = old.write(Buffer.concat([
      Buffer.from(`${made.lines.slice(0, made.at).join('\n')}\n`), Buffer.from(line), Buffer.from(`\n${made.lines.slice(made.at + 1).join('\n')}`)]));
    const done = await importUsers(path);
    assert.equal(done.status, 1, done.stdout);
    assert.match(done.stdout + done.stderr, new RegExp(expected.source.replace('NN', made.at + 1)));
    assert.match(done.stderr, /nothing was changed/);
    assert.doesNotMatch(done.stdout + done.stderr, /\$2a\$04/, 'no hash is shown');
    assert.deepEqual(await everything(), before);
  });
}

test('an address that somebody else has here, and identities of nobody, are named', async () => {
  const { users, lines, at } = await three();
  await rows('insert into auth.users (email) values ($1)', [users[1].email]);
  const before = await everything();
  const taken = await importUsers(old.write(lines.join('\n')));
  assert.equal(taken.status, 1);
  assert.match(taken.stdout, new RegExp(`^line ${at + 1}: the address of somebody else here$`, 'm'));
  const without = lines.filter((_, n) => n !== at);
  const identity = without.findIndex((line) => line.startsWith(`${users[1].id}\t`));
  const orphan = await importUsers(old.write(without.join('\n')));
  assert.equal(orphan.status, 1);
  assert.match(orphan.stdout, new RegExp(`^line ${identity + 1}: an identity of a user who is not there$`, 'm'));
  assert.deepEqual(await everything(), before);
});

test('a file that is cut, of another encoding, of INSERTs, or of something else is none', async () => {
  const { lines, at } = await three();
  const before = await everything();
  for (const [bytes, expected] of [
    [lines.slice(0, at + 1).join('\n'), /it ends in the middle of auth\.users: is this all of it\?/],
    [lines.slice(0, at - 2).join('\n'), /auth\.users/],
    [readFileSync(await old.dump('--inserts')), /rows are read from COPY only/],
    [readFileSync(await old.dump('--encoding=LATIN1')), /the dump is in LATIN1/],
    ['', /there is none of the tables in it: auth\.identities auth\.mfa_factors auth\.users/],
    [gzipSync(lines.join('\n')).subarray(0, 400), /unexpected end of file/],
    [readFileSync(await old.dump('-Fc')).subarray(0, 2000), /pg_restore: error/],
  ]) {
    const done = await importUsers(old.write(bytes));
    assert.equal(done.status, 1, done.stdout);
    assert.match(done.stdout + done.stderr, expected);
  }
  const nobody = await importUsers('postgresql://nobody@127.0.0.1:1/nothing');
  assert.match(nobody.stderr, /pg_dump: error: connection to server at "127\.0\.0\.1", port 1 failed/);
  assert.equal(nobody.status, 1);
  assert.deepEqual(await everything(), before);
});

/** `count` people in the old system, at once. */
async function crowd(count) {
  await clear();
  await old.query(
    `insert into auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
     select '00000000-0000-0000-0000-000000000000', gen_random_uuid(), 'authenticated', 'authenticated', 'c' || n || '-' || $2 || '@example.com',
       $3, now(), '{"provider": "email", "providers": ["email"]}', jsonb_build_object('first_name', 'N' || n, 'last_name', repeat('x', 20), 'phone', '+43' || n), now(), now()
     from generate_series(1, $1::int) as n`, [count, String(Date.now()), await bcrypt('a')]);
  await old.query(
    `insert into auth.identities (provider_id, user_id, identity_data, provider, created_at, updated_at)
     select id::text, id, jsonb_build_object('sub', id, 'email', email), 'email', now(), now() from auth.users`);
}

test('killed in the middle, it has changed nothing, and runs again', async () => {
  await crowd(LONG ? 20_000 : 2_000);
  const path = await old.dump(), before = await everything();
  // Held where the rows are being stored: then it dies.
  const held = spawn('psql', ['-XqAt', '-d', env.DATABASE_URL]);
  held.stdin.write(`begin; lock table auth.identities in exclusive mode; select 'held';\n`);
  await new Promise((resolve) => held.stdout.once('data', resolve));
  const child = spawn(`${clone}/deploy.sh`, ['import-users', path], { cwd: clone, detached: true, stdio: 'ignore' });
  const closed = new Promise((resolve) => child.once('close', resolve));
  await until(() => value(`select count(*)::int from pg_locks as l where not l.granted and l.relation = 'auth.identities'::regclass`), 'it stores identities', { timeout: 60_000 });
  process.kill(-child.pid, 'SIGKILL');
  await closed;
  held.stdin.end('rollback;\n');
  await until(async () => (await value(`select count(*)::int from pg_locks as l where l.relation = 'auth.identities'::regclass and l.mode = 'RowExclusiveLock'`)) === 0, 'its session has ended', { timeout: 60_000 });
  assert.deepEqual(await everything(), before);
  assert.equal((await importUsers(path)).status, 0);
});

test(`${LONG ? '100,000' : '2,000'} people, with progress`, async () => {
  const count = LONG ? 100_000 : 2_000;
  await crowd(count);
  const path = await old.dump();
  const began = Date.now();
  const done = await importUsers(path);
  const took = (Date.now() - began) / 1000;
  assert.equal(done.status, 0, done.stderr);
  assert.match(done.stdout, new RegExp(`^auth\\.users: ${count} of ${count}$`, 'm'));
  assert.match(done.stdout, new RegExp(`^auth\\.users: ${count} new, 0 changed, 0 as they were$`, 'm'));
  if (LONG) {
    assert.match(done.stdout, /^auth\.users: 10000 of 100000$/m);
    assert.ok(took < 60, `${took} s`);
  }
  const again = await importUsers(path);
  assert.match(again.stdout, new RegExp(`^auth\\.users: 0 new, 0 changed, ${count} as they were$`, 'm'));
  console.log(`# ${count} people: ${took.toFixed(1)} s`);
});
