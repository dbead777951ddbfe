// A request body that looks like a FastCGI request must never become one.
//
// nginx keeps its connections to the functions. Were a function to answer early and leave a part of
// the body unread, that part would be parsed as the next request: with parameters of the sender's
// choice, the authenticated user among them.
// system: shared
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { value } from '../lib/db.mjs';
import { requestBytes } from '../lib/fcgi.mjs';
import { Caller, crowd, long } from '../lib/fire.mjs';
import { home, log } from '../lib/system.mjs';
import { userToken } from '../lib/tokens.mjs';
import { until } from '../lib/wait.mjs';

const OFFSETS = long ? 2101 : 701;
const FUNCTIONS = '/functions/v1/';
const marker = `forged-${randomBytes(6).toString('hex')}`;

/** A complete request that would leave its mark wherever it ran: in the log, in the answer, in the table. */
const forged = (method) => requestBytes(method, {
  body: '{"forged":true}',
  params: { REQUEST_ID: marker, HTTP_X_FORGED: marker, HTTP_AUTHORIZATION: 'Bearer forged', QUERY_STRING: marker },
});

/** `size` bytes with the forged request at `offset`. */
function bodyWith(bytes, offset, size) {
  const body = Buffer.alloc(size, 'x');
  bytes.copy(body, Math.min(offset, size - bytes.length));
  return body;
}

// libfcgi reads 8 KiB at once: nginx's parameters (300 to 1000 bytes) and the first part of the
// body. The sweep moves the forged request over every place where the second part may begin.
const sweep = Array.from({ length: OFFSETS }, (_, i) => 8192 - 992 + i - (OFFSETS - 701) / 2);
const boundaries = [8192, 16384].flatMap((edge) => Array.from({ length: 49 }, (_, i) => edge - 24 + i));

const anybody = () => ({});
const somebody = () => ({ authorization: `Bearer ${userToken({ id: crypto.randomUUID(), email: 'fire@example.com' })}` });

// What a request meets before its body is looked at, and an ordinary request with another answer.
const cases = [
  { name: 'payment-webhook', method: 'PUT', size: 20_000, status: 405, headers: anybody },
  { name: 'payment-webhook', method: 'POST', size: 20_000, status: 400, headers: anybody, also: 'not JSON' },
  { name: 'create-crypto-payment', method: 'DELETE', size: 16_000, status: 405, headers: anybody },
  { name: 'create-crypto-payment', method: 'POST', size: 16_000, status: 401, headers: anybody },
  { name: 'create-crypto-payment', method: 'POST', size: 16_000, status: 415, headers: somebody, type: 'text/plain' },
  { name: 'create-crypto-payment', method: 'POST', size: 70_000, status: 413, headers: anybody },
  { name: 'no-such-function', method: 'POST', size: 16_000, status: 404, headers: anybody },
  { name: 'webhook-debug', method: 'POST', size: 20_000, status: 200, headers: anybody },
];

const answers = new Map(); // user agent -> x-request-id of the answer

async function attack({ name, method, size, status, headers, type = 'application/octet-stream' }) {
  const payload = forged('POST');
  const callers = Array.from({ length: 8 }, () => new Caller());
  const send = async (caller, agent, how, path, options) => {
    const answer = await caller.send(how, path, { ...options, headers: { ...options.headers, 'user-agent': agent } });
    if (answer.headers['x-request-id']) answers.set(agent, answer.headers['x-request-id']);
    return answer;
  };
  const offsets = [...sweep, ...boundaries].filter((offset) => offset + payload.length <= size);
  await crowd(8, offsets, async (offset, worker) => {
    const agent = `${marker} ${name} ${method} ${status} ${offset}`;
    const hit = await send(callers[worker], agent, method, FUNCTIONS + name, {
      headers: { ...headers(), 'content-type': type }, body: bodyWith(payload, offset, size),
    });
    assert.equal(hit.status, status, `${agent}: ${hit.text}`);
    // The request behind it gets its own answer, and not one that was meant for the forged one.
    const next = await send(callers[worker], `${agent} next`, 'OPTIONS', FUNCTIONS + name, {});
    if (name === 'no-such-function') assert.equal(next.status, 204);
    else assert.deepEqual([next.status, next.text], [200, 'ok'], agent);
  });
  callers.forEach((caller) => caller.close());
}

test('forged requests inside bodies are never executed', async (t) => {
  for (const one of cases) {
    await t.test(`${one.method} ${one.name} answers ${one.status}`, () => attack(one));
  }

  await t.test('no forged request left a mark', async () => {
    for (const name of ['payment-webhook', 'create-crypto-payment', 'webhook-debug']) {
      assert.ok(!log(name).includes(`"request_id":"${marker}`), `${name} executed a forged request`);
    }
    const kept = await value(
      `select count(*)::int from public.webhook_debug_calls
        where request_id = $1 or query = $1 or headers::text like '%' || $2 || '%'`, [marker, '"x-forged"']);
    assert.equal(kept, 0, 'webhook-debug executed a forged request');
  });

  await t.test('every answer carries the request id that nginx gave to its request', async () => {
    const given = await until(() => {
      const lines = readFileSync(join(home, 'log', 'access.log'), 'utf8').split('\n').filter((line) => line.includes(marker));
      const found = new Map(lines.map((line) => JSON.parse(line)).map((entry) => [entry.user_agent, entry.request_id]));
      return [...answers.keys()].every((agent) => found.has(agent)) && found;
    }, 'the access log is written');
    assert.ok(answers.size > 2 * OFFSETS);
    for (const [agent, id] of answers) assert.equal(id, given.get(agent), agent);
    assert.equal(new Set(answers.values()).size, answers.size);
  });
});
