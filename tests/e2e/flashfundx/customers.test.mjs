// What a customer may read and write by SQL under row level security, as the data API does.
// system: shared
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { as } from '../lib/db.mjs';
import { ipnBody, postIpn } from '../lib/flashfundx/ipn.mjs';
import { addStock, makeOrder, makeProduct, orderState } from '../lib/flashfundx/shop.mjs';
import { userClaims } from '../lib/tokens.mjs';
import { makeUser } from '../lib/users.mjs';

test('a customer orders, pays and reads what is his, and nothing of others', async () => {
  const product = await makeProduct();
  await addStock(product);
  const user = await makeUser();
  const other = await makeUser();
  const [order] = await as(userClaims(user), (query) =>
    query(
      `insert into public.orders (user_id, account_type, account_size, platform_type, amount, final_amount, order_status, payment_status)
     values ($1, $2, $3::numeric, $4, $5::numeric, $5::numeric, 'completed', 'paid') returning *`,
      [user.id, product.type, product.size, product.platform, product.price],
    ),
  );
  assert.match(order.order_id, /^FFX\d{9}$/);
  assert.equal(
    `${order.order_status}/${order.payment_status}/${order.delivery_status}`,
    'pending/pending/pending',
    'a new order is always pending',
  );
  assert.equal((await postIpn(ipnBody(order, 'finished'))).status, 200);

  const reads = async (claims) =>
    as(claims, async (query) => ({
      orders: (await query('select order_id from public.orders where order_id = $1', [order.order_id]))
        .length,
      accounts: (
        await query('select password from public.delivered_accounts where order_id = $1', [order.order_id])
      ).length,
      books: (await query('select id from public.payment_transactions where order_id = $1', [order.order_id]))
        .length,
      profiles: (await query('select id from public.user_profiles')).length,
      stock: (await query('select id from public.account_container')).length,
      prices: (await query('select id from public.prices where account_size = $1', [product.size])).length,
    }));
  assert.deepEqual(await reads(userClaims(user)), {
    orders: 1,
    accounts: 1,
    books: 1,
    profiles: 1,
    stock: 0,
    prices: 1,
  });
  assert.deepEqual(await reads(userClaims(other)), {
    orders: 0,
    accounts: 0,
    books: 0,
    profiles: 1,
    stock: 0,
    prices: 1,
  });
});

test("a customer cannot set a price, a state, a standing or somebody else's name", async () => {
  const denied = { code: '42501' };
  const againstPriceRules = { code: '23514' };
  const product = await makeProduct({ price: '500.00' });
  const user = await makeUser();
  const other = await makeUser();
  const order = await makeOrder(user, product);
  const ask = (text, params) => as(userClaims(user), (query) => query(text, params));
  const insert = (userId, amount, finalAmount, discount) =>
    ask(
      `insert into public.orders (user_id, account_type, account_size, platform_type, amount, final_amount,
         discount_amount)
       values ($1, $2, $3::numeric, $4, $5::numeric, $6::numeric, $7::numeric) returning order_id`,
      [userId, product.type, product.size, product.platform, amount, finalAmount, discount],
    );
  await assert.rejects(insert(user.id, 1, 1, 0), againstPriceRules);
  await assert.rejects(insert(user.id, 500, 1, 499), againstPriceRules);
  await assert.rejects(insert(other.id, 500, 500, 0), denied);

  const paid = await ask(`update public.orders set payment_status = 'paid' where order_id = $1 returning id`, [
    order.order_id,
  ]);
  assert.deepEqual(paid, []);
  assert.equal(await orderState(order), 'pending/pending/pending');

  const profile = (change) => ask(`update public.user_profiles set ${change} where id = $1 returning *`, [user.id]);
  await assert.rejects(profile('total_spent = 1000000'), denied);
  await assert.rejects(profile('total_orders = 5'), denied);
  await assert.rejects(profile(`account_status = 'banned'`), denied);
  assert.equal((await profile(`first_name = 'New'`))[0].first_name, 'New');

  await assert.rejects(ask('select public.deliver_account_to_user($1, $2)', [order.order_id, user.id]), denied);
  await assert.rejects(ask('select * from auth.users'), denied);
});
