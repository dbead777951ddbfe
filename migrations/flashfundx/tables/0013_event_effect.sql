-- What an event does to its order and its payment, as decide_payment_event says it.
create type backend.event_effect as (
    event              backend.payment_event,
    status             text,            -- of it, and further, as they are stored
    paid               numeric,
    parent_id          text,
    outcome            text,
    its_order          public.orders,   -- as they shall become; the payment when it `moves`
    payment            public.payments,
    other              public.payments, -- takes the place of a counted payment
    old_order_status   text,
    old_payment_status text,
    moves              boolean,         -- the payment takes the status of the event
    pays               boolean,         -- the order becomes paid
    revives            boolean,         -- the payment had failed
    books              boolean,         -- the books do not say so yet
    deliver            boolean,
    settles            boolean,         -- what arrived in all its payments pays the order
    counted_id         text,            -- which of them counts then
    review             text,            -- why a human has to decide
    note               text,            -- what a human should know
    credit             numeric,         -- what arrived for the order in all its payments, in USD
    rest               numeric,         -- and what remains of it
    back               text             -- what money that went back is to a paid order
);
