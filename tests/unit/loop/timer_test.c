#include "check_loop.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "loop/timer.h"

struct named_timer {
    struct loop_timer timer;
    const char *name;
};

static void
note_timer(struct loop_timer *t)
{
    note(CONTAINER_OF(t, struct named_timer, timer)->name);
}

static void
timers_fire_in_the_order_of_their_times(void **state UNUSED)
{
    struct named_timer t[] = {{{.fire = note_timer}, "c"},
                              {{.fire = note_timer}, "a"},
                              {{.fire = note_timer}, "d"},
                              {{.fire = note_timer}, "b"}};
    const int64_t now = clock_ms();
    const int after[] = {3, 1, 4, 2};

    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        loop_timer_set(&t[i].timer, now + after[i]);
    run_for(20);
    assert_string_equal(trace, "a b c d");
}

static void
a_cleared_timer_does_not_fire(void **state UNUSED)
{
    struct named_timer a = {{.fire = note_timer}, "a"}, b = {{.fire = note_timer}, "b"};

    loop_timer_set(&a.timer, clock_ms() + 1);
    loop_timer_set(&b.timer, clock_ms() + 2);
    loop_timer_clear(&a.timer);
    run_for(10);
    assert_string_equal(trace, "b");
}

static int
by_time(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static int64_t fired[500];
static size_t fired_count;

static void
note_time(struct loop_timer *t)
{
    fired[fired_count++] = t->at_ms;
}

static void
many_timers_set_moved_and_cleared_fire_in_order(void **state UNUSED)
{
    static struct loop_timer t[500];
    int64_t left[500];
    size_t count = 0;
    const int64_t now = clock_ms();
    unsigned seed = 7;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        t[i] = (struct loop_timer){.fire = note_time};
        loop_timer_set(&t[i], now + (int64_t)((seed = seed * 1103515245 + 12345) >> 16) % 30);
    }
    for (size_t i = 0; i < ARRAY_LEN(t); i += 3)
        loop_timer_set(&t[i], now + (int64_t)((seed = seed * 1103515245 + 12345) >> 16) % 30);
    for (size_t i = 0; i < ARRAY_LEN(t); i += 5)
        loop_timer_clear(&t[i]);
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        if (t[i].slot != 0)
            left[count++] = t[i].at_ms;
    qsort(left, count, sizeof left[0], by_time);
    fired_count = 0;
    run_for(60);
    assert_int_equal(fired_count, count);
    assert_memory_equal(fired, left, count * sizeof left[0]);
}

static const struct CMUnitTest tests[] = {
    TEST(timers_fire_in_the_order_of_their_times),
    TEST(a_cleared_timer_does_not_fire),
    TEST(many_timers_set_moved_and_cleared_fire_in_order),
};

int
main(void)
{
    loop_init();
    return cmocka_run_group_tests_name("loop_timer", tests, NULL, NULL);
}
