#include "db.h"

#include <libpq-fe.h>
#include <stdlib.h>

#include "config.h"
#include "crypto.h"
#include "db_array.h"
#include "db_resolve.h"
#include "killpoint.h"
#include "loop.h"
#include "metrics.h"

#define CONNECTIONS_MAX    64
#define STATEMENTS_MAX     64 /* different statements of one function; fits the prepared mask */
#define BATCH_MAX          64
#define GROUP_MAX          16 /* grouped writes of one commit */
#define CONNECT_TIMEOUT_MS 2000
#define BACKOFF_MIN_MS     50
#define BACKOFF_MAX_MS     2000
#define READ_PATIENCE_MS   5 /* reads wait this long for the shared connection */
#define TIDY_EVERY_MS      5000
#define RETRY_AFTER_S      1

/* ---- one statement on its way ---- */

struct op {
    struct op *next;
    struct co *co; /* NULL: the caller gave up */
    struct db_stmt *stmt;
    const char *const *params;
    int param_count;
    PGresult *result;
    enum err err;
    char detail[512];
    bool failed;     /* by itself */
    bool aborted;    /* by a neighbour in its batch */
    bool sent_again; /* after a reconnect for a stale prepared statement */
    bool alone;      /* its group failed: not grouped again */
};

struct queue {
    struct op *first, **last;
    size_t count;
};

/* What a connection is waiting for: for each op a Parse (when `prepare`) and a result, then the
 * sync. */
struct batch {
    struct op *ops[BATCH_MAX];
    bool prepare[BATCH_MAX];
    int count;
    int at; /* op whose answers are being read; == count: the sync */
    bool at_query;
};

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_IDLE, CONN_BUSY };

struct conn {
    enum conn_state state;
    PGconn *pg;
    struct loop_watch watch;
    struct loop_timer timer; /* connect timeout; patience of waiting reads */
    struct batch batch;
    uint64_t prepared;
    int64_t since_ms; /* start of the present state */
    bool stale;       /* close when the batch is done */
    bool not_replicated; /* the standby does not have the batch's commit */
    uint64_t attempt;    /* which connecting this is: a lookup may outlast it */
    unsigned host;       /* which of several it has got to */
    struct db_addresses addresses;
};

static struct {
    bool started;
    int connection_max;
    bool prepare;
    bool look_up;     /* DATABASE_URL has host names */
    bool several;     /* … or several hosts: */
    unsigned at_host; /* the one that served last; connecting begins there */
    int64_t idle_ms;
    struct conn conns[CONNECTIONS_MAX];
    struct queue reads, writes;
    struct loop_hook flush;
    struct loop_timer tidy;
    struct db_stmt *statements[STATEMENTS_MAX];
    int statement_count;
    int64_t backoff_ms;
    int64_t no_connect_before_ms;
    char last_error[256];
} db;

static void conn_ready(struct loop_watch *w, uint32_t events);
static void conn_timer(struct loop_timer *t);
static void tidy(struct loop_timer *t);
static void flush(void);

static void
start(void)
{
    db.started = true;
    db.connection_max = (int)config_int(CFG_DB_CONNECTIONS);
    db.prepare = config_int(CFG_DB_PREPARE) != 0;
    db.idle_ms = config_int(CFG_DB_IDLE_S) * 1000;
    db.look_up = db_resolve_needed(config_text(CFG_DATABASE_URL));
    db.several = db.look_up || db_resolve_several(config_text(CFG_DATABASE_URL));
    db.reads.last = &db.reads.first;
    db.writes.last = &db.writes.first;
    db.flush.fn = flush;
    db.tidy.fire = tidy;
    for (int i = 0; i < db.connection_max; i++) {
        db.conns[i].watch.ready = conn_ready;
        db.conns[i].timer.fire = conn_timer;
    }
}

/* ---- queues ---- */

static void
queue_push(struct queue *q, struct op *op)
{
    op->next = NULL;
    *q->last = op;
    q->last = &op->next;
    q->count++;
}

static struct op *
queue_pop(struct queue *q)
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

static void
queue_remove(struct queue *q, const struct op *op)
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

static struct queue *
queue_of(const struct op *op)
{
    return op->stmt->kind == DB_READ ? &db.reads : &db.writes;
}

/* ---- the end of an op ---- */

static void
op_done(struct op *op)
{
    if (op->co == NULL) { /* nobody waits any more */
        PQclear(op->result);
        free(op);
        return;
    }
    co_wake(op->co);
}

static void
op_fail(struct op *op, enum err e, const char *why)
{
    const size_t len = MIN(strlen(why), sizeof op->detail - 1);

    op->err = e;
    memcpy(op->detail, why, len);
    op->detail[len] = '\0';
    op_done(op);
}

static void
fail_queue(struct queue *q, const char *why)
{
    for (struct op *op; (op = queue_pop(q)) != NULL;)
        op_fail(op, ERR_UNAVAILABLE, why);
}

/* SQLSTATE classes: PostgreSQL manual, appendix A. */
static enum err
err_of_sqlstate(const char *state)
{
    static const struct {
        const char *prefix;
        enum err err;
    } table[] = {
        {"08", ERR_UNAVAILABLE},    /* connection */
        {"53", ERR_UNAVAILABLE},    /* out of resources: disk, memory, connections */
        {"55P03", ERR_UNAVAILABLE}, /* lock_timeout */
        {"57014", ERR_TIMEOUT},     /* statement_timeout */
        {"57P", ERR_UNAVAILABLE},   /* shutdown, crash, cannot connect now */
        {"25006", ERR_UNAVAILABLE}, /* read-only: a standby */
        {"58", ERR_UNAVAILABLE},    /* system error: I/O */
        {"23505", ERR_CONFLICT},  {"40001", ERR_CONFLICT}, {"40P01", ERR_CONFLICT},
    };

    for (size_t i = 0; state != NULL && i < ARRAY_LEN(table); i++)
        if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].err;
    return state == NULL ? ERR_UNAVAILABLE : ERR_INTERNAL;
}

static bool
is_stale_plan(const char *state)
{
    return state != NULL && (strcmp(state, "26000") == 0 || strcmp(state, "0A000") == 0);
}

static void
describe(struct op *op, const PGresult *r)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    const char *where = PQresultErrorField(r, PG_DIAG_CONTEXT);

    op->err = err_of_sqlstate(state);
    (void)snprintf(op->detail, sizeof op->detail, "SQLSTATE %s: %s%s%.200s",
                   state == NULL ? "none" : state, text == NULL ? PQresultErrorMessage(r) : text,
                   where == NULL ? "" : " | ", where == NULL ? "" : where);
}

/* ---- connections ---- */

static void
set_state(struct conn *c, enum conn_state state)
{
    c->state = state;
    c->since_ms = clock_ms();
}

/* Give the batch's ops back: reads that were only neighbours go to the queue again. */
static void
batch_end(struct conn *c, const char *lost)
{
    struct batch *b = &c->batch;
    const int count = b->count;

    b->count = 0;
    for (int i = 0; i < count; i++) {
        struct op *op = b->ops[i];

        if (lost != NULL) {
            PQclear(op->result);
            op->result = NULL;
            op_fail(op, ERR_UNAVAILABLE, lost);
        } else if (op->aborted && !op->failed && op->co != NULL) {
            op->aborted = false;
            queue_push(queue_of(op), op);
            loop_at_end_of_turn(&db.flush);
        } else {
            op_done(op);
        }
    }
}

static void
conn_close(struct conn *c, const char *why)
{
    loop_timer_clear(&c->timer);
    if (c->pg != NULL) {
        loop_watch(&c->watch, 0);
        PQfinish(c->pg);
        c->pg = NULL;
    }
    db_resolve_release(&c->addresses);
    c->prepared = 0;
    c->stale = false;
    c->not_replicated = false;
    set_state(c, CONN_CLOSED);
    batch_end(c, why);
}

size_t
db_connections(void)
{
    size_t n = 0;

    for (int i = 0; i < db.connection_max; i++)
        n += db.conns[i].state == CONN_IDLE || db.conns[i].state == CONN_BUSY;
    return n;
}

/* Whether one from `first` on is there or coming. */
static bool
any_conn(int first)
{
    for (int i = first; i < db.connection_max; i++)
        if (db.conns[i].state != CONN_CLOSED)
            return true;
    return false;
}

/* Keep libpq's words, on one line: they are gone when the connection is closed. */
static const char *
note_error(const char *what, const PGconn *pg)
{
    (void)snprintf(db.last_error, sizeof db.last_error, "%s: %s", what,
                   pg == NULL ? "the host name cannot be looked up" : PQerrorMessage(pg));
    for (char *p = db.last_error; *p != '\0'; p++)
        if (*p == '\n')
            *p = ' ';
    return db.last_error;
}

/* No connection to be had: with none open there is nothing to wait for. */
static void
connect_failed(struct conn *c)
{
    conn_close(c, note_error("cannot connect", c->pg));
    db.backoff_ms = MIN(MAX(db.backoff_ms * 2, BACKOFF_MIN_MS), BACKOFF_MAX_MS);

    uint32_t jitter;
    crypto_random(&jitter, sizeof jitter);
    db.no_connect_before_ms =
        clock_ms() + db.backoff_ms / 2 + (int64_t)(jitter % (uint32_t)db.backoff_ms);
    if (!any_conn(0)) {
        fail_queue(&db.reads, db.last_error);
        fail_queue(&db.writes, db.last_error);
    } else {
        loop_at_end_of_turn(&db.flush); /* what waited for this one takes another */
    }
}

/* Where among several hosts libpq is with this connection. */
static void
note_host(struct conn *c)
{
    if (c->addresses.hosts != NULL)
        c->host =
            db_resolve_which(&c->addresses, PQhost(c->pg), PQhostaddr(c->pg), PQport(c->pg));
}

/* This host hangs, or cannot do its work: go to the next one.  Connections that are in use end
 * with what they do. */
static void
leave_host(const struct conn *c)
{
    if (!db.several)
        return;
    db.at_host = c->host + 1;
    for (int i = 0; i < db.connection_max; i++) {
        struct conn *other = &db.conns[i];

        if (other->host != c->host)
            continue;
        if (other->state == CONN_IDLE)
            conn_close(other, NULL);
        else if (other->state == CONN_BUSY)
            other->stale = true;
    }
}

/* A commit that waits for a synchronous standby and is cancelled is reported as done, with a
 * warning (01000, like any other) in the server's language: the function that gives it tells it. */
static void
notice(void *conn, const PGresult *r)
{
    struct conn *c = conn;
    const char *from = PQresultErrorField(r, PG_DIAG_SOURCE_FUNCTION);

    if (from != NULL && strcmp(from, "SyncRepWaitForLSN") == 0)
        c->not_replicated = true;
}

static void
connected(struct conn *c)
{
    loop_timer_clear(&c->timer);
    note_host(c);
    db.at_host = c->host;
    db_resolve_release(&c->addresses);
    if (PQsetnonblocking(c->pg, 1) != 0 || PQenterPipelineMode(c->pg) != 1) {
        connect_failed(c);
        return;
    }
    db.backoff_ms = 0;
    metrics_add(METRIC_DB_CONNECTS, 1);
    loop_watch(&c->watch, EPOLLIN);
    set_state(c, CONN_IDLE);
    if (db.tidy.slot == 0)
        loop_timer_set(&db.tidy, clock_ms() + TIDY_EVERY_MS);
    loop_at_end_of_turn(&db.flush);
}

static void
connect_step(struct conn *c)
{
    /* libpq may close this descriptor, go on to the next address and get the same number again. */
    loop_watch(&c->watch, 0);
    const PostgresPollingStatusType step = PQconnectPoll(c->pg);

    if (step == PGRES_POLLING_FAILED) {
        connect_failed(c);
        return;
    }
    c->watch.fd = PQsocket(c->pg);
    if (step == PGRES_POLLING_OK)
        connected(c);
    else
        loop_watch(&c->watch, step == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT);
}

/* The lists of hosts, if there are any, override the connection string's. */
static void
connect_to(struct conn *c)
{
    const struct db_addresses *a = c->addresses.hosts == NULL ? NULL : &c->addresses;
    const char *const keys[] = {
        "dbname", "fallback_application_name", a == NULL ? NULL : "host", "hostaddr", "port", NULL};
    const char *const values[] = {config_text(CFG_DATABASE_URL), "flashfundx",
                                  a == NULL ? NULL : a->hosts, a == NULL ? NULL : a->addresses,
                                  a == NULL ? NULL : a->ports, NULL};

    c->pg = PQconnectStartParams(keys, values, 1);
    if (c->pg == NULL || PQstatus(c->pg) == CONNECTION_BAD) {
        connect_failed(c);
        return;
    }
    (void)PQsetNoticeReceiver(c->pg, notice, c);
    c->watch.fd = PQsocket(c->pg);
    loop_watch(&c->watch, EPOLLOUT);
}

/* A coroutine of its own, because a lookup blocks whoever makes it. */
static void
look_up_and_connect(void *conn)
{
    struct conn *c = conn;
    const uint64_t attempt = c->attempt;
    struct db_addresses a = {.conninfo = config_text(CFG_DATABASE_URL), .first = db.at_host};

    offload(db_resolve, &a);
    if (c->state != CONN_CONNECTING || c->attempt != attempt) {
        db_resolve_release(&a);
        return;
    }
    c->addresses = a;
    if (a.hosts == NULL)
        connect_failed(c);
    else
        connect_to(c);
}

static void
connect_start(struct conn *c)
{
    set_state(c, CONN_CONNECTING);
    c->attempt++;
    loop_timer_set(&c->timer, clock_ms() + CONNECT_TIMEOUT_MS);
    if (db.look_up) {
        co_start(look_up_and_connect, c);
        return;
    }
    c->addresses =
        (struct db_addresses){.conninfo = config_text(CFG_DATABASE_URL), .first = db.at_host};
    if (db.several)
        db_resolve(&c->addresses);
    connect_to(c);
}

/* ---- sending ---- */

static void
register_statement(struct db_stmt *stmt)
{
    MUST(db.statement_count < STATEMENTS_MAX);
    db.statements[db.statement_count++] = stmt;
    stmt->prepared_id = db.statement_count;
}

static bool
send_op(struct conn *c, struct op *op, bool *ret_prepare)
{
    const int id = op->stmt->prepared_id;
    const uint64_t bit = (uint64_t)1 << (id - 1);
    char name[16];

    *ret_prepare = false;
    if (!db.prepare)
        return PQsendQueryParams(c->pg, op->stmt->sql, op->param_count, NULL, op->params, NULL,
                                 NULL, 0) == 1;
    (void)snprintf(name, sizeof name, "s%d", id);
    if ((c->prepared & bit) == 0) {
        *ret_prepare = true;
        if (PQsendPrepare(c->pg, name, op->stmt->sql, 0, NULL) != 1)
            return false;
        c->prepared |= bit; /* taken back when the Parse fails */
    }
    return PQsendQueryPrepared(c->pg, name, op->param_count, op->params, NULL, NULL, 0) == 1;
}

/* All of it is with the server, which runs it whatever becomes of us. */
static void
batch_sent(const struct batch *b)
{
    for (int i = 0; i < b->count; i++)
        KILL_POINT("sql", b->ops[i]->stmt->sql, "sent");
}

/* What locks for the `count` first ops in the queue; nobody waits for it, so it is freed with its
 * batch.  NULL: no memory. */
static struct op *
lock_op(const struct op *first, size_t count)
{
    const char *items[2][GROUP_MAX];
    size_t sizes[ARRAY_LEN(items)];
    const struct op *op = first;

    for (size_t i = 0; i < count; i++, op = op->next)
        for (size_t k = 0; k < ARRAY_LEN(items); k++)
            items[k][i] = op->params[op->stmt->lock_params[k] - 1];
    for (size_t k = 0; k < ARRAY_LEN(items); k++)
        sizes[k] = db_array_size(items[k], count);

    struct {
        struct op op;
        const char *params[ARRAY_LEN(items)];
        char text[];
    } *lock = calloc(1, sizeof *lock + sizes[0] + sizes[1]);
    if (lock == NULL)
        return NULL;
    char *text = lock->text;
    for (size_t k = 0; k < ARRAY_LEN(items); text += sizes[k++]) {
        db_array_write(text, items[k], count);
        lock->params[k] = text;
    }
    lock->op.stmt = first->stmt->lock;
    lock->op.params = lock->params;
    lock->op.param_count = ARRAY_LEN(items);
    if (lock->op.stmt->prepared_id == 0)
        register_statement(lock->op.stmt);
    return &lock->op;
}

static void
send_batch(struct conn *c, struct queue *q, int most)
{
    struct batch *b = &c->batch;
    bool ok = true;

    *b = (struct batch){0};
    set_state(c, CONN_BUSY);
    if (most > 1 && q->first->stmt->kind == DB_GROUPED) {
        struct op *lock = lock_op(q->first, (size_t)most);

        if (lock == NULL)
            most = 1;
        else
            b->ops[b->count++] = lock;
    }
    for (; most > 0 && q->count > 0; most--)
        b->ops[b->count++] = queue_pop(q);
    for (int i = 0; ok && i < b->count; i++) {
        struct op *op = b->ops[i];

        ok = send_op(c, op, &b->prepare[i]);
        metrics_add(METRIC_DB_QUERIES, 1);
    }
    b->at_query = b->count > 0 && !b->prepare[0];
    ok = ok && PQpipelineSync(c->pg) == 1;
    const int left = ok ? PQflush(c->pg) : -1;
    if (left == 0)
        batch_sent(b);
    if (left < 0)
        conn_close(c, note_error("cannot send", c->pg));
    else
        loop_watch(&c->watch, left == 0 ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

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
            fail_queue(&db.reads, db.last_error);
            fail_queue(&db.writes, db.last_error);
        }
        return;
    }
    for (int i = first; i < db.connection_max && opening < waiting; i++) {
        if (db.conns[i].state != CONN_CLOSED)
            continue;
        opening++;
        connect_start(&db.conns[i]);
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
            send_batch(shared, &db.reads, BATCH_MAX);
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
            send_batch(other, &db.reads, BATCH_MAX);
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
        send_batch(other, &db.reads, BATCH_MAX);
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
        if (c == NULL && !any_conn(1)) /* the server takes no more: the readers' */
            c = idle_conn(false);
        if (c == NULL)
            break;
        send_batch(c, &db.writes, group_size());
    }
    send_reads();
}

/* ---- receiving ---- */

static bool
is_group(const struct batch *b)
{
    return b->count > 1 && b->ops[b->count - 1]->stmt->kind == DB_GROUPED; /* the first locks */
}

/* One of a group failed, and with it the transaction of all: what is not its own fault is sent
 * again.  A deadlock or a unique value may be a neighbour's doing. */
static void
undo_group(struct batch *b)
{
    for (int i = 0; i < b->count; i++) {
        struct op *op = b->ops[i];

        if (op->failed && op->err != ERR_CONFLICT)
            continue;
        PQclear(op->result);
        op->result = NULL;
        op->err = ERR_OK;
        op->failed = false;
        op->aborted = true;
        op->alone = true;
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
take_result(struct conn *c, PGresult *r)
{
    struct batch *b = &c->batch;
    struct op *op = b->at < b->count ? b->ops[b->at] : NULL;
    const ExecStatusType status = PQresultStatus(r);

    if (op == NULL) {
        /* An error that comes with the sync itself: the commit failed. */
        for (int i = 0; status == PGRES_FATAL_ERROR && i < b->count; i++) {
            if (is_group(b)) {
                b->ops[i]->aborted = true;
                continue;
            }
            describe(b->ops[i], r);
            b->ops[i]->failed = true;
        }
        PQclear(r);
        return;
    }
    if (status == PGRES_TUPLES_OK && b->at_query) {
        PQclear(op->result);
        op->result = r;
        return;
    }
    if (status == PGRES_FATAL_ERROR) {
        const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

        if (is_stale_plan(state) && !op->sent_again) {
            op->sent_again = true; /* it did not run: as good as a neighbour's fault */
            op->aborted = true;
            c->stale = true;
        } else {
            describe(op, r);
            op->failed = true;
            metrics_add(METRIC_DB_ERRORS, 1);
        }
    } else if (status == PGRES_PIPELINE_ABORTED) {
        op->aborted = true;
    }
    if (!b->at_query && status != PGRES_COMMAND_OK)
        c->prepared &= ~((uint64_t)1 << (op->stmt->prepared_id - 1));
    PQclear(r);
}

/* NULL from PQgetResult: the answers to one message are complete. */
static void
next_step(struct batch *b)
{
    if (b->at >= b->count)
        return;
    if (!b->at_query) {
        b->at_query = true;
        return;
    }
    b->at++;
    b->at_query = b->at < b->count && !b->prepare[b->at];
}

static void
lost(struct conn *c)
{
    conn_close(c, note_error("connection lost", c->pg));
    if (db.reads.count + db.writes.count > 0)
        loop_at_end_of_turn(&db.flush);
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
        PQclear(op->result);
        op->result = NULL;
        op->failed = true;
        op->err = ERR_UNAVAILABLE;
        (void)snprintf(op->detail, sizeof op->detail, "committed, but not on the standby");
        metrics_add(METRIC_DB_ERRORS, 1);
    }
    leave_host(c);
}

static void
receive(struct conn *c)
{
    if (PQconsumeInput(c->pg) != 1) {
        lost(c);
        return;
    }
    while (c->state == CONN_BUSY && PQisBusy(c->pg) == 0) {
        PGresult *r = PQgetResult(c->pg);

        if (PQstatus(c->pg) == CONNECTION_BAD) {
            PQclear(r);
            lost(c);
            return;
        }

        if (r == NULL) {
            next_step(&c->batch);
            continue;
        }
        if (PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
            PQclear(r);
            loop_timer_clear(&c->timer);
            if (is_group(&c->batch) && any_failed(&c->batch))
                undo_group(&c->batch);
            batch_committed(c);
            set_state(c, CONN_IDLE);
            batch_end(c, NULL);
            if (c->stale)
                conn_close(c, "stale plan, or host");
            loop_at_end_of_turn(&db.flush);
        } else {
            take_result(c, r);
        }
    }
}

static void
conn_ready(struct loop_watch *w, uint32_t events)
{
    struct conn *c = CONTAINER_OF(w, struct conn, watch);

    if (c->state == CONN_CONNECTING) {
        connect_step(c);
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        const int left = PQflush(c->pg);

        if (left < 0) {
            lost(c);
            return;
        }
        if (left == 0) {
            batch_sent(&c->batch);
            loop_watch(&c->watch, EPOLLIN);
        }
    }
    if ((events & ~(uint32_t)EPOLLOUT) != 0)
        receive(c);
}

static void
conn_timer(struct loop_timer *t)
{
    struct conn *c = CONTAINER_OF(t, struct conn, timer);

    if (c->state == CONN_CONNECTING) {
        if (c->pg != NULL) {
            note_host(c);
            leave_host(c);
        }
        connect_failed(c);
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
            conn_close(&db.conns[i], NULL);
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
                leave_host(c);
                conn_close(c, "server did not answer in time");
                loop_at_end_of_turn(&db.flush); /* for those who waited for this connection */
                return;
            }
        }
    }
    queue_remove(queue_of(op), op);
    PQclear(op->result);
    free(op);
}

/* One row, which is what most statements return, is copied into the arena: libpq keeps 3 KB for it,
 * and requests wait for others with their rows in hand. */
struct db_result {
    PGresult *pg; /* NULL once copied */
    int columns;
    const struct str *cells; /* of the one row; ptr NULL: SQL's NULL */
};

static void
clear_result(void *result)
{
    struct db_result *r = result;

    PQclear(r->pg);
}

static void
copy_row(struct arena *a, struct db_result *r)
{
    const int columns = PQnfields(r->pg);
    struct str *cells = ARENA_ARRAY(a, struct str, (size_t)columns);
    size_t bytes = 0;

    for (int i = 0; i < columns; i++)
        bytes += (size_t)PQgetlength(r->pg, 0, i) + 1;
    char *text = arena_alloc(a, bytes);
    for (int i = 0; i < columns; i++) {
        if (PQgetisnull(r->pg, 0, i))
            continue;
        cells[i] = (struct str){text, (size_t)PQgetlength(r->pg, 0, i)};
        memcpy(text, PQgetvalue(r->pg, 0, i), cells[i].len + 1);
        text += cells[i].len + 1;
    }
    PQclear(r->pg);
    *r = (struct db_result){.columns = columns, .cells = cells};
}

/* A packed row; false when it is none. */
static bool
unpack_row(struct arena *a, struct db_result *r)
{
    const struct str text = {PQgetvalue(r->pg, 0, 0), (size_t)PQgetlength(r->pg, 0, 0)};
    const struct str *cells;
    size_t columns;

    if (!db_array_read(a, text, &cells, &columns))
        return false;
    PQclear(r->pg);
    *r = (struct db_result){.columns = (int)columns, .cells = cells};
    return true;
}

enum err
db_query(struct fn_req *req, struct db_stmt *stmt, const char *const *params, size_t param_count,
         struct db_result **ret)
{
    struct op *op;
    struct db_result *result;

    MUST(param_count <= DB_PARAMS_MAX);
    if (clock_ms() >= req->deadline_ms)
        return fail_detail(&req->fail, ERR_TIMEOUT, "no time left for a statement");
    if (!db.started)
        start();
    if (stmt->prepared_id == 0)
        register_statement(stmt);
    result = ARENA_NEW(req->arena, struct db_result);
    arena_defer(req->arena, clear_result, result);
    op = calloc(1, sizeof *op);
    if (op == NULL)
        return fail_detail(&req->fail, ERR_UNAVAILABLE, "no memory for a statement");
    op->co = co_self();
    op->stmt = stmt;
    op->params = params;
    op->param_count = (int)param_count;
    KILL_POINT("sql", stmt->sql, "before");
    queue_push(queue_of(op), op);
    loop_at_end_of_turn(&db.flush);

    if (!co_wait_until(req->deadline_ms)) {
        give_up(op);
        return fail_detail(&req->fail, ERR_TIMEOUT, "no answer from the database in time");
    }

    KILL_POINT("sql", stmt->sql, "answered");
    const enum err e = op->err;
    if (e != ERR_OK) {
        if (e == ERR_UNAVAILABLE)
            req->fail.retry_after_s = RETRY_AFTER_S;
        (void)fail_detail(&req->fail, e, "%s", op->detail);
        PQclear(op->result);
    } else if (op->result != NULL) {
        result->pg = op->result;
    }
    MUST(e != ERR_OK || op->result != NULL);
    free(op);
    if (e != ERR_OK)
        return e;
    *ret = result;
    if (PQntuples(result->pg) != 1)
        return ERR_OK;
    if (!stmt->packed)
        copy_row(req->arena, result);
    else if (!unpack_row(req->arena, result))
        return fail_detail(&req->fail, ERR_INTERNAL, "not an array: %.80s", stmt->sql);
    return ERR_OK;
}

enum err
db_one(struct fn_req *req, struct db_stmt *stmt, const char *const *params, size_t param_count,
       struct db_row *ret)
{
    struct db_result *result;

    TRY(db_query(req, stmt, params, param_count, &result));
    if (db_rows(result) != 1)
        return fail_detail(&req->fail, ERR_INTERNAL, "%d rows instead of one: %.80s",
                           db_rows(result), stmt->sql);
    *ret = db_row(result, 0);
    return ERR_OK;
}

int
db_rows(const struct db_result *r)
{
    return r->pg == NULL ? 1 : PQntuples(r->pg);
}

struct db_row
db_row(const struct db_result *r, int row)
{
    MUST(row >= 0 && row < db_rows(r));
    return (struct db_row){r, row};
}

struct str
db_str(const struct db_row *row, int column)
{
    const struct db_result *r = row->result;

    if (r->pg == NULL) {
        MUST(column < r->columns);
        return r->cells[column];
    }
    MUST(column < PQnfields(r->pg));
    if (PQgetisnull(r->pg, row->row, column))
        return STR_NONE;
    return (struct str){PQgetvalue(r->pg, row->row, column),
                        (size_t)PQgetlength(r->pg, row->row, column)};
}

const char *
db_text(const struct db_row *row, int column)
{
    return db_str(row, column).ptr;
}

bool
db_true(const struct db_row *row, int column)
{
    const char *text = db_text(row, column);

    return text != NULL && text[0] == 't';
}
