-- Times and texts.
begin;
select plan(2);
select is((select array_agg(platform.iso_utc(platform.read_time(t)) order by n)
           from unnest(array['2026-01-31T12:34:56.789Z', '1752957872000',
                             '2026-01-31T12:34:56+02:00', '2026-02-30T00:00:00Z', 'soon', '',
                             '2026-13-01T00:00:00Z', null]) with ordinality as u (t, n)),
    array['2026-01-31T12:34:56.789Z', '2025-07-19T20:44:32.000Z', '2026-01-31T10:34:56.000Z',
          '2026-03-02T00:00:00.000Z', null, null, null, null],
    'times of the provider are read without ever failing');
select is(octet_length(platform.cut_bytes(repeat('€', 100), 100)), 99, 'not inside a character');
select * from finish();
rollback;
