/*
 * health: is the system there (/live), can it do its work (no path), and in figures (/metrics,
 * which nginx maps from a loopback-only location).
 */
#include "base/clock.h"
#include "base/metric.h"
#include "base/setting.h"
#include "base/shared.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "fn/spec.h"
#include "json/write.h"
#include "nowpayments/client.h"

#define CHECK_TIMEOUT_MS  3000
#define PROVIDER_FRESH_MS 5000

static struct db_stmt database_health = {.sql = "SELECT migration, time FROM backend.health()",
                                         .kind = DB_READ};

static void
write_check(struct json_writer *w, const char *name, bool ok, int64_t started_us,
            const char *problem)
{
    jw_key(w, name);
    jw_open(w);
    jw_text_at(w, "status", ok ? "healthy" : "unhealthy");
    jw_i64_at(w, "response_time_ms", (clock_us() - started_us) / 1000);
    if (!ok)
        jw_text_at(w, "error", problem);
    jw_close(w);
}

/* Each check has its own budget, so that one that hangs leaves the others theirs. */
static bool
check_database(struct fn_req *req, struct json_writer *w)
{
    const int64_t started_us = clock_us();
    struct db_row row;

    req->task->deadline_ms = clock_ms() + CHECK_TIMEOUT_MS;
    const bool ok = db_one(req->task, &database_health, DB_NO_PARAMS, &row) == ERR_OK;
    write_check(w, "database", ok, started_us, "The database does not answer");
    return ok;
}

/* Anybody may ask us, and NOWPayments allows an address few calls: its last answer is kept, for
 * the whole process. */
static bool
check_nowpayments(struct fn_req *req, struct json_writer *w)
{
    static int64_t asked_ms = -PROVIDER_FRESH_MS;
    static bool answered = true;
    const int64_t started_us = clock_us();

    if (clock_ms() - asked_ms >= PROVIDER_FRESH_MS) {
        asked_ms = clock_ms(); /* before the call: those who come meanwhile do not ask again */
        req->task->deadline_ms = asked_ms + CHECK_TIMEOUT_MS;
        answered = np_status(req->task) == ERR_OK;
    }
    write_check(w, "nowpayments", answered, started_us, "NOWPayments does not answer");
    return answered;
}

/* The process would not run without its settings; this says so, and in which mode. */
static bool
check_environment(struct json_writer *w)
{
    jw_key(w, "environment");
    jw_open(w);
    jw_text_at(w, "status", "healthy");
    jw_text_at(w, "nowpayments_mode",
               setting_bool(&cfg_nowpayments_sandbox_mode) ? "sandbox" : "production");
    jw_close(w);
    return true;
}

static enum err
readiness(struct fn_req *req, struct fn_res *res)
{
    char now[TIMESTAMP_SIZE];
    struct json_writer *w = fn_json(res, 200);

    timestamp_format(wall_us(), now);
    jw_open(w);
    jw_key(w, "checks");
    jw_open(w);
    const bool database = check_database(req, w);
    const bool provider = check_nowpayments(req, w);
    const bool environment = check_environment(w);
    jw_close(w);
    /* Without NOWPayments orders are still served and callbacks still taken: degraded, ready. */
    const bool ready = database && environment;
    jw_text_at(w, "status", !ready ? "unhealthy" : provider ? "healthy" : "degraded");
    jw_text_at(w, "timestamp", now);
    jw_close(w);
    res->status = ready ? 200 : 503;
    return ERR_OK;
}

static enum err
liveness(struct fn_res *res)
{
    struct json_writer *w = fn_json(res, 200);

    jw_open(w);
    jw_text_at(w, "status", "alive");
    jw_close(w);
    return ERR_OK;
}

static enum err
figures(struct fn_req *req, struct fn_res *res)
{
    struct buf out;

    buf_init_arena(&out, req->task->arena, 1024 * 1024);
    metric_render(setting_text(&cfg_run_dir), &out);
    fn_body(res, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&out));
    return ERR_OK;
}

static enum err
health(struct fn_req *req, struct fn_res *res)
{
    if (req->http->path.len == 0 || str_is(req->http->path, "/ready"))
        return readiness(req, res);
    if (str_is(req->http->path, "/live"))
        return liveness(res);
    if (str_is(req->http->path, "/metrics"))
        return figures(req, res);
    return ERR_NOT_FOUND;
}

static const struct fn_answer_doc answers[] = {
    {200, "status healthy or degraded (NOWPayments unreachable), and each check"},
    {503, "status unhealthy, and which check failed"},
    {0, NULL},
};

static struct setting *const *const settings[] = {db_settings, np_settings, NULL};

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
