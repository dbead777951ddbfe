-- Trading passwords at rest: sealed (platform/sql/seals.sql) under the id of account_container, in
-- both tables: a delivery hands the value on as it is and needs no key. Staff insert plain passwords
-- in a session that has the keys, and a trigger seals them before they are stored.

-- Writing -----------------------------------------------------------------------------------------

create or replace function backend.seal_credentials()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, backend, pg_temp
as $$
declare
    c_id constant text := case tg_table_name when 'account_container' then 'id'
                                             else 'container_account_id' end;
    v_account_id constant uuid := (to_jsonb(new) ->> c_id)::uuid;
begin
    -- What a program hands on is sealed, and it has no keys to look into it.
    if platform.is_sealed(new.password)
       and (new.investor_password is null or platform.is_sealed(new.investor_password))
       and not platform.has_seal_keys() then
        if tg_op = 'UPDATE' and v_account_id::text is distinct from to_jsonb(old) ->> c_id then
            raise exception using
                errcode = 'FFX11',
                message = 'The passwords of an account are sealed under its id: nobody could read them any more';
        end if;
        return new;
    end if;
    new.password := platform.sealed(new.password, v_account_id, 'password');
    new.investor_password :=
        platform.sealed(new.investor_password, v_account_id, 'investor_password');
    return new;
end
$$;
comment on function backend.seal_credentials() is
    'Trigger: no trading password is stored in clear.';

create or replace trigger account_container_seal
    before insert or update of id, password, investor_password on public.account_container
    for each row execute function backend.seal_credentials();
create or replace trigger delivered_accounts_seal
    before insert or update of container_account_id, password, investor_password
    on public.delivered_accounts
    for each row execute function backend.seal_credentials();

create or replace function backend.check_sealed()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if new.password not like 'ffx1.%' or new.investor_password not like 'ffx1.%' then
        raise exception using
            errcode = '23514',
            message = 'A trading password is never stored in clear';
    end if;
    return new;
end
$$;
comment on function backend.check_sealed() is
    'Trigger: what is not sealed is not stored, whatever became of the trigger that seals.';

-- Always: also while others rest (session_replication_role). After the one that seals, by its name.
-- (By columns and no CHECK of the table: that is read again for every account that is taken.)
create or replace trigger account_container_sealed
    before insert or update of password, investor_password on public.account_container
    for each row execute function backend.check_sealed();
alter table public.account_container enable always trigger account_container_sealed;
create or replace trigger delivered_accounts_sealed
    before insert or update of password, investor_password on public.delivered_accounts
    for each row execute function backend.check_sealed();
alter table public.delivered_accounts enable always trigger delivered_accounts_sealed;

-- Reading -----------------------------------------------------------------------------------------

create or replace function backend.reveal(
    p_account_id uuid, p_column text, p_value text, p_reason text)
returns text
language plpgsql volatile
as $$
declare
    v_shown text;
begin
    if p_value is null then
        return null;
    end if;
    v_shown := platform.show_sealed(p_value, p_account_id, p_column);
    insert into public.credential_reveals (account_id, column_name, reader, reader_ip, reason)
    values (p_account_id, p_column, platform.caller_name(), platform.caller_ip(), p_reason);
    return v_shown;
end
$$;
comment on function backend.reveal(uuid, text, text, text) is
    'A password for somebody who may see it, audited: in clear where the session has the keys, '
    'else as sealed:<account>:<column>:<value>, which a program with the keys opens on the way out '
    '(common/crypto/sealed.h).';

create or replace function public.reveal_credential(p_account_id uuid, p_column text, p_value text)
returns text
language plpgsql volatile security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
begin
    if not exists (
        select from public.delivered_accounts as d
        where d.container_account_id = p_account_id and d.user_id = auth.uid())
    then
        perform platform.require_duty('see the passwords of others', 'support', 'inventory');
    end if;
    -- What is written down about it is no text of the caller's.
    if p_column not in ('password', 'investor_password') or p_column is null then
        raise exception using
            errcode = '22023',
            message = 'The column must be one of password, investor_password';
    end if;
    return backend.reveal(p_account_id, p_column, p_value, 'read');
end
$$;
comment on function public.reveal_credential(uuid, text, text) is
    'What stands for a password column wherever its rows are read for a caller: account_container '
    'passes its id, delivered_accounts its container_account_id. For the owner of the account, '
    'support, inventory and service_role; audited, so not in a read-only transaction.';
grant execute on function public.reveal_credential(uuid, text, text) to authenticated, service_role;

create or replace function public.own_credential(p_account_id uuid, p_column text, p_value text)
returns text
language plpgsql volatile security definer
set search_path = pg_catalog, public, backend, pg_temp
set enable_seqscan = off                -- see record_payment_event
as $$
begin
    if p_value is null
       or not exists (
            select from public.delivered_accounts as d
            where d.container_account_id = p_account_id and d.user_id = auth.uid())
    then
        return null;
    end if;
    return backend.reveal(p_account_id, p_column, p_value, 'read');
end
$$;
comment on function public.own_credential(uuid, text, text) is
    'What the data API shows for a sealed column: to the owner of the account the password, and that '
    'is on record; to everybody else, staff and the service key too, null.';
grant execute on function public.own_credential(uuid, text, text)
    to anon, authenticated, service_role;

create or replace function backend.with_credentials(p_delivery jsonb)
returns jsonb
language sql volatile
as $$
    select coalesce(
        (select jsonb_set(p_delivery, '{account_details}',
                    p_delivery -> 'account_details' || jsonb_build_object(
                        'password', backend.reveal(
                            d.container_account_id, 'password', d.password, 'delivery'),
                        'investor_password', backend.reveal(
                            d.container_account_id, 'investor_password', d.investor_password,
                            'delivery')))
         from public.delivered_accounts as d
         where d.id = (p_delivery ->> 'delivered_account_id')::uuid),
        p_delivery)
$$;
comment on function backend.with_credentials(jsonb) is
    'The answer of a delivery with the account''s passwords; one without success as it is.';

-- Changing the key --------------------------------------------------------------------------------

create or replace function backend.reseal_some(p_table text, p_after uuid, p_limit integer)
returns table (last_id uuid, resealed integer, unreadable integer)
language plpgsql
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_row record;
    v_kid text := (select k.kid from platform.seal_keys() as k where k.is_current);
    v_account text := case p_table when 'account_container' then 'id'
                                   else 'container_account_id' end;
begin
    resealed := 0;
    unreadable := 0;
    -- One line in the audit for the whole run instead of one per row.
    perform platform.pause_audit();
    for v_row in execute format(
        'select id, %I as account_id, password, investor_password from public.%I
         where id > $1 order by id limit $2 for no key update', v_account, p_table)
        using p_after, p_limit
    loop
        last_id := v_row.id;
        continue when split_part(v_row.password, '.', 2) = v_kid
                  and coalesce(split_part(v_row.investor_password, '.', 2), v_kid) = v_kid;
        begin
            execute format('update public.%I set password = $1, investor_password = $2
                            where id = $3', p_table)
            using platform.unseal(v_row.password, v_row.account_id, 'password'),
                  platform.unseal(v_row.investor_password, v_row.account_id, 'investor_password'),
                  v_row.id;
            resealed := resealed + 1;
        exception
            when sqlstate 'FFX10' or sqlstate 'FFX11' then
                raise warning '% %: %', p_table, v_row.id, sqlerrm;
                unreadable := unreadable + 1;
        end;
    end loop;
    perform platform.resume_audit();
    return next;
end
$$;
comment on function backend.reseal_some(text, uuid, integer) is
    'Seals the passwords of the next rows with the session''s current key. For reseal_credentials.';

create or replace procedure backend.reseal_credentials(p_batch integer default 500)
language plpgsql
as $$
declare
    v_table text;
    v_total bigint;
    v_seen bigint;
    v_done bigint := 0;
    v_bad bigint := 0;
    v_last uuid;
    v_some record;
begin
    foreach v_table in array array['account_container', 'delivered_accounts'] loop
        execute format('select count(*) from public.%I', v_table) into v_total;
        v_seen := 0;
        v_last := '00000000-0000-0000-0000-000000000000';
        loop
            select * into v_some from backend.reseal_some(v_table, v_last, p_batch);
            commit;                         -- an interrupted run keeps what it did
            exit when v_some.last_id is null;
            v_last := v_some.last_id;
            v_seen := least(v_seen + p_batch, v_total);
            v_done := v_done + v_some.resealed;
            v_bad := v_bad + v_some.unreadable;
            raise notice '%: % of % rows', v_table, v_seen, v_total;
        end loop;
    end loop;
    for v_some in
        select * from platform.reseal_mails() union all select * from platform.reseal_factors()
    loop
        v_done := v_done + v_some.resealed;
        v_bad := v_bad + v_some.unreadable;
    end loop;
    perform platform.write_audit('RESEAL', 'account_container', null,
        format('%s rows sealed with key %s, %s not readable', v_done,
               (select k.kid from platform.seal_keys() as k where k.is_current), v_bad));
    raise notice '% rows sealed again, % not readable', v_done, v_bad;
end
$$;
comment on procedure backend.reseal_credentials(integer) is
    'Seals every trading password that has another key with the session''s current one, batch by '
    'batch, saying how far it is, and the secrets of mails and second factors. May be interrupted and called again.';

create or replace function backend.credentials_by_key()
returns table (kid text, rows bigint)
language sql stable
as $$
    select k.kid, count(*)
    from (
        select split_part(c.password, '.', 2) from public.account_container as c
        union all
        select split_part(c.investor_password, '.', 2) from public.account_container as c
        where c.investor_password is not null
        union all
        select split_part(d.password, '.', 2) from public.delivered_accounts as d
        union all
        select split_part(d.investor_password, '.', 2) from public.delivered_accounts as d
        where d.investor_password is not null
        union all
        select split_part(s.value, '.', 2)
        from public.outbox as m
        cross join lateral jsonb_each_text(m.secrets) as s
        where m.secrets <> '{}'
        union all
        select split_part(f.secret, '.', 2) from auth.mfa_factors as f
        where f.secret is not null) as k (kid)
    group by k.kid
    order by k.kid
$$;
comment on function backend.credentials_by_key() is
    'How many stored passwords, secrets of mails that are not sent yet, and of second factors, each '
    'key holds.';
