/*
 * lookup: the addresses of a name, asked for away from the loop.
 *
 * What was found, for its asker or too late for him, is used for a minute, and longer while the
 * name server says nothing: services rarely move, and name servers fail.  At most 16 names are kept.
 * Thread rule: inside a coroutine.
 */
#ifndef FFX_NET_LOOKUP_H
#define FFX_NET_LOOKUP_H

#include "base/task.h"

/* *ret: the addresses of the host of `url` as CURLOPT_RESOLVE wants them
 * ("+name:443:192.0.2.1,[2001:db8::1]"), in the arena; NULL when the host is an address itself.
 * ERR_UPSTREAM: none was found by `deadline_ms`. */
NODISCARD enum err lookup_url(struct task *task, const char *url, int64_t deadline_ms,
                              const char **ret);

#endif
