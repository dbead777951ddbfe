/*
 * ipn: is a callback (instant payment notification) from NOWPayments?
 * Thread rule: loop's thread.
 */
#ifndef FFX_NOWPAYMENTS_IPN_H
#define FFX_NOWPAYMENTS_IPN_H

#include "base/arena.h"
#include "base/setting.h"

struct json;

/* True when `signature` (128 hex digits, header x-nowpayments-sig) is HMAC-SHA512 of one of the
 * texts the real sender signs, with the current or the previous secret (an empty one is ignored):
 *   1. the body as received;
 *   2. keys sorted at every level, every token kept as received;
 *   3. as 2, numbers and strings printed as JavaScript's JSON.stringify prints them;
 *   4. as 3, arrays turned into objects with the keys "0", "1", … (documentation's sample).
 * `body` must be what json_parse accepted as `doc`.  All four texts are derived from the received
 * body, so a match proves knowledge of the secret.  Comparison is constant time. */
bool np_ipn_verify(struct arena *a, struct str body, const struct json *doc, struct str signature,
                   struct str secret, struct str previous_secret);

/* For specs. */
extern struct setting *const np_ipn_settings[];
extern struct setting cfg_nowpayments_ipn_secret, cfg_nowpayments_ipn_secret_previous;

#endif
