/*
 * httpc: calls to other services over libcurl's multi interface; only this module includes
 * curl/curl.h.
 *
 * http_call suspends the coroutine until the answer is there, bounded by `timeout_ms` and by the
 * request's deadline.  An answer larger than `answer_max` fails.  Redirects are not followed, no
 * proxy is used, certificates are checked.
 *
 * Non-idempotent calls (`.idempotent = false`) are sent on a fresh connection, because libcurl
 * silently repeats a request, POST included, when a reused connection dies before an answer.
 * Idempotent calls are retried up to twice with full jitter, inside the budget, on connection
 * faults, 429 (honouring Retry-After), 502, 503 and 504.
 *
 * Errors: ERR_UPSTREAM   nothing was sent (resolve, connect, TLS failed): safe to repeat
 *         ERR_UNKNOWN_OUTCOME  it was sent and no complete answer came: it may have happened
 *         ERR_OK         an answer came, whatever its status
 * smtp_send: the same for a mail.
 * Thread rule: inside a coroutine.
 */
#ifndef FFX_HTTPC_H
#define FFX_HTTPC_H

#include "fn/request.h"

struct http_request {
    const char *method; /* "GET", "POST" */
    const char *url;    /* http:// only for loopback addresses */
    const char *const *headers; /* "x-api-key: …", NULL-terminated; NULL: none */
    struct str body;
    int timeout_ms;
    size_t answer_max;
    bool idempotent;
};

struct http_answer {
    int status;
    struct str body; /* in the arena, NUL-terminated */
    int retry_after_s; /* from Retry-After in seconds, else 0 */
};

NODISCARD enum err http_call(struct fn_req *req, const struct http_request *call,
                             struct http_answer *ret);

/* One mail by SMTP, on a connection of its own, never repeated here.  Suspends the coroutine like
 * http_call; the transfer itself runs in an offload thread, because libcurl waits in place for
 * the answers to the end of the message and to QUIT.
 * Errors: ERR_UPSTREAM         refused, or not handed over completely: it was not accepted
 *         ERR_UNKNOWN_OUTCOME  handed over completely and no answer came: it may be accepted */
struct smtp_request {
    const char *url; /* smtp://host:port/name-for-EHLO, or smtps:// */
    const char *user; /* NULL: no login */
    const char *password;
    const char *from; /* addresses alone */
    const char *to;
    struct str message; /* lines end in CR LF; dots are stuffed on the way */
    bool plain_allowed; /* without it a server that offers no STARTTLS gets nothing */
    int timeout_ms;
};

struct smtp_answer {
    char reply[256]; /* the server's last line, "250 2.0.0 Ok: queued as 4F3", controls removed */
};

/* Errors: ERR_PROVIDER (refused for good: a 5xx to the recipient or the message), ERR_UPSTREAM,
 * ERR_UNKNOWN_OUTCOME (the message was handed over, and no answer came). */
NODISCARD enum err smtp_send(struct fn_req *req, const struct smtp_request *mail,
                             struct smtp_answer *ret);

#endif
