// open: the documents' load, with everything running, on the system in FFX_HOME; called by
// tests/bench/run --open.
import { writeFileSync } from 'node:fs';

import { openModel } from './clients.mjs';
import { fill, freshOrders, product, shop } from './fill.mjs';
import { STATUSES, statusRequest, webhookRequest } from './requests.mjs';
import { backgroundStart, backgroundStop, env, machine, options, port, providerStart, say, tuned } from './system.mjs';
import { printOpen } from './table.mjs';

const PER_MINUTE = 1000;
const WARM_S = 10;
const SIDE = 20; // payments whose callbacks come side by side

/** Of twenty requests sixteen ask for a payment, three report one, one asks whether all is well. */
async function mixed(count) {
  const payments = Math.ceil(count / 5 / SIDE) * SIDE;
  const first = await freshOrders(payments, 'waiting');
  let callback = 0;
  const kinds = {
    status() {
      const n = shop.recent.first + Math.floor(Math.random() * shop.recent.count);
      return statusRequest(env.JWT_SECRET, n, n % shop.users);
    },
    webhook() {
      const i = callback++, step = SIDE * STATUSES.length;
      const n = first + Math.floor(i / step) * SIDE + (i % SIDE);
      return webhookRequest(env.NOWPAYMENTS_IPN_SECRET, n, STATUSES[Math.floor((i % step) / SIDE)], Number(product(n).price));
    },
    health: () => ({ method: 'GET', path: '/functions/v1/health', headers: {} }),
  };
  const order = [...Array(16).fill('status'), ...Array(3).fill('webhook'), 'health'];
  const pick = () => order[Math.floor(Math.random() * order.length)];
  return Array.from({ length: count }, pick).map((kind) => ({ kind, ...kinds[kind]() }));
}

const result = { began: new Date().toISOString(), machine: await machine(), settings: tuned(), sizes: { orders: 100_000 } };
const provider = await providerStart(0); // how long it takes is not ours
try {
  await backgroundStop();
  await fill({ orders: 100_000, users: 10_000, stock: 200_000 });
  await backgroundStart();
  const seconds = options.minutes * 60;
  await openModel(port, await mixed(WARM_S * 20), PER_MINUTE, WARM_S);
  say(`open model: ${PER_MINUTE} requests a minute for ${options.minutes} minutes …`);
  // random times: a fifth more than there should be, and some for short runs
  result.open = { seconds, per_minute: PER_MINUTE, ...await openModel(port, await mixed(options.minutes * PER_MINUTE * 1.2 + 200), PER_MINUTE, seconds) };
  say('\n');
} finally {
  provider.stop();
}
if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 1)}\n`);
printOpen(result);
if (result.open.errors > 0) process.exitCode = 1;
