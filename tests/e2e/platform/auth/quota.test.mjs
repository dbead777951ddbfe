// The quota of mails in an hour: exact whoever counts, the same for who is known and who is not, and what
// is refused leaves nothing behind.
// system: shared
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { row, rows, value } from '../../lib/db.mjs';
import { Private } from '../../lib/process.mjs';
import { anonKey, serviceKey } from '../../lib/system.mjs';
import { PASSWORD, newEmail, newPerson } from './people.mjs';

const QUOTA = 5;
/** auth with a quota, which nobody else of this system has; `used` mails of this hour are gone (null: those of before). */
async function limited(use, { used = 0, ...settings } = {}) {
  if (used !== null) await rows('delete from auth.mail_hours');
  if (used) await rows(`insert into auth.mail_hours values (date_trunc('hour', now(), 'UTC'), $1)`, [used]);
  const fn = await Private.start('auth', { RATE_LIMIT: 'false', RATE_LIMIT_EMAIL_SENT: String(QUOTA), ...settings });
  try {
    await use((method, path, body, { token, query = '' } = {}) => fn.ask(method, {
      body: body && JSON.stringify(body),
      params: { PATH_INFO: path, QUERY_STRING: query, HTTP_APIKEY: anonKey, HTTP_X_SUPABASE_API_VERSION: '2024-01-01',
        ...(token ? { HTTP_AUTHORIZATION: `Bearer ${token}` } : {}) },
    }), fn);
  } finally {
    await fn.stop();
  }
}
const asked = async () => (await value('select coalesce(sum(mails), 0)::int from auth.mail_hours'));
const counts = async (email) => row(`select (select count(*)::int from auth.users where email = $1) as users,
  (select count(*)::int from public.outbox where recipient = $1) as mails`, [email]);
/** Somebody who has an address here. */
async function known(confirmed) {
  const email = newEmail();
  await rows('insert into auth.users (email, email_confirmed_at) values ($1, case when $2 then now() end)', [email, confirmed]);
  return email;
}
function refused(answer) {
  assert.deepEqual([answer.status, answer.json.code, answer.json.message],
    [429, 'over_email_send_rate_limit', 'email rate limit exceeded'], answer.text);
  const wait = Number(answer.headers['retry-after']);
  assert.ok(wait >= 1 && wait <= 3600, `Retry-After: ${wait}`);
}

// No new hour begins in the middle.
before(async () => {
  const left = 3_600_000 - (Date.now() % 3_600_000);
  if (left < 40_000) await sleep(left);
});

test('as many as may be, from all workers and after a restart', async () => {
  const emails = Array.from({ length: 12 }, newEmail);
  const signUp = (ask) => (email) => ask('POST', '/signup', { email, password: PASSWORD });
  await limited(async (ask) => {
    const answers = await Promise.all(emails.map(signUp(ask)));
    assert.equal(answers.filter((answer) => answer.status === 200).length, QUOTA);
    for (const [i, answer] of answers.entries()) {
      if (answer.status !== 200) refused(answer);
      const there = answer.status === 200 ? 1 : 0;
      assert.deepEqual(await counts(emails[i]), { users: there, mails: there });
    }
  }, { WORKERS: '3' });
  await limited(async (ask) => {
    refused(await signUp(ask)(newEmail()));
    await rows(`update auth.mail_hours set hour = hour - interval '1 hour'`);
    assert.equal((await signUp(ask)(newEmail())).status, 200, 'the next hour');
  }, { used: null });
});

const ways = {
  'a sign-up': [true, '/signup', { password: PASSWORD }],
  'a forgotten password': [true, '/recover', {}],
  'a mailed code': [true, '/otp', {}],
  'a magic link': [true, '/magiclink', {}],
  'another confirmation': [false, '/resend', { type: 'signup' }],
  'another mail of a change': [true, '/resend', { type: 'email_change' }],
};
for (const [what, [confirmed, path, body]] of Object.entries(ways))
  test(`${what}: counted and refused alike, for who is known and who is not`, async () => {
    await limited(async (ask) => {
      for (const email of [await known(confirmed), newEmail()]) {
        const before = await asked();
        assert.equal((await ask('POST', path, { email, ...body })).status, 200);
        assert.equal(await asked(), before + 1);
      }
    });
    await limited(async (ask) => {
      for (const email of [await known(confirmed), newEmail()]) {
        const before = await counts(email);
        refused(await ask('POST', path, { email, ...body }));
        assert.deepEqual(await counts(email), before);
        assert.equal(await value(`select count(*)::int from auth.users where email = $1 and (confirmation_token <> '' or recovery_token <> '')`, [email]), 0);
      }
      assert.equal(await asked(), QUOTA);
    }, { used: QUOTA });
  });

test('who is signed in: a new address and a code for the password are refused, all else goes on', async () => {
  const { email, session } = await newPerson();
  const token = session.access_token;
  await limited(async (ask) => {
    refused(await ask('PUT', '/user', { email: newEmail(), data: { a: 1 } }, { token }));
    refused(await ask('GET', '/reauthenticate', undefined, { token }));
    const { email_change: change, reauthentication_token: code, raw_user_meta_data: meta } =
      await row('select email_change, reauthentication_token, raw_user_meta_data from auth.users where id = $1', [session.user.id]);
    assert.deepEqual([change, code, meta.a], ['', '', undefined]);
    const good = async (...request) => assert.equal((await ask(...request)).status, 200);
    await good('PUT', '/user', { password: 'another-long-password' }, { token });
    await good('POST', '/token', { email, password: 'another-long-password' }, { query: 'grant_type=password' });
    await good('POST', '/invite', { email: newEmail() }, { token: serviceKey });
    await good('POST', '/admin/generate_link', { type: 'magiclink', email }, { token: serviceKey });
    assert.equal(await asked(), QUOTA);
  }, { used: QUOTA });
});

test('nothing is counted where a sign-up writes no mail, or where there is no quota', async () => {
  await limited(async (ask) => {
    assert.equal((await ask('POST', '/signup', { email: newEmail(), password: PASSWORD })).status, 200);
    refused(await ask('POST', '/recover', { email: newEmail() }));
  }, { used: QUOTA, ENABLE_EMAIL_AUTOCONFIRM: 'true' });
  await limited(async (ask) => {
    assert.equal((await ask('POST', '/recover', { email: newEmail() })).status, 200);
    assert.equal(await asked(), QUOTA);
  }, { used: QUOTA, RATE_LIMIT_EMAIL_SENT: '0' });
});
