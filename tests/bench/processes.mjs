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

/** Hundredths of a second in two fields of a process's line. */
function ticks(pid, field) {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[field] ?? 0) + Number(fields[field + 1] ?? 0)) * TICK_US;
}

/**
 * Microseconds that a process and its descendants have run: the scheduler's own nanoseconds of all
 * threads that live, or what the process knows of the ended ones as well, and what the first process was told
 * of those that ended (both in hundredths of a second).
 */
export function cpuOf(root) {
  if (!root) return 0;
  let us = 0;
  for (const pid of family(root)) {
    const alive = readdirOr(`/proc/${pid}/task`).map((task) => Number(read(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0]) / 1000);
    us += Math.max(alive.reduce((a, b) => a + b, 0), ticks(pid, 11));
  }
  return us + ticks(root, 13);
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
