// The releases of supabase-js that front ends have, and @supabase/ssr: each through every call that the
// shop's pages make, unmodified.
// system: shared
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createBrowserClient, createServerClient } from '@supabase/ssr';
import { createClient as latest } from '@supabase/supabase-js';
import { createClient as v2_119 } from 'supabase-js-2.119';
import { createClient as v2_39 } from 'supabase-js-2.39';
import { createClient as v2_57 } from 'supabase-js-2.57';
import WebSocket from 'ws';

import { rows } from '../../lib/db.mjs';
import { call, fetchFrom, newAddress } from '../../lib/http.mjs';
import { anonKey, env, serviceKey, url } from '../../lib/system.mjs';
import { PASSWORD, codeFor, linkFor, newEmail } from './people.mjs';
import { code, timePasses } from './totp.mjs';

const releases = { '2.39.8': v2_39, '2.57.4': v2_57, '2.119.1': v2_119, latest };
const browserOf = (create, key = anonKey, auth = {}) => {
  const kept = new Map();
  return create(url, key, {
    auth: { autoRefreshToken: false, detectSessionInUrl: false, persistSession: true, ...auth,
      storage: { getItem: (k) => kept.get(k) ?? null, setItem: (k, v) => kept.set(k, v), removeItem: (k) => kept.delete(k) } },
    realtime: { transport: WebSocket }, global: { fetch: fetchFrom(newAddress()) },
  });
};
const good = ({ data, error }) => {
  assert.equal(error, null, error?.message);
  return data;
};
const later = (id) => rows(`update auth.users set recovery_sent_at = recovery_sent_at - interval '61 seconds' where id = $1`, [id]);

for (const [name, create] of Object.entries(releases)) {
  test(`supabase-js ${name}: a customer`, async () => {
    const client = browserOf(create), email = newEmail(), events = [];
    client.auth.onAuthStateChange((event) => events.push(event));
    const up = good(await client.auth.signUp({ email, password: PASSWORD, options: { data: { first_name: 'Eve', password: PASSWORD } } }));
    assert.deepEqual([up.session, up.user.email, up.user.identities.length], [null, email, 1]);
    const early = await client.auth.signInWithPassword({ email, password: PASSWORD });
    assert.deepEqual([early.error.status, early.error.message], [400, 'Email not confirmed']);
    good(await client.auth.verifyOtp({ type: 'signup', email, token: await codeFor(email) }));
    good(await client.auth.signOut());
    assert.equal((await client.auth.getSession()).data.session, null);

    const wrong = await client.auth.signInWithPassword({ email, password: 'wrong-password' });
    assert.deepEqual([wrong.error.status, wrong.error.message], [400, 'Invalid login credentials']);
    const { user, session } = good(await client.auth.signInWithPassword({ email, password: PASSWORD }));
    assert.equal(user.email, email);
    assert.equal(good(await client.auth.getUser()).user.id, user.id);
    const fresh = good(await client.auth.refreshSession());
    assert.notEqual(fresh.session.refresh_token, session.refresh_token);
    good(await client.auth.setSession({ access_token: fresh.session.access_token, refresh_token: fresh.session.refresh_token }));
    assert.equal(good(await client.auth.updateUser({ data: { country: 'NL' } })).user.user_metadata.country, 'NL');

    good(await client.auth.resetPasswordForEmail(email, { redirectTo: `${env.SITE_URL}/reset` }));
    good(await client.auth.verifyOtp({ type: 'recovery', email, token: await codeFor(email, 2) }));
    good(await client.auth.updateUser({ password: 'another-long-password' }));
    const weak = await client.auth.updateUser({ password: 'x' });
    assert.equal(weak.error.status, 422, weak.error.message);
    good(await client.auth.signOut({ scope: 'local' }));
    await later(user.id);
    good(await client.auth.signInWithOtp({ email }));
    assert.ok(events.includes('SIGNED_IN') && events.includes('SIGNED_OUT') && events.includes('USER_UPDATED'), events.join());
  });

  test(`supabase-js ${name}: the shop's own server`, async () => {
    const { admin } = browserOf(create, serviceKey).auth, email = newEmail();
    const { user } = good(await admin.createUser({ email, password: PASSWORD, email_confirm: true }));
    assert.ok(good(await admin.listUsers({ page: 1, perPage: 5 })).users.some((u) => u.id === user.id));
    assert.equal(good(await admin.getUserById(user.id)).user.email, email);
    good(await admin.updateUserById(user.id, { ban_duration: '1h' }));
    assert.equal((await browserOf(create).auth.signInWithPassword({ email, password: PASSWORD })).error.message, 'User is banned');
    good(await admin.updateUserById(user.id, { ban_duration: 'none' }));
    const { session } = good(await browserOf(create).auth.signInWithPassword({ email, password: PASSWORD }));
    good(await admin.signOut(session.access_token));
    good(await admin.inviteUserByEmail(newEmail()));
    assert.ok(good(await admin.generateLink({ type: 'recovery', email })).properties.action_link);
    good(await admin.deleteUser(user.id));
    assert.ok((await admin.getUserById(user.id)).error);
  });

  test(`supabase-js ${name}: a second factor`, async () => {
    const client = browserOf(create), email = newEmail(), { mfa } = client.auth, events = [];
    const levels = async (c = client) => {
      const { currentLevel, nextLevel } = good(await c.auth.mfa.getAuthenticatorAssuranceLevel());
      return [currentLevel, nextLevel];
    };
    client.auth.onAuthStateChange((event) => events.push(event));
    good(await client.auth.signUp({ email, password: PASSWORD }));
    good(await client.auth.verifyOtp({ type: 'signup', email, token: await codeFor(email) }));
    assert.deepEqual(await levels(), ['aal1', 'aal1']);

    const { id, type, totp } = good(await mfa.enroll({ factorType: 'totp', friendlyName: 'phone', issuer: 'Shop' }));
    assert.equal(type, 'totp');
    assert.match(totp.qr_code, /^data:image\/svg\+xml;utf-8,<svg /);
    assert.deepEqual([new URL(totp.uri).searchParams.get('secret'), new URL(totp.uri).searchParams.get('issuer')], [totp.secret, 'Shop']);
    const asked = good(await mfa.challenge({ factorId: id }));
    const wrong = await mfa.verify({ factorId: id, challengeId: asked.id, code: 'abcdef' });
    assert.deepEqual([wrong.error.status, wrong.error.message], [422, 'Invalid TOTP code entered']);
    good(await mfa.verify({ factorId: id, challengeId: asked.id, code: code(totp.secret) }));
    assert.ok(events.includes('MFA_CHALLENGE_VERIFIED'), events.join());
    assert.deepEqual(await levels(), ['aal2', 'aal2']);
    const { all, totp: verified } = good(await mfa.listFactors());
    assert.deepEqual([all.length, verified.map((f) => [f.id, f.friendly_name, f.status])], [1, [[id, 'phone', 'verified']]]);

    const other = browserOf(create);
    good(await other.auth.signInWithPassword({ email, password: PASSWORD }));
    assert.deepEqual(await levels(other), ['aal1', 'aal2'], 'the page asks for a code');
    const refused = await other.auth.mfa.unenroll({ factorId: id });
    assert.deepEqual([refused.error.status, refused.error.message], [422, 'AAL2 required to unenroll verified factor']);
    await timePasses(id);
    good(await other.auth.mfa.challengeAndVerify({ factorId: id, code: code(totp.secret) }));
    good(await other.auth.refreshSession());
    assert.deepEqual(await levels(other), ['aal2', 'aal2']);

    const { admin } = browserOf(create, serviceKey).auth, { user } = good(await other.auth.getUser());
    assert.deepEqual(good(await admin.mfa.listFactors({ userId: user.id })).factors.map((f) => f.id), [id]);
    assert.equal(good(await other.auth.mfa.unenroll({ factorId: id })).id, id);
    good(await other.auth.refreshSession());
    assert.deepEqual(await levels(other), ['aal1', 'aal1']);
    const again = good(await other.auth.mfa.enroll({ factorType: 'totp' }));
    // (The client wraps this one answer twice.)
    assert.equal(good(await admin.mfa.deleteFactor({ userId: user.id, id: again.id })).data.id, again.id);
  });

  test(`supabase-js ${name}: PKCE`, async () => {
    const client = browserOf(create, anonKey, { flowType: 'pkce' }), email = newEmail();
    good(await client.auth.signUp({ email, password: PASSWORD }));
    const link = await linkFor(email, 'Confirm your address');
    const { headers: { location } } = await call('GET', link.slice(url.length), { from: newAddress() });
    good(await client.auth.exchangeCodeForSession(new URL(location).searchParams.get('code')));
    assert.equal(good(await client.auth.getUser()).user.email, email);
  });
}

test('@supabase/ssr: signed in by the browser, known to the server by its cookies', async () => {
  const jar = new Map(), options = {
    cookies: { getAll: () => [...jar].map(([name, value]) => ({ name, value })), setAll: (all) => all.forEach(({ name, value }) => (value ? jar.set(name, value) : jar.delete(name))) },
    realtime: { transport: WebSocket }, global: { fetch: fetchFrom(newAddress()) },
  };
  const email = newEmail();
  const browser = createBrowserClient(url, anonKey, { ...options, isSingleton: false });
  good(await browser.auth.signUp({ email, password: PASSWORD }));
  const token_hash = new URL(await linkFor(email, 'Confirm your address')).searchParams.get('token');
  assert.match(token_hash, /^pkce_/, 'ssr always goes by PKCE');
  // The page /auth/confirm of a Next.js front end.
  good(await createServerClient(url, anonKey, options).auth.verifyOtp({ type: 'email', token_hash }));
  const server = createServerClient(url, anonKey, options);
  assert.equal(good(await server.auth.getUser()).user.email, email);
  assert.equal(good(await server.auth.getClaims()).claims.email, email);
  good(await server.auth.signOut());
  assert.equal((await createServerClient(url, anonKey, options).auth.getSession()).data.session, null);
});
