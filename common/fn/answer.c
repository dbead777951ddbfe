/*
 * What handlers write their answers with, and the answer on its way to the server: CGI headers and
 * body in one block.  A failure's answer is failure.c's.
 */
#include "fn/answer.h"

#include "fn/internal.h"
#include "fn/request.h"
#include "fn/spec.h"
#include "json/write.h"
#include "base/text.h"
#include "net/header.h"
#include "net/request.h"

#define USUAL_HEADERS ((size_t)512)

struct json_writer *
fn_json(struct fn_res *res, int status)
{
    MUST(status >= 200 && status <= 599);
    res->status = status;
    res->content_type = "application/json";
    buf_clear(&res->body);
    jw_init(&res->json, &res->body);
    return &res->json;
}

void
fn_body(struct fn_res *res, int status, const char *content_type, struct str body)
{
    MUST(status >= 200 && status <= 599);
    res->status = status;
    res->content_type = content_type;
    buf_clear(&res->body);
    buf_add_str(&res->body, body);
}

void
fn_header_set(struct fn_req *req, struct fn_res *res, const char *name, const char *value)
{
    struct arena *a = req->task->arena;

    if (!header_value_ok(str_of(value)))
        return;
    struct fn_header *h = ARENA_NEW(a, struct fn_header);
    h->header =
        (struct header){str_of(arena_copy(a, str_of(name))), str_of(arena_copy(a, str_of(value)))};
    if (res->headers == NULL)
        res->headers_tail = &res->headers;
    *res->headers_tail = h;
    res->headers_tail = &h->next;
}

bool
fn_etag(struct fn_req *req, struct fn_res *res, const char *version)
{
    const char *etag = arena_printf(req->task->arena, "\"%s\"", version);
    const bool reads = str_is(req->http->method, "GET") || str_is(req->http->method, "HEAD");

    fn_header_set(req, res, "ETag", etag);
    if (!reads || !etag_in_list(fn_header(req, "if-none-match"), str_of(etag)))
        return false;
    fn_body(res, 304, "application/json", STR_NONE);
    return true;
}

/* How to come in (RFC 9110, 15.5.2: every 401 says it), and whether a token was there that is not
 * good enough (RFC 6750, 3). */
static void
add_challenge(struct buf *out, const struct fn_req *req)
{
    const struct fn_route *route = req->match->route;

    if (route != NULL && (route->who & FN_SIGNATURE) != 0)
        buf_printf(out, "WWW-Authenticate: Signature header=\"%s\"\r\n", req->spec->signature);
    else if (fn_credential(req).len == 0)
        buf_add_text(out, "WWW-Authenticate: Bearer realm=\"functions\"\r\n");
    else
        buf_add_text(out, "WWW-Authenticate: Bearer realm=\"functions\", "
                          "error=\"invalid_token\"\r\n");
}

static bool
has_header(const struct fn_res *res, const char *name)
{
    for (const struct fn_header *h = res->headers; h != NULL; h = h->next)
        if (str_ieq(h->header.name, str_of(name)))
            return true;
    return false;
}

/* What is good may be kept as its route says, a failure never. */
static const char *
cache_control(const struct fn_req *req, int status)
{
    const struct fn_route *route = req->match->route;

    return route != NULL && route->cache != NULL && status < 400 ? route->cache : "no-store";
}

/* RFC 9110, 8.6: a 204 has no Content-Length, and a 304 none but the 200's. */
static bool
has_length(int status)
{
    return status != 204 && status != 304;
}

/* CGI headers and body in one block. */
struct str
fn_compose(struct fn_req *req, const struct fn_res *res)
{
    struct buf out;

    buf_init_arena(&out, req->task->arena, SIZE_MAX / 2); /* the arena is its bound */
    buf_reserve(&out, USUAL_HEADERS + res->body.len);
    buf_add_text(&out, "Status: ");
    buf_add_i64(&out, res->status);
    buf_add_char(&out, ' ');
    buf_add_text(&out, http_reason(res->status));
    if (has_length(res->status) && res->content_type != NULL) {
        buf_add_text(&out, "\r\nContent-Type: ");
        buf_add_text(&out, res->content_type);
    }
    if (has_length(res->status) && !res->streamed) {
        buf_add_text(&out, "\r\nContent-Length: ");
        buf_add_i64(&out, (int64_t)res->body.len);
    }
    buf_add_text(&out, "\r\nX-Request-Id: ");
    buf_add_text(&out, req->task->id);
    buf_add_text(&out, "\r\n" FN_EVERY_ANSWER "Cache-Control: ");
    buf_add_text(&out, cache_control(req, res->status));
    buf_add_text(&out, "\r\n");
    if (res->status == 401 && !has_header(res, "WWW-Authenticate"))
        add_challenge(&out, req);
    for (const struct fn_header *h = res->headers; h != NULL; h = h->next) {
        buf_add_str(&out, h->header.name);
        buf_add(&out, ": ", 2);
        buf_add_str(&out, h->header.value);
        buf_add(&out, "\r\n", 2);
    }
    buf_add(&out, "\r\n", 2);
    if (!str_is(req->http->method, "HEAD"))
        buf_add_str(&out, buf_str(&res->body));
    return buf_str(&out);
}
