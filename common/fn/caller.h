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
struct setting;
struct task;

/* Who reads tokens of other issuers: a spec that takes them has one, so that no other function
 * carries what fetches keys.  All of it may suspend the coroutine but issuer_of. */
struct fn_foreign {
    struct setting *const *settings; /* ended by NULL */
    /* The number of the issuer that the token says it is of, from 1; 0: of none of them. */
    unsigned (*issuer_of)(struct arena *a, struct str token);
    /* What an issuer's keys are called now, once they are as new as they have to be: another number
     * whenever they are others. */
    uint32_t (*turn)(struct task *task, unsigned issuer);
    /* As jws_read, of a token of this issuer, by keys of that turn.  ERR_UNAVAILABLE: its keys were
     * never to be had. */
    enum err (*read)(struct task *task, unsigned issuer, struct str token, uint32_t *ret_turn,
                     struct jws_times *ret_times, struct caller *ret);
};

/* As caller_read with fn_keys, for routes of FN_FOREIGN: a token of one of the issuers is theirs
 * alone to read, and every other one ours. */
NODISCARD enum err caller_read_foreign(struct task *task, const struct fn_foreign *foreign,
                                       struct str token, int64_t now_s, struct caller *ret);

/* Who a request's bearer or key is, on a route of FN_KEY; req->credential is what said so. */
NODISCARD enum err fn_bearer(struct fn_req *req, struct caller *ret);

#endif
