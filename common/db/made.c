/*
 * Texts made at run time that a connection keeps prepared: the MADE_MAX it used last.  One that has
 * to go is dropped by a statement of the batch that takes its place, so that it costs no round trip
 * of its own.
 */
#include "db/internal.h"

#include <stdarg.h>
#include <stdlib.h>

static struct db_stmt own = {.sql = "statement of db's own", .kind = DB_WRITE};

struct own_op {
    struct op op;
    char sql[96];
};

struct op *
db_own_op(const char *fmt, ...)
{
    struct own_op *o = calloc(1, sizeof *o);
    va_list va;

    if (o == NULL)
        die("no memory for a statement");
    va_start(va, fmt);
    MUST(vsnprintf(o->sql, sizeof o->sql, fmt, va) < (int)sizeof o->sql);
    va_end(va);
    o->op.stmt = &own;
    o->op.sql = o->sql;
    return &o->op;
}

struct op *
db_made_place(struct conn *c, struct op *op)
{
    struct made *oldest = &c->made[0];
    struct op *drop = NULL;

    op->number = 0;
    op->prepare = false;
    if (!c->pool->prepare || op->stmt == &own)
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
    if (oldest->number != 0)
        drop = db_own_op("DEALLOCATE d%u", oldest->number);
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
db_own_failed(struct conn *c, const struct op *op)
{
    if (op->stmt == &own && (c->told != NULL || ++c->made_left == MADE_MAX))
        c->stale = true;
}
