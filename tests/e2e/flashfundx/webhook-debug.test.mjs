// webhook-debug: any call is kept, without its secrets, for staff.
// system: shared
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';

import { as, rows, value } from '../lib/db.mjs';
import { call } from '../lib/http.mjs';
import { userClaims } from '../lib/tokens.mjs';
import { makeStaff, makeUser } from '../lib/users.mjs';

const debugCalls = (mark) =>
  rows(`select * from public.webhook_debug_calls where query like $1 order by id`, [`%${mark}%`]);

test('webhook-debug: any method is taken, answered and kept', async () => {
  const mark = randomBytes(8).toString('hex');
  for (const method of ['POST', 'GET', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
    const answer = await call(
      method,
      `/functions/v1/webhook-debug?mark=${mark}`,
      method === 'GET' ? {} : { body: `{"by": "${method}"}`, headers: { 'x-custom': 'seen' } },
    );
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.success, true);
    assert.equal(answer.json.message, 'Webhook debug received');
    assert.equal(new Date(answer.json.timestamp).toISOString(), answer.json.timestamp);
  }
  const kept = await debugCalls(mark);
  assert.deepEqual(
    kept.map((c) => c.method),
    ['POST', 'GET', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'],
  );
  assert.equal(kept[0].body, '{"by": "POST"}');
  assert.equal(kept[0].headers['x-custom'], 'seen');
  assert.equal(kept[0].headers['content-type'] ?? 'application/json', 'application/json');
  assert.equal(kept[0].remote_addr, '127.0.0.1');
});

test('webhook-debug: secrets are masked before they are stored', async () => {
  const mark = randomBytes(8).toString('hex');
  const secrets = {
    authorization: 'Bearer top-secret-1',
    apikey: 'top-secret-2',
    cookie: 'sid=top-secret-3',
    'x-api-key': 'top-secret-4',
    'X-Auth-Token': 'top-secret-5',
    'Proxy-Authorization': 'Basic top-secret-6',
  };
  await call('POST', `/functions/v1/webhook-debug?mark=${mark}`, { body: {}, headers: secrets });
  const [kept] = await debugCalls(mark);
  assert.doesNotMatch(JSON.stringify(kept), /top-secret/);
  assert.equal(kept.headers.authorization, '***');
  assert.equal(
    await value(
      `select count(*)::int from public.webhook_debug_calls where headers::text like '%top-secret%'`,
    ),
    0,
  );
});

test('webhook-debug: secrets in the query and in a JSON body are masked, the rest is kept', async () => {
  const mark = randomBytes(8).toString('hex');
  await call('POST', `/functions/v1/webhook-debug?mark=${mark}&access_token=top-secret-7&x=1&ApiKey=top-secret-8`, {
    body: { order: 'FFX1', amount: 1.10, user: { password: 'top-secret-9', list: [{ client_secret: 'top-secret-10' }] } },
  });
  const [kept] = await debugCalls(mark);
  assert.doesNotMatch(JSON.stringify(kept), /top-secret/);
  assert.equal(kept.query, `mark=${mark}&access_token=***&x=1&ApiKey=***`);
  assert.deepEqual(JSON.parse(kept.body), {
    order: 'FFX1', amount: 1.1, user: { password: '***', list: [{ client_secret: '***' }] },
  });
});

test('webhook-debug: what is no text is kept readable', async () => {
  const mark = randomBytes(8).toString('hex');
  const answer = await call('POST', `/functions/v1/webhook-debug?mark=${mark}&x=%00%ff`, {
    body: Buffer.from([0, 1, 0xff, 0xfe, 0x41]),
    headers: { 'x-odd': 'gr\xfc\xdfe' },
  });
  assert.equal(answer.status, 200, answer.text);
  const [kept] = await debugCalls(mark);
  assert.match(kept.body, /A/);
  assert.equal(kept.body_bytes > 0, true);
});

test('webhook-debug: kept are the last 100, each cut to a bounded size', async () => {
  const mark = randomBytes(8).toString('hex');
  const long = `é${'x'.repeat(60_000)}`;
  for (let i = 0; i < 105; i += 15) {
    await Promise.all(
      Array.from({ length: 15 }, () =>
        call('POST', `/functions/v1/webhook-debug?mark=${mark}`, {
          body: long,
          headers: { 'content-type': 'text/plain' },
        }),
      ),
    );
  }
  assert.ok((await value('select count(*)::int from public.webhook_debug_calls')) <= 100);
  const kept = await debugCalls(mark);
  assert.ok(kept.length >= 85, `${kept.length}`);
  for (const one of kept) assert.ok(Buffer.byteLength(one.body) <= 8192);
  assert.equal(kept.at(-1).body_bytes, Buffer.byteLength(long));
});

test('webhook-debug: finance reads the calls; users and the public do not', async () => {
  const mark = randomBytes(8).toString('hex');
  await call('POST', `/functions/v1/webhook-debug?mark=${mark}`, { body: {} });
  const read = (claims) =>
    as(claims, (query) =>
      query('select * from public.webhook_debug_calls where query like $1', [`%${mark}%`]),
    );
  assert.equal((await read(userClaims(await makeStaff('finance')))).length, 1);
  assert.equal((await read({ role: 'service_role' })).length, 1);
  for (const claims of [userClaims(await makeUser()), { role: 'anon' }])
    await assert.rejects(read(claims), /permission denied/);
});
