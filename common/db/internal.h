/*
 * What the files of db share.
 *
 *   query.c  what callers see: a statement in, its answer out
 *   together.c  reads that are asked in one call
 *   script.c several statements as one
 *   stream.c a script's rows one by one
 *   made.c   statements made at run time, which a connection keeps prepared
 *   pool.c   pools; which work goes to which connection of one
 *   queue.c  statements that wait, and their end
 *   conn.c   connections: made, watched over, closed
 *   slow.c   what runs apart because it takes long
 *   listen.c a connection that hears of what others NOTIFY
 *   late.c   statements whose callers gave up
 *   hosts.c  the hosts of the connection string, looked up and in which order
 *   batch.c  a batch on a connection: sent, and its answers
 *   array.c  text[] as text: the parameters of a group, packed rows
 *   rows.c   results
 *   failure.c  what the server said of a statement that failed
 *
 * Thread rule: loop's thread.
 */
#ifndef FFX_DB_INTERNAL_H
#define FFX_DB_INTERNAL_H

#include <libpq-fe.h>

#include "db/hosts.h"
#include "db/pool.h"
#include "db/script.h"
#include "loop/loop.h"
#include "loop/timer.h"

#define PREPARED_MAX  64 /* statements a connection keeps prepared: the bits of its mask */
#define MADE_MAX      32 /* and of those made at run time */
#define BATCH_MAX     64
#define GROUP_MAX     16 /* grouped writes of one commit */
#define TIDY_EVERY_MS 5000
#define BREAK_UP_MS   200 /* for several reads together */

/* ---- one statement on its way ---- */

struct op {
    struct op *next;
    struct co *co;         /* NULL: the caller gave up */
    struct db_state *pool; /* NULL: an op of db's own, which is never queued again */
    struct db_stmt *stmt;
    const char *sql; /* of one made at run time; its caller's, to be read no longer than `co` */
    uint64_t key[2]; /* … which it is told by */
    const char *const *params;
    int param_count;
    PGresult *result;
    enum err err;
    char sqlstate[SQLSTATE_SIZE];
    char detail[512];
    bool failed;     /* by itself */
    bool aborted;    /* by a neighbour in its batch */
    bool sent_again; /* after a reconnect for a stale prepared statement */
    bool alone;      /* its group failed: not grouped again */
    bool prepare;    /* made at run time, and prepared with this batch … */
    uint32_t number; /* … or before, by this name; 0: it is not */
    uint64_t asker;  /* who asks, as a number; 0: nobody in particular */
    int steps;       /* of its script, from this one to the last; 0: it is no script's */
    bool apart;      /* a read that has a connection for itself, as writes do */
    bool slow;       /* … or one of those, scripts too, that may not take all connections */
    int64_t sent_ms; /* when it went to the server; 0: it waits */
    bool by_rows;    /* its rows are taken one by one; `result` is the next */
    bool done;
};

/* A read that shares its connection with others, and may be sent again. */
static inline bool
db_is_read(const struct op *op)
{
    return op->stmt->kind == DB_READ && op->steps == 0;
}

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
    int sent; /* statements: as many as ops, one for a group, whose members come behind it */
    int at;   /* op whose answers are being read; == sent: the sync */
    bool at_query;
};

/* A text made at run time that is prepared as "dNUMBER". */
struct made {
    uint64_t key[2];
    uint32_t number; /* 0: the place is free */
    uint32_t turn;   /* when it was last used */
};

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_IDLE, CONN_BUSY };

struct conn {
    enum conn_state state;
    struct db_state *pool;
    PGconn *pg;
    struct loop_watch watch;
    struct loop_timer timer; /* connect timeout; patience of waiting reads; end of a late batch */
    struct batch batch;
    uint64_t prepared;
    struct made made[MADE_MAX];
    uint32_t made_number, made_turn; /* the last ones */
    int made_left;                   /* which it should have dropped, and did not */
    int64_t since_ms;                /* start of the present state */
    bool stale;                      /* close when the batch is done */
    bool slow;           /* its batch is one of those that may not take all connections */
    bool late;           /* nobody waits for its batch any more; the server is told to end it */
    bool not_replicated; /* the standby does not have the batch's commit */
    void (*told)(struct conn *c); /* that it is made or closed, or has done a batch; or NULL */
    uint64_t attempt;             /* which connecting this is: a lookup may outlast it */
    unsigned host;                /* which of several it has got to */
    struct db_addresses addresses;
};

/* What a pool has. */
struct db_state {
    struct db_state *next; /* of all pools */
    const char *url;
    bool prepare;
    bool look_up;              /* `url` has host names */
    bool several;              /* … or several hosts: */
    unsigned at_host;          /* the one that served last; connecting begins there */
    struct db_addresses found; /* by the last lookup that found any */
    int64_t idle_ms;
    struct queue reads, writes, slow;
    int64_t backoff_ms;
    int64_t no_connect_before_ms;
    char last_error[256];
    int slow_max; /* connections for what is slow */
    int connection_max;
    struct conn conns[];
};

/* ---- query.c ---- */

extern struct setting cfg_db_prepare;
extern struct db_pool db_default_pool;

/* Before a statement is queued: there is time, and somebody who waits. */
NODISCARD enum err db_may_begin(struct task *task, bool until_gone);
/* Wait to be woken; false: the time is over or, with `until_gone`, who asked has left. */
NODISCARD bool db_wait(struct task *task, bool until_gone);
/* The failure after that. */
enum err db_gave_up(struct task *task, bool until_gone);
/* One statement on its way; its answer is with libpq yet (pg is set). */
NODISCARD enum err db_ask(struct task *task, struct db_stmt *stmt, const char *const *params,
                          size_t param_count, struct db_result **ret);

/* ---- together.c ---- */

/* db_query for a statement that says `together`. */
NODISCARD enum err db_ask_together(struct task *task, struct db_stmt *stmt,
                                   const char *const *params, size_t param_count,
                                   struct db_result **ret);

/* ---- script.c ---- */

/* The pool of db's own statements that go with any script. */
extern struct db_pool db_any_pool;
/* One op for each step, queued. */
NODISCARD enum err db_script_queue(struct task *task, const struct db_script *script, bool by_rows,
                                   struct op *ret[]);
/* *ret, if there is one, is how long the server has had `op`. */
void db_script_took(const struct op *op, int64_t *ret);
/* They are done: each one's result goes to its place, and the ops are freed. */
NODISCARD enum err db_script_end(struct task *task, struct op *const ops[], size_t count,
                                 struct db_result *results[]);

/* ---- made.c ---- */

/* The place of `op`, made at run time, among those that `c` keeps prepared.  When another one has
 * to go for it: the op that drops that one, to be sent before. */
struct op *db_made_place(struct conn *c, struct op *op);
/* It was not prepared after all. */
void db_made_forget(struct conn *c, const struct op *op);
/* A short statement of db's own, for which nobody waits: it is freed with its batch. */
struct op *db_own_op(const char *fmt, ...) PRINTF(1, 2);
/* `op` failed, or was not run.  If it is db's own: what should have been dropped was not, and with
 * too many of those, or when it should listen, the connection is not used again. */
void db_own_failed(struct conn *c, const struct op *op);

/* ---- listen.c ---- */

/* Notifications may have come. */
void db_notified(struct conn *c);

/* ---- pool.c ---- */

/* Take the settings, before the first statement. */
void db_pool_start(struct db_pool *pool);
/* What the pool has; NULL: the default one. */
static inline struct db_state *
db_state_of(struct db_pool *pool)
{
    if (pool == NULL)
        pool = &db_default_pool;
    if (pool->state == NULL)
        db_pool_start(pool);
    return pool->state;
}
void db_conn_init(struct conn *c, struct db_state *pool);
/* What waits in any pool goes to its connections; and later, those without work are closed. */
extern struct loop_hook db_flush;
extern struct loop_timer db_tidy;

/* ---- queue.c ---- */

void db_queue_push(struct queue *q, struct op *op);
/* The last of a script that waits, from any step of it; what is no script's is that itself. */
static inline struct op *
db_last_step(struct op *op)
{
    while (op->steps > 1)
        op = op->next;
    return op;
}
struct op *db_queue_pop(struct queue *q);
void db_queue_remove(struct queue *q, const struct op *op);
struct queue *db_queue_of(const struct op *op);
/* Its caller goes on; without a caller it is freed. */
void db_op_done(struct op *op);
void db_op_fail(struct op *op, enum err e, const char *why);
/* … of all that wait, with the pool's last error. */
void db_fail_all(struct db_state *pool);

/* ---- conn.c ---- */

void db_set_state(struct conn *c, enum conn_state state);
void db_connect_start(struct conn *c);
/* The descriptor of a connection that is being made is ready. */
void db_connect_step(struct conn *c);
void db_connect_failed(struct conn *c);
/* `why`: its batch fails with it; NULL: its batch is done. */
void db_conn_close(struct conn *c, const char *why);
/* Give the batch's ops back: reads that were only neighbours go to the queue again. */
void db_batch_end(struct conn *c, const char *lost);
/* Whether one is there or coming. */
bool db_any_conn(const struct db_state *pool);
/* Keep libpq's words, on one line: they are gone when the connection is closed. */
const char *db_note_error(struct conn *c, const char *what);
/* Where among several hosts libpq is with this connection. */
void db_note_host(struct conn *c);
/* This host hangs, or cannot do its work: go to the next one. */
void db_leave_host(const struct conn *c);

/* ---- slow.c ---- */

/* Whether `op`, a read or the last step of a script, took long lately: it is `slow`, or `apart`. */
void db_recall(struct op *op);
/* Some wait: scripts that have run for so long that they are slow are so from now on; of others it
 * is looked at again when they have. */
void db_notice_slow(struct db_state *p);
/* Its batch is done. */
void db_learn(const struct conn *c, int64_t took_ms);

/* ---- late.c ---- */

/* Several reads together. */
static inline bool
db_may_break_up(const struct batch *b)
{
    return b->count > 1 && db_is_read(b->ops[0]);
}
/* They take long: each is sent again on its own. */
void db_break_up(struct conn *c);

/* The caller of `op` has gone. */
void db_give_up(struct op *op);
/* The connection whose batch has `op`; NULL: none has. */
struct conn *db_conn_of(const struct op *op);
/* The server did not end a late batch. */
void db_late_timer(struct conn *c);

/* ---- batch.c ---- */

void db_register(struct db_stmt *stmt);
/* Send up to `most` of the queue over an idle connection. */
void db_send_batch(struct conn *c, struct queue *q, int most);
/* All of it is with the server, which runs it whatever becomes of us. */
void db_batch_sent(const struct batch *b);
/* Read what has come … */
void db_receive(struct conn *c);
/* … and take what has been read: all of it, or up to the next row of a stream. */
void db_take(struct conn *c);
void db_conn_lost(struct conn *c);

/* ---- failure.c ---- */

/* Which error it is that the server reports, and its words for the log. */
void db_describe(struct op *op, const PGresult *r);
/* The task's failure is that of `op`, whose error is returned. */
enum err db_tell(struct task *task, const struct op *op);
/* … and what the server said, when it said something; `r` lives as long as the task's arena. Apart,
 * because the arena may overflow: ops are freed before. */
void db_tell_statement(struct task *task, const PGresult *r, int step);

/* ---- rows.c ---- */

/* One row, which is what most statements return, is copied into the arena: libpq keeps 3 KB for it,
 * and requests wait for others with their rows in hand. */
struct db_result {
    PGresult *pg; /* NULL once copied */
    int columns;
    const struct str *cells; /* of the one row; ptr NULL: SQL's NULL */
};

/* A result whose content comes later; released with the request. */
struct db_result *db_result_new(struct arena *a);
/* Its pg is there; `packed` as in the statement.  False: it is not packed. */
NODISCARD bool db_result_set(struct arena *a, struct db_result *r, bool packed);
/* It is what is packed in this row of `pg`, copied; false: nothing is. */
NODISCARD bool db_result_unpack(struct arena *a, struct db_result *r, const PGresult *pg, int row);

#endif
