// The second factor: enrolled, challenged, verified, taken away; codes that count once, guesses that are limited.
// (That the releases of the client do all of it: clients.test.mjs.)
// system: shared
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import jsqr from 'jsqr';

import { row, rows, value } from '../../lib/db.mjs';
import { newAddress } from '../../lib/http.mjs';
import { env, serviceKey } from '../../lib/system.mjs';
import { userToken } from '../../lib/tokens.mjs';
import { until } from '../../lib/wait.mjs';
import { PASSWORD, auth, mailsTo, newPerson } from './people.mjs';
import { claimsOf, code, enroll, newPersonWithFactor, signIn, timePasses } from './totp.mjs';

const said = (answer) => [answer.status, answer.json.code, answer.json.message];
const level = (token) => claimsOf(token).aal;
const begin = (token, body = {}) => auth('POST', '/factors', { token, body: { factor_type: 'totp', ...body } });
const WRONG = [422, 'mfa_verification_failed', 'Invalid TOTP code entered'];
const ADDRESSES = [422, 'mfa_ip_address_mismatch', 'Challenge and verify IP addresses mismatch.'];
const NO_FACTOR = [404, 'mfa_factor_not_found', 'Factor not found'];

/** A challenge, at an address; verify(code) answers it there. */
async function challenge(token, factorId, from = newAddress()) {
  const answer = await auth('POST', `/factors/${factorId}/challenge`, { token, from });
  const verify = (given, more = {}) =>
    auth('POST', `/factors/${factorId}/verify`, { token, from, body: { challenge_id: answer.json.id, code: given }, ...more });
  return { ...answer, verify };
}

/** What a camera reads from the picture. */
function read(svg) {
  const [, width] = /viewBox="0 0 (\d+) /.exec(svg).map(Number), side = 4 * width;
  const pixels = new Uint8ClampedArray(4 * side * side).fill(255);
  for (const [, x, y, bar] of svg.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g))
    for (let v = 4 * y; v < 4 * y + 4; v++)
      for (let u = 4 * x; u < 4 * (Number(x) + Number(bar)); u++) pixels.fill(0, 4 * (v * side + u), 4 * (v * side + u) + 3);
  return jsqr(pixels, side, side)?.data;
}

test('enrolment gives a secret, its address and the address as a picture', async () => {
  const { email, session } = await newPerson();
  const { status, json } = await begin(session.access_token, { friendly_name: 'My phone' });
  assert.equal(status, 200);
  assert.deepEqual([Object.keys(json), Object.keys(json.totp)], [['id', 'type', 'friendly_name', 'totp'], ['qr_code', 'secret', 'uri']]);
  assert.deepEqual([json.type, json.friendly_name], ['totp', 'My phone']);
  assert.match(json.totp.secret, /^[A-Z2-7]{32}$/);
  const { host } = new URL(env.SITE_URL);
  assert.equal(json.totp.uri, `otpauth://totp/${host}:${email}?algorithm=SHA1&digits=6&issuer=${encodeURIComponent(host)}&period=30&secret=${json.totp.secret}`);
  assert.equal(read(json.totp.qr_code), json.totp.uri);
  assert.doesNotMatch(json.totp.qr_code, /[#%]/, 'clients put it into a data URL as it is');
  assert.match(await value('select secret from auth.mfa_factors where id = $1', [json.id]), /^ffx1\./, 'sealed at rest');
  const named = await begin(session.access_token, { friendly_name: 'b', issuer: 'The Shop & Söhne' });
  assert.match(named.json.totp.uri, /^otpauth:\/\/totp\/The%20Shop%20%26%20S%C3%B6hne:.*&issuer=The%20Shop%20%26%20S%C3%B6hne&/);
});

test('what is no enrolment is refused in the original words', async () => {
  const { session: { access_token: token } } = await newPerson();
  const ask = async (body) => said(await auth('POST', '/factors', { token, body }));
  assert.deepEqual(await ask({}), [400, 'validation_failed', 'factor_type needs to be totp, phone, or webauthn']);
  assert.deepEqual(await ask({ factor_type: 'phone' }), [422, 'mfa_phone_enroll_not_enabled', 'MFA enroll is disabled for Phone']);
  assert.deepEqual(await ask({ factor_type: 'webauthn' }), [422, 'mfa_webauthn_enroll_not_enabled', 'MFA enroll is disabled for WebAuthn']);
  assert.equal((await begin(token)).status, 200);
  assert.deepEqual(await ask({ factor_type: 'totp' }),
    [422, 'mfa_factor_name_conflict', 'A factor with the friendly name "" for this user already exists']);
  for (let n = 1; n < 10; n++) assert.equal((await begin(token, { friendly_name: `${n}` })).status, 200);
  assert.deepEqual(await ask({ factor_type: 'totp', friendly_name: '11' }),
    [422, 'too_many_enrolled_mfa_factors', 'Maximum number of verified factors reached, unenroll to continue']);
  assert.equal((await ask({ factor_type: 'totp', friendly_name: 'x'.repeat(256) }))[0], 400);
  assert.equal((await ask({ factor_type: 'totp', friendly_name: 'x', issuer: 'x'.repeat(101) }))[0], 400);
  assert.deepEqual((await auth('POST', '/factors', { body: { factor_type: 'totp' } })).status, 401);
});

test('only the person, in a session, has to do with a factor', async () => {
  const one = await newPerson(), other = await newPerson();
  const { json: { id } } = await begin(one.session.access_token);
  const token = other.session.access_token;
  for (const [method, path] of [['POST', `/factors/${id}/challenge`], ['DELETE', `/factors/${id}`], ['POST', `/factors/${randomUUID()}/challenge`]])
    assert.deepEqual(said(await auth(method, path, { token, body: {} })), NO_FACTOR);
  assert.deepEqual(said(await auth('POST', `/factors/${id}/verify`, { token, body: { challenge_id: randomUUID(), code: '' } })), NO_FACTOR);
  assert.deepEqual(said(await auth('POST', '/factors/x/challenge', { token })), [404, 'validation_failed', 'factor_id must be an UUID']);
  const without = userToken(one.session.user);
  assert.deepEqual(said(await auth('POST', `/factors/${id}/challenge`, { token: without })),
    [403, 'session_not_found', 'Session from session_id claim in JWT does not exist']);
});

test('the first right code: aal2 in the same session, and the end of those below', async () => {
  const { email, client, session } = await newPerson();
  const elsewhere = await signIn(email, PASSWORD);
  const { json: { id, totp: { secret } } } = await begin(session.access_token, { friendly_name: 'phone' });
  await begin(session.access_token, { friendly_name: 'begun and left' });
  const asked = await challenge(session.access_token, id);
  assert.deepEqual([asked.status, Object.keys(asked.json), asked.json.type], [200, ['id', 'type', 'expires_at'], 'totp']);
  assert.ok(Math.abs(asked.json.expires_at - Date.now() / 1000 - 300) < 60);
  assert.deepEqual(said(await asked.verify('')), [400, 'validation_failed', 'Code needs to be non-empty']);
  assert.deepEqual(said(await asked.verify('abcdef')), WRONG);
  const { status, json } = await asked.verify(` ${code(secret)}\n`);
  assert.equal(status, 200);
  const before = claimsOf(session.access_token), after = claimsOf(json.access_token);
  assert.deepEqual([after.session_id, after.aal, after.amr.map((m) => m.method)], [before.session_id, 'aal2', ['totp', 'otp']]);
  assert.notEqual(json.refresh_token, session.refresh_token);
  assert.deepEqual(json.user.factors.map((f) => [f.id, f.status, f.friendly_name, f.factor_type, f.phone]), [[id, 'verified', 'phone', 'totp', '']]);
  assert.ok(json.user.factors[0].last_challenged_at);
  assert.equal(JSON.stringify(json.user).includes(secret), false);
  assert.equal((await auth('GET', '/user', { token: elsewhere.session.access_token })).json.code, 'session_not_found', 'the other session');
  await client.auth.setSession(json);
  const refreshed = await client.auth.refreshSession();
  assert.deepEqual([level(refreshed.data.session.access_token), claimsOf(refreshed.data.session.access_token).amr], ['aal2', after.amr], 'a refresh keeps both');
  await until(() => mailsTo(email).some((mail) => mail.subject === 'A second factor was added'), 'a mail');
});

test('a code counts once: not for another challenge, another session or two at once', async () => {
  const { email, session, factor } = await newPersonWithFactor();
  const now = code(factor.secret);
  const first = await challenge(session.access_token, factor.id);
  assert.equal((await first.verify(now)).status, 200);
  assert.deepEqual(said(await first.verify(now)), ADDRESSES, 'the challenge is answered');
  assert.deepEqual(said(await (await challenge(session.access_token, factor.id)).verify(now)), WRONG);
  const stolen = await signIn(email, PASSWORD);
  assert.deepEqual(said(await (await challenge(stolen.session.access_token, factor.id)).verify(now)), WRONG);
  assert.deepEqual(said(await (await challenge(session.access_token, factor.id)).verify(code(factor.secret, -1))), WRONG, 'nor one from before it');

  await timePasses(factor.id);
  const sessions = await Promise.all(Array.from({ length: 8 }, () => signIn(email, PASSWORD)));
  const challenges = await Promise.all(sessions.map((one) => challenge(one.session.access_token, factor.id)));
  await rows('delete from auth.mfa_guesses where user_id = $1', [session.user.id]);
  const answers = await Promise.all(challenges.map((one) => one.verify(code(factor.secret))));
  assert.equal(answers.filter((answer) => answer.status === 200).length, 1, 'one of eight');
});

test('a clock may be a step wrong, and no more', async () => {
  const { session, factor } = await newPersonWithFactor();
  // In the middle of a step, so that none ends on the way.
  await until(() => Date.now() % 30000 < 20000, 'the beginning of a step', { timeout: 15000 });
  for (const [steps, status] of [[-2, 422], [2, 422], [-1, 200], [0, 200], [1, 200]])
    assert.equal((await (await challenge(session.access_token, factor.id)).verify(code(factor.secret, steps))).status, status, `${steps} steps`);
});

test('a challenge is good for its factor, at its address, for five minutes', async () => {
  const { client, session, factor } = await newPersonWithFactor();
  const second = await enroll(client, 'second');
  const asked = await challenge(session.access_token, factor.id);
  const other = (id, challenge_id) => auth('POST', `/factors/${id}/verify`, { token: session.access_token, body: { challenge_id, code: '000000' } });
  const unknown = [422, 'mfa_factor_not_found', 'MFA factor with the provided challenge ID not found'];
  assert.deepEqual(said(await other(second.id, asked.json.id)), unknown);
  assert.deepEqual(said(await other(factor.id, randomUUID())), unknown);
  assert.deepEqual(said(await other(factor.id, 'x')), unknown);
  assert.deepEqual(said(await asked.verify(code(factor.secret), { from: newAddress() })), ADDRESSES);
  await rows(`update auth.mfa_challenges set created_at = now() - interval '301 seconds' where id = $1`, [asked.json.id]);
  assert.deepEqual(said(await asked.verify(code(factor.secret))), [422, 'mfa_challenge_expired',
    `MFA challenge ${asked.json.id} has expired, verify against another challenge or create a new challenge.`]);
});

test('a thousand guesses: five are looked at, from wherever they come, and the owner is told', async () => {
  const { email, factor, session } = await newPersonWithFactor();
  const thief = await signIn(email, PASSWORD);
  const asked = await Promise.all(Array.from({ length: 20 }, () => challenge(thief.session.access_token, factor.id)));
  const counts = {};
  for (let n = 0; n < 1000; n += 20) {
    const answers = await Promise.all(asked.map((one, i) => one.verify(String(n + i).padStart(6, '0'))));
    for (const answer of answers) counts[answer.status] = (counts[answer.status] ?? 0) + 1;
  }
  const looked = await value('select wrong from auth.mfa_guesses where user_id = $1', [session.user.id]);
  assert.deepEqual(counts, { 422: looked, 429: 1000 - looked });
  assert.ok(looked === 5 || looked === 6, `${looked} (one more in the minute after the first half)`);
  const late = await challenge(session.access_token, factor.id);
  const refused = await late.verify(code(factor.secret));
  assert.deepEqual([refused.status, refused.json.code], [429, 'over_request_rate_limit'], 'the right one neither');
  assert.ok(Number(refused.headers['retry-after']) <= 60);
  await until(() => mailsTo(email).some((mail) => mail.subject === 'Wrong codes of your second factor'), 'a mail');
  await rows('update auth.mfa_guesses set again_at = now() where user_id = $1', [session.user.id]);
  assert.equal((await late.verify(code(factor.secret))).status, 200, 'later it is');
  assert.equal(await row('select from auth.mfa_guesses where user_id = $1', [session.user.id]), undefined);
});

test('fifteen verifies in a minute from an address', async () => {
  const { session, factor } = await newPersonWithFactor();
  const asked = await challenge(session.access_token, factor.id);
  const answers = [];
  for (let n = 0; n < 16; n++) answers.push((await asked.verify('')).status);
  assert.deepEqual(answers, [...Array(15).fill(400), 429]);
});

test('beside a verified factor nothing is added, taken away or changed with the password alone', async () => {
  const { email, factor, session } = await newPersonWithFactor();
  const { session: { access_token: token } } = await signIn(email, PASSWORD);
  assert.equal(level(token), 'aal1');
  assert.deepEqual(said(await begin(token, { friendly_name: 'mine' })), [403, 'insufficient_aal', 'AAL2 required to enroll a new factor']);
  assert.deepEqual(said(await auth('DELETE', `/factors/${factor.id}`, { token })),
    [422, 'insufficient_aal', 'AAL2 required to unenroll verified factor']);
  const text = 'AAL2 session is required to update email or password when MFA is enabled.';
  for (const body of [{ password: 'another-long-password-3' }, { email: `new-${email}` }])
    assert.deepEqual(said(await auth('PUT', '/user', { token, body })), [401, 'insufficient_aal', text]);
  assert.equal((await auth('PUT', '/user', { token, body: { email, data: { a: 1 } } })).status, 200, 'the address is no other one');
  assert.equal((await auth('PUT', '/user', { token: session.access_token, body: { password: 'another-long-password-3' } })).status, 200);
});

test('unenrolled: the session has aal1 from the next token on, and a mail says so', async () => {
  const { client, email, factor, session } = await newPersonWithFactor();
  const answer = await auth('DELETE', `/factors/${factor.id}`, { token: session.access_token });
  assert.deepEqual([answer.status, answer.json], [200, { id: factor.id }]);
  assert.deepEqual(said(await auth('DELETE', `/factors/${factor.id}`, { token: session.access_token })), NO_FACTOR);
  const { data } = await client.auth.refreshSession();
  assert.deepEqual([level(data.session.access_token), claimsOf(data.session.access_token).amr.map((m) => m.method), data.user.factors],
    ['aal1', ['otp'], undefined]);
  await until(() => mailsTo(email).some((mail) => mail.subject === 'A second factor was removed'), 'a mail');
});

test('the service key lists, names and takes away factors', async () => {
  const { email, factor, session } = await newPersonWithFactor();
  const path = `/admin/users/${session.user.id}/factors`, as = { apikey: serviceKey, token: serviceKey };
  const list = await auth('GET', path, as);
  assert.deepEqual([list.status, list.json.map((f) => [f.id, f.status, f.secret])], [200, [[factor.id, 'verified', undefined]]]);
  const named = await auth('PUT', `${path}/${factor.id}`, { ...as, body: { friendly_name: 'of support' } });
  assert.deepEqual([named.status, named.json.id, named.json.friendly_name], [200, factor.id, 'of support']);
  assert.deepEqual(said(await auth('PUT', `${path}/x`, { ...as, body: {} })), [404, 'validation_failed', 'factor_id must be an UUID']);
  assert.deepEqual(said(await auth('DELETE', `${path}/${randomUUID()}`, as)), NO_FACTOR);
  assert.deepEqual(said(await auth('GET', `/admin/users/${randomUUID()}/factors`, as)), [404, 'user_not_found', 'User not found']);
  assert.equal((await auth('GET', path, { token: session.access_token })).json.code, 'not_admin');
  assert.equal((await auth('DELETE', `${path}/${factor.id}`, { token: session.access_token })).json.code, 'not_admin');
  const gone = await auth('DELETE', `${path}/${factor.id}`, as);
  assert.deepEqual([gone.status, gone.json.id], [200, factor.id]);
  assert.deepEqual((await auth('GET', path, as)).json, []);
  await until(() => mailsTo(email).some((mail) => mail.subject === 'A second factor was removed'), 'a mail');
});
