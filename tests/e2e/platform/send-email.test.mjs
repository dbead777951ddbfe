// send-email: who may send what to whom.
// system: shared
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { rows, value } from '../lib/db.mjs';
import { invoke } from '../lib/http.mjs';
import { anonKey, serviceKey } from '../lib/system.mjs';
import { mint, userClaims } from '../lib/tokens.mjs';
import { makeUser } from '../lib/users.mjs';
/** A service token with a caller of its own, and with that a rate limit of its own. */
const serviceToken = () =>
  mint({ ...userClaims({ id: crypto.randomUUID() }), role: 'service_role' });

test('send-email: the contract', async (t) => {
  const user = await makeUser();
  const body = { to: user.email, subject: 'Hello', html: '<p>Hi</p>', text: 'Hi' };
  await t.test('200 for the service role, to anybody; the id begins dev-', async () => {
    const answer = await invoke('send-email', { token: serviceKey, body: { ...body, to: 'x@example.org' } });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(Object.keys(answer.json), ['success', 'id', 'message']);
    assert.equal(answer.json.success, true);
    assert.match(answer.json.id, /^dev-/);
  });
  await t.test('200 for a user to the own address', async () => {
    const answer = await invoke('send-email', { token: user.token, body: { ...body, text: undefined } });
    assert.equal(answer.status, 200, answer.text);
  });
  await t.test('400 when anything is missing', async () => {
    const token = serviceToken();
    for (const missing of ['to', 'subject', 'html', 'all']) {
      const part = missing === 'all' ? {} : { ...body, [missing]: undefined };
      const answer = await invoke('send-email', { token, body: part });
      assert.equal(answer.status, 400);
      assert.deepEqual(answer.json, {
        success: false,
        error: 'Missing required fields: to, subject, html',
      });
    }
  });
  await t.test('400 for what would be a header of its own', async () => {
    const token = serviceToken();
    for (const wrong of [
      { to: 'a@example.org\r\nBcc: b@example.org' },
      { to: 'a@example.org, b@example.org' },
      { subject: 'x\r\nBcc: b@example.org' },
    ]) {
      const answer = await invoke('send-email', { token, body: { ...body, ...wrong } });
      assert.equal(answer.status, 400, JSON.stringify(wrong));
    }
    assert.equal(await value(`select count(*)::int from public.outbox where recipient ~ '[\\r\\n,]'`), 0);
  });
  await t.test('403 for a user to another address, or who is suspended, or unconfirmed', async () => {
    const other = await makeUser();
    const answer = await invoke('send-email', { token: user.token, body: { ...body, to: other.email } });
    assert.equal(answer.status, 403);
    assert.deepEqual(answer.json, { success: false, error: 'Unauthorized' });
    await rows(`update public.user_profiles set account_status = 'suspended' where id = $1`, [other.id]);
    const unconfirmed = await makeUser({ confirmed: false });
    for (const u of [other, unconfirmed]) {
      const refused = await invoke('send-email', { token: u.token, body: { ...body, to: u.email } });
      assert.equal(refused.status, 403);
    }
  });
  await t.test('401 without a token, with the anonymous key; 405', async () => {
    assert.equal((await invoke('send-email', { body })).status, 401);
    assert.equal((await invoke('send-email', { token: anonKey, body })).status, 401);
    assert.equal((await invoke('send-email', { token: serviceToken() }, 'GET')).status, 405);
  });
  await t.test('429 after ten in a minute', async () => {
    const token = serviceToken();
    const statuses = [];
    for (let i = 0; i < 11; i++) statuses.push((await invoke('send-email', { token, body: {} })).status);
    assert.deepEqual(statuses, [...Array(10).fill(400), 429]);
  });
});
