/*
 * The way a request takes: method, size, caller, rate, JSON, the handler, the answer, one log line.
 */
#include "fn/request.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/task.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "fn/answer.h"
#include "fn/internal.h"
#include "fn/limit.h"
#include "json/tree.h"
#include "net/request.h"

static int64_t in_flight;

int64_t
fn_in_flight(void)
{
    return in_flight;
}

struct str
fn_header(const struct fn_req *req, const char *name)
{
    const struct str wanted = str_of(name);

    for (size_t i = 0; i < req->http->header_count; i++)
        if (str_eq(req->http->headers[i].name, wanted))
            return req->http->headers[i].value;
    return STR_NONE;
}

/* ---- admission ---- */

/* More requests than a worker can serve soon: it says so at once, to those first who can best ask
 * again.  A provider's callback comes last, and a request costs some 30 KB while it waits. */
static enum err
check_load(const struct fn_req *req)
{
    const unsigned who = req->match->route->who;
    const int64_t most = (who & FN_SIGNATURE) != 0                       ? 3000
                         : (who & FN_SERVICE) != 0                       ? 2500
                         : (who & ~(unsigned)(FN_NOBODY | FN_ANON)) != 0 ? 2000
                                                                         : 1000;

    if (in_flight <= most)
        return ERR_OK;
    metric_add(METRIC_SHED, 1);
    return ERR_UNAVAILABLE;
}

static bool
is_json_type(struct str content_type)
{
    static const struct str json = {"application/json", 16};

    return content_type.len >= json.len &&
           str_ieq((struct str){content_type.ptr, json.len}, json) &&
           (content_type.len == json.len || content_type.ptr[json.len] == ';' ||
            content_type.ptr[json.len] == ' ');
}

/* Whose calls are counted together: a person's, those made with the service key, those of one
 * address.  The anonymous key is everybody's. */
static struct str
limit_key(const struct fn_req *req, uint8_t network[LIMIT_NETWORK_BYTES])
{
    if (req->caller.user_id[0] != '\0')
        return str_of(req->caller.user_id);
    if (req->caller.issuer != NULL)
        return str_of(
            arena_printf(req->task->arena, "%s %s", req->caller.issuer, req->caller.subject));
    if (strcmp(req->caller.role, "service_role") == 0)
        return req->credential;
    return limit_network(req->http->remote_addr, network);
}

static enum err
limit_rate(struct fn_req *req)
{
    uint8_t network[LIMIT_NETWORK_BYTES];
    const struct fn_route *route = req->match->route;
    const int calls = route->rate == NULL ? route->rate_calls : (int)setting_int(route->rate);

    if (calls == 0)
        return ERR_OK;
    return limit_check(req->task, limit_key(req, network), (unsigned)(route - req->spec->routes),
                       calls, route->rate_window_s);
}

bool
fn_is_coded(const struct fn_req *req)
{
    const struct str coding =
        req->http->body.len == 0 ? STR_NONE : fn_header(req, "content-encoding");

    return coding.len > 0 && !str_ieq(coding, STR("identity"));
}

static enum err
check_coding(struct fn_req *req)
{
    if (!fn_is_coded(req))
        return ERR_OK;
    return fail_set(&req->task->fail, ERR_MEDIA_TYPE, "Content-Encoding must be identity");
}

static enum err
read_json(struct fn_req *req)
{
    if (req->match->route->body != FN_BODY_JSON || str_is(req->http->method, "GET") ||
        str_is(req->http->method, "HEAD") || str_is(req->http->method, "DELETE"))
        return ERR_OK;
    if (req->http->content_type.len > 0 && !is_json_type(req->http->content_type))
        return ERR_MEDIA_TYPE;
    TRY(json_parse(req->task->arena, &req->task->fail, json_without_bom(req->http->body),
                   &req->json));
    if (json_type(req->json) != JSON_OBJECT)
        return fail_set(&req->task->fail, ERR_INVALID, "Request body must be a JSON object");
    return ERR_OK;
}

static enum err
admit(struct fn_req *req, bool too_large)
{
    if (req->match->route == NULL)
        return req->match->allowed != 0 ? ERR_METHOD : ERR_NOT_FOUND;
    if (too_large)
        return ERR_TOO_LARGE;
    TRY(check_load(req));
    TRY(fn_authenticate(req));
    TRY(limit_rate(req));
    TRY(check_coding(req));
    return read_json(req);
}

/* ---- the log line ---- */

static void
record(const struct fn_req *req, int status, enum err e, size_t bytes)
{
    const int64_t took_us = clock_us() - req->started_us;
    const enum log_level level = e == ERR_OK ? LOG_INFO : (enum log_level)err_info(e)->log_level;
    char method[16] = "", path[128] = "";

    metric_add(status < 400   ? METRIC_REQUESTS_2XX
               : status < 500 ? METRIC_REQUESTS_4XX
                              : METRIC_REQUESTS_5XX,
               1);
    metric_observe_us(took_us);
    if (req->match->route != NULL)
        metric_route((size_t)(req->match->route - req->spec->routes), status, took_us);
    if (!log_enabled(level))
        return;
    memcpy(method, req->http->method.ptr == NULL ? "" : req->http->method.ptr,
           MIN(req->http->method.len, sizeof method - 1));
    memcpy(path, req->http->path.ptr == NULL ? "" : req->http->path.ptr,
           MIN(req->http->path.len, sizeof path - 1));
    log_event(level, "request", req->task->id,
              e == ERR_OK ? NULL : fail_reason(&req->task->fail, e), LOG_TEXT("method", method),
              LOG_TEXT("path", path), LOG_NUM("status", status),
              LOG_TEXT("outcome", err_info(e)->name), LOG_NUM("duration_us", took_us),
              LOG_NUM("bytes", (int64_t)bytes), LOG_TEXT("user", req->caller.user_id));
}

/* ---- serving ---- */

void
fn_make_id(struct task *task)
{
    uint8_t random[16];

    if (task->id[0] != '\0')
        return;
    crypto_random(random, sizeof random);
    hex_encode(random, sizeof random, task->id);
}

/* A request on its way: what came in, and its answer as one block of bytes. */
struct serving {
    struct fn_req req;
    struct str block;
    char *spare; /* for the answer of a request whose arena is full */
    bool too_large;
};

static enum err
answer(struct task *task, void *serving)
{
    struct serving *s = serving;
    struct fn_req *req = &s->req;
    struct fn_res *res = ARENA_NEW(task->arena, struct fn_res);
    enum err e = ERR_OK;

    buf_init_arena(&res->body, task->arena, FN_ANSWER_MAX);
    if (str_is(req->http->method, "OPTIONS") && req->match->route == NULL) {
        fn_write_preflight(req, res);
    } else {
        e = admit(req, s->too_large);
        if (e == ERR_OK)
            e = req->match->route->sql != NULL ? fn_serve_sql(req, res)
                                               : req->match->route->handle(req, res);
        if (res->streamed && fn_stream_end(req, res, &e, &s->block)) {
            record(req, res->status, e, res->sent_bytes);
            return ERR_OK;
        }
        if (e == ERR_OK && (res->status == 0 || res->body.overflow))
            e = fail_detail(&task->fail, ERR_INTERNAL, "handler wrote no answer, or too much");
        if (e != ERR_OK)
            fn_write_failure(req, res, e);
    }

    s->block = fn_compose(req, res);
    record(req, res->status, e, res->body.len);
    return ERR_OK;
}

size_t
fn_body_limit(const struct fn_spec *spec, struct task *task, struct net_request *http)
{
    struct fn_match *match = ARENA_NEW(task->arena, struct fn_match);

    fn_match(spec, http, match);
    http->served_as = match;
    return match->route == NULL ? 0 : match->route->body_max;
}

struct str
fn_serve(const struct fn_spec *spec, struct task *task, const struct net_request *http,
         bool too_large)
{
    struct serving *s = ARENA_NEW(task->arena, struct serving);

    *s = (struct serving){
        .req = {.task = task,
                .http = http,
                .spec = spec,
                .match = http->served_as,
                .started_us = clock_us()},
        .spare = arena_bytes(task->arena, FN_SPARE_BYTES),
        .too_large = too_large,
    };
    task->deadline_ms = s->req.started_us / 1000 + spec->timeout_ms;
    fn_make_id(task);
    in_flight++;
    if (task_run(task, answer, s) != ERR_OK) {
        metric_add(METRIC_ARENA_OVERFLOWS, 1);
        record(&s->req, 500, ERR_MEMORY, 0);
        s->block = fn_out_of_memory_answer(task, s->spare);
    }
    in_flight--;
    return s->block;
}
