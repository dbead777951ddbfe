-- Events that come together: callbacks that wait at the same time are one call, because most of what
-- an event costs is done again for every statement. What they mean and what follows is told where one
-- alone goes (payment_decision, payment_events); only what all of them write is written at once.

create or replace function backend.apply_payment_events(p_fields text[])
returns setof text[]
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see apply_payment_event
set enable_hashjoin = off               -- so many rows as there are events
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan    -- for arrays PostgreSQL would plan each time anew
rows 16
as $$
declare
    v_events backend.payment_event[];
    v_payment_ids text[];
    v_order_ids text[];
    v_statuses text[];
    v_apart boolean := true;        -- no two of them are of one order
    v_found record;
    v_effect backend.event_effect;
    v_effects backend.event_effect[];   -- of those that are written together, at their places
    n integer;
begin
    for i in 1 .. cardinality(p_fields) / 17 loop
        n := 17 * (i - 1);
        v_events[i] := row(
            p_fields[n + 1], p_fields[n + 2], p_fields[n + 3], p_fields[n + 4], p_fields[n + 5],
            p_fields[n + 6], p_fields[n + 7], p_fields[n + 8], p_fields[n + 9], p_fields[n + 10],
            p_fields[n + 11], p_fields[n + 12], p_fields[n + 13], p_fields[n + 14],
            p_fields[n + 15], p_fields[n + 16], p_fields[n + 17])::backend.payment_event;
        v_apart := v_apart and coalesce(p_fields[n + 7] <> all (v_order_ids || ''::text), false);
        v_payment_ids[i] := p_fields[n + 3];
        v_order_ids[i] := p_fields[n + 7];
        v_statuses[i] := backend.event_status(p_fields[n + 8]);
    end loop;
    perform backend.lock_for_events(v_order_ids, v_statuses);

    -- Order and payment are known, and it may be news: as apply_payment_event begins, too.
    if v_apart then
        for v_found in
            select e.number, o as its_order, p as payment
              from unnest(v_payment_ids, v_order_ids, v_statuses) with ordinality
                   as e (payment_id, order_id, status, number)
              join public.payments as p on p.payment_id = e.payment_id
              join public.orders as o on o.order_id = p.order_id
             where o.order_id = e.order_id and backend.may_be_news(p, e.status)
        loop
            v_effect := backend.decide_payment_event(
                v_events[v_found.number], v_found.its_order, v_found.payment, true);
            -- (What does not move its payment goes alone: an unknown status, say.)
            if v_effect.moves then
                v_effects[v_found.number] := v_effect;
            end if;
        end loop;
    end if;
    if v_effects is not null then
        perform backend.store_effects(v_effects);
    end if;

    for i in 1 .. cardinality(p_fields) / 17 loop
        v_effect := v_effects[i];
        if v_effect.status is null then
            return next backend.apply_payment_event(v_events[i]);
        else
            return next backend.act_on_event(v_effect);
        end if;
    end loop;
end
$$;
comment on function backend.apply_payment_events(text[]) is
    'apply_payment_event for several callbacks in one transaction, and its answer for each. Their '
    'fields, as of payment_event, one behind the other. When it fails, each has to come by itself.';
grant execute on function backend.apply_payment_events(text[]) to fn_payment_webhook;

create or replace function backend.lock_for_events(p_order_ids text[], p_statuses text[])
returns void
language plpgsql
as $$
begin
    -- Locks are taken in one order everywhere: orders by their names, then customers by their ids.
    perform
       from public.orders as o
      where o.order_id = any (p_order_ids)
      order by o.order_id
        for update;
    -- A delivery writes its customer's totals; these events deliver nothing.
    perform
       from public.user_profiles as u
      where u.id = any (array(
            select o.user_id
            from unnest(p_order_ids, p_statuses) as e (order_id, status)
            join public.orders as o on o.order_id = e.order_id
            where e.status not in ('waiting', 'confirming', 'confirmed', 'sending')))
      order by u.id
        for no key update;
end
$$;
comment on function backend.lock_for_events(text[], text[]) is
    'Before several events (order ids and statuses) are applied in one transaction: takes what they '
    'lock in an order in which nobody waits for each other in a circle.';

create or replace function backend.store_effects(p_effects backend.event_effect[])
returns void
language plpgsql
as $$
declare
    v_books integer;
    v_pays boolean;
begin
    -- (An event that was stored before, without effect, makes this fail: then each comes by itself.)
    insert into public.payment_events
        (payment_id, status, actually_paid, order_id, parent_payment_id, outcome, source, raw,
         provider_updated_at)
    select (e.event).payment_id, e.status, e.paid, (e.its_order).order_id, e.parent_id,
           e.outcome, (e.event).source, (e.event).raw, (e.event).provider_updated_at
      from unnest(p_effects) as e
     where e.status is not null;
    select count(*) filter (where e.books), bool_or(e.pays)
      into v_books, v_pays
      from unnest(p_effects) as e;
    if v_pays then
        update public.payments as p
           set counted = false
          from unnest(p_effects) as e
         where e.pays and p.order_id = (e.its_order).order_id and p.counted
           and p.payment_id <> coalesce(e.counted_id, (e.event).payment_id);
    end if;
    update public.payments as p
       set status = (e.payment).status,
           counted = (e.payment).counted,
           parent_payment_id = (e.payment).parent_payment_id,
           invoice_id = (e.payment).invoice_id,
           purchase_id = (e.payment).purchase_id,
           pay_address = (e.payment).pay_address,
           pay_currency = (e.payment).pay_currency,
           pay_amount = (e.payment).pay_amount,
           actually_paid = (e.payment).actually_paid,
           price_amount = (e.payment).price_amount,
           price_currency = (e.payment).price_currency,
           outcome_amount = (e.payment).outcome_amount,
           outcome_currency = (e.payment).outcome_currency,
           provider_updated_at = (e.payment).provider_updated_at,
           last_seen_at = now(),
           updated_at = now()
      from unnest(p_effects) as e
     where p.payment_id = (e.payment).payment_id;
    if v_books > 0 then
        perform backend.book_payments(p_effects, v_books);
    end if;
end
$$;
comment on function backend.store_effects(backend.event_effect[]) is
    'Writes events of known orders, each of another one, their payments, which all move, and what the '
    'books say of them.';
