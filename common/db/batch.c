/*
 * A batch on a connection: statements and one sync go out (db_send_batch), results come back one by
 * one (db_receive, take_result, next_step), and at the sync all of it is committed or not
 * (share_rows, undo_group, batch_committed).  Of a group one statement is sent, for all members.
 */
#include "db/internal.h"

#include <stdlib.h>

#include "base/killpoint.h"
#include "base/metric.h"
#include "db/array.h"
#include "loop/wait.h"

/* A prepared statement that the server does not have any more, or that returns other columns now.
 * Of the many things that are not supported (0A000) that is the one this function tells. */
static bool
is_stale_plan(const PGresult *r)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *from = PQresultErrorField(r, PG_DIAG_SOURCE_FUNCTION);

    return state != NULL &&
           (strcmp(state, "26000") == 0 || (strcmp(state, "0A000") == 0 && from != NULL &&
                                            strcmp(from, "RevalidateCachedQuery") == 0));
}

/* ---- sending ---- */

void
db_register(struct db_stmt *stmt)
{
    static int count; /* of all pools: some of db's own statements go to any of them */

    MUST(stmt->sql != NULL && (stmt->kind == DB_GROUPED) == (stmt->group != NULL));
    stmt->prepared_id = ++count;
}

/* The bit of a statement in a connection's mask; 0: it is not prepared, there are too many. */
static uint64_t
prepared_bit(const struct db_stmt *stmt)
{
    return stmt->prepared_id <= PREPARED_MAX ? (uint64_t)1 << (stmt->prepared_id - 1) : 0;
}

/* One made at run time, its place is known. */
static bool
send_made(struct conn *c, struct op *op, bool *ret_prepare)
{
    char name[16];

    *ret_prepare = op->prepare;
    if (op->number == 0)
        return PQsendQueryParams(c->pg, op->sql, op->param_count, NULL, op->params, NULL, NULL,
                                 0) == 1;
    (void)snprintf(name, sizeof name, "d%u", op->number);
    return (!op->prepare || PQsendPrepare(c->pg, name, op->sql, 0, NULL) == 1) &&
           PQsendQueryPrepared(c->pg, name, op->param_count, op->params, NULL, NULL, 0) == 1;
}

static bool
send_op(struct conn *c, struct op *op, bool *ret_prepare)
{
    char name[16];

    if (op->sql != NULL)
        return send_made(c, op, ret_prepare);

    const uint64_t bit = prepared_bit(op->stmt);
    *ret_prepare = false;
    if (!c->pool->prepare || bit == 0)
        return PQsendQueryParams(c->pg, op->stmt->sql, op->param_count, NULL, op->params, NULL,
                                 NULL, 0) == 1;
    (void)snprintf(name, sizeof name, "s%d", op->stmt->prepared_id);
    if ((c->prepared & bit) == 0) {
        *ret_prepare = true;
        if (PQsendPrepare(c->pg, name, op->stmt->sql, 0, NULL) != 1)
            return false;
        c->prepared |= bit; /* taken back when the Parse fails */
    }
    return PQsendQueryPrepared(c->pg, name, op->param_count, op->params, NULL, NULL, 0) == 1;
}

void
db_batch_sent(const struct batch *b)
{
    for (int i = 0; i < b->count; i++)
        KILL_POINT("sql", b->ops[i]->stmt->sql, "sent");
}

/* What does it for the `count` first ops in the queue; nobody waits for it, so it is freed with its
 * batch.  NULL: no memory. */
static struct op *
group_op(const struct op *first, size_t count)
{
    const size_t each = (size_t)first->param_count;
    const char *items[GROUP_MAX * DB_PARAMS_MAX];
    const struct op *op = first;

    for (size_t i = 0; i < count; i++, op = op->next) {
        MUST(op->param_count == first->param_count);
        memcpy(&items[i * each], op->params, each * sizeof items[0]);
    }

    struct {
        struct op op;
        const char *params[1];
        char text[];
    } *group = calloc(1, sizeof *group + db_array_size(items, count * each));
    if (group == NULL)
        return NULL;
    db_array_write(group->text, items, count * each);
    group->params[0] = group->text;
    group->op.stmt = first->stmt->group;
    group->op.params = group->params;
    group->op.param_count = 1;
    if (group->op.stmt->prepared_id == 0)
        db_register(group->op.stmt);
    return &group->op;
}

static bool
is_group(const struct batch *b)
{
    const struct op *last = b->count > 1 ? b->ops[b->count - 1] : NULL; /* the first: for all */

    return last != NULL && last->stmt->kind == DB_GROUPED && last->steps == 0;
}

/* What comes next is the answer of one whose rows are taken one by one. */
static void
begin_answer(struct conn *c)
{
    const struct batch *b = &c->batch;

    if (b->at < b->sent && b->at_query && b->ops[b->at]->by_rows)
        (void)PQsetSingleRowMode(c->pg); /* fails where the answer is an error */
}

void
db_send_batch(struct conn *c, struct queue *q, int most)
{
    struct batch *b = &c->batch;
    bool ok = true;

    MUST(c->state == CONN_IDLE && q->count > 0);
    *b = (struct batch){0};
    db_set_state(c, CONN_BUSY);
    if (most > 1 && q->first->stmt->kind == DB_GROUPED && q->first->steps == 0) {
        struct op *group = group_op(q->first, (size_t)most);

        if (group == NULL)
            most = 1;
        else
            b->ops[b->count++] = group;
    }
    for (; most > 0 && q->count > 0; most--) {
        struct op *op = db_queue_pop(q);
        struct op *drop = op->sql == NULL ? NULL : db_made_place(c, op);

        if (drop != NULL)
            b->ops[b->count++] = drop;
        b->ops[b->count++] = op;
    }
    b->sent = is_group(b) ? 1 : b->count;
    for (int i = 0; ok && i < b->sent; i++) {
        struct op *op = b->ops[i];

        op->sent_ms = c->since_ms;
        ok = send_op(c, op, &b->prepare[i]);
        metric_add(METRIC_DB_QUERIES, 1);
    }
    b->at_query = b->sent > 0 && !b->prepare[0];
    begin_answer(c);
    ok = ok && PQpipelineSync(c->pg) == 1;
    const int left = ok ? PQflush(c->pg) : -1;
    if (left == 0)
        db_batch_sent(b);
    if (left < 0) {
        db_conn_close(c, db_note_error(c, "cannot send"));
        return;
    }
    if (db_may_break_up(b))
        loop_timer_set(&c->timer, c->since_ms + BREAK_UP_MS);
    loop_watch(&c->watch, left == 0 ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

/* ---- receiving ---- */

static void
keep_result(struct op *op, PGresult *r)
{
    PQclear(op->result);
    op->result = r;
}

static bool
is_script(const struct batch *b)
{
    return b->count > 0 && b->ops[b->count - 1]->steps > 0;
}

/* A group failed, with the transaction of all: each is sent again, by itself. */
static void
undo_group(struct batch *b)
{
    for (int i = 1; i < b->count; i++) {
        b->ops[i]->aborted = true;
        b->ops[i]->alone = true;
    }
}

/* One row of several, as a result of its own; NULL: no memory. */
static PGresult *
row_alone(const PGresult *all, int row)
{
    PGresult *ret = PQcopyResult(all, PG_COPYRES_ATTRS);
    bool ok = ret != NULL;

    for (int k = 0; ok && k < PQnfields(all); k++)
        ok = PQsetvalue(ret, 0, k, PQgetvalue(all, row, k),
                        PQgetisnull(all, row, k) ? -1 : PQgetlength(all, row, k)) == 1;
    if (!ok) {
        PQclear(ret);
        return NULL;
    }
    return ret;
}

/* Each member of a group gets its row.  (One without is done all the same: it may ask again.) */
static void
share_rows(struct batch *b)
{
    const PGresult *all = b->ops[0]->result;
    const bool fits = PQntuples(all) == b->count - 1;

    for (int i = 1; i < b->count; i++) {
        struct op *op = b->ops[i];

        op->result = fits ? row_alone(all, i - 1) : NULL;
        if (op->result != NULL)
            continue;
        op->failed = true;
        op->err = fits ? ERR_UNAVAILABLE : ERR_INTERNAL;
        (void)snprintf(op->detail, sizeof op->detail, fits ? "no memory" : "%d rows for %d",
                       PQntuples(all), b->count - 1);
    }
}

/* A step failed, and the script with it; or one was stale, and all of it is sent again. */
static void
undo_script(struct batch *b)
{
    bool failed = false;

    for (int i = 0; i < b->count; i++)
        failed = failed || b->ops[i]->failed;
    for (int i = 0; i < b->count; i++) {
        b->ops[i]->aborted = !failed;
        if (!failed)
            keep_result(b->ops[i], NULL);
    }
}

/* The result says why. */
static void
op_failed(struct op *op, PGresult *r)
{
    db_describe(op, r);
    op->failed = true;
    keep_result(op, r);
}

/* An error that comes with the sync itself. */
static void
commit_failed(struct batch *b, PGresult *r)
{
    const int last = b->count - 1;

    for (int i = 0; i < last; i++) {
        if (is_group(b)) {
            b->ops[i]->aborted = true;
        } else if (!is_script(b)) {
            db_describe(b->ops[i], r);
            b->ops[i]->failed = true;
        }
    }
    if (is_group(b)) {
        b->ops[last]->aborted = true;
        PQclear(r);
    } else {
        op_failed(b->ops[last], r);
    }
}

static bool
any_failed(const struct batch *b)
{
    for (int i = 0; i < b->count; i++)
        if (b->ops[i]->failed || b->ops[i]->aborted)
            return true;
    return false;
}

static void
forget_prepared(struct conn *c, const struct op *op)
{
    if (op->sql != NULL)
        db_made_forget(c, op);
    else
        c->prepared &= ~prepared_bit(op->stmt);
}

static void
take_result(struct conn *c, PGresult *r)
{
    struct batch *b = &c->batch;
    struct op *op = b->at < b->sent ? b->ops[b->at] : NULL;
    const ExecStatusType status = PQresultStatus(r);

    if (op == NULL) {
        if (status == PGRES_FATAL_ERROR)
            commit_failed(b, r);
        else
            PQclear(r);
        return;
    }
    if ((status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) && b->at_query) {
        keep_result(op, r);
        return;
    }
    if (status == PGRES_FATAL_ERROR) {
        if (is_stale_plan(r) && !op->sent_again) {
            op->sent_again = true; /* it did not run: as good as a neighbour's fault */
            op->aborted = true;
            c->stale = true;
        } else {
            op_failed(op, r);
            metric_add(METRIC_DB_ERRORS, 1);
        }
    } else if (status == PGRES_PIPELINE_ABORTED) {
        op->aborted = true;
    }
    if (op->sql != NULL && (op->failed || op->aborted))
        db_own_failed(c, op);
    if (!b->at_query && status != PGRES_COMMAND_OK)
        forget_prepared(c, op);
    if (op->result != r)
        PQclear(r);
}

/* NULL from PQgetResult: the answers to one message are complete. */
static void
next_step(struct conn *c)
{
    struct batch *b = &c->batch;

    if (b->at >= b->sent)
        return;
    if (!b->at_query) {
        b->at_query = true;
    } else {
        b->at++;
        b->at_query = b->at < b->sent && !b->prepare[b->at];
    }
    begin_answer(c);
}

void
db_conn_lost(struct conn *c)
{
    const struct db_state *pool = c->pool;

    db_conn_close(c, db_note_error(c, "connection lost"));
    if (pool->reads.count + pool->writes.count + pool->slow.count > 0)
        loop_at_end_of_turn(&db_flush);
}

/* The sync has been answered.  What only this server knows of is not done: if it is lost, and the
 * standby takes its place, nobody has heard of it.  Whoever asks shall ask again. */
static void
batch_committed(struct conn *c)
{
    if (!c->not_replicated)
        return;
    c->not_replicated = false;
    for (int i = 0; i < c->batch.count; i++) {
        struct op *op = c->batch.ops[i];

        if (op->failed || op->aborted)
            continue;
        keep_result(op, NULL);
        op->failed = true;
        op->err = ERR_UNAVAILABLE;
        (void)snprintf(op->detail, sizeof op->detail, "committed, but not on the standby");
        metric_add(METRIC_DB_ERRORS, 1);
    }
    db_leave_host(c);
}

/* The sync has been answered: the batch is done. */
static void
batch_done(struct conn *c)
{
    loop_timer_clear(&c->timer);
    if (is_group(&c->batch)) {
        if (any_failed(&c->batch))
            undo_group(&c->batch);
        else
            share_rows(&c->batch);
    }
    if (is_script(&c->batch) && any_failed(&c->batch))
        undo_script(&c->batch);
    batch_committed(c);
    loop_watch(&c->watch, EPOLLIN); /* a stream may have stopped it */
    const int64_t began_ms = c->since_ms;
    db_set_state(c, CONN_IDLE);
    db_learn(c, c->since_ms - began_ms);
    c->slow = false;
    db_batch_end(c, NULL);
    if (c->stale)
        db_conn_close(c, "stale plan, or host");
    else if (c->told != NULL)
        c->told(c);
    loop_at_end_of_turn(&db_flush);
}

/* The next row of a stream: no more is read until it asks.  False: it has left. */
static bool
hand_over(struct conn *c, PGresult *r)
{
    struct op *op = c->batch.ops[c->batch.at];

    if (op->co == NULL) {
        PQclear(r);
        return false;
    }
    op->result = r;
    loop_watch(&c->watch, 0);
    co_wake(op->co);
    return true;
}

void
db_take(struct conn *c)
{
    while (c->state == CONN_BUSY && PQisBusy(c->pg) == 0) {
        PGresult *r = PQgetResult(c->pg);

        if (PQstatus(c->pg) == CONNECTION_BAD) {
            PQclear(r);
            db_conn_lost(c);
            return;
        }
        if (r == NULL) {
            next_step(c);
        } else if (PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
            PQclear(r);
            batch_done(c);
        } else if (PQresultStatus(r) == PGRES_SINGLE_TUPLE) {
            if (hand_over(c, r))
                return;
        } else {
            take_result(c, r);
        }
    }
}

void
db_receive(struct conn *c)
{
    if (PQconsumeInput(c->pg) != 1)
        db_conn_lost(c);
    else
        db_take(c);
    if (c->told != NULL)
        db_notified(c);
}
