/*
 * mime: a message as it goes over the wire (RFC 5322, RFC 2045 to 2047).
 * Any thread may call.
 */
#ifndef FFX_MAIL_MIME_H
#define FFX_MAIL_MIME_H

#include "base/buf.h"
#include "mail/message.h"

/* The whole message: headers, text and HTML as multipart/alternative in base64.  reply_to may be
 * NULL. */
void mail_build(struct buf *out, const struct mail_message *m, const struct mail_sender *from,
                const struct mail_sender *reply_to);

#endif
