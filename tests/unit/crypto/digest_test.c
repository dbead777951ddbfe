#include "check.h"

#include "base/encode.h"
#include "crypto/digest.h"

static void
check_hex(const uint8_t *bytes, size_t len, const char *expected)
{
    char text[129];

    hex_encode(bytes, len, text);
    assert_string_equal(text, expected);
}

static void
sha256_of_abc(void **state)
{
    uint8_t sum[SHA256_BYTES];

    (void)state;
    crypto_sha256(STR("abc"), sum); /* FIPS 180-4 example */
    check_hex(sum, sizeof(sum), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void
sha256_of_nothing(void **state)
{
    uint8_t sum[SHA256_BYTES];

    (void)state;
    crypto_sha256(STR_NONE, sum);
    check_hex(sum, sizeof(sum), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231, test cases 1, 2 and 6. */
static void
check_rfc4231(struct str key, struct str data, const char *sha256, const char *sha512)
{
    uint8_t mac[SHA512_BYTES];

    crypto_hmac_sha256(key, data, mac);
    check_hex(mac, SHA256_BYTES, sha256);
    crypto_hmac_sha512(key, data, mac);
    check_hex(mac, SHA512_BYTES, sha512);
}

static void
hmac_rfc4231_case_1(void **state)
{
    (void)state;
    check_rfc4231(STR("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
                      "\x0b"),
                  STR("Hi There"),
                  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                  "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
                  "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854");
}

static void
hmac_rfc4231_case_2(void **state)
{
    (void)state;
    check_rfc4231(STR("Jefe"), STR("what do ya want for nothing?"),
                  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                  "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                  "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
}

static void
hmac_rfc4231_case_6_long_key(void **state)
{
    char key[131];

    (void)state;
    memset(key, 0xaa, sizeof(key));
    check_rfc4231((struct str){key, sizeof(key)},
                  STR("Test Using Larger Than Block-Size Key - Hash Key First"),
                  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
                  "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
                  "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598");
}

static void
hmac_of_nothing_with_no_key(void **state)
{
    uint8_t mac[SHA256_BYTES];

    (void)state;
    crypto_hmac_sha256(STR("another"), STR("text"), mac);
    crypto_hmac_sha256(STR_NONE, STR_NONE, mac);
    check_hex(mac, sizeof(mac), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void
hmac_of_repeated_key_is_the_same(void **state)
{
    uint8_t first[SHA256_BYTES];
    uint8_t again[SHA256_BYTES];

    (void)state;
    crypto_hmac_sha256(STR("key"), STR("text"), first);
    crypto_hmac_sha256(STR("key"), STR("text"), again);
    assert_memory_equal(first, again, sizeof(first));
}

static void
hmac_of_changing_keys_is_that_of_each(void **state)
{
    uint8_t one[SHA256_BYTES];
    uint8_t two[SHA256_BYTES];
    uint8_t mac[SHA256_BYTES];

    (void)state;
    crypto_hmac_sha256(STR("key-1"), STR("text"), one);
    crypto_hmac_sha256(STR("key-2"), STR("text"), two);
    assert_memory_not_equal(one, two, sizeof(one));
    crypto_hmac_sha256(STR("key-1"), STR("text"), mac);
    assert_memory_equal(mac, one, sizeof(mac));
    crypto_hmac_sha256(STR("key-2"), STR("text"), mac);
    assert_memory_equal(mac, two, sizeof(mac));
}

static void
hmac_of_a_very_long_key(void **state)
{
    static char key[5000];
    uint8_t first[SHA256_BYTES];
    uint8_t again[SHA256_BYTES];
    uint8_t other[SHA256_BYTES];

    (void)state;
    memset(key, 'k', sizeof(key));
    crypto_hmac_sha256((struct str){key, sizeof(key)}, STR("text"), first);
    crypto_hmac_sha256(STR(""), STR("text"), other);
    crypto_hmac_sha256((struct str){key, sizeof(key)}, STR("text"), again);
    assert_memory_equal(first, again, sizeof(first));
    assert_memory_not_equal(first, other, sizeof(first));
}

static void
equal_compares_content(void **state)
{
    (void)state;
    assert_true(crypto_equal("abc", 3, "abc", 3));
    assert_false(crypto_equal("abc", 3, "abd", 3));
}

static void
equal_compares_lengths(void **state)
{
    (void)state;
    assert_false(crypto_equal("abc", 3, "abcd", 4));
    assert_true(crypto_equal(NULL, 0, "", 0));
}

static void
random_differs(void **state)
{
    uint8_t a[16];
    uint8_t b[16];

    (void)state;
    crypto_random(a, sizeof(a));
    crypto_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

static void
hex_reads_back(void **state)
{
    uint8_t bytes[4];

    (void)state;
    assert_true(hex_decode(STR("00fFA07e"), bytes, 4));
    assert_memory_equal(bytes, "\x00\xff\xa0\x7e", 4);
}

static void
hex_refuses_other_lengths(void **state)
{
    uint8_t bytes[4];

    (void)state;
    assert_false(hex_decode(STR("00ffa0"), bytes, 4));
    assert_false(hex_decode(STR("00ffa07e1"), bytes, 4));
    assert_false(hex_decode(STR("00ffa07e11"), bytes, 4));
}

static void
hex_refuses_other_characters(void **state)
{
    uint8_t bytes[1] = {7};

    (void)state;
    assert_false(hex_decode(STR("0g"), bytes, 1));
    assert_false(hex_decode(STR(" 0"), bytes, 1));
    assert_int_equal(bytes[0], 7);
}

/* RFC 4648 section 10. */
static void
base64_of_the_rfc(void **state)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    char text[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        assert_int_equal(base64_encode(pairs[i][0], strlen(pairs[i][0]), text),
                         strlen(pairs[i][1]));
        assert_string_equal(text, pairs[i][1]);
    }
}

static void
base64_uses_the_standard_alphabet(void **state)
{
    char text[8];

    (void)state;
    (void)base64_encode("\xfb\xff\xbf", 3, text);
    assert_string_equal(text, "+/+/");
}

static void
base64url_uses_the_url_alphabet(void **state)
{
    char text[8];

    (void)state;
    (void)base64url_encode("\xfb\xff\xbf\xff", 4, text);
    assert_string_equal(text, "-_-__w");
}

static void
base64url_reads_back_every_length(void **state)
{
    uint64_t random = 11;

    (void)state;
    for (size_t len = 0; len < 200; len++) {
        uint8_t bytes[200];
        uint8_t back[200];
        char text[BASE64_SIZE(200)];
        size_t back_len;

        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)check_next(&random);
        const size_t text_len = base64url_encode(bytes, len, text);
        assert_true(text_len < BASE64_SIZE(len));
        assert_true(base64url_decode((struct str){text, text_len}, back, len, &back_len));
        assert_int_equal(back_len, len);
        assert_memory_equal(back, bytes, len);
    }
}

static void
base64url_refuses_other_forms(void **state)
{
    static const char *const wrong[] = {"Zg==", "Zm8=",  "Zm9v\n", " Zm9v", "Zm9+", "Zm9/",
                                        "A",    "AAAAA", "Zm 9v",  "Zm9v=", "===="};
    uint8_t bytes[16];
    size_t len = 99;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (base64url_decode(str_of(wrong[i]), bytes, sizeof(bytes), &len))
            fail_msg("\"%s\" was read", wrong[i]);
    assert_int_equal(len, 99);
}

static void
base64url_refuses_unused_bits(void **state)
{
    uint8_t bytes[4];
    size_t len;

    (void)state;
    assert_true(base64url_decode(STR("Zg"), bytes, sizeof(bytes), &len));
    assert_false(base64url_decode(STR("Zh"), bytes, sizeof(bytes), &len));
    assert_true(base64url_decode(STR("Zm8"), bytes, sizeof(bytes), &len));
    assert_false(base64url_decode(STR("Zm9"), bytes, sizeof(bytes), &len));
}

static void
base64url_respects_the_room(void **state)
{
    uint8_t bytes[2];
    size_t len;

    (void)state;
    assert_false(base64url_decode(STR("Zm9v"), bytes, sizeof(bytes), &len));
    assert_true(base64url_decode(STR("Zm8"), bytes, sizeof(bytes), &len));
}

static void
wipe_overwrites(void **state)
{
    char secret[] = "hunter2";

    (void)state;
    crypto_wipe(secret, sizeof(secret));
    assert_memory_equal(secret, "\0\0\0\0\0\0\0", 8);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_of_abc),
        cmocka_unit_test(sha256_of_nothing),
        cmocka_unit_test(hmac_rfc4231_case_1),
        cmocka_unit_test(hmac_rfc4231_case_2),
        cmocka_unit_test(hmac_rfc4231_case_6_long_key),
        cmocka_unit_test(hmac_of_nothing_with_no_key),
        cmocka_unit_test(hmac_of_repeated_key_is_the_same),
        cmocka_unit_test(hmac_of_changing_keys_is_that_of_each),
        cmocka_unit_test(hmac_of_a_very_long_key),
        cmocka_unit_test(equal_compares_content),
        cmocka_unit_test(equal_compares_lengths),
        cmocka_unit_test(random_differs),
        cmocka_unit_test(hex_reads_back),
        cmocka_unit_test(hex_refuses_other_lengths),
        cmocka_unit_test(hex_refuses_other_characters),
        cmocka_unit_test(base64_of_the_rfc),
        cmocka_unit_test(base64_uses_the_standard_alphabet),
        cmocka_unit_test(base64url_uses_the_url_alphabet),
        cmocka_unit_test(base64url_reads_back_every_length),
        cmocka_unit_test(base64url_refuses_other_forms),
        cmocka_unit_test(base64url_refuses_unused_bits),
        cmocka_unit_test(base64url_respects_the_room),
        cmocka_unit_test(wipe_overwrites),
    };

    return cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
}
