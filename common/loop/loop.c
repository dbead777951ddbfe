#include "loop/loop.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/co.h"

#define EVENTS_PER_TURN 256
#define FREE_STACKS_MAX 64
#define MEASURE_EVERY   1024 /* finished coroutines between two looks at a stack's depth */

struct co {
    struct co_stack stack;
    struct co *next; /* in the ready queue or the free list */
    void (*fn)(void *);
    void *arg;
    struct loop_timer timer;
    bool waiting;
    bool timed_out;
};

static struct {
    int epoll_fd;
    bool leaving;
    int64_t now_ms;
    _Atomic int64_t busy_since_ms; /* 0 while the loop waits for events */

    struct epoll_event events[EVENTS_PER_TURN];
    int event_count; /* of this turn */
    int event_next;

    struct loop_timer **timers; /* binary heap by at_ms */
    size_t timer_count;
    size_t timer_room;

    struct loop_hook *hooks, **hooks_tail;
    struct loop_hook *at_rest;
    struct co *ready, **ready_tail;
    struct co *current;
    struct co *free_list;
    size_t free_count;
    size_t live;
    size_t finished;
    size_t high_water;
} loop;

/* ---- timers: a binary heap ---- */

static void
timer_place(struct loop_timer *t, size_t slot)
{
    loop.timers[slot] = t;
    t->slot = slot + 1;
}

static void
timer_up(struct loop_timer *t, size_t slot)
{
    while (slot > 0 && loop.timers[(slot - 1) / 2]->at_ms > t->at_ms) {
        timer_place(loop.timers[(slot - 1) / 2], slot);
        slot = (slot - 1) / 2;
    }
    timer_place(t, slot);
}

static void
timer_down(struct loop_timer *t, size_t slot)
{
    for (;;) {
        size_t child = 2 * slot + 1;

        if (child >= loop.timer_count)
            break;
        if (child + 1 < loop.timer_count &&
            loop.timers[child + 1]->at_ms < loop.timers[child]->at_ms)
            child++;
        if (loop.timers[child]->at_ms >= t->at_ms)
            break;
        timer_place(loop.timers[child], slot);
        slot = child;
    }
    timer_place(t, slot);
}

void
loop_timer_clear(struct loop_timer *t)
{
    if (t->slot == 0)
        return;

    const size_t slot = t->slot - 1;
    struct loop_timer *last = loop.timers[--loop.timer_count];

    t->slot = 0;
    if (last == t)
        return;
    if (slot > 0 && loop.timers[(slot - 1) / 2]->at_ms > last->at_ms)
        timer_up(last, slot);
    else
        timer_down(last, slot);
}

void
loop_timer_set(struct loop_timer *t, int64_t at_ms)
{
    loop_timer_clear(t);
    if (loop.timer_count == loop.timer_room) {
        loop.timer_room = MAX(64, loop.timer_room * 2);
        loop.timers = realloc(loop.timers, loop.timer_room * sizeof loop.timers[0]);
        if (loop.timers == NULL)
            die("no memory for timers");
    }
    t->at_ms = at_ms;
    timer_up(t, loop.timer_count++);
}

static void
fire_timers(void)
{
    while (loop.timer_count > 0 && loop.timers[0]->at_ms <= loop.now_ms) {
        struct loop_timer *t = loop.timers[0];

        loop_timer_clear(t);
        t->fire(t);
    }
}

/* ---- descriptors ---- */

void
loop_watch(struct loop_watch *w, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = w};

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

/* ---- coroutines ---- */

struct co *
co_self(void)
{
    return loop.current;
}

static void
make_ready(struct co *c)
{
    c->next = NULL;
    *loop.ready_tail = c;
    loop.ready_tail = &c->next;
}

static void
co_body(void *arg)
{
    struct co *c = arg;

    c->fn(c->arg);
    co_stack_leave(&c->stack, true);
}

static void
recycle(struct co *c)
{
    loop.live--;
    if (loop.finished++ % MEASURE_EVERY == 0)
        loop.high_water = MAX(loop.high_water, co_stack_used(&c->stack));
    if (loop.free_count < FREE_STACKS_MAX) {
        c->next = loop.free_list;
        loop.free_list = c;
        loop.free_count++;
    } else {
        co_stack_release(&c->stack);
        free(c);
    }
}

/* Run `c` until it waits or ends. */
static void
resume(struct co *c)
{
    loop.current = c;
    if (c->stack.sp == NULL)
        co_stack_prepare(&c->stack, co_body, c);
    co_stack_enter(&c->stack);
    loop.current = NULL;
    if (!c->waiting)
        recycle(c);
}

static void
wait_timed_out(struct loop_timer *t)
{
    struct co *c = CONTAINER_OF(t, struct co, timer);

    c->timed_out = true;
    co_wake(c);
}

void
co_start(void (*fn)(void *arg), void *arg)
{
    struct co *c = loop.free_list;

    if (c != NULL) {
        loop.free_list = c->next;
        loop.free_count--;
    } else {
        c = calloc(1, sizeof *c);
        if (c == NULL)
            die("no memory for a coroutine");
        co_stack_init(&c->stack, CO_STACK_BYTES);
        c->timer.fire = wait_timed_out;
    }
    c->stack.sp = NULL;
    c->fn = fn;
    c->arg = arg;
    c->waiting = false;
    loop.live++;
    if (loop.current == NULL)
        resume(c);
    else
        make_ready(c); /* started from a coroutine: it runs when that one waits */
}

void
co_wait(void)
{
    struct co *c = loop.current;

    MUST(c != NULL);
    c->timed_out = false;
    c->waiting = true;
    co_stack_leave(&c->stack, false);
}

bool
co_wait_until(int64_t deadline_ms)
{
    struct co *c = loop.current;

    MUST(c != NULL);
    loop_timer_set(&c->timer, deadline_ms);
    co_wait();
    loop_timer_clear(&c->timer);
    return !c->timed_out;
}

void
co_wake(struct co *c)
{
    if (!c->waiting)
        return;
    c->waiting = false;
    loop_timer_clear(&c->timer);
    make_ready(c);
}

void
co_sleep_ms(int64_t ms)
{
    loop_timer_set(&co_self()->timer, clock_ms() + ms);
    co_wait();
}

static void
release_stacks(void)
{
    while (loop.free_list != NULL) {
        struct co *c = loop.free_list;

        loop.free_list = c->next;
        co_stack_release(&c->stack);
        free(c);
    }
    loop.free_count = 0;
}

size_t
co_count(void)
{
    return loop.live;
}

size_t
co_stack_high_water(void)
{
    return loop.high_water;
}

/* ---- the loop ---- */

void
loop_init(void)
{
    loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop.epoll_fd < 0)
        die("epoll_create1: %s", strerror(errno));
    loop.hooks_tail = &loop.hooks;
    loop.ready_tail = &loop.ready;
    loop.now_ms = clock_ms();
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
    release_stacks();
    (void)malloc_trim(0);
}

/* Coroutines first, hooks when none is left: so that what the coroutines of one turn queued is
 * flushed together. */
static void
run_ready_and_hooks(void)
{
    for (;;) {
        struct co *c = loop.ready;
        struct loop_hook *h = loop.hooks;

        if (c != NULL) {
            loop.ready = c->next;
            if (loop.ready == NULL)
                loop.ready_tail = &loop.ready;
            resume(c);
        } else if (h != NULL) {
            loop.hooks = h->next;
            if (loop.hooks == NULL)
                loop.hooks_tail = &loop.hooks;
            h->queued = false;
            h->fn();
        } else {
            return;
        }
    }
}

static int
wait_ms(void)
{
    if (loop.timer_count == 0)
        return -1;

    const int64_t left = loop.timers[0]->at_ms - clock_ms();

    return left <= 0 ? 0 : (int)MIN(left, 60000);
}

void
loop_run(void)
{
    loop.leaving = false;
    run_ready_and_hooks();
    while (!loop.leaving) {
        loop.busy_since_ms = 0;
        const int n = epoll_wait(loop.epoll_fd, loop.events, EVENTS_PER_TURN, wait_ms());

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
        fire_timers();
        run_ready_and_hooks();
    }
}

void
loop_exit(void)
{
    loop.leaving = true;
}
