#include "crypto/cipher.h"

#include <limits.h>
#include <openssl/evp.h>

bool
crypto_aes256_cbc_decrypt(const uint8_t key[32], const uint8_t iv[16], const uint8_t *data,
                          size_t len, uint8_t *ret, size_t *ret_len)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int body = 0;
    int tail = 0;

    MUST(len <= INT_MAX);
    if (context == NULL || EVP_DecryptInit_ex(context, EVP_aes_256_cbc(), NULL, key, iv) != 1)
        die("OpenSSL: no AES-256-CBC");
    const bool good = EVP_DecryptUpdate(context, ret, &body, data, (int)len) == 1 &&
                      EVP_DecryptFinal_ex(context, ret + body, &tail) == 1;
    EVP_CIPHER_CTX_free(context);
    *ret_len = (size_t)(body + tail);
    return good;
}

size_t
crypto_aes256_cbc_encrypt(const uint8_t key[32], const uint8_t iv[16], const uint8_t *data,
                          size_t len, uint8_t *ret)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int body = 0;
    int tail = 0;

    MUST(len <= INT_MAX - 16);
    if (context == NULL || EVP_EncryptInit_ex(context, EVP_aes_256_cbc(), NULL, key, iv) != 1 ||
        EVP_EncryptUpdate(context, ret, &body, data, (int)len) != 1 ||
        EVP_EncryptFinal_ex(context, ret + body, &tail) != 1)
        die("OpenSSL: no AES-256-CBC");
    EVP_CIPHER_CTX_free(context);
    return (size_t)(body + tail);
}
