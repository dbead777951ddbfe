/*
 * read: what a request says, before anybody looks whether there is such a thing.
 *
 * Only text is read here: method, path, headers, query string, and of the body its keys. Everything
 * lives in the request's arena; lists are in the order in which things were sent.  Sources: the
 * original's ApiRequest and QueryParams; grammar in rest-contract.md 2.2 and 2.3.
 *
 * Any thread may call; nothing here waits.
 */
#ifndef FFX_REST_READ_H
#define FFX_REST_READ_H

#include "base/arena.h"
#include "net/request.h"
#include "rest/rest.h"

enum rest_method {
    REST_GET,
    REST_HEAD,
    REST_POST,
    REST_PATCH,
    REST_PUT,
    REST_DELETE,
    REST_OPTIONS
};

enum rest_target { REST_ROOT, REST_TABLE, REST_CALL };

/* ---- names and values ---- */

struct rest_names {
    struct str name;
    struct rest_names *next;
};

/* ->key, ->>key, ->0 */
struct rest_step {
    struct str key; /* as written; of an index with its sign */
    bool is_index, as_text;
    struct rest_step *next;
};

struct rest_field {
    struct str name;
    struct rest_step *path; /* NULL: none */
};

/* ---- select ---- */

enum rest_item_kind { REST_STAR, REST_COLUMN, REST_COUNT, REST_EMBED };
enum rest_join { REST_JOIN_USUAL, REST_JOIN_INNER, REST_JOIN_LEFT };

struct rest_item {
    enum rest_item_kind kind;
    struct str alias;                        /* len 0: none */
    struct rest_field field;                 /* REST_COLUMN */
    struct str cast, aggregate, result_cast; /* len 0: none; aggregate: sum avg count max min.  Of
                                              * COUNT only result_cast */
    /* REST_EMBED */
    struct str relation, hint; /* hint len 0: none */
    enum rest_join join;
    bool spread;
    struct rest_item *items; /* NULL: "rel()", which shows nothing */
    struct rest_item *next;
};

/* ---- filters ---- */

enum rest_op {
    REST_EQ,
    REST_NEQ,
    REST_GT,
    REST_GTE,
    REST_LT,
    REST_LTE,
    REST_LIKE,
    REST_ILIKE,
    REST_MATCH,
    REST_IMATCH,
    REST_IN,
    REST_IS,
    REST_ISDISTINCT,
    REST_FTS,
    REST_PLFTS,
    REST_PHFTS,
    REST_WFTS,
    REST_CS,
    REST_CD,
    REST_OV,
    REST_SL,
    REST_SR,
    REST_NXR,
    REST_NXL,
    REST_ADJ
};

enum rest_quantifier { REST_PLAIN, REST_ANY, REST_ALL };
enum rest_is { REST_IS_NULL, REST_IS_NOT_NULL, REST_IS_TRUE, REST_IS_FALSE, REST_IS_UNKNOWN };

struct rest_filter {
    struct rest_field field;
    bool negated;
    enum rest_op op;
    enum rest_quantifier quantifier;
    enum rest_is is;     /* REST_IS */
    struct str language; /* of full-text search; len 0: none */
    struct str value;    /* with "*" of like already "%"; of REST_IN the text of an array
                          * ({"a","b"}), every element quoted; of any/all the array as it was sent */
};

enum rest_condition_kind { REST_FILTER, REST_AND, REST_OR };

struct rest_condition {
    enum rest_condition_kind kind;
    bool negated;                  /* REST_AND, REST_OR */
    struct rest_filter filter;     /* REST_FILTER */
    struct rest_condition *inside; /* REST_AND, REST_OR */
    struct rest_condition *next;
};

enum rest_direction { REST_DIRECTION_USUAL, REST_ASC, REST_DESC };
enum rest_nulls { REST_NULLS_USUAL, REST_NULLS_FIRST, REST_NULLS_LAST };

struct rest_order {
    struct str relation; /* len 0: a column of the table itself */
    struct rest_field field;
    enum rest_direction direction;
    enum rest_nulls nulls;
    struct rest_order *next;
};

/* What the query string says about the table (no path) or about what is embedded in it: a.b.  One
 * for each path that occurs; the table's own is the first, and always there. */
struct rest_place {
    struct rest_names *path;      /* NULL: the table itself */
    struct rest_condition *where; /* all of them hold */
    struct rest_order *order;
    bool has_limit, has_offset; /* of the table: together with the header Range */
    int64_t limit, offset;      /* not negative */
    struct rest_place *next;
};

/* ---- preferences ---- */

enum rest_return { REST_RETURN_NONE, REST_RETURN_MINIMAL, REST_RETURN_HEADERS, REST_RETURN_ROWS };
enum rest_resolution { REST_RESOLUTION_NONE, REST_MERGE, REST_IGNORE };
enum rest_count { REST_COUNT_NONE, REST_COUNT_EXACT, REST_COUNT_PLANNED, REST_COUNT_ESTIMATED };
enum rest_handling { REST_HANDLING_NONE, REST_LENIENT, REST_STRICT };
enum rest_tx { REST_TX_NONE, REST_TX_COMMIT, REST_TX_ROLLBACK };

struct rest_prefer {
    enum rest_return returns;
    enum rest_resolution resolution;
    enum rest_count count;
    enum rest_handling handling;
    enum rest_tx tx;
    bool missing_default, missing_null; /* as it was said */
    bool has_max_affected;
    int64_t max_affected;
    struct str timezone;        /* len 0: none */
    struct rest_names *unknown; /* for strict handling, as sent */
};

/* ---- media types ---- */

enum rest_media {
    REST_ANY_TYPE,      /* any */
    REST_JSON,          /* application/json, and application/vnd.pgrst.array+json */
    REST_JSON_STRIPPED, /* application/vnd.pgrst.array+json;nulls=stripped */
    REST_OBJECT,        /* application/vnd.pgrst.object+json */
    REST_OBJECT_STRIPPED,
    REST_CSV,
    REST_OPENAPI, /* application/openapi+json */
    REST_PLAN,    /* application/vnd.pgrst.plan… */
    REST_OTHER,   /* geo+json, octet-stream, text/plain, … by its name */
};

struct rest_accept {
    enum rest_media media;
    struct str name; /* type/subtype without parameters, in lower case */
    struct str text; /* as it was sent, without q */
    /* REST_PLAN */
    bool plan_json;
    struct str plan_for;             /* the type for which; application/json unless said */
    struct rest_names *plan_options; /* analyze verbose settings buffers wal */
    struct rest_accept *next; /* the best first: by q, more parameters and fewer stars, order */
};

enum rest_body {
    REST_BODY_NONE,
    REST_BODY_JSON,
    REST_BODY_CSV,
    REST_BODY_FORM,
    REST_BODY_TEXT,
    REST_BODY_XML,
    REST_BODY_BYTES,
    REST_BODY_OTHER
};

/* An argument of a call by GET or by a form. */
struct rest_argument {
    struct str name, value;
    struct rest_argument *next;
};

/* ---- the request ---- */

struct rest_request {
    enum rest_method method;
    enum rest_target target;
    struct str name;   /* of table or function, decoded */
    struct str schema; /* which of those that are exposed */
    bool schema_said;  /* a profile was sent, or there are several */

    struct rest_item *select; /* never NULL: "*" */
    bool has_select;
    struct rest_place *places;
    struct rest_names *on_conflict; /* NULL: none */
    bool has_columns;
    struct rest_names *columns; /* that are written: of the parameter, else the body's keys;
                                 * sorted, each once */
    struct rest_argument *arguments;

    struct rest_prefer prefer;
    struct rest_accept *accept; /* never NULL */

    enum rest_body body_type;
    struct str content_type; /* without parameters, in lower case; len 0: none was sent */
    struct str body;         /* as it goes to PostgreSQL: CSV and forms as JSON */
    bool body_is_array;      /* of JSON: an array (or CSV) */
    bool body_is_empty;      /* of JSON: [] or an array without objects, {} or nothing */

    /* Canonical query, keys sorted, re-encoded: what Content-Location says behind "?"; len 0. */
    struct str canonical_query;
};

/* The exposed schemas, and what a body may have. */
struct rest_reading {
    const char *const *schemas; /* the first is the usual one */
    size_t schema_count;
    bool tx_allowed; /* Prefer: tx=… counts (db-tx-end) */
    bool rootless;   /* nothing is told at the root: 126 */
};

/* All that can be said before the schema is looked at, in the original's order of checks
 * (rest-contract.md 2.1: path 125 and 126, profile 106, method 101 and 117, query string 100,
 * ranges 103 and 114, body 102).  False: *e says why. */
NODISCARD bool rest_read(struct arena *a, const struct net_request *http,
                         const struct rest_reading *how, struct rest_request *ret,
                         struct rest_error *e);

#endif
