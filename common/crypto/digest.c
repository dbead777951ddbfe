#include "crypto/digest.h"

#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <sys/random.h>

/* OpenSSL 3 looks algorithms up by name, which costs more than hashing a token: fetched once, for
 * the life of the process. */
static struct {
    EVP_MD *sha256;
    EVP_MAC *hmac;
} algorithms;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void
fetch(void)
{
    algorithms.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    algorithms.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (algorithms.sha256 == NULL || algorithms.hmac == NULL)
        die("OpenSSL has no SHA-256 or HMAC");
}

void
crypto_sha256(struct str data, uint8_t ret[SHA256_BYTES])
{
    (void)pthread_once(&fetched, fetch);
    if (EVP_Digest(data.len > 0 ? data.ptr : "", data.len, ret, NULL, algorithms.sha256, NULL) != 1)
        die("OpenSSL: SHA-256 failed");
}

/* A thread's HMAC context with the key it was last used with: setting up the same key again would
 * double the price of a short message, and a process has few keys. */
#define KEPT_KEY_MAX 256
struct keyed {
    EVP_MAC_CTX *context;
    bool has_key;
    size_t key_len;
    uint8_t key[KEPT_KEY_MAX];
};

static EVP_MAC_CTX *
hmac_context(const char *digest)
{
    char name[16];
    (void)snprintf(name, sizeof(name), "%s", digest);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };

    (void)pthread_once(&fetched, fetch);
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(algorithms.hmac);
    if (context == NULL || EVP_MAC_CTX_set_params(context, params) != 1)
        die("OpenSSL: no HMAC with %s", digest);
    return context;
}

static void
hmac(struct keyed *k, const char *digest, struct str key, struct str data, uint8_t *ret, size_t len)
{
    size_t written = 0;

    if (k->context == NULL)
        k->context = hmac_context(digest);
    if (k->has_key && crypto_equal(k->key, k->key_len, key.ptr, key.len)) {
        if (EVP_MAC_init(k->context, NULL, 0, NULL) != 1) /* the same key again */
            die("OpenSSL: HMAC failed");
    } else {
        /* a NULL key would mean "the key as before" */
        const void *bytes = key.len > 0 ? key.ptr : "";

        if (EVP_MAC_init(k->context, bytes, key.len, NULL) != 1)
            die("OpenSSL: HMAC failed");
        k->has_key = key.len <= KEPT_KEY_MAX;
        k->key_len = k->has_key ? key.len : 0;
        if (k->key_len > 0)
            memcpy(k->key, key.ptr, key.len);
    }
    const unsigned char *text = (const unsigned char *)(data.len > 0 ? data.ptr : "");
    if (EVP_MAC_update(k->context, text, data.len) != 1 ||
        EVP_MAC_final(k->context, ret, &written, len) != 1 || written != len)
        die("OpenSSL: HMAC failed");
}

void
crypto_hmac_sha256(struct str key, struct str data, uint8_t ret[SHA256_BYTES])
{
    static _Thread_local struct keyed keyed;

    hmac(&keyed, "SHA256", key, data, ret, SHA256_BYTES);
}

void
crypto_hmac_sha512(struct str key, struct str data, uint8_t ret[SHA512_BYTES])
{
    static _Thread_local struct keyed keyed;

    hmac(&keyed, "SHA512", key, data, ret, SHA512_BYTES);
}

bool
crypto_aes256_cbc_decrypt(const uint8_t key[32], const uint8_t iv[16], const uint8_t *data,
                          size_t len, uint8_t *ret, size_t *ret_len)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int body = 0;
    int tail = 0;

    MUST(len <= INT_MAX);
    if (context == NULL || EVP_DecryptInit_ex(context, EVP_aes_256_cbc(), NULL, key, iv) != 1)
        die("OpenSSL: no AES-256-CBC");
    const bool good = EVP_DecryptUpdate(context, ret, &body, data, (int)len) == 1 &&
                      EVP_DecryptFinal_ex(context, ret + body, &tail) == 1;
    EVP_CIPHER_CTX_free(context);
    *ret_len = (size_t)(body + tail);
    return good;
}

bool
crypto_equal(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || CRYPTO_memcmp(a, b, a_len) == 0);
}

void
crypto_random(void *ret, size_t len)
{
    uint8_t *at = ret;

    /* The kernel's, not OpenSSL's: those are seeded from it, which takes a start 3 ms. */
    while (len > 0) {
        const ssize_t n = getrandom(at, len, 0);

        if (n < 0 && errno != EINTR)
            die("getrandom: %s", strerror(errno));
        at += MAX(n, 0);
        len -= (size_t)MAX(n, 0);
    }
}

void
hex_encode(const void *data, size_t len, char *ret)
{
    static const char alphabet[] = "0123456789abcdef";
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++) {
        ret[2 * i] = alphabet[bytes[i] >> 4];
        ret[2 * i + 1] = alphabet[bytes[i] & 15];
    }
    ret[2 * len] = '\0';
}

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool
hex_decode(struct str hex, uint8_t *ret, size_t len)
{
    if (hex.len % 2 != 0 || hex.len / 2 != len)
        return false;
    for (size_t i = 0; i < hex.len; i++)
        if (hex_value(hex.ptr[i]) < 0)
            return false;
    for (size_t i = 0; i < len; i++)
        ret[i] = (uint8_t)(hex_value(hex.ptr[2 * i]) * 16 + hex_value(hex.ptr[2 * i + 1]));
    return true;
}

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t
encode(const void *data, size_t len, char *ret, const char *alphabet, bool pad)
{
    const uint8_t *in = data;
    size_t out = 0;

    for (size_t i = 0; i + 3 <= len; i += 3) {
        const uint32_t bits = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];

        ret[out++] = alphabet[bits >> 18];
        ret[out++] = alphabet[bits >> 12 & 63];
        ret[out++] = alphabet[bits >> 6 & 63];
        ret[out++] = alphabet[bits & 63];
    }
    if (len % 3 > 0) {
        const bool two = len % 3 == 2;
        const uint32_t bits =
            (uint32_t)in[len - len % 3] << 16 | (two ? (uint32_t)in[len - 1] << 8 : 0);

        ret[out++] = alphabet[bits >> 18];
        ret[out++] = alphabet[bits >> 12 & 63];
        if (two)
            ret[out++] = alphabet[bits >> 6 & 63];
        for (size_t k = len % 3; pad && k < 3; k++)
            ret[out++] = '=';
    }
    ret[out] = '\0';
    return out;
}

size_t
base64_encode(const void *data, size_t len, char *ret)
{
    return encode(data, len, ret, standard, true);
}

size_t
base64url_encode(const void *data, size_t len, char *ret)
{
    return encode(data, len, ret, url_safe, false);
}

/* Value of a character of the URL alphabet; 64 for every other byte.  A table: this decodes every
 * token of every request. */
/* clang-format off */
#define NO 64
static const uint8_t url_safe_values[256] = {
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 62, NO, NO,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, NO, NO, NO, NO, NO, NO,
    NO,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NO, NO, NO, NO, 63,
    NO, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
};
#undef NO
/* clang-format on */

bool
base64url_decode(struct str text, uint8_t *ret, size_t room, size_t *ret_len)
{
    const unsigned char *in = (const unsigned char *)text.ptr;
    const size_t left = text.len % 4; /* characters of the last, incomplete group */
    const size_t len = text.len / 4 * 3 + (left > 0 ? left - 1 : 0);
    const size_t whole = text.len - left;
    uint32_t wrong = 0;
    uint32_t bits = 0;
    size_t out = 0;

    if (left == 1 || len > room)
        return false;
    for (size_t i = 0; i < whole; i += 4) {
        const uint32_t v0 = url_safe_values[in[i]], v1 = url_safe_values[in[i + 1]];
        const uint32_t v2 = url_safe_values[in[i + 2]], v3 = url_safe_values[in[i + 3]];

        wrong |= (v0 | v1 | v2 | v3) & 64;
        bits = v0 << 18 | v1 << 12 | v2 << 6 | v3;
        ret[out++] = (uint8_t)(bits >> 16);
        ret[out++] = (uint8_t)(bits >> 8);
        ret[out++] = (uint8_t)bits;
    }
    for (size_t i = whole; i < text.len; i++) {
        const uint32_t value = url_safe_values[in[i]];

        wrong |= value & 64;
        bits = bits << 6 | value;
        if (i > whole)
            ret[out++] = (uint8_t)(bits >> (6 - 2 * (i - whole)));
    }
    if (wrong != 0 || (left == 2 && (bits & 15) != 0) || (left == 3 && (bits & 3) != 0))
        return false; /* bits that belong to no byte: a second spelling of the same bytes */
    *ret_len = len;
    return true;
}

void
crypto_wipe(void *ptr, size_t len)
{
    OPENSSL_cleanse(ptr, len);
}
