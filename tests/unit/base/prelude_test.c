#include "check.h"

#include "base/clock.h"
#include "base/number.h"
#include "base/text.h"

static void
check_time(int64_t at_us, const char *expected)
{
    char text[TIMESTAMP_SIZE];

    timestamp_format(at_us, text);
    assert_string_equal(text, expected);
}

static void
str_ieq_ignores_case(void **state)
{
    (void)state;
    assert_true(str_ieq(STR("X-Api-Key"), STR("x-aPI-kEY")));
}

static void
str_ieq_sees_other_letters(void **state)
{
    (void)state;
    assert_false(str_ieq(STR("abc"), STR("abd")));
}

static void
str_ieq_sees_other_lengths(void **state)
{
    (void)state;
    assert_false(str_ieq(STR("abc"), STR("abcd")));
}

static void
str_ieq_folds_letters_only(void **state)
{
    (void)state;
    assert_false(str_ieq(STR("["), STR("{"))); /* 0x20 apart, as letters are */
}

static void
str_eq_of_empty_texts(void **state)
{
    (void)state;
    assert_true(str_eq(STR_NONE, STR("")));
}

static void
timestamp_of_the_epoch(void **state)
{
    (void)state;
    check_time(0, "1970-01-01T00:00:00.000Z");
}

static void
timestamp_has_milliseconds(void **state)
{
    (void)state;
    check_time(1769862896789999, "2026-01-31T12:34:56.789Z");
}

static void
timestamp_of_a_leap_day(void **state)
{
    (void)state;
    check_time(1709164800000000, "2024-02-29T00:00:00.000Z");
}

static void
timestamp_of_a_century_without_leap_day(void **state)
{
    (void)state;
    check_time(4107542400000000, "2100-03-01T00:00:00.000Z");
}

static void
timestamp_before_the_epoch_rounds_down(void **state)
{
    (void)state;
    check_time(-1, "1969-12-31T23:59:59.999Z");
}

static void
timestamp_stays_in_its_form(void **state)
{
    (void)state;
    check_time(INT64_MAX, "9999-12-31T23:59:59.999Z");
    check_time(INT64_MIN, "0000-01-01T00:00:00.000Z");
}

/* Against the C library, over 12,000 days spread over 4 centuries. */
static void
timestamp_agrees_with_the_library(void **state)
{
    uint64_t random = 42;

    (void)state;
    for (int i = 0; i < 12000; i++) {
        const time_t at = (time_t)(check_next(&random) % 12622780800) - 2208988800;
        char text[TIMESTAMP_SIZE];
        char expected[TIMESTAMP_SIZE + 8];
        struct tm tm;

        assert_non_null(gmtime_r(&at, &tm));
        assert_int_not_equal(strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.000Z", &tm),
                             0);
        timestamp_format((int64_t)at * 1000000, text);
        assert_string_equal(text, expected);
    }
}

static void
clocks_go_forward(void **state)
{
    (void)state;
    const int64_t first = clock_us();
    assert_true(clock_us() >= first);
}

static void
clock_ms_and_us_are_one_clock(void **state)
{
    (void)state;
    const int64_t before = clock_us() / 1000;
    const int64_t ms = clock_ms();
    assert_true(ms >= before && ms <= clock_us() / 1000);
}

static void
wall_is_after_this_was_written(void **state)
{
    (void)state;
    assert_true(wall_us() > 1750000000000000);
}

static void
call_die(void)
{
    die("number %d", 7);
}

static void
die_says_why(void **state)
{
    (void)state;
    check_dies(call_die, "fatal: number 7\n");
}

static void
call_die_long(void)
{
    char text[2000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    die("%s", text);
}

static void
die_cuts_long_texts(void **state)
{
    (void)state;
    check_dies(call_die_long, "xxx\n");
}

static void
break_invariant(void)
{
    MUST(1 + 1 == 3);
}

static void
must_names_the_condition(void **state)
{
    (void)state;
    check_dies(break_invariant, "broken invariant: 1 + 1 == 3");
}

/* Every byte at every place of a text that is longer than a word. */
static void
plain_length_stops_at_every_byte_that_is_not_plain(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        for (size_t at = 0; at < 20; at++) {
            char text[] = "the quick brown fox~\x7F";
            const bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';

            text[at] = (char)c;
            assert_int_equal(plain_length(text, 20), plain ? 20 : at);
            assert_int_equal(plain_length(text, at), at);
        }
    }
}

static void
int64_format_agrees_with_printf(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0,  1,   -1,        9,         10,           -10,
                                      99, 100, INT64_MAX, INT64_MIN, INT64_MIN + 1, 1234567890123};

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        char text[INT64_SIZE], right[32];

        assert_int_equal(int64_format(numbers[i], text),
                         snprintf(right, sizeof(right), "%lld", (long long)numbers[i]));
        assert_string_equal(text, right);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(str_ieq_ignores_case),
        cmocka_unit_test(str_ieq_sees_other_letters),
        cmocka_unit_test(str_ieq_sees_other_lengths),
        cmocka_unit_test(str_ieq_folds_letters_only),
        cmocka_unit_test(str_eq_of_empty_texts),
        cmocka_unit_test(plain_length_stops_at_every_byte_that_is_not_plain),
        cmocka_unit_test(int64_format_agrees_with_printf),
        cmocka_unit_test(timestamp_of_the_epoch),
        cmocka_unit_test(timestamp_has_milliseconds),
        cmocka_unit_test(timestamp_of_a_leap_day),
        cmocka_unit_test(timestamp_of_a_century_without_leap_day),
        cmocka_unit_test(timestamp_before_the_epoch_rounds_down),
        cmocka_unit_test(timestamp_stays_in_its_form),
        cmocka_unit_test(timestamp_agrees_with_the_library),
        cmocka_unit_test(clocks_go_forward),
        cmocka_unit_test(clock_ms_and_us_are_one_clock),
        cmocka_unit_test(wall_is_after_this_was_written),
        cmocka_unit_test(die_says_why),
        cmocka_unit_test(die_cuts_long_texts),
        cmocka_unit_test(must_names_the_condition),
    };

    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
