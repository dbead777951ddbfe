#include "check_arena.h"

#include "crypto/jws.h"
#include "fn/caller.h"
#include "fn/internal.h"
#include "fn/request.h"

#define NOW    1800000000
#define SECRET STR("a-secret-of-at-least-32-characters")
#define USER   "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
#define GOOD   "{\"role\":\"authenticated\",\"sub\":\"" USER "\",\"exp\":1800003600"

static struct fail f;

static enum err
verify_at(struct str secret, const char *token, int64_t now_s, struct caller *ret)
{
    f = (struct fail){0};
    return caller_read(a, &f, secret, str_of(token), now_s, ret);
}

static enum err
verify(const char *token, struct caller *ret)
{
    return verify_at(SECRET, token, NOW, ret);
}

static void
refused_token(const char *token, const char *text)
{
    struct caller caller = {.role = "untouched"};

    if (verify(token, &caller) == ERR_OK)
        fail_msg("accepted: %s", token);
    assert_int_equal(f.err, ERR_UNAUTHENTICATED);
    assert_string_equal(f.text, text);
    assert_true(f.detail[0] != '\0');
    assert_string_equal(caller.role, "untouched");
}

/* What is wrong with it may show when half of it has been read. */
static void
refused_tokens_leave_the_caller_untouched(void **state UNUSED)
{
    refused_token("", "Invalid token");
    refused_token(jws_sign(a, SECRET, STR(GOOD ",\"nbf\":\"1\"}")), "Invalid token");
    refused_token(jws_sign(a, SECRET, STR("{\"role\":\"authenticated\",\"exp\":1800003600}")),
                  "Invalid token");
}

static void
second_use_says_the_same(void **state UNUSED)
{
    const char *token = jws_sign(a, SECRET, STR(GOOD ",\"email\":\"b@example.com\"}"));
    struct caller first, second;

    assert_int_equal(verify(token, &first), ERR_OK);
    assert_int_equal(verify(token, &second), ERR_OK);
    assert_string_equal(second.user_id, first.user_id);
    assert_string_equal(second.role, first.role);
    assert_string_equal(second.email, first.email);
    assert_true(str_eq(second.claims_json, first.claims_json));
}

static void
token_expires_between_two_uses(void **state UNUSED)
{
    const char *token = jws_sign(a, SECRET, STR(GOOD ",\"x\":1}"));
    struct caller caller;

    assert_int_equal(verify_at(SECRET, token, 1800003600, &caller), ERR_OK);
    assert_int_equal(verify_at(SECRET, token, 1800003630, &caller), ERR_UNAUTHENTICATED);
    assert_string_equal(f.text, "Token has expired");
}

/* A clock that was set back. */
static void
token_of_the_future_is_refused_at_its_second_use(void **state UNUSED)
{
    const char *late = jws_sign(a, SECRET, STR(GOOD ",\"nbf\":1800000000}"));
    const char *issued = jws_sign(a, SECRET, STR(GOOD ",\"iat\":1800000000}"));
    struct caller caller;

    assert_int_equal(verify(late, &caller), ERR_OK);
    assert_int_equal(verify(issued, &caller), ERR_OK);
    assert_int_equal(verify_at(SECRET, late, NOW - 31, &caller), ERR_UNAUTHENTICATED);
    assert_int_equal(verify_at(SECRET, issued, NOW - 31, &caller), ERR_UNAUTHENTICATED);
}

static void
known_token_is_refused_under_another_secret(void **state UNUSED)
{
    const struct str other = STR("another-secret-of-32-characters-or-more");
    const char *token = jws_sign(a, SECRET, STR(GOOD ",\"x\":2}"));
    const char *foreign = jws_sign(a, other, STR(GOOD ",\"x\":2}"));
    struct caller caller;

    assert_int_equal(verify(token, &caller), ERR_OK);
    assert_int_equal(verify_at(other, token, NOW, &caller), ERR_UNAUTHENTICATED);
    assert_int_equal(verify_at(other, foreign, NOW, &caller), ERR_OK);
    assert_int_equal(verify(foreign, &caller), ERR_UNAUTHENTICATED);
    assert_int_equal(verify(token, &caller), ERR_OK);
}

/* The same signature's end finds the same place: the rest must be the same too. */
static void
changed_copies_of_a_known_token_are_refused(void **state UNUSED)
{
    const char *token = jws_sign(a, SECRET, STR(GOOD ",\"x\":3}"));
    struct caller caller;

    assert_int_equal(verify(token, &caller), ERR_OK);
    for (size_t i = 0; token[i] != '\0'; i++) {
        char *changed = arena_copy(a, str_of(token));

        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        refused_token(changed, "Invalid token");
    }
    refused_token(arena_printf(a, "A%s", token), "Invalid token");
    refused_token(token + 1, "Invalid token");
}

/* More tokens than places: each says its own at every use. */
static void
tokens_that_share_a_place_are_not_confused(void **state UNUSED)
{
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 6000; i++) {
            struct arena *own = arena_new(64 * 1024);
            const char *claims =
                arena_printf(own, "{\"role\":\"service_role\",\"exp\":2000000000,\"n\":%d}", i);
            const char *token = jws_sign(own, SECRET, str_of(claims));
            struct caller caller;

            for (int use = 0; use < 2; use++) {
                assert_int_equal(caller_read(own, &f, SECRET, str_of(token), NOW, &caller), ERR_OK);
                check_str(caller.claims_json, claims);
            }
            arena_free(own);
        }
    }
}

/* ---- where the token stands ---- */

static struct str
token_of(const char *name, const char *value)
{
    const struct header header = {str_of(name), str_of(value)};
    const struct net_request http = {.headers = &header, .header_count = 1};
    const struct fn_req req = {.http = &http};

    return fn_token(&req);
}

static void
one_or_more_blanks_stand_before_a_token(void **state UNUSED)
{
    check_str(token_of("authorization", "Bearer abc"), "abc");
    check_str(token_of("authorization", "bEARER   abc"), "abc");
    assert_int_equal(token_of("authorization", "Bearerabc").len, 0);
    assert_int_equal(token_of("authorization", "Bearer\tabc").len, 0);
    assert_int_equal(token_of("authorization", "Bearer ").len, 0);
    assert_int_equal(token_of("authorization", "Basic abc").len, 0);
    check_str(token_of("apikey", "abc"), "abc");
}

static const struct CMUnitTest tests[] = {
    TEST(one_or_more_blanks_stand_before_a_token),
    TEST(refused_tokens_leave_the_caller_untouched),
    TEST(second_use_says_the_same),
    TEST(token_expires_between_two_uses),
    TEST(token_of_the_future_is_refused_at_its_second_use),
    TEST(known_token_is_refused_under_another_secret),
    TEST(changed_copies_of_a_known_token_are_refused),
    TEST(tokens_that_share_a_place_are_not_confused),
};

int
main(void)
{
    return cmocka_run_group_tests_name("fn_caller", tests, NULL, NULL);
}
