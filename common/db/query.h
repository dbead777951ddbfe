/*
 * query: one SQL statement and its answer, over libpq's pipeline mode; what the answer says is in
 * rows.h.
 *
 * A statement is a constant: one SQL text, one call, one implicit transaction.  db_query suspends
 * the calling coroutine until its result is there.
 *
 *  - A statement runs on a connection of its pool, and waits for no other (pool.h).
 *  - Reads of one turn of the loop share a connection, a flush and a sync.  When one of them
 *    fails, its innocent neighbours are sent again on their own.
 *  - Reads of a statement that says so (`together`), and wait at the same time, are one call.  When
 *    it fails each is sent on its own.
 *  - A write owns its connection until its sync: it commits or fails alone.
 *  - Grouped writes that wait while others commit are one call, which commits them together; none
 *    is answered before that commit.  When it fails each is sent again, by itself: so one fails
 *    alone.  The call has to lock for all of them in one order, so that groups cannot deadlock.
 *  - A statement that is late takes nobody with it: its neighbours go on or are sent again, and the
 *    server is told to end what nobody waits for.  Until it has, that keeps its connection.
 *  - Connections are opened when first needed, closed when idle, and reopened with back-off;
 *    while the server is away callers get ERR_UNAVAILABLE at once.
 *  - Several hosts in a connection string are tried in turn, beginning with the one that served
 *    last; one that says nothing for 2 s, or leaves a statement without an answer, is left for the
 *    next.  Names are looked up for each connection; where nothing is found, they are where they
 *    last were.
 *  - A commit that the synchronous standby does not have is not a success: ERR_UNAVAILABLE.
 *  - A request whose connection is lost gets ERR_UNAVAILABLE: a write may or may not have
 *    happened, which is why every SQL function is safe to repeat.
 *  - Nothing lives longer than a transaction, so a transaction pooler may stand between.
 *
 * Thread rule: inside a coroutine, loop's thread.
 */
#ifndef FFX_DB_QUERY_H
#define FFX_DB_QUERY_H

#include "base/setting.h"
#include "base/task.h"
#include "db/pool.h"
#include "db/rows.h"

enum db_kind {
    DB_READ,
    DB_WRITE,
    DB_GROUPED, /* a write that may share its transaction with others of the same statement */
};

struct db_stmt {
    const char *sql; /* $1, $2 … with casts ($1::uuid); all parameters are text */
    enum db_kind kind;
    struct db_pool *pool; /* where it runs; NULL: the one of DATABASE_URL */
    /* DB_GROUPED: what does it for several at once, there too.  Its $1 is text[], the parameters of
     * all, those of one behind those of another; its rows are what each gets, in their order. */
    struct db_stmt *group;
    /* Its one row comes as the elements of one text[]: many columns cost the server more to
     * describe than to find. */
    bool packed;
    /* A read that may ask for several callers at once: each of its parameters is an array
     * ($1::uuid[]), a caller gives one element of it, and gets one packed row; the rows come in
     * their order. */
    bool together;
    /* A read that is ended when who asked leaves (ERR_HUP). */
    bool until_gone;
    int prepared_id;            /* db's own; leave it out of initialisers */
    struct db_together *askers; /* db's own too */
};

#define DB_PARAMS_MAX 32

/* Run `stmt`.  Failures: ERR_UNAVAILABLE (no connection, lost, server shutting down, too many),
 * ERR_TIMEOUT (request's deadline or statement_timeout), ERR_CONFLICT (23505, 40001, 40P01),
 * ERR_HUP (who asked has left), ERR_INTERNAL (anything else); the SQLSTATE is in the task's
 * failure, the message in its detail, and all that the server said in its `statement` (failure.h).
 */
NODISCARD enum err db_query(struct task *task, struct db_stmt *stmt, const char *const *params,
                            size_t param_count, struct db_result **ret);

/* db_query for a statement that returns exactly one row; another count is ERR_INTERNAL. */
NODISCARD enum err db_one(struct task *task, struct db_stmt *stmt, const char *const *params,
                          size_t param_count, struct db_row *ret);

/* Parameters in place: db_one(task, &claim, DB_PARAMS(user_id, name), &row).
 * NULL is SQL's NULL. */
#define DB_PARAMS(...)                                                                             \
    (const char *const[]){__VA_ARGS__}, ARRAY_LEN(((const char *const[]){__VA_ARGS__}))
#define DB_NO_PARAMS NULL, 0

/* Open connections, of all pools. */
size_t db_connections(void);

/* What a function that uses the database lists in its spec: DATABASE_URL, DB_… */
extern struct setting *const db_settings[];
extern struct setting cfg_database_url, cfg_db_connections, cfg_db_idle_s;

#endif
