-- What staff of the shop do only soon after a code of their second factor (platform.grave_actions): where money,
-- passwords or people's standing are at stake.

insert into platform.grave_actions (what)
values
    ('record chargebacks'),
    ('book payments'),
    ('grant discounts'),
    ('resolve reviews'),
    ('see the passwords of others'),
    ('ban customers, or change how staff stand'),
    ('change where money goes'),
    ('change the shop''s settings');
