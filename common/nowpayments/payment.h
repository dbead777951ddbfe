/*
 * payment: what NOWPayments says about one payment, in an answer or in a callback.
 *
 * Amounts and ids are text with the provider's own digits.  Fields arrive as numbers or strings
 * ("All-Strings" accounts): both are read.
 * Thread rule: loop's thread.
 */
#ifndef FFX_NOWPAYMENTS_PAYMENT_H
#define FFX_NOWPAYMENTS_PAYMENT_H

#include "base/task.h"

struct json;

struct np_payment {
    const char *payment_id;
    const char *status;
    const char *pay_address;
    const char *payin_extra_id; /* memo or tag, or NULL */
    const char *pay_amount;
    const char *pay_currency;
    const char *price_amount;
    const char *price_currency;
    const char *actually_paid; /* GET and callbacks; NULL on create */
    const char *order_id;
    const char *purchase_id;
    const char *invoice_id;
    const char *parent_payment_id;
    const char *outcome_amount;
    const char *outcome_currency;
    const char *created_at;
    const char *updated_at;
    const char *time_limit; /* ISO time or NULL */
    const char *expires_at; /* expiration_estimate_date */
    const char *valid_until;
    struct str raw; /* the answer's body */
};

/* Read a payment object (answer or callback).  ERR_INVALID "Invalid payload" when a field that
 * decides something (ids of payment, parent and order, status, currencies, amounts to pay and paid)
 * has the wrong form.  Every other is NULL then, as missing ones are. */
NODISCARD enum err np_payment_read(struct task *task, const struct json *object,
                                   struct np_payment *ret);

#endif
