/* base/arena: texts in an arena. */
#include "check.h"

#include "base/arena.h"

static struct arena *a;

static int
set_up(void **state)
{
    (void)state;
    a = arena_new(1024 * 1024);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    arena_free(a);
    a = NULL;
    return 0;
}

static void
copy_ends_in_nul(void **state)
{
    (void)state;
    assert_string_equal(arena_copy(a, (struct str){"abcdef", 3}), "abc");
}

static void
copy_of_nothing_is_empty(void **state)
{
    (void)state;
    assert_string_equal(arena_copy(a, STR_NONE), "");
}

static void
join_puts_one_text_behind_the_other(void **state)
{
    (void)state;
    assert_string_equal(arena_join(a, "x-api-key: ", "key"), "x-api-key: key");
    assert_string_equal(arena_join(a, "", ""), "");
}

static void
printf_formats(void **state)
{
    (void)state;
    assert_string_equal(arena_printf(a, "%s-%d", "x", 5), "x-5");
}

static void
printf_takes_long_texts(void **state)
{
    (void)state;
    const char *text = arena_printf(a, "%010000d|", 1);
    assert_int_equal(strlen(text), 10001);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(copy_ends_in_nul),
        TEST(copy_of_nothing_is_empty),
        TEST(join_puts_one_text_behind_the_other),
        TEST(printf_formats),
        TEST(printf_takes_long_texts),
    };

    return cmocka_run_group_tests_name("arena texts", tests, NULL, NULL);
}
