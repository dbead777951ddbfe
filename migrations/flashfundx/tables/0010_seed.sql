-- What every shop starts with: prices, trading rules, wallets to fill in, figures, the first
-- owner; its mails are in the next file. All of it is changed later by owners, not by migrations.

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

insert into platform.administrators (email, duties, is_first, notes)
values ('admin@flashfundx.com', '{owner}', true,
        'First owner, once the address is confirmed, unless somebody else is one before.');

insert into public.shop_settings (name, value, notes)
values
    ('stock_low_below', 5, 'fewer available accounts of a size and platform are an alert'),
    ('mail_words_days', 90, 'the words of mails by send-email are kept for so many days'),
    ('arrival_tolerance_percent', 10,
     'coins that the provider settled for so much less than the price deliver nothing');
