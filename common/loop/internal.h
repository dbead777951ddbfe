/*
 * What the files of loop share.
 *
 *   loop.c     a turn: events, timers, coroutines, hooks; and rest
 *   turn.c     how long a turn takes
 *   timer.c    the heap of timers
 *   wait.c     coroutines: which run, which wait
 *   co.c       their stacks, and the switch between them (co.h)
 *   offload.c  the threads
 */
#ifndef FFX_LOOP_INTERNAL_H
#define FFX_LOOP_INTERNAL_H

#include "base/prelude.h"

/* ---- turn.c ---- */

void loop_turns_init(void);
/* For the figures: a turn is over. */
void loop_note_turn(int64_t from_ms, int64_t to_ms);

/* ---- timer.c ---- */

/* Call those whose time is `now_ms` or earlier. */
void loop_fire_timers(int64_t now_ms);
/* For epoll_wait: ms until the first one is due, at most a minute; -1: there is none. */
int loop_timer_wait_ms(int64_t now_ms);

/* ---- wait.c ---- */

/* Run coroutines until all of them wait; those woken meanwhile run too. */
void co_run_ready(void);
/* Give the kept stacks back. */
void co_release_stacks(void);

#endif
