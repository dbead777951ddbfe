/*
 * loop: one event loop per process, and coroutines that run on it.
 *
 * A coroutine is written straight down as if it blocked; co_wait suspends it and the loop goes on
 * with the others.  There is no call here, or above, that blocks the process.
 *
 * Stacks are CO_STACK_BYTES of mapped memory with a guard page below; a handler's big data lives
 * in its arena.  The deepest use is measured (co_stack_high_water).
 *
 * Thread rule: loop's thread only, except offload's worker function.
 */
#ifndef FFX_LOOP_H
#define FFX_LOOP_H

#include "base/prelude.h"
#include <sys/epoll.h>

#define CO_STACK_BYTES (128 * 1024)

/* ---- the loop ---- */
void loop_init(void);
/* Runs until loop_stop and no coroutine is left, or `loop_exit` is called. */
void loop_run(void);
void loop_exit(void);
/* Monotonic ms at the start of this turn of the loop: cheap. */
int64_t loop_now_ms(void);
/* How long the loop has been busy without waiting; 0 when it waits.  Any thread (watchdog). */
int64_t loop_busy_ms(void);

/* ---- file descriptors ---- */
struct loop_watch {
    int fd;
    uint32_t events; /* EPOLLIN | EPOLLOUT …; 0 when not registered */
    void (*ready)(struct loop_watch *w, uint32_t events);
};
/* Register, change or (events 0) remove; `w` must stay in place while registered. */
void loop_watch(struct loop_watch *w, uint32_t events);

/* ---- timers ---- */
struct loop_timer {
    int64_t at_ms;
    size_t slot; /* position in the heap + 1; 0 when not set */
    void (*fire)(struct loop_timer *t);
};
void loop_timer_set(struct loop_timer *t, int64_t at_ms);
void loop_timer_clear(struct loop_timer *t);

/* ---- work at the end of each turn, before the loop waits (flush what was queued) ---- */
struct loop_hook {
    void (*fn)(void);
    struct loop_hook *next;
    bool queued;
};
/* Run fn once at the end of this turn. */
void loop_at_end_of_turn(struct loop_hook *h);

/* ---- rest ---- */
/* Whoever keeps memory for the next time has `h` called by each loop_rest; never taken back. */
void loop_at_rest(struct loop_hook *h);
/* Nothing is going on and nothing will for a while: memory that is kept for the next time goes back
 * to the system. */
void loop_rest(void);

/* ---- coroutines ---- */
struct co;

/* Start fn(arg) on a coroutine of its own; it runs at once, until its first wait. */
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

/* ---- slow CPU work ----
 * Runs fn(arg) on a small pool of threads (2 by default) while the calling coroutine waits.
 * fn must not call anything of this library but base, num and crypto. */
void offload(void (*fn)(void *arg), void *arg);

#endif
