/*
 * check_loop: for tests of loop: what happened, in order.  A test that stands in the list as
 * TEST(name) starts with an empty trace; main calls loop_init.
 */
#ifndef FFX_CHECK_LOOP_H
#define FFX_CHECK_LOOP_H

#include "check.h"

#include "base/clock.h"
#include "loop/loop.h"
#include "loop/timer.h"

static char trace[256];

static int
clear_trace(void **state UNUSED)
{
    trace[0] = '\0';
    return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, clear_trace)

static inline void
note(const char *what)
{
    const size_t len = strlen(trace);

    (void)snprintf(trace + len, sizeof trace - len, "%s%s", len == 0 ? "" : " ", what);
}

static inline void
stop(struct loop_timer *t UNUSED)
{
    loop_exit();
}

/* Run the loop for at most `ms`. */
static inline void
run_for(int64_t ms)
{
    struct loop_timer end = {.fire = stop};

    loop_timer_set(&end, clock_ms() + ms);
    loop_run();
    loop_timer_clear(&end);
}

#endif
