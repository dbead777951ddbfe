/*
 * rest: the data API, as PostgREST does it for supabase-js.
 */
#include "base/setting.h"
#include "db/query.h"
#include "fn/answer.h"
#include "fn/spec.h"
#include "rest/run.h"

#define BODY_MAX ((size_t)10 * 1024 * 1024)

static struct setting *const *const settings[] = {db_settings, rest_own_settings, NULL};

/* The exposed schemas, as they are set. */
static const struct rest_reading *
reading(void)
{
    static struct rest_reading how;

    how.schemas = cache_schemas(&how.schema_count);
    how.tx_allowed = setting_bool(&cfg_rest_tx);
    how.rootless = !setting_bool(&cfg_rest_openapi);
    return &how;
}

static struct plan_limits
limits_of(const struct cache_role *role)
{
    const bool explains = setting_bool(&cfg_rest_plan);

    return (struct plan_limits){.max_rows = setting_int(&cfg_rest_max_rows),
                                .aggregates = setting_bool(&cfg_rest_aggregates),
                                .explains = explains,
                                .estimates = explains || (role != NULL && role->sees_all),
                                .target_names = setting_bool(&cfg_rest_target_names)};
}

/* The statement, and what comes of it.  A list that is too large to be held is asked for once more,
 * row by row. */
static bool
ask(struct fn_req *req, struct fn_res *res, struct plan *plan, struct answer_result *ret,
    struct db_stream **rows, struct rest_error *e, enum err *ret_err)
{
    struct arena *a = req->task->arena;
    const int64_t max_rows = setting_int(&cfg_rest_max_rows);
    struct sql_statement statement;

    *ret_err = ERR_OK;
    REST_TRY(sql_make(a, plan, max_rows, &statement, e));
    if (!plan->streams) {
        if (rest_run(req, res, plan, &statement, ret, e, ret_err))
            return true;
        if (*ret_err != ERR_OK || !plan->may_stream || strcmp(e->code, "54000") != 0)
            return false;
        plan->streams = true;
        REST_TRY(sql_make(a, plan, max_rows, &statement, e));
    }
    return rest_run_stream(req, res, plan, &statement, ret, rows, e, ret_err);
}

/* The stages, in their order. */
static enum err
serve(struct fn_req *req, struct fn_res *res)
{
    struct arena *a = req->task->arena;
    struct plan_limits limits;
    const struct cache *cache;
    struct rest_request request;
    struct plan plan;
    struct answer_result result;
    struct db_stream *rows = NULL;
    struct rest_error e;
    enum err err = ERR_OK;

    TRY(cache_get(req->task, &cache));
    limits = limits_of(cache_role(cache, req->caller.role));
    if (!rest_read(a, req->http, reading(), &request, &e)) {
        answer_error(req, res, &e);
        return ERR_OK;
    }
    if (request.method == REST_OPTIONS) {
        if (request.target == REST_ROOT)
            answer_options(req, res, NULL);
        else if (plan_target(a, &request, cache, &plan, &e))
            answer_options(req, res, &plan);
        else
            answer_error(req, res, &e);
        return ERR_OK;
    }
    if (request.target == REST_ROOT) {
        if (!answer_openapi(req, res, &request, cache, &e))
            answer_error(req, res, &e);
        return ERR_OK;
    }
    if (!plan_make(a, &request, cache, &limits, &plan, &e) ||
        !ask(req, res, &plan, &result, &rows, &e, &err)) {
        if (err == ERR_OK)
            answer_error(req, res, &e);
        return err;
    }
    if (!answer_write(req, res, &plan, &result, &e))
        answer_error(req, res, &e);
    else if (plan.streams)
        return rest_send_rows(req, res, &plan, rows);
    return ERR_OK;
}

static const struct fn_answer_doc answers[] = {
    {200, "rows, as the select list and Accept ask for them"},
    {201, "rows were inserted"},
    {204, "done"},
    {206, "a part of the rows"},
    {400, "what was asked for does not fit"},
    {401, "no valid token"},
    {403, "not for this role"},
    {404, "no such table or function"},
    {406, "no such form, or not the one row"},
    {409, "against a key"},
    {416, "no such range"},
    {0, NULL},
};

#define WHO (FN_ANON | FN_USER | FN_STAFF | FN_SERVICE)

static const struct fn_route routes[] = {
    {.methods = FN_ANY | FN_OPTIONS,
     .path = "",
     .who = WHO,
     .body = FN_BODY_RAW,
     .body_max = BODY_MAX,
     .rate = &cfg_rest_rate,
     .rate_window_s = 60,
     .summary = "What there is",
     .answers = answers,
     .handle = serve},
    {.methods = FN_ANY | FN_OPTIONS,
     .path = "/*",
     .who = WHO,
     .body = FN_BODY_RAW,
     .body_max = BODY_MAX,
     .rate = &cfg_rest_rate,
     .rate_window_s = 60,
     .summary = "Rows of a table, or what a function returns",
     .answers = answers,
     .handle = serve},
    {0},
};

static const struct fn_spec spec = {
    .app = "platform",
    .name = "rest",
    .summary = "The data API, for the unmodified supabase-js",
    .route = "/rest/v1",
    .routes = routes,
    .key_needed = true,
    .compressed = true,
    .failure = answer_refusal,
    .memory_max = (size_t)64 * 1024 * 1024,
    .timeout_ms = 30000,
    .settings = settings,
    .db_connections = "10", /* each request has one for itself */
    .start = cache_start,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
