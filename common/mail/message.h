/*
 * message: what a mail is, and whether it may be sent.
 *
 * Neither words nor recipients are ever logged by mail.
 * Thread rule: any thread; mail_check in the coroutine of its task.
 */
#ifndef FFX_MAIL_MESSAGE_H
#define FFX_MAIL_MESSAGE_H

#include "base/buf.h"
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
 * would be something else than one line (header injection), text is not UTF-8, or the address is
 * one that needs SMTPUTF8 (RFC 6531), which not every server on the way has. */
NODISCARD enum err mail_check(struct task *task, const struct mail_message *m);

/* An address alone: ASCII, one @, nothing that means something in a header or to an SMTP server. */
bool mail_address_ok(struct str address);

/* "Name <address>" or an address: false when it is neither. */
#define MAIL_NAME_MAX ((size_t)200)
struct mail_sender {
    char name[MAIL_NAME_MAX + 1]; /* as people read it, without quotes; may be empty */
    struct str address;
};
NODISCARD bool mail_sender_read(struct str text, struct mail_sender *ret);

/* A name as a phrase of RFC 5322 in quotes; anything may stand in it but controls. */
void mail_put_quoted(struct buf *out, const char *name);

/* The domain's text out of a URL: "https://api.example.com:8443/x" is "api.example.com". */
struct str mail_host_of(struct str url);

#endif
