/*
 * send: one message to the provider that is configured.
 *
 * RESEND_API_KEY set: Resend's API.  Else SMTP_HOST set: SMTP.  Else the message goes to a file in
 * MAIL_FOLDER, when that is set, is noted in the log (event mail_spooled, without its words), and its
 * id begins with "dev-".
 * The Message-ID is the caller's and the same for every try, at Resend also as the idempotency
 * key.
 * Thread rule: inside a coroutine.
 */
#ifndef FFX_MAIL_SEND_H
#define FFX_MAIL_SEND_H

#include "base/setting.h"
#include "base/task.h"
#include "mail/message.h"

/* Send once.  `ret_id` is the provider's id, in the arena.  Errors: ERR_INVALID (mail_check, or
 * larger than a mail may be), ERR_PROVIDER (this mail will never be accepted, detail says why),
 * ERR_UPSTREAM (not accepted now; fail.retry_after_s when the provider said for how long),
 * ERR_UNKNOWN_OUTCOME (may have been accepted).  However late it is by then, the task has a few
 * seconds left to write down what came of it. */
NODISCARD enum err mail_send(struct task *task, const struct mail_message *m, const char **ret_id);

/* MAIL_DOMAIN, or the host of SUPABASE_URL. */
const char *mail_domain(struct arena *a);

/* What a function that sends mails lists in its spec. */
extern struct setting *const mail_settings[];

#endif
