/*
 * reconcile: asks NOWPayments on our own account, so that a lost callback costs minutes and not the
 * sale.  Every few seconds it looks at payments that are open or silent for too long and ends
 * attempts whose caller died; once a day, and when asked to, it compares all payments that changed
 * lately with the provider's and the books with each other.  No route, only a schedule.
 *
 * What the provider answers goes through the same SQL function as a callback.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "base/setting.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/spec.h"
#include "loop/wait.h"
#include "nowpayments/client.h"
#include "nowpayments/list.h"
#include "nowpayments/payment.h"

static struct setting cfg_reconcile_after_s = {
    .env = "RECONCILE_AFTER_S",
    .kind = SETTING_INT,
    .fallback = "60",
    .meaning = "seconds an open payment may be silent before the provider is asked about it",
};

#define BUDGET_MS     30000
#define WORK_MS       24000 /* no new payment is begun after that */
#define CHECKS_MOST   50    /* in one run, so that a comparison gets its turn */
#define BATCH         "5"
#define READ_PAUSE_MS 200 /* five reads a second; the provider allows ten */

static struct db_stmt payments_to_check = {
    .sql = "SELECT payment_id FROM backend.payments_to_check(1, $1::int)", .kind = DB_WRITE};
static struct db_stmt record_check = {
    .sql = "SELECT failures FROM backend.record_payment_check($1, $2, $3)", .kind = DB_WRITE};
static struct db_stmt record_event = {
    .sql = "SELECT outcome, order_id FROM backend.record_payment_event(row('poll', $1, $2, $3, $4, "
           "$5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)::backend.payment_event)",
    .kind = DB_WRITE};
static struct db_stmt settle_attempts = {
    .sql = "SELECT attempt_id, order_id, state FROM backend.settle_attempts(20)", .kind = DB_WRITE};
static struct db_stmt claim_run = {
    .sql = "SELECT run_id, since, list_page FROM backend.claim_reconciliation()", .kind = DB_WRITE};
static struct db_stmt unknown_payments = {
    .sql = "SELECT payment_id FROM backend.unknown_payments($1::bigint, $2::int, $3)",
    .kind = DB_WRITE};
static struct db_stmt payments_to_compare = {
    .sql = "SELECT payment_id FROM backend.payments_to_compare($1::bigint, " BATCH ")",
    .kind = DB_WRITE};
static struct db_stmt compare_payment = {
    .sql = "SELECT unknown_child FROM backend.compare_payment($1::bigint, $2, $3, $4::boolean, $5)",
    .kind = DB_WRITE};
static struct db_stmt finish_run = {
    .sql = "SELECT checked, healed, differences FROM backend.finish_reconciliation($1::bigint)",
    .kind = DB_WRITE};
static struct db_stmt pause_run = {
    .sql = "SELECT skipped FROM backend.pause_reconciliation($1::bigint, $2, $3)",
    .kind = DB_WRITE};

static bool
time_left(const struct task *task)
{
    return clock_ms() < task->deadline_ms - (BUDGET_MS - WORK_MS);
}

/* Ask about a payment and apply the answer.  ERR_NOT_FOUND: the provider does not know it. */
static enum err
ask(struct task *task, const char *payment_id, struct np_payment *p, const char **ret_outcome)
{
    struct db_row row;

    co_sleep_ms(READ_PAUSE_MS);
    TRY(np_get_payment(task, payment_id, p));
    TRY(db_one(task, &record_event,
               DB_PARAMS(p->raw.ptr, p->payment_id, p->parent_payment_id, p->invoice_id,
                         p->purchase_id, p->order_id, p->status, p->pay_address, p->pay_currency,
                         p->pay_amount, p->actually_paid, p->price_amount, p->price_currency,
                         p->outcome_amount, p->outcome_currency, p->updated_at),
               &row));
    *ret_outcome = db_text(&row, 0);
    if (strcmp(*ret_outcome, "duplicate") != 0)
        log_event(LOG_INFO, "payment_event", task->id, NULL, LOG_TEXT("payment_id", payment_id),
                  LOG_TEXT("payment_status", p->status), LOG_TEXT("order_id", db_text(&row, 1)),
                  LOG_TEXT("outcome", *ret_outcome));
    return ERR_OK;
}

/* Whether the failure is about the provider, not about us: then it is written down. */
static const char *
provider_failure(enum err e)
{
    return e == ERR_NOT_FOUND                              ? "not_found"
           : e == ERR_PROVIDER                             ? "refused"
           : e == ERR_UPSTREAM || e == ERR_UNKNOWN_OUTCOME ? "unreachable"
                                                           : NULL;
}

/* ---- payments that are open or silent ---- */

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

static enum err
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

static enum err
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

/* ---- the comparison ---- */

/* One payment; `missing`: the books do not have it yet.  Returns its repeated deposits that the
 * books do not have. */
static enum err
compare(struct task *task, const char *run_id, const char *payment_id, bool missing,
        struct db_result **ret_children)
{
    struct np_payment p = {0};
    const char *outcome = NULL;
    const enum err e = ask(task, payment_id, &p, &outcome);

    if (e != ERR_OK && e != ERR_NOT_FOUND)
        return e;
    memset(&task->fail, 0, sizeof task->fail);
    return db_query(task, &compare_payment,
                    DB_PARAMS(run_id, payment_id, outcome, missing ? "true" : "false",
                              e == ERR_OK ? p.raw.ptr : NULL),
                    ret_children);
}

static enum err
compare_missing(struct task *task, const char *run_id, const struct db_result *ids)
{
    struct db_result *none;

    for (int i = 0; i < db_rows(ids); i++) {
        const struct db_row row = db_row(ids, i);
        TRY(compare(task, run_id, db_text(&row, 0), true, &none));
    }
    return ERR_OK;
}

static enum err
compare_with_children(struct task *task, const char *run_id, const char *payment_id)
{
    struct db_result *children;

    TRY(compare(task, run_id, payment_id, false, &children));
    return compare_missing(task, run_id, children);
}

/* Until the run is through or the time is over; *ret_done tells which, *ret_at how far it got. */
static enum err
compare_payments(struct task *task, const char *run_id, bool *ret_done, const char **ret_at)
{
    *ret_done = false;
    *ret_at = NULL;
    while (time_left(task)) {
        struct db_result *next;

        TRY(db_query(task, &payments_to_compare, DB_PARAMS(run_id), &next));
        if (db_rows(next) == 0) {
            *ret_done = true;
            return ERR_OK;
        }
        for (int i = 0; i < db_rows(next) && time_left(task); i++) {
            const struct db_row row = db_row(next, i);
            *ret_at = db_text(&row, 0);
            TRY(compare_with_children(task, run_id, *ret_at));
        }
    }
    return ERR_OK;
}

/* Payments of the provider's list that the books never heard of: made on the provider's page with
 * another coin, say, while no callback came through.  The list needs a login; without one only
 * repeated deposits of known payments are found. */
static enum err
look_for_missing(struct task *task, const struct db_row *run, bool *ret_done)
{
    const char *run_id = db_text(run, 0);
    const char *token, *ids;
    int64_t page = 0;
    size_t count = NP_PAGE_SIZE;

    *ret_done = !np_has_login();
    if (*ret_done)
        return ERR_OK;
    if (!number_i64(db_str(run, 2), &page))
        return fail_detail(&task->fail, ERR_INTERNAL, "list_page");
    TRY(np_login(task, &token));
    for (; count == NP_PAGE_SIZE && time_left(task); page++) {
        struct db_result *unknown;

        co_sleep_ms(READ_PAUSE_MS);
        TRY(np_list_payments(task, token, db_text(run, 1), (int)page, &ids, &count));
        TRY(db_query(task, &unknown_payments,
                     DB_PARAMS(run_id, arena_printf(task->arena, "%d", (int)page), ids), &unknown));
        TRY(compare_missing(task, run_id, unknown));
    }
    *ret_done = count < NP_PAGE_SIZE;
    return ERR_OK;
}

/* Both directions; *ret_at is the payment that was being compared. */
static enum err
compare_all(struct task *task, const struct db_row *run, bool *ret_done, const char **ret_at)
{
    TRY(compare_payments(task, db_text(run, 0), ret_done, ret_at));
    if (!*ret_done)
        return ERR_OK;
    *ret_at = NULL;
    const enum err e = look_for_missing(task, run, ret_done);
    if (e != ERR_PROVIDER)
        return e;
    /* A wrong password, say: the rest of the run is worth finishing. */
    log_event(LOG_WARN, "provider_list", task->id, task->fail.detail,
              LOG_TEXT("run", db_text(run, 0)));
    memset(&task->fail, 0, sizeof task->fail);
    *ret_done = true;
    return ERR_OK;
}

static enum err
finish(struct task *task, const char *run_id)
{
    struct db_result *result;

    TRY(db_query(task, &finish_run, DB_PARAMS(run_id), &result));
    if (db_rows(result) == 0)
        return ERR_OK; /* somebody else was faster */
    const struct db_row row = db_row(result, 0);
    log_event(LOG_INFO, "reconciled", task->id, NULL, LOG_TEXT("run", run_id),
              LOG_TEXT("checked", db_text(&row, 0)), LOG_TEXT("healed", db_text(&row, 1)),
              LOG_TEXT("differences", db_text(&row, 2)));
    return ERR_OK;
}

static enum err
compare_books(struct task *task)
{
    struct db_result *result;
    const char *at;
    bool done;

    TRY(db_query(task, &claim_run, DB_NO_PARAMS, &result));
    if (db_rows(result) == 0)
        return ERR_OK;
    const struct db_row row = db_row(result, 0);
    const char *run_id = db_text(&row, 0);

    const enum err e = compare_all(task, &row, &done, &at);
    if (e == ERR_OK && done)
        return finish(task, run_id);
    /* Given back; failing here is no loss, the lease ends by itself. */
    const struct fail why = task->fail;
    const char *problem = e == ERR_OK             ? NULL
                          : why.detail[0] != '\0' ? why.detail
                                                  : err_info(e)->name;
    const enum err paused = db_query(task, &pause_run, DB_PARAMS(run_id, at, problem), &result);
    task->fail = why;
    return e != ERR_OK ? e : paused;
}

static enum err
reconcile(struct task *task)
{
    TRY(end_attempts(task));
    TRY(check_open_payments(task));
    return compare_books(task);
}

static struct setting *const own[] = {&cfg_reconcile_after_s, NULL};
static struct setting *const *const settings[] = {np_settings, np_login_settings, own, NULL};

static const struct fn_spec spec = {
    .app = "flashfundx",
    .name = "reconcile",
    .summary = "Ask NOWPayments about open and silent payments; compare provider and books daily",
    .memory_max = 16 * 1024 * 1024,
    .timeout_ms = BUDGET_MS,
    .settings = settings,
    .every_ms = 2000,
    .run = reconcile,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
