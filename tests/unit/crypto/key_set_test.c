/* Sets of keys that others publish. */
#include "check_arena.h"

#include "base/buf.h"
#include "crypto/key.h"

#define EC_POINT                                                                                   \
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                                       \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define EC(members) "{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_POINT "," members "}"
#define RSA_N                                                                                      \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4" \
    "d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5re" \
    "xMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxX" \
    "FvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define RSA(members) "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"," members "}"
#define KID(kid)     "\"kid\":\"" kid "\""

/* The algorithm of the key called k in a set with these; NULL: there is none. */
static const char *
algorithm_in(const char *keys)
{
    const char *why;
    struct key_set *set =
        key_set_read_foreign(str_of(arena_printf(a, "{\"keys\":[%s]}", keys)), &why);

    if (set == NULL)
        fail_msg("%s: %s", why, keys);
    const struct key *k = key_set_find(set, STR("k"));
    const char *ret = k == NULL ? NULL : key_algorithm(k);
    key_set_free(set);
    return ret;
}

static void
a_key_says_its_algorithm_or_its_kind_does(void **state UNUSED)
{
    assert_string_equal(algorithm_in(EC(KID("k"))), "ES256");
    assert_string_equal(algorithm_in(RSA(KID("k"))), "RS256");
    assert_string_equal(algorithm_in(RSA(KID("k") ",\"alg\":\"RS256\",\"use\":\"sig\"")), "RS256");
    assert_null(algorithm_in(RSA(KID("k") ",\"alg\":\"RS512\"")));
    assert_null(algorithm_in(RSA(KID("k") ",\"alg\":\"HS256\"")));
    assert_null(algorithm_in(RSA(KID("k") ",\"alg\":1")));
}

static void
what_is_no_public_key_for_signatures_is_passed_over(void **state UNUSED)
{
    static const char *const others[] = {
        "1",
        "null",
        "{}",
        "{\"kty\":\"oct\",\"k\":\"AAAA\"," KID("k") "}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"," KID("k") "}",
        "{\"kty\":\"EC\",\"crv\":\"P-384\"," EC_POINT "," KID("k") "}",
        "{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\"," KID("k") "}",
        EC("\"kid\":\"k\",\"use\":\"enc\""),
        EC("\"kid\":\"k\",\"d\":\"AAAA\""),
        EC("\"alg\":\"ES256\""),
    };

    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (algorithm_in(others[i]) != NULL)
            fail_msg("taken: %s", others[i]);
        assert_string_equal(algorithm_in(arena_printf(a, "%s,%s", others[i], EC(KID("k")))),
                            "ES256");
    }
}

static void
the_first_of_two_with_one_kid_counts(void **state UNUSED)
{
    assert_string_equal(algorithm_in(EC(KID("k")) "," RSA(KID("k"))), "ES256");
    assert_string_equal(algorithm_in(RSA(KID("k")) "," EC(KID("k"))), "RS256");
}

static void
a_set_may_have_no_key_for_us(void **state UNUSED)
{
    assert_null(algorithm_in(""));
}

/* A set with so many keys. */
static struct key_set *
set_of(int count, const char **ret_why)
{
    struct buf out;

    buf_init_arena(&out, a, (size_t)64 * 1024);
    buf_add_text(&out, "{\"keys\":[");
    for (int i = 0; i < count; i++)
        buf_printf(&out, "%s" EC(KID("%d")), i == 0 ? "" : ",", i);
    buf_add_text(&out, "]}");
    return key_set_read_foreign(buf_str(&out), ret_why);
}

static void
a_set_has_at_most_32_keys_for_us(void **state UNUSED)
{
    const char *why;
    struct key_set *set = set_of(KEYS_FOREIGN_MAX, &why);

    assert_non_null(set);
    assert_non_null(key_set_find(set, STR("31")));
    key_set_free(set);
    assert_null(set_of(KEYS_FOREIGN_MAX + 1, &why));
    assert_string_equal(why, "must have 32 keys at most");
}

static void
what_is_no_set_is_refused(void **state UNUSED)
{
    const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "<html>",
        "{\"keys\":[",
        "{\"keys\":[],\"keys\":[]}",
        arena_printf(a, "{\"keys\":[],\"x\":\"%*s\"}", (int)KEY_SET_BYTES_MAX, ""),
    };
    const char *why;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (key_set_read_foreign(str_of(texts[i]), &why) != NULL)
            fail_msg("taken: %.100s", texts[i]);
        assert_string_equal(why, "must be a JWK set: {\"keys\":[…]}");
    }
}

static const struct CMUnitTest tests[] = {
    TEST(a_key_says_its_algorithm_or_its_kind_does),
    TEST(what_is_no_public_key_for_signatures_is_passed_over),
    TEST(the_first_of_two_with_one_kid_counts),
    TEST(a_set_may_have_no_key_for_us),
    TEST(a_set_has_at_most_32_keys_for_us),
    TEST(what_is_no_set_is_refused),
};

int
main(void)
{
    return cmocka_run_group_tests_name("crypto_key_set", tests, NULL, NULL);
}
