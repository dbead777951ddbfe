// The ways of money and mail through the functions, each from a fresh order to its end, so that a
// process or a database session can be killed anywhere on the way.
//
//   fn          the function that is killed; settings(): those it gets besides the system's
//   prepare()   makes what the flow begins with and resolves to it: {user, order, …}
//   act(sale)   asks, and asks again as in real life, until the answer is there; or, of a scheduled
//   done(sale)  function, whether its work is done
//   timePasses  as if leases had run out and pauses were over
//   check(sale) what must be true in the end, besides lib/invariants.mjs
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import { as, row, rows, value } from '../db.mjs';
import { Tally, persist } from '../fire.mjs';
import { invoke } from '../http.mjs';
import { ipnBody, paymentId, postIpn } from './ipn.mjs';
import { during } from '../kill-flows.mjs';
import { Victim } from '../kill-points.mjs';
import { hurry, onlyJob } from '../queue.mjs';
import { clearFaults, control, fault, providerState, settled } from './sandbox.mjs';
import {
  addStock, attempts, checkout, delivered, events, hurryEvents, makeSale, orderRow, orderState, paymentStatus, untilState,
} from './shop.mjs';
import { mint, userClaims } from '../tokens.mjs';
import { until } from '../wait.mjs';

// ---- what people and the provider do ----

/** The customer clicks until the checkout is there; of a claim whose holder died, time passes. */
async function click({ user, order }, more) {
  for (;;) {
    const answer = await persist(() => checkout(user, order, more), new Tally());
    if (answer.status !== 409) {
      assert.equal(answer.status, 200, answer.text);
      return answer.json;
    }
    await rows(`update public.payment_attempts set claim_until = now() where order_id = $1 and state = 'claimed'`, [order.order_id]);
  }
}

/** The provider repeats a callback until it is accepted. */
async function callBack(body) {
  const answer = await persist(() => postIpn(body), new Tally());
  assert.equal(answer.status, 200, answer.text);
}

/** No callback about an order is on its way. */
const heard = (order) =>
  until(async () => await value(
    `select count(*)::int from sandbox.callbacks as c join sandbox.payments as p on p.id = c.payment_id
      where p.order_id = $1 and c.state = 'waiting'`, [order.order_id]) === 0, `callbacks of ${order.order_id} are through`);

/** What was only stored is due, until it is done. */
const untilDone = (order) =>
  until(async () => {
    await hurryEvents(order);
    return (await events(order)).every((e) => e.state === 'done');
  }, `events of ${order.order_id} are done`);

async function opened() {
  const sale = await makeSale();
  const first = await click(sale);
  await heard(sale.order);
  return { ...sale, first, payment: String(first.payment.payment_id) };
}

/** Paid at the provider, and no callback about it came. */
async function paidUnheard() {
  const sale = await opened();
  await untilDone(sale.order); // on a busy machine what came first may have been stored for later
  await fault('callback', 'drop', { times: 50 });
  await control(sale.payment, 'pay');
  await settled(sale.payment);
  await clearFaults();
  return sale;
}

async function checkSold({ order }) {
  await untilDone(order);
  await untilState(order, 'completed/paid/delivered');
  assert.equal((await delivered(order)).length, 1);
}

// ---- checkout ----

/** One checkout is shown, however often one asks; and who pays it gets one account. */
async function checkCheckout({ user, order, shown }, more) {
  await heard(order);
  assert.deepEqual(await click({ user, order }, more), shown, 'the same again');
  assert.equal((await orderRow(order)).payment_provider_id, String(shown.payment.payment_id), 'the order names what is shown');
  assert.equal((await paymentStatus(user, order)).json.payment.payment_id, String(shown.payment.payment_id), 'and so does its state');
  assert.equal(await orderState(order), 'processing/pending/pending');
  const { invoices, payments } = await providerState(order);
  assert.ok(invoices.length <= 3 && payments.length <= 3, 'steps were repeated once, no more');
  const open = (await attempts(order)).filter((a) => a.state === 'open').map((a) => a.invoice_url);
  assert.ok(open.every((url) => url === shown.invoice_url), 'one invoice');
  const { payment_id, pay_amount, pay_currency } = shown.payment;
  await callBack(ipnBody(order, 'finished', { payment_id: Number(payment_id), pay_amount, pay_currency }));
  await checkSold({ order });
}

const checkoutFlow = (name, { prepare = () => makeSale(), more, first, check }) => ({
  name, fn: 'create-crypto-payment', prepare,
  act: async (sale) => {
    await first?.(sale);
    sale.shown = await click(sale, more);
  },
  check: async (sale) => {
    check?.(sale);
    await checkCheckout(sale, more);
  },
});

const failing = (target, what) => async () => {
  const sale = await makeSale();
  await clearFaults();
  await fault(target, what);
  return sale;
};

// ---- callbacks ----

const callbackFlow = (name, { earlier = [], status, state, stock = 1, act = (sale) => callBack(sale.body) }) => ({
  name, fn: 'payment-webhook', act,
  prepare: async () => {
    const sale = await makeSale({ stock });
    const payment_id = paymentId();
    if (earlier.length) await during('payment-webhook', async () => {
      for (const s of earlier) await callBack(ipnBody(sale.order, s, { payment_id }));
    });
    return { ...sale, body: ipnBody(sale.order, status, { payment_id }) };
  },
  check: async ({ order }) => {
    await untilDone(order);
    await untilState(order, state);
    assert.equal((await events(order)).length, earlier.length + 1);
  },
});

const whileHeld = (sale) =>
  as({ role: 'service_role' }, async (query) => {
    await query('select 1 from public.orders where order_id = $1 for update', [sale.order.order_id]);
    await callBack(sale.body);
  });

const eventArguments = (b) => [
  JSON.stringify(b), String(b.payment_id), b.purchase_id, b.order_id, b.payment_status, b.pay_address, b.pay_currency,
  b.pay_amount, b.actually_paid, b.price_amount, b.price_currency, b.outcome_amount, b.outcome_currency, String(b.updated_at)];

// ---- mails ----

const sender = { SMTP_FROM: 'shop@example.com', MAIL_DOMAIN: 'shop.example' };
const resendSettings = (resend) => ({ ...sender, RESEND_API_KEY: 're_key', RESEND_API_URL: resend.url });
const smtpSettings = (smtp) => ({ ...sender, SMTP_HOST: '127.0.0.1', SMTP_PORT: String(smtp.port) });

const deliveryMail = ({ order }) => row(`select * from public.outbox where reference = $1 and kind = 'account_delivery'`, [order.order_id]);
const hurryMails = async (to) =>
  hurry('mail', (await rows('select id from public.outbox where recipient = $1', [to])).map((m) => m.id));

/** An order was delivered, and the mail about that is the only one to send. */
async function mailToSend() {
  const sale = await makeSale();
  await callBack(ipnBody(sale.order, 'finished'));
  await checkSold(sale);
  await rows('select backend.check_stock()'); // its mails about what earlier sales did to the stock are written
  const { id } = await deliveryMail(sale);
  await onlyJob('mail', id);
  return { ...sale, mail: id };
}

/** It was sent; perhaps twice, but then as one and the same message. */
async function checkMail(server, { user, order }) {
  const mail = await deliveryMail({ order });
  const got = server.to(user.email).filter((m) => !/^[45]/.test(m.answer ?? ''));
  assert.ok(got.length === 1 || got.length === 2, `${got.length} mails`);
  const ids = got.map((m) => m.key ?? m.headers['message-id']);
  assert.equal(new Set(ids).size, 1, 'one Message-ID');
  assert.ok(ids[0].includes(mail.message_id));
  assert.deepEqual(got[0].raw ?? got[0].body, got.at(-1).raw ?? got.at(-1).body);
  assert.equal((await delivered(order))[0].email_sent, true);
}

const outboxFlow = (name, server, settings) => ({
  name, fn: 'send-outbox', settings, prepare: mailToSend,
  done: async (sale) => (await deliveryMail(sale)).state === 'sent',
  timePasses: ({ mail }) => hurry('mail', [mail]),
  check: (sale) => checkMail(server(), sale),
});

// ---- all of them; `mail` has the servers {smtp, resend} ----

export const flows = (mail) => [
  checkoutFlow('checkout of a new order', {}),
  checkoutFlow('the same checkout again', {
    prepare: () => during('create-crypto-payment', opened),
    check: ({ shown, first }) => assert.deepEqual(shown, first),
  }),
  checkoutFlow('checkout in another currency', {
    prepare: () => during('create-crypto-payment', opened),
    more: { cryptoCurrency: 'btc' },
    check: ({ shown, first }) => assert.equal(shown.invoice_url, first.invoice_url),
  }),
  checkoutFlow('checkout while the provider is in trouble', { prepare: failing('invoice', 'error500') }),
  checkoutFlow('checkout while the provider makes the payment and does not answer', {
    prepare: failing('invoice-payment', 'drop'),
    first: async ({ user, order }) => {
      assert.ok((await checkout(user, order)).status >= 500);
      await heard(order); // of the payment that the next request finds
    },
  }),

  callbackFlow('callback waiting', { status: 'waiting', state: 'processing/pending/pending' }),
  callbackFlow('callback finished, and delivery', { earlier: ['waiting'], status: 'finished', state: 'completed/paid/delivered' }),
  callbackFlow('callback finished, out of stock', { status: 'finished', state: 'processing/paid/pending', stock: 0 }),
  callbackFlow('callback refunded after delivery', { earlier: ['finished'], status: 'refunded', state: 'refunded/refunded/delivered' }),
  callbackFlow('callback for an order that somebody holds: stored, applied later', {
    status: 'finished', state: 'completed/paid/delivered', act: whileHeld,
  }),
  {
    name: 'a payment from deposit to delivery, callbacks repeated by the provider', fn: 'payment-webhook',
    prepare: () => during('payment-webhook', opened),
    act: async ({ payment }) => {
      await control(payment, 'pay');
      await settled(payment);
    },
    check: checkSold,
  },

  {
    name: 'a customer looks at a payment whose callbacks were lost', fn: 'check-payment-status',
    prepare: async () => {
      const sale = await paidUnheard();
      await rows(`update public.payments set last_seen_at = now() - interval '1 minute' where payment_id = $1`, [sale.payment]);
      return sale;
    },
    act: async ({ user, order }) => {
      const answer = await persist(() => paymentStatus(user, order), new Tally());
      assert.equal(answer.json.order.order_status, 'completed', answer.text);
    },
    check: checkSold,
  },
  {
    name: 'delivery to who waits for stock', fn: 'deliver-waiting',
    prepare: async () => {
      const sale = await makeSale({ stock: 0 });
      await callBack(ipnBody(sale.order, 'finished'));
      await untilState(sale.order, 'processing/paid/pending');
      await addStock(sale.product, 1);
      await rows('select backend.check_stock()'); // what earlier sales did to the stock is known
      return sale;
    },
    done: async ({ order }) => (await orderState(order)) === 'completed/paid/delivered',
    timePasses: ({ order }) => rows('update public.waiting_deliveries set lease_until = null where order_id = $1', [order.order_id]),
    check: checkSold,
  },
  {
    name: 'a stored event is applied', fn: 'process-events',
    prepare: async () => {
      const sale = await makeSale();
      await rows(
        `select backend.store_payment_event(row('ipn', $1, $2, null, null, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
           $13, $14)::backend.payment_event, 'the order was held')`, eventArguments(ipnBody(sale.order, 'finished')));
      await hurryEvents(sale.order);
      return sale;
    },
    done: async ({ order }) => (await events(order)).every((e) => e.state === 'done'),
    timePasses: ({ order }) => hurryEvents(order),
    check: checkSold,
  },

  outboxFlow('a mail through Resend', () => mail.resend, () => resendSettings(mail.resend)),
  outboxFlow('a mail by SMTP', () => mail.smtp, () => smtpSettings(mail.smtp)),
  {
    name: 'a mail that the server refuses once', fn: 'send-outbox', settings: () => smtpSettings(mail.smtp),
    prepare: async () => {
      const sale = await mailToSend();
      let refused = false;
      mail.smtp.onMail = ({ to }) => {
        if (refused || !to.includes(sale.user.email)) return '250 2.0.0 queued';
        refused = true;
        return '451 4.7.1 later';
      };
      return sale;
    },
    done: async (sale) => ['sent', 'pending'].includes((await deliveryMail(sale)).state) && (await deliveryMail(sale)).tries > 0,
    timePasses: ({ mail: id }) => hurry('mail', [id]),
    check: async (sale) => {
      const process = await Victim.start('send-outbox', smtpSettings(mail.smtp));
      await until(async () => {
        await hurry('mail', [sale.mail]);
        return (await deliveryMail(sale)).state === 'sent';
      }, 'the mail is sent');
      await process.stop();
      await checkMail(mail.smtp, sale);
    },
  },
  {
    name: 'a mail with words of its own', fn: 'send-email', settings: () => smtpSettings(mail.smtp),
    prepare: async () => ({ ...(await makeSale()), to: `direct-${randomBytes(6).toString('hex')}@example.org` }),
    // Asked once: who asks again wants another mail.
    act: async (sale) => {
      const body = { to: sale.to, subject: 'Hello', html: '<p>Hi</p>' };
      const token = mint({ ...userClaims({ id: crypto.randomUUID() }), role: 'service_role' }); // a rate limit of its own
      sale.answer = await invoke('send-email', { token, body });
      assert.ok([200, 502, 503].includes(sale.answer.status), sale.answer.text);
    },
    check: async ({ to, answer }) => {
      const written = await rows('select * from public.outbox where recipient = $1', [to]);
      assert.equal(written.length, answer.status === 200 ? 1 : written.length && 1, 'one mail, or a failure');
      await until(async () => {
        await hurryMails(to); // the system's send-outbox takes what was left
        return (await rows('select state from public.outbox where recipient = $1', [to])).every((m) => m.state === 'sent');
      }, 'it is sent');
      const got = mail.smtp.to(to).map((m) => m.headers['message-id']);
      assert.ok(got.length <= written.length && got.every((id) => id.includes(written[0].id)));
    },
  },

  {
    name: 'the provider is asked about a silent payment, then all is compared', fn: 'reconcile',
    settings: () => ({ RECONCILE_AFTER_S: '60' }),
    prepare: async () => {
      // As if all others had been made and looked at long ago.  What is compared is what came since
      // then: in the long form hundreds of other flows came just before, and the provider is asked
      // about few payments in a second.
      await rows(`update public.payments set created_at = created_at - interval '60 days', updated_at = updated_at - interval '60 days'
                   where updated_at > now() - interval '30 days'`);
      const since = await value('select clock_timestamp()');
      const sale = await paidUnheard();
      await rows(`update public.payments set last_seen_at = now() - interval '10 minutes' where payment_id = $1`, [sale.payment]);
      await onlyJob('payment_check', sale.payment);
      await rows('update public.reconciliation_runs set finished_at = now() where finished_at is null');
      await rows(`delete from platform.jobs where kind = 'reconciliation'`);
      const run = await value('select backend.request_reconciliation($1)', [since]);
      return { ...sale, run };
    },
    done: async ({ run }) => (await row('select finished_at from public.reconciliation_runs where id = $1', [run])).finished_at !== null,
    timePasses: async () => {
      await hurry('payment_check');
      await hurry('reconciliation');
    },
    check: async (sale) => {
      await checkSold(sale);
      assert.deepEqual(await rows('select kind, aspect from public.reconciliation_differences where order_id = $1 and resolved_at is null',
        [sale.order.order_id]), []);
    },
  },
];
