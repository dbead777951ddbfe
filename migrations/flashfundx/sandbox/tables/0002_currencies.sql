-- Coins with fixed, plausible rates. The minimums are lower than the real ones, so that the
-- smallest price of the shop can be paid in every coin.

create table sandbox.currencies (
    code              text primary key,
    name              text not null,
    network           text not null,     -- 'fiat' for a price currency that cannot be paid in
    ticker            text not null,
    usd               numeric not null,  -- price of one
    decimals          int not null,
    min_usd           numeric not null default 0.1,
    address           text not null,     -- kind of address, see sandbox.new_address
    contract          text,
    network_precision text,
    extra_id          boolean not null default false,
    stable            boolean not null default false,
    priority          int not null default 100
);

insert into sandbox.currencies
    (code, name, network, ticker, usd, decimals, min_usd, address, contract, network_precision, extra_id, stable, priority)
values
    ('usdtbsc',   'Tether USD (Binance Smart Chain)', 'bsc', 'usdt', 0.9993, 8, 0.1, 'evm', '0x55d398326f99059ff775485246999027b3197955', '18', false, true, 1),
    ('usdtmatic', 'Tether USD (Polygon)', 'matic', 'usdt', 0.9993, 8, 0.1, 'evm', '0xc2132d05d31c914a87c6611c10748aeb04b58e8f', '6', false, true, 2),
    ('usdttrc20', 'Tether USD (Tron)', 'trx', 'usdt', 0.9993, 6, 0.1, 'trx', 'TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t', '6', false, true, 3),
    ('bnbbsc',    'Binance Coin (BSC)', 'bsc', 'bnb', 587.21, 8, 0.1, 'evm', null, null, false, false, 4),
    ('btc',       'Bitcoin', 'btc', 'btc', 64250.55, 8, 0.1, 'btc', null, null, false, false, 5),
    ('trx',       'Tron', 'trx', 'trx', 0.12473, 6, 0.1, 'trx', null, null, false, false, 6),
    ('eth',       'Ethereum', 'eth', 'eth', 3120.42, 8, 0.1, 'evm', null, null, false, false, 7),
    ('ltc',       'Litecoin', 'ltc', 'ltc', 84.17, 8, 0.1, 'ltc', null, null, false, false, 8),
    ('sol',       'Solana', 'sol', 'sol', 148.36, 8, 0.1, 'sol', null, null, false, false, 9),
    ('xrp',       'Ripple', 'xrp', 'xrp', 0.5217, 6, 0.1, 'xrp', null, null, true, false, 10),
    ('xlm',       'Stellar', 'xlm', 'xlm', 0.0981, 7, 0.1, 'xlm', null, null, true, false, 11),
    ('doge',      'Dogecoin', 'doge', 'doge', 0.1234, 8, 0.1, 'doge', null, null, false, false, 12),
    ('usdterc20', 'Tether USD (Ethereum)', 'eth', 'usdt', 0.9993, 6, 0.1, 'evm', '0xdAC17F958D2ee523a2206206994597C13D831ec7', '6', false, true, 13),
    ('usdtsol',   'Tether USD (Solana)', 'sol', 'usdt', 0.9993, 6, 0.1, 'sol', 'Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB', '6', false, true, 14),
    ('usdtarb',   'Tether USD (Arbitrum One)', 'arbitrum', 'usdt', 0.9993, 6, 0.1, 'evm', '0xfd086bc7cd5c481dcc9c85ebe478a1c0b69fcbb9', '6', false, true, 15),
    ('usdc',      'USD Coin', 'eth', 'usdc', 0.9998, 6, 0.1, 'evm', '0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48', '6', false, true, 16),
    ('usdcbsc',   'USD Coin (Binance Smart Chain)', 'bsc', 'usdc', 0.9998, 8, 0.1, 'evm', '0x8ac76a51cc950d9822d68b83fe1ad97b32cd580d', '18', false, true, 17),
    ('usdcmatic', 'USD Coin (Polygon)', 'matic', 'usdc', 0.9998, 6, 0.1, 'evm', '0x3c499c542cef5e3811e1192ce70d8cc03d5c3359', '6', false, true, 18),
    ('maticmainnet', 'Polygon', 'matic', 'matic', 0.4188, 8, 0.1, 'evm', null, null, false, false, 19),
    ('usd', 'US Dollar', 'fiat', 'usd', 1, 2, 0, 'none', null, null, false, false, 100),
    ('eur', 'Euro', 'fiat', 'eur', 1.0832, 2, 0, 'none', null, null, false, false, 100),
    ('cad', 'Canadian Dollar', 'fiat', 'cad', 0.7311, 2, 0, 'none', null, null, false, false, 100),
    ('gbp', 'Pound Sterling', 'fiat', 'gbp', 1.2714, 2, 0, 'none', null, null, false, false, 100),
    ('aud', 'Australian Dollar', 'fiat', 'aud', 0.6621, 2, 0, 'none', null, null, false, false, 100),
    ('ils', 'Israeli Shekel', 'fiat', 'ils', 0.2718, 2, 0, 'none', null, null, false, false, 100),
    ('ron', 'Romanian Leu', 'fiat', 'ron', 0.2176, 2, 0, 'none', null, null, false, false, 100);
