/*
 * answer: statuses, headers, bodies; how a failure of the database is told.
 * Thread rule: the coroutine of the request.
 */
#ifndef FFX_REST_ANSWER_H
#define FFX_REST_ANSWER_H

#include "db/failure.h"
#include "fn/answer.h"
#include "rest/sql/sql.h"

/* What came of a statement. */
struct answer_result {
    bool has_total;
    int64_t total;        /* rows there are */
    int64_t page;         /* in the body, or affected */
    int64_t inserted;     /* of an upsert; -1: not one */
    struct str body;      /* ptr NULL: none */
    const char *headers;  /* response.headers; NULL: none */
    const char *status;   /* response.status; NULL: none */
    const char *location; /* JSON array of the key's texts; NULL: none */
};

/* Status, headers and body of what went well.  False: *e says what is wrong after all (ranges that
 * cannot be, GUCs that are none). */
NODISCARD bool answer_write(struct fn_req *req, struct fn_res *res, const struct plan *plan,
                            const struct answer_result *result, struct rest_error *e);

/* OPTIONS: what the table or function allows, whatever the caller may (rest-contract.md 1.11);
 * `plan` NULL: the root. */
void answer_options(struct fn_req *req, struct fn_res *res, const struct plan *plan);

/* GET and HEAD of the root: the OpenAPI document of the request's schema.  False: Accept wants
 * something else. */
NODISCARD bool answer_openapi(struct fn_req *req, struct fn_res *res,
                              const struct rest_request *request, const struct cache *cache,
                              struct rest_error *e);

/* The runtime's own failures in the original's words: tokens above all (2.9). */
void answer_refusal(struct fn_req *req, struct fn_res *res, enum err e);

/* The four members, and Proxy-Status. */
void answer_error(struct fn_req *req, struct fn_res *res, const struct rest_error *e);

/* What the server said of a statement, as the original tells it; `role` is who asked.  Headers that
 * a RAISE sets go to *res. */
void answer_failure(struct fn_req *req, struct fn_res *res, const struct db_failure *f,
                    const char *role, struct rest_error *e);

#endif
