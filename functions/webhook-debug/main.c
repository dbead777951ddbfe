/*
 * webhook-debug: keeps what somebody sends (method, headers, body), for setting up callbacks.
 * The last calls are in webhook_debug_calls, bounded in count and size; secrets are masked before
 * they leave this process.
 */
#include "db.h"
#include "fn.h"
#include "http.h"

#define KEPT_BODY_MAX 8192

static struct db_stmt log_call = {
    .sql = "SELECT received_at FROM backend.log_webhook_call($1, $2, $3, $4, $5, $6)",
    .kind = DB_WRITE};

static bool
is_secret(struct str name)
{
    static const char *const secret[] = {"authorization", "apikey",  "cookie",
                                         "x-api-key",     "proxy-authorization", "x-auth-token"};

    for (size_t i = 0; i < ARRAY_LEN(secret); i++)
        if (str_is(name, secret[i]))
            return true;
    return false;
}

static const char *
headers_json(struct fn_req *req)
{
    struct buf out;
    struct json_writer w;

    buf_init_arena(&out, req->arena, 256 * 1024);
    jw_init(&w, &out);
    jw_open(&w);
    for (size_t i = 0; i < req->header_count; i++) {
        jw_key(&w, req->headers[i].name.ptr);
        jw_str(&w, is_secret(req->headers[i].name) ? STR("***") : req->headers[i].value);
    }
    jw_close(&w);
    return out.ptr;
}

/* PostgreSQL text is UTF-8 without NUL: what is neither is kept as an escaped JSON string. */
static const char *
printable(struct fn_req *req, struct str text)
{
    struct buf out;
    struct json_writer w;

    if (utf8_ok(text) && (text.len == 0 || memchr(text.ptr, '\0', text.len) == NULL))
        return arena_copy(req->arena, text);
    buf_init_arena(&out, req->arena, 8 * KEPT_BODY_MAX);
    jw_init(&w, &out);
    jw_str(&w, (struct str){text.ptr, MIN(text.len, KEPT_BODY_MAX)});
    return out.ptr;
}

static enum err
webhook_debug(struct fn_req *req, struct fn_res *res)
{
    struct db_row row;

    TRY(db_one(req, &log_call,
               DB_PARAMS(req->id, arena_copy(req->arena, req->method), printable(req, req->query),
                         headers_json(req), printable(req, req->body),
                         arena_copy(req->arena, req->remote_addr)),
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

static const struct fn_spec spec = {
    .name = "webhook-debug",
    .summary = "Keep the last calls it gets, for setting up callbacks",
    .route = "/functions/v1/webhook-debug",
    .methods = FN_ANY,
    .auth = FN_AUTH_NONE,
    .body_max = 64 * 1024,
    .timeout_ms = 30000,
    .needs = FN_NEED_DB,
    .answers = answers,
    .handle = webhook_debug,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
