-- The function's role may execute what the C code calls, and nothing else.
revoke execute on all functions in schema sandbox from public;
grant execute on function
    sandbox.create_invoice(numeric, text, text, text, text, text, text, text, text, boolean, boolean),
    sandbox.create_payment(bigint, numeric, text, text, numeric, text, text, text, bigint, text, boolean, boolean, text, int),
    sandbox.get_payment(bigint),
    sandbox.update_estimate(bigint),
    sandbox.list_payments(int, int, bigint, text, boolean, text, text),
    sandbox.list_currencies(),
    sandbox.estimate(numeric, text, text),
    sandbox.minimum(text, text, text),
    sandbox.checkout(bigint),
    sandbox.tick(int, int),
    sandbox.record_try(bigint, int, text, text, int, int, int),
    sandbox.begin_call(text, text, text, text),
    sandbox.control(bigint, text, numeric, int),
    sandbox.control_callback(bigint, text, text),
    sandbox.add_fault(text, text, int, int),
    sandbox.clear_faults(),
    sandbox.payment_state(bigint),
    sandbox.order_state(text),
    sandbox.idle()
to fn_sandbox;
