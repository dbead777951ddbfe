// A mail server and a mail service that do what a test tells them.
import { createServer as createHttp } from 'node:http';
import { createServer } from 'node:net';

/** Headers (lower case), decoded parts and subject of a message as it was sent. */
export function parseMail(text) {
  const end = text.indexOf('\r\n\r\n');
  const headers = headersOf(text.slice(0, end));
  const body = text.slice(end + 4);
  const boundary = /boundary="([^"]+)"/.exec(headers['content-type'])?.[1];
  const parts = {};
  const take = (own, content) => {
    const part = Buffer.from(content, 'base64').toString();
    if (/(^|[^\r])\n|\r(?!\n)/.test(part)) throw new Error('a line of a part does not end in CR LF');
    parts[own['content-type'].split(';')[0]] = part;
  };
  if (boundary) {
    for (const part of body.split(`--${boundary}`).slice(1, -1)) {
      const at = part.indexOf('\r\n\r\n');
      take(headersOf(part.slice(2, at)), part.slice(at + 4));
    }
  } else {
    take(headers, body);
  }
  return { headers, subject: decodeWords(headers.subject), text: parts['text/plain'], html: parts['text/html'] };
}

const headersOf = (text) =>
  Object.fromEntries(
    text
      .replace(/\r\n[ \t]+/g, ' ')
      .split('\r\n')
      .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );

const decodeWords = (text) =>
  text
    .replace(/\?= =\?/g, '?==?')
    .replace(/=\?UTF-8\?B\?([^?]*)\?=/g, (_, word) => Buffer.from(word, 'base64').toString());

/**
 * An SMTP server on 127.0.0.1, on a free port unless told which.
 * onMail(mail) decides the answer to a complete message: a line such as '250 ok', 'drop' to close
 * without one, or a promise of these. onRcpt(address) likewise for RCPT. greeting and sender, when
 * set, are the answers to a connection and to MAIL; with noGoodbye QUIT gets none. mails[] has every complete message, accepted or
 * not: {from, to, raw, answer, …parseMail}.
 */
export async function smtpServer({ port = 0 } = {}) {
  const server = { mails: [], logins: [], onMail: () => '250 2.0.0 queued', onRcpt: () => '250 ok' };
  const sockets = new Set();
  const net = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    let buffer = '';
    let data = false;
    let login = false; // the next line is the login
    let mail = {};
    const say = (line) => (line === 'drop' ? socket.destroy() : socket.write(`${line}\r\n`));
    const command = async (line) => {
      const verb = line.slice(0, 4).toUpperCase();
      if (login) {
        login = false;
        server.logins.push(Buffer.from(line, 'base64').toString());
        say('235 welcome');
        return;
      }
      if (verb === 'EHLO') say('250-test\r\n250-AUTH PLAIN\r\n250 8BITMIME');
      else if (verb === 'AUTH') (login = true), say('334 ');
      else if (verb === 'MAIL') (mail = { from: /<(.*?)>/.exec(line)[1], to: [] }), say(server.sender ?? '250 ok');
      else if (verb === 'RCPT') {
        const to = /<(.*?)>/.exec(line)[1];
        mail.to.push(to);
        say(await server.onRcpt(to));
      } else if (verb === 'DATA') (data = true), say('354 go on');
      else if (verb === 'QUIT') { if (!server.noGoodbye) say('221 bye'), socket.end(); }
      else say('500 what?');
    };
    const message = async (raw) => {
      const got = { ...mail, raw, ...parseMail(raw.replace(/(^|\r\n)\.\./g, '$1.')) };
      server.mails.push(got);
      got.answer = await server.onMail(got);
      say(got.answer);
    };
    let turn = Promise.resolve();
    socket.on('data', (bytes) => {
      buffer += bytes.toString('latin1');
      for (;;) {
        const end = buffer.indexOf(data ? '\r\n.\r\n' : '\r\n');
        if (end < 0) return;
        const piece = buffer.slice(0, end + (data ? 2 : 0));
        buffer = buffer.slice(end + (data ? 5 : 2));
        const was = data;
        data = false;
        if (!was && /^DATA/i.test(piece)) data = true;
        turn = turn.then(() => (was ? message(piece) : command(piece))).catch(() => {});
      }
    });
    say(server.greeting ?? '220 test');
  });
  await new Promise((resolve) => net.listen(port, '127.0.0.1', resolve));
  server.port = net.address().port;
  server.close = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => net.close(resolve));
  };
  /** Messages to an address. */
  server.to = (address) => server.mails.filter((m) => m.to.includes(address));
  return server;
}

/** Resend on a free port: calls[] has {key, authorization, body}; onCall(call) -> [status, json, headers]. */
export async function resendMock() {
  const mock = { calls: [], onCall: () => [200, { id: `re_${mock.calls.length}` }] };
  const http = createHttp((request, response) => {
    let text = '';
    request.on('data', (part) => (text += part));
    request.on('end', async () => {
      const call = {
        path: request.url,
        key: request.headers['idempotency-key'],
        authorization: request.headers.authorization,
        body: JSON.parse(text),
      };
      mock.calls.push(call);
      const [status, json, headers] = await mock.onCall(call);
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(json));
    });
  });
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  mock.url = `http://127.0.0.1:${http.address().port}`;
  mock.close = () => {
    http.closeAllConnections();
    return new Promise((resolve) => http.close(resolve));
  };
  mock.to = (address) => mock.calls.filter((c) => c.body.to.includes(address));
  return mock;
}
