/*
 * What staff need to act is decided in the database, for every program alike; STAFF_MFA is a
 * setting of this service, which tells it at its start, as often as it takes.
 */
#include "auth.h"

#include "base/clock.h"
#include "base/log.h"
#include "loop/wait.h"
#include "loop/timer.h"

#define AGAIN_MS 2000
#define WAIT_MS  5000
#define MEMORY   ((size_t)64 * 1024)

static struct db_stmt set_rules = {
    .sql = "SELECT changed FROM platform.set_staff_rules($1::boolean)", .kind = DB_WRITE};

static struct loop_timer timer;

static enum err
tell(struct task *task, void *arg UNUSED)
{
    struct db_row row;

    TRY(db_one(task, &set_rules, DB_PARAMS(setting_bool(&cfg_staff_mfa) ? "true" : "false"), &row));
    if (db_true(&row, 0))
        log_event(LOG_INFO, "staff_rules_changed", NULL, NULL,
                  LOG_NUM("needs_factor", setting_bool(&cfg_staff_mfa)));
    return ERR_OK;
}

static void
tell_on_coroutine(void *arg UNUSED)
{
    struct task task = {.arena = arena_new(MEMORY), .deadline_ms = clock_ms() + WAIT_MS};
    const enum err e = task_run(&task, tell, NULL);

    if (e != ERR_OK) {
        log_event(LOG_WARN, "staff_rules_not_told", NULL, fail_reason(&task.fail, e),
                  LOG_TEXT("kind", err_info(e)->name));
        loop_timer_set(&timer, clock_ms() + AGAIN_MS);
    }
    arena_free(task.arena);
}

static void
start(struct loop_timer *t UNUSED)
{
    co_start(tell_on_coroutine, NULL);
}

void
auth_tell_staff_rules(void)
{
    timer.fire = start;
    loop_timer_set(&timer, clock_ms());
}
