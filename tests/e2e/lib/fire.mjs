// Tests under fire: seeded chance, many callers at once, answers counted.
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import { url } from './system.mjs';

/** FFX_LONG=1: larger counts and another seed each time. */
export const long = process.env.FFX_LONG === '1';
/** FFX_SEED repeats a run. */
export const seed = Number(process.env.FFX_SEED ?? (long ? Date.now() % 1_000_000_007 : 20_261_121));

/** Chance that repeats: mulberry32. */
export function chance(from = seed) {
  let state = from >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  /** A whole number from 0 to below n. */
  const below = (n) => Math.floor(next() * n);
  const pick = (list) => list[below(list.length)];
  const shuffle = (list) => {
    const mixed = [...list];
    for (let i = mixed.length - 1; i > 0; i--) {
      const k = below(i + 1);
      [mixed[i], mixed[k]] = [mixed[k], mixed[i]];
    }
    return mixed;
  };
  return { next, below, pick, shuffle };
}

/** Let `count` workers take jobs from the list until it is empty. */
export async function crowd(count, jobs, work) {
  let at = 0;
  const one = async (worker) => {
    while (at < jobs.length) await work(jobs[at++], worker);
  };
  await Promise.all(Array.from({ length: count }, (_, worker) => one(worker)));
}

/** A caller with a connection of its own that stays open (or, without keepAlive, a new one for each call). */
export class Caller {
  constructor({ keepAlive = true, timeout = 60_000 } = {}) {
    this.agent = new Agent({ keepAlive, maxSockets: 1 });
    this.timeout = timeout;
  }

  /** Resolves to {status, headers, text}; rejects when the connection fails. */
  send(method, path, { headers = {}, body } = {}) {
    const payload = body === undefined ? undefined : Buffer.from(body);
    const all = payload ? { ...headers, 'content-length': payload.length } : headers;
    return new Promise((resolve, reject) => {
      const req = request(url + path, { method, headers: all, agent: this.agent, timeout: this.timeout }, (res) => {
        const parts = [];
        res.on('data', (part) => parts.push(part));
        res.on('error', reject);
        res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, text: Buffer.concat(parts).toString() }));
      });
      req.on('timeout', () => req.destroy(new Error(`no answer within ${this.timeout} ms`)));
      req.on('error', reject);
      req.end(payload);
    });
  }

  close() {
    this.agent.destroy();
  }
}

/** How often which status was answered: {200: 3000, 503: 2}. */
export class Tally {
  counts = {};

  add(key) {
    this.counts[key] = (this.counts[key] ?? 0) + 1;
  }

  /** Keys that do not match the pattern. */
  others(pattern) {
    return Object.keys(this.counts).filter((key) => !pattern.test(key));
  }

  toString() {
    return Object.entries(this.counts).map(([key, n]) => `${n}x ${key}`).join(', ');
  }
}

/**
 * Send until the answer is final, as a provider repeats its callbacks: 5xx and broken connections
 * are tried again, and who asked too often waits as long as the answer says. Every answer is counted.
 */
export async function persist(send, tally, { within = 60_000 } = {}) {
  const end = Date.now() + within;
  for (let pause = 20; ; pause = Math.min(pause * 2, 250)) {
    let answer;
    try {
      answer = await send();
      tally.add(answer.status);
    } catch (error) {
      tally.add(error.code ?? error.message);
      answer = { status: 599, text: String(error) };
    }
    if (answer.status < 500 && answer.status !== 429) return answer;
    if (Date.now() > end) throw new Error(`still ${answer.status} after ${within} ms: ${answer.text}`);
    await sleep(answer.status === 429 ? Number(answer.headers['retry-after']) * 1000 : pause);
  }
}
