/*
 * hosts: the hosts of a connection string, one after the other, looked up away from the loop.
 *
 * libpq resolves names with a blocking call when a connection is started.  Given `hostaddr` beside
 * `host` it does not: so names are looked up on offload's threads first.  And libpq begins with
 * the first host every time and stays with one that says nothing; who gives it the list decides
 * where it begins.
 */
#ifndef FFX_DB_HOSTS_H
#define FFX_DB_HOSTS_H

#include "base/prelude.h"

/* What is wrong with a connection string, as far as it shows without connecting; NULL: nothing. */
const char *db_hosts_problem(const char *conninfo);

/* Does this connection string name a host that has to be looked up (no socket folder, no address,
 * no hostaddr)?  False also for a string libpq cannot read: connecting will say so. */
bool db_hosts_need_lookup(const char *conninfo);

/* Does it name more than one host? */
bool db_hosts_several(const char *conninfo);

/* libpq's comma-separated lists, one entry for every address of every host; NULL when nothing
 * was found.  Release with db_hosts_release. */
struct db_addresses {
    const char *conninfo;
    unsigned first; /* the entry that shall stand first; the others follow, round */
    unsigned count;
    char *hosts;
    char *addresses; /* hostaddr; empty for a socket folder */
    char *ports;
};

/* Fill `addresses` (a struct db_addresses * whose conninfo and first are set).  Blocks when a
 * lookup is needed: for offload. */
void db_hosts_find(void *addresses);
void db_hosts_release(struct db_addresses *a);

/* The lists once more, from entry `first` of those in `a`, which begin with their first.  False:
 * there are none. */
NODISCARD bool db_hosts_copy(const struct db_addresses *a, unsigned first,
                             struct db_addresses *ret);

/* Which entry a connection made from these lists has got to: what PQhost, PQhostaddr and PQport
 * say.  Counted as `first` is: as the connection string has them. */
unsigned db_hosts_which(const struct db_addresses *a, const char *host, const char *address,
                        const char *port);

#endif
