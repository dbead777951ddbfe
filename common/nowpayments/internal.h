/*
 * What the files of nowpayments share.
 *
 *   client.c     calls, and how each is made
 *   list.c       the calls that need a login
 *   payment.c    what an answer or callback says
 *   ipn.c        whether a callback is theirs; canonical.c, js_number.c: the texts they sign
 *   settings.c   the settings of all of them
 */
#ifndef FFX_NOWPAYMENTS_INTERNAL_H
#define FFX_NOWPAYMENTS_INTERNAL_H

#include "base/task.h"

struct json;

/* ---- client.c ---- */

struct np_call {
    const char *method;
    const char *path;
    struct str body;
    bool read_only;    /* may be repeated */
    const char *token; /* of np_login, or NULL */
};

/* Send and get the parsed body of a 2xx answer, an object. */
NODISCARD enum err np_do_call(struct task *task, const struct np_call *call, struct str *ret_raw,
                              const struct json **ret);

/* The answer is there but makes no sense: after a create call the thing may exist. */
NODISCARD enum err np_unreadable(struct task *task, const struct np_call *call, const char *why);

/* False while this process has used up its reads of the second. */
bool np_read_allowed(void);

/* ---- payment.c ---- */

/* Text of a string or a number of at most len_max bytes; NULL for null, absent and "". */
NODISCARD enum err np_read_scalar(struct task *task, const struct json *object, const char *field,
                                  size_t len_max, const char **ret);

/* A positive whole number of up to 20 digits, however it is spelled; NULL when absent. */
NODISCARD enum err np_read_id(struct task *task, const struct json *object, const char *field,
                              const char **ret);

#endif
