/* What the parts of json share: json_scan.c (is it JSON?), json.c (the tree), json_write.c. */
#ifndef FFX_JSON_INTERNAL_H
#define FFX_JSON_INTERNAL_H

#include "json/json.h"

/* True when `text` is one JSON value as json.h describes; else where and why not. */
bool json_scan(struct arena *a, struct str text, size_t *ret_at, const char **ret_reason);

/* Is `text` a JSON number, and nothing else? */
bool json_is_number(struct str text);

#endif
