// ./deploy.sh admin: who is staff is said on the machine, and holds at once.
// system: shared
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { rows, value } from '../lib/db.mjs';
import { deploy } from '../lib/system.mjs';
import { until } from '../lib/wait.mjs';
import { auth, mailsTo, newEmail, newPerson, PASSWORD } from './auth/people.mjs';
import { newPersonWithFactor } from './auth/totp.mjs';

const list = async () => (await deploy('admin', 'list')).stdout.split('\n').map((line) => line.split('\t'));
const of = async (email) => (await list()).find(([who]) => who === email)?.slice(1).join(' ');
const duties = (id) => value('select platform.duties_of($1)', [id]);
const roleOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).role;

test('staff is added, changed and removed, at once', async () => {
  const { email, session } = await newPerson();
  const { id } = session.user;
  assert.deepEqual(await duties(id), []);
  const added = await deploy('admin', 'add', email.toUpperCase(), '--duty', 'support', '--duty', 'finance');
  assert.deepEqual([added.status, added.stdout.trim()], [0, `${email}\tsupport,finance\tacts`], added.stderr);
  assert.deepEqual(await duties(id), ['support', 'finance']);
  assert.equal((await deploy('admin', 'add', '--duty', 'inventory', email)).status, 0, 'others in their place');
  assert.equal(await of(email), 'inventory acts');
  const removed = await deploy('admin', 'remove', email);
  assert.deepEqual([removed.status, removed.stdout.trim()], [0, `${email} is no staff any more`], removed.stderr);
  assert.deepEqual(await duties(id), []);
  assert.equal(await of(email), undefined);
  assert.deepEqual((await rows(`select action_type from public.admin_audit_log where record_id = $1 order by created_at`, [email]))
    .map((row) => row.action_type), ['INSERT', 'UPDATE', 'DELETE'], 'all are in the audit');
});

test('tokens of staff name the database role, from the next one on', async () => {
  const { email, session } = await newPerson();
  assert.equal(roleOf(session.access_token), 'authenticated');
  await deploy('admin', 'add', email, '--duty', 'inventory');
  const refreshed = await auth('POST', '/token?grant_type=refresh_token', { body: { refresh_token: session.refresh_token } });
  assert.deepEqual([roleOf(refreshed.json.access_token), refreshed.json.user.role], ['staff', 'staff']);
  const signedIn = await auth('POST', '/token?grant_type=password', { body: { email, password: PASSWORD } });
  assert.equal(roleOf(signedIn.json.access_token), 'staff');
  const user = await auth('GET', '/user', { token: signedIn.json.access_token });
  assert.deepEqual([user.status, user.json.email], [200, email], 'who is a user too');
  await deploy('admin', 'remove', email);
  const after = await auth('POST', '/token?grant_type=refresh_token', { body: { refresh_token: signedIn.json.refresh_token } });
  assert.equal(roleOf(after.json.access_token), 'authenticated');
});

test('the list says who cannot act yet', async () => {
  const email = newEmail();
  assert.equal((await deploy('admin', 'add', email, '--duty', 'support')).stdout.trim(), `${email}\tsupport\thas not signed up`);
  await rows(`insert into auth.users (email) values ($1)`, [email]);
  assert.equal(await of(email), 'support is not confirmed');
  await rows(`update auth.users set email_confirmed_at = now(), banned_until = now() + interval '1 hour' where email = $1`, [email]);
  assert.equal(await of(email), 'support is banned');
  await rows(`update platform.administrators set is_active = false where email = $1`, [email]);
  assert.equal(await of(email), 'support switched off');
  await rows(`update auth.users set banned_until = null where email = $1`, [email]);
  assert.equal((await deploy('admin', 'add', email, '--duty', 'support')).stdout.trim(), `${email}\tsupport\tacts`, 'switched on again');
  await rows(`select platform.set_standing(id, 'suspended', 'test') from auth.users where email = $1`, [email]);
  assert.equal(await of(email), 'support is suspended');
  await deploy('admin', 'remove', email);
});

test('who lost a second factor, and has no other owner, gets in again from the machine', async () => {
  const { email, session } = await newPersonWithFactor();
  await deploy('admin', 'add', email, '--duty', 'owner');
  assert.equal(await of(email), 'owner acts, with a second factor');
  const reset = await deploy('admin', 'reset-factor', email.toUpperCase());
  assert.deepEqual([reset.status, reset.stdout.trim()], [0, `${email} has no second factor any more, and is signed out`], reset.stderr);
  assert.equal(await of(email), 'owner acts');
  assert.equal((await auth('GET', '/user', { token: session.access_token })).json.code, 'session_not_found');
  const signedIn = await auth('POST', '/token?grant_type=password', { body: { email, password: PASSWORD } });
  assert.deepEqual([signedIn.status, signedIn.json.user.factors], [200, undefined]);
  assert.equal(await value(`select count(*)::int from public.admin_audit_log where action_type = 'RESET_FACTORS' and record_id = $1`, [session.user.id]), 1);
  await until(() => mailsTo(email).some((mail) => mail.subject === 'Your second factor was reset'), 'a mail');
  for (const who of [email, newEmail()]) assert.equal((await deploy('admin', 'reset-factor', who)).status, 1, 'once');
  await deploy('admin', 'remove', email);
});

test('what is no call of it is refused, and says why', async () => {
  for (const words of [[], ['add'], ['remove'], ['add', 'nobody'], ['add', "x'; select 1 --"], ['list', 'x'], ['promote', 'a@example.com'], ['reset-factor'], ['reset-factor', 'a@example.com', '--duty', 'owner'],
    ['add', 'a@example.com', '--duty', 'boss'], ['add', 'a@example.com', '--duty'], ['list', '--duty', 'owner']]) {
    const answer = await deploy('admin', ...words);
    assert.equal(answer.status, 2, words.join(' '));
    assert.match(answer.stderr, /^error: .*\nUsage: \.\/deploy\.sh admin /);
  }
  const nobody = await deploy('admin', 'remove', newEmail());
  assert.deepEqual([nobody.status, /is not among the staff/.test(nobody.stderr)], [1, true]);
});
