#include "check_loop.h"

#include <sched.h>
#include <signal.h>
#include <time.h>

#include "base/metric.h"

#define LONG_MS 600 /* much longer than a busy machine keeps the process waiting just before */
#define BUSY_MS 50  /* of work, while RIVALS work on the same processor */
#define RIVALS  5

static int64_t longest_ms, long_turns;

/* Run for `ms`, beginning with a turn that does this, and read the figures. */
static void
measure(void (*turn)(struct loop_timer *t), int64_t ms)
{
    struct loop_timer timer = {.fire = turn};
    char *folder = check_folder();

    assert_true(metric_open(folder, "measured"));
    loop_timer_set(&timer, clock_ms());
    run_for(ms);
    longest_ms = metric_of(folder, "measured", METRIC_TURN_MAX);
    long_turns = metric_of(folder, "measured", METRIC_LONG_TURNS);
    check_remove_folder(folder);
}

static void
wait_in_place(struct loop_timer *t UNUSED)
{
    const struct timespec time = {.tv_nsec = LONG_MS * 1000000L};

    (void)nanosleep(&time, NULL);
}

static void
who_waits_in_a_turn_holds_the_loop_up(void **state UNUSED)
{
    measure(wait_in_place, 1);
    assert_in_range(longest_ms, LONG_MS / 2, 10 * LONG_MS);
    assert_int_equal(long_turns, 1);
}

static void
do_nothing(struct loop_timer *t UNUSED)
{
}

static void
a_loop_that_waits_for_events_is_not_held_up(void **state UNUSED)
{
    measure(do_nothing, LONG_MS / 2);
    assert_in_range(longest_ms, 0, 100);
    assert_int_equal(long_turns, 0);
}

static int64_t turn_took_ms;

static void
work(struct loop_timer *t UNUSED)
{
    const int64_t began_ms = clock_ms();
    struct timespec used;

    MUST(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0);
    const int64_t enough_ns = used.tv_sec * 1000000000 + used.tv_nsec + BUSY_MS * 1000000;
    do
        MUST(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0);
    while (used.tv_sec * 1000000000 + used.tv_nsec < enough_ns);
    turn_took_ms = clock_ms() - began_ms;
}

static void
keep_busy(void)
{
    (void)alarm(10);
    for (;;)
        continue;
}

/* A machine with one processor, for this process and others. */
static void
a_machine_without_a_free_processor_does_not_count(void **state UNUSED)
{
    cpu_set_t all, one;
    pid_t rivals[RIVALS];

    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    for (size_t i = 0; i < RIVALS; i++) {
        rivals[i] = fork();
        if (rivals[i] == 0)
            keep_busy();
    }
    measure(work, 1);
    for (size_t i = 0; i < RIVALS; i++) {
        (void)kill(rivals[i], SIGKILL);
        (void)waitpid(rivals[i], NULL, 0);
    }
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    if (access("/proc/thread-self/schedstat", R_OK) != 0)
        skip(); /* nobody says for how long */
    assert_in_range(turn_took_ms, 2 * BUSY_MS + 1, INT64_MAX);
    assert_in_range(longest_ms, 0, 2 * BUSY_MS);
    assert_int_equal(long_turns, 0);
}

static const struct CMUnitTest tests[] = {
    TEST(who_waits_in_a_turn_holds_the_loop_up),
    TEST(a_loop_that_waits_for_events_is_not_held_up),
    TEST(a_machine_without_a_free_processor_does_not_count),
};

int
main(void)
{
    loop_init();
    return cmocka_run_group_tests_name("loop_turn", tests, NULL, NULL);
}
