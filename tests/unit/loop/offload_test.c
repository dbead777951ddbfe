#include "check_loop.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "loop/loop.h"
#include "loop/offload.h"
#include "loop/wait.h"

#define SLOW_MS 200

static void
square(void *n)
{
    *(int *)n *= *(int *)n;
}

static void
be_slow(void *unused UNUSED)
{
    const struct timespec slow = {.tv_nsec = SLOW_MS * 1000000L};

    (void)nanosleep(&slow, NULL);
}

static int64_t
soon(int64_t ms)
{
    return clock_ms() + ms;
}

static void
offload_square(void *n)
{
    assert_true(offload(OFFLOAD_HASH, square, n, NULL, soon(2000)));
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

/* ---- classes ---- */

static void
note_niceness(void *n)
{
    *(int *)n = getpriority(PRIO_PROCESS, (id_t)gettid());
}

struct niceness {
    int hash, lookup;
};

static void
ask_niceness(void *arg)
{
    struct niceness *n = arg;

    assert_true(offload(OFFLOAD_HASH, note_niceness, &n->hash, NULL, soon(2000)));
    assert_true(offload(OFFLOAD_LOOKUP, note_niceness, &n->lookup, NULL, soon(2000)));
    loop_exit();
}

static void
hashing_stands_back_for_all_others(void **state UNUSED)
{
    const int own = getpriority(PRIO_PROCESS, 0);
    struct niceness seen;

    co_start(ask_niceness, &seen);
    run_for(2000);
    assert_int_equal(seen.lookup, own);
    assert_int_equal(seen.hash, MIN(own + 10, 19));
    assert_int_equal(getpriority(PRIO_PROCESS, 0), own);
}

static void
send_slow_mail(void *unused UNUSED)
{
    assert_true(offload(OFFLOAD_MAIL, be_slow, NULL, NULL, soon(5000)));
    note("mail");
}

static void
look_up(void *n)
{
    assert_true(offload(OFFLOAD_LOOKUP, square, n, NULL, soon(5000)));
    note("lookup");
}

static void
work_of_one_class_does_not_wait_for_another(void **state UNUSED)
{
    int n = 3;

    for (int i = 0; i < 6; i++)
        co_start(send_slow_mail, NULL);
    co_start(look_up, &n);
    run_for(SLOW_MS / 2);
    assert_string_equal(trace, "lookup");
    run_for(3 * SLOW_MS);
    assert_string_equal(trace, "lookup mail mail mail mail mail mail");
}

/* ---- deadlines ---- */

static int dropped;

static void
count_drop(void *arg)
{
    dropped++;
    free(arg);
}

static void
leave_slow_work(void *unused UNUSED)
{
    const int64_t began_ms = clock_ms();

    assert_false(offload(OFFLOAD_CANCEL, be_slow, malloc(1), count_drop, soon(20)));
    assert_in_range(clock_ms() - began_ms, 20, SLOW_MS - 20);
    note("late");
}

static void
who_is_late_goes_on_and_the_work_is_dropped_when_it_ends(void **state UNUSED)
{
    dropped = 0;
    co_start(leave_slow_work, NULL);
    co_start(leave_slow_work, NULL);
    co_start(leave_slow_work, NULL); /* two threads: this one never begins */
    run_for(SLOW_MS / 2);
    assert_string_equal(trace, "late late late");
    assert_int_equal(dropped, 1);
    run_for(SLOW_MS);
    assert_int_equal(dropped, 3);
}

static void
wait_for_slow_work(void *unused UNUSED)
{
    const int64_t began_ms = clock_ms();

    assert_true(offload(OFFLOAD_CANCEL, be_slow, NULL, NULL, soon(20)));
    assert_true(clock_ms() - began_ms >= SLOW_MS);
    note("ended");
}

static void
never_begin(void *ran)
{
    assert_false(offload(OFFLOAD_CANCEL, square, ran, NULL, soon(20)));
    note("refused");
}

static void
without_drop_what_began_is_waited_for_and_the_rest_never_begins(void **state UNUSED)
{
    int n = 5;

    co_start(wait_for_slow_work, NULL);
    co_start(wait_for_slow_work, NULL);
    co_start(never_begin, &n);
    run_for(2 * SLOW_MS);
    assert_string_equal(trace, "refused ended ended");
    assert_int_equal(n, 5);
}

static const struct CMUnitTest tests[] = {
    TEST(offloaded_work_comes_back_to_its_coroutine),
    TEST(work_of_one_class_does_not_wait_for_another),
    TEST(hashing_stands_back_for_all_others),
    TEST(who_is_late_goes_on_and_the_work_is_dropped_when_it_ends),
    TEST(without_drop_what_began_is_waited_for_and_the_rest_never_begins),
};

int
main(void)
{
    loop_init();
    return cmocka_run_group_tests_name("loop_offload", tests, NULL, NULL);
}
