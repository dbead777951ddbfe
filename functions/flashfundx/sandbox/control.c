/* What payers, chains and staff do, and what tests want to know or to go wrong. */
#include "base/number.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "json/tree.h"
#include "json/write.h"
#include "sandbox.h"

#define BODY_MAX (64 * 1024)

static enum err
answer_json(struct call *c, const char *json, const char *missing)
{
    if (json == NULL)
        return answer_error(c, 404, "NOT_FOUND", missing);
    fn_body(c->res, 200, "application/json", str_of(json));
    return ERR_OK;
}

/* ---- payments ---- */

static struct db_stmt payment_state = {.sql = "SELECT state FROM sandbox.payment_state($1::bigint)",
                                       .kind = DB_READ};

static enum err
answer_payment(struct call *c, const char *id)
{
    struct db_row row;

    TRY(db_one(c->req->task, &payment_state, DB_PARAMS(id), &row));
    return answer_json(c, db_text(&row, 0), "Payment not found");
}

enum err
control_get_payment(struct call *c)
{
    const char *id = path_id(c, 0);
    return id == NULL ? ERR_OK : answer_payment(c, id);
}

static struct db_stmt control = {
    .sql = "SELECT outcome, detail FROM sandbox.control($1::bigint, $2, $3::numeric, $4::int)",
    .kind = DB_WRITE};

/* pay, underpay, overpay, pay_twice, expire, fail, refund, wrong_asset, late, finish_by_hand;
 * {"amount"} replaces the usual deposit. */
enum err
control_payment(struct call *c)
{
    struct inputs in = {c, false};
    const char *id = path_id(c, 0);
    const char *amount;
    struct db_row row;

    if (id == NULL)
        return ERR_OK;
    amount = input_amount(&in, "amount");
    if (in.failed)
        return ERR_OK;
    TRY(db_one(c->req->task, &control,
               DB_PARAMS(id, arena_copy(c->req->task->arena, c->arg[1]), amount,
                         tick_ms(c->req->task->arena)),
               &row));
    if (strcmp(db_text(&row, 0), "ok") != 0)
        return answer_outcome(c, db_text(&row, 0), db_text(&row, 1));
    return answer_payment(c, id);
}

static struct db_stmt order_state = {.sql = "SELECT state FROM sandbox.order_state($1)",
                                     .kind = DB_READ};

enum err
control_get_order(struct call *c)
{
    struct db_row row;

    TRY(db_one(c->req->task, &order_state, DB_PARAMS(arena_copy(c->req->task->arena, c->arg[0])),
               &row));
    return answer_json(c, db_text(&row, 0), "Order not found");
}

static struct db_stmt idle = {.sql = "SELECT idle, moving, sending FROM sandbox.idle()",
                              .kind = DB_READ};

/* Tests wait for {"idle":true}: no payment has a step before it, no callback waits. */
enum err
control_idle(struct call *c)
{
    struct db_row row;

    TRY(db_one(c->req->task, &idle, DB_NO_PARAMS, &row));
    struct json_writer *w = fn_json(c->res, 200);
    jw_open(w);
    jw_bool_at(w, "idle", db_true(&row, 0));
    jw_number_at(w, "moving", db_text(&row, 1));
    jw_number_at(w, "sending", db_text(&row, 2));
    jw_close(w);
    return ERR_OK;
}

/* ---- a callback of the caller's making ---- */

static struct db_stmt make_callback = {.sql = "SELECT outcome, detail, callback_id, url, body "
                                              "FROM sandbox.control_callback($1::bigint, $2, $3)",
                                       .kind = DB_WRITE};

/* The payment's own callback with {"status", "fields": {…}} laid over it. */
static enum err
merge_body(struct call *c, const char *base_text, const char *status, struct str *ret)
{
    const struct json *fields = json_get(c->input, "fields");
    const struct json *base;
    struct buf out;
    struct json_writer w;

    TRY(json_parse(c->req->task->arena, &c->req->task->fail, str_of(base_text), &base));
    buf_init_arena(&out, c->req->task->arena, BODY_MAX);
    jw_init(&w, &out);
    jw_open(&w);
    for (const struct json *m = json_first(base); m != NULL; m = json_next(m)) {
        const char *key = json_key(m).ptr;
        const struct json *field = json_get(fields, key);
        jw_key(&w, key);
        if (field == NULL && status != NULL && strcmp(key, "payment_status") == 0)
            jw_text(&w, status);
        else
            jw_value(&w, field != NULL ? field : m);
    }
    if (fields != NULL && json_type(fields) == JSON_OBJECT) {
        for (const struct json *m = json_first(fields); m != NULL; m = json_next(m)) {
            if (json_get(base, json_key(m).ptr) != NULL)
                continue;
            jw_key(&w, json_key(m).ptr);
            jw_value(&w, m);
        }
    }
    jw_close(&w);
    if (out.overflow)
        return fail_detail(&c->req->task->fail, ERR_INTERNAL, "callback over %d bytes", BODY_MAX);
    *ret = buf_str(&out);
    return ERR_OK;
}

/* Sends at once and tells what the receiver said: {"status", "fields", "fault"}. */
enum err
control_callback(struct call *c)
{
    struct inputs in = {c, false};
    const char *id = path_id(c, 0);
    struct db_row row;
    struct str body;

    if (id == NULL)
        return ERR_OK;
    const char *status = input_text(&in, "status", 64);
    const char *fault = input_text(&in, "fault", 32);
    if (in.failed)
        return ERR_OK;
    TRY(db_one(c->req->task, &make_callback, DB_PARAMS(id, NULL, NULL), &row));
    if (strcmp(db_text(&row, 0), "ok") != 0)
        return answer_outcome(c, db_text(&row, 0), db_text(&row, 1));
    TRY(merge_body(c, db_text(&row, 4), status, &body));
    TRY(db_one(c->req->task, &make_callback, DB_PARAMS(id, status == NULL ? "" : status, body.ptr),
               &row));
    if (strcmp(db_text(&row, 0), "ok") != 0)
        return answer_outcome(c, db_text(&row, 0), db_text(&row, 1));

    const struct callback callback = {
        .id = db_text(&row, 2), .url = db_text(&row, 3), .body = db_text(&row, 4), .fault = fault};
    int http_status;
    const char *error;
    TRY(send_callback(c->req->task, &callback, &http_status, &error));
    struct json_writer *w = fn_json(c->res, 200);
    jw_open(w);
    jw_text_at(w, "callback_id", callback.id);
    jw_i64_at(w, "http_status", http_status);
    jw_text_at(w, "error", error);
    jw_key(w, "body");
    jw_raw(w, body);
    jw_close(w);
    return ERR_OK;
}

/* ---- faults ---- */

enum { ON_API = 1, ON_CALLBACK = 2 };

static const struct {
    const char *name;
    unsigned where;
    int delay_ms; /* when none is given */
} faults[] = {
    {"slow", ON_API | ON_CALLBACK, 15000},
    {"error500", ON_API, 0},
    {"drop", ON_API | ON_CALLBACK, 0},
    {"rate_limit", ON_API, 0},
    {"all_strings", ON_API | ON_CALLBACK, 0},
    {"malformed", ON_API | ON_CALLBACK, 0},
    {"duplicate", ON_CALLBACK, 0},
    {"reorder", ON_CALLBACK, 500},
    {"bad_signature", ON_CALLBACK, 0},
};

static const char *const targets[] = {
    "callback", "invoice",    "invoice-payment", "payment",      "payment-get",
    "status",   "currencies", "estimate",        "payment-list", "auth",
};

static bool
known_target(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        if (strcmp(targets[i], name) == 0)
            return true;
    }
    return false;
}

static struct db_stmt add_fault = {
    .sql = "SELECT id FROM sandbox.add_fault($1, $2, $3::int, $4::int)", .kind = DB_WRITE};

/* A number of the body between 0 and `max`; `fallback` when absent. */
static const char *
small_number(struct inputs *in, const char *name, int64_t max, int64_t fallback)
{
    const char *text = input_text(in, name, 16);
    int64_t n = fallback;

    if (text != NULL && (!number_i64(str_of(text), &n) || n < 0 || n > max)) {
        if (!in->failed)
            answer_error(in->call, 400, "INVALID_REQUEST_PARAMS",
                         arena_printf(in->call->req->task->arena, "%s must be from 0 to %lld", name,
                                      (long long)max));
        in->failed = true;
    }
    return arena_printf(in->call->req->task->arena, "%lld", (long long)n);
}

enum err
control_add_fault(struct call *c)
{
    struct inputs in = {c, false};
    const char *target = input_text(&in, "target", 32);
    const char *fault = input_text(&in, "fault", 32);
    struct db_row row;
    size_t i = 0;

    input_required(&in, "target", target);
    input_required(&in, "fault", fault);
    if (in.failed)
        return ERR_OK;
    const unsigned where = strcmp(target, "callback") == 0 ? ON_CALLBACK : ON_API;
    while (i < ARRAY_LEN(faults) && strcmp(faults[i].name, fault) != 0)
        i++;
    if (!known_target(target) || i == ARRAY_LEN(faults) || (faults[i].where & where) == 0)
        return answer_error(c, 400, "INVALID_REQUEST_PARAMS", "no such fault of this target");
    const char *times = small_number(&in, "times", 1000000, 1);
    const char *delay_ms = small_number(&in, "delay_ms", 25000, faults[i].delay_ms);
    if (in.failed)
        return ERR_OK;
    TRY(db_one(c->req->task, &add_fault, DB_PARAMS(target, fault, times, delay_ms), &row));

    struct json_writer *w = fn_json(c->res, 201);
    jw_open(w);
    jw_text_at(w, "id", db_text(&row, 0));
    jw_text_at(w, "target", target);
    jw_text_at(w, "fault", fault);
    jw_number_at(w, "times", times);
    jw_number_at(w, "delay_ms", delay_ms);
    jw_close(w);
    return ERR_OK;
}

static struct db_stmt clear_faults = {.sql = "SELECT cleared FROM sandbox.clear_faults()",
                                      .kind = DB_WRITE};

enum err
control_clear_faults(struct call *c)
{
    struct db_row row;

    TRY(db_one(c->req->task, &clear_faults, DB_NO_PARAMS, &row));
    struct json_writer *w = fn_json(c->res, 200);
    jw_open(w);
    jw_number_at(w, "cleared", db_text(&row, 0));
    jw_close(w);
    return ERR_OK;
}
