/*
 * cache: what the exposed schemas have, as it was when it was loaded last.
 *
 * One per process, loaded with one call (platform.rest_schema), reloaded when the database says so
 * (NOTIFY pgrst) or every listening connection was lost; the one of before serves until the new one
 * is whole, and lives until nobody reads it.  Everything in it lives in one block of memory and is
 * never changed.
 *
 * Thread rule: loop's thread.
 */
#ifndef FFX_REST_CACHE_H
#define FFX_REST_CACHE_H

#include "base/arena.h"
#include "base/setting.h"
#include "base/task.h"
#include "rest/rest.h"

extern struct setting cfg_rest_schemas, cfg_rest_extra_path;

/* The exposed schemas, the first of which is the usual one, and where else functions are searched;
 * both ended by NULL too. */
const char *const *cache_schemas(size_t *ret_count);
const char *const *cache_extra_path(size_t *ret_count);

struct cache_column {
    const char *name;
    const char *type;               /* as format_type writes it, schema and length included */
    const char *bare_type;          /* without length and precision, for the OpenAPI document */
    const char *default_expr;       /* NULL: none */
    const char *description;        /* NULL: none */
    const char *const *enum_values; /* ended by NULL; NULL: no enum */
    int max_length;                 /* of varchar(n), char(n); 0: none */
    bool nullable;
    bool generated_always; /* or identity always: cannot be written */
    bool is_json;          /* json or jsonb, also behind a domain */
    bool is_tsvector;
    bool unique;        /* a key by itself, of a table */
    int pk_position;    /* from 1; 0: not in the primary key */
    const char *reader; /* schema.function that shows a sealed column; NULL: not sealed */
    const char *row_id; /* reader(this column, name, value); NULL where reader is */
};

enum cache_cardinality {
    CACHE_M2O,
    CACHE_O2M,
    CACHE_O2O_PARENT,
    CACHE_O2O_CHILD,
    CACHE_M2M,
    CACHE_COMPUTED
};

struct cache_table;

/* From one table to another.  Each foreign key is two of them, one from each side. */
struct cache_relation {
    enum cache_cardinality kind; /* O2O_PARENT: the key is the other side's */
    const struct cache_table *from, *to;
    const char *constraint; /* of M2M the first of two; of COMPUTED the function's name */
    const char *const *from_columns, *const *to_columns; /* pairs, ended by NULL */
    bool is_self;
    /* M2M */
    const struct cache_table *junction;
    const char *constraint2;
    const char *const *junction_from, *const
                                          *junction_to; /* the junction's columns for each side */
    /* COMPUTED */
    const char *function_schema;
    bool to_one; /* no SETOF, or ROWS 1 */
};

struct cache_table {
    const char *schema, *name;
    const char *description; /* NULL: none */
    const struct cache_column *columns;
    size_t column_count;
    const char *const *pk; /* column names in order of the key; ended by NULL, never NULL itself */
    bool is_view, insertable, updatable, deletable;
    bool exposed; /* in an exposed schema; others are here because relations lead through them */
    bool has_sealed;
    const struct cache_relation *relations; /* that begin here */
    size_t relation_count;
};

struct cache_argument {
    const char *name; /* "" of an unnamed one */
    const char *type; /* as format_type writes it */
    bool required, variadic;
};

enum cache_returns { CACHE_SCALAR, CACHE_COMPOSITE, CACHE_TABLE_OF_OUT /* OUT or TABLE columns */ };
enum cache_volatility { CACHE_IMMUTABLE, CACHE_STABLE, CACHE_VOLATILE };

struct cache_routine {
    const char *schema, *name;
    const char *description; /* NULL: none */
    const struct cache_argument *arguments;
    size_t argument_count;
    enum cache_returns returns;
    bool is_set, is_void, is_bytes;
    const char *return_type;         /* format_type; of composite its name */
    const char *return_domain;       /* of a domain its plain name (a media type, perhaps); NULL */
    const struct cache_table *table; /* the table of the row type; NULL */
    enum cache_volatility volatility;
    const char *const *settings; /* hoisted: name, value, name, value …, ended by NULL */
    const char *isolation;       /* default_transaction_isolation; NULL: none */
};

/* A setting of a role, to be made for each transaction under it. */
struct cache_role {
    const char *name;
    const char *const *settings; /* name, value …, ended by NULL */
    const char *isolation;       /* default_transaction_isolation; NULL: none */
    bool sees_all;               /* no row level security holds for it */
};

/* A domain that is a media type with an aggregate which makes it. */
struct cache_handler {
    const char *media;                           /* "text/csv" or what the domain is called */
    const char *function_schema, *function_name; /* the aggregate */
    const struct cache_table *table;             /* whose rows it takes; NULL: anything */
    bool is_bytes;                               /* bytea and no text */
};

struct cache {
    const struct cache_table *tables; /* sorted by schema and name */
    size_t table_count;
    const struct cache_routine *routines; /* sorted by schema, name, number of arguments */
    size_t routine_count;
    const struct cache_role *roles;
    size_t role_count;
    const struct cache_handler *handlers;
    size_t handler_count;
    const char *const *types;     /* names that to_regtype knows of pg_catalog, exposed schemas and
                                   * extra path, in small letters, sorted, ended by NULL */
    const char *const *timezones; /* sorted, ended by NULL; NULL: not loaded */
    const char *description;      /* comment of the first schema; NULL */
    /* One-argument functions of a row type that may stand in select, filter and order: "computed
     * columns"; sorted by table and name. */
    const struct cache_routine *const *computed;
    size_t computed_count;
    size_t bytes; /* of all of it */
};

/* Load it if there is none.  ERR_UNAVAILABLE while there was never one and the database is away.
 * *ret stays until the task's arena is released. */
NODISCARD enum err cache_get(struct task *task, const struct cache **ret);

/* In a worker's start: listen for reloads. */
void cache_start(void);

/* Read the rows that platform.rest_schema returned: kind and JSON in text form, `count` pairs.
 * NULL, with *why in the arena, when they are not what is expected. For cache_get and tests. */
struct cache *cache_decode(struct arena *a, const char *const *rows, size_t count,
                           const char **why);
void cache_free(struct cache *c);

/* ---- looking things up ---- */

const struct cache_table *cache_table(const struct cache *c, struct str schema, struct str name);
const struct cache_column *cache_column(const struct cache_table *t, struct str name);
/* The first routine of this name; *ret_count of them follow each other. */
const struct cache_routine *cache_routines(const struct cache *c, struct str schema,
                                           struct str name, size_t *ret_count);
/* A function's argument of this name; NULL: it has none. */
const struct cache_argument *cache_argument(const struct cache_routine *f, struct str name);
/* May this stand where a column stands: f(row of t)?  NULL: no. */
const struct cache_routine *cache_computed(const struct cache *c, const struct cache_table *t,
                                           struct str name);
const struct cache_role *cache_role(const struct cache *c, const char *name);
/* May this name stand in a cast?  In whatever case it is written. */
bool cache_knows_type(const struct cache *c, struct str name);

/* ---- hints: what may have been meant (rest-contract.md 2.5 "Nearest") ---- */

/* PGRST205: a table of this schema; NULL. */
const char *cache_near_table(struct arena *a, const struct cache *c, struct str schema,
                             struct str name);
/* PGRST200: as its hint says it ("Perhaps you meant 'orders' instead of 'order'."); NULL. */
const char *cache_near_relation(struct arena *a, const struct cache *c, struct str schema,
                                struct str parent, struct str child);
/* PGRST202: "s.f" or, when the name is right, "s.f(a, b)"; NULL. `arguments` sorted, ended by NULL
 */
const char *cache_near_routine(struct arena *a, const struct cache *c, struct str schema,
                               struct str name, const char *const *arguments);

#endif
