/*
 * JWKs to OpenSSL's keys and back, and signatures.  OpenSSL has ECDSA's two numbers as DER, tokens
 * have them side by side (RFC 7518, 3.4).
 */
#include "crypto/key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "base/encode.h"
#include "crypto/digest.h"
#include "json/tree.h"

#define COORDINATE   32
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define MODULUS_MAX  (RSA_BITS_MAX / 8)
#define EXPONENT_MAX 8
#define PRIVATE_MAX  512
#define VALUES_MAX   4000 /* of JSON in a set */
#define POINT_BYTES  (1 + 2 * COORDINATE)
#define UNCOMPRESSED 4
#define DER_PAIR_MAX 80

struct key {
    char id[KEY_ID_SIZE];
    const char *algorithm;
    EVP_PKEY *pkey;
};

struct key_set {
    struct key keys[KEYS_FOREIGN_MAX];
    size_t count;
};

/* ---- reading ---- */

static EVP_PKEY *
from_params(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *ret = NULL;

    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &ret, EVP_PKEY_PUBLIC_KEY, params) != 1)
        ret = NULL;
    EVP_PKEY_CTX_free(context);
    return ret;
}

/* A member in base64url, of `min` to `max` bytes. */
static bool
read_bytes(const struct json *jwk, const char *name, size_t min, size_t max, uint8_t *ret,
           size_t *ret_len)
{
    const struct json *v = json_get(jwk, name);

    return v != NULL && json_type(v) == JSON_STRING &&
           base64url_decode(json_text(v), ret, max, ret_len) && *ret_len >= min;
}

static EVP_PKEY *
read_ec(const struct json *jwk)
{
    uint8_t point[POINT_BYTES] = {UNCOMPRESSED};
    size_t x, y;
    char group[] = "prime256v1";

    if (!str_is(json_text(json_get(jwk, "crv")), "P-256") ||
        !read_bytes(jwk, "x", COORDINATE, COORDINATE, point + 1, &x) ||
        !read_bytes(jwk, "y", COORDINATE, COORDINATE, point + 1 + COORDINATE, &y))
        return NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end(),
    };
    return from_params("EC", params); /* a point that is not on the curve is refused */
}

static EVP_PKEY *
read_rsa(const struct json *jwk)
{
    uint8_t modulus[MODULUS_MAX], exponent[EXPONENT_MAX];
    size_t modulus_len, exponent_len;
    EVP_PKEY *ret = NULL;

    if (!read_bytes(jwk, "n", RSA_BITS_MIN / 8, sizeof modulus, modulus, &modulus_len) ||
        !read_bytes(jwk, "e", 1, sizeof exponent, exponent, &exponent_len))
        return NULL;
    BIGNUM *n = BN_bin2bn(modulus, (int)modulus_len, NULL);
    BIGNUM *e = BN_bin2bn(exponent, (int)exponent_len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (n != NULL && e != NULL && build != NULL && BN_num_bits(n) >= RSA_BITS_MIN && BN_is_odd(n) &&
        BN_is_odd(e) && !BN_is_one(e) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);

        if (params != NULL)
            ret = from_params("RSA", params);
        OSSL_PARAM_free(params);
    }
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    BN_free(e);
    return ret;
}

static const struct {
    const char *type, *algorithm;
    EVP_PKEY *(*read)(const struct json *jwk);
} kinds[] = {{"EC", "ES256", read_ec}, {"RSA", "RS256", read_rsa}};

static bool
is_kind(const struct json *jwk, size_t kind, bool alg_needed)
{
    const struct json *alg = json_get(jwk, "alg");

    return str_is(json_text(json_get(jwk, "kty")), kinds[kind].type) &&
           (alg == NULL ? !alg_needed : str_is(json_text(alg), kinds[kind].algorithm));
}

/* NULL, or what a key must be. */
static const char *
read_key(const struct json *jwk, bool alg_needed, struct key *ret)
{
    const struct json *use = json_get(jwk, "use");
    const struct str id = json_text(json_get(jwk, "kid"));

    if (json_get(jwk, "d") != NULL || json_get(jwk, "k") != NULL)
        return "must have public keys only, and one is private";
    if (use != NULL && !str_is(json_text(use), "sig"))
        return "must have keys for signatures (use \"sig\")";
    if (id.len == 0 || id.len >= sizeof ret->id)
        return "must have a kid of 1 to 64 characters with each key";
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!is_kind(jwk, i, alg_needed))
            continue;
        memcpy(ret->id, id.ptr, id.len);
        ret->id[id.len] = '\0';
        ret->algorithm = kinds[i].algorithm;
        ret->pkey = kinds[i].read(jwk);
        return ret->pkey != NULL ? NULL : "must have whole keys, and one is not";
    }
    return "must have keys of kty EC with alg ES256 (P-256), or RSA with RS256";
}

/* The next key of the set, unless it has one of this id.  NULL, or what the key must be. */
static const char *
add_key(const struct json *jwk, bool alg_needed, struct key_set *set)
{
    struct key *k = &set->keys[set->count];
    const char *why = read_key(jwk, alg_needed, k);

    if (why != NULL)
        return why;
    if (key_set_find(set, str_of(k->id)) != NULL) {
        EVP_PKEY_free(k->pkey);
        return "must have a kid of its own with each key";
    }
    set->count++;
    return NULL;
}

/* The list of keys; NULL: it is no JWK set. */
static const struct json *
keys_of(const struct json *doc)
{
    const struct json *keys = json_get(doc, "keys");

    return keys != NULL && json_type(keys) == JSON_ARRAY ? keys : NULL;
}

static const char no_set[] = "must be a JWK set: {\"keys\":[…]}";

static const char *
read_keys(struct arena *a, struct str jwks, struct key_set *set)
{
    const struct json *doc;
    const struct json *keys;

    if (jwks.len > KEY_SET_BYTES_MAX || json_parse(a, NULL, jwks, &doc) != ERR_OK ||
        (keys = keys_of(doc)) == NULL)
        return no_set;
    for (const struct json *jwk = json_first(keys); jwk != NULL; jwk = json_next(jwk)) {
        if (set->count == KEYS_MAX)
            return "must have 8 keys at most";
        const char *why = add_key(jwk, true, set);
        if (why != NULL)
            return why;
    }
    return NULL;
}

static const char *
read_foreign_keys(struct arena *a, struct str jwks, struct key_set *set)
{
    const struct json *doc;
    const struct json *keys;

    if (jwks.len > KEY_SET_BYTES_MAX ||
        json_parse_foreign(a, NULL, jwks, VALUES_MAX, &doc) != ERR_OK ||
        (keys = keys_of(doc)) == NULL)
        return no_set;
    for (const struct json *jwk = json_first(keys); jwk != NULL; jwk = json_next(jwk)) {
        if (set->count == KEYS_FOREIGN_MAX)
            return "must have 32 keys at most";
        (void)add_key(jwk, false, set);
    }
    return NULL;
}

static struct key_set *
read_set(struct str jwks, const char *(*read)(struct arena *, struct str, struct key_set *),
         const char **ret_why)
{
    struct arena *a = arena_new(KEY_SET_BYTES_MAX * 64);
    struct key_set *set = calloc(1, sizeof *set);

    MUST(set != NULL);
    *ret_why = read(a, jwks, set);
    arena_free(a);
    if (*ret_why == NULL)
        return set;
    key_set_free(set);
    return NULL;
}

struct key_set *
key_set_read(struct str jwks, const char **ret_why)
{
    return read_set(jwks, read_keys, ret_why);
}

struct key_set *
key_set_read_foreign(struct str jwks, const char **ret_why)
{
    return read_set(jwks, read_foreign_keys, ret_why);
}

void
key_set_free(struct key_set *set)
{
    for (size_t i = 0; set != NULL && i < set->count; i++)
        EVP_PKEY_free(set->keys[i].pkey);
    free(set);
}

const struct key *
key_set_find(const struct key_set *set, struct str id)
{
    for (size_t i = 0; set != NULL && i < set->count; i++)
        if (str_is(id, set->keys[i].id))
            return &set->keys[i];
    return NULL;
}

const struct key *
key_set_at(const struct key_set *set, size_t i)
{
    return i < set->count ? &set->keys[i] : NULL;
}

/* ---- the private key ---- */

/* Both numbers of the point that is the public part. */
static void
read_point(const struct key *k, uint8_t ret[2 * COORDINATE])
{
    uint8_t point[POINT_BYTES];
    size_t len;

    MUST(EVP_PKEY_get_octet_string_param(k->pkey, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point,
                                         &len) == 1 &&
         len == sizeof point && point[0] == UNCOMPRESSED);
    memcpy(ret, point + 1, 2 * (size_t)COORDINATE);
}

static bool
is_p256(const EVP_PKEY *pkey)
{
    char group[32];
    size_t len;

    return EVP_PKEY_is_a(pkey, "EC") == 1 &&
           EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                          &len) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

struct coordinates {
    char x[BASE64_SIZE(COORDINATE)], y[BASE64_SIZE(COORDINATE)];
};

static struct coordinates
coordinates_of(const struct key *k)
{
    uint8_t point[2 * COORDINATE];
    struct coordinates ret = {0};

    read_point(k, point);
    (void)base64url_encode(point, COORDINATE, ret.x);
    (void)base64url_encode(point + COORDINATE, COORDINATE, ret.y);
    return ret;
}

/* RFC 7638, 3: the members that make the key, in the order of their names. */
static void
set_thumbprint(struct key *k)
{
    const struct coordinates at = coordinates_of(k);
    uint8_t hash[SHA256_BYTES];
    char text[256];

    const int len =
        snprintf(text, sizeof text, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}",
                 at.x, at.y);
    crypto_sha256((struct str){text, (size_t)len}, hash);
    (void)base64url_encode(hash, sizeof hash, k->id);
}

struct key *
key_read_private(struct str pkcs8_base64, const char **ret_why)
{
    uint8_t der[PRIVATE_MAX];
    const unsigned char *p = der;
    size_t len;
    struct key *k = calloc(1, sizeof *k);

    MUST(k != NULL);
    *ret_why = "must be an EC key of P-256: PKCS #8 in base64url";
    if (base64url_decode(pkcs8_base64, der, sizeof der, &len))
        k->pkey = d2i_AutoPrivateKey(NULL, &p, (long)len);
    crypto_wipe(der, sizeof der);
    if (k->pkey == NULL || !is_p256(k->pkey)) {
        key_free(k);
        return NULL;
    }
    *ret_why = NULL;
    k->algorithm = "ES256";
    set_thumbprint(k);
    return k;
}

void
key_free(struct key *k)
{
    if (k != NULL)
        EVP_PKEY_free(k->pkey);
    free(k);
}

const char *
key_id(const struct key *k)
{
    return k->id;
}

const char *
key_algorithm(const struct key *k)
{
    return k->algorithm;
}

/* A number of an RSA key, in base64url. */
static char *
number_of(struct arena *a, const struct key *k, const char *name)
{
    BIGNUM *n = NULL;

    MUST(EVP_PKEY_get_bn_param(k->pkey, name, &n) == 1);
    const size_t len = (size_t)BN_num_bytes(n);
    uint8_t *bytes = arena_alloc(a, len);
    char *ret = arena_alloc(a, BASE64_SIZE(len));
    BN_bn2bin(n, bytes);
    BN_free(n);
    (void)base64url_encode(bytes, len, ret);
    return ret;
}

const char *
key_public_jwk(struct arena *a, const struct key *k)
{
    static const char rest[] = "\"use\":\"sig\",\"key_ops\":[\"verify\"]";

    if (strcmp(k->algorithm, "RS256") == 0)
        return arena_printf(
            a, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\",\"alg\":\"RS256\",\"kid\":\"%s\",%s}",
            number_of(a, k, OSSL_PKEY_PARAM_RSA_N), number_of(a, k, OSSL_PKEY_PARAM_RSA_E), k->id,
            rest);
    const struct coordinates at = coordinates_of(k);
    return arena_printf(a,
                        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\",\"alg\":"
                        "\"ES256\",\"kid\":\"%s\",%s}",
                        at.x, at.y, k->id, rest);
}

/* ---- signatures ---- */

/* ECDSA's pair as DER, in `ret`; its length, 0 when there is none. */
static size_t
pair_to_der(const uint8_t pair[ES256_BYTES], uint8_t ret[DER_PAIR_MAX])
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(pair, COORDINATE, NULL);
    BIGNUM *s = BN_bin2bn(pair + COORDINATE, COORDINATE, NULL);
    unsigned char *p = ret;

    MUST(sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1);
    const int len = i2d_ECDSA_SIG(sig, &p);
    ECDSA_SIG_free(sig);
    return len > 0 && len <= DER_PAIR_MAX ? (size_t)len : 0;
}

bool
key_verify(const struct key *k, struct str text, const uint8_t *signature, size_t len)
{
    uint8_t der[DER_PAIR_MAX];

    if (strcmp(k->algorithm, "ES256") == 0) {
        if (len != ES256_BYTES)
            return false;
        len = pair_to_der(signature, der);
        signature = der;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const bool good =
        context != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, k->pkey) == 1 &&
        EVP_DigestVerify(context, signature, len, (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

void
key_sign_es256(const struct key *k, struct str text, uint8_t ret[ES256_BYTES])
{
    uint8_t der[DER_PAIR_MAX];
    const unsigned char *p = der;
    size_t len = sizeof der;
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    MUST(context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, k->pkey) == 1 &&
         EVP_DigestSign(context, der, &len, (const unsigned char *)text.ptr, text.len) == 1);
    EVP_MD_CTX_free(context);
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
    MUST(sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret, COORDINATE) == COORDINATE &&
         BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret + COORDINATE, COORDINATE) == COORDINATE);
    ECDSA_SIG_free(sig);
}
