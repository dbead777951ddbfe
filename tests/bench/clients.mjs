// Clients that wrk cannot be: those that only hold a connection, slow ones, and an open model.
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
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

/**
 * An open model: `perMinute` requests of `requests` ({path, headers}), at random times, whatever
 * the answers do; a latency counts from the moment the request was due.
 */
export async function openModel(port, requests, perMinute, seconds) {
  const agent = new Agent({ keepAlive: true, keepAliveMsecs: 10_000 });
  const latencies = [], pending = new Set();
  let errors = 0, due = performance.now();
  const end = due + seconds * 1000;
  for (let n = 0; ; n++) {
    due += (-Math.log(1 - Math.random()) * 60_000) / perMinute;
    if (due > end) break;
    await sleep(Math.max(0, due - performance.now()));
    const at = due;
    const one = new Promise((resolve) => {
      const fail = () => { errors++; resolve(); };
      get({ port, host: '127.0.0.1', agent, ...requests[n % requests.length], timeout: 10_000 }, (response) => {
        response.resume().on('end', () => {
          latencies.push(performance.now() - at);
          if (response.statusCode !== 200) errors++;
          resolve();
        }).on('error', fail);
      }).on('error', fail);
    });
    pending.add(one);
    one.then(() => pending.delete(one));
  }
  await Promise.all(pending);
  agent.destroy();
  latencies.sort((a, b) => a - b);
  const at = (part) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))];
  return { requests: latencies.length, errors, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1) };
}
