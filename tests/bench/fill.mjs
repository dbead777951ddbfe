// Fills the shop, step by step to any size: two sessions beside each other, without indexes, which are
// made again afterwards, and with nothing written twice for safety's sake.
import { join } from 'node:path';

import { env, here, home, run, say, seconds, sql } from './system.mjs';

const STOCK_FIRST = 1_000_000_000; // accounts on offer; delivered ones have their order's number
const STEP = 25_000; // rows of a step, with what hangs on them, fit in memory
const SESSIONS = 2;

/** So many orders are asked about, however many there are: traffic does not follow history. */
export const ASKED = 10_000;

/** What there is: `orders` counts those that turns used up as well. */
export const shop = { orders: 0, users: 0, stock: 0, recent: { first: 0, count: 0 }, products: [] };
export const product = (n) => shop.products[n % shop.products.length];

const FAST = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', autovacuum: 'off', max_wal_size: '2GB',
  checkpoint_timeout: '1h', maintenance_work_mem: '512MB', max_parallel_maintenance_workers: '0', log_min_duration_statement: '-1' };
// No trigger and no foreign key; a lookup of what was just filled must not wait for statistics.
const FILLING = '-c session_replication_role=replica -c work_mem=64MB';

const TABLES = ['public.orders', 'public.payments', 'public.payment_attempts', 'public.payment_transactions', 'public.payment_events',
  'public.account_container', 'public.delivered_accounts', 'public.user_profiles', 'auth.users'];
const FILLED = `(${TABLES.map((name) => `'${name}'::regclass`).join(', ')})`;

/** All statements, SESSIONS at a time; says how far they are now and then. */
async function all(title, statements, pgoptions) {
  const began = performance.now();
  let next = 0, said = began;
  const session = async () => {
    while (next < statements.length) {
      await sql(statements[next++], pgoptions);
      if (performance.now() - said < 20_000) continue;
      said = performance.now();
      say(`\n  ${title} ${next} of ${statements.length}, ${seconds(began)}`);
    }
  };
  await Promise.all(Array.from({ length: SESSIONS }, session));
  say(`  ${title} ${seconds(began)}`);
}

/** Calls of fill_…(first, count, more) for `count` from `first` on. */
export const steps = (name, first, count, more = '') => Array.from({ length: Math.ceil(count / STEP) }, (_, i) =>
  `select bench.fill_${name}(${first + i * STEP}, ${Math.min(STEP, count - i * STEP)}${more})`);

function orderSteps(first, count, wait) {
  const waiting = first + count - Math.min(count, wait);
  const expired = Math.max(first, waiting - count / 10);
  shop.recent = { first: waiting, count: first + count - waiting };
  return [...steps('orders', first, expired - first, ", 'delivered'"), ...steps('orders', expired, waiting - expired, ", 'expired'"),
    ...steps('orders', waiting, first + count - waiting, ", 'waiting'")];
}

/** What fills the stock on offer up. */
async function stockSteps(stock) {
  const missing = stock - Number(await sql("select count(*) from public.account_container where status = 'available'"));
  shop.stock += missing;
  return steps('stock', STOCK_FIRST + shop.stock - missing, missing, ", 'available'");
}

/** The same with all indexes, for what turns used up. */
export async function restock(stock) {
  for (const statement of await stockSteps(stock)) await sql(statement, FILLING);
}

async function begin() {
  await run('psql', ['-Xq', '-d', env.DATABASE_URL, '-f', join(here, 'fill.sql')]);
  shop.products = JSON.parse(await sql('select json_agg(p order by n) from bench.products as p'));
}

/**
 * Grows the shop to that many orders and customers (of the new orders `waiting`, 10 % or at least ASKED, wait for
 * the payer: shop.recent; 10 % are expired and the others delivered), and fills the stock on offer up.  Nothing else may use the
 * database meanwhile.
 */
export async function fill({ orders, users, stock, waiting = Math.max((orders - shop.orders) / 10, ASKED) }) {
  if (orders <= shop.orders) throw new Error(`there are ${shop.orders} orders already: ${orders} are too few for the next size`);
  const began = performance.now();
  say(`filling: ${orders} orders, ${users} users, ${stock} accounts in stock …`);
  if (shop.products.length === 0) await begin();
  for (const [name, value] of Object.entries(FAST)) await sql(`alter system set ${name} = '${value}'`);
  await sql('select pg_reload_conf()');
  const offers = await stockSteps(stock);
  await sql(`update bench.settings set users = ${users}; update pg_index set indisready = false, indisvalid = false
    where indrelid in ${FILLED}`);
  await all('rows', [...steps('users', shop.users, users - shop.users), ...orderSteps(shop.orders, orders - shop.orders, waiting),
    ...offers], FILLING);
  const list = async (text) => (await sql(text)).trim().split('\n');
  await all('indexes', await list(`select format('reindex index %s', indexrelid::regclass) from pg_index
    where indrelid in ${FILLED} order by pg_relation_size(indrelid) desc, indexrelid`));
  await all('vacuum', await list(`select format('vacuum (analyze) %s', oid::regclass) from pg_class
    where oid in ${FILLED} order by pg_relation_size(oid) desc`));
  await sql('select backend.check_stock()');
  await sql('alter system reset all');
  await sql('select pg_reload_conf()');
  await sql('checkpoint');
  await run('sync', ['-f', home]);
  Object.assign(shop, { orders, users });
  say(`  together ${seconds(began)}\n`);
}

/** A few new orders in a state, with all indexes; returns the number of the first. */
export async function freshOrders(count, state) {
  const first = shop.orders;
  shop.orders += count;
  await sql(`select bench.fill_orders(${first}, ${count}, '${state}')`, '-c session_replication_role=replica -c synchronous_commit=off');
  return first;
}
