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

import { rows } from '../lib/db.mjs';
import { sv } from '../lib/process.mjs';
import { chance, long, seed } from '../lib/fire.mjs';
import { brokenRules } from '../lib/flashfundx/invariants.mjs';
import { ipnBody, postIpn } from '../lib/flashfundx/ipn.mjs';
import { during, flows } from '../lib/flashfundx/kill-flows.mjs';
import { Victim, installWriteKills, killAt, killAtWrite, statementsEnded, watchPoints, watchWrites } from '../lib/kill-points.mjs';
import { resendMock, smtpServer } from '../lib/mail.mjs';
import { events, makeSale } from '../lib/flashfundx/shop.mjs';
import { until } from '../lib/wait.mjs';

const skip = process.env.FFX_PRESET !== 'killpoints' && 'this build has no kill points';
const random = chance();
const mail = {};
const count = { passed: 0, writes: 0, tried: 0, places: new Set() };

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

/** The system's own service of this function makes room for ours; the others are there. */
let replaced;
async function replace(name) {
  if (replaced === name) return;
  if (replaced) await sv('up', replaced);
  replaced = name;
  if (name) await sv('down', name);
}

/** Its turn is now. */
const due = (name) => rows(`update public.schedules set claimed_at = 'epoch' where name = $1`, [name]);

/** A flow from beginning to end; `kill()` arms what strikes on the way. */
async function run(flow, kill) {
  const sale = await flow.prepare();
  const killer = await kill();
  const start = async () => {
    if (flow.done) await due(flow.fn);
    return Victim.start(flow.fn, flow.settings?.());
  };
  let victim;
  try {
    victim = await start();
    await flow.act?.(sale);
    await until(async () => (killer.struck ? await killer.struck() : !flow.done || (await flow.done(sale))),
      `${flow.name}: ${killer.struck ? 'it is struck' : 'done'}`, { every: 5, timeout: flow.timeout });
    await killer.confirm(victim);
    await victim.stop();
    if (killer.struck && flow.done) {
      await statementsEnded(flow.fn);
      await flow.timePasses?.(sale);
      victim = await start();
      await until(() => flow.done(sale), `${flow.name}: done after all`, { timeout: flow.timeout });
      await victim.stop();
    }
  } finally {
    await victim?.stop();
    await killer.disarm();
  }
  await (flow.done ? flow.check(sale) : during(flow.fn, () => flow.check(sale)));
  assert.deepEqual(await brokenRules([sale.order]), []);
}

/** Nothing is struck; the points and writes on the way are written down. */
async function watch(flow) {
  let points, writes;
  await run(flow, async () => {
    const seen = watchPoints(flow.fn);
    const written = await watchWrites(flow.fn);
    return {
      confirm: () => flow.done || until(() => seen.now().at(-1)?.includes('client answer written'), 'the last answer'),
      disarm: async () => {
        points = seen.end();
        writes = await written.end();
      },
    };
  });
  return { points, writes };
}

for (const flow of flows(mail)) {
  test(flow.name, { skip }, async (t) => {
    await replace(flow.fn);
    const { points, writes } = await watch(flow);
    t.diagnostic(`${points.length} points, ${writes.length} writes`);
    assert.ok(points.length >= 6, 'the points are there');
    points.forEach((point) => count.places.add(point.replace(/ #\d+$/, '')));
    count.passed += points.length;
    count.writes += writes.length;
    const strikes = [
      ...points.map((point) => [`killed at ${point}`, () => killAt(flow.fn, point)]),
      ...writes.map((write, i) => [`session ended at write ${i + 1}, ${write}`, () => killAtWrite(flow.fn, i + 1)]),
    ];
    for (const [name, kill] of long ? strikes : [random.pick(strikes)]) {
      count.tried++;
      await t.test(name, () => run(flow, kill));
    }
  });
}

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
  t.diagnostic(`seed ${seed}: ${count.passed} kill points (${count.places.size} places) and ${count.writes} writes ` +
    `in ${flows(mail).length} flows; ${count.tried} tried`);
});
