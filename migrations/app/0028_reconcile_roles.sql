-- The roles of reconcile and payment-history, made as in 0015.

select backend.make_program_role('fn_reconcile');
select backend.make_program_role('fn_payment_history');


revoke all on function
        backend.check_due_at(public.payments, boolean, interval),
        backend.expect_check(),
        backend.payments_to_check(integer, integer),
        backend.record_payment_check(text, text, text),
        backend.settle_attempts(integer),
        backend.request_reconciliation(timestamptz),
        backend.changed_payments(public.reconciliation_runs),
        backend.pass_over(public.reconciliation_runs),
        backend.claim_reconciliation(),
        backend.payments_to_compare(bigint, integer),
        backend.note_difference(bigint, text, text, text, text, text, uuid, text, text, text, text),
        backend.compare_figures(public.payments, jsonb),
        backend.compare_payment(bigint, text, text, boolean, text),
        backend.unknown_payments(bigint, integer, text),
        backend.books_differences(timestamptz),
        backend.heal_books(bigint, text, text),
        backend.finish_reconciliation(bigint),
        backend.pause_reconciliation(bigint, text, text),
        backend.related_rows(text, text[], text[]),
        backend.pick(jsonb, text[]),
        backend.event_evidence(jsonb),
        backend.delivery_evidence(public.delivered_accounts),
        backend.history_payments(text),
        backend.history_entries(text[], text[]),
        backend.payment_history(text)
    from public;

grant execute on function
        backend.payments_to_check(integer, integer),
        backend.record_payment_check(text, text, text),
        backend.settle_attempts(integer),
        backend.claim_reconciliation(),
        backend.payments_to_compare(bigint, integer),
        backend.compare_payment(bigint, text, text, boolean, text),
        backend.unknown_payments(bigint, integer, text),
        backend.finish_reconciliation(bigint),
        backend.pause_reconciliation(bigint, text, text),
        backend.record_payment_event(text, text, text, text, text, text, text, text, text, text,
                                     numeric, numeric, numeric, text, numeric, text, text)
    to fn_reconcile;

grant execute on function backend.payment_history(text) to fn_payment_history;
