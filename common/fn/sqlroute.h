/*
 * sqlroute: routes that are one SQL call.  Such a route has no C beyond its row:
 *
 *     static struct fn_sql add_note = {
 *         .stmt = {.sql = "SELECT notes.add_note($1::uuid, $2)", .kind = DB_WRITE},
 *         .params = {"@user", "words"},
 *     };
 *     … {.methods = FN_POST, .path = "", .who = FN_USER, .body = FN_BODY_JSON, .body_max = 4096,
 *        .inputs = inputs, .sql = &add_note}, …
 *
 * The statement returns one row of one column: the JSON text that is answered, or NULL for 404.
 * Inputs come from the path, else from the body's members (JSON), else from the query; each is
 * checked as its row in `inputs` says: 400 names what is missing or of another type.  An input that
 * may be missing is NULL then; one that no row describes is passed as it is.
 */
#ifndef FFX_FN_SQLROUTE_H
#define FFX_FN_SQLROUTE_H

#include "db/query.h"

#define FN_SQL_PARAMS_MAX 16

struct fn_sql {
    struct db_stmt stmt;
    /* In the order of $1, $2, …: the name of an input, "@user" (the caller's id, NULL for keys),
     * "@claims" (what the caller's token says, JSON), "@issuer" and "@subject" (of a token of
     * another issuer, which has neither id nor claims here), "@body" (the whole body), "@tail". */
    const char *params[FN_SQL_PARAMS_MAX];
    int status;          /* 0: 200 */
    const char *missing; /* the text of 404; NULL: "Not found" */
};

#endif
