/*
 * encode: bytes as text and back: hex, base64, base32, percent, uuid.
 * Readers accept the whole text or nothing and leave the output untouched on failure.
 * Any thread may call.
 */
#ifndef FFX_BASE_ENCODE_H
#define FFX_BASE_ENCODE_H

#include "base/buf.h"

/* What a hex digit of either case stands for; -1 for every other character. */
int hex_value(char c);
/* `ret` needs 2 * len + 1 bytes; lower case. */
void hex_encode(const void *data, size_t len, char *ret);
/* Accepts both cases; exactly `len` bytes or false. */
NODISCARD bool hex_decode(struct str hex, uint8_t *ret, size_t len);

/* Size of the buffer for the text of `n` bytes, NUL included. */
#define BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)
/* Standard alphabet with padding (RFC 4648 section 4); returns the length. */
size_t base64_encode(const void *data, size_t len, char *ret);
/* URL alphabet without padding (RFC 4648 section 5); returns the length. */
size_t base64url_encode(const void *data, size_t len, char *ret);
/* Strict: no padding, no blanks, unused bits zero.  `ret` has room for `room` bytes. */
NODISCARD bool base64url_decode(struct str text, uint8_t *ret, size_t room, size_t *ret_len);

/* Size of the buffer for the base32 text of `n` bytes, NUL included. */
#define BASE32_SIZE(n) (((n)*8 + 4) / 5 + 1)
/* RFC 4648 section 6, without padding: secrets as authenticator programs take them; returns the
 * length. */
size_t base32_encode(const void *data, size_t len, char *ret);
/* Strict, as base64url_decode: capitals, no padding, unused bits zero. */
NODISCARD bool base32_decode(struct str text, uint8_t *ret, size_t room, size_t *ret_len);

/* Percent-encode for use as one query value or path segment (RFC 3986: unreserved stay). */
void percent_encode(struct buf *out, struct str text);

/* 8-4-4-4-12 hex digits; `ret` gets the lower-case text (36 characters and a NUL). */
#define UUID_SIZE 37
NODISCARD bool uuid_read(struct str s, char ret[UUID_SIZE]);

#endif
