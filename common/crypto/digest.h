/*
 * crypto: the only module that includes OpenSSL.
 *
 * Any thread may call.  Failures of OpenSSL itself (out of memory, no random source) end the
 * process: there is no sensible way on.
 */
#ifndef FFX_CRYPTO_H
#define FFX_CRYPTO_H

#include "base/prelude.h"

#define SHA256_BYTES 32
#define SHA512_BYTES 64

void crypto_sha256(struct str data, uint8_t ret[SHA256_BYTES]);
void crypto_hmac_sha256(struct str key, struct str data, uint8_t ret[SHA256_BYTES]);
void crypto_hmac_sha512(struct str key, struct str data, uint8_t ret[SHA512_BYTES]);

/* AES-256 in CBC mode with PKCS #7 padding.  `ret` has room for `len` bytes.  False: not whole blocks,
 * or wrong padding; check a MAC before. */
NODISCARD bool crypto_aes256_cbc_decrypt(const uint8_t key[32], const uint8_t iv[16],
                                         const uint8_t *data, size_t len, uint8_t *ret,
                                         size_t *ret_len);

/* Equal in time that depends only on the lengths. */
bool crypto_equal(const void *a, size_t a_len, const void *b, size_t b_len);

void crypto_random(void *ret, size_t len);

/* `ret` needs 2 * len + 1 bytes; lower case. */
void hex_encode(const void *data, size_t len, char *ret);
/* Accepts both cases; exactly `len` bytes or false. */
NODISCARD bool hex_decode(struct str hex, uint8_t *ret, size_t len);

/* Size of the buffer for the text of `n` bytes, NUL included. */
#define BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)
/* Standard alphabet with padding; returns the length. */
size_t base64_encode(const void *data, size_t len, char *ret);
/* URL alphabet without padding (RFC 4648 section 5); returns the length. */
size_t base64url_encode(const void *data, size_t len, char *ret);
/* Strict: no padding, no blanks, unused bits zero.  `ret` has room for `room` bytes. */
NODISCARD bool base64url_decode(struct str text, uint8_t *ret, size_t room, size_t *ret_len);

/* Overwrite a secret; not optimised away. */
void crypto_wipe(void *ptr, size_t len);

#endif
