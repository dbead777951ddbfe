// JSON web tokens, good and bad.
import { createHmac, createSign, generateKeyPairSync } from 'node:crypto';

import { env } from './system.mjs';

const b64 = (value) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const now = () => Math.floor(Date.now() / 1000);

/** Any claims, any header; signed with the system's secret unless told otherwise. */
export function mint(
  claims,
  { secret = env.JWT_SECRET, header = { alg: 'HS256', typ: 'JWT' }, hash = 'sha256' } = {},
) {
  const text = `${b64(header)}.${b64(claims)}`;
  return `${text}.${createHmac(hash, secret).update(text).digest('base64url')}`;
}

/** A new pair of keys: its public one as JWK, and what mints tokens with the other. */
export function newPair(alg, kid) {
  const { publicKey, privateKey } =
    alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: 'jwk' }), alg, kid, use: 'sig', key_ops: ['verify'] };
  const mintWith = (claims, header = { alg, kid, typ: 'JWT' }) => {
    const text = `${b64(header)}.${b64(claims)}`;
    return `${text}.${createSign('sha256').update(text).sign({ key: privateKey, dsaEncoding: 'ieee-p1363' }, 'base64url')}`;
  };
  return { jwk, mint: mintWith, pem: publicKey.export({ type: 'spki', format: 'pem' }) };
}

/** The claims that the auth service gives a user. */
export const userClaims = (user, more = {}) => ({
  iss: `${env.SUPABASE_URL}/auth/v1`,
  sub: user.id,
  aud: 'authenticated',
  role: user.role ?? 'authenticated',
  email: user.email,
  app_metadata: { provider: 'email', providers: ['email'] },
  user_metadata: {},
  iat: now(),
  exp: now() + 3600,
  ...more,
});

/** An access token of a user. */
export const userToken = (user, more = {}, options = {}) => mint(userClaims(user, more), options);
