/*
 * wait: coroutines: started, suspended, woken.
 *
 * A coroutine is written straight down as if it blocked; co_wait suspends it and the loop goes on
 * with the others.
 *
 * Stacks are CO_STACK_BYTES of mapped memory with a guard page below; a handler's big data lives
 * in its arena.  The deepest use is measured (co_stack_high_water).
 *
 * Thread rule: loop's thread.
 */
#ifndef FFX_LOOP_WAIT_H
#define FFX_LOOP_WAIT_H

#include "base/prelude.h"

#define CO_STACK_BYTES (128 * 1024)

struct co;

/* Start fn(arg) on a coroutine of its own; it runs at once, until its first wait (from within a
 * coroutine: when that one waits). */
void co_start(void (*fn)(void *arg), void *arg);
struct co *co_self(void); /* NULL outside of coroutines */
/* Suspend the running coroutine until co_wake. */
void co_wait(void);
/* Suspend until co_wake (true) or until `deadline_ms` (false). */
NODISCARD bool co_wait_until(int64_t deadline_ms);
/* Let `c` go on at the end of this turn.  One that was woken already in this turn (its deadline
 * passed, say) is not woken twice. */
void co_wake(struct co *c);
void co_sleep_ms(int64_t ms);
size_t co_count(void);
size_t co_stack_high_water(void); /* bytes, over finished coroutines */

#endif
