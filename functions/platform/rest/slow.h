/*
 * slow: a statement that took long is told in the log: what was asked for, how long it took, and
 * how PostgreSQL goes about it.
 *
 * Nothing that callers know stands there: of a query string the names of its parameters, of a plan
 * its steps and what they read.  A shape (method, path, names) is told once in a while, and lines
 * are rare however many shapes there are.
 *
 * Thread rule: loop's thread, inside a coroutine.
 */
#ifndef FFX_REST_SLOW_H
#define FFX_REST_SLOW_H

#include "rest/sql/sql.h"

struct fn_req;

/* The server had this statement for so long, whatever came of it.  The plan is asked for as the
 * caller, who sees what the policies let pass; nothing is run, and the task is as it was. */
void slow_note(struct fn_req *req, const struct plan *plan, const struct sql_statement *statement,
               int64_t took_ms);

/* ---- for tests ---- */

/* Is there to be a line about this shape now?  Then *ret_others is how many statements had none
 * since the last one. */
NODISCARD bool slow_is_due(struct str shape, int64_t now_ms, int64_t *ret_others);
/* The names of a query string, with commas between, each up to a path into JSON. */
void slow_names(struct str query, struct buf *ret);

#endif
