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

/* All of them, in the order in which they were sent, repeats too.  `rest` is what is left of the
 * query and moves on; name and value are decoded, in the arena.  False at the end; *ret_ok false
 * when this one is badly encoded, not UTF-8, or has a NUL byte (then both are empty). */
struct query_param {
    struct str name, value;
};
bool query_next(struct arena *a, struct str *rest, struct query_param *ret, bool *ret_ok);

#endif
