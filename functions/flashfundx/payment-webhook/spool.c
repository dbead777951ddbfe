/*
 * The disk's part is in disk.c; here is when it is asked: spool_keep for a callback that comes,
 * and turns of a timer (turn, apply_file) as long as files are left.
 */
#include "spool.h"

#include "base/clock.h"
#include "base/killpoint.h"
#include "base/log.h"
#include "base/metric.h"
#include "disk.h"
#include "loop/timer.h"
#include "loop/wait.h"

#define TURN_MS      1000
#define TURN_MOST_MS 30000 /* while what is left cannot be applied */
#define APPLY_MS     5000
#define KEEP_MS      1000
#define MEMORY_MAX   ((size_t)8 * 1024 * 1024) /* as of a request */

struct setting cfg_callback_spool = {
    .env = "CALLBACK_SPOOL",
    .kind = SETTING_INT,
    .fallback = "10000",
    .meaning = "most genuine callbacks that are kept on disk while the database is away; 0: none, "
               "they are answered 503 (several machines)",
    .max = 1000000,
};

struct setting cfg_state_dir = {
    .env = "STATE_DIR",
    .kind = SETTING_FOLDER,
    .fallback = "/var/lib/ffx",
    .meaning = "folder of this function's own for what has to outlive the machine",
};

struct setting *const spool_settings[] = {&cfg_callback_spool, &cfg_state_dir, NULL};

static struct {
    spool_apply_fn apply;
    struct loop_timer timer;
    int64_t pause_ms;
    int64_t waiting; /* files, as last seen or made */
    int64_t kept;    /* by this process, ever */
    bool usable;
    bool busy; /* a turn is under way */
} spool;

static void
turn_later(void)
{
    if (spool.timer.slot == 0 && !spool.busy)
        loop_timer_set(&spool.timer, clock_ms() + spool.pause_ms);
}

/* What just came does not wait for what cannot be applied, and is not pushed back by the next. */
static void
turn_soon(void)
{
    const int64_t soon_ms = clock_ms() + TURN_MS;

    spool.pause_ms = TURN_MS;
    if (!spool.busy && (spool.timer.slot == 0 || spool.timer.at_ms > soon_ms))
        loop_timer_set(&spool.timer, soon_ms);
}

/* ---- keeping ---- */

enum err
spool_keep(struct task *task, const char *source, struct str body)
{
    const int64_t deadline_ms = clock_ms() + KEEP_MS;
    const char *problem;

    if (setting_int(&cfg_callback_spool) == 0 || !spool.usable)
        return ERR_UNAVAILABLE;
    if (spool.waiting >= setting_int(&cfg_callback_spool))
        problem = "the spool is full";
    else
        problem = disk_keep(task->arena, source, body, deadline_ms);
    if (problem != NULL) {
        log_event(LOG_ERROR, "callback_not_kept", task->id, problem,
                  LOG_NUM("waiting", spool.waiting));
        return ERR_UNAVAILABLE;
    }
    spool.waiting++;
    spool.kept++;
    metric_add(METRIC_SPOOLED, 1);
    turn_soon();
    return ERR_OK;
}

/* ---- applying ---- */

static enum err
apply_file(struct task *task, void *file)
{
    const char *name = file, *source;
    struct str body;

    TRY(disk_read(task, name, &source, &body));
    TRY(spool.apply(task, source, body));
    KILL_POINT("spool", "callback", "applied");
    disk_remove(name);
    KILL_POINT("spool", "callback", "removed");
    return ERR_OK;
}

static enum err
apply_one(const char *name, const char **ret_problem)
{
    static char problem[sizeof((struct fail){0}.detail)];
    struct arena *a = arena_new(MEMORY_MAX);
    struct task *task = ARENA_NEW(a, struct task);

    task->arena = a;
    task->deadline_ms = clock_ms() + APPLY_MS;
    (void)snprintf(task->id, sizeof task->id, "%.32s", name);
    const enum err e = task_run(task, apply_file, (void *)(uintptr_t)name);
    (void)snprintf(problem, sizeof problem, "%s", e == ERR_OK ? "" : fail_reason(&task->fail, e));
    *ret_problem = problem;
    arena_free(a);
    return e;
}

/* In the order in which they came; *ret_problem: why the last of those that failed did, *ret_away:
 * because the database is away. */
static int64_t
apply_all(const struct disk_list *list, const char **ret_problem, bool *ret_away)
{
    int64_t applied = 0;

    for (int i = 0; i < list->count; i++) {
        const char *problem;
        const enum err e = apply_one(list->names[i]->d_name, &problem);

        if (e == ERR_OK)
            applied++;
        else
            *ret_problem = problem;
        *ret_away = e == ERR_UNAVAILABLE || e == ERR_TIMEOUT;
        if (*ret_away)
            break;
    }
    return applied;
}

static void
turn(void *unused UNUSED)
{
    struct disk_list list;
    const char *problem = NULL;
    int64_t applied = 0;
    bool away = false;
    const int64_t kept_before = spool.kept;

    const int lock = disk_lock(); /* before the list, or that has what another worker removed */
    const bool listed = disk_list(&list);
    if (lock >= 0) {
        applied = apply_all(&list, &problem, &away);
        disk_unlock(lock);
    }
    if (!listed)
        log_event(LOG_WARN, "state_dir", NULL, "the callbacks that wait cannot be listed",
                  LOG_NUM("waiting", spool.waiting));
    if (applied > 0 || (problem != NULL && !away))
        log_event(problem == NULL ? LOG_INFO : LOG_WARN, "callbacks_applied", NULL, problem,
                  LOG_NUM("applied", applied), LOG_NUM("waiting", list.count - applied));
    if (listed) {
        spool.waiting = list.count - applied + spool.kept - kept_before; /* came meanwhile */
        metric_set(METRIC_SPOOLED, spool.waiting);
    }
    disk_list_release(&list);
    spool.busy = false;
    if (spool.waiting == 0)
        spool.pause_ms = TURN_MOST_MS; /* a worker that ended may have left one */
    else if (applied > 0 || away || lock < 0)
        spool.pause_ms = TURN_MS;
    else
        spool.pause_ms = MIN(2 * spool.pause_ms, TURN_MOST_MS);
    turn_later();
}

static void
turn_due(struct loop_timer *t UNUSED)
{
    spool.busy = true;
    co_start(turn, NULL);
}

void
spool_start(spool_apply_fn apply)
{
    spool.apply = apply;
    spool.timer.fire = turn_due;
    spool.pause_ms = TURN_MS;
    if (setting_int(&cfg_callback_spool) == 0)
        return;
    spool.usable = disk_open(setting_text(&cfg_state_dir));
    if (spool.usable)
        loop_timer_set(&spool.timer, clock_ms());
    else
        log_event(LOG_WARN, "state_dir", NULL,
                  "callbacks cannot be kept while the database is away",
                  LOG_TEXT("state_dir", setting_text(&cfg_state_dir)));
}
