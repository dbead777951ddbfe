/*
 * Coroutines: one that runs, those that are ready, those that wait (held by whoever will wake
 * them), and stacks that are kept for the next.
 *
 * Read from co_start: it takes a stack and enters it (resume); co_wait leaves it; co_wake puts it
 * into the ready queue, which the loop runs at the end of its turn (co_run_ready).
 */
#include "loop/wait.h"

#include "base/clock.h"
#include "loop/co.h"
#include "loop/internal.h"
#include "loop/timer.h"

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
    struct co *ready, **ready_tail;
    struct co *current;
    struct co *free_list;
    size_t free_count;
    size_t live;
    size_t finished;
    size_t high_water;
} all = {.ready_tail = &all.ready};

struct co *
co_self(void)
{
    return all.current;
}

static void
make_ready(struct co *c)
{
    c->next = NULL;
    *all.ready_tail = c;
    all.ready_tail = &c->next;
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
    all.live--;
    if (all.finished++ % MEASURE_EVERY == 0)
        all.high_water = MAX(all.high_water, co_stack_used(&c->stack));
    if (all.free_count < FREE_STACKS_MAX) {
        c->next = all.free_list;
        all.free_list = c;
        all.free_count++;
    } else {
        co_stack_release(&c->stack);
        free(c);
    }
}

/* Run `c` until it waits or ends. */
static void
resume(struct co *c)
{
    all.current = c;
    if (c->stack.sp == NULL)
        co_stack_prepare(&c->stack, co_body, c);
    co_stack_enter(&c->stack);
    all.current = NULL;
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
    struct co *c = all.free_list;

    MUST(fn != NULL);
    if (c != NULL) {
        all.free_list = c->next;
        all.free_count--;
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
    all.live++;
    if (all.current == NULL)
        resume(c);
    else
        make_ready(c); /* started from a coroutine: it runs when that one waits */
}

void
co_wait(void)
{
    struct co *c = all.current;

    MUST(c != NULL);
    c->timed_out = false;
    c->waiting = true;
    co_stack_leave(&c->stack, false);
}

bool
co_wait_until(int64_t deadline_ms)
{
    struct co *c = all.current;

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
    struct co *c = all.current;

    MUST(c != NULL);
    loop_timer_set(&c->timer, clock_ms() + ms);
    co_wait();
}

void
co_run_ready(void)
{
    MUST(all.current == NULL); /* the loop's own stack */
    while (all.ready != NULL) {
        struct co *c = all.ready;

        all.ready = c->next;
        if (all.ready == NULL)
            all.ready_tail = &all.ready;
        resume(c);
    }
}

void
co_release_stacks(void)
{
    while (all.free_list != NULL) {
        struct co *c = all.free_list;

        all.free_list = c->next;
        co_stack_release(&c->stack);
        free(c);
    }
    all.free_count = 0;
}

size_t
co_count(void)
{
    return all.live;
}

size_t
co_stack_high_water(void)
{
    return all.high_water;
}
