// Sales that the provider knows more about than the books, and the runs that find out.
import { row, rows, value } from '../../lib/db.mjs';
import { clearFaults, control, fault, settled } from '../../lib/flashfundx/sandbox.mjs';
import { openedSale } from '../../lib/flashfundx/shop.mjs';
import { until } from '../../lib/wait.mjs';

/** A sale with its checkout open and its first callback through. */
export async function heardSale(options) {
  const sale = await openedSale(options);
  await settled(sale.paymentId);
  return sale;
}

/** A sale that the provider has as paid, while every callback about it got lost. */
export async function deafSale(options) {
  const sale = await heardSale(options);
  await fault('callback', 'drop', { times: 50 });
  await control(sale.paymentId, options?.action ?? 'pay');
  await settled(sale.paymentId);
  await clearFaults();
  return sale;
}

/** As if nothing had been heard of a payment for so long, longer than of any other. */
export const silence = (paymentId, time = '10 days') =>
  rows(`update public.payments set last_seen_at = now() - $2::interval where payment_id = $1`, [
    paymentId,
    time,
  ]);
export const checkRow = (paymentId) => row('select * from public.payment_checks where payment_id = $1', [paymentId]);

/** Have everything compared that changed since; resolves to the run. */
export async function reconcile(since) {
  const id = await value('select backend.request_reconciliation($1)', [since]);
  return until(
    () => row('select * from public.reconciliation_runs where id = $1 and finished_at is not null', [id]),
    `run ${id}`,
    { timeout: 60_000 },
  );
}
export const now = () => value('select clock_timestamp()');
export const differences = (order) =>
  rows('select * from public.reconciliation_differences where order_id = $1 order by id', [order.order_id]);
export const open = async (order) => (await differences(order)).filter((d) => d.resolved_at === null);
