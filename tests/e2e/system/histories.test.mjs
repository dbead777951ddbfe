// Random payment histories from fixed seeds: whatever comes in whatever order, the promises hold.
// The short form of `./deploy.sh selftest histories`.
// system: shared
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { as } from '../lib/db.mjs';
import { long, seed } from '../lib/fire.mjs';
import { explain, play, quiesce } from '../lib/flashfundx/histories-run.mjs';
import { PROMISES, checkPromises, unwatch, watch } from '../lib/flashfundx/promises.mjs';

const HISTORIES = long ? 2000 : 250;

const OURS = 'order_id in (select order_id from selftest.orders)';
/** What breaks each promise, were it to happen to the orders of the histories. */
const BREAKS = {
  'an order is paid at most once': `insert into public.payment_transactions (order_id, transaction_type, amount, provider, status)
    select order_id, 'payment', final_amount, 'manual', 'completed' from selftest.facts where in_books = final_amount limit 1`,
  'an order is delivered at most once': `update public.orders set delivery_status = 'pending' where ${OURS}`,
  'an account goes to one order only': `update public.account_container set reserved_for_order_id = null where reserved_for_${OURS}`,
  'delivered only when enough arrived, or staff said so': `update selftest.sent set share = 0.5`,
  'who paid enough is served, or waits for stock': `update public.orders set payment_status = 'failed' where ${OURS}`,
  'who waits for stock waits only while there is none': `update public.waiting_deliveries set parked_at = now() where ${OURS}`,
  'one delivery mail, one Message-ID, per delivery': `delete from public.outbox where kind = 'account_delivery' and ${OURS.replace('order_id', 'reference')}`,
  'states never move backwards': `insert into selftest.transitions (order_id, what, was, became)
    select order_id, 'order', 'completed', 'processing' from selftest.orders`,
  'sums of transactions equal sums of orders': `set local session_replication_role = replica; update public.payment_transactions set amount = amount + 1 where ${OURS}`,
  "customers' totals equal their delivered orders": `update public.user_profiles set total_orders = total_orders + 1
    where id in (select user_id from public.orders where ${OURS})`,
  'a forged callback is answered 401 and leaves nothing': `update selftest.sent set answer = 200 where not genuine`,
  'an acknowledged callback is stored, as it was sent': `update selftest.sent set paid = paid + 1`,
  'a refund after delivery suspends the account': `update public.delivered_accounts set account_status = 'active' where ${OURS}`,
  'what was paid by hand stays paid, whatever goes back': `update public.orders set payment_status = 'refunded' where ${OURS}`,
  'a chargeback suspends the account': `update public.delivered_accounts set account_status = 'active' where ${OURS}`,
  'money in a payment that failed or expired comes before a human': `set local session_replication_role = replica; delete from public.reviews where ${OURS}`,
  'whatever is exceptional has its review': `set local session_replication_role = replica; delete from public.reviews where ${OURS}`,
};

before(watch);
after(unwatch);

test(`${HISTORIES} random histories keep every promise`, { timeout: 600_000 }, async (t) => {
  const { sales, tally } = await play(Array.from({ length: HISTORIES }, (_, n) => seed + n));
  t.diagnostic(`answers: ${tally}`);
  await quiesce();
  for (const { name, checked, broken } of await checkPromises()) {
    await t.test(name, async () => {
      assert.ok(checked > 0, 'the histories have such a case');
      const sale = sales.find((one) => one.order.order_id === broken[0]?.order_id);
      assert.equal(broken.length, 0, `${broken[0]?.broken}\n${sale ? await explain(sale) : ''}`);
    });
  }
});

test('a promise that is broken is noticed', async (t) => {
  for (const { name, sql } of PROMISES) {
    await t.test(name, () =>
      assert.rejects(as({ role: 'service_role' }, async (query) => {
        await query('reset role'); // the owner
        await query(BREAKS[name]);
        const [{ n }] = await query(`select count(q.broken)::int as n from (${sql}) as q`);
        throw new Error(n > 0 ? 'noticed, and undone' : 'not noticed');
      }), { message: 'noticed, and undone' }));
  }
});
