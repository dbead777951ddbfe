/*
 * The last op of a stream's script says `by_rows`: then db_take stops at each row, puts it into the
 * op and wakes the coroutine, which asks for the next (take_row).  The connection's descriptor is
 * watched only while the coroutine waits: that is what holds the server back.
 */
#include "db/stream.h"

#include "db/internal.h"
#include "loop/wait.h"

struct db_stream {
    struct task *task;
    struct op *ops[DB_STEPS_MAX];
    size_t count;                            /* 0: they are freed */
    struct conn *conn;                       /* since there are rows */
    struct db_result *results[DB_STEPS_MAX]; /* when it is over */
    struct db_result row;
    int64_t *ret_took_ms; /* until the first row is there; then NULL */
    bool ahead;           /* the row was not asked for yet */
    enum err err;         /* how it ended */
};

static struct op *
last_of(const struct db_stream *s)
{
    return s->ops[s->count - 1];
}

/* It is not read to its end. */
static void
leave(struct db_stream *s)
{
    const bool running = s->count > 0 && !last_of(s)->done;
    const size_t count = s->count;

    s->count = 0;
    for (size_t i = 0; i < count; i++)
        db_give_up(s->ops[i]);
    if (running && s->conn != NULL) {
        loop_watch(&s->conn->watch, s->conn->watch.events | EPOLLIN);
        db_take(s->conn); /* what has come already is thrown away */
    }
}

static void
release(void *stream)
{
    struct db_stream *s = stream;

    PQclear(s->row.pg);
    s->row.pg = NULL;
    leave(s);
}

/* The next row, if it is there. */
static bool
take_row(struct db_stream *s)
{
    struct op *op = last_of(s);

    if (s->conn != NULL && !op->done && op->result == NULL)
        db_take(s->conn);
    if (op->result == NULL || PQresultStatus(op->result) != PGRES_SINGLE_TUPLE)
        return false;
    if (s->conn == NULL)
        s->conn = db_conn_of(op);
    s->row.pg = op->result;
    op->result = NULL;
    return true;
}

/* Wait for the next row, or for the end: then there is none. */
static enum err
advance(struct db_stream *s)
{
    PQclear(s->row.pg);
    s->row.pg = NULL;
    if (s->count == 0)
        return s->err;
    while (!take_row(s)) {
        if (last_of(s)->done) {
            const size_t count = s->count;

            s->count = 0;
            s->err = db_script_end(s->task, s->ops, count, s->results);
            return s->err;
        }
        if (s->conn != NULL)
            loop_watch(&s->conn->watch, s->conn->watch.events | EPOLLIN);
        const bool woken = db_wait(s->task, true);
        db_script_took(last_of(s), s->ret_took_ms);
        if (!woken) {
            leave(s);
            s->err = db_gave_up(s->task, true);
            return s->err;
        }
    }
    s->ret_took_ms = NULL;
    return ERR_OK;
}

enum err
db_stream_open(struct task *task, const struct db_script *script, struct db_stream **ret)
{
    static struct db_stmt unhurried = {.sql = "SELECT set_config('statement_timeout', '0', true), "
                                              "set_config('transaction_read_only', 'on', true)",
                                       .kind = DB_READ,
                                       .pool = &db_any_pool};
    const size_t count = script->count + 1;
    struct db_stream *s = ARENA_NEW(task->arena, struct db_stream);
    struct db_step *steps = ARENA_ARRAY(task->arena, struct db_step, count);

    MUST(script->count >= 1 && count <= DB_STEPS_MAX);
    memcpy(steps, script->steps, script->count * sizeof *steps);
    steps[count - 1] = steps[count - 2];
    steps[count - 2] = (struct db_step){.stmt = &unhurried};
    s->task = task;
    s->ret_took_ms = script->ret_took_ms;
    if (s->ret_took_ms != NULL)
        *s->ret_took_ms = 0;
    for (size_t i = 0; i < count; i++)
        s->results[i] = db_result_new(task->arena);
    arena_defer(task->arena, release, s);
    TRY(db_script_queue(task,
                        &(struct db_script){.steps = steps,
                                            .count = count,
                                            .pool = script->pool,
                                            .until_gone = true,
                                            .asker = script->asker},
                        true, s->ops));
    s->count = count;
    s->ahead = true;
    *ret = s;
    return advance(s);
}

enum err
db_stream_next(struct db_stream *s, struct db_row *ret)
{
    if (!s->ahead)
        TRY(advance(s));
    s->ahead = false;
    *ret = (struct db_row){.result = s->row.pg == NULL ? NULL : &s->row};
    return ERR_OK;
}
