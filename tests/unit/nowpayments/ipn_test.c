/* Callback signatures: the 13 vectors, and refusals. */
#include "check_arena.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/err.h"
#include "crypto/digest.h"
#include "json/tree.h"
#include "nowpayments/canonical.h"
#include "nowpayments/ipn.h"

#define VECTORS      FFX_SOURCE_DIR "/tests/unit/data/nowpayments-ipn-vectors.json"
#define VECTOR_COUNT 13

/* Of one body of a few kilobytes; sanitizers and busy machines take longer. */
#ifdef __SANITIZE_ADDRESS__
#define CHEAP_US 10000
#else
#define CHEAP_US 1000
#endif

static const struct json *
parse(struct str text)
{
    struct fail fail = {0};
    const struct json *doc = NULL;
    if (json_parse(a, &fail, text, &doc) != ERR_OK)
        fail_msg("%s: %.*s", fail.text, (int)text.len, text.ptr);
    return doc;
}

static struct str
signature_of(const char *text)
{
    uint8_t mac[SHA512_BYTES];
    char *hex = arena_alloc(a, 2 * SHA512_BYTES + 1);

    crypto_hmac_sha512(STR("s"), str_of(text), mac);
    hex_encode(mac, sizeof(mac), hex);
    return str_of(hex);
}

static const struct json *
vectors(void)
{
    struct buf text;
    char chunk[4096];
    size_t n;
    FILE *file = fopen(VECTORS, "rb");

    assert_non_null(file);
    buf_init_arena(&text, a, 1024 * 1024);
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_add(&text, chunk, n);
    assert_int_equal(fclose(file), 0);
    const struct json *all = parse(buf_str(&text));
    assert_int_equal(json_count(all), VECTOR_COUNT);
    return all;
}

static struct str
member(const struct json *vector, const char *name)
{
    return json_text(json_get(vector, name));
}

static enum np_ipn_key
verified(struct str body, const struct json *doc, struct str signature, struct str secret,
         struct str previous)
{
    const enum np_ipn_key key = np_ipn_verify_body(body, signature, secret, previous);

    return key != NP_IPN_FORGED
               ? key
               : np_ipn_verify_forms(a, body, doc, signature, secret, previous, NP_IPN_EFFORT);
}

static bool
verify_with(const struct json *vector, struct str signature, struct str secret, struct str previous)
{
    const struct str body = member(vector, "body");
    return verified(body, parse(body), signature, secret, previous) != NP_IPN_FORGED;
}

static bool
verify(const struct json *vector, struct str signature)
{
    return verify_with(vector, signature, member(vector, "secret"), STR_NONE);
}

static const struct json *
vector_named(const char *name)
{
    for (const struct json *v = json_first(vectors()); v != NULL; v = json_next(v)) {
        if (str_is(member(v, "name"), name))
            return v;
    }
    fail_msg("no vector %s", name);
    return NULL;
}

static void
test_every_vector_verifies(void **state UNUSED)
{
    for (const struct json *v = json_first(vectors()); v != NULL; v = json_next(v)) {
        if (!verify(v, member(v, "signature")))
            fail_msg("refused: %s", member(v, "name").ptr);
    }
}

/* The canonical text of each vector is what np_canonical prints. */
static void
test_canonical_texts(void **state UNUSED)
{
    for (const struct json *v = json_first(vectors()); v != NULL; v = json_next(v)) {
        const bool as_objects = str_is(member(v, "signed_with"), "docs_sortObject");
        struct buf out;
        buf_init_heap(&out, 64 * 1024);
        np_canonical(&out, parse(member(v, "body")),
                     as_objects ? NP_SORTED_JS_ARRAYS_AS_OBJECTS : NP_SORTED_JS);
        assert_false(out.overflow);
        assert_string_equal(out.ptr, member(v, "canonical").ptr);
        buf_release(&out);
    }
}

/* Forms the real sender may sign; whatever else a library does must be refused. */
static bool
is_accepted(const struct json *vector, struct str signature)
{
    static const char *const forms[] = {"raw_body", "raw_token_sort", "sdk_deep_sort",
                                        "docs_sortObject"};

    if (str_eq(signature, member(vector, "signature")))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (str_eq(signature, member(json_get(vector, "differ"), forms[i])))
            return true;
    }
    return false;
}

static void
test_signatures_of_other_forms(void **state UNUSED)
{
    int refused = 0;
    int accepted = 0;
    for (const struct json *v = json_first(vectors()); v != NULL; v = json_next(v)) {
        const struct json *differ = json_get(v, "differ");
        for (const struct json *d = json_first(differ); d != NULL; d = json_next(d)) {
            const bool expected = is_accepted(v, json_text(d));
            if (verify(v, json_text(d)) != expected)
                fail_msg("%s signed as %.*s: expected %s", member(v, "name").ptr,
                         (int)json_key(d).len, json_key(d).ptr, expected ? "true" : "false");
            refused += !expected;
            accepted += expected;
        }
    }
    assert_true(refused > 30);
    assert_true(accepted > 10);
}

static void
test_one_flipped_bit_is_refused(void **state UNUSED)
{
    for (const struct json *v = json_first(vectors()); v != NULL; v = json_next(v)) {
        uint8_t mac[SHA512_BYTES];
        assert_true(hex_decode(member(v, "signature"), mac, sizeof(mac)));
        for (size_t bit = 0; bit < 8 * sizeof(mac); bit += 73) {
            char hex[2 * SHA512_BYTES + 1];
            mac[bit / 8] ^= (uint8_t)(1U << (bit % 8));
            hex_encode(mac, sizeof(mac), hex);
            assert_false(verify(v, str_of(hex)));
            mac[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        }
    }
}

static void
test_changed_body_is_refused(void **state UNUSED)
{
    const struct json *v = vector_named("real-shape-sorted-btc-finished");
    char *body = arena_copy(a, member(v, "body"));
    char *amount = strstr(body, "\"actually_paid\":0");
    assert_non_null(amount);
    amount[strlen("\"actually_paid\":")] = '9';
    assert_int_equal(verified(str_of(body), parse(str_of(body)), member(v, "signature"),
                              member(v, "secret"), STR_NONE),
                     NP_IPN_FORGED);
}

static void
test_malformed_signatures(void **state UNUSED)
{
    const struct json *v = vector_named("docs-example-nested-fee");
    const struct str good = member(v, "signature");
    char *text = arena_copy(a, good);

    assert_false(verify(v, STR_NONE));
    assert_false(verify(v, STR("")));
    assert_false(verify(v, (struct str){good.ptr, good.len - 1}));
    assert_false(verify(v, (struct str){good.ptr, good.len - 2}));
    assert_false(verify(v, str_of(arena_printf(a, "%s0", text))));
    assert_false(verify(v, str_of(arena_printf(a, "%s00", text))));
    assert_false(verify(v, str_of(arena_printf(a, " %s", text))));
    text[5] = 'g';
    assert_false(verify(v, str_of(text)));
}

static void
test_upper_case_hex_is_accepted(void **state UNUSED)
{
    const struct json *v = vector_named("docs-example-nested-fee");
    char *text = arena_copy(a, member(v, "signature"));
    for (char *p = text; *p != '\0'; p++) {
        if (*p >= 'a')
            *p = (char)(*p - 'a' + 'A');
    }
    assert_true(verify(v, str_of(text)));
}

static void
test_secrets(void **state UNUSED)
{
    const struct json *v = vector_named("tiny-numbers");
    const struct str good = member(v, "signature");
    const struct str secret = member(v, "secret");
    char *long_secret = arena_alloc(a, 4096);
    memset(long_secret, 'x', 4095);

    assert_true(verify_with(v, good, secret, STR_NONE));
    assert_true(verify_with(v, good, secret, STR("other")));
    assert_true(verify_with(v, good, STR("new"), secret));
    assert_true(verify_with(v, good, STR(""), secret));
    assert_true(verify_with(v, good, STR(" \ttest-ipn-secret\r\n"), STR_NONE));
    assert_true(verify_with(v, good, STR("new"), STR("test-ipn-secret\n")));
    assert_false(verify_with(v, good, STR("new"), STR("newer")));
    assert_false(verify_with(v, good, STR("test-ipn-secre"), STR_NONE));
    assert_false(verify_with(v, good, STR_NONE, STR_NONE));
    assert_false(verify_with(v, good, str_of(long_secret), str_of(long_secret)));
}

/* HMAC with an empty key is a number anybody can compute. */
static void
test_empty_secrets_never_match(void **state UNUSED)
{
    static const char *const empty[] = {"", " ", "\n", " \t\r\n "};
    const struct json *v = vector_named("tiny-numbers");
    for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
        for (size_t j = 0; j < ARRAY_LEN(empty); j++) {
            uint8_t mac[SHA512_BYTES];
            char hex[2 * SHA512_BYTES + 1];
            crypto_hmac_sha512(str_of(empty[i]), member(v, "body"), mac);
            hex_encode(mac, sizeof(mac), hex);
            assert_false(verify_with(v, str_of(hex), str_of(empty[i]), str_of(empty[j])));
        }
    }
    uint8_t mac[SHA512_BYTES];
    char hex[2 * SHA512_BYTES + 1];
    crypto_hmac_sha512(STR(""), member(v, "body"), mac);
    hex_encode(mac, sizeof(mac), hex);
    assert_false(verify_with(v, str_of(hex), STR("test-ipn-secret"), STR("")));
}

static void
test_bounds(void **state UNUSED)
{
    struct buf body;
    uint8_t mac[SHA512_BYTES];
    char hex[2 * SHA512_BYTES + 1];

    assert_int_equal(np_ipn_verify_body(STR(""), STR("00"), STR("s"), STR_NONE), NP_IPN_FORGED);

    /* More values than any real callback: compared as received only. */
    buf_init_arena(&body, a, 128 * 1024);
    buf_add_text(&body, "{\"b\":[0");
    for (int i = 0; i < 5000; i++)
        buf_add_text(&body, ",0");
    buf_add_text(&body, "],\"a\":1}");
    crypto_hmac_sha512(STR("s"), buf_str(&body), mac);
    hex_encode(mac, sizeof(mac), hex);
    const struct json *doc = parse(buf_str(&body));
    assert_int_equal(verified(buf_str(&body), doc, str_of(hex), STR("s"), STR_NONE),
                     NP_IPN_CURRENT);
    hex[0] = hex[0] == '0' ? '1' : '0';
    assert_int_equal(verified(buf_str(&body), doc, str_of(hex), STR("s"), STR_NONE), NP_IPN_FORGED);

    struct buf out;
    buf_init_arena(&out, a, 128 * 1024);
    np_canonical(&out, doc, NP_SORTED_JS);
    assert_true(out.overflow);
}

/* Case 2 keeps strings as they were sent, keys included. */
static void
test_escaped_tokens_are_kept(void **state UNUSED)
{
    static const char body[] = "{\"b\\u0062\" : \"\\/x\\\"]\" , \"a\":[ 1.0 ,\"{\\\\\" ]}";
    static const char text[] = "{\"a\":[1.0,\"{\\\\\"],\"b\\u0062\":\"\\/x\\\"]\"}";
    uint8_t mac[SHA512_BYTES];
    char hex[2 * SHA512_BYTES + 1];
    crypto_hmac_sha512(STR("s"), str_of(text), mac);
    hex_encode(mac, sizeof(mac), hex);
    assert_int_equal(verified(str_of(body), parse(str_of(body)), str_of(hex), STR("o"), STR("s")),
                     NP_IPN_PREVIOUS);
}

/* Anybody can send a signature that is none: what it costs to say so is bounded. */
static void
test_forgeries_are_cheap(void **state UNUSED)
{
    static const char *const values[] = {"5e-324,", "4.9406564584124654e-308,",
                                         "0.12345678901234567,", "1.25,", "\"x\","};
    char *const forged = arena_alloc(a, 2 * SHA512_BYTES + 1);

    memset(forged, 'a', 2 * SHA512_BYTES);
    for (size_t v = 0; v < ARRAY_LEN(values); v++) {
        struct buf body;

        buf_init_arena(&body, a, 64 * 1024);
        buf_add_text(&body, "{\"a\":[");
        for (int i = 0; i < 250; i++)
            buf_add_text(&body, values[v]);
        buf_add_text(&body, "0]}");
        const struct json *doc = parse(buf_str(&body));
        const int64_t began_us = clock_us();
        for (int i = 0; i < 100; i++)
            assert_int_not_equal(verified(buf_str(&body), doc, str_of(forged), STR("s"), STR("p")),
                                 NP_IPN_CURRENT);
        const int64_t each_us = (clock_us() - began_us) / 100;
        print_message("%s: %lld us\n", values[v], (long long)each_us);
        assert_true(each_us < CHEAP_US);
    }
}

/* As costly as no callback is: said so, and not tried; in a form without numbers it is known. */
static void
test_effort(void **state UNUSED)
{
    static const char body[] = "{ \"b\":0.12345678901234567, \"a\":5e-324 }";
    static const char tokens[] = "{\"a\":5e-324,\"b\":0.12345678901234567}";
    static const char numbers[] = "{\"a\":5e-324,\"b\":0.12345678901234566}";
    const struct json *doc = parse(str_of(body));

    assert_int_equal(
        np_ipn_verify_forms(a, str_of(body), doc, signature_of(tokens), STR("s"), STR_NONE, 0),
        NP_IPN_CURRENT);
    assert_int_equal(
        np_ipn_verify_forms(a, str_of(body), doc, signature_of(numbers), STR("s"), STR_NONE, 8),
        NP_IPN_COSTLY);
    assert_int_equal(
        np_ipn_verify_forms(a, str_of(body), doc, signature_of(numbers), STR("s"), STR_NONE, 9),
        NP_IPN_CURRENT);
}

static const struct CMUnitTest tests[] = {
    TEST(test_every_vector_verifies),
    TEST(test_canonical_texts),
    TEST(test_signatures_of_other_forms),
    TEST(test_one_flipped_bit_is_refused),
    TEST(test_changed_body_is_refused),
    TEST(test_malformed_signatures),
    TEST(test_upper_case_hex_is_accepted),
    TEST(test_secrets),
    TEST(test_empty_secrets_never_match),
    TEST(test_bounds),
    TEST(test_escaped_tokens_are_kept),
    TEST(test_forgeries_are_cheap),
    TEST(test_effort),
};

int
main(void)
{
    return cmocka_run_group_tests_name("nowpayments_ipn", tests, NULL, NULL);
}
