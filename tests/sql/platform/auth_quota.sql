-- How many mails may be asked for in an hour.
begin;
select plan(8);

create function pg_temp.ask(p_hourly integer) returns text language sql as $$
    select c.wait_s from platform.auth_count_mail(p_hourly) as c
$$;
create function pg_temp.counted() returns integer language sql as $$
    select h.mails from auth.mail_hours as h where h.hour = date_trunc('hour', now(), 'UTC')
$$;

select is(pg_temp.ask(3), null, 'the first of an hour');
select is(array[pg_temp.ask(3), pg_temp.ask(3)], array[null, null]::text[], 'as many as there may be');
select ok(pg_temp.ask(3)::integer between 1 and 3600, 'one more waits for the next hour');
select is(pg_temp.counted(), 3, 'and is not counted');
select ok(pg_temp.ask(2) is not null, 'fewer that may be, of now on');
select is(pg_temp.ask(4), null, 'or more');
update auth.mail_hours set hour = hour - interval '1 hour';
select is(pg_temp.ask(3), null, 'the next hour begins with none');
update auth.mail_hours set hour = hour - interval '1 day' where mails = 4;
select platform.auth_forget(0);
select results_eq('select mails from auth.mail_hours', 'values (1)', 'hours of before are forgotten');
select * from finish();
rollback;
