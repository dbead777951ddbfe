// The table of a run, and what changed since an earlier one.
const median = (list) => {
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
    server: of((r) => r.cpu_us.function + r.cpu_us.nginx + r.cpu_us.postgres),
    pss: of((r) => r.pss.function), others: of((r) => r.others),
    bad: rounds.reduce((sum, r) => sum + (r.bad ?? 0) + (r.lost ?? 0), 0),
  };
}

const spent = (turn) => turn.cpu_us.function + turn.cpu_us.nginx + turn.cpu_us.postgres + turn.cpu_us.clients;

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
const LIMITS = { fastcgi: ['nginx'], W1: CLIENTS.map((c) => `W1 pgbench ${c}`), W2: ['W2 pgbench 32'], W4: ['W1'] };
const LABELS = {
  nginx: 'nginx alone', fastcgi: 'smallest FastCGI answer', W1: 'W1 check-payment-status', W2: 'W2 payment-webhook',
  W3: 'W3 create-crypto-payment', W4: 'W4 = W1 beside 600 idle and slow clients', provider: 'provider alone',
};

const number = (value, digits = 0) => (value === undefined ? '' : value.toFixed(digits));

export function rowsOf(result) {
  const names = [...new Set(result.rounds.flatMap((round) => Object.keys(round)))];
  return names.map((name) => ({ name, ...medians(result, name), ...(LIMITS[name] && ratios(result, name, LIMITS[name])) }));
}

const HEAD = ['work', 'requests/s', 'p50 ms', 'p99 ms', 'function', 'nginx', 'PostgreSQL', 'server µs', 'client', 'PSS MB', 'of limit: rate', 'CPU', 'others'];

export function print(result) {
  const m = result.machine;
  const out = [`${m.processor}, ${m.cores} cores, ${m.memory_gb} GB, Linux ${m.kernel}, ${m.postgresql}, ${m.nginx}, source ${m.source}`,
    `medians of ${result.sizes.rounds} rounds; ${result.sizes.connections} connections; ${result.sizes.orders} orders`, ''];
  const rows = rowsOf(result).map((r) => [LABELS[r.name] ?? r.name, number(r.rate), number(r.p50 ?? r.mean, 2), number(r.p99, 2),
    number(r.cpu.function, 1), number(r.cpu.nginx, 1), number(r.cpu.postgres, 1), number(r.server, 1),
    number(r.cpu.clients, 1), number(r.pss / 2 ** 20, 1), number(r.ratio, 2) + (r.bad ? ` ${r.bad} failed` : ''), number(r.ratioCpu, 2), `${number(r.others * 100)} %`]);
  out.push(...table([HEAD, ...rows]));
  const w3 = medians(result, 'W3'), alone = medians(result, 'provider');
  if (w3 && alone) out.push('', `W3 adds ${number(w3.p50 - 2 * alone.p50, 2)} ms to the provider's two answers of ${number(alone.p50, 2)} ms`);
  if (result.open) out.push(`open model, 1000 requests a minute for ${result.open.seconds} s: p50 ${number(result.open.p50_ms, 2)} ms, `
    + `p99 ${number(result.open.p99_ms, 2)} ms, ${result.open.errors} errors`);
  if (result.thousand) out.push(`1000 checkouts at once: ${number(result.thousand.pss / 2 ** 20, 1)} MB, p50 ${number(result.thousand.p50_ms, 1)} ms, `
    + `${result.thousand.bad + result.thousand.lost} failed`);
  out.push(`all functions idle: ${number(result.idle_pss.function / 2 ** 20, 1)} MB`);
  console.log(out.join('\n'));
}

function table(rows) {
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
