/*
 * What the files of json share.
 *
 *   scan.c   is it JSON?
 *   tree.c   what is in it: the scan, then cJSON, then the numbers' own digits
 *   write.c  the way back
 */
#ifndef FFX_JSON_INTERNAL_H
#define FFX_JSON_INTERNAL_H

#include "base/arena.h"

/* True when `text` is one JSON value as tree.h describes; else where and why not. */
bool json_scan(struct arena *a, struct str text, size_t *ret_at, const char **ret_reason);

/* Is `text` a JSON number, and nothing else? */
bool json_is_number(struct str text);

#endif
