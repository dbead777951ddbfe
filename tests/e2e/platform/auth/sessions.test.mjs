// Signing in, staying signed in, signing out; and tokens on other functions.
// system: shared
import assert from 'node:assert/strict';
import { createPublicKey, verify as verifySignature } from 'node:crypto';
import { test } from 'node:test';

import { row, rows, value } from '../../lib/db.mjs';
import { call, invoke } from '../../lib/http.mjs';
import { anonKey, env, serviceKey } from '../../lib/system.mjs';
import { mint, userClaims, userToken } from '../../lib/tokens.mjs';
import { PASSWORD, auth, browser, newEmail, newPerson } from './people.mjs';

const refresh = (token) => auth('POST', '/token?grant_type=refresh_token', { body: { refresh_token: token } });
const signIn = (email, password = PASSWORD, more = {}) => auth('POST', '/token?grant_type=password', { body: { email, password }, ...more });
const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
const said = (answer) => [answer.status, answer.json.code, answer.json.message];

test('sign in with supabase-js: a session, a user, a token of ES256 that the published key checks', async () => {
  const { email } = await newPerson();
  const client = browser();
  const { data: { session }, error } = await client.auth.signInWithPassword({ email: email.toUpperCase(), password: PASSWORD });
  assert.equal(error, null);
  assert.deepEqual([session.token_type, session.expires_in], ['bearer', 3600]);
  const [header, payload, signature] = session.access_token.split('.');
  const { alg, kid } = JSON.parse(Buffer.from(header, 'base64url'));
  const answer = await call('GET', '/auth/v1/.well-known/jwks.json');
  assert.equal(answer.headers['cache-control'], 'public, max-age=600');
  const key = answer.json.keys.find((k) => k.kid === kid);
  assert.equal(alg, 'ES256');
  assert.ok(verifySignature('sha256', Buffer.from(`${header}.${payload}`),
    { key: createPublicKey({ key, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url')));
  const claims = claimsOf(session.access_token);
  assert.deepEqual(Object.keys(claims), ['iss', 'sub', 'aud', 'exp', 'iat', 'email', 'phone', 'app_metadata', 'user_metadata',
    'role', 'aal', 'amr', 'session_id', 'is_anonymous']);
  assert.deepEqual([claims.iss, claims.aud, claims.role, claims.aal, claims.amr[0].method, claims.exp - claims.iat],
    [`${env.SUPABASE_URL}/auth/v1`, 'authenticated', 'authenticated', 'aal1', 'password', 3600]);
  const { data: { claims: local } } = await client.auth.getClaims();
  assert.equal(local.sub, claims.sub);
});

test('a token works on the functions', async () => {
  const { session } = await newPerson();
  const answer = await invoke(`check-payment-status?orderId=FFX000000001&userId=${session.user.id}`, { token: session.access_token }, 'GET');
  assert.deepEqual([answer.status, answer.json.error], [404, 'Order not found']);
});

test('a wrong password, nobody, and somebody without a password are told the same', async () => {
  const { email } = await newPerson();
  const imported = newEmail();
  await rows('insert into auth.users (email, email_confirmed_at) values ($1, now())', [imported]);
  for (const answer of [await signIn(email, 'wrong-password'), await signIn(newEmail()), await signIn(imported), await signIn(email, 'x'.repeat(100)), await signIn(email, '')])
    assert.deepEqual(said(answer), [400, 'invalid_credentials', 'Invalid login credentials']);
  const old = await signIn(email, 'wrong-password', { version: null });
  assert.deepEqual(old.json, { code: 400, error_code: 'invalid_credentials', msg: 'Invalid login credentials' });
});

test('what is no sign-in is refused in the original words', async () => {
  const ask = (query, body) => auth('POST', `/token${query}`, { body });
  assert.deepEqual(said(await ask('?grant_type=password', { password: 'x' })), [400, 'validation_failed', 'missing email or phone']);
  assert.deepEqual(said(await ask('?grant_type=password', { email: 'a@x.io', phone: '1', password: 'x' })),
    [400, 'validation_failed', 'Only an email address or phone number should be provided on login.']);
  assert.deepEqual(said(await ask('?grant_type=password', { phone: '1', password: 'x' })), [422, 'phone_provider_disabled', 'Phone logins are disabled']);
  assert.deepEqual(said(await ask('?grant_type=foo', {})), [400, 'invalid_credentials', 'unsupported_grant_type']);
  assert.deepEqual(said(await ask('', {})), [400, 'invalid_credentials', 'unsupported_grant_type']);
});

test('hashes of other systems sign in, and are made anew', async () => {
  const email = newEmail();
  // $2a$05$ of "U*U"
  await rows('insert into auth.users (email, email_confirmed_at, encrypted_password) values ($1, now(), $2)',
    [email, '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW']);
  assert.equal((await signIn(email, 'U*U')).status, 200);
  const hash = await value('select encrypted_password from auth.users where email = $1', [email]);
  assert.match(hash, new RegExp(`^\\$2b\\$${String(env.PASSWORD_COST ?? 10).padStart(2, '0')}\\$`));
  assert.equal((await signIn(email, 'U*U')).status, 200);
  assert.equal(await value('select encrypted_password from auth.users where email = $1', [email]), hash);
});

test('a refresh token is used once; the one before it still gives the same, for answers that got lost', async () => {
  const { session: a } = await newPerson();
  const b = (await refresh(a.refresh_token)).json;
  assert.equal(claimsOf(b.access_token).session_id, claimsOf(a.access_token).session_id);
  assert.notEqual(b.refresh_token, a.refresh_token);
  assert.equal((await refresh(a.refresh_token)).json.refresh_token, b.refresh_token);
  const c = (await refresh(b.refresh_token)).json;
  assert.equal((await refresh(b.refresh_token)).json.refresh_token, c.refresh_token);
});

test('an old refresh token is a stolen one: the session ends, and that is committed', async () => {
  const { session: a } = await newPerson();
  const { session_id: id } = claimsOf(a.access_token);
  const b = (await refresh(a.refresh_token)).json, c = (await refresh(b.refresh_token)).json;
  await rows(`update auth.sessions set refreshed_at = now() - interval '11 seconds' where id = $1`, [id]);
  assert.deepEqual(said(await refresh(a.refresh_token)), [400, 'refresh_token_already_used', 'Invalid Refresh Token: Already Used']);
  assert.deepEqual(said(await refresh(c.refresh_token)), [400, 'refresh_token_not_found', 'Invalid Refresh Token: Refresh Token Not Found']);
  assert.equal(await value('select count(*)::int from auth.sessions where id = $1', [id]), 0);
  assert.deepEqual(said(await auth('GET', '/user', { token: c.access_token })),
    [403, 'session_not_found', 'Session from session_id claim in JWT does not exist']);
});

test('fifty refreshes of one token at once: one family, and nobody is thrown out', async () => {
  const { session } = await newPerson();
  const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(session.refresh_token)));
  assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200]);
  const tokens = [...new Set(answers.map((answer) => answer.json.refresh_token))];
  assert.equal(tokens.length, 1);
  assert.equal((await refresh(tokens[0])).status, 200);
});

test('refreshes of many sessions at once: each gets its own, whatever becomes of the others', async () => {
  const { email } = await newPerson();
  const mine = await Promise.all(Array.from({ length: 30 }, () => signIn(email).then((answer) => answer.json)));
  assert.equal((await auth('POST', '/logout?scope=local', { token: mine[0].access_token })).status, 204);
  const answers = await Promise.all(mine.flatMap((session) => [refresh(session.refresh_token), refresh(session.refresh_token)]));
  assert.deepEqual(answers.slice(0, 2).map((answer) => answer.status), [400, 400]);
  for (const [i, answer] of answers.entries()) {
    if (i < 2) continue;
    assert.equal(answer.status, 200);
    assert.equal(claimsOf(answer.json.access_token).session_id, claimsOf(mine[i >> 1].access_token).session_id);
    assert.equal(answer.json.refresh_token, answers[i & ~1].json.refresh_token);
  }
});

test('a token that nobody made here is refused', async () => {
  const { session: { refresh_token: good } } = await newPerson();
  assert.deepEqual(said(await refresh('short')), [400, 'validation_failed', 'Refresh token is not valid']);
  for (const token of ['abcdefghijkl', `${good}A`, good.slice(0, -2), good.replace(/.$/, (c) => (c === 'A' ? 'Q' : 'A')), good.replace(/^./, 'Q')])
    assert.deepEqual(said(await refresh(token)), [400, 'refresh_token_not_found', 'Invalid Refresh Token: Refresh Token Not Found'], token);
  for (let i = 0; i < good.length; i++) {
    const changed = `${good.slice(0, i)}${good[i] === 'x' ? 'y' : 'x'}${good.slice(i + 1)}`;
    assert.equal((await refresh(changed)).status, 400, `changed at ${i}`);
  }
  assert.equal((await refresh(good)).status, 200);
});

test('sessions end by their times', async () => {
  const { session } = await newPerson();
  await rows(`update auth.sessions set not_after = now() - interval '1 second' where id = $1`, [claimsOf(session.access_token).session_id]);
  assert.deepEqual(said(await refresh(session.refresh_token)), [400, 'session_expired', 'Invalid Refresh Token: Session Expired']);
});

test('sign out: here, elsewhere, everywhere', async () => {
  const { email, client } = await newPerson();
  const others = await Promise.all([1, 2].map(async () => (await signIn(email)).json));
  const alive = async (token) => (await auth('GET', '/user', { token })).status === 200;
  assert.equal((await client.auth.signOut({ scope: 'others' })).error, null);
  assert.deepEqual([await alive(others[0].access_token), await alive(others[1].access_token)], [false, false]);
  assert.equal((await client.auth.getUser()).error, null);
  const third = (await signIn(email)).json;
  const out = await auth('POST', '/logout?scope=local', { token: third.access_token });
  assert.deepEqual([out.status, out.text], [204, '']);
  assert.equal((await client.auth.getUser()).error, null);
  assert.equal((await client.auth.signOut()).error, null);
  assert.equal(await value('select count(*)::int from auth.sessions as s join auth.users as u on u.id = s.user_id where u.email = $1', [email]), 0);
  const { access_token: token } = (await signIn(email)).json;
  assert.deepEqual(said(await auth('POST', '/logout?scope=x', { token })), [400, 'validation_failed', 'Unsupported logout scope "x"']);
});

test('whose token it is: bad ones are told as the original does', async () => {
  const ask = (token) => auth('GET', '/user', { token });
  assert.deepEqual(said(await ask()), [401, 'no_authorization', 'This endpoint requires a valid Bearer token']);
  assert.deepEqual(said(await ask(anonKey)), [403, 'bad_jwt', 'invalid claim: missing sub claim']);
  const { session } = await newPerson();
  const expired = await ask(userToken(session.user, { exp: 1700000000 }));
  assert.deepEqual(said(expired), [403, 'bad_jwt', 'invalid JWT: unable to parse or verify signature, token has invalid claims: token is expired']);
  assert.equal((await ask('x.y.z')).json.code, 'bad_jwt');
  const gone = await ask(mint(userClaims({ id: '00000000-0000-4000-8000-000000000000', email: 'x@x.io' })));
  assert.deepEqual(said(gone), [403, 'user_not_found', 'User from sub claim in JWT does not exist']);
  assert.equal((await ask(userToken(session.user))).status, 200, 'a legacy token without a session');
});

test('who is banned is let in nowhere, with tokens of before neither', async () => {
  const { email, session } = await newPerson();
  await rows(`select platform.set_standing($1, 'banned', 'a test')`, [session.user.id]);
  assert.deepEqual(said(await signIn(email)), [400, 'user_banned', 'User is banned']);
  assert.deepEqual(said(await signIn(email, 'wrong-password')), [400, 'invalid_credentials', 'Invalid login credentials']);
  assert.deepEqual(said(await refresh(session.refresh_token)), [400, 'user_banned', 'Invalid Refresh Token: User Banned']);
  assert.deepEqual(said(await auth('GET', '/user', { token: session.access_token })), [403, 'user_banned', 'User is banned']);
  await rows(`select platform.set_standing($1, 'suspended', 'a test')`, [session.user.id]);
  assert.equal((await signIn(email)).status, 200, 'who is suspended signs in and reads');
});

test('what happens to an account is written down, without secrets', async () => {
  const { session } = await newPerson();
  await refresh(session.refresh_token);
  await auth('POST', '/logout', { token: session.access_token });
  const actions = await rows(`select payload ->> 'action' as action, payload ->> 'log_type' as type from auth.audit_log_entries
    where payload ->> 'actor_id' = $1 order by created_at, action`, [session.user.id]);
  assert.deepEqual(actions.map((a) => a.action).sort(), ['login', 'logout', 'user_confirmation_requested', 'user_signedup']);
});

test('no role but the service reads schema auth', async () => {
  const readers = await rows(`select r.rolname, c.relname from pg_roles as r, pg_class as c
    where c.relnamespace = 'auth'::regnamespace and c.relkind = 'r' and not r.rolsuper
      and r.rolname not like 'pg\\_%' and has_table_privilege(r.oid, c.oid, 'select')`);
  assert.deepEqual(readers, []);
  assert.equal((await row('select has_function_privilege($1, $2, $3) as may', ['service_role', 'platform.auth_credentials(text)', 'execute'])).may, false);
  assert.ok(serviceKey);
});
