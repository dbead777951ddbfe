-- Every exception has its review item, and every decision about it happens once and is audited.
begin;
select plan(17);
select make_user('ann'), make_user('boss');
insert into administrators (email, duties) values ('boss@example.com', '{owner}');
select make_order('ann', n) from generate_series(1, 99) as n;
select make_stock(n::text) from generate_series(1, 60) as n;
create sequence tests.numbers;

-- Brings a new order into the exception; the order.
create function tests.trouble(p_kind text)
returns text language plpgsql as $$
declare
    o text := 'FFX' || lpad(nextval('tests.numbers')::text, 9, '0');
    a text := 'a' || o;
    b text := 'b' || o;
begin
    case p_kind
    when 'underpaid' then perform tests.event(o, a, 'finished', 100);
    when 'partially_paid' then perform tests.event(o, a, 'partially_paid', 100);
    when 'overpaid' then perform tests.event(o, a, 'finished', 500);
    when 'paid_late' then
        perform tests.event(o, a, 'expired', 0), tests.event(o, a, 'finished');
    when 'paid_twice' then
        perform tests.event(o, a, 'finished'), tests.event(o, b, 'finished');
    when 'price_amount' then perform tests.event(o, a, 'finished', p_price => 300);
    when 'price_currency' then perform tests.event(o, a, 'finished', p_currency => 'eur');
    when 'amount_unknown' then perform tests.event(o, a, 'finished', null);
    when 'wrong_asset' then
        insert into payments (payment_id, order_id, status, pay_currency)
        values (a, o, 'waiting', 'btc');
        perform tests.event(o, a, 'finished');
    when 'wrong_asset child' then
        insert into payments (payment_id, order_id, status, pay_currency)
        values (a, o, 'waiting', 'btc');
        perform tests.event(o, b, 'finished', p_parent => a);
    when 'child_payment' then
        perform tests.event(o, a, 'waiting', 0),
                tests.event(o, b, 'finished', 100, p_parent => a);
    when 'refunded_after_delivery' then
        perform tests.event(o, a, 'finished'), tests.event(o, a, 'refunded');
    when 'refunded_in_part' then
        perform tests.event(o, a, 'partially_paid', 200), tests.event(o, b, 'finished', 149),
                tests.event(o, b, 'refunded', 149);
    when 'unknown_status' then perform tests.event(o, a, 'wrong_asset_confirmed');
    when 'order_closed' then
        update orders set order_status = 'cancelled' where order_id = o;
        perform tests.event(o, a, 'finished');
    end case;
    return o;
end
$$;
-- Each of the three decisions on an order of its own, said twice, then contradicted.
create function tests.decide(p_trouble text)
returns text language plpgsql as $$
declare
    v_kind text := split_part(p_trouble, ' ', 1);
    v_action text;
    v_order text;
    v_open text;
    v_review uuid;
    v_first jsonb;
    v_lines bigint;
    v_result text;
begin
    foreach v_action in array array['accept', 'refund_noted', 'cancel'] loop
        v_order := tests.trouble(p_trouble);
        select string_agg(kind, ','), min(id::text)::uuid into v_open, v_review
          from reviews where order_id = v_order and state = 'open';
        if v_open is distinct from v_kind then
            return v_action || ': open is ' || coalesce(v_open, 'nothing');
        end if;
        v_first := public.resolve_review(v_review, v_action, 'seen');
        v_result := concat_ws('; ', v_result, v_action || ' ' || coalesce(v_first ->> 'error',
            (v_first ->> 'order')
            || coalesce(' ' || (select account_status from delivered_accounts
                                where order_id = v_order), '')));
        if v_first ->> 'success' = 'true' then
            if public.resolve_review(v_review, v_action, 'again') ->> 'already_resolved' <> 'true'
               or public.resolve_review(v_review, 'shred', null) ->> 'success' <> 'false'
               or tests.state(v_order) is distinct from v_first ->> 'order' then
                return v_action || ': not once';
            end if;
        elsif (select state from reviews where id = v_review) <> 'open' then
            return v_action || ': refused and closed';
        end if;
        select count(*) into v_lines
          from admin_audit_log
         where action_type = 'RESOLVE_REVIEW' and record_id = v_review::text;
        if v_lines <> (v_first ->> 'success' = 'true')::int then
            return v_action || ': ' || v_lines || ' lines in the audit';
        end if;
    end loop;
    return v_result;
end
$$;

select is(decide(t.kind), t.decided, t.kind)
from (values
    ('underpaid', 'accept completed/paid/delivered active; refund_noted refunded/refunded/pending; '
        'cancel cancelled/pending/pending'),
    ('partially_paid', 'accept completed/paid/delivered active; '
        'refund_noted refunded/refunded/pending; cancel cancelled/pending/pending'),
    ('overpaid', 'accept completed/paid/delivered active; '
        'refund_noted completed/paid/delivered active; cancel Order already delivered'),
    ('paid_late', 'accept completed/paid/delivered active; '
        'refund_noted completed/paid/delivered suspended; cancel Order already delivered'),
    ('paid_twice', 'accept completed/paid/delivered active; '
        'refund_noted completed/paid/delivered active; cancel Order already delivered'),
    ('wrong_asset', 'accept completed/paid/delivered active; '
        'refund_noted refunded/refunded/pending; cancel cancelled/pending/pending'),
    ('wrong_asset child', 'accept completed/paid/delivered active; '
        'refund_noted refunded/refunded/pending; cancel cancelled/pending/pending'),
    ('child_payment', 'accept completed/paid/delivered active; '
        'refund_noted refunded/refunded/pending; cancel cancelled/pending/pending'),
    ('price_amount', 'accept completed/paid/delivered active; '
        'refund_noted refunded/refunded/pending; cancel cancelled/pending/pending'),
    ('price_currency', 'accept completed/paid/delivered active; '
        'refund_noted refunded/refunded/pending; cancel cancelled/pending/pending'),
    ('amount_unknown', 'accept completed/paid/delivered active; '
        'refund_noted refunded/refunded/pending; cancel cancelled/pending/pending'),
    ('refunded_after_delivery', 'accept refunded/refunded/delivered suspended; '
        'refund_noted refunded/refunded/delivered suspended; cancel Order already delivered'),
    ('refunded_in_part', 'accept completed/paid/delivered suspended; '
        'refund_noted completed/paid/delivered suspended; cancel Order already delivered'),
    ('unknown_status', 'accept completed/paid/delivered active; '
        'refund_noted refunded/refunded/pending; cancel cancelled/pending/pending'),
    ('order_closed', 'accept Order is cancelled; refund_noted refunded/refunded/pending; '
        'cancel cancelled/pending/pending')) as t (kind, decided);
select is((select count(*) from delivered_accounts), (select count(*) from orders
           where delivery_status = 'delivered'), 'one account for every delivered order');
select is_empty(
    $$ select o.order_id, o.order_status
       from orders as o
       where backend.booked_amount(o.order_id)
             <> case when o.payment_status = 'paid' then o.final_amount else 0 end
         and not exists (select from reviews as r
                         where r.order_id = o.order_id and r.kind = 'refunded_in_part') $$,
    'the books keep the price of what is paid, and nothing of the rest');
select * from finish();
rollback;
