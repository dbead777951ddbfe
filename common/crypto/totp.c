#include "crypto/totp.h"

#include "crypto/digest.h"

uint32_t
totp_number(struct str secret, uint64_t counter)
{
    uint8_t mac[SHA1_BYTES], text[8];

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(counter >> (56 - 8 * i));
    crypto_hmac_sha1_once(secret, (struct str){(const char *)text, sizeof text}, mac);
    const uint8_t *at = mac + (mac[SHA1_BYTES - 1] & 15);
    return (uint32_t)(at[0] & 127) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

bool
totp_check(struct str secret, struct str code, int64_t now_s, int skew, int64_t after,
           int64_t *ret_step)
{
    const int64_t now = now_s / TOTP_STEP_S;
    bool found = false;

    for (int64_t step = now - skew; step <= now + skew; step++) {
        char right[16];

        (void)snprintf(right, sizeof right, "%0*u", TOTP_DIGITS,
                       totp_number(secret, (uint64_t)step) % 1000000U);
        if (crypto_equal(code.ptr, code.len, right, TOTP_DIGITS) && step > after) {
            *ret_step = step;
            found = true;
        }
    }
    return found;
}
