// Signing up: a new user, the mailed code, and what nobody learns of others.
// system: shared
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { row, rows, value } from '../../lib/db.mjs';
import { Private } from '../../lib/process.mjs';
import { PASSWORD, auth, browser, codeFor, mailsTo, newEmail } from './people.mjs';
import { anonKey, env } from '../../lib/system.mjs';

const signUp = (email, more = {}, options = {}) => auth('POST', '/signup', { body: { email, password: PASSWORD, ...more }, ...options });

function refused(answer, status, code, message) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual([answer.json.code, answer.json.message], [code, message]);
  assert.equal(answer.headers['x-supabase-api-version'], '2024-01-01');
  assert.equal(answer.headers['x-sb-error-code'], code);
}

test('sign up, confirm with the code, and be signed in: with supabase-js', async () => {
  const email = newEmail(), client = browser();
  const up = await client.auth.signUp({ email: email.toUpperCase(), password: PASSWORD, options: { data: { first_name: 'Eve', email: 'z' } } });
  assert.equal(up.error, null);
  assert.equal(up.data.session, null);
  assert.equal(up.data.user.email, email);
  assert.deepEqual(up.data.user.user_metadata,
    { sub: up.data.user.id, email, email_verified: false, phone_verified: false, first_name: 'Eve' });
  assert.equal(up.data.user.identities.length, 1);

  const early = await client.auth.signInWithPassword({ email, password: PASSWORD });
  assert.equal(early.error.code, 'email_not_confirmed');

  const verified = await client.auth.verifyOtp({ type: 'signup', email, token: await codeFor(email) });
  assert.equal(verified.error, null);
  assert.equal(verified.data.user.id, up.data.user.id);
  assert.equal(verified.data.user.user_metadata.email_verified, true);
  assert.ok(verified.data.user.email_confirmed_at);
  const { data: { user } } = await client.auth.getUser();
  assert.equal(user.identities[0].identity_data.email_verified, true);
  const { first_name, last_login_at, signup_ip } = await row('select first_name, last_login_at, signup_ip from public.user_profiles where id = $1', [user.id]);
  assert.equal(first_name, 'Eve');
  assert.ok(last_login_at, 'the shop sees when somebody signed in');
  assert.match(signup_ip, /^127\./, 'and where the sign-up came from');
});

test('a user has the members of the original, in its order', async () => {
  const { status, json, text } = await signUp(newEmail(), { data: { full_name: 'A' } });
  assert.equal(status, 200, text);
  assert.deepEqual(Object.keys(json), ['id', 'aud', 'role', 'email', 'phone', 'confirmation_sent_at', 'app_metadata',
    'user_metadata', 'identities', 'created_at', 'updated_at', 'is_anonymous']);
  assert.deepEqual(json.app_metadata, { provider: 'email', providers: ['email'] });
  assert.deepEqual([json.aud, json.role, json.phone, json.is_anonymous], ['authenticated', 'authenticated', '', false]);
  assert.match(json.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.deepEqual(Object.keys(json.identities[0]), ['identity_id', 'id', 'user_id', 'identity_data', 'provider',
    'last_sign_in_at', 'created_at', 'updated_at', 'email']);
});

test('what is refused, in the original words', async (t) => {
  const rows_ = [
    [{}, 422, 'anonymous_provider_disabled', 'Anonymous sign-ins are disabled'],
    [{ email: newEmail() }, 400, 'validation_failed', 'Signup requires a valid password'],
    [{ email: newEmail(), password: 'x'.repeat(73) }, 400, 'validation_failed', 'Password cannot be longer than 72 characters'],
    [{ email: 'a b@x.io', password: PASSWORD }, 400, 'validation_failed', 'Unable to validate email address: invalid format'],
    [{ email: '@x.io', password: PASSWORD }, 400, 'validation_failed', 'Unable to validate email address: invalid format'],
    [{ email: `${'x'.repeat(251)}@x.io`, password: PASSWORD }, 400, 'validation_failed', 'An email address is too long'],
    [{ phone: '123', password: PASSWORD }, 400, 'phone_provider_disabled', 'Phone signups are disabled'],
    [{ email: newEmail(), phone: '123', password: PASSWORD }, 400, 'validation_failed',
      'Only an email address or phone number should be provided on signup.'],
    [{ email: newEmail(), password: PASSWORD, data: { x: 'x'.repeat(4096) } }, 400, 'validation_failed', 'data can have 4096 bytes at most'],
    [{ email: newEmail(), password: 'long\u0000enough' }, 400, 'bad_json', undefined],
  ];
  for (const [body, status, code, message] of rows_)
    await t.test(`${JSON.stringify(body).slice(0, 60)}: ${status} ${code}`, async () => {
      const answer = await auth('POST', '/signup', { body });
      if (message) refused(answer, status, code, message);
      else assert.deepEqual([answer.status, answer.json.code], [status, code]);
    });
});

test('a password that is too short says so in both shapes', async () => {
  const body = { email: newEmail(), password: 'abc' };
  const text = 'Password should be at least 8 characters.', weak_password = { reasons: ['length'] };
  const now = await auth('POST', '/signup', { body });
  assert.deepEqual([now.status, now.json], [422, { code: 'weak_password', message: text, weak_password }]);
  const before = await auth('POST', '/signup', { body, version: null });
  assert.deepEqual([before.status, before.json], [422, { code: 422, error_code: 'weak_password', msg: text, weak_password }]);
  assert.equal(before.headers['x-supabase-api-version'], undefined);
  const { error } = await browser().auth.signUp(body);
  assert.deepEqual([error.name, error.reasons], ['AuthWeakPasswordError', ['length']]);
});

test('a password that everybody tries is refused', async () => {
  for (const password of ['Password123', '1234567890', 'QWERTYUIOP']) {
    const { status, json } = await auth('POST', '/signup', { body: { email: newEmail(), password } });
    assert.deepEqual([status, json], [422, { code: 'weak_password',
      message: 'Password is known to be weak and easy to guess, please choose a different one.', weak_password: { reasons: ['pwned'] } }]);
  }
});

test('classes of characters, and all that is weak at once', async () => {
  const fn = await Private.start('auth', { PASSWORD_REQUIRED_CHARACTERS: 'abcdefghijklmnopqrstuvwxyz:0123456789', PASSWORD_MIN_LENGTH: '10' });
  const ask = async (password) => (await fn.ask('POST', { body: JSON.stringify({ email: newEmail(), password }),
    params: { PATH_INFO: '/signup', HTTP_APIKEY: anonKey } })).json;
  try {
    assert.deepEqual((await ask('onlyletters')).weak_password.reasons, ['characters']);
    assert.deepEqual(await ask('PASSWORD'), { code: 422, error_code: 'weak_password', weak_password: { reasons: ['length', 'characters', 'pwned'] },
      msg: 'Password should be at least 10 characters. Password should contain at least one character of each: abcdefghijklmnopqrstuvwxyz, 0123456789. '
        + 'Password is known to be weak and easy to guess, please choose a different one.' });
    assert.ok((await ask('a-long-password-1')).id);
  } finally {
    await fn.stop();
  }
});

test('a body that is no JSON object is refused', async () => {
  for (const [body, message] of [['', 'Could not parse request body as JSON: unexpected end of JSON input'],
    ['[]', 'Could not parse request body as JSON: it is no object'], ['{', undefined]]) {
    const answer = await auth('POST', '/signup', { body });
    assert.deepEqual([answer.status, answer.json.code], [400, 'bad_json'], answer.text);
    if (message) assert.equal(answer.json.message, message);
  }
});

test('without a key of this system nobody comes in', async () => {
  for (const apikey of [undefined, 'x', 'sb_publishable_wrong']) {
    const answer = await auth('POST', '/signup', { apikey, body: { email: newEmail(), password: PASSWORD } });
    assert.equal(answer.status, 401, answer.text);
  }
});

test('an address that is taken answers as a new one does, and its owner gets no mail', async () => {
  const email = newEmail();
  const first = (await signUp(email)).json;
  const client = browser();
  await client.auth.verifyOtp({ type: 'signup', email, token: await codeFor(email) });
  const before = await row('select encrypted_password, raw_user_meta_data from auth.users where email = $1', [email]);
  const again = await signUp(email, { password: 'another-password', data: { n: 1 } });
  assert.equal(again.status, 200);
  assert.notEqual(again.json.id, first.id);
  assert.deepEqual([again.json.identities, again.json.role, again.json.user_metadata], [[], '', { n: 1 }]);
  assert.deepEqual(Object.keys(again.json), Object.keys(first));
  assert.equal(await value('select count(*)::int from public.outbox where recipient = $1', [email]), 1);
  assert.deepEqual(await row('select encrypted_password, raw_user_meta_data from auth.users where email = $1', [email]), before);
});

test('an address that is not confirmed gets another code a minute later, and keeps its password', async () => {
  const email = newEmail();
  const { json: { id } } = await signUp(email);
  const first = await codeFor(email);
  const soon = await signUp(email);
  assert.equal(soon.status, 429);
  assert.equal(soon.json.code, 'over_email_send_rate_limit');
  assert.match(soon.json.message, /^For security purposes, you can only request this after \d+ seconds\.$/);
  assert.ok(Number(soon.headers['retry-after']) > 50);
  await rows(`update auth.users set confirmation_sent_at = now() - interval '61 seconds' where id = $1`, [id]);
  assert.equal((await signUp(email, { password: 'somebody-elses' })).json.id, id);
  const second = await codeFor(email, 2);
  for (const [token, code] of [[first, first === second ? undefined : 'otp_expired'], [second, undefined]]) {
    const { error } = await browser().auth.verifyOtp({ type: 'signup', email, token });
    assert.equal(error?.code, code);
  }
  assert.equal((await browser().auth.signInWithPassword({ email, password: 'somebody-elses' })).error.code, 'invalid_credentials');
  assert.equal((await browser().auth.signInWithPassword({ email, password: PASSWORD })).error, null);
});

test('resend mails another code, and says the same to strangers', async () => {
  const email = newEmail();
  const { json: { id } } = await signUp(email);
  await codeFor(email);
  await rows(`update auth.users set confirmation_sent_at = now() - interval '61 seconds' where id = $1`, [id]);
  const client = browser();
  assert.equal((await client.auth.resend({ type: 'signup', email })).error, null);
  const token = await codeFor(email, 2);
  assert.equal((await client.auth.resend({ type: 'signup', email: newEmail() })).error, null);
  assert.equal((await client.auth.verifyOtp({ type: 'email', email, token })).error, null);
  assert.equal((await client.auth.resend({ type: 'signup', email })).error, null, 'confirmed: nothing, and no word');
  assert.equal(mailsTo(email).length, 2);
  const bad = await auth('POST', '/resend', { body: { type: 'recovery', email } });
  refused(bad, 400, 'validation_failed', 'Missing one of these types: signup, email_change, sms, phone_change');
});

test('a code opens one account, once', async () => {
  const email = newEmail(), other = newEmail();
  await signUp(email);
  await signUp(other);
  const token = await codeFor(email);
  const verify = (address, code) => auth('POST', '/verify', { body: { type: 'signup', email: address, token: code } });
  refused(await verify(newEmail(), token), 403, 'otp_expired', 'Token has expired or is invalid');
  if (token !== await codeFor(other)) refused(await verify(other, token), 403, 'otp_expired', 'Token has expired or is invalid');
  const tries = await Promise.all(Array.from({ length: 20 }, () => verify(email, token)));
  assert.equal(tries.filter((answer) => answer.status === 200).length, 1);
  assert.equal(await value('select count(*)::int from auth.sessions as s join auth.users as u on u.id = s.user_id where u.email = $1', [email]), 1);
});

test('five wrong guesses, and the code is void; another one opens', async () => {
  const email = newEmail();
  const { json: { id } } = await signUp(email);
  const right = await codeFor(email), wrong = right === '000000' ? '000001' : '000000';
  const verify = (token) => auth('POST', '/verify', { body: { type: 'signup', email, token } });
  for (let i = 0; i < 5; i++) assert.equal((await verify(wrong)).status, 403);
  assert.equal((await verify(right)).status, 403, 'it was guessed at too often');
  await rows(`update auth.users set confirmation_sent_at = now() - interval '61 seconds' where id = $1`, [id]);
  await auth('POST', '/resend', { body: { type: 'signup', email } });
  assert.equal((await verify(await codeFor(email, 2))).status, 200);
});

test('a code ends after its time', async () => {
  const email = newEmail();
  const { json: { id } } = await signUp(email);
  const token = await codeFor(email);
  await rows(`update auth.users set confirmation_sent_at = now() - interval '3601 seconds' where id = $1`, [id]);
  assert.equal((await auth('POST', '/verify', { body: { type: 'signup', email, token } })).status, 403);
});

test('parallel sign-ups of one address make one user', async () => {
  const email = newEmail();
  const answers = await Promise.all(Array.from({ length: 8 }, () => signUp(email)));
  assert.deepEqual([...new Set(answers.map((answer) => answer.status))].sort(), [200, 429]);
  assert.equal(await value('select count(*)::int from auth.users where email = $1', [email]), 1);
  assert.equal(await value('select count(*)::int from auth.identities where email = $1', [email]), 1);
  await codeFor(email);
  assert.equal(mailsTo(email).length, 1);
});

test('no password and no code is in any table or log', async () => {
  const email = newEmail(), password = `secret-${email}`;
  await signUp(email, { password, data: { password, confirm_password: password, first_name: 'Eve' } });
  const code = await codeFor(email);
  const { id, raw_user_meta_data: meta } = await row('select id, raw_user_meta_data from auth.users where email = $1', [email]);
  assert.deepEqual(Object.keys(meta).sort(), ['email', 'email_verified', 'first_name', 'phone_verified', 'sub']);
  const everything = await rows(`select to_jsonb(u)::text as text from auth.users as u where u.id = $1
    union all select to_jsonb(i)::text from auth.identities as i where i.user_id = $1
    union all select to_jsonb(m)::text from public.outbox as m where m.person = $1
    union all select to_jsonb(p)::text from public.user_profiles as p where p.id = $1
    union all select payload::text from auth.audit_log_entries where payload ->> 'actor_id' = $1::text`, [id]);
  assert.ok(everything.length >= 5);
  for (const { text } of everything) assert.ok(!text.includes(password) && !text.includes(`"${code}"`), text);
  const { readFileSync } = await import('node:fs');
  for (const log of ['auth', 'send-outbox', 'postgres', 'access'])
    assert.ok(!readFileSync(`${process.env.FFX_HOME}/log/${log}.log`, 'utf8').includes(password), log);
  assert.match((await value('select secrets::text from public.outbox where person = $1', [id])), /^\{\}$/, 'wiped when it was sent');
});

test('a trigger of the application that refuses leaves nothing behind', async () => {
  await rows(`create function public.refuse_test_user() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`);
  await rows(`create trigger refuse_test_user after insert on auth.users for each row when (new.email like 'refused-%') execute function public.refuse_test_user()`);
  try {
    const email = `refused-${newEmail()}`;
    const answer = await signUp(email);
    assert.deepEqual([answer.status, answer.json.code, answer.json.message], [500, 'unexpected_failure', 'Database error saving new user']);
    assert.equal(await value('select count(*)::int from auth.users where email = $1', [email]), 0);
    assert.equal(await value('select count(*)::int from public.outbox where recipient = $1', [email]), 0);
  } finally {
    await rows('drop trigger refuse_test_user on auth.users');
    await rows('drop function public.refuse_test_user()');
  }
});

test('the settings say what there is', async () => {
  const { json } = await auth('GET', '/settings');
  assert.deepEqual([json.external.email, json.external.phone, json.external.google, json.disable_signup, json.mailer_autoconfirm],
    [true, false, false, false, env.ENABLE_EMAIL_AUTOCONFIRM === 'true']);
  assert.equal((await auth('GET', '/health')).json.name, 'GoTrue');
});
