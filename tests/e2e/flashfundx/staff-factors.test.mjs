// Staff and their second factor, by the unmodified client: what the data API and the functions refuse without one, and
// gravely soon after it only. (Duty by level by age by function: tests/sql/flashfundx/staff_factors.sql.)
// system: shared
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { rows, value } from '../lib/db.mjs';
import { makeSale } from '../lib/flashfundx/shop.mjs';
import { invoke } from '../lib/http.mjs';
import { Private } from '../lib/process.mjs';
import { until } from '../lib/wait.mjs';
import { PASSWORD, auth, newPerson } from '../platform/auth/people.mjs';
import { code, enroll, signIn, timePasses } from '../platform/auth/totp.mjs';

/** As if the auth service began with this setting. */
async function staffMfa(on) {
  const service = await Private.start('auth', { STAFF_MFA: String(on) });
  await until(async () => (await value('select needs_factor from platform.staff_rules')) === on, 'the setting is told');
  assert.equal((await service.stop()).code, 0);
}
after(() => staffMfa(false));

/** Somebody of staff who signs in with a password: {email, client, session}. */
async function newStaff(...duties) {
  const { email } = await newPerson();
  await rows('insert into platform.administrators (email, duties) values ($1, $2)', [email, duties]);
  return { email, ...(await signIn(email, PASSWORD)) };
}
const refusal = ({ status, error }) => [status, error?.code, error?.details];
const history = async (order, session) => (await invoke(`payment-history?id=${order.order_id}`, { token: session.access_token }, 'GET')).status;

test('with STAFF_MFA staff without a second factor are customers, and with it staff', async () => {
  await staffMfa(true);
  const { order } = await makeSale({ stock: 0 });
  const { client, session } = await newStaff('finance');
  const read = () => client.from('orders').select('order_id').eq('order_id', order.order_id);
  assert.deepEqual((await read()).data, []);
  assert.deepEqual(refusal(await client.rpc('reconciliation_report')), [403, '42501', 'insufficient_aal']);
  assert.equal(await history(order, session), 403);
  const factor = await enroll(client);
  assert.deepEqual((await read()).data, [{ order_id: order.order_id }]);
  assert.equal((await client.rpc('reconciliation_report')).error, null);
  assert.equal(await history(order, factor.session), 200);
  assert.equal(await history(order, session), 403, 'the token of before stays what it is');
  await staffMfa(false);
});

test('a grave action wants a code of the last quarter of an hour', async () => {
  const { client, email } = await newStaff('owner');
  const grave = () => client.from('administrators').update({ notes: 'x' }).eq('email', email).select('notes');
  assert.equal((await grave()).error, null, 'who has no factor is asked for none, without the setting');
  const { id, secret, session } = await enroll(client);
  assert.equal((await grave()).error, null);
  await rows(`update auth.mfa_amr_claims set updated_at = now() - interval '16 minutes' where session_id = $1`,
    [JSON.parse(Buffer.from(session.access_token.split('.')[1], 'base64url')).session_id]);
  assert.deepEqual(refusal(await grave()), [403, '42501', 'factor_not_fresh']);
  assert.equal((await client.from('administrators').select('email').eq('email', email)).data.length, 1, 'the rest goes on');
  await timePasses(id);
  assert.equal((await client.auth.mfa.challengeAndVerify({ factorId: id, code: code(secret) })).error, null);
  assert.equal((await grave()).error, null);
});

test('a stolen password of staff who have a second factor opens nothing of theirs', async () => {
  const { client, email } = await newStaff('support');
  await enroll(client);
  const thief = await signIn(email, PASSWORD);
  assert.deepEqual(refusal(await thief.client.rpc('stuck_orders')), [403, '42501', 'insufficient_aal']);
  assert.equal((await client.rpc('stuck_orders')).error, null);
});

test('another owner resets a second factor that was lost', async () => {
  const one = await newStaff('finance'), owner = await newStaff('owner');
  const { session } = await enroll(one.client);
  const reset = (client) => client.rpc('reset_factors', { p_user_id: session.user.id, p_reason: 'lost the phone' });
  assert.equal((await reset(one.client)).status, 403);
  assert.equal((await reset(owner.client)).data, 1);
  assert.equal((await auth('GET', '/user', { token: session.access_token })).json.code, 'session_not_found', 'signed out');
  assert.equal((await (await signIn(one.email, PASSWORD)).client.rpc('reconciliation_report')).error, null);
});
