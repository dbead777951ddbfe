// Users as the shop's own server handles them, with the service key.
// system: shared
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { createClient } from '@supabase/supabase-js';

import { value } from '../../lib/db.mjs';
import { call, fetchFrom, newAddress } from '../../lib/http.mjs';
import { env, serviceKey, url } from '../../lib/system.mjs';
import { PASSWORD, auth, browser, codeFor, newEmail, newPerson } from './people.mjs';

const service = createClient(url, serviceKey, {
  auth: { autoRefreshToken: false, persistSession: false, detectSessionInUrl: false },
  realtime: { transport: globalThis.WebSocket ?? class {} }, global: { fetch: fetchFrom(newAddress()) },
});
const { admin } = service.auth;
const as = (method, path, body, token = serviceKey) => auth(method, path, { token, body });
const said = (answer) => [answer.status, answer.json?.code, answer.json?.message];

test('only the service comes in', async (t) => {
  const { session } = await newPerson();
  for (const [method, path] of [['GET', '/admin/users'], ['POST', '/admin/users'], ['GET', `/admin/users/${randomUUID()}`], ['PUT', `/admin/users/${randomUUID()}`],
    ['DELETE', `/admin/users/${randomUUID()}`], ['POST', '/invite'], ['POST', '/admin/generate_link']])
    await t.test(`${method} ${path.replace(/[0-9a-f-]{36}/, 'ID')}`, async () => {
      const body = method === 'GET' ? undefined : {};
      assert.deepEqual(said(await auth(method, path, { body })), [401, 'no_authorization', 'This endpoint requires a valid Bearer token']);
      assert.deepEqual(said(await as(method, path, body, session.access_token)), [403, 'not_admin', 'User not allowed']);
      assert.equal((await as(method, path, body, env.SUPABASE_ANON_KEY)).status, 403);
    });
});

test('make, read, change and delete a user: with supabase-js', async () => {
  const email = newEmail();
  const made = await admin.createUser({ email, password: PASSWORD, email_confirm: true, user_metadata: { first_name: 'Ada' }, app_metadata: { plan: 'gold' } });
  assert.equal(made.error, null);
  const { user } = made.data;
  assert.deepEqual(user.user_metadata, { first_name: 'Ada' });
  assert.deepEqual(user.app_metadata, { provider: 'email', providers: ['email'], plan: 'gold' });
  assert.equal((await browser().auth.signInWithPassword({ email, password: PASSWORD })).error, null);
  assert.equal((await admin.getUserById(user.id)).data.user.email, email);
  assert.equal((await admin.createUser({ email, password: PASSWORD })).error.code, 'email_exists');
  const next = newEmail();
  const changed = await admin.updateUserById(user.id, { email: next, password: 'another-long-password', user_metadata: { a: 1, first_name: null } });
  assert.deepEqual([changed.data.user.email, changed.data.user.user_metadata], [next, { a: 1 }]);
  assert.equal(await value('select count(*)::int from auth.sessions where user_id = $1', [user.id]), 0, 'a new password ends all sessions');
  assert.equal((await browser().auth.signInWithPassword({ email: next, password: 'another-long-password' })).error, null);
  assert.equal((await admin.deleteUser(user.id)).error, null);
  assert.equal((await admin.getUserById(user.id)).error.code, 'user_not_found');
  assert.equal(await value('select count(*)::int from public.user_profiles where id = $1', [user.id]), 0);
});

test('a hash of another system is taken as it is', async () => {
  const email = newEmail(), id = randomUUID();
  const { data: { user } } = await admin.createUser({ id, email, email_confirm: true, password_hash: '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW' });
  assert.equal(user.id, id);
  assert.equal((await browser().auth.signInWithPassword({ email, password: 'U*U' })).error, null);
  assert.equal((await as('POST', '/admin/users', { id, email: newEmail() })).status, 422);
});

test('pages of all users, with the headers that the client reads', async () => {
  await Promise.all([1, 2, 3].map(() => admin.createUser({ email: newEmail() })));
  const total = await value('select count(*)::int from auth.users');
  const all = await as('GET', '/admin/users?page=&per_page=');
  assert.deepEqual([all.status, all.json.aud, all.headers['x-total-count']], [200, 'authenticated', String(total)]);
  assert.equal(all.json.users[0].identities, null);
  assert.ok(new Date(all.json.users[0].created_at) >= new Date(all.json.users.at(-1).created_at), 'the newest first');
  const one = await as('GET', '/admin/users?page=1&per_page=1');
  assert.equal(one.json.users.length, 1);
  assert.equal(one.headers.link, `</admin/users?page=2&per_page=1>; rel="next", </admin/users?page=${total}&per_page=1>; rel="last"`);
  const { data } = await admin.listUsers({ page: 1, perPage: 2 });
  assert.deepEqual([data.users.length, data.nextPage], [2, 2]);
  for (const query of ['page=0', 'page=x', 'per_page=0', 'per_page=1001'])
    assert.deepEqual([(await as('GET', `/admin/users?${query}`)).status], [400], query);
});

test('what is no user', async () => {
  assert.deepEqual(said(await as('GET', '/admin/users/x')), [404, 'validation_failed', 'user_id must be an UUID']);
  assert.deepEqual(said(await as('GET', `/admin/users/${randomUUID()}`)), [404, 'user_not_found', 'User not found']);
  assert.deepEqual(said(await as('POST', '/admin/users', {})), [400, 'validation_failed', 'Cannot create a user without either an email or phone']);
  assert.deepEqual(said(await as('POST', '/admin/users', { email: newEmail(), role: 'service_role' })), [400, 'validation_failed', 'role must be authenticated']);
});

test('a ban for a time, and its end', async () => {
  const { email, session } = await newPerson();
  const ban = (ban_duration) => as('PUT', `/admin/users/${session.user.id}`, { ban_duration });
  assert.deepEqual(said(await ban('1d')), [400, 'validation_failed', 'invalid format for ban duration: time: unknown unit "d" in duration "1d"']);
  const banned = await ban('24h');
  assert.ok(new Date(banned.json.banned_until) > Date.now() + 23 * 3600_000);
  assert.equal((await auth('GET', '/user', { token: session.access_token })).json.code, 'user_banned');
  assert.equal((await browser().auth.signInWithPassword({ email, password: PASSWORD })).error.code, 'user_banned');
  assert.equal((await ban('none')).json.banned_until, undefined);
  assert.equal((await auth('GET', '/user', { token: session.access_token })).status, 200);
});

test('a soft deletion leaves a row that says nothing of anybody', async () => {
  const { email, session } = await newPerson({ data: { first_name: 'Eve' } });
  assert.deepEqual((await as('DELETE', `/admin/users/${session.user.id}`, { should_soft_delete: true })).json, {});
  assert.deepEqual((await as('DELETE', `/admin/users/${session.user.id}`, { should_soft_delete: true })).json, {});
  const { data: { user } } = await admin.getUserById(session.user.id);
  assert.ok(user.deleted_at);
  assert.ok(!JSON.stringify(user).includes(email) && !JSON.stringify(user).includes('Eve'), JSON.stringify(user));
  assert.equal((await browser().auth.signInWithPassword({ email, password: PASSWORD })).error.code, 'invalid_credentials');
  assert.equal((await auth('GET', '/user', { token: session.access_token })).json.code, 'user_not_found');
  assert.equal((await browser().auth.signUp({ email, password: PASSWORD })).error, null, 'the address is free again');
});

test('an invitation', async () => {
  const email = newEmail();
  const { data, error } = await admin.inviteUserByEmail(email, { data: { team: 'red' } });
  assert.equal(error, null);
  assert.deepEqual([data.user.user_metadata, Boolean(data.user.invited_at)], [{ team: 'red' }, true]);
  const client = browser();
  assert.equal((await client.auth.verifyOtp({ type: 'invite', email, token: await codeFor(email) })).error, null);
  assert.equal((await admin.inviteUserByEmail(email)).error.code, 'email_exists');
});

test('links that the service sends itself', async (t) => {
  for (const type of ['signup', 'invite', 'magiclink', 'recovery'])
    await t.test(type, async () => {
      const known = type === 'magiclink' || type === 'recovery';
      const email = known ? (await newPerson()).email : newEmail();
      const mails = await value('select count(*)::int from public.outbox where recipient = $1', [email]);
      const { data, error } = await admin.generateLink({ type, email, password: PASSWORD, options: { redirectTo: `${env.SITE_URL}/in` } });
      assert.equal(error, null);
      assert.deepEqual([data.user.email, data.properties.verification_type, data.properties.redirect_to], [email, type, `${env.SITE_URL}/in`]);
      assert.equal(await value('select count(*)::int from public.outbox where recipient = $1', [email]), mails, 'no mail');
      const client = browser();
      assert.equal((await client.auth.verifyOtp({ type: type === 'invite' ? 'invite' : type, email, token: data.properties.email_otp })).error, null);
      const again = await call('GET', data.properties.action_link.slice(url.length), { from: newAddress() });
      assert.match(again.headers.location, /otp_expired/, 'one use, whichever way');
    });
  const unknown = newEmail();
  assert.equal((await admin.generateLink({ type: 'magiclink', email: unknown })).data.properties.verification_type, 'signup');
  assert.equal((await admin.generateLink({ type: 'recovery', email: newEmail() })).error.code, 'user_not_found');
  assert.deepEqual(said(await as('POST', '/admin/generate_link', { type: 'x', email: unknown })), [400, 'validation_failed', 'Invalid email action link type requested: x']);
});

test('what is not built says so in the original words', async (t) => {
  for (const [method, path, status, code, message] of [
    ['GET', '/authorize?provider=google', 400, 'validation_failed', 'Unsupported provider: Provider google could not be found'],
    ['GET', '/callback', 400, 'bad_oauth_callback', 'OAuth state parameter missing'],
    ['POST', '/sso', 404, 'saml_provider_disabled', 'SAML 2.0 is disabled'],
    ['POST', '/oauth/token', 404, 'feature_disabled', 'OAuth server is disabled'],
    ['DELETE', '/user/identities/x', 404, 'manual_linking_disabled', 'Manual linking is disabled'],
    ['POST', '/token?grant_type=web3', 422, 'web3_provider_disabled', 'Web3 provider is disabled']])
    await t.test(`${method} ${path}`, async () => assert.deepEqual(said(await auth(method, path, method === 'GET' ? {} : { body: {} })), [status, code, message]));
});
