// Processor time and memory of the parts of a system, read from /proc.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it ended meanwhile
  }
};

const servicePid = (home, name) => Number(read(join(home, 'services', name, 'supervise', 'pid'))) || undefined;

function family(pid, found = []) {
  if (!pid) return found;
  found.push(pid);
  for (const task of readdirOr(`/proc/${pid}/task`))
    for (const child of read(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean)) family(Number(child), found);
  return found;
}

const readdirOr = (path) => {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
};

const TICK_US = 10_000; // USER_HZ is 100 on every Linux

/**
 * Microseconds that a process and its descendants have run: the scheduler's own nanoseconds of all
 * that live, and what the first of them was told of those that ended (in hundredths of a second).
 */
export function cpuOf(root) {
  if (!root) return 0;
  let us = 0;
  for (const pid of family(root))
    for (const task of readdirOr(`/proc/${pid}/task`))
      us += Number(read(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0]) / 1000;
  const stat = read(`/proc/${root}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return us + (Number(fields[13]) + Number(fields[14])) * TICK_US;
}

/** Proportional memory in bytes. */
const pssOf = (root) =>
  family(root).reduce((sum, pid) => sum + Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) * 1024, 0);

/** The parts of a system: function (all of them together), nginx, postgres. */
export function parts(home) {
  const functions = readdirSync(join(home, 'functions')).filter((f) => f.endsWith('.json')).map((f) => f.slice(0, -5));
  const sum = (of, names) => names.reduce((total, name) => total + of(servicePid(home, name)), 0);
  const each = (of) => ({ function: sum(of, functions), nginx: sum(of, ['nginx']), postgres: sum(of, ['postgres']) });
  return { cpu: () => each(cpuOf), pss: () => each(pssOf), pssOf: (name) => sum(pssOf, [name]), functions };
}

/** Microseconds that all processors were busy, and of them this program with the clients it started and awaited. */
export function machine() {
  const [, ...t] = read('/proc/stat').split('\n')[0].split(/\s+/).map(Number);
  const self = read('/proc/self/stat');
  const fields = self.slice(self.lastIndexOf(')') + 2).split(' ').map(Number);
  return { busy: (t.slice(0, 8).reduce((a, b) => a + b, 0) - t[3] - t[4]) * TICK_US,
    clients: fields.slice(11, 15).reduce((a, b) => a + b, 0) * TICK_US };
}
