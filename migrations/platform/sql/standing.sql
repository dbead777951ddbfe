-- How people stand: active, suspended or banned. One function sets it, and whoever decides something
-- asks in the same statement. What it means is the application's: which transition refuses whom.

-- What is deleted has its triggers; they would not hear of a TRUNCATE.
create or replace trigger users_no_truncate
    before truncate on auth.users
    for each statement execute function platform.refuse_change();
create or replace trigger standing_no_truncate
    before truncate on platform.standing
    for each statement execute function platform.refuse_change();

create or replace function platform.standing_of(p_user_id uuid)
returns text
language plpgsql stable                 -- its plan is kept
as $$
begin
    return coalesce(
        (select s.standing from platform.standing as s where s.user_id = p_user_id), 'active');
end
$$;
comment on function platform.standing_of(uuid) is
    'How somebody stands: active, suspended or banned.';

create or replace function platform.in_good_standing()
returns boolean
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- a plan made while nobody was suspended stays good
as $$
begin
    return platform.standing_of(auth.uid()) = 'active';
end
$$;
comment on function platform.in_good_standing() is
    'Whether the user who asks is active: for policies and triggers.';
grant execute on function platform.in_good_standing() to anon, authenticated, service_role;

create or replace function platform.set_standing(p_user_id uuid, p_standing text, p_reason text)
returns boolean
language plpgsql
as $$
declare
    v_before constant text := platform.standing_of(p_user_id);
begin
    if p_standing = v_before then
        return false;
    elsif p_standing = 'active' then
        delete from platform.standing as s where s.user_id = p_user_id;
    else
        insert into platform.standing as s (user_id, standing, reason, set_by)
        values (p_user_id, p_standing, p_reason, platform.caller_name())
        on conflict (user_id) do update
           set standing = excluded.standing, reason = excluded.reason, since = now(),
               set_by = excluded.set_by;
    end if;
    perform platform.write_audit('SET_STANDING', 'standing', p_user_id::text,
        format('%s: %s', p_standing, coalesce(p_reason, 'no reason given')),
        jsonb_build_object('standing', p_standing, 'reason', p_reason),
        jsonb_build_object('standing', v_before));
    return true;
end
$$;
comment on function platform.set_standing(uuid, text, text) is
    'Changes how somebody stands, with a reason, and writes it to the audit; false when they stand '
    'so already. For the functions of staff: whoever may call it is asked there.';
