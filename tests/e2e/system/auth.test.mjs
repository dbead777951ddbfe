// Who may call: tokens, good and forged, at every door that asks for one.
// system: shared
import assert from 'node:assert/strict';
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { call, client, invoke } from '../lib/http.mjs';
import { checkoutBody, makeSale } from '../lib/flashfundx/shop.mjs';
import { anonKey, door, env, functionNames, serviceKey } from '../lib/system.mjs';
import { Private } from '../lib/process.mjs';
import { mint, newPair, userClaims, userToken } from '../lib/tokens.mjs';
import { makeUser } from '../lib/users.mjs';

const guarded = functionNames.map(door).filter((s) => /user|service/.test(s.who) && !/anon/.test(s.who));
const now = () => Math.floor(Date.now() / 1000);
const b64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Claims that pass the door when they are rightly signed; the sub keeps the rate limit apart. */
const claimsFor = (s, user) =>
  s.who === 'user'
    ? userClaims(user)
    : { role: 'service_role', iss: 'supabase', sub: randomUUID(), iat: now(), exp: now() + 60 };

const send = (s, options) => {
  const method = s.methods[0];
  return call(method, s.route, { ...(method === 'GET' ? {} : { body: {} }), ...options });
};

function refused(answer, status, error, what) {
  assert.equal(answer.status, status, `${what}: ${answer.status} ${answer.text}`);
  assert.match(answer.headers['content-type'], /^application\/json/, what);
  assert.equal(answer.json?.success, false, what);
  if (error instanceof RegExp) assert.match(answer.json.error, error, what);
  else assert.equal(answer.json.error, error, what);
  assert.equal(answer.headers['access-control-allow-origin'], '*', what);
  const challenge = answer.headers['www-authenticate'];
  // RFC 6750, 3: a parameter at least; an error only where a token was sent.
  if (status !== 401) assert.equal(challenge, undefined, what);
  else if (error === 'Missing authorization header') assert.equal(challenge, 'Bearer realm="functions"', what);
  else assert.match(challenge, /^Bearer realm="functions"(, error="invalid_token")?$/, what);
}

function forgeries(good) {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = publicKey.export({ type: 'spki', format: 'pem' });
  const token = mint(good);
  const [header, payload, signature] = token.split('.');
  const none = (alg) => `${b64({ alg, typ: 'JWT' })}.${b64(good)}.`;
  const rsaText = `${b64({ alg: 'RS256', typ: 'JWT' })}.${b64(good)}`;
  const flipped = signature[0] === 'A' ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
  // The last character holds two bits that no byte needs: another spelling of the same signature.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const respelled = signature.slice(0, -1) + alphabet[alphabet.indexOf(signature.at(-1)) ^ 1];
  return {
    'alg none': none('none'),
    'alg None': none('None'),
    'alg nOnE with the good signature': `${b64({ alg: 'nOnE', typ: 'JWT' })}.${payload}.${signature}`,
    'alg none, no second dot': none('none').slice(0, -1),
    'HS512 by the right key': mint(good, { header: { alg: 'HS512', typ: 'JWT' }, hash: 'sha512' }),
    'HS256 signature under an HS512 header': mint(good, { header: { alg: 'HS512', typ: 'JWT' } }),
    'HS256 signature under an RS256 header': mint(good, { header: { alg: 'RS256', typ: 'JWT' } }),
    'RS256 by a key of the attacker': `${rsaText}.${createSign('sha256').update(rsaText).sign(privateKey, 'base64url')}`,
    'HS256 with a public key as secret': mint(good, { secret: pem }),
    'key of the attacker in the header': mint(good, {
      secret: 'attacker',
      header: {
        alg: 'HS256',
        typ: 'JWT',
        jwk: { kty: 'oct', k: Buffer.from('attacker').toString('base64url') },
      },
    }),
    'critical extension': mint(good, { header: { alg: 'HS256', typ: 'JWT', crit: ['x'], x: 1 } }),
    'no alg': mint(good, { header: { typ: 'JWT' } }),
    'another secret': mint(good, { secret: 'x'.repeat(64) }),
    'the secret cut by one': mint(good, { secret: env.JWT_SECRET.slice(0, -1) }),
    'an empty secret': mint(good, { secret: '' }),
    'payload changed': `${header}.${b64({ ...good, sub: randomUUID() })}.${signature}`,
    'header changed': `${b64({ typ: 'JWT', alg: 'HS256' })}.${payload}.${signature}`,
    'signature changed': `${header}.${payload}.${flipped}`,
    'signature spelled otherwise': `${header}.${payload}.${respelled}`,
    'signature cut': token.slice(0, -1),
    'signature cut by a whole byte': token.slice(0, -2),
    'signature longer': `${token}AA`,
    'signature padded': `${token}=`,
    'signature empty': `${header}.${payload}.`,
    'payload cut': `${header}.${payload.slice(0, -4)}.${signature}`,
    'four parts': `${token}.${signature}`,
    'two parts': `${header}.${payload}`,
    'one part': header,
    'no token at all': 'x',
    'a null byte in the middle': `${header}.${payload}%00.${signature}`,
    'payload no object': mint([1]),
    expired: mint({ ...good, exp: now() - 3600 }),
    'without an end': mint({ ...good, exp: undefined }),
    'end as text': mint({ ...good, exp: String(now() + 3600) }),
    'not valid yet': mint({ ...good, nbf: now() + 3600 }),
    'issued in the future': mint({ ...good, iat: now() + 3600 }),
    'unknown role': mint({ ...good, role: 'postgres' }),
    'no role': mint({ ...good, role: undefined }),
    'role in another case': mint({ ...good, role: good.role.toUpperCase() }),
    'several roles': mint({ ...good, role: [good.role] }),
    'sub that is no uuid': mint({ ...good, sub: "1' or '1'='1" }),
    'very long': `${token}${'A'.repeat(6000)}`,
  };
}

for (const s of guarded) {
  test(`${s.name}: without a token, 401`, async () => {
    refused(await send(s, {}), 401, 'Missing authorization header', 'nothing');
    refused(await send(s, { headers: { authorization: '' } }), 401, 'Missing authorization header', 'empty');
    refused(
      await send(s, { headers: { authorization: 'Bearer' } }),
      401,
      'Missing authorization header',
      'no token behind Bearer',
    );
    refused(
      await send(s, { headers: { authorization: 'Bearer ' } }),
      401,
      'Missing authorization header',
      'empty token',
    );
  });

  test(`${s.name}: another scheme than Bearer, 401`, async () => {
    const token = mint(claimsFor(s, await makeUser()));
    for (const value of [token, `Basic ${token}`, `Token ${token}`, `Bearer${token}`]) {
      // Not even with a good key beside it: what stands in Authorization counts.
      refused(
        await send(s, { headers: { authorization: value }, apikey: token }),
        401,
        /./,
        value.slice(0, 8),
      );
    }
  });

  test(`${s.name}: forged, broken and worn-out tokens, 401`, async () => {
    const good = claimsFor(s, await makeUser());
    for (const [what, token] of Object.entries(forgeries(good))) {
      const answer = await send(s, { token });
      refused(answer, 401, what === 'expired' ? 'Token has expired' : /./, what);
      assert.match(answer.headers['www-authenticate'], /error="invalid_token"/, what);
      assert.doesNotMatch(answer.text, /signature|secret|HS256|alg/i, `${what}: the answer tells too much`);
    }
  });

  test(`${s.name}: the good token that the forgeries were made of passes`, async () => {
    const token = mint(claimsFor(s, await makeUser()));
    for (const headers of [
      { authorization: `Bearer ${token}` },
      { authorization: `bearer ${token}` },
      { authorization: `BEARER ${token}` },
    ]) {
      const answer = await send(s, { headers });
      assert.notEqual(answer.status, 401, answer.text);
      assert.notEqual(answer.status, 403, answer.text);
    }
  });

  test(`${s.name}: the key alone, in apikey, is the token`, async () => {
    refused(await send(s, { apikey: anonKey }), s.who === 'staff+service' ? 403 : 401, /./, 'anonymous key');
    const answer = await send(s, { apikey: mint(claimsFor(s, await makeUser())) });
    assert.equal(answer.status, 400, answer.text);
  });
}

for (const s of guarded.filter((one) => one.who === 'user')) {
  test(`${s.name}: a project key is no user, 401`, async () => {
    refused(await send(s, { token: anonKey, apikey: anonKey }), 401, 'User token required', 'anonymous key');
    refused(
      await send(s, { token: serviceKey, apikey: serviceKey }),
      401,
      'User token required',
      'service key',
    );
    refused(
      await send(s, { token: userToken({ id: undefined, email: 'x@example.com' }) }),
      401,
      /./,
      'user token without sub',
    );
  });
}

for (const s of guarded.filter((one) => one.who === 'staff+service')) {
  test(`${s.name}: users and the anonymous key are not let in, 403`, async () => {
    const user = await makeUser();
    refused(await send(s, { token: user.token, apikey: anonKey }), 403, 'For staff only', 'user');
    refused(
      await send(s, { token: anonKey, apikey: anonKey }),
      403,
      'For staff only',
      'anonymous',
    );
    const admin = await makeUser({
      claims: { app_metadata: { role: 'service_role' }, user_metadata: { role: 'service_role' } },
    });
    refused(await send(s, { token: admin.token }), 403, 'For staff only', 'role in the metadata');
    // The service key beside a user's token does not lift the user.
    refused(
      await send(s, { token: user.token, apikey: serviceKey }),
      403,
      'For staff only',
      'key beside a user',
    );
  });
}

test("the system's own keys are what they should be", () => {
  for (const [key, role] of [
    [anonKey, 'anon'],
    [serviceKey, 'service_role'],
  ]) {
    const claims = JSON.parse(Buffer.from(key.split('.')[1], 'base64url'));
    assert.equal(claims.role, role);
    assert.equal(claims.sub, undefined);
    assert.ok(claims.exp > now());
    assert.equal(mint(claims, { header: JSON.parse(Buffer.from(key.split('.')[0], 'base64url')) }), key);
  }
});

test('a token a few seconds past its end passes, for clocks differ; a minute past it does not', async () => {
  const user = await makeUser();
  const soon = await invoke('create-crypto-payment', {
    token: userToken(user, { exp: now() - 5 }),
    body: {},
  });
  assert.equal(soon.status, 400);
  const late = await invoke('create-crypto-payment', {
    token: userToken(user, { exp: now() - 60 }),
    body: {},
  });
  assert.equal(late.status, 401);
});

test("the identity is the token's, whatever the body claims", async () => {
  const sale = await makeSale();
  const thief = await makeUser();
  const answer = await invoke('create-crypto-payment', {
    token: thief.token,
    body: checkoutBody(sale.order),
  });
  assert.equal(answer.status, 403);
  assert.deepEqual(answer.json, { success: false, error: 'Unauthorized' });
});

test('supabase-js reads a refusal: FunctionsHttpError with the JSON in its context', async () => {
  const { data, error } = await client().functions.invoke('create-crypto-payment', { body: {} });
  assert.equal(data, null);
  assert.equal(error.name, 'FunctionsHttpError');
  assert.equal(error.context.status, 401);
  assert.deepEqual(await error.context.json(), { success: false, error: 'User token required' });
});

// ---- keys of pairs ----

test('tokens of ES256 and RS256 are good under the keys that are set, each under its own', async () => {
  const user = await makeUser();
  const es = newPair('ES256', 'es'), rs = newPair('RS256', 'rs'), stranger = newPair('ES256', 'es');
  const claims = userClaims(user);
  const statusOf = async (fn, token) => {
    const answer = await fn.ask('GET', { params: {
      QUERY_STRING: `orderId=FFX000000000&userId=${user.id}`, HTTP_AUTHORIZATION: `Bearer ${token}` } });
    return answer.status;
  };
  const good = [es.mint(claims), rs.mint(claims)];
  const bad = {
    'a stranger with the same kid': stranger.mint(claims),
    'no kid': es.mint(claims, { alg: 'ES256', typ: 'JWT' }),
    'a kid that nobody knows': es.mint(claims, { alg: 'ES256', kid: 'x', typ: 'JWT' }),
    "the other key's kid": es.mint(claims, { alg: 'ES256', kid: 'rs', typ: 'JWT' }),
    'HS256 under the public key': mint(claims, { secret: es.pem, header: { alg: 'HS256', kid: 'es', typ: 'JWT' } }),
    'HS256 under the public key, no kid': mint(claims, { secret: es.pem }),
    'expired': es.mint({ ...claims, exp: now() - 60 }),
  };
  const keys = JSON.stringify({ keys: [es.jwk, rs.jwk] });
  for (const [secret, legacy] of [[env.JWT_SECRET, 404], ['', 401]]) {
    const fn = await Private.start('check-payment-status', { KEYS_FILE: '', JWT_KEYS: keys, JWT_SECRET: secret, RATE_LIMIT: 'false' });
    try {
      for (const token of good)
        for (let use = 0; use < 2; use++) assert.equal(await statusOf(fn, token), 404, 'it comes in, and there is no such order');
      for (const [what, token] of Object.entries(bad)) assert.equal(await statusOf(fn, token), 401, what);
      assert.equal(await statusOf(fn, mint(claims)), legacy, 'HS256 under the secret, while there is one');
    } finally {
      await fn.stop();
    }
  }
});

test('with no key at all a function that takes tokens does not start', async () => {
  await assert.rejects(Private.start('check-payment-status', { KEYS_FILE: '', JWT_KEYS: '', JWT_SECRET: '' }), /JWT_KEYS: must be set, or KEYS_FILE, or JWT_SECRET/);
  await assert.rejects(Private.start('check-payment-status', { JWT_KEYS: '{"keys":[{"kty":"oct","k":"AA","alg":"HS256","kid":"a"}]}' }),
    /JWT_KEYS: must have public keys only/);
});
