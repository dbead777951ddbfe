/* Payments that are open or silent for too long, and attempts to open one whose caller died. */
#include "base/log.h"
#include "db/query.h"
#include "db/rows.h"
#include "reconcile.h"

#define CHECKS_MOST 50 /* in one run, so that a comparison gets its turn */

struct setting cfg_reconcile_after_s = {
    .env = "RECONCILE_AFTER_S",
    .kind = SETTING_INT,
    .fallback = "60",
    .meaning = "seconds an open payment may be silent before the provider is asked about it",
};

static struct db_stmt payments_to_check = {
    .sql = "SELECT payment_id FROM backend.payments_to_check(1, $1::int)", .kind = DB_WRITE};
static struct db_stmt record_check = {
    .sql = "SELECT failures FROM backend.record_payment_check($1, $2, $3)", .kind = DB_WRITE};
static struct db_stmt settle_attempts = {
    .sql = "SELECT attempt_id, order_id, state FROM backend.settle_attempts(20)", .kind = DB_WRITE};

/* Whether the failure is about the provider, not about us: then it is written down. */
static const char *
provider_failure(enum err e)
{
    return e == ERR_NOT_FOUND                              ? "not_found"
           : e == ERR_PROVIDER                             ? "refused"
           : e == ERR_UPSTREAM || e == ERR_UNKNOWN_OUTCOME ? "unreachable"
                                                           : NULL;
}

/* ERR_UPSTREAM or ERR_PROVIDER: asking about others makes no sense now. */
static enum err
check_payment(struct task *task, const char *payment_id)
{
    struct np_payment p;
    struct db_result *recorded;
    const char *outcome;
    const enum err e = ask(task, payment_id, &p, &outcome);
    const char *result = e == ERR_OK ? "seen" : provider_failure(e);

    if (result == NULL)
        return e;
    const struct fail why = task->fail;
    TRY(db_query(task, &record_check,
                 DB_PARAMS(payment_id, result, e == ERR_OK ? NULL : why.detail), &recorded));
    if (e == ERR_OK || e == ERR_NOT_FOUND) {
        memset(&task->fail, 0, sizeof task->fail);
        return ERR_OK;
    }
    task->fail = why;
    return e;
}

enum err
check_open_payments(struct task *task)
{
    const char *after_s =
        arena_printf(task->arena, "%lld", (long long)setting_int(&cfg_reconcile_after_s));

    for (int checked = 0; checked < CHECKS_MOST && time_left(task); checked++) {
        struct db_result *due;

        TRY(db_query(task, &payments_to_check, DB_PARAMS(after_s), &due));
        if (db_rows(due) == 0)
            return ERR_OK;
        const struct db_row row = db_row(due, 0);
        TRY(check_payment(task, db_text(&row, 0)));
    }
    return ERR_OK;
}

enum err
end_attempts(struct task *task)
{
    struct db_result *ended;

    TRY(db_query(task, &settle_attempts, DB_NO_PARAMS, &ended));
    for (int i = 0; i < db_rows(ended); i++) {
        const struct db_row row = db_row(ended, i);
        log_event(LOG_INFO, "attempt_settled", task->id, NULL,
                  LOG_TEXT("attempt_id", db_text(&row, 0)), LOG_TEXT("order_id", db_text(&row, 1)),
                  LOG_TEXT("state", db_text(&row, 2)));
    }
    return ERR_OK;
}
