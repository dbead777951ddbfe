-- New orders: their number, what a customer may say about them, and their price. Triggers of one
-- kind run in the order of their names.

create or replace function public.generate_order_id()
returns text
language plpgsql volatile security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_order_id text;
begin
    -- 10^9 numbers: a free one is found at once; the unique constraint settles a tie.
    for attempt in 1..100 loop
        v_order_id := 'FFX' || lpad(floor(random() * 1000000000)::bigint::text, 9, '0');
        if not exists (select from public.orders as o where o.order_id = v_order_id) then
            return v_order_id;
        end if;
    end loop;
    raise exception 'no free order id found';
end
$$;
comment on function public.generate_order_id() is 'A free order id: FFX and nine digits.';
grant execute on function public.generate_order_id() to service_role;

create or replace function public.set_order_id()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
begin
    if new.order_id is null or new.order_id = '' then
        new.order_id := public.generate_order_id();
    end if;
    return new;
end
$$;
comment on function public.set_order_id() is 'Trigger: gives an order its id when it came without.';

create or replace trigger orders_1_set_order_id
    before insert on public.orders
    for each row execute function public.set_order_id();

create or replace function public.guard_new_order()
returns trigger
language plpgsql
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_order public.orders;
begin
    if current_user not in ('anon', 'authenticated', 'staff') then
        return new;
    end if;
    if not platform.in_good_standing() then
        raise exception using
            errcode = '42501',
            message = 'This account is suspended and cannot order',
            hint = 'Contact our support.';
    end if;
    if coalesce(new.discount_amount, 0) <> 0 then
        raise exception using
            errcode = '23514',
            message = 'Discounts are given by the shop, not by the order',
            hint = 'Send discount_amount 0 and final_amount equal to amount.';
    end if;
    -- A customer's order is new, unpaid and undelivered, whatever was sent: what is not in this list
    -- is as the table makes it.
    v_order.id := gen_random_uuid();
    v_order.order_id := new.order_id;
    v_order.user_id := new.user_id;
    v_order.account_type := new.account_type;
    v_order.account_size := new.account_size;
    v_order.platform_type := new.platform_type;
    v_order.amount := new.amount;
    v_order.currency := new.currency;
    v_order.discount_amount := new.discount_amount;
    v_order.final_amount := new.final_amount;
    v_order.payment_method := new.payment_method;
    v_order.transaction_id := new.transaction_id;
    v_order.crypto_currency := new.crypto_currency;
    v_order.payment_proof := new.payment_proof;
    v_order.order_status := 'pending';
    v_order.payment_status := 'pending';
    v_order.delivery_status := 'pending';
    v_order.created_at := now();
    v_order.updated_at := now();
    return v_order;
end
$$;
comment on function public.guard_new_order() is
    'Trigger: an order inserted by a customer (staff are such too), who is not suspended, starts at '
    'pending/pending/pending without discount.';

create or replace trigger orders_2_guard
    before insert on public.orders
    for each row execute function public.guard_new_order();

create or replace function public.check_order_price()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_price numeric(10,2);
begin
    select p.price
      into v_price
      from public.prices as p
     where p.account_type = new.account_type
       and p.account_size = new.account_size
       and p.is_active;
    if not found then
        raise exception using
            errcode = '23514',
            message = 'This account type and size is not for sale';
    end if;
    new.amount := coalesce(new.amount, v_price);
    new.discount_amount := coalesce(new.discount_amount, 0);
    new.final_amount := coalesce(new.final_amount, new.amount - new.discount_amount);
    if new.amount <> v_price then
        raise exception using
            errcode = '23514',
            message = 'The amount of the order does not agree with the price list',
            detail = format('%s %s costs %s USD.', new.account_type, trim_scale(new.account_size),
                            v_price);
    end if;
    return new;
end
$$;
comment on function public.check_order_price() is
    'Trigger: an order costs what the price list says at the moment it is made. A discount, which '
    'only staff give, is shown as such.';

create or replace trigger orders_3_price
    before insert on public.orders
    for each row execute function public.check_order_price();
create or replace trigger orders_3_price_changed
    before update of account_type, account_size, amount on public.orders
    for each row
    when ((old.account_type, old.account_size, old.amount)
          is distinct from (new.account_type, new.account_size, new.amount))
    execute function public.check_order_price();

create or replace function public.check_order_sums()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if new.order_id = '' then
        raise exception using
            errcode = '23514',
            message = 'An order has an id';
    end if;
    if new.final_amount <> new.amount - new.discount_amount then
        raise exception using
            errcode = '23514',
            message = 'The amounts of the order do not agree',
            hint = 'final_amount is amount less discount_amount.';
    end if;
    return new;
end
$$;
comment on function public.check_order_sums() is
    'Trigger: an order has an id, and its amounts agree.';

-- After all that fill in what is missing. (By columns and no CHECK of the table: PostgreSQL would
-- read that again for every change of an order, and a payment's events change no amounts.)
create or replace trigger orders_4_sums
    before insert or update of order_id, amount, discount_amount, final_amount
    on public.orders
    for each row execute function public.check_order_sums();
alter table public.orders enable always trigger orders_4_sums;

create or replace function backend.order_states(p_order_id text)
returns text
language sql stable
as $$
    select o.order_status || '/' || o.payment_status || '/' || o.delivery_status
    from public.orders as o
    where o.order_id = p_order_id
$$;
comment on function backend.order_states(text) is 'order/payment/delivery of an order, for people.';
