#include "check.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "loop/offload.h"
#include "loop/timer.h"
#include "loop/wait.h"

/* What happened, in order; each test starts with an empty trace. */
static char trace[256];

static void
note(const char *what)
{
    const size_t len = strlen(trace);

    (void)snprintf(trace + len, sizeof trace - len, "%s%s", len == 0 ? "" : " ", what);
}

static int
clear_trace(void **state)
{
    (void)state;
    trace[0] = '\0';
    return 0;
}

static void
stop(struct loop_timer *t UNUSED)
{
    loop_exit();
}

/* Run the loop for at most `ms`. */
static void
run_for(int64_t ms)
{
    struct loop_timer end = {.fire = stop};

    loop_timer_set(&end, clock_ms() + ms);
    loop_run();
    loop_timer_clear(&end);
}

/* ---- timers ---- */

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

/* ---- coroutines ---- */

static struct co *sleeper;

static void
wait_and_note(void *name)
{
    sleeper = co_self();
    note("waits");
    co_wait();
    note(name);
}

static void
a_coroutine_runs_until_its_first_wait(void **state UNUSED)
{
    co_start(wait_and_note, (void *)(uintptr_t)"woken");
    assert_string_equal(trace, "waits");
    co_wake(sleeper);
    run_for(5);
    assert_string_equal(trace, "waits woken");
}

static void
wake_twice_then_wait_again(void *unused UNUSED)
{
    sleeper = co_self();
    co_wait();
    note("first");
    co_wait();
    note("second");
}

static void
waking_twice_in_a_turn_wakes_once(void **state UNUSED)
{
    co_start(wake_twice_then_wait_again, NULL);
    co_wake(sleeper);
    co_wake(sleeper);
    run_for(5);
    assert_string_equal(trace, "first");
    co_wake(sleeper);
    run_for(5);
    assert_string_equal(trace, "first second");
}

static void
wait_with_deadline(void *unused UNUSED)
{
    sleeper = co_self();
    note(co_wait_until(clock_ms() + 3) ? "woken" : "late");
    note(co_wait_until(clock_ms() + 1000) ? "woken" : "late");
}

static void
a_wait_ends_at_its_deadline_or_when_woken(void **state UNUSED)
{
    co_start(wait_with_deadline, NULL);
    run_for(10);
    co_wake(sleeper);
    run_for(5);
    assert_string_equal(trace, "late woken");
}

static void
note_inner(void *unused UNUSED)
{
    note("inner");
}

static void
start_inner(void *unused UNUSED)
{
    co_start(note_inner, NULL);
    note("outer");
}

static void
a_coroutine_started_by_another_runs_after_it(void **state UNUSED)
{
    co_start(start_inner, NULL);
    run_for(5);
    assert_string_equal(trace, "outer inner");
}

static void
use_stack(void *unused UNUSED)
{
    volatile char deep[64 * 1024];

    for (size_t i = 0; i < sizeof deep; i += 1024)
        deep[i] = (char)i;
    co_sleep_ms(1);
    note(deep[1024] == 0 ? "kept" : "lost");
}

static void
a_stack_keeps_its_content_over_a_wait(void **state UNUSED)
{
    co_start(use_stack, NULL);
    run_for(10);
    assert_string_equal(trace, "kept");
}

static size_t ended;

static void
sleep_a_little(void *unused UNUSED)
{
    co_sleep_ms(5);
    ended++;
}

static void
a_thousand_coroutines_wait_at_once(void **state UNUSED)
{
    ended = 0;
    for (int i = 0; i < 1000; i++)
        co_start(sleep_a_little, NULL);
    assert_true(co_count() >= 1000);
    run_for(200);
    assert_int_equal(ended, 1000);
}

/* ---- hooks and descriptors ---- */

static void
note_hook(void)
{
    note("hook");
}

static struct loop_hook hook = {.fn = note_hook};

static void
queue_hook(void *name)
{
    loop_at_end_of_turn(&hook);
    note(name);
}

static void
a_hook_runs_once_after_all_coroutines_of_a_turn(void **state UNUSED)
{
    co_start(queue_hook, (void *)(uintptr_t)"a");
    co_start(queue_hook, (void *)(uintptr_t)"b");
    run_for(5);
    assert_string_equal(trace, "a b hook");
}

static struct loop_watch first, second;

/* Whichever comes first removes the other, which must then stay silent. */
static void
remove_other(struct loop_watch *w, uint32_t events UNUSED)
{
    note("ready");
    loop_watch(w == &first ? &second : &first, 0);
    loop_watch(w, 0);
}

static void
a_removed_descriptor_is_silent_in_the_same_turn(void **state UNUSED)
{
    int a[2], b[2];

    assert_int_equal(pipe(a), 0);
    assert_int_equal(pipe(b), 0);
    first = (struct loop_watch){.fd = a[0], .ready = remove_other};
    second = (struct loop_watch){.fd = b[0], .ready = remove_other};
    loop_watch(&first, EPOLLIN);
    loop_watch(&second, EPOLLIN);
    assert_int_equal(write(a[1], "x", 1), 1);
    assert_int_equal(write(b[1], "x", 1), 1);
    run_for(5);
    assert_string_equal(trace, "ready");
    (void)close(a[0]), (void)close(a[1]), (void)close(b[0]), (void)close(b[1]);
}

/* ---- rest ---- */

static void
note_rest(void)
{
    note("rest");
}

static size_t
stacks_mapped(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    size_t from, to, count = 0;
    char line[512];

    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) != NULL)
        count += sscanf(line, "%zx-%zx rw", &from, &to) == 2 && to - from == CO_STACK_BYTES;
    (void)fclose(maps);
    return count;
}

static void
rest_asks_everybody_who_keeps_memory_each_time(void **state UNUSED)
{
    static struct loop_hook keeper = {.fn = note_rest};

    loop_at_rest(&keeper);
    loop_at_rest(&keeper);
    loop_rest();
    loop_rest();
    assert_string_equal(trace, "rest rest");
}

static void
rest_gives_the_stacks_of_ended_coroutines_back(void **state UNUSED)
{
    loop_rest();
    const size_t others = stacks_mapped(); /* of the same size */
    for (int i = 0; i < 20; i++)
        co_start(sleep_a_little, NULL);
    run_for(20);
    assert_true(stacks_mapped() >= others + 20);
    loop_rest();
    assert_int_equal(stacks_mapped(), others);
    ended = 0;
    co_start(sleep_a_little, NULL);
    run_for(20);
    assert_int_equal(ended, 1);
}

/* ---- offload ---- */

static void
square(void *n)
{
    *(int *)n *= *(int *)n;
}

static void
offload_square(void *n)
{
    offload(square, n);
    note("done");
    loop_exit();
}

static void
offloaded_work_comes_back_to_its_coroutine(void **state UNUSED)
{
    int n = 12;

    co_start(offload_square, &n);
    assert_string_equal(trace, "");
    run_for(2000);
    assert_string_equal(trace, "done");
    assert_int_equal(n, 144);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(timers_fire_in_the_order_of_their_times, clear_trace),
        cmocka_unit_test_setup(a_cleared_timer_does_not_fire, clear_trace),
        cmocka_unit_test_setup(many_timers_set_moved_and_cleared_fire_in_order, clear_trace),
        cmocka_unit_test_setup(a_coroutine_runs_until_its_first_wait, clear_trace),
        cmocka_unit_test_setup(waking_twice_in_a_turn_wakes_once, clear_trace),
        cmocka_unit_test_setup(a_wait_ends_at_its_deadline_or_when_woken, clear_trace),
        cmocka_unit_test_setup(a_coroutine_started_by_another_runs_after_it, clear_trace),
        cmocka_unit_test_setup(a_stack_keeps_its_content_over_a_wait, clear_trace),
        cmocka_unit_test_setup(a_thousand_coroutines_wait_at_once, clear_trace),
        cmocka_unit_test_setup(a_hook_runs_once_after_all_coroutines_of_a_turn, clear_trace),
        cmocka_unit_test_setup(a_removed_descriptor_is_silent_in_the_same_turn, clear_trace),
        cmocka_unit_test_setup(rest_asks_everybody_who_keeps_memory_each_time, clear_trace),
        cmocka_unit_test_setup(rest_gives_the_stacks_of_ended_coroutines_back, clear_trace),
        cmocka_unit_test_setup(offloaded_work_comes_back_to_its_coroutine, clear_trace),
    };

    loop_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
