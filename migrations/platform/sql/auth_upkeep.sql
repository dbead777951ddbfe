-- What the auth service forgets.

create or replace function platform.auth_forget(p_audit_days integer)
returns table (forgotten text)
language plpgsql security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
declare
    c_page constant integer := 1000;
    v_audit integer := 0;
    v_flows integer;
    v_devices integer;
begin
    -- A page of each; more is due at the next turn.
    if p_audit_days > 0 then
        delete from auth.audit_log_entries as e
         where e.id = any (array(
                select o.id
                from auth.audit_log_entries as o
                where o.created_at < now() - p_audit_days * interval '1 day'
                order by o.created_at
                limit c_page));
        get diagnostics v_audit = row_count;
    end if;
    delete from auth.flow_state as f
     where f.id = any (array(
            select o.id
            from auth.flow_state as o
            where o.created_at < now() - interval '7 days'
            order by o.created_at
            limit c_page));
    get diagnostics v_flows = row_count;
    delete from auth.devices as d
     where (d.user_id, d.device) in (
            select o.user_id, o.device
            from auth.devices as o
            where o.last_seen_at < platform.auth_devices_since()
            order by o.last_seen_at
            limit c_page);
    get diagnostics v_devices = row_count;
    delete from auth.mail_hours as h where h.hour < now() - interval '1 day';
    forgotten := (v_audit + v_flows + v_devices)::text;
    return next;
end
$$;
comment on function platform.auth_forget(integer) is
    'Deletes a page of what the audit of users keeps no longer (0 days: all is kept), of flows that '
    'nobody ended in a week, and of devices that nobody uses; and the hours in which mails were counted.';
grant execute on function platform.auth_forget(integer) to fn_auth;
