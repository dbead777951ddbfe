/*
 * begin: the transaction of a request (supabase-contract.md C2): who asks and how is set for it
 * alone, so that nothing of a caller is left on the connection.
 */
#ifndef FFX_REST_BEGIN_H
#define FFX_REST_BEGIN_H

#include "db/script.h"
#include "rest/plan/plan.h"

struct fn_req;

#define BEGIN_STEPS_MAX 2

/* The first steps of its script; how many. */
size_t rest_begin(struct fn_req *req, const struct plan *plan,
                  struct db_step steps[BEGIN_STEPS_MAX]);

#endif
