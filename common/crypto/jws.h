/*
 * jws: signed tokens (RFC 7515, RFC 7519).  HS256 and nothing else; `alg` is compared, never
 * obeyed. Checked: form, signature (constant time), exp, nbf and iat with 30 s of skew, role one of
 * anon, authenticated, service_role, staff; sub a uuid where present, and there for a person.
 *
 * Thread rule: loop's thread (it reads JSON).
 */
#ifndef FFX_CRYPTO_JWS_H
#define FFX_CRYPTO_JWS_H

#include "base/arena.h"
#include "base/err.h"

/* Who calls.  `role` is "anon", "authenticated", "staff", "service_role" or "" (no token asked). */
struct caller {
    char user_id[37]; /* claim sub; empty for the anon and service keys */
    char role[24];
    const char *email;      /* claim email or NULL */
    struct str claims_json; /* the token's payload as sent: request.jwt.claims in SQL */
};

/* When a token is good, in seconds since 1970: the claims exp, nbf and iat. */
struct jws_times {
    int64_t exp;
    int64_t nbf; /* INT64_MIN where the claim is missing, as for iat */
    int64_t iat;
};

/* What `token` (without "Bearer ") says, once its signature is good; its times are the caller's to
 * check.  ERR_UNAUTHENTICATED with "Invalid token" on failure; the reason goes to the detail. */
NODISCARD enum err jws_read(struct arena *a, struct fail *f, struct str secret, struct str token,
                            struct jws_times *ret_times, struct caller *ret);

/* ERR_UNAUTHENTICATED with "Token has expired" or "Invalid token" when it is not good then. */
NODISCARD enum err jws_check_times(struct fail *f, const struct jws_times *at, int64_t now_s);

/* Sign a payload (JSON text) as an HS256 token, in the arena. */
char *jws_sign(struct arena *a, struct str secret, struct str payload_json);

#endif
