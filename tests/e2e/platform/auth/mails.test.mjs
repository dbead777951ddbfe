// What is mailed: ways in without a password, a new password, links in both flows, a new address.
// system: shared
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';

import { row, rows, value } from '../../lib/db.mjs';
import { call, newAddress } from '../../lib/http.mjs';
import { env } from '../../lib/system.mjs';
import { until } from '../../lib/wait.mjs';
import { PASSWORD, auth, browser, codeFor, linkFor, mailsTo, newEmail, newPerson } from './people.mjs';

const said = (answer) => [answer.status, answer.json?.code, answer.json?.message];
const later = (id) => rows(`update auth.users set recovery_sent_at = recovery_sent_at - interval '61 seconds',
  confirmation_sent_at = confirmation_sent_at - interval '61 seconds', email_change_sent_at = email_change_sent_at - interval '61 seconds' where id = $1`, [id]);
/** A link is opened: where it leads. */
async function follow(link) {
  const answer = await call('GET', link.slice(env.SUPABASE_URL.length), { from: newAddress() });
  assert.equal(answer.status, 303, answer.text);
  const [address, fragment = ''] = answer.headers.location.split('#');
  const [base, query = ''] = address.split('?');
  return { base, query: Object.fromEntries(new URLSearchParams(query)), fragment: Object.fromEntries(new URLSearchParams(fragment)), location: answer.headers.location };
}
const pair = () => {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, body: { code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 's256' } };
};

test('a forgotten password: by the code, and by the link', async () => {
  const { email, session } = await newPerson(), client = browser();
  assert.equal((await client.auth.resetPasswordForEmail(email)).error, null);
  const verified = await client.auth.verifyOtp({ type: 'recovery', email, token: await codeFor(email, 2) });
  assert.equal(verified.error, null);
  assert.equal((await client.auth.updateUser({ password: 'another-long-password' })).error, null);
  assert.equal((await browser().auth.signInWithPassword({ email, password: PASSWORD })).error.code, 'invalid_credentials');
  assert.equal((await auth('GET', '/user', { token: session.access_token })).json.code, 'session_not_found', 'other sessions have ended');
  assert.equal((await client.auth.getUser()).error, null, 'this one has not');
  await until(() => mailsTo(email).some((mail) => mail.subject === 'Your password was changed'), 'a notice');

  await later(session.user.id);
  await client.auth.resetPasswordForEmail(email, { redirectTo: `${env.SITE_URL}/reset` });
  await until(() => mailsTo(email).filter((mail) => mail.subject === 'Choose a new password').length === 2, 'the mail');
  const led = await follow(await linkFor(email, 'Choose a new password', 2));
  assert.equal(led.base, `${env.SITE_URL}/reset`);
  assert.deepEqual(Object.keys(led.fragment), ['access_token', 'expires_at', 'expires_in', 'refresh_token', 'sb', 'token_type', 'type']);
  assert.deepEqual([led.fragment.type, led.fragment.token_type, led.fragment.expires_in], ['recovery', 'bearer', '3600']);
  assert.equal((await auth('GET', '/user', { token: led.fragment.access_token })).json.email, email);
});

test('recovery says the same to strangers, and once a minute', async () => {
  const { email } = await newPerson();
  const ask = (address) => auth('POST', '/recover', { body: { email: address } });
  assert.deepEqual((await ask(newEmail())).json, {});
  assert.deepEqual((await ask(email)).json, {});
  assert.equal((await ask(email)).json.code, 'over_email_send_rate_limit');
  assert.deepEqual(said(await auth('POST', '/recover', { body: {} })), [400, 'validation_failed', 'Password recovery requires an email']);
});

test('a link is good once, for its type; a bad one leads to the front end with what was wrong', async () => {
  const email = newEmail();
  await auth('POST', '/signup', { body: { email, password: PASSWORD } });
  const link = await linkFor(email, 'Confirm your address');
  assert.equal((await call('HEAD', link.slice(env.SUPABASE_URL.length), { from: newAddress() })).status, 303, 'a look uses nothing up');
  const wrong = await follow(link.replace('type=signup', 'type=recovery'));
  assert.equal(wrong.location, `${env.SITE_URL}#error=access_denied&error_code=otp_expired&error_description=Email%20link%20is%20invalid%20or%20has%20expired&sb=`);
  assert.equal((await follow(link)).fragment.type, 'signup');
  assert.equal((await follow(link)).fragment.error_code, 'otp_expired');
  assert.equal((await follow(link.replace(/token=[0-9a-f]+/, 'token=pkce_bad'))).query.error_code, 'otp_expired');
  assert.equal((await call('GET', '/auth/v1/verify?type=signup', { from: newAddress() })).status, 400);
  assert.equal((await call('GET', '/auth/v1/verify?token=x', { from: newAddress() })).status, 400);
});

test('the hash of a link works for verifyOtp, as pages of Next.js use it', async () => {
  const email = newEmail();
  await auth('POST', '/signup', { body: { email, password: PASSWORD } });
  const token_hash = new URL(await linkFor(email, 'Confirm your address')).searchParams.get('token');
  const client = browser();
  assert.equal((await client.auth.verifyOtp({ type: 'email', token_hash })).error, null);
  assert.equal((await client.auth.getUser()).data.user.email, email);
  const again = await auth('POST', '/verify', { body: { type: 'email', token_hash } });
  assert.deepEqual(said(again), [403, 'otp_expired', 'Email link is invalid or has expired']);
  assert.deepEqual(said(await auth('POST', '/verify', { body: { type: 'email', token_hash, email } })),
    [400, 'validation_failed', 'Only the token_hash and type should be provided']);
  assert.deepEqual(said(await auth('POST', '/verify', { body: { type: 'email' } })),
    [400, 'validation_failed', 'Verify requires either a token or a token hash']);
});

test('links lead nowhere else', async (t) => {
  const { email, session } = await newPerson();
  for (const [redirect, to] of [['https://evil.example/', env.SITE_URL], [`${env.SITE_URL}.evil.example/`, env.SITE_URL],
    ['javascript:alert(1)', env.SITE_URL], ['//evil.example', env.SITE_URL], [`${env.SITE_URL.replace('//', '//user@evil.example/')}`, env.SITE_URL],
    [`${env.SITE_URL}/deep/page?x=1`, `${env.SITE_URL}/deep/page`]])
    await t.test(`redirect_to ${redirect}`, async () => {
      await later(session.user.id);
      const before = mailsTo(email).length;
      await auth('POST', `/recover?redirect_to=${encodeURIComponent(redirect)}`, { body: { email } });
      await until(() => mailsTo(email).length > before, 'the mail');
      const text = mailsTo(email).at(-1).text;
      assert.equal((await follow(/http\S+/.exec(text)[0])).base, to);
    });
});

test('the hash of a magic link is one of an e-mail, too', async () => {
  const { email } = await newPerson();
  await auth('POST', '/magiclink', { body: { email } });
  const token_hash = new URL(await linkFor(email, 'Your way in')).searchParams.get('token');
  assert.equal((await auth('POST', '/verify', { body: { type: 'email', token_hash } })).status, 200);
});

test('sign in with a mailed code: who is known, and who is not yet', async () => {
  const { email } = await newPerson(), client = browser();
  assert.equal((await client.auth.signInWithOtp({ email, options: { shouldCreateUser: false } })).error, null);
  assert.equal((await client.auth.verifyOtp({ type: 'email', email, token: await codeFor(email, 2) })).error, null);
  const unknown = newEmail(), other = browser();
  assert.equal((await other.auth.signInWithOtp({ email: unknown, options: { shouldCreateUser: false } })).error.code, 'otp_disabled');
  assert.equal((await other.auth.signInWithOtp({ email: unknown, options: { data: { first_name: 'Otto' } } })).error, null);
  const { data, error } = await other.auth.verifyOtp({ type: 'email', email: unknown, token: await codeFor(unknown) });
  assert.equal(error, null);
  assert.equal(data.user.user_metadata.first_name, 'Otto');
  assert.equal((await browser().auth.signInWithPassword({ email: unknown, password: '' })).error.code, 'invalid_credentials');
  assert.deepEqual(said(await auth('POST', '/otp', { body: {} })), [400, 'validation_failed', 'One of email or phone must be set']);
  assert.deepEqual(said(await auth('POST', '/otp', { body: { phone: '1' } })), [400, 'phone_provider_disabled', 'Unsupported phone provider']);
});

test('PKCE: the link gives a code, and the code a session to who began', async () => {
  const email = newEmail(), { verifier, body } = pair();
  await auth('POST', '/signup', { body: { email, password: PASSWORD, ...body } });
  const link = await linkFor(email, 'Confirm your address');
  assert.match(link, /token=pkce_[0-9a-f]{56}&/);
  const led = await follow(link);
  assert.deepEqual(Object.keys(led.query), ['code']);
  const exchange = (auth_code, code_verifier) => auth('POST', '/token?grant_type=pkce', { body: { auth_code, code_verifier } });
  assert.deepEqual(said(await exchange(led.query.code, 'x'.repeat(43))),
    [400, 'bad_code_verifier', 'code challenge does not match previously saved code verifier']);
  const good = await exchange(led.query.code, verifier);
  assert.equal(good.status, 200, good.text);
  assert.equal(JSON.parse(Buffer.from(good.json.access_token.split('.')[1], 'base64url')).amr[0].method, 'email/signup');
  assert.deepEqual(said(await exchange(led.query.code, verifier)), [404, 'flow_state_not_found', 'invalid flow state, no valid flow state found']);
  assert.deepEqual(said(await exchange('', verifier)), [400, 'validation_failed', 'invalid request: both auth code and code verifier should be non-empty']);
});

test('PKCE with supabase-js; a code is good for five minutes from the click', async () => {
  const { email, session } = await newPerson(), client = browser({ flowType: 'pkce' });
  await client.auth.resetPasswordForEmail(email);
  const led = await follow(await linkFor(email, 'Choose a new password'));
  const { data, error } = await client.auth.exchangeCodeForSession(led.query.code);
  assert.equal(error, null);
  assert.equal(data.session.user.email, email);
  await later(session.user.id);
  await client.auth.resetPasswordForEmail(email);
  const { query } = await follow(await linkFor(email, 'Choose a new password', 2));
  await rows(`update auth.flow_state set auth_code_issued_at = now() - interval '301 seconds' where auth_code = $1`, [query.code]);
  assert.equal((await client.auth.exchangeCodeForSession(query.code)).error.code, 'flow_state_expired');
});

test('what is no challenge is refused', async () => {
  const ask = (body) => auth('POST', '/recover', { body: { email: newEmail(), ...body } });
  const good = pair().body;
  for (const [body, message] of [[{ code_challenge: good.code_challenge }, 'PKCE flow requires code_challenge_method and code_challenge'],
    [{ ...good, code_challenge: 'x' }, 'code challenge has to be between 43 and 128 characters'],
    [{ ...good, code_challenge: '+'.repeat(43) }, 'code challenge can only have letters, digits and ._~-'],
    [{ ...good, code_challenge_method: 'md5' }, 'code_challenge_method must be s256 or plain']])
    assert.deepEqual(said(await ask(body)), [400, 'validation_failed', message]);
  assert.equal((await ask({ code_challenge: null, code_challenge_method: null })).status, 200);
});

test('a new address is confirmed by both', async () => {
  const { email, client, session } = await newPerson(), next = newEmail();
  const { data } = await client.auth.updateUser({ email: next });
  assert.deepEqual([data.user.email, data.user.new_email], [email, next]);
  const first = await client.auth.verifyOtp({ type: 'email_change', email: next, token: await codeFor(next) });
  assert.equal(first.error, null);
  assert.equal((await row('select email from auth.users where id = $1', [session.user.id])).email, email, 'half is not enough');
  const half = await auth('POST', '/verify', { body: { type: 'email_change', email: next, token: await codeFor(next) } });
  assert.equal(half.json.code, 'otp_expired', 'each once');
  const second = await client.auth.verifyOtp({ type: 'email_change', email, token: await codeFor(email, 2) });
  assert.equal(second.error, null);
  assert.deepEqual([second.data.user.email, second.data.user.new_email], [next, undefined]);
  assert.equal(second.data.user.identities[0].email, next);
  assert.equal(await value('select email from public.user_profiles where id = $1', [session.user.id]), next);
  await until(() => mailsTo(email).some((mail) => mail.subject === 'Your address was changed'), 'a notice to the old one');
  assert.equal((await browser().auth.signInWithPassword({ email: next, password: PASSWORD })).error, null);
});

test('an address that is taken is refused, also when it is taken meanwhile', async () => {
  const one = await newPerson(), two = await newPerson(), wanted = newEmail();
  assert.equal((await one.client.auth.updateUser({ email: two.email })).error.code, 'email_exists');
  await one.client.auth.updateUser({ email: wanted });
  await auth('POST', '/signup', { body: { email: wanted, password: PASSWORD } });
  await one.client.auth.verifyOtp({ type: 'email_change', email: one.email, token: await codeFor(one.email, 2) });
  const link = await linkFor(wanted, 'Confirm the change of your address');
  const taken = await auth('POST', '/verify', { body: { type: 'email_change', token_hash: new URL(link).searchParams.get('token') } });
  assert.deepEqual(said(taken), [422, 'email_exists', 'A user with this email address has already been registered']);
});

test('metadata is changed member by member; nothing else is the user\'s', async () => {
  const { client } = await newPerson({ data: { first_name: 'Eve', b: 2 } });
  const { data } = await client.auth.updateUser({ data: { a: 1, b: null, password: 'x' } });
  assert.equal(data.user.user_metadata.a, 1);
  assert.ok(!('b' in data.user.user_metadata) && !('password' in data.user.user_metadata));
  assert.equal(data.user.user_metadata.first_name, 'Eve');
  const { session: { access_token: token } } = (await client.auth.getSession()).data;
  assert.deepEqual(said(await auth('PUT', '/user', { token, body: { app_metadata: { role: 'admin' } } })),
    [403, 'not_admin', 'Updating app_metadata requires admin privileges']);
  assert.equal((await client.auth.updateUser({ password: PASSWORD })).error.code, 'same_password');
  assert.equal((await client.auth.updateUser({ password: 'short' })).error.name, 'AuthWeakPasswordError');
});

test('a code for a change of the password', async () => {
  const { email, client } = await newPerson();
  assert.equal((await client.auth.reauthenticate()).error, null);
  assert.match(await codeFor(email, 2), /^\d{6}$/);
  assert.equal((await client.auth.reauthenticate()).error.code, 'over_email_send_rate_limit');
});
