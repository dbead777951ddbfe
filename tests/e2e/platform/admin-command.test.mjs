// ./deploy.sh admin: who administers is said on the machine.
// system: shared
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { rows, value } from '../lib/db.mjs';
import { deploy } from '../lib/system.mjs';
import { newEmail, newPerson } from './auth/people.mjs';

const list = async () => (await deploy('admin', 'list')).stdout.split('\n').map((line) => line.split('\t'));
const of = async (email) => (await list()).find(([who]) => who === email)?.[1];
const isAdmin = (id) => value(
  `select platform.is_admin() from (select set_config('request.jwt.claims', $1, true)) as c`,
  [JSON.stringify({ sub: id, role: 'authenticated' })]);

test('an administrator is added, and removed, at once', async () => {
  const { email, session } = await newPerson();
  assert.equal(await isAdmin(session.user.id), false);
  const added = await deploy('admin', 'add', email.toUpperCase());
  assert.deepEqual([added.status, added.stdout.trim()], [0, `${email}\tadministers`], added.stderr);
  assert.equal(await isAdmin(session.user.id), true);
  assert.equal((await deploy('admin', 'add', email)).status, 0, 'and again');
  assert.equal(await of(email), 'administers');
  const removed = await deploy('admin', 'remove', email);
  assert.deepEqual([removed.status, removed.stdout.trim()], [0, `${email} no longer administers`], removed.stderr);
  assert.equal(await isAdmin(session.user.id), false);
  assert.equal(await of(email), undefined);
  assert.deepEqual((await rows(`select action_type from public.admin_audit_log where record_id = $1 order by created_at`, [email]))
    .map((row) => row.action_type), ['INSERT', 'DELETE'], 'both are in the audit');
});

test('the list says who cannot administer yet', async () => {
  const email = newEmail();
  assert.equal((await deploy('admin', 'add', email)).stdout.trim(), `${email}\thas not signed up`);
  await rows(`insert into auth.users (email) values ($1)`, [email]);
  assert.equal(await of(email), 'is not confirmed');
  await rows(`update auth.users set email_confirmed_at = now(), banned_until = now() + interval '1 hour' where email = $1`, [email]);
  assert.equal(await of(email), 'is banned');
  await rows(`update platform.administrators set is_active = false where email = $1`, [email]);
  assert.equal(await of(email), 'switched off');
  await rows(`update auth.users set banned_until = null where email = $1`, [email]);
  assert.equal((await deploy('admin', 'add', email)).stdout.trim(), `${email}\tadministers`, 'switched on again');
  await deploy('admin', 'remove', email);
});

test('what is no call of it is refused, and says why', async () => {
  for (const words of [[], ['add'], ['remove'], ['add', 'nobody'], ['add', "x'; select 1 --"], ['list', 'x'], ['promote', 'a@example.com']]) {
    const answer = await deploy('admin', ...words);
    assert.equal(answer.status, 2, words.join(' '));
    assert.match(answer.stderr, /^error: .*\nUsage: \.\/deploy\.sh admin /);
  }
  const nobody = await deploy('admin', 'remove', newEmail());
  assert.deepEqual([nobody.status, /is no administrator's/.test(nobody.stderr)], [1, true]);
});
