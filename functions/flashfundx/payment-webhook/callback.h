/*
 * callback: what a genuine callback says, or why it cannot be applied.
 * Thread rule: loop's thread.
 */
#ifndef FFX_CALLBACK_H
#define FFX_CALLBACK_H

#include "base/task.h"
#include "nowpayments/payment.h"

struct json;

struct callback {
    const char *source; /* ipn, ipn_previous */
    struct str body;    /* as it came */

    /* callback_read's: */
    struct np_payment payment; /* when it can be applied */
    const char *unreadable;    /* why it cannot; NULL: it can */
    bool foreign;              /* it is of no payment (of a payout, say): not ours to apply */
    const char *payment_id, *order_id; /* as far as it says so; else NULL */
};

/* Read c->body.  Whatever it is, this is no failure: a genuine callback is kept in any form. */
void callback_read(struct task *task, struct callback *c);

/* The same of a body that was parsed before. */
void callback_read_parsed(struct task *task, struct callback *c, const struct json *doc);

#endif
