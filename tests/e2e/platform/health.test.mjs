// health: ready, alive, and the metrics.
// system: shared
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { envelope } from '../lib/answers.mjs';
import { rows, value } from '../lib/db.mjs';
import { call, invoke } from '../lib/http.mjs';
import { checkFunction } from '../lib/system.mjs';

test('health: ready with every check, and alive', async () => {
  const ready = await invoke('health', {}, 'GET');
  assert.equal(ready.status, 200);
  assert.equal(ready.json.status, 'healthy', ready.text);
  assert.deepEqual(Object.keys(ready.json.checks), ['database', 'functions', 'nowpayments', 'callbacks', 'environment']);
  for (const check of Object.values(ready.json.checks)) assert.equal(check.status, 'healthy', ready.text);
  assert.equal(typeof ready.json.checks.database.response_time_ms, 'number');
  assert.equal(ready.json.checks.environment.nowpayments_mode, 'sandbox');
  assert.equal(new Date(ready.json.timestamp).toISOString(), ready.json.timestamp);

  const alive = await invoke('health/live', {}, 'GET');
  assert.equal(alive.status, 200);
  assert.deepEqual(alive.json, { status: 'alive' });
  envelope(await invoke('health/other', {}, 'GET'), 404, 'Not found');
});

test('a database of another schema is told of, by health and by --check', async () => {
  const right = await value('select sha256 from migrations.schema');
  assert.match(right, /^[0-9a-f]{64}$/);
  assert.deepEqual(checkFunction('health'), { status: 0, stdout: 'health: configuration is complete\n', stderr: '' });
  await rows(`update migrations.schema set sha256 = repeat('0', 64)`);
  try {
    const answer = await invoke('health', {}, 'GET');
    assert.equal(answer.status, 200);
    assert.equal(answer.json.checks.schema.status, 'mismatch', answer.text);
    const { status, stderr } = checkFunction('health');
    assert.equal(status, 0);
    assert.match(stderr, /^health: warning: the schema of the database is not the one/);
  } finally {
    await rows('update migrations.schema set sha256 = $1', [right]);
  }
  assert.equal((await invoke('health', {}, 'GET')).json.checks.schema, undefined);
});

test('health tells no secret and no path', async () => {
  const { text } = await invoke('health', {}, 'GET');
  assert.doesNotMatch(text, /eyJ|postgres(ql)?:\/\/|password|\/tmp\//i);
});

test("metrics are in Prometheus' form, count requests, and stand under one address only", async () => {
  const count = async () => {
    const answer = await call('GET', '/metrics');
    assert.equal(answer.status, 200);
    assert.match(answer.headers['content-type'], /^text\/plain; version=0\.0\.4/);
    for (const line of answer.text.trim().split('\n')) {
      assert.match(line, /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[^}]*\})? -?[0-9.e+-]+(Inf)?)$/, line);
    }
    return Number(/ffx_requests_total\{class="4xx",function="test-delivery"\} (\d+)/.exec(answer.text)[1]);
  };
  const before = await count();
  await invoke('test-delivery', {}, 'PUT');
  assert.equal(await count(), before + 1);

  for (const path of [
    '/functions/v1/health/metrics',
    '/functions/v1/health/%6detrics',
    '/functions/v1/health//metrics',
    '/functions/v1/health/./metrics',
    '/functions/v1/health/live/../metrics',
    '/metrics/',
    '//metrics/x',
  ]) {
    const answer = await call('GET', path);
    assert.equal(answer.status, 404, path);
    assert.doesNotMatch(answer.text, /ffx_/, path);
  }
});
