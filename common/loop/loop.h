/*
 * loop: one event loop per process: descriptors that are ready, work at the end of a turn, and
 * rest. Timers are in timer.h, coroutines in wait.h, work for other threads in offload.h.
 *
 * There is no call here, or above, that blocks the process.
 *
 * Thread rule: loop's thread only, unless said otherwise.
 */
#ifndef FFX_LOOP_LOOP_H
#define FFX_LOOP_LOOP_H

#include <sys/epoll.h>

#include "base/prelude.h"

void loop_init(void);
/* Runs until loop_exit is called, and to the end of that turn. */
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

#endif
