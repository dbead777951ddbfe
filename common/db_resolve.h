/*
 * db_resolve: host names of a connection string, looked up away from the loop.
 *
 * libpq resolves names with a blocking call when a connection is started.  Given `hostaddr` beside
 * `host` it does not: so names are looked up on offload's threads first.  Part of db.
 */
#ifndef FFX_DB_RESOLVE_H
#define FFX_DB_RESOLVE_H

#include "base.h"

/* Does this connection string name a host that has to be looked up (no socket folder, no address,
 * no hostaddr)?  False also for a string libpq cannot read: connecting will say so. */
bool db_resolve_needed(const char *conninfo);

/* libpq's comma-separated lists, one entry for every address of every host; NULL when nothing
 * was found.  Release with db_resolve_release. */
struct db_addresses {
    const char *conninfo;
    char *hosts;
    char *addresses; /* hostaddr; empty for a socket folder */
    char *ports;
};

/* Fill `addresses` (a struct db_addresses * whose conninfo is set).  Blocks: for offload. */
void db_resolve(void *addresses);
void db_resolve_release(struct db_addresses *a);

#endif
