/*
 * Errors: PostgreSQL's SQLSTATEs as statuses (supabase-contract.md C5), what a RAISE says of its
 * own answer, and the body.
 */
#include "rest/answer/answer.h"

#include <stdlib.h>

#include "base/number.h"
#include "fn/failure.h"
#include "json/tree.h"

#define ANSWER_JSON "application/json; charset=utf-8"

/* By the longest prefix that fits: the first row of these.  54 is a select list, a body or a
 * nesting beyond PostgreSQL's limits: no fault of ours, which a 5xx would say (it does in the
 * original). */
static const struct {
    const char *prefix;
    int status;
} statuses[] = {
    {"08", 503},    {"09", 500}, {"0L", 403},    {"0P", 403},    {"23503", 409}, {"23505", 409},
    {"25006", 405}, {"25", 500}, {"28", 403},    {"2D", 500},    {"38", 500},    {"39", 500},
    {"3B", 500},    {"40", 500}, {"53400", 500}, {"53", 503},    {"54", 400},    {"55", 500},
    {"57P01", 503}, {"57", 500}, {"58", 500},    {"F0", 500},    {"HV", 500},    {"XX", 500},
    {"P0001", 400}, {"P0", 500}, {"42883", 404}, {"42P01", 404}, {"42P17", 500}, {"21000", 500},
};

static bool
starts(const char *text, const char *with)
{
    return text != NULL && strncmp(text, with, strlen(with)) == 0;
}

static int
status_of(const struct db_failure *f, const char *role)
{
    if (strcmp(f->sqlstate, "42501") == 0)
        return strcmp(role, "anon") == 0 ? 401 : 403;
    if (strcmp(f->sqlstate, "21000") == 0 && f->message != NULL &&
        strstr(f->message, "requires a WHERE clause") != NULL)
        return 400;
    if (strcmp(f->sqlstate, "42883") == 0 && starts(f->message, "function xmlagg("))
        return 406;
    if (strcmp(f->sqlstate, "22023") == 0 && starts(f->message, "role \""))
        return 401;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (starts(f->sqlstate, statuses[i].prefix))
            return statuses[i].status;
    return 400;
}

/* RAISE SQLSTATE 'PT418' */
static int
own_status(const char *sqlstate)
{
    if (!starts(sqlstate, "PT"))
        return 0;
    const long n = strtol(sqlstate + 2, NULL, 10);
    return n >= 100 && n <= 599 ? (int)n : 500;
}

static const char *
member(struct arena *a, const struct json *object, const char *name)
{
    const struct json *v = json_get(object, name);

    return v != NULL && json_type(v) == JSON_STRING ? arena_copy(a, json_text(v)) : NULL;
}

static bool
refuse_raise(struct arena *a, struct rest_error *e, const char *details)
{
    (void)rest_fail(a, e, 500, "PGRST121",
                    "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error");
    e->details = details;
    return false;
}

static bool
set_headers(struct fn_req *req, struct fn_res *res, const struct json *headers)
{
    for (const struct json *h = json_first(headers); h != NULL; h = json_next(h)) {
        if (json_type(h) != JSON_STRING)
            return false;
        fn_header_set(req, res, arena_copy(req->task->arena, json_key(h)),
                      arena_copy(req->task->arena, json_text(h)));
    }
    return true;
}

/* RAISE SQLSTATE 'PGRST': the message is the body, the detail status and headers. */
static bool
read_raise(struct fn_req *req, struct fn_res *res, const struct db_failure *f, struct rest_error *e)
{
    struct arena *a = req->task->arena;
    const struct json *message, *detail;
    int64_t status = 0;

    if (f->detail == NULL)
        return refuse_raise(a, e, "DETAIL is missing in the RAISE statement");
    if (json_parse(a, NULL, str_of(f->message), &message) != ERR_OK ||
        member(a, message, "code") == NULL || member(a, message, "message") == NULL)
        return refuse_raise(a, e,
                            arena_printf(a, "Invalid JSON value for MESSAGE: '%s'", f->message));
    if (json_parse(a, NULL, str_of(f->detail), &detail) != ERR_OK ||
        !number_i64(json_text(json_get(detail, "status")), &status) || status < 100 ||
        status > 599 || !set_headers(req, res, json_get(detail, "headers")))
        return refuse_raise(a, e,
                            arena_printf(a, "Invalid JSON value for DETAIL: '%s'", f->detail));
    *e = (struct rest_error){.status = (int)status,
                             .code = member(a, message, "code"),
                             .message = member(a, message, "message"),
                             .details = member(a, message, "details"),
                             .hint = member(a, message, "hint")};
    return true;
}

void
answer_failure(struct fn_req *req, struct fn_res *res, const struct db_failure *f, const char *role,
               struct rest_error *e)
{
    const int own = own_status(f->sqlstate);

    if (strcmp(f->sqlstate, "PGRST") == 0) {
        (void)read_raise(req, res, f, e);
        return;
    }
    *e = (struct rest_error){.status = own > 0 ? own : status_of(f, role),
                             .code = f->sqlstate,
                             .message = f->message,
                             .details = f->detail,
                             .hint = f->hint};
    if (e->status == 401)
        fn_header_set(req, res, "WWW-Authenticate", "Bearer");
}

/* ---- the runtime's own ---- */

static int
parts_of(struct str token)
{
    int parts = 1;

    for (size_t i = 0; i < token.len; i++)
        parts += token.ptr[i] == '.';
    return parts;
}

static void
describe_token(const struct fn_req *req, struct rest_error *e)
{
    struct arena *a = req->task->arena;
    const char *text = fail_text(&req->task->fail, ERR_UNAUTHENTICATED);

    e->code = "PGRST301";
    if (strcmp(text, "Token has expired") == 0) {
        e->code = "PGRST303";
        e->message = "JWT expired";
    } else if (strcmp(text, "Missing authorization header") == 0) {
        e->code = "PGRST302";
        e->message = "Anonymous access is disabled";
    } else if (strcmp(text, "Invalid token") != 0) {
        e->message = text; /* the gateway's */
    } else if (parts_of(req->credential) != 3) {
        e->message = arena_printf(a, "Expected 3 parts in JWT; got %d", parts_of(req->credential));
    } else {
        e->message = "No suitable key or wrong key type";
        e->details = "None of the keys was able to decode the JWT";
    }
}

void
answer_refusal(struct fn_req *req, struct fn_res *res, enum err e)
{
    struct rest_error error = {0};

    if (e != ERR_UNAUTHENTICATED) {
        fn_failure_rest(req, res, e);
        res->content_type = ANSWER_JSON;
        return;
    }
    error.status = 401;
    describe_token(req, &error);
    answer_error(req, res, &error);
    fn_header_set(req, res, "WWW-Authenticate",
                  strcmp(error.code, "PGRST302") == 0
                      ? "Bearer"
                      : arena_printf(req->task->arena,
                                     "Bearer error=\"invalid_token\", error_description=\"%s\"",
                                     error.message));
}

void
answer_error(struct fn_req *req, struct fn_res *res, const struct rest_error *e)
{
    struct json_writer *w = fn_json(res, e->status);

    res->content_type = ANSWER_JSON;
    if (e->range != NULL)
        fn_header_set(req, res, "Content-Range", e->range);
    else
        fn_header_set(req, res, "Proxy-Status",
                      arena_printf(req->task->arena, "PostgREST; error=%s", e->code));
    jw_open(w);
    jw_text_at(w, "code", e->code);
    if (e->details_json) {
        jw_key(w, "details");
        jw_raw(w, str_of(e->details));
    } else {
        jw_text_at(w, "details", e->details);
    }
    jw_text_at(w, "hint", e->hint);
    jw_text_at(w, "message", e->message);
    jw_close(w);
}
