-- Writing and reading notes, with the roles of the three programs that do.

select platform.make_program_role(r) from unnest(array['fn_add_note', 'fn_list_notes', 'fn_export_notes']) as r;
grant usage on schema notes to fn_add_note, fn_list_notes, fn_export_notes;

create or replace function notes.add_note(p_user_id uuid, p_words text)
returns table (id bigint, created_at text)
language sql security definer
set search_path = pg_catalog, notes, pg_temp
as $$
    insert into notes.notes as n (user_id, words) values (p_user_id, p_words)
    returning n.id, platform.iso_utc(n.created_at)
$$;
comment on function notes.add_note(uuid, text) is 'Writes a note of a user.';
grant execute on function notes.add_note(uuid, text) to fn_add_note;

create or replace function notes.list_notes(p_user_id uuid)
returns json
language sql stable security definer
set search_path = pg_catalog, notes, pg_temp
as $$
    select coalesce(json_agg(json_build_object('id', n.id, 'words', n.words,
                                               'created_at', platform.iso_utc(n.created_at))
                             order by n.id desc), '[]')
    from (select * from notes.notes as a where a.user_id = p_user_id order by a.id desc limit 100) as n
$$;
comment on function notes.list_notes(uuid) is 'The newest hundred notes of a user, as JSON.';
grant execute on function notes.list_notes(uuid) to fn_list_notes;

create or replace function notes.export_notes(p_user_id uuid)
returns setof json
language sql stable security definer
set search_path = pg_catalog, notes, pg_temp
as $$
    select json_build_object('id', n.id, 'words', n.words, 'created_at', platform.iso_utc(n.created_at))
    from notes.notes as n where n.user_id = p_user_id order by n.id
$$;
comment on function notes.export_notes(uuid) is
    'All notes of a user, one by one when called in the select list.';
grant execute on function notes.export_notes(uuid) to fn_export_notes;
