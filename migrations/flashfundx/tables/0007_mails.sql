-- Mails of the shop, in the platform's outbox: reference is the order, person the customer.

alter table public.email_templates
    add constraint email_templates_template_type_check
        check (template_type in ('account_delivery', 'welcome', 'phase_completion',
                                 'account_breach', 'payment_received', 'payment_failed',
                                 'payment_held', 'review_needed', 'stock_alert', 'auth'));

insert into platform.mail_kinds as k (kind, prepare)
values
    ('account_delivery', 'backend.prepare_delivery_mail')
on conflict (kind) do update set prepare = excluded.prepare;
