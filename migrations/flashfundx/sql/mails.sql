-- Mails the shop writes: every mail is written in the transaction that causes it, once per cause,
-- and sent later (outbox). A cause that is rolled back leaves no mail; one that is committed cannot
-- lose it.

create or replace function backend.order_words(p_order public.orders, p_first_name text)
returns jsonb
language plpgsql stable
as $$
begin
    return jsonb_build_object(
        'first_name', coalesce(p_first_name, ''),
        'order_id', p_order.order_id,
        'account_type', case p_order.account_type
                            when 'instant' then 'Instant'
                            when 'hft' then 'HFT'
                            when 'one_step' then '1-Step'
                            else '2-Step' end,
        'account_size', to_char(p_order.account_size, 'FM999,999,999,999,990'),
        'platform_type', upper(p_order.platform_type),
        'amount', to_char(p_order.final_amount, 'FM999,999,990.00'),
        'currency', p_order.currency);
end
$$;
comment on function backend.order_words(public.orders, text) is
    'The variables of an order in mails: how they name what was bought, and by whom.';

-- To customers ------------------------------------------------------------------------------------

create or replace function backend.mail_customer(
    p_kind                 text,
    p_cause                text,
    p_order                public.orders,
    p_delivered_account_id uuid)
returns void
language plpgsql
as $$
declare
    v_email text;
    v_first_name text;
begin
    select u.email, u.first_name
      into v_email, v_first_name
      from public.user_profiles as u
     where u.id = p_order.user_id;
    if coalesce(v_email, '') = '' then
        return;
    end if;
    insert into public.outbox
        (kind, cause, order_id, user_id, delivered_account_id, recipient, template_name, variables)
    values
        (p_kind, p_cause, p_order.order_id, p_order.user_id, p_delivered_account_id, v_email,
         p_kind, backend.order_words(p_order, v_first_name))
    on conflict (cause) do nothing;
end
$$;
comment on function backend.mail_customer(text, text, public.orders, uuid) is
    'Writes a mail to the customer of an order, once per cause.';

create or replace function backend.mail_delivery()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_order public.orders;
begin
    select * into v_order from public.orders as o where o.order_id = new.order_id;
    perform backend.mail_customer('account_delivery', 'account_delivery ' || new.id, v_order,
                                  new.id);
    return null;
end
$$;
comment on function backend.mail_delivery() is 'Trigger: a delivered account causes a mail.';

create or replace trigger delivered_accounts_mail
    after insert on public.delivered_accounts
    for each row execute function backend.mail_delivery();

create or replace function backend.mail_payment()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_kind text := case new.payment_status when 'paid' then 'payment_received'
                                           else 'payment_failed' end;
begin
    if new.payment_status in ('paid', 'failed') then
        perform backend.mail_customer(v_kind, v_kind || ' ' || new.order_id, new, null);
    end if;
    return null;
end
$$;
comment on function backend.mail_payment() is
    'Trigger: an order that becomes paid or failed causes a mail.';

create or replace trigger orders_mail
    after update of payment_status on public.orders
    for each row
    when (old.payment_status <> new.payment_status)
    execute function backend.mail_payment();

-- To administrators -------------------------------------------------------------------------------

create or replace function backend.mail_administrators(
    p_kind      text,
    p_cause     text,
    p_order_id  text,
    p_variables jsonb)
returns void
language plpgsql
as $$
begin
    insert into public.outbox (kind, cause, order_id, recipient, template_name, variables)
    select p_kind, p_cause || ' ' || a.email, p_order_id, a.email, p_kind, p_variables
    from public.administrators as a
    where a.is_active
    on conflict (cause) do nothing;
end
$$;
comment on function backend.mail_administrators(text, text, text, jsonb) is
    'Writes a mail to every active row of administrators, the first one (admin@…) among them, once '
    'per cause and address. Who administers by the role claim alone is not in that table and gets '
    'none.';

create or replace function backend.mail_review()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    perform backend.mail_administrators('review_needed', 'review_needed ' || new.id, new.order_id,
        jsonb_build_object('review_kind', replace(new.kind, '_', ' '),
                           'order_id', coalesce(new.order_id, ''),
                           'payment_id', coalesce(new.payment_id, '')));
    return null;
end
$$;
comment on function backend.mail_review() is
    'Trigger: a review item causes a mail to every active administrator.';

create or replace trigger reviews_mail
    after insert on public.reviews
    for each row execute function backend.mail_review();

create or replace function backend.mail_stock_alert()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    perform backend.mail_administrators('stock_alert', 'stock_alert ' || new.id, null,
        jsonb_build_object(
            'stock_level', case new.level when 'empty' then 'is out' else 'runs low' end,
            'account_size', to_char(new.account_size, 'FM999,999,999,999,990'),
            'platform_type', upper(new.platform_type),
            'available', new.available,
            'waiting', (
                select count(*)
                from public.waiting_deliveries as w
                where w.account_size = new.account_size
                  and w.platform_type = new.platform_type)));
    return null;
end
$$;
comment on function backend.mail_stock_alert() is
    'Trigger: stock that runs low or out causes a mail to every active administrator, once per '
    'level, as the alert.';

create or replace trigger stock_alerts_mail
    after insert on public.stock_alerts
    for each row execute function backend.mail_stock_alert();
