#include "check.h"

#include "base/buf.h"
#include "base/encode.h"
#include "base/text.h"
#include "net/header.h"
#include "net/query.h"

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
    return 0;
}

static void
found(const char *query, const char *name, const char *expected)
{
    struct str value;

    if (!query_get(a, str_of(query), name, &value))
        fail_msg("%s is not in %s", name, query);
    check_str(value, expected);
    assert_int_equal(value.ptr[value.len], '\0');
}

static void
missing(const char *query, const char *name)
{
    struct str value = STR("untouched");

    if (query_get(a, str_of(query), name, &value))
        fail_msg("%s is in %s: %s", name, query, value.ptr);
    check_str(value, "untouched");
}

static void
query_finds_each_place(void **state)
{
    (void)state;
    found("a=1&b=2&c=3", "a", "1");
    found("a=1&b=2&c=3", "b", "2");
    found("a=1&b=2&c=3", "c", "3");
}

static void
query_is_decoded(void **state)
{
    (void)state;
    found("q=a+b%20c%2B%26%3d", "q", "a b c+&=");
    found("q=%C3%A9", "q", "\xC3\xA9");
}

static void
query_names_are_decoded(void **state)
{
    (void)state;
    found("%6frder_id=1", "order_id", "1");
    found("a+b=1", "a b", "1");
}

static void
query_value_may_be_empty(void **state)
{
    (void)state;
    found("a=&b=1", "a", "");
    found("a", "a", "");
    found("b=1&a", "a", "");
}

static void
query_value_may_have_an_equals_sign(void **state)
{
    (void)state;
    found("a=b=c", "a", "b=c");
}

static void
query_pairs_may_be_empty(void **state)
{
    (void)state;
    found("&&a=1&&", "a", "1");
}

static void
query_names_are_whole_words(void **state)
{
    (void)state;
    missing("order_id2=1", "order_id");
    missing("xorder_id=1", "order_id");
    missing("order_i=1", "order_id");
    missing("ORDER_ID=1", "order_id");
}

static void
query_without_the_name(void **state)
{
    (void)state;
    missing("", "a");
    missing("b=1", "a");
    assert_false(query_get(a, STR_NONE, "a", &(struct str){0}));
}

static void
query_refuses_repeated_names(void **state)
{
    (void)state;
    missing("a=1&a=1", "a");
    missing("a=1&b=2&%61=3", "a");
}

static void
query_refuses_bad_escapes(void **state)
{
    (void)state;
    missing("a=%", "a");
    missing("a=%4", "a");
    missing("a=%zz", "a");
    missing("a=%4&b=1", "a");
}

static void
query_refuses_nul(void **state)
{
    (void)state;
    missing("a=x%00y", "a");
}

static void
query_refuses_invalid_utf8(void **state)
{
    (void)state;
    missing("a=%FF", "a");
    missing("a=%C3", "a");
    missing("a=\xC0\x80", "a");
}

static void
encoding_keeps_unreserved_characters(void **state)
{
    struct buf out;

    (void)state;
    buf_init_arena(&out, a, 1000);
    percent_encode(&out, STR("AZaz09-._~"));
    check_str(buf_str(&out), "AZaz09-._~");
}

static void
encoding_escapes_the_rest(void **state)
{
    struct buf out;

    (void)state;
    buf_init_arena(&out, a, 1000);
    percent_encode(&out, STR("a b+c/d?e&f=g#\xC3\xA9\n"));
    check_str(buf_str(&out), "a%20b%2Bc%2Fd%3Fe%26f%3Dg%23%C3%A9%0A");
}

static void
encoded_text_decodes_to_itself(void **state)
{
    char text[128];
    struct buf out;

    (void)state;
    for (int i = 1; i < 128; i++)
        text[i - 1] = (char)i;
    text[127] = '\0';
    buf_init_arena(&out, a, 1000);
    buf_add_text(&out, "q=");
    percent_encode(&out, str_of(text));
    found(out.ptr, "q", text);
}

static void
header_values_have_no_controls(void **state)
{
    (void)state;
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
utf8_of_every_two_bytes(void **state)
{
    static bool right[0x10000];

    (void)state;
    for (unsigned first = 0; first < 0x80; first++)
        for (unsigned second = 0; second < 0x80; second++)
            right[first << 8 | second] = true;
    for (unsigned code = 0x80; code < 0x800; code++)
        right[(0xC0 + code / 64) << 8 | (0x80 + code % 64)] = true;
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        const unsigned char p[2] = {(unsigned char)(pair >> 8), (unsigned char)pair};

        assert_int_equal(utf8_ok((struct str){(const char *)p, 2}), right[pair]);
    }
}

static void
utf8_of_three_byte_characters(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x10000; code++) {
        const unsigned char p[3] = {(unsigned char)(0xE0 + code / 4096),
                                    (unsigned char)(0x80 + code / 64 % 64),
                                    (unsigned char)(0x80 + code % 64)};
        const bool right = code >= 0x800 && (code < 0xD800 || code > 0xDFFF);

        assert_int_equal(utf8_ok((struct str){(const char *)p, 3}), right);
    }
}

static void
utf8_of_four_byte_characters(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x200000; code += 61) {
        const unsigned char p[4] = {
            (unsigned char)(0xF0 + code / 262144), (unsigned char)(0x80 + code / 4096 % 64),
            (unsigned char)(0x80 + code / 64 % 64), (unsigned char)(0x80 + code % 64)};

        assert_int_equal(utf8_ok((struct str){(const char *)p, 4}),
                         code >= 0x10000 && code <= 0x10FFFF);
    }
}

static void
utf8_of_cut_characters(void **state)
{
    (void)state;
    assert_false(utf8_ok(STR("\xF0\x9F\x98")));
    assert_false(utf8_ok(STR("\xE2\x82")));
    assert_false(utf8_ok(STR("\xC3")));
    assert_true(utf8_ok(STR_NONE));
}

static void
reasons_are_known(void **state)
{
    (void)state;
    assert_string_equal(http_reason(200), "OK");
    assert_string_equal(http_reason(429), "Too Many Requests");
    assert_string_equal(http_reason(503), "Service Unavailable");
}

static void
unknown_status_has_no_reason(void **state)
{
    (void)state;
    assert_string_equal(http_reason(299), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(query_finds_each_place),
        TEST(query_is_decoded),
        TEST(query_names_are_decoded),
        TEST(query_value_may_be_empty),
        TEST(query_value_may_have_an_equals_sign),
        TEST(query_pairs_may_be_empty),
        TEST(query_names_are_whole_words),
        TEST(query_without_the_name),
        TEST(query_refuses_repeated_names),
        TEST(query_refuses_bad_escapes),
        TEST(query_refuses_nul),
        TEST(query_refuses_invalid_utf8),
        TEST(encoding_keeps_unreserved_characters),
        TEST(encoding_escapes_the_rest),
        TEST(encoded_text_decodes_to_itself),
        TEST(header_values_have_no_controls),
        TEST(utf8_of_every_two_bytes),
        TEST(utf8_of_three_byte_characters),
        TEST(utf8_of_four_byte_characters),
        TEST(utf8_of_cut_characters),
        TEST(reasons_are_known),
        TEST(unknown_status_has_no_reason),
    };

    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
