-- The TypeScript types of the schema :schema, for ./deploy.sh types: one text, made of lines that are
-- indented where they are made. What it says is what the data API serves: no partitions, no
-- procedures, no functions that cannot be called by name.
begin;
set local check_function_bodies = off; -- type_of calls itself
select set_config('types.schema', :'schema', true) \g /dev/null

create function pg_temp.name_of(p_name text) returns text language sql immutable as $$
    select case when p_name ~ '^[A-Za-z_$][A-Za-z0-9_$]*$' then p_name else to_json(p_name)::text end
$$;

create function pg_temp.labels(p_type oid, p_between text) returns text language sql stable as $$
    select string_agg(to_json(e.enumlabel)::text, p_between order by e.enumsortorder)
    from pg_enum as e where e.enumtypid = p_type
$$;

-- What is of this schema stands there by its name.
create function pg_temp.named(p_member text, p_name text, p_more text) returns text language sql stable as $$
    select format('Database[%s][%s][%s]%s', to_json(current_setting('types.schema')), to_json(p_member),
                  to_json(p_name), p_more)
$$;

create function pg_temp.type_of(p_type oid) returns text language sql stable as $$
    select case
        when t.typtype = 'd' then pg_temp.type_of(t.typbasetype)
        when t.typcategory = 'A' and t.typelem <> 0
            then regexp_replace(pg_temp.type_of(t.typelem), '^(.* \| .*)$', '(\1)') || '[]'
        when t.typtype = 'e' and is_ours then pg_temp.named('Enums', t.typname, '')
        when t.typtype = 'e' then pg_temp.labels(t.oid, ' | ')
        when t.typtype = 'c' and is_ours and c.relkind = 'c' then pg_temp.named('CompositeTypes', t.typname, '')
        when t.typtype = 'c' and is_ours and c.relkind in ('v', 'm') then pg_temp.named('Views', t.typname, '["Row"]')
        when t.typtype = 'c' and is_ours and not c.relispartition then pg_temp.named('Tables', t.typname, '["Row"]')
        when t.typname = 'bool' then 'boolean'
        when t.typname in ('int2', 'int4', 'int8', 'float4', 'float8', 'numeric') then 'number'
        when t.typname in ('bpchar', 'bytea', 'char', 'citext', 'date', 'name', 'text', 'time', 'timestamp',
                           'timestamptz', 'timetz', 'uuid', 'varchar', 'vector') then 'string'
        when t.typname in ('json', 'jsonb') then 'Json'
        when t.typname = 'void' then 'undefined'
        when t.typname = 'record' then 'Record<string, unknown>'
        else 'unknown'
    end
    from pg_type as t
    join pg_namespace as n on n.oid = t.typnamespace
    left join pg_class as c on c.oid = t.typrelid
    cross join lateral (select n.nspname = current_setting('types.schema') as is_ours) as o
    where t.oid = p_type
$$;

-- NAME: { lines }, which are none of nothing.
create function pg_temp.block(p_indent integer, p_name text, p_lines text) returns text language sql immutable as $$
    select repeat(' ', p_indent) || p_name || E': {\n' ||
           coalesce(p_lines, repeat(' ', p_indent + 2) || '[_ in never]: never') || E'\n' || repeat(' ', p_indent) || '}'
$$;

with here as materialized (
    select n.oid from pg_namespace as n where n.nspname = :'schema'
),
relations as materialized (
    select c.oid, c.relname, c.reltype, c.relkind in ('v', 'm') as is_view,
           case when c.relkind in ('r', 'p', 'f') then 28 else pg_relation_is_updatable(c.oid, false) end as may
    from pg_class as c
    where c.relnamespace in (table here) and c.relkind in ('r', 'p', 'f', 'v', 'm') and not c.relispartition
),
members as (
    select r.oid as relation, a.attname as name, pg_temp.name_of(a.attname) as shown, pg_temp.type_of(a.atttypid) as type,
           case when a.attnotnull or t.typtype = 'd' and t.typnotnull then '' else ' | null' end as or_null,
           a.attnotnull and not a.atthasdef and a.attidentity = '' and t.typdefault is null as required,
           a.attgenerated <> '' or a.attidentity = 'a'
               or r.is_view and not pg_column_is_updatable(r.oid, a.attnum, false) as fixed,
           true as stored
    from relations as r
    join pg_attribute as a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    join pg_type as t on t.oid = a.atttypid
    union all
    -- Functions of a row can be read as if they were columns.
    select r.oid, p.proname, pg_temp.name_of(p.proname), pg_temp.type_of(p.prorettype), ' | null', false, true, false
    from relations as r
    join pg_proc as p on p.pronargs = 1 and p.proargtypes[0] = r.reltype and p.pronamespace in (table here)
                     and p.prokind = 'f' and not p.proretset
    join pg_type as t on t.oid = p.prorettype and t.typtype not in ('c', 'p')
),
shapes as (
    select m.relation,
           string_agg(format('          %s: %s%s', shown, type, or_null), E'\n' order by name) as row,
           string_agg(case when fixed then format('          %s?: never', shown)
                           else format('          %s%s: %s%s', shown, case when required then '' else '?' end, type, or_null)
                      end, E'\n' order by name) filter (where stored) as insert,
           string_agg(case when fixed then format('          %s?: never', shown)
                           else format('          %s?: %s%s', shown, type, or_null)
                      end, E'\n' order by name) filter (where stored) as update
    from members as m
    group by m.relation
),
keys as (
    select k.oid, k.conname, k.conrelid, k.conkey, k.confrelid, k.confkey,
           exists (select from pg_constraint as u
                   where u.conrelid = k.conrelid and u.contype in ('p', 'u') and u.conkey <@ k.conkey
                     and u.conkey @> k.conkey) as is_one
    from pg_constraint as k
    where k.contype = 'f' and k.conparentid = 0
),
sides as (
    select k.oid as key, 'from' as side, k.conrelid as base, k.conkey as columns from keys as k
    union all
    select k.oid, 'to', k.confrelid, k.confkey from keys as k
),
shown as materialized (
    select * from platform.rest_view_columns((select array_agg(r.oid) from relations as r))
),
places as (
    -- The table itself, and views in which all columns of the key are to be seen.
    select s.key, s.side, s.base as relation, c.n, c.number, cardinality(s.columns) as many
    from sides as s
    cross join lateral unnest(s.columns) with ordinality as c (number, n)
    union all
    select s.key, s.side, v.view, c.n, min(v.view_column), cardinality(s.columns)
    from sides as s
    cross join lateral unnest(s.columns) with ordinality as c (number, n)
    join shown as v on v.base = s.base and v.base_column = c.number
    group by s.key, s.side, v.view, c.n, s.columns
),
ends as (
    select p.key, p.side, r.oid as relation, r.relname,
           '[' || string_agg(to_json(a.attname)::text, ', ' order by p.n) || ']' as columns
    from places as p
    join relations as r on r.oid = p.relation
    join pg_attribute as a on a.attrelid = p.relation and a.attnum = p.number
    group by p.key, p.side, r.oid, r.relname, p.many
    having count(*) = p.many
),
relationships as (
    select f.relation, string_agg(concat_ws(E'\n            ', '          {', 'foreignKeyName: ' || to_json(k.conname),
               'columns: ' || f.columns, 'isOneToOne: ' || k.is_one, 'referencedRelation: ' || to_json(t.relname),
               'referencedColumns: ' || t.columns) || E'\n          },', E'\n' order by k.conname, t.relname) as lines
    from ends as f
    join ends as t on t.key = f.key and t.side = 'to'
    join keys as k on k.oid = f.key
    where f.side = 'from'
    group by f.relation
),
tables as (
    select r.is_view, r.relname, pg_temp.block(6, pg_temp.name_of(r.relname), concat_ws(E'\n',
               pg_temp.block(8, 'Row', s.row),
               case when r.may & 8 = 8 then pg_temp.block(8, 'Insert', s.insert) end,
               case when r.may & 4 = 4 then pg_temp.block(8, 'Update', s.update) end,
               '        Relationships: [' || coalesce(E'\n' || p.lines || E'\n        ]', ']'))) as lines
    from relations as r
    left join shapes as s on s.relation = r.oid
    left join relationships as p on p.relation = r.oid
),
arguments as (
    select p.oid as routine, a.n, a.type, pg_temp.type_of(a.type) as shown, a.mode in ('i', 'b', 'v') as goes_in,
           a.mode in ('o', 'b', 't') as comes_out, coalesce(a.name, '') as name,
           row_number() over (partition by p.oid, a.mode in ('i', 'b', 'v') order by a.n)
               > p.pronargs - p.pronargdefaults as can_miss
    from pg_proc as p
    cross join lateral (
        select x.name, x.type, coalesce(x.mode, 'i') as mode, x.n
        from unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes)
             with ordinality as x (name, type, mode, n)
        where x.type is not null) as a
    where p.pronamespace in (table here)
),
signatures as (
    select a.routine,
           string_agg(pg_temp.name_of(name) || case when can_miss then '?: ' else ': ' end || a.shown, '; ' order by a.n)
               filter (where a.goes_in) as args,
           string_agg(pg_temp.name_of(name) || ': ' || a.shown, '; ' order by a.n) filter (where a.comes_out) as columns,
           coalesce(bool_and(a.name <> '') filter (where a.goes_in), true)
               or count(*) filter (where a.goes_in) = 1
                  and bool_or(a.type in ('bytea'::regtype, 'json'::regtype, 'jsonb'::regtype, 'text'::regtype,
                                         'xml'::regtype)) filter (where a.goes_in) as callable
    from arguments as a
    group by a.routine
),
routines as (
    select p.proname, p.pronargs, s.args,
           case when s.columns is null then pg_temp.type_of(p.prorettype)
                when p.proargmodes && array['t']::"char"[] or cardinality(array_positions(p.proargmodes, 'o')
                     || array_positions(p.proargmodes, 'b')) > 1 then '{ ' || s.columns || ' }'
                else pg_temp.type_of(p.prorettype) end || case when p.proretset then '[]' else '' end as returns
    from pg_proc as p
    left join signatures as s on s.routine = p.oid
    where p.pronamespace in (table here) and p.prokind = 'f' and coalesce(s.callable, true)
      and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
),
functions as (
    select f.proname, '      ' || pg_temp.name_of(f.proname) || ':' || case when count(*) > 1 then E'\n        | ' else ' ' end
           || string_agg(format('{ Args: %s; Returns: %s }', coalesce('{ ' || f.args || ' }', 'never'), f.returns),
                         E'\n        | ' order by f.pronargs, f.args) as line
    from routines as f
    group by f.proname
),
enums as (
    select t.typname, format('      %s: %s', pg_temp.name_of(t.typname), pg_temp.labels(t.oid, ' | ')) as line,
           format('    %s: [%s],', pg_temp.name_of(t.typname), pg_temp.labels(t.oid, ', ')) as constant
    from pg_type as t where t.typnamespace in (table here) and t.typtype = 'e'
),
composites as (
    select c.relname, pg_temp.block(6, pg_temp.name_of(c.relname), string_agg(
               format('        %s: %s | null', pg_temp.name_of(a.attname), pg_temp.type_of(a.atttypid)), E'\n'
               order by a.attname)) as lines
    from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and not a.attisdropped
    where c.relnamespace in (table here) and c.relkind = 'c'
    group by c.relname
)
select concat_ws(E'\n',
    'export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[]', '',
    'export type Database = {',
    pg_temp.block(2, pg_temp.name_of(:'schema'), concat_ws(E'\n',
        pg_temp.block(4, 'Tables', (select string_agg(lines, E'\n' order by relname) from tables where not is_view)),
        pg_temp.block(4, 'Views', (select string_agg(lines, E'\n' order by relname) from tables where is_view)),
        pg_temp.block(4, 'Functions', (select string_agg(line, E'\n' order by proname) from functions)),
        pg_temp.block(4, 'Enums', (select string_agg(line, E'\n' order by typname) from enums)),
        pg_temp.block(4, 'CompositeTypes', (select string_agg(lines, E'\n' order by relname) from composites)))),
    '}', '',
    format('type DefaultSchema = Database[%s]', to_json(:'schema'::text)),
    'type Relations = DefaultSchema["Tables"] & DefaultSchema["Views"]',
    'type Shape<Of, Member extends string> = Of extends { [_ in Member]: infer Found } ? Found : never', '',
    'export type Tables<Name extends keyof Relations> = Shape<Relations[Name], "Row">',
    'export type TablesInsert<Name extends keyof Relations> = Shape<Relations[Name], "Insert">',
    'export type TablesUpdate<Name extends keyof Relations> = Shape<Relations[Name], "Update">',
    'export type Enums<Name extends keyof DefaultSchema["Enums"]> = DefaultSchema["Enums"][Name]',
    'export type CompositeTypes<Name extends keyof DefaultSchema["CompositeTypes"]> = DefaultSchema["CompositeTypes"][Name]', '',
    'export const Constants = {',
    format('  %s: {', pg_temp.name_of(:'schema')),
    '    Enums: {' || coalesce(E'\n' || (select string_agg('  ' || constant, E'\n' order by typname) from enums) || E'\n    },', '},'),
    '  },', '} as const')
where exists (select from here);
rollback;
