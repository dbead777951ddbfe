/*
 * Reads of one statement that wait at the same time are asked in one call: most of what a short
 * read costs the server is the call.
 *
 * Read db_ask_together first: who asks joins those that wait, and a run of its own coroutine takes
 * them all (run), asks, and hands out the rows.  Those that come meanwhile wait for the next run; a
 * run that takes long gets a second one beside it.  When a run fails, each asks by itself.
 */
#include "db/internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "db/array.h"
#include "loop/wait.h"

#define RUN_MAX     64  /* callers of one run */
#define RUNS_MAX    2   /* at the same time */
#define PATIENCE_MS 5   /* with a run under way, before there is a second one */
#define RUN_MS      200 /* then each asks by itself */
#define RUN_CAP     (1024 * 1024)

/* What a run was answered, until the last caller has let go. */
struct answer {
    PGresult *pg;
    int holders;
};

struct asker {
    struct asker *next;
    struct co *co;
    const char *const *params;
    struct answer *answer; /* NULL when `done`: the run failed */
    int row;
    bool taken; /* by a run, whose `askers` it is one of */
    bool done;
};

struct run {
    struct db_together *of;
    struct asker *askers[RUN_MAX]; /* NULL: gave up */
    size_t count;
    struct answer *answer;
};

struct db_together {
    struct db_stmt *stmt;
    size_t param_count;
    struct asker *first, **last;
    struct run *runs[RUNS_MAX];
    struct arena *arenas[RUNS_MAX]; /* kept for the next run */
};

static void
let_go(struct answer *a)
{
    if (a == NULL || --a->holders > 0)
        return;
    PQclear(a->pg);
    free(a);
}

static void
asker_ends(void *asker)
{
    struct asker *me = asker;

    let_go(me->answer);
}

/* For each parameter an array of all callers' values. */
static const char *const *
params_of_all(struct arena *a, size_t param_count, struct asker *const askers[], size_t count)
{
    const char **ret = ARENA_ARRAY(a, const char *, param_count);
    const char **items = ARENA_ARRAY(a, const char *, count);

    for (size_t k = 0; k < param_count; k++) {
        for (size_t i = 0; i < count; i++)
            items[i] = askers[i]->params[k];
        char *text = arena_bytes(a, db_array_size(items, count));
        db_array_write(text, items, count);
        ret[k] = text;
    }
    return ret;
}

/* ---- a run ---- */

static void
take(struct db_together *t, struct run *run)
{
    while (t->first != NULL && run->count < RUN_MAX) {
        struct asker *asker = t->first;

        t->first = asker->next;
        if (t->first == NULL)
            t->last = &t->first;
        asker->taken = true;
        run->askers[run->count++] = asker;
    }
}

static enum err
ask_for_all(struct task *task, void *arg)
{
    struct run *run = arg;
    struct db_result *result;

    TRY(db_ask(task, run->of->stmt,
               params_of_all(task->arena, run->of->param_count, run->askers, run->count),
               run->of->param_count, &result));
    if (PQntuples(result->pg) != (int)run->count)
        return fail_detail(&task->fail, ERR_INTERNAL, "%d rows for %zu: %.80s",
                           PQntuples(result->pg), run->count, run->of->stmt->sql);
    struct answer *answer = malloc(sizeof *answer);
    if (answer == NULL)
        return ERR_MEMORY;
    *answer = (struct answer){.pg = result->pg, .holders = 1};
    result->pg = NULL;
    run->answer = answer;
    return ERR_OK;
}

static void
hand_out(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        struct asker *asker = run->askers[i];

        if (asker == NULL)
            continue;
        asker->done = true;
        asker->row = (int)i;
        asker->answer = run->answer;
        if (run->answer != NULL)
            run->answer->holders++;
        co_wake(asker->co);
    }
    let_go(run->answer);
}

static void
run_on_coroutine(void *arg)
{
    struct run *run = arg;
    struct db_together *t = run->of;
    size_t place = 0;

    while (t->runs[place] != run)
        place++;
    if (t->arenas[place] == NULL)
        t->arenas[place] = arena_new(RUN_CAP);
    while (t->first != NULL) {
        struct task task = {.arena = t->arenas[place], .deadline_ms = clock_ms() + RUN_MS};

        run->count = 0;
        run->answer = NULL;
        take(t, run);
        if (task_run(&task, ask_for_all, run) != ERR_OK)
            run->answer = NULL; /* each hears for itself what is wrong */
        hand_out(run);
        arena_reset(task.arena);
    }
    t->runs[place] = NULL;
    free(run);
}

/* Unless there are enough. */
static void
start_run(struct db_together *t)
{
    for (size_t i = 0; i < RUNS_MAX; i++) {
        if (t->runs[i] != NULL)
            continue;
        t->runs[i] = calloc(1, sizeof *t->runs[i]);
        if (t->runs[i] != NULL) {
            t->runs[i]->of = t;
            co_start(run_on_coroutine, t->runs[i]);
        }
        return;
    }
}

/* ---- a caller ---- */

static struct db_together *
together_of(struct db_stmt *stmt, size_t param_count)
{
    if (stmt->askers == NULL) {
        struct db_together *t = calloc(1, sizeof *t);

        if (t == NULL)
            return NULL;
        *t = (struct db_together){.stmt = stmt, .param_count = param_count, .last = &t->first};
        stmt->askers = t;
    }
    MUST(stmt->askers->param_count == param_count);
    return stmt->askers;
}

static void
join(struct db_together *t, struct asker *me)
{
    *t->last = me;
    t->last = &me->next;
    if (t->runs[0] == NULL && t->runs[1] == NULL)
        start_run(t);
}

/* The time is over. */
static void
leave(struct db_together *t, const struct asker *me)
{
    for (struct asker **p = &t->first; *p != NULL; p = &(*p)->next) {
        if (*p != me)
            continue;
        *p = me->next;
        if (*p == NULL)
            t->last = p;
        return;
    }
    for (size_t k = 0; k < RUNS_MAX; k++)
        for (size_t i = 0; t->runs[k] != NULL && i < t->runs[k]->count; i++)
            if (t->runs[k]->askers[i] == me)
                t->runs[k]->askers[i] = NULL;
}

static bool
wait_for_run(struct db_together *t, const struct asker *me, int64_t deadline_ms)
{
    if (co_wait_until(MIN(deadline_ms, clock_ms() + PATIENCE_MS)) || me->done)
        return true;
    if (!me->taken)
        start_run(t);
    return co_wait_until(deadline_ms) || me->done;
}

static enum err
ask_alone(struct task *task, struct db_together *t, struct asker *me, struct db_result **ret)
{
    TRY(db_ask(task, t->stmt, params_of_all(task->arena, t->param_count, &me, 1), t->param_count,
               ret));
    if (PQntuples((*ret)->pg) != 1 || !db_result_set(task->arena, *ret, true))
        return fail_detail(&task->fail, ERR_INTERNAL, "not one packed row: %.80s", t->stmt->sql);
    return ERR_OK;
}

enum err
db_ask_together(struct task *task, struct db_stmt *stmt, const char *const *params,
                size_t param_count, struct db_result **ret)
{
    struct db_together *t = together_of(stmt, param_count);
    struct asker *me = ARENA_NEW(task->arena, struct asker);

    if (t == NULL)
        return fail_detail(&task->fail, ERR_UNAVAILABLE, "no memory for a statement");
    *me = (struct asker){.co = co_self(), .params = params};
    arena_defer(task->arena, asker_ends, me);
    *ret = db_result_new(task->arena);
    TRY(db_may_begin(task, false));
    join(t, me);
    if (!wait_for_run(t, me, task->deadline_ms)) {
        leave(t, me);
        return db_gave_up(task, false);
    }
    if (me->answer == NULL)
        return ask_alone(task, t, me, ret);
    if (!db_result_unpack(task->arena, *ret, me->answer->pg, me->row))
        return fail_detail(&task->fail, ERR_INTERNAL, "not an array: %.80s", stmt->sql);
    return ERR_OK;
}
