#include "check.h"

#include "base/buf.h"
#include "base/err.h"
#include "json/tree.h"
#include "json/write.h"

static struct arena *a;
static struct fail f;

static int
set_up(void **state)
{
    (void)state;
    a = arena_new(8 * 1024 * 1024);
    f = (struct fail){0};
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static const struct json *
parsed_str(struct str text)
{
    const struct json *doc = NULL;

    if (json_parse(a, &f, text, &doc) != ERR_OK)
        fail_msg("refused: %s: %.*s", f.text, (int)text.len, text.ptr);
    return doc;
}

static const struct json *
parsed(const char *text)
{
    return parsed_str(str_of(text));
}

/* `text` is refused with this reason. */
static void
refused_str(struct str text, const char *reason)
{
    static const struct json *const untouched = (const struct json *)(const void *)"x";
    const struct json *doc = untouched;

    f = (struct fail){0};
    if (json_parse(a, &f, text, &doc) == ERR_OK)
        fail_msg("accepted: %.*s", (int)text.len, text.ptr);
    assert_int_equal(f.err, ERR_INVALID);
    if (strstr(f.text, reason) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", reason, f.text);
    assert_ptr_equal(doc, untouched);
}

static void
refused(const char *text, const char *reason)
{
    refused_str(str_of(text), reason);
}

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

static struct str
printed(const struct json *doc)
{
    struct json_writer w;
    struct buf out;

    buf_init_arena(&out, a, 1024 * 1024);
    jw_init(&w, &out);
    jw_value(&w, doc);
    return buf_str(&out);
}

/* ---- reading: what is kept ---- */

static void
reads_every_type(void **state)
{
    (void)state;
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
reads_scalars_at_the_top(void **state)
{
    (void)state;
    check_str(json_text(parsed(" \"x\" ")), "x");
    check_str(json_text(parsed("-1.5e3")), "-1.5e3");
    assert_true(json_is_true(parsed("true")));
}

static void
reads_blanks_everywhere(void **state)
{
    (void)state;
    check_str(printed(parsed(" \t\r\n{ \"a\" :\n[ 1 ,\t2 ] }\r\n")), "{\"a\":[1,2]}");
}

static void
needs_no_nul_behind_the_text(void **state)
{
    static const char *const texts[] = {"{\"a\":1}", "12", "\"x\"", "[1,2]", "null", "1e5"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct str copy = heap_copy(str_of(texts[i]));

        check_str(printed(parsed_str(copy)), texts[i]);
        free((void *)(uintptr_t)copy.ptr);
    }
}

static void
numbers_keep_their_digits(void **state)
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

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        check_str(json_text(parsed(numbers[i])), numbers[i]);
        check_str(printed(parsed(numbers[i])), numbers[i]);
    }
}

static void
numbers_get_their_own_digits(void **state)
{
    static const char text[] =
        "{\"n1\":1.10,\"-2\":[2.20,\"3 \\\" -4 \\\\\",5.50,{\"e\":6e6}],\"x\":[[],{},7.0],\"y\":8}";

    (void)state;
    check_str(printed(parsed(text)), text);
}

static void
escapes_are_resolved(void **state)
{
    (void)state;
    check_str(json_text(parsed("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\ude00\"")),
              "\"\\/\b\f\n\r\t\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
}

static void
utf8_is_kept(void **state)
{
    (void)state;
    check_str(json_text(parsed("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7F\"")),
              "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7F");
}

static void
utf8_is_kept_at_its_bounds(void **state)
{
    /* U+0080 U+07FF U+0800 U+D7FF U+E000 U+FFFF U+10000 U+10FFFF */
    static const char text[] = "\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"
                               "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF";

    (void)state;
    check_str(json_text(parsed(arena_printf(a, "\"%s\"", text))), text);
    check_str(json_text(parsed("\"\\u0080\\u07FF\\u0800\\uD7FF\\uE000\\uFFFF"
                               "\\uD800\\uDC00\\uDBFF\\uDFFF\"")),
              text);
}

static void
hex_digits_of_escapes_have_both_cases(void **state)
{
    (void)state;
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
names_are_case_sensitive(void **state)
{
    (void)state;
    assert_null(json_get(parsed("{\"amount\":1}"), "AMOUNT"));
    assert_int_equal(json_count(parsed("{\"a\":1,\"A\":2}")), 2);
}

static void
escaped_names_are_found(void **state)
{
    (void)state;
    check_str(json_text(json_get(parsed("{\"\\u0061b\":\"x\"}"), "ab")), "x");
}

static void
empty_name_is_a_name(void **state)
{
    (void)state;
    check_str(json_text(json_get(parsed("{\"\":\"x\"}"), "")), "x");
}

static void
same_name_at_other_levels_is_fine(void **state)
{
    (void)state;
    (void)parsed("{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}]}");
}

static void
get_of_no_object_is_null(void **state)
{
    (void)state;
    assert_null(json_get(NULL, "a"));
    assert_null(json_get(parsed("[{\"a\":1}]"), "a"));
    assert_null(json_get(parsed("\"a\""), "a"));
}

static void
text_of_other_types_is_none(void **state)
{
    (void)state;
    assert_null(json_text(NULL).ptr);
    assert_null(json_text(parsed("true")).ptr);
    assert_null(json_text(parsed("null")).ptr);
    assert_null(json_text(parsed("{}")).ptr);
}

static void
empty_string_is_not_none(void **state)
{
    (void)state;
    check_str(json_text(parsed("\"\"")), "");
}

static void
walks_in_the_order_of_the_text(void **state)
{
    (void)state;
    const struct json *v = json_first(parsed("{\"z\":1,\"a\":2}"));
    check_str(json_key(v), "z");
    v = json_next(v);
    check_str(json_key(v), "a");
    assert_null(json_next(v));
}

static void
counts_members(void **state)
{
    (void)state;
    assert_int_equal(json_count(parsed("[1,[2,3],4]")), 3);
    assert_int_equal(json_count(parsed("{}")), 0);
    assert_int_equal(json_count(NULL), 0);
}

static void
only_true_is_true(void **state)
{
    (void)state;
    assert_false(json_is_true(parsed("false")));
    assert_false(json_is_true(parsed("1")));
    assert_false(json_is_true(NULL));
}

static void
deepest_nesting_is_read(void **state)
{
    (void)state;
    (void)parsed("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]");
}

/* ---- reading: what is refused ---- */

static void
refuses_an_empty_body(void **state)
{
    const struct json *doc;

    (void)state;
    assert_int_equal(json_parse(a, &f, STR_NONE, &doc), ERR_INVALID);
    assert_string_equal(f.text, "Request body is empty");
}

static void
error_names_the_byte(void **state)
{
    (void)state;
    refused("{\"a\":1,\"a\":2}", "Invalid JSON at byte 8: duplicate key");
}

static void
refuses_duplicate_names(void **state)
{
    (void)state;
    refused("{\"a\":1,\"a\":2}", "duplicate key");
    refused("{\"a\":1,\"b\":{},\"c\":[],\"a\":1}", "duplicate key");
    refused("{\"\":1,\"\":2}", "duplicate key");
}

static void
refuses_duplicate_names_at_every_level(void **state)
{
    (void)state;
    refused("{\"x\":{\"a\":1,\"a\":2}}", "duplicate key");
    refused("[[{\"a\":1,\"b\":[{\"a\":1}],\"a\":2}]]", "duplicate key");
}

static void
refuses_duplicates_behind_escapes(void **state)
{
    (void)state;
    refused("{\"a\":1,\"\\u0061\":2}", "duplicate key");
    refused("{\"\\u00e9\":1,\"\xC3\xA9\":2}", "duplicate key");
    refused("{\"\\/\":1,\"/\":2}", "duplicate key");
    refused("{\"\\u20ac\":1,\"\xE2\x82\xAC\":2}", "duplicate key");
    refused("{\"x\\u0061y\\tz\\u00e9\":1,\"xay\\u0009z\xC3\xA9\":2}", "duplicate key");
    refused("{\"\\ud83d\\ude00\":1,\"\xF0\x9F\x98\x80\":2}", "duplicate key");
}

/* More names than are compared pair by pair: they are sorted. */
static void
refuses_duplicates_among_many(void **state)
{
    struct buf many;

    (void)state;
    buf_init_arena(&many, a, 4096);
    for (int i = 139; i >= 100; i--)
        buf_printf(&many, "%s\"%d\":1", i == 139 ? "" : ",", i);
    assert_int_equal(json_count(parsed(arena_printf(a, "{%s}", many.ptr))), 40);
    refused(arena_printf(a, "{%s,\"120\":2}", many.ptr), "byte 322: duplicate key");
    refused(arena_printf(a, "{%s,\"1\\u0032\\u0030\":2,\"119\":3}", many.ptr),
            "byte 322: duplicate key");
}

static void
names_that_only_start_alike_differ(void **state)
{
    (void)state;
    (void)parsed("{\"a\":1,\"ab\":2,\"abc\":3,\"\":4}");
}

static void
refuses_bad_numbers(void **state)
{
    static const char *const wrong[] = {"01",  "1.",  "1.e5", "-",  "-01", "00", "1e",
                                        "1e+", "-.5", "0.",   "-a", "1.e", "0e", "[01]"};

    (void)state;
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
number_length_has_a_bound(void **state)
{
    char text[80];

    (void)state;
    memset(text, '1', sizeof(text));
    text[63] = '\0';
    check_str(printed(parsed(text)), text);
    text[63] = '1';
    text[64] = '\0';
    refused(text, "too long");
}

static void
refuses_control_characters_in_strings(void **state)
{
    (void)state;
    refused("\"a\tb\"", "control character");
    refused("\"a\nb\"", "control character");
    refused_str((struct str){"\"a\0b\"", 5}, "control character");
}

static void
refuses_nul_escapes(void **state)
{
    (void)state;
    refused("\"x\\u0000y\"", "\\u0000");
    refused("{\"x\\u0000y\":1}", "\\u0000");
}

static void
refuses_invalid_utf8(void **state)
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

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        refused(wrong[i], "invalid UTF-8");
}

static void
refuses_lone_surrogates(void **state)
{
    static const char *const wrong[] = {
        "\"\\ud800\"",        "\"\\udc00\"",        "\"\\ud800x\"",      "\"\\ud800\\u0041\"",
        "\"\\ud800\\ud800\"", "\"\\udc00\\ud800\"", "\"\\ud83d\\\"\"",   "\"\\udc00\\udc00\"",
        "\"\\ud83d\\ue000\"", "\"\\ud83d\\udbff\"", "\"\\ud83dxudc00\"", "\"\\ud83d\\ndc00\""};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        refused(wrong[i], "lone surrogate");
}

static void
refuses_bad_escapes(void **state)
{
    (void)state;
    refused("\"\\x41\"", "invalid escape");
    refused("\"\\'\"", "invalid escape");
    refused("\"\\U0041\"", "invalid escape");
    refused("\"\\u12g4\"", "invalid \\u escape");
    refused("\"\\u12\"", "invalid \\u escape");
}

static void
refuses_text_behind_the_end(void **state)
{
    (void)state;
    refused("{}x", "text behind the end");
    refused("{}{}", "text behind the end");
    refused("1 2", "text behind the end");
    refused("nullx", "text behind the end");
    refused_str((struct str){"{}\0", 3}, "text behind the end");
}

static void
refuses_other_blanks(void **state)
{
    (void)state;
    refused("\f{}", "expected a value");
    refused("\xEF\xBB\xBF{}", "expected a value"); /* byte order mark */
    refused("\xC2\xA0{}", "expected a value");
}

static void
refuses_other_structures(void **state)
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

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        refused(wrong[i], "Invalid JSON at byte ");
}

static void
refuses_deep_nesting(void **state)
{
    (void)state;
    refused("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "byte 17: nested too deeply");
    refused("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":[[[[[[[[[1]]]]]]]]]}}}}}}}}",
            "nested too deeply");
}

static void
refuses_thousands_of_brackets(void **state)
{
    static char text[100000];

    (void)state;
    memset(text, '[', sizeof(text));
    refused_str((struct str){text, sizeof(text)}, "nested too deeply");
}

/* Every beginning of a good text is refused, and nothing is read behind its end. */
static void
refuses_every_beginning(void **state)
{
    static const char text[] =
        "{\"a\\u00e9\":[1.5e-3,true,\"x\\ud83d\\ude00\xE2\x82\xAC\"],\"b\":{\"c\":null}}";

    (void)state;
    for (size_t len = 1; len < sizeof(text) - 1; len++) {
        const struct str copy = heap_copy((struct str){text, len});

        refused_str(copy, "Invalid JSON");
        free((void *)(uintptr_t)copy.ptr);
        arena_reset(a);
    }
}

static void
failed_parse_can_be_followed_by_a_good_one(void **state)
{
    (void)state;
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
        assert_int_equal(json_parse(small, &f, text, &doc), ERR_OK);
}

/* A request that runs out of memory anywhere in the parser leaves it usable. */
static void
every_memory_cap_unwinds_cleanly(void **state)
{
    static const char text[] = "{\"a\":[1,2.5,{\"b\\u0061\":\"x\"}],\"c\":[true,null,3]}";

    (void)state;
    for (size_t cap = 0; cap < 2000; cap += 13) {
        struct arena *small = arena_new(cap);

        parse_or_unwind(small, str_of(text));
        arena_free(small);
        arena_reset(a);
        (void)parsed(text);
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
thousands_of_names_are_cheap(void **state)
{
    static char text[300000];
    size_t len = 0;

    (void)state;
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

/* ---- writing ---- */

static struct buf out;
static struct json_writer w;

static void
begin(void)
{
    buf_init_arena(&out, a, 4096);
    jw_init(&w, &out);
}

static void
writes_an_object(void **state)
{
    (void)state;
    begin();
    jw_open(&w);
    jw_text_at(&w, "t", "x");
    jw_i64_at(&w, "i", -5);
    jw_bool_at(&w, "b", true);
    jw_number_at(&w, "n", "12.50");
    jw_str_at(&w, "s", STR("y"));
    jw_key(&w, "z");
    jw_null(&w);
    jw_key(&w, "r");
    jw_raw(&w, STR("[1, 2]"));
    jw_close(&w);
    check_str(buf_str(&out),
              "{\"t\":\"x\",\"i\":-5,\"b\":true,\"n\":12.50,\"s\":\"y\",\"z\":null,\"r\":[1, 2]}");
}

static void
writes_nested_arrays(void **state)
{
    (void)state;
    begin();
    jw_open_array(&w);
    jw_open_array(&w);
    jw_close_array(&w);
    jw_i64(&w, INT64_MIN);
    jw_open(&w);
    jw_key(&w, "a");
    jw_open_array(&w);
    jw_bool(&w, false);
    jw_bool(&w, true);
    jw_close_array(&w);
    jw_close(&w);
    jw_close_array(&w);
    check_str(buf_str(&out), "[[],-9223372036854775808,{\"a\":[false,true]}]");
}

static void
writes_null_for_no_text(void **state)
{
    (void)state;
    begin();
    jw_open_array(&w);
    jw_text(&w, NULL);
    jw_str(&w, STR_NONE);
    jw_number(&w, NULL);
    jw_raw(&w, STR_NONE);
    jw_value(&w, NULL);
    jw_text(&w, "");
    jw_close_array(&w);
    check_str(buf_str(&out), "[null,null,null,null,null,\"\"]");
}

static void
writes_what_is_no_number_as_a_string(void **state)
{
    (void)state;
    begin();
    jw_open_array(&w);
    jw_number(&w, "NaN");
    jw_number(&w, "Infinity");
    jw_number(&w, "1\"");
    jw_number(&w, "");
    jw_number(&w, "-1e5");
    jw_close_array(&w);
    check_str(buf_str(&out), "[\"NaN\",\"Infinity\",\"1\\\"\",\"\",-1e5]");
}

static void
writes_escapes(void **state)
{
    (void)state;
    begin();
    jw_text(&w, "\"\\/\b\f\n\r\t\x01\x1F\x7F");
    check_str(buf_str(&out), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7F\"");
}

static void
writes_a_nul_as_escape(void **state)
{
    (void)state;
    begin();
    jw_str(&w, (struct str){"a\0b", 3});
    check_str(buf_str(&out), "\"a\\u0000b\"");
}

static void
escapes_names_too(void **state)
{
    (void)state;
    begin();
    jw_open(&w);
    jw_i64_at(&w, "a\"b", 1);
    jw_close(&w);
    check_str(buf_str(&out), "{\"a\\\"b\":1}");
}

static void
replaces_invalid_utf8(void **state)
{
    (void)state;
    begin();
    jw_text(&w, "\xC3\xA9\xFF\xE2\x82");
    check_str(buf_str(&out), "\"\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static void
printing_reads_back(void **state)
{
    static const char text[] =
        "{\"a\":[1.0,-0,1e400,\"\\u0001\\\"\"],\"\\n\":{\"b\":[[],{}]},\"c\":[true,false,null]}";

    (void)state;
    const struct str once = printed(parsed(text));
    const struct str twice = printed(parsed_str(once));
    assert_true(str_eq(once, twice));
    check_str(once, text);
}

static void
overflow_of_the_buffer_is_sticky(void **state)
{
    (void)state;
    buf_init_arena(&out, a, 5);
    jw_init(&w, &out);
    jw_open(&w);
    jw_text_at(&w, "name", "value");
    jw_close(&w);
    assert_true(out.overflow);
}

static void
two_keys(void)
{
    begin();
    jw_open(&w);
    jw_key(&w, "a");
    jw_key(&w, "b");
}

static void
value_without_key(void)
{
    begin();
    jw_open(&w);
    jw_i64(&w, 1);
}

static void
key_in_array(void)
{
    begin();
    jw_open_array(&w);
    jw_key(&w, "a");
}

static void
key_at_the_top(void)
{
    begin();
    jw_key(&w, "a");
}

static void
key_without_value(void)
{
    begin();
    jw_open(&w);
    jw_key(&w, "a");
    jw_close(&w);
}

static void
wrong_close(void)
{
    begin();
    jw_open(&w);
    jw_close_array(&w);
}

static void
close_at_the_top(void)
{
    begin();
    jw_close(&w);
}

static void
two_values(void)
{
    begin();
    jw_i64(&w, 1);
    jw_i64(&w, 2);
}

static void
too_deep(void)
{
    begin();
    for (int i = 0; i < JSON_WRITE_DEPTH_MAX; i++)
        jw_open_array(&w);
}

static void
writes_up_to_its_depth(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < JSON_WRITE_DEPTH_MAX - 1; i++)
        jw_open_array(&w);
    for (int i = 0; i < JSON_WRITE_DEPTH_MAX - 1; i++)
        jw_close_array(&w);
    assert_int_equal(out.len, 2 * (JSON_WRITE_DEPTH_MAX - 1));
}

static void
misuse_dies(void **state)
{
    void (*const misuses[])(void) = {two_keys,         value_without_key, key_in_array,
                                     key_at_the_top,   key_without_value, wrong_close,
                                     close_at_the_top, two_values,        too_deep};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(misuses); i++)
        check_dies(misuses[i], "broken invariant");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_every_type),
        TEST(reads_scalars_at_the_top),
        TEST(reads_blanks_everywhere),
        TEST(needs_no_nul_behind_the_text),
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
        TEST(deepest_nesting_is_read),
        TEST(refuses_an_empty_body),
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
        TEST(failed_parse_can_be_followed_by_a_good_one),
        TEST(every_memory_cap_unwinds_cleanly),
        TEST(thousands_of_names_are_cheap),
        TEST(writes_an_object),
        TEST(writes_nested_arrays),
        TEST(writes_null_for_no_text),
        TEST(writes_what_is_no_number_as_a_string),
        TEST(writes_escapes),
        TEST(writes_a_nul_as_escape),
        TEST(escapes_names_too),
        TEST(replaces_invalid_utf8),
        TEST(printing_reads_back),
        TEST(overflow_of_the_buffer_is_sticky),
        TEST(writes_up_to_its_depth),
        TEST(misuse_dies),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
