// The database goes away for payment-webhook, and private processes of it that keep callbacks on disk.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { rows } from '../db.mjs';
import { Private } from '../process.mjs';
import { ipnBody, paymentId, sign } from './ipn.mjs';
import { scratchFolder } from '../system.mjs';

const ROLE = 'fn_payment_webhook';

/** No session of payment-webhook is let in, for the time of `work`. */
export async function withoutDatabase(work) {
  await rows(`alter role ${ROLE} connection limit 0`);
  try {
    await rows('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [ROLE]);
    return await work();
  } finally {
    await rows(`alter role ${ROLE} connection limit -1`);
  }
}

/** A process of payment-webhook of one's own, which keeps its callbacks in `state`. */
export const startKeeping = (settings = {}, state = scratchFolder('state')) =>
  Private.start('payment-webhook', { STATE_DIR: state, CALLBACK_SPOOL: '100', ...settings })
    .then((fn) => Object.assign(fn, { state }));

/** The names of what is kept, oldest first. */
export const kept = (fn) =>
  existsSync(join(fn.state, 'callbacks')) ? readdirSync(join(fn.state, 'callbacks')).filter((name) => /^\d.*\.callback$/.test(name)).sort() : [];

/** A callback as the provider sends it: {body, send(fn)}. */
export function callback(order, status, more = { payment_id: paymentId() }) {
  const body = ipnBody(order, status, more), text = JSON.stringify(body), signature = sign(body);
  return { body, text, send: (fn) => fn.ask('POST', { body: text, params: { HTTP_X_NOWPAYMENTS_SIG: signature } }) };
}
