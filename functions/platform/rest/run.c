/*
 * The transaction of a request (supabase-contract.md C2): who asks and how is set for it alone, so
 * that nothing of a caller is left on the connection.  What must not be committed raises an error
 * in the statement itself.
 */
#include "rest/run.h"

#include <stdlib.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/number.h"
#include "base/setting.h"
#include "crypto/sealed.h"
#include "db/script.h"
#include "fn/caller.h"
#include "fn/stream.h"
#include "json/tree.h"
#include "json/write.h"

#define TEXT_MAX ((size_t)256 * 1024)
#define PLAN_MAX ((size_t)4 * 1024 * 1024)

struct run {
    struct fn_req *req;
    const struct plan *plan;
    struct buf text;
    const char **params;
    size_t count;
};

#define SETTINGS_MAX 64 /* two parameters each */

/* One column that counts nothing, for each column of an answer costs the server as much as to set
 * one of them. */
#define SET_ALL "SELECT num_nulls("

/* `name` stands in the text, which is the same for most requests. */
static void
set(struct run *r, const char *name, const char *value)
{
    MUST(r->count < (size_t)2 * SETTINGS_MAX);
    buf_printf(&r->text, "%sset_config('%s', $%zu, true)", r->count == 0 ? SET_ALL : ", ", name,
               r->count + 1);
    r->params[r->count++] = value;
}

static void
set_all(struct run *r, const char *const *settings)
{
    for (; settings != NULL && settings[0] != NULL; settings += 2) {
        if (r->count + 2 > (size_t)2 * (SETTINGS_MAX - 12))
            return;
        buf_printf(&r->text, ", set_config($%zu, $%zu, true)", r->count + 1, r->count + 2);
        r->params[r->count++] = settings[0];
        r->params[r->count++] = settings[1];
    }
}

static const char *
search_path(struct run *r)
{
    size_t count;
    const char *const *extra = cache_extra_path(&count);
    struct buf b;

    buf_init_arena(&b, r->req->task->arena, TEXT_MAX);
    sql_quote(&b, r->plan->request->schema);
    for (size_t i = 0; i < count; i++) {
        buf_add_text(&b, ", ");
        sql_quote(&b, str_of(extra[i]));
    }
    return b.ptr;
}

/* request.headers and request.cookies: names in lower case, no cookies among the headers. */
static const char *
headers(struct run *r)
{
    const struct net_request *http = r->req->http;
    struct json_writer w;
    struct buf b;

    buf_init_arena(&b, r->req->task->arena, TEXT_MAX);
    jw_init(&w, &b);
    jw_open(&w);
    for (size_t i = 0; i < http->header_count; i++)
        if (!str_is(http->headers[i].name, "cookie"))
            jw_str_at(&w, arena_copy(r->req->task->arena, http->headers[i].name),
                      http->headers[i].value);
    jw_close(&w);
    return b.overflow ? "{}" : b.ptr;
}

/* "a=b; c=d" */
static const char *
cookies(struct run *r)
{
    struct arena *a = r->req->task->arena;
    struct str text = fn_header(r->req, "cookie");
    struct json_writer w;
    struct buf b;

    buf_init_arena(&b, a, TEXT_MAX);
    jw_init(&w, &b);
    jw_open(&w);
    while (text.len > 0) {
        const char *end = memchr(text.ptr, ';', text.len);
        const size_t len = end == NULL ? text.len : (size_t)(end - text.ptr);
        const char *is = memchr(text.ptr, '=', len);

        if (is != NULL)
            jw_str_at(&w, arena_copy(a, (struct str){text.ptr, (size_t)(is - text.ptr)}),
                      (struct str){is + 1, (size_t)(text.ptr + len - is - 1)});
        text.ptr += MIN(len + 1, text.len);
        text.len -= MIN(len + 1, text.len);
        while (text.len > 0 && text.ptr[0] == ' ') {
            text.ptr++;
            text.len--;
        }
    }
    jw_close(&w);
    return b.overflow ? "{}" : b.ptr;
}

/* The first step (rest-contract.md 1.6, in its order). */
static struct db_step
begin(struct run *r)
{
    struct arena *a = r->req->task->arena;
    const struct caller *caller = &r->req->caller;
    const struct cache_role *role = cache_role(r->plan->cache, caller->role);
    const struct rest_request *request = r->plan->request;

    buf_init_arena(&r->text, a, TEXT_MAX);
    r->count = 0;
    r->params = ARENA_ARRAY(a, const char *, (size_t)2 * SETTINGS_MAX);
    set(r, "search_path", search_path(r));
    set_all(r, role == NULL ? NULL : role->settings);
    set(r, "role", caller->role);
    set(r, "request.jwt.claims", arena_copy(a, caller->claims_json));
    set(r, "request.method", arena_copy(a, r->req->http->method));
    set(r, "request.path", arena_copy(a, r->req->http->path));
    set(r, "request.headers", headers(r));
    set(r, "request.cookies", cookies(r));
    set(r, "platform.caller_ip", arena_copy(a, r->req->http->remote_addr));
    if (request->prefer.timezone.len > 0)
        set(r, "timezone", arena_copy(a, request->prefer.timezone));
    if (r->plan->routine != NULL)
        set_all(r, r->plan->routine->settings);
    if (!r->plan->writes && !r->plan->reveals)
        set(r, "transaction_read_only", "on");
    if (caller->user_id[0] != '\0') { /* who is banned is so at once, with tokens of before too */
        buf_printf(&r->text, ", platform.rest_admit($%zu::uuid)", r->count + 1);
        r->params[r->count++] = caller->user_id;
    }
    buf_add_char(&r->text, ')');
    return (struct db_step){.sql = r->text.ptr, .params = r->params, .param_count = r->count};
}

/*
 * How isolated the transaction is, where the role or the function says so (rest-contract.md 1.6).
 * It has to be said before anything looks at the data, as the set_config of the first step does.
 * PostgreSQL takes it back at the end of the transaction, without LOCAL too; with LOCAL it warns in
 * its log each time, for a script has no BEGIN.  These are constants of the program: for a text
 * made at run time the batch may begin with a DEALLOCATE, and that is too much already.
 */
static struct {
    const char *name;
    struct db_stmt stmt;
} isolations[] = {
    {"serializable", {.sql = "SET transaction_isolation TO 'serializable'", .kind = DB_WRITE}},
    {"repeatable read",
     {.sql = "SET transaction_isolation TO 'repeatable read'", .kind = DB_WRITE}},
    {"read committed", {.sql = "SET transaction_isolation TO 'read committed'", .kind = DB_WRITE}},
    {"read uncommitted",
     {.sql = "SET transaction_isolation TO 'read uncommitted'", .kind = DB_WRITE}},
};

/* NULL: nobody says. */
static struct db_stmt *
isolation(const struct run *r)
{
    const struct cache_role *role = cache_role(r->plan->cache, r->req->caller.role);
    const char *name = role == NULL ? NULL : role->isolation;

    if (r->plan->routine != NULL && r->plan->routine->isolation != NULL)
        name = r->plan->routine->isolation;
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(isolations); i++)
        if (strcmp(name, isolations[i].name) == 0)
            return &isolations[i].stmt;
    return NULL;
}

/* ---- what came of it ---- */

static int64_t
number_of(const char *text, int64_t otherwise)
{
    int64_t n;

    return text != NULL && number_i64(str_of(text), &n) ? n : otherwise;
}

/* "Plan Rows" of EXPLAIN (FORMAT JSON). */
static int64_t
estimated_rows(struct arena *a, const char *text)
{
    const struct json *plans;

    if (text == NULL || json_parse(a, NULL, str_of(text), &plans) != ERR_OK)
        return 0;
    return number_of(
        arena_copy(a, json_text(json_get(json_get(json_first(plans), "Plan"), "Plan Rows"))), 0);
}

static void
read_total(struct run *r, const struct db_row *row, const char *estimate, struct answer_result *ret)
{
    const enum rest_count count = r->plan->request->prefer.count;
    const int64_t max_rows = setting_int(&cfg_rest_max_rows);
    const char *total = db_text(row, SQL_TOTAL);

    ret->has_total = total != NULL || estimate != NULL;
    ret->total = number_of(total, 0);
    if (estimate == NULL)
        return;
    const int64_t rows = estimated_rows(r->req->task->arena, estimate);
    if (count == REST_COUNT_PLANNED)
        ret->total = rows;
    else if (ret->total > max_rows)
        ret->total = MAX(ret->total, rows);
}

static void
read_row(struct run *r, const struct db_row *row, const char *estimate, struct answer_result *ret)
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
    struct db_stmt *isolated = isolation(r);
    size_t count = 0;

    if (isolated != NULL)
        steps[count++] = (struct db_step){.stmt = isolated};
    steps[count++] = begin(r);
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
    const struct db_script script = {
        .steps = steps, .count = count, .until_gone = !plan->writes && !plan->reveals};
    const enum err err = db_script(req->task, &script, results);
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
    const struct db_script script = {
        .steps = steps, .count = make_steps(r, &alone, steps, &main_step), .until_gone = true};
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

    *ret_err = ERR_OK;
    if (statement->estimate != NULL)
        REST_TRY(ask_estimate(&r, res, statement, &estimate, e, ret_err));
    without.estimate = NULL;
    const struct db_script script = {
        .steps = steps, .count = make_steps(&r, &without, steps, &main_step), .until_gone = true};
    enum err err = db_stream_open(req->task, &script, rows);
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
