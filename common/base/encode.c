/* Pairs that do not know each other: hex, base64, base32, percent, uuid. */
#include "base/encode.h"

#include "base/text.h"

/* ---- hex ---- */

int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

void
hex_encode(const void *data, size_t len, char *ret)
{
    static const char alphabet[] = "0123456789abcdef";
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++) {
        ret[2 * i] = alphabet[bytes[i] >> 4];
        ret[2 * i + 1] = alphabet[bytes[i] & 15];
    }
    ret[2 * len] = '\0';
}

bool
hex_decode(struct str hex, uint8_t *ret, size_t len)
{
    if (hex.len % 2 != 0 || hex.len / 2 != len)
        return false;
    for (size_t i = 0; i < hex.len; i++)
        if (hex_value(hex.ptr[i]) < 0)
            return false;
    for (size_t i = 0; i < len; i++)
        ret[i] = (uint8_t)(hex_value(hex.ptr[2 * i]) * 16 + hex_value(hex.ptr[2 * i + 1]));
    return true;
}

/* ---- base64 ---- */

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t
encode(const void *data, size_t len, char *ret, const char *alphabet, bool pad)
{
    const uint8_t *in = data;
    size_t out = 0;
    size_t i = 0;

    /* Three bytes are read as four while there are so many: one load. */
    for (; i + 4 <= len; i += 3, out += 4) {
        uint32_t bits;

        memcpy(&bits, in + i, 4);
        bits = __builtin_bswap32(bits);
        ret[out] = alphabet[bits >> 26];
        ret[out + 1] = alphabet[bits >> 20 & 63];
        ret[out + 2] = alphabet[bits >> 14 & 63];
        ret[out + 3] = alphabet[bits >> 8 & 63];
    }
    if (i + 3 == len) {
        const uint32_t bits = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];

        ret[out++] = alphabet[bits >> 18];
        ret[out++] = alphabet[bits >> 12 & 63];
        ret[out++] = alphabet[bits >> 6 & 63];
        ret[out++] = alphabet[bits & 63];
    }
    if (len % 3 > 0) {
        const bool two = len % 3 == 2;
        const uint32_t bits =
            (uint32_t)in[len - len % 3] << 16 | (two ? (uint32_t)in[len - 1] << 8 : 0);

        ret[out++] = alphabet[bits >> 18];
        ret[out++] = alphabet[bits >> 12 & 63];
        if (two)
            ret[out++] = alphabet[bits >> 6 & 63];
        for (size_t k = len % 3; pad && k < 3; k++)
            ret[out++] = '=';
    }
    ret[out] = '\0';
    return out;
}

size_t
base64_encode(const void *data, size_t len, char *ret)
{
    return encode(data, len, ret, standard, true);
}

size_t
base64url_encode(const void *data, size_t len, char *ret)
{
    return encode(data, len, ret, url_safe, false);
}

/* Value of a character of the URL alphabet; 64 for every other byte.  A table: this decodes every
 * token of every request. */
/* clang-format off */
#define NO 64
static const uint8_t url_safe_values[256] = {
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 62, NO, NO,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, NO, NO, NO, NO, NO, NO,
    NO,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NO, NO, NO, NO, 63,
    NO, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
};
#undef NO
/* clang-format on */

bool
base64url_decode(struct str text, uint8_t *ret, size_t room, size_t *ret_len)
{
    const unsigned char *in = (const unsigned char *)text.ptr;
    const size_t left = text.len % 4; /* characters of the last, incomplete group */
    const size_t len = text.len / 4 * 3 + (left > 0 ? left - 1 : 0);
    const size_t whole = text.len - left;
    uint32_t wrong = 0;
    uint32_t bits = 0;
    size_t out = 0;

    if (left == 1 || len > room)
        return false;
    for (size_t i = 0; i < whole; i += 4) {
        const uint32_t v0 = url_safe_values[in[i]], v1 = url_safe_values[in[i + 1]];
        const uint32_t v2 = url_safe_values[in[i + 2]], v3 = url_safe_values[in[i + 3]];

        wrong |= (v0 | v1 | v2 | v3) & 64;
        bits = v0 << 18 | v1 << 12 | v2 << 6 | v3;
        ret[out++] = (uint8_t)(bits >> 16);
        ret[out++] = (uint8_t)(bits >> 8);
        ret[out++] = (uint8_t)bits;
    }
    for (size_t i = whole; i < text.len; i++) {
        const uint32_t value = url_safe_values[in[i]];

        wrong |= value & 64;
        bits = bits << 6 | value;
        if (i > whole)
            ret[out++] = (uint8_t)(bits >> (6 - 2 * (i - whole)));
    }
    if (wrong != 0 || (left == 2 && (bits & 15) != 0) || (left == 3 && (bits & 3) != 0))
        return false; /* bits that belong to no byte: a second spelling of the same bytes */
    *ret_len = len;
    return true;
}

/* ---- base32 ---- */

size_t
base32_encode(const void *data, size_t len, char *ret)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const uint8_t *bytes = data;
    uint32_t bits = 0;
    unsigned have = 0;
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 5; have -= 5)
            ret[out++] = alphabet[bits >> (have - 5) & 31];
    }
    if (have > 0)
        ret[out++] = alphabet[bits << (5 - have) & 31];
    ret[out] = '\0';
    return out;
}

static int
base32_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

bool
base32_decode(struct str text, uint8_t *ret, size_t room, size_t *ret_len)
{
    const size_t left = text.len * 5 % 8; /* bits that belong to no byte */
    uint32_t bits = 0;
    unsigned have = 0;
    size_t out = 0;

    if (left >= 5 || text.len * 5 / 8 > room)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (base32_value(text.ptr[i]) < 0)
            return false;
        bits = (uint32_t)base32_value(text.ptr[i]);
    }
    if ((bits & ((1U << left) - 1)) != 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        bits = bits << 5 | (uint32_t)base32_value(text.ptr[i]);
        have += 5;
        if (have >= 8) {
            have -= 8;
            ret[out++] = (uint8_t)(bits >> have);
        }
    }
    *ret_len = out;
    return true;
}

/* ---- percent ---- */

void
percent_encode(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];

        if (ascii_is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~')
            buf_add_char(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

/* ---- uuid ---- */

bool
uuid_read(struct str s, char ret[UUID_SIZE])
{
    char text[UUID_SIZE] = "";

    if (s.len != UUID_SIZE - 1)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.ptr[i];

        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (c != '-')
                return false;
            text[i] = c;
        } else {
            if (hex_value(c) < 0)
                return false;
            text[i] = ascii_lower(c);
        }
    }
    memcpy(ret, text, UUID_SIZE);
    return true;
}
