// count: instructions per request of the functions' workers, on the system in FFX_HOME; called by
// tests/bench/run --count.  Each function runs under callgrind in its place; one client sends one
// request after the other, so the counts depend on neither the machine nor on what else it does.
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { fill, freshOrders, product } from './fill.mjs';
import { checkoutRequests, statusRequests, webhookRequests } from './requests.mjs';
import { env, home, options, port, providerStart, run, sql, work } from './system.mjs';

const FEW = 60, MANY = 300; // requests
const ORDERS = 2_000, USERS = MANY, STOCK = 500;

const { keep } = options;
const folder = work('');

/** The requests of a file as requests.mjs writes it. */
function requestsOf(file) {
  const bytes = readFileSync(file), list = [];
  for (let at = 0; at < bytes.length;) {
    const size = Number(bytes.subarray(at, at + 5));
    list.push(bytes.subarray(at + 5, at + 5 + size));
    at += 5 + size;
  }
  return list;
}

/** Sends them one after the other over one connection; every answer must be a success. */
async function send(list) {
  const socket = connect(port, '127.0.0.1').setNoDelay(true);
  for (const request of list) {
    socket.write(request);
    let answer = '';
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      answer += chunk.toString('latin1');
      const end = answer.indexOf('\r\n\r\n');
      if (end < 0) continue;
      const length = Number(/content-length: (\d+)/i.exec(answer)[1]);
      if (answer.length >= end + 4 + length) break;
    }
    if (!answer.startsWith('HTTP/1.1 200')) throw new Error(`${request}\n${answer}`);
  }
  socket.destroy();
}

/** Puts the function under callgrind, sends it the requests, ends it; returns the file of its worker's counts. */
async function counted(name, list) {
  const program = join(home, 'bin', name), service = join(home, 'services', name);
  const real = join(folder, `${name}.program`), out = mkdtempSync(join(folder, `${name}.`));
  chmodSync(out, 0o777); // the functions' account writes there
  if (!existsSync(real)) renameSync(program, real);
  writeFileSync(program, `#!/bin/sh\nexec valgrind -q --tool=callgrind --callgrind-out-file='${out}/%p' '${real}'\n`, { mode: 0o755 });
  await run('sv', ['-w', '35', 'restart', service]);
  const master = readFileSync(join(service, 'supervise', 'pid'), 'utf8').trim();
  const socket = join(home, 'run', `${name}.sock`), pidFile = join(home, 'run', `${name}.pid`), began = Date.now();
  const up = () => existsSync(socket) && existsSync(pidFile) && readFileSync(pidFile, 'utf8').trim() === master;
  while (!up()) {
    if (Date.now() - began > 30_000) throw new Error(`${name} did not start under callgrind`);
    await sleep(50);
  }
  await send(list);
  await run('sv', ['-w', '35', 'down', service]);
  return join(out, readdirSync(out).find((pid) => pid !== master));
}

const total = (file) => Number(/^(?:summary|totals): (\d+)/m.exec(readFileSync(file, 'utf8'))[1]);

/**
 * What a request costs: the difference between a run with many and one with few of the same kind, which
 * leaves out the start and what only the first request does.
 */
async function count(title, name, few, many) {
  const file = await counted(name, many);
  const each = (total(file) - total(await counted(name, few))) / (many.length - few.length);
  console.log(`${title.padEnd(40)}${String(Math.round(each)).padStart(10)} instructions per request`);
  if (keep) copyFileSync(file, join(keep, `${title.replaceAll(/[^A-Za-z0-9]+/g, '-')}.callgrind`));
}

await fill({ orders: ORDERS, users: USERS, stock: STOCK });
const provider = await providerStart(0);
try {
  const list = (make, options) => {
    make(join(folder, 'count.req'), options);
    return requestsOf(join(folder, 'count.req'));
  };
  const statuses = (first, n) => list(statusRequests, { secret: env.JWT_SECRET, first, count: n, users: USERS, requests: n, pick: (_, i) => i });
  const webhooks = async (n) => list(webhookRequests, { secret: env.NOWPAYMENTS_IPN_SECRET, first: await freshOrders(n / 5, 'waiting'),
    count: n / 5, price: (order) => Number(product(order).price) });
  const checkouts = async (n) => list(checkoutRequests, { secret: env.JWT_SECRET, first: await freshOrders(n, 'new'), count: n, users: USERS, product });

  const waiting = await freshOrders(MANY, 'waiting');
  const [few, many] = [statuses(waiting, FEW), statuses(waiting, MANY)];
  await sql('vacuum analyze');
  await count('W1 check-payment-status, new tokens', 'check-payment-status', few, many);
  await count('W1 check-payment-status, known tokens', 'check-payment-status', many, [...many, ...many]);
  await count('W2 payment-webhook', 'payment-webhook', await webhooks(FEW), await webhooks(MANY));
  await count('W3 create-crypto-payment', 'create-crypto-payment', await checkouts(FEW), await checkouts(MANY));
} finally {
  provider.stop();
}
