/* Statements that wait for a connection, and how each ends: its caller goes on, or is long gone. */
#include "db/internal.h"

#include <stdlib.h>
#include <string.h>

#include "loop/wait.h"

void
db_queue_push(struct queue *q, struct op *op)
{
    op->next = NULL;
    *q->last = op;
    q->last = &op->next;
    q->count++;
}

struct op *
db_queue_pop(struct queue *q)
{
    struct op *op = q->first;

    if (op != NULL) {
        q->first = op->next;
        if (q->first == NULL)
            q->last = &q->first;
        q->count--;
    }
    return op;
}

void
db_queue_remove(struct queue *q, const struct op *op)
{
    for (struct op **p = &q->first; *p != NULL; p = &(*p)->next) {
        if (*p != op)
            continue;
        *p = op->next;
        if (op->next == NULL)
            q->last = p;
        q->count--;
        return;
    }
}

struct queue *
db_queue_of(const struct op *op)
{
    if (op->slow)
        return &op->pool->slow;
    return db_is_read(op) && !op->apart ? &op->pool->reads : &op->pool->writes;
}

/* ---- the end of an op ---- */

void
db_op_done(struct op *op)
{
    op->done = true;
    if (op->co == NULL) { /* nobody waits any more */
        PQclear(op->result);
        free(op);
        return;
    }
    co_wake(op->co);
}

void
db_op_fail(struct op *op, enum err e, const char *why)
{
    const size_t len = MIN(strlen(why), sizeof op->detail - 1);

    op->err = e;
    memcpy(op->detail, why, len);
    op->detail[len] = '\0';
    db_op_done(op);
}

void
db_fail_all(struct db_state *pool)
{
    struct queue *const all[] = {&pool->reads, &pool->writes, &pool->slow};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        for (struct op *op; (op = db_queue_pop(all[i])) != NULL;)
            db_op_fail(op, ERR_UNAVAILABLE, pool->last_error);
}
