/*
 * webhook-debug: keeps what somebody sends (method, headers, body), for setting up callbacks.
 * The last calls are in webhook_debug_calls, bounded in count and size; secrets are masked before
 * they leave this process.
 */
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "fn/spec.h"
#include "mask.h"

static struct db_stmt log_call = {
    .sql = "SELECT received_at FROM backend.log_webhook_call($1, $2, $3, $4, $5, $6)",
    .kind = DB_WRITE};

static enum err
webhook_debug(struct fn_req *req, struct fn_res *res)
{
    struct arena *a = req->task->arena;
    struct db_row row;

    TRY(db_one(req->task, &log_call,
               DB_PARAMS(req->task->id, arena_copy(a, req->http->method),
                         masked_query(a, req->http->query),
                         masked_headers(a, req->http->headers, req->http->header_count),
                         masked_body(a, req->http->body), arena_copy(a, req->http->remote_addr)),
               &row));

    struct json_writer *w = fn_json(res, 200);
    jw_open(w);
    jw_bool_at(w, "success", true);
    jw_text_at(w, "message", "Webhook debug received");
    jw_text_at(w, "timestamp", db_text(&row, 0));
    jw_close(w);
    return ERR_OK;
}

static const struct fn_answer_doc answers[] = {
    {200, "Webhook debug received"},
    {413, "Request body too large"},
    {0, NULL},
};

static struct setting *const *const settings[] = {db_settings, NULL};

static const struct fn_route routes[] = {
    {
        .methods = FN_ANY,
        .path = "",
        .who = FN_NOBODY,
        .body = FN_BODY_RAW,
        .body_max = 64 * 1024,
        .answers = answers,
        .handle = webhook_debug,
    },
    {0},
};

static const struct fn_spec spec = {
    .app = "flashfundx",
    .name = "webhook-debug",
    .summary = "Keep the last calls it gets, for setting up callbacks",
    .route = "/functions/v1/webhook-debug",
    .routes = routes,
    .memory_max = 8 * 1024 * 1024,
    .timeout_ms = 30000,
    .settings = settings,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
