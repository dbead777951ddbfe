// grow: what W1 and W2 cost as the shop and the number of clients grow, on the system in FFX_HOME; called
// by tests/bench/run --grow.
import { writeFileSync } from 'node:fs';

import { ASKED, fill, restock, shop } from './fill.mjs';
import { backgroundStop, machine, options, say, sql, system, tuned } from './system.mjs';
import { printGrowth } from './table.mjs';
import { emptyLimit, requestFiles, statusTurn, webhookTurn } from './work.mjs';

const STOCK = 200_000;
const ROUNDS = options.quick ? 3 : 7;
const SECONDS = options.quick ? 2 : 4;
const CONNECTIONS = 64; // while the shop grows
const AT = 100_000; // orders, while the connections grow

/** The control costs the same at any size; what it changes by, the machine did. */
const turnsAt = (connections) => ({
  control: () => emptyLimit(16),
  W1: () => statusTurn(SECONDS, connections),
  W2: () => webhookTurn(SECONDS, connections),
});

async function rounds(title, connections) {
  await restock(STOCK);
  const list = [];
  const turns = turnsAt(connections);
  for (const turn of Object.values(turns)) await turn(); // new plans, empty caches: does not count
  for (let round = 0; round < ROUNDS; round++) {
    const taken = {};
    say(`${title}, round ${round + 1}/${ROUNDS}`);
    for (const [name, turn] of Object.entries(turns)) {
      taken[name] = { ...await turn(), pss: system.pss() };
      say(`  ${name} ${Math.round(taken[name].rate)}/s`);
    }
    say('\n');
    list.push(taken);
  }
  return list;
}

const result = { began: new Date().toISOString(), machine: await machine(), settings: tuned(),
  sizes: { seconds: SECONDS, rounds: ROUNDS, connections: CONNECTIONS, at: AT }, growth: [], connections: [] };
await backgroundStop();
let connectionsDone = false;
const sizes = [...options.orders].sort((a, b) => a - b);
for (const orders of sizes) {
  const began = performance.now();
  await fill({ orders, users: Math.max(ASKED, Math.ceil(orders / 10)), stock: STOCK });
  const filled_s = (performance.now() - began) / 1000;
  requestFiles();
  const bytes = Number(await sql('select pg_database_size(current_database())'));
  const size = { orders, bytes, filled_s, rounds: await rounds(`${orders} orders`, CONNECTIONS) };
  result.growth.push({ ...size, afterwards: shop.orders });
  // at the first size that is not smaller, or at the largest
  if (connectionsDone || (orders < AT && orders !== sizes.at(-1))) continue;
  connectionsDone = true;
  result.sizes.at = orders;
  for (const connections of options.connections)
    result.connections.push({ connections, rounds: await rounds(`${connections} connections`, connections) });
}
if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 1)}\n`);
printGrowth(result);
