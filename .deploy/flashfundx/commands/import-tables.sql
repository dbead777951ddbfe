-- An existing shop's tables (lib/import.sql). What cannot stand here is refused: see docs/moving-in.md.
select from pg_temp.complete('profiles', 'public.user_profiles');
select from pg_temp.complete('rules', 'public.trading_rules');
select from pg_temp.complete('wallets', 'public.crypto_addresses');
select from pg_temp.complete('templates', 'public.email_templates');
select from pg_temp.complete('orders', 'public.orders');
select from pg_temp.complete('stock', 'public.account_container');
select from pg_temp.complete('delivered', 'public.delivered_accounts');
select from pg_temp.complete('books', 'public.payment_transactions');

-- Meanwhile nobody is mailed, old prices count, and a row keeps the times it comes with. (In the order in
-- which others lock; all other triggers and constraints hold.)
alter table public.orders disable trigger orders_3_price, disable trigger orders_3_price_changed,
    disable trigger orders_updated_at, disable trigger orders_moved;
alter table public.payment_transactions disable trigger payment_transactions_updated_at;
alter table public.account_container disable trigger account_container_sold_once;
alter table public.delivered_accounts disable trigger delivered_accounts_last_updated,
    disable trigger delivered_accounts_handed_out;
alter table public.user_profiles disable trigger user_profiles_guard;
alter table public.trading_rules disable trigger trading_rules_updated_at;
alter table public.crypto_addresses disable trigger crypto_addresses_updated_at;
alter table public.email_templates disable trigger email_templates_updated_at;

-- What follows from something else ---------------------------------------------------------------
update profiles_in as p
   set password = '',
       email = coalesce(p.email, ''),
       total_orders = coalesce(p.total_orders, '0'), total_spent = coalesce(p.total_spent, '0');
-- A profile's address follows the login's.
update profiles_in as p set email = u.email from auth.users as u where u.id::text = p.id and u.email is not null;

-- An account that somebody has is not for sale, whatever the stock says.
insert into differences
select s.dump_line, format('account %s was handed out for order %s, and is "%s": it becomes "delivered"',
                           s.login_id, d.order_id, s.status)
from stock_in as s
join delivered_in as d on d.container_account_id = s.id
where s.status in ('available', 'reserved');
update stock_in as s
   set status = case when s.status in ('available', 'reserved') then 'delivered' else s.status end,
       sold_at = coalesce(d.delivered_at, s.reserved_at, s.updated_at, now()::text)
  from delivered_in as d
 where d.container_account_id = s.id;
update stock_in as s
   set sold_at = coalesce(s.reserved_at, s.updated_at, now()::text)
 where s.status = 'delivered' and s.sold_at is null;

-- Old shops did not note which account of the stock it was.
update delivered_in as d
   set container_account_id = s.id
  from stock_in as s
 where d.container_account_id is null
   and (s.platform_type, s.server_name, s.login_id) = (d.platform_type, d.server_name, d.login_id);
update delivered_in as d set trading_rules_id = null, created_at = coalesce(d.delivered_at, d.created_at);

select from pg_temp.read('profiles', 'public.user_profiles');
select from pg_temp.read('rules', 'public.trading_rules');
select from pg_temp.read('wallets', 'public.crypto_addresses');
select from pg_temp.read('templates', 'public.email_templates');
select from pg_temp.read('orders', 'public.orders');
select from pg_temp.read('stock', 'public.account_container');
select from pg_temp.read('delivered', 'public.delivered_accounts');
select from pg_temp.read('books', 'public.payment_transactions');
create index on profiles_new (id);
create index on orders_new (order_id);
create index on stock_new (id);
create index on delivered_new (order_id);
create index on books_new (order_id);
-- Those that the dump's rows refer to, there and here.
create temporary view orders_all as
    select o.order_id, o.user_id from orders_new as o
    union all
    select o.order_id, o.user_id from public.orders as o where not exists (select from orders_new as n where n.order_id = o.order_id);
create temporary view stock_all as
    select s.id from stock_new as s union all select s.id from public.account_container as s;

-- What is refused --------------------------------------------------------------------------------
create function pg_temp.is_here(p_user_id uuid)
returns boolean
language sql stable
as $$ select exists (select from auth.users as u where u.id = p_user_id)
          or exists (select from public.user_profiles as u where u.id = p_user_id) $$;

insert into problems
select i.dump_line, 'a row without an id'
from (select dump_line, id from profiles_in union all select dump_line, id from orders_in
      union all select dump_line, id from stock_in union all select dump_line, id from delivered_in
      union all select dump_line, id from books_in) as i
where i.id is null;

insert into problems
select n.dump_line, p.what
from (select p.*, count(*) over (partition by p.id) as of_id from profiles_new as p) as n
cross join lateral (values
    (n.of_id > 1, 'the same id as another profile in the dump'),
    (not exists (select from auth.users as u where u.id = n.id), 'a profile of a user who is not here: import-users takes users')
) as p (is_so, what)
where p.is_so;

insert into problems
select n.dump_line, p.what
from (select o.*, count(*) over (partition by o.order_id) as of_order_id, count(*) over (partition by o.id) as of_id
      from orders_new as o) as n
left join public.orders as h on h.order_id = n.order_id
cross join lateral (values
    (n.order_id !~ '^FFX\d{9}$', 'an order without an order_id'),
    (n.of_order_id > 1 or n.of_id > 1, format('order %s for the second time', n.order_id)),
    (not pg_temp.is_here(n.user_id), format('order %s of a user who is not here', n.order_id)),
    (n.final_amount <> n.amount - n.discount_amount,
     format('order %s: final_amount %s is not amount %s less discount_amount %s', n.order_id, n.final_amount, n.amount, n.discount_amount)),
    (h.id <> n.id or h.user_id <> n.user_id, format('order %s is another one here', n.order_id)),
    (exists (select from public.orders as o where o.id = n.id and o.order_id <> n.order_id), format('the id of order %s is that of another one here', n.order_id)),
    (n.updated_at > h.updated_at
     and ((h.payment_status in ('paid', 'refunded') and n.payment_status in ('pending', 'failed'))
          or (h.delivery_status = 'delivered' and n.delivery_status <> 'delivered')),
     format('order %s is %s/%s/%s here, and would go back', n.order_id, h.order_status, h.payment_status, h.delivery_status))
) as p (is_so, what)
where p.is_so;

insert into problems
select n.dump_line, p.what
from (select s.*, count(*) over (partition by s.id) as of_id,
             count(*) over (partition by s.platform_type, s.server_name, s.login_id) as of_account
      from stock_new as s) as n
left join public.account_container as h on h.id = n.id
cross join lateral (values
    (n.of_id > 1 or n.of_account > 1, format('account %s of %s for the second time', n.login_id, n.server_name)),
    (exists (select from public.account_container as o
             where (o.platform_type, o.server_name, o.login_id) = (n.platform_type, n.server_name, n.login_id) and o.id <> n.id),
     format('account %s of %s is in the stock already', n.login_id, n.server_name)),
    (n.password = '' and n.status in ('available', 'reserved'), format('account %s is for sale without a password', n.login_id)),
    (h.sold_at is not null and n.updated_at > h.updated_at
     and (n.status in ('available', 'reserved')
          or (n.platform_type, n.server_name, n.login_id) <> (h.platform_type, h.server_name, h.login_id)),
     format('account %s was handed to a customer here and cannot be sold again', n.login_id)),
    (n.reserved_for_order_id is not null
     and not exists (select from orders_all as o where o.order_id = n.reserved_for_order_id),
     format('account %s is reserved for order %s, which is not there', n.login_id, n.reserved_for_order_id))
) as p (is_so, what)
where p.is_so;

insert into problems
select n.dump_line, p.what
from (select d.*, count(*) over (partition by d.id) as of_id, count(*) over (partition by d.order_id) as of_order,
             count(*) over (partition by d.container_account_id) as of_account
      from delivered_new as d) as n
left join orders_all as o on o.order_id = n.order_id
cross join lateral (values
    (n.of_id > 1, 'the same id as another delivered account in the dump'),
    (n.of_order > 1, format('order %s has more than one account', n.order_id)),
    (n.of_account > 1, format('account %s went to more than one order', n.login_id)),
    (o.order_id is null, format('an account for order %s, which is not there', n.order_id)),
    (n.user_id <> o.user_id, format('the account of order %s belongs to somebody else than the order', n.order_id)),
    (not exists (select from stock_all as s where s.id = n.container_account_id),
     format('account %s of order %s is not in the stock', n.login_id, n.order_id)),
    (exists (select from public.delivered_accounts as h
             where (h.id = n.id or h.order_id = n.order_id or h.container_account_id = n.container_account_id)
               and (h.id, h.order_id, h.container_account_id) <> (n.id, n.order_id, n.container_account_id)),
     format('the account of order %s is another one here', n.order_id))
) as p (is_so, what)
where p.is_so;

insert into problems
select n.dump_line, p.what
from (select b.*, count(*) over (partition by b.id) as of_id,
             count(*) over (partition by b.provider, b.provider_transaction_id, b.transaction_type) as of_transaction
      from books_new as b) as n
left join public.payment_transactions as h on h.id = n.id
cross join lateral (values
    (n.of_id > 1 or (n.provider_transaction_id is not null and n.of_transaction > 1),
     format('%s %s for the second time', n.transaction_type, coalesce(n.provider_transaction_id, n.id::text))),
    (n.order_id is not null and not exists (select from orders_all as o where o.order_id = n.order_id),
     format('a %s for order %s, which is not there', n.transaction_type, n.order_id)),
    (n.user_id is not null and not pg_temp.is_here(n.user_id), format('a %s of a user who is not here', n.transaction_type)),
    (exists (select from public.payment_transactions as o
             where (o.provider, o.provider_transaction_id, o.transaction_type) = (n.provider, n.provider_transaction_id, n.transaction_type)
               and o.id <> n.id),
     format('%s %s is booked here already', n.transaction_type, n.provider_transaction_id)),
    (n.updated_at > h.updated_at and h.status = 'completed'
     and (n.status <> 'completed' or (n.amount <> h.amount and (h.transaction_type <> 'refund' or n.amount < h.amount))),
     format('%s %s is booked here otherwise', n.transaction_type, n.id)),
    ((n.order_id, n.user_id, n.transaction_type::text, n.provider::text, n.provider_transaction_id, n.currency) is distinct from
     (h.order_id, h.user_id, h.transaction_type::text, h.provider::text, h.provider_transaction_id, h.currency) and h.id is not null,
     format('%s %s is about something else here', n.transaction_type, n.id))
) as p (is_so, what)
where p.is_so;

insert into problems
select n.dump_line, n.what
from (select dump_line, 'the rules of ' || account_type || ' ' || account_size || ' for the second time' as what,
             count(*) over (partition by account_type, account_size) as n from rules_new
      union all select dump_line, 'wallet ' || crypto_name || ' ' || network || ' for the second time',
             count(*) over (partition by crypto_name, network) from wallets_new
      union all select dump_line, 'template ' || template_name || ' for the second time',
             count(*) over (partition by template_name) from templates_new) as n
where n.n > 1;
select from pg_temp.refuse_problems();

-- All of them --------------------------------------------------------------------------------------
-- What this shop began with, and what a sign-up made, nobody has chosen: the dump's takes its place.
create function pg_temp.unless_chosen(variadic p_beside text[] default '{}')
returns text
language sql immutable
as $$
    select format('(excluded.updated_at > t.updated_at or t.created_at = t.updated_at) and '
                  'to_jsonb(excluded) - %1$L::text[] is distinct from to_jsonb(t) - %1$L::text[]',
                  array['id', 'created_at', 'updated_at'] || p_beside)
$$;

insert into differences
select n.dump_line, format('profile %s was changed here since, and stays so', n.id)
from profiles_new as n
join public.user_profiles as t on t.id = n.id
where n.updated_at <= t.updated_at and t.created_at <> t.updated_at
  and (n.first_name, n.last_name, n.phone, n.country, n.account_status)
      is distinct from (t.first_name, t.last_name, t.phone, t.country, t.account_status);

select from platform.pause_audit();
select from pg_temp.take('profiles', 'public.user_profiles', 'id', pg_temp.unless_chosen('total_orders', 'total_spent'),
                         'total_orders', 'total_spent');
update public.user_profiles as p
   set created_at = n.created_at
  from profiles_new as n
 where n.id = p.id and p.created_at > n.created_at;
select from pg_temp.take('rules', 'public.trading_rules', 'account_type, account_size', pg_temp.unless_chosen());
select from pg_temp.take('wallets', 'public.crypto_addresses', 'crypto_name, network', pg_temp.unless_chosen());
select from pg_temp.take('templates', 'public.email_templates', 'template_name', pg_temp.unless_chosen());
select from pg_temp.take('orders', 'public.orders', 'order_id', 'excluded.updated_at > t.updated_at');
select from pg_temp.take('stock', 'public.account_container', 'id', 'excluded.updated_at > t.updated_at');
update delivered_new as d
   set trading_rules_id = r.id
  from public.trading_rules as r
 where (r.account_type, r.account_size) = (d.account_type, d.account_size);
select from pg_temp.take('delivered', 'public.delivered_accounts', 'id', 'excluded.last_updated > t.last_updated');
select from pg_temp.take('books', 'public.payment_transactions', 'id', 'excluded.updated_at > t.updated_at');
update public.account_container as c
   set sold_at = d.delivered_at, status = 'delivered'
  from delivered_new as d
 where d.container_account_id = c.id and c.sold_at is null;

-- The totals of whom the dump is about: what the delivered orders come to.
create temporary table totals as
select u.id, n.dump_line, n.total_orders as said_orders, n.total_spent as said_spent, s.orders, s.spent
from public.user_profiles as u
left join profiles_new as n on n.id = u.id
cross join lateral (
    select count(*)::integer as orders, coalesce(sum(o.final_amount), 0)::numeric(10,2) as spent
    from public.delivered_accounts as d
    join public.orders as o on o.order_id = d.order_id
    where d.user_id = u.id) as s
where n.id is not null or u.id in (select o.user_id from orders_new as o);
insert into differences
select t.dump_line, format('profile %s: the dump says %s orders and %s USD, its delivered orders are %s and %s USD',
                           t.id, t.said_orders, t.said_spent, t.orders, t.spent)
from totals as t
where (t.said_orders, t.said_spent) <> (t.orders, t.spent);
update public.user_profiles as u
   set total_orders = t.orders, total_spent = t.spent
  from totals as t
 where t.id = u.id and (u.total_orders, u.total_spent) <> (t.orders, t.spent);
select from platform.resume_audit();
select from pg_temp.audit_all();

alter table public.orders enable trigger orders_3_price, enable trigger orders_3_price_changed,
    enable trigger orders_updated_at, enable trigger orders_moved;
alter table public.payment_transactions enable trigger payment_transactions_updated_at;
alter table public.account_container enable trigger account_container_sold_once;
alter table public.delivered_accounts enable trigger delivered_accounts_last_updated,
    enable trigger delivered_accounts_handed_out;
alter table public.user_profiles enable trigger user_profiles_guard;
alter table public.trading_rules enable trigger trading_rules_updated_at;
alter table public.crypto_addresses enable trigger crypto_addresses_updated_at;
alter table public.email_templates enable trigger email_templates_updated_at;

-- What a human should know -------------------------------------------------------------------------
insert into differences
select n.dump_line, format('order %s: %s', n.order_id, p.what)
from orders_new as n
left join public.prices as c on (c.account_type, c.account_size) = (n.account_type, n.account_size)
cross join lateral (
    select exists (select from public.delivered_accounts as d where d.order_id = n.order_id) as has_account,
           count(*) filter (where b.transaction_type = 'payment') as payments,
           sum(b.amount) filter (where b.transaction_type = 'payment') as paid,
           count(*) filter (where b.transaction_type in ('refund', 'chargeback')) as refunds
    from public.payment_transactions as b
    where b.order_id = n.order_id and b.status = 'completed') as h
cross join lateral (values
    (c.price is null, format('nothing of the type %s and size %s has a price', n.account_type, trim_scale(n.account_size))),
    (c.price <> n.amount, format('its amount is %s, and the price list says %s', n.amount, c.price)),
    (n.order_status || '/' || n.payment_status || '/' || n.delivery_status <> all (array[
        'pending/pending/pending', 'processing/pending/pending', 'processing/paid/pending', 'completed/paid/delivered',
        'failed/failed/pending', 'cancelled/pending/pending', 'cancelled/failed/pending', 'cancelled/paid/pending',
        'refunded/refunded/pending', 'refunded/refunded/delivered']),
     format('it is %s/%s/%s, which no order here becomes', n.order_status, n.payment_status, n.delivery_status)),
    (n.delivery_status = 'delivered' and not h.has_account, 'delivered, and there is no account'),
    (n.delivery_status <> 'delivered' and h.has_account, 'there is an account, and it is not delivered'),
    (n.payment_status = 'paid' and h.payments = 0, 'paid, and no payment is in the books'),
    (n.payment_status in ('pending', 'failed') and h.payments > 0, 'a payment is in the books, and it is not paid'),
    (n.payment_status = 'refunded' and h.refunds = 0, 'refunded, and no refund is in the books'),
    (h.payments > 1, format('%s payments are in the books', h.payments)),
    (h.payments = 1 and h.paid <> n.final_amount, format('it costs %s, and %s was paid', n.final_amount, h.paid)),
    (n.payment_status = 'paid' and n.delivery_status = 'pending' and not h.has_account,
     'paid, and waits for an account: deliver it by hand (deliver_account_to_user)')
) as p (is_so, what)
where p.is_so;
insert into differences
select d.dump_line, format('the account of order %s: there are no trading rules of %s %s', d.order_id, d.account_type, trim_scale(d.account_size))
from delivered_new as d
where d.trading_rules_id is null;

select d.what || ': ' || d.made || ' new, ' || d.changed || ' changed, ' || d.kept || ' as they were' from done as d;
select case when count(*) = 0 then 'no differences' else 'differences: ' || count(*) end from differences;
select '  line ' || coalesce(d.line::text, '-') || ': ' || d.what from differences as d order by d.line, d.what;
