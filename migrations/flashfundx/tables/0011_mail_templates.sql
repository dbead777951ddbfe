-- The mails that every shop starts with.

insert into public.email_templates
    (template_name, template_type, subject, html_content, text_content, variables)
values
('account_delivery', 'account_delivery',
 'Your FlashFundX {{account_type}} account is ready',
$html$<h1>Your account is ready</h1>
<p>Hello {{first_name}},</p>
<p>thank you for your order {{order_id}}. Your {{account_type}} account of ${{account_size}} on
{{platform_type}} is ready to trade.</p>
<table>
  <tr><th align="left">Server</th><td>{{server_name}}</td></tr>
  <tr><th align="left">Login</th><td>{{login_id}}</td></tr>
  <tr><th align="left">Password</th><td>{{password}}</td></tr>
  <tr><th align="left">Investor password</th><td>{{investor_password}}</td></tr>
</table>
<p>Keep these details to yourself. The rules of your account are shown in your
<a href="{{dashboard_url}}">dashboard</a>.</p>
<p>The FlashFundX team</p>
$html$,
$text$Hello {{first_name}},

thank you for your order {{order_id}}. Your {{account_type}} account of ${{account_size}} on
{{platform_type}} is ready to trade.

Server:            {{server_name}}
Login:             {{login_id}}
Password:          {{password}}
Investor password: {{investor_password}}

Keep these details to yourself. The rules of your account are shown in your dashboard:
{{dashboard_url}}

The FlashFundX team
$text$,
 '["first_name", "order_id", "account_type", "account_size", "platform_type", "server_name",
   "login_id", "password", "investor_password", "dashboard_url"]'),

('welcome', 'welcome',
 'Welcome to FlashFundX, {{first_name}}',
$html$<h1>Welcome to FlashFundX</h1>
<p>Hello {{first_name}},</p>
<p>your registration is complete. Choose an account type and size in your
<a href="{{dashboard_url}}">dashboard</a>; as soon as your payment is confirmed, the account is
delivered by itself.</p>
<p>The FlashFundX team</p>
$html$,
$text$Hello {{first_name}},

your registration is complete. Choose an account type and size in your dashboard; as soon as your
payment is confirmed, the account is delivered by itself:
{{dashboard_url}}

The FlashFundX team
$text$,
 '["first_name", "dashboard_url"]'),

('phase_completion', 'phase_completion',
 'You passed {{phase_name}}',
$html$<h1>Congratulations</h1>
<p>Hello {{first_name}},</p>
<p>you passed {{phase_name}} with your {{account_type}} account {{login_id}} (order
{{order_id}}). Your next phase is {{next_phase}}; its targets are shown in your
<a href="{{dashboard_url}}">dashboard</a>.</p>
<p>The FlashFundX team</p>
$html$,
$text$Hello {{first_name}},

you passed {{phase_name}} with your {{account_type}} account {{login_id}} (order {{order_id}}).
Your next phase is {{next_phase}}; its targets are shown in your dashboard:
{{dashboard_url}}

The FlashFundX team
$text$,
 '["first_name", "phase_name", "next_phase", "account_type", "login_id", "order_id",
   "dashboard_url"]'),

('account_breach', 'account_breach',
 'Your account {{login_id}} has been closed',
$html$<h1>A rule of your account was broken</h1>
<p>Hello {{first_name}},</p>
<p>your {{account_type}} account {{login_id}} (order {{order_id}}) broke this rule:
{{breach_reason}}. It has been closed for trading on {{breach_date}}.</p>
<p>The figures are shown in your <a href="{{dashboard_url}}">dashboard</a>; contact our support if you
think this is a mistake.</p>
<p>The FlashFundX team</p>
$html$,
$text$Hello {{first_name}},

your {{account_type}} account {{login_id}} (order {{order_id}}) broke this rule:
{{breach_reason}}. It has been closed for trading on {{breach_date}}.

The figures are shown in your dashboard; contact our support if you think this is a mistake:
{{dashboard_url}}

The FlashFundX team
$text$,
 '["first_name", "account_type", "login_id", "order_id", "breach_reason", "breach_date",
   "dashboard_url"]'),

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

('payment_held', 'payment_held',
 'We are looking at your payment for order {{order_id}}',
$html$<h1>We are looking at your payment</h1>
<p>Hello {{first_name}},</p>
<p>money arrived for order {{order_id}} ({{account_type}}, ${{account_size}}, {{platform_type}}), but
the payment of {{amount}} {{currency}} was not completed. Your money is not lost: our team looks at it
and will write to you. Please do not pay again meanwhile.</p>
<p>You see the order in your <a href="{{dashboard_url}}">dashboard</a>.</p>
<p>The FlashFundX team</p>
$html$,
$text$Hello {{first_name}},

money arrived for order {{order_id}} ({{account_type}}, ${{account_size}}, {{platform_type}}), but
the payment of {{amount}} {{currency}} was not completed. Your money is not lost: our team looks at it
and will write to you. Please do not pay again meanwhile.

You see the order in your dashboard:
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
already, it is not lost: contact our support with the order number.</p>
<p>You can order again in your <a href="{{dashboard_url}}">dashboard</a>.</p>
<p>The FlashFundX team</p>
$html$,
$text$Hello {{first_name}},

the payment of {{amount}} {{currency}} for order {{order_id}} ({{account_type}},
${{account_size}}, {{platform_type}}) failed or was not made in time. If you have sent money
already, it is not lost: contact our support with the order number.

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
 '["stock_level", "account_size", "platform_type", "available", "waiting"]');
