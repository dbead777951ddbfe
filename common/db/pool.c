#include "db/internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/killpoint.h"
#include "base/metric.h"
#include "base/setting.h"

struct setting cfg_database_url = {
    .env = "DATABASE_URL",
    .kind = SETTING_TEXT,
    .meaning = "libpq connection string of this function's own role",
    .secret = true,
};

struct setting cfg_db_connections = {
    .env = "DB_CONNECTIONS",
    .kind = SETTING_INT,
    .fallback = "4",
    .meaning = "most database connections of one worker, 2 to 64",
    .min = 2,
    .max = 64,
};

struct setting cfg_db_prepare = {
    .env = "DB_PREPARE",
    .kind = SETTING_INT,
    .fallback = "1",
    .meaning = "1: prepared statements; 0: behind a transaction pooler without support for them",
    .max = 1,
};

struct setting cfg_db_idle_s = {
    .env = "DB_IDLE_S",
    .kind = SETTING_INT,
    .fallback = "60",
    .meaning = "seconds after which an unused database connection is closed",
};

struct setting *const db_settings[] = {&cfg_database_url, &cfg_db_connections, &cfg_db_prepare, &cfg_db_idle_s, NULL};

#define READ_PATIENCE_MS 5 /* reads wait this long for the shared connection */
#define RETRY_AFTER_S    1

struct db_state db;

static void conn_ready(struct loop_watch *w, uint32_t events);
static void conn_timer(struct loop_timer *t);
static void tidy(struct loop_timer *t);
static void flush(void);

static void
start(void)
{
    db.started = true;
    db.connection_max = (int)setting_int(&cfg_db_connections);
    db.prepare = setting_int(&cfg_db_prepare) != 0;
    db.idle_ms = setting_int(&cfg_db_idle_s) * 1000;
    db.look_up = db_resolve_needed(setting_text(&cfg_database_url));
    db.several = db.look_up || db_resolve_several(setting_text(&cfg_database_url));
    db.reads.last = &db.reads.first;
    db.writes.last = &db.writes.first;
    db.flush.fn = flush;
    db.tidy.fire = tidy;
    for (int i = 0; i < db.connection_max; i++) {
        db.conns[i].watch.ready = conn_ready;
        db.conns[i].timer.fire = conn_timer;
    }
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
        if (opening == 0 && db_connections() == 0) {
            db_fail_queue(&db.reads, db.last_error);
            db_fail_queue(&db.writes, db.last_error);
        }
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
        if (clock_ms() < patient_until) {
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

/* How many of the waiting writes go as one. */
static int
group_size(void)
{
    int size = 0;

    for (const struct op *op = db.writes.first; op != NULL && size < GROUP_MAX; op = op->next) {
        if (op->stmt->kind != DB_GROUPED || op->stmt != db.writes.first->stmt || op->alone)
            break;
        size++;
    }
    return MAX(size, 1);
}

static void
flush(void)
{
    while (db.writes.count > 0) {
        struct conn *c = idle_conn(true);

        if (c == NULL)
            open_for(db.writes.count, 1);
        if (c == NULL && !db_any_conn(1)) /* the server takes no more: the readers' */
            c = idle_conn(false);
        if (c == NULL)
            break;
        db_send_batch(c, &db.writes, group_size());
    }
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
    } else {
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

/* ---- the public side ---- */

/* The caller's deadline passed while its statement waits or runs. */
static void
give_up(struct op *op)
{
    op->co = NULL;
    for (int i = 0; i < db.connection_max; i++) {
        struct conn *c = &db.conns[i];

        for (int k = 0; k < c->batch.count; k++) {
            if (c->batch.ops[k] == op) {
                /* The server did not keep its own statement_timeout: it hangs, or the network
                 * does.  The op is freed with its batch. */
                db_leave_host(c);
                db_conn_close(c, "server did not answer in time");
                loop_at_end_of_turn(&db.flush); /* for those who waited for this connection */
                return;
            }
        }
    }
    db_queue_remove(db_queue_of(op), op);
    PQclear(op->result);
    free(op);
}

enum err
db_query(struct task *task, struct db_stmt *stmt, const char *const *params, size_t param_count,
         struct db_result **ret)
{
    struct op *op;
    struct db_result *result;

    MUST(param_count <= DB_PARAMS_MAX);
    if (clock_ms() >= task->deadline_ms)
        return fail_detail(&task->fail, ERR_TIMEOUT, "no time left for a statement");
    if (!db.started)
        start();
    if (stmt->prepared_id == 0)
        db_register(stmt);
    result = db_result_new(task->arena);
    op = calloc(1, sizeof *op);
    if (op == NULL)
        return fail_detail(&task->fail, ERR_UNAVAILABLE, "no memory for a statement");
    op->co = co_self();
    op->stmt = stmt;
    op->params = params;
    op->param_count = (int)param_count;
    KILL_POINT("sql", stmt->sql, "before");
    db_queue_push(db_queue_of(op), op);
    loop_at_end_of_turn(&db.flush);

    if (!co_wait_until(task->deadline_ms)) {
        give_up(op);
        return fail_detail(&task->fail, ERR_TIMEOUT, "no answer from the database in time");
    }

    KILL_POINT("sql", stmt->sql, "answered");
    const enum err e = op->err;
    if (e != ERR_OK) {
        if (e == ERR_UNAVAILABLE)
            task->fail.retry_after_s = RETRY_AFTER_S;
        (void)fail_detail(&task->fail, e, "%s", op->detail);
        PQclear(op->result);
        free(op);
        return e;
    }
    MUST(op->result != NULL);
    const bool ok = db_result_set(task->arena, result, op->result, stmt->packed);
    free(op);
    if (!ok)
        return fail_detail(&task->fail, ERR_INTERNAL, "not an array: %.80s", stmt->sql);
    *ret = result;
    return ERR_OK;
}

enum err
db_one(struct task *task, struct db_stmt *stmt, const char *const *params, size_t param_count,
       struct db_row *ret)
{
    struct db_result *result;

    TRY(db_query(task, stmt, params, param_count, &result));
    if (db_rows(result) != 1)
        return fail_detail(&task->fail, ERR_INTERNAL, "%d rows instead of one: %.80s",
                           db_rows(result), stmt->sql);
    *ret = db_row(result, 0);
    return ERR_OK;
}
