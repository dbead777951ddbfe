/*
 * Texts made at run time that a connection keeps prepared: the MADE_MAX it used last.  One that has
 * to go is dropped by a statement of the batch that takes its place, so that it costs no round trip
 * of its own.
 */
#include "db/internal.h"

#include <stdlib.h>

static struct db_stmt deallocate = {.sql = "DEALLOCATE", .kind = DB_WRITE};

struct drop {
    struct op op;
    char sql[32];
};

/* Nobody waits for it: it is freed with its batch.  NULL: no memory. */
static struct op *
drop_op(uint32_t number)
{
    struct drop *d = calloc(1, sizeof *d);

    if (d == NULL)
        return NULL;
    (void)snprintf(d->sql, sizeof d->sql, "DEALLOCATE d%u", number);
    d->op.stmt = &deallocate;
    d->op.sql = d->sql;
    return &d->op;
}

struct op *
db_made_place(struct conn *c, struct op *op)
{
    struct made *oldest = &c->made[0];
    struct op *drop = NULL;

    op->number = 0;
    op->prepare = false;
    if (!db.prepare)
        return NULL;
    c->made_turn++;
    for (struct made *m = c->made; m < c->made + MADE_MAX; m++) {
        if (m->number != 0 && memcmp(m->key, op->key, sizeof m->key) == 0) {
            m->turn = c->made_turn;
            op->number = m->number;
            return NULL;
        }
        if (m->turn < oldest->turn)
            oldest = m;
    }
    if (oldest->number != 0 && (drop = drop_op(oldest->number)) == NULL)
        return NULL;
    *oldest = (struct made){.number = ++c->made_number, .turn = c->made_turn};
    memcpy(oldest->key, op->key, sizeof oldest->key);
    op->number = oldest->number;
    op->prepare = true;
    return drop;
}

void
db_made_forget(struct conn *c, const struct op *op)
{
    for (struct made *m = c->made; m < c->made + MADE_MAX; m++)
        if (m->number == op->number)
            *m = (struct made){0};
}

void
db_made_not_dropped(struct conn *c, const struct op *op)
{
    if (op->stmt == &deallocate && ++c->made_left == MADE_MAX)
        c->stale = true;
}
