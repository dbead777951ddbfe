/*
 * failure: business outcomes that are no success.
 * Thread rule: the coroutine of the task.
 */
#ifndef FFX_FN_FAILURE_H
#define FFX_FN_FAILURE_H

#include "base/task.h"

/* A business outcome that SQL reports by name, and how it is answered. */
struct fn_outcome {
    const char *name;
    enum err err;
    const char *text;
};
/* ERR_OK when `outcome` is not in the table (ended by a NULL name), else its failure. */
NODISCARD enum err fn_outcome(struct task *task, const struct fn_outcome *table,
                              const char *outcome);

#endif
