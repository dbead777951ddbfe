// The table of a run, and what changed since an earlier one.
import { growthLines } from './data-grow.mjs';

export const median = (list) => {
  const sorted = [...list].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

/** The medians of all rounds of one turn. */
export function medians(result, name) {
  const rounds = result.rounds.map((round) => round[name]).filter(Boolean);
  if (rounds.length === 0) return undefined;
  const of = (pick) => (rounds.some((r) => pick(r) === undefined) ? undefined : median(rounds.map(pick)));
  const cpu = Object.fromEntries(['function', 'nginx', 'postgres', 'clients'].map((part) => [part, of((r) => r.cpu_us[part])]));
  return {
    rate: of((r) => r.rate), p50: of((r) => r.p50_ms), p99: of((r) => r.p99_ms), mean: of((r) => r.mean_ms), cpu,
    server: of(serverOf),
    pss: of((r) => r.pss.function), others: of((r) => r.others),
    bad: rounds.reduce((sum, r) => sum + (r.bad ?? 0) + (r.lost ?? 0), 0),
  };
}

const serverOf = (turn) => turn.cpu_us.function + turn.cpu_us.nginx + turn.cpu_us.postgres;
const spent = (turn) => serverOf(turn) + turn.cpu_us.clients;

/**
 * Medians over the rounds of the ratio to the best of the limits in the same round: of the rates, and
 * of the processor time that a request costs with its client, which says the same when nothing else
 * runs on the machine and still says it when something does.
 */
function ratios(result, name, limits) {
  const rounds = result.rounds.filter((round) => round[name] && limits.every((l) => round[l]));
  if (rounds.length === 0) return {};
  return {
    ratio: median(rounds.map((round) => round[name].rate / Math.max(...limits.map((l) => round[l].rate)))),
    ratioCpu: median(rounds.map((round) => Math.min(...limits.map((l) => spent(round[l]))) / spent(round[name]))),
  };
}

const CLIENTS = [8, 16, 32];
const LIMITS = { fastcgi: ['nginx'], W1: CLIENTS.map((c) => `W1 pgbench ${c}`), W2: ['W2 pgbench 32'], W4: ['W1'],
  'auth sign-in': ['auth bcrypt'], 'auth refresh': ['auth refresh pgbench 32'], 'auth user': ['auth user pgbench 16'],
  ...Object.fromEntries(['key', 'list', 'insert', 'rpc'].map((kind) => [`data ${kind}`, [`data ${kind} pgbench 16`]])) };
const LABELS = {
  nginx: 'nginx alone', fastcgi: 'smallest FastCGI answer', W1: 'W1 check-payment-status', W2: 'W2 payment-webhook',
  W3: 'W3 create-crypto-payment', W4: 'W4 = W1 beside 600 idle and slow clients', provider: 'provider alone',
  'auth bcrypt': 'bcrypt alone, one thread', 'auth status': 'status calls, 500/s, alone', 'auth sign-in': '100 people sign in beside these',
  'auth refresh': 'refresh of a session', 'auth user': 'GET /user',
  'data key': 'one order by its key', 'data list': '50 orders with the profile', 'data insert': 'insert of an order', 'data rpc': 'call of a function',
};

export const count = (n) => n.toLocaleString('en');
export const number = (value, digits = 0) => (value === undefined ? '' : value.toFixed(digits));

export function rowsOf(result) {
  const names = [...new Set(result.rounds.flatMap((round) => Object.keys(round)))];
  return names.map((name) => ({ name, ...medians(result, name), ...(LIMITS[name] && ratios(result, name, LIMITS[name])) }));
}

const HEAD = ['work', 'requests/s', 'p50 ms', 'p99 ms', 'function', 'nginx', 'PostgreSQL', 'server µs', 'client', 'PSS MB', 'of limit: rate', 'CPU', 'others'];

const mb = (bytes) => number(bytes / 2 ** 20, 1);
export const head = ({ machine: m }) =>
  `${m.processor}, ${m.cores} cores, ${m.memory_gb} GB, Linux ${m.kernel}, PostgreSQL ${m.postgresql}, nginx ${m.nginx}, source ${m.source}`;

/** What is one figure each. */
function footer(result) {
  const out = [];
  const w3 = medians(result, 'W3'), alone = medians(result, 'provider');
  if (w3 && alone) out.push(`W3 adds ${number(w3.p50 - 2 * alone.p50, 2)} ms to the provider's two answers of ${number(alone.p50, 2)} ms`);
  if (result.open) out.push(`open model, 1000 requests a minute for ${result.open.seconds} s: p50 ${number(result.open.p50_ms, 2)} ms, `
    + `p99 ${number(result.open.p99_ms, 2)} ms, ${result.open.errors} errors`);
  if (result.thousand) out.push(`1000 checkouts at once: ${number(result.thousand.pss / 2 ** 20, 1)} MB, p50 ${number(result.thousand.p50_ms, 1)} ms, `
    + `${result.thousand.bad + result.thousand.lost} failed`);
  if (result.starts) {
    const all = Object.values(result.starts);
    out.push(`start, exec to first answer: fastest ${number(Math.min(...all), 1)} ms, median of ${all.length} functions ${number(median(all), 1)} ms`);
  }
  const status = medians(result, 'auth status');
  const beside = result.rounds.map((round) => round['auth sign-in']?.beside?.p99_ms).filter(Boolean);
  if (status && beside.length) out.push(`status calls at ${number(status.rate)}/s: p99 ${number(status.p99, 2)} ms alone, ${number(median(beside), 2)} ms beside people who sign in`);
  if (result.auth) out.push(`auth: ${mb(result.auth)} MB after this, ${mb(result.idle.pss.auth)} MB at rest`);
  if (result.data) out.push(`data API: ${mb(result.data.bytes)} MB of rows in ${number(result.data.ms)} ms with ${mb(result.data.pss)} MB, `
    + `${mb(result.idle.pss.rest)} MB at rest; exec to first rows with ${result.data.start.tables} tables ${number(result.data.start.ms, 1)} ms`);
  out.push(...growthLines(result.grown));
  if (result.idle) out.push(`all functions idle, database connections closed: ${mb(result.idle.all)} MB, without the development-only ones `
    + `${mb(result.idle.production)} MB; ${result.idle.connections} connections remain, of those that work on a schedule or listen`);
  return out;
}

export function print(result) {
  const out = [head(result),
    `medians of ${result.sizes.rounds} rounds; ${result.sizes.connections} connections; ${result.sizes.orders} orders`, ''];
  const rows = rowsOf(result).map((r) => [LABELS[r.name] ?? r.name, number(r.rate), number(r.p50 ?? r.mean, 2), number(r.p99, 2),
    number(r.cpu.function, 1), number(r.cpu.nginx, 1), number(r.cpu.postgres, 1), number(r.server, 1),
    number(r.cpu.clients, 1), number(r.pss / 2 ** 20, 1), number(r.ratio, 2) + (r.bad ? ` ${r.bad} failed` : ''), number(r.ratioCpu, 2), `${number(r.others * 100)} %`]);
  out.push(...table([HEAD, ...rows]));
  console.log([...out, '', ...footer(result)].join('\n'));
}

export function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const lines = rows.map((row) => `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`);
  lines.splice(1, 0, `|${widths.map((w, i) => (i === 0 ? '-'.repeat(w + 2) : `${'-'.repeat(w + 1)}:`)).join('|')}|`);
  return lines;
}

/** What changed since an earlier run, in percent. */
export function compare(before, after) {
  const change = (a, b) => (a === undefined || b === undefined || a === 0 ? '' : `${b >= a ? '+' : ''}${(((b - a) / a) * 100).toFixed(1)} %`);
  const old = new Map(rowsOf(before).map((r) => [r.name, r]));
  const rows = rowsOf(after).filter((r) => old.has(r.name)).map((r) => {
    const o = old.get(r.name);
    return [LABELS[r.name] ?? r.name, change(o.rate, r.rate), change(o.p50, r.p50), change(o.p99, r.p99), change(o.server, r.server), change(o.ratio, r.ratio)];
  });
  console.log(`\nsince ${before.machine.source}, ${before.began}:`);
  if (before.machine.processor !== after.machine.processor) console.log(`(that was another machine: ${before.machine.processor})`);
  console.log(table([['work', 'requests/s', 'p50', 'p99', 'server µs', 'of its limit'], ...rows]).join('\n'));
}

const SHORT = ['nginx', 'fastcgi', 'W1', 'W1 pgbench 16', 'W2', 'W2 pgbench 32', 'W3', 'W4'];

/** A run for docs/performance.md: what it ran on, its table and what is one figure each. */
export function pagePart(result) {
  const where = (sizes) => `On ${head(result).replace(/, source (.*)/, ', commit $1')}; ${sizes}:\n`;
  if (result.growth) return [where(`medians of ${result.sizes.rounds} rounds`), ...growthTables(result)].join('\n');
  if (!result.rounds) return [where(`${result.open.per_minute} mixed requests a minute for ${result.open.seconds / 60} minutes`), ...openTable(result)].join('\n');
  const rows = rowsOf(result).filter((r) => SHORT.includes(r.name)).map((r) => [LABELS[r.name] ?? r.name, count(Math.round(r.rate)),
    number(r.p50 ?? r.mean, 1), number(r.p99, 1), number(r.server), number(r.pss / 2 ** 20, 1), number(r.ratio, 2)]);
  return [where(`medians of ${result.sizes.rounds} rounds, ${result.sizes.connections} connections, ${count(result.sizes.orders)} orders`),
    ...table([['work', 'requests/s', 'p50 ms', 'p99 ms', 'server µs', 'functions MB', 'of its limit'], ...rows]), '',
    ...footer(result).map((line) => `- ${line}`)].join('\n');
}

/** What growth costs: each row to `base` of the same work, as measured and after the control's change is taken out. */
function growthRows(list, title, base) {
  const of = (one, name) => {
    const m = medians(one, name);
    const per = median(one.rounds.map((round) => serverOf(round[name]) / spent(round.control)));
    return { ...m, per };
  };
  return ['W1', 'W2'].flatMap((name) => {
    const first = of(base, name);
    return list.map((one) => {
      const m = of(one, name);
      return [name, title(one), number(m.rate), number(m.p50, 2), number(m.p99, 2), number(m.cpu.function, 1), number(m.cpu.nginx, 1),
        number(m.cpu.postgres, 1), number(m.server, 1), number(m.server / first.server, 2), number(m.per / first.per, 2),
        `${number(m.others * 100)} %${m.bad ? ` ${m.bad} failed` : ''}`];
    });
  });
}

const GROWTH = ['requests/s', 'p50 ms', 'p99 ms', 'function', 'nginx', 'PostgreSQL', 'server µs', 'of base', 'by control', 'others'];

function growthTables(result) {
  const { sizes, growth, connections } = result;
  const base = growth.find((one) => one.orders === 100_000) ?? growth[0];
  const out = [`${sizes.connections} connections; base: ${count(base.orders)} orders`, '',
    ...table([['work', 'orders', ...GROWTH], ...growthRows(growth, (one) => count(one.orders), base)])];
  if (connections.length) {
    const few = connections.find((one) => one.connections === sizes.connections) ?? connections[0];
    out.push('', `${count(sizes.at)} orders; base: ${few.connections} connections`, '',
      ...table([['work', 'connections', ...GROWTH], ...growthRows(connections, (one) => count(one.connections), few)]));
  }
  out.push('', ...table([['orders', 'after W2', 'GB', 'filled in s', 'control µs'], ...growth.map((one) => [count(one.orders), count(one.afterwards), number(one.bytes / 1e9, 2),
    number(one.filled_s), number(median(one.rounds.map((round) => spent(round.control))), 1)])]));
  return out;
}

export function printGrowth(result) {
  console.log([head(result), `medians of ${result.sizes.rounds} rounds`, '', ...growthTables(result),
    '', '"by control": after what a SELECT 1 of pgbench changed by in the same rounds is taken out'].join('\n'));
}

function openTable({ open }) {
  const row = (name, m) => [name, String(m.requests ?? open.requests), number(m.p50_ms, 2), number(m.p99_ms, 2), number(m.max_ms, 2)];
  return [...table([['kind', 'requests', 'p50 ms', 'p99 ms', 'max ms'], row('all, from the moment each was due', open),
    ...Object.entries(open.kinds).map(([name, m]) => row(name, m)), row('of it: the client sent late by', open.client.late)]), '',
  `${open.errors} errors${open.errors ? `: ${JSON.stringify(open.wrong)}` : ''}; the client's loop was late by ${
    number(open.client.loop_p99_ms, 2)} ms (p99), ${number(open.client.loop_max_ms, 2)} ms at most`];
}

export function printOpen(result) {
  const { open } = result;
  console.log([head(result), `${count(result.sizes.orders)} orders; ${open.per_minute} requests a minute for ${
    open.seconds} s at random times; everything running`, '', ...openTable(result)].join('\n'));
}
