/*
 * message: what a mail is, and whether it may be sent.
 *
 * Neither words nor recipients are ever logged by mail.
 * Thread rule: any thread; mail_check in the coroutine of its task.
 */
#ifndef FFX_MAIL_MESSAGE_H
#define FFX_MAIL_MESSAGE_H

#include "base/task.h"

struct mail_message {
    const char *message_id; /* without <> */
    const char *to;         /* one address alone */
    const char *subject;
    const char *html;
    const char *text; /* NULL or "": none */
    int64_t date_s;   /* since 1970; the same for every try */
};

/* Whether the message can be sent as it is: ERR_INVALID with a text for the client when a header
 * would be something else than one line (header injection), or text is not UTF-8. */
NODISCARD enum err mail_check(struct task *task, const struct mail_message *m);

/* An address alone: ASCII, one @, nothing that means something in a header or to an SMTP server. */
bool mail_address_ok(struct str address);

/* "Name <address>" or an address: false when it is neither. */
struct mail_sender {
    struct str name; /* may be empty */
    struct str address;
};
NODISCARD bool mail_sender_read(struct str text, struct mail_sender *ret);

/* The domain's text out of a URL: "https://api.example.com:8443/x" is "api.example.com". */
struct str mail_host_of(struct str url);

#endif
