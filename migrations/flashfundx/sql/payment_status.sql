-- What a waiting customer reads, and how far a payment is.

create or replace function backend.payment_status_rank(p_status text)
returns integer
language sql immutable
as $$
    -- A payment moves to a higher rank only. Expired stands low, because a late deposit revives a
    -- payment; failed stands above sending, because settling may still fail.
    -- (A CASE of so many costs four times as much each time.)
    select 10 * array_position(
        '{waiting,expired,confirming,confirmed,sending,failed,partially_paid,finished,refunded}'
        ::text[], p_status)
$$;
comment on function backend.payment_status_rank(text) is
    'The place of a provider''s payment status in its life; null for a status nobody documented.';

create or replace function backend.may_be_news(p_payment public.payments, p_status text)
returns boolean
language sql immutable                  -- inlined
as $$
    select backend.payment_status_rank(p_payment.status) < backend.payment_status_rank(p_status)
        or p_payment.status = 'waiting' and p_payment.provider_updated_at is null
$$;
comment on function backend.may_be_news(public.payments, text) is
    'Whether a payment is not as far yet as the provider says, or nothing was heard of it: then what '
    'it says is no repeat, or the insert of the event finds out.';

create or replace function backend.payment_statuses(p_user_ids uuid[], p_order_ids text[])
returns setof text[]
language plpgsql stable security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
set enable_hashjoin = off               -- so many rows as are asked for
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan    -- for arrays PostgreSQL would plan each time anew
rows 8
as $$
begin
    -- What every waiting browser asks, for all that ask at the same time: a call costs more than
    -- what it finds. Arrays, because a row of so many columns costs more to describe than to find.
    return query
    select case
        when o.order_id is null then array['order_not_found']
        when o.user_id is distinct from q.user_id then array['unauthorized']
        else array[
            case when p.payment_id is null then 'no_payment' else 'ok' end,
            o.order_id, o.order_status, o.payment_status, o.delivery_status, o.account_type,
            trim_scale(o.account_size)::text, o.platform_type, trim_scale(o.amount)::text,
            trim_scale(o.final_amount)::text, o.crypto_currency, o.crypto_amount::text,
            o.crypto_address, platform.iso_utc(o.created_at), platform.iso_utc(o.updated_at),
            p.payment_id, p.status, p.pay_address, p.pay_amount::text,
            case when p.payment_id is not null then coalesce(p.actually_paid, 0)::text end,
            p.pay_currency, platform.iso_utc(p.created_at), platform.iso_utc(p.updated_at),
            greatest(0, floor(extract(epoch from clock_timestamp() - p.last_seen_at) * 1000))
                ::bigint::text,
            -- A failed or expired payment may still be paid late; after two weeks it is left alone.
            (p.status in ('finished', 'refunded')
             or (p.status in ('failed', 'expired')
                 and p.created_at < now() - interval '14 days'))::text,
            p.payin_extra_id]
        end
      from unnest(p_user_ids, p_order_ids) with ordinality as q (user_id, order_id, nth)
      left join public.orders as o on o.order_id = q.order_id
      left join lateral (
            select c.payment_id, c.status, c.pay_address, c.pay_amount, c.actually_paid,
                   c.pay_currency, c.payin_extra_id, c.created_at, c.updated_at, c.last_seen_at
            from public.payments as c
            where c.order_id = o.order_id and c.parent_payment_id is null
              -- Unpaid: the one that was shown, or one with money on its way; not one that was
              -- made for nobody and that only a callback told of.
              and (o.payment_status <> 'pending' or o.payment_provider_id is null
                   or c.payment_id = o.payment_provider_id
                   or c.status not in ('waiting', 'expired', 'failed'))
              -- Not at a price of before staff granted a discount.
              and (o.discount_amount = 0 or c.status <> 'waiting'
                   or c.price_amount is not distinct from o.final_amount)
            order by c.counted desc, c.created_at desc
            limit 1) as p on true
     order by q.nth;
end
$$;
comment on function backend.payment_statuses(uuid[], text[]) is
    'For each user and order an array, in their order: the order and the payment that paid it (or '
    'its newest one) as last known, for its owner: outcome (ok, no_payment, unauthorized, '
    'order_not_found; of the last two nothing follows) and the fields.';
grant execute on function backend.payment_statuses(uuid[], text[]) to fn_check_payment_status;
