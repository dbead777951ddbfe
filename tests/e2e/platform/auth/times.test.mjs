// Whether somebody is known here is told neither by status, nor by words, nor by time. Pairs of one who
// is known and one who is not, in turns.
// FFX_LONG=1: 200 pairs, alone on the machine, and their medians differ by less than 5 %.
// system: shared
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { long } from '../../lib/fire.mjs';
import { rows } from '../../lib/db.mjs';
import { PASSWORD, auth, newEmail } from './people.mjs';

const PAIRS = long ? 200 : 8;
const DIFFERENCE = 0.05;

/** Somebody who has an address here, confirmed or not. */
async function known(confirmed) {
  const email = newEmail();
  await rows(`insert into auth.users (email, encrypted_password, email_confirmed_at) values ($1, $2, case when $3 then now() end)`,
    [email, '$2b$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', confirmed]);
  return email;
}

const cases = {
  'a wrong password': [true, (email) => auth('POST', '/token?grant_type=password', { body: { email, password: 'wrong-password' } })],
  'a forgotten password': [true, (email) => auth('POST', '/recover', { body: { email } })],
  'another confirmation': [false, (email) => auth('POST', '/resend', { body: { type: 'signup', email } })],
  'a sign-up': [true, (email) => auth('POST', '/signup', { body: { email, password: PASSWORD } })],
  'a mailed code': [true, (email) => auth('POST', '/otp', { body: { email } })],
};

const median = (times) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
/** An answer without what is anybody's own. */
const shape = ({ status, json }) => JSON.stringify([status, json.code, json.message, Object.keys(json).length > 2 ? Object.keys(json) : json]);

for (const [what, [confirmed, ask]] of Object.entries(cases))
  test(`${what}: the same for who is known and who is not`, async (t) => {
    const times = { known: [], unknown: [] }, shapes = new Set();
    for (let i = 0; i < PAIRS; i++) {
      const pair = [['known', await known(confirmed)], ['unknown', newEmail()]];
      for (const [who, email] of i % 2 ? pair.reverse() : pair) {
        const began = performance.now();
        const answer = await ask(email);
        times[who].push(performance.now() - began);
        shapes.add(shape(answer));
      }
    }
    assert.equal(shapes.size, 1, [...shapes].join('\n'));
    const [a, b] = [median(times.known), median(times.unknown)];
    t.diagnostic(`${a.toFixed(2)} ms for who is known, ${b.toFixed(2)} ms for who is not: ${(100 * (a / b - 1)).toFixed(1)} %`);
    if (long) assert.ok(Math.abs(a / b - 1) < DIFFERENCE);
  });
