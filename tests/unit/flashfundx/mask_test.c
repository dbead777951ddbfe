#include "base/arena.h"
#include "check.h"
#include "net/request.h"
#include "webhook-debug/mask.h"

static struct arena *a;

static int
set_up(void **state)
{
    (void)state;
    a = arena_new(4 * 1024 * 1024);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static void
secret_headers_have_no_value(void **state)
{
    const struct header headers[] = {
        {STR("accept"), STR("*/*")},
        {STR("authorization"), STR("Bearer abc")},
        {STR("x-api-key"), STR("abc")},
        {STR("set-cookie"), STR("abc")},
    };

    (void)state;
    assert_string_equal(masked_headers(a, headers, ARRAY_LEN(headers)),
                        "{\"accept\":\"*/*\",\"authorization\":\"***\",\"x-api-key\":\"***\","
                        "\"set-cookie\":\"***\"}");
}

static void
query_loses_the_values_of_secrets_only(void **state)
{
    (void)state;
    assert_string_equal(masked_query(a, STR("a=1&Token=abc&b&access_token=&&c=2")),
                        "a=1&Token=***&b&access_token=***&&c=2");
    assert_string_equal(masked_query(a, STR("")), "");
}

static void
body_without_secrets_stays_as_it_came(void **state)
{
    (void)state;
    assert_string_equal(masked_body(a, STR("{ \"a\" : 1.50 }")), "{ \"a\" : 1.50 }");
    assert_string_equal(masked_body(a, STR("no JSON, password=1")), "no JSON, password=1");
}

static void
secrets_in_json_are_masked_at_every_level(void **state)
{
    (void)state;
    assert_string_equal(
        masked_body(a, STR("{\"a\":[{\"PassWord\":{\"b\":1}},2.50],\"client_secret\":\"x\"}")),
        "{\"a\":[{\"PassWord\":\"***\"},2.50],\"client_secret\":\"***\"}");
}

static void
what_is_no_text_is_kept_as_an_escaped_string(void **state)
{
    (void)state;
    assert_string_equal(masked_body(a, (struct str){"a\0b", 3}), "\"a\\u0000b\"");
    assert_string_equal(masked_query(a, (struct str){"a=\xFF", 3}), "\"a=\xEF\xBF\xBD\"");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(secret_headers_have_no_value),
        TEST(query_loses_the_values_of_secrets_only),
        TEST(body_without_secrets_stays_as_it_came),
        TEST(secrets_in_json_are_masked_at_every_level),
        TEST(what_is_no_text_is_kept_as_an_escaped_string),
    };

    return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}
