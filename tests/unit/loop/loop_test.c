#include "check_loop.h"

#include <stdlib.h>
#include <unistd.h>

#include "loop/loop.h"
#include "loop/wait.h"

static size_t ended;

static void
sleep_a_little(void *unused UNUSED)
{
    co_sleep_ms(5);
    ended++;
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
    co_start(queue_hook, (void *)(uintptr_t) "a");
    co_start(queue_hook, (void *)(uintptr_t) "b");
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

static const struct CMUnitTest tests[] = {
    TEST(a_hook_runs_once_after_all_coroutines_of_a_turn),
    TEST(a_removed_descriptor_is_silent_in_the_same_turn),
    TEST(rest_asks_everybody_who_keeps_memory_each_time),
    TEST(rest_gives_the_stacks_of_ended_coroutines_back),
};

int
main(void)
{
    loop_init();
    return cmocka_run_group_tests_name("loop_loop", tests, NULL, NULL);
}
