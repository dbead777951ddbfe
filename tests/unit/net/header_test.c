#include "check.h"

#include "net/header.h"

static void
header_values_have_no_controls(void **state UNUSED)
{
    assert_true(header_value_ok(STR("text/plain; charset=\"utf-8\"")));
    assert_true(header_value_ok(STR("")));
    assert_true(header_value_ok(STR("caf\xC3\xA9")));
    assert_false(header_value_ok(STR("a\r\nx-evil: 1")));
    assert_false(header_value_ok(STR("a\nb")));
    assert_false(header_value_ok(STR("a\rb")));
    assert_false(header_value_ok((struct str){"a\0b", 3}));
    assert_false(header_value_ok(STR("a\x7F")));
}

/* ---- UTF-8: all of it, built from the standard's definition ---- */

static void
reasons_are_known(void **state UNUSED)
{
    assert_string_equal(http_reason(200), "OK");
    assert_string_equal(http_reason(429), "Too Many Requests");
    assert_string_equal(http_reason(503), "Service Unavailable");
}

static void
unknown_status_has_no_reason(void **state UNUSED)
{
    assert_string_equal(http_reason(299), "");
}

static void
a_header_line_has_its_name_in_any_case_and_a_value_without_blanks(void **state UNUSED)
{
    struct str value;

    assert_true(header_line_is(STR("ReTry-After: \t7 \r\n"), "retry-after", &value));
    check_str(value, "7");
    assert_true(header_line_is(STR("Retry-After:\r\n"), "retry-after", &value));
    assert_int_equal(value.len, 0);
    assert_false(header_line_is(STR("Retry-After-All: 7\r\n"), "retry-after", &value));
    assert_false(header_line_is(STR("Retry-After"), "retry-after", &value));
}

static void
retry_after_is_a_number_of_seconds_or_a_date(void **state UNUSED)
{
    static const struct {
        const char *value;
        int seconds;
    } cases[] = {
        {"0", 0},
        {"120", 120},
        {"99999999999999999999", INT32_MAX},
        {"Sun, 06 Nov 1994 08:51:37 GMT", 120},
        {"Sunday, 06-Nov-94 08:49:38 GMT", 1},
        {"Sun Nov  6 08:49:39 1994", 2},
        {"Sun, 06 Nov 1994 08:49:36 GMT", 0},
        {"Fri, 31 Dec 9999 23:59:59 GMT", INT32_MAX},
        {"+2", 0},
        {"-2", 0},
        {"2.5", 0},
        {"2 s", 0},
        {"", 0},
        {"soon", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (retry_after_s(str_of(cases[i].value), 784111777) != cases[i].seconds)
            fail_msg("Retry-After: %s is %d", cases[i].value,
                     retry_after_s(str_of(cases[i].value), 784111777));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_header_line_has_its_name_in_any_case_and_a_value_without_blanks),
    cmocka_unit_test(retry_after_is_a_number_of_seconds_or_a_date),
    cmocka_unit_test(header_values_have_no_controls),
    cmocka_unit_test(reasons_are_known),
    cmocka_unit_test(unknown_status_has_no_reason),
};

int
main(void)
{
    return cmocka_run_group_tests_name("net_header", tests, NULL, NULL);
}
