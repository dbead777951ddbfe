/*
 * admin: what of it is tested by itself.
 * Any thread may call.
 */
#ifndef FFX_AUTH_ADMIN_H
#define FFX_AUTH_ADMIN_H

#include "base/arena.h"

/* A duration as Go writes them: "24h", "1h30m", "1.5s"; units ns us µs ms s m h.  NULL, or what is
 * wrong, in Go's words. */
const char *duration_read(struct arena *a, const char *text, double *ret_seconds);

#endif
