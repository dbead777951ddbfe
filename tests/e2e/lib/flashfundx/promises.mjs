// What the shop promises about money, each promise with the SQL that checks it.  A row of the
// result is one check; `broken` says what is wrong, or is null.
//
// The orders in selftest.orders that were not checked before are looked at.  What was sent, and what
// it was worth, is known from selftest.sent (the histories' own callbacks) and from the sandbox's
// tables (its payments), not from the backend's books; triggers write each change of a state into
// selftest.transitions.
import { rows } from '../db.mjs';

const SCHEMA = `
create schema selftest;
create table selftest.orders (order_id text primary key, seed bigint, checked boolean not null default false);
create view selftest.scope as select order_id from selftest.orders where not checked;
create table selftest.sent (
    order_id text, n int, genuine boolean, payment_id text, parent_id text, status text, paid numeric,
    share numeric,      -- of the order's price, that arrived and counts
    answer int, body text);
create index on selftest.sent (order_id);
create table selftest.mails (message_id text, login text);
create table selftest.transitions (
    id bigint generated always as identity, at timestamptz default clock_timestamp(), order_id text,
    what text, which text, was text, became text);
create index on selftest.transitions (order_id);

create function selftest.note_order() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
    insert into selftest.transitions (order_id, what, which, was, became)
    select new.order_id, t.what, new.order_id, t.was, t.became
      from (values ('order', old.order_status::text, new.order_status::text),
                   ('payment of order', old.payment_status, new.payment_status),
                   ('delivery', old.delivery_status, new.delivery_status)) as t (what, was, became)
     where t.was <> t.became;
    return null;
end $$;
create function selftest.note_payment() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
    insert into selftest.transitions (order_id, what, which, was, became)
    values (new.order_id, 'payment', new.payment_id, old.status, new.status);
    return null;
end $$;
create function selftest.note_account() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
    insert into selftest.transitions (order_id, what, which, was, became)
    values (new.order_id, 'account', new.id, old.account_status, new.account_status);
    return null;
end $$;
create function selftest.note_message() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
    insert into selftest.transitions (order_id, what, which, was, became)
    values (new.order_id, 'Message-ID', new.id, old.message_id, new.message_id);
    return null;
end $$;
create trigger zz_selftest after update on public.orders for each row
    when ((old.order_status, old.payment_status, old.delivery_status)
          is distinct from (new.order_status, new.payment_status, new.delivery_status))
    execute function selftest.note_order();
create trigger zz_selftest after update on public.payments for each row
    when (old.status <> new.status) execute function selftest.note_payment();
create trigger zz_selftest after update on public.delivered_accounts for each row
    when (old.account_status <> new.account_status) execute function selftest.note_account();
create trigger zz_selftest after update on public.outbox for each row
    when (old.message_id <> new.message_id) execute function selftest.note_message();

-- What arrived, payment by payment: at most, by anything that was told of a payment that ended with
-- money, and for sure, by the word that it finished.
create view selftest.money as
    select s.order_id, s.payment_id, s.parent_id,
           case when bool_or(s.status in ('finished', 'partially_paid')) then max(s.share) else 0 end as share,
           coalesce(max(s.share) filter (where s.status = 'finished'), 0) as sure,
           bool_or(s.status = 'refunded') as refunded,
           bool_or(s.status in ('failed', 'expired')) as failed
      from selftest.sent as s
     where s.genuine and s.answer = 200
     group by s.order_id, s.payment_id, s.parent_id
    union all
    select o.order_id, p.id::text, p.parent_id::text,
           case when p.status in ('finished', 'partially_paid', 'refunded') then v.share else 0 end,
           case when p.status = 'finished' then v.share else 0 end,
           p.status = 'refunded', p.status in ('failed', 'expired')
      from selftest.scope as s
      join public.orders as o on o.order_id = s.order_id
      join sandbox.payments as p on p.order_id = o.order_id
     cross join lateral (
           select coalesce(p.actually_paid * p.price_amount / nullif(p.pay_amount, 0) / o.final_amount, 0) as share) as v;

-- An order with all that is asked about it.
create view selftest.facts as
    select o.*,
           coalesce(m.share, 0) as arrived,
           coalesce(m.kept, 0) as kept,         -- and did not go back
           coalesce(m.sure, 0) as sure,         -- in one payment that finished
           coalesce(m.refunded, false) as was_refunded,
           d.order_id is not null or coalesce(t.by_hand or t.charged, false) as decided,
           coalesce(t.by_hand, false) as by_hand,
           coalesce(t.charged, false) as charged,
           coalesce(d.accepted, false) as accepted,
           (select count(*) from public.delivered_accounts as d where d.order_id = o.order_id) as accounts,
           (select count(*) from public.waiting_deliveries as w where w.order_id = o.order_id) as waits,
           (select coalesce(array_agg(r.kind), '{}') from public.reviews as r where r.order_id = o.order_id) as reviews,
           coalesce(t.paid, 0) as booked, coalesce(t.paid, 0) - coalesce(t.refunds, 0) as in_books
      from selftest.scope as s
      join public.orders as o on o.order_id = s.order_id
      left join (select order_id, sum(share) as share, sum(share) filter (where not refunded) as kept,
                        max(sure) filter (where parent_id is null) as sure,
                        bool_or(refunded) as refunded
                   from selftest.money group by order_id) as m on m.order_id = o.order_id
      left join (select order_id,
                        sum(amount) filter (where transaction_type = 'payment' and status = 'completed') as paid,
                        sum(amount) filter (where transaction_type <> 'payment' and status = 'completed') as refunds,
                        bool_or(provider_transaction_id like 'by hand %') as by_hand,
                        bool_or(transaction_type = 'chargeback') as charged
                   from public.payment_transactions group by order_id) as t on t.order_id = o.order_id
      -- What staff decided: audited, or it does not count.
      left join (select old_values ->> 'order_id' as order_id, bool_or(new_values ->> 'action' = 'accept') as accepted
                   from public.admin_audit_log where action_type = 'RESOLVE_REVIEW' group by 1) as d on d.order_id = o.order_id;
`;

/** The moves that are forward, or one of the exceptions that the design names. */
const FORWARD = `(values
    ('order', 'pending', '{processing,completed,failed,cancelled,refunded}'::text[]),
    ('order', 'processing', '{completed,failed,cancelled,refunded}'),
    ('order', 'failed', '{processing,completed,cancelled,refunded}'),           -- paid after all, or staff
    ('order', 'completed', '{refunded}'),
    ('order', 'cancelled', '{refunded}'),
    ('payment of order', 'pending', '{paid,failed,refunded}'),
    ('payment of order', 'failed', '{paid,refunded}'),
    ('payment of order', 'paid', '{refunded}'),
    ('delivery', 'pending', '{delivered}'),
    ('payment', 'waiting', '{expired,confirming,confirmed,sending,failed,partially_paid,finished,refunded}'),
    ('payment', 'expired', '{confirming,confirmed,sending,failed,partially_paid,finished,refunded}'),
    ('payment', 'confirming', '{confirmed,sending,failed,partially_paid,finished,refunded}'),
    ('payment', 'confirmed', '{sending,failed,partially_paid,finished,refunded}'),
    ('payment', 'sending', '{failed,partially_paid,finished,refunded}'),
    ('payment', 'failed', '{confirming,confirmed,sending,partially_paid,finished,refunded}'), -- lives again
    ('payment', 'partially_paid', '{finished,refunded}'),
    ('payment', 'finished', '{refunded}'),
    ('account', 'active', '{suspended}'))`;

export const PROMISES = [
  {
    name: 'an order is paid at most once',
    sql: `select f.order_id, case
              -- One that went back may have another counted in its place: its refund is booked too.
              when f.in_books > f.final_amount then f.in_books || ' booked for ' || f.final_amount
              when (select count(*) from public.payments as p where p.order_id = f.order_id and p.counted) > 1
                  then 'more than one payment counts' end as broken
            from selftest.facts as f`,
  },
  {
    name: 'an order is delivered at most once',
    sql: `select f.order_id, case
              when f.accounts > 1 then f.accounts || ' accounts were delivered'
              when (f.delivery_status = 'delivered') <> (f.accounts = 1) then 'delivery ' || f.delivery_status || ', but ' || f.accounts || ' accounts'
              when f.delivery_status = 'delivered' and f.order_status not in ('completed', 'refunded') then 'delivered, but ' || f.order_status
              when f.order_status = 'completed' and (f.payment_status, f.delivery_status) <> ('paid', 'delivered') then 'completed, but ' || f.payment_status || '/' || f.delivery_status
              when f.accounts > 0 and f.waits > 0 then 'delivered, and waits for stock' end as broken
            from selftest.facts as f`,
  },
  {
    name: 'an account goes to one order only',
    sql: `select s.order_id, case
              when d.id is null then 'taken out of the stock, and not delivered: ' || c.id
              when d.order_id <> s.order_id then 'taken for this order, delivered for ' || d.order_id
              when c.status <> 'delivered' then 'delivered, and ' || c.status || ' in the stock'
              when l.n > 1 then l.n || ' orders have login ' || d.login_id end as broken
            from selftest.scope as s
            join public.account_container as c on c.reserved_for_order_id = s.order_id
            left join public.delivered_accounts as d on d.container_account_id = c.id
            left join (select login_id, count(*) as n from public.delivered_accounts group by 1) as l on l.login_id = d.login_id
          union all
          select d.order_id, 'its account is not reserved for it'
            from selftest.scope as s
            join public.delivered_accounts as d on d.order_id = s.order_id
            join public.account_container as c on c.id = d.container_account_id
           where c.reserved_for_order_id is distinct from s.order_id`,
  },
  {
    name: 'delivered only when enough arrived, or staff said so',
    sql: `select f.order_id, case when f.arrived < 0.99 and not f.accepted
              and not f.by_hand
              then 'delivered for ' || round(100 * f.arrived, 2) || ' % of the price' end as broken
            from selftest.facts as f where f.accounts > 0`,
  },
  {
    name: 'who paid enough is served, or waits for stock',
    // One payment of the right price that finished, and nothing that speaks against it. While another
    // payment of the order is confirmed and not finished, or came in worth less, a human looks at the two.
    sql: `select f.order_id, case
              when f.payment_status <> 'paid' then 'paid in full, but ' || f.order_status || '/' || f.payment_status
              when f.accounts = 0 and f.waits = 0 then 'paid in full, neither delivered nor waiting' end as broken
            from selftest.facts as f
           where not f.decided and not f.was_refunded and f.order_status <> 'cancelled'
             and not ('paid_twice' = any (f.reviews) and exists (
                 select from public.payments as p where p.order_id = f.order_id and p.counted
                   and (p.status in ('confirmed', 'sending') or 'worth_less' = any (f.reviews))))
             and f.sure >= 0.99`,
  },
  {
    name: 'who waits for stock waits only while there is none',
    sql: `select w.order_id, case
              when w.parked_at is not null then 'set aside: ' || w.reason
              when (f.order_status, f.payment_status, f.delivery_status) <> ('processing', 'paid', 'pending') then 'waits, but ' || f.order_status || '/' || f.payment_status
              when exists (select from public.account_container as c where c.status = 'available'
                            and c.account_size = w.account_size and c.platform_type = w.platform_type) then 'waits, and there is stock' end as broken
            from selftest.facts as f join public.waiting_deliveries as w on w.order_id = f.order_id`,
  },
  {
    name: 'one delivery mail, one Message-ID, per delivery',
    sql: `select d.order_id, case
              when m.n is distinct from 1 then coalesce(m.n, 0) || ' delivery mails'
              when m.replays > 0 then 'replayed'
              when m.state = 'dead' and d.account_status = 'active' then 'the mail is dead: ' || m.last_error
              when m.state not in ('sent', 'dead') then 'the mail is ' || m.state
              when m.state = 'sent' and m.provider_id not like 'dev-%' and not d.email_sent then 'sent, and email_sent is false'
              when exists (select from selftest.transitions as t where t.order_id = d.order_id and t.what = 'Message-ID') then 'its Message-ID changed'
              when m.state = 'sent' and m.provider_id not like 'dev-%'
                   and (select array_agg(distinct i.message_id) from selftest.mails as i where i.login = d.login_id)
                       is distinct from array[m.message_id] then 'other messages arrived at the mail server' end as broken
            from selftest.scope as s
            join public.delivered_accounts as d on d.order_id = s.order_id
            left join (select split_part(cause, ' ', 2) as account_id, count(*) as n, min(state::text) as state, max(replays) as replays,
                              min(message_id) as message_id, min(provider_id) as provider_id, min(last_error) as last_error
                         from public.outbox where kind = 'account_delivery' group by 1) as m on m.account_id = d.id::text`,
  },
  {
    name: 'states never move backwards',
    sql: `select t.order_id, case
              when t.what = 'Message-ID' then 'Message-ID ' || t.was || ' became ' || t.became
              when t.became = any (f.next) then null
              when t.what = 'payment' and t.was !~ '^(waiting|expired|confirming|confirmed|sending|failed|partially_paid|finished|refunded)$'
                  then null     -- a status that nobody documented is before all others
              -- A payment that was confirmed and then failed pays nothing; never after delivery.
              when t.what = 'payment of order' and t.was = 'paid' and t.became in ('pending', 'failed')
                   and exists (select from selftest.money as m where m.order_id = t.order_id and m.failed)
                   and not exists (select from selftest.transitions as b where b.order_id = t.order_id
                                    and b.id < t.id and b.what = 'delivery') then null
              else t.what || ' ' || t.was || ' became ' || t.became end as broken
            from selftest.scope as s
            join selftest.transitions as t on t.order_id = s.order_id
            left join ${FORWARD} as f (what, was, next) on f.what = t.what and f.was = t.was`,
  },
  {
    name: 'sums of transactions equal sums of orders',
    sql: `select f.order_id, case
              -- A part that went back leaves the order paid, held for a human.
              when 'refunded_in_part' = any (f.reviews) and f.in_books between 0 and f.final_amount then null
              when f.in_books not in (0, f.final_amount) then f.in_books || ' kept in the books for ' || f.final_amount
              when (f.accounts > 0 or f.waits > 0) and f.booked = 0 then 'delivered or waiting, and no payment is booked'
              when f.payment_status in ('pending', 'failed') and f.booked > 0 then f.booked || ' booked for an order that is ' || f.payment_status
              when f.payment_status = 'refunded' and f.in_books <> 0 then f.in_books || ' kept of an order that is refunded'
              when f.payment_status = 'paid' and f.booked > 0 and f.in_books = 0 then 'paid, and all of it is booked back' end as broken
            from selftest.facts as f
          union all
          select null, case when sum(f.in_books)
                     <> coalesce(sum(case when 'refunded_in_part' = any (f.reviews) then f.in_books else f.final_amount end)
                                 filter (where f.payment_status = 'paid' and f.booked > 0), 0)
              then 'the sums differ' end
            from selftest.facts as f having count(*) > 0`,
  },
  {
    name: "customers' totals equal their delivered orders",
    sql: `select null as order_id, case when (u.total_orders, u.total_spent) is distinct from (count(d.id), coalesce(sum(o.final_amount) filter (where d.id is not null), 0))
              then format('%s: %s orders, %s USD, but delivered are %s, %s USD', u.email, u.total_orders, u.total_spent, count(d.id), coalesce(sum(o.final_amount) filter (where d.id is not null), 0)) end as broken
            from public.user_profiles as u
            left join public.orders as o on o.user_id = u.id
            left join public.delivered_accounts as d on d.order_id = o.order_id
           where u.id in (select p.user_id from selftest.scope as s join public.orders as p on p.order_id = s.order_id)
           group by u.id`,
  },
  {
    name: 'a forged callback is answered 401 and leaves nothing',
    sql: `select s.order_id, case
              when s.answer <> 401 then 'event ' || s.n || ' was answered ' || s.answer
              when exists (select from public.payment_events as e where e.order_id = s.order_id and e.raw = s.body
                            and not exists (select from selftest.sent as g where g.order_id = s.order_id and g.genuine and g.body = s.body))
                  then 'event ' || s.n || ' was stored' end as broken
            from selftest.sent as s where not s.genuine`,
  },
  {
    name: 'an acknowledged callback is stored, as it was sent',
    sql: `select s.order_id, case
              when s.answer <> 200 then 'event ' || s.n || ' was answered ' || s.answer
              when e.id is null then 'event ' || s.n || ' is missing: payment ' || s.payment_id || ' ' || s.status
              when e.state <> 'done' then 'event ' || s.n || ' is ' || e.state || ': ' || e.last_error
              when not exists (select from selftest.sent as g where g.order_id = s.order_id and g.genuine and g.body = e.raw)
                  then 'event ' || s.n || ' is stored with another body' end as broken
            from selftest.sent as s
            left join public.payment_events as e on e.payment_id = s.payment_id and e.status = s.status
                 and e.actually_paid is not distinct from s.paid
           where s.genuine`,
  },
  {
    name: 'a refund after delivery suspends the account',
    sql: `select f.order_id, case when d.account_status <> 'suspended' then 'refunded, and the account is ' || d.account_status end as broken
            from selftest.facts as f join public.delivered_accounts as d on d.order_id = f.order_id
           where f.payment_status = 'refunded'`,
  },
  {
    name: 'what was paid by hand stays paid, whatever goes back',
    sql: `select f.order_id, case when f.payment_status <> 'paid' then 'paid by hand, and ' || f.order_status || '/' || f.payment_status end as broken
            from selftest.facts as f where f.by_hand and not f.charged`,
  },
  {
    name: 'a chargeback suspends the account',
    sql: `select f.order_id, case when d.account_status <> 'suspended' then 'charged back, and the account is ' || d.account_status end as broken
            from selftest.facts as f join public.delivered_accounts as d on d.order_id = f.order_id
           where f.charged and d.delivered_at < (select min(t.created_at) from public.payment_transactions as t
                                                  where t.order_id = f.order_id and t.transaction_type = 'chargeback')`,
  },
  {
    name: 'money in a payment that failed or expired comes before a human',
    sql: `select s.order_id, case when not exists (
                     select from public.reviews as r where r.order_id = s.order_id and r.payment_id = s.payment_id)
              then s.paid || ' arrived in payment ' || s.payment_id || ', which is ' || p.status || ', without a review' end as broken
            from (select c.order_id, c.payment_id, max(c.paid) as paid from selftest.sent as c
                    join selftest.scope as o on o.order_id = c.order_id
                   where c.genuine and c.answer = 200 and c.paid > 0 group by 1, 2) as s
            join public.payments as p on p.payment_id = s.payment_id and p.status in ('failed', 'expired')`,
  },
  {
    name: 'whatever is exceptional has its review',
    sql: `select e.order_id, 'event ' || e.id || ' (' || e.status || ') needs a review and has none' as broken
            from selftest.scope as s join public.payment_events as e on e.order_id = s.order_id
           where e.outcome = 'review' and not exists (
                 select from public.reviews as r where r.order_id = e.order_id and r.payment_id = e.payment_id)
          union all
          select f.order_id, case
              when f.accounts > 0 and f.payment_status = 'refunded' and not 'refunded_after_delivery' = any (f.reviews)
                   and not f.decided then 'refunded after delivery, without a review'
              when f.kept > 1.011 and f.reviews = '{}' then round(100 * f.kept) || ' % of the price arrived, without a review'
              when f.kept > 0 and f.payment_status in ('pending', 'failed') and f.reviews = '{}'
                  then round(100 * f.kept) || ' % of the price arrived, the order is ' || f.payment_status || ', without a review'
              when f.payment_status = 'paid' and not 'paid_late' = any (f.reviews)
                   and exists (select from selftest.transitions as t where t.order_id = f.order_id
                                and t.what = 'payment of order' and t.was = 'failed' and t.became = 'paid')
                   and not f.accepted and not f.by_hand then 'paid after it had failed, without a review' end
            from selftest.facts as f`,
  },
];

/** Triggers come and go while the functions work, which lock the same tables in another order. */
async function despiteDeadlocks(sql, tries = 10) {
  for (;;) {
    try {
      return await rows(sql);
    } catch (error) {
      if (error.code !== '40P01' || --tries === 0) throw error;
    }
  }
}

/** Make the tables and triggers that the promises read. */
export async function watch() {
  await unwatch();
  await despiteDeadlocks(SCHEMA);
}
export const unwatch = () => despiteDeadlocks('drop schema if exists selftest cascade');

/** Check all: [{name, checked, broken: [{order_id, broken}]}], with the first of the broken ones. */
export async function checkPromises() {
  const results = [];
  await rows('analyze selftest.orders, selftest.sent, selftest.transitions');
  for (const { name, sql } of PROMISES) {
    const [{ checked }] = await rows(`select count(*)::int as checked from (${sql}) as q`);
    const broken = await rows(`select q.order_id, q.broken from (${sql}) as q where q.broken is not null order by 1 limit 20`);
    results.push({ name, checked, broken });
  }
  return results;
}

/** The orders so far are not looked at again, until `checkAgain`. */
export const checkedSoFar = () => rows('update selftest.orders set checked = true');
/** The next check is over every order of the database. */
export async function checkAgain() {
  await rows('update selftest.orders set checked = false');
  await rows('insert into selftest.orders (order_id) select order_id from public.orders on conflict do nothing');
}
