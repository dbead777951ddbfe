-- Stock that staff put in from a list: one COPY into a view (./deploy.sh stock import).

-- Each line as it stands in the list, and what is wrong with its form.
create or replace view backend.stock_import as
select null::integer as line, null::text as problem, null::text as account_size,
       null::text as platform_type, null::text as server_name, null::text as login_id,
       null::text as password, null::text as investor_password, null::text as notes
where false;
comment on view backend.stock_import is
    'Takes lines in by COPY, for the length of a transaction that has the keys of trading passwords: '
    'each becomes an account of the stock, or a NOTICE says why not. See stock_import_counts.';

create or replace function backend.stock_line_problem(p_line backend.stock_import)
returns text
language plpgsql stable
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_name text;
    v_value text;
    v_most integer;
begin
    if p_line.problem is not null then
        return p_line.problem;
    end if;
    for v_name, v_value, v_most in
        values ('account_size', p_line.account_size, 16), ('platform_type', p_line.platform_type, 8),
               ('server_name', p_line.server_name, 100), ('login_id', p_line.login_id, 64),
               ('password', p_line.password, 200),
               ('investor_password', p_line.investor_password, 200), ('notes', p_line.notes, 500)
    loop
        if coalesce(v_value, '') = '' and v_name not in ('investor_password', 'notes') then
            return v_name || ' is missing';
        elsif length(v_value) > v_most then
            return format('%s is longer than %s characters', v_name, v_most);
        elsif v_value ~ '[[:cntrl:]]' then
            return v_name || ' has control characters';
        elsif v_name ~ 'password$' and platform.is_sealed(v_value) then
            return v_name || ' is encrypted already';
        end if;
    end loop;
    if p_line.account_size !~ '^[0-9]{1,13}(\.[0-9]{1,2})?$' then
        return 'account_size is no number such as 10000';
    elsif p_line.platform_type not in ('mt4', 'mt5') then
        return 'platform_type is neither mt4 nor mt5';
    elsif not exists (
        select from public.prices as p where p.account_size = p_line.account_size::numeric)
    then
        return format('nothing of the size %s has a price', p_line.account_size);
    end if;
    return null;
end
$$;
comment on function backend.stock_line_problem(backend.stock_import) is
    'Why a line cannot become an account; null when it can. Tells no password.';

create or replace function backend.stock_import_count(p_what text)
returns void
language sql
as $$
    select set_config('ffx.stock_' || p_what,
                      (coalesce(nullif(current_setting('ffx.stock_' || p_what, true), ''), '0')::integer
                       + 1)::text, true)
$$;
comment on function backend.stock_import_count(text) is 'One more of a kind in this transaction.';

create or replace function backend.stock_import_line()
returns trigger
language plpgsql
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_problem text;
    v_here boolean;
begin
    new.account_size := btrim(new.account_size);
    new.platform_type := lower(btrim(new.platform_type));
    new.server_name := btrim(new.server_name);
    new.login_id := btrim(new.login_id);
    if new.line % 1000 = 0 then
        raise notice 'line %', new.line;
    end if;
    v_problem := backend.stock_line_problem(new);
    if v_problem is not null then
        raise notice 'line %: broken: %', new.line, v_problem;
        perform backend.stock_import_count('broken');
        return null;
    end if;
    insert into public.account_container
        (account_size, platform_type, server_name, login_id, password, investor_password, notes)
    values (new.account_size::numeric, new.platform_type, new.server_name, new.login_id,
            new.password, nullif(new.investor_password, ''), nullif(btrim(new.notes), ''))
    on conflict (platform_type, server_name, login_id) do nothing;
    if found then
        perform backend.stock_import_count('good');
        return new;
    end if;
    select c.created_at = now() into v_here
      from public.account_container as c
     where c.platform_type = new.platform_type and c.server_name = new.server_name
       and c.login_id = new.login_id;
    raise notice 'line %: duplicate: % % of % %', new.line, new.platform_type, new.login_id,
        new.server_name,
        case when v_here then 'stands in the list before' else 'is in the stock already' end;
    perform backend.stock_import_count('duplicate');
    return null;
end
$$;
comment on function backend.stock_import_line() is
    'Trigger: puts one line into the stock, or says why not.';

create or replace trigger stock_import_line
    instead of insert on backend.stock_import
    for each row execute function backend.stock_import_line();

create or replace function backend.stock_import_counts()
returns table (good integer, duplicate integer, broken integer)
language sql stable
as $$
    select coalesce(nullif(current_setting('ffx.stock_good', true), ''), '0')::integer,
           coalesce(nullif(current_setting('ffx.stock_duplicate', true), ''), '0')::integer,
           coalesce(nullif(current_setting('ffx.stock_broken', true), ''), '0')::integer
$$;
comment on function backend.stock_import_counts() is
    'What became of the lines that this transaction took in.';
