-- Orders: what a customer wants, at which price, and how far it has come.

create table public.orders (
    id                  uuid primary key default gen_random_uuid(),
    order_id            public.order_number not null unique,
    user_id             uuid not null references public.user_profiles (id) on delete cascade,
    account_type        public.account_type not null,
    account_size        public.account_size not null,
    platform_type       public.platform_type not null,
    amount              public.usd_amount not null,
    currency            text not null default 'USD',
    discount_amount     public.usd_amount not null default 0,
    final_amount        public.usd_amount not null,
    order_status        public.order_state not null default 'pending',
    payment_status      public.order_payment_state not null default 'pending',
    delivery_status     public.order_delivery_state not null default 'pending',
    payment_method      public.payment_method,
    payment_provider    text,
    payment_provider_id text,
    transaction_id      text,
    crypto_currency     text,
    -- Wide enough for coins with 18 decimals, and prints the digits the provider sent.
    crypto_amount       numeric,
    crypto_address      text,
    payment_proof       text,
    created_at          timestamptz not null default now(),
    paid_at             timestamptz,
    delivered_at        timestamptz,
    updated_at          timestamptz not null default now(),
    constraint orders_amounts_agree
        check (final_amount = amount - discount_amount and currency = 'USD'),
    constraint orders_have_an_id check (order_id <> '')
) with (fillfactor = 80);
comment on table public.orders is
    'One row per order. Order, payment and delivery states move forward only, through the '
    'functions in schema backend or an administrator.';

create index orders_user_idx on public.orders (user_id, created_at desc);
create index orders_created_idx on public.orders (created_at desc);

create function public.generate_order_id()
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
revoke all on function public.generate_order_id() from public, anon;
grant execute on function public.generate_order_id() to authenticated, service_role;

create function public.set_order_id()
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

create function public.guard_new_order()
returns trigger
language plpgsql
set search_path = pg_catalog, public, pg_temp
as $$
begin
    if current_user not in ('anon', 'authenticated') or public.is_admin() then
        return new;
    end if;
    if coalesce(new.discount_amount, 0) <> 0 then
        raise exception using
            errcode = '23514',
            message = 'Discounts are given by the shop, not by the order',
            hint = 'Send discount_amount 0 and final_amount equal to amount.';
    end if;
    -- A customer's order is new, unpaid and undelivered, whatever was sent.
    new.order_status := 'pending';
    new.payment_status := 'pending';
    new.delivery_status := 'pending';
    new.payment_provider := null;
    new.payment_provider_id := null;
    new.crypto_amount := null;
    new.crypto_address := null;
    new.created_at := now();
    new.updated_at := now();
    new.paid_at := null;
    new.delivered_at := null;
    return new;
end
$$;
comment on function public.guard_new_order() is
    'Trigger: an order inserted by a customer starts at pending/pending/pending without discount.';

create function public.check_order_price()
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
    'only administrators give, is shown as such.';

-- Triggers of one kind run in the order of their names.
create trigger orders_1_set_order_id
    before insert on public.orders
    for each row execute function public.set_order_id();
create trigger orders_2_guard
    before insert on public.orders
    for each row execute function public.guard_new_order();
create trigger orders_3_price
    before insert on public.orders
    for each row execute function public.check_order_price();
create trigger orders_3_price_changed
    before update of account_type, account_size, amount on public.orders
    for each row
    when ((old.account_type, old.account_size, old.amount)
          is distinct from (new.account_type, new.account_size, new.amount))
    execute function public.check_order_price();
create trigger orders_updated_at
    before update on public.orders
    for each row execute function public.update_updated_at_column();

revoke all on function public.set_order_id(), public.guard_new_order(),
        public.check_order_price()
    from public, anon, authenticated, service_role;
