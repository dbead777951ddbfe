/*
 * A token from outside to inside: three parts, the header, the signature over the first two, the
 * payload's times, who it is.  Read jws_read first: of what nobody signed only the header is
 * parsed.
 */
#include "crypto/jws.h"

#include "base/encode.h"
#include "base/number.h"
#include "crypto/digest.h"
#include "json/tree.h"

#define TOKEN_MAX ((size_t)8 * 1024)
#define SKEW_S    30

#define SIGNATURE_MAX ((size_t)1024) /* RS256 with 8192 bits */

/* {"alg":"HS256","typ":"JWT"} */
#define COMMON_HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"

enum err
jws_refuse(struct fail *f, const char *detail)
{
    (void)fail_set(f, ERR_UNAUTHENTICATED, "Invalid token");
    return fail_detail(f, ERR_UNAUTHENTICATED, "token: %s", detail);
}

/* A token's three parts as sent, and the signed text in front of the second dot. */
struct parts {
    struct str header;
    struct str payload;
    struct str signature;
    struct str signed_text;
};

static bool
split(struct str token, struct parts *ret)
{
    const char *end = token.ptr + token.len;
    const char *first = token.len > 0 ? memchr(token.ptr, '.', token.len) : NULL;

    if (first == NULL)
        return false;
    const char *second = memchr(first + 1, '.', (size_t)(end - first - 1));
    if (second == NULL || memchr(second + 1, '.', (size_t)(end - second - 1)) != NULL)
        return false;
    ret->header = (struct str){token.ptr, (size_t)(first - token.ptr)};
    ret->payload = (struct str){first + 1, (size_t)(second - first - 1)};
    ret->signature = (struct str){second + 1, (size_t)(end - second - 1)};
    ret->signed_text = (struct str){token.ptr, (size_t)(second - token.ptr)};
    return true;
}

/* With `key`, or NULL: with the secret. */
static bool
signature_matches(const struct parts *p, struct str secret, const struct key *key)
{
    uint8_t given[SIGNATURE_MAX];
    uint8_t right[SHA256_BYTES];
    size_t len;

    if (!base64url_decode(p->signature, given, sizeof(given), &len))
        return false;
    if (key != NULL)
        return key_verify(key, p->signed_text, given, len);
    crypto_hmac_sha256(secret, p->signed_text, right);
    return crypto_equal(given, len, right, sizeof(right));
}

/* Decode and parse one part, which must be a JSON object; the bytes end in a NUL. */
static bool
read_object(struct arena *a, struct str part, struct str *ret_bytes, const struct json **ret)
{
    uint8_t *bytes = arena_alloc(a, part.len + 1);
    const struct json *doc;
    size_t len;

    if (!base64url_decode(part, bytes, part.len, &len))
        return false;
    bytes[len] = '\0';
    const struct str text = {(const char *)bytes, len};
    if (json_parse(a, NULL, text, &doc) != ERR_OK || json_type(doc) != JSON_OBJECT)
        return false;
    *ret_bytes = text;
    *ret = doc;
    return true;
}

/* Which key the token names: `*ret` NULL is the secret.  False: its `alg` is not that key's, or it
 * has `crit`. */
static bool
read_header(struct arena *a, struct str part, const struct key_set *set, const struct key **ret)
{
    const struct json *header;
    struct str bytes;

    *ret = NULL;
    if (str_eq(part, STR(COMMON_HEADER)))
        return true;
    if (!read_object(a, part, &bytes, &header) || json_get(header, "crit") != NULL)
        return false;
    const struct json *alg = json_get(header, "alg");
    const struct json *kid = json_get(header, "kid");
    if (kid != NULL && json_type(kid) == JSON_STRING)
        *ret = key_set_find(set, json_text(kid));
    return alg != NULL && json_type(alg) == JSON_STRING &&
           str_is(json_text(alg), *ret == NULL ? "HS256" : key_algorithm(*ret));
}

/* A NumericDate: seconds, of which a fraction is cut off. */
static bool
read_time(const struct json *v, int64_t *ret)
{
    struct decimal d;

    if (json_type(v) != JSON_NUMBER || !decimal_read(json_text(v), &d))
        return false;
    return number_i64((struct str){d.text, strcspn(d.text, ".")}, ret);
}

/* A token that never ends is refused. */
static enum err
read_times(struct fail *f, const struct json *claims, struct jws_times *ret)
{
    const struct json *exp = json_get(claims, "exp");
    const struct json *nbf = json_get(claims, "nbf");
    const struct json *iat = json_get(claims, "iat");

    ret->nbf = ret->iat = INT64_MIN;
    if (exp == NULL || !read_time(exp, &ret->exp))
        return jws_refuse(f, "exp is missing or no number");
    if (nbf != NULL && !read_time(nbf, &ret->nbf))
        return jws_refuse(f, "nbf is no number");
    if (iat != NULL && !read_time(iat, &ret->iat))
        return jws_refuse(f, "iat is no number");
    return ERR_OK;
}

enum err
jws_check_times(struct fail *f, const struct jws_times *at, int64_t now_s)
{
    if (at->exp <= now_s - SKEW_S) {
        (void)fail_set(f, ERR_UNAUTHENTICATED, "Token has expired");
        return fail_detail(f, ERR_UNAUTHENTICATED, "token: expired %lld s ago",
                           (long long)(now_s - at->exp));
    }
    if (at->nbf > now_s + SKEW_S)
        return jws_refuse(f, "not valid yet (nbf)");
    if (at->iat > now_s + SKEW_S)
        return jws_refuse(f, "issued in the future (iat)");
    return ERR_OK;
}

static enum err
read_caller(struct arena *a, struct fail *f, const struct json *claims, struct caller *ret)
{
    static const char *const roles[] = {"anon", "authenticated", "service_role", "staff"};
    const struct json *role = json_get(claims, "role");
    const struct json *sub = json_get(claims, "sub");
    const struct json *email = json_get(claims, "email");
    size_t i = 0;

    if (role == NULL || json_type(role) != JSON_STRING)
        return jws_refuse(f, "role is missing");
    while (i < ARRAY_LEN(roles) && !str_is(json_text(role), roles[i]))
        i++;
    if (i == ARRAY_LEN(roles))
        return jws_refuse(f, "unknown role");
    memcpy(ret->role, roles[i], strlen(roles[i]) + 1);
    if (sub != NULL && (json_type(sub) != JSON_STRING || !uuid_read(json_text(sub), ret->user_id)))
        return jws_refuse(f, "sub is no uuid");
    if (sub == NULL && (strcmp(ret->role, "authenticated") == 0 || strcmp(ret->role, "staff") == 0))
        return jws_refuse(f, "sub is missing");
    if (email != NULL && json_type(email) == JSON_STRING)
        ret->email = arena_copy(a, json_text(email));
    return ERR_OK;
}

enum err
jws_open(struct arena *a, struct fail *f, const struct jws_keys *keys, struct str token,
         struct jws_times *ret_times, struct str *ret_payload, const struct json **ret_claims)
{
    const struct key *key;
    const struct json *claims;
    struct jws_times times;
    struct str payload;
    struct parts p;

    if (token.len > TOKEN_MAX)
        return jws_refuse(f, "too long");
    if (!split(token, &p))
        return jws_refuse(f, "not three parts");
    if (!read_header(a, p.header, keys->set, &key))
        return jws_refuse(f, "header is not of its key's alg, or has crit");
    if (key == NULL && keys->secret.len == 0) /* with an empty one everybody could sign */
        return jws_refuse(f, "no key of this system");
    if (!signature_matches(&p, keys->secret, key))
        return jws_refuse(f, "wrong signature");
    if (!read_object(a, p.payload, &payload, &claims))
        return jws_refuse(f, "payload is no JSON object");
    TRY(read_times(f, claims, &times));
    *ret_times = times;
    *ret_payload = payload;
    *ret_claims = claims;
    return ERR_OK;
}

enum err
jws_read(struct arena *a, struct fail *f, const struct jws_keys *keys, struct str token,
         struct jws_times *ret_times, struct caller *ret)
{
    const struct json *claims;
    struct jws_times times;
    struct caller caller = {0};

    TRY(jws_open(a, f, keys, token, &times, &caller.claims_json, &claims));
    TRY(read_caller(a, f, claims, &caller));
    *ret_times = times;
    *ret = caller;
    return ERR_OK;
}

/* A member of the object that a part is, when it is a text. */
static struct str
text_in(struct arena *a, struct str part, const char *name)
{
    const struct json *object;
    struct str bytes;

    if (!read_object(a, part, &bytes, &object))
        return STR_NONE;
    const struct json *v = json_get(object, name);
    return v != NULL && json_type(v) == JSON_STRING ? json_text(v) : STR_NONE;
}

void
jws_peek(struct arena *a, struct str token, struct jws_said *ret)
{
    struct parts p;

    *ret = (struct jws_said){0};
    if (token.len > TOKEN_MAX || !split(token, &p))
        return;
    ret->issuer = text_in(a, p.payload, "iss");
    ret->key_id = text_in(a, p.header, "kid");
}

/* "header.payload.", with room for a signature; its length comes back. */
static size_t
begin_token(struct arena *a, struct str header, struct str payload_json, size_t signature_bytes,
            char **ret)
{
    char *token = arena_alloc(a, header.len + BASE64_SIZE(payload_json.len) +
                                     BASE64_SIZE(signature_bytes) + 2);
    size_t len = header.len;

    memcpy(token, header.ptr, len);
    token[len++] = '.';
    len += base64url_encode(payload_json.ptr, payload_json.len, token + len);
    *ret = token;
    return len;
}

static char *
end_token(char *token, size_t len, const uint8_t *signature, size_t signature_len)
{
    token[len++] = '.';
    (void)base64url_encode(signature, signature_len, token + len);
    return token;
}

char *
jws_sign(struct arena *a, struct str secret, struct str payload_json)
{
    uint8_t mac[SHA256_BYTES];
    char *token;
    const size_t len = begin_token(a, STR(COMMON_HEADER), payload_json, sizeof mac, &token);

    crypto_hmac_sha256(secret, (struct str){token, len}, mac);
    return end_token(token, len, mac, sizeof mac);
}

char *
jws_sign_es256(struct arena *a, const struct key *key, struct str payload_json)
{
    const char *json =
        arena_printf(a, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"JWT\"}", key_id(key));
    char *header = arena_alloc(a, BASE64_SIZE(strlen(json)));
    uint8_t signature[ES256_BYTES];
    char *token;

    (void)base64url_encode(json, strlen(json), header);
    const size_t len = begin_token(a, str_of(header), payload_json, sizeof signature, &token);
    key_sign_es256(key, (struct str){token, len}, signature);
    return end_token(token, len, signature, sizeof signature);
}
