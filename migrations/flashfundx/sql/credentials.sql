-- Trading passwords at rest: encrypted, authenticated, with the id of their key, bound to the row.
--
-- A stored value is  ffx1.<key id>.<base64url of iv, ciphertext, tag>  without padding:
--     ciphertext  AES-256-CBC, PKCS #7 padding, a random iv, key HMAC-SHA-256(key, 'encrypt')
--     tag         HMAC-SHA-256 with key HMAC-SHA-256(key, 'authenticate') over
--                 'ffx1.<key id>.<account id>.<column>.', iv and ciphertext
-- <account id> is the id in account_container, in both tables: a delivery hands the value on as it
-- is and needs no key. A value moved to another account or column does not open.
--
-- Keys come from the environment (CREDENTIAL_KEYS: id:64 hex digits[,id:…], the first is used for
-- sealing, all for opening) and are stored nowhere in the database. A session that may seal and
-- open has them as its setting ffx.credential_keys, given when it connects:
--     PGOPTIONS="-c ffx.credential_keys=$CREDENTIAL_KEYS" psql …       (./deploy.sh psql does it)
-- In such a session staff insert plain passwords, and a trigger seals them before they are stored.
-- The programs open values themselves (common/crypto/sealed.h); their keys never come here.

-- Keys and values ---------------------------------------------------------------------------------

create or replace function backend.credential_keys()
returns table (kid text, secret bytea, is_current boolean)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_keys text := nullif(current_setting('ffx.credential_keys', true), '');
begin
    -- The text of the setting never gets into a message.
    if v_keys !~ '^[a-z0-9]{1,16}:[0-9a-f]{64}(,[a-z0-9]{1,16}:[0-9a-f]{64})*$' then
        raise exception using
            errcode = 'FFX10',
            message = 'ffx.credential_keys is malformed: it must be id:64 hex digits[,id:…]';
    end if;
    return query
        select split_part(k.pair, ':', 1), decode(split_part(k.pair, ':', 2), 'hex'), k.n = 1
        from string_to_table(v_keys, ',') with ordinality as k (pair, n);
end
$$;
comment on function backend.credential_keys() is
    'The keys of this session, the current one first; none in a session without.';

create or replace function backend.has_credential_keys()
returns boolean
language sql stable
as $$ select coalesce(current_setting('ffx.credential_keys', true), '') <> '' $$;
comment on function backend.has_credential_keys() is 'Whether this session may seal and open.';

create or replace function backend.is_sealed(p_value text)
returns boolean
language sql immutable                  -- without SET: it is inlined where it is called
as $$
    -- An iv, at least one block and a tag are 64 bytes, 86 characters.
    -- (Counted apart: as {86,} the pattern costs ten times as much.)
    select p_value ~ '^ffx1\.[a-z0-9]{1,16}\.[A-Za-z0-9_-]+$'
           and length(split_part(p_value, '.', 3)) >= 86
$$;
comment on function backend.is_sealed(text) is 'Whether a value has the form of a sealed one.';

create or replace function backend.seal(p_plain text, p_account_id uuid, p_column text)
returns text
language plpgsql volatile
set search_path = pg_catalog, extensions, pg_temp
as $$
declare
    v_kid text;
    v_secret bytea;
    v_iv bytea := gen_random_bytes(16);
    v_text bytea;
begin
    select k.kid, k.secret into v_kid, v_secret from backend.credential_keys() as k
     where k.is_current;
    if not found then
        raise exception using
            errcode = 'FFX10',
            message = 'A trading password is stored encrypted, and this session has no key',
            hint = 'Use ./deploy.sh psql, or connect with '
                   'PGOPTIONS="-c ffx.credential_keys=$CREDENTIAL_KEYS".';
    end if;
    v_text := v_iv || encrypt_iv(
        convert_to(p_plain, 'UTF8'), hmac('encrypt'::bytea, v_secret, 'sha256'), v_iv,
        'aes-cbc/pad:pkcs');
    v_text := v_text || hmac(
        convert_to(format('ffx1.%s.%s.%s.', v_kid, p_account_id, p_column), 'UTF8') || v_text,
        hmac('authenticate'::bytea, v_secret, 'sha256'), 'sha256');
    return 'ffx1.' || v_kid || '.' || translate(encode(v_text, 'base64'), E'+/=\n', '-_');
end
$$;
comment on function backend.seal(text, uuid, text) is
    'Encrypts a password of an account with the session''s current key; SQLSTATE FFX10 without.';

create or replace function backend.unseal(p_value text, p_account_id uuid, p_column text)
returns text
language plpgsql stable
set search_path = pg_catalog, extensions, pg_temp
as $$
declare
    v_kid text := split_part(p_value, '.', 2);
    v_secret bytea;
    v_coded text := translate(split_part(p_value, '.', 3), '-_', '+/');
    v_bytes bytea;
    v_text bytea;
    v_mac_key bytea;
begin
    if p_value is null then
        return null;
    end if;
    select k.secret into v_secret from backend.credential_keys() as k where k.kid = v_kid;
    if not found then
        raise exception using
            errcode = 'FFX10',
            message = format('This session does not have the key "%s"', left(v_kid, 16));
    end if;
    if backend.is_sealed(p_value) and length(v_coded) % 4 <> 1 then
        v_bytes := decode(v_coded || repeat('=', -length(v_coded) & 3), 'base64');
        v_text := substr(v_bytes, 1, length(v_bytes) - 32);
        v_mac_key := hmac('authenticate'::bytea, v_secret, 'sha256');
        -- Both sides are hashed once more, so that the time tells nothing about the tag.
        if hmac(substr(v_bytes, length(v_bytes) - 31), v_mac_key, 'sha256')
           = hmac(hmac(
                convert_to(format('ffx1.%s.%s.%s.', v_kid, p_account_id, p_column), 'UTF8')
                || v_text, v_mac_key, 'sha256'), v_mac_key, 'sha256')
        then
            return convert_from(
                decrypt_iv(substr(v_text, 17), hmac('encrypt'::bytea, v_secret, 'sha256'),
                           substr(v_text, 1, 16), 'aes-cbc/pad:pkcs'), 'UTF8');
        end if;
    end if;
    raise exception using
        errcode = 'FFX11',
        message = 'A stored password was changed, or belongs to another account or column',
        detail = format('account %s, %s', p_account_id, p_column);
end
$$;
comment on function backend.unseal(text, uuid, text) is
    'Opens a sealed password. SQLSTATE FFX10: the session lacks its key; FFX11: it was changed or '
    'is another row''s or column''s.';

-- Writing -----------------------------------------------------------------------------------------

create or replace function backend.sealed(p_value text, p_account_id uuid, p_column text)
returns text
language plpgsql volatile               -- search path: its caller's
as $$
begin
    if p_value is null then
        return null;
    elsif not backend.is_sealed(p_value) then
        return backend.seal(p_value, p_account_id, p_column);
    elsif backend.has_credential_keys() then
        perform backend.unseal(p_value, p_account_id, p_column);
    end if;
    return p_value;
end
$$;
comment on function backend.sealed(text, uuid, text) is
    'The value as it is stored: a plain one is sealed; a sealed one stays, and is checked where '
    'the session has the keys.';

create or replace function backend.seal_credentials()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, backend, pg_temp
as $$
declare
    v_account_id uuid;
begin
    if tg_table_name = 'account_container' then
        v_account_id := new.id;
    else
        v_account_id := new.container_account_id;
    end if;
    new.password := backend.sealed(new.password, v_account_id, 'password');
    new.investor_password :=
        backend.sealed(new.investor_password, v_account_id, 'investor_password');
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
    v_shown := case
        when backend.has_credential_keys() then backend.unseal(p_value, p_account_id, p_column)
        else format('sealed:%s:%s:%s', p_account_id, p_column, p_value)
    end;
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
    if platform.caller_role() in ('anon', 'authenticated')
       and not exists (
            select from public.delivered_accounts as d
            where d.container_account_id = p_account_id and d.user_id = auth.uid())
       and not platform.is_admin()
    then
        raise exception using
            errcode = '42501',
            message = 'Only its owner and administrators may see an account''s password';
    end if;
    return backend.reveal(p_account_id, p_column, p_value, 'read');
end
$$;
comment on function public.reveal_credential(uuid, text, text) is
    'What stands for a password column wherever its rows are read for a caller: account_container '
    'passes its id, delivered_accounts its container_account_id. For the owner of the account, '
    'administrators and service_role; audited, so not in a read-only transaction.';
grant execute on function public.reveal_credential(uuid, text, text) to authenticated, service_role;

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
    v_kid text := (select k.kid from backend.credential_keys() as k where k.is_current);
    v_account text := case p_table when 'account_container' then 'id'
                                   else 'container_account_id' end;
begin
    resealed := 0;
    unreadable := 0;
    -- One line in the audit for the whole run instead of one per row.
    perform set_config('platform.audited_as_a_whole', 'on', true);
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
            using backend.unseal(v_row.password, v_row.account_id, 'password'),
                  backend.unseal(v_row.investor_password, v_row.account_id, 'investor_password'),
                  v_row.id;
            resealed := resealed + 1;
        exception
            when sqlstate 'FFX10' or sqlstate 'FFX11' then
                raise warning '% %: %', p_table, v_row.id, sqlerrm;
                unreadable := unreadable + 1;
        end;
    end loop;
    perform set_config('platform.audited_as_a_whole', '', true);
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
    insert into public.admin_audit_log (admin_email, admin_ip, action_type, table_name, description)
    values (platform.caller_name(), platform.caller_ip(), 'RESEAL', 'account_container',
            format('%s rows sealed with key %s, %s not readable', v_done,
                   (select k.kid from backend.credential_keys() as k where k.is_current), v_bad));
    raise notice '% rows sealed again, % not readable', v_done, v_bad;
end
$$;
comment on procedure backend.reseal_credentials(integer) is
    'Seals every trading password that has another key with the session''s current one, batch by '
    'batch, saying how far it is. May be interrupted and called again.';

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
        where d.investor_password is not null) as k (kid)
    group by k.kid
    order by k.kid
$$;
comment on function backend.credentials_by_key() is 'How many stored passwords each key holds.';
