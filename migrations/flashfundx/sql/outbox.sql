-- Sending: claim with a lease, send outside of any transaction, record. A process that dies in
-- between lets its lease run out; the next one sends the same message, by its Message-ID.

create or replace function backend.outbox_pause(p_tries integer)
returns interval
language sql volatile
as $$
    -- 10 s, 30 s, 90 s … at most 4 hours, each times a random half to whole: ten tries are spread
    -- over some eight hours, and many mails that failed together do not come back together.
    select make_interval(secs => least(14400, 10 * 3 ^ (p_tries - 1)) * (0.5 + random() / 2))
$$;
comment on function backend.outbox_pause(integer) is
    'How long to wait after so many failed tries.';

create or replace function backend.outbox_tries_max()
returns integer
language sql immutable
as $$ select 10 $$;
comment on function backend.outbox_tries_max() is 'Tries before a mail is given up.';

create or replace function backend.outbox_message_id(p_mail public.outbox, p_domain text)
returns text
language sql immutable
as $$
    select coalesce(
        p_mail.message_id,
        p_mail.id || case when p_mail.replays > 0 then '.' || p_mail.replays else '' end
        || '@' || coalesce(nullif(p_domain, ''), 'localhost'))
$$;
comment on function backend.outbox_message_id(public.outbox, text) is
    'The Message-ID without brackets: given once, then kept.';

create or replace function backend.outbox_bury(p_id uuid, p_reason text)
returns void
language plpgsql
as $$
begin
    update public.outbox as m
       set state = 'dead', lease_until = null, last_error = left(p_reason, 500)
     where m.id = p_id;
end
$$;
comment on function backend.outbox_bury(uuid, text) is 'Gives a mail up; a replay revives it.';

create or replace function backend.outbox_credentials(p_mail public.outbox)
returns jsonb
language plpgsql volatile
as $$
begin
    -- Read at this moment, for this mail only; null when the account may not be used any more.
    return (
        select jsonb_build_object(
            'server_name', d.server_name,
            'login_id', d.login_id,
            'password', backend.reveal(
                d.container_account_id, 'password', d.password, 'mail ' || p_mail.id),
            'investor_password', coalesce(backend.reveal(
                d.container_account_id, 'investor_password', d.investor_password,
                'mail ' || p_mail.id), ''))
        from public.delivered_accounts as d
        where d.id = p_mail.delivered_account_id and d.account_status = 'active');
end
$$;
comment on function backend.outbox_credentials(public.outbox) is
    'The credentials a delivery mail shows, from delivered_accounts; the sender opens them.';

create or replace function backend.outbox_claim(
    p_count         integer,
    p_domain        text,
    p_dashboard_url text)
returns table (
    id text, attempt text, kind text, message_id text, created_s text, recipient text,
    subject text, html text, plain text, variables text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
#variable_conflict use_column
declare
    -- Not asked of the clock again for every row: so outbox_due_idx ends where nothing is due.
    v_now constant timestamptz := clock_timestamp();
    v_count integer := least(greatest(p_count, 0), 100);
    v_mail public.outbox;
    v_template public.email_templates;
    v_words jsonb;
begin
    -- Who is given up takes nobody's place; a call buries a hundred at most.
    for v_turn in 1 .. v_count + 100 loop
        exit when v_count = 0;
        select m.*
          into v_mail
          from public.outbox as m
         where m.state in ('pending', 'sending')
           and coalesce(m.lease_until, m.next_try_at) <= v_now
         order by coalesce(m.lease_until, m.next_try_at)
         limit 1
           for update skip locked;
        exit when not found;
        if v_mail.tries >= backend.outbox_tries_max() then
            perform backend.outbox_bury(v_mail.id,
                coalesce(v_mail.last_error, 'the sender ended while it sent'));
            continue;
        end if;
        subject := v_mail.subject;
        html := v_mail.html;
        plain := v_mail.plain;
        v_words := null;
        if v_mail.kind <> 'direct' then
            select * into v_template
              from public.email_templates as t
             where t.template_name = v_mail.template_name and t.is_active;
            if not found then
                perform backend.outbox_bury(v_mail.id, 'no active template of this name');
                continue;
            end if;
            subject := v_template.subject;
            html := v_template.html_content;
            plain := v_template.text_content;
            v_words := v_mail.variables
                       || jsonb_build_object('dashboard_url', coalesce(p_dashboard_url, ''));
        end if;
        if v_mail.kind = 'account_delivery' then
            v_words := v_words || backend.outbox_credentials(v_mail);
            if v_words is null then
                perform backend.outbox_bury(v_mail.id, 'the account is not active');
                continue;
            end if;
        end if;
        update public.outbox as m
           set state = 'sending',
               tries = m.tries + 1,
               lease_until = clock_timestamp() + interval '60 seconds',
               message_id = backend.outbox_message_id(m, p_domain)
         where m.id = v_mail.id
        returning m.id::text, m.tries::text, m.kind::text, m.message_id,
                  floor(extract(epoch from m.created_at))::bigint::text, m.recipient
             into id, attempt, kind, message_id, created_s, recipient;
        variables := v_words::text;
        v_count := v_count - 1;
        return next;
    end loop;
end
$$;
comment on function backend.outbox_claim(integer, text, text) is
    'Leases due mails for 60 seconds and returns what is needed to write them. variables is null '
    'when the words are final (kind direct). What cannot be sent at all is given up here.';
grant execute on function backend.outbox_claim(integer, text, text) to fn_send_outbox;

create or replace function backend.outbox_sent(p_id uuid, p_provider_id text)
returns table (outcome text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_account_id uuid;
begin
    -- Whoever sent it tells the truth, also after the lease ran out.
    update public.outbox as m
       set state = 'sent',
           lease_until = null,
           last_error = null,
           provider_id = left(p_provider_id, 200),
           sent_at = clock_timestamp()
     where m.id = p_id and m.state <> 'sent'
    returning m.delivered_account_id into v_account_id;
    outcome := case when found then 'ok' else 'unchanged' end;
    -- A mail that only went to the log was not sent to the customer.
    if v_account_id is not null and p_provider_id not like 'dev-%' then
        update public.delivered_accounts as d
           set email_sent = true, email_sent_at = clock_timestamp()
         where d.id = v_account_id and not d.email_sent;
    end if;
    return next;
end
$$;
comment on function backend.outbox_sent(uuid, text) is
    'Records that a mail was sent, and with a delivery mail that the account''s mail was.';
grant execute on function backend.outbox_sent(uuid, text) to fn_send_outbox, fn_send_email;

create or replace function backend.outbox_failed(
    p_id      uuid,
    p_attempt integer,
    p_error   text,
    p_final   boolean)
returns table (outcome text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    -- Only the try that holds the lease may fail it: a late one must not stop its successor.
    update public.outbox as m
       set state = case when p_final or m.tries >= backend.outbox_tries_max() then 'dead'
                        else 'pending' end,
           lease_until = null,
           last_error = left(p_error, 500),
           next_try_at = clock_timestamp() + backend.outbox_pause(m.tries)
     where m.id = p_id and m.state = 'sending' and m.tries = p_attempt
    returning m.state into outcome;
    outcome := coalesce(outcome, 'unchanged');
    return next;
end
$$;
comment on function backend.outbox_failed(uuid, integer, text, boolean) is
    'Records a failed try: pending again later, or dead after the tenth, or at once when the mail '
    'was refused for good.';
grant execute on function backend.outbox_failed(uuid, integer, text, boolean)
    to fn_send_outbox, fn_send_email;

-- send-email --------------------------------------------------------------------------------------

create or replace function backend.send_email(
    p_user_id uuid,
    p_to      text,
    p_subject text,
    p_html    text,
    p_plain   text,
    p_domain  text)
returns table (outcome text, id text, attempt text, message_id text, created_s text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
#variable_conflict use_column
declare
    v_mail public.outbox;
begin
    -- A customer writes to nobody else: the address is that of the row, not of the token.
    if p_user_id is not null and not exists (
        select
        from public.user_profiles as u
        join auth.users as a on a.id = u.id
        where u.id = p_user_id
          and u.account_status = 'active'
          and lower(a.email) = lower(p_to)
          and a.email_confirmed_at is not null
          and a.deleted_at is null
          and (a.banned_until is null or a.banned_until <= now()))
    then
        outcome := 'unauthorized';
        return next;
        return;
    end if;
    v_mail.id := gen_random_uuid();
    v_mail.replays := 0;
    insert into public.outbox as m
        (id, kind, cause, user_id, recipient, subject, html, plain, message_id, state, tries,
         lease_until)
    values
        (v_mail.id, 'direct', 'direct ' || v_mail.id, p_user_id, p_to, p_subject, p_html,
         nullif(p_plain, ''), backend.outbox_message_id(v_mail, p_domain), 'sending', 1,
         clock_timestamp() + interval '60 seconds')
    returning 'ok', m.id::text, m.tries::text, m.message_id,
              floor(extract(epoch from m.created_at))::bigint::text
         into outcome, id, attempt, message_id, created_s;
    return next;
end
$$;
comment on function backend.send_email(uuid, text, text, text, text, text) is
    'Writes a mail with words of its own and claims its first try. A user (null: service role) '
    'may write to the own confirmed address only.';
grant execute on function backend.send_email(uuid, text, text, text, text, text) to fn_send_email;

-- Replay ------------------------------------------------------------------------------------------

create or replace function backend.outbox_replay(p_ids uuid[], p_all_dead boolean)
returns table (id text)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
#variable_conflict use_column
begin
    return query
        with chosen as (
            select m.id, m.state
            from public.outbox as m
            where ((m.id = any (p_ids) and m.state in ('sent', 'dead'))
                   or (p_all_dead and m.state = 'dead'))
              and m.html is distinct from ''           -- its words were forgotten
              for update),
        revived as (
            update public.outbox as m
               set state = 'pending',
                   tries = 0,
                   next_try_at = clock_timestamp(),
                   -- A mail that was sent is wanted once more: a new message. One that was given
                   -- up may have arrived after all: the same message.
                   replays = m.replays + (c.state = 'sent')::int,
                   message_id = case when c.state = 'dead' then m.message_id end
              from chosen as c
             where m.id = c.id
            returning m.id, c.state as old_state),
        written as (
            insert into public.admin_audit_log
                (admin_email, admin_ip, action_type, table_name, record_id, old_values, description)
            select platform.caller_name(), platform.caller_ip(), 'REPLAY', 'outbox', r.id::text,
                   jsonb_build_object('state', r.old_state), 'mail put back to be sent again'
            from revived as r)
        select r.id::text from revived as r;
end
$$;
comment on function backend.outbox_replay(uuid[], boolean) is
    'Puts sent or dead mails back to pending, by id or all that are dead; audited.';

create or replace function public.replay_outbox(p_id uuid)
returns jsonb
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    if platform.caller_role() in ('anon', 'authenticated') and not platform.is_admin() then
        raise exception using
            errcode = '42501',
            message = 'Only administrators may replay mails';
    end if;
    perform from backend.outbox_replay(array[p_id], false);
    if not found then
        return jsonb_build_object('success', false, 'error', 'No sent or dead mail of this id');
    end if;
    return jsonb_build_object('success', true, 'id', p_id);
end
$$;
comment on function public.replay_outbox(uuid) is
    'Sends a sent or dead mail again: {success, id} or {success, error}. For administrators and '
    'service_role.';
grant execute on function public.replay_outbox(uuid) to authenticated, service_role;

-- What is forgotten -------------------------------------------------------------------------------

create or replace function backend.forget_mail_words(p_limit integer)
returns table (forgotten integer)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_before timestamptz := now() - interval '1 day' * coalesce(
        (select s.value from public.shop_settings as s where s.name = 'mail_words_days'), 90)::int;
begin
    update public.outbox as m
       set subject = '', html = '', plain = null
     where m.id = any (array(
            select o.id
            from public.outbox as o
            where o.kind = 'direct' and o.html <> '' and o.created_at < v_before
              and o.state in ('sent', 'dead')
            order by o.created_at
            limit p_limit
              for update skip locked));
    get diagnostics forgotten = row_count;
    return next;
end
$$;
comment on function backend.forget_mail_words(integer) is
    'Empties the words of at most so many old mails by send-email that were sent or given up.';
grant execute on function backend.forget_mail_words(integer) to fn_send_outbox;
