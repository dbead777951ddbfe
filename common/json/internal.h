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

/* A text that was looked at. */
struct json_scanned {
    size_t at; /* where and why it is none */
    const char *reason;
    size_t values;
    struct str text; /* as it is to be read: mended, when `mend` was asked for and necessary */
};

/* True when `text` is one JSON value as tree.h describes.  `mend`: escapes of no character count
 * as U+FFFD. */
bool json_scan(struct arena *a, struct str text, bool mend, struct json_scanned *ret);

/* Is `text` a JSON number, and nothing else? */
bool json_is_number(struct str text);

#endif
