// Users of the platform, each test its own.
import { randomBytes } from 'node:crypto';

import { row, rows } from './db.mjs';
import { userToken } from './tokens.mjs';

/** A confirmed customer: {id, email, token}. */
export async function makeUser({
  email = `u-${randomBytes(8).toString('hex')}@example.com`,
  claims = {},
  confirmed = true,
} = {}) {
  const { id } = await row(
    `insert into auth.users (email, email_confirmed_at, raw_user_meta_data)
     values ($1, case when $2 then now() end, '{"first_name": "Eve", "last_name": "Tester", "country": "NL"}') returning id`,
    [email, confirmed],
  );
  const user = { id, email };
  return { ...user, token: userToken(user, claims) };
}

/** Somebody of staff with these duties: {id, email, role, token}. */
export async function makeStaff(...duties) {
  const user = { ...(await makeUser()), role: 'staff' };
  await rows('insert into platform.administrators (email, duties) values ($1, $2)', [user.email, duties]);
  return { ...user, token: userToken(user) };
}
