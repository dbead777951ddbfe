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

    return health_serve(req, res, checks);
}

static const struct fn_answer_doc answers[] = {
    {200, "status healthy, and each check"},
    {503, "status unhealthy, and which check failed"},
    {0, NULL},
};

static struct setting *const *const settings[] = {db_settings, NULL};

static const struct fn_spec spec = {
    .app = "platform",
    .name = "health",
    .summary = "Readiness (no path), liveness (/live) and, on loopback, metrics",
    .route = "/functions/v1/health",
    .subpaths = true,
    .methods = FN_GET,
    .auth = FN_AUTH_NONE,
    .memory_max = 4 * 1024 * 1024,
    .timeout_ms = 10000,
    .settings = settings,
    .answers = answers,
    .handle = health,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
