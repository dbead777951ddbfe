/*
 * webhook-debug: keeps what somebody sends (method, headers, body), for setting up callbacks.
 * The last calls are in webhook_debug_calls, bounded in count and size; secrets are masked before
 * they leave this process.
 */
#include "base/text.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "fn/spec.h"
#include "json/tree.h"
#include "json/write.h"
#include "net/header.h"

#define KEPT_BODY_MAX 8192

static struct db_stmt log_call = {
    .sql = "SELECT received_at FROM backend.log_webhook_call($1, $2, $3, $4, $5, $6)",
    .kind = DB_WRITE};

/* Names of headers, query parameters and JSON members whose values are not kept. */
static bool
is_secret(struct str name)
{
    static const char *const parts[] = {"authorization", "apikey", "api_key", "api-key",
                                        "cookie",        "token",  "secret",  "password"};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const size_t len = strlen(parts[i]);

        for (size_t at = 0; at + len <= name.len; at++)
            if (str_ieq((struct str){name.ptr + at, len}, (struct str){parts[i], len}))
                return true;
    }
    return false;
}

static const char *
headers_json(struct fn_req *req)
{
    struct buf out;
    struct json_writer w;

    buf_init_arena(&out, req->task->arena, 256 * 1024);
    jw_init(&w, &out);
    jw_open(&w);
    for (size_t i = 0; i < req->http->header_count; i++) {
        jw_key(&w, req->http->headers[i].name.ptr);
        jw_str(&w,
               is_secret(req->http->headers[i].name) ? STR("***") : req->http->headers[i].value);
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
        return arena_copy(req->task->arena, text);
    buf_init_arena(&out, req->task->arena, 8 * KEPT_BODY_MAX);
    jw_init(&w, &out);
    jw_str(&w, (struct str){text.ptr, MIN(text.len, KEPT_BODY_MAX)});
    return out.ptr;
}

/* The query with the values of secret parameters masked. */
static const char *
masked_query(struct fn_req *req)
{
    struct str rest = req->http->query;
    struct buf out;

    buf_init_arena(&out, req->task->arena, 64 * 1024);
    buf_add_text(&out, "");
    while (rest.len > 0) {
        const char *amp = memchr(rest.ptr, '&', rest.len);
        const size_t pair_len = amp == NULL ? rest.len : (size_t)(amp - rest.ptr);
        const char *eq = memchr(rest.ptr, '=', pair_len);
        const size_t name_len = eq == NULL ? pair_len : (size_t)(eq - rest.ptr);

        if (eq != NULL && is_secret((struct str){rest.ptr, name_len})) {
            buf_add(&out, rest.ptr, name_len);
            buf_add(&out, "=***", 4);
        } else {
            buf_add(&out, rest.ptr, pair_len);
        }
        if (amp != NULL)
            buf_add_char(&out, '&');
        rest.ptr += pair_len + (amp != NULL);
        rest.len -= pair_len + (amp != NULL);
    }
    return printable(req, buf_str(&out));
}

static void
write_masked(struct json_writer *w, const struct json *v)
{
    if (json_type(v) != JSON_OBJECT && json_type(v) != JSON_ARRAY) {
        jw_value(w, v);
        return;
    }
    const bool object = json_type(v) == JSON_OBJECT;

    object ? jw_open(w) : jw_open_array(w);
    for (const struct json *c = json_first(v); c != NULL; c = json_next(c)) {
        if (object)
            jw_key(w, json_key(c).ptr);
        if (object && is_secret(json_key(c)))
            jw_text(w, "***");
        else
            write_masked(w, c);
    }
    object ? jw_close(w) : jw_close_array(w);
}

static bool
has_secret(const struct json *v)
{
    for (const struct json *c = json_first(v); c != NULL; c = json_next(c))
        if (is_secret(json_key(c)) || has_secret(c))
            return true;
    return false;
}

/* The body as it came, unless it is JSON with secrets in it. */
static const char *
masked_body(struct fn_req *req)
{
    struct fail not_json = {0};
    const struct json *doc;
    struct json_writer w;
    struct buf out;

    if (json_parse(req->task->arena, &not_json, req->http->body, &doc) != ERR_OK ||
        !has_secret(doc))
        return printable(req, req->http->body);
    buf_init_arena(&out, req->task->arena, 1024 * 1024);
    jw_init(&w, &out);
    write_masked(&w, doc);
    return out.ptr;
}

static enum err
webhook_debug(struct fn_req *req, struct fn_res *res)
{
    struct db_row row;

    TRY(db_one(req->task, &log_call,
               DB_PARAMS(req->task->id, arena_copy(req->task->arena, req->http->method),
                         masked_query(req), headers_json(req), masked_body(req),
                         arena_copy(req->task->arena, req->http->remote_addr)),
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

static const struct fn_spec spec = {
    .app = "flashfundx",
    .name = "webhook-debug",
    .summary = "Keep the last calls it gets, for setting up callbacks",
    .route = "/functions/v1/webhook-debug",
    .methods = FN_ANY,
    .auth = FN_AUTH_NONE,
    .body_max = 64 * 1024,
    .memory_max = 8 * 1024 * 1024,
    .timeout_ms = 30000,
    .settings = settings,
    .answers = answers,
    .handle = webhook_debug,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
