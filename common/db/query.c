/* A caller's statement: queued, waited for, answered or given up. */
#include "db/query.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/killpoint.h"
#include "db/internal.h"
#include "loop/wait.h"

struct setting cfg_database_url =
    DB_POOL_URL("DATABASE_URL", "libpq connection string of this function's own role");

struct setting cfg_db_connections =
    DB_POOL_CONNECTIONS("DB_CONNECTIONS", "4", "most database connections of one worker");

struct setting cfg_db_prepare = {
    .env = "DB_PREPARE",
    .kind = SETTING_INT,
    .fallback = "1",
    .meaning = "1: prepared statements; 0: behind a transaction pooler without support for them",
    .max = 1,
};

struct setting cfg_db_idle_s = {
    .env = "DB_IDLE_S",
    .kind = SETTING_INT,
    .fallback = "60",
    .meaning = "seconds after which an unused database connection is closed",
};

struct setting *const db_settings[] = {&cfg_database_url, &cfg_db_connections, &cfg_db_prepare,
                                       &cfg_db_idle_s, NULL};

struct db_pool db_default_pool = {.url = &cfg_database_url, .connections = &cfg_db_connections};

enum err
db_may_begin(struct task *task, bool until_gone)
{
    if (until_gone && task->gone)
        return db_gave_up(task, true);
    if (clock_ms() >= task->deadline_ms)
        return fail_detail(&task->fail, ERR_TIMEOUT, "no time left for a statement");
    return ERR_OK;
}

bool
db_wait(struct task *task, bool until_gone)
{
    if (!until_gone)
        return co_wait_until(task->deadline_ms);
    task->until_gone = co_self();
    const bool woken = !task->gone && co_wait_until(task->deadline_ms);
    task->until_gone = NULL;
    return woken && !task->gone;
}

enum err
db_gave_up(struct task *task, bool until_gone)
{
    if (until_gone && task->gone)
        return fail_detail(&task->fail, ERR_HUP, "who asked has left");
    return fail_detail(&task->fail, ERR_TIMEOUT, "no answer from the database in time");
}

enum err
db_ask(struct task *task, struct db_stmt *stmt, const char *const *params, size_t param_count,
       struct db_result **ret)
{
    struct op *op;
    struct db_result *result;

    TRY(db_may_begin(task, stmt->until_gone));
    if (stmt->prepared_id == 0)
        db_register(stmt);
    result = db_result_new(task->arena);
    op = calloc(1, sizeof *op);
    if (op == NULL)
        return fail_detail(&task->fail, ERR_UNAVAILABLE, "no memory for a statement");
    op->co = co_self();
    op->pool = db_state_of(stmt->pool);
    op->stmt = stmt;
    op->params = params;
    op->param_count = (int)param_count;
    if (stmt->kind == DB_READ)
        db_recall(op);
    KILL_POINT("sql", stmt->sql, "before");
    db_queue_push(db_queue_of(op), op);
    loop_at_end_of_turn(&db_flush);

    if (!db_wait(task, stmt->until_gone)) {
        db_give_up(op);
        return db_gave_up(task, stmt->until_gone);
    }

    KILL_POINT("sql", stmt->sql, "answered");
    const enum err e = op->err;
    result->pg = op->result; /* released with the arena */
    if (e != ERR_OK)
        (void)db_tell(task, op);
    free(op); /* before the arena may overflow */
    if (e != ERR_OK) {
        db_tell_statement(task, result->pg, 0);
        return e;
    }
    if (result->pg == NULL)
        return fail_detail(&task->fail, ERR_INTERNAL, "no result: %.80s", stmt->sql);
    *ret = result;
    return ERR_OK;
}

enum err
db_query(struct task *task, struct db_stmt *stmt, const char *const *params, size_t param_count,
         struct db_result **ret)
{
    MUST(param_count <= DB_PARAMS_MAX && co_self() != NULL);
    MUST(!stmt->until_gone || stmt->kind == DB_READ);
    if (stmt->together)
        return db_ask_together(task, stmt, params, param_count, ret);
    TRY(db_ask(task, stmt, params, param_count, ret));
    if (!db_result_set(task->arena, *ret, stmt->packed))
        return fail_detail(&task->fail, ERR_INTERNAL, "not an array: %.80s", stmt->sql);
    return ERR_OK;
}

enum err
db_one(struct task *task, struct db_stmt *stmt, const char *const *params, size_t param_count,
       struct db_row *ret)
{
    struct db_result *result;

    TRY(db_query(task, stmt, params, param_count, &result));
    if (db_rows(result) != 1)
        return fail_detail(&task->fail, ERR_INTERNAL, "%d rows instead of one: %.80s",
                           db_rows(result), stmt->sql);
    *ret = db_row(result, 0);
    return ERR_OK;
}
