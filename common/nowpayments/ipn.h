/*
 * ipn: is a callback (instant payment notification) from NOWPayments?
 * Thread rule: loop's thread.
 */
#ifndef FFX_NOWPAYMENTS_IPN_H
#define FFX_NOWPAYMENTS_IPN_H

#include "base/arena.h"
#include "base/setting.h"

struct json;

enum np_ipn_key {
    NP_IPN_FORGED, /* by neither secret */
    NP_IPN_CURRENT,
    NP_IPN_PREVIOUS,
    NP_IPN_COSTLY, /* not in form 2, and to know the others costs more than `effort` */
};

/* Work enough for any callback: it has some ten numbers.  Well below a millisecond. */
#define NP_IPN_EFFORT 32

/* Characters of a secret; a longer one proves nothing. */
#define NP_IPN_SECRET_MAX 1024

/* 128 hex digits: what else is given proves nothing, whatever the body is. */
bool np_ipn_is_signature(struct str signature);

/* Which secret, the current or the previous one (an empty one is ignored), made `signature` (header
 * x-nowpayments-sig), the HMAC-SHA512 of one of the texts the real sender signs:
 *   1. the body as received (np_ipn_verify_body);
 *   2. keys sorted at every level, every token kept as received;
 *   3. as 2, numbers and strings printed as JavaScript's JSON.stringify prints them;
 *   4. as 3, arrays turned into objects with the keys "0", "1", … (documentation's sample).
 * `body` must be what json_parse accepted as `doc`.  All four texts are derived from the received
 * body, so a match proves knowledge of the secret.  Comparison is constant time. */
enum np_ipn_key np_ipn_verify_body(struct str body, struct str signature, struct str secret,
                                   struct str previous_secret);
enum np_ipn_key np_ipn_verify_forms(struct arena *a, struct str body, const struct json *doc,
                                    struct str signature, struct str secret,
                                    struct str previous_secret, int effort);

/* For specs. */
extern struct setting *const np_ipn_settings[];
extern struct setting cfg_nowpayments_ipn_secret, cfg_nowpayments_ipn_secret_previous;

#endif
