// A TCP proxy before the system's PostgreSQL, for private processes that shall reach it by a host's name,
// or not at all.
import { connect, createServer } from 'node:net';

import { settingsOf } from './process.mjs';

const folder = decodeURIComponent(/@([^/?]*)/.exec(settingsOf('webhook-debug').DATABASE_URL)[1]);

/** The PostgreSQL of the system on a TCP port; `mode` says how it behaves to new connections. */
export class Proxy {
  mode = 'open';
  sockets = new Set();

  static async start() {
    const self = new Proxy();
    self.server = createServer((client) => self.take(client));
    await new Promise((resolve) => self.server.listen(0, '127.0.0.1', resolve));
    self.port = self.server.address().port;
    return self;
  }

  take(client) {
    this.sockets.add(client);
    client.on('error', () => {});
    client.on('close', () => this.sockets.delete(client));
    if (this.mode === 'starting') client.once('data', (data) => this.refuse(client, data));
    if (this.mode !== 'open') return; // 'silent': accepted, never answered
    const server = connect(`${folder}/.s.PGSQL.5432`);
    this.sockets.add(server);
    server.on('error', () => client.destroy());
    server.on('close', () => { this.sockets.delete(server); client.destroy(); });
    client.on('close', () => server.destroy());
    client.pipe(server).pipe(client);
  }

  /** SSLRequest is answered "no"; a start-up packet with FATAL 57P03, as by a server that recovers. */
  refuse(client, data) {
    if (data.length === 8 && data.readUInt32BE(4) === 80877103) {
      client.write('N');
      client.once('data', (again) => this.refuse(client, again));
      return;
    }
    const fields = Buffer.from('SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0');
    const head = Buffer.alloc(5);
    head.write('E');
    head.writeUInt32BE(fields.length + 4, 1);
    client.end(Buffer.concat([head, fields]));
  }

  cut() {
    this.sockets.forEach((s) => s.destroy());
  }

  async stop() {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** A function's DATABASE_URL, with these hosts instead. */
export function databaseUrlOf(name, hosts, more = '') {
  const { username, password, pathname } = new URL(settingsOf(name).DATABASE_URL.replace('postgresql:', 'http:').replace(/@[^/]*%2F[^/?]*/, '@socket'));
  return `postgresql://${username}:${password}@${hosts}${pathname}?application_name=hosts${more}`;
}
