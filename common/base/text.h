/*
 * text: characters, comparing, UTF-8, and what a character looks like in a JSON string.
 * Any thread may call; nothing here allocates.
 */
#ifndef FFX_BASE_TEXT_H
#define FFX_BASE_TEXT_H

#include "base/prelude.h"

static inline char
ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline bool
ascii_is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* ASCII case-insensitive; for header names and currency codes. */
bool str_ieq(struct str a, struct str b);

/* The text without those of `blanks` that stand at its ends. */
struct str str_trim(struct str text, const char *blanks);

/* Length of the well-formed UTF-8 character at the start of `left` bytes (RFC 3629: no overlong
 * forms, no surrogates, up to U+10FFFF), or 0. */
size_t utf8_length(const char *p, size_t left);

/* The whole text is well-formed UTF-8. */
bool utf8_ok(struct str text);

/* Length of the beginning of `text` that stands in a JSON string as it is: ASCII without control
 * characters, quotes and backslashes. */
size_t plain_length(const char *text, size_t len);

/* One character of a JSON string (RFC 8259, 7), as it is or escaped; bytes that are no UTF-8 become
 * U+FFFD.  Takes *ret_taken of the `left` (at least one) bytes, and returns the length of `ret`. */
#define JSON_ESCAPE_SIZE 8
size_t json_escape(const char *text, size_t left, char ret[JSON_ESCAPE_SIZE], size_t *ret_taken);

#endif
