#include "crypto/digest.h"

#include <errno.h>
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

void
crypto_sha224(struct str data, uint8_t ret[SHA224_BYTES])
{
    if (EVP_Digest(data.len > 0 ? data.ptr : "", data.len, ret, NULL, EVP_sha224(), NULL) != 1)
        die("OpenSSL: SHA-224 failed");
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

/* With the key that `context` was given. */
static void
finish(EVP_MAC_CTX *context, struct str data, uint8_t *ret, size_t len)
{
    const unsigned char *text = (const unsigned char *)(data.len > 0 ? data.ptr : "");
    size_t written = 0;

    if (EVP_MAC_update(context, text, data.len) != 1 ||
        EVP_MAC_final(context, ret, &written, len) != 1 || written != len)
        die("OpenSSL: HMAC failed");
}

static void
give_key(EVP_MAC_CTX *context, struct str key)
{
    /* a NULL key would mean "the key as before" */
    const void *bytes = key.len > 0 ? key.ptr : "";

    if (EVP_MAC_init(context, bytes, key.len, NULL) != 1)
        die("OpenSSL: HMAC failed");
}

static void
hmac(struct keyed *k, const char *digest, struct str key, struct str data, uint8_t *ret, size_t len)
{
    if (k->context == NULL)
        k->context = hmac_context(digest);
    if (k->has_key && crypto_equal(k->key, k->key_len, key.ptr, key.len)) {
        if (EVP_MAC_init(k->context, NULL, 0, NULL) != 1) /* the same key again */
            die("OpenSSL: HMAC failed");
    } else {
        give_key(k->context, key);
        k->has_key = key.len <= KEPT_KEY_MAX;
        k->key_len = k->has_key ? key.len : 0;
        if (k->key_len > 0)
            memcpy(k->key, key.ptr, key.len);
    }
    finish(k->context, data, ret, len);
}

static void
hmac_once(const char *digest, struct str key, struct str data, uint8_t *ret, size_t len)
{
    EVP_MAC_CTX *context = hmac_context(digest);

    give_key(context, key);
    finish(context, data, ret, len);
    EVP_MAC_CTX_free(context); /* which wipes it */
}

void
crypto_hmac_sha256_once(struct str key, struct str data, uint8_t ret[SHA256_BYTES])
{
    hmac_once("SHA256", key, data, ret, SHA256_BYTES);
}

void
crypto_hmac_sha1_once(struct str key, struct str data, uint8_t ret[SHA1_BYTES])
{
    hmac_once("SHA1", key, data, ret, SHA1_BYTES);
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
crypto_wipe(void *ptr, size_t len)
{
    OPENSSL_cleanse(ptr, len);
}
