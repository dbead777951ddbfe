// A deploy that goes wrong: it says so, what ran before serves, and nobody takes a dead function for a live one.
// system: own: settings and programs are spoilt on purpose
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, chmodSync, copyFileSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { invoke } from '../lib/http.mjs';
import { Private, alive, generation, killNow, limitDescriptors, processesOf, servicePid } from '../lib/process.mjs';
import { clone, env, functionNames, home, log, scratchFolder, spec } from '../lib/system.mjs';
import { until } from '../lib/wait.mjs';

const PRESET = `spoilt-${process.pid}`;
const built = join(clone, 'build', PRESET);
const folder = scratchFolder('spoilt');
const envFile = join(home, 'env');
const settings = readFileSync(envFile);

const run = (file, args, env = {}) =>
  new Promise((resolve) => execFile(file, args, { cwd: clone, env: { ...process.env, ...env } }, (error, stdout, stderr) =>
    resolve({ status: error ? (error.code ?? 1) : 0, stdout, stderr })));

/** `deploy.sh deploy`, whose build leaves what lies in the place of the programs. */
const deploy = (...names) =>
  run(join(clone, 'deploy.sh'), ['deploy', ...names], { FFX_PRESET: PRESET, PATH: `${folder}:${process.env.PATH}` });

const builtFile = (name) => join(built, 'bin', spec(name).app, name);
/** Says of itself what the real one says, and cannot serve. */
function spoil(name) {
  writeFileSync(builtFile(name), `#!/bin/sh\n[ $# -eq 0 ] || exec '${join(folder, name)}' "$@"\nexit 1\n`);
}
/** Another file, which does the same. */
const improve = (name) => appendFileSync(builtFile(name), 'another build');
const whole = (name) => copyFileSync(join(folder, name), builtFile(name));
const installed = (name) => readFileSync(join(home, 'bin', name));
const ownSettings = (name) => readFileSync(join(home, 'functions', `${name}.env`), 'utf8');
const which = (name) => execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
const answers = async (name) => (await invoke(name, {}, 'POST')).status !== 502;

before(() => {
  writeFileSync(join(folder, 'cmake'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  chmodSync(folder, 0o755);
  for (const name of functionNames) {
    copyFileSync(join(home, 'bin', name), join(folder, name));
    mkdirSync(join(built, 'bin', spec(name).app), { recursive: true });
    whole(name);
  }
});
after(() => {
  rmSync(built, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
});

test('settings with which a function cannot start are refused, and it serves with its old ones', async () => {
  const had = ownSettings('send-email');
  const was = installed('send-email');
  writeFileSync(envFile, settings.toString().replace(/^RUN_DIR=.*$/m, 'RUN_DIR=/nonexistent'));
  try {
    const { status, stderr } = await deploy('send-email');
    assert.equal(status, 1, stderr);
    assert.match(stderr, /did not become ready/);
    assert.match(stderr, /send-email serves again as before/);
  } finally {
    writeFileSync(envFile, settings);
  }
  assert.equal(ownSettings('send-email'), had);
  assert.deepEqual(installed('send-email'), was);
  assert.ok(await answers('send-email'));
});

/** All that deploy.sh makes of a system, with its bytes. */
const made = () => Object.fromEntries([
  ...['bin', 'functions', 'nginx'].map((name) => join(home, name)),
  ...readdirSync(join(home, 'services')).map((name) => join(home, 'services', name)).filter((dir) => statSync(dir).isDirectory()),
].flatMap((dir) => readdirSync(dir).map((name) => join(dir, name)))
  .filter((file) => statSync(file).isFile() && !file.endsWith('/loaded'))
  .concat(['system', 'pg_hba', 'pg_ident'].map((name) => join(home, 'postgres', `${name}.conf`)))
  .map((file) => [file, createHash('sha256').update(readFileSync(file)).digest('hex')]));
const running = () => ['postgres', 'nginx', ...functionNames].map(servicePid);
/** `deploy.sh up` with programs in front of those of the machine. */
async function up(programs, env = {}) {
  const bin = scratchFolder('front');
  chmodSync(bin, 0o755);
  for (const [name, script] of Object.entries({ cmake: 'exit 0', ...programs }))
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return run(join(clone, 'deploy.sh'), ['up'], { PATH: `${bin}:${process.env.PATH}`, ...env });
}
const anotherPort = () => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(String(port)));
  });
});
const settingsNow = () => readFileSync(envFile, 'utf8');

test('up whose nginx refuses its new configuration leaves everything as it was', async () => {
  const before = made(), processes = running();
  const { status, stderr } = await up({ nginx: 'echo "[emerg] spoilt" >&2; exit 1' }, { FFX_PORT: await anotherPort() });
  assert.equal(status, 1, stderr);
  assert.match(stderr, /nginx refuses its configuration/);
  assert.deepEqual(made(), before);
  assert.equal(settingsNow(), settings.toString(), 'the port as well');
  assert.deepEqual(running(), processes, 'and nothing was started again');
  assert.equal((await invoke('health', {}, 'GET')).status, 200);
});

test('up that fails after its functions were replaced brings all of them back, and nginx', async () => {
  const before = made(), nginx = servicePid('nginx');
  // The first word to nginx is lost; then the configuration of before is what it is told of.
  const sv = `case "$*" in *hup*/nginx) [ -e ${folder}/told ] || { touch ${folder}/told; exit 1; };; esac; exec ${which('sv')} "$@"`;
  appendFileSync(envFile, 'MAIL_DOMAIN=other.example\n');
  const spoilt = settingsNow();
  try {
    const { status, stderr } = await up({ sv }, { FFX_PORT: await anotherPort() });
    assert.equal(status, 1, stderr);
    assert.match(stderr, /nginx does not answer on its new configuration/);
    assert.match(stderr, /send-email serves again as before/);
    assert.match(stderr, /nginx serves again as before/);
    assert.equal(settingsNow(), spoilt, 'the settings are as they were written');
  } finally {
    writeFileSync(envFile, settings);
  }
  assert.deepEqual(made(), before);
  assert.equal(servicePid('nginx'), nginx);
  assert.ok(!readFileSync(`/proc/${servicePid('send-email')}/environ`, 'utf8').includes('other.example'));
  assert.equal((await invoke('health', {}, 'GET')).status, 200);
});

test('a line of the settings that says nothing is refused with its number, and no value is shown', async () => {
  const number = settings.toString().split('\n').length;
  for (const [line, why] of [
    ['SMTP_HOST = geheim', /"SMTP_HOST" is not followed by = at once/],
    ['SMTP_HOST: geheim', /"SMTP_HOST" is not followed by = at once/],
    ['export SMTP_HOST=geheim', /leave out "export"/],
    ['SMTP_HOTS=geheim', /nothing is called SMTP_HOTS/],
    ['SMTP_HOST= geheim', /blanks around the value of SMTP_HOST/],
    ['SMTP_HOST="geheim', /begins with a quote that does not end/],
    ['SMTP_HOST=geheim\r', /carriage return/],
  ]) {
    appendFileSync(envFile, `# a comment\n\n${line}\n`);
    try {
      for (const command of [['deploy', 'send-email'], ['up']]) {
        const { status, stderr } = await run(join(clone, 'deploy.sh'), command);
        assert.equal(status, 1, line);
        assert.match(stderr, new RegExp(`line ${number + 2}: `));
        assert.match(stderr, why);
        assert.doesNotMatch(stderr, /geheim/);
      }
    } finally {
      writeFileSync(envFile, settings);
    }
  }
  assert.ok(await answers('send-email'));
});

test('what systemd gets: room for every worker twice, and settings between quotes', async () => {
  const out = join(folder, 'units');
  const made = await run(join(clone, 'nginx/generate'), ['--production', 'api.example.com', join(home, 'bin'), out]);
  assert.equal(made.status, 0, made.stderr);
  const limit = (name, line) => Number(line.exec(readFileSync(join(out, `systemd/fn-${name}.service`), 'utf8'))[1]);
  const tasks = (name) => limit(name, /^TasksMax=(\d+)$/m), megabytes = (name) => limit(name, /^MemoryMax=(\d+)M$/m);
  assert.ok(tasks('send-email') > 2 * 64 * 4, 'two generations of 64 workers with their threads');
  assert.ok(tasks('send-outbox') >= 2 * 4);
  assert.equal(megabytes('send-email'), 64 * megabytes('send-outbox'), 'and their memory');
  assert.equal(megabytes('send-outbox'), 256, 'which one worker has as well');
  const lines = readFileSync(join(out, 'env/send-email.env'), 'utf8').split('\n').filter(Boolean);
  for (const line of lines) assert.match(line, /^(# .*|#?[A-Z_]+='[^']*')$/);
  assert.ok(lines.includes("DATABASE_URL=''") && lines.includes("#SMTP_PORT='587'"));
});

for (const changed of [false, true]) {
  test(`one of several functions does not get ready${changed ? ', with a changed setting' : ''}: all are as before`, async () => {
    const names = ['check-payment-status', 'send-email', 'test-delivery'];
    const had = names.map((name) => [installed(name), ownSettings(name)]);
    if (changed) appendFileSync(envFile, 'LOG_LEVEL=debug\n');
    improve('check-payment-status');
    spoil('send-email');
    try {
      const { status, stdout, stderr } = await deploy(...names);
      assert.equal(status, 1, stdout + stderr);
      assert.match(stdout, /check-payment-status … new workers answer/);
      assert.match(stderr, /the new workers of send-email did not become ready/);
      assert.match(stderr, /check-payment-status serves again as before/);
      assert.deepEqual(names.map((name) => [installed(name), ownSettings(name)]), had);
      for (const name of names) assert.ok(await answers(name), name);
    } finally {
      names.forEach(whole);
      writeFileSync(envFile, settings);
    }
    assert.equal((await invoke('health', {}, 'GET')).status, 200);
  });
}

test('all functions are replaced, those without a socket too, and again from what they run then', async () => {
  for (let i = 0; i < 2; i++) {
    functionNames.forEach(improve);
    const before = functionNames.map(generation);
    const { status, stdout, stderr } = await deploy();
    assert.equal(status, 0, stdout + stderr);
    assert.deepEqual(functionNames.map(generation), before.map((n) => n + 1));
  }
  functionNames.forEach(whole);
  assert.equal((await deploy()).status, 0);
  assert.equal((await invoke('health', {}, 'GET')).status, 200);
});

test("systemd's reload fails when the new workers do not get ready", async () => {
  const out = join(folder, 'production');
  const made = await run(join(clone, 'nginx/generate'), ['--production', 'api.example.com', join(home, 'bin'), out]);
  assert.equal(made.status, 0, made.stderr);
  const unit = readFileSync(join(out, 'systemd/fn-send-email.service'), 'utf8').replace(/\\\n/g, '');
  const [, script] = /^ExecReload=\/bin\/sh -c '([^']+)'$/m.exec(unit);
  const program = join(home, 'bin/send-email');
  const restore = () => {
    copyFileSync(join(folder, 'send-email'), `${program}.new`);
    renameSync(`${program}.new`, program);
  };
  const one = await Private.start('send-email');
  const reload = () =>
    run('/bin/sh', ['-c', script.replaceAll('$$', '$').replaceAll('$MAINPID', one.pid).replaceAll(`/run/${env.APP}`, one.folder)]);
  try {
    assert.equal((await reload()).status, 0);
    rmSync(program);
    const refused = await reload();
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /did not get ready/);
    assert.equal((await one.ask('POST')).status, 401, 'the old ones serve');
    restore();
    assert.equal((await reload()).status, 0);
  } finally {
    restore();
    await one.stop();
  }
});

test('a master without a worker that comes up ends, for its supervisor to see', async () => {
  // Without descriptors no sanitizer can look for leaks.
  const one = await Private.start('send-email', { ASAN_OPTIONS: 'detect_leaks=0:exitcode=99' });
  try {
    await limitDescriptors(one.pid, 3);
    one.workers.forEach(killNow);
    await until(() => one.exited, 'it ends', { timeout: 20_000 });
    assert.equal(one.exited.code, 1);
    assert.match(one.log(), /"gave_up"/);
  } finally {
    await one.stop();
  }
});

test('health names a function that nobody serves', async () => {
  const stopped = servicePid('send-outbox');
  const alone = servicePid('send-email');
  for (const name of ['send-outbox', 'send-email']) {
    process.kill(servicePid(name), 'SIGSTOP');
    processesOf(name).workers.forEach(killNow);
  }
  try {
    const answer = await until(async () => {
      const health = await invoke('health', {}, 'GET');
      return health.status === 503 && /email.*outbox|outbox.*email/.test(health.text) && health;
    }, 'health says so', { timeout: 20_000 });
    assert.equal(answer.json.status, 'unhealthy');
    assert.match(answer.json.checks.functions.error, /^No worker runs of send-(email, send-outbox|outbox, send-email)$/);
  } finally {
    for (const pid of [stopped, alone]) process.kill(pid, 'SIGCONT');
  }
  await until(async () => (await invoke('health', {}, 'GET')).status === 200, 'it is well again');
  assert.ok(alive(stopped) && generation('send-email') > 0 && log('send-email').includes('worker_died'));
});
