// Servers that keep whoever asks them waiting.
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { scratchFolder } from './system.mjs';

/** A server on 127.0.0.1 that takes connections; what it says there is `talk(socket)`'s, or nothing. */
export class Mute {
  sockets = new Set();
  connections = 0;
  heard = ''; // of all of them

  static async start(talk = () => {}) {
    const self = new Mute();
    self.server = createServer((socket) => {
      self.connections++;
      self.sockets.add(socket);
      socket.on('error', () => {}).on('close', () => self.sockets.delete(socket));
      socket.on('data', (bytes) => (self.heard += bytes.toString('latin1')));
      if (self.over) socket.destroy();
      else talk(socket);
    });
    await new Promise((resolve) => self.server.listen(0, '127.0.0.1', resolve));
    self.port = self.server.address().port;
    return self;
  }

  /** From now on who connects, or is connected, is hung up on. */
  hangUp() {
    this.over = true;
    for (const socket of this.sockets) socket.destroy();
  }

  close() {
    this.hangUp();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

/** For Mute: a correct answer to an HTTP request, of which a byte comes each second, for a minute and a half. */
export function byteByByte(socket) {
  const body = JSON.stringify({ id: '1', payment_id: 1, message: 'OK' });
  const answer = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  let at = 0;
  socket.once('data', () => {
    const timer = setInterval(() => (at < answer.length ? socket.write(answer[at++]) : socket.end()), 1000);
    socket.on('close', () => clearInterval(timer));
  });
}

/** A name server that says nothing until it shall speak: all names are this machine's. */
export class NameServer {
  static #count = 0;
  held = [];

  /** null where port 53, or mounting, is not allowed. */
  static async start() {
    const self = new NameServer();
    self.address = `127.${++NameServer.#count}.${process.pid >> 8 & 255}.${process.pid & 255}`; // nobody else's
    self.socket = createSocket('udp4');
    self.socket.on('message', (query, from) => self.held.push([query, from]));
    try {
      execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' });
      await new Promise((resolve, reject) => self.socket.once('error', reject).bind(53, self.address, resolve));
    } catch {
      self.socket.close();
      return null;
    }
    return self;
  }

  #answer(query, from) {
    let end = 12; // of the question: labels, then type and class
    while (query[end] !== 0) end += query[end] + 1;
    const address = query.readUInt16BE(end + 1) === 1; // an IPv4 address; there is nothing else
    const head = Buffer.from([query[0], query[1], 0x81, 0x80, 0, 1, 0, address ? 1 : 0, 0, 0, 0, 0]);
    const found = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    this.socket.send(Buffer.concat([head, query.subarray(12, end + 5), address ? found : Buffer.alloc(0)]), from.port, from.address);
  }

  /** Answers what it was asked until now. */
  speak() {
    for (const [query, from] of this.held.splice(0)) this.#answer(query, from);
  }

  /**
   * For Private's `through`: this is the only name server, and each question waits for it a whole
   * minute; `local` are names that need none.
   */
  through(...local) {
    const folder = scratchFolder('names');
    const resolv = join(folder, 'resolv.conf'), hosts = join(folder, 'hosts');
    writeFileSync(resolv, `nameserver ${this.address}\noptions timeout:30 attempts:2\n`);
    writeFileSync(hosts, `127.0.0.1 localhost ${local.join(' ')}\n`);
    const mounted = 'mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/hosts && shift 2 && exec "$@"';
    return ['unshare', '-m', 'sh', '-c', mounted, 'sh', resolv, hosts];
  }

  close() {
    this.socket.close();
  }
}
