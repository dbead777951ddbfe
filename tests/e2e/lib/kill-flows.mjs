// A flow of requests or of a scheduled function, struck at every place: run whole, then again and
// again with one kill on its way.  What a flow is: lib/flashfundx/kill-flows.mjs.
import assert from 'node:assert/strict';

import { rows } from './db.mjs';
import { long } from './fire.mjs';
import { Victim, killAt, killAtWrite, statementsEnded, watchPoints, watchWrites } from './kill-points.mjs';
import { sv } from './process.mjs';
import { until } from './wait.mjs';

/** `work` while the function runs that is to be killed later. */
export async function during(name, work) {
  const process = await Victim.start(name);
  try {
    return await work();
  } finally {
    await process.stop();
  }
}

/** The system's own service of this function makes room for ours; the others are there. */
let replaced;
export async function replace(name) {
  if (replaced === name) return;
  if (replaced) await sv('up', replaced);
  replaced = name;
  if (name) await sv('down', name);
}

/** Its turn is now. */
const due = (name) => rows(`update public.schedules set claimed_at = 'epoch' where name = $1`, [name]);

/** A flow from beginning to end; `kill()` arms what strikes on the way. */
async function run(flow, kill, holds) {
  const sale = await flow.prepare();
  const killer = await kill();
  const start = async () => {
    if (flow.done) await due(flow.fn);
    return Victim.start(flow.fn, flow.settings?.());
  };
  let victim;
  try {
    victim = await start();
    await flow.act?.(sale);
    await until(async () => (killer.struck ? await killer.struck() : !flow.done || (await flow.done(sale))),
      `${flow.name}: ${killer.struck ? 'it is struck' : 'done'}`, { every: 5, timeout: flow.timeout });
    await killer.confirm(victim);
    await victim.stop();
    if (killer.struck && flow.done) {
      await statementsEnded(flow.fn);
      await flow.timePasses?.(sale);
      victim = await start();
      await until(() => flow.done(sale), `${flow.name}: done after all`, { timeout: flow.timeout });
      await victim.stop();
    }
  } finally {
    await victim?.stop();
    await killer.disarm();
  }
  await (flow.done ? flow.check(sale) : during(flow.fn, () => flow.check(sale)));
  await holds?.(sale);
}

/** Nothing is struck; the points and writes on the way are written down. */
async function watch(flow, holds) {
  let points, writes;
  await run(flow, async () => {
    const seen = watchPoints(flow.fn);
    const written = await watchWrites(flow.fn);
    return {
      confirm: () => flow.done || until(() => seen.now().at(-1)?.includes('client answer written'), 'the last answer'),
      disarm: async () => {
        points = seen.end();
        writes = await written.end();
      },
    };
  }, holds);
  return { points, writes };
}

/** How much was passed and tried in all flows. */
export class Count {
  constructor() {
    Object.assign(this, { flows: 0, passed: 0, writes: 0, tried: 0, places: new Set() });
  }

  add({ points, writes, tried }) {
    points.forEach((point) => this.places.add(point.replace(/ #\d+$/, '')));
    this.flows++;
    this.passed += points.length;
    this.writes += writes.length;
    this.tried += tried;
  }

  toString() {
    return `${this.passed} kill points (${this.places.size} places) and ${this.writes} writes in ${this.flows} flows; ${this.tried} tried`;
  }
}

/** A flow is struck once, somewhere, or in the long form everywhere; `holds(sale)` is true of all of them in the end. */
export async function strikeAll(t, flow, random, holds) {
  await replace(flow.fn);
  const { points, writes } = await watch(flow, holds);
  t.diagnostic(`${points.length} points, ${writes.length} writes`);
  assert.ok(points.length >= 6, 'the points are there');
  const strikes = [
    ...points.map((point) => [`killed at ${point}`, () => killAt(flow.fn, point)]),
    ...writes.map((write, i) => [`session ended at write ${i + 1}, ${write}`, () => killAtWrite(flow.fn, i + 1)]),
  ];
  const chosen = long ? strikes : [random.pick(strikes)];
  for (const [name, kill] of chosen) await t.test(name, () => run(flow, kill, holds));
  return { points, writes, tried: chosen.length };
}
