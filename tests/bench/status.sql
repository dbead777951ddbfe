\set o random(:first, :last)
\set order :o + 100000000
\set user :o % :users + 100000000000
SELECT backend.payment_statuses(ARRAY[('00000000-0000-4000-8000-' || :user)::uuid], ARRAY['FFX' || :order]);
