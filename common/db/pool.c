/*
 * Which work goes to which connection.  Connection 0 is shared by reads, the others belong to one
 * write (or group) at a time; when one side has none it borrows of the other.
 *
 * Read flush first: it runs once at the end of each turn in which something was queued, and
 * whenever a connection is free again.
 */
#include "db/internal.h"

#include "base/clock.h"
#include "base/setting.h"

#define READ_PATIENCE_MS 5 /* reads wait this long for the shared connection */

struct db_state db;

static void conn_ready(struct loop_watch *w, uint32_t events);
static void conn_timer(struct loop_timer *t);
static void tidy(struct loop_timer *t);
static void flush(void);

void
db_start(void)
{
    db.started = true;
    db.connection_max = (int)setting_int(&cfg_db_connections);
    db.prepare = setting_int(&cfg_db_prepare) != 0;
    db.idle_ms = setting_int(&cfg_db_idle_s) * 1000;
    db.look_up = db_hosts_need_lookup(setting_text(&cfg_database_url));
    db.several = db.look_up || db_hosts_several(setting_text(&cfg_database_url));
    db.reads.last = &db.reads.first;
    db.writes.last = &db.writes.first;
    db.slow.last = &db.slow.first;
    db.slow_max = MAX(db.connection_max - 2, 1);
    db.flush.fn = flush;
    db.tidy.fire = tidy;
    for (int i = 0; i < db.connection_max; i++)
        db_conn_init(&db.conns[i]);
}

void
db_conn_init(struct conn *c)
{
    c->watch.ready = conn_ready;
    c->timer.fire = conn_timer;
}

/* ---- which work goes where ---- */

/* An idle connection; with `but_first` not the one that reads share. */
static struct conn *
idle_conn(bool but_first)
{
    for (int i = but_first ? 1 : 0; i < db.connection_max; i++)
        if (db.conns[i].state == CONN_IDLE)
            return &db.conns[i];
    return NULL;
}

/* Open a connection for work that waits, unless enough are being opened. */
static void
open_for(size_t waiting, int first)
{
    size_t opening = 0;

    for (int i = 0; i < db.connection_max; i++)
        opening += db.conns[i].state == CONN_CONNECTING;
    if (clock_ms() < db.no_connect_before_ms) {
        if (opening == 0 && db_connections() == 0)
            db_fail_all(db.last_error);
        return;
    }
    for (int i = first; i < db.connection_max && opening < waiting; i++) {
        if (db.conns[i].state != CONN_CLOSED)
            continue;
        opening++;
        db_connect_start(&db.conns[i]);
        if (db.conns[i].state == CONN_CLOSED)
            return; /* failed at once */
    }
}

static void
send_reads(void)
{
    struct conn *shared = &db.conns[0];

    while (db.reads.count > 0) {
        if (shared->state == CONN_IDLE) {
            db_send_batch(shared, &db.reads, BATCH_MAX);
            continue;
        }
        if (shared->state == CONN_CLOSED)
            open_for(1, 0);
        if (shared->state == CONN_CONNECTING)
            return;
        if (shared->state == CONN_CLOSED) { /* the server takes no more: one of the writers' */
            struct conn *other = idle_conn(true);

            if (other == NULL)
                return;
            db_send_batch(other, &db.reads, BATCH_MAX);
            continue;
        }

        const int64_t patient_until = shared->since_ms + READ_PATIENCE_MS;
        if (!shared->late && clock_ms() < patient_until) {
            loop_timer_set(&shared->timer, patient_until);
            return;
        }
        struct conn *other = idle_conn(true);
        if (other == NULL) {
            open_for(1, 1);
            return;
        }
        db_send_batch(other, &db.reads, BATCH_MAX);
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
any_for_writes(void)
{
    for (int i = 1; i < db.connection_max; i++)
        if (db.conns[i].state != CONN_CLOSED && !db.conns[i].slow)
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

/* Send the first of those that own their connection; false: there is none for it. */
static bool
send_first(struct queue *q, int most)
{
    struct conn *c = idle_conn(true);

    if (c == NULL)
        open_for(wanted(q, most), 1);
    if (c == NULL && !any_for_writes()) /* the server takes no more: the readers' */
        c = idle_conn(false);
    if (c == NULL)
        return false;
    c->slow = q == &db.slow;
    db_send_batch(c, q, group_size(q));
    return true;
}

/* Connections left for what is slow. */
static int
left_for_slow(void)
{
    int n = db.slow_max;

    for (int i = 0; i < db.connection_max; i++)
        n -= db.conns[i].slow;
    return n;
}

static void
flush(void)
{
    while (db.writes.count > 0 && send_first(&db.writes, db.connection_max))
        ;
    for (int left; db.slow.count > 0 && (left = left_for_slow()) > 0;)
        if (!send_first(&db.slow, left))
            break;
    send_reads();
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
        send_reads(); /* the shared connection has been busy for too long */
    }
}

static void
tidy(struct loop_timer *t UNUSED)
{
    const int64_t now = clock_ms();

    for (int i = 0; i < db.connection_max; i++)
        if (db.conns[i].state == CONN_IDLE && now - db.conns[i].since_ms >= db.idle_ms)
            db_conn_close(&db.conns[i], NULL);
    if (db_connections() > 0)
        loop_timer_set(&db.tidy, now + TIDY_EVERY_MS);
}
