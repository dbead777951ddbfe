-- Writing and reading notes, with the roles of the three programs that do.

select platform.make_program_role(r) from unnest(array['fn_add_note', 'fn_list_notes', 'fn_notebook']) as r;
grant usage on schema notes to fn_add_note, fn_list_notes, fn_notebook;

create or replace function notes.as_json(p_note notes.notes)
returns json
language sql stable
as $$
    select json_build_object('id', p_note.id, 'words', p_note.words,
                             'created_at', platform.iso_utc(p_note.created_at))
$$;
comment on function notes.as_json(notes.notes) is 'A note as callers see it.';

create or replace function notes.add_note(p_user_id uuid, p_words text)
returns json
language sql security definer
set search_path = pg_catalog, notes, pg_temp
as $$
    insert into notes.notes as n (user_id, words) values (p_user_id, p_words)
    returning json_build_object('success', true, 'id', n.id,
                                'created_at', platform.iso_utc(n.created_at))
$$;
comment on function notes.add_note(uuid, text) is 'Writes a note of a user.';
grant execute on function notes.add_note(uuid, text) to fn_add_note;

create or replace function notes.list_notes(p_user_id uuid)
returns json
language sql stable security definer
set search_path = pg_catalog, notes, pg_temp
as $$
    select json_build_object('success', true, 'notes',
               coalesce(json_agg(notes.as_json(n) order by n.id desc), '[]'))
    from (select a.* from notes.notes as a where a.user_id = p_user_id order by a.id desc limit 100) as n
$$;
comment on function notes.list_notes(uuid) is 'The newest hundred notes of a user, as JSON.';
grant execute on function notes.list_notes(uuid) to fn_list_notes;

create or replace function notes.one_note(p_user_id uuid, p_id bigint)
returns json
language sql stable security definer
set search_path = pg_catalog, notes, pg_temp
as $$
    select (select notes.as_json(n) from notes.notes as n where n.id = p_id and n.user_id = p_user_id)
$$;
comment on function notes.one_note(uuid, bigint) is 'A note of a user, as JSON; NULL when it is none.';
grant execute on function notes.one_note(uuid, bigint) to fn_list_notes, fn_notebook;

create or replace function notes.count_notes()
returns json
language sql stable security definer
set search_path = pg_catalog, notes, pg_temp
as $$
    select json_build_object('notes', count(*)) from notes.notes
$$;
comment on function notes.count_notes() is 'How many notes everybody has together.';
grant execute on function notes.count_notes() to fn_notebook;
create or replace function notes.export_notes(p_user_id uuid)
returns setof json
language sql stable security definer
set search_path = pg_catalog, notes, pg_temp
as $$
    select notes.as_json(n) from notes.notes as n where n.user_id = p_user_id order by n.id
$$;
comment on function notes.export_notes(uuid) is
    'All notes of a user, one by one when called in the select list.';
grant execute on function notes.export_notes(uuid) to fn_notebook;
