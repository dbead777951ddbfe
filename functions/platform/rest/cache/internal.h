/*
 * What the files of cache/ share.  A cache is made in this order:
 *
 *   decode.c     rows to tables, and to keys and the like, which name tables
 *   routines.c   functions and media types, which are tied to their tables
 *   relations.c  what leads from table to table
 *
 * keep.c has the memory of it all, tables.c finds what is in it, hint.c what is nearly in it,
 * load.c keeps it up to date.
 */
#ifndef FFX_REST_CACHE_INTERNAL_H
#define FFX_REST_CACHE_INTERNAL_H

#include "json/tree.h"
#include "rest/cache/cache.h"

/* A cache with what only these files see of it. */
struct cache_whole {
    struct cache cache;
    struct arena *arena; /* it is in there itself */
    size_t type_count;
    const struct cache_table *const *computed_of; /* whose column cache.computed[i] is */
    size_t users;                                 /* load.c's: tasks that read it … */
    bool retired;                                 /* … the last of which frees it */
};

_Static_assert(offsetof(struct cache_whole, cache) == 0, "a cache is the beginning of a whole one");

static inline const struct cache_whole *
cache_whole(const struct cache *c)
{
    return (const struct cache_whole *)(const void *)c;
}

/* ---- names that stand in rows ---- */

/* Kept texts are equal when their pointers are. */
struct named {
    const char *schema, *name;
};

struct key { /* a foreign key */
    const char *constraint;
    struct named from, to;
    const char *const *from_columns, *const *to_columns;
    bool unique;
};

struct shown { /* a view's column, and what it shows */
    struct named base, view;
    const char *base_column, *column;
};

struct call { /* a computed relation */
    struct named from, to, function;
    bool to_one;
};

struct raw_routine {
    struct cache_routine r;
    struct named table, of;
    bool callable;
};

struct raw_handler {
    struct cache_handler h;
    struct named table;
};

/* ---- a cache while it is made ---- */

struct slot;

struct making {
    struct arena *out;  /* the cache's */
    struct arena *work; /* given back when it is made */
    struct arena *row;  /* given back after each row */
    struct cache_whole *whole;
    /* keep.c's */
    struct slot *slots;
    size_t slot_count, kept;
    char *pool;
    size_t pool_room;
    /* of rows, in work; tables and roles are in their place already */
    struct cache_table *tables;
    struct cache_role *roles;
    struct key *keys;
    struct shown *shown;
    struct call *calls;
    struct raw_routine *routines;
    struct raw_handler *handlers;
    size_t table_count, role_count, key_count, shown_count, shown_room, call_count, routine_count,
        handler_count;
    char why[200];
};

/* Always false. */
bool making_fails(struct making *m, const char *format, ...) PRINTF(2, 3);

/* One copy for all who are equal, in `out`. */
const char *keep_text(struct making *m, struct str text);
/* A list ended by NULL, of kept texts. */
const char *const *keep_list(struct making *m, const char *const *items, size_t count);

/* Members of a row; a text or list that is not there is NULL, and fails where it must be. */
NODISCARD bool row_text(struct making *m, const struct json *row, const char *name, bool must,
                        const char **ret);
NODISCARD bool row_list(struct making *m, const struct json *row, const char *name, bool must,
                        const char *const **ret);
NODISCARD bool row_named(struct making *m, const struct json *row, const char *schema,
                         const char *name, bool must, struct named *ret);
int row_number(const struct json *row, const char *name); /* 0: none */

NODISCARD bool read_routine(struct making *m, const struct json *row);
NODISCARD bool read_handler(struct making *m, const struct json *row);
void make_routines(struct making *m);
void make_relations(struct making *m);

/* What is named, as it is in the finished list of tables; NULL: nowhere. */
const struct cache_table *making_table(const struct making *m, struct named name);
int cache_table_order(const void *a, const void *b);

#endif
