// Mails: one per cause whatever dies when, retries, dead letters, replay; by SMTP and through Resend.
// system: shared, long
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { as, row, rows, value } from '../lib/db.mjs';
import { invoke } from '../lib/http.mjs';
import { ipnBody, postIpn } from '../lib/flashfundx/ipn.mjs';
import { resendMock, smtpServer } from '../lib/mail.mjs';
import { hurry, jobOf } from '../lib/queue.mjs';
import { addStock, credentials, delivered, makeOrder, makeSale, untilState } from '../lib/flashfundx/shop.mjs';
import { deploy, home, killWorkers, log } from '../lib/system.mjs';
import { mint, userClaims } from '../lib/tokens.mjs';
import { makeStaff } from '../lib/users.mjs';
import { soon, until } from '../lib/wait.mjs';

const envFile = join(home, 'env');
const original = readFileSync(envFile, 'utf8');
let smtp;
let resend;

/** Give the running system other settings. */
async function configure(lines) {
  writeFileSync(envFile, `${original.replace(/\n*$/, '\n')}${lines.map((line) => `${line}\n`).join('')}`);
  const up = await deploy('up');
  assert.equal(up.status, 0, up.stdout + up.stderr);
}

const smtpSettings = () => [
  'SMTP_HOST=127.0.0.1',
  `SMTP_PORT=${smtp.port}`,
  'SMTP_USER=shop',
  'SMTP_PASS=mail-password-1',
  'SMTP_FROM=The Shop <shop@example.com>',
  'MAIL_DOMAIN=shop.example',
];

const mail = (order, kind) =>
  row('select * from public.outbox where reference = $1 and kind = $2', [order.order_id, kind]);
const untilMail = (order, kind, state) =>
  until(async () => {
    const m = await mail(order, kind);
    return m?.state === state && m;
  }, `${kind} of ${order.order_id} ${state}`);
const pay = async (order) => {
  assert.equal((await postIpn(ipnBody(order, 'finished'))).status, 200);
};
/** A service token with a caller of its own, and with that a rate limit of its own. */
const serviceToken = () =>
  mint({ ...userClaims({ id: crypto.randomUUID() }), role: 'service_role' });

before(async () => {
  smtp = await smtpServer();
  resend = await resendMock();
});
after(async () => {
  await smtp.close();
  await resend.close();
  writeFileSync(envFile, original);
  await deploy('up');
});

test('without a provider mails go to the log only, and email_sent says so', async () => {
  const { order } = await makeSale();
  await pay(order);
  const m = await untilMail(order, 'account_delivery', 'sent');
  assert.match(m.provider_id, /^dev-/);
  assert.match(m.message_id, new RegExp(`^${m.id}@`));
  const [account] = await delivered(order);
  assert.equal(account.email_sent, false);
  const text = log('send-outbox');
  assert.ok(text.includes('"mail_spooled"') && text.includes(m.message_id));
  const { password, investor_password: investor, login_id: login } = await credentials(order);
  for (const secret of [password, investor, login, account.password])
    assert.ok(!text.includes(secret), 'no credentials in the log');
});

test('by SMTP', async (t) => {
  await configure(smtpSettings());

  await t.test('one mail per cause, however often the callback comes', async () => {
    const { user, order, stock } = await makeSale();
    await rows(`update public.user_profiles set first_name = '<b>Eve & "Zoë"</b>' where id = $1`, [user.id]);
    const body = ipnBody(order, 'finished');
    await Promise.all(Array.from({ length: 6 }, () => postIpn(body)));
    await untilState(order, 'completed/paid/delivered');
    const m = await untilMail(order, 'account_delivery', 'sent');
    await untilMail(order, 'payment_received', 'sent');
    const got = smtp.to(user.email);
    assert.equal(got.length, 2);
    const delivery = got.find((one) => one.headers['message-id'] === `<${m.id}@shop.example>`);
    const [account] = await delivered(order);
    const shown = await credentials(order);
    assert.equal(account.container_account_id, stock[0]);
    assert.equal(delivery.from, 'shop@example.com');
    assert.equal(delivery.headers.from, '"The Shop" <shop@example.com>');
    assert.equal(delivery.headers.to, `<${user.email}>`);
    assert.equal(delivery.subject, 'Your FlashFundX 2-Step account is ready');
    for (const part of [delivery.text, delivery.html])
      for (const word of Object.values(shown)) assert.ok(part.includes(word));
    assert.ok(delivery.html.includes('Hello &lt;b&gt;Eve &amp; &quot;Zoë&quot;&lt;/b&gt;,'));
    assert.ok(delivery.text.includes('Hello <b>Eve & "Zoë"</b>,'));
    assert.ok(!/\{\{|\}\}/.test(delivery.html + delivery.text));
    assert.ok(smtp.logins.includes('\0shop\0mail-password-1'));
    assert.equal(account.email_sent, true);
    assert.ok(account.email_sent_at >= account.delivered_at);
    assert.match(m.provider_id, /^250 2\.0\.0 queued/);
    for (const secret of [shown.password, account.password, account.login_id, 'mail-password-1'])
      assert.ok(!log('send-outbox').includes(secret));
    assert.equal(
      await value('select count(*)::int from public.outbox as m where m::text like $1', [`%${account.login_id}%`]),
      0,
    );
  });

  await t.test('dead between sending and recording: the same message once more', async () => {
    const { user, order } = await makeSale();
    let release;
    const held = new Promise((resolve) => (release = resolve));
    let first = true;
    smtp.onMail = async (one) => {
      if (first && one.to[0] === user.email && one.subject.includes('ready')) {
        first = false;
        await held;
      }
      return '250 2.0.0 queued';
    };
    await pay(order);
    await until(() => !first, 'the message at the server');
    await killWorkers('send-outbox');
    release();
    const m = await mail(order, 'account_delivery');
    assert.equal(m.state, 'sending');
    assert.equal((await delivered(order))[0].email_sent, false);
    await hurry('mail', [m.id]);
    const sent = await untilMail(order, 'account_delivery', 'sent');
    assert.equal(sent.tries, 2);
    const got = smtp.to(user.email).filter((one) => one.subject.includes('ready'));
    assert.equal(got.length, 2);
    assert.deepEqual([...new Set(got.map((one) => one.headers['message-id']))], [`<${m.id}@shop.example>`]);
    assert.deepEqual(got[0].raw, got[1].raw, 'the very same message');
    assert.equal((await delivered(order))[0].email_sent, true);
    assert.ok(!log('send-outbox').includes('loop_stalled'));
  });

  await t.test('refused, busy, cut off: tried again later, with the reason', async () => {
    for (const [answer, reason] of [
      ['451 4.7.1 later', /451/],
      ['drop', /smtp: /],
    ]) {
      const { user, order } = await makeSale({ stock: 0 });
      smtp.onMail = (one) => (one.to[0] === user.email ? answer : '250 ok');
      await pay(order);
      const m = await until(async () => {
        const now = await mail(order, 'payment_received');
        return now.state === 'pending' && now.tries === 1 && now;
      }, `a failed try after ${answer}`);
      assert.match(m.last_error, reason);
      const wait = (await jobOf('mail', m.id)).due_at.getTime() - Date.now();
      assert.ok(wait > 1000 && wait <= 10_000, `waits ${wait} ms`);
      smtp.onMail = () => '250 2.0.0 queued';
      await hurry('mail', [m.id]);
      const sent = await untilMail(order, 'payment_received', 'sent');
      assert.equal(sent.message_id, m.message_id);
      assert.equal(sent.last_error, null);
    }
  });

  await t.test('a server that does not answer to QUIT holds up no other mail', async () => {
    smtp.noGoodbye = true;
    try {
      const { order } = await makeSale({ stock: 0 });
      const began = Date.now();
      await pay(order);
      const m = await untilMail(order, 'payment_received', 'sent');
      assert.equal(m.tries, 1);
      assert.ok(Date.now() - began < soon(6000), `written down after ${Date.now() - began} ms`);
    } finally {
      smtp.noGoodbye = false;
    }
  });

  await t.test('refused for good: dead at once, with the reason', async () => {
    for (const [who, what] of [
      ['onRcpt', 'the recipient'],
      ['onMail', 'the message'],
    ]) {
      const { user, order } = await makeSale({ stock: 0 });
      const usual = smtp[who];
      smtp[who] = (one) => ((one.to?.[0] ?? one) === user.email ? '550 5.1.1 not this one' : '250 ok');
      await pay(order);
      const m = await untilMail(order, 'payment_received', 'dead');
      smtp[who] = usual;
      assert.deepEqual([m.tries, /550 5.1.1 not this one/.test(m.last_error)], [1, true], `${what}: ${m.last_error}`);
    }
  });

  await t.test('what is refused to us, not to the mail, is tried again: greeting, sender, relaying', async () => {
    for (const [what, line] of [
      ['greeting', '554 not today'],
      ['sender', '550 not from you'],
      ['onRcpt', '530 5.7.0 must issue a STARTTLS command first'],
      ['onRcpt', '554 5.7.1 relay access denied'],
      ['onRcpt', '550 5.1.8 sender address rejected'],
    ]) {
      const { order } = await makeSale({ stock: 0 });
      const usual = smtp[what];
      smtp[what] = what === 'onRcpt' ? () => line : line;
      await pay(order);
      const m = await until(async () => {
        const now = await mail(order, 'payment_received');
        return now?.tries >= 1 && now.state !== 'sending' && now;
      }, `a try without ${what}`);
      smtp[what] = usual;
      assert.equal(m.state, 'pending', `${what}: ${m.last_error}`);
      assert.match(m.last_error, new RegExp(line.slice(0, 3)));
      await hurry('mail', [m.id]);
      await untilMail(order, 'payment_received', 'sent');
    }
  });

  await t.test('the tenth failure is the last; replay by command and by staff', async () => {
    const { user, order } = await makeSale({ stock: 0 });
    smtp.onRcpt = (to) => (to === user.email ? '450 4.2.1 mailbox busy' : '250 ok');
    await pay(order);
    const first = await until(async () => {
      const m = await mail(order, 'payment_received');
      return m.tries === 1 && m.state === 'pending' && m;
    }, 'the first failure');
    await rows(`update platform.jobs set tries = 9, due_at = now() where kind = 'mail' and key = $1`, [first.id]);
    const dead = await untilMail(order, 'payment_received', 'dead');
    assert.match(dead.last_error, /450/);
    assert.ok(log('send-outbox').includes('"mail_dead"'));
    assert.equal(smtp.to(user.email).length, 0);

    smtp.onRcpt = () => '250 ok';
    const listed = await deploy('replay');
    assert.ok(listed.stdout.includes(dead.id), listed.stdout + listed.stderr);
    assert.notEqual((await deploy('replay', 'nonsense')).status, 0);
    assert.notEqual((await deploy('replay', crypto.randomUUID())).status, 0);
    const replayed = await deploy('replay', '--dead');
    assert.equal(replayed.status, 0, replayed.stderr);
    assert.ok(replayed.stdout.includes(dead.id));
    await untilMail(order, 'payment_received', 'sent');
    assert.deepEqual(smtp.to(user.email).map((m) => m.headers['message-id']), [`<${dead.message_id}>`]);

    const one = await deploy('replay', dead.id);
    assert.equal(one.status, 0, one.stderr);
    await until(() => smtp.to(user.email).length === 2, 'the mail once more');
    await untilMail(order, 'payment_received', 'sent');
    await assert.rejects(
      as(userClaims(user), (query) => query('select public.replay_outbox($1)', [dead.id])),
      { code: '42501' },
    );
    const staff = userClaims(await makeStaff('support'));
    const [{ r }] = await as(staff, (query) => query('select public.replay_outbox($1) as r', [dead.id]));
    assert.deepEqual(r, { success: true, id: dead.id });
    await until(() => smtp.to(user.email).length === 3, 'and once more');
    const ids = smtp.to(user.email).map((m) => m.headers['message-id']);
    assert.equal(new Set(ids).size, 3, 'what was sent is replayed as a new message');
  });

  await t.test('a rule of two processes: many mails, each once', async () => {
    const sales = [];
    for (let i = 0; i < 8; i++) sales.push(await makeSale());
    await Promise.all(sales.map(({ order }) => pay(order)));
    for (const { order } of sales) await untilMail(order, 'account_delivery', 'sent');
    for (const { user, order } of sales) {
      await untilMail(order, 'payment_received', 'sent');
      assert.equal(smtp.to(user.email).length, 2);
    }
  });

  await t.test('send-email: sent at once, or left to the outbox', async () => {
    const to = `direct-${randomBytes(6).toString('hex')}@example.org`;
    const body = { to, subject: 'Grüße {{name}}', html: '<p>.</p>\r\n.\r\n{{name}}', text: '.\r\n..\r\nend' };
    const token = serviceToken();
    const answer = await invoke('send-email', { token, body });
    assert.equal(answer.status, 200, answer.text);
    const [got] = smtp.to(to);
    assert.equal(got.subject, body.subject, 'ready words are not a template');
    assert.equal(got.html, body.html);
    assert.equal(got.text, body.text);

    smtp.onMail = () => '451 later';
    const queued = await invoke('send-email', { token, body });
    assert.equal(queued.status, 200, queued.text);
    assert.equal(queued.json.success, true);
    const waiting = await row('select * from public.outbox where id = $1', [queued.json.id]);
    assert.equal(waiting.state, 'pending');
    smtp.onMail = () => '250 2.0.0 queued';
    await hurry('mail', [waiting.id]);
    await until(
      async () => (await value('select state from public.outbox where id = $1', [waiting.id])) === 'sent',
      'send-outbox to send it',
    );
    assert.equal(new Set(smtp.to(to).slice(1).map((m) => m.headers['message-id'])).size, 1);
  });

  await t.test('a secret of a mail is sealed until it is sent, and gone then', async () => {
    const [code, to] = [randomBytes(8).toString('hex'), `code-${randomBytes(6).toString('hex')}@example.org`];
    await rows(`insert into public.email_templates (template_name, template_type, subject, html_content)
                values ('test_code', 'welcome', 'Your code', '<p>{{code}}</p>')`);
    smtp.onMail = () => '451 later';
    const id = await value(`select platform.write_mail('test_code', $1, $1, '{}', null, null, $2)`, [to, { code }]);
    const stored = () => row('select m.*, m::text as whole from public.outbox as m where id = $1', [id]);
    const waiting = await until(async () => {
      const now = await stored();
      return now.tries === 1 && now.state === 'pending' && now;
    }, 'the first failure');
    assert.match(waiting.secrets.code, /^ffx1\./);
    assert.ok(!waiting.whole.includes(code));
    smtp.onMail = () => '250 2.0.0 queued';
    await hurry('mail', [id]);
    const sent = await until(async () => {
      const now = await stored();
      return now.state === 'sent' && now;
    }, 'the mail');
    assert.equal(smtp.to(to).at(-1).html.trim(), `<p>${code}</p>`);
    assert.deepEqual(sent.secrets, {});
    assert.ok(!log('send-outbox').includes(code));
    assert.notEqual((await deploy('replay', id)).status, 0, 'what it was about is gone');
    await rows(`delete from public.email_templates where template_name = 'test_code'`);
  });

  await t.test('what is sent late has the credentials of that moment, or is not sent', async () => {
    const { user, product } = await makeSale({ stock: 0 });
    await addStock(product, 1);
    const order = await makeOrder(user, product);
    smtp.onRcpt = (to) => (to === user.email ? '451 later' : '250 ok');
    await pay(order);
    const m = await until(async () => {
      const now = await mail(order, 'account_delivery');
      return now?.tries === 1 && now.state === 'pending' && now;
    }, 'the first failure');
    await rows(`update public.delivered_accounts set account_status = 'suspended' where order_id = $1`, [
      order.order_id,
    ]);
    smtp.onRcpt = () => '250 ok';
    await hurry('mail', [m.id]);
    const dead = await untilMail(order, 'account_delivery', 'dead');
    assert.equal(dead.last_error, 'the account is not active');
    assert.equal((await delivered(order))[0].email_sent, false);
  });
});

test('no mail server: nothing is lost', async () => {
  const port = smtp.port;
  await smtp.close();
  const { order } = await makeSale();
  await pay(order);
  const m = await until(async () => {
    const now = await mail(order, 'account_delivery');
    return now?.tries === 1 && now.state === 'pending' && now;
  }, 'the first failure');
  assert.match(m.last_error, /smtp: /);
  assert.equal((await delivered(order))[0].email_sent, false);
  assert.ok(port > 0);
});

test('by Resend', async (t) => {
  await configure([...smtpSettings(), 'RESEND_API_KEY=re_test_key', `RESEND_API_URL=${resend.url}`]);

  await t.test('the Message-ID is the idempotency key of every try', async () => {
    const { user, order } = await makeSale({ stock: 0 });
    let busy = 2;
    resend.onCall = (call) =>
      call.body.to[0] === user.email && busy-- > 0
        ? [[429, { message: 'Too many requests' }], [500, { message: 'oops' }]][busy]
        : [200, { id: 're_42' }];
    await pay(order);
    for (const status of [500, 429]) {
      const m = await until(async () => {
        const now = await mail(order, 'payment_received');
        return now?.state === 'pending' && now.last_error?.includes(`resend: ${status}`) && now;
      }, `the failure ${status}`);
      await hurry('mail', [m.id]);
    }
    const sent = await untilMail(order, 'payment_received', 'sent');
    assert.equal(sent.provider_id, 're_42');
    const calls = resend.to(user.email);
    assert.equal(calls.length, 3);
    assert.deepEqual([...new Set(calls.map((c) => c.key))], [sent.message_id]);
    assert.equal(calls[0].path, '/emails');
    assert.equal(calls[0].authorization, 'Bearer re_test_key');
    assert.equal(calls[0].body.from, 'The Shop <shop@example.com>');
    assert.equal(calls[0].body.headers['Message-ID'], `<${sent.message_id}>`);
    assert.ok(calls[0].body.html.includes(order.order_id) && calls[0].body.text.includes(order.order_id));
    assert.deepEqual(calls[0].body, calls[2].body);
    assert.ok(!log('send-outbox').includes('re_test_key'));
  });

  await t.test('refused for good: dead at once; for our key: tried again', async () => {
    for (const [status, state] of [
      [422, 'dead'],
      [400, 'dead'],
      [401, 'pending'],
      [409, 'pending'],
    ]) {
      const { user, order } = await makeSale({ stock: 0 });
      resend.onCall = (call) => (call.body.to[0] === user.email ? [status, { message: 'no' }] : [200, { id: 're_1' }]);
      await pay(order);
      const m = await until(async () => {
        const now = await mail(order, 'payment_received');
        return now?.tries === 1 && now.state !== 'sending' && now;
      }, `the answer ${status}`);
      assert.deepEqual([m.state, m.last_error], [state, `resend: ${status} no`]);
      await rows('delete from public.outbox where id = $1', [m.id]);
    }
    resend.onCall = () => [200, { id: 're_42' }];
  });

  await t.test('what is said about our sender is not final; what names the recipient is', async () => {
    const wrong = 'Invalid `from` field. The email address needs to follow the `Name <email@example.com>` format.';
    for (const [status, answer, state] of [
      [422, { name: 'validation_error', message: wrong }, 'pending'],
      [422, { name: 'invalid_from_address', message: 'no' }, 'pending'],
      [404, { name: 'not_found', message: 'no' }, 'pending'],
      [413, { message: 'no' }, 'dead'],
      [422, { name: 'validation_error', message: 'Invalid `to` field.' }, 'dead'],
    ]) {
      const { user, order } = await makeSale({ stock: 0 });
      resend.onCall = (call) => (call.body.to[0] === user.email ? [status, answer] : [200, { id: 're_1' }]);
      await pay(order);
      const m = await until(async () => {
        const now = await mail(order, 'payment_received');
        return now?.tries === 1 && now.state !== 'sending' && now;
      }, `the answer ${status}`);
      assert.equal(m.state, state, m.last_error);
      await rows('delete from public.outbox where id = $1', [m.id]);
    }
    resend.onCall = () => [200, { id: 're_42' }];
  });

  await t.test('"not now" with a time is no try, however often it is said', async () => {
    const { user, order } = await makeSale({ stock: 0 });
    let refusals = 12; // more than a mail has tries
    resend.onCall = (call) =>
      call.body.to[0] === user.email && refusals-- > 0
        ? [429, { name: 'daily_quota_exceeded', message: 'later' }, { 'retry-after': '3600' }]
        : [200, { id: 're_43' }];
    await pay(order);
    for (let left = 11; left >= 0; left--) {
      const m = await until(async () => {
        if (refusals !== left) return false; // first: the mail is looked at when it was refused
        const now = await mail(order, 'payment_received');
        return now?.state === 'pending' && now;
      }, `${left} refusals are left`);
      const job = await jobOf('mail', m.id);
      assert.equal(job.tries, 0);
      const [{ minutes }] = await rows('select extract(epoch from $1::timestamptz - now()) / 60 as minutes', [job.due_at]);
      assert.ok(minutes > 58 && minutes <= 60, `due in ${minutes} minutes`);
      assert.match(m.last_error, /resend: 429 later/);
      await hurry('mail', [m.id]);
    }
    assert.equal((await untilMail(order, 'payment_received', 'sent')).provider_id, 're_43');
  });

  await t.test('a name with a comma, and where answers go', async () => {
    await configure([
      ...smtpSettings().filter((line) => !line.startsWith('SMTP_FROM')),
      'SMTP_FROM="Care Team, Billing" <care@example.com>',
      'MAIL_REPLY_TO=Care <answers@example.com>',
      'RESEND_API_KEY=re_test_key',
      `RESEND_API_URL=${resend.url}`,
    ]);
    const { user, order } = await makeSale({ stock: 0 });
    await pay(order);
    await untilMail(order, 'payment_received', 'sent');
    const [{ body }] = resend.to(user.email);
    assert.equal(body.from, '"Care Team, Billing" <care@example.com>');
    assert.equal(body.reply_to, 'Care <answers@example.com>');
  });

  await t.test('a delivery is recorded as sent', async () => {
    const { order } = await makeSale();
    await pay(order);
    await untilMail(order, 'account_delivery', 'sent');
    assert.equal((await delivered(order))[0].email_sent, true);
  });
});
