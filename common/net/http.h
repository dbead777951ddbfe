/*
 * http: pieces of HTTP that need no connection: query strings, URL encoding, header checks.
 * Any thread may call.
 */
#ifndef FFX_HTTP_H
#define FFX_HTTP_H

#include "base/arena.h"
#include "base/prelude.h"
#include "base/buf.h"

/* One query or form parameter, decoded (percent and '+').  False when absent, present twice,
 * badly encoded, not UTF-8, or with a NUL byte.  The value is NUL-terminated in the arena. */
NODISCARD bool query_get(struct arena *a, struct str query, const char *name, struct str *ret);

/* Percent-encode for use as one query value or path segment (RFC 3986 unreserved stay). */
void url_encode(struct buf *out, struct str text);

/* A header value without CR, LF, NUL and other controls. */
bool header_value_ok(struct str value);

/* Whole text is valid UTF-8 (no surrogates, no overlong forms, up to U+10FFFF). */
bool utf8_ok(struct str text);

/* Standard reason phrase, "" when unknown. */
const char *http_reason(int status);

#endif
