#include "check.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "json/tree.h"

/* The log's line of fn, which runs in a child process. */
static char line[3 * LOG_LINE_MAX];
static struct arena *a;

static const struct json *
line_of(void (*fn)(void))
{
    const struct json *doc;
    struct fail f = {0};

    assert_int_equal(check_child(fn, line, sizeof(line)), 0);
    const size_t len = strlen(line);
    assert_true(len > 0 && len <= LOG_LINE_MAX);
    assert_int_equal(line[len - 1], '\n');
    assert_null(memchr(line, '\n', len - 1));
    if (json_parse(a, &f, (struct str){line, len - 1}, &doc) != ERR_OK)
        fail_msg("%s: %s", f.text, line);
    return doc;
}

static int
set_up(void **state UNUSED)
{
    a = arena_new(1024 * 1024);
    log_init("shop", LOG_INFO);
    return 0;
}

static int
tear_down(void **state UNUSED)
{
    arena_free(a);
    return 0;
}

static void
write_plain(void)
{
    log_event(LOG_WARN, "paid", "req-1", "too late", LOG_TEXT("order", "FFX1"), LOG_NUM("n", -5));
}

static void
line_has_level_service_and_event(void **state UNUSED)
{
    const struct json *doc = line_of(write_plain);
    check_str(json_text(json_get(doc, "level")), "warn");
    check_str(json_text(json_get(doc, "service")), "shop");
    check_str(json_text(json_get(doc, "event")), "paid");
}

static void
line_has_request_id_and_error(void **state UNUSED)
{
    const struct json *doc = line_of(write_plain);
    check_str(json_text(json_get(doc, "request_id")), "req-1");
    check_str(json_text(json_get(doc, "error")), "too late");
}

static void
line_has_the_data(void **state UNUSED)
{
    const struct json *data = json_get(line_of(write_plain), "data");
    check_str(json_text(json_get(data, "order")), "FFX1");
    check_str(json_text(json_get(data, "n")), "-5");
}

static void
line_has_a_utc_timestamp(void **state UNUSED)
{
    const struct str at = json_text(json_get(line_of(write_plain), "timestamp"));
    assert_int_equal(at.len, TIMESTAMP_SIZE - 1);
    assert_int_equal(at.ptr[10], 'T');
    assert_int_equal(at.ptr[23], 'Z');
}

static void
write_bare(void)
{
    log_write(LOG_ERROR, "boom", NULL, NULL, NULL, 0);
}

static void
absent_parts_are_left_out(void **state UNUSED)
{
    const struct json *doc = line_of(write_bare);
    assert_null(json_get(doc, "request_id"));
    assert_null(json_get(doc, "data"));
    assert_null(json_get(doc, "error"));
}

static void
write_debug(void)
{
    log_write(LOG_DEBUG, "noise", NULL, NULL, NULL, 0);
}

static void
lower_levels_are_silent(void **state UNUSED)
{
    assert_int_equal(check_child(write_debug, line, sizeof(line)), 0);
    assert_string_equal(line, "");
}

static void
write_all_bytes(void)
{
    char text[256];

    for (int i = 1; i < 256; i++)
        text[i - 1] = (char)i;
    text[255] = '\0';
    log_event(LOG_INFO, text, text, text, LOG_TEXT("all", text));
}

static void
any_bytes_make_valid_json(void **state UNUSED)
{
    (void)line_of(write_all_bytes);
}

static void
write_quotes(void)
{
    log_event(LOG_INFO, "e", NULL, NULL, LOG_TEXT("t", "a\"b\\c\nd\te"));
}

static void
escapes_mean_the_same(void **state UNUSED)
{
    const struct json *data = json_get(line_of(write_quotes), "data");
    check_str(json_text(json_get(data, "t")), "a\"b\\c\nd\te");
}

static void
write_bad_utf8(void)
{
    log_event(LOG_INFO, "e", NULL, NULL,
              LOG_TEXT("t", "\xC3\xA9|\xFF|\xC0\x80|\xED\xA0\x80|\xF4\x90\x80\x80|\xE2\x82"));
}

static void
invalid_utf8_is_replaced(void **state UNUSED)
{
#define FFFD "\xEF\xBF\xBD"
    const struct json *data = json_get(line_of(write_bad_utf8), "data");
    check_str(json_text(json_get(data, "t")), "\xC3\xA9|" FFFD "|" FFFD FFFD "|" FFFD FFFD FFFD
                                              "|" FFFD FFFD FFFD FFFD "|" FFFD FFFD);
}

static void
write_secrets(void)
{
    log_event(LOG_INFO, "e", NULL, NULL, LOG_TEXT("password", "hunter2"),
              LOG_TEXT("Authorization", "hunter2"), LOG_TEXT("x-api-key", "hunter2"),
              LOG_TEXT("api_key", "hunter2"), LOG_TEXT("access_token", "hunter2"),
              LOG_TEXT("JWT_SECRET", "hunter2"), LOG_TEXT("x-nowpayments-sig-nature", "hunter2"),
              LOG_NUM("token", 8888));
}

static void
secrets_are_masked(void **state UNUSED)
{
    const struct json *data = json_get(line_of(write_secrets), "data");
    assert_int_equal(json_count(data), 8);
    for (const struct json *v = json_first(data); v != NULL; v = json_next(v))
        check_str(json_text(v), "***");
    assert_null(strstr(line, "hunter2"));
    assert_null(strstr(line, "8888"));
}

static char long_text[20000];
static size_t fields_written;

static void
write_long(void)
{
    struct log_field fields[64];

    for (size_t i = 0; i < fields_written; i++)
        fields[i] = LOG_TEXT("field", long_text + i);
    for (size_t i = 0; i < fields_written; i++)
        fields[i].key = (const char *[]){"a", "b", "c", "d", "e", "f", "g", "h",
                                         "i", "j", "k", "l", "m", "n", "o", "p"}[i % 16];
    log_write(LOG_INFO, long_text, long_text, long_text, fields, fields_written);
}

/* Characters of 1 to 4 bytes, and ones that are escaped, in every number of fields. */
static void
long_lines_stay_valid(void **state UNUSED)
{
    static const char *const characters[] = {"x",  "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                                             "\"", "\x01",     "\xFF"};

    for (size_t c = 0; c < ARRAY_LEN(characters); c++) {
        const size_t width = strlen(characters[c]);

        for (size_t i = 0; i + width < sizeof(long_text); i += width)
            memcpy(long_text + i, characters[c], width);
        for (fields_written = 0; fields_written <= 16; fields_written++) {
            arena_reset(a);
            (void)line_of(write_long);
        }
    }
}

static void
long_data_leaves_room_for_the_error(void **state UNUSED)
{
    memset(long_text, 'x', sizeof(long_text) - 1);
    fields_written = 16;
    const struct json *doc = line_of(write_long);
    assert_true(json_text(json_get(doc, "error")).len > 1000);
}

static void
cut_texts_end_in_dots(void **state UNUSED)
{
    memset(long_text, 'x', sizeof(long_text) - 1);
    fields_written = 1;
    const struct str text = json_text(json_get(json_get(line_of(write_long), "data"), "a"));
    assert_memory_equal(text.ptr + text.len - 4, "x...", 4);
}

static void
levels_are_read_by_name(void **state UNUSED)
{
    enum log_level level = LOG_INFO;

    assert_true(log_level_read("debug", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_true(log_level_read("error", &level));
    assert_int_equal(level, LOG_ERROR);
}

static void
unknown_levels_are_refused(void **state UNUSED)
{
    enum log_level level = LOG_WARN;

    assert_false(log_level_read("INFO", &level));
    assert_false(log_level_read("", &level));
    assert_int_equal(level, LOG_WARN);
}

static int asked;

static void
ask(void)
{
    asked++;
}

static void
hold_one(void)
{
    log_hold(ask);
    log_event(LOG_INFO, "held", NULL, NULL, LOG_NUM("n", 1));
    if (asked != 1)
        _exit(1);
}

static void
held_lines_wait_for_the_flush(void **state UNUSED)
{
    assert_int_equal(check_child(hold_one, line, sizeof(line)), 0);
    assert_string_equal(line, "");
}

static void
hold_and_flush(void)
{
    hold_one();
    log_flush();
    log_flush();
}

static void
flush_writes_held_lines_once(void **state UNUSED)
{
    check_str(json_text(json_get(line_of(hold_and_flush), "event")), "held");
}

static void
hold_and_warn(void)
{
    hold_one();
    log_event(LOG_WARN, "warned", NULL, NULL, LOG_NUM("n", 2));
    _exit(0);
}

static void
warning_is_written_at_once_behind_what_is_held(void **state UNUSED)
{
    assert_int_equal(check_child(hold_and_warn, line, sizeof(line)), 0);
    const char *held = strstr(line, "\"held\""), *warned = strstr(line, "\"warned\"");
    assert_non_null(held);
    assert_non_null(warned);
    assert_true(held < warned);
}

static bool many_are_held;

static void
write_many(void)
{
    for (int child = 0; child < 4; child++) {
        if (fork() != 0)
            continue;
        if (many_are_held)
            log_hold(ask);
        memset(long_text, 'a' + child, 900);
        long_text[900] = '\0';
        for (int i = 0; i < 50; i++)
            log_event(LOG_INFO, "e", NULL, NULL, LOG_TEXT("t", long_text));
        log_flush();
        _exit(0);
    }
    while (wait(NULL) > 0) {
    }
}

static void
processes_do_not_mix_lines(void **state UNUSED)
{
    static char text[400 * 1024];
    size_t lines = 0;

    assert_int_equal(check_child(write_many, text, sizeof(text)), 0);
    for (char *start = text; *start != '\0'; lines++) {
        char *end = strchr(start, '\n');
        const struct json *doc;
        struct fail f = {0};

        assert_non_null(end);
        arena_reset(a);
        assert_int_equal(json_parse(a, &f, (struct str){start, (size_t)(end - start)}, &doc),
                         ERR_OK);
        start = end + 1;
    }
    assert_int_equal(lines, 200);
}

static void
processes_do_not_mix_held_lines(void **state UNUSED)
{
    many_are_held = true;
    processes_do_not_mix_lines(state);
    many_are_held = false;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    TEST(line_has_level_service_and_event),
    TEST(line_has_request_id_and_error),
    TEST(line_has_the_data),
    TEST(line_has_a_utc_timestamp),
    TEST(absent_parts_are_left_out),
    TEST(lower_levels_are_silent),
    TEST(any_bytes_make_valid_json),
    TEST(escapes_mean_the_same),
    TEST(invalid_utf8_is_replaced),
    TEST(secrets_are_masked),
    TEST(long_lines_stay_valid),
    TEST(long_data_leaves_room_for_the_error),
    TEST(cut_texts_end_in_dots),
    TEST(levels_are_read_by_name),
    TEST(unknown_levels_are_refused),
    TEST(held_lines_wait_for_the_flush),
    TEST(flush_writes_held_lines_once),
    TEST(warning_is_written_at_once_behind_what_is_held),
    TEST(processes_do_not_mix_lines),
    TEST(processes_do_not_mix_held_lines),
};

int
main(void)
{
    return cmocka_run_group_tests_name("base_log", tests, NULL, NULL);
}
