-- The outbox: a mail is written in the transaction that causes it, once per cause, and sent later
-- by send-outbox. A cause that is rolled back leaves no mail; one that is committed cannot lose it.
-- Sending: claim with a lease (queue.sql), send outside of any transaction, record. A process that
-- dies in between lets its lease run out; the next one sends the same message, by its Message-ID.
--
-- Secrets of a mail, codes and links, are stored sealed (seals.sql) under the mail's id and their
-- name, opened by send-outbox alone, and wiped when the mail is sent or given up; who asked for one
-- then asks again. A program that writes such a mail has CREDENTIAL_KEYS, chooses the mail's id, and
-- seals with it before it calls; a session that has the keys (./deploy.sh psql) passes them in
-- clear, and they are sealed here. Other sessions are refused: nothing is ever stored in clear.

-- Writing ----------------------------------------------------------------------------------------

create or replace function platform.check_mail_words()
returns trigger
language plpgsql
as $$
begin
    if new.template_name is null and (new.subject is null or new.html is null) then
        raise exception using
            errcode = '23514',
            message = 'A mail without a template brings its own words';
    end if;
    return new;
end
$$;
comment on function platform.check_mail_words() is
    'Trigger: a mail has a template, or subject and text.';

-- (No CHECK of the table: that is read again for every mail.)
create or replace trigger outbox_words
    before insert or update of template_name, subject, html on public.outbox
    for each row execute function platform.check_mail_words();
alter table public.outbox enable always trigger outbox_words;

create or replace function platform.write_mail(
    p_kind      text,
    p_cause     text,
    p_recipient text,
    p_variables jsonb,
    p_reference text default null,
    p_person    uuid default null,
    p_secrets   jsonb default null,
    p_id        uuid default gen_random_uuid())
returns uuid
language plpgsql
as $$
begin
    if p_secrets is not null then
        if exists (select from jsonb_object_keys(p_secrets) as k where k !~ '^[A-Za-z0-9_]+$') then
            raise exception using
                errcode = '22023',
                message = 'the name of a secret is letters, digits and _, as a template names it';
        end if;
        p_secrets := (
            select jsonb_object_agg(s.key, platform.sealed(s.value, p_id, s.key))
            from jsonb_each_text(p_secrets) as s);
    end if;
    insert into public.outbox
        (id, kind, cause, reference, person, recipient, template_name, variables, secrets)
    values
        (p_id, p_kind, p_cause, p_reference, p_person, p_recipient, p_kind, p_variables, p_secrets)
    on conflict (cause) do nothing;
    if not found then
        return null;
    end if;
    insert into platform.jobs (kind, key, due_at)   -- its id is new: nothing to meet
    values ('mail', p_id::text, clock_timestamp());
    return p_id;
end
$$;
comment on function platform.write_mail(text, text, text, jsonb, text, uuid, jsonb, uuid) is
    'Writes a mail of the template that is named as its kind, once per cause; its id, null when it '
    'was there. For functions of the application.';

create or replace function platform.outbox_message_id(p_mail public.outbox, p_domain text)
returns text
language sql immutable
as $$
    select coalesce(
        p_mail.message_id,
        p_mail.id || case when p_mail.replays > 0 then '.' || p_mail.replays else '' end
        || '@' || coalesce(nullif(p_domain, ''), 'localhost'))
$$;
comment on function platform.outbox_message_id(public.outbox, text) is
    'The Message-ID without brackets: given once, then kept.';

create or replace function platform.mail_prepare(p_mail public.outbox)
returns jsonb
language plpgsql
as $$
declare
    v_prepare regproc := (
        select k.prepare::regproc from platform.mail_kinds as k where k.kind = p_mail.kind);
    v_said jsonb;
begin
    if v_prepare is null then
        return '{}'::jsonb;
    end if;
    execute format('select %s($1)', v_prepare) into v_said using p_mail;
    return coalesce(v_said, to_jsonb(format('%s said nothing', v_prepare)));
end
$$;
comment on function platform.mail_prepare(public.outbox) is
    'What the application has to say before a mail is sent, see mail_kinds.prepare.';

create or replace function platform.send_email(
    p_user_id uuid,
    p_to      text,
    p_subject text,
    p_html    text,
    p_plain   text,
    p_domain  text)
returns table (outcome text, id text, attempt text, message_id text, created_s text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while tables were small
as $$
#variable_conflict use_column
declare
    v_mail public.outbox;
begin
    v_mail.id := gen_random_uuid();
    v_mail.kind := 'direct';
    v_mail.person := p_user_id;
    v_mail.replays := 0;
    -- A user writes to nobody else: the address is that of the row, not of the token.
    if p_user_id is not null and not exists (
        select
        from auth.users as a
        where a.id = p_user_id
          and platform.standing_of(a.id) = 'active'
          and lower(a.email) = lower(p_to)
          and a.email_confirmed_at is not null
          and a.deleted_at is null
          and (a.banned_until is null or a.banned_until <= now()))
    then
        outcome := 'unauthorized';
        return next;
        return;
    end if;
    insert into public.outbox as m
        (id, kind, cause, person, recipient, subject, html, plain, message_id, state, tries)
    values
        (v_mail.id, v_mail.kind, 'direct ' || v_mail.id, p_user_id, p_to, p_subject, p_html,
         nullif(p_plain, ''), platform.outbox_message_id(v_mail, p_domain), 'sending', 1)
    returning 'ok', m.id::text, m.tries::text, m.message_id,
              floor(extract(epoch from m.created_at))::bigint::text
         into outcome, id, attempt, message_id, created_s;
    perform platform.job_put('mail', id), platform.job_begin('mail', id);
    return next;
end
$$;
comment on function platform.send_email(uuid, text, text, text, text, text) is
    'Writes a mail with words of its own and claims its first try. A user (null: service role) '
    'may write to the own confirmed address only.';

-- Sending ----------------------------------------------------------------------------------------

create or replace function platform.outbox_claim(
    p_count         integer,
    p_domain        text,
    p_dashboard_url text)
returns table (
    id text, attempt text, kind text, message_id text, created_s text, recipient text,
    subject text, html text, plain text, variables text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- see send_email
as $$
#variable_conflict use_column
declare
    v_count integer := least(greatest(p_count, 0), 100);
    v_job platform.jobs;
    v_mail public.outbox;
    v_said jsonb;
    v_problem text;
begin
    -- Who is given up takes nobody's place; a call gives up a hundred at most.
    for v_turn in 1 .. v_count + 100 loop
        exit when v_count = 0;
        v_job := platform.job_next('mail');
        exit when v_job.key is null;
        select *
          into v_mail
          from public.outbox as m
         where m.id = v_job.key::uuid
           for no key update;
        if not found then
            perform platform.job_drop('mail', v_job.key);   -- the mail was deleted
            continue;
        end if;
        attempt := platform.job_begin('mail', v_job.key);
        continue when attempt is null;
        v_problem := null;
        subject := v_mail.subject;
        html := v_mail.html;
        plain := v_mail.plain;
        if v_mail.template_name is not null then
            select t.subject, t.html_content, t.text_content
              into subject, html, plain
              from public.email_templates as t
             where t.template_name = v_mail.template_name and t.is_active;
            if not found then
                v_problem := 'no active template of this name';
            end if;
        end if;
        if v_problem is null then
            begin
                v_said := platform.mail_prepare(v_mail);
            exception
                when others then        -- one mail's, and not that of those behind it
                    perform platform.outbox_failed(v_mail.id, attempt::integer, sqlerrm, false);
                    continue;
            end;
            v_problem := case when jsonb_typeof(v_said) = 'string' then v_said #>> '{}' end;
        end if;
        if v_problem is not null then
            perform platform.job_bury('mail', v_job.key, v_problem);
            continue;
        end if;
        variables := case when v_mail.template_name is not null then
            v_mail.variables || jsonb_build_object('dashboard_url', coalesce(p_dashboard_url, ''))
            || v_said || platform.mail_secrets(v_mail) end;
        update public.outbox as m
           set state = 'sending',
               tries = attempt::integer,
               message_id = platform.outbox_message_id(m, p_domain)
         where m.id = v_mail.id
        returning m.id::text, m.kind, m.message_id,
                  floor(extract(epoch from m.created_at))::bigint::text, m.recipient
             into id, kind, message_id, created_s, recipient;
        v_count := v_count - 1;
        return next;
    end loop;
end
$$;
comment on function platform.outbox_claim(integer, text, text) is
    'Leases due mails for a minute or more and returns what is needed to write them. variables is '
    'null when the words are final. What cannot be sent at all is given up here.';
grant execute on function platform.outbox_claim(integer, text, text) to fn_send_outbox;

create or replace function platform.mail_secrets(p_mail public.outbox)
returns jsonb
language sql stable
as $$
    select coalesce(
        jsonb_object_agg(s.key, platform.show_sealed(s.value, p_mail.id, s.key)), '{}')
    from jsonb_each_text(p_mail.secrets) as s
$$;
comment on function platform.mail_secrets(public.outbox) is
    'The secrets of a mail for its sender, who opens them.';

create or replace function platform.outbox_sent(p_id uuid, p_provider_id text)
returns table (outcome text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- see send_email
as $$
begin
    -- Whoever sent it tells the truth, also after the lease ran out.
    perform platform.job_done('mail', p_id::text);
    update public.outbox as m
       set state = 'sent',
           last_error = null,
           provider_id = left(p_provider_id, 200),
           sent_at = clock_timestamp(),
           secrets = case when m.secrets is not null then '{}'::jsonb end
     where m.id = p_id and m.state <> 'sent';
    outcome := case when found then 'ok' else 'unchanged' end;
    return next;
end
$$;
comment on function platform.outbox_sent(uuid, text) is 'Records that a mail was sent.';

create or replace function platform.mail_dead(p_id text, p_error text)
returns void
language sql
as $$
    update public.outbox as m
       set state = 'dead',
           last_error = coalesce(left(p_error, 500), m.last_error,
                                 'the sender ended while it sent'),
           secrets = case when m.secrets is not null then '{}'::jsonb end
     where m.id = p_id::uuid
$$;
comment on function platform.mail_dead(text, text) is
    'A mail was given up; a replay revives it, unless it had secrets. For the queue.';

create or replace function platform.outbox_failed(
    p_id      uuid,
    p_attempt integer,
    p_error   text,
    p_final   boolean,
    p_wait_s  integer default 0)
returns table (outcome text)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- see send_email
as $$
begin
    if p_wait_s > 0 and not p_final then
        perform
           from platform.jobs as j
          where j.kind = 'mail' and j.key = p_id::text and j.state = 'running'
            and j.tries = p_attempt
            for update;
        outcome := case when found then 'waiting' else 'unchanged' end;
        if found then
            perform platform.job_put_off(
                'mail', p_id::text, clock_timestamp() + least(p_wait_s, 86400) * interval '1 second');
        end if;
    else
        outcome := platform.job_failed('mail', p_id::text, p_attempt, p_error, p_final);
    end if;
    if outcome = 'waiting' then
        outcome := 'pending';
        update public.outbox as m
           set state = 'pending', last_error = left(p_error, 500)
         where m.id = p_id;
    end if;
    return next;
end
$$;
comment on function platform.outbox_failed(uuid, integer, text, boolean, integer) is
    'Records a failed try: pending again later, or dead after the tenth, or at once when the mail '
    'was refused for good; unchanged when another try has it by now. With p_wait_s the provider said '
    'not now: pending again after so long, and that was no try.';

grant execute on function platform.send_email(uuid, text, text, text, text, text) to fn_send_email;
grant execute on function
        platform.outbox_sent(uuid, text),
        platform.outbox_failed(uuid, integer, text, boolean, integer)
    to fn_send_outbox, fn_send_email;

-- Once more, and no more -------------------------------------------------------------------------

create or replace function platform.outbox_replay(p_ids uuid[], p_all_dead boolean)
returns table (mail_id uuid, old_state text)
language plpgsql
as $$
begin
    -- A job is locked before its mail, as by whoever sends it.
    perform
       from platform.jobs as j
      where j.kind = 'mail' and j.state = 'dead' and j.due_at = 'infinity'
        and (p_all_dead or j.key = any (p_ids::text[]))
      order by j.key
        for update;
    for mail_id, old_state in
        select m.id, m.state
        from public.outbox as m
        where ((m.id = any (p_ids) and m.state in ('sent', 'dead'))
               or (p_all_dead and m.state = 'dead'))
          and m.html is distinct from ''            -- its words were forgotten
          and m.secrets is distinct from '{}'       -- its secrets were wiped
          for update
    loop
        update public.outbox as m
           set state = 'pending',
               tries = 0,
               -- A mail that was sent is wanted once more: a new message. One that was given up may
               -- have arrived after all: the same message.
               replays = m.replays + (old_state = 'sent')::int,
               message_id = case when old_state = 'dead' then m.message_id end
         where m.id = mail_id;
        perform platform.job_replay('mail', mail_id::text);
        perform platform.write_audit('REPLAY', 'outbox', mail_id::text,
            'mail put back to be sent again', p_old => jsonb_build_object('state', old_state));
        return next;
    end loop;
end
$$;
comment on function platform.outbox_replay(uuid[], boolean) is
    'Puts sent or dead mails back to pending, by id or all that are dead; audited.';

create or replace function platform.reseal_mails()
returns table (resealed integer, unreadable integer)
language plpgsql
as $$
declare
    v_mail record;
begin
    resealed := 0;
    unreadable := 0;
    perform platform.pause_audit();         -- its caller writes one line
    for v_mail in
        select m.id, m.secrets
        from public.outbox as m
        where m.secrets <> '{}'
        order by m.id
          for no key update
    loop
        begin
            update public.outbox as m
               set secrets = (
                    select jsonb_object_agg(s.key, platform.seal(
                        platform.unseal(s.value, v_mail.id, s.key), v_mail.id, s.key))
                    from jsonb_each_text(v_mail.secrets) as s)
             where m.id = v_mail.id;
            resealed := resealed + 1;
        exception
            when sqlstate 'FFX10' or sqlstate 'FFX11' then
                raise warning 'outbox %: %', v_mail.id, sqlerrm;
                unreadable := unreadable + 1;
        end;
    end loop;
    perform platform.resume_audit();
    return next;
end
$$;
comment on function platform.reseal_mails() is
    'Seals the secrets of mails that are not sent yet with the session''s current key.';

create or replace function platform.forget_mail_words(p_limit integer)
returns table (forgotten integer)
language plpgsql security definer
set search_path = pg_catalog, public, platform, pg_temp
set enable_seqscan = off                -- see send_email
as $$
declare
    v_before timestamptz := now() - interval '1 day' * (
        select k.keep_days from platform.mail_kinds as k where k.kind = 'direct');
begin
    -- They may hold anything, are of no use once the mail is sent or given up, and no template
    -- could write them again. Who, when, state and Message-ID stay.
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
comment on function platform.forget_mail_words(integer) is
    'Empties the words of at most so many old mails of kind direct that were sent or given up.';
grant execute on function platform.forget_mail_words(integer) to fn_send_outbox;

-- A new mail follows from something else; its words are kept for a while only.
select platform.audit_table('public.outbox', 'id', p_masks => 'recipient html plain variables secrets',
                            p_events => 'update or delete'),
       platform.audit_table('platform.mail_kinds', 'kind');
