/*
 * The loop: a turn is the events that epoll has, the timers that are due, the coroutines that
 * became ready, and the hooks.  Read loop_run first; internal.h says what the other files do.
 */
#include "loop/loop.h"

#include <errno.h>
#include <malloc.h>

#include "base/clock.h"
#include "loop/internal.h"

#define EVENTS_PER_TURN 256

static struct {
    int epoll_fd;
    bool leaving;
    int64_t now_ms;
    _Atomic int64_t busy_since_ms; /* 0 while the loop waits for events */

    struct epoll_event events[EVENTS_PER_TURN];
    int event_count; /* of this turn */
    int event_next;

    struct loop_hook *hooks, **hooks_tail;
    struct loop_hook *at_rest;
} loop;

void
loop_watch(struct loop_watch *w, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = w};

    MUST(w->ready != NULL);
    if (events == w->events)
        return;
    if (events == 0) {
        (void)epoll_ctl(loop.epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
        /* an event of this turn may still name it */
        for (int i = loop.event_next; i < loop.event_count; i++)
            if (loop.events[i].data.ptr == w)
                loop.events[i].data.ptr = NULL;
    } else if (epoll_ctl(loop.epoll_fd, w->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, w->fd,
                         &ev) != 0) {
        die("epoll_ctl: %s", strerror(errno));
    }
    w->events = events;
}

void
loop_init(void)
{
    loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop.epoll_fd < 0)
        die("epoll_create1: %s", strerror(errno));
    loop.hooks_tail = &loop.hooks;
    loop.now_ms = clock_ms();
    loop_turns_init();
}

int64_t
loop_now_ms(void)
{
    return loop.now_ms;
}

int64_t
loop_busy_ms(void)
{
    const int64_t since = loop.busy_since_ms;

    return since == 0 ? 0 : clock_ms() - since;
}

void
loop_at_end_of_turn(struct loop_hook *h)
{
    MUST(h->fn != NULL);
    if (h->queued)
        return;
    h->queued = true;
    h->next = NULL;
    *loop.hooks_tail = h;
    loop.hooks_tail = &h->next;
}

void
loop_at_rest(struct loop_hook *h)
{
    MUST(h->fn != NULL);
    if (h->queued)
        return;
    h->queued = true;
    h->next = loop.at_rest;
    loop.at_rest = h;
}

void
loop_rest(void)
{
    for (struct loop_hook *h = loop.at_rest; h != NULL; h = h->next)
        h->fn();
    co_release_stacks();
    (void)malloc_trim(0);
}

/* Coroutines first, hooks when none is left: so that what the coroutines of one turn queued is
 * flushed together. */
static void
run_ready_and_hooks(void)
{
    co_run_ready();
    for (struct loop_hook *h; (h = loop.hooks) != NULL; co_run_ready()) {
        loop.hooks = h->next;
        if (loop.hooks == NULL)
            loop.hooks_tail = &loop.hooks;
        h->queued = false;
        h->fn();
    }
}

void
loop_run(void)
{
    MUST(loop.hooks_tail != NULL); /* loop_init was called */
    loop.leaving = false;
    run_ready_and_hooks();
    int64_t turn_end_ms = clock_ms();
    while (!loop.leaving) {
        loop.busy_since_ms = 0;
        const int n = epoll_wait(loop.epoll_fd, loop.events, EVENTS_PER_TURN,
                                 loop_timer_wait_ms(turn_end_ms));

        loop.now_ms = clock_ms();
        loop.busy_since_ms = loop.now_ms;
        if (n < 0 && errno != EINTR)
            die("epoll_wait: %s", strerror(errno));
        loop.event_count = MAX(n, 0);
        for (loop.event_next = 0; loop.event_next < loop.event_count;) {
            const struct epoll_event *ev = &loop.events[loop.event_next++];
            struct loop_watch *w = ev->data.ptr;

            if (w != NULL)
                w->ready(w, ev->events);
        }
        loop_fire_timers(loop.now_ms);
        run_ready_and_hooks();
        turn_end_ms = clock_ms();
        loop_note_turn(loop.now_ms, turn_end_ms);
    }
}

void
loop_exit(void)
{
    loop.leaving = true;
}
