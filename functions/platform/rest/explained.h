/*
 * explained: what EXPLAIN (FORMAT JSON) says, of which only kinds, names and numbers are taken. Its
 * other members (filters, conditions) have values of callers in them.
 *
 * It is PostgreSQL's own text, and as deep as a plan: read from one end to the other, without a
 * tree.
 */
#ifndef FFX_REST_EXPLAINED_H
#define FFX_REST_EXPLAINED_H

#include "base/buf.h"

/* How many rows the whole is expected to have; 0: it does not say. */
int64_t explained_rows(struct str json);

/* Each step with what it reads and its expected rows, those below it in parentheses:
 * "Aggregate ~1 (Index Scan using orders_pkey on orders ~3, CTE Scan on x ~1)"; of a large plan the
 * first 1.5 KB. */
void explained_steps(struct str json, struct buf *ret);

#endif
