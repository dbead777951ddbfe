/*
 * mail: one message, from a template or ready words, to the provider that is configured.
 *
 * RESEND_API_KEY set: Resend's API.  Else SMTP_HOST set: SMTP.  Else the message is only noted in
 * the log (event mail_spooled, without its words) and its id begins with "dev-".
 * The Message-ID is the caller's and the same for every try, at Resend also as the idempotency
 * key.  Functions that send declare FN_NEED_MAIL.
 * Neither words nor recipients are ever logged here.
 * Thread rule: mail_send inside a coroutine; the rest in the loop's thread.
 */
#ifndef FFX_MAIL_H
#define FFX_MAIL_H

#include "base/buf.h"
#include "base/setting.h"
#include "base/task.h"
#include "json/json.h"

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

/* Send once.  `ret_id` is the provider's id, in the arena.  Errors: ERR_INVALID (mail_check),
 * ERR_PROVIDER (this mail will never be accepted, detail says why), ERR_UPSTREAM (not accepted
 * now), ERR_UNKNOWN_OUTCOME (may have been accepted). */
NODISCARD enum err mail_send(struct task *task, const struct mail_message *m,
                             const char **ret_id);

/* MAIL_DOMAIN, or the host of SUPABASE_URL. */
const char *mail_domain(struct arena *a);

/* ---- pieces, for tests ---- */

enum mail_escape {
    MAIL_PLAIN,   /* as it is */
    MAIL_HTML,    /* & < > " ' as entities */
    MAIL_SUBJECT, /* controls, line ends among them, become blanks */
};

/* Replace {{name}} by the member of that name, escaped; an unknown one by nothing. */
void mail_render(struct buf *out, struct str text, const struct json *variables,
                 enum mail_escape escape);

/* An address alone: ASCII, one @, nothing that means something in a header or to an SMTP server. */
bool mail_address_ok(struct str address);

/* The domain's text out of a URL: "https://api.example.com:8443/x" is "api.example.com". */
struct str mail_host_of(struct str url);

/* "Name <address>" or an address: false when it is neither. */
struct mail_sender {
    struct str name; /* may be empty */
    struct str address;
};
NODISCARD bool mail_sender_read(struct str text, struct mail_sender *ret);

/* The whole message: headers, text and HTML as multipart/alternative in base64. */
void mail_build(struct buf *out, const struct mail_message *m, const struct mail_sender *from);

/* What a function that sends mails lists in its spec. */
extern struct setting *const mail_settings[];

#endif
