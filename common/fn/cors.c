/* Cross-origin calls (WHATWG Fetch, 3.2): what a browser is told before it sends the real one. */
#include "fn/internal.h"

#include "fn/answer.h"
#include "fn/request.h"

#define CORS_ALLOW_HEADERS                                                                         \
    "authorization, x-client-info, apikey, content-type, x-supabase-api-version, accept, "         \
    "prefer, range, x-region, x-retry-count, traceparent, tracestate, baggage"

/* HEAD is served wherever GET is. */
static const char *
methods_of(struct fn_req *req, const char *after_get)
{
    struct buf methods;

    buf_init_arena(&methods, req->task->arena, 64);
    fn_methods_text(req->spec->methods, ", ", &methods);
    if ((req->spec->methods & FN_GET) != 0)
        buf_add_text(&methods, after_get);
    buf_add_text(&methods, ", OPTIONS");
    return methods.ptr;
}

void
fn_allow(struct fn_req *req, struct fn_res *res)
{
    fn_header_set(req, res, "Allow", methods_of(req, ", HEAD"));
}

void
fn_write_preflight(struct fn_req *req, struct fn_res *res)
{
    fn_body(res, 200, "text/plain; charset=utf-8", STR("ok"));
    fn_allow(req, res);
    fn_header_set(req, res, "Access-Control-Allow-Methods", methods_of(req, ""));
    fn_header_set(req, res, "Access-Control-Allow-Headers", CORS_ALLOW_HEADERS);
    fn_header_set(req, res, "Access-Control-Max-Age", "86400");
}
