#include "check_json.h"

#include "base/buf.h"
#include "base/err.h"
#include "json/tree.h"
#include "json/write.h"

/* ---- what is kept ---- */

static void
reads_every_type(void **state UNUSED)
{
    const struct json *doc =
        parsed("{\"o\":{},\"a\":[],\"s\":\"x\",\"n\":1,\"t\":true,\"f\":false,\"z\":null}");
    assert_int_equal(json_type(doc), JSON_OBJECT);
    assert_int_equal(json_type(json_get(doc, "o")), JSON_OBJECT);
    assert_int_equal(json_type(json_get(doc, "a")), JSON_ARRAY);
    assert_int_equal(json_type(json_get(doc, "s")), JSON_STRING);
    assert_int_equal(json_type(json_get(doc, "n")), JSON_NUMBER);
    assert_int_equal(json_type(json_get(doc, "t")), JSON_BOOL);
    assert_int_equal(json_type(json_get(doc, "f")), JSON_BOOL);
    assert_int_equal(json_type(json_get(doc, "z")), JSON_NULL);
}

static void
reads_scalars_at_the_top(void **state UNUSED)
{
    check_str(json_text(parsed(" \"x\" ")), "x");
    check_str(json_text(parsed("-1.5e3")), "-1.5e3");
    assert_true(json_is_true(parsed("true")));
}

static void
numbers_keep_their_digits(void **state UNUSED)
{
    static const char *const numbers[] = {"9007199254740993",
                                          "12345678901234567890",
                                          "1e15",
                                          "1e17",
                                          "0.30000000000000004",
                                          "5000000000",
                                          "1e400",
                                          "-0",
                                          "13.0",
                                          "2.7E3",
                                          "1.50",
                                          "0",
                                          "1E+2",
                                          "0.0000001"};

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        check_str(json_text(parsed(numbers[i])), numbers[i]);
        check_str(printed(parsed(numbers[i])), numbers[i]);
    }
}

static void
numbers_get_their_own_digits(void **state UNUSED)
{
    static const char text[] =
        "{\"n1\":1.10,\"-2\":[2.20,\"3 \\\" -4 \\\\\",5.50,{\"e\":6e6}],\"x\":[[],{},7.0],\"y\":8}";

    check_str(printed(parsed(text)), text);
}

static void
escapes_are_resolved(void **state UNUSED)
{
    check_str(json_text(parsed("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\ude00\"")),
              "\"\\/\b\f\n\r\t\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
}

static void
utf8_is_kept(void **state UNUSED)
{
    check_str(json_text(parsed("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7F\"")),
              "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7F");
}

static void
utf8_is_kept_at_its_bounds(void **state UNUSED)
{
    /* U+0080 U+07FF U+0800 U+D7FF U+E000 U+FFFF U+10000 U+10FFFF */
    static const char text[] = "\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"
                               "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF";

    check_str(json_text(parsed(arena_printf(a, "\"%s\"", text))), text);
    check_str(json_text(parsed("\"\\u0080\\u07FF\\u0800\\uD7FF\\uE000\\uFFFF"
                               "\\uD800\\uDC00\\uDBFF\\uDFFF\"")),
              text);
}

static void
hex_digits_of_escapes_have_both_cases(void **state UNUSED)
{
    check_str(json_text(parsed("\"\\u00aA\\u00fF\\u00Aa\\u00Ff\"")),
              "\xC2\xAA\xC3\xBF\xC2\xAA\xC3\xBF");
    refused("\"\\u00g0\"", "invalid \\u escape");
    refused("\"\\u00G0\"", "invalid \\u escape");
    refused("\"\\u00`0\"", "invalid \\u escape");
    refused("\"\\u00@0\"", "invalid \\u escape");
    refused("\"\\u00/0\"", "invalid \\u escape");
    refused("\"\\u00:0\"", "invalid \\u escape");
}

static void
names_are_case_sensitive(void **state UNUSED)
{
    assert_null(json_get(parsed("{\"amount\":1}"), "AMOUNT"));
    assert_int_equal(json_count(parsed("{\"a\":1,\"A\":2}")), 2);
}

static void
escaped_names_are_found(void **state UNUSED)
{
    check_str(json_text(json_get(parsed("{\"\\u0061b\":\"x\"}"), "ab")), "x");
}

static void
empty_name_is_a_name(void **state UNUSED)
{
    check_str(json_text(json_get(parsed("{\"\":\"x\"}"), "")), "x");
}

static void
same_name_at_other_levels_is_fine(void **state UNUSED)
{
    (void)parsed("{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}]}");
}

static void
get_of_no_object_is_null(void **state UNUSED)
{
    assert_null(json_get(NULL, "a"));
    assert_null(json_get(parsed("[{\"a\":1}]"), "a"));
    assert_null(json_get(parsed("\"a\""), "a"));
}

static void
text_of_other_types_is_none(void **state UNUSED)
{
    assert_null(json_text(NULL).ptr);
    assert_null(json_text(parsed("true")).ptr);
    assert_null(json_text(parsed("null")).ptr);
    assert_null(json_text(parsed("{}")).ptr);
}

static void
empty_string_is_not_none(void **state UNUSED)
{
    check_str(json_text(parsed("\"\"")), "");
}

static void
walks_in_the_order_of_the_text(void **state UNUSED)
{
    const struct json *v = json_first(parsed("{\"z\":1,\"a\":2}"));
    check_str(json_key(v), "z");
    v = json_next(v);
    check_str(json_key(v), "a");
    assert_null(json_next(v));
}

static void
counts_members(void **state UNUSED)
{
    assert_int_equal(json_count(parsed("[1,[2,3],4]")), 3);
    assert_int_equal(json_count(parsed("{}")), 0);
    assert_int_equal(json_count(NULL), 0);
}

static void
only_true_is_true(void **state UNUSED)
{
    assert_false(json_is_true(parsed("false")));
    assert_false(json_is_true(parsed("1")));
    assert_false(json_is_true(NULL));
}

/* ---- what is refused ---- */

static void
refuses_an_empty_body(void **state UNUSED)
{
    const struct json *doc;
    struct fail f = {0};

    assert_int_equal(json_parse(a, &f, STR_NONE, &doc), ERR_INVALID);
    assert_string_equal(f.text, "Request body is empty");
}

static void
failed_parse_can_be_followed_by_a_good_one(void **state UNUSED)
{
    refused("[1,", "Invalid JSON");
    check_str(printed(parsed("[1,2]")), "[1,2]");
}

static jmp_buf unwound;

static void
unwind(void *context)
{
    (void)context;
    longjmp(unwound, 1);
}

/* Parse in an arena that may be too small; unwound or not, it must read. */
static void
parse_or_unwind(struct arena *small, struct str text)
{
    const struct json *doc;

    arena_on_overflow(small, unwind, NULL);
    if (setjmp(unwound) == 0)
        assert_int_equal(json_parse(small, NULL, text, &doc), ERR_OK);
}

/* A request that runs out of memory anywhere in the parser leaves it usable. */
static void
every_memory_cap_unwinds_cleanly(void **state UNUSED)
{
    static const char text[] = "{\"a\":[1,2.5,{\"b\\u0061\":\"x\"}],\"c\":[true,null,3]}";

    for (size_t cap = 0; cap < 2000; cap += 13) {
        struct arena *small = arena_new(cap);

        parse_or_unwind(small, str_of(text));
        arena_free(small);
        arena_reset(a);
        (void)parsed(text);
    }
}

static const struct CMUnitTest tests[] = {
    TEST(reads_every_type),
    TEST(reads_scalars_at_the_top),
    TEST(numbers_keep_their_digits),
    TEST(numbers_get_their_own_digits),
    TEST(escapes_are_resolved),
    TEST(utf8_is_kept),
    TEST(utf8_is_kept_at_its_bounds),
    TEST(hex_digits_of_escapes_have_both_cases),
    TEST(names_are_case_sensitive),
    TEST(escaped_names_are_found),
    TEST(empty_name_is_a_name),
    TEST(same_name_at_other_levels_is_fine),
    TEST(get_of_no_object_is_null),
    TEST(text_of_other_types_is_none),
    TEST(empty_string_is_not_none),
    TEST(walks_in_the_order_of_the_text),
    TEST(counts_members),
    TEST(only_true_is_true),
    TEST(refuses_an_empty_body),
    TEST(failed_parse_can_be_followed_by_a_good_one),
    TEST(every_memory_cap_unwinds_cleanly),
};

int
main(void)
{
    return cmocka_run_group_tests_name("json_tree", tests, NULL, NULL);
}
