/* Keys of pairs, and tokens that are signed with them. */
#include "check_arena.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/encode.h"
#include "crypto/digest.h"
#include "crypto/jws.h"

/* RFC 7515, appendix A.2 and A.3. */
#define RSA_N                                                                                      \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4" \
    "d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5re" \
    "xMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxX" \
    "FvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define EC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define RSA_JWK                                                                                    \
    "{\"kty\":\"RSA\",\"alg\":\"RS256\",\"kid\":\"r\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}"
#define EC_JWK                                                                                     \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"kid\":\"e\",\"x\":\"" EC_X              \
    "\",\"y\":\"" EC_Y "\"}"
#define SET(keys) "{\"keys\":[" keys "]}"

#define PAYLOAD                                                                                    \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"
#define RS256_TEXT "eyJhbGciOiJSUzI1NiJ9." PAYLOAD
#define RS256_SIGNATURE                                                                            \
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5" \
    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb" \
    "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO" \
    "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define ES256_TEXT "eyJhbGciOiJFUzI1NiJ9." PAYLOAD
#define ES256_SIGNATURE                                                                            \
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"

#define NOW    1800000000
#define SECRET STR("a-secret-of-at-least-32-characters")
#define GOOD   "{\"role\":\"service_role\",\"exp\":1800003600}"

static struct key_set *
keys_of(const char *jwks)
{
    const char *why;
    struct key_set *set = key_set_read(str_of(jwks), &why);

    if (set == NULL)
        fail_msg("%s", why);
    return set;
}

static bool
verifies(const char *jwks, const char *kid, const char *text, const char *signature)
{
    struct key_set *set = keys_of(jwks);
    uint8_t bytes[1024];
    size_t len;

    assert_true(base64url_decode(str_of(signature), bytes, sizeof bytes, &len));
    const bool good = key_verify(key_set_find(set, str_of(kid)), str_of(text), bytes, len);
    key_set_free(set);
    return good;
}

static void
signatures_of_the_rfc_are_good(void **state UNUSED)
{
    assert_true(verifies(SET(RSA_JWK "," EC_JWK), "r", RS256_TEXT, RS256_SIGNATURE));
    assert_true(verifies(SET(RSA_JWK "," EC_JWK), "e", ES256_TEXT, ES256_SIGNATURE));
}

static void
a_signature_is_good_for_its_text_and_its_key_only(void **state UNUSED)
{
    static const char zeros[] =
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    assert_false(verifies(SET(EC_JWK), "e", ES256_TEXT "x", ES256_SIGNATURE));
    assert_false(verifies(SET(RSA_JWK), "r", RS256_TEXT "x", RS256_SIGNATURE));
    assert_false(verifies(SET(RSA_JWK), "r", ES256_TEXT, ES256_SIGNATURE));
    assert_false(verifies(SET(EC_JWK), "e", RS256_TEXT, RS256_SIGNATURE));
    assert_false(verifies(SET(EC_JWK), "e", ES256_TEXT, ""));
    assert_false(verifies(SET(EC_JWK), "e", ES256_TEXT, zeros));
}

static void
a_set_is_taken_whole_or_not(void **state UNUSED)
{
    static const struct {
        const char *jwks, *why;
    } rows[] = {
        {"", "must be a JWK set: {\"keys\":[…]}"},
        {"[]", "must be a JWK set: {\"keys\":[…]}"},
        {"{\"keys\":{}}", "must be a JWK set: {\"keys\":[…]}"},
        {SET("{}"), "must have a kid of 1 to 64 characters with each key"},
        {SET("{\"kid\":\"a\",\"kty\":\"oct\",\"alg\":\"HS256\"}"),
         "must have keys of kty EC with alg ES256 (P-256), or RSA with RS256"},
        {SET("{\"kid\":\"a\",\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AA\"}"),
         "must have public keys only, and one is private"},
        {SET("{\"kid\":\"a\",\"kty\":\"EC\",\"alg\":\"ES256\",\"d\":\"AA\"}"),
         "must have public keys only, and one is private"},
        {SET("{\"kid\":\"a\",\"kty\":\"EC\",\"alg\":\"RS256\"}"),
         "must have keys of kty EC with alg ES256 (P-256), or RSA with RS256"},
        {SET("{\"kid\":\"a\",\"kty\":\"EC\",\"alg\":\"ES256\",\"use\":\"enc\"}"),
         "must have keys for signatures (use \"sig\")"},
        /* another curve; a point that is not on it; half a point */
        {SET("{\"kid\":\"a\",\"kty\":\"EC\",\"alg\":\"ES256\",\"crv\":\"P-384\",\"x\":\"" EC_X
             "\",\"y\":\"" EC_Y "\"}"),
         "must have whole keys, and one is not"},
        {SET("{\"kid\":\"a\",\"kty\":\"EC\",\"alg\":\"ES256\",\"crv\":\"P-256\",\"x\":\"" EC_X
             "\",\"y\":\"" EC_X "\"}"),
         "must have whole keys, and one is not"},
        {SET("{\"kid\":\"a\",\"kty\":\"EC\",\"alg\":\"ES256\",\"crv\":\"P-256\",\"x\":\"" EC_X
             "\"}"),
         "must have whole keys, and one is not"},
        /* RSA of 512 bits; an exponent of one */
        {SET("{\"kid\":\"a\",\"kty\":\"RSA\",\"alg\":\"RS256\",\"e\":\"AQAB\",\"n\":\"" EC_X EC_Y
             "\"}"),
         "must have whole keys, and one is not"},
        {SET("{\"kid\":\"a\",\"kty\":\"RSA\",\"alg\":\"RS256\",\"e\":\"AQ\",\"n\":\"" RSA_N "\"}"),
         "must have whole keys, and one is not"},
        {SET(EC_JWK "," EC_JWK), "must have a kid of its own with each key"},
    };
    const char *why;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (key_set_read(str_of(rows[i].jwks), &why) != NULL)
            fail_msg("taken: %s", rows[i].jwks);
        assert_string_equal(why, rows[i].why);
    }
}

static void
public_parts_are_what_was_read(void **state UNUSED)
{
    struct key_set *set = keys_of(SET(RSA_JWK "," EC_JWK));

    assert_string_equal(
        key_public_jwk(a, key_set_find(set, STR("e"))),
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y
        "\",\"alg\":\"ES256\",\"kid\":\"e\",\"use\":\"sig\",\"key_ops\":[\"verify\"]}");
    assert_string_equal(key_public_jwk(a, key_set_find(set, STR("r"))),
                        "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"alg\":\"RS256\","
                        "\"kid\":\"r\",\"use\":\"sig\",\"key_ops\":[\"verify\"]}");
    assert_null(key_set_find(set, STR("x")));
    key_set_free(set);
}

/* ---- the private key ---- */

/* A new one of this curve, as the setting has it. */
static const char *
new_private(const char *curve)
{
    EVP_PKEY *pkey = EVP_EC_gen(curve);
    unsigned char *der = NULL;
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
    const int len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    char *text = arena_alloc(a, BASE64_SIZE((size_t)len));

    (void)base64url_encode(der, (size_t)len, text);
    OPENSSL_free(der);
    PKCS8_PRIV_KEY_INFO_free(info);
    EVP_PKEY_free(pkey);
    return text;
}

static struct key *
new_key(void)
{
    const char *why;

    return key_read_private(str_of(new_private("P-256")), &why);
}

/* The set that the others get: its public part. */
static struct key_set *
public_of(const struct key *k)
{
    return keys_of(arena_printf(a, SET("%s"), key_public_jwk(a, k)));
}

static void
what_the_private_key_signs_the_public_one_checks(void **state UNUSED)
{
    for (int i = 0; i < 100; i++) { /* numbers with leading zeros among them */
        struct key *k = new_key();
        struct key_set *set = public_of(k);
        uint8_t signature[ES256_BYTES];

        key_sign_es256(k, STR("text"), signature);
        const struct key *found = key_set_find(set, str_of(key_id(k)));
        assert_non_null(found);
        assert_true(key_verify(found, STR("text"), signature, sizeof signature));
        signature[i % ES256_BYTES] ^= 1;
        assert_false(key_verify(found, STR("text"), signature, sizeof signature));
        key_set_free(set);
        key_free(k);
    }
}

static void
a_private_key_of_another_kind_is_refused(void **state UNUSED)
{
    static const char must[] = "must be an EC key of P-256: PKCS #8 in base64url";
    const char *why;

    assert_null(key_read_private(str_of(new_private("P-384")), &why));
    assert_string_equal(why, must);
    assert_null(key_read_private(STR("AAAA"), &why));
    assert_null(key_read_private(STR(""), &why));
    assert_null(key_read_private(STR("not base64!"), &why));
    assert_string_equal(why, must);
}

/* ---- tokens ---- */

static enum err
read_token(const struct jws_keys *keys, const char *token)
{
    struct fail f = {0};
    struct jws_times times;
    struct caller caller;

    return jws_read(a, &f, keys, str_of(token), &times, &caller);
}

static const char *
encoded(const char *text)
{
    char *ret = arena_alloc(a, BASE64_SIZE(strlen(text)));

    (void)base64url_encode(text, strlen(text), ret);
    return ret;
}

/* A token with this header, with HS256 under `secret`. */
static const char *
hs256(const char *header, struct str secret)
{
    const char *text = arena_printf(a, "%s.%s", encoded(header), encoded(GOOD));
    uint8_t mac[SHA256_BYTES];
    char signature[BASE64_SIZE(SHA256_BYTES)];

    crypto_hmac_sha256_once(secret, str_of(text), mac);
    (void)base64url_encode(mac, sizeof mac, signature);
    return arena_printf(a, "%s.%s", text, signature);
}

/* … signed with `k`. */
static const char *
es256(const char *header, const struct key *k)
{
    const char *text = arena_printf(a, "%s.%s", encoded(header), encoded(GOOD));
    uint8_t bytes[ES256_BYTES];
    char signature[BASE64_SIZE(ES256_BYTES)];

    key_sign_es256(k, str_of(text), bytes);
    (void)base64url_encode(bytes, sizeof bytes, signature);
    return arena_printf(a, "%s.%s", text, signature);
}

static void
a_token_is_of_the_key_it_names(void **state UNUSED)
{
    struct key *k = new_key(), *other = new_key();
    struct key_set *set = public_of(k);
    const struct jws_keys keys = {.secret = SECRET, .set = set};

    assert_int_equal(read_token(&keys, jws_sign_es256(a, k, STR(GOOD))), ERR_OK);
    assert_int_equal(read_token(&keys, jws_sign(a, SECRET, STR(GOOD))), ERR_OK);
    assert_int_equal(read_token(&keys, jws_sign_es256(a, other, STR(GOOD))), ERR_UNAUTHENTICATED);
    /* A kid that nobody knows is the secret's, as the original has it. */
    assert_int_equal(read_token(&keys, hs256("{\"alg\":\"HS256\",\"kid\":\"old\"}", SECRET)),
                     ERR_OK);
    key_set_free(set);
    key_free(k);
    key_free(other);
}

/* RFC 8725, 2.1: what a token says of itself chooses no algorithm. */
static void
no_token_chooses_how_it_is_checked(void **state UNUSED)
{
    struct key *k = new_key();
    struct key_set *set = public_of(k);
    const struct jws_keys keys = {.secret = SECRET, .set = set};
    const char *kid = key_id(k), *jwk = key_public_jwk(a, k);
#define OF(alg) arena_printf(a, "{\"alg\":\"" alg "\",\"kid\":\"%s\"}", kid)
    const char *const tokens[] = {
        hs256(OF("HS256"), SECRET), /* a key of a pair, with HMAC under the secret … */
        hs256(OF("ES256"), SECRET),
        hs256(OF("HS256"), str_of(jwk)), /* … or under what everybody knows */
        hs256(OF("HS256"), STR("")),
        es256(OF("RS256"), k),
        es256(OF("none"), k),
        es256(OF("HS256"), k),
        es256(OF("es256"), k),
        es256("{\"alg\":\"ES256\"}", k), /* no kid: the secret's */
        es256(arena_printf(a, "{\"alg\":\"ES256\",\"kid\":[\"%s\"]}", kid), k),
        es256(arena_printf(a, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"crit\":[\"exp\"]}", kid), k),
        es256(arena_printf(a, "{\"alg\":\"ES256\",\"jwk\":%s}", jwk), k),
        arena_printf(a, "%s.%s.", encoded("{\"alg\":\"none\"}"), encoded(GOOD)),
        arena_printf(a, "%s.%s.", encoded(OF("ES256")), encoded(GOOD)),
    };

    for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
        if (read_token(&keys, tokens[i]) != ERR_UNAUTHENTICATED)
            fail_msg("taken: %zu: %s", i, tokens[i]);
    key_set_free(set);
    key_free(k);
}

/* A key that a token brings along, or says where it is to be had, is nobody's here. */
static void
a_key_in_the_token_is_not_used(void **state UNUSED)
{
    struct key *k = new_key(), *stranger = new_key();
    struct key_set *set = public_of(k);
    const struct jws_keys keys = {.secret = SECRET, .set = set};
    const char *const members[] = {
        arena_printf(a, "\"jwk\":%s", key_public_jwk(a, stranger)),
        "\"jku\":\"https://evil.example/jwks.json\"",
        "\"x5u\":\"https://evil.example/x.pem\"",
        "\"x5c\":[\"AAAA\"]",
    };

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const char *header =
            arena_printf(a, "{\"alg\":\"ES256\",\"kid\":\"%s\",%s}", key_id(k), members[i]);
        if (read_token(&keys, es256(header, stranger)) != ERR_UNAUTHENTICATED)
            fail_msg("taken: %s", header);
    }
    key_set_free(set);
    key_free(k);
    key_free(stranger);
}

static void
without_a_secret_no_hs256_is_good(void **state UNUSED)
{
    struct key *k = new_key();
    struct key_set *set = public_of(k);
    const struct jws_keys keys = {.set = set};

    assert_int_equal(read_token(&keys, jws_sign(a, STR(""), STR(GOOD))), ERR_UNAUTHENTICATED);
    assert_int_equal(read_token(&keys, jws_sign(a, SECRET, STR(GOOD))), ERR_UNAUTHENTICATED);
    assert_int_equal(read_token(&keys, jws_sign_es256(a, k, STR(GOOD))), ERR_OK);
    key_set_free(set);
    key_free(k);
}

/* ---- vectors of others ----
 *
 * Wycheproof's set for JSON web signatures (C2SP, testvectors/json_web_signature_test.json), its
 * groups hs256, es256 and rs256.  Their payload is "foo", no JSON: what is refused for that had a
 * good signature.  The ways in which a token is broken there are applied to the good one here. */

#define WYCHE_EC                                                                                   \
    "{\"alg\":\"ES256\",\"use\":\"sig\",\"x\":\"04N0xi21hshyvBp7I167sbE_bXqyqkAPfefdklMO7wY\","    \
    "\"y\":\"UI8exy-C06a7DUnjIdENkxeFtHM4-l_41LqEw9nVgmw\",\"crv\":\"P-256\","                     \
    "\"kid\":\"kid-ec-sign\",\"kty\":\"EC\"}"
#define WYCHE_RSA                                                                                  \
    "{\"alg\":\"RS256\",\"use\":\"sig\",\"n\":\"kqGboBfAWttWPCA-0cGRgsY6SaYoIARt0B_"               \
    "PkaEcIq9HPYNdu9n6U"                                                                           \
    "uWHuuTHrjF_ZoQW97r5HaAorNvrMEGTGdxCHZdEtkHvNVVmrtxTBLiQCbCozXhFoIrVcr3qUBrdGnNn_M3jJi7Wg7p_-" \
    "x62nS5gNG875oyheRkutHsQXikFZwsN3q_TsPNOVlCiHy8mxzaFTUQGm-X8UYexFyAivlDSjgDJLAZSWfxd7k9Gxuwa3" \
    "AUfQqQcVcegmgKGCaErQ3qQbh1x7WB6iopE3_-GZ8HMAVtR9AmrVscqYsnjhaCehfAI0iKKs8zXr8tISc0ORbaalrkk0" \
    "3H1ZrsEnDKEWQ\",\"e\":\"AQAB\",\"kid\":\"kid-rsa-sign\",\"kty\":\"RSA\"}"
#define WYCHE_SECRET "-ebuDNsVZ2iJtoZ-akfXTSCt4UO2cruLCsbWlBinggE" /* base64url */

static const char *const wyche_good[] = {
    "eyJhbGciOiJIUzI1NiIsImtpZCI6ImtpZC1hZXMtc2lnbiJ9.Zm9v."
    "TD37p4c_0jmreSrBSDmE0F3mYSPtkZ3WrSyI5wb_KTg",
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImtpZC1lYy1zaWduIn0.Zm9v."
    "5cA0OHyMP7ezamUd5c9kV-FrGxdx4hbGXOdplQkutrqWrte5P-pAvsE3Ve6xSyU3YDQwUHjVVOtvcrEbbnZ8yA",
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImtpZC1yc2Etc2lnbiJ9.Zm9v."
    "HUwxI1-cZrZgcuOgBQ7G7NE-GrqK79l6GV1KT4DKXnSMFwC8pfZCzE7pmLE7mYpLCIvzC87yuOjuhT0uW5oe6aaAEtR978"
    "cm-q8dfly45flqMrd_ifhi9GCsMlyi8dpQ42Ou1etZljFZuWjfyk8CN1c5DaHRwhqjScAPIFp6xmzKIRUJ_xdQfUSfSluj"
    "LaixtScU518EoNP4oo1v7E8RAz6ZO4g2N4Xqs8OvSxYydcoTEg42QnLHe9JnXgI37Q5gSwinwaPsG3Ry56UYiLoL8mCUa7"
    "4S51y02VsIgVmmGWgaXjM-i_lCiKQDBiBnvWlka4XhVuvd6ZWibM9cbCPtPg",
};

/* Whether the token's signature is good. */
static bool
wyche_signed(const struct jws_keys *keys, const char *token)
{
    struct fail f = {0};
    struct jws_times times;
    struct caller caller;

    assert_int_equal(jws_read(a, &f, keys, str_of(token), &times, &caller), ERR_UNAUTHENTICATED);
    return strstr(f.detail, "payload is no JSON object") != NULL;
}

static void
vectors_of_wycheproof(void **state UNUSED)
{
    uint8_t secret[32];
    size_t secret_len;
    struct key_set *set = keys_of(SET(WYCHE_EC "," WYCHE_RSA));

    assert_true(base64url_decode(STR(WYCHE_SECRET), secret, sizeof secret, &secret_len));
    const struct jws_keys keys = {.secret = {(const char *)secret, secret_len}, .set = set};
    for (size_t i = 0; i < ARRAY_LEN(wyche_good); i++) {
        const char *good = wyche_good[i], *dot = strchr(good, '.'), *second = strchr(dot + 1, '.');
        const int header = (int)(dot - good), payload = (int)(second - dot - 1);
        const char *const broken[] = {
            arena_printf(a, "%.*s.X%s", (int)(second - good), good, second + 2),
            arena_printf(a, "%.*s.", (int)(second - good), good),
            arena_printf(a, "%.*s", (int)(second - good), good),
            arena_printf(a, "%.*s.WG9v%s", header, good, second),
            arena_printf(a, "%.*s.%s", header, good, second),
            arena_printf(a, "%.*s%s", header, good, second),
            arena_printf(a, "%.*sX%.*s%s", header - 8, good, 7, good + header - 7, dot),
            arena_printf(a, ".%s", dot + 1),
            arena_printf(a, "%s", dot + 1),
            arena_printf(a, ".%.*s.", payload, dot + 1),
            arena_printf(a, "%.*s", payload, dot + 1),
            "",
            arena_printf(a, "%s.", good),
            arena_printf(a, "%s.foo", good),
            arena_printf(a, "{\"payload\":\"Zm9v\",\"signatures\":[{\"protected\":\"%.*s\"}]}",
                         header, good),
        };

        if (!wyche_signed(&keys, good))
            fail_msg("refused: %s", good);
        for (size_t k = 0; k < ARRAY_LEN(broken); k++)
            if (wyche_signed(&keys, broken[k]))
                fail_msg("taken: %s", broken[k]);
    }
    /* tcId 16, 31: alg none; HMAC under the bytes of the public key. */
    assert_false(wyche_signed(&keys, "eyJhbGciOiJub25lIiwia2lkIjoia2lkLWFlcy1zaWduIn0.Zm9v."));
    assert_false(wyche_signed(&keys, "eyJhbGciOiJIUzI1NiIsImtpZCI6ImtpZC1lYy1zaWduIn0.Zm9v."
                                     "TgWtz2FIRukBQ_mA5sgHa0Ybtgn7bl-YBPAi7Z0XdHU"));
    key_set_free(set);
}

static const struct CMUnitTest tests[] = {
    TEST(signatures_of_the_rfc_are_good),
    TEST(a_signature_is_good_for_its_text_and_its_key_only),
    TEST(a_set_is_taken_whole_or_not),
    TEST(public_parts_are_what_was_read),
    TEST(what_the_private_key_signs_the_public_one_checks),
    TEST(a_private_key_of_another_kind_is_refused),
    TEST(a_token_is_of_the_key_it_names),
    TEST(no_token_chooses_how_it_is_checked),
    TEST(a_key_in_the_token_is_not_used),
    TEST(without_a_secret_no_hs256_is_good),
    TEST(vectors_of_wycheproof),
};

int
main(void)
{
    return cmocka_run_group_tests_name("crypto_key", tests, NULL, NULL);
}
