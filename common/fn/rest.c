/* When a worker is at rest, so that memory that only load needs goes back to the system. */
#include "fn/internal.h"

#include "base/clock.h"
#include "db/db.h"
#include "loop/loop.h"

#define AGAIN_MS     1000
#define IDLE_NO_DB_S 60

static struct loop_timer timer;
static int64_t answered_ms; /* the last request */
static int64_t idle_ms;

/* It rests when nothing runs, the last answer is DB_IDLE_S old, and the database connections, which
 * are closed by the same measure, are gone: so rarely that what is made anew with the next request
 * (page faults, tokens read again, a connection to the provider) does not count.  Those that work
 * on a schedule use their connection every few seconds, and never rest. */
static void
rest(struct loop_timer *t)
{
    const int64_t now = clock_ms();
    const int64_t due_ms = answered_ms + idle_ms;

    if (now < due_ms || co_count() > 0 || db_connections() > 0) {
        loop_timer_set(t, MAX(due_ms, now + AGAIN_MS));
        return;
    }
    loop_rest();
}

void
fn_rest_later(const struct fn_spec *spec)
{
    answered_ms = loop_now_ms();
    if (timer.slot != 0)
        return;
    idle_ms = 1000 * ((spec->needs & FN_NEED_DB) != 0 ? config_int(CFG_DB_IDLE_S) : IDLE_NO_DB_S);
    timer.fire = rest;
    loop_timer_set(&timer, answered_ms + idle_ms);
}
