/*
 * call: calls to other services by HTTP, over libcurl.
 *
 * http_call suspends the coroutine until the answer is there, bounded by `timeout_ms` and by the
 * request's deadline.  Redirects are not followed, no proxy is used, certificates are checked.
 * Answers are asked for as they are (identity); one in another coding counts as none, and the
 * failure's detail names it.
 *
 * Non-idempotent calls (`.idempotent = false`) are sent on a fresh connection, because libcurl
 * silently repeats a request, POST included, when a reused connection dies before an answer.
 * Idempotent calls are retried up to twice with full jitter, inside the budget, on connection
 * faults, 429 (honouring Retry-After), 502, 503 and 504.
 *
 * ERR_OK               an answer came, whatever its status
 * ERR_UPSTREAM         nothing was sent (resolve, connect, TLS, no time left): safe to repeat
 * ERR_UNKNOWN_OUTCOME  it was sent and no complete answer came, or one larger than `answer_max`: it
 *                      may have happened
 * ERR_INTERNAL         the URL is neither https:// nor http:// of this machine
 * Thread rule: inside a coroutine.
 */
#ifndef FFX_NET_CALL_H
#define FFX_NET_CALL_H

#include "base/task.h"

struct http_request {
    const char *method;         /* "GET", "POST" */
    const char *url;            /* http:// only for loopback addresses */
    const char *const *headers; /* "x-api-key: …", ended by NULL; NULL: none */
    struct str body;
    int timeout_ms;
    size_t answer_max;
    bool idempotent;
};

struct http_answer {
    int status;
    struct str body;   /* the arena's, NUL-terminated */
    int retry_after_s; /* from now on, as Retry-After says; else 0 */
};

NODISCARD enum err http_call(struct task *task, const struct http_request *call,
                             struct http_answer *ret);

#endif
