/*
 * timer: calls that the loop makes at their time.
 *
 * A timer belongs to whoever waits and stays in place while it is set; setting it again moves it.
 * Thread rule: loop's thread.
 */
#ifndef FFX_LOOP_TIMER_H
#define FFX_LOOP_TIMER_H

#include "base/prelude.h"

struct loop_timer {
    int64_t at_ms; /* monotonic */
    size_t slot;   /* position in the heap + 1; 0 when not set */
    void (*fire)(struct loop_timer *t);
};
void loop_timer_set(struct loop_timer *t, int64_t at_ms);
void loop_timer_clear(struct loop_timer *t);

#endif
