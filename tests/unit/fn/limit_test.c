#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "fn/limit.h"

static char *dir;

static int
set_up(void **state UNUSED)
{
    dir = check_folder();
    assert_true(limit_open(dir, "shop"));
    return 0;
}

static int
tear_down(void **state UNUSED)
{
    check_remove_folder(dir);
    return 0;
}

/* How many of `tries` calls are accepted? */
static int
accepted(const char *key, int tries, int calls, int window_s)
{
    int good = 0;
    int wait_s;

    for (int i = 0; i < tries; i++)
        good += limit_take(str_of(key), 0, calls, window_s, &wait_s);
    return good;
}

static void
all_calls_may_come_at_once(void **state UNUSED)
{
    assert_int_equal(accepted("a", 1000, 30, 3600), 30);
}

static void
one_call_per_window(void **state UNUSED)
{
    assert_int_equal(accepted("a", 10, 1, 3600), 1);
}

static void
keys_are_counted_apart(void **state UNUSED)
{
    assert_int_equal(accepted("a", 10, 5, 3600), 5);
    assert_int_equal(accepted("b", 10, 5, 3600), 5);
}

static void
empty_key_is_a_key(void **state UNUSED)
{
    int wait_s;

    assert_int_equal(accepted("", 10, 5, 3600), 5);
    assert_false(limit_take(STR_NONE, 0, 5, 3600, &wait_s));
}

static void
refusal_tells_when_to_come_again(void **state UNUSED)
{
    int wait_s = 0;

    assert_int_equal(accepted("a", 6, 6, 3600), 6);
    assert_false(limit_take(STR("a"), 0, 6, 3600, &wait_s));
    assert_in_range(wait_s, 599, 600); /* one call every window / calls */
}

static void
waiting_time_is_at_least_a_second(void **state UNUSED)
{
    int wait_s = 0;

    assert_int_equal(accepted("a", 100, 100, 3), 100);
    assert_false(limit_take(STR("a"), 0, 100, 3, &wait_s));
    assert_int_equal(wait_s, 1);
}

static void
waiting_time_is_untouched_when_accepted(void **state UNUSED)
{
    int wait_s = -7;

    assert_true(limit_take(STR("a"), 0, 1, 60, &wait_s));
    assert_int_equal(wait_s, -7);
}

/* A call comes back every 20 ms; waits for what the clock says, not for a fixed time. */
static void
calls_come_back_one_by_one(void **state UNUSED)
{
    int wait_s;
    int good = 0;

    const int64_t start_us = clock_us();
    assert_int_equal(accepted("a", 50, 50, 1), 50);
    while (good < 3) {
        good += limit_take(STR("a"), 0, 50, 1, &wait_s);
        assert_true(clock_us() - start_us < 30000000);
    }
    assert_true(clock_us() - start_us >= 60000); /* not before their time */
}

static void
another_limit_on_the_same_key_does_not_lock_it(void **state UNUSED)
{
    assert_int_equal(accepted("a", 10, 1, 86400), 1);
    assert_int_equal(accepted("a", 10, 5, 60), 5);
}

static void
more_keys_than_places_still_work(void **state UNUSED)
{
    for (int i = 0; i < 3 * LIMIT_SLOTS; i++) {
        char key[32];
        int wait_s;

        (void)snprintf(key, sizeof(key), "key-%d", i);
        assert_true(limit_take(str_of(key), 0, 5, 3600, &wait_s));
    }
}

static void
few_keys_do_not_disturb_each_other(void **state UNUSED)
{
    for (int round = 0; round < 3; round++) {
        int good = 0;

        for (int i = 0; i < 1000; i++) {
            char key[32];
            int wait_s;

            (void)snprintf(key, sizeof(key), "user-%d", i);
            good += limit_take(str_of(key), 0, 2, 3600, &wait_s);
        }
        assert_int_equal(good, round < 2 ? 1000 : 0);
    }
}

static void
counts_survive_the_process(void **state UNUSED)
{
    assert_int_equal(accepted("a", 4, 5, 3600), 4);
    assert_true(limit_open(dir, "other"));
    assert_int_equal(accepted("a", 9, 5, 3600), 5);
    assert_true(limit_open(dir, "shop"));
    assert_int_equal(accepted("a", 9, 5, 3600), 1);
}

static void
file_is_for_owner_and_group(void **state UNUSED)
{
    char path[256];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/shop.limits", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void
file_of_another_layout_is_replaced(void **state UNUSED)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/old.limits", dir);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "old", 3), 3);
    assert_int_equal(close(fd), 0);
    assert_true(limit_open(dir, "old"));
    assert_int_equal(accepted("a", 10, 5, 3600), 5);
}

static void
use_without_file(void)
{
    if (limit_open("/nonexistent", "shop"))
        _exit(1);
}

static void
missing_folder_is_reported(void **state UNUSED)
{
    char text[256];

    assert_int_equal(check_child(use_without_file, text, sizeof(text)), 0);
}

static void
no_calls_allowed(void)
{
    int wait_s;

    if (limit_take(STR("a"), 0, 0, 60, &wait_s))
        _exit(0);
}

static void
limit_of_nothing_dies(void **state UNUSED)
{
    check_dies(no_calls_allowed, "broken invariant");
}

#define PROCESSES 4
#define KEYS      400
#define CALLS     100

/* Processes that hammer the same keys, each from its first use on, get exactly the calls of the
 * limit.  Many keys, because what can go wrong happens at a key's first and last call. */
static void
processes_share_a_limit(void **state UNUSED)
{
    int results[2];
    int gate[2];
    int good = 0;

    assert_int_equal(pipe(results), 0);
    assert_int_equal(pipe(gate), 0);
    for (int i = 0; i < PROCESSES; i++) {
        const pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid != 0)
            continue;
        char c;
        int mine = 0;

        (void)close(gate[1]);
        if (!limit_open(dir, "shared") || read(gate[0], &c, 1) != 0) /* all start at once */
            _exit(1);
        for (int k = 0; k < KEYS; k++) {
            char key[32];

            (void)snprintf(key, sizeof(key), "key-%d", k);
            mine += accepted(key, CALLS, CALLS, 86400);
        }
        _exit(write(results[1], &mine, sizeof(mine)) == (ssize_t)sizeof(mine) ? 0 : 1);
    }
    (void)close(results[1]);
    (void)close(gate[0]);
    (void)close(gate[1]);
    for (int i = 0; i < PROCESSES; i++) {
        int one;

        assert_int_equal(read(results[0], &one, sizeof(one)), sizeof(one));
        good += one;
    }
    (void)close(results[0]);
    for (int i = 0; i < PROCESSES; i++) {
        int status;

        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(good, KEYS * CALLS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Both are the same caller's, or not. */
static bool
same_network(const char *a, const char *b)
{
    uint8_t of_a[LIMIT_NETWORK_BYTES], of_b[LIMIT_NETWORK_BYTES];

    return str_eq(limit_network(str_of(a), of_a), limit_network(str_of(b), of_b));
}

static void
an_ipv6_address_counts_for_its_network_of_64_bits(void **state UNUSED)
{
    assert_true(same_network("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_true(same_network("2001:DB8:1:2:0:0:0:1", "2001:db8:1:2::2"));
    assert_false(same_network("2001:db8:1:2::1", "2001:db8:1:3::1"));
}

static void
an_ipv4_address_counts_alone_also_in_the_clothes_of_ipv6(void **state UNUSED)
{
    assert_false(same_network("192.0.2.1", "192.0.2.2"));
    assert_true(same_network("192.0.2.1", "::ffff:192.0.2.1"));
    assert_false(same_network("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
}

static void
what_is_no_address_counts_as_it_is(void **state UNUSED)
{
    assert_true(same_network("unix:", "unix:"));
    assert_false(same_network("unix:", ""));
    assert_false(same_network("192.0.2.1x", "192.0.2.1"));
}

static void
what_is_called_counts_for_itself(void **state UNUSED)
{
    int wait_s = 0;

    assert_true(limit_take(STR("one person"), 0, 1, 3600, &wait_s));
    assert_true(limit_take(STR("one person"), 1, 1, 3600, &wait_s));
    assert_false(limit_take(STR("one person"), 0, 1, 3600, &wait_s));
    assert_false(limit_take(STR("one person"), 1, 1, 3600, &wait_s));
}

static const struct CMUnitTest tests[] = {
    TEST(what_is_called_counts_for_itself),
    cmocka_unit_test(an_ipv6_address_counts_for_its_network_of_64_bits),
    cmocka_unit_test(an_ipv4_address_counts_alone_also_in_the_clothes_of_ipv6),
    cmocka_unit_test(what_is_no_address_counts_as_it_is),
    TEST(all_calls_may_come_at_once),
    TEST(one_call_per_window),
    TEST(keys_are_counted_apart),
    TEST(empty_key_is_a_key),
    TEST(refusal_tells_when_to_come_again),
    TEST(waiting_time_is_at_least_a_second),
    TEST(waiting_time_is_untouched_when_accepted),
    TEST(calls_come_back_one_by_one),
    TEST(another_limit_on_the_same_key_does_not_lock_it),
    TEST(more_keys_than_places_still_work),
    TEST(few_keys_do_not_disturb_each_other),
    TEST(counts_survive_the_process),
    TEST(file_is_for_owner_and_group),
    TEST(file_of_another_layout_is_replaced),
    TEST(missing_folder_is_reported),
    TEST(limit_of_nothing_dies),
    TEST(processes_share_a_limit),
};

int
main(void)
{
    return cmocka_run_group_tests_name("fn_limit", tests, NULL, NULL);
}
