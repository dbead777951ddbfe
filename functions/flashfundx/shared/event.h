/*
 * event: what NOWPayments says about a payment, as SQL's composite type backend.payment_event: by a
 * callback or by an answer to us, all of it goes through backend.apply_payment_event.
 * Thread rule: loop's thread.
 */
#ifndef FFX_EVENT_H
#define FFX_EVENT_H

#include "base/task.h"
#include "db/rows.h"
#include "nowpayments/payment.h"

/* The type in a statement: its fields are the parameters $1 to $17. */
#define EVENT_SQL                                                                                  \
    "row($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"              \
    "::backend.payment_event"
enum {
    EVENT_ORDER_ID = 7, /* numbers of parameters */
    EVENT_STATUS = 8,
    EVENT_PARAMS = 17,
};

/* `source`: ipn, ipn_previous (by which secret it was signed) or poll; `raw`: the words it came in.
 * The texts are those given; none is copied. */
void event_params(const char *source, const char *raw, const struct np_payment *p,
                  const char *ret[EVENT_PARAMS]);

/* Record an answer of the provider to us; *ret_outcome as of backend.apply_payment_event, and
 * *ret_order_id, NULL when it has no order.  Failures as of db_one. */
NODISCARD enum err event_record_poll(struct task *task, const struct np_payment *p,
                                     const char **ret_outcome, const char **ret_order_id);

#endif
