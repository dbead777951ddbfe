-- The roles of send-outbox and send-email, as in 0015.

select backend.make_program_role('fn_send_outbox');
select backend.make_program_role('fn_send_email');

revoke all on function
        backend.order_words(public.orders, text),
        backend.mail_customer(text, text, public.orders, uuid),
        backend.mail_delivery(),
        backend.mail_payment(),
        backend.mail_administrators(text, text, text, jsonb),
        backend.mail_review(),
        backend.mail_stock_alert(),
        backend.outbox_pause(integer),
        backend.outbox_tries_max(),
        backend.outbox_message_id(public.outbox, text),
        backend.outbox_bury(uuid, text),
        backend.outbox_credentials(public.outbox),
        backend.outbox_claim(integer, text, text),
        backend.outbox_sent(uuid, text),
        backend.outbox_failed(uuid, integer, text, boolean),
        backend.send_email(uuid, text, text, text, text, text),
        backend.outbox_replay(uuid[], boolean)
    from public;

grant execute on function backend.outbox_claim(integer, text, text) to fn_send_outbox;
grant execute on function backend.send_email(uuid, text, text, text, text, text) to fn_send_email;
grant execute on function
        backend.outbox_sent(uuid, text),
        backend.outbox_failed(uuid, integer, text, boolean)
    to fn_send_outbox, fn_send_email;

revoke all on function public.replay_outbox(uuid) from public, anon;
grant execute on function public.replay_outbox(uuid) to authenticated, service_role;
