/*
 * whoami: who calls, for the runtime.  It takes tokens of other issuers, which tests/e2e brings.
 */
#include "fn/answer.h"
#include "fn/request.h"
#include "fn/spec.h"
#include "issuers/issuers.h"
#include "json/write.h"

static enum err
tell(struct fn_req *req, struct fn_res *res)
{
    const struct caller *caller = &req->caller;
    struct json_writer *w = fn_json(res, 200);

    jw_open(w);
    jw_text_at(w, "issuer", caller->issuer);
    jw_text_at(w, "subject", caller->subject);
    jw_text_at(w, "user_id", caller->user_id);
    jw_text_at(w, "role", caller->role);
    jw_text_at(w, "email", caller->email);
    jw_str_at(w, "claims", caller->claims_json);
    jw_close(w);
    return ERR_OK;
}

static const struct fn_route routes[] = {
    {.methods = FN_GET, .path = "", .who = FN_FOREIGN | FN_USER, .handle = tell},
    {.methods = FN_GET, .path = "/open", .who = FN_FOREIGN | FN_NOBODY, .handle = tell},
    {.methods = FN_GET, .path = "/ours", .who = FN_USER | FN_NOBODY, .handle = tell},
    {.methods = FN_GET,
     .path = "/seldom",
     .who = FN_FOREIGN,
     .rate_calls = 2,
     .rate_window_s = 3600,
     .handle = tell},
    {0},
};

static const struct fn_spec spec = {
    .app = "notes",
    .name = "whoami",
    .summary = "Who calls",
    .route = "/functions/v1/whoami",
    .routes = routes,
    .foreign = &issuers,
    .timeout_ms = 10000,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
