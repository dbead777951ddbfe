\set i :i + 1
\set s (:i % 250) / 50
\set n :first + :client_id * :per_client + :i / 250 * 50 + :i % 50
\set order :n + 100000000
\set payment :n + 6000000000
SELECT backend.apply_payment_event(row('ipn', :raw, :payment, null, null, '4409335830', 'FFX' || :order, (array['waiting', 'confirming', 'confirmed', 'sending', 'finished'])[:s + 1], '0xa638a632134CdcfDf6c510965757f4963Cca5366', 'usdtbsc', 10.99726171, case when :s = 0 then 0 else 10.99726171 end, 100000, 'usd', 98000, 'usdtbsc', '1795235465000')::backend.payment_event);
