/* A result in the arena: one row is copied there, more stay with libpq until the task ends. */
#include "db/rows.h"

#include "db/array.h"
#include "db/internal.h"

static void
clear_result(void *result)
{
    struct db_result *r = result;

    PQclear(r->pg);
}

static void
copy_row(struct arena *a, struct db_result *r)
{
    const int columns = PQnfields(r->pg);
    struct str *cells = ARENA_ARRAY(a, struct str, (size_t)columns);
    size_t bytes = 0;

    for (int i = 0; i < columns; i++)
        bytes += (size_t)PQgetlength(r->pg, 0, i) + 1;
    char *text = arena_bytes(a, bytes);
    for (int i = 0; i < columns; i++) {
        if (PQgetisnull(r->pg, 0, i))
            continue;
        cells[i] = (struct str){text, (size_t)PQgetlength(r->pg, 0, i)};
        memcpy(text, PQgetvalue(r->pg, 0, i), cells[i].len + 1);
        text += cells[i].len + 1;
    }
    *r = (struct db_result){.columns = columns, .cells = cells};
}

bool
db_result_unpack(struct arena *a, struct db_result *r, const PGresult *pg, int row)
{
    const struct str text = {PQgetvalue(pg, row, 0), (size_t)PQgetlength(pg, row, 0)};
    const struct str *cells;
    size_t columns;

    if (!db_array_read(a, text, &cells, &columns))
        return false;
    *r = (struct db_result){.columns = (int)columns, .cells = cells};
    return true;
}

struct db_result *
db_result_new(struct arena *a)
{
    struct db_result *r = ARENA_NEW(a, struct db_result);

    arena_defer(a, clear_result, r);
    return r;
}

bool
db_result_set(struct arena *a, struct db_result *r, bool packed)
{
    if (PQntuples(r->pg) != 1)
        return true;
    PGresult *pg = r->pg;
    if (packed && !db_result_unpack(a, r, pg, 0))
        return false;
    if (!packed)
        copy_row(a, r);
    PQclear(pg);
    return true;
}

int
db_rows(const struct db_result *r)
{
    return r->pg == NULL ? 1 : PQntuples(r->pg);
}

struct db_row
db_row(const struct db_result *r, int row)
{
    MUST(row >= 0 && row < db_rows(r));
    return (struct db_row){r, row};
}

struct str
db_str(const struct db_row *row, int column)
{
    const struct db_result *r = row->result;

    if (r->pg == NULL) {
        MUST(column >= 0 && column < r->columns);
        return r->cells[column];
    }
    MUST(column >= 0 && column < PQnfields(r->pg));
    if (PQgetisnull(r->pg, row->row, column))
        return STR_NONE;
    return (struct str){PQgetvalue(r->pg, row->row, column),
                        (size_t)PQgetlength(r->pg, row->row, column)};
}

const char *
db_text(const struct db_row *row, int column)
{
    return db_str(row, column).ptr;
}

bool
db_true(const struct db_row *row, int column)
{
    const char *text = db_text(row, column);

    return text != NULL && text[0] == 't';
}
