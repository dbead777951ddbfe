// An issuer of tokens as others run them: it publishes its keys, rotates them, and has its troubles.
import { createServer } from 'node:http';

import { newPair } from './tokens.mjs';

const now = () => Math.floor(Date.now() / 1000);

export class Issuer {
  static async start(...keys) {
    const self = new Issuer();
    self.keys = keys.length > 0 ? keys : [newPair('ES256', 'key-1')];
    self.fetches = 0;
    await self.up();
    self.iss = `http://127.0.0.1:${self.port}`;
    return self;
  }

  /** Its entry in AUTH_ISSUERS. */
  entry(more = {}) {
    return { iss: this.iss, jwks_url: `${this.iss}/.well-known/jwks.json`, ...more };
  }

  /** `trouble`: what it answers instead of its keys, a function of the response. */
  #answer(request, response) {
    this.fetches++;
    return this.trouble ? this.trouble(response) : this.publish(response);
  }

  publish(response) {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: this.keys.map((k) => k.jwk) }));
  }

  async up() {
    this.server = createServer((request, response) => this.#answer(request, response));
    await new Promise((resolve) => this.server.listen(this.port ?? 0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
  }

  async down() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  claims(more = {}) {
    return { iss: this.iss, sub: 'user_2abc', aud: 'api', azp: 'web', iat: now(), exp: now() + 600, ...more };
  }

  /** A token of the first of its keys, or another one. */
  token(more = {}, key = this.keys[0]) {
    return key.mint(this.claims(more));
  }
}

/** What troubles issuers. */
export const troubles = {
  error: (response) => response.writeHead(500).end('{"keys":[]}'),
  page: (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html><body>Maintenance</body></html>'),
  half: (response) => response.writeHead(200).end('{"keys":[{"kty":"EC","crv":"P-256"'),
  other: (response) => response.writeHead(200).end('{"keys":{"kid":"key-1"}}'),
  huge: (response) => response.writeHead(200).end(`{"keys":[],"x":"${'x'.repeat(1 << 20)}"}`),
  endless: (response) => {
    response.writeHead(200);
    const more = () => { if (!response.destroyed) response.write(' '.repeat(1000), () => setTimeout(more, 10)); };
    more();
  },
  away: (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
  broken: (response) => response.socket.destroy(),
  mute: () => {},
};
