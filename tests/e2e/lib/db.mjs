// SQL as the owner of the database, or under row level security as a user.
//
// What tests break on purpose (sessions ended, PostgreSQL stopped or killed) breaks these connections
// too. A statement of `rows` takes effect once all the same: what was not committed is done again, on
// another connection, and whether it was committed is asked when the answer got lost.
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import pg from 'pg';

import { env } from './system.mjs';

// postgresql://ROLE@%2Ffolder%2Fof%2Fsocket/DATABASE
const [, role, folder, database] = /^postgresql:\/\/([^@]+)@([^/]+)\/(.+)$/.exec(env.DATABASE_URL);
const makePool = (server) => {
  const made = new pg.Pool({
    user: role,
    database,
    options: `-c ffx.credential_keys=${env.CREDENTIAL_KEYS}`, // as ./deploy.sh psql
    max: 8,
    allowExitOnIdle: true,
    idleTimeoutMillis: 1000,
    ...server,
  });
  // A connection lost when PostgreSQL is restarted on purpose: idle, or in somebody's hands.
  made.on('error', () => {});
  made.on('connect', (client) => client.on('error', () => {}));
  return made;
};
/** The system's own server. */
export const ownServer = { host: decodeURIComponent(folder) };
let pool = makePool(ownServer);
/** From now on on another server, of the test's own: {host, port}. */
export async function useServer(server) {
  const old = pool;
  pool = makePool(server);
  await old.end();
}

const PATIENCE_MS = 60_000; // longest wait for a server that comes back
const PAUSE_MS = 50;

/** Is this about the connection, and no answer to what was asked? */
const isLost = ({ code, message }) =>
  /^(EPIPE|E?CONN\w+|ENOENT|ENOTCONN|ETIMEDOUT|EAGAIN|EHOSTUNREACH|08\w{3}|57P0[123])$/.test(code) ||
  /^(Connection terminated|Client has encountered a connection error|Client was closed)/.test(message);

/** A connection on which `work(client)` went through, and its result; lost ones are replaced. */
async function persist(work) {
  for (const end = Date.now() + PATIENCE_MS; ; await sleep(PAUSE_MS)) {
    let client;
    try {
      client = await pool.connect();
      return [client, await work(client)];
    } catch (error) {
      await giveBack(client, error);
      if (!isLost(error) || Date.now() > end) throw error;
    }
  }
}

/** A connection after an error: rolled back, or thrown away. */
async function giveBack(client, error) {
  if (!isLost(error)) await client?.query('rollback').catch(() => {});
  client?.release(isLost(error));
}

/** All rows. bigint and numeric come as text. */
export async function rows(text, params = []) {
  // What was written leaves an empty large object of this number, in the same transaction: it tells
  // whether a commit that nobody answered took place. (A crash gives transaction ids out again.)
  const mark = randomInt(1, 2 ** 31);
  let unsure; // what such a transaction returned
  const [client, found] = await persist(async (one) => {
    const ask = async (...query) => (await one.query(...query)).rows;
    if (unsure && (await ask('select from pg_largeobject_metadata where oid = $1', [mark])).length > 0) return unsure;
    await ask('begin');
    const answer = await ask(text, params);
    await ask('select lo_create($1) where pg_current_xact_id_if_assigned() is not null', [mark]).catch((error) => {
      if (error.code === '23505') error.code = '08007'; // it is there by now: the session before has committed
      throw error;
    });
    unsure = answer;
    await ask('commit');
    return answer;
  });
  client.release();
  return found;
}
/** The first row, or undefined. */
export const row = async (text, params = []) => (await rows(text, params))[0];
/** The first column of the first row. */
export const value = async (text, params = []) => Object.values((await row(text, params)) ?? {})[0];

/** Run `work(query)` in one transaction with a caller's claims, as the data API does. */
export async function as(claims, work) {
  // Until `work` begins another connection will do; what it does nobody can do again for it.
  const [client] = await persist(async (one) => {
    await one.query('begin');
    await one.query(`select set_config('request.jwt.claims', $1, true)`, [JSON.stringify(claims)]);
    await one.query(
      `set local role ${['authenticated', 'staff', 'service_role'].includes(claims.role) ? claims.role : 'anon'}`,
    );
  });
  try {
    const result = await work(async (text, params = []) => (await client.query(text, params)).rows);
    await client.query('commit');
    client.release();
    return result;
  } catch (error) {
    await giveBack(client, error);
    throw error;
  }
}
