// One address holds as many bodies open as it can, another forges callbacks as fast as it can: no
// call of others is refused meanwhile, and no callback of the provider.
// FFX_LONG=1: for a minute instead of some seconds, alone on the machine: and it is as fast as before.
// system: shared
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';

import { Caller, Tally, long } from '../lib/fire.mjs';
import { ipnBody, sign } from '../lib/flashfundx/ipn.mjs';
import { makeSale } from '../lib/flashfundx/shop.mjs';
import { url } from '../lib/system.mjs';

const WEBHOOK = '/functions/v1/payment-webhook';
const SECONDS = long ? 60 : 8;
const SLOW = 2000, FORGED = 500;
/** Times below this are the machine's own noise. */
const NOISE_MS = 15;

/** An attacker from an address of its own; `end` tells what it got. */
function attacker(address, kind, amount) {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../lib/flood.mjs', import.meta.url)), url + WEBHOOK, address, kind, String(amount)],
    { stdio: ['pipe', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (data) => { out += data; });
  return () => new Promise((resolve) => {
    child.once('close', () => resolve(JSON.parse(out)));
    child.stdin.end();
  });
}

const p99 = (times) => times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)];

/** For so long, 50 callbacks of the provider and 50 other calls a second: {callbacks, others} p99 in ms, and a tally. */
async function others(seconds, callbacks) {
  const callers = Array.from({ length: 4 }, () => new Caller()), tally = new Tally();
  const times = { callbacks: [], others: [] };
  const timed = async (kind, work) => {
    const began = performance.now();
    try {
      tally.add(`${kind} ${(await work()).status}`);
    } catch (error) {
      tally.add(`${kind} ${error.code ?? error.message}`);
    }
    times[kind].push(performance.now() - began);
  };
  const end = Date.now() + seconds * 1000, working = [];
  for (let n = 0; Date.now() < end; n++) {
    const caller = callers[n % callers.length], { body, signature } = callbacks[n % callbacks.length];
    working.push(timed('callbacks', () => caller.send('POST', WEBHOOK, { body, headers: { 'content-type': 'application/json', 'x-nowpayments-sig': signature } })));
    working.push(timed('others', () => caller.send('GET', '/functions/v1/health/live')));
    await sleep(20);
  }
  await Promise.all(working);
  callers.forEach((caller) => caller.close());
  return { callbacks: p99(times.callbacks), others: p99(times.others), tally };
}

test(`${SLOW} slow bodies and ${FORGED} forged ones a second: nobody else is refused`, async (t) => {
  const callbacks = [];
  for (let i = 0; i < 20; i++) {
    const { order } = await makeSale({ stock: 0 });
    const body = ipnBody(order, 'confirming');
    callbacks.push({ body: JSON.stringify(body), signature: sign(body) });
  }
  await others(2, callbacks); // warm
  const before = await others(SECONDS, callbacks);
  const slow = attacker('127.0.0.2', 'slow', SLOW), forged = attacker('127.0.0.3', 'forged', FORGED);
  await sleep(2000);
  const during = await others(SECONDS, callbacks);
  const [gotSlow, gotForged] = await Promise.all([slow(), forged()]);
  t.diagnostic(`before: ${JSON.stringify(before)} during: ${JSON.stringify(during)}`);
  t.diagnostic(`slow: ${JSON.stringify(gotSlow)} forged: ${JSON.stringify(gotForged)}`);

  assert.deepEqual(during.tally.others(/^(callbacks|others) 200$/), [], 'nobody is refused');
  for (const kind of long ? ['callbacks', 'others'] : [])
    assert.ok(during[kind] <= 2 * Math.max(before[kind], NOISE_MS), `${kind}: p99 ${before[kind].toFixed(1)} ms before, ${during[kind].toFixed(1)} ms during`);
  assert.ok(gotSlow[429] >= SLOW - 256, 'an address has its share and no more');
  assert.deepEqual(Object.keys(gotForged).filter((status) => !['401', '429'].includes(status)), []);
  assert.ok(gotForged[401] > 0 && gotForged[401] + (gotForged[429] ?? 0) > FORGED * SECONDS / 4, 'and all of them were answered');
});
