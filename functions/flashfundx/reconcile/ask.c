/* A payment is asked about, at a pace the provider allows, and its answer applied. */
#include "base/clock.h"
#include "base/log.h"
#include "loop/wait.h"
#include "nowpayments/client.h"
#include "reconcile.h"
#include "shared/event.h"

#define WORK_MS 24000 /* no new payment is begun after that */

bool
time_left(const struct task *task)
{
    return clock_ms() < task->deadline_ms - (BUDGET_MS - WORK_MS);
}

enum err
ask(struct task *task, const char *payment_id, struct np_payment *p, const char **ret_outcome)
{
    const char *order_id;

    co_sleep_ms(READ_PAUSE_MS);
    TRY(np_get_payment(task, payment_id, p));
    TRY(event_record_poll(task, p, ret_outcome, &order_id));
    if (strcmp(*ret_outcome, "duplicate") != 0)
        log_event(LOG_INFO, "payment_event", task->id, NULL, LOG_TEXT("payment_id", payment_id),
                  LOG_TEXT("payment_status", p->status), LOG_TEXT("order_id", order_id),
                  LOG_TEXT("outcome", *ret_outcome));
    return ERR_OK;
}
