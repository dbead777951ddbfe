// A process is killed at every point between two statements and two outside calls, and a database
// session is ended at every write inside the SQL functions; whoever waits asks again, as customers
// and the provider do. Every time the books must come out the same.
//
// For a build that has these points: FFX_PRESET=killpoints tests/e2e/run tests/e2e/system/kill-points.test.mjs
// (the level `kills` of ./deploy.sh test). The short form strikes each flow once, somewhere
// (FFX_SEED: elsewhere); FFX_LONG=1 everywhere.
// system: own: its triggers stay on every table
// build: killpoints
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { chance, seed } from '../lib/fire.mjs';
import { brokenRules } from '../lib/flashfundx/invariants.mjs';
import { ipnBody, postIpn } from '../lib/flashfundx/ipn.mjs';
import { flows } from '../lib/flashfundx/kill-flows.mjs';
import { installWriteKills, killAt } from '../lib/kill-points.mjs';
import { Count, during, replace, strikeAll } from '../lib/kill-flows.mjs';
import { resendMock, smtpServer } from '../lib/mail.mjs';
import { events, makeSale } from '../lib/flashfundx/shop.mjs';
import { until } from '../lib/wait.mjs';
import { authFlows } from '../platform/auth/kill-flows.mjs';

const skip = process.env.FFX_PRESET !== 'killpoints' && 'this build has no kill points';
const random = chance();
const mail = {};
const count = new Count();

before(async () => {
  if (skip) return;
  mail.smtp = await smtpServer();
  mail.resend = await resendMock();
  await installWriteKills();
});
after(async () => {
  if (skip) return;
  await replace(undefined);
  await mail.smtp.close();
  await mail.resend.close();
});

const holds = async ({ order }) => assert.deepEqual(order ? await brokenRules([order]) : [], []);

for (const flow of [...flows(mail), ...authFlows])
  test(flow.name, { skip }, async (t) => count.add(await strikeAll(t, flow, random, holds)));

test('a statement takes effect when it was sent, whatever becomes of its sender', { skip }, async () => {
  await replace('payment-webhook');
  for (const [step, effect] of [['before', 0], ['sent', 1]]) {
    const { order } = await makeSale();
    const killer = killAt('payment-webhook', `payment-webhook sql backend.apply_payment_event ${step} #1`);
    await during('payment-webhook', async () => assert.equal((await postIpn(ipnBody(order, 'finished'))).status, 502));
    assert.ok(killer.struck());
    await until(async () => (await events(order)).length === effect, `${effect} event`);
    assert.deepEqual(await brokenRules([order]), []);
  }
});

test('the points, counted', { skip }, (t) => {
  t.diagnostic(`seed ${seed}: ${count}`);
});
