/*
 * run: a statement, as somebody, in a transaction of its own.
 */
#ifndef FFX_REST_RUN_H
#define FFX_REST_RUN_H

#include "db/stream.h"
#include "rest/answer/answer.h"

extern struct setting *const rest_own_settings[];
extern struct setting cfg_rest_max_rows, cfg_rest_aggregates, cfg_rest_pre_request, cfg_rest_tx,
    cfg_rest_openapi, cfg_rest_plan, cfg_rest_slow, cfg_rest_rate, cfg_rest_target_names;

/* The same for what is streamed: the first row has come, the others are `rows`. */
NODISCARD bool rest_run_stream(struct fn_req *req, struct fn_res *res, const struct plan *plan,
                               const struct sql_statement *statement, struct answer_result *ret,
                               struct db_stream **rows, struct rest_error *e, enum err *ret_err);

/* Send them on, behind the headers that are set. */
NODISCARD enum err rest_send_rows(struct fn_req *req, struct fn_res *res, const struct plan *plan,
                                  struct db_stream *rows);

/* One round trip: role, claims and settings, the statement, and what comes of it.  False: *e says
 * why the database refused, or *ret_err why it was not asked (no connection, no time). */
NODISCARD bool rest_run(struct fn_req *req, struct fn_res *res, const struct plan *plan,
                        const struct sql_statement *statement, struct answer_result *ret,
                        struct rest_error *e, enum err *ret_err);

#endif
