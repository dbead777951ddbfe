/*
 * gate: callbacks of one order do not take every database connection of this process.
 *
 * Who wants to apply an event of an order enters; two may be inside at once, the others wait
 * outside without a connection.  After somebody found the order's row held, only one at a time
 * looks whether it still is, and nobody waits for that: the others' events are only stored.
 * Thread rule: inside coroutines of the loop's thread.
 */
#ifndef FFX_GATE_H
#define FFX_GATE_H

#include "base/arena.h"

struct gate_pass;

/* Whether the caller may apply an event of this order (NULL: of none known) now, after having
 * waited for it until `deadline_ms` at most.  true: call gate_leave with `*ret`; whose work ends
 * without that (its arena is full) leaves with the arena. */
NODISCARD bool gate_enter(struct arena *a, const char *order_id, int64_t deadline_ms,
                          struct gate_pass **ret);

/* `held`: the order's row was not to be had. */
void gate_leave(struct gate_pass *pass, bool held);

#endif
