#include "check_arena.h"

#include "db/array.h"

static const struct str *
read_all(const char *text, size_t count)
{
    const struct str *items = NULL;
    size_t got = 99;

    assert_true(db_array_read(a, (struct str){text, strlen(text)}, &items, &got));
    assert_int_equal(got, count);
    return items;
}

static void
plain_elements(void **state UNUSED)
{
    const struct str *items = read_all("{ok,FFX100000001,10.5}", 3);

    assert_string_equal(items[0].ptr, "ok");
    assert_string_equal(items[1].ptr, "FFX100000001");
    assert_int_equal(items[1].len, 12);
    assert_string_equal(items[2].ptr, "10.5");
    (void)read_all("{}", 0);
}

static void
quotes_guard_what_would_mean_something(void **state UNUSED)
{
    const struct str *items = read_all("{\"a,b\",\"\",\"\\\"\\\\}\",\"NULL\",NULL,x\\,y}", 6);

    assert_string_equal(items[0].ptr, "a,b");
    assert_string_equal(items[1].ptr, "");
    assert_string_equal(items[2].ptr, "\"\\}");
    assert_string_equal(items[3].ptr, "NULL");
    assert_null(items[4].ptr);
    assert_string_equal(items[5].ptr, "x,y");
}

static void
what_is_no_array_is_refused(void **state UNUSED)
{
    static const char *const bad[] = {
        "",         "{",     "}",    "a",        "{a",        "{a,}",      "{,a}", "{a}b",  "{\"a}",
        "{\"a\"b}", "{{a}}", "{a\\", "{a\"b\"}", "{\"a\\\"}", "[1:1]={a}", "{}}",  "{a,,b}"};
    const struct str *items;
    size_t count;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (db_array_read(a, (struct str){bad[i], strlen(bad[i])}, &items, &count))
            fail_msg("read: %s", bad[i]);
}

static void
what_is_written_reads_as_it_was(void **state UNUSED)
{
    static const char *const items[] = {"FFX1", NULL, "", "NULL", "a\"b\\c,{d} \xc3\xa9", "\\"};
    const size_t count = ARRAY_LEN(items), size = db_array_size(items, count);
    char *text = arena_alloc(a, size);

    db_array_write(text, items, count);
    assert_true(strlen(text) < size);
    const struct str *got = read_all(text, count);
    for (size_t i = 0; i < count; i++) {
        if (items[i] == NULL)
            assert_null(got[i].ptr);
        else
            assert_string_equal(got[i].ptr, items[i]);
    }
    db_array_write(text, items, 0);
    assert_string_equal(text, "{}");
}

static const struct CMUnitTest tests[] = {
    TEST(plain_elements),
    TEST(quotes_guard_what_would_mean_something),
    TEST(what_is_no_array_is_refused),
    TEST(what_is_written_reads_as_it_was),
};

int
main(void)
{
    return cmocka_run_group_tests_name("db_array", tests, NULL, NULL);
}
