// Requests as browsers, providers and attackers send them.
import { request } from 'node:http';
import { connect } from 'node:net';

import { createClient } from '@supabase/supabase-js';

import { anonKey, url } from './system.mjs';

/** An address of this machine that nobody else calls from: limits per address count it alone. */
export const newAddress = () => `127.${[1, 2, 3].map(() => 1 + Math.floor(Math.random() * 254)).join('.')}`;

/** fetch, as if from this address. */
export const fetchFrom = (address) => async (input, { method = 'GET', headers = {}, body } = {}) => {
  const { status, all, text } = await call(method, String(input).slice(url.length), { headers: Object.fromEntries(new Headers(headers)), body, from: address });
  return new Response(status === 204 || status === 304 ? null : text, { status, headers: all });
};

/**
 * One request on a connection of its own, from the address `from`; nothing is added that is not told.
 * body: text or Buffer is sent as it is, anything else as JSON.
 * Resolves to {status, headers, all, text, json}; `all` keeps repeated headers apart.
 */
export function call(method, path, { token, apikey, headers = {}, body, from } = {}) {
  const send = { ...headers };
  if (token !== undefined) send.authorization = `Bearer ${token}`;
  if (apikey !== undefined) send.apikey = apikey;
  let payload;
  if (body !== undefined) {
    const plain = typeof body === 'string' || Buffer.isBuffer(body);
    payload = Buffer.isBuffer(body) ? body : Buffer.from(plain ? body : JSON.stringify(body));
    if (!Object.keys(send).some((name) => name.toLowerCase() === 'content-type'))
      send['content-type'] = 'application/json';
    send['content-length'] = payload.length;
  }
  return new Promise((resolve, reject) => {
    const req = request(url + path, { method, headers: send, agent: false, localAddress: from }, (res) => {
      const parts = [];
      res.on('data', (part) => parts.push(part));
      res.on('error', reject);
      res.on('end', () =>
        resolve(answerOf(res.statusCode, res.headers, res.rawHeaders, Buffer.concat(parts).toString())),
      );
    });
    req.on('error', reject);
    req.end(payload);
  });
}

function answerOf(status, headers, raw, text) {
  const all = [];
  for (let i = 0; i < raw.length; i += 2) all.push([raw[i].toLowerCase(), raw[i + 1]]);
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    // not JSON: `json` stays undefined
  }
  return { status, headers, all, text, json };
}

/** A function by its name. */
export const invoke = (name, options = {}, method = 'POST') => call(method, `/functions/v1/${name}`, options);

/** Bytes exactly as given, on a connection of their own; resolves to all that comes back. */
export function raw(bytes) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    const parts = [];
    socket.setTimeout(15_000, () => socket.destroy(new Error('no answer within 15 s')));
    socket.on('data', (part) => parts.push(part));
    socket.on('error', (error) => (parts.length ? resolve(Buffer.concat(parts).toString()) : reject(error)));
    socket.on('close', () => resolve(Buffer.concat(parts).toString()));
  });
}

/** The unmodified client, signed in with this token (or with the anonymous key alone). */
export const client = (token) =>
  createClient(url, anonKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    realtime: { transport: globalThis.WebSocket ?? class {} }, // not used; Node has none before 22
    ...(token ? { accessToken: async () => token } : {}),
  });
