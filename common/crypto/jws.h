/*
 * auth: bearer tokens.  HS256 with JWT_SECRET and nothing else (RFC 7519, RFC 7515); `alg` is
 * compared, never obeyed.  Checked: form, signature (constant time), exp, nbf and iat with 30 s
 * of skew, role one of anon, authenticated, service_role; sub a uuid where present.  What a good
 * token says is remembered (4096 of at most 1 KiB per process), and its times are checked each time.
 *
 * Thread rule: loop's thread (it reads JSON).
 */
#ifndef FFX_AUTH_H
#define FFX_AUTH_H

#include "fn/request.h"

/* Verify `token` (without "Bearer ") at time `now_s` and fill `ret`.  ERR_UNAUTHENTICATED with
 * "Invalid token" or "Token has expired" on failure; the reason goes to the detail. */
NODISCARD enum err auth_verify(struct arena *a, struct fail *f, struct str secret, struct str token,
                               int64_t now_s, struct caller *ret);

/* Sign a payload (JSON text) as an HS256 token, in the arena.  For keys, tests and the auth
 * service. */
char *auth_sign(struct arena *a, struct str secret, struct str payload_json);

#endif
