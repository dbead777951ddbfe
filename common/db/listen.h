/*
 * listen: what others NOTIFY.
 *
 * All channels of a process share a connection of their own to the server of DATABASE_URL, beside
 * DB_CONNECTIONS.  When it is lost it is made again, once a second; what was notified meanwhile is
 * lost, and `missed` says so.  It is asked for a sign of life every 30 s, for nobody else would
 * notice that it is dead.  It has to lead to PostgreSQL itself: poolers do not pass notifications
 * on.
 *
 * Thread rule: loop's thread.  The callbacks are made there, outside of coroutines.
 */
#ifndef FFX_DB_LISTEN_H
#define FFX_DB_LISTEN_H

#include "base/prelude.h"

struct db_listen {
    const char *channel;
    void (*notified)(const char *payload); /* "" when there is none */
    void (*missed)(void);                  /* listening again: there may have been some */
    struct db_listen *next;                /* db's own */
};

/* From now on, until the process ends; `l` stays in place. */
void db_listen(struct db_listen *l);

#endif
