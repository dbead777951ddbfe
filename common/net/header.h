/*
 * header: pieces of HTTP headers.
 * Any thread may call.
 */
#ifndef FFX_NET_HEADER_H
#define FFX_NET_HEADER_H

#include "base/prelude.h"

/* A header value without CR, LF, NUL and other controls. */
bool header_value_ok(struct str value);

/* Standard reason phrase (RFC 9110, 15), "" when unknown. */
const char *http_reason(int status);

#endif
