// Tokens of other issuers: who brings one, what is refused, and an issuer with all its troubles.
// system: shared, long
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, describe, test } from 'node:test';

import { Issuer, troubles } from '../lib/issuer.mjs';
import { Private, testFunction } from '../lib/process.mjs';
import { anonKey, env, functionNames, serviceKey, spec, url } from '../lib/system.mjs';
import { mint, newPair, userClaims, userToken } from '../lib/tokens.mjs';
import { soon, until } from '../lib/wait.mjs';

const now = () => Math.floor(Date.now() / 1000);
const user = () => ({ id: randomUUID(), email: 'somebody@example.com' });
let program;
before(async () => { program = await testFunction('whoami'); });

/** whoami with these issuers, as long as the test; ask(token) says who that is. */
async function whoami(t, issuers, settings = {}) {
  const fn = await Private.start('whoami', { JWT_SECRET: env.JWT_SECRET, AUTH_ISSUERS: JSON.stringify(issuers), ...settings }, { program });
  t.after(() => fn.stop());
  const ask = (token, path = '', more = {}) => fn.ask('GET', {
    params: { PATH_INFO: path, ...(token === undefined ? {} : { HTTP_AUTHORIZATION: `Bearer ${token}` }), ...more },
  });
  return { fn, ask };
}

async function issuer(t, ...keys) {
  const self = await Issuer.start(...keys);
  t.after(() => self.down().catch(() => {})); // it may be down already
  return self;
}

const is = async (answer, status, what) => {
  const { status: got, text } = await answer;
  assert.equal(got, status, `${what ?? ''} ${text}`);
};

describe('tokens', () => {
  test('who brings one is the issuer\'s, and nobody here', async (t) => {
    const es = await issuer(t), rs = await issuer(t, newPair('RS256', 'key-1'));
    const { ask } = await whoami(t, [es.entry({ audience: 'api', azp: ['web'] }), rs.entry()]);
    for (const one of [es, rs, es]) {
      const token = one.token({ role: 'service_role', email: 'a@example.com', email_verified: true });
      for (let use = 0; use < 2; use++) {
        const answer = await ask(token);
        assert.deepEqual(answer.json,
          { issuer: one.iss, subject: 'user_2abc', user_id: '', role: '', email: 'a@example.com', claims: null }, answer.text);
      }
    }
    assert.deepEqual([es.fetches, rs.fetches], [1, 1]);
  });

  test('a key without alg is taken by its kind, and keys for something else do not matter', async (t) => {
    const key = newPair('RS256', 'key-1');
    delete key.jwk.alg;
    const one = await issuer(t, { jwk: { kty: 'OKP', crv: 'Ed25519', x: 'AA', kid: 'key-0' } },
      { jwk: { ...newPair('RS256', 'key-2').jwk, use: 'enc' } }, key);
    const { ask } = await whoami(t, [one.entry()]);
    await is(ask(one.token({}, key)), 200);
  });

  test('what is not as the list says is refused', async (t) => {
    const one = await issuer(t), other = await issuer(t);
    const { ask } = await whoami(t, [one.entry({ audience: 'api', azp: ['web'] }), other.entry()]);
    const key = one.keys[0], kid = key.jwk.kid;
    const hs256 = (secret) => mint(one.claims(), { secret, header: { alg: 'HS256', kid, typ: 'JWT' } });
    const none = `${Buffer.from(JSON.stringify({ alg: 'none', kid })).toString('base64url')}.${one.token().split('.')[1]}.`;
    const refused = {
      'wrong audience': one.token({ aud: 'another' }),
      'no audience': one.token({ aud: undefined }),
      'wrong azp': one.token({ azp: 'evil' }),
      'no subject': one.token({ sub: undefined }),
      'not yet': one.token({ nbf: now() + 100 }),
      'of the future': one.token({ iat: now() + 100, exp: now() + 200 }),
      'lives over 24 hours': one.token({ exp: now() + 24 * 3600 + 10 }),
      'of no age': one.token({ iat: undefined }),
      'HS256 with the public key (PEM)': hs256(key.pem),
      'HS256 with the public key (JWK)': hs256(JSON.stringify(key.jwk)),
      'HS256 with the secret of this system': hs256(env.JWT_SECRET),
      'alg none': none,
      'no kid': key.mint(one.claims(), { alg: 'ES256', typ: 'JWT' }),
      'another alg': key.mint(one.claims(), { alg: 'RS256', kid }),
      'crit': key.mint(one.claims(), { alg: 'ES256', kid, crit: ['exp'] }),
      'the other issuer\'s key, of the same kid': other.keys[0].mint(one.claims()),
      'the other issuer\'s words': one.keys[0].mint(other.claims()),
      'an issuer that nobody listed': one.token({ iss: 'https://evil.example' }),
      'this system\'s words with a foreign key': one.keys[0].mint(userClaims(user())),
      'a foreign issuer\'s words with the secret of this system': mint(userClaims(user(), { iss: one.iss })),
      'half of it': one.token().slice(0, -5),
    };
    await is(ask(one.token()), 200);
    for (const [what, token] of Object.entries(refused)) {
      for (const path of ['', '/open']) {
        const answer = await ask(token, path);
        assert.deepEqual([answer.status, answer.json.error], [401, 'Invalid token'], `${what}: ${answer.text}`);
      }
    }
    const late = await ask(one.token({ iat: now() - 700, exp: now() - 31 }));
    assert.deepEqual([late.status, late.json.error], [401, 'Token has expired']);
    await is(ask(one.token({ iat: now() - 700, exp: now() - 20 })), 200, 'a clock that is 20 s off');
    await is(ask(one.token({ azp: undefined })), 200, 'without azp');
    await is(ask(one.token({ aud: ['x', 'api'] })), 200, 'among others');
  });

  test('our own tokens and keys are as everywhere', async (t) => {
    const one = await issuer(t), somebody = user();
    const { ask } = await whoami(t, [one.entry()]);
    const answer = await ask(userToken(somebody));
    assert.deepEqual([answer.json.user_id, answer.json.role, answer.json.issuer], [somebody.id, 'authenticated', null], answer.text);
    assert.equal(JSON.parse(answer.json.claims).sub, somebody.id);
    await is(ask(anonKey), 401, 'the anonymous key');
    await is(ask(undefined), 401, 'no token');
    await is(ask(undefined, '/open'), 200, 'no token where none is needed');
    await is(ask(userToken(somebody), '/open'), 401, 'a route for other issuers only');
    assert.equal(one.fetches, 0);
  });

  test('where a route does not say so they are refused, known or not', async (t) => {
    const one = await issuer(t), token = one.token();
    const { ask } = await whoami(t, [one.entry()]);
    for (const known of [false, true]) {
      await is(ask(token, '/ours'), 401, `known: ${known}`);
      await is(ask(token), 200);
    }
  });

  test('no function of this system takes one', async (t) => {
    const one = await issuer(t);
    for (const name of functionNames)
      assert.deepEqual(spec(name).routes.filter((r) => r.who.includes('foreign')), [], name);
    for (const [path, key] of [['/rest/v1/', anonKey], ['/rest/v1/', serviceKey], ['/auth/v1/user', anonKey]]) {
      const answer = await fetch(`${url}${path}`, { headers: { apikey: key, authorization: `Bearer ${one.token()}` } });
      assert.ok([401, 403].includes(answer.status), `${path}: ${answer.status} ${await answer.text()}`);
    }
    assert.equal(one.fetches, 0);
  });

  test('calls are counted by issuer and subject', async (t) => {
    const one = await issuer(t), other = await issuer(t);
    const { ask } = await whoami(t, [one.entry(), other.entry()]);
    for (const [who, sub] of [[one, 'a'], [one, 'b'], [other, 'a']]) {
      for (const status of [200, 200, 429]) await is(ask(who.token({ sub }), '/seldom'), status, `${who.iss} ${sub}`);
    }
  });

  test('a list that says something else is refused at the start', async () => {
    for (const [list, what] of [
      ['[{"iss":"a","jwks_url":"http://a.example/"}]', /AUTH_ISSUERS: must have an https:\/\/ URL as jwks_url/],
      ['[{"iss":"a","jwks_url":"https://a.example/","aud":"x"}]', /AUTH_ISSUERS: must be a JSON list of/],
    ]) await assert.rejects(Private.start('whoami', { JWT_SECRET: env.JWT_SECRET, AUTH_ISSUERS: list }, { program }), what);
  });
});

describe('keys', { concurrency: 16 }, () => {
  test('a storm of unknown keys is one fetch', async (t) => {
    const one = await issuer(t), stranger = newPair('ES256', 'stranger');
    const { ask } = await whoami(t, [one.entry()]);
    const storm = await Promise.all(Array.from({ length: 500 }, (_, i) =>
      ask(stranger.mint(one.claims(), { alg: 'ES256', kid: `unknown-${i}` }))));
    assert.deepEqual(new Set(storm.map((answer) => answer.status)), new Set([401]));
    assert.equal(one.fetches, 1);
    await is(ask(one.token()), 200);
    assert.equal(one.fetches, 1);
  });

  test('many first tokens at once are one fetch', async (t) => {
    const one = await issuer(t);
    one.trouble = (response) => setTimeout(() => one.publish(response), 300);
    const { ask } = await whoami(t, [one.entry()]);
    const all = await Promise.all(Array.from({ length: 200 }, (_, i) => ask(one.token({ sub: `user_${i}` }))));
    assert.deepEqual(all.map((answer) => answer.json?.subject), all.map((_, i) => `user_${i}`));
    assert.equal(one.fetches, 1);
  });

  test('rotation is noticed: a new key counts, and a withdrawn one does no more', async (t) => {
    const one = await issuer(t), [old] = one.keys, fresh = newPair('ES256', 'key-2');
    const { ask } = await whoami(t, [one.entry()]);
    const known = one.token();
    await is(ask(known), 200);
    one.keys = [fresh];
    await is(ask(one.token()), 401, 'within 30 s of the last fetch');
    await is(ask(known), 200, 'the old one, until the keys are fetched again');
    await until(async () => (await ask(one.token())).status === 200, 'the new key counts', { timeout: 60_000, every: 500 });
    assert.equal(one.fetches, 2);
    await is(ask(known), 401, 'a token that was known, of a key that is withdrawn');
    await is(ask(one.token({}, old)), 401, 'another one of it');
  });

  test('while the issuer is down its keys go on', async (t) => {
    const one = await issuer(t), stranger = newPair('ES256', 'stranger');
    const { fn, ask } = await whoami(t, [one.entry()]);
    await is(ask(one.token()), 200);
    await one.down();
    await until(async () => {
      await is(ask(stranger.mint(one.claims())), 401, 'an unknown key');
      await is(ask(one.token({ sub: randomUUID() })), 200, 'a known one');
      return fn.log().includes('"issuer_keys"');
    }, 'a fetch has failed', { timeout: 60_000, every: 500 });
    await is(ask(one.token({ sub: randomUUID() })), 200, 'after that');
  });

  test('an issuer that was never reached is unavailable, until it is there', async (t) => {
    const one = await issuer(t);
    await one.down();
    const { ask } = await whoami(t, [one.entry()]);
    const answer = await ask(one.token());
    assert.deepEqual([answer.status, answer.json.error], [503, 'The token\'s issuer is not reachable']);
    const wait = Number(answer.headers['retry-after']);
    assert.ok(wait >= 25 && wait <= 30, answer.headers['retry-after']);
    await is(ask(one.token(), '/open'), 503, 'where no token is needed');
    await is(ask(userToken(user())), 200, 'our own');
    await one.up();
    await until(async () => (await ask(one.token())).status === 200, 'it is there', { timeout: 60_000, every: 500 });
    assert.equal(one.fetches, 1);
  });

  for (const [name, trouble] of Object.entries(troubles)) {
    test(`an issuer in trouble: ${name}`, async (t) => {
      const one = await issuer(t), healthy = await issuer(t);
      one.trouble = trouble;
      const { ask } = await whoami(t, [one.entry(), healthy.entry()]);
      const began = Date.now();
      const all = Promise.all(Array.from({ length: 20 }, () => ask(one.token())));
      await is(ask(healthy.token()), 200, 'the other one');
      assert.deepEqual(new Set((await all).map((answer) => answer.status)), new Set([503]));
      assert.ok(Date.now() - began < soon(8000), `${Date.now() - began} ms`);
      assert.equal(one.fetches, 1);
    });
  }

  test('an issuer that has withdrawn all keys refuses all tokens', async (t) => {
    const one = await issuer(t), token = one.token();
    one.keys = [];
    const { ask } = await whoami(t, [one.entry()]);
    await is(ask(token), 401);
  });

  test('who leaves while the keys come does not keep the others from them', async (t) => {
    const one = await issuer(t);
    let answer;
    const asked = new Promise((resolve) => { one.trouble = (response) => { answer = response; resolve(); }; });
    const { fn, ask } = await whoami(t, [one.entry()]);
    const first = await fn.open();
    const gone = first.request('GET', { params: { HTTP_AUTHORIZATION: `Bearer ${one.token()}` } });
    await asked;
    first.close();
    assert.equal(await gone, null);
    const second = ask(one.token({ sub: 'second' }));
    one.publish(answer);
    await is(second, 200);
    assert.equal(one.fetches, 1);
  });
});
