// An authenticator program (RFC 6238), and what becomes of somebody who has one.
import { createHmac } from 'node:crypto';

import { rows } from '../../lib/db.mjs';
import { browser, newPerson } from './people.mjs';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const bytesOf = (secret) => {
  const bits = [...secret].map((c) => ALPHABET.indexOf(c).toString(2).padStart(5, '0')).join('');
  return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
};

/** The code that the program shows, or showed or will show so many steps of 30 seconds from now. */
export function code(secret, steps = 0) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + steps));
  const mac = createHmac('sha1', bytesOf(secret)).update(counter).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1e6).padStart(6, '0');
}

/** As if it were long ago that a code was used, so that the present one is good again. */
export const timePasses = (factorId) => rows('update auth.mfa_factors set last_step = 0 where id = $1', [factorId]);

const good = ({ data, error }) => {
  if (error) throw error;
  return data;
};
export const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

/** A factor of whoever `client` is, verified in its session: {id, secret, session}. */
export async function enroll(client, friendlyName = 'phone') {
  const { id, totp: { secret } } = good(await client.auth.mfa.enroll({ factorType: 'totp', friendlyName }));
  const session = good(await client.auth.mfa.challengeAndVerify({ factorId: id, code: code(secret) }));
  await timePasses(id);
  return { id, secret, session };
}

/** Somebody with a second factor, signed in with it: {email, client, session, factor}. */
export async function newPersonWithFactor() {
  const person = await newPerson();
  const factor = await enroll(person.client);
  return { ...person, session: factor.session, factor };
}

/** A new session of somebody, by the password alone: {client, session}. */
export async function signIn(email, password) {
  const client = browser();
  const { session } = good(await client.auth.signInWithPassword({ email, password }));
  return { client, session };
}
