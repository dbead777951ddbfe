/*
 * rows: what a statement returned.
 *
 * A result lives in its task's arena and is released with it.
 * Thread rule: loop's thread.
 */
#ifndef FFX_DB_ROWS_H
#define FFX_DB_ROWS_H

#include "base/prelude.h"

struct db_result;

struct db_row {
    const struct db_result *result;
    int row;
};

int db_rows(const struct db_result *r);
struct db_row db_row(const struct db_result *r, int row);
/* Column text, NULL for SQL NULL; NUL-terminated, valid until the request ends. */
const char *db_text(const struct db_row *row, int column);
struct str db_str(const struct db_row *row, int column);
bool db_true(const struct db_row *row, int column); /* boolean 't' */

#endif
