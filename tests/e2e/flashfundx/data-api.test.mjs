// What the shop's pages and its staff do with tables and functions, by the unmodified client of three releases.
// system: shared
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';

import { createClient as v2_119 } from 'supabase-js-2.119';
import { createClient as v2_39 } from 'supabase-js-2.39';
import { createClient as v2_57 } from 'supabase-js-2.57';
import WebSocket from 'ws';

import { rows, value } from '../lib/db.mjs';
import { credentials, makeSale } from '../lib/flashfundx/shop.mjs';
import { fetchFrom, newAddress } from '../lib/http.mjs';
import { anonKey, serviceKey, url } from '../lib/system.mjs';
import { makeStaff, makeUser } from '../lib/users.mjs';

const releases = { '2.39.8': v2_39, '2.57.4': v2_57, '2.119.1': v2_119 };
const good = ({ data, error, status }) => {
  assert.equal(error, null, `${status} ${JSON.stringify(error)}`);
  return data;
};

for (const [release, create] of Object.entries(releases)) {
  /** A client with the token of a user, or with a key alone. */
  const client = (token, key = anonKey) => create(url, key, {
    auth: { persistSession: false, autoRefreshToken: false }, realtime: { transport: WebSocket },
    global: { fetch: fetchFrom(newAddress()), ...(token ? { headers: { Authorization: `Bearer ${token}` } } : {}) },
  });

  test(`${release}: a customer orders, and reads the own orders with the profile`, async () => {
    const { user, order, product } = await makeSale({ stock: 1 });
    await makeSale({ stock: 0 });
    const shop = client(user.token);
    const [mine] = good(await shop.from('orders').select('order_id, final_amount, user_profiles(first_name, last_name, email)'));
    assert.deepEqual([mine.order_id, mine.user_profiles.email], [order.order_id, user.email]);
    const made = good(await shop.from('orders').insert({
      user_id: user.id, account_type: product.type, account_size: product.size, platform_type: 'mt5',
    }).select().single());
    assert.match(made.order_id, /^FFX\d{9}$/);
    assert.deepEqual([made.order_status, made.payment_status], ['pending', 'pending']);
    const { count, data } = await shop.from('orders').select('*', { count: 'exact', head: true });
    assert.deepEqual([count, data], [2, null]);
    assert.equal(good(await shop.from('orders').select().eq('order_id', made.order_id).single()).id, made.id);
    const none = await shop.from('orders').select().eq('order_id', 'FFX000000000').single();
    assert.deepEqual([none.status, none.error.code], [406, 'PGRST116']);
    assert.equal(good(await shop.from('orders').select().eq('order_id', 'FFX000000000').maybeSingle()), null);
    const both = good(await shop.from('orders').select('order_id').in('order_id', [order.order_id, made.order_id])
      .neq('order_status', 'cancelled').order('created_at', { ascending: false }).order('order_id').limit(1));
    assert.deepEqual(both, [{ order_id: made.order_id }]);
    const foreign = await shop.from('orders').insert({ user_id: (await makeUser()).id, account_type: product.type, account_size: product.size, platform_type: 'mt5' });
    assert.deepEqual([foreign.status, foreign.error.code], [403, '42501']);
  });

  test(`${release}: a customer changes the own profile and nothing else`, async () => {
    const user = await makeUser(), shop = client(user.token);
    const [changed] = good(await shop.from('user_profiles').update({ phone: '+31 1' }).eq('id', user.id).select('id, phone'));
    assert.deepEqual(changed, { id: user.id, phone: '+31 1' });
    const raised = await shop.from('user_profiles').update({ total_spent: 0.5 }).eq('id', user.id);
    assert.deepEqual([raised.status, raised.error.code], [403, '42501']);
    assert.deepEqual(good(await shop.from('user_profiles').update({ phone: '1' }).neq('id', user.id).select()), []);
    assert.equal((await shop.from('orders').delete().neq('order_id', '')).status, 204);
  });

  test(`${release}: who is banned is refused at once, who is suspended reads and does not buy`, async () => {
    const { user, order, product } = await makeSale({ stock: 1 }), shop = client(user.token);
    const buy = () => shop.from('orders').insert({ user_id: user.id, account_type: product.type, account_size: product.size, platform_type: 'mt5' });
    await rows(`select platform.set_standing($1, 'suspended', 'test')`, [user.id]);
    assert.equal(good(await shop.from('orders').select('order_id'))[0].order_id, order.order_id);
    assert.equal((await buy()).error.message, 'This account is suspended and cannot order');
    await rows(`select platform.set_standing($1, 'banned', 'test')`, [user.id]);
    for (const answer of [await shop.from('orders').select('order_id'), await buy(), await shop.rpc('get_available_accounts_count')])
      assert.deepEqual([answer.status, answer.error.code], [403, 'user_banned']);
    await rows(`select platform.set_standing($1, 'active', 'test')`, [user.id]);
    assert.equal((await buy()).status, 201);
  });

  test(`${release}: prices, rules and stock, as the shop's pages ask for them`, async () => {
    const visitor = client();
    const prices = good(await visitor.from('prices').select('account_type, account_size, price').eq('is_active', true).order('price'));
    assert.ok(prices.length > 10 && prices.every((p, i) => i === 0 || p.price >= prices[i - 1].price));
    assert.ok(good(await visitor.from('trading_rules').select('count'))[0].count >= 36);
    assert.equal(good(await visitor.from('account_container').select('*')).length, 0);
    const closed = await visitor.from('payments').select('*');
    assert.deepEqual([closed.status, closed.error.code], [401, '42501']);
    const unknown = await visitor.from('nothing_of_this_kind').select('*');
    assert.deepEqual([unknown.status, unknown.error.code], [404, 'PGRST205']);
    const user = await makeUser();
    assert.ok(Array.isArray(good(await client(user.token).rpc('get_available_accounts_count'))));
    assert.equal((await visitor.rpc('get_available_accounts_count')).status, 401);
  });

  test(`${release}: a delivered account shows its owner the passwords, each look on record`, async () => {
    const { user, order } = await makeSale({ stock: 1 });
    await rows(`update public.orders set order_status = 'processing', payment_status = 'paid', paid_at = now() where order_id = $1`, [order.order_id]);
    const staff = await makeStaff('support');
    const delivery = good(await client(staff.token).rpc('deliver_account_to_user', { p_order_id: order.order_id, p_user_id: user.id }));
    assert.equal(delivery.success, true);
    const clear = await credentials(order);
    const [account] = good(await client(user.token).from('delivered_accounts').select('*').eq('order_id', order.order_id));
    assert.deepEqual([account.password, account.investor_password], [clear.password, clear.investor_password]);
    assert.equal(account.login_id.length > 0, true);
    const reveals = () => value(`select count(*) from public.credential_reveals where account_id = $1 and reader = $2`,
      [account.container_account_id, user.email]);
    assert.equal(Number(await reveals()), 2, 'both passwords');
    good(await client(user.token).from('delivered_accounts').select('login_id').eq('order_id', order.order_id));
    assert.equal(Number(await reveals()), 2, 'and nothing for other columns');
    for (const one of [client(staff.token), client(null, serviceKey)]) {
      const [seen] = good(await one.from('delivered_accounts').select('login_id, password').eq('order_id', order.order_id));
      assert.deepEqual(seen, { login_id: account.login_id, password: null });
    }
    for (const path of ['password=eq.x', 'order=password', 'select=password::text', 'select=to_jsonb', 'select=p:password->>a']) {
      const refused = await fetchFrom(newAddress())(`${url}/rest/v1/delivered_accounts?${path}`, { headers: { apikey: anonKey, Authorization: `Bearer ${user.token}` } });
      assert.ok(refused.status === 403 || refused.status === 400, `${path}: ${refused.status}`);
      assert.doesNotMatch(await refused.text(), new RegExp(clear.password));
    }
  });

  test(`${release}: staff work by their duties`, async () => {
    const { order, user } = await makeSale({ stock: 1 });
    const finance = client((await makeStaff('finance')).token), depot = client((await makeStaff('inventory')).token);
    const [seen] = good(await finance.from('orders').select('order_id, user_profiles!inner(email)').eq('user_profiles.email', user.email));
    assert.equal(seen.order_id, order.order_id);
    assert.deepEqual(good(await depot.from('orders').select('order_id').eq('order_id', order.order_id)), []);
    const cut = good(await finance.rpc('grant_discount', { p_order_id: order.order_id, p_discount: 1, p_reason: 'loyal' }));
    assert.equal(cut.success, true);
    assert.equal((await depot.rpc('grant_discount', { p_order_id: order.order_id, p_discount: 1, p_reason: 'x' })).status, 403);
    assert.deepEqual(good(await finance.from('orders').update({ order_status: 'completed' }).eq('order_id', order.order_id).select()), []);
    const booked = good(await finance.rpc('book_manual_payment', {
      p_order_id: order.order_id, p_amount: Number(cut.final_amount), p_reference: `wire-${order.order_id}`, p_reason: 'wired' }));
    assert.deepEqual([booked.success, booked.order], [true, 'completed/paid/delivered']);
    const report = good(await finance.rpc('revenue_report', { p_from: '2020-01-01', p_to: '2099-01-01' }));
    assert.ok(report.length > 0);
  });

  test(`${release}: the service key writes many rows, and again`, async () => {
    const server = client(null, serviceKey);
    const made = [1, 2].map((n) => ({ crypto_name: `T${release}${n}`.slice(0, 10), network: 'x', display_name: 'Test', wallet_address: 'w'.repeat(30), sort_order: n }));
    const first = good(await server.from('crypto_addresses').upsert(made, { onConflict: 'crypto_name,network' }).select('crypto_name, sort_order'));
    assert.deepEqual(first.map((r) => r.sort_order), [1, 2]);
    const again = await server.from('crypto_addresses').upsert(made.map((r) => ({ ...r, sort_order: 9 })), { onConflict: 'crypto_name,network' }).select('sort_order');
    assert.deepEqual([again.status, again.data], [200, [{ sort_order: 9 }, { sort_order: 9 }]]);
    assert.deepEqual(good(await server.from('crypto_addresses').delete().in('crypto_name', made.map((r) => r.crypto_name)).select('crypto_name')).length, 2);
  });
}

/** Resolves to the headers and bytes of an answer, as they come. */
const bytesOf = (path, headers) => new Promise((resolve, reject) => {
  request(`${url}/rest/v1/${path}`, { headers: { apikey: serviceKey, ...headers }, agent: false, localAddress: newAddress() }, (res) => {
    const parts = [];
    res.on('data', (part) => parts.push(part)).on('error', reject).on('end', () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts) }));
  }).on('error', reject).end();
});

for (const [what, path] of Object.entries({ held: 'trading_rules?limit=30&order=id', 'sent as they come': 'trading_rules?order=id' }))
  test(`rows that are ${what} are compressed for who takes it`, async () => {
    const plain = await bytesOf(path, {}), small = await bytesOf(path, { 'accept-encoding': 'gzip' });
    assert.deepEqual([plain.status, plain.headers['content-encoding'], small.status, small.headers['content-encoding']], [200, undefined, 200, 'gzip']);
    assert.match(small.headers.vary, /Accept-Encoding/);
    assert.equal(small.headers['content-range'], plain.headers['content-range']);
    assert.ok(small.body.length < plain.body.length / 2, `${small.body.length} of ${plain.body.length}`);
    assert.deepEqual(gunzipSync(small.body), plain.body);
    const single = await bytesOf('trading_rules?select=id&order=id&limit=1', { 'accept-encoding': 'gzip', accept: 'application/vnd.pgrst.object+json' });
    assert.deepEqual([single.status, single.headers['content-encoding']], [200, undefined], 'what is short is not');
  });
