#include "health/checks.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"
#include "base/shared.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/schema.h"

#define NAME_SIZE 65 /* of a function */

static struct db_stmt database_health = {.sql = "SELECT migration, time FROM platform.health()",
                                         .kind = DB_READ};

void
health_write(struct json_writer *w, const char *name, bool ok, int64_t started_us,
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

/* A schema that is not the program's is told of beside the check, and only then. */
static void
write_schema(struct fn_req *req, struct json_writer *w)
{
    const char *problem = NULL;

    if (fn_schema_check(req->task, &problem) != ERR_OK || problem == NULL)
        return;
    jw_key(w, "schema");
    jw_open(w);
    jw_text_at(w, "status", "mismatch");
    jw_text_at(w, "error", problem);
    jw_close(w);
}

bool
health_database(struct fn_req *req, struct json_writer *w, const char *name)
{
    const int64_t started_us = clock_us();
    struct db_row row;

    req->task->deadline_ms = clock_ms() + HEALTH_CHECK_MS;
    const bool ok = db_one(req->task, &database_health, DB_NO_PARAMS, &row) == ERR_OK;
    health_write(w, name, ok, started_us, "The database does not answer");
    if (ok)
        write_schema(req, w);
    return ok;
}

/* ---- the functions of this machine ---- */

#define ALIVE_WITHIN_S 10 /* workers say so every second */

/* NAME when `file` is NAME SUFFIX. */
static bool
name_of(const char *file, const char *suffix, char ret[NAME_SIZE])
{
    const size_t len = strlen(file), tail = strlen(suffix);

    if (len <= tail || len - tail >= NAME_SIZE || strcmp(file + len - tail, suffix) != 0)
        return false;
    memcpy(ret, file, len - tail);
    ret[len - tail] = '\0';
    return true;
}

/* Is `file` of RUN_DIR the sign of a function that has to run: its socket, or the process number of
 * a master that did not end in order? */
static bool
is_expected(const char *run_dir, const char *file, char ret_name[NAME_SIZE])
{
    char path[512];

    if (name_of(file, ".sock", ret_name))
        return true;
    if (!name_of(file, ".pid", ret_name))
        return false;
    (void)snprintf(path, sizeof path, "%s/%s.sock", run_dir, ret_name);
    if (access(path, F_OK) == 0)
        return false; /* counted by it */
    (void)snprintf(path, sizeof path, "%s/%s.generation", run_dir, ret_name);
    return access(path, F_OK) == 0; /* other programs have a .pid as well */
}

static void
close_dir(void *dir)
{
    (void)closedir(dir);
}

bool
health_functions(struct fn_req *req, struct json_writer *w, const char *name)
{
    const char *run_dir = setting_text(&cfg_run_dir);
    const int64_t started_us = clock_us(), now_s = wall_us() / 1000000;
    DIR *dir = opendir(run_dir);
    struct buf problem;
    char function[NAME_SIZE];
    bool ok = true;

    if (dir != NULL)
        arena_defer(req->task->arena, close_dir, dir); /* problems are told in the arena */
    buf_init_arena(&problem, req->task->arena, 4096);
    for (const struct dirent *e = dir == NULL ? NULL : readdir(dir); e != NULL; e = readdir(dir)) {
        if (!is_expected(run_dir, e->d_name, function) ||
            now_s - metric_of(run_dir, function, METRIC_ALIVE) <= ALIVE_WITHIN_S)
            continue;
        buf_printf(&problem, "%s%s", ok ? "No worker runs of " : ", ", function);
        ok = false;
    }
    health_write(w, name, ok, started_us, problem.ptr);
    return ok;
}

enum err
health_ready(struct fn_req *req, struct fn_res *res, const struct health_check *checks)
{
    char now[TIMESTAMP_SIZE];
    struct json_writer *w = fn_json(res, 200);
    bool ready = true, whole = true;

    timestamp_format(wall_us(), now);
    jw_open(w);
    jw_key(w, "checks");
    jw_open(w);
    for (; checks->name != NULL; checks++) {
        const bool ok = checks->check(req, w, checks->name);

        whole = whole && ok;
        ready = ready && (ok || !checks->needed);
    }
    jw_close(w);
    jw_text_at(w, "status", !ready ? "unhealthy" : whole ? "healthy" : "degraded");
    jw_text_at(w, "timestamp", now);
    jw_close(w);
    res->status = ready ? 200 : 503;
    return ERR_OK;
}

enum err
health_live(struct fn_req *req UNUSED, struct fn_res *res)
{
    struct json_writer *w = fn_json(res, 200);

    jw_open(w);
    jw_text_at(w, "status", "alive");
    jw_close(w);
    return ERR_OK;
}

enum err
health_figures(struct fn_req *req, struct fn_res *res)
{
    struct buf out;

    buf_init_arena(&out, req->task->arena, 1024 * 1024);
    metric_render(setting_text(&cfg_run_dir), &out);
    if (out.overflow)
        return fail_detail(&req->task->fail, ERR_INTERNAL, "the metrics are too long");
    fn_body(res, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&out));
    return ERR_OK;
}
