/*
 * caller: who calls, by the bearer token.  What a good token says is remembered (4096 of at most
 * 1 KiB per process), and its times are checked each time.
 *
 * Thread rule: loop's thread.
 */
#ifndef FFX_FN_CALLER_H
#define FFX_FN_CALLER_H

#include "base/setting.h"
#include "crypto/jws.h"

extern struct setting cfg_jwt_secret; /* of specs whose routes ask for a token */

/* Verify `token` (without "Bearer ") at time `now_s` and fill `ret`.  ERR_UNAUTHENTICATED with
 * "Invalid token" or "Token has expired" on failure; the reason goes to the detail. */
NODISCARD enum err caller_read(struct arena *a, struct fail *f, struct str secret, struct str token,
                               int64_t now_s, struct caller *ret);

#endif
