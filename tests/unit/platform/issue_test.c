/* Refresh tokens: what was made here is read back, and nothing else is. */
#include "check_arena.h"

#include "auth/auth.h"
#include "base/encode.h"

#define SESSION "0e75e8f7-f267-4708-9f29-e8803ef24927"

static int
load_secret(void **state UNUSED)
{
    struct setting *const own[] = {&cfg_auth_secret};
    struct buf problems;

    (void)setenv("AUTH_SECRET", "a-secret-of-at-least-32-characters", 1);
    buf_init_heap(&problems, 1024);
    const bool ok = settings_load(own, 1, &problems);
    buf_release(&problems);
    return ok ? 0 : -1;
}

static void
tokens_are_read_back(void **state UNUSED)
{
    static const int64_t counters[] = {0, 1, 127, 128, 16384, INT32_MAX, INT64_MAX};
    char session_id[AUTH_SESSION_ID_SIZE];
    int64_t counter;

    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        const char *token = auth_refresh_token(a, SESSION, counters[i]);

        assert_int_equal(auth_read_refresh_token(str_of(token), session_id, &counter),
                         AUTH_TOKEN_OK);
        assert_string_equal(session_id, SESSION);
        assert_int_equal(counter, counters[i]);
    }
}

static void
a_changed_byte_is_noticed(void **state UNUSED)
{
    const char *token = auth_refresh_token(a, SESSION, 7);
    char session_id[AUTH_SESSION_ID_SIZE];
    uint8_t bytes[64];
    int64_t counter;
    size_t len;

    assert_true(base64url_decode(str_of(token), bytes, sizeof bytes, &len));
    for (size_t bit = 0; bit < 8 * len; bit++) {
        char text[BASE64_SIZE(sizeof bytes)];

        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        (void)base64url_encode(bytes, len, text);
        assert_int_equal(auth_read_refresh_token(str_of(text), session_id, &counter),
                         AUTH_TOKEN_FOREIGN);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void
what_is_no_token_is_told_by_its_length(void **state UNUSED)
{
    static const struct {
        const char *text;
        enum auth_token is;
    } rows[] = {{"", AUTH_TOKEN_MALFORMED},
                {"short", AUTH_TOKEN_MALFORMED},
                {"abcdefghijkl", AUTH_TOKEN_FOREIGN},
                {"not base64 at all!", AUTH_TOKEN_FOREIGN},
                {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", AUTH_TOKEN_FOREIGN}};
    char session_id[AUTH_SESSION_ID_SIZE];
    int64_t counter;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(auth_read_refresh_token(str_of(rows[i].text), session_id, &counter),
                         rows[i].is);
}

static const struct CMUnitTest tests[] = {
    TEST(tokens_are_read_back),
    TEST(a_changed_byte_is_noticed),
    TEST(what_is_no_token_is_told_by_its_length),
};

int
main(void)
{
    return cmocka_run_group_tests_name("platform_issue", tests, load_secret, NULL);
}
