/*
 * The plan is asked for by the request that was slow, before its answer: it has all that belongs to
 * the statement, and one in LINE_MS waits a little longer for it, PLAN_MS at most, which is less
 * than nginx grants beyond the time budget.  EXPLAIN without ANALYZE runs nothing, and the
 * transaction could not write.
 */
#include "rest/slow.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "fn/request.h"
#include "rest/begin.h"
#include "rest/explained.h"
#include "rest/run.h"

#define SHAPE_MS  600000 /* until a shape is told again */
#define LINE_MS   10000  /* between two lines */
#define PLAN_MS   1000   /* for the plan */
#define PLACES    64
#define NAMES_MAX 300 /* bytes, then "…" */
#define TEXT_MAX  ((size_t)1024 * 1024)

static struct {
    uint64_t shape;
    int64_t until_ms;
} told[PLACES];

static int64_t next_ms, others;

bool
slow_is_due(struct str shape, int64_t now_ms, int64_t *ret_others)
{
    uint8_t hash[SHA256_BYTES];
    uint64_t key;

    crypto_sha256(shape, hash);
    memcpy(&key, hash, sizeof key);
    const size_t i = key % PLACES; /* who shares a place is told sooner: the lines are rare */
    if (now_ms < next_ms || (told[i].shape == key && now_ms < told[i].until_ms)) {
        others++;
        return false;
    }
    told[i].shape = key;
    told[i].until_ms = now_ms + SHAPE_MS;
    next_ms = now_ms + LINE_MS;
    *ret_others = others;
    others = 0;
    return true;
}

/* What stands behind "-" is a path into JSON, whose keys are data; what has no "=" is no name. */
void
slow_names(struct str query, struct buf *ret)
{
    const char *end = query.ptr + query.len;
    bool first = true;

    for (const char *p = query.ptr; p < end && ret->len < NAMES_MAX;) {
        const char *next = memchr(p, '&', (size_t)(end - p));
        const char *is = memchr(p, '=', (size_t)((next == NULL ? end : next) - p));

        if (is != NULL) {
            const char *path = memchr(p, '-', (size_t)(is - p));

            if (!first)
                buf_add_char(ret, ',');
            first = false;
            buf_add(ret, p, MIN((size_t)((path == NULL ? is : path) - p), NAMES_MAX));
        }
        p = next == NULL ? end : next + 1;
    }
    if (ret->len >= NAMES_MAX)
        buf_add_text(ret, "…");
}

/* EXPLAIN of the statement; NULL: there is none. */
static const char *
ask_plan(struct fn_req *req, const struct plan *plan, const struct sql_statement *statement)
{
    static struct db_stmt careful = {.sql = "SELECT set_config('statement_timeout', '500', true), "
                                            "set_config('lock_timeout', '100', true), "
                                            "set_config('transaction_read_only', 'on', true)",
                                     .kind = DB_WRITE};
    struct task *task = req->task;
    const struct task kept = *task;
    struct db_step steps[BEGIN_STEPS_MAX + 2];
    struct db_result *results[ARRAY_LEN(steps)];
    size_t count = rest_begin(req, plan, steps);

    steps[count++] = (struct db_step){.stmt = &careful};
    steps[count++] = (struct db_step){
        .sql = arena_printf(task->arena, "EXPLAIN (FORMAT JSON) %s", statement->text),
        .params = statement->params,
        .param_count = statement->param_count};
    task->deadline_ms = clock_ms() + PLAN_MS;
    const enum err err =
        db_script(task, &(struct db_script){.steps = steps, .count = count}, results);
    task->deadline_ms = kept.deadline_ms;
    task->fail = kept.fail;
    if (err != ERR_OK || db_rows(results[count - 1]) != 1)
        return NULL;
    const struct db_row row = db_row(results[count - 1], 0);
    return db_text(&row, 0);
}

void
slow_note(struct fn_req *req, const struct plan *plan, const struct sql_statement *statement,
          int64_t took_ms)
{
    const int64_t slow_ms = setting_int(&cfg_rest_slow);
    struct arena *a = req->task->arena;
    struct buf names, steps;
    int64_t since;

    if (slow_ms == 0 || took_ms < slow_ms)
        return;
    const char *method = arena_copy(a, req->http->method);
    const char *path = arena_copy(a, req->http->path);
    buf_init_arena(&names, a, TEXT_MAX);
    buf_init_arena(&steps, a, TEXT_MAX);
    buf_add_text(&names, "?");
    slow_names(req->http->query, &names);
    if (!slow_is_due(str_of(arena_printf(a, "%s %s%s", method, path, names.ptr)), clock_ms(),
                     &since))
        return;
    const char *explained = plan->explain != NULL ? NULL : ask_plan(req, plan, statement);
    if (explained != NULL)
        explained_steps(str_of(explained), &steps);
    log_event(LOG_WARN, "slow_statement", req->task->id, NULL, LOG_TEXT("method", method),
              LOG_TEXT("path", path), LOG_TEXT("parameters", names.ptr + 1),
              LOG_TEXT("role", req->caller.role), LOG_NUM("duration_ms", took_ms),
              LOG_TEXT("plan", explained == NULL ? "none" : steps.ptr), LOG_NUM("others", since));
}
