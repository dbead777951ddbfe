/* fn/caller: forged, broken and worn-out tokens are refused. */
#include "caller_test.h"

/* ---- header and signature ---- */

static void
algorithm_is_never_obeyed(void **state)
{
    static const char *const wrong[] = {"{\"alg\":\"none\",\"typ\":\"JWT\"}",
                                        "{\"alg\":\"None\"}",
                                        "{\"alg\":\"HS512\"}",
                                        "{\"alg\":\"HS384\"}",
                                        "{\"alg\":\"RS256\"}",
                                        "{\"alg\":\"ES256\"}",
                                        "{\"alg\":\"hs256\"}",
                                        "{\"alg\":\"\"}",
                                        "{\"alg\":null}",
                                        "{\"alg\":[\"HS256\"]}",
                                        "{\"typ\":\"JWT\"}",
                                        "{}",
                                        "{\"alg\":\"HS256\",\"alg\":\"none\"}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        refused_token(with_header(wrong[i], GOOD "}"), "Invalid token");
}

static void
critical_extensions_are_refused(void **state)
{
    (void)state;
    refused_token(with_header("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", GOOD "}"),
                  "Invalid token");
    refused_token(with_header("{\"alg\":\"HS256\",\"crit\":[]}", GOOD "}"), "Invalid token");
}

static void
header_is_a_json_object(void **state)
{
    (void)state;
    refused_token(with_header("", GOOD "}"), "Invalid token");
    refused_token(with_header("\"HS256\"", GOOD "}"), "Invalid token");
    refused_token(with_header("{\"alg\":\"HS256\"", GOOD "}"), "Invalid token");
}

static void
unsigned_token_is_refused(void **state)
{
    (void)state;
    const char *token = with_header("{\"alg\":\"none\"}", GOOD "}");
    char *cut = arena_copy(a, str_of(token));
    strrchr(cut, '.')[1] = '\0';
    refused_token(cut, "Invalid token");
    strrchr(cut, '.')[0] = '\0';
    refused_token(cut, "Invalid token");
}

static void
signature_of_sha512_is_refused(void **state)
{
    char text[1024];
    uint8_t mac[SHA512_BYTES];
    static const char header[] = "{\"alg\":\"HS512\",\"typ\":\"JWT\"}";

    (void)state;
    size_t len = base64url_encode(header, strlen(header), text);
    text[len++] = '.';
    len += base64url_encode(GOOD "}", strlen(GOOD "}"), text + len);
    crypto_hmac_sha512(SECRET, (struct str){text, len}, mac);
    text[len++] = '.';
    (void)base64url_encode(mac, sizeof(mac), text + len);
    refused_token(text, "Invalid token");
}

static void
other_key_is_refused(void **state)
{
    (void)state;
    refused_token(jws_sign(a, STR("another-secret-of-32-characters!!"), STR(GOOD "}")),
                  "Invalid token");
    refused_token(jws_sign(a, STR(""), STR(GOOD "}")), "Invalid token");
}

static void
every_beginning_is_refused(void **state)
{
    (void)state;
    const char *token = jws_sign(a, SECRET, STR(GOOD "}"));
    for (size_t len = 0; len < strlen(token); len++)
        refused_token(arena_copy(a, (struct str){token, len}), "Invalid token");
}

static void
every_changed_byte_is_refused(void **state)
{
    (void)state;
    const char *token = jws_sign(a, SECRET, STR(GOOD "}"));
    for (size_t i = 0; i < strlen(token); i++) {
        char *changed = arena_copy(a, str_of(token));

        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        refused_token(changed, "Invalid token");
    }
}

static void
exchanged_payload_is_refused(void **state)
{
    (void)state;
    const char *ours = jws_sign(a, SECRET, STR(GOOD "}"));
    const char *better =
        jws_sign(a, STR("x"), STR("{\"role\":\"service_role\",\"exp\":1900000000}"));
    const size_t signed_len = (size_t)(strrchr(better, '.') - better);
    refused_token(arena_printf(a, "%.*s%s", (int)signed_len, better, strrchr(ours, '.')),
                  "Invalid token");
}

static void
other_forms_are_refused(void **state)
{
    (void)state;
    const char *token = jws_sign(a, SECRET, STR(GOOD "}"));
    refused_token("", "Invalid token");
    refused_token(".", "Invalid token");
    refused_token("..", "Invalid token");
    refused_token("...", "Invalid token");
    refused_token("abc", "Invalid token");
    refused_token(arena_printf(a, "%s.", token), "Invalid token");
    refused_token(arena_printf(a, "%s.x", token), "Invalid token");
    refused_token(arena_printf(a, ".%s", token), "Invalid token");
    const int signed_len = (int)(strrchr(token, '.') - token);
    refused_token(arena_printf(a, "%.*s.%s", signed_len, token, token + signed_len),
                  "Invalid token");
    refused_token(arena_printf(a, "%s=", token), "Invalid token");
    refused_token(arena_printf(a, "%s==", token), "Invalid token");
    refused_token(arena_printf(a, "%s ", token), "Invalid token");
    refused_token(arena_printf(a, " %s", token), "Invalid token");
    refused_token(arena_printf(a, "Bearer %s", token), "Invalid token");
    refused_token(arena_printf(a, "%sA", token), "Invalid token");
}

static void
unused_bits_of_the_signature_are_refused(void **state)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    (void)state;
    /* 32 bytes end in a character of which two bits belong to no byte */
    char *token = jws_sign(a, SECRET, STR(GOOD "}"));
    char *last = token + strlen(token) - 1;
    *last = alphabet[strchr(alphabet, *last) - alphabet + 1];
    refused_token(token, "Invalid token");
}

static void
long_tokens_are_refused(void **state)
{
    (void)state;
    char *payload = arena_printf(a, GOOD ",\"x\":\"%07000d\"}", 0);
    refused(payload);
    payload = arena_printf(a, GOOD ",\"x\":\"%05000d\"}", 0);
    (void)accepted(payload);
}

/* ---- tokens that were good before ---- */

static enum err
verify_at(struct str secret, const char *token, int64_t now_s, struct caller *ret)
{
    f = (struct fail){0};
    return caller_read(a, &f, secret, str_of(token), now_s, ret);
}

static void
second_use_says_the_same(void **state)
{
    (void)state;
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
token_expires_between_two_uses(void **state)
{
    (void)state;
    const char *token = jws_sign(a, SECRET, STR(GOOD ",\"x\":1}"));
    struct caller caller;

    assert_int_equal(verify_at(SECRET, token, 1800003600, &caller), ERR_OK);
    assert_int_equal(verify_at(SECRET, token, 1800003630, &caller), ERR_UNAUTHENTICATED);
    assert_string_equal(f.text, "Token has expired");
}

/* A clock that was set back. */
static void
token_of_the_future_is_refused_at_its_second_use(void **state)
{
    (void)state;
    const char *late = jws_sign(a, SECRET, STR(GOOD ",\"nbf\":1800000000}"));
    const char *issued = jws_sign(a, SECRET, STR(GOOD ",\"iat\":1800000000}"));
    struct caller caller;

    assert_int_equal(verify(late, &caller), ERR_OK);
    assert_int_equal(verify(issued, &caller), ERR_OK);
    assert_int_equal(verify_at(SECRET, late, NOW - 31, &caller), ERR_UNAUTHENTICATED);
    assert_int_equal(verify_at(SECRET, issued, NOW - 31, &caller), ERR_UNAUTHENTICATED);
}

static void
known_token_is_refused_under_another_secret(void **state)
{
    (void)state;
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
changed_copies_of_a_known_token_are_refused(void **state)
{
    (void)state;
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
tokens_that_share_a_place_are_not_confused(void **state)
{
    (void)state;
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(algorithm_is_never_obeyed),
        TEST(critical_extensions_are_refused),
        TEST(header_is_a_json_object),
        TEST(unsigned_token_is_refused),
        TEST(signature_of_sha512_is_refused),
        TEST(other_key_is_refused),
        TEST(every_beginning_is_refused),
        TEST(every_changed_byte_is_refused),
        TEST(exchanged_payload_is_refused),
        TEST(other_forms_are_refused),
        TEST(unused_bits_of_the_signature_are_refused),
        TEST(long_tokens_are_refused),
        TEST(second_use_says_the_same),
        TEST(token_expires_between_two_uses),
        TEST(token_of_the_future_is_refused_at_its_second_use),
        TEST(known_token_is_refused_under_another_secret),
        TEST(changed_copies_of_a_known_token_are_refused),
        TEST(tokens_that_share_a_place_are_not_confused),
    };

    return cmocka_run_group_tests_name("auth forged", tests, NULL, NULL);
}
