#include "check_arena.h"

#include "base/encode.h"
#include "crypto/digest.h"
#include "crypto/jws.h"

#define NOW    1800000000
#define SECRET STR("a-secret-of-at-least-32-characters")
#define USER   "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
#define GOOD   "{\"role\":\"authenticated\",\"sub\":\"" USER "\",\"exp\":1800003600"

static struct fail f;
static struct jws_keys keys = {.secret = {"a-secret-of-at-least-32-characters", 34}};

/* What a token says that is read, and good, at NOW. */
static enum err
verify(const char *token, struct caller *ret)
{
    struct jws_times times;
    char before[sizeof(*ret)];

    memcpy(before, ret, sizeof(before));
    f = (struct fail){0};
    const enum err e = jws_read(a, &f, &keys, str_of(token), &times, ret);
    if (e != ERR_OK) {
        assert_memory_equal(ret, before, sizeof(before)); /* untouched */
        return e;
    }
    return jws_check_times(&f, &times, NOW);
}

static struct caller
accepted(const char *payload)
{
    struct caller caller = {0};

    if (verify(jws_sign(a, SECRET, str_of(payload)), &caller) != ERR_OK)
        fail_msg("%s: %s", payload, f.detail);
    return caller;
}

static void
refused_token(const char *token, const char *text)
{
    struct caller caller = {0};

    if (verify(token, &caller) == ERR_OK)
        fail_msg("accepted: %s", token);
    assert_int_equal(f.err, ERR_UNAUTHENTICATED);
    assert_string_equal(f.text, text);
    assert_true(f.detail[0] != '\0');
}

/* A properly signed token with this payload is refused. */
static void
refused(const char *payload)
{
    refused_token(jws_sign(a, SECRET, str_of(payload)), "Invalid token");
}

/* A token with any header, signed with HS256 and our secret. */
static const char *
with_header(const char *header, const char *payload)
{
    char *text = arena_alloc(a, 4096);
    uint8_t mac[SHA256_BYTES];
    size_t len = base64url_encode(header, strlen(header), text);

    text[len++] = '.';
    len += base64url_encode(payload, strlen(payload), text + len);
    crypto_hmac_sha256(SECRET, (struct str){text, len}, mac);
    text[len++] = '.';
    (void)base64url_encode(mac, sizeof(mac), text + len);
    return text;
}

/* ---- what is accepted ---- */

static void
user_token_names_the_user(void **state UNUSED)
{
    const struct caller caller = accepted(GOOD ",\"email\":\"a@example.com\"}");
    assert_string_equal(caller.user_id, USER);
    assert_string_equal(caller.role, "authenticated");
    assert_string_equal(caller.email, "a@example.com");
}

static void
claims_are_kept_as_sent(void **state UNUSED)
{
    const struct caller caller = accepted(GOOD ", \"x\" : 1.50 }");
    check_str(caller.claims_json, GOOD ", \"x\" : 1.50 }");
}

static void
anon_key_needs_no_sub(void **state UNUSED)
{
    const struct caller caller =
        accepted("{\"role\":\"anon\",\"iss\":\"supabase\",\"iat\":1700000000,\"exp\":2000000000}");
    assert_string_equal(caller.role, "anon");
    assert_string_equal(caller.user_id, "");
    assert_null(caller.email);
}

static void
nothing_of_another_caller_is_left(void **state UNUSED)
{
    struct caller caller = accepted(GOOD ",\"email\":\"a@example.com\"}");
    const char *key = jws_sign(a, SECRET, STR("{\"role\":\"anon\",\"exp\":2000000000}"));

    assert_int_equal(verify(key, &caller), ERR_OK);
    assert_string_equal(caller.role, "anon");
    assert_string_equal(caller.user_id, "");
    assert_null(caller.email);
}

static void
service_key_is_accepted(void **state UNUSED)
{
    assert_string_equal(accepted("{\"role\":\"service_role\",\"exp\":2000000000}").role,
                        "service_role");
}

/* Made with Python's hmac and base64, with the secret above: not our own signing. */
static void
foreign_token_is_accepted(void **state UNUSED)
{
    struct caller caller = {0};

    assert_int_equal(
        verify(
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
            "eyJyb2xlIjoiYXV0aGVudGljYXRlZCIsInN1YiI6ImEwZWViYzk5LTljMGItNGVmOC1iYjZkLTZiYjliZDM4"
            "MGExMSIsImV4cCI6MTgwMDAwMzYwMH0."
            "O9hjMzmVh_-lAi3wHgXGnaDJyYgFV9tGy8oT5Co9pIg",
            &caller),
        ERR_OK);
    assert_string_equal(caller.user_id, USER);
}

static void
other_header_spellings_are_accepted(void **state UNUSED)
{
    struct caller caller = {0};

    assert_int_equal(verify(with_header("{\"typ\":\"JWT\",\"alg\":\"HS256\"}", GOOD "}"), &caller),
                     ERR_OK);
    assert_int_equal(verify(with_header("{\"alg\":\"HS256\"}", GOOD "}"), &caller), ERR_OK);
    assert_int_equal(
        verify(with_header("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"1\"}", GOOD "}"),
               &caller),
        ERR_OK);
}

static void
upper_case_sub_is_made_lower(void **state UNUSED)
{
    assert_string_equal(accepted("{\"role\":\"authenticated\",\"exp\":1800003600,"
                                 "\"sub\":\"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11\"}")
                            .user_id,
                        USER);
}

/* ---- times ---- */

static void
check_exp(const char *exp, bool good)
{
    char payload[256];

    (void)snprintf(payload, sizeof(payload), "{\"role\":\"anon\",\"exp\":%s}", exp);
    if (good)
        (void)accepted(payload);
    else
        refused_token(jws_sign(a, SECRET, str_of(payload)), "Token has expired");
}

static void
expired_token_is_refused(void **state UNUSED)
{
    check_exp("1799990000", false);
    check_exp("-1", false);
    check_exp("0", false);
}

static void
expiry_has_30_seconds_of_skew(void **state UNUSED)
{
    check_exp("1799999971", true);
    check_exp("1799999970", false);
}

static void
exp_is_required(void **state UNUSED)
{
    refused("{\"role\":\"anon\"}");
    refused("{\"role\":\"anon\",\"exp\":null}");
}

static void
exp_is_a_number(void **state UNUSED)
{
    refused("{\"role\":\"anon\",\"exp\":\"1900000000\"}");
    refused("{\"role\":\"anon\",\"exp\":true}");
    refused("{\"role\":\"anon\",\"exp\":1e400}");
}

static void
fraction_of_exp_is_cut_off(void **state UNUSED)
{
    check_exp("1799999971.9", true);
    check_exp("1799999970.9", false);
}

static void
exponent_of_exp_is_read(void **state UNUSED)
{
    check_exp("1.9e9", true);
}

static void
nbf_in_the_future_is_refused(void **state UNUSED)
{
    refused(GOOD ",\"nbf\":1800000031}");
    (void)accepted(GOOD ",\"nbf\":1800000030}");
}

static void
iat_in_the_future_is_refused(void **state UNUSED)
{
    refused(GOOD ",\"iat\":1800000031}");
    (void)accepted(GOOD ",\"iat\":1800000030}");
}

static void
nbf_and_iat_are_numbers(void **state UNUSED)
{
    refused(GOOD ",\"nbf\":\"1700000000\"}");
    refused(GOOD ",\"iat\":[]}");
}

/* ---- claims ---- */

static void
role_is_required(void **state UNUSED)
{
    refused("{\"sub\":\"" USER "\",\"exp\":1800003600}");
    refused("{\"role\":null,\"exp\":1800003600}");
    refused("{\"role\":[\"anon\"],\"exp\":1800003600}");
}

static void
role_is_one_of_three(void **state UNUSED)
{
    static const char *const wrong[] = {
        "postgres", "", "Anon", "service_role ", "authenticatedx", "supabase_admin"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        refused(arena_printf(a, "{\"role\":\"%s\",\"exp\":1800003600}", wrong[i]));
}

static void
user_token_needs_a_sub(void **state UNUSED)
{
    refused("{\"role\":\"authenticated\",\"exp\":1800003600}");
}

static void
sub_is_a_uuid(void **state UNUSED)
{
    refused("{\"role\":\"authenticated\",\"sub\":\"admin\",\"exp\":1800003600}");
    refused("{\"role\":\"authenticated\",\"sub\":\"\",\"exp\":1800003600}");
    refused("{\"role\":\"authenticated\",\"sub\":7,\"exp\":1800003600}");
    refused("{\"role\":\"anon\",\"sub\":\"x\",\"exp\":1800003600}");
}

static void
email_of_another_type_is_none(void **state UNUSED)
{
    assert_null(accepted(GOOD ",\"email\":null}").email);
    assert_null(accepted(GOOD ",\"email\":5}").email);
}

static void
payload_is_strict_json(void **state UNUSED)
{
    refused("");
    refused("[]");
    refused("\"x\"");
    refused(GOOD);
    refused(GOOD "}x");
    refused(GOOD ",\"role\":\"service_role\"}"); /* which one would the database take? */
    refused(GOOD ",\"email\":\"\xFF\"}");
    refused(GOOD ",\"email\":\"x\\u0000y\"}");
}

/* ---- header and signature ---- */

static void
algorithm_is_never_obeyed(void **state UNUSED)
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

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        refused_token(with_header(wrong[i], GOOD "}"), "Invalid token");
}

static void
critical_extensions_are_refused(void **state UNUSED)
{
    refused_token(with_header("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", GOOD "}"),
                  "Invalid token");
    refused_token(with_header("{\"alg\":\"HS256\",\"crit\":[]}", GOOD "}"), "Invalid token");
}

static void
header_is_a_json_object(void **state UNUSED)
{
    refused_token(with_header("", GOOD "}"), "Invalid token");
    refused_token(with_header("\"HS256\"", GOOD "}"), "Invalid token");
    refused_token(with_header("{\"alg\":\"HS256\"", GOOD "}"), "Invalid token");
}

static void
unsigned_token_is_refused(void **state UNUSED)
{
    const char *token = with_header("{\"alg\":\"none\"}", GOOD "}");
    char *cut = arena_copy(a, str_of(token));
    strrchr(cut, '.')[1] = '\0';
    refused_token(cut, "Invalid token");
    strrchr(cut, '.')[0] = '\0';
    refused_token(cut, "Invalid token");
}

static void
signature_of_sha512_is_refused(void **state UNUSED)
{
    char text[1024];
    uint8_t mac[SHA512_BYTES];
    static const char header[] = "{\"alg\":\"HS512\",\"typ\":\"JWT\"}";

    size_t len = base64url_encode(header, strlen(header), text);
    text[len++] = '.';
    len += base64url_encode(GOOD "}", strlen(GOOD "}"), text + len);
    crypto_hmac_sha512(SECRET, (struct str){text, len}, mac);
    text[len++] = '.';
    (void)base64url_encode(mac, sizeof(mac), text + len);
    refused_token(text, "Invalid token");
}

static void
other_key_is_refused(void **state UNUSED)
{
    refused_token(jws_sign(a, STR("another-secret-of-32-characters!!"), STR(GOOD "}")),
                  "Invalid token");
    refused_token(jws_sign(a, STR(""), STR(GOOD "}")), "Invalid token");
}

static void
every_beginning_is_refused(void **state UNUSED)
{
    const char *token = jws_sign(a, SECRET, STR(GOOD "}"));
    for (size_t len = 0; len < strlen(token); len++)
        refused_token(arena_copy(a, (struct str){token, len}), "Invalid token");
}

static void
every_changed_byte_is_refused(void **state UNUSED)
{
    const char *token = jws_sign(a, SECRET, STR(GOOD "}"));
    for (size_t i = 0; i < strlen(token); i++) {
        char *changed = arena_copy(a, str_of(token));

        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        refused_token(changed, "Invalid token");
    }
}

static void
exchanged_payload_is_refused(void **state UNUSED)
{
    const char *ours = jws_sign(a, SECRET, STR(GOOD "}"));
    const char *better =
        jws_sign(a, STR("x"), STR("{\"role\":\"service_role\",\"exp\":1900000000}"));
    const size_t signed_len = (size_t)(strrchr(better, '.') - better);
    refused_token(arena_printf(a, "%.*s%s", (int)signed_len, better, strrchr(ours, '.')),
                  "Invalid token");
}

static void
other_forms_are_refused(void **state UNUSED)
{
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
unused_bits_of_the_signature_are_refused(void **state UNUSED)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    /* 32 bytes end in a character of which two bits belong to no byte */
    char *token = jws_sign(a, SECRET, STR(GOOD "}"));
    char *last = token + strlen(token) - 1;
    *last = alphabet[strchr(alphabet, *last) - alphabet + 1];
    refused_token(token, "Invalid token");
}

static void
long_tokens_are_refused(void **state UNUSED)
{
    char *payload = arena_printf(a, GOOD ",\"x\":\"%07000d\"}", 0);
    refused(payload);
    payload = arena_printf(a, GOOD ",\"x\":\"%05000d\"}", 0);
    (void)accepted(payload);
}

static const struct CMUnitTest tests[] = {
    TEST(user_token_names_the_user),
    TEST(claims_are_kept_as_sent),
    TEST(anon_key_needs_no_sub),
    TEST(nothing_of_another_caller_is_left),
    TEST(service_key_is_accepted),
    TEST(foreign_token_is_accepted),
    TEST(other_header_spellings_are_accepted),
    TEST(upper_case_sub_is_made_lower),
    TEST(expired_token_is_refused),
    TEST(expiry_has_30_seconds_of_skew),
    TEST(exp_is_required),
    TEST(exp_is_a_number),
    TEST(fraction_of_exp_is_cut_off),
    TEST(exponent_of_exp_is_read),
    TEST(nbf_in_the_future_is_refused),
    TEST(iat_in_the_future_is_refused),
    TEST(nbf_and_iat_are_numbers),
    TEST(role_is_required),
    TEST(role_is_one_of_three),
    TEST(user_token_needs_a_sub),
    TEST(sub_is_a_uuid),
    TEST(email_of_another_type_is_none),
    TEST(payload_is_strict_json),
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
};

int
main(void)
{
    return cmocka_run_group_tests_name("crypto_jws", tests, NULL, NULL);
}
