// A process of the data API that serves a schema of the test's own.
import { createClient } from '@supabase/supabase-js';
import WebSocket from 'ws';

import { rows } from './db.mjs';
import { Private } from './process.mjs';
import { anonKey, serviceKey, url } from './system.mjs';

const roles = 'anon, authenticated, service_role';
/** A name as SQL has it, whatever is in it. */
export const quoted = (name) => `"${name.replaceAll('"', '""')}"`;
/** A name as it stands in select, order, keys and trees, whatever is in it. */
export const named = (name) => `"${name.replace(/[\\"]/g, '\\$&')}"`;
/** A text as SQL has it. */
export const literal = (text) => `E'${text.replace(/[\\']/g, '\\$&')}'`;

/** [[key, value], …] or {key: value} as a query string. */
const queryOf = (query) =>
  (Array.isArray(query) ? query : Object.entries(query)).map((pair) => pair.map(encodeURIComponent).join('=')).join('&');

export class Served {
  /** `sql` makes what is in the schema; the service key may do everything with it, others what `sql` grants them. */
  static async start(schema, sql, settings = {}) {
    const self = new Served();
    self.schema = schema;
    await rows(`create schema ${quoted(schema)}`);
    try {
      await rows(`begin; set local search_path = ${quoted(schema)}; ${sql}; grant usage on schema ${quoted(schema)} to ${roles};
        grant all on all tables in schema ${quoted(schema)} to service_role; grant all on all sequences in schema ${quoted(schema)} to service_role;
        grant execute on all functions in schema ${quoted(schema)} to service_role; commit`);
      self.service = await Private.start('rest', { REST_SCHEMAS: schema, RATE_LIMIT: 'false', ...settings });
    } catch (error) {
      await self.stop();
      throw error;
    }
    return self;
  }

  async stop() {
    await this.service?.stop();
    await rows(`drop schema if exists ${quoted(this.schema)} cascade`);
  }

  /** `query`: a query string, or pairs that are encoded here; what stands in `path` is not encoded. */
  async ask(method, path, { query = '', body, prefer, accept, token = serviceKey, headers = {}, timeout = 30_000 } = {}) {
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
    const params = {
      PATH_INFO: path, QUERY_STRING: typeof query === 'string' ? query : queryOf(query),
      HTTP_APIKEY: anonKey, HTTP_AUTHORIZATION: `Bearer ${token}`, ...(accept && { HTTP_ACCEPT: accept }), ...(prefer && { HTTP_PREFER: prefer }),
    };
    for (const [name, value] of Object.entries(headers))
      params[name.toLowerCase() === 'content-type' ? 'CONTENT_TYPE' : `HTTP_${name.toUpperCase().replaceAll('-', '_')}`] = value;
    return this.service.ask(method, { body: text, params }, timeout);
  }

  /** What was answered, which has to be good. */
  async get(path, query, options = {}) {
    const answer = await this.ask('GET', path, { query, ...options });
    if (answer.status !== 200 && answer.status !== 206) throw new Error(`${path} ${JSON.stringify(query)}: ${answer.status} ${answer.text}`);
    return answer.json;
  }

  /** The unmodified client, past nginx. */
  client(create = createClient, token = serviceKey) {
    const send = async (input, { method = 'GET', headers = {}, body } = {}) => {
      const at = new URL(String(input));
      const { authorization, apikey, accept, prefer, ...more } = Object.fromEntries(new Headers(headers));
      const { status, headers: all, text } = await this.ask(method, decodeURIComponent(at.pathname).replace('/rest/v1', ''), {
        query: at.search.slice(1), body, accept, prefer, token: authorization.replace('Bearer ', ''), headers: more,
      });
      return new Response(status === 204 || method === 'HEAD' ? null : text, { status, headers: all });
    };
    return create(url, anonKey, {
      auth: { persistSession: false, autoRefreshToken: false }, realtime: { transport: WebSocket }, db: { schema: this.schema },
      global: { fetch: send, headers: { Authorization: `Bearer ${token}` } },
    });
  }
}
