/*
 * failure: business outcomes that are no success, and how a failure looks on the wire.
 *
 * The status is that of the error's row in base/err.h, the text fail_text's, the code that of
 * fail_code or, where it has none, the usual one of the shape.  A spec names its shape; the
 * runtime adds Allow, Retry-After and WWW-Authenticate, whatever the shape.
 * Thread rule: the coroutine of the task.
 */
#ifndef FFX_FN_FAILURE_H
#define FFX_FN_FAILURE_H

#include "base/task.h"

struct fn_req;
struct fn_res;

/* A business outcome that SQL reports by name, and how it is answered. */
struct fn_outcome {
    const char *name;
    enum err err;
    const char *text;
};
/* ERR_OK when `outcome` is not in the table (ended by a NULL name), else its failure. */
NODISCARD enum err fn_outcome(struct task *task, const struct fn_outcome *table,
                              const char *outcome);

/* {"success": false, "error": "text"} */
void fn_failure_shop(struct fn_req *req, struct fn_res *res, enum err e);

/* GoTrue: {"code": 400, "error_code": "word", "msg": "text"}, and for who asks by
 * X-Supabase-Api-Version 2024-01-01 or later {"code": "word", "message": "text"}. */
void fn_failure_auth(struct fn_req *req, struct fn_res *res, enum err e);

/* The same for a refusal whose status and code are GoTrue's own; `reasons` (a JSON array) is what
 * is weak in a password, or NULL. */
void fn_refuse_auth(struct fn_req *req, struct fn_res *res, int status, const char *code,
                    const char *text, const char *reasons);

/* PostgREST: {"code", "details", "hint", "message"} */
void fn_failure_rest(struct fn_req *req, struct fn_res *res, enum err e);

/* Storage: {"statusCode": "404", "error", "message", "code"}; every 4xx is sent as 400, as the
 * original does. */
void fn_failure_storage(struct fn_req *req, struct fn_res *res, enum err e);

#endif
