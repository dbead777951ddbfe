/*
 * What the files of read share.
 *
 *   request.c  rest_read: the order of the checks; method, path, profile, ranges
 *   query.c    the query string: its pairs, which of them mean what, the canonical one
 *   text.c     reading a parameter character by character; why it cannot be read, and where
 *   name.c     names, paths into JSON, quoted text
 *   select.c   select
 *   filter.c   operators and their values
 *   logic.c    and, or, not
 *   order.c    order, columns, on_conflict
 *   prefer.c   Prefer
 *   media.c    Accept, Content-Type
 *   body.c     what a body is, and which columns it writes
 *   scan.c     JSON: is it, and which keys has it
 *   csv.c      CSV as JSON
 */
#ifndef FFX_REST_READ_INTERNAL_H
#define FFX_REST_READ_INTERNAL_H

#include "base/buf.h"
#include "rest/read/read.h"

/* Longest JSON that a form or CSV becomes: it is held beside the body. */
#define REST_BODY_MADE_MAX ((size_t)28 * 1024 * 1024)

/* rest_fail with a client's text in the message, however long it is. */
bool rest_fail_about(struct arena *a, struct rest_error *e, int status, const char *code,
                     const char *before, struct str text, const char *after);

/* ---- reading text ---- */

/* The original reads with Parsec, and its answers tell what Parsec saw: how far the longest attempt
 * came, which character stopped it, and what every attempt that ended there would have liked to
 * see.  So a parameter is read here with the same bookkeeping: a piece that is not there is noted,
 * and taking a character forgets all that was noted before. */

#define REST_DEPTH_MAX    32 /* of select and of and/or */
#define REST_EXPECTED_MAX 12

struct rest_expected {
    const char *text;
    bool quoted; /* a piece of text, not the name of something */
};

struct rest_fault {
    bool any;
    size_t at;
    size_t found;    /* where the character is that was not expected; the text's end */
    size_t surprise; /* the same for one that must not come; SIZE_MAX: none */
    size_t count;
    struct rest_expected expected[REST_EXPECTED_MAX];
};

struct rest_reader {
    struct arena *a;
    struct rest_error *e;
    const char *what; /* "filter", "order", … */
    struct str shown; /* in the message */
    struct str text;  /* what is read: UTF-8 without NUL */
    size_t at;
    int depth;
    bool too_deep;
    struct rest_fault fault;
};

struct rest_reader reader_of(struct arena *a, struct rest_error *e, const char *what,
                             struct str text);
/* The byte at the reader's position; -1 at the end. */
int reader_peek(const struct rest_reader *r);
/* Goes on behind `len` bytes: what was not there before does not matter any more. */
void reader_take(struct rest_reader *r, size_t len);
/* Not there: what was expected at `at`, which the character at `found` is not. */
void reader_note(struct rest_reader *r, size_t at, size_t found, struct rest_expected expected);
/* A character that must not come, with the position that the message names. */
void reader_note_surprise(struct rest_reader *r, size_t at, size_t found);
/* An attempt came to nothing: back to `start`.  `before` is what was noted until the attempt began,
 * and afterwards includes what it noted. */
void reader_retry(struct rest_reader *r, size_t start, struct rest_fault *before);
/* Whatever was noted counts as this one thing. */
void reader_relabel(struct rest_reader *r, const char *label);
/* Takes `token`, or notes that it is not there. */
bool reader_token(struct rest_reader *r, const char *token);
/* Notes unless `token` is next. */
bool reader_sees(struct rest_reader *r, const char *token);
bool reader_end(struct rest_reader *r);
bool reader_delimiter(struct rest_reader *r);
void reader_blanks(struct rest_reader *r);
/* One level deeper; false when that is too deep.  The caller takes it back. */
bool reader_enter(struct rest_reader *r);
/* PGRST100 with what was noted.  Returns false. */
bool reader_fail(struct rest_reader *r);

/* ---- names ---- */

/* A name, quoted or not. */
bool reader_name(struct rest_reader *r, struct str *ret);
/* Letters, digits, _, $ and blanks: types, languages. */
bool reader_identifier(struct rest_reader *r, struct str *ret);
bool reader_quoted(struct rest_reader *r, struct str *ret);
/* A name and perhaps a path into JSON; blanks around. */
bool reader_field(struct rest_reader *r, struct rest_field *ret);
/* a.b.column->path: everything before the last name is `ret_path`. */
bool reader_tree_path(struct rest_reader *r, struct rest_names **ret_path, struct rest_field *ret);

/* ---- parameters ---- */

NODISCARD bool rest_select(struct arena *a, struct str text, struct rest_item **ret,
                           struct rest_error *e);
NODISCARD bool rest_order_read(struct arena *a, struct str text, struct rest_order **ret,
                               struct rest_error *e);
/* "columns" or "on_conflict": names, in the order in which they were sent. */
NODISCARD bool rest_names_read(struct arena *a, const char *what, struct str text,
                               struct rest_names **ret, struct rest_error *e);
/* Sorted, each once. */
struct rest_names *rest_names_sort(struct arena *a, struct rest_names *names);

/* "eq.1".  ret_argument not NULL: a value that does not even begin like an operator is none, and
 * *ret_argument says so. */
NODISCARD bool rest_filter_read(struct arena *a, struct str text, struct rest_filter *ret,
                                bool *ret_argument, struct rest_error *e);
/* [not.]op.value; in_tree: it ends where an item of and/or does. */
bool reader_operation(struct rest_reader *r, bool in_tree, struct rest_filter *ret);

/* `key` is "or", "not.and", "rel.not.or", …: ret_path is what is before. */
NODISCARD bool rest_logic_read(struct arena *a, struct str key, struct str text,
                               struct rest_names **ret_path, struct rest_condition **ret,
                               struct rest_error *e);

/* ---- the query string ---- */

/* Text that PostgreSQL can take: UTF-8 without NUL. */
bool rest_text_ok(struct str text);

struct rest_pair {
    struct str key, value;
    bool has_value; /* there was a "=" */
};

/* Decoded pairs of a query string or a form, in their order; false: text that cannot be. */
NODISCARD bool rest_pairs(struct arena *a, struct str query, struct rest_pair **ret,
                          size_t *ret_count);
/* By key, pairs of one key in their order. */
struct rest_pair **rest_pairs_sort(struct arena *a, struct rest_pair *pairs, size_t count);

/* Everything of the query string but the table's range: what was said about it, as it was said,
 * but for an offset below 0. */
struct rest_range {
    bool has_limit, has_offset;
    int64_t limit, offset;
};
NODISCARD bool rest_query(struct arena *a, struct str query, struct rest_request *ret,
                          struct rest_range *ret_range, struct rest_error *e);
/* PGRST103, because of the header Range or of a limit.  Returns false. */
bool rest_range_fail(struct arena *a, struct rest_error *e, bool header);

/* ---- headers ---- */

/* The first header of that name; ptr NULL: there is none. */
struct str rest_header(const struct net_request *http, const char *name);
/* Without blanks and tabs around. */
struct str rest_trim(struct str s);
/* The part of `rest` until a `stop` outside of quotes, trimmed; `rest` moves behind it. */
struct str rest_part(struct str *rest, char stop);
void rest_names_add(struct arena *a, struct rest_names ***tail, struct str name);

void rest_prefer_read(struct arena *a, const struct net_request *http, bool tx_allowed,
                      struct rest_prefer *ret);
struct rest_accept *rest_accept_read(struct arena *a, struct str header);
enum rest_body rest_content_type(struct arena *a, struct str header, struct str *ret_name);

/* ---- the body ---- */

NODISCARD bool rest_body_read(struct arena *a, const struct net_request *http,
                              struct rest_request *ret, struct rest_error *e);

enum rest_shape { REST_SCALAR, REST_ONE, REST_MANY };

struct rest_scanned {
    enum rest_shape shape;
    size_t elements;         /* of an array */
    bool uniform;            /* an array of objects with the same keys, or no array */
    bool too_many;           /* keys, to compare or to be columns */
    struct rest_names *keys; /* of the first object; sorted, each once */
};

/* False: no JSON. */
NODISCARD bool rest_scan(struct arena *a, struct str text, struct rest_scanned *ret);

/* CSV with a head line as a JSON array of objects.  False: *ret_problem says why. */
NODISCARD bool rest_csv(struct arena *a, struct str csv, struct str *ret_json,
                        struct rest_names **ret_columns, size_t *ret_rows,
                        const char **ret_problem);
/* A JSON string. */
void rest_json_string(struct buf *out, struct str text);

#endif
