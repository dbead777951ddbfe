/*
 * Statements whose callers gave up: the deadline passed while they wait or run.
 *
 * A late statement takes nobody with it.  Reads behind it or before it in its batch are sent again
 * on another connection; the members of a group go on waiting, each for its own deadline.  When
 * nobody waits for a batch any more, the server is told to cancel it, and until it says that it
 * has, the connection keeps its place among those of its pool: abandoned work is work all the same.
 */
#include "db/internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "loop/offload.h"
#include "loop/wait.h"

#define CANCEL_MS 1000 /* for the server to do it; then it hangs, or the network does */

struct batch_place {
    struct conn *conn;
    int at;
};

static struct batch_place
find(const struct op *op)
{
    struct db_state *pool = op->pool;

    for (int i = 0; i < pool->connection_max; i++)
        for (int k = 0; k < pool->conns[i].batch.count; k++)
            if (pool->conns[i].batch.ops[k] == op)
                return (struct batch_place){&pool->conns[i], k};
    return (struct batch_place){0};
}

struct conn *
db_conn_of(const struct op *op)
{
    return find(op).conn;
}

/* ---- cancelling ---- */

/* In a thread of the pool: libpq makes a connection for it, and waits in place. */
static void
send_cancel(void *cancel)
{
    char error[256];

    (void)PQcancel(cancel, error, sizeof error);
}

static void
free_cancel(void *cancel)
{
    PQfreeCancel(cancel);
}

static void
cancel_on_coroutine(void *cancel)
{
    if (offload(OFFLOAD_CANCEL, send_cancel, cancel, free_cancel, clock_ms() + CANCEL_MS))
        free_cancel(cancel);
}

/* The answer ends the batch (db_receive), the timer a server that gives none (db_late_timer).  The
 * connection is not used again: a cancel that comes late would hit its next batch. */
static void
cancel(struct conn *c)
{
    PGcancel *cancel = PQgetCancel(c->pg);

    c->late = true;
    c->stale = true;
    loop_timer_set(&c->timer, clock_ms() + CANCEL_MS);
    if (cancel != NULL)
        co_start(cancel_on_coroutine, cancel);
}

void
db_late_timer(struct conn *c)
{
    db_leave_host(c);
    db_conn_close(c, "server did not answer in time");
    loop_at_end_of_turn(&db_flush); /* for those who waited for this connection */
}

/* ---- giving up ---- */

/* Somebody takes the place of a read in its batch, so that the read can be sent again.  Without
 * memory it waits on where it is. */
static void
send_read_again(struct batch *b, int at)
{
    struct op *op = b->ops[at];
    struct op *instead = malloc(sizeof *instead);

    if (instead == NULL)
        return;
    *instead = *op;
    instead->co = NULL;
    b->ops[at] = instead; /* and its result goes with it */
    op->result = NULL;
    op->err = ERR_OK;
    op->failed = false;
    op->aborted = false;
    db_queue_push(db_queue_of(op), op);
    loop_at_end_of_turn(&db_flush);
}

/* What others still wait for is sent again, and what nobody waits for is ended. */
static void
leave(struct conn *c)
{
    struct batch *b = &c->batch;
    bool waited_for = false;

    for (int i = 0; i < b->count; i++) {
        if (b->ops[i]->co != NULL && db_is_read(b->ops[i]))
            send_read_again(b, i);
        waited_for = waited_for || b->ops[i]->co != NULL;
    }
    if (!waited_for && !c->late)
        cancel(c);
}

void
db_break_up(struct conn *c)
{
    for (int i = 0; i < c->batch.count; i++)
        c->batch.ops[i]->apart = true; /* one of them is slow */
    leave(c);
}

void
db_give_up(struct op *op)
{
    const struct batch_place place = find(op);

    op->co = NULL;
    if (place.conn == NULL) {
        db_queue_remove(db_queue_of(op), op);
        PQclear(op->result);
        free(op);
        return;
    }
    leave(place.conn); /* the op is freed with its batch */
}
