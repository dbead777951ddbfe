// The provider misbehaves on the wire.  What costs money is sent once, whatever happens to the
// connection; what only reads is tried again; and nobody waits longer than the budget.
//
// A little provider of the test's own on this machine, a private process of the shipped binary.
// system: shared
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { rows } from '../lib/db.mjs';
import { Private } from '../lib/process.mjs';
import { attempts, checkoutBody, makeSale, orderState } from '../lib/flashfundx/shop.mjs';
import { soon, until } from '../lib/wait.mjs';

const TIMEOUT_MS = 600;

/** A provider whose answer to each path is a function of the test: (req, res, body) => … */
class Provider {
  requests = [];
  connections = 0;
  answers = {};

  static async start() {
    const self = new Provider();
    self.server = createServer({ keepAliveTimeout: 30_000 }, (req, res) => {
      const parts = [];
      req.on('error', () => {});
      req.on('data', (part) => parts.push(part));
      req.on('end', () => {
        const path = req.url.replace(/\/\d+$/, '/id');
        const seen = { method: req.method, path, body: Buffer.concat(parts).toString(), reused: req.socket.used === true };
        req.socket.used = true;
        self.requests.push(seen);
        (self.answers[path] ?? self.usual[path])(req, res, seen.body);
      });
    });
    self.server.on('connection', () => self.connections++);
    await new Promise((resolve) => self.server.listen(0, '127.0.0.1', resolve));
    self.url = `http://127.0.0.1:${self.server.address().port}`;
    return self;
  }

  count(path) {
    return this.requests.filter((r) => r.path === path).length;
  }

  reset(answers = {}) {
    this.requests = [];
    this.connections = 0;
    this.answers = answers;
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  usual = {
    '/invoice': (req, res, body) => json(res, 200, { id: String(nextId()), order_id: JSON.parse(body).order_id, invoice_url: `${this.url}/pay` }),
    '/invoice-payment': (req, res) => json(res, 201, payment(nextId(), 'waiting')),
    '/payment/id': (req, res) => json(res, 200, payment(Number(req.url.split('/').at(-1)), 'confirming')),
  };
}

let lastId = Date.now() * 1000 + 500;
const nextId = () => ++lastId;
const payment = (id, status) => ({
  payment_id: id, payment_status: status, pay_address: '0xa638a632134CdcfDf6c510965757f4963Cca5366', price_amount: 149, price_currency: 'usd',
  pay_amount: 148.5, pay_currency: 'usdtbsc', purchase_id: '4409335830', actually_paid: status === 'waiting' ? 0 : 148.5,
});
const json = (res, status, body) => res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const hangUp = (req) => req.socket.destroy();
const silence = () => {};

let provider;
before(async () => { provider = await Provider.start(); });
after(() => provider.stop());

const begin = (name, settings = {}) => Private.start(name, {
  RATE_LIMIT: 'false', NOWPAYMENTS_SANDBOX_API_URL: provider.url, NOWPAYMENTS_TIMEOUT_MS: String(TIMEOUT_MS), STATUS_FRESH_S: '0', ...settings,
});

const checkout = ({ user, order }, shop) =>
  shop.ask('POST', { body: JSON.stringify(checkoutBody(order)), params: { HTTP_AUTHORIZATION: `Bearer ${user.token}` } });

/** With a process of its own: faults add up in the circuit breaker. */
async function withShop(work, settings) {
  const shop = await begin('create-crypto-payment', settings);
  try {
    await work(shop);
  } finally {
    await shop.stop();
  }
}

test('a POST is sent once, however its connection ends', async (t) => {
  const ends = {
    'closes after reading it': hangUp,
    'answers half a header and closes': (req) => { req.socket.write('HTTP/1.1 20'); req.socket.destroySoon(); },
    'answers half a body and closes': (req, res) => {
      res.writeHead(200, { 'content-length': 1000 });
      res.write('{"id":');
      setImmediate(() => req.socket.destroy());
    },
    'resets': (req) => req.socket.resetAndDestroy(),
    'never answers': silence,
  };
  for (const [what, end] of Object.entries(ends)) {
    await t.test(`a provider that ${what}`, () => withShop(async (shop) => {
      const sale = await makeSale({ stock: 0 });

      provider.reset({ '/invoice': end });
      assert.equal((await checkout(sale, shop)).status, 502);
      assert.deepEqual(provider.requests.map((r) => r.path), ['/invoice'], 'one POST, and nothing behind it');

      // Now the invoice is answered on a connection that is kept, and the payment's POST is the one
      // that dies: a client that reused the connection would send it again by itself.
      provider.reset({ '/invoice-payment': end });
      assert.equal((await checkout(sale, shop)).status, 502);
      assert.deepEqual(provider.requests.map((r) => [r.path, r.reused]), [['/invoice', false], ['/invoice-payment', false]]);

      provider.reset();
      const answer = await checkout(sale, shop);
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(provider.requests.map((r) => r.path), ['/invoice-payment'], 'the invoice that exists is used');
      assert.deepEqual((await attempts(sale.order)).map((a) => a.state), ['unknown', 'unknown', 'open']);
      assert.equal(await orderState(sale.order), 'processing/pending/pending');

      provider.reset();
      assert.deepEqual((await checkout(sale, shop)).json, answer.json);
      assert.equal(provider.requests.length, 0, 'what is open is given back without asking');
    }));
  }
});

test('nobody waits longer than the budget', async (t) => {
  const drip = (req, res) => {
    res.writeHead(200, { 'content-type': 'application/json' });
    const timer = setInterval(() => res.write(' '), 50);
    req.socket.on('close', () => clearInterval(timer));
  };
  for (const [what, how] of [['says nothing', silence], ['answers a byte at a time', drip]]) {
    await t.test(`a provider that ${what}`, () => withShop(async (shop) => {
      const sale = await makeSale({ stock: 0 });
      provider.reset({ '/invoice': how });
      const began = Date.now();
      const slow = checkout(sale, shop);
      await until(() => provider.requests.length === 1, 'the provider got the call');
      // Others are served meanwhile by the same worker.
      const other = await makeSale({ stock: 0 });
      assert.equal((await shop.ask('POST', { body: JSON.stringify(checkoutBody(other.order)), params: {} })).status, 401);
      const answer = await slow;
      const took = Date.now() - began;
      assert.equal(answer.status, 502);
      assert.ok(Number(answer.headers['retry-after']) >= 1);
      assert.ok(took >= TIMEOUT_MS - 50 && took < TIMEOUT_MS + soon(1500), `answered after ${took} ms`);
    }));
  }
});

test('a provider that limits the rate', async (t) => {
  for (const [what, headers] of [['says for how long', { 'retry-after': '60' }],
    ['says until when', { 'retry-after': new Date(Date.now() + 60_000).toUTCString() }], ['does not say for how long', {}]]) {
    const limited = (req, res) => res.writeHead(429, { 'content-type': 'application/json', ...headers })
      .end(JSON.stringify({ statusCode: 429, code: 'TOO_MANY_REQUESTS', message: 'Too many requests' }));
    const quickly = async (work) => {
      const began = Date.now();
      const answer = await work();
      assert.ok(Date.now() - began < TIMEOUT_MS + soon(1500));
      return answer;
    };

    await t.test(`and ${what}: a POST is sent once, and known not to have happened`, () => withShop(async (shop) => {
      const sale = await makeSale({ stock: 0 });
      provider.reset({ '/invoice': limited });
      assert.equal((await quickly(() => checkout(sale, shop))).status, 500);
      provider.reset({ '/invoice-payment': limited });
      assert.equal((await quickly(() => checkout(sale, shop))).status, 500);
      assert.deepEqual(provider.requests.map((r) => r.path), ['/invoice', '/invoice-payment'], 'each once');
      assert.deepEqual((await attempts(sale.order)).filter((a) => a.state === 'unknown'), [], 'nothing is in doubt');
      provider.reset();
      assert.equal((await checkout(sale, shop)).status, 200);
      assert.deepEqual(provider.requests.map((r) => r.path), ['/invoice-payment'], 'the invoice that exists is used');
    }));

    await t.test(`and ${what}: a GET falls back to the books within the budget`, async () => {
      const sale = await makeSale({ stock: 0 });
      await withShop(async (shop) => {
        provider.reset();
        assert.equal((await checkout(sale, shop)).status, 200);
      });
      const status = await begin('check-payment-status');
      try {
        provider.reset({ '/payment/id': limited });
        const answer = await quickly(() => status.ask('GET', { params: {
          QUERY_STRING: `orderId=${sale.order.order_id}&userId=${sale.user.id}`, HTTP_AUTHORIZATION: `Bearer ${sale.user.token}`,
        } }));
        assert.deepEqual([answer.status, answer.json.stale], [200, true]);
        assert.ok(provider.requests.length <= 3, 'asked no more than three times');
        if (headers['retry-after']) assert.equal(provider.requests.length, 1, 'not asked again before the time');
      } finally {
        await status.stop();
      }
    });
  }
});

test('answers that nobody could use', async (t) => {
  const bodies = {
    'an answer of 10 MB': (req, res) => { res.writeHead(200, { 'content-type': 'application/json' }); res.end(Buffer.alloc(10_000_000, '"')); },
    'no JSON': (req, res) => res.writeHead(200).end('<html>'),
    'an empty answer': (req, res) => res.writeHead(200).end(),
    'a redirect': (req, res) => res.writeHead(302, { location: `${provider.url}/elsewhere` }).end(),
    '10,000 header lines': (req) => req.socket.end(`HTTP/1.1 200 OK\r\n${'x-filler: y\r\n'.repeat(10_000)}\r\n{}`),
  };
  for (const [what, how] of Object.entries(bodies)) {
    await t.test(what, () => withShop(async (shop) => {
      const sale = await makeSale({ stock: 0 });
      provider.reset({ '/invoice': how });
      const answer = await checkout(sale, shop);
      assert.ok(answer.status >= 500, `${answer.status}`);
      assert.equal(answer.json.success, false);
      assert.deepEqual(provider.requests.map((r) => r.path), ['/invoice'], 'sent once, nothing followed');
      provider.reset();
      assert.equal((await checkout(sale, shop)).status, 200, 'the next request makes it good');
    }));
  }
});

test('answers that no customer may be shown are the provider\'s errors', async (t) => {
  const kinds = {
    'an address without TLS': ['/invoice', { id: '77', invoice_url: 'http://pay.example/i/77' }, 'the invoice has no usable address'],
    'an address of another scheme': ['/invoice', { id: '77', invoice_url: 'javascript://pay.example/%0aalert(1)' }, 'the invoice has no usable address'],
    'an address with a line break': ['/invoice', { id: '77', invoice_url: 'https://pay.example/\n77' }, 'the invoice has no usable address'],
    'an address with a user in it': ['/invoice', { id: '77', invoice_url: 'https://nowpayments.io@pay.example/' }, 'the invoice has no usable address'],
    'an amount of 0': ['/invoice-payment', { ...payment(0, 'waiting'), pay_amount: 0 }, 'the amount to pay is not positive'],
    'an amount below 0': ['/invoice-payment', { ...payment(0, 'waiting'), pay_amount: '-148.5' }, 'the amount to pay is not positive'],
    'a memo that nobody can read': ['/invoice-payment', { ...payment(0, 'waiting'), payin_extra_id: { tag: 5 } }, "the payment's memo is unreadable"],
  };
  for (const [what, [path, body, words]] of Object.entries(kinds)) {
    await t.test(what, () => withShop(async (shop) => {
      const sale = await makeSale({ stock: 0 });
      const answer = (answerBody) => (req, res) => json(res, 200, { ...answerBody, ...(path === '/invoice-payment' ? { payment_id: nextId() } : {}) });
      // The sandbox may be without TLS, the real one not.
      provider.reset({ [path]: answer(body), ...(path === '/invoice' ? {} : { '/invoice': answer({ id: String(nextId()), invoice_url: 'https://pay.example/' }) }) });
      const refused = await checkout(sale, shop);
      assert.equal(refused.status, 500, refused.text);
      assert.deepEqual(refused.json, { success: false, error: `NowPayments error: ${words}` });
      assert.deepEqual((await attempts(sale.order)).map((a) => a.state), ['refused']);
      assert.equal(await orderState(sale.order), 'pending/pending/pending');
    }, { NOWPAYMENTS_SANDBOX_MODE: 'false', NOWPAYMENTS_API_URL: provider.url }));
  }
});

test('a poll reads a payment whatever decides nothing in it', async () => {
  const status = await begin('check-payment-status');
  try {
    for (const more of [{ purchase_id: { a: 1 } }, { outcome_amount: 'much' }, { order_description: '\ud83d' }, { payin_extra_id: [1] }]) {
      const sale = await makeSale({ stock: 0 });
      provider.reset();
      await withShop(async (shop) => assert.equal((await checkout(sale, shop)).status, 200));
      provider.reset({ '/payment/id': (req, res) => json(res, 200, { ...payment(Number(req.url.split('/').at(-1)), 'confirming'), order_id: sale.order.order_id, ...more }) });
      const answer = await status.ask('GET', { params: { QUERY_STRING: `orderId=${sale.order.order_id}&userId=${sale.user.id}`, HTTP_AUTHORIZATION: `Bearer ${sale.user.token}` } });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.json.stale, undefined, JSON.stringify(more));
      assert.equal(answer.json.payment.payment_status, 'confirming', JSON.stringify(more));
    }
  } finally {
    await status.stop();
  }
});

test('answers are asked for as they are, and one in another coding is named', () => withShop(async (shop) => {
  const sale = await makeSale({ stock: 0 });
  let asked;
  provider.reset({ '/invoice': (req, res) => {
    asked = req.headers['accept-encoding'];
    res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(gzipSync('{"id":"1"}'));
  } });
  assert.equal((await checkout(sale, shop)).status, 502);
  assert.equal(asked, 'identity');
  assert.match(shop.log(), /Content-Encoding gzip/);
}));

test('a provider that is not there is not asked again and again', () => withShop(async (shop) => {
  const sale = await makeSale({ stock: 0 });
  for (let i = 0; i < 8; i++) {
    const began = Date.now();
    const answer = await checkout(sale, shop);
    assert.equal(answer.status, 502, answer.text);
    assert.ok(Date.now() - began < soon(2500));
  }
  const made = await attempts(sale.order);
  assert.deepEqual([...new Set(made.map((a) => a.state))], ['unsent'], 'nothing was sent, and the claim is given back each time');
  assert.ok(made.some((a) => a.detail.includes('circuit open')), 'after five faults the circuit is open');
}, { NOWPAYMENTS_SANDBOX_API_URL: 'http://127.0.0.1:1' }));

test('a GET is tried again when its kept connection has died', async () => {
  const sale = await makeSale({ stock: 0 });
  await withShop(async (shop) => {
    provider.reset();
    assert.equal((await checkout(sale, shop)).status, 200);
  });
  const status = await begin('check-payment-status');
  const ask = () => status.ask('GET', { params: {
    QUERY_STRING: `orderId=${sale.order.order_id}&userId=${sale.user.id}`, HTTP_AUTHORIZATION: `Bearer ${sale.user.token}`,
  } });
  try {
    let kept = 0;
    provider.reset({ '/payment/id': (req, res) => {
      if (kept++ === 1) hangUp(req); // the second call: on the connection of the first
      else provider.usual['/payment/id'](req, res);
    } });
    await until(async () => {
      const answer = await ask();
      assert.equal(answer.status, 200, answer.text);
      assert.notEqual(answer.json.stale, true);
      return provider.requests.length >= 3;
    }, 'three calls at the provider');
    assert.equal(await orderState(sale.order), 'processing/pending/pending');

    // And when it never recovers, the stored state is given, within the budget.
    provider.reset({ '/payment/id': silence });
    const began = Date.now();
    const answer = await ask();
    assert.deepEqual([answer.status, answer.json.stale], [200, true]);
    assert.ok(Date.now() - began < 3 * TIMEOUT_MS + soon(2000));
    assert.equal((await rows('select 1 from public.payment_events where order_id = $1', [sale.order.order_id])).length, 1, 'one event: confirming');
  } finally {
    await status.stop();
  }
});
