// Settings have a form, and a function says so before it starts.
// system: shared
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

import { settingsOf } from '../lib/process.mjs';
import { home } from '../lib/system.mjs';

const check = (name, more) =>
  spawnSync(join(home, 'bin', name), ['--check'], { env: { ...settingsOf(name), ...more }, encoding: 'utf8' });

for (const [name, setting, bad, good] of [
  ['send-email', 'SMTP_FROM', ['Shop', 'Shop <shop>', 'a@b, c@d'], ['a@b', 'The Shop <a@b>', '"Shop, Ltd." <a@b>']],
  ['send-email', 'MAIL_REPLY_TO', ['Care', 'care at example.com'], ['care@example.com', 'Care <care@example.com>']],
  ['send-email', 'SMTP_HOST', ['mail.example.com:587', 'mail example', 'smtps://', 'https://mail.example.com'], ['mail.example.com', 'smtps://mail.example.com', '[::1]', '10.0.0.1']],
  ['send-email', 'MAIL_DOMAIN', ['shop example', 'a@shop.example', 'x'.repeat(200)], ['shop.example']],
  ['send-email', 'MAIL_NAME', ['x'.repeat(201)], ['Shop <one>, "two"']],
  ['send-email', 'SUPABASE_URL', ['https://a b.example', 'https://u:p@a.example', 'https://a.example:0', 'a.example'], ['https://a.example:8443/x']],
  ['send-email', 'DATABASE_URL', ['somewhere else', 'postgresql://u:p%zz@h/db', 'hots=x'], ['host=/tmp dbname=x', 'postgresql://u:p%25@h/db']],
  ['send-email', 'RUN_DIR', ['run'], []],
  ['reconcile', 'NOWPAYMENTS_EMAIL', ['me', '@x', 'a b@c'], ['']],
]) {
  test(`${setting} is refused when it has no form of one`, () => {
    for (const value of bad) {
      const { status, stderr } = check(name, { [setting]: value });
      assert.equal(status, 1, value);
      assert.match(stderr, new RegExp(`^${setting}: must be`, 'm'), value);
    }
    for (const value of good) {
      const { status, stderr } = check(name, { [setting]: value });
      assert.equal(status, 0, `${value}: ${stderr}`);
    }
  });
}
