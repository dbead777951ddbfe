/*
 * query: parameters of a query string or a form (WHATWG URL, application/x-www-form-urlencoded).
 * Any thread may call.
 */
#ifndef FFX_NET_QUERY_H
#define FFX_NET_QUERY_H

#include "base/arena.h"

/* One parameter, decoded (percent and '+').  False when absent, present twice, badly encoded, not
 * UTF-8, or with a NUL byte.  The value is NUL-terminated in the arena. */
NODISCARD bool query_get(struct arena *a, struct str query, const char *name, struct str *ret);

#endif
