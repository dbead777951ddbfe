// Clients that wrk cannot be: those that only hold a connection, slow ones, and an open model.
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

/** Connections that asked once and stay; reopened when nginx has had enough.  Returns stop(). */
export function idle(port, count, address = '/bench') {
  return hold(port, count, (socket) => socket.write(`GET ${address} HTTP/1.1\r\nHost: bench\r\n\r\n`));
}

/** Clients that send a request byte by byte: half of them its head, half its body.  Returns stop(). */
export function slow(port, count) {
  const head = 'POST /functions/v1/create-crypto-payment HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n';
  return hold(port, count, (socket, n) => {
    const text = n % 2 === 0 ? `${head}X-Slow: ${'a'.repeat(500)}\r\n\r\n` : '{'.padEnd(1000, ' ');
    if (n % 2 === 1) socket.write(`${head}Content-Length: 1000\r\n\r\n`);
    let at = 0;
    const timer = setInterval(() => socket.write(text[at++ % text.length]), 250);
    socket.once('close', () => clearInterval(timer));
  });
}

async function hold(port, count, begin) {
  const sockets = new Set();
  let open = true;
  const one = (n) => {
    if (!open) return;
    const socket = connect(port, '127.0.0.1', () => begin(socket, n));
    sockets.add(socket);
    socket.on('error', () => {}).on('data', () => {});
    socket.on('close', () => { sockets.delete(socket); setTimeout(one, 50, n).unref(); });
  };
  for (let n = 0; n < count; n++) one(n);
  await sleep(500);
  return () => { open = false; for (const socket of sockets) socket.destroy(); };
}

export const percentiles = (list) => {
  const sorted = [...list].sort((a, b) => a - b);
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  return { p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1) };
};

const SPIN_MS = 1.5; // timers come up to a millisecond late, so the last bit is waited for awake

async function until(due) {
  if (due - performance.now() > SPIN_MS) await sleep(due - performance.now() - SPIN_MS);
  while (performance.now() < due) await new Promise(setImmediate);
}

/** One request; resolves to what was wrong with the answer, if anything. */
export const ask = (options, body) => new Promise((resolve) => {
  const fail = (error) => resolve(error.message);
  request(options, (response) => {
    response.resume().on('error', fail)
      .on('end', () => resolve(response.statusCode === 200 ? undefined : `status ${response.statusCode}`));
  }).on('timeout', function late() { this.destroy(new Error('no answer within 10 s')); }).on('error', fail).end(body);
});

/**
 * An open model: `perMinute` requests of `list` ({kind, method, path, headers, body}), each once, at random
 * times, whatever the answers do; a latency counts from the moment the request was due.  The client is a
 * part of it; how late it sent and how late its loop ran is in `client`.
 */
export async function openModel(port, list, perMinute, seconds) {
  const agent = new Agent({ keepAlive: true, scheduling: 'lifo', timeout: 20_000 });
  const took = [], late = [], pending = new Set(), wrong = {};
  let due = performance.now();
  const end = due + seconds * 1000;
  const lag = monitorEventLoopDelay({ resolution: 10 });
  lag.enable();
  for (const { kind, body, ...what } of list) {
    due += (-Math.log(1 - Math.random()) * 60_000) / perMinute;
    if (due > end) break;
    await until(due);
    const at = due;
    late.push(performance.now() - at);
    const one = ask({ port, host: '127.0.0.1', agent, timeout: 10_000, ...what }, body).then((problem) => {
      took.push({ kind, ms: performance.now() - at });
      if (problem) wrong[`${kind}: ${problem}`] = (wrong[`${kind}: ${problem}`] ?? 0) + 1;
      pending.delete(one);
    });
    pending.add(one);
  }
  if (due <= end) throw new Error('there were too few requests');
  await Promise.all(pending);
  lag.disable();
  agent.destroy();
  const times = (kind) => took.filter((t) => !kind || t.kind === kind).map((t) => t.ms);
  return { requests: took.length, errors: Object.values(wrong).reduce((a, b) => a + b, 0), wrong, ...percentiles(times()),
    kinds: Object.fromEntries([...new Set(took.map((t) => t.kind))].map((kind) => [kind, { requests: times(kind).length, ...percentiles(times(kind)) }])),
    client: { late: percentiles(late), loop_p99_ms: Math.max(0, lag.percentile(99) / 1e6 - 10), loop_max_ms: Math.max(0, lag.max / 1e6 - 10) } };
}
