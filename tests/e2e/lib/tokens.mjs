// JSON web tokens, good and bad.
import { createHmac } from 'node:crypto';

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

/** The claims that the auth service gives a user. */
export const userClaims = (user, more = {}) => ({
  iss: `${env.SUPABASE_URL}/auth/v1`,
  sub: user.id,
  aud: 'authenticated',
  role: 'authenticated',
  email: user.email,
  app_metadata: { provider: 'email', providers: ['email'] },
  user_metadata: {},
  iat: now(),
  exp: now() + 3600,
  ...more,
});

/** An access token of a user. */
export const userToken = (user, more = {}, options = {}) => mint(userClaims(user, more), options);
