#include "base/number.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "fn/settings.h"
#include "json/tree.h"
#include "loop/wait.h"
#include "nowpayments/client.h"
#include "nowpayments/ipn.h"
#include "sandbox.h"

/* ---- endpoints: '*' in a path stands for one segment ---- */

enum needs { OPEN, KEY };

static const struct endpoint {
    const char *method;
    const char *path;
    enum needs needs;
    const char *fault_target; /* NULL: faults and log leave it alone */
    enum err (*handle)(struct call *c);
} endpoints[] = {
    {"GET", "/status", OPEN, "status", get_status},
    {"GET", "/currencies", KEY, "currencies", get_currencies},
    {"GET", "/merchant/coins", KEY, "currencies", get_merchant_coins},
    {"GET", "/full-currencies", KEY, "currencies", get_full_currencies},
    {"GET", "/min-amount", KEY, "estimate", get_min_amount},
    {"GET", "/estimate", KEY, "estimate", get_estimate},
    {"POST", "/auth", OPEN, "auth", post_auth},
    {"POST", "/invoice", KEY, "invoice", post_invoice},
    {"POST", "/payment", KEY, "payment", post_payment},
    {"POST", "/invoice-payment", KEY, "invoice-payment", post_invoice_payment},
    {"GET", "/payment", KEY, "payment-list", get_payments},
    {"GET", "/payment/", KEY, "payment-list", get_payments},
    {"GET", "/payment/*", KEY, "payment-get", get_payment},
    {"POST", "/payment/*/update-merchant-estimate", KEY, "payment", post_update_estimate},
    {"GET", "/checkout", OPEN, NULL, checkout_page},
    {"GET", "/checkout/state", OPEN, NULL, checkout_state},
    {"POST", "/checkout/choose", OPEN, NULL, checkout_choose},
    {"GET", "/_control/idle", OPEN, NULL, control_idle},
    {"POST", "/_control/faults", OPEN, NULL, control_add_fault},
    {"DELETE", "/_control/faults", OPEN, NULL, control_clear_faults},
    {"GET", "/_control/orders/*", OPEN, NULL, control_get_order},
    {"GET", "/_control/payments/*", OPEN, NULL, control_get_payment},
    {"POST", "/_control/payments/*/callback", OPEN, NULL, control_callback},
    {"POST", "/_control/payments/*/*", OPEN, NULL, control_payment},
};

static bool
path_matches(const char *pattern, struct str path, struct str args[2])
{
    size_t at = 0;
    size_t count = 0;

    for (const char *p = pattern; *p != '\0'; p++) {
        if (*p != '*') {
            if (at >= path.len || path.ptr[at] != *p)
                return false;
            at++;
            continue;
        }
        const size_t start = at;
        while (at < path.len && path.ptr[at] != '/')
            at++;
        if (at == start)
            return false;
        args[count++] = (struct str){path.ptr + start, at - start};
    }
    return at == path.len;
}

static const struct endpoint *
find_endpoint(const struct fn_req *req, struct str args[2])
{
    for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
        if (str_is(req->http->method, endpoints[i].method) &&
            path_matches(endpoints[i].path, req->http->path, args))
            return &endpoints[i];
    }
    return NULL;
}

/* The key the shop's client uses in sandbox mode. */
static bool
key_ok(const struct fn_req *req)
{
    const struct str given = fn_header(req, "x-api-key");
    const struct str key = setting_str(&cfg_nowpayments_sandbox_api_key);

    return crypto_equal(given.ptr, given.len, key.ptr, key.len);
}

/* ---- faults of the API ---- */

static struct db_stmt begin_call = {
    .sql = "SELECT fault, delay_ms FROM sandbox.begin_call($1, $2, $3, $4)", .kind = DB_WRITE};

/* What is done to an answer that is ready; the call itself has happened. */
static void
spoil_answer(struct call *c, const char *fault)
{
    struct fn_res *res = c->res;
    const struct str body = str_of(arena_copy(c->req->task->arena, buf_str(&res->body)));

    if (strcmp(fault, "drop") == 0) /* nginx closes the connection without an answer */
        fn_header_set(c->req, res, "X-Accel-Redirect", "/_drop");
    else if (strcmp(fault, "malformed") == 0)
        fn_body(res, res->status, "application/json", (struct str){body.ptr, body.len / 2});
    else if (strcmp(fault, "all_strings") == 0)
        fn_body(res, res->status, "application/json", numbers_as_strings(c->req->task, body));
}

static enum err
serve(struct call *c, const struct endpoint *endpoint)
{
    struct db_row row;

    if (endpoint->fault_target == NULL)
        return endpoint->handle(c);
    TRY(db_one(c->req->task, &begin_call,
               DB_PARAMS(endpoint->fault_target, endpoint->method,
                         arena_copy(c->req->task->arena, c->req->http->path),
                         c->req->http->body.ptr),
               &row));
    const char *fault = db_text(&row, 0);
    if (fault == NULL)
        return endpoint->handle(c);

    int64_t delay_ms = 0;
    if (number_i64(db_str(&row, 1), &delay_ms) && delay_ms > 0)
        co_sleep_ms(delay_ms);
    if (strcmp(fault, "error500") == 0)
        return answer_error(c, 500, "INTERNAL_ERROR", "Internal error");
    if (strcmp(fault, "rate_limit") == 0) {
        fn_header_set(c->req, c->res, "Retry-After", "1");
        return answer_error(c, 429, "TOO_MANY_REQUESTS", "Too many requests");
    }
    TRY(endpoint->handle(c));
    spoil_answer(c, fault);
    return ERR_OK;
}

static enum err
handle(struct fn_req *req, struct fn_res *res)
{
    struct call c = {.req = req, .res = res};
    const struct endpoint *endpoint = find_endpoint(req, c.arg);

    if (endpoint == NULL || !utf8_ok(req->http->path)) /* what is no text is no id of anything */
        return answer_error(&c, 404, "NOT_FOUND", "Endpoint not found");
    if (endpoint->needs == KEY && !key_ok(req))
        return answer_error(&c, 403, "INVALID_API_KEY", "Invalid api key");
    if (req->http->body.len > 0) {
        struct fail fail = {0};
        if (json_parse(req->task->arena, &fail, req->http->body, &c.input) != ERR_OK ||
            json_type(c.input) != JSON_OBJECT)
            return answer_error(&c, 400, "INVALID_REQUEST_PARAMS", "body must be a JSON object");
    }
    return serve(&c, endpoint);
}

/* ---- the function ---- */

static const struct fn_answer_doc answers[] = {
    {200, "as NOWPayments answers"},
    {201, "invoice or payment created"},
    {400, "INVALID_REQUEST_PARAMS, AMOUNT_MINIMAL_ERROR, BAD_REQUEST"},
    {401, "AUTH_REQUIRED: the payment list needs a token of POST /auth"},
    {403, "INVALID_API_KEY"},
    {404, "NOT_FOUND"},
    {0, NULL},
};

static struct setting *const own[] = {&cfg_supabase_url,
                                      &cfg_nowpayments_sandbox_api_key,
                                      &cfg_nowpayments_sandbox_mode,
                                      &cfg_nowpayments_ipn_secret,
                                      &cfg_sandbox_tick_ms,
                                      &cfg_sandbox_retry_ms,
                                      &cfg_sandbox_retries,
                                      NULL};
static struct setting *const *const settings[] = {db_settings, own, NULL};

static const struct fn_route routes[] = {
    {
        .methods = FN_GET | FN_POST | FN_DELETE,
        .path = "/*",
        .who = FN_NOBODY,
        .body = FN_BODY_RAW,
        .body_max = 64 * 1024,
        .answers = answers,
        .handle = handle,
    },
    {0},
};

static const struct fn_spec spec = {
    .app = "flashfundx",
    .name = "sandbox",
    .summary = "NOWPayments for development: API, checkout page, signed callbacks, faults",
    .route = "/sandbox/v1",
    .routes = routes,
    .timeout_ms = 30000,
    .settings = settings,
    .dev_only = &cfg_nowpayments_sandbox_mode,
    .every_ms = 200,
    .run = run_sandbox,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
