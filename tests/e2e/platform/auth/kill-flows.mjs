// The ways of a person through auth, for lib/kill-flows.mjs: whoever gets no answer asks again.
import assert from 'node:assert/strict';

import { row, rows } from '../../lib/db.mjs';
import { newAddress } from '../../lib/http.mjs';
import { during } from '../../lib/kill-flows.mjs';
import { serviceKey } from '../../lib/system.mjs';
import { until } from '../../lib/wait.mjs';
import { PASSWORD, auth, codeFor, newEmail, newPerson } from './people.mjs';
import { code } from './totp.mjs';

/** Until auth answers for itself: a process that died is 502, a session that ended 503. */
async function insist(...request) {
  let answer;
  await until(async () => {
    answer = await auth(...request).catch(() => undefined);
    return answer !== undefined && answer.status < 500;
  }, 'an answer');
  return answer;
}

/** What the first request may have done before its answer got lost: then this is what the second is told. */
const doneOr = (answer, status, code) =>
  assert.ok(answer.status === 200 || (answer.status === status && answer.json.code === code), answer.text);

const signIn = (email, password, more) => insist('POST', '/token?grant_type=password', { body: { email, password }, ...more });
const mailsWritten = (email) => rows('select kind from public.outbox where recipient = $1', [email]);
const NEW_DEVICE = { headers: { 'user-agent': 'Mozilla/5.0 (Linux; Android 15) Chrome/131.0.0.0 Safari/537.36' } };

/** How many rows there are of somebody. */
const counts = (email) => row(
  `select count(*)::int as users, coalesce(sum((select count(*) from auth.identities as i where i.user_id = u.id)), 0)::int as identities,
          coalesce(sum((select count(*) from public.user_profiles as p where p.id = u.id)), 0)::int as profiles,
          coalesce(sum((select count(*) from auth.sessions as s where s.user_id = u.id)), 0)::int as sessions
     from auth.users as u where u.email = $1`, [email]);

const signUp = (email) => insist('POST', '/signup', { body: { email, password: PASSWORD } });
const person = () => during('auth', () => newPerson());

export const authFlows = [
  {
    name: 'signing up', fn: 'auth',
    prepare: () => ({ email: newEmail() }),
    act: async ({ email }) => doneOr(await signUp(email), 429, 'over_email_send_rate_limit'),
    check: async ({ email }) => {
      assert.deepEqual(await counts(email), { users: 1, identities: 1, profiles: 1, sessions: 0 });
      assert.equal((await mailsWritten(email)).length, 1, 'one mail');
      const answer = await insist('POST', '/verify', { body: { type: 'signup', email, token: await codeFor(email) } });
      assert.equal(answer.status, 200, answer.text);
    },
  },
  {
    name: 'confirming by the code', fn: 'auth',
    prepare: () => during('auth', async () => {
      const email = newEmail();
      await signUp(email);
      return { email, token: await codeFor(email) };
    }),
    act: async ({ email, token }) => doneOr(await insist('POST', '/verify', { body: { type: 'signup', email, token } }), 403, 'otp_expired'),
    check: async ({ email }) => {
      assert.deepEqual(await counts(email), { users: 1, identities: 1, profiles: 1, sessions: 1 });
      assert.equal((await signIn(email, PASSWORD)).status, 200);
    },
  },
  {
    name: 'staying signed in', fn: 'auth',
    prepare: person,
    act: async (sale) => {
      sale.next = await insist('POST', '/token?grant_type=refresh_token', { body: { refresh_token: sale.session.refresh_token } });
      assert.equal(sale.next.status, 200, sale.next.text);
    },
    check: async ({ email, next }) => {
      const after = await insist('POST', '/token?grant_type=refresh_token', { body: { refresh_token: next.json.refresh_token } });
      assert.equal(after.status, 200, after.text);
      assert.equal((await counts(email)).sessions, 1, 'the same session');
    },
  },
  {
    name: 'signing in with a new device', fn: 'auth',
    prepare: person,
    act: async ({ email }) => assert.equal((await signIn(email, PASSWORD, NEW_DEVICE)).status, 200),
    check: async ({ email }) => {
      const { sessions } = await counts(email);
      assert.ok(sessions >= 2 && sessions <= 3, `${sessions} sessions`);
      assert.equal((await mailsWritten(email)).filter((mail) => mail.kind === 'auth_new_device').length, 1, 'one notice');
    },
  },
  {
    name: 'a new password', fn: 'auth',
    prepare: () => during('auth', async () => {
      const one = await newPerson();
      assert.equal((await signIn(one.email, PASSWORD)).status, 200, 'a session elsewhere');
      return { ...one, before: (await mailsWritten(one.email)).length };
    }),
    act: async ({ session }) =>
      doneOr(await insist('PUT', '/user', { token: session.access_token, body: { password: 'another-long-password-2' } }), 422, 'same_password'),
    check: async ({ email, before }) => {
      assert.equal((await counts(email)).sessions, 1, 'the others are ended');
      assert.equal((await mailsWritten(email)).length, before + 1, 'one notice');
      assert.equal((await signIn(email, PASSWORD)).status, 400);
      assert.equal((await signIn(email, 'another-long-password-2')).status, 200);
    },
  },
  {
    name: 'a second factor', fn: 'auth',
    prepare: () => during('auth', async () => {
      const one = await newPerson(), from = newAddress();
      assert.equal((await signIn(one.email, PASSWORD)).status, 200, 'a session elsewhere');
      const token = one.session.access_token;
      const { json: { id, totp: { secret } } } = await auth('POST', '/factors', { token, body: { factor_type: 'totp' } });
      const { json } = await auth('POST', `/factors/${id}/challenge`, { token, from });
      const body = { challenge_id: json.id, code: code(secret) };
      return { ...one, id, verify: () => insist('POST', `/factors/${id}/verify`, { token, from, body }) };
    }),
    act: async ({ verify }) => doneOr(await verify(), 422, 'mfa_ip_address_mismatch'),
    check: async ({ email, id, session }) => {
      assert.equal((await counts(email)).sessions, 1, 'the other is ended');
      assert.deepEqual(await row('select status, last_step > 0 as used from auth.mfa_factors where id = $1', [id]), { status: 'verified', used: true });
      assert.equal((await mailsWritten(email)).filter((mail) => mail.kind === 'auth_factor_enrolled').length, 1, 'one notice');
      const after = await insist('POST', '/token?grant_type=refresh_token', { body: { refresh_token: session.refresh_token } });
      assert.equal(after.status, 200, 'also with the refresh token of before, when the answer got lost');
      assert.equal(JSON.parse(Buffer.from(after.json.access_token.split('.')[1], 'base64url')).aal, 'aal2');
    },
  },
  {
    name: 'the end of somebody', fn: 'auth',
    prepare: person,
    act: async ({ session }) =>
      doneOr(await insist('DELETE', `/admin/users/${session.user.id}`, { token: serviceKey }), 404, 'user_not_found'),
    check: async ({ email, session }) => {
      assert.equal((await counts(email)).users, 0);
      const left = await row(
        `select (select count(*) from auth.identities where user_id = $1)::int as identities,
                (select count(*) from auth.sessions where user_id = $1)::int as sessions`, [session.user.id]);
      assert.deepEqual(left, { identities: 0, sessions: 0 });
      assert.equal((await signIn(email, PASSWORD)).status, 400);
    },
  },
];
