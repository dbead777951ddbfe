/*
 * cipher: AES-256 by OpenSSL.  Nothing here says who wrote the data: check a MAC before.
 * Any thread may call.  Without memory OpenSSL's failure ends the process.
 */
#ifndef FFX_CRYPTO_CIPHER_H
#define FFX_CRYPTO_CIPHER_H

#include "base/prelude.h"

/* AES-256 in CBC mode with PKCS #7 padding.  `ret` has room for `len` bytes.  False: not whole
 * blocks, or wrong padding. */
NODISCARD bool crypto_aes256_cbc_decrypt(const uint8_t key[32], const uint8_t iv[16],
                                         const uint8_t *data, size_t len, uint8_t *ret,
                                         size_t *ret_len);

/* The other way; `ret` has room for `len` and a block of 16 bytes more.  Its length comes back. */
size_t crypto_aes256_cbc_encrypt(const uint8_t key[32], const uint8_t iv[16], const uint8_t *data,
                                 size_t len, uint8_t *ret);

#endif
