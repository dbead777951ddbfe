-- Tells the data API (functions/platform/rest) that tables, functions or types are others now.

create or replace function platform.rest_tell_of_ddl()
returns event_trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select from pg_event_trigger_ddl_commands() as c
        where c.schema_name is distinct from 'pg_temp'
          and c.command_tag not in (
                'REFRESH MATERIALIZED VIEW', 'CREATE INDEX', 'ALTER INDEX', 'GRANT', 'REVOKE',
                'ALTER DEFAULT PRIVILEGES', 'CREATE STATISTICS'))
    then
        perform pg_notify('pgrst', 'reload schema');
    end if;
end
$$;
comment on function platform.rest_tell_of_ddl() is
    'Tells the data API that something was made or changed, unless it is temporary or nothing it knows.';

create or replace function platform.rest_tell_of_drop()
returns event_trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select from pg_event_trigger_dropped_objects() as o
        where not o.is_temporary
          and o.object_type in ('schema', 'table', 'foreign table', 'view', 'materialized view',
                                'table column', 'table constraint', 'function', 'aggregate', 'type',
                                'rule', 'trigger', 'default value'))
    then
        perform pg_notify('pgrst', 'reload schema');
    end if;
end
$$;
comment on function platform.rest_tell_of_drop() is
    'Tells the data API that something was dropped, unless it is temporary.';

-- Only a superuser makes event triggers. Without them whoever changes tables by hand has to
-- NOTIFY pgrst; a migration does so anyway.
do $$
begin
    if (select rolsuper from pg_roles where rolname = current_user) then
        if not exists (select from pg_event_trigger where evtname = 'pgrst_ddl_watch') then
            create event trigger pgrst_ddl_watch on ddl_command_end
                execute function platform.rest_tell_of_ddl();
        end if;
        if not exists (select from pg_event_trigger where evtname = 'pgrst_drop_watch') then
            create event trigger pgrst_drop_watch on sql_drop
                execute function platform.rest_tell_of_drop();
        end if;
    end if;
end
$$;
notify pgrst, 'reload schema';
