-- claim_schedule, health, schema.
begin;
select plan(7);
select ok((select claimed from platform.claim_schedule('s', 3600000)),
          'the first claims the period');
select ok((select not claimed from platform.claim_schedule('s', 3600000)), 'the second does not');
update schedules set claimed_at = claimed_at - interval '1 hour' where name = 's';
select ok((select claimed from platform.claim_schedule('s', 3600000)), 'the next period is free');
select is((select runs from schedules where name = 's'), 2::bigint, 'two runs');
select ok((select not claimed from platform.claim_schedule('s', 0)), 'no period, no run');
select ok((select migration ~ '^[a-z_/]+/\d{4}_' and "time" ~ 'Z$' from platform.health()),
          'health');
select ok((select sha256 ~ '^[0-9a-f]{64}$' and app ~ '^[a-z]' from platform.schema()),
          'whose database it is, and what its schema was made of');
select * from finish();
rollback;
