/*
 * totp: one-time passwords of a shared secret and the time (RFC 6238 over HMAC-SHA-1, steps of 30
 * seconds, six digits), as authenticator programs show them.
 *
 * Which of them were used already is the caller's to know: a step is good once.  Any thread may
 * call.
 */
#ifndef FFX_CRYPTO_TOTP_H
#define FFX_CRYPTO_TOTP_H

#include "base/prelude.h"

#define TOTP_STEP_S       30
#define TOTP_DIGITS       6
#define TOTP_SECRET_BYTES 20 /* of a new secret: what RFC 4226 recommends, one SHA-1 */

/* The number of 31 bits that a counter has with this secret (RFC 4226, 5.3); its last digits are
 * the password. */
uint32_t totp_number(struct str secret, uint64_t counter);

/* Whether `code` is that of a step from `skew` before now to `skew` after it, later than `after`;
 * *ret_step is the latest such step.  Takes as long for a wrong code as for a right one. */
NODISCARD bool totp_check(struct str secret, struct str code, int64_t now_s, int skew,
                          int64_t after, int64_t *ret_step);

#endif
