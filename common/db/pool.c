/*
 * Which work goes to which connection of its pool.  Connection 0 is shared by reads, the others
 * belong to one write (or group) at a time; when one side has none it borrows of the other, and so
 * does what is quick when what is slow has all of the others.
 *
 * Read flush first: it runs once at the end of each turn in which something was queued, and
 * whenever a connection is free again.
 */
#include "db/internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/setting.h"

#define READ_PATIENCE_MS 5 /* reads wait this long for the shared connection */

static void conn_ready(struct loop_watch *w, uint32_t events);
static void conn_timer(struct loop_timer *t);
static void tidy(struct loop_timer *t);
static void flush(void);

static struct db_state *pools; /* that have begun */
struct loop_hook db_flush = {.fn = flush};
struct loop_timer db_tidy = {.fire = tidy};

void
db_pool_start(struct db_pool *pool)
{
    const int connection_max = (int)setting_int(pool->connections);

    MUST(connection_max >= 2); /* the readers', and one for writes */
    struct db_state *p = calloc(1, sizeof *p + (size_t)connection_max * sizeof p->conns[0]);
    if (p == NULL)
        die("no memory for a pool");
    p->connection_max = connection_max;
    p->url = setting_text(pool->url);
    p->prepare = setting_int(&cfg_db_prepare) != 0;
    p->idle_ms = setting_int(&cfg_db_idle_s) * 1000;
    p->look_up = db_hosts_need_lookup(p->url);
    p->several = p->look_up || db_hosts_several(p->url);
    p->reads.last = &p->reads.first;
    p->writes.last = &p->writes.first;
    p->slow.last = &p->slow.first;
    p->slow_max = MAX(connection_max - 2, 1);
    for (int i = 0; i < connection_max; i++)
        db_conn_init(&p->conns[i], p);
    p->next = pools;
    pools = p;
    pool->state = p;
}

void
db_conn_init(struct conn *c, struct db_state *pool)
{
    c->pool = pool;
    c->watch.ready = conn_ready;
    c->timer.fire = conn_timer;
}

static size_t
open_connections(const struct db_state *p)
{
    size_t n = 0;

    for (int i = 0; i < p->connection_max; i++)
        n += p->conns[i].state == CONN_IDLE || p->conns[i].state == CONN_BUSY;
    return n;
}

size_t
db_connections(void)
{
    size_t n = 0;

    for (const struct db_state *p = pools; p != NULL; p = p->next)
        n += open_connections(p);
    return n;
}

/* ---- which work goes where ---- */

/* An idle connection; with `but_first` not the one that reads share. */
static struct conn *
idle_conn(struct db_state *p, bool but_first)
{
    for (int i = but_first ? 1 : 0; i < p->connection_max; i++)
        if (p->conns[i].state == CONN_IDLE)
            return &p->conns[i];
    return NULL;
}

/* Open a connection for work that waits, unless enough are being opened. */
static void
open_for(struct db_state *p, size_t waiting, int first)
{
    size_t opening = 0;

    for (int i = 0; i < p->connection_max; i++)
        opening += p->conns[i].state == CONN_CONNECTING;
    if (clock_ms() < p->no_connect_before_ms) {
        if (!db_any_conn(p))
            db_fail_all(p);
        return;
    }
    for (int i = first; i < p->connection_max && opening < waiting; i++) {
        if (p->conns[i].state != CONN_CLOSED)
            continue;
        opening++;
        db_connect_start(&p->conns[i]);
        if (p->conns[i].state == CONN_CLOSED)
            return; /* failed at once */
    }
}

static void
send_reads(struct db_state *p)
{
    struct conn *shared = &p->conns[0];

    while (p->reads.count > 0) {
        if (shared->state == CONN_IDLE) {
            db_send_batch(shared, &p->reads, BATCH_MAX);
            continue;
        }
        if (shared->state == CONN_CLOSED)
            open_for(p, 1, 0);
        if (shared->state == CONN_CONNECTING)
            return;
        if (shared->state == CONN_CLOSED) { /* the server takes no more: one of the writers' */
            struct conn *other = idle_conn(p, true);

            if (other == NULL)
                return;
            db_send_batch(other, &p->reads, BATCH_MAX);
            continue;
        }

        const int64_t patient_until = shared->since_ms + READ_PATIENCE_MS;
        if (!shared->late && clock_ms() < patient_until) {
            loop_timer_set(&shared->timer, patient_until);
            return;
        }
        struct conn *other = idle_conn(p, true);
        if (other == NULL) {
            open_for(p, 1, 1);
            return;
        }
        db_send_batch(other, &p->reads, BATCH_MAX);
    }
}

/* How many of the waiting ones go as one. */
static int
group_size(const struct queue *q)
{
    int size = 0;

    if (q->first->steps > 0)
        return q->first->steps;
    for (const struct op *op = q->first; op != NULL && size < GROUP_MAX; op = op->next) {
        if (op->stmt->kind != DB_GROUPED || op->stmt != q->first->stmt || op->alone ||
            op->steps > 0)
            break;
        size++;
    }
    return MAX(size, 1);
}

/* Whether those from 1 on have, or will have, one that is not taken by what is slow. */
static bool
any_for_writes(const struct db_state *p)
{
    for (int i = 1; i < p->connection_max; i++)
        if (p->conns[i].state != CONN_CLOSED && !p->conns[i].slow)
            return true;
    return false;
}

/* How many connections the waiting ones could use, `most` at most. */
static size_t
wanted(const struct queue *q, int most)
{
    const struct op *op = q->first;
    int n = 0;

    for (; op != NULL && n < most; n++)
        for (int steps = MAX(op->steps, 1); steps > 0; steps--)
            op = op->next;
    return (size_t)n;
}

/* Does one of the connections that are taken by what is slow work for them? */
static bool
has_slow(const struct db_state *p, uint64_t asker)
{
    for (int i = 1; i < p->connection_max; i++) {
        const struct conn *c = &p->conns[i];

        if (c->slow && c->state == CONN_BUSY && c->batch.ops[c->batch.count - 1]->asker == asker)
            return true;
    }
    return false;
}

/* The first of those who have none of them comes to the front; false: there is nobody. */
static bool
bring_forward(const struct db_state *p, struct queue *q)
{
    struct op *last;

    for (struct op **at = &q->first; *at != NULL; at = &last->next) {
        struct op *first = *at;

        last = db_last_step(first);
        if (first->asker != 0 && has_slow(p, first->asker))
            continue;
        if (at != &q->first) {
            *at = last->next;
            if (last->next == NULL)
                q->last = at;
            last->next = q->first;
            q->first = first;
        }
        return true;
    }
    return false;
}

/* Send the first of those that own their connection; false: there is none for it. */
static bool
send_first(struct db_state *p, struct queue *q, int most)
{
    struct conn *c = idle_conn(p, true);

    if (c == NULL)
        open_for(p, wanted(q, most), 1);
    /* The server takes no more, or all are slow: the readers'. */
    if (c == NULL && !any_for_writes(p) && bring_forward(p, q)) {
        if (p->conns[0].state == CONN_CLOSED)
            open_for(p, 1, 0);
        c = idle_conn(p, false);
    }
    if (c == NULL)
        return false;
    c->slow = q == &p->slow;
    db_send_batch(c, q, group_size(q));
    return true;
}

/* Connections left for what is slow. */
static int
left_for_slow(const struct db_state *p)
{
    int n = p->slow_max;

    for (int i = 0; i < p->connection_max; i++)
        n -= p->conns[i].slow;
    return n;
}

static void
send_writes(struct db_state *p)
{
    while (p->writes.count > 0 && send_first(p, &p->writes, p->connection_max))
        ;
}

static void
flush_pool(struct db_state *p)
{
    send_writes(p);
    if (p->writes.count > 0) {
        db_notice_slow(p);
        send_writes(p);
    }
    for (int left; p->slow.count > 0 && (left = left_for_slow(p)) > 0;)
        if (!send_first(p, &p->slow, left))
            break;
    send_reads(p);
}

static void
flush(void)
{
    for (struct db_state *p = pools; p != NULL; p = p->next)
        flush_pool(p);
}

static void
conn_ready(struct loop_watch *w, uint32_t events)
{
    struct conn *c = CONTAINER_OF(w, struct conn, watch);

    if (c->state == CONN_CONNECTING) {
        db_connect_step(c);
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        const int left = PQflush(c->pg);

        if (left < 0) {
            db_conn_lost(c);
            return;
        }
        if (left == 0) {
            db_batch_sent(&c->batch);
            loop_watch(&c->watch, EPOLLIN);
        }
    }
    if ((events & ~(uint32_t)EPOLLOUT) != 0)
        db_receive(c);
}

static void
conn_timer(struct loop_timer *t)
{
    struct conn *c = CONTAINER_OF(t, struct conn, timer);

    if (c->state == CONN_CONNECTING) {
        if (c->pg != NULL) {
            db_note_host(c);
            db_leave_host(c);
        }
        db_connect_failed(c);
    } else if (c->late) {
        db_late_timer(c);
    } else if (db_may_break_up(&c->batch) && clock_ms() >= c->since_ms + BREAK_UP_MS) {
        db_break_up(c);
    } else {
        if (db_may_break_up(&c->batch))
            loop_timer_set(t, c->since_ms + BREAK_UP_MS);
        flush_pool(c->pool); /* the shared connection has been busy for too long, or one is slow */
    }
}

static void
tidy(struct loop_timer *t UNUSED)
{
    const int64_t now = clock_ms();

    for (struct db_state *p = pools; p != NULL; p = p->next)
        for (int i = 0; i < p->connection_max; i++)
            if (p->conns[i].state == CONN_IDLE && now - p->conns[i].since_ms >= p->idle_ms)
                db_conn_close(&p->conns[i], NULL);
    if (db_connections() > 0)
        loop_timer_set(&db_tidy, now + TIDY_EVERY_MS);
}
