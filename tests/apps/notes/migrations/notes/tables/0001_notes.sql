-- What people note. Only the functions of schema notes reach it.
create schema notes;
comment on schema notes is 'Notes of users. Not for the data API.';

create table notes.notes (
    id         bigint generated always as identity primary key,
    user_id    uuid not null,
    words      text not null check (octet_length(words) between 1 and 4096),
    created_at timestamptz not null default now()
);
comment on table notes.notes is 'One row per note.';
create index notes_user_id_idx on notes.notes (user_id, id desc);
