/*
 * header: pieces of HTTP headers.
 * Any thread may call.
 */
#ifndef FFX_NET_HEADER_H
#define FFX_NET_HEADER_H

#include "base/prelude.h"

/* A header value without CR, LF, NUL and other controls. */
bool header_value_ok(struct str value);

/* Whether `line` ("Name: value", its end included) is the header `name`, in lower case; its value
 * without the blanks around it. */
NODISCARD bool header_line_is(struct str line, const char *name, struct str *ret_value);

/* Seconds that a Retry-After asks to wait (RFC 9110, 10.2.3: a number of them, or a date); 0 when
 * it is neither, or in the past. */
int retry_after_s(struct str value, int64_t now_s);

/* Does If-None-Match's list name this entity tag (quotes included), weakly compared, or is it "*"
 * (RFC 9110, 13.1.2 and 8.8.3.2)? */
bool etag_in_list(struct str list, struct str etag);

/* Standard reason phrase (RFC 9110, 15), "" when unknown. */
const char *http_reason(int status);

#endif
