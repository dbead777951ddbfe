#include "check.h"

#include "base/encode.h"
#include <fcntl.h>

#include "crypto/digest.h"

static void
check_hex(const uint8_t *bytes, size_t len, const char *expected)
{
    char text[129];

    hex_encode(bytes, len, text);
    assert_string_equal(text, expected);
}

static void
sha256_of_abc(void **state UNUSED)
{
    uint8_t sum[SHA256_BYTES];

    crypto_sha256(STR("abc"), sum); /* FIPS 180-4 example */
    check_hex(sum, sizeof(sum), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void
sha256_of_nothing(void **state UNUSED)
{
    uint8_t sum[SHA256_BYTES];

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
hmac_rfc4231_case_1(void **state UNUSED)
{
    check_rfc4231(STR("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
                      "\x0b"),
                  STR("Hi There"),
                  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                  "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
                  "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854");
}

static void
hmac_rfc4231_case_2(void **state UNUSED)
{
    check_rfc4231(STR("Jefe"), STR("what do ya want for nothing?"),
                  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                  "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                  "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
}

static void
hmac_rfc4231_case_6_long_key(void **state UNUSED)
{
    char key[131];

    memset(key, 0xaa, sizeof(key));
    check_rfc4231((struct str){key, sizeof(key)},
                  STR("Test Using Larger Than Block-Size Key - Hash Key First"),
                  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
                  "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
                  "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598");
}

static void
hmac_of_nothing_with_no_key(void **state UNUSED)
{
    uint8_t mac[SHA256_BYTES];

    crypto_hmac_sha256(STR("another"), STR("text"), mac);
    crypto_hmac_sha256(STR_NONE, STR_NONE, mac);
    check_hex(mac, sizeof(mac), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void
hmac_of_repeated_key_is_the_same(void **state UNUSED)
{
    uint8_t first[SHA256_BYTES];
    uint8_t again[SHA256_BYTES];

    crypto_hmac_sha256(STR("key"), STR("text"), first);
    crypto_hmac_sha256(STR("key"), STR("text"), again);
    assert_memory_equal(first, again, sizeof(first));
}

static void
hmac_of_changing_keys_is_that_of_each(void **state UNUSED)
{
    uint8_t one[SHA256_BYTES];
    uint8_t two[SHA256_BYTES];
    uint8_t mac[SHA256_BYTES];

    crypto_hmac_sha256(STR("key-1"), STR("text"), one);
    crypto_hmac_sha256(STR("key-2"), STR("text"), two);
    assert_memory_not_equal(one, two, sizeof(one));
    crypto_hmac_sha256(STR("key-1"), STR("text"), mac);
    assert_memory_equal(mac, one, sizeof(mac));
    crypto_hmac_sha256(STR("key-2"), STR("text"), mac);
    assert_memory_equal(mac, two, sizeof(mac));
}

static void
hmac_of_a_very_long_key(void **state UNUSED)
{
    static char key[5000];
    uint8_t first[SHA256_BYTES];
    uint8_t again[SHA256_BYTES];
    uint8_t other[SHA256_BYTES];

    memset(key, 'k', sizeof(key));
    crypto_hmac_sha256((struct str){key, sizeof(key)}, STR("text"), first);
    crypto_hmac_sha256(STR(""), STR("text"), other);
    crypto_hmac_sha256((struct str){key, sizeof(key)}, STR("text"), again);
    assert_memory_equal(first, again, sizeof(first));
    assert_memory_not_equal(first, other, sizeof(first));
}

static void
equal_compares_content(void **state UNUSED)
{
    assert_true(crypto_equal("abc", 3, "abc", 3));
    assert_false(crypto_equal("abc", 3, "abd", 3));
}

static void
equal_compares_lengths(void **state UNUSED)
{
    assert_false(crypto_equal("abc", 3, "abcd", 4));
    assert_true(crypto_equal(NULL, 0, "", 0));
}

static void
random_differs(void **state UNUSED)
{
    uint8_t a[16];
    uint8_t b[16];

    crypto_random(a, sizeof(a));
    crypto_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

static void
wipe_overwrites(void **state UNUSED)
{
    char secret[] = "hunter2";

    crypto_wipe(secret, sizeof(secret));
    assert_memory_equal(secret, "\0\0\0\0\0\0\0", 8);
}

/* ---- what stays behind ---- */

#define KEY_BYTES 32
#define MASK      0x5A
/* AddressSanitizer's own memory is larger, and has no key in it. */
#define REGION_MAX ((size_t)64 * 1024 * 1024)

/* The key of these tests; nobody else has it, and it stands nowhere but where it is made. */
static uint8_t
key_byte(size_t i)
{
    return (uint8_t)(0xC3 + 29 * i);
}

/* How often the key stands in the memory of this process; the needle is masked, or it would find
 * itself. */
static size_t
copies_of_key(void)
{
    static uint8_t masked[KEY_BYTES], page[64 * 1024 + KEY_BYTES];
    FILE *maps = fopen("/proc/self/maps", "re");
    const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    size_t from, to, count = 0;
    char line[512];

    assert_non_null(maps);
    assert_true(memory >= 0);
    for (size_t i = 0; i < KEY_BYTES; i++)
        masked[i] = key_byte(i) ^ MASK;
    while (fgets(line, sizeof line, maps) != NULL) {
        if (sscanf(line, "%zx-%zx rw", &from, &to) != 2 || to - from > REGION_MAX)
            continue;
        for (; from < to; from += sizeof page - KEY_BYTES) {
            const ssize_t n = pread(memory, page, MIN(sizeof page, to - from), (off_t)from);

            for (size_t i = 0; n > 0 && i + KEY_BYTES <= (size_t)n; i++) {
                size_t k = 0;
                while (k < KEY_BYTES && (page[i + k] ^ MASK) == masked[k])
                    k++;
                count += k == KEY_BYTES;
            }
            if (n > 0) /* the copy of a copy is none */
                memset(page, 0, (size_t)n);
        }
    }
    (void)fclose(maps);
    (void)close(memory);
    return count;
}

static void
nothing_stays_of_a_key_that_is_used_once(void **state UNUSED)
{
    uint8_t key[KEY_BYTES], mac[SHA256_BYTES];

    for (size_t i = 0; i < KEY_BYTES; i++)
        key[i] = key_byte(i);
    crypto_hmac_sha256_once((struct str){(const char *)key, KEY_BYTES}, STR("text"), mac);
    assert_true(copies_of_key() >= 1);
    crypto_wipe(key, sizeof key);
    assert_int_equal(copies_of_key(), 0);
}

static void
once_is_the_same_hmac(void **state UNUSED)
{
    uint8_t once[SHA256_BYTES], kept[SHA256_BYTES];

    crypto_hmac_sha256_once(STR("key"), STR("text"), once);
    crypto_hmac_sha256(STR("key"), STR("text"), kept);
    assert_memory_equal(once, kept, sizeof once);
    crypto_hmac_sha256_once(STR(""), STR(""), once);
    crypto_hmac_sha256(STR(""), STR(""), kept);
    assert_memory_equal(once, kept, sizeof once);
}

/* RFC 2202, cases 1 and 2. */
static void
hmac_sha1_of_rfc2202(void **state UNUSED)
{
    uint8_t mac[SHA1_BYTES];

    crypto_hmac_sha1_once(STR("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
                              "\x0b\x0b\x0b\x0b\x0b"),
                          STR("Hi There"), mac);
    check_hex(mac, sizeof(mac), "b617318655057264e28bc0b6fb378c8ef146be00");
    crypto_hmac_sha1_once(STR("Jefe"), STR("what do ya want for nothing?"), mac);
    check_hex(mac, sizeof(mac), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(hmac_sha1_of_rfc2202),
    cmocka_unit_test(nothing_stays_of_a_key_that_is_used_once),
    cmocka_unit_test(once_is_the_same_hmac),
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
    cmocka_unit_test(wipe_overwrites),
};

int
main(void)
{
    return cmocka_run_group_tests_name("crypto_digest", tests, NULL, NULL);
}
