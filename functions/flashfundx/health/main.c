/*
 * health: the shop's.  Without NOWPayments orders are still served and callbacks still taken: the
 * system is degraded, and ready.
 */
#include "base/clock.h"
#include "base/metric.h"
#include "base/shared.h"
#include "db/query.h"
#include "health/checks.h"
#include "nowpayments/client.h"

#define PROVIDER_FRESH_MS 5000

/* Anybody may ask us, and NOWPayments allows an address few calls: its last answer is kept, for
 * the whole process. */
static bool
check_nowpayments(struct fn_req *req, struct json_writer *w, const char *name)
{
    static int64_t asked_ms = -PROVIDER_FRESH_MS;
    static bool answered = true;
    const int64_t started_us = clock_us();

    if (clock_ms() - asked_ms >= PROVIDER_FRESH_MS) {
        asked_ms = clock_ms(); /* before the call: those who come meanwhile do not ask again */
        req->task->deadline_ms = asked_ms + HEALTH_CHECK_MS;
        answered = np_status(req->task) == ERR_OK;
    }
    health_write(w, name, answered, started_us, "NOWPayments does not answer");
    return answered;
}

/* Callbacks that wait on disk for the database: as soon as it is back they are fewer every second.
 */
static bool
check_callbacks(struct fn_req *req UNUSED, struct json_writer *w, const char *name)
{
    const int64_t waiting =
        metric_of(setting_text(&cfg_run_dir), "payment-webhook", METRIC_SPOOLED);

    jw_key(w, name);
    jw_open(w);
    jw_text_at(w, "status", waiting == 0 ? "healthy" : "unhealthy");
    jw_i64_at(w, "waiting", waiting);
    if (waiting > 0)
        jw_text_at(w, "error", "Callbacks wait on disk for the database");
    jw_close(w);
    return waiting == 0;
}

/* The process would not run without its settings; this says so, and in which mode. */
static bool
check_environment(struct fn_req *req UNUSED, struct json_writer *w, const char *name)
{
    jw_key(w, name);
    jw_open(w);
    jw_text_at(w, "status", "healthy");
    jw_text_at(w, "nowpayments_mode",
               setting_bool(&cfg_nowpayments_sandbox_mode) ? "sandbox" : "production");
    jw_close(w);
    return true;
}

static enum err
health(struct fn_req *req, struct fn_res *res)
{
    static const struct health_check checks[] = {
        {"database", health_database, true},       {"functions", health_functions, true},
        {"nowpayments", check_nowpayments, false}, {"callbacks", check_callbacks, false},
        {"environment", check_environment, true},  {NULL, NULL, false},
    };

    return health_ready(req, res, checks);
}

static const struct fn_answer_doc answers[] = {
    {200, "status healthy or degraded (NOWPayments unreachable, callbacks wait on disk), and each "
          "check"},
    {503, "status unhealthy, and which check failed"},
    {0, NULL},
};

static struct setting *const *const settings[] = {db_settings, np_settings, NULL};

static const struct fn_route routes[] = {
    {.methods = FN_GET, .path = "", .who = FN_NOBODY, .answers = answers, .handle = health},
    {.methods = FN_GET, .path = "/ready", .who = FN_NOBODY, .answers = answers, .handle = health},
    {.methods = FN_GET,
     .path = "/live",
     .who = FN_NOBODY,
     .summary = "Liveness: a worker turns",
     .handle = health_live},
    {.methods = FN_GET,
     .path = "/metrics",
     .who = FN_NOBODY,
     .summary = "Figures for Prometheus, on loopback",
     .handle = health_figures},
    {0},
};

static const struct fn_spec spec = {
    .app = "flashfundx",
    .name = "health",
    .summary = "Readiness (no path), liveness (/live) and, on loopback, metrics",
    .route = "/functions/v1/health",
    .routes = routes,
    .memory_max = 4 * 1024 * 1024,
    .timeout_ms = 10000,
    .settings = settings,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
