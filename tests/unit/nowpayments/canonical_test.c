/* The JavaScript forms that signatures rest on; those of the 13 vectors are in ipn_test.c. */
#include "check_arena.h"

#include "base/err.h"
#include "json/tree.h"
#include "nowpayments/canonical.h"

static const struct json *
parse(struct str text)
{
    struct fail fail = {0};
    const struct json *doc = NULL;
    if (json_parse(a, &fail, text, &doc) != ERR_OK)
        fail_msg("%s: %.*s", fail.text, (int)text.len, text.ptr);
    return doc;
}

static void
expect_canonical(const char *body, enum np_form form, const char *expected)
{
    struct buf out;
    buf_init_arena(&out, a, 4096);
    np_canonical(&out, parse(str_of(body)), form);
    assert_false(out.overflow);
    assert_string_equal(out.ptr, expected);
}

static void
test_key_order(void **state UNUSED)
{
    /* UTF-16 order: U+1F600 (surrogates D83D DE00) before U+FF21; both behind U+D7FF. */
    expect_canonical("{\"\xEF\xBC\xA1\":1,\"\xF0\x9F\x98\x80\":2,\"\xED\x9F\xBF\":3,\"z\":4}",
                     NP_SORTED_JS,
                     "{\"z\":4,\"\xED\x9F\xBF\":3,\"\xF0\x9F\x98\x80\":2,\"\xEF\xBC\xA1\":1}");
    expect_canonical("{\"b\":{\"B\":1,\"A\":2},\"a\":1,\"ab\":2,\"\":0}", NP_SORTED_TOKENS,
                     "{\"\":0,\"a\":1,\"ab\":2,\"b\":{\"A\":2,\"B\":1}}");
    /* Array indices first and by number; "01", "-1" and 2^32-1 are ordinary keys. */
    expect_canonical("{\"a\":1,\"10\":2,\"9\":3,\"01\":4,\"-1\":5,\"0\":6,\"4294967295\":7,"
                     "\"4294967294\":8}",
                     NP_SORTED_JS,
                     "{\"0\":6,\"9\":3,\"10\":2,\"4294967294\":8,\"-1\":5,\"01\":4,"
                     "\"4294967295\":7,\"a\":1}");
    expect_canonical("{\"a\":1,\"10\":2,\"9\":3}", NP_SORTED_TOKENS, "{\"10\":2,\"9\":3,\"a\":1}");
    expect_canonical("[[2,{\"b\":1,\"a\":[]}],{}]", NP_SORTED_JS, "[[2,{\"a\":[],\"b\":1}],{}]");
    expect_canonical("[[2,{\"b\":1,\"a\":[]}],{}]", NP_SORTED_JS_ARRAYS_AS_OBJECTS,
                     "{\"0\":{\"0\":2,\"1\":{\"a\":{},\"b\":1}},\"1\":{}}");
}

static void
test_scalars(void **state UNUSED)
{
    expect_canonical("{ \"a\" : [ true , false , null , -0.0 , 1.50 , 1e400 ] }", NP_SORTED_JS,
                     "{\"a\":[true,false,null,0,1.5,null]}");
    expect_canonical("{ \"a\" : [ true , -0.0 , 1.50 , 1E+2 ] }", NP_SORTED_TOKENS,
                     "{\"a\":[true,-0.0,1.50,1E+2]}");
    expect_canonical("[\"\\u0001\\b\\f\\n\\r\\t\\\"\\\\\\/\\u007f\\u2028\\u001F\"]", NP_SORTED_JS,
                     "[\"\\u0001\\b\\f\\n\\r\\t\\\"\\\\/\x7f\xE2\x80\xA8\\u001f\"]");
}

static const struct CMUnitTest tests[] = {
    TEST(test_key_order),
    TEST(test_scalars),
};

int
main(void)
{
    return cmocka_run_group_tests_name("nowpayments_canonical", tests, NULL, NULL);
}
