/* Callback signatures: the 13 vectors, refusals, and the JavaScript forms they rest on. */
#include "check.h"

#include "base/encode.h"
#include "base/err.h"
#include "crypto/digest.h"
#include "json/tree.h"
#include "nowpayments/canonical.h"
#include "nowpayments/ipn.h"
#include "nowpayments/js_number.h"

#define VECTORS      FFX_SOURCE_DIR "/tests/unit/data/nowpayments-ipn-vectors.json"
#define VECTOR_COUNT 13

static struct arena *arena;

static int
setup(void **state)
{
    (void)state;
    arena = arena_new(16 * 1024 * 1024);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static const struct json *
parse(struct str text)
{
    struct fail fail = {0};
    const struct json *doc = NULL;
    if (json_parse(arena, &fail, text, &doc) != ERR_OK)
        fail_msg("%s: %.*s", fail.text, (int)text.len, text.ptr);
    return doc;
}

static const struct json *
vectors(void)
{
    struct buf text;
    char chunk[4096];
    size_t n;
    FILE *file = fopen(VECTORS, "rb");

    assert_non_null(file);
    buf_init_arena(&text, arena, 1024 * 1024);
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

static bool
verify_with(const struct json *vector, struct str signature, struct str secret, struct str previous)
{
    const struct str body = member(vector, "body");
    return np_ipn_verify(arena, body, parse(body), signature, secret, previous);
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
test_every_vector_verifies(void **state)
{
    (void)state;
    for (const struct json *v = json_first(vectors()); v != NULL; v = json_next(v)) {
        if (!verify(v, member(v, "signature")))
            fail_msg("refused: %s", member(v, "name").ptr);
    }
}

/* The canonical text of each vector is what np_canonical prints. */
static void
test_canonical_texts(void **state)
{
    (void)state;
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
test_signatures_of_other_forms(void **state)
{
    (void)state;
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
test_one_flipped_bit_is_refused(void **state)
{
    (void)state;
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
test_changed_body_is_refused(void **state)
{
    (void)state;
    const struct json *v = vector_named("real-shape-sorted-btc-finished");
    char *body = arena_copy(arena, member(v, "body"));
    char *amount = strstr(body, "\"actually_paid\":0");
    assert_non_null(amount);
    amount[strlen("\"actually_paid\":")] = '9';
    assert_false(np_ipn_verify(arena, str_of(body), parse(str_of(body)), member(v, "signature"),
                               member(v, "secret"), STR_NONE));
}

static void
test_malformed_signatures(void **state)
{
    (void)state;
    const struct json *v = vector_named("docs-example-nested-fee");
    const struct str good = member(v, "signature");
    char *text = arena_copy(arena, good);

    assert_false(verify(v, STR_NONE));
    assert_false(verify(v, STR("")));
    assert_false(verify(v, (struct str){good.ptr, good.len - 1}));
    assert_false(verify(v, (struct str){good.ptr, good.len - 2}));
    assert_false(verify(v, str_of(arena_printf(arena, "%s0", text))));
    assert_false(verify(v, str_of(arena_printf(arena, "%s00", text))));
    assert_false(verify(v, str_of(arena_printf(arena, " %s", text))));
    text[5] = 'g';
    assert_false(verify(v, str_of(text)));
}

static void
test_upper_case_hex_is_accepted(void **state)
{
    (void)state;
    const struct json *v = vector_named("docs-example-nested-fee");
    char *text = arena_copy(arena, member(v, "signature"));
    for (char *p = text; *p != '\0'; p++) {
        if (*p >= 'a')
            *p = (char)(*p - 'a' + 'A');
    }
    assert_true(verify(v, str_of(text)));
}

static void
test_secrets(void **state)
{
    (void)state;
    const struct json *v = vector_named("tiny-numbers");
    const struct str good = member(v, "signature");
    const struct str secret = member(v, "secret");
    char *long_secret = arena_alloc(arena, 4096);
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
test_empty_secrets_never_match(void **state)
{
    (void)state;
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
test_bounds(void **state)
{
    (void)state;
    struct buf body;
    uint8_t mac[SHA512_BYTES];
    char hex[2 * SHA512_BYTES + 1];

    assert_false(np_ipn_verify(arena, STR(""), NULL, STR("00"), STR("s"), STR_NONE));

    /* More values than any real callback: compared as received only. */
    buf_init_arena(&body, arena, 128 * 1024);
    buf_add_text(&body, "{\"b\":[0");
    for (int i = 0; i < 5000; i++)
        buf_add_text(&body, ",0");
    buf_add_text(&body, "],\"a\":1}");
    crypto_hmac_sha512(STR("s"), buf_str(&body), mac);
    hex_encode(mac, sizeof(mac), hex);
    const struct json *doc = parse(buf_str(&body));
    assert_true(np_ipn_verify(arena, buf_str(&body), doc, str_of(hex), STR("s"), STR_NONE));
    hex[0] = hex[0] == '0' ? '1' : '0';
    assert_false(np_ipn_verify(arena, buf_str(&body), doc, str_of(hex), STR("s"), STR_NONE));

    struct buf out;
    buf_init_arena(&out, arena, 128 * 1024);
    np_canonical(&out, doc, NP_SORTED_JS);
    assert_true(out.overflow);
}

static void
expect_canonical(const char *body, enum np_form form, const char *expected)
{
    struct buf out;
    buf_init_arena(&out, arena, 4096);
    np_canonical(&out, parse(str_of(body)), form);
    assert_false(out.overflow);
    assert_string_equal(out.ptr, expected);
}

static void
test_key_order(void **state)
{
    (void)state;
    /* UTF-16 order: U+1F600 (surrogates D83D DE00) before U+FF21; both behind U+D7FF. */
    expect_canonical("{\"\xEF\xBC\xA1\":1,\"\xF0\x9F\x98\x80\":2,\"\xED\x9F\xBF\":3,\"z\":4}",
                     NP_SORTED_JS,
                     "{\"z\":4,\"\xED\x9F\xBF\":3,\"\xF0\x9F\x98\x80\":2,\"\xEF\xBC\xA1\":1}");
    expect_canonical("{\"b\":{\"B\":1,\"A\":2},\"a\":1,\"ab\":2,\"\":0}", NP_SORTED_TOKENS,
                     "{\"\":0,\"a\":1,\"ab\":2,\"b\":{\"A\":2,\"B\":1}}");
    /* Array indices first and by number; "01", "-1" and 2^32-1 are ordinary keys. */
    expect_canonical("{\"a\":1,\"10\":2,\"9\":3,\"01\":4,\"-1\":5,\"0\":6,\"4294967295\":7,"
                     "\"4294967294\":8}",
                     NP_SORTED_JS,
                     "{\"0\":6,\"9\":3,\"10\":2,\"4294967294\":8,\"-1\":5,\"01\":4,"
                     "\"4294967295\":7,\"a\":1}");
    expect_canonical("{\"a\":1,\"10\":2,\"9\":3}", NP_SORTED_TOKENS, "{\"10\":2,\"9\":3,\"a\":1}");
    expect_canonical("[[2,{\"b\":1,\"a\":[]}],{}]", NP_SORTED_JS, "[[2,{\"a\":[],\"b\":1}],{}]");
    expect_canonical("[[2,{\"b\":1,\"a\":[]}],{}]", NP_SORTED_JS_ARRAYS_AS_OBJECTS,
                     "{\"0\":{\"0\":2,\"1\":{\"a\":{},\"b\":1}},\"1\":{}}");
}

static void
test_scalars(void **state)
{
    (void)state;
    expect_canonical("{ \"a\" : [ true , false , null , -0.0 , 1.50 , 1e400 ] }", NP_SORTED_JS,
                     "{\"a\":[true,false,null,0,1.5,null]}");
    expect_canonical("{ \"a\" : [ true , -0.0 , 1.50 , 1E+2 ] }", NP_SORTED_TOKENS,
                     "{\"a\":[true,-0.0,1.50,1E+2]}");
    expect_canonical("[\"\\u0001\\b\\f\\n\\r\\t\\\"\\\\\\/\\u007f\\u2028\\u001F\"]", NP_SORTED_JS,
                     "[\"\\u0001\\b\\f\\n\\r\\t\\\"\\\\/\x7f\xE2\x80\xA8\\u001f\"]");
}

/* Case 2 keeps strings as they were sent, keys included. */
static void
test_escaped_tokens_are_kept(void **state)
{
    (void)state;
    static const char body[] = "{\"b\\u0062\" : \"\\/x\\\"]\" , \"a\":[ 1.0 ,\"{\\\\\" ]}";
    static const char text[] = "{\"a\":[1.0,\"{\\\\\"],\"b\\u0062\":\"\\/x\\\"]\"}";
    uint8_t mac[SHA512_BYTES];
    char hex[2 * SHA512_BYTES + 1];
    crypto_hmac_sha512(STR("s"), str_of(text), mac);
    hex_encode(mac, sizeof(mac), hex);
    assert_true(
        np_ipn_verify(arena, str_of(body), parse(str_of(body)), str_of(hex), STR("s"), STR_NONE));
}

static void
test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *token;
        const char *expected;
    } cases[] = {
        {"0", "0"},
        {"-0", "0"},
        {"-0.0e5", "0"},
        {"13.0", "13"},
        {"-13.50", "-13.5"},
        {"0.1", "0.1"},
        {"0.000001", "0.000001"},
        {"0.0000001", "1e-7"},
        {"0.00000027", "2.7e-7"},
        {"1.50E+1", "15"},
        {"123456789012345680000", "123456789012345680000"},
        {"1e21", "1e+21"},
        {"1.5e21", "1.5e+21"},
        {"999999999999999999999", "1e+21"},
        {"100000000000000000000", "100000000000000000000"},
        {"12345678901234567890", "12345678901234567000"},
        {"9007199254740993", "9007199254740992"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"0.09853637216235617", "0.09853637216235617"},
        {"0.00778773999999999959331642429560815799050033092498779296875", "0.00778774"},
        {"0.0000012345678901234567", "0.0000012345678901234567"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"5e-324", "5e-324"},
        {"2.2250738585072014e-308", "2.2250738585072014e-308"},
        /* 2^-44: the nearest 16 digits do not read back, their neighbour does */
        {"5.684341886080801486968994140625e-14", "5.684341886080802e-14"},
        {"9007199254740992", "9007199254740992"},
        {"4.35", "4.35"},
        {"1e400", "Infinity"},
        {"-1e400", "-Infinity"},
        {"1e-400", "0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[32];
        np_js_number(str_of(cases[i].token), text);
        assert_string_equal(text, cases[i].expected);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_vector_verifies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_canonical_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signatures_of_other_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_flipped_bit_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed_body_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed_signatures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upper_case_hex_is_accepted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_secrets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_secrets_never_match, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scalars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_escaped_tokens_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
