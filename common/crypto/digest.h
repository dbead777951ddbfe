/*
 * digest: hashes and HMAC by OpenSSL, comparing and wiping of secrets, random bytes.
 *
 * Any thread may call.  Failures of OpenSSL itself (out of memory, no random source) end the
 * process: there is no sensible way on.
 */
#ifndef FFX_CRYPTO_DIGEST_H
#define FFX_CRYPTO_DIGEST_H

#include "base/prelude.h"

#define SHA1_BYTES   20
#define SHA224_BYTES 28
#define SHA256_BYTES 32
#define SHA512_BYTES 64

void crypto_sha224(struct str data, uint8_t ret[SHA224_BYTES]);
void crypto_sha256(struct str data, uint8_t ret[SHA256_BYTES]);
/* The key stays behind, set up for the next time: for those that live as long as the process. */
void crypto_hmac_sha256(struct str key, struct str data, uint8_t ret[SHA256_BYTES]);
void crypto_hmac_sha512(struct str key, struct str data, uint8_t ret[SHA512_BYTES]);
/* Nothing of the key stays behind: for those that their owner wipes. */
void crypto_hmac_sha256_once(struct str key, struct str data, uint8_t ret[SHA256_BYTES]);
/* For one-time passwords (totp.h), which ask for it; for nothing new. */
void crypto_hmac_sha1_once(struct str key, struct str data, uint8_t ret[SHA1_BYTES]);

/* Equal in time that depends only on the lengths. */
bool crypto_equal(const void *a, size_t a_len, const void *b, size_t b_len);

void crypto_random(void *ret, size_t len);

/* Overwrite a secret; not optimised away. */
void crypto_wipe(void *ptr, size_t len);

#endif
