-- Secrets at rest: encrypted, authenticated, with the id of their key, bound to their place.
--
-- A stored value is  ffx1.<key id>.<base64url of iv, ciphertext, tag>  without padding:
--     ciphertext  AES-256-CBC, PKCS #7 padding, a random iv, key HMAC-SHA-256(key, 'encrypt')
--     tag         HMAC-SHA-256 with key HMAC-SHA-256(key, 'authenticate') over
--                 'ffx1.<key id>.<row id>.<name>.', iv and ciphertext
-- Row id (a UUID) and name (a column, say) are where it stands: moved elsewhere it does not open.
--
-- Keys come from the environment (CREDENTIAL_KEYS: id:64 hex digits[,id:…], the first is used for
-- sealing, all for opening) and are stored nowhere in the database. A session that may seal and
-- open has them as its setting ffx.credential_keys, given when it connects:
--     PGOPTIONS="-c ffx.credential_keys=$CREDENTIAL_KEYS" psql …       (./deploy.sh psql does it)
-- The programs' sessions have none: their keys never come here. They open values themselves, on the
-- way out (crypto/sealed.h). A program that writes secrets, codes of mails say, seals them likewise
-- before it passes them on; whoever takes values takes sealed ones as they are (platform.sealed).

create or replace function platform.seal_keys()
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
    -- Nobody could tell which of two sealed a value, and a change of the key would seal nothing anew.
    if v_keys ~ '(^|,)([a-z0-9]+):.*,\2:' then
        raise exception using
            errcode = 'FFX10',
            message = 'ffx.credential_keys has two keys of one id';
    end if;
    return query
        select split_part(k.pair, ':', 1), decode(split_part(k.pair, ':', 2), 'hex'), k.n = 1
        from string_to_table(v_keys, ',') with ordinality as k (pair, n);
end
$$;
comment on function platform.seal_keys() is
    'The keys of this session, the current one first; none in a session without.';

create or replace function platform.has_seal_keys()
returns boolean
language sql stable
as $$ select coalesce(current_setting('ffx.credential_keys', true), '') <> '' $$;
comment on function platform.has_seal_keys() is 'Whether this session may seal and open.';

create or replace function platform.is_sealed(p_value text)
returns boolean
language sql immutable                  -- without SET: it is inlined where it is called
as $$
    -- An iv, at least one block and a tag are 64 bytes, 86 characters.
    -- (Counted apart: as {86,} or {1,16} the pattern costs ten times as much.)
    select p_value ~ '^ffx1\.[a-z0-9]+\.[A-Za-z0-9_-]+$'
           and octet_length(split_part(p_value, '.', 2)) <= 16
           and octet_length(split_part(p_value, '.', 3)) >= 86
$$;
comment on function platform.is_sealed(text) is 'Whether a value has the form of a sealed one.';

create or replace function platform.seal(p_plain text, p_row_id uuid, p_name text)
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
    select k.kid, k.secret into v_kid, v_secret from platform.seal_keys() as k
     where k.is_current;
    if not found then
        raise exception using
            errcode = 'FFX10',
            message = 'A secret is stored encrypted, and this session has no key',
            hint = 'Use ./deploy.sh psql, or connect with '
                   'PGOPTIONS="-c ffx.credential_keys=$CREDENTIAL_KEYS".';
    end if;
    v_text := v_iv || encrypt_iv(
        convert_to(p_plain, 'UTF8'), hmac('encrypt'::bytea, v_secret, 'sha256'), v_iv,
        'aes-cbc/pad:pkcs');
    v_text := v_text || hmac(
        convert_to(format('ffx1.%s.%s.%s.', v_kid, p_row_id, p_name), 'UTF8') || v_text,
        hmac('authenticate'::bytea, v_secret, 'sha256'), 'sha256');
    return 'ffx1.' || v_kid || '.' || translate(encode(v_text, 'base64'), E'+/=\n', '-_');
end
$$;
comment on function platform.seal(text, uuid, text) is
    'Encrypts a value of a row with the session''s current key. SQLSTATE FFX10 without one.';

create or replace function platform.unseal(p_value text, p_row_id uuid, p_name text)
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
    select k.secret into v_secret from platform.seal_keys() as k where k.kid = v_kid;
    if not found then
        raise exception using
            errcode = 'FFX10',
            message = format('This session does not have the key "%s"', left(v_kid, 16));
    end if;
    if platform.is_sealed(p_value) and length(v_coded) % 4 <> 1 then
        v_bytes := decode(v_coded || repeat('=', -length(v_coded) & 3), 'base64');
        v_text := substr(v_bytes, 1, length(v_bytes) - 32);
        v_mac_key := hmac('authenticate'::bytea, v_secret, 'sha256');
        -- Both sides are hashed once more, so that the time tells nothing about the tag.
        if hmac(substr(v_bytes, length(v_bytes) - 31), v_mac_key, 'sha256')
           = hmac(hmac(
                convert_to(format('ffx1.%s.%s.%s.', v_kid, p_row_id, p_name), 'UTF8')
                || v_text, v_mac_key, 'sha256'), v_mac_key, 'sha256')
        then
            return convert_from(
                decrypt_iv(substr(v_text, 17), hmac('encrypt'::bytea, v_secret, 'sha256'),
                           substr(v_text, 1, 16), 'aes-cbc/pad:pkcs'), 'UTF8');
        end if;
    end if;
    raise exception using
        errcode = 'FFX11',
        message = 'A sealed value was changed, or belongs to another row or name',
        detail = format('row %s, %s', p_row_id, p_name);
end
$$;
comment on function platform.unseal(text, uuid, text) is
    'Opens a sealed value. SQLSTATE FFX10: the session lacks its key; FFX11: it was changed or is '
    'another row''s or name''s.';

create or replace function platform.sealed(p_value text, p_row_id uuid, p_name text)
returns text
language plpgsql volatile               -- search path: its caller's
as $$
begin
    if p_value is null then
        return null;
    elsif not platform.is_sealed(p_value) then
        return platform.seal(p_value, p_row_id, p_name);
    elsif platform.has_seal_keys() then
        perform platform.unseal(p_value, p_row_id, p_name);
    end if;
    return p_value;
end
$$;
comment on function platform.sealed(text, uuid, text) is
    'The value as it is stored: a plain one is sealed; a sealed one stays, and is checked where '
    'the session has the keys.';

create or replace function platform.show_sealed(p_value text, p_row_id uuid, p_name text)
returns text
language plpgsql stable
as $$
begin
    if p_value is null or platform.has_seal_keys() then
        return platform.unseal(p_value, p_row_id, p_name);
    end if;
    return format('sealed:%s:%s:%s', p_row_id, p_name, p_value);
end
$$;
comment on function platform.show_sealed(text, uuid, text) is
    'A sealed value on its way to who may see it: in clear where the session has the keys, else '
    'as sealed:<row id>:<name>:<value>, which a program with the keys opens on the way out '
    '(crypto/sealed.h).';
