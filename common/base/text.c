#include "base/text.h"

bool
str_ieq(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
            return false;
    return true;
}

static bool
is_among(char c, const char *chars)
{
    return memchr(chars, c, strlen(chars)) != NULL;
}

struct str
str_trim(struct str text, const char *blanks)
{
    while (text.len > 0 && is_among(text.ptr[0], blanks))
        text = (struct str){text.ptr + 1, text.len - 1};
    while (text.len > 0 && is_among(text.ptr[text.len - 1], blanks))
        text.len--;
    return text;
}

size_t
utf8_length(const char *text, size_t left)
{
    const unsigned char *p = (const unsigned char *)text;
    unsigned char low = 0x80; /* bounds of the second byte */
    unsigned char high = 0xBF;
    size_t n = 0;

    if (left == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        n = 2;
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        n = 3;
        low = p[0] == 0xE0 ? 0xA0 : 0x80;  /* overlong */
        high = p[0] == 0xED ? 0x9F : 0xBF; /* surrogates */
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        n = 4;
        low = p[0] == 0xF0 ? 0x90 : 0x80;  /* overlong */
        high = p[0] == 0xF4 ? 0x8F : 0xBF; /* beyond U+10FFFF */
    }
    if (n == 0 || n > left || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

/* Eight bytes at a time: a byte's upper bit in `stop` says that it does not pass.  Borrows run
 * upwards, so the lowest of these bits is right. */
size_t
plain_length(const char *text, size_t len)
{
    const uint64_t ones = 0x0101010101010101;
    size_t i = 0;

    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest");
    for (; len - i >= 8; i += 8) {
        uint64_t w;

        memcpy(&w, text + i, 8);
        const uint64_t quote = w ^ ones * '"';
        const uint64_t backslash = w ^ ones * '\\';
        const uint64_t stop = (w | ((w - ones * 0x20) & ~w) | ((quote - ones) & ~quote) |
                               ((backslash - ones) & ~backslash)) &
                              ones * 0x80;
        if (stop != 0)
            return i + (size_t)__builtin_ctzll(stop) / 8;
    }
    for (; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            break;
    }
    return i;
}

bool
utf8_ok(struct str text)
{
    size_t n;

    for (size_t i = 0; i < text.len; i += n) {
        n = utf8_length(text.ptr + i, text.len - i);
        if (n == 0)
            return false;
    }
    return true;
}

size_t
json_escape(const char *text, size_t left, char ret[JSON_ESCAPE_SIZE], size_t *ret_taken)
{
    static const char letters[] = "\b\f\n\r\t\"\\";
    static const char spelled[] = "bfnrt\"\\";
    static const char hex[] = "0123456789abcdef";
    const unsigned char c = (unsigned char)text[0];
    const size_t n = utf8_length(text, left);

    *ret_taken = MAX(n, 1);
    if (n == 0) {
        memcpy(ret, "\xEF\xBF\xBD", 3); /* U+FFFD */
        return 3;
    }
    if (n > 1 || (c >= 0x20 && c != '"' && c != '\\')) {
        memcpy(ret, text, n);
        return n;
    }
    const char *letter = c == 0 ? NULL : strchr(letters, c);
    if (letter != NULL) {
        ret[0] = '\\';
        ret[1] = spelled[letter - letters];
        return 2;
    }
    memcpy(ret, "\\u00", 4);
    ret[4] = hex[c >> 4];
    ret[5] = hex[c & 15];
    return 6;
}
