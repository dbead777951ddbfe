/*
 * How a failure looks on the wire: the shapes, and what all of them have beside their bodies.
 */
#include "fn/failure.h"

#include "base/task.h"
#include "fn/answer.h"
#include "fn/internal.h"
#include "fn/request.h"
#include "json/write.h"
#include "net/header.h"

enum err
fn_outcome(struct task *task, const struct fn_outcome *table, const char *outcome)
{
    for (; table->name != NULL; table++)
        if (outcome != NULL && strcmp(table->name, outcome) == 0)
            return fail_set(&task->fail, table->err, "%s", table->text);
    return ERR_OK;
}

/* ---- shapes ---- */

void
fn_failure_shop(struct fn_req *req, struct fn_res *res, enum err e)
{
    struct json_writer *w = fn_json(res, err_info(e)->http_status);

    jw_open(w);
    jw_bool_at(w, "success", false);
    jw_text_at(w, "error", fail_text(&req->task->fail, e));
    jw_close(w);
}

/* The usual words of each shape for what the runtime refuses by itself; where one has none the
 * last row's counts. */
static const struct words {
    enum err err;
    const char *auth, *rest, *storage;
} usual[] = {
    {ERR_INVALID, "validation_failed", "PGRST100", "InvalidRequest"},
    {ERR_UNAUTHENTICATED, "no_authorization", "PGRST301", "InvalidJWT"},
    {ERR_FORBIDDEN, "not_admin", "42501", "AccessDenied"},
    {ERR_NOT_FOUND, "not_found", "PGRST125", "NoSuchKey"},
    {ERR_METHOD, "method_not_allowed", "PGRST117", "InvalidRequest"},
    {ERR_CONFLICT, "conflict", "40001", "ResourceAlreadyExists"},
    {ERR_TOO_LARGE, "request_too_large", "PGRST100", "EntityTooLarge"},
    {ERR_MEDIA_TYPE, "bad_json", "PGRST107", "InvalidMimeType"},
    {ERR_RATE_LIMITED, "over_request_rate_limit", "PGRST000", "SlowDown"},
    {ERR_UNAVAILABLE, "unexpected_failure", "PGRST000", "DatabaseError"},
    {ERR_TIMEOUT, "request_timeout", "57014", "DatabaseTimeout"},
    {ERR_MAX, "unexpected_failure", "PGRSTX00", "InternalError"},
};

static const struct words *
usual_of(enum err e)
{
    const struct words *w = usual;

    while (w->err != e && w->err != ERR_MAX)
        w++;
    return w;
}

/* "2024-01-01" or later, written as a date (GoTrue, internal/api/apiversion). */
static bool
wants_new_auth_shape(const struct fn_req *req)
{
    const struct str version = fn_header(req, "x-supabase-api-version");

    if (version.len != 10 || version.ptr[4] != '-' || version.ptr[7] != '-')
        return false;
    for (size_t i = 0; i < version.len; i++)
        if (i != 4 && i != 7 && (version.ptr[i] < '0' || version.ptr[i] > '9'))
            return false;
    return memcmp(version.ptr, "2024-01-01", 10) >= 0;
}

void
fn_refuse_auth(struct fn_req *req, struct fn_res *res, int status, const char *code,
               const char *text, const char *reasons)
{
    struct json_writer *w = fn_json(res, status);

    fn_header_set(req, res, "x-sb-error-code", code);
    jw_open(w);
    if (wants_new_auth_shape(req)) {
        fn_header_set(req, res, "X-Supabase-Api-Version", "2024-01-01");
        jw_text_at(w, "code", code);
        jw_text_at(w, "message", text);
    } else {
        jw_i64_at(w, "code", status);
        jw_text_at(w, "error_code", code);
        jw_text_at(w, "msg", text);
    }
    if (reasons != NULL) {
        jw_key(w, "weak_password");
        jw_open(w);
        jw_key(w, "reasons");
        jw_raw(w, str_of(reasons));
        jw_close(w);
    }
    if (status >= 500)
        jw_text_at(w, "error_id", req->task->id);
    jw_close(w);
}

void
fn_failure_auth(struct fn_req *req, struct fn_res *res, enum err e)
{
    const struct fail *f = &req->task->fail;

    fn_refuse_auth(req, res, err_info(e)->http_status,
                   f->code != NULL ? f->code : usual_of(e)->auth, fail_text(f, e), NULL);
}

void
fn_failure_rest(struct fn_req *req, struct fn_res *res, enum err e)
{
    const struct fail *f = &req->task->fail;
    struct json_writer *w = fn_json(res, err_info(e)->http_status);

    jw_open(w);
    jw_text_at(w, "code", f->code != NULL ? f->code : usual_of(e)->rest);
    jw_text_at(w, "details", NULL);
    jw_text_at(w, "hint", NULL);
    jw_text_at(w, "message", fail_text(f, e));
    jw_close(w);
}

void
fn_failure_storage(struct fn_req *req, struct fn_res *res, enum err e)
{
    const struct fail *f = &req->task->fail;
    const int status = err_info(e)->http_status;
    struct json_writer *w = fn_json(res, status < 500 ? 400 : status);

    jw_open(w);
    jw_text_at(w, "statusCode", arena_printf(req->task->arena, "%d", status));
    jw_text_at(w, "error", http_reason(status));
    jw_text_at(w, "message", fail_text(f, e));
    jw_text_at(w, "code", f->code != NULL ? f->code : usual_of(e)->storage);
    jw_close(w);
}

/* What every shape needs beside its body. */
void
fn_write_failure(struct fn_req *req, struct fn_res *res, enum err e)
{
    (req->spec->failure != NULL ? req->spec->failure : fn_failure_shop)(req, res, e);
    if (e == ERR_METHOD)
        fn_allow(req, res);
    if (e == ERR_MEDIA_TYPE && fn_is_coded(req)) /* RFC 9110, 12.5.3: for no other reason */
        fn_header_set(req, res, "Accept-Encoding", "identity");
    else if (e == ERR_MEDIA_TYPE)
        fn_header_set(req, res, "Accept", "application/json");
    if (err_info(e)->retryable) {
        const int after_s = req->task->fail.retry_after_s > 0 ? req->task->fail.retry_after_s : 1;

        fn_header_set(req, res, "Retry-After", arena_printf(req->task->arena, "%d", after_s));
    }
}

struct str
fn_out_of_memory_answer(const struct task *task, char spare[FN_SPARE_BYTES])
{
    static const char body[] = "{\"success\":false,\"error\":\"Request needs too much memory\"}";
    const int len =
        snprintf(spare, FN_SPARE_BYTES,
                 "Status: 500 Internal Server Error\r\n"
                 "Content-Type: application/json\r\n"
                 "Content-Length: %zu\r\n"
                 "X-Request-Id: %s\r\n" FN_EVERY_ANSWER "Cache-Control: no-store\r\n\r\n%s",
                 sizeof body - 1, task->id, body);

    MUST(len > 0 && len < FN_SPARE_BYTES);
    return (struct str){spare, (size_t)len};
}
