// NOWPayments' callbacks: how they look and how they are signed.
import { createHmac } from 'node:crypto';

import { invoke } from '../http.mjs';
import { env } from '../system.mjs';

const sorted = (value) =>
  value === null || typeof value !== 'object'
    ? value
    : Array.isArray(value)
      ? value.map(sorted)
      : Object.fromEntries(
          Object.keys(value)
            .sort()
            .map((key) => [key, sorted(value[key])]),
        );

/** Recursive key sort, compact JSON: the text that is signed. */
export const canonical = (value) => JSON.stringify(sorted(value));
/** HMAC-SHA512 of a text, in lower-case hex. */
export const hmac = (text, secret = env.NOWPAYMENTS_IPN_SECRET) =>
  createHmac('sha512', secret).update(text).digest('hex');
/** The signature of a body: an object, or a text that is signed as it stands. */
export const sign = (body, secret) => hmac(typeof body === 'string' ? body : canonical(body), secret);

let last = 0;
/** A payment id that nobody else has. */
export const paymentId = () => {
  last = Math.max(last + 1, Date.now() * 1000 + Math.floor(Math.random() * 1000));
  return last;
};

/** A callback for an order row (or {order_id, final_amount}), with the provider's fields in its order. */
export function ipnBody(order, status, more = {}) {
  const payAmount = more.pay_amount ?? 10.99726171;
  const reached = !['waiting', 'expired'].includes(status);
  return {
    actually_paid: reached ? payAmount : 0,
    actually_paid_at_fiat: 0,
    fee: { currency: 'usdtbsc', depositFee: 0.133779, serviceFee: 0.054332, withdrawalFee: 0 },
    invoice_id: null,
    order_description: null,
    order_id: order.order_id,
    outcome_amount: Number((0.98 * (more.price_amount ?? order.final_amount)).toFixed(6)), // less fees
    outcome_currency: 'usdtbsc',
    parent_payment_id: null,
    pay_address: '0xa638a632134CdcfDf6c510965757f4963Cca5366',
    pay_amount: payAmount,
    pay_currency: 'usdtbsc',
    payin_extra_id: null,
    payment_extra_ids: null,
    payment_id: paymentId(),
    payment_status: status,
    price_amount: Number(order.final_amount),
    price_currency: 'usd',
    purchase_id: '4409335830',
    updated_at: Date.now(),
    ...more,
  };
}

/** Post a callback. `body`: object or exact text; `signature`: null leaves the header out. */
export function postIpn(body, { signature, secret, headers = {} } = {}) {
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const value =
    signature === undefined
      ? sign(typeof body === 'object' && !Buffer.isBuffer(body) ? body : text, secret)
      : signature;
  return invoke('payment-webhook', {
    body: text,
    headers: { ...(value === null ? {} : { 'x-nowpayments-sig': value }), ...headers },
  });
}
