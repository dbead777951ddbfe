// Settings have a form, and a function says so before it starts.
// system: shared
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

import { settingsOf } from '../lib/process.mjs';
import { functionNames, home, spec } from '../lib/system.mjs';

const check = (name, more) =>
  spawnSync(join(home, 'bin', name), ['--check'], { env: { ...settingsOf(name), ...more }, encoding: 'utf8' });

for (const [name, setting, bad, good] of [
  ['send-email', 'SMTP_FROM', ['Shop', 'Shop <shop>', 'a@b, c@d'], ['a@b', 'The Shop <a@b>', '"Shop, Ltd." <a@b>']],
  ['send-email', 'MAIL_REPLY_TO', ['Care', 'care at example.com'], ['care@example.com', 'Care <care@example.com>']],
  ['send-email', 'SMTP_HOST', ['mail.example.com:587', 'mail example', 'smtps://', 'https://mail.example.com', '[mail]', '192.0.2.300'], ['mail.example.com', 'smtps://mail.example.com', '[::1]', '10.0.0.1']],
  ['send-email', 'MAIL_DOMAIN', ['shop example', 'a@shop.example', 'x'.repeat(200), '192.0.2.1'], ['shop.example']],
  ['send-email', 'MAIL_NAME', ['x'.repeat(201)], ['Shop <one>, "two"']],
  ['send-email', 'SUPABASE_URL', ['https://a b.example', 'https://u:p@a.example', 'https://a.example:0', 'a.example'], ['https://a.example:8443/x']],
  ['send-email', 'DATABASE_URL', ['somewhere else', 'postgresql://u:p%zz@h/db', 'hots=x', 'host=h port=0', 'postgresql://a,b/x?target_session_attrs=readwrite'], ['host=/tmp dbname=x', 'postgresql://u:p%25@h/db']],
  ['send-email', 'RUN_DIR', ['run'], []],
  ['send-email', 'RESEND_API_URL', ['http://api.resend.com'], ['http://localhost:1', 'https://api.resend.com']],
  ['reconcile', 'NOWPAYMENTS_API_URL', ['http://api.nowpayments.io/v1', 'https://[x]'], ['http://127.0.0.1:1/v1']],
  ['reconcile', 'NOWPAYMENTS_EMAIL', ['me', '@x', 'a b@c', 'a@b@c'], []],
]) {
  test(`${setting} is refused when it has no form of one`, () => {
    for (const value of bad) {
      const { status, stderr } = check(name, { [setting]: value });
      assert.equal(status, 1, value);
      assert.match(stderr, new RegExp(`^${setting}: must `, 'm'), value);
    }
    for (const value of good) {
      const { status, stderr } = check(name, { [setting]: value });
      assert.equal(status, 0, `${value}: ${stderr}`);
    }
  });
}

test('half of a login is refused', () => {
  for (const [name, one, other] of [
    ['reconcile', 'NOWPAYMENTS_EMAIL', 'NOWPAYMENTS_PASSWORD'],
    ['send-email', 'SMTP_USER', 'SMTP_PASS'],
  ]) {
    for (const [there, missing] of [[one, other], [other, one]]) {
      const { status, stderr } = check(name, { [there]: 'me@example.com', [missing]: '' });
      assert.equal(status, 1, there);
      assert.match(stderr, new RegExp(`^${there}: must have ${missing} beside it`, 'm'));
    }
    assert.equal(check(name, { [one]: '', [other]: '' }).status, 0);
  }
});

test('the sandbox has a key of its own', () => {
  const { status, stderr } = check('reconcile', { NOWPAYMENTS_SANDBOX_MODE: 'true', NOWPAYMENTS_SANDBOX_API_KEY: '' });
  assert.equal(status, 1);
  assert.match(stderr, /^NOWPAYMENTS_SANDBOX_MODE: must have NOWPAYMENTS_SANDBOX_API_KEY beside it/m);
});

// What may be anything that fits into a line.
const words = ['MAIL_NAME', 'NOWPAYMENTS_IPN_SECRET', 'NOWPAYMENTS_IPN_SECRET_PREVIOUS', 'NOWPAYMENTS_PASSWORD',
  'SMTP_PASS', 'SMTP_USER'];

for (const name of functionNames) {
  test(`${name}: no setting takes whatever comes`, () => {
    for (const { name: setting } of spec(name).settings) {
      const { status, stderr } = check(name, { [setting]: words.includes(setting) ? 'two\nlines' : 'no such thing' });
      assert.equal(status, 1, setting);
      assert.match(stderr, new RegExp(`^${setting}: must `, 'm'));
    }
  });
}
