// The work of the auth service: what a turn sends, and the people and sessions that it uses.
import { createHmac } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { percentiles } from './clients.mjs';
import { WARM_SECONDS, metered, pgbench, wrk, wrkWarm } from './measure.mjs';
import { refreshRequests, sessionId, userId, userRequests } from './requests.mjs';
import { database, env, home, port, run, sql, work } from './system.mjs';

const PEOPLE = 100;
const PASSWORD = 'a-long-password-1', COST = 10;
const STATUS = { connections: 50, pause: 100 }; // ms between two requests of one: 500 a second
const LIMIT_SECONDS = 3;

/** What perl's crypt, which is libcrypt's, says to these arguments. */
const perl = (code, ...args) => run('perl', ['-MTime::HiRes=time', '-e',
  `my ($password, $salt, $seconds) = @ARGV; ${code}`, PASSWORD, `$2b$${COST}$${'.'.repeat(22)}`, ...args]);

/** A hundred customers with a password, and sessions of the first; the limits per address rest, for wrk has one. */
export async function authPrepare(connections) {
  const hash = await perl('print crypt($password, $salt)');
  await sql(`update auth.users set encrypted_password = '${hash}' where id between '${userId(0)}' and '${userId(PEOPLE - 1)}';
    insert into auth.identities (provider_id, user_id, identity_data, provider)
    select id::text, id, jsonb_build_object('sub', id, 'email', email), 'email' from auth.users where encrypted_password is not null`);
  appendFileSync(join(home, 'functions', 'auth.env'), 'RATE_LIMIT=false\n');
  await run('sv', ['-w', '35', 'restart', join(home, 'services', 'auth')]);
  await sleep(300);
  const first = await freshSessions(connections);
  userRequests(work('user.req'), env.SUPABASE_ANON_KEY, await Promise.all(numbers(first, connections).map(accessToken)));
}

/* ---- signing in ---- */

/** What one thread makes of bcrypt when nothing else runs. */
export const hashLimit = () => metered(async () => {
  const [requests, seconds] = (await perl('my ($n, $began) = (0, time); ' +
    'do { my $hash = crypt($password, $salt); $n++ } until time - $began >= $seconds; print $n, " ", time - $began',
  String(LIMIT_SECONDS))).split(' ').map(Number);
  return { requests, rate: requests / seconds, p50_ms: (seconds / requests) * 1000 };
});

const status = (seconds) => wrk(work('status.req'), { seconds, ...STATUS });

export const statusAlone = (seconds) => metered((meter) => {
  meter.begin();
  return status(seconds);
});

/** One sign-in from an address; resolves to {status, retry_ms, at, ms}. */
const signIn = (n, agent) => new Promise((resolve, reject) => {
  const body = JSON.stringify({ email: `user-${n}@example.com`, password: PASSWORD });
  const began = performance.now();
  request({ port, host: '127.0.0.1', agent, method: 'POST', path: '/auth/v1/token?grant_type=password', headers: {
    apikey: env.SUPABASE_ANON_KEY, 'content-type': 'application/json', 'content-length': body.length } }, (response) => {
    response.resume().on('error', reject).on('end', () => resolve({ status: response.statusCode,
      retry_ms: Number(response.headers['retry-after'] ?? 0) * 1000, at: performance.now(), ms: performance.now() - began }));
  }).on('error', reject).end(body);
});

/** A hundred people sign in again and again, each from an address of their own; who is told to wait does. */
export async function signInTurn(seconds) {
  const answers = [];
  let open = true;
  const person = async (n) => {
    const agent = new Agent({ keepAlive: true, localAddress: `127.0.1.${n + 1}` });
    while (open) {
      const answer = await signIn(n, agent);
      answers.push(answer);
      if (answer.retry_ms > 0 && open) await sleep(answer.retry_ms);
    }
    agent.destroy();
  };
  const people = Promise.all(Array.from({ length: PEOPLE }, (_, n) => person(n)));
  await sleep(WARM_SECONDS * 1000);
  const result = await metered(async (meter) => {
    const began = performance.now();
    meter.begin();
    const beside = await status(seconds);
    meter.end();
    const ended = performance.now();
    const done = answers.filter(({ at }) => at >= began && at < ended);
    const good = done.filter((answer) => answer.status === 200);
    return { requests: good.length, rate: good.length / ((ended - began) / 1000), ...percentiles(good.map(({ ms }) => ms)),
      bad: done.filter((answer) => answer.status !== 200 && answer.status !== 503).length,
      told_to_wait: done.filter((answer) => answer.status === 503).length, beside };
  });
  open = false;
  await people;
  return result;
}

/* ---- being signed in ---- */

let sessions = 0;
/** New sessions of different people, whose refresh tokens have the counter 0; returns the number of the first. */
async function freshSessions(count) {
  const first = sessions;
  sessions += count;
  const all = `generate_series(${first}, ${sessions - 1}) as n`;
  await sql(`insert into auth.sessions (id, user_id) select bench.session_id(n), bench.user_id(n % ${PEOPLE}) from ${all};
    insert into auth.mfa_amr_claims (session_id, authentication_method) select bench.session_id(n), 'password' from ${all}`);
  return first;
}

/** The token of a new session as functions/platform/auth/issue.c makes it. */
function refreshToken(session) {
  const mac = (key, text) => createHmac('sha256', key).update(text).digest();
  const bytes = Buffer.from(`00${sessionId(session).replaceAll('-', '')}00`, 'hex');
  return Buffer.concat([bytes, mac(mac(env.AUTH_SECRET, 'refresh token'), bytes).subarray(0, 16)]).toString('base64url');
}

const numbers = (first, count) => Array.from({ length: count }, (_, i) => first + i);

/** Each connection sends the refresh token that it got with the last answer. */
export async function refreshTurn(seconds, connections) {
  const files = [];
  for (const file of ['refresh-warm.req', 'refresh.req']) {
    const count = connections + 2; // wrk's threads ask for a request that they do not send
    refreshRequests(work(file), env.SUPABASE_ANON_KEY, numbers(await freshSessions(count), count).map(refreshToken));
    files.push(work(file));
  }
  return metered((meter) => wrkWarm(meter, ...files, { seconds, connections, mode: 'refresh' }));
}

export async function refreshLimit(clients) {
  const first = await freshSessions(clients);
  return metered((meter) => pgbench(meter, 'refresh.sql', database('auth'), clients, { counter: -1, first }));
}

async function accessToken(session) {
  const answer = await fetch(`http://127.0.0.1:${port}/auth/v1/token?grant_type=refresh_token`, { method: 'POST',
    headers: { apikey: env.SUPABASE_ANON_KEY, 'content-type': 'application/json' },
    body: JSON.stringify({ refresh_token: refreshToken(session) }) });
  return (await answer.json()).access_token;
}

/** Each connection asks who it is, with the token of its own session. */
export const userTurn = (seconds, connections) => metered((meter) =>
  wrkWarm(meter, work('user.req'), work('user.req'), { seconds, connections }));

export const userLimit = (clients) => metered((meter) => pgbench(meter, 'user.sql', database('auth'), clients, {}));
