// FastCGI over a function's own socket, as nginx speaks it, and as nobody should.
import { connect } from 'node:net';

export const BEGIN = 1, ABORT = 2, END = 3, PARAMS = 4, STDIN = 5, STDOUT = 6, STDERR = 7, DATA = 8, GET_VALUES = 9, GET_VALUES_RESULT = 10;
export const RESPONDER = 1, AUTHORIZER = 2;
export const KEEP = 1;

/** One record; longer contents are cut into several. */
export function record(type, id, content = Buffer.alloc(0)) {
  const bytes = Buffer.from(content);
  const parts = [];
  for (let at = 0; at === 0 || at < bytes.length; at += 65_528) {
    const part = bytes.subarray(at, at + 65_528);
    const padding = (8 - (part.length % 8)) % 8;
    parts.push(Buffer.from([1, type, id >> 8, id & 255, part.length >> 8, part.length & 255, padding, 0]), part, Buffer.alloc(padding));
  }
  return Buffer.concat(parts);
}

export const begin = (id = 1, { role = RESPONDER, flags = KEEP } = {}) =>
  record(BEGIN, id, [role >> 8, role & 255, flags, 0, 0, 0, 0, 0]);

const lengthOf = (n) => (n < 128 ? Buffer.from([n]) : Buffer.from([(n >>> 24) | 128, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]));

/** Name and value pairs as they stand in a PARAMS record. */
export const pairs = (params) =>
  Buffer.concat(Object.entries(params).flatMap(([name, value]) => {
    const n = Buffer.from(name), v = Buffer.from(String(value));
    return [lengthOf(n.length), lengthOf(v.length), n, v];
  }));

/** The parameters nginx sends, more or others as told. */
export const paramsOf = (method, body = '', more = {}) => ({
  REQUEST_METHOD: method,
  QUERY_STRING: '',
  CONTENT_TYPE: body.length > 0 ? 'application/json' : '',
  CONTENT_LENGTH: body.length > 0 ? String(Buffer.byteLength(body)) : '',
  REMOTE_ADDR: '127.0.0.1',
  PATH_INFO: '',
  ...more,
});

/** A whole request. */
export function requestBytes(method, { body = '', params = {}, id = 1, flags = KEEP } = {}) {
  return Buffer.concat([
    begin(id, { flags }),
    record(PARAMS, id, pairs(paramsOf(method, body, params))), record(PARAMS, id),
    ...(body.length > 0 ? [record(STDIN, id, body)] : []), record(STDIN, id),
  ]);
}

/** A connection to a function's socket. */
export class Fcgi {
  static async open(path) {
    const self = new Fcgi();
    await new Promise((resolve, reject) => {
      self.socket = connect({ path, allowHalfOpen: true }, resolve);
      self.socket.once('error', reject);
    });
    self.buffer = Buffer.alloc(0);
    self.ended = false;
    self.waiters = [];
    const tell = () => self.waiters.splice(0).forEach((wake) => wake());
    self.socket.removeAllListeners('error');
    self.socket.on('error', (error) => { self.error = error; self.ended = true; tell(); });
    self.socket.on('data', (part) => { self.buffer = Buffer.concat([self.buffer, part]); tell(); });
    self.socket.on('end', () => { self.ended = true; tell(); });
    self.socket.on('close', () => { self.ended = true; tell(); });
    return self;
  }

  write(bytes) {
    return new Promise((resolve) => this.socket.write(bytes, () => resolve()));
  }

  #more(timeout) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`nothing came within ${timeout} ms`)), timeout);
      this.waiters.push(() => { clearTimeout(timer); resolve(); });
    });
  }

  /** The next record {type, id, content}; null when the peer closed. */
  async read(timeout = 15_000) {
    for (;;) {
      if (this.buffer.length >= 8) {
        const length = this.buffer.readUInt16BE(4), padding = this.buffer[6];
        if (this.buffer.length >= 8 + length + padding) {
          const found = { type: this.buffer[1], id: this.buffer.readUInt16BE(2), content: this.buffer.subarray(8, 8 + length) };
          this.buffer = this.buffer.subarray(8 + length + padding);
          return found;
        }
      }
      if (this.ended) return null;
      await this.#more(timeout);
    }
  }

  /** The answer {id, status, headers, text, json}; null when the peer closed before its end. */
  async answer(timeout) {
    const parts = [];
    for (;;) {
      const next = await this.read(timeout);
      if (next === null) return null;
      if (next.type === STDOUT) parts.push(next.content);
      if (next.type === END) return { id: next.id, ...parse(Buffer.concat(parts).toString()) };
    }
  }

  async request(method, options = {}, timeout) {
    await this.write(requestBytes(method, options));
    return this.answer(timeout);
  }

  /** Resolves when the peer closes; the number of bytes that came before. */
  async closed(timeout = 15_000) {
    while (!this.ended) await this.#more(timeout);
    return this.buffer.length;
  }

  close() {
    this.socket.destroy();
  }
}

function parse(text) {
  const end = text.indexOf('\r\n\r\n');
  const headers = Object.fromEntries(text.slice(0, end).split('\r\n').map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  }));
  const body = text.slice(end + 4);
  let json;
  try {
    json = JSON.parse(body);
  } catch {
    // not JSON: `json` stays undefined
  }
  return { status: Number.parseInt(headers.status, 10), headers, text: body, json };
}

/** One request on a connection of its own. */
export async function ask(path, method, options, timeout) {
  const connection = await Fcgi.open(path);
  try {
    return await connection.request(method, { flags: 0, ...options }, timeout);
  } finally {
    connection.close();
  }
}
