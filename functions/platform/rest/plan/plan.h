/*
 * plan: what is asked for, in terms of what there is.
 *
 * The select list becomes a tree of levels, one for the table or function and one for everything
 * that is embedded; every name in it is one that the cache knows, or an error.  Lives in the
 * request's arena and points into the request and the cache.
 */
#ifndef FFX_REST_PLAN_H
#define FFX_REST_PLAN_H

#include "rest/cache/cache.h"
#include "rest/read/read.h"

struct plan_level;

/* One member of what a level shows, in order. */
struct plan_item {
    const struct cache_column *column;    /* NULL: computed, count(), or an embed */
    const struct cache_routine *computed; /* NULL: none */
    bool whole;                           /* "t".*: all columns, none of which is sealed */
    bool counts;                          /* count(), or the plain word "count" */
    struct str name;                      /* of column or computed column */
    struct rest_step *path;
    struct str cast, aggregate, result_cast;
    struct str shown;         /* the member's name; len 0: as PostgreSQL calls it */
    struct plan_level *embed; /* shown here; NULL: none */
    struct plan_item *next;
};

/* A table, or the rows of a function, with its share of the query string. */
struct plan_level {
    const struct cache_table *table;       /* NULL: a function's rows of no table */
    const struct rest_item *asked;         /* NULL: the root */
    struct str name;                       /* in select: alias or relation */
    bool by_relation;                      /* it has an alias, and a place does not use it */
    int number;                            /* of the embed, from 1; 0: the root */
    const struct cache_relation *relation; /* from the level above; NULL: the root */
    bool inner, spread, to_one;
    struct plan_item *items;        /* NULL: shows nothing */
    bool grouped;                   /* something is aggregated */
    bool hoists;                    /* by the level above, into which it is spread */
    const struct rest_place *place; /* NULL: nothing was said about it */
    bool has_limit;
    int64_t limit, offset;
    struct plan_level *above;
    struct plan_level *embeds; /* those right below, in order */
    struct plan_level *next;
};

/* An answer's form. */
enum plan_form {
    PLAN_ARRAY,  /* JSON, all rows */
    PLAN_OBJECT, /* JSON, the only row */
    PLAN_VALUE,  /* JSON of what a function returns, no rows */
    PLAN_CSV,
    PLAN_GEO, /* a FeatureCollection, which PostGIS makes */
    PLAN_RAW, /* what a function's media-type domain or a handler returns, as it is */
};

struct plan {
    const struct rest_request *request;
    const struct cache *cache;
    struct plan_level root;
    const struct cache_routine *routine; /* of a call */
    bool single_argument;                /* the body is the one unnamed argument */
    enum plan_form form;
    bool stripped;                       /* without nulls */
    bool shows_rows;                     /* a body is answered */
    bool may_stream;                     /* it can be sent row by row … */
    bool streams;                        /* … and is, behind a first one with the counts */
    const struct cache_handler *handler; /* of PLAN_RAW: what makes it of rows; NULL: a function */
    bool is_bytes;                       /* of PLAN_RAW: bytea, which goes through SQL as hex */
    const char *media;                   /* Content-Type */
    const struct rest_accept *explain;   /* not the answer, but how it is found; NULL: the answer */
    bool writes;                         /* the transaction may change something */
    bool reveals;                        /* sealed columns are shown */
    enum rest_count count;               /* how rows are counted: as is asked for, or exactly */
    int levels;                          /* embeds there are */
    bool merges, ignores;                /* an upsert */
    const char *const *conflict;         /* its columns, ended by NULL */
};

struct plan_limits {
    int64_t max_rows; /* of each level; 0: none */
    bool aggregates;
    bool explains;  /* execution plans are told */
    bool estimates; /* numbers of rows are told as the planner guesses them: it knows of rows that
                     * the policies hide, and how frequent which value is among them */
    bool target_names; /* a place may name the relation of what has an alias */
};

/* The table or function alone, for OPTIONS: 205, 202, 203. */
NODISCARD bool plan_target(struct arena *a, const struct rest_request *request,
                           const struct cache *cache, struct plan *ret, struct rest_error *e);

/* After cache_get, in the original's order of checks from 205 on. */
NODISCARD bool plan_make(struct arena *a, const struct rest_request *request,
                         const struct cache *cache, const struct plan_limits *limits,
                         struct plan *ret, struct rest_error *e);

/* 107: nothing of Accept can be answered.  Always false. */
bool plan_refuse_form(struct arena *a, const struct rest_request *request, struct rest_error *e);

/* A function that returns values, not rows. */
bool plan_is_scalar(const struct plan *plan);

/* What shows this column of a level as it is; NULL: nothing. */
const struct plan_item *plan_shown(const struct plan_level *level, struct str name);

/* The level of this name right below; NULL: none. */
struct plan_level *plan_below(const struct plan_level *level, struct str name);

/*
 * The level below that `orders=is.null` asks for: is there no row of it?  NULL: the filter is one
 * of a column.  What has an alias is asked for by that alone, for its own name may be the key's
 * column.
 */
const struct plan_level *plan_asked_embed(const struct plan *plan, const struct plan_level *level,
                                          const struct rest_filter *f);

#endif
