/*
 * health: is the system there, can it do its work, and in figures.  Where an application needs more
 * than the database it has a health of its own, which takes this one's place.
 */
#include "db/query.h"
#include "health/checks.h"

static enum err
health(struct fn_req *req, struct fn_res *res)
{
    static const struct health_check checks[] = {
        {"database", health_database, true},
        {"functions", health_functions, true},
        {NULL, NULL, false},
    };

    return health_ready(req, res, checks);
}

static const struct fn_answer_doc answers[] = {
    {200, "status healthy, and each check"},
    {503, "status unhealthy, and which check failed"},
    {0, NULL},
};

static struct setting *const *const settings[] = {db_settings, NULL};

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
    .app = "platform",
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
