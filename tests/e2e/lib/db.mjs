// SQL as the owner of the database, or under row level security as a user.
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
let pool = makePool({ host: decodeURIComponent(folder) });
/** From now on on another server, of the test's own: {host, port}. */
export async function useServer(server) {
  const old = pool;
  pool = makePool(server);
  await old.end();
}

/** All rows. bigint and numeric come as text. */
export const rows = async (text, params = []) => (await pool.query(text, params)).rows;
/** The first row, or undefined. */
export const row = async (text, params = []) => (await rows(text, params))[0];
/** The first column of the first row. */
export const value = async (text, params = []) => Object.values((await row(text, params)) ?? {})[0];

/** Run `work(query)` in one transaction with a caller's claims, as the data API does. */
export async function as(claims, work) {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query(`select set_config('request.jwt.claims', $1, true)`, [JSON.stringify(claims)]);
    await client.query(
      `set local role ${claims.role === 'authenticated' || claims.role === 'service_role' ? claims.role : 'anon'}`,
    );
    const result = await work(async (text, params = []) => (await client.query(text, params)).rows);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  } finally {
    client.release();
  }
}
