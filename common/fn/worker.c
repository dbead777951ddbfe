#include "fn/internal.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "crypto/jws.h"
#include "crypto/digest.h"
#include "db/db.h"
#include "net/server.h"
#include "net/http.h"
#include "base/log.h"
#include "loop/loop.h"
#include "base/metric.h"
#include "fn/limit.h"

#define READ_TIMEOUT_MS    10000
#define DRAIN_EXTRA_MS     5000 /* nginx closes unused kept connections within 2 s */
#define ANSWER_MAX         ((size_t)8 * 1024 * 1024)
#define RUN_MEMORY_MAX     ((size_t)4 * 1024 * 1024)
#define STALLED_LOG_MS     1000
#define STALLED_ABORT_MS   30000
#define CORS_ALLOW_HEADERS                                                                         \
    "authorization, x-client-info, apikey, content-type, x-supabase-api-version, accept, "         \
    "prefer, range, x-region, x-retry-count, traceparent, tracestate, baggage"

/* A worker serves one spec. */
static const struct fn_spec *spec;
static int64_t in_flight;

/* ---- what handlers call ---- */

struct str
fn_header(const struct fn_req *req, const char *name)
{
    for (size_t i = 0; i < req->header_count; i++)
        if (str_is(req->headers[i].name, name))
            return req->headers[i].value;
    return STR_NONE;
}

struct json_writer *
fn_json(struct fn_res *res, int status)
{
    res->status = status;
    res->content_type = "application/json";
    buf_clear(&res->body);
    jw_init(&res->json, &res->body);
    return &res->json;
}

void
fn_body(struct fn_res *res, int status, const char *content_type, struct str body)
{
    res->status = status;
    res->content_type = content_type;
    buf_clear(&res->body);
    buf_add_str(&res->body, body);
}

void
fn_header_set(struct fn_req *req, struct fn_res *res, const char *name, const char *value)
{
    MUST(res->header_count < ARRAY_LEN(res->headers));
    if (!header_value_ok(str_of(value)))
        return;
    res->headers[res->header_count++] = (struct header){
        str_of(arena_copy(req->arena, str_of(name))), str_of(arena_copy(req->arena, str_of(value)))};
}

enum err
fn_outcome(struct fn_req *req, const struct fn_outcome *table, const char *outcome)
{
    for (; table->name != NULL; table++)
        if (outcome != NULL && strcmp(table->name, outcome) == 0)
            return fail_set(&req->fail, table->err, "%s", table->text);
    return ERR_OK;
}

/* ---- the way a request takes ---- */

static unsigned
method_bit(struct str method)
{
    static const struct {
        const char *name;
        unsigned bit;
    } table[] = {
        {"GET", FN_GET},     {"HEAD", FN_GET},   {"POST", FN_POST},
        {"PUT", FN_PUT},     {"PATCH", FN_PATCH}, {"DELETE", FN_DELETE},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (str_is(method, table[i].name))
            return table[i].bit;
    return 0;
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

/* The bearer token; the gateway's rule lets a legacy key stand in `apikey` alone. */
static struct str
bearer_token(const struct fn_req *req)
{
    static const struct str prefix = {"bearer ", 7};
    struct str value = fn_header(req, "authorization");

    if (value.len > prefix.len && str_ieq((struct str){value.ptr, prefix.len}, prefix))
        return (struct str){value.ptr + prefix.len, value.len - prefix.len};
    if (value.len > 0)
        return STR_NONE;
    return fn_header(req, "apikey");
}

static enum err
authenticate(struct fn_req *req)
{
    if (!fn_takes_token(spec))
        return ERR_OK;

    const struct str token = bearer_token(req);
    if (token.len == 0)
        return fail_set(&req->fail, ERR_UNAUTHENTICATED, "Missing authorization header");
    TRY(auth_verify(req->arena, &req->fail, config_str(CFG_JWT_SECRET), token,
                    wall_us() / 1000000, &req->caller));
    if (spec->auth == FN_AUTH_SERVICE && strcmp(req->caller.role, "service_role") != 0)
        return fail_set(&req->fail, ERR_FORBIDDEN, "Service role key required");
    if (spec->auth == FN_AUTH_USER && strcmp(req->caller.role, "authenticated") != 0)
        return fail_set(&req->fail, ERR_UNAUTHENTICATED, "User token required");
    if (strcmp(req->caller.role, "anon") == 0)
        return fail_set(&req->fail, ERR_UNAUTHENTICATED, "User token or service key required");
    return ERR_OK;
}

static enum err
limit_rate(struct fn_req *req)
{
    struct str key = req->remote_addr;
    int retry_after_s;

    if (spec->rate_calls == 0 || !config_bool(CFG_RATE_LIMIT))
        return ERR_OK;
    if (req->caller.user_id[0] != '\0')
        key = str_of(req->caller.user_id);
    else if (req->caller.role[0] != '\0')
        key = str_of(req->caller.role);
    if (ratelimit_take(key, spec->rate_calls, spec->rate_window_s, &retry_after_s))
        return ERR_OK;
    metrics_add(METRIC_RATE_LIMITED, 1);
    const enum err e = fail_set(&req->fail, ERR_RATE_LIMITED,
                                "Too many requests. Try again in %d s.", retry_after_s);
    req->fail.retry_after_s = retry_after_s; /* fail_set cleared it */
    return e;
}

static enum err
read_json(struct fn_req *req)
{
    if (!spec->json_body || str_is(req->method, "GET") || str_is(req->method, "DELETE"))
        return ERR_OK;
    if (req->content_type.len > 0 && !is_json_type(req->content_type))
        return ERR_MEDIA_TYPE;
    TRY(json_parse(req->arena, &req->fail, req->body, &req->json));
    if (json_type(req->json) != JSON_OBJECT)
        return fail_set(&req->fail, ERR_INVALID, "Request body must be a JSON object");
    return ERR_OK;
}

static enum err
admit(struct fn_req *req, bool too_large)
{
    if (spec->methods != FN_ANY && (method_bit(req->method) & spec->methods) == 0)
        return ERR_METHOD;
    if (too_large)
        return ERR_TOO_LARGE;
    if (req->path.len > 0 && !spec->subpaths)
        return fail_set(&req->fail, ERR_NOT_FOUND, "Requested function was not found");
    TRY(authenticate(req));
    TRY(limit_rate(req));
    return read_json(req);
}

/* ---- the answer ---- */

static void
write_failure(struct fn_req *req, struct fn_res *res, enum err e)
{
    struct json_writer *w = fn_json(res, err_info(e)->http_status);

    jw_open(w);
    jw_bool_at(w, "success", false);
    jw_text_at(w, "error", fail_text(&req->fail, e));
    jw_close(w);
    if (e == ERR_METHOD) {
        struct buf allow;

        buf_init_arena(&allow, req->arena, 64);
        fn_methods_text(spec->methods, ", ", &allow);
        buf_add_text(&allow, ", OPTIONS");
        fn_header_set(req, res, "Allow", allow.ptr);
    }
    if (err_info(e)->retryable) {
        const int after_s = req->fail.retry_after_s > 0 ? req->fail.retry_after_s : 1;

        fn_header_set(req, res, "Retry-After", arena_printf(req->arena, "%d", after_s));
    }
}

/* CGI headers and body in one block. */
static struct str
compose(struct fn_req *req, const struct fn_res *res)
{
    struct buf out;

    buf_init_arena(&out, req->arena, ANSWER_MAX + 8192);
    buf_add_text(&out, "Status: ");
    buf_add_i64(&out, res->status);
    buf_add_char(&out, ' ');
    buf_add_text(&out, http_reason(res->status));
    buf_add_text(&out, "\r\nContent-Type: ");
    buf_add_text(&out, res->content_type);
    buf_add_text(&out, "\r\nContent-Length: ");
    buf_add_i64(&out, (int64_t)res->body.len);
    buf_add_text(&out, "\r\nX-Request-Id: ");
    buf_add_text(&out, req->id);
    buf_add_text(&out, "\r\nAccess-Control-Allow-Origin: *\r\n"
                       "Cache-Control: no-store\r\n"
                       "X-Content-Type-Options: nosniff\r\n");
    for (size_t i = 0; i < res->header_count; i++) {
        buf_add_str(&out, res->headers[i].name);
        buf_add(&out, ": ", 2);
        buf_add_str(&out, res->headers[i].value);
        buf_add(&out, "\r\n", 2);
    }
    buf_add(&out, "\r\n", 2);
    if (!str_is(req->method, "HEAD"))
        buf_add_str(&out, buf_str(&res->body));
    return buf_str(&out);
}

static void
write_preflight(struct fn_req *req, struct fn_res *res)
{
    struct buf methods;

    buf_init_arena(&methods, req->arena, 64);
    fn_methods_text(spec->methods, ", ", &methods);
    buf_add_text(&methods, ", OPTIONS");
    fn_body(res, 200, "text/plain; charset=utf-8", STR("ok"));
    fn_header_set(req, res, "Access-Control-Allow-Methods", methods.ptr);
    fn_header_set(req, res, "Access-Control-Allow-Headers", CORS_ALLOW_HEADERS);
    fn_header_set(req, res, "Access-Control-Max-Age", "86400");
}

static void
record(const struct fn_req *req, int status, enum err e, size_t bytes)
{
    const int64_t took_us = clock_us() - req->started_us;
    const enum log_level level =
        e == ERR_OK ? LOG_INFO : (enum log_level)err_info(e)->log_level;
    char method[16] = "", path[128] = "";

    metrics_add(status < 400   ? METRIC_REQUESTS_2XX
                : status < 500 ? METRIC_REQUESTS_4XX
                               : METRIC_REQUESTS_5XX,
                1);
    metrics_observe_us(took_us);
    if (!log_enabled(level))
        return;
    memcpy(method, req->method.ptr == NULL ? "" : req->method.ptr,
           MIN(req->method.len, sizeof method - 1));
    memcpy(path, req->path.ptr == NULL ? "" : req->path.ptr, MIN(req->path.len, sizeof path - 1));
    log_event(level, "request", req->id,
              e == ERR_OK                      ? NULL
              : req->fail.detail[0] != '\0' ? req->fail.detail
                                               : fail_text(&req->fail, e),
              LOG_TEXT("method", method), LOG_TEXT("path", path), LOG_NUM("status", status),
              LOG_TEXT("outcome", err_info(e)->name), LOG_NUM("duration_us", took_us),
              LOG_NUM("bytes", (int64_t)bytes), LOG_TEXT("user", req->caller.user_id));
}

/* The request needed more memory than its cap.  Nothing can be taken from its arena any more, so
 * this answer is made elsewhere. */
static struct str
out_of_memory_answer(void)
{
    static const char body[] = "{\"success\":false,\"error\":\"Request needs too much memory\"}";
    static char block[512];
    const int len = snprintf(block, sizeof block,
                             "Status: 500 Internal Server Error\r\n"
                             "Content-Type: application/json\r\n"
                             "Content-Length: %zu\r\n"
                             "Access-Control-Allow-Origin: *\r\n\r\n%s",
                             sizeof body - 1, body);

    return (struct str){block, (size_t)len};
}

static void
unwind(void *where)
{
    longjmp(*(jmp_buf *)where, 1);
}

static void
make_request_id(struct fn_req *req)
{
    uint8_t random[16];

    if (req->id[0] != '\0')
        return;
    crypto_random(random, sizeof random);
    hex_encode(random, sizeof random, req->id);
}

static struct str
answer(struct fn_req *req, bool too_large)
{
    struct fn_res *res = ARENA_NEW(req->arena, struct fn_res);
    enum err e = ERR_OK;

    buf_init_arena(&res->body, req->arena, ANSWER_MAX);
    make_request_id(req);
    if (str_is(req->method, "OPTIONS")) {
        write_preflight(req, res);
    } else {
        e = admit(req, too_large);
        if (e == ERR_OK)
            e = spec->handle(req, res);
        if (e == ERR_OK && (res->status == 0 || res->body.overflow))
            e = fail_detail(&req->fail, ERR_INTERNAL, "handler wrote no answer, or too much");
        if (e != ERR_OK)
            write_failure(req, res, e);
    }

    const struct str block = compose(req, res);
    record(req, res->status, e, res->body.len);
    return block;
}

static struct str
serve(struct fn_req *req, bool too_large)
{
    jmp_buf overflow;
    struct str block;

    req->spec = spec;
    req->started_us = clock_us();
    req->deadline_ms = req->started_us / 1000 + spec->timeout_ms;
    in_flight++;
    if (setjmp(overflow) == 0) {
        arena_on_overflow(req->arena, unwind, &overflow);
        block = answer(req, too_large);
    } else {
        metrics_add(METRIC_ARENA_OVERFLOWS, 1);
        record(req, 500, ERR_MEMORY, 0);
        block = out_of_memory_answer();
    }
    arena_on_overflow(req->arena, NULL, NULL);
    in_flight--;
    fn_rest_later(spec);
    return block;
}

/* ---- scheduled runs ---- */

static struct loop_timer schedule_timer;
static bool draining;

/* While draining: nothing runs and nginx has let go of every connection. */
static void
leave_if_idle(void)
{
    if (in_flight == 0 && fcgi_server_connections() == 0)
        loop_exit();
}

static struct db_stmt claim_schedule = {
    .sql = "SELECT claimed FROM platform.claim_schedule($1, $2::int)", .kind = DB_WRITE};

static enum err
run_claimed(struct fn_req *req)
{
    struct db_row row;
    char every[16];

    (void)snprintf(every, sizeof every, "%d", spec->every_ms);
    TRY(db_one(req, &claim_schedule, DB_PARAMS(spec->name, every), &row));
    if (!db_true(&row, 0))
        return ERR_OK;
    metrics_add(METRIC_RUNS, 1);
    return spec->run(req);
}

static void
run_once(void *unused UNUSED)
{
    jmp_buf overflow;
    struct arena *a = arena_new(spec->memory_max != 0 ? spec->memory_max : RUN_MEMORY_MAX);
    struct fn_req *req = ARENA_NEW(a, struct fn_req);
    enum err e;

    req->arena = a;
    req->spec = spec;
    req->started_us = clock_us();
    req->deadline_ms = req->started_us / 1000 + spec->timeout_ms;
    make_request_id(req);
    in_flight++;
    if (setjmp(overflow) == 0) {
        arena_on_overflow(a, unwind, &overflow);
        e = run_claimed(req);
    } else {
        e = ERR_MEMORY;
    }
    if (e != ERR_OK) {
        metrics_add(METRIC_RUN_ERRORS, 1);
        log_event((enum log_level)err_info(e)->log_level, "run", req->id,
                  req->fail.detail[0] != '\0' ? req->fail.detail : fail_text(&req->fail, e),
                  LOG_TEXT("outcome", err_info(e)->name),
                  LOG_NUM("duration_us", clock_us() - req->started_us));
    }
    in_flight--;
    arena_free(a);
    if (draining)
        leave_if_idle();
    else
        loop_timer_set(&schedule_timer, clock_ms() + spec->every_ms);
}

static void
run_due(struct loop_timer *t UNUSED)
{
    co_start(run_once, NULL);
}

/* ---- a worker's life ---- */

static struct loop_watch signals;
static struct loop_timer drain_limit;

static void
cut_drain(struct loop_timer *t UNUSED)
{
    if (in_flight > 0)
        log_event(LOG_WARN, "drain_cut", NULL, "requests were still running",
                  LOG_NUM("in_flight", in_flight));
    loop_exit();
}

/* End: at once when nothing runs, else when the last request is answered. */
static void
start_drain(void)
{
    if (draining)
        return;
    draining = true;
    loop_timer_clear(&schedule_timer);
    drain_limit.fire = cut_drain;
    loop_timer_set(&drain_limit, clock_ms() + spec->timeout_ms + DRAIN_EXTRA_MS);
    if (spec->route != NULL)
        fcgi_server_drain(leave_if_idle);
    else
        leave_if_idle();
}

static void
signal_arrived(struct loop_watch *w, uint32_t events UNUSED)
{
    struct signalfd_siginfo info;

    if (read(w->fd, &info, sizeof info) == sizeof info)
        start_drain();
}

/* A handler that never waits would hold every other request up: say so, and end the process when
 * it goes on (the master starts another). */
static void *
watchdog(void *unused UNUSED)
{
    const struct timespec second = {.tv_sec = 1};
    bool told = false;

    for (;;) {
        (void)nanosleep(&second, NULL);
        const int64_t busy_ms = loop_busy_ms();

        if (busy_ms > STALLED_ABORT_MS)
            die("the event loop has been held up for %lld ms", (long long)busy_ms);
        if (busy_ms > STALLED_LOG_MS && !told)
            log_event(LOG_ERROR, "loop_stalled", NULL, "a handler does not give way",
                      LOG_NUM("busy_ms", busy_ms));
        told = busy_ms > STALLED_LOG_MS;
        metrics_set_max(METRIC_STACK_HIGH_WATER, (int64_t)co_stack_high_water());
    }
    return NULL;
}

static void
start_watchdog(void)
{
    pthread_t thread;
    pthread_attr_t attr;

    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, 256 * 1024);
    if (pthread_create(&thread, &attr, watchdog, NULL) != 0)
        die("cannot start the watchdog");
    (void)pthread_attr_destroy(&attr);
    (void)pthread_detach(thread);
}

static void
watch_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigdelset(&set, SIGHUP); /* a terminal's goodbye; the master handles it */
    signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    signals.ready = signal_arrived;
    MUST(signals.fd >= 0);
    loop_watch(&signals, EPOLLIN);
}

/* The lines of one turn of the loop are written together, when it ends. */
static void
flush_log_after_turn(void)
{
    static struct loop_hook hook = {.fn = log_flush};

    loop_at_end_of_turn(&hook);
}

int
fn_worker(const struct fn_spec *s, int listen_fd, int ready_fd)
{
    const char *run_dir = config_text(CFG_RUN_DIR);

    spec = s;
    /* A master that was killed cannot tell its workers: the kernel does. */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    loop_init();
    watch_signals();
    if (!metrics_open(run_dir, s->name) || !ratelimit_open(run_dir, s->name))
        log_event(LOG_WARN, "run_dir", NULL, "metrics or rate limits are not shared",
                  LOG_TEXT("run_dir", run_dir));
    metrics_add(METRIC_WORKER_STARTS, 1);
    if (s->route != NULL)
        fcgi_server_start(&(struct fcgi_server){
            .listen_fd = listen_fd,
            .body_max = s->body_max,
            .memory_max = s->memory_max != 0 ? s->memory_max : FN_MEMORY_DEFAULT,
            .read_timeout_ms = READ_TIMEOUT_MS,
            .serve = serve,
        });
    if (s->run != NULL) {
        schedule_timer.fire = run_due;
        loop_timer_set(&schedule_timer, clock_ms());
    }
    start_watchdog();
    if (ready_fd >= 0) {
        if (write(ready_fd, "r", 1) != 1)
            return 1; /* the master is gone */
        (void)close(ready_fd);
    }
    log_hold(flush_log_after_turn);
    loop_run();
    log_flush();
    return 0;
}
