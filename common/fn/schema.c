#include "fn/schema.h"

#include "db/query.h"
#include "db/rows.h"

/* Made by the build; ended by a NULL name. */
extern const struct fn_schema {
    const char *app;
    const char *sha256;
} fn_schemas[];

static struct db_stmt stored = {.sql = "SELECT app, sha256 FROM platform.schema()",
                                .kind = DB_READ};

enum err
fn_schema_check(struct task *task, const char **ret_problem)
{
    struct db_row row;

    TRY(db_one(task, &stored, DB_NO_PARAMS, &row));
    *ret_problem = "the database is of an application that this program was not built with";
    for (const struct fn_schema *s = fn_schemas; s->app != NULL; s++)
        if (str_is(db_str(&row, 0), s->app))
            *ret_problem = str_is(db_str(&row, 1), s->sha256)
                               ? NULL
                               : "the schema of the database is not the one that this program was "
                                 "built with";
    return ERR_OK;
}
