-- What is forgotten. Most of what grows is evidence and stays: a payment's events with their
-- bodies, payments, transactions, reviews, differences and runs (one a day), alerts, the audit log,
-- the row of every mail. Bounded by themselves: webhook_debug_calls (the last 100), schedules (one
-- row per function), payment_checks (one per payment); rate limits live in memory.
--
-- Only the words of mails by send-email go: they may hold anything, are of no use once the mail is
-- sent or given up, and no template could write them again. Who, when, state and Message-ID stay.
-- send-outbox does it, a few at a time.

insert into public.shop_settings (name, value, notes)
values ('mail_words_days', 90, 'the words of mails by send-email are kept for so many days');

create index outbox_words_idx on public.outbox (created_at) where kind = 'direct' and html <> '';

create function backend.forget_mail_words(p_limit integer)
returns table (forgotten integer)
language plpgsql security definer
set search_path = pg_catalog, public, backend, pg_temp
as $$
declare
    v_before timestamptz := now() - interval '1 day' * coalesce(
        (select s.value from public.shop_settings as s where s.name = 'mail_words_days'), 90)::int;
begin
    update public.outbox as m
       set subject = '', html = '', plain = null
     where m.id = any (array(
            select o.id
            from public.outbox as o
            where o.kind = 'direct' and o.html <> '' and o.created_at < v_before
              and o.state in ('sent', 'dead')
            order by o.created_at
            limit p_limit
              for update skip locked));
    get diagnostics forgotten = row_count;
    return next;
end
$$;
comment on function backend.forget_mail_words(integer) is
    'Empties the words of at most so many old mails by send-email that were sent or given up.';

revoke all on function backend.forget_mail_words(integer) from public;
grant execute on function backend.forget_mail_words(integer) to fn_send_outbox;
