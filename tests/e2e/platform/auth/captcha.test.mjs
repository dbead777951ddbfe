// Captchas: who signs up or in, or asks for a mail, has solved one; its service is asked as its manual says.
// system: shared
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { Private } from '../../lib/process.mjs';
import { anonKey, serviceKey } from '../../lib/system.mjs';
import { PASSWORD, newEmail, newPerson } from './people.mjs';

const SECRET = 'captcha secret of the shop & more'.replaceAll(' ', '_');
const asked = [];
let service, fn;

/** Takes each token once; 'broken' and 'mute' are the service's own trouble. */
function siteverify(request, response) {
  let text = '';
  request.on('data', (part) => (text += part)).on('end', () => {
    const form = Object.fromEntries(new URLSearchParams(text));
    const again = asked.some((one) => one.response === form.response);
    asked.push({ ...form, type: request.headers['content-type'], method: request.method });
    if (form.response === 'mute') return request.socket.destroy();
    const say = (status, json) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
    if (form.response === 'broken') return response.writeHead(503).end('<html>');
    if (form.secret !== SECRET) return say(200, { success: false, 'error-codes': ['invalid-input-secret'] });
    if (!form.response.startsWith('solved')) return say(200, { success: false, 'error-codes': ['invalid-input-response', 'bad-request'] });
    if (again) return say(200, { success: false, 'error-codes': ['timeout-or-duplicate'] });
    return say(200, { success: true, challenge_ts: new Date().toISOString(), hostname: 'shop.example', 'error-codes': [] });
  });
}

before(async () => {
  service = createServer(siteverify);
  await new Promise((resolve) => service.listen(0, '127.0.0.1', resolve));
  fn = await Private.start('auth', {
    RATE_LIMIT: 'false', CAPTCHA_SECRET: SECRET, CAPTCHA_URL: `http://127.0.0.1:${service.address().port}/siteverify`,
  });
});
after(async () => {
  await fn.stop();
  await new Promise((resolve) => service.close(resolve));
});

const ask = (path, body, { token, query = '', more = {} } = {}) => fn.ask('POST', {
  body: JSON.stringify({ ...body, ...(token === undefined ? {} : { gotrue_meta_security: { captcha_token: token } }) }),
  params: { PATH_INFO: path, QUERY_STRING: query, HTTP_APIKEY: anonKey, ...more },
});
const refused = (answer, codes) =>
  assert.deepEqual([answer.status, answer.json.error_code, answer.json.msg],
    [400, 'captcha_failed', `captcha protection: request disallowed (${codes})`], answer.text);

test('everything that costs us a mail or a guess asks for one', async () => {
  const email = newEmail();
  for (const [path, body, query] of [
    ['/signup', { email, password: PASSWORD }], ['/recover', { email }], ['/otp', { email }], ['/magiclink', { email }],
    ['/resend', { email, type: 'signup' }], ['/token', { email, password: PASSWORD }, 'grant_type=password'],
  ]) {
    refused(await ask(path, body, { query }), 'no captcha_token found');
    refused(await ask(path, body, { query, token: 'made up' }), 'invalid-input-response, bad-request');
  }
});

test('who solved one signs up, once with each', async () => {
  const token = `solved ${newEmail()} äöü &=%`;
  const answer = await ask('/signup', { email: newEmail(), password: PASSWORD }, { token });
  assert.equal(answer.status, 200, answer.text);
  const { remoteip, ...form } = asked.at(-1);
  assert.deepEqual(form, { secret: SECRET, response: token, type: 'application/x-www-form-urlencoded', method: 'POST' });
  assert.ok(remoteip !== undefined);
  refused(await ask('/signup', { email: newEmail(), password: PASSWORD }, { token }), 'timeout-or-duplicate');
});

test('who solved one signs in; a refresh needs none', async () => {
  const { email, session } = await newPerson();
  const answer = await ask('/token', { email, password: PASSWORD }, { query: 'grant_type=password', token: `solved ${email}` });
  assert.equal(answer.status, 200, answer.text);
  assert.equal((await ask('/token', { refresh_token: session.refresh_token }, { query: 'grant_type=refresh_token' })).status, 200);
});

test('the shop\'s own server is not asked', async () => {
  const before = asked.length;
  const answer = await ask('/signup', { email: newEmail(), password: PASSWORD }, { more: { HTTP_AUTHORIZATION: `Bearer ${serviceKey}` } });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(asked.length, before);
});

test('a service in trouble lets nobody in, and the log says so without the secret', async () => {
  for (const token of ['broken', 'mute']) {
    const answer = await ask('/recover', { email: newEmail() }, { token });
    assert.deepEqual([answer.status, answer.json.error_code, answer.json.msg],
      [500, 'unexpected_failure', 'captcha verification process failed'], answer.text);
  }
  assert.equal(fn.log().split('captcha_unreachable').length, 3);
  assert.ok(!fn.log().includes(SECRET));
});

test('what is no token is refused before anybody is asked', async () => {
  const before = asked.length;
  for (const meta of [null, [], 'x', { captcha_token: 7 }, {}, { captcha_token: '' }]) {
    const answer = await ask('/recover', { email: newEmail(), gotrue_meta_security: meta });
    refused(answer, 'no captcha_token found');
  }
  refused(await ask('/recover', { email: newEmail() }, { token: 'x'.repeat(10_000) }), 'invalid-input-response');
  assert.equal(asked.length, before);
});
