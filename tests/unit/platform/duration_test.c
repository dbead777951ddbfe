/* Durations as Go writes them. */
#include "check_arena.h"

#include "auth/admin.h"

static void
durations_are_added_up(void **state UNUSED)
{
    static const struct {
        const char *text;
        double seconds;
    } rows[] = {
        {"24h", 86400}, {"1h30m", 5400},           {"1.5s", 1.5}, {"100ms", 0.1}, {"2us", 2e-6},
        {"3ns", 3e-9},  {"876000h", 3153600000.0}, {".5m", 30}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double seconds;

        assert_null(duration_read(a, rows[i].text, &seconds));
        assert_true(seconds > rows[i].seconds * 0.999999 && seconds < rows[i].seconds * 1.000001);
    }
}

static void
what_is_none_is_named_in_gos_words(void **state UNUSED)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"1d", "time: unknown unit \"d\" in duration \"1d\""},
        {"5", "time: missing unit in duration \"5\""},
        {"", "time: invalid duration \"\""},
        {"x", "time: invalid duration \"x\""},
        {"-1h", "time: invalid duration \"-1h\""},
        {".h", "time: invalid duration \".h\""},
        {"1h x", "time: unknown unit \"h x\" in duration \"1h x\""},
    };
    double seconds;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(duration_read(a, rows[i].text, &seconds), rows[i].why);
}

static const struct CMUnitTest tests[] = {
    TEST(durations_are_added_up),
    TEST(what_is_none_is_named_in_gos_words),
};

int
main(void)
{
    return cmocka_run_group_tests_name("platform_duration", tests, NULL, NULL);
}
