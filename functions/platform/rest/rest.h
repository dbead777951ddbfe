/*
 * rest: what the stages of the data API share: how they fail.
 *
 * A request goes through five stages, each in a folder that sees only those before it:
 *
 *   read/    what the request says, as text alone
 *   cache/   what the database has: tables, relations, functions
 *   plan/    what is asked for, in terms of what there is
 *   sql/     the statement
 *   answer/  statuses, headers, error bodies
 *
 * run.c sends the statement and decides before the first byte of an answer; main.c has the routes.
 * The words, codes and statuses are PostgREST's; its behaviour is what "the original" means here.
 */
#ifndef FFX_REST_H
#define FFX_REST_H

#include "base/arena.h"

/* Why a request is refused: the four members of the body, and its status.  details and hint are
 * NULL, or text, or, where details_json says so, JSON. */
struct rest_error {
    int status;
    const char *code, *message, *details, *hint;
    bool details_json;
    /* Content-Range, of ranges beyond the end, which are no proxy's error; NULL: none. */
    const char *range;
};

/* All stages report so: false, with *e filled. */
#define REST_TRY(expr)                                                                             \
    do {                                                                                           \
        if (!(expr))                                                                               \
            return false;                                                                          \
    } while (0)

/* A counted text for "%.*s". */
#define REST_STR(text) (int)(text).len, (text).ptr

/* Is it one of these names, which are ended by NULL? */
bool rest_is_among(struct str name, const char *const *names);
/* For qsort of texts. */
int rest_text_order(const void *x, const void *y);

/* Fills *e and returns false.  The message is formatted into the arena, however long. */
bool rest_fail(struct arena *a, struct rest_error *e, int status, const char *code,
               const char *format, ...) PRINTF(5, 6);

#endif
