/*
 * A connection as the pool has them, which tells us when it is made, has done a batch, or is closed
 * (told): so there is always a next step, and no coroutine waits for it.
 */
#include "db/listen.h"

#include "base/clock.h"
#include "db/internal.h"

#define AGAIN_MS 1000
#define ALIVE_MS 30000

static struct db_listen *all;
static struct conn conn;
static struct loop_timer timer;
static bool asked;     /* all LISTENs have been sent on this connection … */
static bool listening; /* … and run */
static bool before;    /* on an earlier one too */

static void
send_listens(void)
{
    struct queue q = {.last = &q.first};

    asked = true;
    for (const struct db_listen *l = all; l != NULL; l = l->next)
        db_queue_push(&q, db_own_op("LISTEN \"%s\"", l->channel));
    db_send_batch(&conn, &q, (int)q.count);
}

static void
told(struct conn *c)
{
    if (c->state == CONN_CLOSED) {
        asked = false;
        listening = false;
        loop_timer_set(&timer, clock_ms() + AGAIN_MS);
    } else if (!asked) {
        send_listens();
    } else if (!listening) {
        listening = true;
        loop_timer_set(&timer, clock_ms() + ALIVE_MS);
        for (const struct db_listen *l = all; before && l != NULL; l = l->next)
            l->missed();
        before = true;
    }
}

static void
timer_fired(struct loop_timer *t)
{
    struct queue q = {.last = &q.first};

    if (conn.state == CONN_CLOSED) {
        db_connect_start(&conn);
    } else if (conn.state == CONN_IDLE) {
        loop_timer_set(t, clock_ms() + ALIVE_MS);
        db_queue_push(&q, db_own_op("SELECT 1"));
        db_send_batch(&conn, &q, 1);
    } else if (conn.state == CONN_BUSY) {
        db_conn_close(&conn, "no sign of life");
    }
}

void
db_notified(struct conn *c)
{
    for (PGnotify *n; c->pg != NULL && (n = PQnotifies(c->pg)) != NULL; PQfreemem(n))
        for (const struct db_listen *l = all; l != NULL; l = l->next)
            if (strcmp(l->channel, n->relname) == 0)
                l->notified(n->extra);
}

void
db_listen(struct db_listen *l)
{
    MUST(strchr(l->channel, '"') == NULL && l->notified != NULL && l->missed != NULL);
    l->next = all;
    all = l;
    if (timer.fire == NULL) {
        timer.fire = timer_fired;
        conn.told = told;
        db_conn_init(&conn, db_state_of(NULL));
        db_connect_start(&conn);
    } else {
        asked = false; /* LISTEN once more does no harm */
        if (conn.state == CONN_IDLE)
            send_listens();
    }
}
