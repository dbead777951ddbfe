#include "check_loop.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/task.h"
#include "loop/loop.h"
#include "loop/wait.h"

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
    co_start(wait_and_note, (void *)(uintptr_t) "woken");
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

/* ---- an arena that is full ---- */

struct worked {
    struct task task;
    int waits; /* before it takes too much; 0: it never does */
    enum err err;
};

static size_t under_way;

static enum err
work_and_wait(struct task *t, void *arg)
{
    const struct worked *w = arg;

    for (int i = 1; i <= 3; i++) {
        char *heap = malloc(100); /* what overflows later gives it back all the same */

        assert_non_null(heap);
        arena_defer(t->arena, free, heap);
        co_sleep_ms(1); /* the others work meanwhile, each in a scope of its own */
        (void)arena_alloc(t->arena, w->waits == i ? (size_t)1024 * 1024 : 100);
    }
    return ERR_OK;
}

static void
work_on_coroutine(void *arg)
{
    struct worked *w = arg;

    w->task.arena = arena_new(8 * 1024);
    w->err = task_run(&w->task, work_and_wait, w);
    arena_free(w->task.arena);
    if (--under_way == 0)
        loop_exit();
}

static void
a_full_arena_ends_its_own_coroutine_only(void **state UNUSED)
{
    struct worked all[40] = {0};

    under_way = ARRAY_LEN(all);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        all[i].waits = (int)(i % 4);
        co_start(work_on_coroutine, &all[i]);
    }
    run_for(5000);
    assert_int_equal(under_way, 0);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_int_equal(all[i].err, i % 4 == 0 ? ERR_OK : ERR_MEMORY);
    ended = 0;
    co_start(sleep_a_little, NULL); /* on the stack of one that was left in its middle */
    run_for(50);
    assert_int_equal(ended, 1);
}

static void
hold_and_wait(void *unused UNUSED)
{
    char *held = malloc(4096);

    assert_non_null(held);
    held[0] = 'x';
    co_wait();
    free(held);
}

/* The sanitizers' build would end with a status of its own. */
static void
what_a_waiting_coroutine_holds_at_the_end_is_not_lost(void **state UNUSED)
{
    int status;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        co_start(hold_and_wait, NULL);
        exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static const struct CMUnitTest tests[] = {
    TEST(a_coroutine_runs_until_its_first_wait),
    TEST(waking_twice_in_a_turn_wakes_once),
    TEST(a_wait_ends_at_its_deadline_or_when_woken),
    TEST(a_coroutine_started_by_another_runs_after_it),
    TEST(a_stack_keeps_its_content_over_a_wait),
    TEST(a_thousand_coroutines_wait_at_once),
    TEST(a_full_arena_ends_its_own_coroutine_only),
    TEST(what_a_waiting_coroutine_holds_at_the_end_is_not_lost),
};

int
main(void)
{
    loop_init();
    return cmocka_run_group_tests_name("loop_wait", tests, NULL, NULL);
}
