/*
 * pool: the connections of one connection string.
 *
 * Every function has the pool of DATABASE_URL and DB_CONNECTIONS, which nobody has to name.  One
 * that also asks another server, or asks as another role, declares a further pool.  Its statements
 * name it, and the function's spec lists its settings beside db_settings:
 *
 *     static struct setting url = DB_POOL_URL("BOOKS_URL", "libpq connection string of the books");
 *     static struct setting connections =
 *         DB_POOL_CONNECTIONS("BOOKS_CONNECTIONS", "4", "most connections of a worker to them");
 *     static struct setting *const books_settings[] = {&url, &connections, NULL};
 *     static struct db_pool books = {.url = &url, .connections = &connections};
 *
 *     static struct db_stmt enter = {.sql = "SELECT enter($1)", .kind = DB_WRITE, .pool = &books};
 *
 * Each pool has its own connections and who waits for them, its own hosts and back-off: one that
 * has too much to do, or whose server is away, holds up no other.  DB_PREPARE and DB_IDLE_S are of
 * all pools, and so are the two threads that look names up and the two that cancel.
 *
 * A pool stays in place, and begins with its first statement.  That a setting of it was not loaded
 * ends the process then.
 *
 * Thread rule: loop's thread.
 */
#ifndef FFX_DB_POOL_H
#define FFX_DB_POOL_H

#include "base/setting.h"
#include "db/hosts.h"

struct db_pool {
    const struct setting *url;         /* a DB_POOL_URL */
    const struct setting *connections; /* a DB_POOL_CONNECTIONS */
    struct db_state *state;            /* db's own; leave it out of initialisers */
};

/* What its two settings are. */
/* clang-format off */
#define DB_POOL_URL(name, says)                                                                    \
    {.env = (name), .kind = SETTING_TEXT, .meaning = (says), .check = db_hosts_problem,            \
     .secret = true}
#define DB_POOL_CONNECTIONS(name, most, says)                                                      \
    {.env = (name), .kind = SETTING_INT, .fallback = (most), .meaning = says ", 2 to 64",          \
     .min = 2, .max = 64}
/* clang-format on */

#endif
