/*
 * What the files of sql share.
 *
 *   text.c    identifiers, parameters, columns with their paths
 *   filter.c  conditions
 *   select.c  levels: what they show, where from, joined to what
 *   write.c   inserts, updates, deletes
 *   call.c    functions
 *   around.c  the whole statement: sources, counts, body
 */
#ifndef FFX_REST_SQL_INTERNAL_H
#define FFX_REST_SQL_INTERNAL_H

#include "base/buf.h"
#include "rest/sql/sql.h"

struct sql {
    struct arena *a;
    const struct plan *plan;
    struct buf text;
    const char **params;
    size_t count, room;
    /* The root's rows come out of pgrst_source: what it shows is there under its name. */
    bool from_source;
    bool estimates; /* for EXPLAIN: nothing is there yet */
};

void put(struct sql *s, const char *text);
void put_f(struct sql *s, const char *format, ...) PRINTF(2, 3);
void put_name(struct sql *s, struct str name); /* quoted */
void put_names(struct sql *s, const char *schema, const char *name);
void put_value(struct sql *s, struct str value); /* $n, whose type PostgreSQL finds out */
/* What the rows of a level are called. */
void put_level(struct sql *s, const struct plan_level *level);
/* What a sealed column's reader makes of it. */
void put_sealed(struct sql *s, const struct plan_level *level, const struct cache_column *c);
void put_path(struct sql *s, const struct rest_step *path); /* behind what it leads into */
/* A column of a level with its path, or a function of its rows in a column's place. */
void put_field(struct sql *s, const struct plan_level *level, struct str name,
               const struct rest_step *path);

/* Conditions that all hold, joined by AND behind `before` (" WHERE "); nothing when there are none.
 */
void put_conditions(struct sql *s, const struct plan_level *level,
                    const struct rest_condition *conditions, const char *before);

void put_group(struct sql *s, const struct plan_level *level);
void put_order(struct sql *s, const struct plan_level *level);
void put_limit(struct sql *s, const struct plan_level *level);
/* A level's select list, with what it shows of the levels below. */
void put_items(struct sql *s, const struct plan_level *level);
/* Joins to the levels below; only those that decide whether a row counts, when `deciding`. */
void put_joins(struct sql *s, const struct plan_level *level, bool deciding);

void put_write(struct sql *s);
void put_call(struct sql *s);

#endif
