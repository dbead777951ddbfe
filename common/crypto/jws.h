/*
 * jws: signed tokens (RFC 7515, RFC 7519).  The key says how a signature is made, and the token
 * only which key it is: a known `kid` is that key of the set, every other token is the secret's
 * (HS256). Its `alg` has to be the key's; it is compared, never obeyed.  Checked: form, signature
 * (constant time), exp, nbf and iat with 30 s of skew, role one of anon, authenticated,
 * service_role, staff; sub a uuid where present, and there for a person.
 *
 * Tokens of other issuers have keys of their own, and other claims: jws_open checks all but those.
 *
 * Thread rule: loop's thread (it reads JSON).
 */
#ifndef FFX_CRYPTO_JWS_H
#define FFX_CRYPTO_JWS_H

#include "base/arena.h"
#include "base/err.h"
#include "crypto/key.h"

struct json;

/* What tokens are signed with. */
struct jws_keys {
    struct str secret;         /* of HS256; len 0: no such token is good */
    const struct key_set *set; /* of ES256 and RS256; NULL: none */
    uint32_t turn;             /* another one whenever they are others */
};

/* Who calls.  `role` is "anon", "authenticated", "staff", "service_role" or "" (no token asked, or
 * one of another issuer: who that is here, and what they may, is the function's to find out). */
struct caller {
    char user_id[37]; /* claim sub; empty for the anon and service keys */
    char role[24];
    const char *email;      /* claim email or NULL; of another issuer only when it was verified */
    struct str claims_json; /* the token's payload as sent: request.jwt.claims in SQL */
    /* Of another issuer's token: whose it is, and who that calls it; NULL: of our own. */
    const char *issuer, *subject;
    struct str foreign_json; /* its payload, which is never request.jwt.claims */
};

/* When a token is good, in seconds since 1970: the claims exp, nbf and iat. */
struct jws_times {
    int64_t exp;
    int64_t nbf; /* INT64_MIN where the claim is missing, as for iat */
    int64_t iat;
};

/* What `token` (without "Bearer ") says, once its signature is good; its times are the caller's to
 * check.  ERR_UNAUTHENTICATED with "Invalid token" on failure; the reason goes to the detail. */
NODISCARD enum err jws_read(struct arena *a, struct fail *f, const struct jws_keys *keys,
                            struct str token, struct jws_times *ret_times, struct caller *ret);

/* What a token says of itself, which nobody has checked: for choosing who checks it. */
struct jws_said {
    struct str issuer, key_id; /* iss and kid; len 0: not said, or not well */
};
void jws_peek(struct arena *a, struct str token, struct jws_said *ret);

/* What jws_read does but for who it is: `token` is signed with one of `keys`, and its payload is an
 * object, whose other claims are the caller's to check. */
NODISCARD enum err jws_open(struct arena *a, struct fail *f, const struct jws_keys *keys,
                            struct str token, struct jws_times *ret_times, struct str *ret_payload,
                            const struct json **ret_claims);

/* ERR_UNAUTHENTICATED with "Invalid token"; `detail` is for the log. */
enum err jws_refuse(struct fail *f, const char *detail);

/* ERR_UNAUTHENTICATED with "Token has expired" or "Invalid token" when it is not good then. */
NODISCARD enum err jws_check_times(struct fail *f, const struct jws_times *at, int64_t now_s);

/* Sign a payload (JSON text) as an HS256 token, in the arena; as an ES256 token, with a private key
 * and its id. */
char *jws_sign(struct arena *a, struct str secret, struct str payload_json);
char *jws_sign_es256(struct arena *a, const struct key *key, struct str payload_json);

#endif
