#include "check_arena.h"

#include "base/buf.h"
#include "base/encode.h"
#include "net/query.h"

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
query_finds_each_place(void **state UNUSED)
{
    found("a=1&b=2&c=3", "a", "1");
    found("a=1&b=2&c=3", "b", "2");
    found("a=1&b=2&c=3", "c", "3");
}

static void
query_is_decoded(void **state UNUSED)
{
    found("q=a+b%20c%2B%26%3d", "q", "a b c+&=");
    found("q=%C3%A9", "q", "\xC3\xA9");
}

static void
query_names_are_decoded(void **state UNUSED)
{
    found("%6frder_id=1", "order_id", "1");
    found("a+b=1", "a b", "1");
}

static void
query_value_may_be_empty(void **state UNUSED)
{
    found("a=&b=1", "a", "");
    found("a", "a", "");
    found("b=1&a", "a", "");
}

static void
query_value_may_have_an_equals_sign(void **state UNUSED)
{
    found("a=b=c", "a", "b=c");
}

static void
query_pairs_may_be_empty(void **state UNUSED)
{
    found("&&a=1&&", "a", "1");
}

static void
query_names_are_whole_words(void **state UNUSED)
{
    missing("order_id2=1", "order_id");
    missing("xorder_id=1", "order_id");
    missing("order_i=1", "order_id");
    missing("ORDER_ID=1", "order_id");
}

static void
query_without_the_name(void **state UNUSED)
{
    missing("", "a");
    missing("b=1", "a");
    assert_false(query_get(a, STR_NONE, "a", &(struct str){0}));
}

static void
query_refuses_repeated_names(void **state UNUSED)
{
    missing("a=1&a=1", "a");
    missing("a=1&b=2&%61=3", "a");
}

static void
query_refuses_bad_escapes(void **state UNUSED)
{
    missing("a=%", "a");
    missing("a=%4", "a");
    missing("a=%zz", "a");
    missing("a=%4&b=1", "a");
}

static void
query_refuses_nul(void **state UNUSED)
{
    missing("a=x%00y", "a");
}

static void
query_refuses_invalid_utf8(void **state UNUSED)
{
    missing("a=%FF", "a");
    missing("a=%C3", "a");
    missing("a=\xC0\x80", "a");
}

static void
encoded_text_decodes_to_itself(void **state UNUSED)
{
    char text[128];
    struct buf out;

    for (int i = 1; i < 128; i++)
        text[i - 1] = (char)i;
    text[127] = '\0';
    buf_init_arena(&out, a, 1000);
    buf_add_text(&out, "q=");
    percent_encode(&out, str_of(text));
    found(out.ptr, "q", text);
}

/* ---- all of them ---- */

/* "name=value|…" of the query, in order; "!" for a bad one. */
static const char *
all_of(const char *query)
{
    struct str rest = str_of(query);
    struct query_param one;
    struct buf out;

    buf_init_arena(&out, a, 1000);
    for (bool ok; query_next(a, &rest, &one, &ok);)
        if (ok)
            buf_printf(&out, "%s=%s|", one.name.ptr, one.value.ptr);
        else
            buf_add_text(&out, "!|");
    return out.len == 0 ? "" : out.ptr;
}

static void
all_come_in_order_with_repeats(void **state UNUSED)
{
    assert_string_equal(all_of("b=1&a=2&b=3"), "b=1|a=2|b=3|");
    assert_string_equal(all_of("id=gte.1&id=lt.9"), "id=gte.1|id=lt.9|");
}

static void
all_are_decoded(void **state UNUSED)
{
    assert_string_equal(all_of("a%20b=c+d&e"), "a b=c d|e=|");
}

static void
empty_pairs_are_none(void **state UNUSED)
{
    assert_string_equal(all_of(""), "");
    assert_string_equal(all_of("&&a=1&&b=2&"), "a=1|b=2|");
    assert_string_equal(all_of("=1"), "=1|");
}

static void
a_bad_one_is_told(void **state UNUSED)
{
    assert_string_equal(all_of("a=%zz&b=1"), "!|b=1|");
    assert_string_equal(all_of("a=%00&%ff=1&c=2"), "!|!|c=2|");
}

static const struct CMUnitTest tests[] = {
    TEST(all_come_in_order_with_repeats),
    TEST(all_are_decoded),
    TEST(empty_pairs_are_none),
    TEST(a_bad_one_is_told),
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
    TEST(encoded_text_decodes_to_itself),
};

int
main(void)
{
    return cmocka_run_group_tests_name("net_query", tests, NULL, NULL);
}
