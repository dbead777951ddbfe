/* What the parts of nowpayments share: nowpayments.c (calls), nowpayments_list.c,
 * nowpayments_read.c (values). */
#ifndef FFX_NOWPAYMENTS_INTERNAL_H
#define FFX_NOWPAYMENTS_INTERNAL_H

#include "nowpayments/nowpayments.h"

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

/* Text of a string or a number of at most len_max bytes; NULL for null, absent and "". */
NODISCARD enum err np_read_scalar(struct task *task, const struct json *object, const char *field,
                                  size_t len_max, const char **ret);

/* A positive whole number of up to 20 digits, however it is spelled; NULL when absent. */
NODISCARD enum err np_read_id(struct task *task, const struct json *object, const char *field,
                              const char **ret);

/* False while this process has used up its reads of the second. */
bool np_read_allowed(void);

#endif
