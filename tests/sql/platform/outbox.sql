-- The outbox of any application: what it may add or refuse when a mail is sent, and secrets.
begin;
select plan(43);

insert into email_templates (template_name, template_type, subject, html_content)
values ('code', 'welcome', 'Your code', '<p>{{code}}</p>');
create function tests.prepare(p_mail outbox) returns jsonb language sql as $$
    select case p_mail.reference when 'refused' then '"not to be sent"'::jsonb
                                 when 'broken' then p_mail.reference::jsonb
                                 when 'silent' then null
                                 else jsonb_build_object('more', p_mail.reference) end
$$;
insert into platform.mail_kinds (kind, prepare) values ('prepared', 'tests.prepare');
insert into email_templates (template_name, template_type, subject, html_content)
values ('prepared', 'welcome', 'Prepared', '<p>{{more}}</p>');
create function tests.claim()
returns table (id text, attempt text, variables jsonb) language sql as $$
    select id, attempt, variables::jsonb from platform.outbox_claim(10, 'd.example', 'https://d')
$$;
create function tests.mail(p_cause text) returns outbox language sql as
    $$ select m from outbox as m where m.cause = p_cause $$;

-- No more words than a request may bring
select throws_ok(format($$ select * from platform.send_email(null, %s, 'd.example') $$, args), '23514', null, why)
from (values ($$ 'a@example.com', 's', repeat('x', 262145), null $$, 'a body of more than 256 KiB'),
             ($$ 'a@example.com', repeat('s', 4001), 'x', null $$, 'a subject of more than 4,000 characters'),
             ($$ repeat('a', 4001), 's', 'x', null $$, 'such a recipient')) as w (args, why);

-- What the application says
select platform.write_mail('prepared', c, 'a@example.com', '{"own": 1}', c)
from unnest(array['added', 'refused', 'silent']) as c;
select is(platform.write_mail('prepared', 'added', 'b@example.com', '{}'), null, 'once per cause');
select rows_eq('select (mail(''added'')).id::text, ''1'', variables from claim()',
    $$ select id, '1', '{"own": 1, "more": "added", "dashboard_url": "https://d"}'::jsonb
       from outbox where cause = 'added' $$, 'variables are added');
select is((mail('refused')).state || ': ' || (mail('refused')).last_error, 'dead: not to be sent',
          'a mail that is not to be sent');
select is((mail('silent')).state || ': ' || (mail('silent')).last_error,
          'dead: tests.prepare said nothing', 'nothing said is no yes');
select is((select outcome from platform.outbox_sent((mail('added')).id, 'x')), 'ok', 'sent');
select is((select count(*) from platform.jobs where kind = 'mail' and state <> 'dead'), 0::bigint,
          'what is sent waits no longer');
select platform.write_mail('prepared', c, 'a@example.com', '{}', c) from unnest(array['broken', 'behind']) as c;
select is((select string_agg(variables ->> 'more', ',') from claim()), 'behind',
          'an application that fails keeps no other mail waiting');
select is((mail('broken')).state || ' ' || (mail('broken')).last_error,
          'pending invalid input syntax for type json', 'the mail has its next try');
delete from outbox where cause in ('broken', 'behind');
select hurry('mail'), claim();
select platform.write_mail('prepared', 'gone', 'a@example.com', '{}', 'gone');
delete from outbox where cause = 'gone';
select is_empty('select from claim()', 'a mail that was deleted is not sent');
select is((select count(*) from platform.jobs where kind = 'mail' and state <> 'dead'), 0::bigint,
          'and waits no longer');
select platform.write_mail('prepared', 'paused', 'a@example.com', '{}', 'paused');
select platform.jobs_pause('mail', true);
select is_empty('select from claim()', 'mails may be paused');
select platform.jobs_pause('mail', false);
select is((select count(*) from claim()), 1::bigint, 'and go on');
select platform.outbox_sent(id, 'x') from outbox where cause = 'paused' \g /dev/null

-- Secrets
select platform.write_mail('code', 'code 1', 'a@example.com', '{"name": "Ann"}', null, null,
                           '{"code": "123456", "link": "https://d/verify?token=geheim"}');
select is_empty($$ select from outbox as m where m::text ~ '123456|geheim' $$,
                'a secret stands nowhere in clear');
select is((select array_agg(key order by key) from jsonb_object_keys((mail('code 1')).secrets) as key),
          array['code', 'link'], 'but sealed, by its name');
select is(platform.unseal((mail('code 1')).secrets ->> 'code', (mail('code 1')).id, 'code'), '123456',
          'under the id of its mail');
create temporary table first as select * from claim();
select is((select variables from first),
    '{"name": "Ann", "code": "123456", "link": "https://d/verify?token=geheim",
      "dashboard_url": "https://d"}'::jsonb, 'a session with the keys sends it in clear');
select is((select outcome from platform.outbox_failed((mail('code 1')).id, 1, '451', false)), 'pending',
          'a try that failed');
select isnt((mail('code 1')).secrets, '{}', 'keeps them');
set local ffx.credential_keys = '';
select hurry('mail');
select is((select variables ->> 'code' from claim()),
          format('sealed:%s:code:%s', (mail('code 1')).id, (mail('code 1')).secrets ->> 'code'),
          'a program opens it on the way out');
select is((select outcome from platform.outbox_sent((mail('code 1')).id, 'x')), 'ok', 'sent');
select is((mail('code 1')).secrets, '{}', 'then it is wiped');
select is((select count(*) from platform.outbox_replay(array[(mail('code 1')).id], false)), 0::bigint,
          'and is not sent again');
select throws_ok($$ select platform.write_mail('code', 'code 2', 'a@example.com', '{}', null, null,
                                               '{"code": "1"}') $$,
                 'FFX10', null, 'without a key no secret is written');

-- A program that seals by itself: it chooses the id
select set_config('ffx.credential_keys', 'k1:' || repeat('0', 64), true);
create temporary table mine as
    select gen_random_uuid() as id, null::text as sealed;
update mine set sealed = platform.seal('654321', id, 'code');
set local ffx.credential_keys = '';
select is(platform.write_mail('code', 'code 3', 'a@example.com', '{}', null, null,
                              jsonb_build_object('code', sealed), id), id, 'a sealed one is taken')
from mine;
select is((mail('code 3')).secrets ->> 'code', sealed, 'as it is') from mine;
select is((select variables ->> 'code' from claim()), format('sealed:%s:code:%s', id, sealed),
          'and given out') from mine;
select is((select outcome from platform.outbox_failed((mail('code 3')).id, 1, '550', true)), 'dead',
          'refused for good');
select is((mail('code 3')).secrets, '{}', 'what is given up is wiped as well');
select is((select count(*) from platform.outbox_replay('{}', true)), 2::bigint,
          'the dead are sent again, but for what is wiped');
select is((mail('code 3')).state::text, 'dead', 'which stays dead');
select set_config('ffx.credential_keys', 'k1:' || repeat('0', 64), true);
select throws_ok($$ select platform.write_mail('code', 'code 4', 'a@example.com', '{}', null, null,
                        jsonb_build_object('code', sealed)) from mine $$,
                 'FFX11', null, 'one that was sealed for another mail is refused');

-- Words of their own
select make_user('ann');
select is((select outcome from platform.send_email(id('ann'), 'bob@example.com', 's', 'h', '', 'd')),
          'unauthorized', 'a user writes to nobody else');
select is((select outcome from platform.send_email(null, 'bob@example.com', 's', 'h', '', 'd')), 'ok',
          'the service role to anybody');
select is((select state || ' ' || tries from platform.jobs where key = (select id::text from outbox
           where kind = 'direct')), 'running 1', 'claimed at once');
update platform.mail_kinds set keep_days = null where kind = 'direct';
update outbox set state = 'sent', created_at = '2020-01-01' where kind = 'direct';
select is((select forgotten from platform.forget_mail_words(10)), 0, 'words may be kept for ever');
select throws_ok(
    $$ select platform.write_mail('code', 'code odd', 'ann@example.com', '{}', null, null,
                                  '{"a-b": "x"}') $$,
    '22023', 'the name of a secret is letters, digits and _, as a template names it',
    'a secret that no template could name is refused');

-- What a mail has, also while triggers rest
set local session_replication_role = replica;
select throws_ok(format($$ insert into outbox (kind, cause, recipient, template_name, subject, html, variables)
                           values ('x', 'x', %s) $$, had), '23514', null, 'a mail ' || why)
from (values ($$ 'a@example.com', null, 'only a subject', null, '{}' $$, 'without words'),
             ($$ '', 'code', null, null, '{}' $$, 'to nobody'),
             ($$ 'a@example.com', 'code', null, null, '[]' $$, 'whose variables have no names')) as w (had, why);
select lives_ok($$ insert into outbox (kind, cause, recipient, subject, html)
                   values ('x', 'x', 'a@example.com', 's', 'h') $$, 'a mail with its own words');
select * from finish();
rollback;
