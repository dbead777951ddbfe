// Who signs up and in, by the unmodified client, and the mails that they get.
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { createClient } from '@supabase/supabase-js';

import { call, fetchFrom, newAddress } from '../../lib/http.mjs';
import { anonKey, env, url } from '../../lib/system.mjs';
import { until } from '../../lib/wait.mjs';

export const newEmail = () => `a-${randomBytes(8).toString('hex')}@example.com`;
export const PASSWORD = 'a-long-password-1';

/** A client of an address of its own that keeps its session for itself. */
export function browser(more = {}) {
  const kept = new Map();
  return createClient(url, anonKey, {
    auth: {
      autoRefreshToken: false, detectSessionInUrl: false, storageKey: 'session', ...more,
      storage: { getItem: (k) => kept.get(k) ?? null, setItem: (k, v) => kept.set(k, v), removeItem: (k) => kept.delete(k) },
    },
    realtime: { transport: globalThis.WebSocket ?? class {} },
    global: { fetch: fetchFrom(newAddress()) },
  });
}

/** A request as the client sends it, from an address of its own. */
export const auth = (method, path, { body, token, version = '2024-01-01', ...more } = {}) =>
  call(method, `/auth/v1${path}`, { apikey: anonKey, token, body, from: newAddress(),
    ...more, headers: { ...(version ? { 'x-supabase-api-version': version } : {}), ...more.headers } });

/** The mails to somebody, the oldest first: {subject, text}. */
export function mailsTo(email) {
  return readdirSync(env.MAIL_FOLDER)
    .map((name) => join(env.MAIL_FOLDER, name))
    .sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs)
    .map((path) => readFileSync(path, 'utf8'))
    .filter((text) => text.startsWith(`To: ${email}\n`))
    .map((text) => ({ subject: /Subject: (.*)/.exec(text)[1], text: text.slice(text.indexOf('\n\n') + 2) }));
}

/** The code in the `nth` mail with one to somebody. */
export async function codeFor(email, nth = 1) {
  const codes = () => mailsTo(email).map((mail) => /\b(\d{6})\b/.exec(mail.text)?.[1]).filter((code) => code !== undefined);
  await until(() => codes().length >= nth, `code ${nth} for ${email}`);
  return codes()[nth - 1];
}

/** The link in the `nth` mail of this subject to somebody. */
export async function linkFor(email, subject, nth = 1) {
  const mails = () => mailsTo(email).filter((mail) => mail.subject === subject);
  await until(() => mails().length >= nth, `mail ${nth} to ${email}: ${subject}`);
  return /http\S+\/auth\/v1\/verify\S+/.exec(mails()[nth - 1].text)[0];
}

/** Somebody who has signed up, confirmed and signed in: {email, client, session}. */
export async function newPerson({ data } = {}) {
  const email = newEmail(), client = browser();
  await client.auth.signUp({ email, password: PASSWORD, options: { data } });
  const { data: { session }, error } = await client.auth.verifyOtp({ type: 'signup', email, token: await codeFor(email) });
  if (error) throw error;
  return { email, client, session };
}
