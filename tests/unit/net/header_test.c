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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(header_values_have_no_controls),
    cmocka_unit_test(reasons_are_known),
    cmocka_unit_test(unknown_status_has_no_reason),
};

int
main(void)
{
    return cmocka_run_group_tests_name("net_header", tests, NULL, NULL);
}
