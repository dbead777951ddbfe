-- Evidence: everything that is known about one payment, in the order in which it happened.

create or replace function backend.related_rows(
    p_table       text,
    p_order_ids   text[],
    p_payment_ids text[])
returns setof jsonb
language plpgsql stable
as $$
declare
    v_where text;
begin
    -- A table that other parts of the system may or may not have brought along.
    if to_regclass(p_table) is null then
        return;
    end if;
    select string_agg(
               format('t.%I::text = any (%s)', a.attname,
                      case a.attname when 'payment_id' then '$2' else '$1' end), ' or ')
      into v_where
      from pg_attribute as a
     where a.attrelid = to_regclass(p_table)
       and a.attname in ('order_id', 'reference', 'payment_id')
       and not a.attisdropped;
    if v_where is not null then
        return query execute format('select to_jsonb(t) from %s as t where %s',
                                    to_regclass(p_table), v_where)
            using p_order_ids, p_payment_ids;
    end if;
end
$$;
comment on function backend.related_rows(text, text[], text[]) is
    'Rows of a table, if it exists, whose order (order_id, reference) or payment_id is one of the '
    'given.';

create or replace function backend.event_evidence(p_event jsonb)
returns jsonb
language sql immutable
as $$
    -- The body as it arrived, with its hash made anew; a hash stored on arrival is compared.
    select p_event - array['received_at'] || jsonb_build_object(
        'proof', case p_event ->> 'source'
            when 'ipn' then 'signature verified on arrival'
            when 'ipn_previous' then 'signature verified on arrival'
            when 'poll' then 'answer of the provider to a question of ours'
            else 'entered by staff' end,
        'key', case p_event ->> 'source'
            when 'ipn' then 'NOWPAYMENTS_IPN_SECRET of that time'
            when 'ipn_previous' then 'NOWPAYMENTS_IPN_SECRET_PREVIOUS of that time' end,
        'raw_sha256_now', h.now,
        'raw_unchanged', (
            select bool_and(ltrim(s.value, '\x') = h.now)
            from jsonb_each_text(p_event) as s
            where s.key ~ '(sha256|hash)$' and s.value ~ '^(\\x)?[0-9a-f]{64}$'))
    from (select encode(sha256(convert_to(p_event ->> 'raw', 'UTF8')), 'hex') as now) as h
$$;
comment on function backend.event_evidence(jsonb) is
    'An event with the proof of its origin and the hash of its body, checked against the stored '
    'one.';

create or replace function backend.delivery_evidence(p_delivery public.delivered_accounts)
returns jsonb
language sql immutable
as $$
    -- Named columns, so that a secret that is added later does not show by itself.
    select jsonb_build_object(
        'id', p_delivery.id, 'order_id', p_delivery.order_id,
        'container_account_id', p_delivery.container_account_id,
        'platform_type', p_delivery.platform_type, 'account_size', p_delivery.account_size,
        'account_type', p_delivery.account_type, 'server_name', p_delivery.server_name,
        'login_id', '***', 'password', '***', 'investor_password', '***',
        'current_phase', p_delivery.current_phase, 'account_status', p_delivery.account_status,
        'email_sent', p_delivery.email_sent, 'email_sent_at', p_delivery.email_sent_at,
        'delivered_at', p_delivery.delivered_at)
$$;
comment on function backend.delivery_evidence(public.delivered_accounts) is
    'A delivered account with its credentials masked.';

create or replace function backend.history_payments(p_key text)
returns table (order_ids text[], payment_ids text[])
language sql stable
as $$
    with o as (
        select p_key as id where p_key ~ '^FFX[0-9]{9}$'
        union
        select p.order_id from public.payments as p
        where p.payment_id = p_key or p.invoice_id = p_key
        union
        select a.order_id from public.payment_attempts as a where a.invoice_id = p_key
        union
        select e.order_id from public.payment_events as e where e.payment_id = p_key
        union
        select c.order_id from public.unapplied_callbacks as c where c.payment_id = p_key
    ), known as (
        select array_agg(o.id) filter (where o.id is not null) as ids from o
    )
    select coalesce(k.ids, '{}'), coalesce((
        select array_agg(distinct x.payment_id)
        from (
            select p.payment_id from public.payments as p
            where p.order_id = any (k.ids) or p.payment_id = p_key or p.invoice_id = p_key
            union all
            select e.payment_id from public.payment_events as e
            where e.order_id = any (k.ids) or e.payment_id = p_key
            union all
            select c.payment_id from public.unapplied_callbacks as c
            where (c.order_id = any (k.ids) or c.payment_id = p_key)
              and c.payment_id is not null) as x), '{}')
    from known as k
$$;
comment on function backend.history_payments(text) is
    'The orders and payments that an order id, payment id or invoice id stands for.';

create or replace function backend.history_entries(p_order_ids text[], p_payment_ids text[])
returns table (at timestamptz, what text, detail jsonb)
language sql stable
as $$
    with events as (
        select e.*
        from public.payment_events as e
        where (e.payment_id = any (p_payment_ids) or e.order_id = any (p_order_ids))
    ), moves as (
        select e.*, lag(e.status) over (partition by e.payment_id order by e.id) as came_from
        from events as e
        where e.outcome in ('applied', 'review')
          and backend.payment_status_rank(e.status) is not null
    )
    select o.created_at, 'order', to_jsonb(o) - array['updated_at']
    from (
        select order_id, user_id, account_type, account_size, platform_type, amount,
               discount_amount, final_amount, currency, created_at
        from public.orders where order_id = any (p_order_ids)) as o
    union all
    select a.created_at, 'attempt', jsonb_build_object(
        'id', a.id, 'order_id', a.order_id, 'pay_currency', a.pay_currency,
        'price_amount', a.price_amount)
    from public.payment_attempts as a where a.order_id = any (p_order_ids)
    union all
    select a.updated_at, 'attempt_' || a.state, jsonb_strip_nulls(jsonb_build_object(
        'id', a.id, 'order_id', a.order_id, 'invoice_id', a.invoice_id,
        'invoice_url', a.invoice_url, 'detail', a.detail))
    from public.payment_attempts as a
    where a.order_id = any (p_order_ids) and a.state <> 'claimed'
    union all
    select p.created_at, 'payment', jsonb_strip_nulls(jsonb_build_object(
        'payment_id', p.payment_id, 'order_id', p.order_id, 'invoice_id', p.invoice_id,
        'parent_payment_id', p.parent_payment_id, 'pay_amount', p.pay_amount,
        'pay_currency', p.pay_currency, 'pay_address', p.pay_address, 'raw', p.provider_created))
    from public.payments as p where p.payment_id = any (p_payment_ids)
    union all
    select e.received_at, 'event', backend.event_evidence(
        to_jsonb(e) || jsonb_build_object('next_try_at', j.due_at))
    from events as e
    left join platform.jobs as j
           on j.kind = 'payment_event' and j.key = e.id::text and j.state <> 'dead'
    union all
    select c.received_at, 'callback_unapplied', jsonb_strip_nulls(jsonb_build_object(
        'id', c.id, 'source', c.source, 'reason', c.reason, 'payment_id', c.payment_id,
        'order_id', c.order_id, 'raw', backend.callback_text(c.raw)))
    from public.unapplied_callbacks as c
    where c.payment_id = any (p_payment_ids) or c.order_id = any (p_order_ids)
    union all
    select m.received_at, 'transition', jsonb_build_object(
        'payment_id', m.payment_id, 'from', m.came_from, 'to', m.status, 'event', m.id,
        'outcome', m.outcome)
    from moves as m
    union all
    select o.paid_at, 'order_paid', jsonb_build_object(
        'order_id', o.order_id, 'payment_provider', o.payment_provider,
        'payment_id', o.payment_provider_id)
    from public.orders as o where o.order_id = any (p_order_ids) and o.paid_at is not null
    union all
    select t.created_at, 'transaction', jsonb_build_object(
        'id', t.id, 'order_id', t.order_id, 'type', t.transaction_type, 'amount', t.amount,
        'currency', t.currency, 'provider_transaction_id', t.provider_transaction_id)
    from public.payment_transactions as t where t.order_id = any (p_order_ids)
    union all
    select t.processed_at, 'transaction_' || t.status, jsonb_build_object(
        'id', t.id, 'order_id', t.order_id, 'type', t.transaction_type, 'amount', t.amount,
        'provider_status', t.provider_status)
    from public.payment_transactions as t
    where t.order_id = any (p_order_ids) and t.processed_at is not null
    union all
    select w.created_at, 'waiting', to_jsonb(w)
    from public.waiting_deliveries as w where w.order_id = any (p_order_ids)
    union all
    select d.delivered_at, 'delivery', backend.delivery_evidence(d)
    from public.delivered_accounts as d where d.order_id = any (p_order_ids)
    union all
    select r.created_at, 'review', jsonb_build_object(
        'id', r.id, 'kind', r.kind, 'payment_id', r.payment_id, 'detail', r.detail)
    from public.reviews as r
    where r.order_id = any (p_order_ids) or r.payment_id = any (p_payment_ids)
    union all
    select r.resolved_at, 'review_resolved', jsonb_build_object(
        'id', r.id, 'kind', r.kind, 'resolution', r.resolution, 'note', r.note,
        'resolved_by', r.resolved_by)
    from public.reviews as r
    where (r.order_id = any (p_order_ids) or r.payment_id = any (p_payment_ids))
      and r.resolved_at is not null
    union all
    select d.found_at, 'difference', jsonb_strip_nulls(to_jsonb(d) - 'found_at')
    from public.reconciliation_differences as d
    where d.order_id = any (p_order_ids) or d.payment_id = any (p_payment_ids)
    union all
    select c.checked_at, 'asked', jsonb_strip_nulls(to_jsonb(c) - 'checked_at')
           || jsonb_build_object('lost', coalesce(j.lost, 0))
    from public.payment_checks as c
    left join platform.jobs as j on j.kind = 'payment_check' and j.key = c.payment_id
    where c.payment_id = any (p_payment_ids)
    union all
    select l.created_at, 'staff', jsonb_strip_nulls(to_jsonb(l) - array['created_at', 'id'])
    from public.admin_audit_log as l
    -- By table and key: an event and a difference may have the same number.
    where (l.table_name, l.record_id) in (
            select 'orders', o.id from unnest(p_order_ids) as o (id)
            union all
            select 'payment_transactions', t.id::text from public.payment_transactions as t
            where t.order_id = any (p_order_ids)
            union all
            select 'delivered_accounts', d.id::text from public.delivered_accounts as d
            where d.order_id = any (p_order_ids)
            union all
            select 'payment_events', e.id::text from events as e
            union all
            select 'reviews', r.id::text from public.reviews as r
            where r.order_id = any (p_order_ids) or r.payment_id = any (p_payment_ids)
            union all
            select 'reconciliation_differences', x.id::text
            from public.reconciliation_differences as x
            where x.order_id = any (p_order_ids) or x.payment_id = any (p_payment_ids)
            union all
            select 'outbox', m ->> 'id'
            from backend.related_rows('public.outbox', p_order_ids, p_payment_ids) as m)
    union all
    -- Mails without their bodies: these hold credentials.
    select (m ->> 'created_at')::timestamptz, 'mail',
           platform.pick(
               m || jsonb_build_object('order_id', coalesce(m -> 'order_id', m -> 'reference')),
               array['id', 'kind', 'cause', 'template_name', 'recipient', 'subject', 'state',
                     'tries', 'replays', 'message_id', 'last_error', 'order_id'])
    from backend.related_rows('public.outbox', p_order_ids, p_payment_ids) as m
    union all
    select (m ->> 'sent_at')::timestamptz, 'mail_sent',
           platform.pick(m, array['id', 'kind', 'recipient', 'message_id', 'provider_id'])
    from backend.related_rows('public.outbox', p_order_ids, p_payment_ids) as m
    where m ->> 'sent_at' is not null
$$;
comment on function backend.history_entries(text[], text[]) is
    'Everything that happened to these orders and payments, credentials masked, without order.';

create or replace function backend.payment_history(p_key text)
returns jsonb
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_orders text[];
    v_payments text[];
    v_entries jsonb;
begin
    select h.order_ids, h.payment_ids
      into v_orders, v_payments
      from backend.history_payments(p_key) as h;
    -- What happens in one transaction has one time: then cause comes before effect.
    select jsonb_agg(jsonb_build_object('at', platform.iso_utc(e.at), 'what', e.what,
                                        'detail', e.detail)
                     order by e.at, array_position(
                         array['order', 'staff', 'attempt', 'attempt_open', 'payment',
                               'transaction', 'asked', 'event', 'transition', 'review',
                               'transaction_processing', 'transaction_completed', 'order_paid',
                               'waiting', 'delivery', 'mail', 'mail_sent'], e.what) nulls last,
                     (e.detail ->> 'event')::bigint,
                     case when e.what = 'event' then (e.detail ->> 'id')::bigint end)
      into v_entries
      from backend.history_entries(v_orders, v_payments) as e;
    if v_entries is null then
        return null;
    end if;
    return jsonb_build_object(
        'key', p_key,
        'orders', (select coalesce(jsonb_agg(to_jsonb(o) order by o.created_at), '[]')
                   from public.orders as o where o.order_id = any (v_orders)),
        'attempts', (select coalesce(jsonb_agg(to_jsonb(a) order by a.created_at), '[]')
                     from public.payment_attempts as a where a.order_id = any (v_orders)),
        'payments', (select coalesce(jsonb_agg(to_jsonb(p) - 'provider_created'
                                               order by p.created_at), '[]')
                     from public.payments as p where p.payment_id = any (v_payments)),
        'transactions', (select coalesce(jsonb_agg(to_jsonb(t) order by t.created_at), '[]')
                         from public.payment_transactions as t where t.order_id = any (v_orders)),
        'deliveries', (select coalesce(jsonb_agg(backend.delivery_evidence(d)), '[]')
                       from public.delivered_accounts as d where d.order_id = any (v_orders)),
        'waiting', (select coalesce(jsonb_agg(to_jsonb(w)), '[]')
                    from public.waiting_deliveries as w where w.order_id = any (v_orders)),
        'reviews', (select coalesce(jsonb_agg(to_jsonb(r) order by r.created_at), '[]')
                    from public.reviews as r
                    where r.order_id = any (v_orders) or r.payment_id = any (v_payments)),
        'entries', v_entries);
end
$$;
comment on function backend.payment_history(text) is
    'The whole history of a payment by order id, payment id or invoice id: entries [{at, what, '
    'detail}] in order of time, and the rows as they are now; null when nothing is known.';

create or replace function backend.payment_history_for(
    p_key      text,
    p_staff_id uuid,
    p_claims   jsonb default null)
returns table (outcome text, history jsonb)
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    outcome := 'forbidden';
    if p_staff_id is null
       or platform.staff_has_duty(p_staff_id, p_claims, 'support', 'finance') then
        history := backend.payment_history(p_key);
        outcome := case when history is null then 'not_found' else 'ok' end;
    end if;
    return next;
end
$$;
comment on function backend.payment_history_for(text, uuid, jsonb) is
    'payment_history for somebody of staff, by what their token says, or for the service key (null): '
    'outcome ok, not_found, or forbidden to whom has no duty for it.';
grant execute on function backend.payment_history_for(text, uuid, jsonb) to fn_payment_history;
