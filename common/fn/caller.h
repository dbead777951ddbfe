/*
 * caller: who calls, by token or key.  What a good token says is remembered (4096 of at most 1 KiB
 * per process), and its times are checked each time.
 *
 * The gateway's rule for keys (Supabase's kong.yml): a bearer token counts; where there is none, or
 * a key of the new form (sb_…) stands in its place, `apikey` says who calls: the secret key is the
 * service, the publishable key nobody in particular (anon), a token is taken as the bearer's.
 *
 * Thread rule: loop's thread.
 */
#ifndef FFX_FN_CALLER_H
#define FFX_FN_CALLER_H

#include "crypto/jws.h"

/* Verify `token` (without "Bearer ") at time `now_s` and fill `ret`.  ERR_UNAUTHENTICATED with
 * "Invalid token" or "Token has expired" on failure; the reason goes to the detail. */
NODISCARD enum err caller_read(struct arena *a, struct fail *f, const struct jws_keys *keys,
                               struct str token, int64_t now_s, struct caller *ret);

/* Whom of staff the caller is, to be passed to SQL, which knows the duties; NULL: nobody of them.
 */
const char *caller_staff_id(const struct caller *caller);
/* … and what their token says, for SQL, which looks for the second factor; NULL likewise. */
const char *caller_staff_claims(struct arena *a, const struct caller *caller);

struct fn_req;

/* Who a request's bearer or key is, on a route of FN_KEY; req->credential is what said so. */
NODISCARD enum err fn_bearer(struct fn_req *req, struct caller *ret);

#endif
