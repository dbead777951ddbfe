/* Timers in a binary heap: the first one due is at its top. */
#include "loop/timer.h"

#include "loop/internal.h"

#define WAIT_MAX_MS 60000

static struct {
    struct loop_timer **timers; /* by at_ms */
    size_t count;
    size_t room;
} heap;

static void
timer_place(struct loop_timer *t, size_t slot)
{
    heap.timers[slot] = t;
    t->slot = slot + 1;
}

static void
timer_up(struct loop_timer *t, size_t slot)
{
    while (slot > 0 && heap.timers[(slot - 1) / 2]->at_ms > t->at_ms) {
        timer_place(heap.timers[(slot - 1) / 2], slot);
        slot = (slot - 1) / 2;
    }
    timer_place(t, slot);
}

static void
timer_down(struct loop_timer *t, size_t slot)
{
    for (;;) {
        size_t child = 2 * slot + 1;

        if (child >= heap.count)
            break;
        if (child + 1 < heap.count && heap.timers[child + 1]->at_ms < heap.timers[child]->at_ms)
            child++;
        if (heap.timers[child]->at_ms >= t->at_ms)
            break;
        timer_place(heap.timers[child], slot);
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
    struct loop_timer *last = heap.timers[--heap.count];

    t->slot = 0;
    if (last == t)
        return;
    if (slot > 0 && heap.timers[(slot - 1) / 2]->at_ms > last->at_ms)
        timer_up(last, slot);
    else
        timer_down(last, slot);
}

void
loop_timer_set(struct loop_timer *t, int64_t at_ms)
{
    MUST(t->fire != NULL);
    loop_timer_clear(t);
    if (heap.count == heap.room) {
        heap.room = MAX(64, heap.room * 2);
        heap.timers = realloc(heap.timers, heap.room * sizeof heap.timers[0]);
        if (heap.timers == NULL)
            die("no memory for timers");
    }
    t->at_ms = at_ms;
    timer_up(t, heap.count++);
}

void
loop_fire_timers(int64_t now_ms)
{
    while (heap.count > 0 && heap.timers[0]->at_ms <= now_ms) {
        struct loop_timer *t = heap.timers[0];

        loop_timer_clear(t);
        t->fire(t);
    }
}

int
loop_timer_wait_ms(int64_t now_ms)
{
    if (heap.count == 0)
        return -1;

    const int64_t left = heap.timers[0]->at_ms - now_ms;

    return left <= 0 ? 0 : (int)MIN(left, WAIT_MAX_MS);
}
