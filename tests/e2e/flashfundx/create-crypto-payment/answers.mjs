// What create-crypto-payment answers to a success.
import assert from 'node:assert/strict';

const isoTime = (text) => assert.equal(new Date(text).toISOString(), text);

/** The answer of a success, checked in every field. */
export function opened(answer) {
  assert.equal(answer.status, 200, answer.text);
  const body = answer.json;
  assert.deepEqual(Object.keys(body), ['success', 'invoice_url', 'payment']);
  assert.equal(body.success, true);
  assert.match(body.invoice_url, /^https?:\/\//);
  assert.deepEqual(Object.keys(body.payment), [
    'payment_id',
    'pay_address',
    'pay_amount',
    'pay_currency',
    'qr_code',
    'time_limit',
    'expiration_date',
  ]);
  assert.equal(typeof body.payment.payment_id, 'string');
  assert.match(body.payment.payment_id, /^\d+$/);
  assert.equal(typeof body.payment.pay_amount, 'number');
  assert.ok(body.payment.pay_address.length > 20);
  isoTime(body.payment.time_limit);
  isoTime(body.payment.expiration_date);
  assert.ok(new Date(body.payment.expiration_date) > new Date());
  return body;
}
