/*
 * smtp: one mail to a server by SMTP (RFC 5321), over libcurl, on a connection of its own, never
 * repeated here.
 *
 * Suspends the coroutine like http_call; the transfer itself runs in an offload thread, because
 * libcurl waits in place for the answers to the end of the message and to QUIT.
 * Thread rule: inside a coroutine.
 */
#ifndef FFX_NET_SMTP_H
#define FFX_NET_SMTP_H

#include "base/task.h"

struct smtp_request {
    const char *url;  /* smtp://host:port/name-for-EHLO, or smtps:// */
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
NODISCARD enum err smtp_send(struct task *task, const struct smtp_request *mail,
                             struct smtp_answer *ret);

#endif
