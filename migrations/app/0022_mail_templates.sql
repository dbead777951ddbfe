-- The mails about payments and stock.

alter table public.email_templates
    drop constraint email_templates_template_type_check,
    add constraint email_templates_template_type_check
        check (template_type in ('account_delivery', 'welcome', 'phase_completion',
                                 'account_breach', 'payment_received', 'payment_failed',
                                 'review_needed', 'stock_alert'));

insert into public.email_templates
    (template_name, template_type, subject, html_content, text_content, variables)
values
('payment_received', 'payment_received',
 'Payment received for order {{order_id}}',
$html$<h1>Thank you, your payment has arrived</h1>
<p>Hello {{first_name}},</p>
<p>we received your payment of {{amount}} {{currency}} for order {{order_id}}: {{account_type}},
${{account_size}}, {{platform_type}}. Your account comes in a mail of its own as soon as it is
assigned; you also find it in your <a href="{{dashboard_url}}">dashboard</a>.</p>
<p>The FlashFundX team</p>
$html$,
$text$Hello {{first_name}},

we received your payment of {{amount}} {{currency}} for order {{order_id}}: {{account_type}},
${{account_size}}, {{platform_type}}. Your account comes in a mail of its own as soon as it is
assigned; you also find it in your dashboard:
{{dashboard_url}}

The FlashFundX team
$text$,
 '["first_name", "order_id", "account_type", "account_size", "platform_type", "amount", "currency",
   "dashboard_url"]'),

('payment_failed', 'payment_failed',
 'Your payment for order {{order_id}} did not succeed',
$html$<h1>Your payment did not succeed</h1>
<p>Hello {{first_name}},</p>
<p>the payment of {{amount}} {{currency}} for order {{order_id}} ({{account_type}},
${{account_size}}, {{platform_type}}) failed or was not made in time. If you have sent money
already, it is not lost: reply to this mail with the order number.</p>
<p>You can order again in your <a href="{{dashboard_url}}">dashboard</a>.</p>
<p>The FlashFundX team</p>
$html$,
$text$Hello {{first_name}},

the payment of {{amount}} {{currency}} for order {{order_id}} ({{account_type}},
${{account_size}}, {{platform_type}}) failed or was not made in time. If you have sent money
already, it is not lost: reply to this mail with the order number.

You can order again in your dashboard:
{{dashboard_url}}

The FlashFundX team
$text$,
 '["first_name", "order_id", "account_type", "account_size", "platform_type", "amount", "currency",
   "dashboard_url"]'),

('review_needed', 'review_needed',
 'Review needed: {{review_kind}} {{order_id}}',
$html$<h1>A payment needs a decision</h1>
<p>Reason: {{review_kind}}</p>
<p>Order: {{order_id}}<br>Payment: {{payment_id}}</p>
<p>The evidence is in the list of reviews.</p>
$html$,
$text$A payment needs a decision.

Reason:  {{review_kind}}
Order:   {{order_id}}
Payment: {{payment_id}}

The evidence is in the list of reviews.
$text$,
 '["review_kind", "order_id", "payment_id"]'),

('stock_alert', 'stock_alert',
 'Stock {{stock_level}}: ${{account_size}} {{platform_type}}',
$html$<h1>Stock {{stock_level}}</h1>
<p>Accounts of ${{account_size}} on {{platform_type}}: {{available}} available, {{waiting}} paid
orders waiting.</p>
<p>Whoever waits is served by itself as soon as accounts are added.</p>
$html$,
$text$Stock {{stock_level}}.

Accounts of ${{account_size}} on {{platform_type}}: {{available}} available, {{waiting}} paid
orders waiting.

Whoever waits is served by itself as soon as accounts are added.
$text$,
 '["stock_level", "account_size", "platform_type", "available", "waiting"]')
on conflict (template_name) do nothing;
