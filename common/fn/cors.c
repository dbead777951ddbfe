/* Cross-origin calls (WHATWG Fetch, 3.2): what a browser is told before it sends the real one. */
#include "fn/internal.h"

#include "fn/answer.h"
#include "fn/request.h"

/* What supabase-js sends beyond what browsers allow by themselves: the one list, of nginx too. */
const char fn_cors_headers[] =
    "authorization, x-client-info, apikey, content-type, x-supabase-api-version, accept, "
    "accept-profile, content-profile, prefer, range, range-unit, x-region, x-upsert, x-metadata, "
    "cache-control, x-retry-count, traceparent, tracestate, baggage, if-none-match";

void
fn_write_preflight(struct fn_req *req, struct fn_res *res)
{
    struct buf methods;

    buf_init_arena(&methods, req->task->arena, 64);
    fn_methods_text(req->match->allowed, ", ", &methods);
    buf_add_text(&methods, methods.len > 0 ? ", OPTIONS" : "OPTIONS");
    fn_body(res, 200, "text/plain; charset=utf-8", STR("ok"));
    fn_header_set(req, res, "Access-Control-Allow-Methods", methods.ptr);
    fn_header_set(req, res, "Access-Control-Allow-Headers", fn_cors_headers);
    fn_header_set(req, res, "Access-Control-Max-Age", "86400");
}
