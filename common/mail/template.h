/*
 * template: words with places for variables.
 * Thread rule: loop's thread.
 */
#ifndef FFX_MAIL_TEMPLATE_H
#define FFX_MAIL_TEMPLATE_H

#include "base/buf.h"

struct json;

enum mail_escape {
    MAIL_PLAIN,   /* as it is */
    MAIL_HTML,    /* & < > " ' as entities */
    MAIL_SUBJECT, /* controls, line ends among them, become blanks */
};

/* Replace {{name}}, or {{ .name }}, by the member of that name, escaped; an unknown one by nothing. */
void mail_render(struct buf *out, struct str text, const struct json *variables,
                 enum mail_escape escape);

#endif
