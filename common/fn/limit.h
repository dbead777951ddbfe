/*
 * limit: at most `calls` per `window_s` and key, counted over all workers of a function on
 * this machine (a fixed table in RUN_DIR/NAME.limits).
 *
 * Algorithm: generic cell rate (GCRA, ITU-T I.371): one 64-bit time per key, updated with
 * compare-and-swap; `calls` may come at once, afterwards one every window/calls.  The table has
 * LIMIT_SLOTS places; when a key's places are all taken by live keys the oldest is replaced.
 * Any thread may call.
 */
#ifndef FFX_FN_LIMIT_H
#define FFX_FN_LIMIT_H

#include "base/setting.h"
#include "base/task.h"

#define LIMIT_SLOTS 16384

/* Map the table; false (and a process-private table) when the file cannot be used. */
bool limit_open(const char *run_dir, const char *service);

/* One more call of `key` to what `what` stands for (a route's number: each counts for itself).
 * True: go on.  False: refused; ret_retry_after_s (>= 1) says when to try again. */
NODISCARD bool limit_take(struct str key, unsigned what, int calls, int window_s,
                          int *ret_retry_after_s);

/* limit_take for a task, unless RATE_LIMIT is false: ERR_RATE_LIMITED with its text and Retry-After, and
 * counted, when it is refused. */
NODISCARD enum err limit_check(struct task *task, struct str key, unsigned what, int calls,
                               int window_s);

/* The key of whoever calls from `address`: an IPv4 address, or the /64 that an IPv6 address is in,
 * for one customer has that many; what is neither is its own key. */
#define LIMIT_NETWORK_BYTES 8
struct str limit_network(struct str address, uint8_t ret[LIMIT_NETWORK_BYTES]);

/* RATE_LIMIT */
extern struct setting cfg_rate_limit;

#endif
