// deploy.sh stock import: a list of accounts into the stock, all of it or nothing, and no password anywhere.
// system: shared
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { rows, value } from '../lib/db.mjs';
import { clone, home, scratchFolder } from '../lib/system.mjs';

const HEAD = 'account_size,platform_type,server_name,login_id,password,investor_password,notes';
const name = () => `imp-${randomBytes(6).toString('hex')}`;
const line = (login, more = {}) => {
  const one = { size: 10000, platform: 'mt5', server: 'Import-1', password: `pw-${login}`, investor: `iv-${login}`, notes: 'a test', ...more };
  return [one.size, one.platform, one.server, login, one.password, one.investor, one.notes].join(',');
};

/** `deploy.sh stock import - …` with that input; `seen` is every command line while it ran. */
function stockImport(input, ...options) {
  return new Promise((resolve) => {
    const child = spawn(join(clone, 'deploy.sh'), ['stock', 'import', '-', ...options], { cwd: clone });
    const said = { stdout: '', stderr: '', seen: '' };
    for (const stream of ['stdout', 'stderr']) child[stream].on('data', (bytes) => { said[stream] += bytes; });
    const look = setInterval(() => {
      for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
        try {
          said.seen += readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        } catch {
          // it ended while we looked
        }
      }
    }, 20);
    child.on('close', (status) => {
      clearInterval(look);
      resolve({ ...said, status });
    });
    child.stdin.end(input);
  });
}

const stored = (...logins) =>
  rows(
    `select login_id, account_size::int as size, platform_type, server_name, notes, password like 'ffx1.%' as sealed,
       platform.unseal(password, id, 'password') as password,
       platform.unseal(investor_password, id, 'investor_password') as investor
     from public.account_container where login_id = any ($1) order by array_position($1, login_id)`,
    [logins],
  );

test('columns go by their names, fields may be quoted, passwords count as they are', async () => {
  const [a, b] = [name(), name()];
  const done = await stockImport(
    `\uFEFFPassword;login_id; server_name ;"platform_type";account_size\r\n"p;""\\t \\. 'x;\$(id)";${a};Import "1";MT5;10000\r\n` +
      ` blanks count ; ${b};Import-1;mt4;25000.00\r\n\r\n`.replace('Import "1"', 'Import-1'),
  );
  assert.match(done.stdout, /line 2: broken: has a quote where none may stand/);
  assert.equal(done.status, 1);
  const again = await stockImport(
    `\uFEFFPassword;login_id; server_name ;"platform_type";account_size\r\n"p;""\\t \\. 'x;\$(id)";${a};"Import ""1""";MT5;10000\r\n` +
      ` blanks count ; ${b};Import-1;mt4;25000.00\r\n\r\n`,
  );
  assert.equal(again.status, 0, again.stdout + again.stderr);
  assert.match(again.stdout, /2 good, 0 duplicate, 0 broken\nall were stored\n$/);
  assert.deepEqual(await stored(a, b), [
    { login_id: a, size: 10000, platform_type: 'mt5', server_name: 'Import "1"', notes: null, sealed: true, password: `p;"\\t \\. 'x;$(id)`, investor: null },
    { login_id: b, size: 25000, platform_type: 'mt4', server_name: 'Import-1', notes: null, sealed: true, password: ' blanks count ', investor: null },
  ]);
});

test('one line that is broken, or there already: each is told, and nothing is stored', async () => {
  const there = name();
  assert.equal((await stockImport(`${HEAD}\n${line(there)}\n`)).status, 0);
  const [good, twice] = [name(), name()];
  const list = [
    HEAD,
    line(good),
    line(twice),
    line(twice, { password: 'other' }),
    line(there),
    line(name(), { size: '10001' }),
    line(name(), { size: '-5' }),
    line(name(), { platform: 'mt6' }),
    line(name(), { password: '' }),
    line(name(), { password: 'x'.repeat(201) }),
    'too,few',
    line(name(), { password: '"a\nb"' }),
    line(name(), { notes: 'n'.repeat(501) }),
  ].join('\n');
  for (const options of [[], ['--dry-run']]) {
    const { status, stdout, stderr } = await stockImport(list, ...options);
    assert.equal(status, 1, stdout + stderr);
    assert.deepEqual(
      stdout.match(/^ {2}line .*$/gm).map((text) => text.trim()),
      [
        `line 4: duplicate: mt5 ${twice} of Import-1 stands in the list before`,
        `line 5: duplicate: mt5 ${there} of Import-1 is in the stock already`,
        'line 6: broken: nothing of the size 10001 has a price',
        'line 7: broken: account_size is no number such as 10000',
        'line 8: broken: platform_type is neither mt4 nor mt5',
        'line 9: broken: password is missing',
        'line 10: broken: password is longer than 200 characters',
        'line 11: broken: has 2 fields, not 7',
        'line 12: broken: password has control characters',
        'line 14: broken: notes is longer than 500 characters',
      ],
    );
    assert.match(stdout, /^2 good, 2 duplicate, 8 broken\nnothing was stored$/m);
    assert.deepEqual(await stored(good, twice), []);
  }
});

test('a dry run of a good list stores nothing and says so; from a file, too', async () => {
  const login = name();
  const dry = await stockImport(`${HEAD}\n${line(login)}`, '--dry-run');
  assert.equal(dry.status, 0, dry.stderr);
  assert.match(dry.stdout, /1 good, 0 duplicate, 0 broken\nnothing was stored: a dry run\n$/);
  assert.deepEqual(await stored(login), []);
});

test('a list that is none is refused before anything is sent', async () => {
  for (const [input, why] of [
    ['', /line 1: there is none/],
    ['\n', /line 1: it is empty/],
    ['a,b\n', /line 1: "a" is no column; there are: account_size/],
    [`${HEAD},password\n`, /line 1: "password" stands there twice/],
    ['account_size,platform_type,server_name,login_id\n', /line 1: the column password is missing/],
  ]) {
    const { status, stderr } = await stockImport(input);
    assert.equal(status, 1);
    assert.match(stderr, why);
  }
  const open = await stockImport(`${HEAD}\n${line(name(), { password: '"never closed' })}\n${line(name())}\n`);
  assert.equal(open.status, 1, open.stdout);
  assert.match(open.stdout, /line 2: broken/);
});

test('three thousand accounts: progress, and no password in a log, a command line or the audit', async () => {
  const secret = name();
  const logins = Array.from({ length: 3000 }, (_, i) => `${secret}-${i}`);
  const list = [HEAD, ...logins.map((login) => line(login, { password: `PW-${login}`, investor: `PW-${login}-i` }))];
  const folder = scratchFolder('stock');
  try {
    const broken = await stockImport([...list, line(name(), { platform: 'mt6', password: `PW-${secret}` })].join('\n'));
    assert.equal(broken.status, 1);
    writeFileSync(join(folder, 'list.csv'), list.join('\n'));
    const { status, stdout, stderr, seen } = await stockImport(list.join('\n'));
    assert.equal(status, 0, stderr);
    assert.match(stdout, /line 1000\n {2}line 2000\n {2}line 3000\n3000 good/);
    assert.ok(seen.includes('psql') && !seen.includes('PW-'), 'no command line has one');
    assert.ok(!stdout.includes('PW-') && !stderr.includes('PW-'));
  } finally {
    rmSync(folder, { recursive: true });
  }
  assert.equal(await value('select count(*)::int from public.account_container where login_id = any ($1)', [logins]), 3000);
  for (const file of readdirSync(join(home, 'log'))) assert.ok(!readFileSync(join(home, 'log', file), 'utf8').includes(`PW-${secret}`), file);
  assert.equal(await value(`select count(*)::int from public.admin_audit_log where new_values::text like '%PW-' || $1 || '%'`, [secret]), 0);
  await rows('delete from public.account_container where login_id = any ($1)', [logins]);
});
