/*
 * sql: the statement of a plan.
 *
 * PostgreSQL makes the JSON.  Whatever a client wrote is a bound parameter or a quoted identifier;
 * identifiers are those of the cache or of the plan, and casts are quoted type names.
 */
#ifndef FFX_REST_SQL_H
#define FFX_REST_SQL_H

#include "base/buf.h"
#include "rest/plan/plan.h"

/* Columns of the one row that a statement returns. */
enum sql_column {
    SQL_TOTAL,    /* rows there are, when that was asked for; else NULL */
    SQL_PAGE,     /* rows in the body, or affected */
    SQL_HEADERS,  /* what functions set as response.headers, or NULL */
    SQL_STATUS,   /* and as response.status */
    SQL_BODY,     /* NULL: none */
    SQL_LOCATION, /* of a new row: its key, a JSON array of texts; else NULL */
    SQL_INSERTED, /* of an upsert: how many were new; else NULL */
};

struct sql_statement {
    const char *text; /* of plan->explain: EXPLAIN, whose rows are lines */
    const char *const *params;
    size_t param_count;
    /* EXPLAIN of what is counted, when a plan's estimate is asked for; NULL: not. */
    struct sql_statement *estimate;
};

/* A name as an identifier, whatever is in it. */
void sql_quote(struct buf *b, struct str name);

/* The statement of a plan, in the arena.  `max_rows` as in plan_limits, for estimates.  False: it
 * would be too long. */
NODISCARD bool sql_make(struct arena *a, const struct plan *plan, int64_t max_rows,
                        struct sql_statement *ret, struct rest_error *e);

#endif
