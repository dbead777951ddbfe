/*
 * A connection's states: closed, connecting (the host looked up, then libpq's steps), idle, busy
 * with a batch; whatever goes wrong closes it.  Read db_connect_start first, then db_connect_step
 * and connected; db_conn_close and db_batch_end are the way back.
 */
#include "db/internal.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/metric.h"
#include "base/setting.h"
#include "crypto/digest.h"
#include "loop/offload.h"
#include "loop/wait.h"

#define ENCODING           "UTF8"
#define CONNECT_TIMEOUT_MS 2000
#define PATIENCE_MS        500 /* with a name server, while there is an old answer */
#define BACKOFF_MIN_MS     50
#define BACKOFF_MAX_MS     2000

void
db_set_state(struct conn *c, enum conn_state state)
{
    c->state = state;
    c->since_ms = clock_ms();
}

void
db_batch_end(struct conn *c, const char *lost)
{
    struct batch *b = &c->batch;
    const int count = b->count;

    b->count = 0;
    for (int i = 0; i < count; i++) {
        struct op *op = b->ops[i];

        if (lost != NULL) {
            PQclear(op->result);
            op->result = NULL;
            db_op_fail(op, ERR_UNAVAILABLE, lost);
        } else if (op->aborted && !op->failed && op->co != NULL) {
            op->aborted = false;
            db_queue_push(db_queue_of(op), op);
            loop_at_end_of_turn(&db_flush);
        } else {
            db_op_done(op);
        }
    }
}

void
db_conn_close(struct conn *c, const char *why)
{
    loop_timer_clear(&c->timer);
    if (c->pg != NULL) {
        loop_watch(&c->watch, 0);
        PQfinish(c->pg);
        c->pg = NULL;
    }
    db_hosts_release(&c->addresses);
    c->prepared = 0;
    memset(c->made, 0, sizeof c->made);
    c->made_left = 0;
    c->stale = false;
    c->late = false;
    c->slow = false;
    c->not_replicated = false;
    db_set_state(c, CONN_CLOSED);
    db_batch_end(c, why);
    if (c->told != NULL)
        c->told(c);
}

bool
db_any_conn(const struct db_state *pool)
{
    for (int i = 0; i < pool->connection_max; i++)
        if (pool->conns[i].state != CONN_CLOSED)
            return true;
    return false;
}

const char *
db_note_error(struct conn *c, const char *what)
{
    struct db_state *pool = c->pool;

    (void)snprintf(pool->last_error, sizeof pool->last_error, "%s: %s", what,
                   c->pg == NULL ? "the host name cannot be looked up" : PQerrorMessage(c->pg));
    for (char *p = pool->last_error; *p != '\0'; p++)
        if (*p == '\n')
            *p = ' ';
    return pool->last_error;
}

/* No connection to be had: with none open there is nothing to wait for.  `why` is the pool's last
 * error. */
static void
back_off(struct conn *c, const char *why)
{
    struct db_state *pool = c->pool;

    db_conn_close(c, why);
    pool->backoff_ms = MIN(MAX(pool->backoff_ms * 2, BACKOFF_MIN_MS), BACKOFF_MAX_MS);

    uint32_t jitter;
    crypto_random(&jitter, sizeof jitter);
    pool->no_connect_before_ms =
        clock_ms() + pool->backoff_ms / 2 + (int64_t)(jitter % (uint32_t)pool->backoff_ms);
    if (!db_any_conn(pool)) {
        db_fail_all(pool);
    } else {
        loop_at_end_of_turn(&db_flush); /* what waited for this one takes another */
    }
}

void
db_connect_failed(struct conn *c)
{
    back_off(c, db_note_error(c, "cannot connect"));
}

static void
refuse(struct conn *c, const char *why)
{
    (void)snprintf(c->pool->last_error, sizeof c->pool->last_error, "cannot connect: %s", why);
    back_off(c, c->pool->last_error);
}

/* Where among several hosts libpq is with this connection. */
void
db_note_host(struct conn *c)
{
    if (c->addresses.hosts != NULL)
        c->host = db_hosts_which(&c->addresses, PQhost(c->pg), PQhostaddr(c->pg), PQport(c->pg));
}

/* This host hangs, or cannot do its work: go to the next one.  Connections that are in use end
 * with what they do. */
void
db_leave_host(const struct conn *c)
{
    struct db_state *pool = c->pool;

    if (!pool->several)
        return;
    pool->at_host = c->host + 1;
    for (int i = 0; i < pool->connection_max; i++) {
        struct conn *other = &pool->conns[i];

        if (other->host != c->host)
            continue;
        if (other->state == CONN_IDLE)
            db_conn_close(other, NULL);
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

/* What a pooler in between does not tell is taken for right. */
static bool
encoding_is(const PGconn *pg, const char *parameter)
{
    const char *encoding = PQparameterStatus(pg, parameter);

    return encoding == NULL || strcmp(encoding, ENCODING) == 0;
}

static void
connected(struct conn *c)
{
    loop_timer_clear(&c->timer);
    db_note_host(c);
    c->pool->at_host = c->host;
    db_hosts_release(&c->addresses);
    if (!encoding_is(c->pg, "client_encoding") || !encoding_is(c->pg, "server_encoding")) {
        /* texts would be stored as others than they are */
        refuse(c, "the database, or this connection to it, is not in UTF8");
        return;
    }
    if (PQsetnonblocking(c->pg, 1) != 0 || PQenterPipelineMode(c->pg) != 1) {
        db_connect_failed(c);
        return;
    }
    c->pool->backoff_ms = 0;
    metric_add(METRIC_DB_CONNECTS, 1);
    loop_watch(&c->watch, EPOLLIN);
    db_set_state(c, CONN_IDLE);
    if (db_tidy.slot == 0)
        loop_timer_set(&db_tidy, clock_ms() + TIDY_EVERY_MS);
    loop_at_end_of_turn(&db_flush);
    if (c->told != NULL)
        c->told(c);
}

void
db_connect_step(struct conn *c)
{
    /* libpq may close this descriptor, go on to the next address and get the same number again. */
    loop_watch(&c->watch, 0);
    const PostgresPollingStatusType step = PQconnectPoll(c->pg);

    if (step == PGRES_POLLING_FAILED) {
        db_connect_failed(c);
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
    /* The encoding is said here, or the server takes what a database or a role is set to. */
    const char *const keys[] = {"dbname",
                                "fallback_application_name",
                                "client_encoding",
                                a == NULL ? NULL : "host",
                                "hostaddr",
                                "port",
                                NULL};
    const char *const values[] = {c->pool->url,
                                  program_invocation_short_name,
                                  ENCODING,
                                  a == NULL ? NULL : a->hosts,
                                  a == NULL ? NULL : a->addresses,
                                  a == NULL ? NULL : a->ports,
                                  NULL};

    c->pg = PQconnectStartParams(keys, values, 1);
    if (c->pg == NULL || PQstatus(c->pg) == CONNECTION_BAD) {
        db_connect_failed(c);
        return;
    }
    (void)PQsetNoticeReceiver(c->pg, notice, c);
    c->watch.fd = PQsocket(c->pg);
    loop_watch(&c->watch, EPOLLOUT);
}

/* It may outlast us, but not its pool. */
struct lookup {
    struct db_addresses addresses; /* first: db_hosts_find knows only them */
    struct db_state *pool;
};

/* What a lookup found, in time or not, is used until another one finds more. */
static void
keep_addresses(void *lookup)
{
    struct lookup *l = lookup;

    if (l->addresses.count > 0) {
        db_hosts_release(&l->pool->found);
        l->pool->found = l->addresses;
    }
    free(l);
}

/* A coroutine of its own, because a lookup blocks whoever makes it.  While the name server says
 * nothing the database is where it was. */
static void
look_up_and_connect(void *conn)
{
    struct conn *c = conn;
    struct db_state *pool = c->pool;
    const uint64_t attempt = c->attempt;
    const int64_t patient_until =
        pool->found.count == 0 ? c->timer.at_ms : MIN(c->timer.at_ms, clock_ms() + PATIENCE_MS);
    struct lookup *l = calloc(1, sizeof *l);

    if (l == NULL)
        die("no memory for a lookup");
    l->pool = pool;
    l->addresses.conninfo = pool->url;
    const bool answered =
        offload(OFFLOAD_DB_LOOKUP, db_hosts_find, l, keep_addresses, patient_until);
    if (answered)
        keep_addresses(l);
    if (c->state != CONN_CONNECTING || c->attempt != attempt)
        return;
    if (db_hosts_copy(&pool->found, pool->at_host, &c->addresses))
        connect_to(c);
    else if (answered)
        db_connect_failed(c);
    /* else the timer says so */
}

void
db_connect_start(struct conn *c)
{
    const struct db_state *pool = c->pool;

    MUST(c->state == CONN_CLOSED);
    db_set_state(c, CONN_CONNECTING);
    c->attempt++;
    loop_timer_set(&c->timer, clock_ms() + CONNECT_TIMEOUT_MS);
    if (pool->look_up) {
        co_start(look_up_and_connect, c);
        return;
    }
    c->addresses = (struct db_addresses){.conninfo = pool->url, .first = pool->at_host};
    if (pool->several)
        db_hosts_find(&c->addresses);
    connect_to(c);
}
