/*
 * mask: a request as it may be kept: without what secrets it brings, and as text that PostgreSQL
 * takes.  A name that has authorization, apikey, cookie, token, secret or password in it has a
 * value that becomes ***. All results are in the arena.  Thread rule: loop's thread.
 */
#ifndef FFX_MASK_H
#define FFX_MASK_H

#include "base/arena.h"
#include "net/request.h"

/* As a JSON object. */
const char *masked_headers(struct arena *a, const struct header *headers, size_t count);
/* As it came but for the values of secret parameters. */
const char *masked_query(struct arena *a, struct str query);
/* As it came, unless it is JSON with secrets in it; what is no text becomes an escaped JSON string
 * of its first 8 KiB. */
const char *masked_body(struct arena *a, struct str body);

#endif
