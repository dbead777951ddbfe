-- What staff need to act, beside their duty.

create table platform.staff_rules (
    only_row     boolean primary key default true check (only_row),
    needs_factor boolean not null default false
);
comment on table platform.staff_rules is
    'One row. needs_factor: whoever is staff acts with a second factor only; the auth service writes '
    'it, from its setting STAFF_MFA.';
insert into platform.staff_rules default values;

create table platform.grave_actions (
    what text primary key
);
comment on table platform.grave_actions is
    'What staff do only soon after a code of the second factor: an action by its words in '
    'platform.require_duty, or in platform.guard_table.';
insert into platform.grave_actions (what)
values ('change who is staff'), ('reset second factors');

alter table platform.staff_rules enable row level security;
alter table platform.grave_actions enable row level security;
revoke all on platform.staff_rules, platform.grave_actions from public;
