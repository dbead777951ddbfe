/*
 * reconcile: the parts of a run.
 *
 *   main.c     the order of a run
 *   ask.c      a payment is asked about, and the answer applied
 *   check.c    payments that are open or silent, attempts whose caller died
 *   compare.c  the comparison of provider and books
 */
#ifndef FFX_RECONCILE_H
#define FFX_RECONCILE_H

#include "base/setting.h"
#include "nowpayments/payment.h"

#define BUDGET_MS     30000 /* of a run */
#define READ_PAUSE_MS 200   /* five reads a second; the provider allows ten */

/* ---- ask.c ---- */

/* Whether a further payment may be begun in this run. */
bool time_left(const struct task *task);

/* Ask about a payment and apply the answer.  ERR_NOT_FOUND: the provider does not know it. */
NODISCARD enum err ask(struct task *task, const char *payment_id, struct np_payment *p,
                       const char **ret_outcome);

/* ---- check.c ---- */

extern struct setting cfg_reconcile_after_s;

NODISCARD enum err end_attempts(struct task *task);
NODISCARD enum err check_open_payments(struct task *task);

/* ---- compare.c ---- */

/* Go on with the run that is due, if there is one and nobody works on it. */
NODISCARD enum err compare_books(struct task *task);

#endif
