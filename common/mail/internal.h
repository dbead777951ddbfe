/*
 * What the files of mail share.
 *
 *   message.c   what a mail is, and its checks
 *   template.c  words with variables
 *   mime.c      a message as bytes
 *   send.c      from whom, and by which way: resend.c, smtp.c, or only into the log
 */
#ifndef FFX_MAIL_INTERNAL_H
#define FFX_MAIL_INTERNAL_H

#include "base/setting.h"
#include "base/task.h"
#include "mail/message.h"

#define MAIL_TIMEOUT_MS 20000
#define MAIL_BYTES_MAX  ((size_t)4 * 1024 * 1024) /* of one message */

/* Who sends, and who gets the answers. */
struct mail_senders {
    struct mail_sender from, reply_to;
    bool answered; /* reply_to is one */
};

/* ---- resend.c, smtp.c: as mail_send, of a message that was checked ---- */

NODISCARD enum err mail_send_resend(struct task *task, const struct mail_message *m,
                                    const struct mail_senders *by, const char **ret_id);
NODISCARD enum err mail_send_smtp(struct task *task, const struct mail_message *m,
                                  const struct mail_senders *by, const char **ret_id);

extern struct setting cfg_resend_api_key, cfg_resend_api_url;
extern struct setting cfg_smtp_host, cfg_smtp_port, cfg_smtp_user, cfg_smtp_pass;

#endif
