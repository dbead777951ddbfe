-- Mails the shop writes: every mail is written in the transaction that causes it, once per cause,
-- and sent later (outbox). A cause that is rolled back leaves no mail; one that is committed cannot
-- lose it.

-- To customers ------------------------------------------------------------------------------------

create or replace function backend.mail_customer(
    p_kind  text,
    p_cause text,
    p_order public.orders)
returns boolean
language plpgsql
as $$
declare
    v_email text;
    v_words jsonb;                  -- how mails name what was bought, and by whom
begin
    select u.email, jsonb_build_object(
            'first_name', coalesce(u.first_name, ''),
            'order_id', p_order.order_id,
            'account_type', case p_order.account_type
                                when 'instant' then 'Instant'
                                when 'hft' then 'HFT'
                                when 'one_step' then '1-Step'
                                else '2-Step' end,
            'account_size', to_char(p_order.account_size, 'FM999,999,999,999,990'),
            'platform_type', upper(p_order.platform_type),
            'amount', to_char(p_order.final_amount, 'FM999,999,990.00'),
            'currency', p_order.currency)
      into v_email, v_words
      from public.user_profiles as u
     where u.id = p_order.user_id;
    if v_email <> '' then
        return platform.write_mail(p_kind, p_cause, v_email, v_words, p_order.order_id,
                                   p_order.user_id) is not null;
    end if;
    return false;
end
$$;
comment on function backend.mail_customer(text, text, public.orders) is
    'Writes a mail to the customer of an order, once per cause; whether there is a new one.';

create or replace function backend.order_moved()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_kind text;
    v_mailed boolean;               -- (An assignment: PERFORM would run a statement around the call.)
begin
    -- (One trigger that asks here: a WHEN is read again for every statement, and costs more.)
    if old.payment_status <> new.payment_status and new.payment_status in ('paid', 'failed') then
        v_kind := 'payment_received';
        if new.payment_status = 'failed' then
            -- Nobody is told to have paid nothing whose money arrived.
            v_kind := case
                when exists (
                    select
                    from public.reviews as r
                    where r.order_id = new.order_id
                      and r.kind = 'failed_with_money'
                      and r.state = 'open') then 'payment_held'
                else 'payment_failed'
            end;
        end if;
        v_mailed := backend.mail_customer(v_kind, v_kind || ' ' || new.order_id, new);
    end if;
    if old.payment_status = 'paid' and old.delivery_status = 'pending'
       and (new.payment_status <> 'paid' or new.delivery_status <> 'pending'
            or new.order_status <> 'processing') then
        delete from public.waiting_deliveries as w where w.order_id = new.order_id;
    end if;
    return null;
end
$$;
comment on function backend.order_moved() is
    'Trigger: an order that becomes paid or failed causes a mail, failed with money another one; '
    'one that was delivered, refunded or cancelled, by whomever, waits no longer.';

create or replace trigger orders_moved
    after update on public.orders
    for each row execute function backend.order_moved();

create or replace function backend.account_handed_out()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_order public.orders;
    v_mailed boolean;
begin
    -- Handed out by hand; take_account, by which all programs go, has done it already.
    if platform.by_people() then
        update public.account_container as c
           set sold_at = new.delivered_at
         where c.id = new.container_account_id and c.sold_at is null;
    end if;
    v_order := (select o from public.orders as o where o.order_id = new.order_id);
    v_mailed := backend.mail_customer('account_delivery', 'account_delivery ' || new.id, v_order);
    return null;
end
$$;
comment on function backend.account_handed_out() is
    'Trigger: the account of the stock knows by itself that it was handed out, and the delivery '
    'causes a mail.';

create or replace trigger delivered_accounts_handed_out
    after insert on public.delivered_accounts
    for each row execute function backend.account_handed_out();

-- To staff -------------------------------------------------------------------------------

create or replace function backend.mail_staff(
    p_duty      text,
    p_kind      text,
    p_cause     text,
    p_order_id  text,
    p_variables jsonb)
returns void
language plpgsql
as $$
begin
    perform platform.write_mail(p_kind, p_cause || ' ' || a.email, a.email, p_variables, p_order_id)
       from platform.administrators as a
      where a.is_active and a.duties && array['owner', p_duty];
end
$$;
comment on function backend.mail_staff(text, text, text, text, jsonb) is
    'Writes a mail to owners and to staff with a duty, also to those who have not signed up yet, once '
    'per cause and address.';

create or replace function backend.mail_review()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    perform backend.mail_staff('finance', 'review_needed', 'review_needed ' || new.id, new.order_id,
        jsonb_build_object('review_kind', replace(new.kind, '_', ' '),
                           'order_id', coalesce(new.order_id, ''),
                           'payment_id', coalesce(new.payment_id, '')));
    return null;
end
$$;
comment on function backend.mail_review() is
    'Trigger: a review item causes a mail to owners and finance.';

create or replace trigger reviews_mail
    after insert on public.reviews
    for each row execute function backend.mail_review();

create or replace function backend.mail_stock_alert()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    perform backend.mail_staff('inventory', 'stock_alert', 'stock_alert ' || new.id, null,
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
    'Trigger: stock that runs low or out causes a mail to owners and inventory, once per level, as '
    'the alert.';

create or replace trigger stock_alerts_mail
    after insert on public.stock_alerts
    for each row execute function backend.mail_stock_alert();

-- When they are sent ------------------------------------------------------------------------------

create or replace function backend.prepare_delivery_mail(p_mail public.outbox)
returns jsonb
language plpgsql volatile
as $$
begin
    -- Read at this moment, for this mail only. The sender opens the passwords.
    return coalesce(
        (select jsonb_build_object(
            'server_name', d.server_name,
            'login_id', d.login_id,
            'password', backend.reveal(
                d.container_account_id, 'password', d.password, 'mail ' || p_mail.id),
            'investor_password', coalesce(backend.reveal(
                d.container_account_id, 'investor_password', d.investor_password,
                'mail ' || p_mail.id), ''))
        from public.delivered_accounts as d
        where d.id = split_part(p_mail.cause, ' ', 2)::uuid and d.account_status = 'active'),
        to_jsonb('the account is not active'::text));
end
$$;
comment on function backend.prepare_delivery_mail(public.outbox) is
    'The credentials a delivery mail shows, or that the account may not be used any more.';

create or replace function backend.note_delivery_mail()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    -- A mail that only went to the log was not sent to the customer.
    if new.kind = 'account_delivery' and new.provider_id not like 'dev-%' then
        update public.delivered_accounts as d
           set email_sent = true, email_sent_at = clock_timestamp()
         where d.id = split_part(new.cause, ' ', 2)::uuid and not d.email_sent;
    end if;
    return null;
end
$$;
comment on function backend.note_delivery_mail() is
    'Trigger: a delivery mail that was sent is noted with the account.';

create or replace trigger outbox_delivery_sent
    after update of state on public.outbox
    for each row
    when (new.state = 'sent')
    execute function backend.note_delivery_mail();

-- For staff ------------------------------------------------------------------------------

create or replace function backend.keep_mail_words()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, platform, pg_temp
as $$
begin
    update platform.mail_kinds as k set keep_days = new.value where k.kind = 'direct';
    return null;
end
$$;
comment on function backend.keep_mail_words() is
    'Trigger: the shop''s figure of how long the words of mails are kept.';

create or replace trigger shop_settings_keep_mail_words
    after insert or update on public.shop_settings
    for each row
    when (new.name = 'mail_words_days')
    execute function backend.keep_mail_words();

create or replace function public.replay_outbox(p_id uuid)
returns jsonb
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    perform platform.require_duty('replay mails', 'support');
    perform from platform.outbox_replay(array[p_id], false);
    if not found then
        return jsonb_build_object('success', false, 'error', 'No sent or dead mail of this id');
    end if;
    return jsonb_build_object('success', true, 'id', p_id);
end
$$;
comment on function public.replay_outbox(uuid) is
    'Sends a sent or dead mail again: {success, id} or {success, error}. For support and '
    'service_role.';
grant execute on function public.replay_outbox(uuid) to staff, service_role;
