// What must be true of an order and its money once nothing moves any more, whatever happened.
import { rows } from '../db.mjs';

const rules = `
  with o as (select * from public.orders where order_id = any($1))
  select 'two invoices for one price' as rule, order_id::text, count(distinct invoice_id)::text as seen
    from public.payment_attempts
   where order_id = any($1) and invoice_id is not null
   group by order_id, price_amount having count(distinct invoice_id) > 1
  union all
  select 'two payments of one attempt', min(order_id), string_agg(payment_id, ', ')
    from public.payments
   where order_id = any($1) and attempt_id is not null
   group by attempt_id having count(*) > 1
  union all
  select 'a claim that never ended', order_id, id::text
    from public.payment_attempts
   where order_id = any($1) and state = 'claimed'
  union all
  select 'a payment of the provider that the books do not know', s.order_id, s.id::text
    from sandbox.payments as s
   where s.order_id = any($1)
     and not exists (select from public.payments as p where p.payment_id = s.id::text and p.order_id = s.order_id)
  union all
  select 'the payment that the order names is not one of its own', order_id, payment_provider_id
    from o
   where payment_provider_id is not null
     and not exists (select from public.payments as p
                      where p.payment_id = o.payment_provider_id and p.order_id = o.order_id)
  union all
  select 'an event that was not finished', order_id, payment_id || ' ' || status || ' ' || state
    from public.payment_events
   where order_id = any($1) and state <> 'done'
  union all
  select 'not one completed payment of the order''s amount', o.order_id, string_agg(t.amount || ' ' || t.status, ', ')
    from o left join public.payment_transactions as t
      on t.order_id = o.order_id and t.transaction_type = 'payment' and t.status = 'completed'
   where o.payment_status in ('paid', 'refunded') or t.id is not null
   group by o.order_id, o.final_amount, o.payment_status
  having count(t.id) <> 1 or sum(t.amount) <> o.final_amount or o.payment_status not in ('paid', 'refunded')
  union all
  select 'not one refund of the order''s amount', o.order_id, string_agg(t.amount || ' ' || t.status, ', ')
    from o left join public.payment_transactions as t
      on t.order_id = o.order_id and t.transaction_type = 'refund'
   where o.payment_status = 'refunded' or t.id is not null
   group by o.order_id, o.final_amount, o.payment_status
  having count(t.id) <> 1 or sum(t.amount) filter (where t.status = 'completed') <> o.final_amount
      or o.payment_status <> 'refunded'
  union all
  select 'not one account for a delivered order', o.order_id, count(d.id)::text
    from o left join public.delivered_accounts as d on d.order_id = o.order_id
   group by o.order_id, o.delivery_status
  having count(d.id) <> case o.delivery_status when 'delivered' then 1 else 0 end
  union all
  select 'stock and delivery do not agree', o.order_id, c.id::text
    from o join public.account_container as c on c.reserved_for_order_id = o.order_id
   where c.status <> 'delivered'
      or not exists (select from public.delivered_accounts as d
                      where d.container_account_id = c.id and d.order_id = o.order_id)
  union all
  select 'a usable account although the money went back', o.order_id, d.account_status
    from o join public.delivered_accounts as d on d.order_id = o.order_id
   where o.payment_status = 'refunded' and d.account_status = 'active'
  union all
  select 'two mails for one cause', reference, kind || ' ' || count(*)
    from public.outbox
   where reference = any($1) and kind in ('payment_received', 'account_delivery')
   group by reference, kind having count(*) > 1
  union all
  select 'no mail for what happened', o.order_id, m.kind
    from o cross join lateral (values ('payment_received', o.paid_at), ('account_delivery', o.delivered_at)) as m (kind, at)
   where m.at is not null
     and not exists (select from public.outbox as b where b.reference = o.order_id and b.kind = m.kind)
  union all
  select 'the customer''s totals are not the sums of the deliveries', u.email, u.total_orders || ' ' || u.total_spent
    from public.user_profiles as u
   where u.id in (select user_id from o)
     and (u.total_orders, u.total_spent) <> (
          select count(*), coalesce(sum(x.final_amount), 0)
            from public.delivered_accounts as d join public.orders as x on x.order_id = d.order_id
           where d.user_id = u.id)
  union all
  select 'the books do not agree: ' || d.explanation, coalesce(d.order_id, d.user_id::text), d.kind || ' ' || d.aspect
    from backend.books_differences($1::text[]) as d
   where d.order_id = any($1) or d.user_id in (select user_id from o)`;

/** The rules that are broken for these orders, as texts; [] when all is well. */
export const brokenRules = async (orders) =>
  (await rows(rules, [orders.map((order) => order.order_id)])).map((r) => `${r.rule}: ${r.order_id} (${r.seen})`);
