-- Where somebody is signed in: for themselves, and for staff, who may end it.

create or replace function platform.require_own_or_support(p_user_id uuid, p_what text)
returns void
language plpgsql stable
as $$
begin
    if auth.uid() is distinct from p_user_id then
        perform platform.require_duty(p_what, 'support');
    end if;
end
$$;
comment on function platform.require_own_or_support(uuid, text) is
    'Refuses whoever is neither the person, nor of the support, nor a program of ours.';

create or replace function public.sessions_of(p_user_id uuid)
returns table (
    id uuid, signed_in_at timestamptz, last_used_at timestamptz, user_agent text, ip text,
    level text)
language plpgsql stable security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
begin
    perform platform.require_own_or_support(p_user_id, 'see where others are signed in');
    return query
        select s.id, s.created_at, coalesce(s.refreshed_at, s.created_at), s.user_agent,
               host(s.ip), s.aal::text
        from auth.sessions as s
        where s.user_id = p_user_id
        order by s.created_at desc, s.id;
end
$$;
comment on function public.sessions_of(uuid) is
    'Where somebody is signed in, the latest first. For oneself and for support.';
grant execute on function public.sessions_of(uuid) to authenticated, service_role;

create or replace function public.end_sessions(
    p_user_id uuid, p_reason text, p_session_id uuid default null)
returns integer
language plpgsql security definer
set search_path = pg_catalog, platform, pg_temp
set enable_seqscan = off                -- plans are kept, also those made while there were few
as $$
declare
    v_user auth.users;
    v_ended integer;
begin
    perform platform.require_own_or_support(p_user_id, 'sign others out');
    if coalesce(trim(p_reason), '') = '' then
        raise exception using errcode = '22023', message = 'p_reason must say why';
    end if;
    select * into v_user from auth.users as u where u.id = p_user_id;
    delete from auth.sessions as s
     where s.user_id = p_user_id and (p_session_id is null or s.id = p_session_id);
    get diagnostics v_ended = row_count;
    if v_ended = 0 then
        return 0;
    end if;
    perform platform.auth_log('logout', v_user, platform.caller_ip());
    perform platform.write_audit('END_SESSIONS', 'sessions', p_user_id::text,
        format('%s signed out of %s: %s', coalesce(v_user.email, p_user_id::text), v_ended, p_reason),
        jsonb_build_object('ended', v_ended, 'reason', p_reason));
    return v_ended;
end
$$;
comment on function public.end_sessions(uuid, text, uuid) is
    'Signs somebody out, of one session or of all; the number of those that ended. Access tokens '
    'that are out are good until they run out, for programs that do not ask about the session.';
grant execute on function public.end_sessions(uuid, text, uuid) to authenticated, service_role;
