#include "check.h"

#include "base/clock.h"

static void
check_time(int64_t at_us, const char *expected)
{
    char text[TIMESTAMP_SIZE];

    timestamp_format(at_us, text);
    assert_string_equal(text, expected);
}

static void
timestamp_of_the_epoch(void **state UNUSED)
{
    check_time(0, "1970-01-01T00:00:00.000Z");
}

static void
timestamp_has_milliseconds(void **state UNUSED)
{
    check_time(1769862896789999, "2026-01-31T12:34:56.789Z");
}

static void
timestamp_of_a_leap_day(void **state UNUSED)
{
    check_time(1709164800000000, "2024-02-29T00:00:00.000Z");
}

static void
timestamp_of_a_century_without_leap_day(void **state UNUSED)
{
    check_time(4107542400000000, "2100-03-01T00:00:00.000Z");
}

static void
timestamp_before_the_epoch_rounds_down(void **state UNUSED)
{
    check_time(-1, "1969-12-31T23:59:59.999Z");
}

static void
timestamp_stays_in_its_form(void **state UNUSED)
{
    check_time(INT64_MAX, "9999-12-31T23:59:59.999Z");
    check_time(INT64_MIN, "0000-01-01T00:00:00.000Z");
}

/* Against the C library, over 12,000 days spread over 4 centuries. */
static void
timestamp_agrees_with_the_library(void **state UNUSED)
{
    uint64_t random = 42;

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
clocks_go_forward(void **state UNUSED)
{
    const int64_t first = clock_us();
    assert_true(clock_us() >= first);
}

static void
clock_ms_and_us_are_one_clock(void **state UNUSED)
{
    const int64_t before = clock_us() / 1000;
    const int64_t ms = clock_ms();
    assert_true(ms >= before && ms <= clock_us() / 1000);
}

static void
wall_is_after_this_was_written(void **state UNUSED)
{
    assert_true(wall_us() > 1750000000000000);
}

/* ---- dates of HTTP ---- */

#define NOW_S 1790000000 /* 2026-09-21 */

static int64_t
date(const char *text)
{
    int64_t s = -1;

    return http_date_read(str_of(text), NOW_S, &s) ? s : -1;
}

static void
the_three_forms_of_a_date_are_read(void **state UNUSED)
{
    assert_int_equal(date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
    assert_int_equal(date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
    assert_int_equal(date("Sun Nov  6 08:49:37 1994"), 784111777);
    assert_int_equal(date("Thursday, 26-Nov-26 22:00:00 GMT"), 1795730400);
    assert_int_equal(date("Thursday, 26-Nov-76 22:00:00 GMT"), 3373653600); /* 2076 */
    assert_int_equal(date("Saturday, 26-Nov-77 22:00:00 GMT"), 249429600);  /* 1977 */
}

static void
what_is_no_date_is_none(void **state UNUSED)
{
    static const char *const texts[] = {
        "",
        "+2",
        "120",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT x",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (date(texts[i]) != -1)
            fail_msg("\"%s\" is a date", texts[i]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_three_forms_of_a_date_are_read),
    cmocka_unit_test(what_is_no_date_is_none),
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
};

int
main(void)
{
    return cmocka_run_group_tests_name("base_clock", tests, NULL, NULL);
}
