// What each function's database role may do, and which secrets its process has.
// system: shared
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { row, rows, value } from '../lib/db.mjs';
import { env, functionNames, home, pids, serviceKey, spec } from '../lib/system.mjs';

test("each function's role may do its own work only", async () => {
  for (const name of functionNames) {
    const { db_role: role } = spec(name);
    const rights = await row(
      `select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin from pg_roles where rolname = $1`,
      [role],
    );
    assert.deepEqual(
      rights,
      { rolsuper: false, rolbypassrls: false, rolcreaterole: false, rolcreatedb: false, rolcanlogin: true },
      name,
    );
    const tables = await value(
      `select count(*)::int from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'v', 'p') and n.nspname in ('public', 'auth', 'backend', 'sandbox')
         and (has_table_privilege($1, c.oid, 'insert') or has_table_privilege($1, c.oid, 'update') or has_table_privilege($1, c.oid, 'delete') or has_table_privilege($1, c.oid, 'select'))`,
      [role],
    );
    assert.equal(tables, 0, `${name} may touch tables directly`);
  }
  const payers = await rows(
    `select r.rolname from pg_roles r where r.rolname like 'fn\\_%'
       and has_function_privilege(r.oid, 'backend.record_payment_event(backend.payment_event)', 'execute') order by 1`,
  );
  assert.deepEqual(
    payers.map((r) => r.rolname),
    ['fn_check_payment_status', 'fn_payment_webhook', 'fn_reconcile'],
  );
});

test('each function gets only the secrets that its spec names', () => {
  assert.equal(statSync(join(home, 'env')).mode & 0o777, 0o600);
  for (const name of functionNames) {
    const file = join(home, 'functions', `${name}.env`);
    assert.equal(statSync(file).mode & 0o777, 0o600, file);
    const text = readFileSync(file, 'utf8');
    const allowed = spec(name).settings.map((s) => s.name);
    for (const line of text.split('\n').filter(Boolean))
      assert.ok(allowed.includes(line.split('=')[0]), `${name}: ${line.split('=')[0]}`);
    if (!allowed.includes('JWT_SECRET')) assert.ok(!text.includes(env.JWT_SECRET), name);
    if (!allowed.includes('NOWPAYMENTS_IPN_SECRET'))
      assert.ok(!text.includes(env.NOWPAYMENTS_IPN_SECRET), name);
    assert.ok(!text.includes('postgres@'), `${name} does not log in as the owner`);
  }
});

test('no secret is on a command line', () => {
  for (const name of functionNames) {
    const { master, workers } = pids(name);
    for (const pid of [master, ...workers]) {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      for (const secret of [env.JWT_SECRET, env.NOWPAYMENTS_IPN_SECRET, serviceKey])
        assert.ok(!line.includes(secret), name);
    }
  }
});
