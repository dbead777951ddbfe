// A sign-in with a device that somebody has not used before is told by mail, whatever the way in.
// system: shared
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';

import { row, rows, value } from '../../lib/db.mjs';
import { call } from '../../lib/http.mjs';
import { env } from '../../lib/system.mjs';
import { until } from '../../lib/wait.mjs';
import { PASSWORD, auth, codeFor, linkFor, mailsTo, newEmail } from './people.mjs';

const SUBJECT = 'You signed in with a new device';
const DESK = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.6723.70 Safari/537.36';
const DESK_LATER = DESK.replace('130.0.6723.70', '131.0.0.0');
const PHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1';

const from = (agent) => ({ headers: { 'user-agent': agent } });
const signIn = (email, agent, password = PASSWORD) => auth('POST', '/token?grant_type=password', { body: { email, password }, ...from(agent) });
const written = (email) => value(`select count(*)::int from public.outbox where recipient = $1 and kind = 'auth_new_device'`, [email]);
const pair = () => {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, body: { code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 's256' } };
};

/** Somebody who signed up and confirmed at the desk. */
async function newPerson() {
  const email = newEmail();
  await auth('POST', '/signup', { body: { email, password: PASSWORD }, ...from(DESK) });
  const answer = await auth('POST', '/verify', { body: { type: 'signup', email, token: await codeFor(email) }, ...from(DESK) });
  assert.equal(answer.status, 200, answer.text);
  return { email, session: answer.json };
}

test('a new device is told: who, when, with what, from where; no other sign-in is', async () => {
  const { email, session } = await newPerson();
  assert.equal((await signIn(email, DESK_LATER)).status, 200);
  assert.equal((await signIn(email, PHONE, 'wrong-password')).status, 400);
  assert.equal((await auth('POST', '/token?grant_type=refresh_token', { body: { refresh_token: session.refresh_token }, ...from(PHONE) })).status, 200);
  assert.equal(await written(email), 0, 'the first device, an update of it, a wrong password, a refresh');
  assert.equal((await signIn(email, PHONE)).status, 200);
  const mail = await until(() => mailsTo(email).find((one) => one.subject === SUBJECT), 'a notice');
  const { ip } = await row('select host(ip) as ip from auth.sessions where user_id = $1 and user_agent = $2 order by created_at desc limit 1', [session.user.id, PHONE]);
  for (const line of [`Somebody signed in as ${email} with`, 'Device: Safari on iPhone', `IP address: ${ip}`]) assert.ok(mail.text.includes(line), mail.text);
  assert.match(mail.text, /When: \d{4}-\d\d-\d\d \d\d:\d\d UTC/);
  assert.ok(!mail.text.includes('{{'), mail.text);
  assert.equal((await signIn(email, PHONE)).status, 200);
  assert.equal(await written(email), 1);
});

test('sign-ins at once with one new device are one notice', async () => {
  const { email } = await newPerson();
  const answers = await Promise.all(Array.from({ length: 10 }, () => signIn(email, PHONE)));
  assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200]);
  assert.equal(await written(email), 1);
});

const ways = {
  'a typed code': async (email) => {
    await auth('POST', '/otp', { body: { email } });
    return auth('POST', '/verify', { body: { type: 'email', email, token: await codeFor(email, 2) }, ...from(PHONE) });
  },
  'the hash of a link': async (email) => {
    await auth('POST', '/recover', { body: { email } });
    const token_hash = new URL(await linkFor(email, 'Choose a new password')).searchParams.get('token');
    return auth('POST', '/verify', { body: { type: 'recovery', token_hash }, ...from(PHONE) });
  },
  'a link': async (email) => {
    await auth('POST', '/magiclink', { body: { email } });
    const link = await linkFor(email, 'Your way in');
    return { status: (await call('GET', link.slice(env.SUPABASE_URL.length), from(PHONE))).status === 303 ? 200 : 0 };
  },
  'a code of PKCE': async (email) => {
    const { verifier, body } = pair();
    await auth('POST', '/recover', { body: { email, ...body } });
    const link = await linkFor(email, 'Choose a new password');
    // The click alone begins no session.
    const { headers } = await call('GET', link.slice(env.SUPABASE_URL.length), from('curl/8.11.0'));
    assert.equal(await written(email), 0);
    return auth('POST', '/token?grant_type=pkce', { body: { auth_code: new URL(headers.location).searchParams.get('code'), code_verifier: verifier }, ...from(PHONE) });
  },
};
for (const [what, enter] of Object.entries(ways))
  test(`${what}: told as well, once`, async () => {
    const { email } = await newPerson();
    assert.equal((await enter(email)).status, 200);
    assert.equal(await written(email), 1);
    assert.equal((await signIn(email, PHONE)).status, 200);
    assert.equal(await written(email), 1);
  });

test('who signs in chooses no words of the mail', async () => {
  const { email } = await newPerson();
  assert.equal((await signIn(email, 'Call <b>0900</b> now: http://evil.example Windows')).status, 200);
  assert.equal((await signIn(email, `x${'y'.repeat(900)}`)).status, 200);
  const names = await rows(`select variables ->> 'Device' as name from public.outbox where recipient = $1 and kind = 'auth_new_device' order by created_at`, [email]);
  assert.deepEqual(names.map(({ name }) => name), ['Call on Windows', `x${'y'.repeat(29)}`]);
});
