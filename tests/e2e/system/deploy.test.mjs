// deploy.sh on the running system: demo, up, status, logs, psql, migrate, help.
// system: shared
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { rows, value } from '../lib/db.mjs';
import { invoke } from '../lib/http.mjs';
import { anonKey, deploy, env, functionNames, home, pids, serviceKey, url } from '../lib/system.mjs';

test('deploy.sh demo sells an account and shows its credentials, twice', async () => {
  for (let i = 0; i < 2; i++) {
    const { status, stdout, stderr } = await deploy('demo');
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /Sold and delivered in/);
    assert.match(stdout, /"login_id": "\S+"/);
    assert.match(stdout, /"password": "\S+"/);
    assert.match(stdout, /Checkout page: http/);
    for (const secret of [serviceKey, env.JWT_SECRET, env.NOWPAYMENTS_IPN_SECRET, env.NOWPAYMENTS_API_KEY])
      assert.ok(!stdout.includes(secret));
  }
});

test('deploy.sh up on a running system is harmless', async () => {
  const before = {
    env: readFileSync(join(home, 'env'), 'utf8'),
    nginx: readFileSync(join(home, 'run/nginx.pid'), 'utf8'),
    masters: functionNames.map((name) => pids(name).master),
    stock: await value('select count(*) from public.account_container'),
    migrations: await rows('select * from migrations.applied order by part, name'),
  };
  const { status, stdout, stderr } = await deploy('up');
  assert.equal(status, 0, stdout + stderr);
  assert.ok(stdout.includes(url) && stdout.includes(anonKey));
  assert.ok(stdout.includes(`SUPABASE_SERVICE_ROLE_KEY in ${join(home, 'env')}`) && !(stdout + stderr).includes(serviceKey));
  const after = {
    env: readFileSync(join(home, 'env'), 'utf8'),
    nginx: readFileSync(join(home, 'run/nginx.pid'), 'utf8'),
    masters: functionNames.map((name) => pids(name).master),
    stock: await value('select count(*) from public.account_container'),
    migrations: await rows('select * from migrations.applied order by part, name'),
  };
  assert.deepEqual(after, before);
  assert.equal((await invoke('health', {}, 'GET')).json.status, 'healthy');
});

test('deploy.sh status names every part as running', async () => {
  const { status, stdout } = await deploy('status');
  assert.equal(status, 0, stdout);
  for (const part of ['postgres', 'nginx', ...functionNames])
    assert.match(stdout, new RegExp(`^${part}\\s+running`, 'm'));
});

test('deploy.sh logs, psql, migrate and help answer', async () => {
  assert.match((await deploy('logs', 'payment-webhook')).stdout, /"service":"payment-webhook"/);
  assert.equal((await deploy('psql', '-Atc', 'select current_user')).stdout.trim(), 'postgres');
  assert.equal((await deploy('migrate')).status, 0);
  for (const command of ['up', 'down', 'status', 'logs', 'demo', 'migrate', 'psql', 'deploy', 'test']) {
    assert.match((await deploy('--help')).stdout, new RegExp(`^  ${command}\\b`, 'm'));
    const help = await deploy(command, '--help');
    assert.equal(help.status, 0);
    assert.match(help.stdout, new RegExp(`^Usage: \\./deploy\\.sh ${command}`));
  }
  const wrong = await deploy('explode');
  assert.notEqual(wrong.status, 0);
  assert.match(wrong.stderr, /there is no command 'explode'/);
  assert.ok(!existsSync(join(home, 'explode')));
});
