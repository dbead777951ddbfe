#include "check_json.h"

#include "base/buf.h"
#include "json/write.h"

static struct buf out;
static struct json_writer w;

static void
begin(void)
{
    buf_init_arena(&out, a, 4096);
    jw_init(&w, &out);
}

static void
writes_an_object(void **state UNUSED)
{
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
writes_nested_arrays(void **state UNUSED)
{
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
writes_null_for_no_text(void **state UNUSED)
{
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
writes_what_is_no_number_as_a_string(void **state UNUSED)
{
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
writes_escapes(void **state UNUSED)
{
    begin();
    jw_text(&w, "\"\\/\b\f\n\r\t\x01\x1F\x7F");
    check_str(buf_str(&out), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7F\"");
}

static void
writes_a_nul_as_escape(void **state UNUSED)
{
    begin();
    jw_str(&w, (struct str){"a\0b", 3});
    check_str(buf_str(&out), "\"a\\u0000b\"");
}

static void
escapes_names_too(void **state UNUSED)
{
    begin();
    jw_open(&w);
    jw_i64_at(&w, "a\"b", 1);
    jw_close(&w);
    check_str(buf_str(&out), "{\"a\\\"b\":1}");
}

static void
replaces_invalid_utf8(void **state UNUSED)
{
    begin();
    jw_text(&w, "\xC3\xA9\xFF\xE2\x82");
    check_str(buf_str(&out), "\"\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static void
printing_reads_back(void **state UNUSED)
{
    static const char text[] =
        "{\"a\":[1.0,-0,1e400,\"\\u0001\\\"\"],\"\\n\":{\"b\":[[],{}]},\"c\":[true,false,null]}";

    const struct str once = printed(parsed(text));
    const struct str twice = printed(parsed_str(once));
    assert_true(str_eq(once, twice));
    check_str(once, text);
}

static void
overflow_of_the_buffer_is_sticky(void **state UNUSED)
{
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
writes_up_to_its_depth(void **state UNUSED)
{
    begin();
    for (int i = 0; i < JSON_WRITE_DEPTH_MAX - 1; i++)
        jw_open_array(&w);
    for (int i = 0; i < JSON_WRITE_DEPTH_MAX - 1; i++)
        jw_close_array(&w);
    assert_int_equal(out.len, 2 * (JSON_WRITE_DEPTH_MAX - 1));
}

static void
misuse_dies(void **state UNUSED)
{
    void (*const misuses[])(void) = {two_keys,         value_without_key, key_in_array,
                                     key_at_the_top,   key_without_value, wrong_close,
                                     close_at_the_top, two_values,        too_deep};

    for (size_t i = 0; i < ARRAY_LEN(misuses); i++)
        check_dies(misuses[i], "broken invariant");
}

static const struct CMUnitTest tests[] = {
    TEST(writes_an_object),        TEST(writes_nested_arrays),
    TEST(writes_null_for_no_text), TEST(writes_what_is_no_number_as_a_string),
    TEST(writes_escapes),          TEST(writes_a_nul_as_escape),
    TEST(escapes_names_too),       TEST(replaces_invalid_utf8),
    TEST(printing_reads_back),     TEST(overflow_of_the_buffer_is_sticky),
    TEST(writes_up_to_its_depth),  TEST(misuse_dies),
};

int
main(void)
{
    return cmocka_run_group_tests_name("json_write", tests, NULL, NULL);
}
