/*
 * The comparison: of each payment that changed lately with the provider's answer, then of the
 * provider's own list with the books, then of the books with each other.  A run goes over many
 * turns; whoever has its lease goes on where the last one ended.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "db/query.h"
#include "db/rows.h"
#include "json/tree.h"
#include "json/write.h"
#include "loop/wait.h"
#include "nowpayments/list.h"
#include "reconcile.h"

#define BATCH   "5"
#define TURN_MS 5000 /* of the comparison: in between, payments that are silent are looked at */
#define LIST    "" /* in the place of a payment: the provider's own list */

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

/* What the provider said, as jsonb takes it: not all that it may write is text to PostgreSQL. */
static const char *
as_jsonb(struct task *task, struct str raw)
{
    const struct json *doc;
    struct json_writer w;
    struct buf out;

    if (json_parse_foreign(task->arena, &task->fail, raw, SIZE_MAX, &doc) != ERR_OK)
        return NULL;
    buf_init_arena(&out, task->arena, 2 * raw.len + 64);
    jw_init(&w, &out);
    jw_value(&w, doc);
    return out.overflow ? NULL : buf_str(&out).ptr;
}

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
                              e == ERR_OK ? as_jsonb(task, p.raw) : NULL),
                    ret_children);
}

/* *ret_at: the one that was being compared. */
static enum err
compare_missing(struct task *task, const char *run_id, const struct db_result *ids,
                const char **ret_at)
{
    struct db_result *none;

    for (int i = 0; i < db_rows(ids); i++) {
        const struct db_row row = db_row(ids, i);
        *ret_at = db_text(&row, 0);
        TRY(compare(task, run_id, *ret_at, true, &none));
    }
    return ERR_OK;
}

static enum err
compare_with_children(struct task *task, const char *run_id, const char *payment_id)
{
    struct db_result *children;
    const char *child;

    TRY(compare(task, run_id, payment_id, false, &children));
    return compare_missing(task, run_id, children, &child);
}

static bool
turn_left(const struct task *task, int64_t until_ms)
{
    return time_left(task) && clock_ms() < until_ms;
}

/* Until the run is through or the turn is over; *ret_done tells which, *ret_at how far it got. */
static enum err
compare_payments(struct task *task, const char *run_id, int64_t until_ms, bool *ret_done,
                 const char **ret_at)
{
    *ret_done = false;
    *ret_at = NULL;
    while (turn_left(task, until_ms)) {
        struct db_result *next;

        TRY(db_query(task, &payments_to_compare, DB_PARAMS(run_id), &next));
        if (db_rows(next) == 0) {
            *ret_done = true;
            return ERR_OK;
        }
        for (int i = 0; i < db_rows(next) && turn_left(task, until_ms); i++) {
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
look_for_missing(struct task *task, const struct db_row *run, int64_t until_ms, bool *ret_done,
                 const char **ret_at)
{
    const char *run_id = db_text(run, 0);
    const char *token, *ids;
    int64_t page = 0;
    size_t count = NP_PAGE_SIZE;

    if (!number_i64(db_str(run, 2), &page))
        return fail_detail(&task->fail, ERR_INTERNAL, "list_page");
    *ret_done = !np_has_login() || page < 0; /* it was given up */
    if (*ret_done)
        return ERR_OK;
    *ret_at = LIST;
    TRY(np_login(task, &token));
    for (; count == NP_PAGE_SIZE && turn_left(task, until_ms); page++) {
        struct db_result *unknown;

        *ret_at = LIST;
        co_sleep_ms(READ_PAUSE_MS);
        TRY(np_list_payments(task, token, db_text(run, 1), (int)page, &ids, &count));
        TRY(db_query(task, &unknown_payments,
                     DB_PARAMS(run_id, arena_printf(task->arena, "%d", (int)page), ids), &unknown));
        TRY(compare_missing(task, run_id, unknown, ret_at));
    }
    *ret_done = count < NP_PAGE_SIZE;
    return ERR_OK;
}

/* Both directions; *ret_at is the payment that was being compared, or LIST. */
static enum err
compare_all(struct task *task, const struct db_row *run, bool *ret_done, const char **ret_at)
{
    const int64_t until_ms = clock_ms() + TURN_MS;

    TRY(compare_payments(task, db_text(run, 0), until_ms, ret_done, ret_at));
    if (!*ret_done)
        return ERR_OK;
    *ret_at = NULL;
    const enum err e = look_for_missing(task, run, until_ms, ret_done, ret_at);
    if (e != ERR_PROVIDER || strcmp(*ret_at, LIST) != 0)
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

enum err
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
