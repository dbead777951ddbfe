/*
 * Scheduled work: `run` of the spec, in turns that the database hands out, so that of all processes
 * that run this function anywhere one takes each.
 */
#include "fn/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/task.h"
#include "db/query.h"
#include "db/rows.h"
#include "loop/timer.h"
#include "loop/wait.h"

#define RUN_MEMORY_MAX ((size_t)4 * 1024 * 1024)

static const struct fn_spec *spec;
static struct loop_timer timer;
static int64_t running;
static bool stopped;
static void (*run_ended)(void);

static struct db_stmt claim_schedule = {
    .sql = "SELECT claimed FROM platform.claim_schedule($1, $2::int)", .kind = DB_WRITE};

static enum err
run_claimed(struct task *task, void *unused UNUSED)
{
    struct db_row row;
    char every[16];

    (void)snprintf(every, sizeof every, "%d", spec->every_ms);
    TRY(db_one(task, &claim_schedule, DB_PARAMS(spec->name, every), &row));
    if (!db_true(&row, 0))
        return ERR_OK;
    metric_add(METRIC_RUNS, 1);
    return spec->run(task);
}

static void
run_once(void *unused UNUSED)
{
    struct arena *a = arena_new(spec->memory_max != 0 ? spec->memory_max : RUN_MEMORY_MAX);
    struct task *task = ARENA_NEW(a, struct task);
    const int64_t started_us = clock_us();

    task->arena = a;
    task->deadline_ms = started_us / 1000 + spec->timeout_ms;
    fn_make_id(task);
    running++;
    const enum err e = task_run(task, run_claimed, NULL);
    if (e != ERR_OK) {
        metric_add(METRIC_RUN_ERRORS, 1);
        log_event((enum log_level)err_info(e)->log_level, "run", task->id,
                  fail_reason(&task->fail, e), LOG_TEXT("outcome", err_info(e)->name),
                  LOG_NUM("duration_us", clock_us() - started_us));
    }
    running--;
    arena_free(a);
    if (stopped)
        run_ended();
    else
        loop_timer_set(&timer, clock_ms() + spec->every_ms);
}

static void
run_due(struct loop_timer *t UNUSED)
{
    co_start(run_once, NULL);
}

void
fn_schedule_start(const struct fn_spec *s)
{
    spec = s;
    timer.fire = run_due;
    loop_timer_set(&timer, clock_ms());
}

void
fn_schedule_stop(void (*ended)(void))
{
    stopped = true;
    run_ended = ended;
    loop_timer_clear(&timer);
}

int64_t
fn_schedule_running(void)
{
    return running;
}
