/*
 * test-delivery: would, or does, this order's account get delivered, and if not, why not.
 * A dry run unless {"deliver": true}: the database really delivers and rolls it back.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/setting.h"
#include "crypto/sealed.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "fn/caller.h"
#include "fn/settings.h"
#include "fn/spec.h"
#include "json/tree.h"
#include "json/write.h"

static struct db_stmt test_delivery_stmt = {
    .sql = "SELECT result FROM backend.test_delivery($1, $2::boolean, $3, $4::jsonb)",
    .kind = DB_WRITE};

static enum err
parse(struct fn_req *req, const char **ret_order_id, bool *ret_deliver)
{
    const struct str order_id = json_text(json_get(req->json, "orderId"));
    const struct json *deliver = json_get(req->json, "deliver");

    if (order_id.len == 0)
        return fail_set(&req->task->fail, ERR_INVALID, "Missing required fields: orderId");
    if (order_id.len > 64)
        return fail_set(&req->task->fail, ERR_INVALID, "Invalid orderId. Must be FFX and 9 digits");
    if (deliver != NULL && json_type(deliver) != JSON_BOOL)
        return fail_set(&req->task->fail, ERR_INVALID, "Invalid deliver. Must be true or false");
    *ret_order_id = arena_copy(req->task->arena, order_id);
    *ret_deliver = json_is_true(deliver);
    return ERR_OK;
}

/* The service key is the token that the call came with: without a good one it is not answered, and
 * this function needs none of its own. */
static void
write_environment(struct fn_req *req, struct json_writer *w)
{
    struct str key = fn_header(req, "authorization");

    if (key.len == 0)
        key = fn_header(req, "apikey");
    const char *blank = key.len > 0 ? memrchr(key.ptr, ' ', key.len) : NULL;
    if (blank != NULL) /* "Bearer KEY" */
        key = (struct str){blank + 1, (size_t)(key.ptr + key.len - blank - 1)};
    jw_key(w, "environment_check");
    jw_open(w);
    jw_bool_at(w, "supabase_url", setting_str(&cfg_supabase_url).len > 0);
    jw_bool_at(w, "service_key", key.len > 0);
    jw_i64_at(w, "service_key_length", (int64_t)key.len);
    jw_close(w);
}

static enum err
test_delivery(struct fn_req *req, struct fn_res *res)
{
    const char *order_id = NULL;
    bool deliver;
    struct db_row row;
    struct str shown;
    const struct json *tests;
    char now[TIMESTAMP_SIZE];

    TRY(parse(req, &order_id, &deliver));
    TRY(db_one(req->task, &test_delivery_stmt,
               DB_PARAMS(order_id, deliver ? "true" : "false", caller_staff_id(&req->caller),
                         caller_staff_claims(req->task->arena, &req->caller)),
               &row));
    if (db_text(&row, 0) == NULL)
        return fail_set(&req->task->fail, ERR_FORBIDDEN, "For support and finance only");
    const char *sealed = sealed_open(req->task->arena, db_str(&row, 0), &shown);
    if (sealed != NULL) /* delivered all the same: the answer says so, with null passwords */
        log_event(LOG_ERROR, "credentials_sealed", req->task->id, sealed,
                  LOG_TEXT("order_id", order_id));
    TRY(json_parse(req->task->arena, &req->task->fail, shown, &tests));
    timestamp_format(wall_us(), now);

    struct json_writer *w = fn_json(res, 200);
    jw_open(w);
    jw_text_at(w, "orderId", order_id);
    jw_text_at(w, "timestamp", now);
    jw_bool_at(w, "dry_run", !deliver);
    jw_key(w, "tests");
    jw_open(w);
    for (const struct json *test = json_first(tests); test != NULL; test = json_next(test)) {
        jw_key(w, arena_copy(req->task->arena, json_key(test)));
        jw_value(w, test);
    }
    if (json_count(tests) > 1) /* an unknown order gets no further tests */
        write_environment(req, w);
    jw_close(w);
    jw_close(w);
    return ERR_OK;
}

static const struct fn_input_doc inputs[] = {
    {"orderId", "string", true, "FFX and 9 digits"},
    {"deliver", "boolean", false, "true really delivers; the default is a dry run"},
    {NULL, NULL, false, NULL},
};

static const struct fn_answer_doc answers[] = {
    {200, "orderId, timestamp, dry_run and tests {…}; for an unknown order only order_check"},
    {400, "Missing required fields: orderId"},
    {401, "no valid token"},
    {403, "For staff only; For support and finance only"},
    {0, NULL},
};

static struct setting *const own[] = {&cfg_supabase_url, &cfg_credential_keys, NULL};
static struct setting *const *const settings[] = {db_settings, own, NULL};

static const struct fn_route routes[] = {
    {
        .methods = FN_POST,
        .path = "",
        .who = FN_STAFF | FN_SERVICE,
        .body = FN_BODY_JSON,
        .body_max = 4 * 1024,
        .rate_calls = 10,
        .rate_window_s = 60,
        .inputs = inputs,
        .answers = answers,
        .handle = test_delivery,
    },
    {0},
};

static const struct fn_spec spec = {
    .app = "flashfundx",
    .name = "test-delivery",
    .summary = "Try the delivery of an order and explain the result",
    .route = "/functions/v1/test-delivery",
    .routes = routes,
    .timeout_ms = 60000,
    .settings = settings,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
