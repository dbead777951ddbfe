-- What the data API knows of functions, and of the roles it may become: parts of
-- platform.rest_schema (rest_schema.sql).

create or replace function platform.rest_settings(p_config text[], p_only text[])
returns json
language sql stable
as $$
    select json_agg(s.part order by c.n, s.n)
    from unnest(p_config) with ordinality as c (setting, n)
    cross join lateral (
        values (1, split_part(c.setting, '=', 1)),
               (2, substr(c.setting, strpos(c.setting, '=') + 1))) as s (n, part)
    where split_part(c.setting, '=', 1) = any (p_only)
$$;
comment on function platform.rest_settings(text[], text[]) is
    'Of settings as the catalog keeps them (name=value) those named: [name, value, name, value …].';

create or replace function platform.rest_arguments(p_routines oid[])
returns table (routine oid, arguments json, count integer, named boolean, first_type oid)
language sql stable
as $$
    -- A value is cast to the argument's type: one whose length would be 1 must not cut it.
    select p.oid,
           json_agg(json_build_object(
               'name', coalesce(a.name, ''),
               'type', case a.type
                   when 'bit'::regtype then 'bit varying'
                   when 'bit[]'::regtype then 'bit varying[]'
                   when 'bpchar'::regtype then 'character varying'
                   when 'bpchar[]'::regtype then 'character varying[]'
                   else format_type(a.type, null)
               end,
               'required', nullif(a.place <= p.pronargs - p.pronargdefaults, false),
               'variadic', nullif(a.mode = 'v', false)) order by a.n),
           count(*)::integer, bool_and(coalesce(a.name, '') <> ''), min(a.type) filter (where a.place = 1)
    from unnest(p_routines) as r (oid)
    join pg_proc as p on p.oid = r.oid
    cross join lateral (
        select x.name, x.type, x.mode, x.n, row_number() over (order by x.n) as place
        from unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes)
             with ordinality as x (name, type, mode, n)
        where x.type is not null and coalesce(x.mode, 'i') in ('i', 'b', 'v')) as a
    where p.prokind = 'f' and p.pronargs > 0
    group by p.oid
$$;
comment on function platform.rest_arguments(oid[]) is
    'What these functions are called with: arguments (name, type, required, variadic), how many, whether '
    'all have names, the type of the first.';

create or replace function platform.rest_routines(
    p_schemas    text[],
    p_extra_path text[],
    p_relations  oid[],
    p_routines   oid[])
returns table (kind text, value json)
language sql stable
as $$
    with found as materialized (
        select p.*, n.nspname, coalesce(d.base, p.prorettype) as base
        from unnest(p_routines) as r (oid)
        join pg_proc as p on p.oid = r.oid
        join pg_namespace as n on n.oid = p.pronamespace
        left join platform.rest_domains() as d on d.domain = p.prorettype
        where n.nspname = any (p_schemas || p_extra_path)
          and p.prokind = 'f' and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
    ),
    called as materialized (
        select * from platform.rest_arguments(array(select oid from found))
    )
    select 'routine', json_strip_nulls(json_build_object(
        'schema', f.nspname,
        'name', f.proname,
        'description', k.description,
        'arguments', a.arguments,
        'returns', case
            when f.proargmodes && array['t', 'o', 'b']::"char"[] then 'out'
            when t.typtype = 'c' then 'row'
        end,
        'set', nullif(f.proretset, false),
        'void', nullif(f.prorettype = 'void'::regtype, false),
        'type', format_type(f.prorettype, null),
        'domain', (select r.typname from pg_type as r where r.oid = f.prorettype and r.typtype = 'd'),
        'bytes', nullif(f.base = 'bytea'::regtype, false),
        'table_schema', tn.nspname,
        'table', c.relname,
        'volatility', nullif(f.provolatile, 'v'),
        'settings', platform.rest_settings(f.proconfig, array[
            'statement_timeout', 'plan_filter.statement_cost_limit']),
        'isolation', lower(platform.rest_settings(
            f.proconfig, array['default_transaction_isolation']) ->> 1),
        'callable', nullif(w.callable, false),
        'of_schema', on_.nspname,
        'of', o.relname))
    from found as f
    join pg_type as t on t.oid = f.base
    left join pg_class as c on c.oid = t.typrelid and c.oid = any (p_relations)
    left join pg_namespace as tn on tn.oid = c.relnamespace
    left join called as a on a.routine = f.oid
    left join pg_description as k on k.classoid = 'pg_proc'::regclass and k.objoid = f.oid
    -- A column in all but name: a function of one row that returns anything but another.
    left join pg_class as o on f.pronargs = 1 and o.reltype = a.first_type and o.oid = any (p_relations)
                           and not exists (
                                select from pg_class as r
                                where r.reltype = f.prorettype and r.relkind in ('r', 'p', 'v', 'm', 'f'))
    left join pg_namespace as on_ on on_.oid = o.relnamespace
    cross join lateral (
        select f.nspname = any (p_schemas)
               and (a.count is null or a.named
                    or a.count = 1 and a.first_type in (
                        'bytea'::regtype, 'json'::regtype, 'jsonb'::regtype, 'text'::regtype,
                        'xml'::regtype)) as callable) as w
    where w.callable or o.oid is not null
$$;
comment on function platform.rest_routines(text[], text[], oid[], oid[]) is
    'Kind "routine": schema, name, description, arguments (rest_arguments), returns (row, out: columns '
    'of its own; else a value), set, void, type, domain, bytes (bytea, also behind a domain), table_schema and table of the row, volatility '
    '(i, s; else volatile), settings (name, value …), callable, of_schema and of: the table of which '
    'it is a computed column.';

create or replace function platform.rest_computed(p_relations oid[], p_routines oid[])
returns table (kind text, value json)
language sql stable
as $$
    select 'computed', json_strip_nulls(json_build_object(
        'schema', fn.nspname, 'table', f.relname, 'to_schema', tn.nspname, 'to_table', t.relname,
        'function_schema', pn.nspname, 'function', p.proname,
        'to_one', nullif(not p.proretset or p.prorows = 1, false)))
    from unnest(p_routines) as r (oid)
    join pg_proc as p on p.oid = r.oid
    join pg_namespace as pn on pn.oid = p.pronamespace
    join pg_class as f on f.reltype = p.proargtypes[0] and f.oid = any (p_relations)
    join pg_namespace as fn on fn.oid = f.relnamespace
    join pg_class as t on t.reltype = p.prorettype and t.oid = any (p_relations)
    join pg_namespace as tn on tn.oid = t.relnamespace
    where p.prokind = 'f' and p.pronargs = 1
$$;
comment on function platform.rest_computed(oid[], oid[]) is
    'Kind "computed", functions of a row that return rows of a table: schema, table, to_schema, '
    'to_table, function_schema, function, to_one.';

create or replace function platform.rest_handlers(p_schemas text[], p_routines oid[])
returns table (kind text, value json)
language sql stable
as $$
    select 'handler', json_strip_nulls(json_build_object(
        'media', lower(m.typname), 'function_schema', n.nspname, 'function', p.proname,
        'table_schema', cn.nspname, 'table', c.relname,
        'bytes', nullif(m.typbasetype = 'bytea'::regtype, false)))
    from unnest(p_routines) as r (oid)
    join pg_proc as p on p.oid = r.oid
    join pg_namespace as n on n.oid = p.pronamespace and n.nspname = any (p_schemas)
    join pg_type as m on m.oid = p.prorettype and m.typtype = 'd'
    left join pg_class as c on c.reltype = p.proargtypes[0] and c.relkind in ('r', 'p', 'v', 'm', 'f')
    left join pg_namespace as cn on cn.oid = c.relnamespace
    where p.prokind = 'a' and p.pronargs = 1
      and (m.typname ~* '^[a-z0-9.-]+/[a-z0-9.+-]+$' or m.typname = '*/*')
      and (c.oid is not null or p.proargtypes[0] = 'anyelement'::regtype)
$$;
comment on function platform.rest_handlers(text[], oid[]) is
    'Kind "handler", aggregates that make an answer of a media type: media, function_schema, function, '
    'table_schema and table whose rows it takes (none: of any), bytes (bytea and no text).';

create or replace function platform.rest_roles(p_member text)
returns table (kind text, value json)
language sql stable
as $$
    select 'role', json_strip_nulls(json_build_object(
        'name', r.rolname,
        'settings', platform.rest_settings(r.rolconfig, array(
            select s.name from pg_settings as s
            where s.name <> 'default_transaction_isolation'
              and (s.context = 'user' or has_parameter_privilege(me.oid, s.name, 'set')))),
        'isolation', lower(platform.rest_settings(
            r.rolconfig, array['default_transaction_isolation']) ->> 1),
        'sees_all', nullif(r.rolbypassrls or r.rolsuper, false)))
    from pg_roles as me
    join pg_auth_members as m on m.member = me.oid
    join pg_roles as r on r.oid = m.roleid
    where me.rolname = p_member
$$;
comment on function platform.rest_roles(text) is
    'Kind "role", what this one is a member of itself: name, settings that it may make (name, value '
    '…), isolation, sees_all: no row level security holds for it.';
