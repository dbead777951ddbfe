#include "check_json.h"

#include "base/buf.h"
#include "json/tree.h"
#include "json/write.h"

/* A copy on the heap of exactly the text's size, so that AddressSanitizer sees a read too far. */
static struct str
heap_copy(struct str text)
{
    char *copy = malloc(MAX(text.len, 1));

    assert_non_null(copy);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return (struct str){copy, text.len};
}

/* ---- what is kept ---- */

static void
reads_blanks_everywhere(void **state UNUSED)
{
    check_str(printed(parsed(" \t\r\n{ \"a\" :\n[ 1 ,\t2 ] }\r\n")), "{\"a\":[1,2]}");
}

static void
needs_no_nul_behind_the_text(void **state UNUSED)
{
    static const char *const texts[] = {"{\"a\":1}", "12", "\"x\"", "[1,2]", "null", "1e5"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct str copy = heap_copy(str_of(texts[i]));

        check_str(printed(parsed_str(copy)), texts[i]);
        free((void *)(uintptr_t)copy.ptr);
    }
}

static void
deepest_nesting_is_read(void **state UNUSED)
{
    (void)parsed("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]");
}

/* What somebody else signed is not refused for a word: escapes of no character, where
 * JSON.stringify and others write them. */
static void
reads_foreign_escapes(void **state UNUSED)
{
    static const struct {
        const char *text;
        const char *printed;
    } cases[] = {
        {"[\"x \\ud83d\"]", "[\"x \xEF\xBF\xBD\"]"},
        {"[\"\\uDE00y\"]", "[\"\xEF\xBF\xBDy\"]"},
        {"[\"\\ud83d\\ud83d\\ude00\"]", "[\"\xEF\xBF\xBD\xF0\x9F\x98\x80\"]"},
        {"[\"a\\u0000b\", 1.50]", "[\"a\xEF\xBF\xBD"
                                  "b\",1.50]"},
        {"{\"\\ud83d\":1,\"\\u0041\":-2}", "{\"\xEF\xBF\xBD\":1,\"A\":-2}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fail f = {0};
        const struct json *doc;

        assert_int_equal(json_parse(a, &f, str_of(cases[i].text), &doc), ERR_INVALID);
        assert_int_equal(json_parse_foreign(a, &f, str_of(cases[i].text), 5, &doc), ERR_OK);
        check_str(printed(doc), cases[i].printed);
    }
}

static void
counts_values_before_it_builds(void **state UNUSED)
{
    struct fail f = {0};
    const struct json *doc;

    assert_int_equal(json_parse_foreign(a, &f, STR("{\"a\":[1,2]}"), 4, &doc), ERR_OK);
    assert_int_equal(json_parse_foreign(a, &f, STR("{\"a\":[1,2]}"), 3, &doc), ERR_TOO_LARGE);
    assert_int_equal(json_parse_foreign(a, &f, STR("{\"a\":[1,2}"), 3, &doc), ERR_INVALID);
}

/* ---- what is refused ---- */

static void
error_names_the_byte(void **state UNUSED)
{
    refused("{\"a\":1,\"a\":2}", "Invalid JSON at byte 8: duplicate key");
}

static void
refuses_duplicate_names(void **state UNUSED)
{
    refused("{\"a\":1,\"a\":2}", "duplicate key");
    refused("{\"a\":1,\"b\":{},\"c\":[],\"a\":1}", "duplicate key");
    refused("{\"\":1,\"\":2}", "duplicate key");
}

static void
refuses_duplicate_names_at_every_level(void **state UNUSED)
{
    refused("{\"x\":{\"a\":1,\"a\":2}}", "duplicate key");
    refused("[[{\"a\":1,\"b\":[{\"a\":1}],\"a\":2}]]", "duplicate key");
}

static void
refuses_duplicates_behind_escapes(void **state UNUSED)
{
    refused("{\"a\":1,\"\\u0061\":2}", "duplicate key");
    refused("{\"\\u00e9\":1,\"\xC3\xA9\":2}", "duplicate key");
    refused("{\"\\/\":1,\"/\":2}", "duplicate key");
    refused("{\"\\u20ac\":1,\"\xE2\x82\xAC\":2}", "duplicate key");
    refused("{\"x\\u0061y\\tz\\u00e9\":1,\"xay\\u0009z\xC3\xA9\":2}", "duplicate key");
    refused("{\"\\ud83d\\ude00\":1,\"\xF0\x9F\x98\x80\":2}", "duplicate key");
}

/* More names than are compared pair by pair: they are sorted. */
static void
refuses_duplicates_among_many(void **state UNUSED)
{
    struct buf many;

    buf_init_arena(&many, a, 4096);
    for (int i = 139; i >= 100; i--)
        buf_printf(&many, "%s\"%d\":1", i == 139 ? "" : ",", i);
    assert_int_equal(json_count(parsed(arena_printf(a, "{%s}", many.ptr))), 40);
    refused(arena_printf(a, "{%s,\"120\":2}", many.ptr), "byte 322: duplicate key");
    refused(arena_printf(a, "{%s,\"1\\u0032\\u0030\":2,\"119\":3}", many.ptr),
            "byte 322: duplicate key");
}

static void
names_that_only_start_alike_differ(void **state UNUSED)
{
    (void)parsed("{\"a\":1,\"ab\":2,\"abc\":3,\"\":4}");
}

static void
refuses_bad_numbers(void **state UNUSED)
{
    static const char *const wrong[] = {"01",  "1.",  "1.e5", "-",  "-01", "00", "1e",
                                        "1e+", "-.5", "0.",   "-a", "1.e", "0e", "[01]"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        refused(wrong[i], "invalid number");
    refused(".5", "expected a value");
    refused("+1", "expected a value");
    refused("NaN", "expected a value");
    refused("Infinity", "expected a value");
    refused("-Infinity", "invalid number");
    refused("0x10", "text behind the end");
    refused("1e5.5", "text behind the end");
}

static void
number_length_has_a_bound(void **state UNUSED)
{
    char text[80];

    memset(text, '1', sizeof(text));
    text[63] = '\0';
    check_str(printed(parsed(text)), text);
    text[63] = '1';
    text[64] = '\0';
    refused(text, "too long");
}

static void
refuses_control_characters_in_strings(void **state UNUSED)
{
    refused("\"a\tb\"", "control character");
    refused("\"a\nb\"", "control character");
    refused_str((struct str){"\"a\0b\"", 5}, "control character");
}

static void
refuses_nul_escapes(void **state UNUSED)
{
    refused("\"x\\u0000y\"", "\\u0000");
    refused("{\"x\\u0000y\":1}", "\\u0000");
}

static void
refuses_invalid_utf8(void **state UNUSED)
{
    static const char *const wrong[] = {"\"\x80\"",
                                        "\"\xFF\"",
                                        "\"\xC0\x80\"",
                                        "\"\xC1\xBF\"",
                                        "\"\xE0\x9F\xBF\"",
                                        "\"\xED\xA0\x80\"",
                                        "\"\xED\xBF\xBF\"",
                                        "\"\xF0\x8F\xBF\xBF\"",
                                        "\"\xF4\x90\x80\x80\"",
                                        "\"\xF5\x80\x80\x80\"",
                                        "\"\xC3\"",
                                        "\"\xE2\x82\"",
                                        "\"\xF0\x9F\x98\"",
                                        "\"\xC3(\"",
                                        "{\"\xFF\":1}"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        refused(wrong[i], "invalid UTF-8");
}

static void
refuses_lone_surrogates(void **state UNUSED)
{
    static const char *const wrong[] = {
        "\"\\ud800\"",        "\"\\udc00\"",        "\"\\ud800x\"",      "\"\\ud800\\u0041\"",
        "\"\\ud800\\ud800\"", "\"\\udc00\\ud800\"", "\"\\ud83d\\\"\"",   "\"\\udc00\\udc00\"",
        "\"\\ud83d\\ue000\"", "\"\\ud83d\\udbff\"", "\"\\ud83dxudc00\"", "\"\\ud83d\\ndc00\""};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        refused(wrong[i], "lone surrogate");
}

static void
refuses_bad_escapes(void **state UNUSED)
{
    refused("\"\\x41\"", "invalid escape");
    refused("\"\\'\"", "invalid escape");
    refused("\"\\U0041\"", "invalid escape");
    refused("\"\\u12g4\"", "invalid \\u escape");
    refused("\"\\u12\"", "invalid \\u escape");
}

static void
refuses_text_behind_the_end(void **state UNUSED)
{
    refused("{}x", "text behind the end");
    refused("{}{}", "text behind the end");
    refused("1 2", "text behind the end");
    refused("nullx", "text behind the end");
    refused_str((struct str){"{}\0", 3}, "text behind the end");
}

static void
refuses_other_blanks(void **state UNUSED)
{
    refused("\f{}", "expected a value");
    refused("\xEF\xBB\xBF{}", "expected a value"); /* byte order mark */
    refused("\xC2\xA0{}", "expected a value");
}

static void
refuses_other_structures(void **state UNUSED)
{
    static const char *const wrong[] = {"{",         "[",         "}",        "]",
                                        "{]",        "[}",        "[1,]",     "{\"a\":1,}",
                                        "[,1]",      "{,}",       "{\"a\"}",  "{\"a\":}",
                                        "{1:2}",     "{a:1}",     "{'a':1}",  "[1 2]",
                                        "{\"a\" 1}", "[1",        "{\"a\":1", "\"abc",
                                        "\"abc\\",   "\"abc\\\"", "tru",      "TRUE",
                                        "nul",       "[1,,2]",    "// x\n1",  "/* */ 1",
                                        "'x'",       ":",         ",",        "{\"a\":1 \"b\":2}",
                                        "  ",        "\\"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        refused(wrong[i], "Invalid JSON at byte ");
}

static void
refuses_deep_nesting(void **state UNUSED)
{
    refused("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "byte 17: nested too deeply");
    refused("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":[[[[[[[[[1]]]]]]]]]}}}}}}}}",
            "nested too deeply");
}

static void
refuses_thousands_of_brackets(void **state UNUSED)
{
    static char text[100000];

    memset(text, '[', sizeof(text));
    refused_str((struct str){text, sizeof(text)}, "nested too deeply");
}

/* Every beginning of a good text is refused, and nothing is read behind its end. */
static void
refuses_every_beginning(void **state UNUSED)
{
    static const char text[] =
        "{\"a\\u00e9\":[1.5e-3,true,\"x\\ud83d\\ude00\xE2\x82\xAC\"],\"b\":{\"c\":null}}";

    for (size_t len = 1; len < sizeof(text) - 1; len++) {
        const struct str copy = heap_copy((struct str){text, len});

        refused_str(copy, "Invalid JSON");
        free((void *)(uintptr_t)copy.ptr);
        arena_reset(a);
    }
}

/* CPU time, which other processes on the machine do not change. */
static int64_t
cpu_ms(void)
{
    return (int64_t)clock() * 1000 / CLOCKS_PER_SEC;
}

/* 10,000 names of which all start alike, in bad order; and the same with a duplicate. */
static void
thousands_of_names_are_cheap(void **state UNUSED)
{
    static char text[300000];
    size_t len = 0;

    for (int i = 0; i < 10000; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\"the-same-start-%d\":1",
                                i == 0 ? "{" : ",", i * 7919 % 10000);
    const int64_t start_ms = cpu_ms();
    text[len] = '}';
    assert_int_equal(json_count(parsed_str((struct str){text, len + 1})), 10000);
    len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"the-same-start-77\":1}");
    refused_str((struct str){text, len}, "duplicate key");
    assert_true(cpu_ms() - start_ms < 500); /* quadratic would be many seconds under sanitizers */
}

static const struct CMUnitTest tests[] = {
    TEST(reads_blanks_everywhere),
    TEST(needs_no_nul_behind_the_text),
    TEST(deepest_nesting_is_read),
    TEST(reads_foreign_escapes),
    TEST(counts_values_before_it_builds),
    TEST(error_names_the_byte),
    TEST(refuses_duplicate_names),
    TEST(refuses_duplicate_names_at_every_level),
    TEST(refuses_duplicates_behind_escapes),
    TEST(refuses_duplicates_among_many),
    TEST(names_that_only_start_alike_differ),
    TEST(refuses_bad_numbers),
    TEST(number_length_has_a_bound),
    TEST(refuses_control_characters_in_strings),
    TEST(refuses_nul_escapes),
    TEST(refuses_invalid_utf8),
    TEST(refuses_lone_surrogates),
    TEST(refuses_bad_escapes),
    TEST(refuses_text_behind_the_end),
    TEST(refuses_other_blanks),
    TEST(refuses_other_structures),
    TEST(refuses_deep_nesting),
    TEST(refuses_thousands_of_brackets),
    TEST(refuses_every_beginning),
    TEST(thousands_of_names_are_cheap),
};

int
main(void)
{
    return cmocka_run_group_tests_name("json_scan", tests, NULL, NULL);
}
