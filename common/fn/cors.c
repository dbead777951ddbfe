/* Cross-origin calls (WHATWG Fetch, 3.2): what a browser is told before it sends the real one. */
#include "fn/internal.h"

#include "fn/answer.h"
#include "fn/request.h"

/* What supabase-js sends beyond what browsers allow by themselves: the one list, of nginx too. */
const char fn_cors_headers[] =
    "authorization, x-client-info, apikey, content-type, x-supabase-api-version, accept, "
    "accept-profile, content-profile, prefer, range, range-unit, x-region, x-upsert, x-metadata, "
    "cache-control, x-retry-count, traceparent, tracestate, baggage, if-none-match";

/* HEAD is served wherever GET is. */
static const char *
methods_of(struct fn_req *req, const char *after_get)
{
    struct buf methods;

    buf_init_arena(&methods, req->task->arena, 64);
    fn_methods_text(req->match->allowed, ", ", &methods);
    if ((req->match->allowed & FN_GET) != 0)
        buf_add_text(&methods, after_get);
    buf_add_text(&methods, methods.len > 0 ? ", OPTIONS" : "OPTIONS");
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
    fn_header_set(req, res, "Access-Control-Allow-Headers", fn_cors_headers);
    fn_header_set(req, res, "Access-Control-Max-Age", "86400");
}
