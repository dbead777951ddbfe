-- Retention: the words of old mails by send-email go, everything else stays.
begin;
select plan(11);
select make_user('ann');
select make_order('ann', 1);
select make_stock('s');
select event('FFX000000001', 'a1', 'finished');

create function tests.direct(p_to text, p_age interval, p_state text)
returns void language sql as $$
    insert into outbox (kind, cause, recipient, subject, html, plain, message_id, state, created_at)
    values ('direct', p_to, p_to, 'private', '<p>private</p>', 'private', p_to || '@x', p_state,
            now() - p_age)
$$;
create function tests.forget(p_limit int default 100)
returns int language sql as $$ select forgotten from platform.forget_mail_words(p_limit) $$;
create function tests.kept()
returns text language sql as $$
    select string_agg(recipient, ',' order by recipient) from outbox
    where kind = 'direct' and html like '%private%'
$$;

select direct('a-young', '89 days', 'sent'), direct('b-waits', '100 days', 'pending'),
       direct('c-old', '91 days', 'sent'), direct('d-dead', '91 days', 'dead'),
       direct('e-oldest', '999 days', 'sent');
update outbox set created_at = now() - interval '999 days' where kind <> 'direct';
select is(forget(1), 1, 'a few at a time');
select is(kept(), 'a-young,b-waits,c-old,d-dead', 'the oldest first');
select is(forget(), 2, 'then the rest');
select is(kept(), 'a-young,b-waits', 'but not what is young, or waits to be sent');
select is(forget(), 0, 'once');
select rows_eq($$ select subject, html, plain, message_id, state, created_at < now() from outbox
                  where recipient = 'c-old' $$,
               $$ values ('', '', null::text, 'c-old@x', 'sent', true) $$, 'the row stays');
select is(public.replay_outbox(id) ->> 'error', 'No sent or dead mail of this id',
          'what has no words is not sent again') from outbox where recipient = 'd-dead';
select is((select count(*) from platform.outbox_replay('{}', true)), 0::bigint,
          'nor with all the dead');
update shop_settings set value = 80 where name = 'mail_words_days';
select is(forget(), 1, 'the time is the shop''s');
select is((select count(*) from outbox where kind <> 'direct' and variables = '{}'), 0::bigint,
          'mails by template keep what they were about');
select is((select raw from payment_events where payment_id = 'a1'), '{"raw": true}',
          'events are evidence');
select * from finish();
rollback;
