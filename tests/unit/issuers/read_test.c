/*
 * Tokens of other issuers: two of them, each with a key of its own, which http_call below publishes
 * in the library's place.
 */
#include "check_arena.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/clock.h"
#include "base/encode.h"
#include "crypto/digest.h"
#include "issuers/internal.h"
#include "issuers/issuers.h"
#include "loop/loop.h"
#include "loop/wait.h"
#include "net/call.h"

#define SHOP  "https://shop.example"
#define OTHER "https://other.example"
#define LIST                                                                                       \
    "[{\"iss\":\"" SHOP "\",\"jwks_url\":\"" SHOP "/jwks\",\"audience\":\"api\","                  \
    "\"azp\":[\"web\",\"app\"]},"                                                                  \
    "{\"iss\":\"" OTHER "\",\"jwks_url\":\"" OTHER "/jwks\"}]"
#define TIMES "\"iat\":1800000000,\"exp\":1800003600"
#define GOOD  "\"iss\":\"" SHOP "\",\"aud\":\"api\",\"sub\":\"user_1\"," TIMES

static struct key *shop_key, *other_key;
static const char *shop_jwk, *other_jwk;
static struct arena *texts;

enum err
http_call(struct task *task UNUSED, const struct http_request *call, struct http_answer *ret)
{
    const char *jwk = strcmp(call->url, SHOP "/jwks") == 0 ? shop_jwk : other_jwk;

    *ret = (struct http_answer){.status = 200,
                                .body = str_of(arena_printf(texts, "{\"keys\":[%s]}", jwk))};
    return ERR_OK;
}

static struct key *
new_key(void)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    unsigned char *der = NULL;
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
    const int len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    char *text = arena_alloc(texts, BASE64_SIZE((size_t)len));
    const char *why;

    (void)base64url_encode(der, (size_t)len, text);
    OPENSSL_free(der);
    PKCS8_PRIV_KEY_INFO_free(info);
    EVP_PKEY_free(pkey);
    return key_read_private(str_of(text), &why);
}

static int
begin(void **state UNUSED)
{
    struct setting *const list[] = {&cfg_auth_issuers};
    struct buf problems;

    texts = arena_new(CHECK_ARENA_BYTES);
    shop_key = new_key();
    other_key = new_key();
    shop_jwk = key_public_jwk(texts, shop_key);
    other_jwk = key_public_jwk(texts, other_key);
    (void)setenv("AUTH_ISSUERS", LIST, 1);
    buf_init_heap(&problems, 4096);
    const bool ok = settings_load(list, 1, &problems);
    buf_release(&problems);
    return ok ? 0 : -1;
}

static int
end(void **state UNUSED)
{
    struct issuers *all = issuers_all();

    for (size_t i = 0; i < all->count; i++)
        key_set_free(all->list[i].set);
    key_free(shop_key);
    key_free(other_key);
    arena_free(texts);
    return 0;
}

/* ---- reading one ---- */

static const char *token;
static unsigned issuer;
static enum err result;
static bool done;
static struct task task;
static struct jws_times times;
static struct caller caller;

static void
read_it(void *unused UNUSED)
{
    uint32_t turn;

    result = issuers.read(&task, issuer, str_of(token), &turn, &times, &caller);
    done = true;
    loop_exit();
}

/* As routes do: its iss chooses. */
static enum err
read_token(const char *text)
{
    token = text;
    task = (struct task){.arena = a, .deadline_ms = clock_ms() + 5000};
    caller = (struct caller){.role = "untouched"};
    issuer = issuers.issuer_of(a, str_of(token));
    if (issuer == 0)
        return ERR_NOT_FOUND;
    done = false;
    co_start(read_it, NULL);
    if (!done) /* it waits for keys */
        loop_run();
    return result;
}

static const char *
signed_by(const struct key *k, const char *claims)
{
    return jws_sign_es256(a, k, str_of(arena_printf(a, "{%s}", claims)));
}

static void
is_taken(const char *claims)
{
    if (read_token(signed_by(shop_key, claims)) != ERR_OK)
        fail_msg("refused: %s: %s", claims, task.fail.detail);
}

static void
is_refused(const char *text, const char *detail)
{
    if (read_token(text) != ERR_UNAUTHENTICATED)
        fail_msg("%d: %s", result, text);
    assert_string_equal(task.fail.text, "Invalid token");
    assert_string_equal(task.fail.detail, arena_printf(a, "token: %s", detail));
    assert_string_equal(caller.role, "untouched");
}

#define HEADER "header is not of its key's alg, or has crit"

static void
the_caller_is_the_issuers_and_nobody_here(void **state UNUSED)
{
    const char *claims = GOOD ",\"role\":\"service_role\",\"email\":\"a@example.com\"";

    is_taken(claims);
    assert_string_equal(caller.issuer, SHOP);
    assert_string_equal(caller.subject, "user_1");
    assert_string_equal(caller.role, "");
    assert_string_equal(caller.user_id, "");
    assert_null(caller.claims_json.ptr);
    assert_null(caller.email);
    check_str(caller.foreign_json, arena_printf(a, "{%s}", claims));
}

static void
an_email_counts_when_it_was_verified(void **state UNUSED)
{
    is_taken(GOOD ",\"email\":\"a@example.com\",\"email_verified\":true");
    assert_string_equal(caller.email, "a@example.com");
    is_taken(GOOD ",\"email\":\"a@example.com\",\"email_verified\":\"true\"");
    assert_null(caller.email);
    is_taken(GOOD ",\"email\":\"a@example.com\",\"email_verified\":1");
    assert_null(caller.email);
    is_taken(GOOD ",\"email\":[\"a@example.com\"],\"email_verified\":true");
    assert_null(caller.email);
}

#define FOR(aud) "\"iss\":\"" SHOP "\",\"sub\":\"u\"," TIMES aud

static void
a_token_is_for_this_audience(void **state UNUSED)
{
    static const char *const others[] = {
        "",
        ",\"aud\":\"API\"",
        ",\"aud\":[]",
        ",\"aud\":[\"a\",\"b\"]",
        ",\"aud\":[[\"api\"]]",
        ",\"aud\":{\"api\":\"api\"}",
        ",\"aud\":null",
    };

    is_taken(FOR(",\"aud\":\"api\""));
    is_taken(FOR(",\"aud\":[\"x\",\"api\"]"));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        is_refused(signed_by(shop_key, arena_printf(a, FOR("%s"), others[i])),
                   "aud is another one");
}

static void
azp_is_one_of_the_list_where_there_is_one(void **state UNUSED)
{
    is_taken(GOOD);
    is_taken(GOOD ",\"azp\":\"app\"");
    is_refused(signed_by(shop_key, GOOD ",\"azp\":\"evil\""), "azp is none of the list");
    is_refused(signed_by(shop_key, GOOD ",\"azp\":[\"app\"]"), "azp is none of the list");
    is_refused(signed_by(shop_key, GOOD ",\"azp\":null"), "azp is none of the list");
}

static void
what_the_list_does_not_say_is_not_looked_at(void **state UNUSED)
{
    const char *claims =
        "\"iss\":\"" OTHER "\",\"sub\":\"u\",\"aud\":\"whoever\",\"azp\":\"whatever\"," TIMES;

    assert_int_equal(read_token(signed_by(other_key, claims)), ERR_OK);
    assert_string_equal(caller.issuer, OTHER);
}

#define OF(claims) "\"iss\":\"" SHOP "\",\"aud\":\"api\"," claims

static void
a_token_lives_24_hours_at_most(void **state UNUSED)
{
    static const char *const others[] = {
        "\"iat\":1800000000,\"exp\":1800086401",
        "\"exp\":1800003600",
        "\"nbf\":1800000000,\"exp\":1800003600",
        "\"iat\":1800003600,\"exp\":1800000000",
        "\"iat\":-1,\"exp\":1",
        "\"iat\":-9223372036854775807,\"exp\":9223372036854775807",
        "\"iat\":0,\"exp\":9223372036854775807",
    };

    is_taken(OF("\"sub\":\"u\",\"iat\":1800000000,\"exp\":1800086400"));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        is_refused(signed_by(shop_key, arena_printf(a, OF("\"sub\":\"u\",%s"), others[i])),
                   "iat is missing, or exp is more than 24 h later");
    is_refused(signed_by(shop_key, OF("\"sub\":\"u\",\"iat\":1800000000")),
               "exp is missing or no number");
}

static void
a_subject_is_a_name(void **state UNUSED)
{
    static const char *const others[] = {"1",       "\"\"",          "null",
                                         "[\"u\"]", "\"a\\u0001b\"", "\"a\\nb\""};

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        is_refused(signed_by(shop_key, arena_printf(a, OF("\"sub\":%s," TIMES), others[i])),
                   "sub is missing, or no name");
    is_refused(signed_by(shop_key, OF(TIMES)), "sub is missing, or no name");
    is_taken(arena_printf(a, OF("\"sub\":\"%0255d\"," TIMES), 1));
    is_refused(signed_by(shop_key, arena_printf(a, OF("\"sub\":\"%0256d\"," TIMES), 1)),
               "sub is missing, or no name");
}

/* ---- whose keys, and how ---- */

static const char *
encoded(const char *text)
{
    char *ret = arena_alloc(a, BASE64_SIZE(strlen(text)));

    (void)base64url_encode(text, strlen(text), ret);
    return ret;
}

static const char *
hs256(const char *header, const char *secret)
{
    const char *text = arena_printf(a, "%s.%s", encoded(header), encoded("{" GOOD "}"));
    uint8_t mac[SHA256_BYTES];
    char signature[BASE64_SIZE(SHA256_BYTES)];

    crypto_hmac_sha256_once(str_of(secret), str_of(text), mac);
    (void)base64url_encode(mac, sizeof mac, signature);
    return arena_printf(a, "%s.%s", text, signature);
}

static const char *
es256(const char *header, const struct key *k)
{
    const char *text = arena_printf(a, "%s.%s", encoded(header), encoded("{" GOOD "}"));
    uint8_t bytes[ES256_BYTES];
    char signature[BASE64_SIZE(ES256_BYTES)];

    key_sign_es256(k, str_of(text), bytes);
    (void)base64url_encode(bytes, sizeof bytes, signature);
    return arena_printf(a, "%s.%s", text, signature);
}

#define NAMED(alg, kid) arena_printf(a, "{\"alg\":\"" alg "\",\"kid\":\"%s\"}", kid)

static void
no_issuer_signs_for_another(void **state UNUSED)
{
    is_refused(signed_by(other_key, GOOD), HEADER); /* a kid that is not among this one's */
    is_refused(es256(NAMED("ES256", key_id(shop_key)), other_key), "wrong signature");
}

static void
one_kid_in_two_sets_is_two_keys(void **state UNUSED)
{
    struct issuers *all = issuers_all();
    const char *theirs = "\"iss\":\"" OTHER "\",\"sub\":\"u\"," TIMES;
    const char *why, *jwks = arena_printf(a, "{\"keys\":[%s]}", other_jwk);
    char *kid = strstr(jwks, key_id(other_key));

    assert_int_equal(read_token(signed_by(other_key, theirs)), ERR_OK);
    assert_int_equal(strlen(key_id(shop_key)), strlen(key_id(other_key)));
    memcpy(kid, key_id(shop_key), strlen(key_id(shop_key)));
    key_set_free(all->list[1].set);
    all->list[1].set = key_set_read_foreign(str_of(jwks), &why);
    assert_int_equal(read_token(es256(NAMED("ES256", key_id(shop_key)), shop_key)), ERR_OK);
    is_refused(es256(NAMED("ES256", key_id(shop_key)), other_key), "wrong signature");
    is_refused(signed_by(shop_key, theirs), "wrong signature");
}

static void
only_pairs_of_keys_sign(void **state UNUSED)
{
    const char *kid = key_id(shop_key);

    is_refused(hs256(NAMED("HS256", kid), shop_jwk), HEADER);
    is_refused(hs256(NAMED("HS256", kid), ""), HEADER);
    is_refused(hs256(NAMED("ES256", kid), shop_jwk), "wrong signature");
    is_refused(hs256(NAMED("HS256", "unknown"), ""), "no key of this system");
    is_refused(hs256("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", ""), "kid is missing");
    is_refused(es256(NAMED("RS256", kid), shop_key), HEADER);
    is_refused(es256(NAMED("none", kid), shop_key), HEADER);
    is_refused(es256("{\"alg\":\"ES256\"}", shop_key), "kid is missing");
    is_refused(es256(arena_printf(a, "{\"alg\":\"ES256\",\"kid\":[\"%s\"]}", kid), shop_key),
               "kid is missing");
    is_refused(arena_printf(a, "%s.%s.", encoded(NAMED("none", kid)), encoded("{" GOOD "}")),
               HEADER);
}

static void
only_a_known_iss_chooses(void **state UNUSED)
{
    static const char *const others[] = {
        "\"iss\":\"" SHOP "/\"",
        "\"iss\":\"HTTPS://shop.example\"",
        "\"iss\":[\"" SHOP "\"]",
        "\"iss\":\"\"",
        "\"iss\":null",
        "\"x\":1",
        "\"iss\":\"" SHOP "\",\"iss\":\"" SHOP "\"",
    };

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (issuers.issuer_of(a, str_of(signed_by(shop_key, others[i]))) != 0)
            fail_msg("chosen: %s", others[i]);
    assert_int_equal(issuers.issuer_of(a, STR("")), 0);
    assert_int_equal(issuers.issuer_of(a, STR("..")), 0);
    assert_int_equal(issuers.issuer_of(a, str_of(signed_by(shop_key, GOOD))), 1);
}

static const struct CMUnitTest tests[] = {
    TEST(the_caller_is_the_issuers_and_nobody_here),
    TEST(an_email_counts_when_it_was_verified),
    TEST(a_token_is_for_this_audience),
    TEST(azp_is_one_of_the_list_where_there_is_one),
    TEST(what_the_list_does_not_say_is_not_looked_at),
    TEST(a_token_lives_24_hours_at_most),
    TEST(a_subject_is_a_name),
    TEST(no_issuer_signs_for_another),
    TEST(one_kid_in_two_sets_is_two_keys),
    TEST(only_pairs_of_keys_sign),
    TEST(only_a_known_iss_chooses),
};

int
main(void)
{
    loop_init();
    return cmocka_run_group_tests_name("issuers_read", tests, begin, end);
}
