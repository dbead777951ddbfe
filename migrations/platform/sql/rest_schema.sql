-- What the data API knows of the database: platform.rest_schema has all of it in one call, one row
-- for each thing, as JSON without what is null or false. Each kind has a function below that says
-- what stands in it; functions/platform/rest/cache reads them. All names of types are as if no
-- schema was searched but pg_catalog.

-- Types -------------------------------------------------------------------------------------------

create or replace function platform.rest_domains()
returns table (domain oid, base oid)
language sql stable
as $$
    with recursive chain (domain, base) as (
        select t.oid, t.typbasetype from pg_type as t where t.typtype = 'd'
        union all
        select c.domain, t.typbasetype
        from chain as c
        join pg_type as t on t.oid = c.base and t.typtype = 'd')
    select c.domain, c.base
    from chain as c
    join pg_type as t on t.oid = c.base and t.typtype <> 'd'
$$;
comment on function platform.rest_domains() is 'Every domain, and what it is made of in the end.';

create or replace function platform.rest_types(p_schemas text[])
returns table (name text)
language sql stable
as $$
    select lower(t.typname)
    from pg_type as t
    join pg_namespace as n on n.oid = t.typnamespace
    where (n.nspname = 'pg_catalog' or n.nspname = any (p_schemas))
      and t.typtype in ('b', 'd', 'e', 'r', 'm') and t.typcategory <> 'A'
      and t.typname ~ '^[a-z_][a-z0-9_$]*$'
    union
    select w.name
    from unnest(array[
        'bigint', 'bit varying', 'boolean', 'char', 'character', 'character varying', 'dec',
        'decimal', 'double precision', 'float', 'int', 'integer', 'national character',
        'national character varying', 'nchar', 'numeric', 'real', 'smallint',
        'time with time zone', 'time without time zone', 'timestamp with time zone',
        'timestamp without time zone']) as w (name)
$$;
comment on function platform.rest_types(text[]) is
    'Names that may stand in a cast: words that need no quotes, in small letters.';

-- Views -------------------------------------------------------------------------------------------

create or replace function platform.rest_views(p_relations oid[])
returns table (view oid, tree text)
language sql stable
rows 100
as $$
    -- The rule of a view depends on what it reads.
    with recursive read as (
        select r.oid as relation from unnest(p_relations) as r (oid)
        union
        select d.refobjid
        from read
        join pg_rewrite as r on r.ev_class = read.relation and r.rulename = '_RETURN'
        join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
                           and d.refclassid = 'pg_class'::regclass
    )
    select c.oid, r.ev_action::text
    from read
    join pg_class as c on c.oid = read.relation and c.relkind in ('v', 'm')
    join pg_rewrite as r on r.ev_class = c.oid and r.rulename = '_RETURN'
    where c.relnamespace not in (
            select n.oid from pg_namespace as n
            where n.nspname in ('pg_catalog', 'information_schema'))
$$;
comment on function platform.rest_views(oid[]) is
    'Those of these relations that are views, those that they read, and what each does.';

create or replace function platform.rest_view_columns(p_relations oid[])
returns table (view oid, view_column smallint, base oid, base_column smallint)
language sql stable
rows 1000
as $$
    -- A view is kept as a tree in text form, {NODE :field value …}, in which a backslash stands
    -- before a brace that is meant as it is. Each result column is a TARGETENTRY with where it comes
    -- from, the planner's own tracing through joins and subqueries. Those of the view itself are at
    -- depth two; deeper ones are of subqueries.
    with recursive entries as materialized (
        select v.view, v.found[2]::smallint as view_column, v.found[3]::oid as base,
               v.found[4]::smallint as base_column
        from (
            select w.view, f.found,
                   sum(case f.found[1] when '{' then 1 when '}' then -1 else 0 end)
                       over (partition by w.view order by f.n) as depth
            from platform.rest_views(p_relations) as w
            cross join lateral regexp_matches(
                w.tree,
                '([{}]|\\.)|:resno (\d+) :resname (?:[^\\ ]|\\.)+ :ressortgroupref \d+ '
                ':resorigtbl (\d+) :resorigcol (\d+)', 'g') with ordinality as f (found, n)) as v
        where v.depth = 2 and v.found[3] <> '0'
    ),
    traced as (
        select e.* from entries as e where e.view = any (p_relations)
        union
        select t.view, t.view_column, e.base, e.base_column
        from traced as t
        join entries as e on e.view = t.base and e.view_column = t.base_column
    )
    select t.view, t.view_column, t.base, t.base_column
    from traced as t
    join pg_attribute as a on a.attrelid = t.view and a.attnum = t.view_column
$$;
comment on function platform.rest_view_columns(oid[]) is
    'Which column of which table, or view between, a view''s column shows.';

-- Tables ------------------------------------------------------------------------------------------

create or replace function platform.rest_relations(p_schemas text[], p_routines oid[])
returns table (relation oid, exposed boolean)
language sql stable
as $$
    with every as (
        select c.oid, c.reltype, n.nspname = any (p_schemas) as exposed
        from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
          and n.nspname not in ('pg_catalog', 'information_schema')
    ),
    returned as materialized (
        select coalesce(d.base, p.prorettype) as type
        from unnest(p_routines) as r (oid)
        join pg_proc as p on p.oid = r.oid
        join pg_namespace as n on n.oid = p.pronamespace and n.nspname = any (p_schemas)
        left join platform.rest_domains() as d on d.domain = p.prorettype
    )
    select e.oid, e.exposed
    from every as e
    where e.exposed or e.reltype in (select r.type from returned as r)
$$;
comment on function platform.rest_relations(text[], oid[]) is
    'Tables and views of the exposed schemas, without partitions; and those of other schemas whose '
    'rows an exposed function returns.';

create or replace function platform.rest_sealed(p_views jsonb)
returns table (relation oid, column_number smallint, reader text, row_id_column text)
language sql stable
as $$
    with marked as (
        select c.oid as relation, a.attnum as value_column, i.attnum as id_column, s.reader
        from platform.sealed_columns as s
        join pg_namespace as n on n.nspname = s.table_schema
        join pg_class as c on c.relnamespace = n.oid and c.relname = s.table_name
        join pg_attribute as a on a.attrelid = c.oid and a.attname = s.column_name
        join pg_attribute as i on i.attrelid = c.oid and i.attname = s.row_id_column
    ),
    views as materialized (
        select v.* from jsonb_to_recordset(p_views) as v (
            view oid, view_column smallint, base oid, base_column smallint)
    ),
    shown as (
        select m.relation, m.value_column, m.id_column, m.reader, true as marked from marked as m
        union all
        select v.view, v.view_column, i.view_column, m.reader, false
        from marked as m
        join views as v on v.base = m.relation and v.base_column = m.value_column
        join views as i on i.view = v.view and i.base = m.relation and i.base_column = m.id_column
    )
    select distinct on (s.relation, s.value_column)
           s.relation, s.value_column, s.reader, i.attname::text
    from shown as s
    join pg_attribute as i on i.attrelid = s.relation and i.attnum = s.id_column
    order by s.relation, s.value_column, s.marked desc, s.id_column
$$;
comment on function platform.rest_sealed(jsonb) is
    'The sealed columns of tables, and of the given views that show them; what a view''s own row in '
    'sealed_columns says comes first.';

create or replace function platform.rest_columns(p_relations oid[], p_views jsonb)
returns table (relation oid, columns json)
language sql stable
as $$
    with sealed as materialized (
        select * from platform.rest_sealed(p_views)
    ),
    domains as materialized (
        select * from platform.rest_domains()
    ),
    enums as materialized (
        select e.enumtypid, json_agg(e.enumlabel order by e.enumsortorder) as labels
        from pg_enum as e
        group by e.enumtypid
    ),
    alone as materialized (
        select distinct k.conrelid, k.conkey[1] as number
        from pg_constraint as k
        where k.contype in ('p', 'u') and cardinality(k.conkey) = 1
          and k.conrelid = any (p_relations)
    ),
    described as (
        select a.attrelid, a.attnum, a.attname, a.attgenerated, a.attidentity,
               coalesce(d.base, a.atttypid) as base,
               not (a.attnotnull or t.typtype = 'd' and t.typnotnull) as nullable,
               format_type(a.atttypid, a.atttypmod) as type,
               case
                   when t.typtype <> 'd' and t.typnamespace <> 'pg_catalog'::regnamespace
                        or t.typtype = 'd' and b.typnamespace <> 'pg_catalog'::regnamespace
                       then format_type(a.atttypid, a.atttypmod)
                   when t.typtype = 'd' then format_type(t.typbasetype, null)
                   else format_type(a.atttypid, null)
               end as bare,
               case when t.typtype = 'd' then t.typbasetype else a.atttypid end as sized,
               case when t.typtype = 'd' then t.typtypmod else a.atttypmod end as size,
               t.typdefaultbin
        from pg_attribute as a
        join pg_type as t on t.oid = a.atttypid
        left join pg_type as b on b.oid = t.typbasetype and t.typtype = 'd'
        left join domains as d on d.domain = a.atttypid
        where a.attrelid = any (p_relations) and a.attnum > 0 and not a.attisdropped
    )
    select c.attrelid, json_agg(json_build_object(
        'name', c.attname,
        'type', c.type,
        'bare', nullif(c.bare, c.type),
        'default', case
            when c.attgenerated <> '' then null
            when c.attidentity = 'd'
                then format('nextval(%L)', pg_get_serial_sequence(
                    format('%I.%I', n.nspname, r.relname), c.attname))
            else coalesce(pg_get_expr(f.adbin, f.adrelid), pg_get_expr(c.typdefaultbin, 0))
        end,
        'description', w.description,
        'enum', e.labels,
        'max', case
            when c.size = -1 then null
            when c.sized in ('bpchar'::regtype, 'varchar'::regtype) then c.size - 4
            when c.sized in ('bit'::regtype, 'varbit'::regtype) then c.size
        end,
        'nullable', nullif(c.nullable, false),
        'fixed', nullif(c.attgenerated <> '' or c.attidentity = 'a', false),
        'json', nullif(c.base in ('json'::regtype, 'jsonb'::regtype), false),
        'tsvector', nullif(c.base = 'tsvector'::regtype, false),
        'unique', nullif(u.number is not null, false),
        'reader', s.reader,
        'row_id', s.row_id_column) order by c.attnum)
    from described as c
    join pg_class as r on r.oid = c.attrelid
    join pg_namespace as n on n.oid = r.relnamespace
    left join pg_attrdef as f on f.adrelid = c.attrelid and f.adnum = c.attnum
    left join pg_description as w on w.classoid = 'pg_class'::regclass and w.objoid = c.attrelid
                                 and w.objsubid = c.attnum
    left join enums as e on e.enumtypid = c.base
    left join sealed as s on s.relation = c.attrelid and s.column_number = c.attnum
    left join alone as u on u.conrelid = c.attrelid and u.number = c.attnum
    group by c.attrelid
$$;
comment on function platform.rest_columns(oid[], jsonb) is
    'The columns of tables: name, type, bare (without length), default, description, enum (its '
    'values), max (length), nullable, fixed (nobody writes it), json, tsvector, unique (a key by itself), and of a sealed one '
    'reader and row_id.';

create or replace function platform.rest_primary_keys(p_relations oid[], p_views jsonb)
returns table (relation oid, columns json)
language sql stable
as $$
    with views as materialized (
        select v.* from jsonb_to_recordset(p_views) as v (
            view oid, view_column smallint, base oid, base_column smallint)
    ),
    of_views as (
        -- A key that a view shows twice is its key once; one that it shows in part is none.
        select v.view, k.oid as key, c.n, min(v.view_column) as view_column,
               cardinality(k.conkey) as columns
        from views as v
        join pg_constraint as k on k.conrelid = v.base and k.contype = 'p'
        join lateral unnest(k.conkey) with ordinality as c (number, n) on c.number = v.base_column
        group by v.view, k.oid, c.n, k.conkey
    ),
    whole as (
        select o.*, count(*) over (partition by o.view, o.key) = o.columns as is_whole
        from of_views as o
    ),
    parts as (
        select k.conrelid as relation, k.oid as key, c.n, c.number
        from pg_constraint as k
        cross join lateral unnest(k.conkey) with ordinality as c (number, n)
        where k.contype = 'p' and k.conrelid = any (p_relations)
        union all
        select w.view, w.key, w.n, w.view_column from whole as w where w.is_whole
    )
    select p.relation, json_agg(
        (select a.attname from pg_attribute as a where a.attrelid = p.relation and a.attnum = p.number)
        order by p.key, p.n)
    from parts as p
    group by p.relation
$$;
comment on function platform.rest_primary_keys(oid[], jsonb) is
    'The columns of primary keys; of a view those of all keys that it shows whole.';

create or replace function platform.rest_tables(p_schemas text[], p_relations oid[], p_views jsonb)
returns table (kind text, value json)
language sql stable
as $$
    with columns as materialized (
        select * from platform.rest_columns(p_relations, p_views)
    ),
    keys as materialized (
        select * from platform.rest_primary_keys(p_relations, p_views)
    )
    select 'table', json_strip_nulls(json_build_object(
        'schema', n.nspname,
        'name', c.relname,
        'description', d.description,
        'exposed', nullif(n.nspname = any (p_schemas), false),
        'view', nullif(c.relkind in ('v', 'm'), false),
        'insertable', nullif(w.may & 8 = 8, false),
        'updatable', nullif(w.may & 4 = 4, false),
        'deletable', nullif(w.may & 16 = 16, false),
        'pk', k.columns,
        'columns', coalesce(a.columns, '[]')))
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    -- Bits of CmdType; INSTEAD OF triggers count.
    cross join lateral (
        select case when c.relkind in ('r', 'p') then 28
                    when c.relkind in ('v', 'f') then pg_relation_is_updatable(c.oid, true)
                    else 0 end as may) as w
    left join columns as a on a.relation = c.oid
    left join keys as k on k.relation = c.oid
    left join pg_description as d on d.classoid = 'pg_class'::regclass and d.objoid = c.oid
                                 and d.objsubid = 0
    where c.oid = any (p_relations)
$$;
comment on function platform.rest_tables(text[], oid[], jsonb) is
    'Kind "table": schema, name, description, exposed, view, insertable, updatable, deletable, pk '
    '(names), columns (rest_columns).';

-- Keys, from which relations are made -------------------------------------------------------------

create or replace function platform.rest_keys(p_relations oid[], p_views jsonb)
returns table (kind text, value json)
language sql stable
as $$
    with near as materialized (
        select r.oid from unnest(p_relations) as r (oid)
        union
        select v.base from jsonb_to_recordset(p_views) as v (base oid)
    )
    select 'key', json_strip_nulls(json_build_object(
        'schema', n.nspname, 'table', c.relname, 'constraint', k.conname, 'columns', p.columns,
        'to_schema', tn.nspname, 'to_table', t.relname, 'to_columns', p.to_columns,
        'unique', nullif(exists (
            select from pg_constraint as u
            where u.conrelid = k.conrelid and u.contype in ('p', 'u')
              and u.conkey @> k.conkey and u.conkey <@ k.conkey), false)))
    from pg_constraint as k
    join pg_class as c on c.oid = k.conrelid
    join pg_namespace as n on n.oid = c.relnamespace
    join pg_class as t on t.oid = k.confrelid
    join pg_namespace as tn on tn.oid = t.relnamespace
    cross join lateral (
        select json_agg(f.attname order by x.n) as columns,
               json_agg(r.attname order by x.n) as to_columns
        from unnest(k.conkey, k.confkey) with ordinality as x (number, to_number, n)
        join pg_attribute as f on f.attrelid = k.conrelid and f.attnum = x.number
        join pg_attribute as r on r.attrelid = k.confrelid and r.attnum = x.to_number) as p
    where k.contype = 'f' and k.conparentid = 0
      and k.conrelid in (select oid from near) and k.confrelid in (select oid from near)
$$;
comment on function platform.rest_keys(oid[], jsonb) is
    'Kind "key", foreign keys between tables that are exposed or that views show: schema, table, '
    'constraint, columns, to_schema, to_table, to_columns, unique.';

create or replace function platform.rest_shown(p_views jsonb)
returns table (kind text, value json)
language sql stable
as $$
    with views as materialized (
        select v.* from jsonb_to_recordset(p_views) as v (
            view oid, view_column smallint, base oid, base_column smallint)
    ),
    in_keys as materialized (
        select k.conrelid as relation, c.number
        from pg_constraint as k
        cross join lateral unnest(k.conkey) as c (number)
        where k.contype = 'f' and k.conparentid = 0
        union
        select k.confrelid, c.number
        from pg_constraint as k
        cross join lateral unnest(k.confkey) as c (number)
        where k.contype = 'f' and k.conparentid = 0
    )
    select 'view', json_build_object(
        'schema', n.nspname, 'name', c.relname,
        'columns', json_agg(json_build_array(a.attname, bn.nspname, b.relname, ba.attname)
                            order by v.view_column))
    from views as v
    join in_keys as k on k.relation = v.base and k.number = v.base_column
    join pg_class as c on c.oid = v.view
    join pg_namespace as n on n.oid = c.relnamespace
    join pg_attribute as a on a.attrelid = v.view and a.attnum = v.view_column
    join pg_class as b on b.oid = v.base
    join pg_namespace as bn on bn.oid = b.relnamespace
    join pg_attribute as ba on ba.attrelid = v.base and ba.attnum = v.base_column
    group by v.view, n.nspname, c.relname
$$;
comment on function platform.rest_shown(jsonb) is
    'Kind "view": schema, name, and those of its columns that are columns of foreign keys: name, and '
    'schema, table and column it shows.';

-- All of it ---------------------------------------------------------------------------------------

create or replace function platform.rest_schema(p_schemas text[], p_extra_path text[])
returns table (kind text, value text)
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
set jit = off                           -- a hundred times what the statements take
set enable_seqscan = off                -- of catalogs little is asked for
as $$
declare
    v_routines constant oid[] := (select array_agg(p.oid) from pg_proc as p
                                  where p.pronamespace <> 'pg_catalog'::regnamespace);
    v_relations constant oid[] := (
        select coalesce(array_agg(r.relation), '{}')
        from platform.rest_relations(p_schemas, v_routines) as r);
    v_views constant jsonb := (
        select coalesce(jsonb_agg(to_jsonb(v)), '[]') from platform.rest_view_columns(v_relations) as v);
begin
    return query select t.kind, t.value::text
                 from platform.rest_tables(p_schemas, v_relations, v_views) as t;
    return query select k.kind, k.value::text from platform.rest_keys(v_relations, v_views) as k;
    return query select s.kind, s.value::text from platform.rest_shown(v_views) as s;
    return query select r.kind, r.value::text
                 from platform.rest_routines(
                     p_schemas, p_extra_path, v_relations, v_routines) as r;
    return query select c.kind, c.value::text from platform.rest_computed(v_relations, v_routines) as c;
    return query select h.kind, h.value::text from platform.rest_handlers(p_schemas, v_routines) as h;
    return query select r.kind, r.value::text from platform.rest_roles(session_user) as r;
    return query select 'types', json_agg(t.name)::text
                 from platform.rest_types(p_schemas || p_extra_path) as t;
    return query select 'description', to_json(obj_description(n.oid, 'pg_namespace'))::text
                 from pg_namespace as n
                 where n.nspname = p_schemas[1] and obj_description(n.oid, 'pg_namespace') is not null;
end
$$;
comment on function platform.rest_schema(text[], text[]) is
    'What the data API knows of the exposed schemas, of the functions in these further ones that '
    'stand for columns, and of the roles that its own may become: kind and value (JSON).';
grant execute on function platform.rest_schema(text[], text[]) to fn_rest;

grant usage on schema platform to fn_rest;
