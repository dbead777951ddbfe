-- What every shop starts with: prices, trading rules, wallets to fill in, mails, the first
-- administrator. All of it is changed later by administrators, not by migrations.

insert into public.prices (account_type, account_size, price)
select t.account_type, p.account_size, t.price
from (values
    (  1000,   89,  149,   49,    0.50),
    (  3000,  139,  199,   69,   59),
    (  5000,  189,  249,   99,   79),
    ( 10000,  289,  349,  149,  119),
    ( 25000,  489,  599,  249,  199),
    ( 50000,  789,  899,  399,  319),
    (100000, 1289, 1499,  649,  519),
    (200000, 2189, 2499, 1099,  879),
    (500000, 4989, 5999, 2499, 1999)
) as p (account_size, instant, hft, one_step, two_step)
cross join lateral (values
    ('instant',  p.instant),
    ('hft',      p.hft),
    ('one_step', p.one_step),
    ('two_step', p.two_step)
) as t (account_type, price);

-- Rules are shares of the account size; only the smallest size has figures of its own.
insert into public.trading_rules
    (account_type, account_size, live_max_daily_loss, live_max_total_loss, profit_share_percentage)
select 'instant', account_size, 0.05 * account_size, 0.10 * account_size, 80
from public.prices where account_type = 'instant';

insert into public.trading_rules
    (account_type, account_size, challenge_profit_target, challenge_max_daily_loss,
     challenge_max_total_loss, challenge_min_trading_days,
     live_max_daily_loss, live_max_total_loss, profit_share_percentage)
select 'hft', account_size, 0.08 * account_size, 0.03 * account_size,
       0.06 * account_size, 5,
       0.03 * account_size, 0.06 * account_size, 85
from public.prices where account_type = 'hft' and account_size > 1000;

insert into public.trading_rules
    (account_type, account_size, challenge_profit_target, challenge_max_daily_loss,
     challenge_max_total_loss, challenge_min_trading_days,
     live_max_daily_loss, live_max_total_loss, profit_share_percentage)
values
    ('hft',      1000,  80, 40,  80, 1, 50, 100, 80),
    ('one_step', 1000, 100, 50, 100, 4, 50, 100, 80);

insert into public.trading_rules
    (account_type, account_size, challenge_profit_target, challenge_max_daily_loss,
     challenge_max_total_loss, challenge_min_trading_days,
     live_max_daily_loss, live_max_total_loss, profit_share_percentage)
select 'one_step', account_size, 0.08 * account_size, 0.05 * account_size,
       0.10 * account_size, 5,
       0.05 * account_size, 0.10 * account_size, 80
from public.prices where account_type = 'one_step' and account_size > 1000;

insert into public.trading_rules
    (account_type, account_size,
     phase_1_profit_target, phase_1_max_daily_loss, phase_1_max_total_loss,
     phase_1_min_trading_days,
     phase_2_profit_target, phase_2_max_daily_loss, phase_2_max_total_loss,
     phase_2_min_trading_days,
     live_max_daily_loss, live_max_total_loss, profit_share_percentage)
select 'two_step', account_size,
       0.08 * account_size, 0.05 * account_size, 0.10 * account_size, 4,
       0.05 * account_size, 0.05 * account_size, 0.10 * account_size, 4,
       0.05 * account_size, 0.10 * account_size, 80
from public.prices where account_type = 'two_step';

-- Inactive until a real wallet is entered: the table refuses an active row without address.
insert into public.crypto_addresses (crypto_name, network, display_name, sort_order, notes)
values
    ('USDT', 'BEP20',    'USDT (BEP20)',   1, 'Enter the shop''s wallet address, then activate.'),
    ('USDT', 'TRC20',    'USDT (TRC20)',   2, 'Enter the shop''s wallet address, then activate.'),
    ('USDT', 'Polygon',  'USDT (Polygon)', 3, 'Enter the shop''s wallet address, then activate.'),
    ('BNB',  'BEP20',    'BNB',            4, 'Enter the shop''s wallet address, then activate.'),
    ('ETH',  'Ethereum', 'Ethereum',       5, 'Enter the shop''s wallet address, then activate.'),
    ('BTC',  'Bitcoin',  'Bitcoin',        6, 'Enter the shop''s wallet address, then activate.'),
    ('SOL',  'Solana',   'Solana',         7, 'Enter the shop''s wallet address, then activate.');

insert into public.administrators (email, notes)
values ('admin@flashfundx.com', 'First administrator. Counts once the address is confirmed.');

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
<p>The figures are shown in your <a href="{{dashboard_url}}">dashboard</a>; reply to this mail if
you think this is a mistake.</p>
<p>The FlashFundX team</p>
$html$,
$text$Hello {{first_name}},

your {{account_type}} account {{login_id}} (order {{order_id}}) broke this rule:
{{breach_reason}}. It has been closed for trading on {{breach_date}}.

The figures are shown in your dashboard; reply to this mail if you think this is a mistake:
{{dashboard_url}}

The FlashFundX team
$text$,
 '["first_name", "account_type", "login_id", "order_id", "breach_reason", "breach_date",
   "dashboard_url"]');
