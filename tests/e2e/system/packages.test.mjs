// Installing packages: nothing of theirs starts meanwhile, and nothing of that stays behind.
// system: shared
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { clone, scratchFolder } from '../lib/system.mjs';
import { until } from '../lib/wait.mjs';

const folder = scratchFolder('packages');
const policy = join(folder, 'policy-rc.d');
const cluster = join(folder, 'createcluster.d/none.conf');
after(() => rmSync(folder, { recursive: true, force: true }));

/** packages.sh with places of our own and an apt-get that does `apt`. */
function bash(apt, script) {
  mkdirSync(join(folder, 'bin'), { recursive: true });
  writeFileSync(join(folder, 'bin/apt-get'), `#!/bin/sh\n${apt}\n`, { mode: 0o755 });
  return ['-euo', 'pipefail', '-c', `clone='${clone}' FFX_HOME='${folder}' PATH='${folder}/bin':$PATH
    source "$clone/.deploy/lib/base.sh"; source "$clone/.deploy/lib/packages.sh"
    policy_file='${policy}' cluster_file='${cluster}'; ${script}`];
}
const asked = () => spawnSync(policy, ['some-service', 'start']).status;

test('while it installs nothing starts; then both switches are gone', () => {
  const { status, stderr } = spawnSync('bash', bash(`'${policy}' x start; echo $? >'${folder}/said'; cp '${cluster}' '${folder}/seen'`, 'packages_install some-package'), { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.equal(readFileSync(join(folder, 'said'), 'utf8'), '101\n');
  assert.match(readFileSync(join(folder, 'seen'), 'utf8'), /create_main_cluster = false/);
  assert.ok(!existsSync(policy) && !existsSync(cluster));
});

async function killed() {
  const child = spawn('bash', bash(`touch '${folder}/runs'; exec sleep 60`, 'packages_install some-package'), { detached: true });
  await until(() => existsSync(join(folder, 'runs')), 'apt-get runs');
  assert.equal(asked(), 101);
  process.kill(-child.pid, 'SIGKILL');
  rmSync(join(folder, 'runs'));
  const maker = readFileSync(policy, 'utf8').match(/process (\d+)/)[1]; // a shell below the one we started
  await until(() => child.signalCode && (!existsSync(`/proc/${maker}`) || /\) Z/.test(readFileSync(`/proc/${maker}/stat`, 'utf8'))), 'it is dead');
  assert.ok(existsSync(policy), 'it is left behind');
}

test('one that is killed keeps no later package from starting its services', async () => {
  await killed();
  assert.equal(asked(), 0);
  assert.ok(!existsSync(policy));
});

test('the next call takes away what was left, and leaves what is somebody else\'s', async () => {
  await killed();
  assert.equal(spawnSync('bash', bash('exit 1', 'packages_ensure bash')).status, 0);
  assert.ok(!existsSync(policy) && !existsSync(cluster));
  writeFileSync(policy, '#!/bin/sh\nexit 104\n', { mode: 0o755 });
  assert.equal(spawnSync('bash', bash('true', 'packages_ensure bash; packages_install some-package')).status, 0);
  assert.equal(asked(), 104);
});
