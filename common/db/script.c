/*
 * A script is one op for each step, which go together: queued side by side, sent as one batch that
 * is nobody else's, done at the same time.  All of them name the coroutine that waits.
 */
#include "db/script.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/killpoint.h"
#include "crypto/digest.h"
#include "db/internal.h"
#include "loop/wait.h"

struct db_pool db_any_pool;

static struct db_stmt made = {.sql = "statement made at run time", .kind = DB_WRITE};

struct db_step
db_step_as(struct task *task, const char *role, const char *claims, bool read_only)
{
    static struct db_stmt as = {
        .sql = "SELECT set_config('role', $1, true), set_config('request.jwt.claims', $2, true), "
               "CASE WHEN $3::bool THEN set_config('transaction_read_only', 'on', true) END",
        .kind = DB_WRITE,
        .pool = &db_any_pool};
    const char **params = ARENA_ARRAY(task->arena, const char *, 3);

    params[0] = arena_copy(task->arena, str_of(role));
    params[1] = arena_copy(task->arena, str_of(claims));
    params[2] = read_only ? "on" : "off";
    return (struct db_step){.stmt = &as, .params = params, .param_count = 3};
}

static void
fill(struct op *op, const struct db_step *step, struct db_pool *pool)
{
    uint8_t hash[SHA256_BYTES];

    op->co = co_self();
    op->pool = db_state_of(pool);
    op->params = step->params;
    op->param_count = (int)step->param_count;
    op->stmt = step->stmt;
    if (step->stmt != NULL) {
        MUST(step->stmt->pool == pool || step->stmt->pool == &db_any_pool);
        if (step->stmt->prepared_id == 0)
            db_register(step->stmt);
        return;
    }
    op->stmt = &made;
    op->sql = step->sql;
    crypto_sha256(str_of(step->sql), hash);
    memcpy(op->key, hash, sizeof op->key);
}

enum err
db_script_queue(struct task *task, const struct db_script *script, bool by_rows, struct op *ret[])
{
    const int count = (int)script->count;
    union {
        uint8_t hash[SHA256_BYTES];
        uint64_t number;
    } asker = {0};

    MUST(count >= 1 && count <= DB_STEPS_MAX && co_self() != NULL);
    TRY(db_may_begin(task, script->until_gone));
    if (script->asker.len > 0)
        crypto_sha256(script->asker, asker.hash);
    for (int i = 0; i < count; i++) {
        MUST(script->steps[i].param_count <= UINT16_MAX); /* the protocol's limit */
        ret[i] = calloc(1, sizeof *ret[i]);
        if (ret[i] == NULL) {
            while (i > 0)
                free(ret[--i]);
            return fail_detail(&task->fail, ERR_UNAVAILABLE, "no memory for a script");
        }
        fill(ret[i], &script->steps[i], script->pool);
        ret[i]->asker = asker.number;
        ret[i]->steps = count - i;
    }
    ret[count - 1]->by_rows = by_rows;
    db_recall(ret[count - 1]);
    const bool slow = by_rows || ret[count - 1]->slow;
    for (int i = 0; i < count; i++) {
        KILL_POINT("sql", ret[i]->stmt->sql, "before");
        ret[i]->slow = slow;
        db_queue_push(db_queue_of(ret[i]), ret[i]);
    }
    loop_at_end_of_turn(&db_flush);
    return ERR_OK;
}

void
db_script_took(const struct op *op, int64_t *ret)
{
    if (ret != NULL)
        *ret = op->sent_ms == 0 ? 0 : clock_ms() - op->sent_ms;
}

static enum err
leave(struct task *task, const struct db_script *script, struct op *const ops[])
{
    for (size_t i = 0; i < script->count; i++)
        db_give_up(ops[i]);
    return db_gave_up(task, script->until_gone);
}

enum err
db_script_end(struct task *task, struct op *const ops[], size_t count, struct db_result *results[])
{
    int failed = -1;
    enum err e = ERR_OK;

    for (size_t i = 0; i < count; i++) {
        KILL_POINT("sql", ops[i]->stmt->sql, "answered");
        results[i]->pg = ops[i]->result;
        if (ops[i]->err != ERR_OK && failed < 0) {
            failed = (int)i;
            e = db_tell(task, ops[i]);
        }
    }
    for (size_t i = 0; i < count; i++)
        free(ops[i]); /* before the arena may overflow */
    if (failed >= 0)
        db_tell_statement(task, results[failed]->pg, failed);
    return e;
}

enum err
db_script(struct task *task, const struct db_script *script, struct db_result *ret[])
{
    struct op *ops[DB_STEPS_MAX];

    if (script->ret_took_ms != NULL)
        *script->ret_took_ms = 0;
    for (size_t i = 0; i < script->count; i++)
        ret[i] = db_result_new(task->arena);
    TRY(db_script_queue(task, script, false, ops));
    const bool answered = db_wait(task, script->until_gone);
    db_script_took(ops[0], script->ret_took_ms);
    if (!answered)
        return leave(task, script, ops);
    TRY(db_script_end(task, ops, script->count, ret));
    for (size_t i = 0; i < script->count; i++) {
        const struct db_stmt *stmt = script->steps[i].stmt;

        if (ret[i]->pg == NULL || !db_result_set(task->arena, ret[i], stmt != NULL && stmt->packed))
            return fail_detail(&task->fail, ERR_INTERNAL, "no result, or not an array: step %zu",
                               i);
    }
    return ERR_OK;
}
