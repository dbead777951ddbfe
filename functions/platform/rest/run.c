/*
 * What a request asks of the database, and what comes of it.  What must not be committed raises an
 * error in the statement itself.
 */
#include "rest/run.h"

#include "base/encode.h"
#include "base/log.h"
#include "base/number.h"
#include "base/setting.h"
#include "crypto/sealed.h"
#include "fn/caller.h"
#include "fn/limit.h"
#include "fn/stream.h"
#include "rest/begin.h"
#include "rest/explained.h"
#include "rest/slow.h"

#define PLAN_MAX ((size_t)4 * 1024 * 1024)

struct run {
    struct fn_req *req;
    const struct plan *plan;
    uint8_t network[LIMIT_NETWORK_BYTES];
};

/* Whose slow statements may not hold up everybody; with the service key somebody asks for many. */
static struct str
asker(struct run *r)
{
    const struct caller *caller = &r->req->caller;

    if (caller->user_id[0] != '\0')
        return str_of(caller->user_id);
    return strcmp(caller->role, "anon") == 0 ? limit_network(r->req->http->remote_addr, r->network)
                                             : STR_NONE;
}

/* ---- what came of it ---- */

static int64_t
number_of(const char *text, int64_t otherwise)
{
    int64_t n;

    return text != NULL && number_i64(str_of(text), &n) ? n : otherwise;
}

static void
read_total(const struct run *r, const struct db_row *row, const char *estimate,
           struct answer_result *ret)
{
    const enum rest_count count = r->plan->count;
    const int64_t max_rows = setting_int(&cfg_rest_max_rows);
    const char *total = db_text(row, SQL_TOTAL);

    ret->has_total = total != NULL || estimate != NULL;
    ret->total = number_of(total, 0);
    if (estimate == NULL)
        return;
    const int64_t rows = explained_rows(str_of(estimate));
    if (count == REST_COUNT_PLANNED)
        ret->total = rows;
    else if (ret->total > max_rows) /* so always where there is no such limit */
        ret->total = MAX(ret->total, rows);
}

static void
read_row(const struct run *r, const struct db_row *row, const char *estimate,
         struct answer_result *ret)
{
    *ret = (struct answer_result){
        .page = number_of(db_text(row, SQL_PAGE), 0),
        .inserted = number_of(db_text(row, SQL_INSERTED), r->plan->merges ? 0 : -1),
        .headers = db_text(row, SQL_HEADERS),
        .status = db_text(row, SQL_STATUS),
        .location = db_text(row, SQL_LOCATION),
    };
    if (db_text(row, SQL_BODY) != NULL)
        ret->body = db_str(row, SQL_BODY);
    read_total(r, row, estimate, ret);
}

/* Lines of EXPLAIN, or all of its JSON. */
static void
read_lines(struct run *r, const struct db_result *rows, struct answer_result *ret)
{
    struct buf b;

    buf_init_arena(&b, r->req->task->arena, PLAN_MAX);
    for (int i = 0; i < db_rows(rows); i++) {
        const struct db_row row = db_row(rows, i);

        buf_add_text(&b, i == 0 ? "" : "\n");
        buf_add_str(&b, db_str(&row, 0));
    }
    *ret = (struct answer_result){.body = b.overflow ? STR("") : buf_str(&b)};
}

/* bytea, as hex. */
static void
read_bytes(struct arena *a, struct answer_result *ret)
{
    const size_t len = ret->body.len / 2;
    uint8_t *bytes = ARENA_ARRAY(a, uint8_t, len + 1);

    MUST(hex_decode(ret->body, bytes, len));
    ret->body = (struct str){(const char *)bytes, len};
}

/* Secrets that SQL gave somebody who may see them, with keys that the database never has. */
static void
open_sealed(struct fn_req *req, struct answer_result *ret)
{
    const char *why = sealed_open(req->task->arena, ret->body, &ret->body);
    const char *path = arena_copy(req->task->arena, req->http->path);

    if (why != NULL)
        log_event(LOG_ERROR, "credentials_sealed", req->task->id, why, LOG_TEXT("path", path));
}

/* The steps of a request; the last is its statement, *ret_main its number. */
static size_t
make_steps(struct run *r, const struct sql_statement *statement, struct db_step *steps,
           size_t *ret_main)
{
    const struct str pre = setting_str(&cfg_rest_pre_request);
    const struct sql_statement *estimate = statement->estimate;
    size_t count = rest_begin(r->req, r->plan, steps);

    if (pre.len > 0)
        steps[count++] = (struct db_step){
            .sql = arena_printf(r->req->task->arena, "SELECT %.*s()", REST_STR(pre))};
    if (estimate != NULL)
        steps[count++] = (struct db_step){.sql = estimate->text,
                                          .params = estimate->params,
                                          .param_count = estimate->param_count};
    *ret_main = count;
    steps[count++] = (struct db_step){
        .sql = statement->text, .params = statement->params, .param_count = statement->param_count};
    return count;
}

/* The database refused, or was not asked. */
static bool
tell_failure(struct fn_req *req, struct fn_res *res, enum err err, struct rest_error *e,
             enum err *ret_err)
{
    if (req->task->fail.statement != NULL)
        answer_failure(req, res, req->task->fail.statement, req->caller.role, e);
    else
        *ret_err = err;
    return false;
}

bool
rest_run(struct fn_req *req, struct fn_res *res, const struct plan *plan,
         const struct sql_statement *statement, struct answer_result *ret, struct rest_error *e,
         enum err *ret_err)
{
    struct run r = {.req = req, .plan = plan};
    struct db_step steps[DB_STEPS_MAX];
    struct db_result *results[DB_STEPS_MAX];
    size_t main_step;
    size_t count = make_steps(&r, statement, steps, &main_step);
    const char *estimate = NULL;

    *ret_err = ERR_OK;
    if (setting_bool(&cfg_rest_tx) && plan->request->prefer.tx == REST_TX_ROLLBACK) {
        steps[count++] = (struct db_step){.sql = "SET CONSTRAINTS ALL IMMEDIATE"};
        steps[count++] = (struct db_step){.sql = "ROLLBACK"};
    }
    int64_t took_ms = 0;
    const struct db_script script = {.steps = steps,
                                     .count = count,
                                     .until_gone = !plan->writes && !plan->reveals,
                                     .asker = asker(&r),
                                     .ret_took_ms = &took_ms};
    const enum err err = db_script(req->task, &script, results);
    slow_note(req, plan, statement, took_ms);
    if (err != ERR_OK)
        return tell_failure(req, res, err, e, ret_err);

    if (plan->explain != NULL) {
        read_lines(&r, results[main_step], ret);
        return true;
    }
    const struct db_row row = db_row(results[main_step], 0);
    if (statement->estimate != NULL) {
        const struct db_row plan_row = db_row(results[main_step - 1], 0);
        estimate = db_text(&plan_row, 0);
    }
    read_row(&r, &row, estimate, ret);
    if (plan->reveals && ret->body.ptr != NULL)
        open_sealed(req, ret);
    if (plan->is_bytes && ret->body.ptr != NULL)
        read_bytes(req->task->arena, ret);
    return true;
}

/* A stream keeps its last step's rows alone: an estimate is asked for before it. */
static bool
ask_estimate(struct run *r, struct fn_res *res, const struct sql_statement *statement,
             const char **ret, struct rest_error *e, enum err *ret_err)
{
    struct sql_statement alone = *statement->estimate;
    struct db_step steps[DB_STEPS_MAX];
    struct db_result *results[DB_STEPS_MAX];
    size_t main_step;
    const struct db_script script = {.steps = steps,
                                     .count = make_steps(r, &alone, steps, &main_step),
                                     .until_gone = true,
                                     .asker = asker(r)};
    const enum err err = db_script(r->req->task, &script, results);

    if (err != ERR_OK)
        return tell_failure(r->req, res, err, e, ret_err);
    const struct db_row row = db_row(results[main_step], 0);
    *ret = db_text(&row, 0);
    return true;
}

bool
rest_run_stream(struct fn_req *req, struct fn_res *res, const struct plan *plan,
                const struct sql_statement *statement, struct answer_result *ret,
                struct db_stream **rows, struct rest_error *e, enum err *ret_err)
{
    struct run r = {.req = req, .plan = plan};
    struct sql_statement without = *statement;
    struct db_step steps[DB_STEPS_MAX];
    const char *estimate = NULL;
    struct db_row row;
    size_t main_step;
    int64_t took_ms = 0;

    *ret_err = ERR_OK;
    if (statement->estimate != NULL)
        REST_TRY(ask_estimate(&r, res, statement, &estimate, e, ret_err));
    without.estimate = NULL;
    const struct db_script script = {.steps = steps,
                                     .count = make_steps(&r, &without, steps, &main_step),
                                     .until_gone = true,
                                     .asker = asker(&r),
                                     .ret_took_ms = &took_ms};
    enum err err = db_stream_open(req->task, &script, rows);
    slow_note(req, plan, statement, took_ms);
    if (err == ERR_OK)
        err = db_stream_next(*rows, &row);
    if (err != ERR_OK)
        return tell_failure(req, res, err, e, ret_err);
    /* The row is there until the next one is asked for. */
    read_row(&r, &row, estimate, ret);
    if (ret->headers != NULL)
        ret->headers = arena_copy(req->task->arena, str_of(ret->headers));
    if (ret->status != NULL)
        ret->status = arena_copy(req->task->arena, str_of(ret->status));
    return true;
}

enum err
rest_send_rows(struct fn_req *req, struct fn_res *res, const struct plan *plan,
               struct db_stream *rows)
{
    struct str before = STR("[");
    struct db_row row;

    fn_stream_begin(req, res, res->status, plan->media);
    for (;;) {
        TRY(db_stream_next(rows, &row));
        if (row.result == NULL)
            break;
        TRY(fn_stream_add(req, res, before));
        TRY(fn_stream_add(req, res, db_str(&row, SQL_BODY)));
        before = STR(",\n ");
    }
    return fn_stream_add(req, res, str_is(before, "[") ? STR("[]") : STR("]"));
}
