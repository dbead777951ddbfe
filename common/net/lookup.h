/*
 * lookup: the addresses of a name, asked for away from the loop.
 *
 * What was found is used for a minute, and longer while the name server says nothing: services
 * rarely move, and name servers fail.  At most 16 names are kept.
 * Thread rule: inside a coroutine.
 */
#ifndef FFX_NET_LOOKUP_H
#define FFX_NET_LOOKUP_H

#include "base/task.h"

/* *ret: the addresses of `host` as CURLOPT_RESOLVE wants them ("192.0.2.1,[2001:db8::1]"), in the
 * arena; NULL when `host` is an address itself.  ERR_UPSTREAM: none was found by `deadline_ms`. */
NODISCARD enum err lookup_host(struct task *task, struct str host, int64_t deadline_ms,
                               const char **ret);

#endif
