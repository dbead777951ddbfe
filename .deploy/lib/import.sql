-- Rows of another system into tables of this one, in one transaction. NAME_in has them as text (dump_sql
-- in dump.sh), each with its dump_line; NAME_new as the table here has them. What cannot be taken goes to
-- `problems`, and ends the transaction; what a human should know to `differences`.
set local jit = off;
set local synchronous_commit = on;

create temporary table problems (line bigint, what text);
create temporary table differences (line bigint, what text);
create temporary table done (what text, made bigint, changed bigint, kept bigint);

create function pg_temp.columns_of(p_table regclass)
returns table (name name, value text)
language sql stable
as $$
    -- The value of a column out of the text r.NAME. (A cast to varchar would cut what is too long.)
    select a.attname,
           case when a.attnotnull and d.adbin is not null
                then format('coalesce(%s, %s)', v.plain, pg_get_expr(d.adbin, d.adrelid)) else v.plain end
    from pg_attribute as a
    left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    cross join lateral (select format(case when a.atttypid = 'varchar'::regtype then 'r.%1$I' else 'r.%1$I::%2$s' end,
                                      a.attname, format_type(a.atttypid, a.atttypmod)) as plain) as v
    where a.attrelid = p_table and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    order by a.attnum
$$;

-- Older systems do not have all columns. A row without a time of change was changed long ago: it would be
-- newer each time otherwise.
create function pg_temp.complete(p_name text, p_table regclass)
returns void
language plpgsql
set client_min_messages = warning       -- not of those that are there
as $$
declare
    c name;
begin
    for c in select k.name from pg_temp.columns_of(p_table) as k loop
        execute format('alter table %I add column if not exists %I text', p_name || '_in', c);
    end loop;
    for c in select k.name from pg_temp.columns_of(p_table) as k where k.name in ('updated_at', 'last_updated') loop
        execute format('update %I set %2$I = coalesce(%2$I, created_at, %3$L) where %2$I is null', p_name || '_in', c, '2000-01-01');
    end loop;
    execute format('update %I set created_at = now() where created_at is null', p_name || '_in');
    execute format('create index on %I (dump_line)', p_name || '_in');
    execute format('analyze %I', p_name || '_in');
end
$$;

create function pg_temp.row_problem(p_name text, p_table regclass, p_line bigint, p_otherwise text)
returns text
language plpgsql
as $$
declare
    c record;
begin
    for c in select k.name, k.value from pg_temp.columns_of(p_table) as k loop
        begin
            execute format('select %s from %I as r where dump_line = $1', c.value, p_name || '_in') using p_line;
        exception when others then
            -- (In a row that is shifted a password may stand where a date should be.)
            return c.name || ': ' || regexp_replace(sqlerrm, ': ".*"$', '');
        end;
    end loop;
    return regexp_replace(regexp_replace(p_otherwise,
                              '^null value in column "(\w+)" of relation "\w+" violates not-null constraint', '\1 is missing'),
                          '^new row for relation "\w+" violates', 'it violates the');
end
$$;

-- The lines from p_first to p_last; when one of them cannot be read, each half of them.
create function pg_temp.read_lines(p_name text, p_table regclass, p_insert text, p_first bigint, p_last bigint)
returns void
language plpgsql
as $$
declare
    v_middle constant bigint := (p_first + p_last) / 2;
begin
    execute p_insert using p_first, p_last;
exception when others then
    if p_first = p_last then
        insert into problems values (p_first, pg_temp.row_problem(p_name, p_table, p_first, sqlerrm));
        return;
    end if;
    perform pg_temp.read_lines(p_name, p_table, p_insert, p_first, v_middle);
    perform pg_temp.read_lines(p_name, p_table, p_insert, v_middle + 1, p_last);
end
$$;

create function pg_temp.read(p_name text, p_table regclass)
returns void
language plpgsql
as $$
declare
    v_insert text;
    v_first  bigint;
    v_last   bigint;
begin
    execute format('create temporary table %I (dump_line bigint, like %s including constraints)',
                   p_name || '_new', p_table);
    select format('insert into %I (dump_line, %s) select dump_line, %s from %I as r where dump_line between $1 and $2',
                  p_name || '_new', string_agg(quote_ident(c.name), ', '), string_agg(c.value, ', '), p_name || '_in')
      into v_insert
      from pg_temp.columns_of(p_table) as c;
    execute format('select min(dump_line), max(dump_line) from %I', p_name || '_in') into v_first, v_last;
    if v_first is not null then
        perform pg_temp.read_lines(p_name, p_table, v_insert, v_first, v_last);
    end if;
    execute format('create index on %I (dump_line)', p_name || '_new');
    execute format('analyze %I', p_name || '_new');
end
$$;

create function pg_temp.refuse_problems()
returns void
language plpgsql
as $$
declare
    v_count constant bigint := (select count(*) from problems);
    p record;
begin
    for p in select * from problems as w order by w.line, w.what limit 20 loop
        raise notice 'line %: %', p.line, p.what;
    end loop;
    if v_count > 0 then
        raise exception '% rows cannot be taken%', v_count,
            case when v_count > 20 then '; the first 20 are named' else '' end;
    end if;
end
$$;

-- NAME_new into its table. Who is there already (p_key) changes where p_when says so, but for id,
-- created_at and p_kept.
create function pg_temp.take(p_name text, p_table regclass, p_key text, p_when text, variadic p_kept text[] default '{}')
returns void
language plpgsql
as $$
declare
    c_step constant bigint := 10000;
    v_take    text;
    v_total   bigint;
    v_made    bigint := 0;
    v_changed bigint := 0;
    v_n       bigint := 0;
    r record;
begin
    select format(
            'with part as (
                 insert into %1$s as t (%2$s)
                 select %2$s from %3$I order by dump_line offset $1 limit $2
                 on conflict (%4$s) do update set %5$s where %6$s
                 returning t.xmax = 0 as made)
             select count(*) filter (where made) as made, count(*) filter (where not made) as changed from part',
            p_table, string_agg(quote_ident(c.name), ', '), p_name || '_new', p_key,
            string_agg(format('%1$I = excluded.%1$I', c.name), ', ')
                filter (where c.name <> all (array['id', 'created_at'] || p_kept)), p_when)
      into v_take
      from pg_temp.columns_of(p_table) as c;
    execute format('select count(*) from %I', p_name || '_new') into v_total;
    while v_n < v_total loop
        execute v_take using v_n, c_step into r;
        v_made := v_made + r.made;
        v_changed := v_changed + r.changed;
        v_n := least(v_n + c_step, v_total);
        raise notice '%: % of %', p_table, v_n, v_total;
    end loop;
    insert into done values (p_table::text, v_made, v_changed, v_total - v_made - v_changed);
end
$$;

-- One line of the audit for each table, instead of one for each row.
create function pg_temp.audit_all()
returns void
language sql
as $$
    select platform.write_audit('IMPORT', d.what, null, d.made || ' new, ' || d.changed || ' changed')
    from done as d where d.made + d.changed > 0
$$;
