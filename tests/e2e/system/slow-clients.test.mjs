// Clients that take their answer slowly get all of it, and the log tells of those that do not.
// system: shared
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';

import { requestBytes } from '../lib/fcgi.mjs';
import { long } from '../lib/fire.mjs';
import { ipnBody, postIpn } from '../lib/flashfundx/ipn.mjs';
import { makeSale } from '../lib/flashfundx/shop.mjs';
import { Private } from '../lib/process.mjs';
import { log, serviceKey, url } from '../lib/system.mjs';
import { until } from '../lib/wait.mjs';

const IDLE_LIMIT_MS = 10_000; // of the runtime, for a peer that takes nothing

/** An order whose history is at least `bytes` long. */
async function longHistory(bytes) {
  const { order } = await makeSale({ stock: 0 });
  for (let size = 0; size < bytes; size += 50_000) {
    const answer = await postIpn(ipnBody(order, 'waiting', { order_description: 'x'.repeat(50_000) }));
    assert.equal(answer.status, 200, answer.text);
  }
  return order;
}

/** Take what comes at this rate, until the peer ends; the number of bytes. */
async function takeSlowly(socket, bytesPerSecond) {
  const part = Math.ceil(bytesPerSecond / 10);
  let taken = 0, ended = false;
  socket.on('readable', () => {});
  socket.on('end', () => (ended = true)).on('close', () => (ended = true)).on('error', () => (ended = true));
  while (!ended) {
    const bytes = socket.read(part) ?? socket.read();
    taken += bytes?.length ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return taken;
}

const open = (options) => new Promise((resolve, reject) => {
  const socket = connect({ ...options, allowHalfOpen: true }, () => resolve(socket));
  socket.once('error', reject);
});

let fn;
before(async () => { fn = await Private.start('payment-history', { RATE_LIMIT: 'false' }); });
after(() => fn.stop());

const ask = (order, id) => requestBytes('GET', {
  flags: 0,
  params: { QUERY_STRING: `id=${order.order_id}`, HTTP_AUTHORIZATION: `Bearer ${serviceKey}`, REQUEST_ID: id },
});

test('600 KB at 25 KB/s arrive whole', async () => {
  const order = await longHistory(600_000);
  const socket = await open({ path: fn.socket });
  socket.write(ask(order, 'slow-but-whole'));
  const taken = await takeSlowly(socket, 25_000);
  assert.ok(taken > 600_000, `${taken} bytes`);
  assert.ok(!fn.log().includes('answer_cut'));
});

test('who takes nothing any more is left, and the log tells how much was sent', async () => {
  const order = await longHistory(600_000);
  const socket = await open({ path: fn.socket });
  const began = Date.now();
  socket.write(ask(order, 'never-taken'));
  const line = await until(() => fn.log().split('\n').find((one) => one.includes('answer_cut')), 'the cut in the log',
    { timeout: IDLE_LIMIT_MS + 5000 });
  assert.ok(Date.now() - began >= IDLE_LIMIT_MS - 500);
  const { request_id: id, data: { sent, of } } = JSON.parse(line);
  assert.equal(id, 'never-taken');
  assert.ok(sent > 0 && sent < of && of > 600_000, line);
  socket.destroy();
});

test('through nginx: 3 MB at 30 KB/s', { skip: !long && 'takes two minutes: FFX_LONG=1' }, async () => {
  const order = await longHistory(3_000_000);
  const { hostname, port } = new URL(url);
  const socket = await open({ host: hostname, port: Number(port) });
  socket.write(`GET /functions/v1/payment-history?id=${order.order_id} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${serviceKey}\r\n\r\n`);
  const taken = await takeSlowly(socket, 30_000);
  assert.ok(taken > 3_000_000, `${taken} bytes`);
  assert.ok(!log('payment-history').includes('answer_cut'));
});
