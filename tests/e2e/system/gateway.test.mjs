// The way in: nginx and the runtime, before any function's own work.
// system: shared
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { corsOnce, envelope } from '../lib/answers.mjs';
import { call, invoke, raw } from '../lib/http.mjs';
import { clone, deploy, door, functionNames, home, log } from '../lib/system.mjs';
import { mint } from '../lib/tokens.mjs';
import { makeUser } from '../lib/users.mjs';
import { until } from '../lib/wait.mjs';

const routed = functionNames.map(door).filter((s) => s.route !== null);
const functions = routed.filter((s) => s.route.startsWith('/functions/v1/'));

// What supabase-js sends beyond what browsers allow by themselves.
const clientHeaders = [
  'authorization',
  'x-client-info',
  'apikey',
  'content-type',
  'x-region',
  'x-supabase-api-version',
  'x-retry-count',
  'traceparent',
  'tracestate',
  'baggage',
];

/** HEAD is served wherever GET is. */
const allowed = (methods) => [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');

/** A token that passes the function's door; every call of this one counts against a limit of its own. */
async function tokenFor({ who }) {
  if (who === 'user') return (await makeUser()).token;
  if (who.includes('service')) {
    return mint({ role: 'service_role', sub: randomUUID(), iat: 0, exp: Math.floor(Date.now() / 1000) + 60 });
  }
  return undefined;
}

test("the contract's functions are there", () => {
  const names = functions.map((s) => s.name);
  for (const name of [
    'create-crypto-payment',
    'check-payment-status',
    'payment-webhook',
    'test-delivery',
    'webhook-debug',
    'send-email',
    'health',
  ]) {
    assert.ok(names.includes(name), `${name} is missing among ${names}`);
  }
});

for (const { name, route, methods, deeper, who, body: bodyKind, body_max: bodyMax } of functions) {
  test(`${name}: OPTIONS answers 200 "ok" with the CORS headers`, async () => {
    const answer = await call('OPTIONS', route, {
      headers: { origin: 'https://shop.example', 'access-control-request-method': methods[0] },
    });
    assert.equal(answer.status, 200);
    assert.equal(answer.text, 'ok');
    corsOnce(answer, name);
    assert.equal(answer.headers.allow, allowed(methods));
    const allowedHeaders = answer.headers['access-control-allow-headers'].toLowerCase().split(/, */);
    for (const header of clientHeaders) assert.ok(allowedHeaders.includes(header), `${header} is not allowed`);
    const allowedMethods = answer.headers['access-control-allow-methods'].split(/, */);
    for (const method of [...methods, 'OPTIONS'])
      assert.ok(allowedMethods.includes(method), `${method} is not allowed`);
  });

  // webhook-debug takes any method, known or not
  if (methods.length < 5) test(`${name}: a wrong method is 405 and says which are right`, async () => {
    const wrong = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'].filter((m) => !methods.includes(m));
    assert.ok(wrong.length > 0);
    for (const method of wrong) {
      const answer = await call(method, route);
      envelope(answer, 405, 'Method not allowed');
      assert.equal(answer.headers.allow, allowed(methods), method);
    }
  });

  test(`${name}: every answer carries one request id of its own, and no version of anything`, async () => {
    const answers = [
      await call('OPTIONS', route),
      await call('PROPFIND', route),
      await call(methods[0], route),
    ];
    const ids = answers.map((answer) => {
      assert.equal(answer.all.filter(([header]) => header === 'x-request-id').length, 1);
      assert.equal(answer.headers.server, 'nginx');
      assert.equal(answer.headers['x-powered-by'], undefined);
      corsOnce(answer, name);
      return answer.headers['x-request-id'];
    });
    assert.equal(new Set(ids).size, ids.length);
  });

  if (!deeper) {
    test(`${name}: nothing is served below its address`, async () => {
      envelope(await call(methods[0], `${route}/more`), 404, 'Requested function was not found');
    });
  }

  if (bodyMax > 0) {
    test(`${name}: a body over its limit of ${bodyMax} bytes is 413`, async () => {
      const method = methods.includes('POST') ? 'POST' : methods[0];
      const token = await tokenFor({ who });
      envelope(
        await call(method, route, { token, body: 'x'.repeat(bodyMax + 1) }),
        413,
        'Request body too large',
      );
      const most = await call(method, route, { token, body: 'x'.repeat(bodyMax) });
      assert.notEqual(most.status, 413, 'a body of exactly the limit is taken');
    });
  }

  if (bodyKind === 'json') {
    // What a lenient parser would let through; each is refused with the place and the reason.
    const malformed = {
      'only white space': ' \n',
      'cut off': '{"orderId": "FFX123456789"',
      'trailing text': '{"orderId": "FFX123456789"} x',
      'two objects': '{}{}',
      'duplicate key': '{"orderId": "FFX123456789", "orderId": "FFX987654321"}',
      'duplicate key, escaped': '{"orderId": "FFX123456789", "order\\u0049d": "FFX987654321"}',
      'leading zero': '{"amount": 01}',
      'plus sign': '{"amount": +1}',
      'bare fraction': '{"amount": .5}',
      hexadecimal: '{"amount": 0x10}',
      NaN: '{"amount": NaN}',
      'single quotes': "{'orderId': 1}",
      'trailing comma': '{"orderId": 1,}',
      comment: '{"orderId": 1} // x',
      'bare word': '{"orderId": yes}',
      'unquoted key': '{orderId: 1}',
      'bad escape': '{"orderId": "\\x"}',
      'lone surrogate': '{"orderId": "\\ud800"}',
      'control character': '{"orderId": "a\u0001b"}',
      'invalid UTF-8': Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xc3, 0x28, 0x22, 0x7d]),
      'overlong UTF-8': Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xc0, 0xaf, 0x22, 0x7d]),
      'two byte order marks': '\ufeff\ufeff{}',
      'too deep': `{"a": ${'['.repeat(1000)}${']'.repeat(1000)}}`,
    };
    test(`${name}: malformed JSON is 400 with a reason`, async () => {
      for (const [kind, body] of Object.entries(malformed)) {
        const answer = await call('POST', route, { token: await tokenFor({ who }), body });
        assert.equal(answer.status, 400, `${kind}: ${answer.text}`);
        assert.equal(answer.json?.success, false, kind);
        assert.match(answer.json.error, /^Invalid JSON/, `${kind}: ${answer.text}`);
        corsOnce(answer, kind);
      }
    });

    test(`${name}: no body at all is 400`, async () => {
      envelope(
        await call('POST', route, { token: await tokenFor({ who }), body: '' }),
        400,
        'Request body is empty',
      );
      envelope(await call('POST', route, { token: await tokenFor({ who }) }), 400, 'Request body is empty');
    });

    test(`${name}: JSON that is no object is 400`, async () => {
      for (const body of ['[]', '"x"', '1', 'true', 'null']) {
        envelope(
          await call('POST', route, { token: await tokenFor({ who }), body }),
          400,
          'Request body must be a JSON object',
        );
      }
    });

    test(`${name}: another content type than JSON is 415`, async () => {
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'application/jsonp',
        'multipart/form-data; boundary=x',
      ]) {
        const answer = await call('POST', route, {
          token: await tokenFor({ who }),
          body: '{}',
          headers: { 'content-type': type },
        });
        envelope(answer, 415, 'Content-Type must be application/json');
        // RFC 9110, 12.5.3: Accept-Encoding would say that the coding was wrong.
        assert.equal(answer.headers['accept-encoding'], undefined);
        assert.equal(answer.headers.accept, 'application/json');
      }
    });

    test(`${name}: a body in another coding is 415 and says which is taken`, async () => {
      for (const coding of ['gzip', 'br', 'identity, gzip']) {
        const answer = await call('POST', route, {
          token: await tokenFor({ who }),
          body: gzipSync('{}'),
          headers: { 'content-encoding': coding },
        });
        envelope(answer, 415, 'Content-Encoding must be identity');
        assert.equal(answer.headers['accept-encoding'], 'identity');
        assert.equal(answer.headers.accept, undefined);
      }
      const plain = { 'content-encoding': 'identity' };
      const answer = await call('POST', route, { token: await tokenFor({ who }), body: '{}', headers: plain });
      assert.equal(answer.status, 400, answer.text);
    });

    test(`${name}: a byte order mark before JSON is skipped, one of them`, async () => {
      const answer = await call('POST', route, { token: await tokenFor({ who }), body: '\ufeff{}' });
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.json.error, /^Missing required fields/);
      const twice = await call('POST', route, { token: await tokenFor({ who }), body: '\ufeff\ufeff{}' });
      assert.match(twice.json.error, /^Invalid JSON/);
    });

    test(`${name}: JSON with a charset, or without a content type, is read`, async () => {
      for (const type of ['application/json; charset=utf-8', 'Application/JSON;charset=UTF-8']) {
        const answer = await call('POST', route, {
          token: await tokenFor({ who }),
          body: '{}',
          headers: { 'content-type': type },
        });
        assert.equal(answer.status, 400, answer.text);
        assert.match(answer.json.error, /^Missing required fields/);
      }
    });
  }
}

test('an unknown function is 404 in JSON, readable by a browser', async () => {
  for (const path of ['/functions/v1/no-such-function', '/functions/v1/', '/functions/v1/health-check']) {
    envelope(await call('POST', path, { body: {} }), 404, 'Requested function was not found');
  }
  const preflight = await call('OPTIONS', '/functions/v1/no-such-function', {
    headers: { 'access-control-request-method': 'POST' },
  });
  assert.ok(preflight.status === 200 || preflight.status === 204);
  assert.equal(preflight.headers.allow, 'OPTIONS');
  corsOnce(preflight, 'preflight');
});

test('a large body to nowhere gets the 404 that a small one gets', async () => {
  const body = 'x'.repeat(100_000);
  envelope(await call('POST', '/functions/v1/none', { body }), 404, 'Requested function was not found');
  envelope(await call('POST', '/none', { body }), 404, 'Not found');
});

test('addresses outside the functions are 404 in JSON', async () => {
  for (const path of [
    '/',
    '/index.html',
    '/env',
    '/functions',
    '/functions/v2/health',
    '/.git/config',
    '/functions/v1/%2e%2e/%2e%2e/env',
    '/_error',
    '/_drop',
  ]) {
    envelope(await call('GET', path), 404, 'Not found');
  }
});

test('what nginx refuses itself has the same shape', async () => {
  const answers = {
    400: await raw('GET / HTTP/1.1\r\nConnection: close\r\n\r\n'), // no Host
    414: await raw(`GET /${'x'.repeat(40_000)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    431: await raw(`GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: ${'x'.repeat(40_000)}\r\n\r\n`),
    405: await raw('TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
  };
  for (const [status, text] of Object.entries(answers)) {
    const [head, body] = text.split('\r\n\r\n');
    assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} `), text.slice(0, 400));
    assert.equal(head.match(/^access-control-allow-origin: \*$/gim)?.length, 1, head);
    assert.match(head, /^Server: nginx$/im);
    assert.match(head, /^Cache-Control: no-store$/im);
    assert.match(head, /^X-Request-Id: [0-9a-f]{32}$/im);
    assert.equal(JSON.parse(body).success, false);
  }
});

/** As an Allow header has them. */
const ORDER = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

test('a method that nginx refuses itself is 405 and says which are right', async () => {
  for (const [path, right] of [
    ...routed.flatMap(({ route, routes }) =>
      routes.map(({ path }) => [`${route}${path.replace('*', 'x')}?a=1`,
        allowed(ORDER.filter((m) => routes.some((other) => other.path === path && other.methods.includes(m))))])),
    ['/nowhere', 'OPTIONS'],
  ]) {
    const text = await raw(`TRACE ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    assert.match(text, /^HTTP\/1\.1 405 /, path);
    assert.equal(text.match(/^Allow: (.*)\r$/im)?.[1], right, `${path}: ${text}`);
  }
});

test('a HEAD request gets the headers of GET and no body', async () => {
  const answer = await call('HEAD', '/functions/v1/health/live');
  assert.equal(answer.status, 200);
  assert.equal(answer.text, '');
  assert.ok(Number(answer.headers['content-length']) > 0);
});

test('a body sent in pieces (chunked) is read like any other', async () => {
  const user = await makeUser();
  const pieces = ['{"ord', 'e', 'rId":"FFX123456789"}', ''].map(
    (piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`,
  );
  const text = await raw(
    'POST /functions/v1/create-crypto-payment HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' +
      `Authorization: Bearer ${user.token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n` +
      pieces.join(''),
  );
  assert.match(text, /^HTTP\/1\.1 400 /);
  assert.match(
    text,
    /Missing required fields: userId, accountType, accountSize, platformType, cryptoCurrency, amount, finalAmount/,
  );
});

test('requests that would smuggle a second one are refused', async () => {
  const hidden = 'GET /functions/v1/health/live HTTP/1.1\r\nHost: x\r\n\r\n';
  const both = await raw(
    'POST /functions/v1/webhook-debug HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' +
      `Content-Length: ${hidden.length + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
  );
  assert.equal(both.match(/HTTP\/1\.1 /g).length, 1, both);
  assert.match(both, /^HTTP\/1\.1 400 /);
  const twice = await raw(
    'POST /functions/v1/webhook-debug HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' +
      `Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
  );
  assert.match(twice, /^HTTP\/1\.1 400 /);
  assert.equal(twice.match(/HTTP\/1\.1 /g).length, 1, twice);
});

test('a body that a function does not want never becomes the next request on its connection', async () => {
  // Refused before it is read, pipelined with a request that must get its own answer.
  const body = 'GET /functions/v1/health HTTP/1.1\r\nHost: evil\r\n\r\n'.repeat(20);
  const text = await raw(
    'PUT /functions/v1/test-delivery HTTP/1.1\r\nHost: x\r\n' +
      `Content-Length: ${body.length}\r\n\r\n${body}` +
      'GET /functions/v1/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  );
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 405', 'HTTP/1.1 200'], text);
  assert.match(text, /\{"status":"alive"\}/);
});

test('one JSON line is logged per request, with its id and without secrets', async () => {
  const { token } = await makeUser();
  const answer = await invoke('create-crypto-payment', { token, body: { secretField: 'do-not-log-me' } });
  const id = answer.headers['x-request-id'];
  const line = await until(
    () =>
      log('create-crypto-payment')
        .split('\n')
        .find((l) => l.includes(id)),
    'the log line',
  );
  const entry = JSON.parse(line);
  assert.equal(entry.level, 'info');
  assert.equal(entry.service, 'create-crypto-payment');
  assert.equal(entry.event, 'request');
  assert.equal(entry.data.status, 400);
  assert.equal(new Date(entry.timestamp).toISOString(), entry.timestamp);
  assert.doesNotMatch(line, /do-not-log-me|eyJ/);
});

test('from which level on a function logs is changed while it runs', async () => {
  const logged = async () => {
    const { headers } = await call('GET', '/functions/v1/webhook-debug');
    await call('GET', '/functions/v1/webhook-debug'); // of a later turn: the line of the first is written
    return log('webhook-debug').includes(headers['x-request-id']);
  };
  assert.match((await deploy('log-level', 'webhook-debug', 'warn')).stdout, /logs from warn on/);
  try {
    await until(async () => !(await logged()), 'no line for a good request');
  } finally {
    await deploy('log-level', 'webhook-debug', 'default');
  }
  await until(logged, 'a line again');
});

test('OpenAPI names every address and method that the specs promise, and nothing else', () => {
  const text = execFileSync(join(clone, 'nginx/generate'), [
    '--openapi',
    'http://x',
    join(home, 'bin'),
    ...routed.map((s) => s.name),
  ]);
  const document = JSON.parse(text);
  assert.match(document.openapi, /^3\./);
  for (const { route, methods } of functions) {
    const path = document.paths[route];
    assert.ok(path, `${route} is missing`);
    for (const method of methods) assert.ok(path[method.toLowerCase()], `${method} ${route} is missing`);
  }
  for (const path of Object.keys(document.paths)) {
    assert.ok(
      routed.some((s) => path === s.route || path.startsWith(`${s.route}/`)),
      `${path} belongs to no function`,
    );
  }
});
