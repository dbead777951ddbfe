// A Supabase project's database to move out of: real table shapes, dumps by the real pg_dump.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import pg from 'pg';

import { rows } from './db.mjs';
import { env, scratchFolder } from './system.mjs';

const run = promisify(execFile);
const [, role, folder] = /^postgresql:\/\/([^@]+)@([^/]+)\/.+$/.exec(env.DATABASE_URL);

/** As Supabase makes them. */
const AUTH = `
  create schema auth;
  create table auth.users (
    instance_id uuid, id uuid not null primary key, aud varchar(255), role varchar(255), email varchar(255),
    encrypted_password varchar(255), email_confirmed_at timestamptz, invited_at timestamptz,
    confirmation_token varchar(255), confirmation_sent_at timestamptz, recovery_token varchar(255),
    recovery_sent_at timestamptz, email_change_token_new varchar(255), email_change varchar(255),
    email_change_sent_at timestamptz, last_sign_in_at timestamptz, raw_app_meta_data jsonb,
    raw_user_meta_data jsonb, is_super_admin boolean, created_at timestamptz, updated_at timestamptz,
    phone text default null unique, phone_confirmed_at timestamptz, phone_change text default '',
    phone_change_token varchar(255) default '', phone_change_sent_at timestamptz,
    confirmed_at timestamptz generated always as (least(email_confirmed_at, phone_confirmed_at)) stored,
    email_change_token_current varchar(255) default '',
    email_change_confirm_status smallint default 0 check (email_change_confirm_status between 0 and 2),
    banned_until timestamptz, reauthentication_token varchar(255) default '', reauthentication_sent_at timestamptz,
    is_sso_user boolean not null default false, deleted_at timestamptz, is_anonymous boolean not null default false);
  create table auth.identities (
    provider_id text not null, user_id uuid not null references auth.users (id) on delete cascade,
    identity_data jsonb not null, provider text not null, last_sign_in_at timestamptz, created_at timestamptz,
    updated_at timestamptz, email text generated always as (lower(identity_data ->> 'email')) stored,
    id uuid not null default gen_random_uuid() primary key, unique (provider_id, provider));
  create type auth.aal_level as enum ('aal1', 'aal2', 'aal3');
  create table auth.sessions (
    id uuid not null primary key, user_id uuid not null references auth.users (id) on delete cascade,
    created_at timestamptz, updated_at timestamptz, factor_id uuid, aal auth.aal_level, not_after timestamptz,
    refreshed_at timestamp, user_agent text, ip inet, tag text);
  create type auth.factor_type as enum ('totp', 'webauthn', 'phone');
  create type auth.factor_status as enum ('unverified', 'verified');
  create table auth.mfa_factors (
    id uuid not null primary key, user_id uuid not null references auth.users (id) on delete cascade, friendly_name text,
    factor_type auth.factor_type not null, status auth.factor_status not null, created_at timestamptz not null,
    updated_at timestamptz not null, secret text, phone text, last_challenged_at timestamptz unique, web_authn_credential jsonb,
    web_authn_aaguid uuid, last_webauthn_challenge_data jsonb);`;

export class OldSystem {
  /** With its auth tables, and what `sql` makes beside them. */
  static async make(sql = '') {
    const self = new this();
    self.name = `old_${randomBytes(5).toString('hex')}`;
    self.folder = scratchFolder('old');
    const admin = await self.#session('postgres');
    await admin.query(`create database ${self.name}`);
    await admin.end();
    self.client = await self.#session(self.name);
    await self.client.query(AUTH + sql);
    return self;
  }

  async #session(database) {
    const client = new pg.Client({ user: role, host: decodeURIComponent(folder), database });
    await client.connect();
    return client;
  }

  async query(text, params) {
    return (await this.client.query(text, params)).rows;
  }

  async value(text, params) {
    return Object.values((await this.query(text, params))[0] ?? {})[0];
  }

  get url() {
    return `postgresql://${role}@${folder}/${this.name}`;
  }

  /** A file of pg_dump's. */
  async dump(...options) {
    const path = join(this.folder, `dump-${randomBytes(4).toString('hex')}`);
    await run('pg_dump', ['-d', this.url, '-f', path, ...options]);
    return path;
  }

  /** A file of one's own. */
  write(bytes) {
    const path = join(this.folder, `file-${randomBytes(4).toString('hex')}`);
    writeFileSync(path, bytes);
    return path;
  }

  async end() {
    await this.client.end();
    await rows('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [this.name]);
    const admin = await this.#session('postgres');
    await admin.query(`drop database ${this.name}`);
    await admin.end();
  }

  /** A second factor of a user; its id. */
  addFactor(user, { secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP', type = 'totp', status = 'verified', name = '' } = {}) {
    return this.value(
      `insert into auth.mfa_factors (id, user_id, friendly_name, factor_type, status, created_at, updated_at, secret)
       values (gen_random_uuid(), $1, $2, $3, $4, '2024-02-03', '2024-02-03', $5) returning id`, [user.id, name, type, status, secret]);
  }

  /** A user who signed up by mail, with an identity; `more` are columns of auth.users. */
  async addUser(more = {}) {
    const user = {
      instance_id: '00000000-0000-0000-0000-000000000000', aud: 'authenticated', role: 'authenticated',
      email: `old-${randomBytes(6).toString('hex')}@example.com`, email_confirmed_at: '2024-02-03T04:05:06Z',
      confirmation_token: '', recovery_token: '', email_change_token_new: '', email_change: '',
      raw_app_meta_data: { provider: 'email', providers: ['email'] }, raw_user_meta_data: {},
      created_at: '2024-02-03T04:05:00Z', updated_at: '2024-03-01T00:00:00Z', ...more,
    };
    const names = Object.keys(user);
    user.id = await this.value(
      `insert into auth.users (id, ${names.join(', ')}) values (gen_random_uuid(), ${names.map((_, n) => `$${n + 1}`).join(', ')}) returning id`,
      Object.values(user));
    await this.query(
      `insert into auth.identities (provider_id, user_id, identity_data, provider, created_at, updated_at)
       values ($1::text, $1::uuid, jsonb_build_object('sub', $1::text, 'email', $2::text), 'email', $3, $4)`,
      [user.id, user.email, user.created_at, user.updated_at]);
    return user;
  }
}
