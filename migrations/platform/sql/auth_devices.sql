-- With what people sign in. A device that is new to somebody is told by mail, in the transaction of the
-- sign-in, so that a stranger who has the password does not come in unseen.

create or replace function platform.auth_device(p_user_agent text)
returns bytea
language sql immutable
as $$
    -- Without versions: an update makes no new device.
    select sha256(convert_to(
        regexp_replace(left(p_user_agent, 500), '[0-9]+([._][0-9]+)*', '', 'g'), 'UTF8'))
$$;
comment on function platform.auth_device(text) is 'By what a device is known again.';

create or replace function platform.auth_device_name(p_user_agent text)
returns text
language sql immutable
as $$
    -- In words of our own, or one of theirs: who signs in chooses the user agent, and what he writes
    -- would come to its reader as if we had written it.
    select concat_ws(' on ',
        coalesce(
            (select n.name
             from (values
                (1, 'Edg', 'Edge'), (2, 'OPR/', 'Opera'), (3, 'SamsungBrowser/', 'Samsung Internet'),
                (4, 'Firefox/', 'Firefox'), (5, 'FxiOS/', 'Firefox'), (6, 'CriOS/', 'Chrome'),
                (7, 'Chrome/', 'Chrome'), (8, 'Safari/', 'Safari')
             ) as n (rank, sign, name)
             where strpos(p_user_agent, n.sign) > 0
             order by n.rank
             limit 1),
            substring(p_user_agent from '^[A-Za-z-]{1,30}'),
            'an unknown program'),
        (select n.name
         from (values
            (1, 'iPhone', 'iPhone'), (2, 'iPad', 'iPad'), (3, 'Android', 'Android'),
            (4, 'Windows', 'Windows'), (5, 'Mac OS X', 'macOS'), (6, 'CrOS', 'ChromeOS'),
            (7, 'Linux', 'Linux')
         ) as n (rank, sign, name)
         where strpos(p_user_agent, n.sign) > 0
         order by n.rank
         limit 1))
$$;
comment on function platform.auth_device_name(text) is 'A device in words, for its owner.';

create or replace function platform.auth_devices_since()
returns timestamptz
language sql stable
as $$ select now() - interval '1 year' $$;
comment on function platform.auth_devices_since() is
    'Devices with which nobody has signed in since then are forgotten.';

create or replace function platform.auth_note_device(
    p_user       auth.users,
    p_user_agent text,
    p_ip         text)
returns void
language plpgsql
as $$
declare
    c_most constant integer := 50;      -- of one person
    v_device constant bytea := platform.auth_device(coalesce(p_user_agent, ''));
    v_has_others boolean;
begin
    -- Who signs in has locked the user: there is nobody beside us.
    update auth.devices as d
       set last_seen_at = now()
     where d.user_id = p_user.id and d.device = v_device;
    if found then
        return;
    end if;
    v_has_others := exists (select from auth.devices as d where d.user_id = p_user.id);
    insert into auth.devices (user_id, device) values (p_user.id, v_device);
    delete from auth.devices as d
     where d.user_id = p_user.id
       and d.device = any (array(
            select o.device
            from auth.devices as o
            where o.user_id = p_user.id
            order by o.last_seen_at desc, o.device = v_device desc
            offset c_most));
    -- Nothing to compare with: a first session, or a user who was moved here from another system. Who
    -- was away for long had devices, and they are forgotten.
    if v_has_others or p_user.last_sign_in_at < platform.auth_devices_since() then
        perform platform.auth_notice('auth_new_device', p_user, p_user.email, jsonb_build_object(
            'Time', to_char(now() at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
            'Device', platform.auth_device_name(p_user_agent), 'IP', coalesce(p_ip, '')));
    end if;
end
$$;
comment on function platform.auth_note_device(auth.users, text, text) is
    'Somebody signs in (p_user: as before that) with this device: it is kept, and told when it is new.';
